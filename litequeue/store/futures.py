"""What the futures of an executor ask of the file: which jobs have ended and what they came to, and that some do not begin.

Owns these statements, each for many jobs at once. What the end of a job means for its future is not decided here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from ..base.bell import Address
from . import history
from .bells import everyone
from .file import Database
from .links import telling
from .rules import KEEP

# As reports.ENDED, with what is needed of each in the same look.
ENDINGS: Final = """SELECT v.value, j.state, j.result, j.last_error FROM json_each(:ids) AS v LEFT JOIN litequeue_jobs AS j ON j.id = v.value
WHERE j.id IS NULL OR j.finished_at IS NOT NULL ORDER BY j.finished_at, v.value"""
# Only what nobody has begun, ever: a claim that was given back is counted as a release.
_NOT_BEGUN: Final = "id IN (SELECT value FROM json_each(:ids)) AND finished_at IS NULL AND lease_expires_at IS NULL AND attempt = releases"
WITHDRAW: Final = f"""UPDATE litequeue_jobs
SET state = 'cancelled', finished_at = :now, prune_at = :prune_at, cancel_requested_at = :now
WHERE {_NOT_BEGUN} RETURNING id, links"""
COUNT_NOT_BEGUN: Final = history.count_of(_NOT_BEGUN)
UNFINISHED: Final = """SELECT id FROM litequeue_jobs WHERE state = 'available' AND queue = :queue AND task = :task
UNION ALL SELECT id FROM litequeue_jobs WHERE state = 'running' AND queue = :queue AND task = :task
UNION ALL SELECT id FROM litequeue_jobs WHERE (state = 'scheduled' OR state = 'retrying') AND queue = :queue AND task = :task
UNION ALL SELECT id FROM litequeue_jobs WHERE state = 'blocked' AND queue = :queue AND task = :task ORDER BY id"""

Ending = tuple[str, str | None, str | None]  # state, result, last_error


class Futures:
    """One file's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def endings(self, jobs: Sequence[int]) -> list[tuple[int, Ending | None]]:
        """Those of these jobs that are final, what ended first first; None for one that is not there any more."""
        with self._database.read() as connection:
            rows = connection.execute(ENDINGS, {"ids": json.dumps(jobs)}).fetchall()
        return [(job, None if state is None else (state, result, error)) for job, state, result, error in rows]

    def withdraw(self, jobs: Sequence[int], now: int) -> tuple[set[int], list[Address]]:
        """Cancel those of these jobs that have not begun: which, and whom to wake. What a worker holds is left alone."""
        with self._database.write(durable=True) as connection:
            parameters = {"ids": json.dumps(jobs), "now": now, "prune_at": now + KEEP}
            history.count(connection, COUNT_NOT_BEGUN, parameters, "cancelled", now)
            rows = connection.execute(WITHDRAW, parameters).fetchall()
            if any(links in (1, 5) for _, links in rows):
                telling.tell(connection, now)
            return {job for job, _ in rows}, everyone(connection) if rows else []

    def unfinished(self, task: str, queue: str) -> list[int]:
        """A task's jobs in a queue that are not final, the oldest first."""
        with self._database.read() as connection:
            return [job for (job,) in connection.execute(UNFINISHED, {"task": task, "queue": queue}).fetchall()]
