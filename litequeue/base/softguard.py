"""Raising ``SoftTimeout`` inside a running call from another thread, and nowhere else.

Owns the one use of ``PyThreadState_SetAsyncExc``. The exception is delivered between two bytecodes of the
thread, perhaps late. It must not land in the next call, in the worker's own bookkeeping, or while the task
is inside litequeue itself, where it would leave the write lock taken. So it is raised only while a guard
is armed and the thread is not ``shielded``; what comes while it is shielded waits for the end of that; and
what is pending after disarming is cleared.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from .errors import SoftTimeout

T = TypeVar("T")

MOST_FIRES = 2  # a call's soft timeout, and its timeout

_lock = threading.Lock()
_guards: dict[int, SoftGuard] = {}  # by thread


class SoftGuard:
    """Made in the thread that is to be interrupted."""

    __slots__ = ("_armed", "_deferred", "_fired", "_fires", "_shields", "_thread")

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._armed = False  # until run() is inside its try: before that nobody would catch it
        self._fires = 0  # in all
        self._fired = 0  # of them not deferred
        self._shields = 0
        self._deferred = False

    def fire(self) -> None:
        """Raise SoftTimeout in the guarded thread, if it still runs the call."""
        with _lock:
            if not self._armed or self._fires == MOST_FIRES:
                return
            self._fires += 1
            if self._shields:
                self._deferred = True
            else:
                self._fired += 1
                _set_async(self._thread, SoftTimeout)

    def run(self, function: Callable[[], T]) -> T | None:
        """Call ``function``; None if SoftTimeout ended it without ``function`` catching it.

        When this returns, no SoftTimeout of this guard is pending or will come.
        """
        import ctypes  # noqa: F401 - before anything is armed: fire() must be quick

        result: T | None = None
        _guards[self._thread] = self
        # SoftTimeout may land on any line until a _disarm has returned, but only MOST_FIRES times: one more
        # layer than that, and the last _disarm is certain to be left in peace.
        try:
            try:
                try:
                    self._armed = True
                    result = function()
                finally:
                    self._disarm()
            except SoftTimeout:
                self._disarm()
        except SoftTimeout:
            self._disarm()
        _guards.pop(self._thread, None)
        return result

    def _disarm(self) -> None:
        with _lock:
            self._armed = False
            _set_async(self._thread, None)  # clears one that was raised and not yet delivered


class _Shield:
    """``with shielded:`` defers SoftTimeout to the end of the block. Nests; free without a guard."""

    def __enter__(self) -> None:
        guard = _guards.get(threading.get_ident())
        if guard is None:
            return
        fired = guard._fired
        with _lock:
            # Between the last line and this one no bytecode looks for exceptions, so one that was set
            # meanwhile has not been delivered: take it back, and keep it for later.
            guard._shields += 1
            if guard._fired != fired:
                guard._deferred = True
                _set_async(guard._thread, None)

    def __exit__(self, *_: object) -> None:
        guard = _guards.get(threading.get_ident())
        if guard is None or not guard._shields:
            return
        with _lock:
            guard._shields -= 1
            due = guard._deferred and not guard._shields and guard._armed
            if due:
                guard._deferred = False
        if due:
            raise SoftTimeout


shielded = _Shield()


def _set_async(thread: int, exception: type[BaseException] | None) -> None:
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if exception is None else ctypes.py_object(exception)
    )
