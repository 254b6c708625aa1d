"""The step that tells jobs of the end of those that they waited for."""

from __future__ import annotations

import sqlite3

from ..links import telling
from .look import WAITING, WAITING_NAMED, asked, waiting_queues
from .state import Turn


def tell(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that what was settled, cancelled and expired is final. Asks anew which queues have jobs, since it changes that; what
    is more than its share is told in the next turn."""
    look = turn.look
    expired = look.next_expiry is not None and look.next_expiry <= turn.now
    if not (look.untold or look.sweep or expired):
        return
    left = telling.tell(connection, turn.now)
    (text,) = connection.execute(*asked(WAITING, WAITING_NAMED, turn.worker, turn.demand)).fetchone()
    turn.waiting, rest = waiting_queues(text)
    turn.look = look._replace(rest=rest, untold=left)
