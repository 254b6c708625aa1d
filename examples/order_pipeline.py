"""An order pipeline: each step enqueues the next, and what is urgent overtakes.

    python examples/order_pipeline.py
"""

import dataclasses
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from litequeue import Discard, LiteQueue

app = LiteQueue(Path(tempfile.mkdtemp()) / "orders.sqlite")
shipped = []


@dataclasses.dataclass
class Order:
    number: int
    total: Decimal
    express: bool = False


app.register_type(Order)  # now orders travel as they are, Decimal and all


@app.task(queue="orders")
def check(order):
    time.sleep(0.06)  # somebody else's server; what is urgent overtakes what waits for it
    if order.total <= 0:
        raise Discard(f"order {order.number} has nothing to pay")
    charge.apply_async((order,), priority=10 if order.express else 0)


@app.task(queue="orders", at_most_once=True)  # never charge a card twice; better ask the customer
def charge(order):
    time.sleep(0.06)
    ship.apply_async((order,), priority=10 if order.express else 0)


@app.task(queue="orders", retries=5)
def ship(order):
    shipped.append(order.number)


if __name__ == "__main__":
    orders = [Order(n, Decimal("9.90") * n, express=n % 4 == 3) for n in range(8)]
    for order in orders:
        check.apply_async((order,), priority=20)
    with app.worker(threads=1, queues=["orders"], burst=True) as worker:
        worker.join(20)
    print(f"shipped in this order: {shipped}")
    for job in app.jobs(state="discarded"):
        print(f"discarded: {job.last_error}")
    print(f"jobs by state: {app.stats().states}")
    print("order_pipeline: done")
