"""Signals that stop a worker process: first politely, then at once.

Owns the handlers while a worker runs in the main thread, and puts the old ones back. A handler only posts
to the inbox (``SimpleQueue.put`` is reentrant) or leaves the process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


class StopSignals:
    """Counts the signals that came; ``exit_code`` is what the process should answer with."""

    def __init__(self, stop: Callable[[bool], None]) -> None:
        self._stop = stop
        self._count = 0
        self.exit_code = 0

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT (and Ctrl-Break) inside the block; a no-op off the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        names = ("SIGTERM", "SIGINT", "SIGBREAK")
        old: dict[int, Any] = {}
        for name in names:
            number = getattr(signal, name, None)
            if number is not None:
                old[number] = signal.signal(number, self._handle)
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            self._stop(False)
        elif self._count == 2:
            self.exit_code = 130 if number == signal.SIGINT else 128 + number
            self._stop(True)
        else:
            os._exit(self.exit_code)
