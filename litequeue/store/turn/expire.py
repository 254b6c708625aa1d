"""The step that drops jobs which were not started by their deadline."""

from __future__ import annotations

import sqlite3
from typing import Final

from .. import history
from ..rules import EXPIRED, KEEP
from .state import Turn

# So many in one turn: the write lock is never held for long.
BATCH: Final = 1000

_WHICH: Final = """id IN (
    SELECT id FROM litequeue_jobs
    WHERE expires_at IS NOT NULL AND finished_at IS NULL AND lease_expires_at IS NULL
      AND expires_at <= :now
    ORDER BY expires_at LIMIT :limit)"""
EXPIRE: Final = f"UPDATE litequeue_jobs SET {EXPIRED} WHERE {_WHICH}"
COUNT: Final = history.count_of(_WHICH)


def expire(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that the look saw the next deadline. Where there may be more than one turn's share, nothing is claimed: it
    might be one of those."""
    due = turn.look.next_expiry
    if due is not None and due <= turn.now:
        parameters = {"now": turn.now, "prune_at": turn.now + KEEP, "limit": BATCH}
        history.count(connection, COUNT, parameters, "expired", turn.now)
        turn.closed |= connection.execute(EXPIRE, parameters).rowcount == BATCH
