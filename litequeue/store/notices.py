"""Which discarded jobs somebody has still to be told of, and the ticking off.

Owns ``reported_at``. Every discarded job is ticked off, whether anybody asked or not. And says when it is time to look at what alerts watch, of which a worker
that has none loads nothing (``alerts``: 2 ms and 0.3 MB).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..base.checks import MICROS
from ..base.models import NewJob, TaskOrigin
from .file import Database
from .inserting import insert_job
from .origins import record_origin

UNREPORTED: Final = """SELECT id,
    (SELECT on_failure FROM litequeue_schedules AS s WHERE s.id = schedule_id),
    (SELECT mail_to FROM litequeue_schedules AS s WHERE s.id = schedule_id)
FROM litequeue_jobs WHERE state = 'discarded' AND reported_at IS NULL ORDER BY id LIMIT :limit"""
REPORTED: Final = """UPDATE litequeue_jobs SET reported_at = :now
WHERE id = :id AND state = 'discarded' AND reported_at IS NULL"""
LOOK_PAUSE: Final = 25 * MICROS  # who comes each 30 seconds, or each third time that he does his chores, is never a moment early
# One that is due far from now is so by a clock that was ahead.
LOOK_DUE: Final = f"paused_at IS NULL AND (next_check_at <= :now - :late OR next_check_at > :now + {LOOK_PAUSE})"
IS_LOOK_DUE: Final = f"SELECT EXISTS (SELECT 1 FROM litequeue_alerts WHERE {LOOK_DUE})"
SILENCE: Final = "UPDATE litequeue_jobs SET reported_at = :now WHERE id = :id"


class Telling(NamedTuple):
    """A discarded job, and the jobs that tell of it."""

    job_id: int
    jobs: Sequence[NewJob]


class Notices:
    """Telling of discarded jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_look_due(self, now: int, late: int = 0) -> bool:
        """Whether somebody should look at what alerts watch; ``late``: only if nobody has who should have, for so long."""
        return bool(self._database.one(IS_LOOK_DUE, {"now": now, "late": late})[0])

    def unreported(self, limit: int) -> list[tuple[int, str | None, str | None]]:
        """Jobs that nobody was told of: the id, and the command and the address of its schedule."""
        with self._database.read() as connection:
            return connection.execute(UNREPORTED, {"limit": limit}).fetchall()

    def report(self, told: Sequence[Telling], origins: Sequence[TaskOrigin], now: int, patience: float | None = None) -> int:
        """Tick jobs off, each with the jobs that tell of it; how many tell. Those that somebody else ticked off
        in the meantime are left alone."""
        count = 0
        with self._database.write(durable=True, patience=patience) as connection:
            for origin in origins:
                record_origin(connection, origin, now)
            for job_id, jobs in told:
                if connection.execute(REPORTED, {"id": job_id, "now": now}).rowcount:
                    insert_notices(connection, jobs, now)
                    count += len(jobs)
        return count


def insert_notices(connection: sqlite3.Connection, jobs: Sequence[NewJob], now: int) -> None:
    """Insert jobs that tell of a failure; of their own failure nobody is told."""
    for job in jobs:
        connection.execute(SILENCE, {"id": insert_job(connection, job), "now": now})
