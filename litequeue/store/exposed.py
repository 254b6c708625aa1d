"""What a file tells a collector of metrics: levels by queue, slots, schedules, in a few milliseconds however large it is.

Owns the statements; what they are called there is ``exposition``'s. Levels of a million jobs are counted no further than ``MOST``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..base.stored import loads_as
from . import counting, history
from .file import Database

MOST: Final = 2_000  # rows of a state that are looked at for their queues

RETRYING: Final = """SELECT queue, 'retrying', count(*) FROM (SELECT queue FROM litequeue_jobs INDEXED BY litequeue_jobs_retrying
WHERE state = 'retrying' LIMIT :most) GROUP BY queue"""
# From the far end, where fewer are retried.
SCHEDULED: Final = """SELECT queue, 'scheduled', count(*) FROM (SELECT queue, state FROM litequeue_jobs INDEXED BY litequeue_jobs_due
WHERE state = 'scheduled' OR state = 'retrying' ORDER BY run_at DESC LIMIT :most) WHERE state = 'scheduled' GROUP BY queue"""
BLOCKED: Final = """SELECT queue, 'blocked', count(*) FROM (SELECT queue FROM litequeue_jobs INDEXED BY litequeue_jobs_blocked
WHERE state = 'blocked' LIMIT :most) GROUP BY queue"""
BUSY: Final = """SELECT worker_id, pool, count(*) FROM litequeue_jobs INDEXED BY litequeue_jobs_running WHERE state = 'running' GROUP BY worker_id, pool"""
SLOTS: Final = "SELECT id, slots FROM litequeue_workers WHERE stopped_at IS NULL"
PAUSED: Final = "SELECT name FROM litequeue_queues WHERE paused_at IS NOT NULL"
# Of each schedule, the last success among its last hundred ticks; of one whose tick is not closed yet the job itself is asked.
SCHEDULES: Final = """SELECT s.name, s.fires_at, (SELECT max(CASE
        WHEN t.job_state = 'succeeded' THEN t.job_finished_at
        WHEN t.job_state IS NULL THEN (SELECT j.finished_at FROM litequeue_jobs AS j WHERE j.id = t.job_id AND j.state = 'succeeded') END) FROM (
    SELECT job_id, job_state, job_finished_at FROM litequeue_ticks WHERE schedule_id = s.id ORDER BY tick_at DESC LIMIT 100) AS t)
FROM litequeue_schedules AS s ORDER BY s.name LIMIT :most"""
TICKS: Final = """SELECT s.name, c.outcome, c.count FROM litequeue_tick_counts AS c JOIN litequeue_schedules AS s ON s.id = c.schedule_id
ORDER BY s.name, c.outcome LIMIT :most"""
MOST_SCHEDULES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Exposed:
    """A file at one moment. Times in microseconds."""

    jobs: Mapping[tuple[str, str], int]  # by queue and live state
    oldest: Mapping[str, int]  # by queue, since when
    paused: frozenset[str]
    enqueued: int
    ever: Mapping[tuple[str, str], history.Sums]  # by task and queue
    slots: Mapping[str, int]  # by pool
    busy: Mapping[str, int]  # of those, at most all of them
    schedules: tuple[tuple[str, int | None, int | None], ...]  # name, next tick, last success
    ticks: tuple[tuple[str, str, int], ...]  # schedule, outcome, how many


def read(database: Database) -> Exposed:
    with database.read() as connection:
        slots, busy = _slots(connection)
        return Exposed(
            _levels(connection),
            counting.oldest(connection),
            frozenset(name for (name,) in connection.execute(PAUSED).fetchall()),
            counting.last_id(connection),
            history.ever(connection),
            slots,
            busy,
            tuple(connection.execute(SCHEDULES, {"most": MOST_SCHEDULES}).fetchall()),
            tuple(connection.execute(TICKS, {"most": 5 * MOST_SCHEDULES}).fetchall()),
        )


def _levels(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {(queue, "available"): count for queue, count in counting.available(connection).items()}
    for queue, count in connection.execute(counting.RUNNING_BY_QUEUE, {"most": MOST}).fetchall():
        found[queue, "running"] = count
    for sql in (RETRYING, SCHEDULED, BLOCKED):
        for queue, state, count in connection.execute(sql, {"most": MOST}).fetchall():
            found[queue, state] = count
    return found


def _slots(connection: sqlite3.Connection) -> tuple[dict[str, int], dict[str, int]]:
    """A worker holds up to a thousand jobs beyond its slots: those do not make it busier."""
    held: dict[tuple[int, str], int] = {(worker, pool): count for worker, pool, count in connection.execute(BUSY).fetchall()}
    slots: dict[str, int] = {}
    busy: dict[str, int] = {}
    for worker, text in connection.execute(SLOTS).fetchall():
        for pool, count in loads_as(text, dict).items():
            if not isinstance(count, int):  # planted
                continue
            slots[pool] = slots.get(pool, 0) + count
            busy[pool] = busy.get(pool, 0) + min(held.get((worker, pool), 0), count)
    return slots, busy
