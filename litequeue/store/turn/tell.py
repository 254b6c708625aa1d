"""The step that tells jobs of the end of those that they waited for."""

from __future__ import annotations

import sqlite3

from ..links import telling
from .look import look_again
from .state import Turn


def tell(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that what was settled, cancelled and expired is final. Asks anew which queues have jobs, since it changes that; what
    is more than its share is told in the next turn."""
    look = turn.look
    expired = look.next_expiry is not None and look.next_expiry <= turn.now
    if not (look.untold or look.sweep or expired):
        return
    told = telling.tell(connection, turn.now, turn.keep_discarded)
    turn.look = look._replace(untold=told.more)
    turn.freed += told.freed
    turn.moved = True
    look_again(connection, turn)
