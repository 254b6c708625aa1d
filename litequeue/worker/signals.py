"""Signals that stop a worker process: first politely, then at once.

Owns the handlers while a worker runs in the main thread, and puts the old ones back. A handler only posts
to the inbox (``SimpleQueue.put`` is reentrant) or leaves the process.

Python runs handlers in the main thread, once that comes back to Python: never, if it is in a statement of SQLite's that does not
end. A process that is to be left by a deadline is therefore told of its signals by a thread, which reads what Python's own
handler in C has written down.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from types import FrameType
from typing import Any

from ..base.forks import forget, reset_in_children
from ..base.log import Log
from .leaving import leave

log = Log("litequeue.worker")

_END = 0  # no signal has these numbers
_FINISH, _NOW = 254, 255


class StopSignals:
    """Counts the signals that came; ``exit_code`` is what the process should answer with."""

    def __init__(
        self,
        stop: Callable[[bool], None],
        *,
        deadlines: tuple[float, float] | None = None,
        last_words: Callable[[int], int] = int,
    ) -> None:
        """``deadlines``: how many seconds after the first and after the second signal the process is left
        whatever holds it up (a module's import, somebody's lock); None never forces it. ``last_words`` is told
        the exit code just before, may say what is left undone, and returns the exit code."""
        self._stop = stop
        self._deadlines = deadlines
        self._last_words = last_words
        self._count = 0
        self._level = 0  # 1: it is to finish, 2: now
        self._writer: int | None = None
        self._writing = threading.Lock()
        self.exit_code = 0

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle SIGTERM, SIGINT and SIGHUP (and Ctrl-Break) inside the block; a no-op off the main thread.

        A terminal that is closed stops the worker like SIGTERM; under ``nohup``, which ignores it, it does not.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        names = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")
        old: dict[int, Any] = {}
        with contextlib.ExitStack() as stack:
            handle: Callable[[int, FrameType | None], None] = self._handle
            if self._deadlines is not None and os.name == "posix":
                handle = stack.enter_context(self._watched(old))
            for name in names:
                number = getattr(signal, name, None)
                if number is not None and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
                    old[number] = signal.signal(number, handle)
            reset_in_children(old)
            try:
                yield
            finally:
                forget(old)
                # A process that is about to end since it was told to is told so again by who tells a whole group: that is not to be its exit code.
                is_over = self._level and self._deadlines is not None
                for number, handler in old.items():
                    signal.signal(number, signal.SIG_IGN if is_over else handler)

    def ask(self, *, now: bool) -> bool:
        """What a first signal would, or with ``now`` a second. It is none of their number: whoever tells a whole group of processes tells those twice that
        their own parent tells too. Whether there is anybody to ask: only inside the block, where deadlines force it. From any thread."""
        with self._writing:
            if self._writer is not None:
                os.write(self._writer, bytes([_NOW if now else _FINISH]))
            return self._writer is not None

    @contextlib.contextmanager
    def _watched(self, ours: Collection[int]) -> Iterator[Callable[[int, FrameType | None], None]]:
        """A thread handles these signals inside the block; yields what the main thread is to do about one, which is nothing."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)  # as Python demands

        def watch() -> None:
            while (number := os.read(reader, 1)[0]) != _END:
                if number in ours:
                    self._handle(number)
                elif number >= _FINISH:
                    self._reach(number - _FINISH + 1, signal.SIGTERM)

        thread = threading.Thread(target=watch, name="litequeue-signals", daemon=True)
        thread.start()
        old = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self._writer = writer
        try:
            yield lambda number, frame: None
        finally:
            signal.set_wakeup_fd(old)
            with self._writing:
                self._writer = None
            os.write(writer, bytes([_END]))
            thread.join()
            os.close(reader)
            os.close(writer)

    def _handle(self, number: int, frame: FrameType | None = None) -> None:
        self._count += 1
        self._reach(self._count, number)

    def _reach(self, level: int, number: int) -> None:
        while self._level < level:
            self._level += 1
            if self._level == 1:
                self._stop(False)
                self._leave_after(0)
            elif self._level == 2:
                self.exit_code = 130 if number == signal.SIGINT else 128 + number
                self._stop(True)
                self._leave_after(1)
            else:
                leave(self.exit_code)

    def _leave_after(self, which: int) -> None:
        if self._deadlines is not None:
            timer = threading.Timer(self._deadlines[which], self._leave)
            timer.daemon = True
            timer.start()

    def _leave(self) -> None:
        """What is not settled by now is taken up by another worker, as after a kill."""
        log.warning("the worker is left although it is not done: something holds it up")
        leave(self._last_words(self.exit_code))
