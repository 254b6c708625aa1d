"""Jobs that are put aside by hand, and what is stored of that: for tests of sleep, events and steps below the tasks."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

from litequeue.base.models import ClaimedJob, Suspension, Unsettled
from litequeue.payload import Codec
from litequeue.store import Store
from litequeue.store.links import invariants
from litequeue.store.rules import FOREVER
from litequeue.store.turn import Turn
from litequeue.tasks.context import JobContext

from .links.driven import MINUTE, Hand, other

FAR = 10**16


def again(hand: Hand, job: int) -> ClaimedJob:
    """The job in its next attempt."""
    assert hand.claim() == [job]
    return hand.running.pop(job)


def rows_of(job: ClaimedJob, names: tuple[str, ...], until: int | None, step: str, now: int) -> tuple[Unsettled, Suspension]:
    """What a worker writes of a job that waits for these events, or sleeps."""
    row = other(job, "scheduled", now, run_at=FOREVER if until is None else until)
    return row, Suspension(job.id, job.attempt, step, until, json.dumps(names))


def put_aside(
    store: Store, job: ClaimedJob, *names: str, until: int | None = None, step: str = "wait", now: int, worker: int = 1
) -> Turn:
    """The turn of a worker in which that is written."""
    row, suspension = rows_of(job, names, until, step, now)
    return store.jobs.turn(worker, now, now + MINUTE, others=[row], suspended=[suspension])


def context_of(store: Store, job: ClaimedJob) -> JobContext:
    """What the job's task is given by ``current_job()``."""
    context = JobContext(job, 1, None, job.run_at)
    context._opener, context._codec = lambda: store, Codec()
    return context


class Found(NamedTuple):
    """What is in a file, which keeps to the invariants."""

    states: dict[int, str]
    steps: dict[tuple[int, str], tuple[Any, int | None, str | None]]  # value, until, event
    events: dict[str, Any]
    listeners: list[tuple[int, str]]


def found_in(db: str | Path) -> Found:
    with contextlib.closing(sqlite3.connect(db, timeout=5)) as connection:
        assert invariants.broken(connection) == []
        steps = connection.execute("SELECT job_id, name, value, until, event FROM litequeue_steps").fetchall()
        events = connection.execute("SELECT name, payload FROM litequeue_events").fetchall()
        return Found(
            dict(connection.execute("SELECT id, state FROM litequeue_jobs").fetchall()),
            {(job, name): (None if value is None else json.loads(value), *rest) for job, name, value, *rest in steps},
            {name: json.loads(payload) for name, payload in events},
            connection.execute("SELECT job_id, name FROM litequeue_listeners ORDER BY 1, 2").fetchall(),
        )
