"""The step that ends jobs whose cancel came while they ran, and which went back to waiting."""

from __future__ import annotations

import sqlite3
from typing import Final

from .. import history
from ..rules import KEEP
from .state import Turn

# A job whose cancel came while it ran, and which went back to waiting, does not run again.
_WHICH: Final = """id IN (
    SELECT id FROM litequeue_jobs
    WHERE cancel_requested_at IS NOT NULL AND finished_at IS NULL AND state <> 'running')"""
CANCEL_REQUESTED: Final = f"UPDATE litequeue_jobs SET state = 'cancelled', finished_at = :now, prune_at = :prune_at WHERE {_WHICH}"
COUNT: Final = history.count_of(_WHICH)


def cancel_requested(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that the look saw whether there are any. Before the promotion, so that none of them is claimed."""
    if turn.look.sweep:
        history.count(connection, COUNT, {}, "cancelled", turn.now)
        connection.execute(CANCEL_REQUESTED, {"now": turn.now, "prune_at": turn.now + KEEP})
