"""An order that outlives failures and restarts: charge, sleep, wait for the delivery, mail; and one that is refunded.

    python examples/durable_order.py
"""

import tempfile
import time
from pathlib import Path

from litequeue import EventTimeout, LiteQueue, current_job

app = LiteQueue(Path(tempfile.mkdtemp()) / "orders.sqlite")
ledger = []  # what the world outside sees


def charge(order, amount):
    ledger.append(f"charged {amount} for order {order}")
    return {"order": order, "amount": amount}


def refund(payment):
    ledger.append(f"refunded {payment['amount']} for order {payment['order']}")


def mail(order, text):
    ledger.append(f"mailed about order {order}: {text}")


@app.task(retries=3, backoff=0.1)
def fulfil(order, amount, patience):
    job = current_job()
    payment = job.step("charge", charge, order, amount)  # once, however often this runs
    if job.attempt == 1:
        raise ConnectionError("the warehouse does not answer")
    job.sleep("200ms")  # in life: "2d"; it holds no thread, and a restart does not matter
    try:
        delivery = job.wait_for(f"delivered:{order}", timeout=patience)
    except EventTimeout:
        job.step("refund", refund, payment)
        job.step("mail", mail, order, "we are sorry")
        return "refunded"
    job.step("mail", mail, order, f"delivered to {delivery['to']}")
    return "delivered"


if __name__ == "__main__":
    with app.worker():
        first, second = fulfil.delay(17, 50, "14d"), fulfil.delay(18, 80, "1s")
        while (why := first.why_waiting()) is None or "delivered" not in why:
            time.sleep(0.01)
        print(f"order 17: {why}")
        app.emit("delivered:17", {"to": "Ann"})
        print("order 17:", first.get(timeout=30), [step.name for step in first.steps()])
        print("order 18:", second.get(timeout=30))
    print(*sorted(ledger), sep="\n")
    print("durable_order: done")
