"""One writer at a time, across threads and processes: the lock around every write and checkpoint.

Owns ``DB-lock``, a side file whose kernel lock is held for the length of one transaction. Two things
depend on it. *Safety*: SQLite 3.7.0 to 3.51.2 can lose commits when a commit overlaps another connection's
second checkpoint; no two of ours ever overlap. *Fairness*: with short jittered tries the worst wait among 8
writing processes was 99 ms, with SQLite's own busy handler 531 ms. Threads queue on a lock in memory first,
not on the file. Must not know what is written; ``mark`` keeps a line in the side file, through it alone, and
its length is a sign for ``identity``.

The file is opened once per process and database, because a POSIX lock is the process's and closing any
descriptor drops it; so gates are shared through a table, and a forked child opens its own.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator

from ...base import forkguard
from ...base.clock import monotonic
from ...base.errors import QueueBusy
from ...base.filelock import FileLock
from .lock_holder import why_held_up

_FIRST_NAP = 0.000_1
_LAST_NAP = 0.001


class GateClosed(Exception):
    """The store was closed while a thread waited for its gate: ask for the new one."""


class WriteGate:
    """The write lock of one database in this process. Not reentrant."""

    _file: FileLock  # once it is open

    def __init__(self, database: str) -> None:
        self.database = database
        self.users = 0
        self._closed = False
        self._threads = threading.Lock()
        self._opening = threading.Lock()
        self._is_open = False

    def open(self, *, create: bool) -> None:
        with self._opening:
            if not self._is_open:
                self._file = FileLock(self.database + "-lock", create=create, owner=_owner(self.database))
                self._is_open = True

    def acquire(self, patience: float) -> None:
        """Take the lock or raise QueueBusy after ``patience`` seconds. Raises GateClosed if it was closed."""
        if not self._threads.acquire(blocking=False):
            started = monotonic()
            if not self._threads.acquire(timeout=patience):
                raise self._busy(patience, "another thread of this process")
            patience -= monotonic() - started
        try:
            if self._closed:
                raise GateClosed
            if not self._file.try_acquire():
                self._wait_for_file(patience)
        except BaseException:
            self._threads.release()
            raise

    def _wait_for_file(self, patience: float) -> None:
        with forkguard.inside:
            import random  # 2.5 ms, which who never waits does not need

        deadline = monotonic() + patience
        while not self._file.try_acquire():
            if monotonic() >= deadline:
                holder = self._file.holder()
                raise self._busy(patience, f"process {holder}" if holder else "another process")
            time.sleep(random.uniform(_FIRST_NAP, _LAST_NAP))

    @contextlib.contextmanager
    def against_threads(self, patience: float) -> Iterator[bool]:
        """Keep this process's other threads from writing, whoever else does; whether that was to be had."""
        held = self._threads.acquire(timeout=patience)
        try:
            yield held
        finally:
            if held:
                self._threads.release()  # it may have been closed inside the block

    def release(self) -> None:
        try:
            self._file.release()
        finally:
            self._threads.release()

    def noted(self, size: int) -> bytes:
        """What stands in the lock's file, with or without the lock. Raises OSError."""
        return self._file.read(size)

    def note(self, line: bytes) -> None:
        """Write over what stands in the lock's file. Raises OSError."""
        self._file.write(line)

    def lengthen(self) -> None:
        """Make the lock's file a byte longer. Raises OSError."""
        self._file.lengthen()

    def close(self) -> None:
        """For whoever keeps the other threads out."""
        self._closed = True
        if self._is_open:
            self._file.close()

    def _busy(self, patience: float, who: str) -> QueueBusy:
        why = why_held_up(self.database)  # of whom who has this one waits himself
        return QueueBusy(
            f"{self.database}: the write lock was not to be had within {patience:g} s; "
            f"it is held by {who}. {f'{why}. Nothing was stored' if why else 'Nothing was stored; try again'}"
        )


def _owner(database: str) -> os.stat_result | None:
    with contextlib.suppress(OSError):  # it is gone, or yet to be made
        return os.stat(database)
    return None


_gates: dict[tuple[int, str], WriteGate] = {}
_table = threading.Lock()


def borrow(database: str, *, create: bool = True) -> WriteGate:
    """The gate of this database (an absolute, real path) in this process. Raises FileNotFoundError if its
    file is missing and not to be created."""
    with _table:
        gate = _gates.setdefault((os.getpid(), database), WriteGate(database))
        gate.users += 1
    # Not in the table's lock, which those of all queues take: whose file it is can hold an open up for 45 s, by a lease.
    try:
        gate.open(create=create)
    except BaseException:
        give_back(gate)
        raise
    return gate


def give_back(gate: WriteGate) -> None:
    with _table:
        gate.users -= 1
        if gate.users == 0:
            _gates.pop((os.getpid(), gate.database), None)
            gate.close()

