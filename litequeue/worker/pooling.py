"""The worker's pools, each made when the first job needs it: asyncio and multiprocessing cost 40 ms together.

Owns their making and what they report to. For the coordinator's thread alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ..base.clock import Clock
from ..base.lockfolder import Locks
from ..pools.base import Call, Events, Pool
from .config import WorkerConfig
from .inbox import Inbox, Started

if TYPE_CHECKING:
    from ..pools.watched import Judge

IDLE_OF_RANGE: Final = 60.0  # seconds after which a process beyond the least ends, where a range is given


class Pools:
    """``made`` holds those that there are, by kind; ``get`` makes what is missing."""

    def __init__(
        self, config: WorkerConfig, inbox: Inbox, clock: Clock, rng: random.Random, locks: Locks | None = None,
        imports: Sequence[tuple[str, str]] = (),
    ) -> None:  # fmt: skip
        """``locks``: how the paths begin of the locks by which pool processes are seen to run; ``imports``: modules for
        pool processes to import, with their directories."""
        self._locks = locks
        self._imports = imports
        self._config = config
        self._events = _Events(inbox, clock)
        self._clock = clock
        self._rng = rng
        self.made: dict[str, Pool] = {}
        if config.ranges.get("process", (0,))[0]:
            self.get("process")  # whose least are to be there before the first job

    def get(self, kind: str) -> Pool:
        pool = self.made.get(kind)
        if pool is None:
            pool = self.made[kind] = self._build(kind)
        return pool

    def _build(self, kind: str) -> Pool:
        slots = self._config.slots[kind]
        if kind == "thread":
            from ..pools.threads import ThreadPool

            return ThreadPool(slots, self._events, self._clock, self._rng)
        if kind == "process":
            from ..pools.processes import IDLE_SECONDS, ProcessPool

            warm, idle = (self._config.ranges[kind][0], IDLE_OF_RANGE) if kind in self._config.ranges else (0, IDLE_SECONDS)
            return ProcessPool(
                slots, self._events, self._clock, jobs_per_child=self._config.max_jobs_per_child, locks=self._locks,
                imports=self._imports, warm=warm, idle_seconds=idle,
            )  # fmt: skip
        from ..pools.coroutines import CoroutinePool

        return CoroutinePool(slots, self._events, self._clock, self._rng)

    def weigh(self, judge: Judge) -> None:
        """Let those processes end, between two jobs, that it names of those that there are, be it none."""
        pool: Any = self.made.get("process")
        judge(()) if pool is None else pool.weigh(judge)

    def backlogged(self) -> bool:
        return any(pool.backlog() for pool in self.made.values())

    def lent(self) -> bool:
        """Whether waiting tasks have lent their slots."""
        return any(pool.slots > pool.size for pool in self.made.values())

    def tend(self) -> None:
        for pool in self.made.values():
            pool.tend()

    def stop(self) -> None:
        for pool in self.made.values():
            pool.stop()


def events_of(inbox: Inbox, clock: Clock) -> Events:
    """What a pool reports to."""
    return _Events(inbox, clock)


class _Events:
    """What the pools report to, with the clock at hand for ``started``."""

    def __init__(self, inbox: Inbox, clock: Clock) -> None:
        self.ended = inbox.ended
        self.printed = inbox.printed
        self.said = inbox.said
        self.stirred = inbox.stirred
        self.lent = inbox.look
        self._put = inbox.put
        self._monotonic = clock.monotonic

    def started(self, call: Call) -> None:
        self._put(Started(call, self._monotonic()))
