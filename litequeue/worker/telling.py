"""Calling what an app has said with ``app.on``: one thread, beside the worker's own, behind the commit.

Owns the queue to that thread. At most once: what still waits when the worker is gone, or is more than there is room for, is not called.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from ..base.clock import monotonic
from ..base.log import Log
from ..tasks import TaskCode

log = Log("litequeue.worker")

ROOM: Final = 10_000  # ends that wait for their functions
LAST: Final = 5.0  # seconds that a worker which stops gives those that wait


def say_that_it_ends(codes: Iterable[TaskCode]) -> None:
    """Of a worker of these tasks, to what their apps have for observers."""
    hooks = {id(code.hooks): code.hooks for code in codes if code.hooks.observers}
    if hooks:
        from ..tasks import observers

        observers.stop(hooks.values())


class End(NamedTuple):
    """What an execution came to, and whom to call."""

    job: int
    attempt: int
    event: str
    functions: tuple[Callable[[int], Any], ...]


class Teller:
    """One worker's. ``tell`` never waits."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[End | None] = queue.Queue(ROOM)
        self._thread: threading.Thread | None = None
        self._left_out = 0

    def tell(self, ends: Iterable[End]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="litequeue-on", daemon=True)
            self._thread.start()
        for end in ends:
            try:
                self._waiting.put_nowait(end)
            except queue.Full:
                self._left_out += 1
                if self._left_out & (self._left_out - 1) == 0:  # the 1st, 2nd, 4th and so on
                    log.warning("app.on: %d ends were told to nobody, since the functions are slower than the jobs", self._left_out)

    def stop(self) -> None:
        """Let those that wait be called, for some seconds at most."""
        if self._thread is not None:
            deadline = monotonic() + LAST
            try:
                self._waiting.put(None, timeout=LAST)
            except queue.Full:  # then they are called no more
                with contextlib.suppress(queue.Empty):
                    while True:
                        self._waiting.get_nowait()
                self._waiting.put(None)
            self._thread.join(max(deadline - monotonic(), 0))

    def _work(self) -> None:
        for end in iter(self._waiting.get, None):
            for function in end.functions:
                try:
                    function(end.job)
                except BaseException as error:
                    log.error("job %d: what app.on(%r) calls raised %s: %s", end.job, end.event, type(error).__name__, error, exc_info=error)
