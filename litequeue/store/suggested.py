"""Names to be suggested at a shell, where each press of Tab is a process of its own and has a few milliseconds.

Owns how they are read without anything else of this package, which takes 70 ms to import: this module is run by its path, by ``cli/completion``. So it
imports nothing of ours. What is not to be had soon is not suggested: no file, another's, one that is locked or is no queue give no names, and no error.

Opens the file read-only, and where it has no log in a way that touches nothing beside it. As root it opens nobody else's file: SQLite would make ``-shm`` there as root.
Runs no SQL of a stranger's (``trusted_schema``), and no statement for longer than ``SECONDS``.
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import time
from typing import Final
from urllib.parse import quote

SECONDS: Final = 0.03
MOST: Final = 200
LONGEST: Final = 100  # characters of a name
# What somebody has planted: bash takes ! for a former line, between double quotes too, and each command what begins with - for an option. No name is so.
_TAKEN: Final = re.compile(r"!|\A-")

NAMES: Final = {
    "queues": (
        "SELECT name FROM litequeue_queues ORDER BY name LIMIT :most",
        "SELECT DISTINCT queue FROM (SELECT queue FROM litequeue_metrics WHERE span = 0 AND queue <> '' LIMIT 5000) LIMIT :most",
        """WITH RECURSIVE queues (name, n) AS (
            SELECT (SELECT min(queue) FROM litequeue_jobs WHERE state = 'available'), 1
            UNION ALL
            SELECT (SELECT min(queue) FROM litequeue_jobs WHERE state = 'available' AND queue > queues.name), n + 1
            FROM queues WHERE queues.name IS NOT NULL AND n < :most
        ) SELECT name FROM queues WHERE name IS NOT NULL""",
    ),
    "tasks": (
        "SELECT name FROM litequeue_tasks ORDER BY name LIMIT :most",
        "SELECT DISTINCT task FROM (SELECT task FROM litequeue_metrics WHERE span = 0 AND task <> '' LIMIT 5000) LIMIT :most",
    ),
    "schedules": ("SELECT name FROM litequeue_schedules ORDER BY name LIMIT :most",),
    "limits": ("SELECT name FROM litequeue_limits ORDER BY name LIMIT :most",),
    "alerts": ("SELECT name FROM litequeue_alerts ORDER BY name LIMIT :most",),
    "workers": ("SELECT DISTINCT name FROM (SELECT name FROM litequeue_workers WHERE stopped_at IS NULL LIMIT 1000) ORDER BY name LIMIT :most",),
}  # fmt: skip


def names(path: str, kind: str) -> list[str]:
    """Those of a kind, sorted; none where they cannot be had."""
    try:
        connection = sqlite3.connect(_address(path), uri=True, timeout=0, isolation_level=None)
    except (sqlite3.Error, OSError, ValueError):
        return []
    try:
        return _read(connection, kind)
    except (sqlite3.Error, ValueError):  # ValueError: a name that is no UTF-8
        return []
    finally:
        connection.close()


def _address(path: str) -> str:
    """Raises OSError for what is not to be opened."""
    path = os.path.realpath(path)
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode) or not found.st_size or hasattr(os, "geteuid") and os.geteuid() == 0 != found.st_uid:
        raise OSError(f"{path} is none to be opened for this")
    try:
        has_log = os.stat(f"{path}-wal").st_size > 0
    except FileNotFoundError:
        has_log = False
    # Without a log all there is lies in the file, and one that is immutable is read without -shm, which a reader else makes.
    return f"file:{quote(path)}?mode=ro{'' if has_log else '&immutable=1'}"


def _read(connection: sqlite3.Connection, kind: str) -> list[str]:
    until = time.monotonic() + SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > until, 1000)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
        connection.execute(f"PRAGMA {pragma}")
    found: set[str] = set()
    for sql in NAMES.get(kind, ()):
        try:
            rows = connection.execute(sql, {"most": MOST}).fetchall()
        except sqlite3.OperationalError:  # a table that an older file has not, or the time was up
            continue
        found |= {name for (name,) in rows if isinstance(name, str) and name.isprintable() and 0 < len(name) <= LONGEST and not _TAKEN.search(name)}
    return sorted(found)[:MOST]
