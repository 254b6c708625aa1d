"""Which discarded jobs somebody has still to be told of, and the ticking off.

Owns ``reported_at``. Every discarded job is ticked off, whether anybody asked or not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from ..base.models import NewJob, TaskOrigin
from . import queries
from .file.database import Database
from .jobs import record_origin


class Telling(NamedTuple):
    """A discarded job, and the jobs that tell of it."""

    job_id: int
    jobs: Sequence[NewJob]


class Notices:
    """Telling of discarded jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unreported(self, limit: int) -> list[tuple[int, str | None, str | None]]:
        """Jobs that nobody was told of: the id, and the command and the address of its schedule."""
        with self._database.read() as connection:
            return connection.execute(queries.UNREPORTED, {"limit": limit}).fetchall()

    def report(self, told: Sequence[Telling], origins: Sequence[TaskOrigin], now: int) -> int:
        """Tick jobs off, each with the jobs that tell of it; how many tell. Those that somebody else ticked off
        in the meantime are left alone."""
        count = 0
        with self._database.write(durable=True) as connection:
            for origin in origins:
                record_origin(connection, origin, now)
            for job_id, jobs in told:
                if connection.execute(queries.REPORTED, {"id": job_id, "now": now}).rowcount:
                    insert_notices(connection, jobs, now)
                    count += len(jobs)
        return count


def insert_notices(connection: sqlite3.Connection, jobs: Sequence[NewJob], now: int) -> None:
    """Insert jobs that tell of a failure; of their own failure nobody is told."""
    for job in jobs:
        job_id = connection.execute(queries.INSERT_JOB, job).lastrowid
        connection.execute(queries.SILENCE, {"id": job_id, "now": now})
