"""Raising ``SoftTimeout`` inside a running call from another thread, and nowhere else.

Owns the one use of ``PyThreadState_SetAsyncExc``. The exception is delivered between two bytecodes of the
thread, perhaps late: it must never land in the next call or in the worker's own bookkeeping. So it is
raised only while the guard is armed and under its lock, and what is pending after disarming is cleared.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

from ..errors import SoftTimeout

T = TypeVar("T")


class SoftGuard:
    """Made in the thread that is to be interrupted."""

    __slots__ = ("_armed", "_lock", "_thread")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread = ctypes.c_ulong(threading.get_ident())
        self._armed = True

    def fire(self) -> None:
        """Raise SoftTimeout in the guarded thread, if it still runs the call."""
        with self._lock:
            if self._armed:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread, ctypes.py_object(SoftTimeout))

    def run(self, function: Callable[[], T]) -> T | None:
        """Call ``function``; None if SoftTimeout ended it without ``function`` catching it.

        When this returns, no SoftTimeout of this guard is pending or will come.
        """
        result: T | None = None
        try:
            result = function()
        except SoftTimeout:
            pass
        while self._armed:
            try:
                with self._lock:
                    self._armed = False
            except SoftTimeout:
                continue
        try:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(self._thread, None)
            _checkpoint()
        except SoftTimeout:
            pass
        return result


def _checkpoint() -> None:
    """A call, so that the eval loop looks for a pending exception here and not later."""
