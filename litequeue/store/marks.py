"""What a file says of how it came about: that it is a copy, and that its schedules are to fire nothing.

Owns the reading of that in ``litequeue_meta``; ``copies`` writes it.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from ..base import stored
from ..base.errors import LitequeueError
from .file import Database
from .file.look import looking

MARK: Final = "SELECT key, CAST(value AS BLOB) FROM litequeue_meta WHERE key = 'copy' OR key = 'schedules_paused_at'"
COPY: Final = "copy"
PAUSED: Final = "schedules_paused_at"  # as PAUSED_AT reads it


class Copy(NamedTuple):
    """What a copy says of itself."""

    at: int  # microseconds
    of: str  # the path of the original


class Mark(NamedTuple):
    """What a file says of how it came about."""

    copy: Copy | None  # None: it is none, or has been made a queue at work since
    paused_at: int | None  # since then all its schedules are paused, and those that come


class Marks:
    """One file's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> Mark:
        with self._database.read() as connection:
            return mark(connection)


def mark(connection: sqlite3.Connection) -> Mark:
    """As far as it can be read: anybody may have written it."""
    found = {key: value.decode("utf-8", "replace") for key, value in connection.execute(MARK).fetchall()}
    copy, paused = None, found.get(PAUSED, "")
    try:
        said = stored.loads(found.get(COPY, "null"))
        if isinstance(said, dict):
            copy = Copy(int(said["at"]), str(said["of"]))
    except (ValueError, TypeError, KeyError, OverflowError):
        pass
    return Mark(copy, int(paused) if paused.isascii() and paused.isdigit() and len(paused) < 19 else None)


def marks_of(path: str) -> Mark | None:
    """The same of a file that nobody works on; None of one that is no queue, or cannot be read."""
    try:
        with looking(path) as connection:
            return mark(connection)
    except LitequeueError:
        return None
