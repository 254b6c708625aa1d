"""The end of a job, written by the job itself in its own transaction.

Owns the fence at its beginning, and the row at its end, with what is counted of it. What the worker writes later of the same end finds the job as it says, and
changes nothing (``turn/settle``).
"""

from __future__ import annotations

import sqlite3
from typing import Final

from ..base.errors import JobCancelled, LeaseLost
from ..base.history import of_success
from . import history
from .file import Database
from .file.joined import Transaction
from .rules import DUE

FENCE: Final = """SELECT cancel_requested_at IS NOT NULL FROM litequeue_jobs
WHERE id = :id AND attempt = :attempt AND state = 'running'"""
DUE_OF: Final = f"SELECT task, queue, {DUE} FROM litequeue_jobs WHERE id = :id"
ACK: Final = """UPDATE litequeue_jobs SET state = 'succeeded', lease_expires_at = NULL, started_at = :started_at, finished_at = :finished_at,
    result = :result, prune_at = :prune_at, last_error = NULL
WHERE id = :id AND attempt = :attempt AND state = 'running'"""


class Acks:
    """Transactions of running jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self) -> Transaction:
        return Transaction(self._database)

    @staticmethod
    def refuse_lost(connection: sqlite3.Connection, job: int, attempt: int) -> None:
        """Raise LeaseLost or JobCancelled where this attempt is not to change anything any more."""
        row = connection.execute(FENCE, {"id": job, "attempt": attempt}).fetchone()
        if row is None:
            raise LeaseLost(f"job {job}: this attempt is not the one that counts any more, so its transaction did not begin")
        if row[0]:
            raise JobCancelled(f"job {job} was cancelled, so its transaction did not begin")

    @staticmethod
    def acknowledge(
        connection: sqlite3.Connection, job: int, attempt: int, *, result: str, started_at: int, finished_at: int, prune_at: int
    ) -> None:
        """In the transaction that began behind the fence: nobody has written since."""
        row = {"id": job, "attempt": attempt, "result": result, "started_at": started_at, "finished_at": finished_at, "prune_at": prune_at}
        (task, queue, due) = connection.execute(DUE_OF, row).fetchone()
        connection.execute(ACK, row)
        history.add(connection, [of_success(finished_at, task, queue, finished_at - started_at, started_at - due)])
