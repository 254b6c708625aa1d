"""Questions about the file's health that nobody else asks: integrity, the WAL, what is odd in the rows.

Owns their SQL and probes; each stands alone, so that one which fails on a damaged file leaves the others. Changes
nothing but what any worker's housekeeping does (a passive checkpoint). What an answer means is the doctor's.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import NamedTuple

from ..errors import QueueBusy
from ..filelock import FileLock
from . import queries
from .database import Database


class Wal(NamedTuple):
    """The write-ahead log: its size, and how far a passive checkpoint came."""

    bytes: int
    frames: int
    copied: int


class Inspection:
    """One file's answers. Raises the store's errors."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def damage(self, *, full: bool) -> list[str]:
        """What SQLite's own check finds: the tables' structure, and if ``full`` each index entry too."""
        with self._database.read() as connection:
            rows = connection.execute(queries.INTEGRITY if full else queries.QUICK_CHECK).fetchall()
        return [text for (text,) in rows if text != "ok"]

    def triggers(self) -> list[str]:
        """Triggers on our tables; litequeue makes none."""
        with self._database.read() as connection:
            return [name for (name,) in connection.execute(queries.TRIGGERS).fetchall()]

    def lock_wait(self) -> float:
        """Seconds until the write lock was had. Raises QueueBusy naming its holder."""
        began = time.monotonic()
        with self._database.write(durable=False) as connection:
            connection.execute("SELECT 1").fetchone()
        return time.monotonic() - began

    def wal(self) -> Wal | None:
        """None where the write lock was not to be had."""
        with contextlib.suppress(QueueBusy):
            _, frames, copied = self._database.checkpoint()
            return Wal(self._database.wal.size(), frames, copied)
        return None

    def is_dead(self, lock_file: str) -> bool | None:
        """Whether a worker's process is gone; None where its lock file is. Leaves the judgement to workers."""
        path = os.path.join(self._database.path + "-workers", os.path.basename(lock_file))
        try:
            lock = FileLock(path, create=False)
        except (OSError, ValueError):
            return None
        try:
            return lock.try_acquire()
        finally:
            lock.close()

    def lock_files(self) -> dict[int, str]:
        """Of the workers that say that they live."""
        with self._database.read() as connection:
            return {id_: file for id_, _, file in connection.execute(queries.PEERS, {"me": 0}).fetchall()}

    def lapsed(self, now: int) -> dict[int, int]:
        """How many leases have run out, by worker."""
        with self._database.read() as connection:
            return dict(connection.execute(queries.LAPSED_BY_WORKER, {"now": now}).fetchall())

    def waiting_tasks(self) -> dict[str, int]:
        """Available jobs by task, of the first 100,000."""
        with self._database.read() as connection:
            return dict(connection.execute(queries.AVAILABLE_BY_TASK).fetchall())

    def newest(self) -> int | None:
        """The latest time that anybody wrote as his present: microseconds."""
        stamp: int | None = self._database.one(queries.NEWEST)[0]
        return stamp
