"""The thread that looks twice a second for what running jobs have to hand on: how far they are, what they print.

Owns that thread, which is there as long as anybody is looked at, and that nothing of a job is handed on after its end.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from typing import Final, Protocol

from ..base.log import Log
from ..base.softguard import shielded

log = Log("litequeue.jobs")

PAUSE: Final = 0.5  # seconds between two looks
FIRST: Final = 0.05  # before the first, which is what people wait for


class Watched(Protocol):
    def hand_on(self) -> bool:
        """What is new, if anything is. Quick. Whether there may be more later."""


class _Ticker:
    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        # Also while something is handed on: none comes after the end of its job. A signal's handler or an object's end may come to speak where this
        # thread has it.
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    def look_at(self, watched: Watched) -> None:
        with shielded, self._lock:
            self._watched.add(watched)
            if self._thread is None:
                # In no job's context, which some Pythons would hand on.
                thread = threading.Thread(target=contextvars.Context().run, args=(self._run,), name="litequeue-progress", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the program ends, or may have no more threads: what there is comes with the job's end
                    return
                self._thread = thread

    def look_away(self, watched: Watched) -> None:
        with self._lock:
            self._watched.discard(watched)

    def _run(self) -> None:
        time.sleep(FIRST)
        while True:
            with self._lock:
                if not self._watched:
                    self._thread = None
                    return
                for watched in list(self._watched):
                    try:
                        more = watched.hand_on()
                    except Exception as error:
                        more = False
                        log.error("what a job says is not handed on any more: %s: %s", type(error).__name__, error, exc_info=error)
                    if not more:
                        self._watched.discard(watched)
            time.sleep(PAUSE)


_ticker = _Ticker()


def look_at(watched: Watched) -> None:
    """From now on, until ``look_away``."""
    _ticker.look_at(watched)


def look_away(watched: Watched) -> None:
    """Nothing of it is handed on any more but by who calls this."""
    _ticker.look_away(watched)


def _after_in_child() -> None:
    """The thread is not there, and who goes on is no job."""
    global _ticker
    _ticker = _Ticker()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)
