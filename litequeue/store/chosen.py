"""One job that somebody has chosen, to run it himself: how it stands, and the claim of it.

Owns the transaction in which it is let go, if it was to run later or had ended, and claimed at once, so that no other worker comes between. All that a turn does
is done in it, by the steps of a turn: a limited job gets its slot there, or none, and then nothing of it has happened.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from ..base.models import Adoption, ClaimedJob
from .file import Database
from .operations import hurried, revive
from .turn import Turn, pipeline
from .turn.claim import NAMED, lease


class _NotFree(Exception):
    """Whoever raises it wants nothing of the transaction to have happened."""


class Chosen:
    """Jobs that are named."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def look(self, job: int) -> tuple[ClaimedJob, str] | None:
        """The job as it would be claimed, and its state. None: it is not there."""
        with self._database.read() as connection:
            return _found(connection, job)

    def claim(self, job: int, worker: int, now: int, lease_until: int, adoptions: Sequence[Adoption] = (), *, again: bool = False) -> Turn | None:
        """Let the worker run it now, whatever its queue, its pool and the time; ``again``: although it had ended. What the turn came to; None if it cannot be
        had now, and then nothing has changed."""
        turn = Turn(worker, now, lease_until, adoptions=adoptions)
        try:
            with self._database.write(durable=False) as connection:
                if not again or not revive(connection, [job], now):
                    hurried(connection, job, now, from_start=False)
                for step in pipeline.STEPS:
                    step(connection, turn)
                found = _found(connection, job)
                if found is None or found[1] != "available" or turn.closed:
                    raise _NotFree
                turn.claimed.append(found[0])
                turn.look = turn.look._replace(limited=found[0].limit_key is not None)
                lease(connection, turn)
        except _NotFree:
            return None
        return turn


def _found(connection: sqlite3.Connection, job: int) -> tuple[ClaimedJob, str] | None:
    row = connection.execute(NAMED, {"id": job}).fetchone()
    if row is None:
        return None
    return ClaimedJob._make(json.loads(row[0].decode("utf-8", "surrogateescape"))), row[1]
