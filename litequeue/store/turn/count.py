"""The step that adds what came of the worker's attempts to the history.

Owns nothing but that it happens in the turn's transaction: what is counted is of turns before, whose leases are known.
"""

from __future__ import annotations

import sqlite3

from .. import history
from .state import Turn


def count(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume nothing."""
    if turn.counted:
        history.add(connection, turn.counted)
