"""The tasks of the day in the life of a fleet: each says in a ledger outside of SQLite that it began and that it ended."""

from __future__ import annotations

import os
import random
import time

from litequeue import LiteQueue

from ..sample import note

app = LiteQueue("day.sqlite")


@app.task
def work(key: str) -> str:
    return _work(key)


@app.task(pool="process")
def crunch(key: str) -> str:
    return _work(key)


def _work(key: str) -> str:
    ledger = os.environ["DAY_LEDGER"]
    note(ledger, f"start {key}")
    time.sleep(random.uniform(0.005, 0.03))
    print(f"did {key}", flush=True)
    note(ledger, f"end {key}")
    return key
