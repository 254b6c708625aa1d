"""Raising ``SoftTimeout`` inside a running call from another thread, and nowhere else.

Owns the one use of ``PyThreadState_SetAsyncExc``. The exception is delivered between two bytecodes of the thread. It must
not land in the next call, in the worker's own bookkeeping, while the task is inside litequeue itself, where it would leave
the write lock taken, or where it would break what the whole process shares (``delicate``). So it is set only while the
thread is *open*: inside its call, not ``shielded``, and nowhere delicate. What cannot be raised yet stays asked for: it is
raised as a shield ends, or tried again every few milliseconds by a thread that lives only as long as that.

The guarded thread takes no lock for this, since the exception could arrive just after and leave it taken. Each side says
what it is about to do before it looks at what the other says: who raises is ``_busy`` before it asks for ``_open``, the
thread is no longer open before it waits for ``_busy`` to end. After that nobody sets anything more, and what was set is waited for,
caught, and counted as not raised. It counts itself as it is made, which Python does where it delivers it: clearing what was
set, or setting one more over it, cannot tell whether it had been delivered (so after a SoftTimeout that a task caught, its
timeout sometimes never came: 27 of 7,679 on 3.11, 307 of 4,322 on 3.13).

It is asked for until the call ends or handles it. Where Python throws it away (``swallowed``; a task whose objects have a
``__del__`` is met there 99 times in 100) it says so as it goes, and is raised again by a trace of the thread's functions, on the
next line of the one that Python goes on with; where there is a debugger's trace, or somebody keeps what was thrown away, it is
set again after growing pauses.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final, TypeVar

from .clock import monotonic
from .delicate import innermost, is_delicate, while_at
from .errors import SoftTimeout
from .swallowed import is_swallowed

T = TypeVar("T")

MOST_FIRES: Final = 2  # a call's soft timeout, and its timeout
AGAIN_SECONDS: Final = 0.005  # and twice as long after each time that it was raised in vain, up to
MOST_SECONDS: Final = 1.0
NAP_SECONDS: Final = 0.1  # at most, between two looks at what is to be done: another timeout may be asked for meanwhile
HAS_GIL: Final[bool] = getattr(sys, "_is_gil_enabled", lambda: True)()
LOOK_SECONDS: Final = 0.002  # without the GIL a thread moves while it is looked at: the look has to be quick
LOOPS: Final = 100  # within two of them Python delivers what was set

_lock = threading.Lock()  # of those who raise; no guarded thread takes it
_guards: dict[int, SoftGuard] = {}  # by thread
_waiting: set[SoftGuard] = set()  # those for which another try is due


class SoftGuard:
    """Made in the thread that is to be interrupted."""

    __slots__ = (
        "_asked", "_busy", "_ended", "_last", "_made", "_next", "_open", "_pause", "_pending", "_settled", "_shields", "_thread", "_wake",
    )  # fmt: skip
    _next: float  # when to look again
    _pause: float
    _last: weakref.ref[_Raised]  # made

    def __init__(self, wake: Callable[[], None] | None = None) -> None:
        """``wake`` gets the thread to run Python again, wherever it waits, so that the exception is delivered."""
        self._thread = threading.get_ident()
        self._wake = wake
        # Of those who raise, under the lock:
        self._asked = 0
        self._busy = False
        # Of the guarded thread:
        self._pending = False  # set, and not made yet
        self._made = 0  # less those that came to nothing
        self._settled = 0  # of those: handled
        self._open = False
        self._shields = 0
        self._ended = False

    # -- for others ------------------------------------------------------------------------------------

    def fire(self) -> None:
        """Raise SoftTimeout in the guarded thread, as soon as that may be, if the call still runs then."""
        with _lock:
            if self._asked == MOST_FIRES:
                return
            self._asked += 1
            self._next, self._pause = 0.0, AGAIN_SECONDS
            if not self._is_done():
                self._wait()

    def _wait(self) -> None:
        """Look again soon, and until it is done. Under the lock."""
        _waiting.add(self)
        if len(_waiting) == 1:
            try:
                threading.Thread(target=_look_again, name="litequeue-timeouts", daemon=True).start()
            except RuntimeError:  # the program ends, or may have no more threads; the caller has other things to do
                _waiting.clear()

    def _is_done(self) -> bool:
        """Raise it now, if that may be; whether nothing is left to do. Under the lock."""
        import ctypes  # noqa: F401 - now: a thread that runs moves meanwhile, and would have to be looked at again
        import opcode  # noqa: F401 - and not in the guarded thread

        self._busy = True
        try:
            if self._ended or self._settled >= self._asked:
                return True
            looked = monotonic()
            if looked < self._next or not self._open:
                return False
            frame = innermost(self._thread)
            if frame is None:  # the thread has ended
                return True
            at = frame.f_lasti
            if self._made >= self._asked and not self._is_kept(frame):
                self._later(looked)
                return False
            # May be set again, over one that is still pending: it is one then.
            if is_delicate(frame, _RUN) or not _set_async(self._thread, frame, at, looked):
                return False
            self._pending = True  # or made by now: to wait for it is only in vain then
            if self._wake is not None:
                self._wake()
            self._later(looked)
            return False
        finally:
            self._busy = False

    def _later(self, now: float) -> None:
        self._next = now + self._pause
        self._pause = min(2 * self._pause, MOST_SECONDS)

    def _is_kept(self, frame: FrameType | None) -> bool:
        """Whether the last one came to nothing, but somebody keeps it: a ``sys.unraisablehook`` like that of pytest. If so it
        counts no more. An event loop keeps one too, to raise it again."""
        last = self._last()  # the thread does not move: it does not die here
        if last is None or self._pause < MOST_SECONDS or not is_swallowed(last, frame, kept=True):
            return False
        last.guard = None
        self._made -= 1
        return True

    # -- in the guarded thread -------------------------------------------------------------------------

    def run(self, function: Callable[[], T]) -> T | None:
        """Call ``function``; None if SoftTimeout ended it without ``function`` catching it.

        When this returns, no SoftTimeout of this guard is pending or will come.
        """
        result: T | None = None
        _guards[self._thread] = self
        # SoftTimeout may land on any line until a _close has returned, but only MOST_FIRES times, since none is set for one that
        # is being handled: one more layer than that, and the last _close is certain to be left in peace.
        try:
            try:
                try:
                    self._open = True
                    result = function()
                finally:
                    self._close()
            except SoftTimeout:
                self._close()
        except SoftTimeout:
            self._close()
        self._ended = True
        _guards.pop(self._thread, None)
        if self._asked and sys.gettrace() is _no_others:
            sys.settrace(None)
        return result

    def _close(self) -> None:
        """Nothing comes any more when this returns; what came since it was called is as if it had not been raised."""
        taken = 0
        try:
            try:
                self._await_all()
            except SoftTimeout:
                taken = 1
                self._await_all()
        except SoftTimeout:  # the second, and there are no more
            taken = 2
            self._await_all()
        self._made -= taken
        self._settled -= taken  # which they were, here

    def _await_all(self) -> None:
        self._open = False
        while self._busy:
            time.sleep(0)
        if self._pending:
            for _ in range(LOOPS):  # Python delivers it at a jump backwards
                pass
            self._pending = False  # on 3.11 what C code throws away has never been made


class _Raised(SoftTimeout):
    """What is set in a thread: a class, of which Python makes the exception there. As it goes, it says what became of it."""

    __slots__ = ("guard",)
    guard: SoftGuard | None

    def __init__(self) -> None:
        super().__init__()
        self.guard = _guards.get(threading.get_ident())
        if self.guard is not None:
            self.guard._last = weakref.ref(self)  # before it counts: by then somebody may ask what became of it
            self.guard._made += 1
            self.guard._pending = False

    def __del__(self) -> None:
        guard: SoftGuard | None = getattr(self, "guard", None)
        if guard is None or sys.is_finalizing():
            return
        if is_swallowed(self, innermost(guard._thread)):
            guard._made -= 1
            if threading.get_ident() == guard._thread:
                _raise_from(sys._getframe(1))
        else:
            guard._settled += 1


for _name in ("__module__", "__name__", "__qualname__"):  # nobody is to wonder
    setattr(_Raised, _name, getattr(SoftTimeout, _name))


class _Shield:
    """``with shielded:`` defers SoftTimeout to the end of the block. Nests; free without a guard."""

    def __enter__(self) -> None:
        guard = _guards.get(threading.get_ident())
        if guard is None:
            return
        if not guard._shields:
            guard._close()
        guard._shields += 1

    def __exit__(self, *_: object) -> None:
        guard = _guards.get(threading.get_ident())
        if guard is None or not guard._shields:
            return
        guard._shields -= 1
        if guard._shields:
            return
        if guard._asked > guard._made:  # nobody changes that while we are not open, but to ask for one more
            try:
                raise _Raised
            finally:
                guard._open = True
        guard._open = True


shielded = _Shield()

_RUN: Final = SoftGuard.run.__code__


def _raise_from(frame: FrameType | None) -> None:
    """Raise what is outstanding on the next line of this frame, or of those that called it."""
    if sys.gettrace() is not None:
        return  # a debugger's: it is set again, time after time
    while frame is not None and frame.f_code is not _RUN:
        frame.f_trace = _raise_in
        frame = frame.f_back
    sys.settrace(_no_others)


def _no_others(frame: FrameType, event: str, arg: object) -> None:
    pass


def _raise_in(frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
    guard = _guards.get(threading.get_ident())
    if guard is not None and guard._asked > guard._made:
        if event != "line" or guard._shields or is_delicate(frame, _RUN):  # others come as another exception is under way
            return _raise_in
        with shielded:
            pass  # its end raises, which ends the trace
    sys.settrace(None)
    return None


def _look_again() -> None:
    pause = AGAIN_SECONDS
    while True:
        time.sleep(pause)
        with _lock:
            for guard in [guard for guard in _waiting if guard._is_done()]:
                _waiting.discard(guard)
            if not _waiting:
                return
            pause = min(max(AGAIN_SECONDS, min(guard._next for guard in _waiting) - monotonic()), NAP_SECONDS)


def _set_async(thread: int, frame: FrameType, at: int, looked: float) -> bool:
    """Set it in the thread, if that has not moved since it was looked at; whether it was set."""
    import ctypes

    deed = partial(ctypes.pythonapi.PyThreadState_SetAsyncExc, ctypes.c_ulong(thread), ctypes.py_object(_Raised))
    if not HAS_GIL:
        return monotonic() - looked <= LOOK_SECONDS and bool(deed())
    # C functions in one call, which keeps the GIL: between two lines of ours the thread could go on to where it must not be met.
    return bool(next(map(deed, while_at(thread, frame, at)), 0))  # the place is one argument more, which C does not mind


def _after_in_child() -> None:
    """Who would raise anything is not there, or may have been in the middle of it."""
    global _lock
    _lock = threading.Lock()
    _waiting.clear()
    for guard in _guards.values():
        guard._busy, guard._ended = False, True
    _guards.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)
