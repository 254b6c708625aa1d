"""No fork while another thread is inside SQLite, has a transaction open, or imports what a first use needs.

Owns one count per process. A fork copies SQLite's mutexes as they are: a child made while another thread was
inside the library waits for ever at its first use of it (seen at the first of 40 forks beside a thread that
commits). So each use is counted, and ``os.fork`` waits until nobody is inside, a few milliseconds; it waits
no longer than PATIENCE, in case the forking thread itself is the one inside.

SQLite's tables of locks are copied too: in the child of a fork beside a transaction its write lock stays taken, by nobody. So a fork waits for those
of other threads likewise, and ``left_open`` says in a child which files it has to do without. What is open in them is its parent's, and is never closed here.

The lock of a module that another thread is importing is copied likewise (seen of two thirds of the forks beside a
thread's first enqueue), and a module is imported wherever it is first needed. No name of importlib's public face tells of it, so
its table of locks is read: of our modules and of Python's own, since somebody else's may run a program for as long as it is imported. A fork waits
for them, and as one may begin right after that, the child forgets what it finds begun, and imports it anew. The import lock itself, which would keep others
from beginning, is not taken: logging's is waited for after us, and who configures that imports with it.

What waits for a transaction or an import is short: the hooks of modules that were imported after us have run already, and the other thread
may want what they have taken.
"""

from __future__ import annotations

import logging  # noqa: F401 - what is to be done before a fork is done in reverse: else its lock would be held while we wait
import os
import sys
import threading
import time
from typing import Any, Final

from .clock import monotonic

PATIENCE = 5.0  # seconds, for who is inside SQLite
SHORT = 1.0  # and for the others

_lock = threading.RLock()  # a signal's handler may fork in a thread that has it
_inside = 0
_open: dict[str, tuple[int, object]] = {}  # transactions of the program's own blocks: the file, the thread and the connection
left_open: set[str] = set()  # files whose lock this process, a fork's child, has found taken and nobody will give back

# By the modules' names, weakly; an entry lives for as long as a thread has the lock or waits for it.
_module_locks: Final[dict[str, Any]] = getattr(sys.modules["_frozen_importlib"], "_module_locks", {})
_OURS: Final = sys.stdlib_module_names | {"litequeue"}


def enter() -> None:
    global _inside
    with _lock:
        _inside += 1


def leave() -> None:
    global _inside
    with _lock:
        _inside = max(_inside - 1, 0)


class _Inside:
    """``with forkguard.inside:`` around a use of SQLite. Nests; has no state of its own."""

    def __enter__(self) -> None:
        enter()

    def __exit__(self, *_: object) -> None:
        leave()


inside = _Inside()


def begin(path: str, connection: object) -> None:
    """A transaction is open in this thread until ``end``; it may run for as long as a program likes, and may fork."""
    _open[path] = threading.get_ident(), connection


def end(path: str) -> None:
    _open.pop(path, None)


def _before() -> None:
    global _inside
    began = monotonic()
    _lock.acquire()
    while (waited := monotonic() - began) < PATIENCE and (_inside or waited < SHORT and (_others_have_one_open() or _importing())):
        _lock.release()
        time.sleep(0.000_1)
        _lock.acquire()
    _inside = 0  # who is still counted may be gone: what a signal's handler raises can come before the end is counted


def _others_have_one_open() -> bool:
    me = threading.get_ident()
    return any(thread != me for thread, _ in list(_open.values()))


def _importing() -> list[str]:
    """The modules that other threads are at."""
    me = threading.get_ident()
    locks = [(name, found()) for name, found in list(_module_locks.items()) if name.partition(".")[0] in _OURS]
    return [name for name, lock in locks if lock is not None and lock.owner != me]


def _after_in_parent() -> None:
    _lock.release()


def _after_in_child() -> None:
    global _inside, _lock
    _inside = 0
    _lock = threading.RLock()
    if _open:
        _keep_away()
    for name in _importing():
        _module_locks.pop(name, None)
        if getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False):
            del sys.modules[name]


def _keep_away() -> None:
    """From what the parent has open. As this process ends Python would free the connections: SQLite rolls back what is open as it closes one, with the
    parent's own table of the log in its hands (of a transaction beyond SQLite's 2 MB of cache, which lies in the log in part, the file was left malformed)."""
    from .as_owner import keeper

    left_open.update(_open)
    for _, connection in _open.values():
        keeper()(connection)
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
