"""Tasks for schedules under faults: each writes down the tick that it runs for, when it begins and when it ends."""

from __future__ import annotations

import time

from litequeue import LiteQueue, current_job

from ..sample import note

app = LiteQueue("ticking.sqlite")


@app.task
def tick(ledger: str, schedule: str, seconds: float = 0.0) -> None:
    job = current_job()
    assert job.scheduled_for is not None
    name = f"{schedule} {job.scheduled_for.timestamp():.3f} {job.id}"
    note(ledger, f"start {name} {time.monotonic():.6f}")
    time.sleep(seconds)
    note(ledger, f"end {name} {time.monotonic():.6f}")


@app.task
def now() -> float:
    return time.monotonic()


@app.task(timeout=1.5)
def busy(ledger: str, seconds: float) -> str:
    note(ledger, "busy")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.005)
    return "finished"
