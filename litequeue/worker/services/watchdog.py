"""Noticing a coordinator that does not move any more, while the heartbeat calls its worker well.

Owns that judgement. Users' code is kept out of the coordinator's thread (imports, logging, tasks have threads of their own);
should something hold it all the same, its jobs would stay where they are for ever, and a stop would do nothing. A worker that
is a process of its own is then left, so that its jobs are rescued and whoever keeps it up starts another; one inside a program
gives its jobs up, and has no heartbeat until it moves again, so that others see it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Final

from ...base.clock import Clock
from ...base.delicate import innermost
from ...base.log import Log

log = Log("litequeue.worker")

SECONDS: Final = 120.0  # the write lock alone may be waited for 30
LOOK_SECONDS: Final = 10.0
LOOKS: Final = 3  # in a row: after a suspended process goes on we may come first


class Watchdog:
    """``look`` is called with the heartbeat, since a thread of its own would wake up for nothing else; ``on_stuck`` once, until it
    moves again."""

    def __init__(self, moved_at: Callable[[], float], thread: int, clock: Clock, on_stuck: Callable[[], None]) -> None:
        """``moved_at``: when the coordinator last took in its messages (monotonic); ``thread``: it runs in."""
        self._moved_at = moved_at
        self._thread = thread
        self._clock = clock
        self._on_stuck = on_stuck
        self._seen = -1.0
        self._looks = 0
        self._barked = False
        self._next = 0.0

    def look(self) -> bool:
        """Whether the coordinator moves, as far as can be told."""
        now = self._clock.monotonic()
        if now < self._next:
            return not self._barked
        self._next = now + LOOK_SECONDS
        moved = self._moved_at()
        self._looks = self._looks + 1 if moved == self._seen else 0
        self._seen = moved
        self._barked = self._barked and self._looks > 0
        if self._looks >= LOOKS and now - moved > SECONDS and not self._barked:
            self._barked = True
            frame = innermost(self._thread)
            where = "".join(traceback.format_stack(frame)[-8:]) if frame is not None else ""
            log.error("the worker has not moved for %.0f s; it is held up here:", now - moved, stack=where.rstrip("\n"))
            self._on_stuck()
        return not self._barked
