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
from ..base.softguard import shielded

MOST: Final = 200  # a task that waits for a task that waits ... keeps a thread for each


class Lending:
    """One pool's; ``on_change`` lets somebody claim for the slot that has become free."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._lent: dict[object, int] = {}  # of each wait its thread; no lock, which a SoftTimeout could leave taken
        self._on_change = on_change

    @property
    def count(self) -> int:
        return len(self._lent)

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """The calling task's slot is free for the length of the block."""
        if self.count >= MOST:
            raise WouldDeadlock(
                f"{MOST} tasks of this worker wait for other jobs already; let a task enqueue what comes "
                "next and end, or wait from outside"
            )
        wait = object()
        try:
            with shielded:
                self._lent[wait] = threading.get_ident()
                self._on_change()
            yield
        finally:
            self._lent.pop(wait, None)

    def forget_thread(self) -> None:
        """After a call that could be interrupted: a SoftTimeout may have come just before a slot was given back (seen once
        in 500 on Python without the GIL)."""
        own = threading.get_ident()
        for wait in [wait for wait, thread in list(self._lent.items()) if thread == own]:
            self._lent.pop(wait, None)
