"""Signals in the child of a fork: at their defaults, whatever this process does about them.

Owns that reset. A task that forks (``multiprocessing.Pool`` does, where fork is the way) hands its child our handlers: then
SIGTERM posts to the copy of an inbox that nobody reads, and ``Process.terminate()`` hangs for ever. One that is sent right after
the fork waits until the child's are reset: it was taken by our handler there, and a pool of six took 7 s to end instead of 1.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterable

_handled: set[int] = set()
_masks: dict[int, set[int]] = {}  # by forking thread, while it forks: what it had blocked before
_registered = False


def reset_in_children(numbers: Iterable[int]) -> None:
    """From now on a fork's child has these signals at their defaults."""
    global _registered
    _handled.update(numbers)
    if not _registered and hasattr(os, "register_at_fork"):
        _registered = True
        os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_reset)


def forget(numbers: Iterable[int]) -> None:
    """They are handled by somebody else again."""
    _handled.difference_update(numbers)


def _block() -> None:
    _masks[threading.get_ident()] = set(signal.pthread_sigmask(signal.SIG_BLOCK, _handled))


def _unblock() -> None:
    mask = _masks.pop(threading.get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _reset() -> None:
    if _handled:  # else a signal of the child's was told to the parent, through the pipe that they share
        with contextlib.suppress(ValueError):  # as below
            signal.set_wakeup_fd(-1)
    for number in _handled:
        with contextlib.suppress(ValueError, OSError):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _handled.clear()
    _unblock()
