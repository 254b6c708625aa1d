"""When the write-ahead log is copied into the database, and how long it may grow.

Owns that policy and its counts. Every checkpoint of ours happens here or in ``Database``, under the write gate;
SQLite's own are switched off.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Final

from .files import log_size

# When a checkpoint is due. Each costs two fsyncs, so rarer is cheaper.
COMMITS: Final = 1024
LIMIT: Final = 8 << 20


class Wal:
    """The log beside one database, as one process counts it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._over = LIMIT
        self._commits = 0  # of ours since the last checkpoint; a lost count only makes one later

    def size(self) -> int:
        return log_size(self._path)

    def is_long(self) -> bool:
        """Whether a reader has kept it from being written anew from its start."""
        return self.size() > 2 * LIMIT

    def make_due(self) -> None:
        """Let the next commit bring a checkpoint."""
        self._commits, self._over = COMMITS | 15, 0

    def after_commit(self, connection: sqlite3.Connection) -> None:
        """Copy a long WAL into the database; the caller holds the gate, so no commit can overlap.

        Due after COMMITS commits of ours, or once the file has grown by LIMIT. PASSIVE, so that no
        reader is waited for, and so that the file keeps its length and is written anew from its start:
        a commit that makes it longer has to sync the file's metadata too (a synced enqueue took 282 us
        while it grew, 140 us after). Only one that a long reader has let grow far is truncated.
        """
        self._commits += 1
        if self._commits % 16:  # os.stat costs more than it tells when asked every time
            return
        size = self.size()
        if self._commits < COMMITS and size < self._over:
            return
        self._commits = 0
        # The commit stands whatever comes of this: a full disk, say, is told by the next one that it fails.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if size > 2 * LIMIT:
            _truncate(connection)
            size = self.size()
        self._over = size + LIMIT


def _truncate(connection: sqlite3.Connection) -> None:
    """Give up at once where a reader is in the way: waiting for it would stall every writer."""
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:
        pass
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")
