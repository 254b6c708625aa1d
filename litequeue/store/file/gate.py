"""One writer at a time, across threads and processes: the lock around every write and checkpoint.

Owns ``DB-lock``, a side file whose kernel lock is held for the length of one transaction. Two things
depend on it. *Safety*: SQLite 3.7.0 to 3.51.2 can lose commits when a commit overlaps another connection's
second checkpoint; no two of ours ever overlap. *Fairness*: with SQLite's own busy handler the worst wait among 8
writing processes was 531 ms, here 91. Threads queue on a lock in memory first, not on the file.

Nobody is told that the lock is free; who waits naps and tries again. One at a time does so often, at the *front* (``filelock``); the
others wait behind for that place, with naps that are long at first and short for those who have waited long, so that it goes about
in turn. What 16 processes cost that all tried often was the processor that the one with the lock needed. Who has just had the
lock may have it again before the next one wakes, and that is well: a process that has just enqueued does so again with 75 us of
processor, one that has slept with 300.

Measured in turns, 16 producers on 2 cores: 1,010 to 1,040 a second with all of them trying often, 1,420 to 1,730 so, and the
worst wait 133 to 167 ms. If each blocks in the kernel until it has the lock, which has no end that could be set: 1,420 to 1,730. With
a thread that blocks for the one that asked: 1,145. Naps of a third in front: the same for 16, but one producer beside
one worker came to three quarters.

Must not know what is written; ``mark`` keeps a line in the side file, through it alone, and its length is a sign for ``identity``.

The file is opened once per process and database, because a POSIX lock is the process's and closing any
descriptor drops it; so gates are shared through a table, and a forked child opens its own.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from threading import get_ident
from typing import Final

from ...base.clock import monotonic
from ...base.errors import QueueBusy
from ...base.filelock import FileLock
from .lock_holder import why_held_up

# Seconds, and each is half as long or half as long again, by chance.
_NAP_AT_FRONT: Final = 0.000_5
_FIRST_NAP: Final = 0.006
_LAST_NAP: Final = 0.000_5  # of who has waited for 55 ms
_HASTE: Final = 0.1  # seconds by which a nap is shorter for each that was waited


class GateClosed(Exception):
    """The store was closed while a thread waited for its gate: ask for the new one."""


class WriteGate:
    """The write lock of one database in this process. Not reentrant.

    An exception that a signal's handler raises may come after any call, and at the beginning of any function, so before the line that
    notes what a call has taken. ``_threads`` is an RLock, which knows of itself whose it is; to let go what was not had harms nobody.
    """

    _file: FileLock  # once it is open

    def __init__(self, database: str) -> None:
        self.database = database
        self.users = 0
        self._closed = False
        self._threads = threading.RLock()
        self.owner: int | None = None  # the thread that has it
        self._opening = threading.Lock()
        self._is_open = False

    def open(self, *, create: bool) -> None:
        with self._opening:
            if not self._is_open:
                self._file = FileLock(self.database + "-lock", create=create, owner=_owner(self.database))
                self._is_open = True

    def acquire(self, patience: float) -> None:
        """Take the lock or raise QueueBusy after ``patience`` seconds. Raises GateClosed if it was closed. Not for its owner."""
        try:
            if not self._threads.acquire(blocking=False):
                started = monotonic()
                if not self._threads.acquire(timeout=patience):
                    raise self._busy(patience, "another thread of this process")
                patience -= monotonic() - started
            self.owner = get_ident()
            if self._closed:
                raise GateClosed
            if not self._file.try_acquire():
                self._wait_for_file(patience)
        except BaseException:
            if self.is_mine():
                self.release()
            else:
                with contextlib.suppress(RuntimeError):  # says that it was not had
                    self._threads.release()
            raise

    def is_mine(self) -> bool:
        """Whether this thread has it."""
        return self.owner == get_ident()

    def _wait_for_file(self, patience: float) -> None:
        import random  # 2.5 ms, which who never waits does not need

        began = monotonic()
        in_front = False
        try:
            while not self._file.try_acquire():
                waited = monotonic() - began
                if waited >= patience:
                    holder = self._file.holder()
                    raise self._busy(patience, f"process {holder}" if holder else "another process")
                in_front = in_front or self._file.try_front()
                nap = _NAP_AT_FRONT if in_front else max(_LAST_NAP, _FIRST_NAP - waited * _HASTE)
                time.sleep(nap * random.uniform(0.5, 1.5))
        finally:
            if in_front:
                self._file.leave_front()

    @contextlib.contextmanager
    def against_threads(self, patience: float) -> Iterator[bool]:
        """Keep this process's other threads from writing, whoever else does; whether that was to be had."""
        held = not self.is_mine() and self._threads.acquire(timeout=patience)
        try:
            yield held
        finally:
            if held:
                self._threads.release()  # it may have been closed inside the block

    def release(self) -> None:
        """Let go of it; nothing for who does not have it, or no longer."""
        if self.owner != get_ident():
            return
        failed = None
        try:
            if not self._closed:
                self._file.release()
        except OSError as error:  # somebody has closed it; what a signal's handler raises leaves it ours, to be let go of again
            failed = error
        self.owner = None
        self._threads.release()
        if failed is not None:
            raise failed

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

