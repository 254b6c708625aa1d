"""Which queues and tasks there are, as far as anybody can tell in a moment.

Owns where names come from: jobs that wait or run, what is paused, where code was recorded, and whoever was counted. One that SQL cannot be asked for, since it
is no text, is left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from ...base.checks import is_utf8
from ...base.history import EVER
from .. import counting

MOST: Final = 200

PAUSED: Final = "SELECT name, paused_at FROM litequeue_queues WHERE paused_at IS NOT NULL ORDER BY name LIMIT :most"
TASKS: Final = "SELECT name FROM litequeue_tasks ORDER BY name LIMIT :most"
COUNTED_QUEUES: Final = "SELECT DISTINCT queue FROM (SELECT queue FROM litequeue_metrics WHERE span = :span AND queue <> '' LIMIT 5000) LIMIT :most"
COUNTED_TASKS: Final = "SELECT DISTINCT task FROM (SELECT task FROM litequeue_metrics WHERE span = :span AND task <> '' LIMIT 5000) LIMIT :most"


def queues(connection: sqlite3.Connection, others: Iterable[str] = ()) -> list[str]:
    """``others``: that have jobs which nobody asks for here, such as those that run."""
    found = set(others)
    for sql, more in ((counting.QUEUES, {}), (PAUSED, {}), (COUNTED_QUEUES, {"span": EVER})):
        found |= {row[0] for row in connection.execute(sql, {"most": MOST, **more}).fetchall()}
    return _sorted(found)


def tasks(connection: sqlite3.Connection) -> list[str]:
    found: set[str] = set()
    for sql, more in ((TASKS, {}), (COUNTED_TASKS, {"span": EVER})):
        found |= {row[0] for row in connection.execute(sql, {"most": MOST, **more}).fetchall()}
    return _sorted(found)


def paused(connection: sqlite3.Connection) -> dict[str, int]:
    """Since when which queues are."""
    return dict(connection.execute(PAUSED, {"most": MOST}).fetchall())


def _sorted(found: Iterable[str]) -> list[str]:
    return sorted(filter(is_utf8, found))[:MOST]
