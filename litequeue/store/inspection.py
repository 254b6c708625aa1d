"""Questions about the file's health that nobody else asks: integrity, the WAL, what is odd in the rows.

Owns their SQL and probes; each stands alone, so that one which fails on a damaged file leaves the others. Changes
nothing but what any worker's housekeeping does (a passive checkpoint). What an answer means is the doctor's.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import NamedTuple

from ..base.errors import QueueBusy
from ..base.filelock import FileLock
from . import doctor_queries
from .file.database import Database
from .workers import process_state


class Wal(NamedTuple):
    """The write-ahead log: its size, and how far a passive checkpoint came."""

    bytes: int
    frames: int
    copied: int


class Condition(NamedTuple):
    """How a worker is that has not signed off, and what it holds. Times in microseconds."""

    pid: int
    dead: bool | None  # by its lock; None where its lock file is gone
    leaving: bool  # it had announced that it was shutting down
    stopped: bool | None  # suspended (SIGSTOP); None where that cannot be told
    beat_at: int
    held: int = 0  # jobs
    lapsed: int = 0  # of them, whose lease has run out
    lease_until: int | None = None  # the last of its leases


class ScheduleHealth(NamedTuple):
    """How the schedules are, all together."""

    total: int
    disabled: list[tuple[str, str]]  # (name, why); at most 20
    paused: int
    coming: int  # that have a next tick
    overdue: int
    overdue_since: int | None  # microseconds


class Inspection:
    """One file's answers. Raises the store's errors."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def damage(self, *, full: bool) -> list[str]:
        """What SQLite's own check finds: the tables' structure, and if ``full`` each index entry too."""
        with self._database.read() as connection:
            rows = connection.execute(doctor_queries.INTEGRITY if full else doctor_queries.QUICK_CHECK).fetchall()
        return [text for (text,) in rows if text != "ok"]

    def triggers(self) -> list[str]:
        """Triggers on our tables; litequeue makes none."""
        with self._database.read() as connection:
            return [name for (name,) in connection.execute(doctor_queries.TRIGGERS).fetchall()]

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

    def conditions(self, now: int) -> dict[int, Condition]:
        """By worker, of those that have not signed off."""
        found = {}
        with self._database.read() as connection:
            rows = connection.execute(doctor_queries.LIVE_WORKERS).fetchall()
            held = connection.execute(doctor_queries.HELD_BY_WORKERS, {"now": now}).fetchall()
        leases = {worker: (count, lapsed, until) for worker, count, lapsed, until in held}
        for id_, pid, lock_file, leaving, beat in rows:
            state = process_state(pid)
            stopped = None if state is None else state == "T"
            found[id_] = Condition(
                pid, self.is_dead(lock_file), bool(leaving), stopped, beat, *leases.get(id_, (0, 0, None))
            )
        return found

    def orphaned(self, now: int) -> int:
        """How many leases of workers that are not there have run out."""
        with self._database.read() as connection:
            live = {row[0] for row in connection.execute(doctor_queries.LIVE_WORKERS).fetchall()}
            held = connection.execute(doctor_queries.HELD_BY_WORKERS, {"now": now}).fetchall()
        return sum(lapsed for worker, _, lapsed, _ in held if worker not in live)

    def waiting(self) -> list[tuple[int, int]]:
        """Of each queue, pool and task with available jobs: the oldest one's id, and how many there are."""
        with self._database.read() as connection:
            return [(id_, count) for id_, count, _ in connection.execute(doctor_queries.AVAILABLE_BY_TASK).fetchall()]

    def newest(self) -> int | None:
        """The latest time that anybody wrote as his present: microseconds."""
        stamp: int | None = self._database.one(doctor_queries.NEWEST)[0]
        return stamp

    def untold(self) -> tuple[int, int | None]:
        """How many jobs that were to tell somebody of a failure failed themselves, and the last of them."""
        count, last = self._database.one(doctor_queries.UNTOLD)
        return count, last

    def schedules(self, overdue_before: int) -> ScheduleHealth:
        with self._database.read() as connection:
            row = connection.execute(doctor_queries.SCHEDULES, {"before": overdue_before}).fetchone()
            disabled = connection.execute(doctor_queries.DISABLED).fetchall()
        count, paused, coming, overdue, since = row
        return ScheduleHealth(count, disabled, paused, coming, overdue, since)
