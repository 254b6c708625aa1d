"""A worker that waits for the write lock, which somebody else has for long."""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue, SoftTimeout
from litequeue.base.errors import QueueBusy, StorageFull
from litequeue.worker.patience import SHORTEST, Patience

from ..support import wait_until

BUSY = QueueBusy("held")


def test_a_turn_waits_until_the_next_calls_time_is_up_or_as_long_as_anybody() -> None:
    def waits(until: float) -> float | None:
        return Patience(30.0, lambda: until, lambda: 100.0).now()

    assert waits(103.0) == 3.0
    assert waits(130.5) is None and waits(math.inf) is None
    assert waits(100.0) == SHORTEST, "what is late already must not make it turn and turn"


def test_for_what_is_only_counted_it_waits_a_moment() -> None:
    """A call may have begun of whose timeout nobody here has heard: else it came once the lock was had."""
    assert Patience(30.0, lambda: math.inf, lambda: 100.0).now(for_jobs=False) == SHORTEST


def test_what_is_cut_short_is_refused_once_the_lock_was_not_had_for_as_long_as_anybody_waits() -> None:
    patience = Patience(30.0, lambda: math.inf, lambda: 100.0)
    assert not patience.is_refused(BUSY, 100.0, 103.0)
    assert not patience.is_refused(BUSY, 103.0, 129.0)
    assert patience.is_refused(BUSY, 129.0, 131.0)
    assert not patience.is_refused(BUSY, 131.0, 140.0), "it counts anew"
    patience.had()
    assert not patience.is_refused(BUSY, 140.0, 169.0)
    assert patience.is_refused(StorageFull("full"), 169.0, 169.1)


def slow_task(app: LiteQueue, soft_timeout: float) -> tuple[Any, threading.Event, list[float]]:
    """A task that does not end before its soft timeout; when it has begun, and after how many seconds that came."""
    began = threading.Event()
    seconds: list[float] = []

    @app.task(name="slow", soft_timeout=soft_timeout)
    def slow() -> None:
        since = time.monotonic()
        began.set()
        try:
            while time.monotonic() < since + 8:
                time.sleep(0.01)
        except SoftTimeout:
            seconds.append(time.monotonic() - since)

    return slow, began, seconds


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("takes_the_gate", [True, False], ids=["our transaction", "a program's own"])
def test_timeouts_come_in_time_while_a_transaction_holds_the_lock(
    app: LiteQueue, db: Path, caplog: pytest.LogCaptureFixture, takes_the_gate: bool
) -> None:
    """They came when it was over: the thread that sees to them waited for the lock, to write what had ended."""
    slow, began, seconds = slow_task(app, soft_timeout=1.0)
    quick = app.task(name="quick")(lambda: may_end.wait(5) and None)
    may_end = threading.Event()
    job, other = slow.delay(), quick.delay()
    with caplog.at_level(logging.WARNING), app.worker(threads=2):
        assert began.wait(5)
        wait_until(lambda: other.state == "running")
        if takes_the_gate:
            with app.transaction():
                may_end.set()
                time.sleep(2.5)
        else:
            connection = sqlite3.connect(db, isolation_level=None)
            connection.execute("BEGIN IMMEDIATE")
            may_end.set()
            time.sleep(2.5)
            connection.execute("COMMIT")
            connection.close()
        job.get(timeout=5)
        other.get(timeout=5)
    assert seconds and seconds[0] < 1.7
    assert [record.message for record in caplog.records if "keeps" in record.message or "within" in record.message] == []


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("kind", ["fails", "once"])
def test_timeouts_come_in_time_whatever_else_the_worker_wants_to_write(app: LiteQueue, db: Path, kind: str) -> None:
    """Telling of what was discarded, or the sync before a job that runs at most once: somebody has the lock right after the turn."""
    slow, began, seconds = slow_task(app, soft_timeout=1.5)

    @app.task(name="fails")
    def fails() -> None:
        raise ValueError

    once = app.task(name="once", at_most_once=True)(lambda: None)
    told = app.on_discarded(app.task(name="told")(lambda job: None))
    job = slow.delay()
    connection = sqlite3.connect(db, isolation_level=None)
    with app.worker(threads=2):
        assert began.wait(5)
        other = (fails if kind == "fails" else once).delay()
        state = "discarded" if kind == "fails" else "running"
        wait_until(lambda: connection.execute("SELECT state FROM litequeue_jobs WHERE id = ?", (other.id,)).fetchone() == (state,) or other.done())
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(2.5)
        connection.execute("COMMIT")
        job.wait(5)
        wait_until(lambda: other.done() and (kind == "once" or app.jobs(task=told.name)))
    connection.close()
    assert seconds and seconds[0] < 2.3
