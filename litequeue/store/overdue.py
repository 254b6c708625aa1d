"""Since when jobs wait that a worker could run: what it asks before it takes more slots.

Owns that question. A few seeks for each queue and priority, however many rows; of each the first hundred that are due tell.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Final

from ..base.checks import is_utf8
from .searching.sources import ALL_GROUPS, GROUPS_OF_QUEUE

MOST_GROUPS: Final = 200  # of queue, pool and priority

PAUSED: Final = "SELECT name FROM litequeue_queues WHERE paused_at IS NOT NULL"
# Nobody has waited for a job before it was there, whatever its eta says.
OLDEST_KNOWN: Final = """SELECT min(max(run_at, created_at)) FROM (
    SELECT run_at, created_at FROM litequeue_jobs WHERE state = 'available' AND queue = :queue AND pool = :pool AND priority = :priority
        AND task NOT IN (SELECT value FROM json_each(:unknown))
    ORDER BY run_at, id LIMIT 100)"""


def due_since(connection: sqlite3.Connection, pool: str, queues: Collection[str] | None, unknown: str | None) -> int | None:
    """Of the available jobs of one pool, in these queues (None: all), but in no paused one: the moment since which the oldest has been due, in
    microseconds. ``unknown``: a JSON array of tasks that do not count. None: there is no such job."""
    paused = {name for (name,) in connection.execute(PAUSED).fetchall()}
    groups: list[tuple[str, str, int]] = []
    if queues is None:
        groups = connection.execute(ALL_GROUPS, {"most": MOST_GROUPS}).fetchall()
    for queue in queues or ():
        groups += connection.execute(GROUPS_OF_QUEUE, {"queue": queue, "most": MOST_GROUPS}).fetchall()
    found = []
    for queue, kind, priority in groups:
        if kind != pool or queue in paused or not is_utf8(queue):
            continue
        asked = {"queue": queue, "pool": pool, "priority": priority, "unknown": unknown or "[]"}
        found += [since for (since,) in connection.execute(OLDEST_KNOWN, asked).fetchall() if since is not None]
    return min(found, default=None)
