"""Calls the tasks, and prints what they came to: ``drive.py tasks`` in the file, ``drive.py celeryapp`` in Celery."""

import asyncio
import importlib
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

importlib.import_module(sys.argv[1])
import tasks
from tasks import HERE, Point

SLOW = 30  # seconds, which only a failure takes
BERLIN = ZoneInfo("Europe/Berlin")
VALUES = [
    (1, "a"), {1, 2}, frozenset("ab"), b"\x00\xff", bytearray(b"x"), datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1), timedelta(days=1, microseconds=3), 1j, float("inf"),
    {1: "a", (2, 3): [4]}, 10**5000, "\ud800", {"$tuple": [1]}, {"__type__": "x", "__value__": 1}, Point(1, 2), None, [], {}, "",
]  # fmt: skip


def came_to(job):
    """What a job came to, in words that are the same everywhere."""
    try:
        return job.get(timeout=SLOW)
    except Exception as error:  # noqa: BLE001
        cause = error.__cause__
        said = f"{error.type}: {error.message}" if hasattr(error, "type") else ""
        return [type(error).__name__, said, repr(cause) if cause is not None else ""]


found = {}
jobs = {
    "add": tasks.add.delay(1, y=2), "compute": tasks.compute.delay(1000), "fetch": tasks.fetch.delay("x"), "flaky": tasks.flaky.delay(), "says_when": tasks.says_when.delay(),
    "gives_up": tasks.gives_up.delay(), "fails": tasks.fails.delay("luck"), "snoozes": tasks.snoozes.delay(), "discards": tasks.discards.delay(), "cancels": tasks.cancels.delay(),
    "once": tasks.once.delay("only"), "unstorable": tasks.unstorable.delay(), "slow": tasks.slow.delay(), "too_slow": tasks.too_slow.delay(), "tidy": tasks.tidy.delay(),
    "headers": tasks.headers.apply_async(headers={"trace": "17", "n": 2.5}), "more tries": tasks.fails.apply_async(("more",), retries=3),
    "by name": tasks.app.enqueue("tasks.add", 2, 3), "secretive": tasks.secretive.delay("ann", "hunter22"),
}  # fmt: skip
many = tasks.add.delay_many([(n, n) for n in range(5)])
begun = time.time()
late = tasks.echo.apply_async(("late",), countdown=0.5)
found["late"] = [late.get(timeout=SLOW), 0.45 < time.time() - begun < 20]
eta = tasks.echo.apply_async(("eta",), eta=datetime.now(UTC) + timedelta(seconds=0.2))
found["eta"] = eta.get(timeout=SLOW)
found["equal"] = [index for index, value in enumerate(VALUES) if (back := tasks.echo.delay(value).get(timeout=SLOW)) != value or type(back) is not type(value)]
found |= {name: came_to(job) for name, job in jobs.items()}
found["many"] = [job.get(timeout=SLOW) for job in many]


async def awaited():
    return await asyncio.gather(tasks.add.delay(3, 4), tasks.echo.delay(5))


found["awaited"] = asyncio.run(awaited())
for _ in range(SLOW * 20):
    if (HERE / "ticks").exists() and len((HERE / "ticks").read_text().splitlines()) >= 2:
        break
    time.sleep(0.05)
found["ticks"] = sorted(set((HERE / "ticks").read_text().splitlines()))
found["once"] = [found["once"], (HERE / "once").read_text()]
states = {"succeeded": jobs["add"], "discarded": jobs["fails"], "cancelled": jobs["cancels"]}
found["states"] = {state: job.state for state, job in states.items()}
found["done"] = [jobs["add"].done(), jobs["add"].wait(timeout=1), jobs["add"].cancel()]
print(json.dumps(found))
