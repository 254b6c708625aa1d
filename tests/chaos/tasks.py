"""The tasks of the chaos run: each writes to the ledger when it begins and when it ends.

A line's time is the monotonic clock, which all processes of a Linux machine share. The worker's pid is in it
because a pool's process dies with its worker. Every task returns the number of its execution.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from typing import Any, Final

from litequeue import LiteQueue, current_job

from ..sample import note

app = LiteQueue("chaos.sqlite")

# Schedules of the run, with their periods in microseconds.
SCHEDULES: Final[dict[str, tuple[int, dict[str, Any]]]] = {
    "quarter": (250_000, {"every": 0.25, "catch_up": "all", "grace": "1h"}),
    "half": (500_000, {"every": 0.5}),
    "jittered": (1_000_000, {"every": 1, "jitter": 0.9, "catch_up": "all", "grace": "1h"}),
    "cron": (
        2_000_000,
        {"cron": "*/2 * * * * *", "seconds": True, "timezone": "UTC", "catch_up": "all", "grace": "1h"},
    ),
}


def _line(what: str, ledger: str, *more: int) -> None:
    job, me, parent = current_job(), os.getpid(), multiprocessing.parent_process()
    worker = me if parent is None else parent.pid
    words = (what, job.id, job.attempt, me, worker, f"{time.monotonic():.6f}", *more)
    note(ledger, " ".join(map(str, words)))


def _work(ledger: str, seconds: float) -> int:
    _line("start", ledger)
    if seconds:
        time.sleep(seconds)
    _line("end", ledger)
    return current_job().attempt


@app.task
def quick(ledger: str, key: str) -> int:
    return _work(ledger, 0)


@app.task
def slow(ledger: str, key: str, seconds: float) -> int:
    return _work(ledger, seconds)


@app.task(retries=4, backoff=0.05)
def flaky(ledger: str, key: str, failures: int) -> int:
    execution = _work(ledger, 0.002)
    if execution <= failures:
        raise ValueError("not yet")
    return execution


@app.task(at_most_once=True)
def once(ledger: str, key: str, seconds: float) -> int:
    return _work(ledger, seconds)


@app.task(pool="process", retries=2, backoff=0.05)
def in_process(ledger: str, key: str, seconds: float) -> int:
    return _work(ledger, seconds)


@app.task(pool="process", at_most_once=True)
def once_in_process(ledger: str, key: str, seconds: float) -> int:
    return _work(ledger, seconds)


def _fork(seconds: float) -> None:
    """A child with a copy of all that this process has open, which outlives the job and perhaps the worker."""
    if os.fork() == 0:
        time.sleep(seconds)
        os._exit(0)


@app.task
def forking(ledger: str, key: str, seconds: float) -> int:
    _fork(20 * seconds)
    return _work(ledger, seconds)


@app.task(pool="process", retries=2, backoff=0.05)
def forking_in_process(ledger: str, key: str, seconds: float) -> int:
    _fork(20 * seconds)
    return _work(ledger, seconds)


AT_ONCE: Final = 2
STARTS: Final = 20
PER: Final = 3.0  # seconds
app.limit("narrow", max_running=AT_ONCE)


@app.task(limit="narrow", retries=2, backoff=0.05)
def narrow(ledger: str, key: str, seconds: float) -> int:
    return _work(ledger, seconds / 4)


@app.task(limit="narrow", pool="process", retries=2, backoff=0.05)
def narrow_in_process(ledger: str, key: str, seconds: float) -> int:
    return _work(ledger, seconds / 4)


@app.task(rate=f"{STARTS}/{PER:g}s", retries=4, backoff=0.05)
def rated(ledger: str, key: str, failures: int) -> int:
    execution = _work(ledger, 0.002)
    if execution <= failures:
        raise ValueError("not yet")
    return execution


@app.task
async def in_async(ledger: str, key: str, seconds: float) -> int:
    _line("start", ledger)
    try:
        await asyncio.sleep(seconds)
    finally:
        _line("end", ledger)
    return current_job().attempt


@app.task
def ticked(ledger: str, key: str) -> int:
    """Of a schedule: its tick is in the ledger too."""
    tick = current_job().scheduled_for
    assert tick is not None
    _line("start", ledger, round(tick.timestamp() * 1_000_000))
    _line("end", ledger)
    return current_job().attempt


def add_schedules(ledger: str) -> None:
    for name, (_, options) in SCHEDULES.items():
        app.schedules.add(name, ticked, args=[ledger, f"{name}.0"], overlap="allow", **options)


def pause_schedules() -> None:
    for name in SCHEDULES:
        app.schedules.pause(name)
