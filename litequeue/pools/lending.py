"""Slots that waiting calls lend: a task that waits for another job must not keep that job from running.

Owns the count of calls that wait for jobs, by which a pool has more slots for as long. Without it, as many
tasks as a worker has slots, each waiting for a job behind them, would wait for ever.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final

from ..base.errors import WouldDeadlock

MOST: Final = 200  # a task that waits for a task that waits ... keeps a thread for each


class Lending:
    """One pool's; ``on_change`` lets somebody claim for the slot that has become free."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.count = 0
        self._lock = threading.Lock()
        self._on_change = on_change

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """The calling task's slot is free for the length of the block."""
        with self._lock:
            if self.count >= MOST:
                raise WouldDeadlock(
                    f"{MOST} tasks of this worker wait for other jobs already; let a task enqueue what comes "
                    "next and end, or wait from outside"
                )
            self.count += 1
        self._on_change()
        try:
            yield
        finally:
            with self._lock:
                self.count -= 1
