"""No fork while a thread is inside SQLite, or imports what a first use needs.

Owns one count per process. A fork copies SQLite's mutexes as they are: a child made while another thread was
inside the library waits for ever at its first use of it (seen at the first of 40 forks beside a thread that
commits). The lock of a module that another thread is importing is copied likewise (seen of two thirds of the forks beside a
thread's first enqueue). So each use is counted, and ``os.fork`` waits until nobody is inside, a few milliseconds; it waits
no longer than PATIENCE, in case the forking thread itself is the one inside.
"""

from __future__ import annotations

import logging  # noqa: F401 - what is to be done before a fork is done in reverse: else its lock would be held while we wait
import os
import threading
import time

from .clock import monotonic

PATIENCE = 5.0  # seconds

_lock = threading.Lock()
_inside = 0


def enter() -> None:
    global _inside
    with _lock:
        _inside += 1


def leave() -> None:
    global _inside
    with _lock:
        _inside = max(_inside - 1, 0)


class _Inside:
    """``with forkguard.inside:`` around a use of SQLite, or an import. Nests; has no state of its own."""

    def __enter__(self) -> None:
        enter()

    def __exit__(self, *_: object) -> None:
        leave()


inside = _Inside()


def _before() -> None:
    global _inside
    deadline = monotonic() + PATIENCE
    _lock.acquire()
    while _inside and monotonic() < deadline:
        _lock.release()
        time.sleep(0.000_1)
        _lock.acquire()
    _inside = 0  # who is still counted may be gone: what a signal's handler raises can come before the end is counted


def _after_in_child() -> None:
    global _inside, _lock
    _inside = 0
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=lambda: _lock.release(), after_in_child=_after_in_child
    )
