"""When the write-ahead log is copied into the database, and how long it may grow.

Owns that policy and its counts. Every checkpoint of ours happens here or in ``Database``, under the write gate;
SQLite's own are switched off.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Final

from ...base.errors import StoreError
from .connections import waiting
from .files import log_size

# When a checkpoint is due: after so many commits, or ROWS times as many changed rows. Each costs two fsyncs, so rarer is
# cheaper; but nobody writes meanwhile, and a log full of changed rows took 70 to 170 ms. By rows it takes 12 to 25 ms, and a drain
# loses nothing by it.
COMMITS: Final = 1024
ROWS: Final = 12
LIMIT: Final = 8 << 20


class Wal:
    """The log beside one database, as one process counts it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._over = LIMIT
        self._commits = 0  # of ours
        self._weight = 0  # of those since the last checkpoint; a lost count only makes one later

    def size(self) -> int:
        return log_size(self._path)

    def is_long(self) -> bool:
        """Whether a reader has kept it from being written anew from its start."""
        return self.size() > 2 * LIMIT

    def make_due(self) -> None:
        """Let the next commit bring a checkpoint."""
        self._weight = COMMITS

    def after_commit(self, connection: sqlite3.Connection, changes: int, guard: Callable[[], sqlite3.Connection]) -> None:
        """Copy a long WAL into the database; the caller holds the gate, and ``guard`` is another connection of ours (``copy``). ``changes``:
        rows of that commit.

        Due by our own commits and rows, or once the file has grown by LIMIT. PASSIVE, so that no
        reader is waited for, and so that the file keeps its length and is written anew from its start:
        a commit that makes it longer has to sync the file's metadata too (a synced enqueue took 282 us
        while it grew, 140 us after). Only one that a long reader has let grow far is truncated.
        """
        self._commits += 1
        self._weight += 1 + changes // ROWS
        if self._weight < COMMITS and self._commits % 16:  # os.stat costs more than it tells when asked every time
            return
        size = self.size()
        if self._weight < COMMITS and size < self._over:
            return
        self._weight = 0
        # The commit stands whatever comes of this: a full disk, say, is told by the next one that it fails.
        with contextlib.suppress(sqlite3.Error, StoreError):
            if copy(connection, guard()) is None:
                self._weight = COMMITS - 16  # somebody else's commit is under way: after a few of ours
        if size > 2 * LIMIT:
            _truncate(connection)
            size = self.size()
        self._over = size + LIMIT


def copy(connection: sqlite3.Connection, guard: sqlite3.Connection) -> tuple[int, int, int] | None:
    """A passive checkpoint, while nobody commits: whether it was in the way, frames in the log, frames copied; None where somebody does.

    The gate keeps our own commits away, and who else has the file open, an app with tables of its own in it, takes no gate. Before
    SQLite 3.51.3 a commit that begins the log anew just as a checkpoint begins can make that leave out what it should have copied, and
    the database is damaged. So ``guard`` holds the write lock meanwhile (11 us); a commit of others waits as for any other. The
    checkpoints that wait for readers (``_truncate``) take that lock by themselves.
    """
    try:
        try:
            guard.execute("BEGIN IMMEDIATE")  # it waits for nobody
        except sqlite3.OperationalError:
            return None
        busy, frames, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    finally:
        if guard.in_transaction:
            guard.execute("ROLLBACK")
    return busy, frames, copied


def _truncate(connection: sqlite3.Connection) -> None:
    """Give up at once where a reader is in the way: waiting for it would stall every writer."""
    with contextlib.suppress(sqlite3.Error), waiting(connection, 0):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def keep_whole(connection: sqlite3.Connection) -> None:
    """Put all into the file now, and again at each commit on this connection: for a file that is copied without its log. Of a test's, which no worker has open."""
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # only who has read knows of a log that another connection has begun
    _truncate(connection)
    connection.execute("PRAGMA wal_autocheckpoint = 1").fetchall()


def put_back(path: str) -> None:
    """Empty the log of a file that nobody has open. Who closes it last deletes it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        _truncate(connection)
