"""Locks by name, one holder among all processes that name the same file; the kernel drops them with the process that has them.

Owns which byte of the file a name is, and who of this process has which: to the kernel a lock is the whole process's, so among its threads and
coroutines a table says whose it is. Never waits; who has to tries again. A name takes no room, and there is nothing to clean up.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

from . import forkguard
from .errors import WouldDeadlock
from .filelock import FileLock

SUFFIX: Final = "-locks"  # of the file's name, after the database's
_FIRST: Final = 1 << 32  # bytes before this are other locks'


class Owner(NamedTuple):
    """Who has a lock, or waits for one: a thread, or a task of an event loop that it runs."""

    thread: int
    task: int


class NamedLocks:
    """Those of one file, in this process."""

    def __init__(self, file: FileLock) -> None:
        self._file = file
        self._pid = os.getpid()
        self._mutex = threading.Lock()
        self._held: dict[str, Owner] = {}
        self._waits: dict[Owner, str] = {}

    def try_acquire(self, name: str, owner: Owner) -> bool:
        """Whether it is had now. Raises WouldDeadlock where it is this owner's own already, or its owner waits for what this one has."""
        self._after_a_fork()
        with self._mutex:
            if name not in self._held:
                if not self._file.try_acquire(_byte(name)):
                    self._waits[owner] = name
                    return False
                self._held[name] = owner
                self._waits.pop(owner, None)
                return True
            self._waits[owner] = name
            way, at = [name], self._held[name]
            while at != owner and at in self._waits and self._waits[at] in self._held and self._waits[at] not in way:
                way.append(self._waits[at])
                at = self._held[way[-1]]
            if at != owner:
                return False
            del self._waits[owner]
        if len(way) == 1:
            raise WouldDeadlock(f"lock {name!r} is had already by who wants it: it would wait for itself")
        raise WouldDeadlock(f"lock {name!r} would never come: who has it waits for {' and then '.join(map(repr, way[1:]))}, which is had here")

    def is_there(self) -> bool:
        """Whether their file is; those of one that was deleted are nobody else's any more."""
        return self._file.is_there()

    def give_up(self, owner: Owner) -> None:
        """It does not wait any more."""
        self._waits.pop(owner, None)

    def release(self, name: str, owner: Owner) -> None:
        """Nothing, if it is not this owner's: a fork's child has none of its parent's."""
        self._after_a_fork()
        with self._mutex:
            if self._held.get(name) == owner:
                del self._held[name]
                self._file.release(_byte(name))

    def holder(self, name: str) -> str:
        """Who has it, in words."""
        if name in self._held:
            return "by another thread or coroutine of this process"
        pid = self._file.holder(_byte(name))
        return "by another process" if pid is None else f"by process {pid}"

    def _after_a_fork(self) -> None:
        if self._pid != os.getpid():
            self._pid, self._mutex, self._held, self._waits = os.getpid(), threading.Lock(), {}, {}


_of: dict[str, NamedLocks] = {}  # by the file's path: one for each, since closing another descriptor would drop all locks
_opening = threading.Lock()


def of(database: str, opened: Callable[[str], FileLock]) -> NamedLocks:
    """Those beside a database, whose path has no links in it. ``opened`` opens the file, once in a process."""
    path = database + SUFFIX
    found = _of.get(path)
    if found is None or not found.is_there():
        with forkguard.inside, _opening:
            found = _of.get(path)
            if found is None or not found.is_there():
                found = _of[path] = NamedLocks(opened(path))
    return found


def _byte(name: str) -> int:
    """Of 2**61: that two names of one file meet is less likely than any other way in which they could."""
    return _FIRST + int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") // 8
