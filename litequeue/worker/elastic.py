"""Slots that move within a range: how many a pool should have, and having it so.

Owns that decision, ``Range``, which is pure and told the time, and what goes into it. A worker's slots are what it claims for, so one fewer stops no
job. They double, at most each second, while all are busy, jobs that are due wait in the file, and the process has processor left; and they come down to
the most that were used at once within a minute. Celery's autoscaler looks at what it has prefetched, of which with a prefetch of one there is never more
than it has processes, and shrinks by what it has instead of by what is used. Here whatever waits in the file counts, for this worker alone: of its queues
that nobody paused, of tasks that it has code for. A job in the line of a limit is not due.

A processor is what threads share that hold the GIL, so at ``CORE`` more of them do not help. A process far above one core runs code that lets go of the
GIL, and may grow until it has used the host's. On a host that others keep busy threads that compute use less than a core, and so they grow, which costs
next to nothing: beside six other processes on two cores 32 threads computed 15,200 times a second, two 14,300 times. Not to grow is what costs: of jobs
that sleep, 32 slots do sixteen times as many as two.

Measured beside fixed numbers in one run (``bench --only elastic``, two busy cores): with 2:32 sixteen rushes of 60 jobs of 50 ms, one each half second, were
done at 124 a second, with 32 at 126, with 2 at 39; jobs that compute at 48, 49 and 47; half of the one and half of the other at 180, 191 and 65: 0.99, 0.98
and 0.94 of the better (0.99, 0.94 and 0.92 where others kept the host busy). What is lost is the three seconds from 2 to 32.

Must not run on a path that a worker with fixed slots takes: such a worker has none of this. Of processes only those that exist count, so their range is no
matter of this module: the least of them are kept warm by their pool, and those beyond end once they were idle for a minute.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from ..base.checks import MICROS
from ..base.clock import Clock, cpu
from ..base.errors import PASSING
from ..base.log import Log
from ..base.softguard import HAS_GIL
from ..store import Store
from .config import MOVING, WorkerConfig
from .patience import Patience
from .planning import Plan
from .pooling import Pools

log = Log("litequeue.worker")

GROW_PAUSE: Final = 1.0  # seconds
WAITED: Final = 0.2  # seconds that a job has been due, and for which all slots have been busy
WINDOW: Final = 60.0  # seconds
SHRINK_PAUSE: Final = 10.0  # seconds: the slots are told in the worker's row
CORE: Final = 0.9
BEYOND_ONE: Final = 1.5  # cores: what holds the GIL comes to no such use


def has_processor_left(cores: float, processors: int, has_gil: bool) -> bool:
    """Whether more threads of a process that uses so many cores would get something done."""
    of_all = cores < CORE * processors
    return of_all and (not has_gil or cores < CORE or cores > BEYOND_ONE)


class Range:
    """One pool's slots, from ``least`` to ``most``; it begins with the least. Times are monotonic seconds."""

    __slots__ = ("_grown_at", "_shrunk_at", "_used", "least", "most", "slots")

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most
        self.slots = least
        self._grown_at = self._shrunk_at = float("-inf")
        self._used: deque[tuple[float, int]] = deque()  # when, and how many: falling, so that the first is the most

    def may_grow(self, used: int) -> bool:
        """Whether what is asked last, jobs that wait and the processor, matters at all."""
        return used >= self.slots < self.most

    def next_growth(self) -> float:
        """When it may grow again."""
        return self._grown_at + GROW_PAUSE

    def grow(self, now: float) -> None:
        """All slots are busy, jobs wait, and there is processor left."""
        if now >= self.next_growth() and self.slots < self.most:
            self._grown_at = now
            self.slots = min(2 * self.slots, self.most)
            self._note(now, self.slots)  # so that it has a minute to be used

    def used(self, now: float, most: int) -> None:
        """So many slots were busy at once since this was said last."""
        self._note(now, most)
        fewer = max(self._used[0][1], self.least)
        if fewer < self.slots and now >= self._shrunk_at + SHRINK_PAUSE:
            self.slots, self._shrunk_at = fewer, now

    def _note(self, now: float, used: int) -> None:
        while self._used and self._used[-1][1] <= used:
            self._used.pop()
        self._used.append((now, used))
        while self._used[0][0] < now - WINDOW:
            self._used.popleft()


class Measure(NamedTuple):
    """Since when all slots of a pool are busy, what of a processor the process had used by then, and when to judge by it; seconds."""

    at: float
    cpu: float
    until: float


class ElasticPlan(Plan):
    """A plan that remembers the most calls that each pool held at once, and tells when a pool has become full."""

    def __init__(self, slots: dict[str, int], clock: Clock, on_full: Callable[[str], None]) -> None:
        super().__init__(slots, clock)
        self._peaks = dict.fromkeys(slots, 0)
        self._on_full = on_full

    def dispatched(self, kind: str, count: int) -> None:
        super().dispatched(kind, count)
        held = self._held[kind]
        if held > self._peaks[kind]:
            self._peaks[kind] = held
            if held >= self._slots[kind]:
                self._on_full(kind)

    def peak(self, kind: str) -> int:
        """The most since this was asked last."""
        found, self._peaks[kind] = self._peaks[kind], self._held[kind]
        return found

    def is_closed(self, kind: str) -> bool:
        return not self._slots[kind]


class Elastic:
    """One worker's ranges; for its coordinator's thread."""

    def __init__(
        self, worker: int, store: Store, config: WorkerConfig, pools: Pools, clock: Clock, patience: Patience,
        look_at: Callable[[float], None], cpu: Callable[[], float] = cpu,
    ) -> None:  # fmt: skip
        """``look_at`` has this looked at again at a time; ``cpu``: seconds of a processor that the process has used."""
        self._worker = worker
        self._store = store
        self._queues = config.queues
        self._slots = dict(config.slots)
        self._pools = pools
        self._clock = clock
        self._patience = patience
        self._look_at = look_at
        self._cpu = cpu
        self._ranges = {kind: Range(*given) for kind, given in config.ranges.items() if kind in MOVING}
        self._given = config.ranges
        self._full: dict[str, Measure] = {}
        self._untold = False
        self.plan = ElasticPlan(self._slots, clock, self._on_full)

    def _on_full(self, kind: str) -> None:
        """A claim has taken the last of its slots. Judged not at once, and not half a second later."""
        if kind in self._ranges and kind not in self._full and self._ranges[kind].may_grow(self._slots[kind]):
            self._measure(kind, self._clock.monotonic(), WAITED)

    def _measure(self, kind: str, now: float, seconds: float) -> None:
        self._full[kind] = Measure(now, self._cpu(), now + seconds)
        self._look_at(now + seconds)

    def look(self, unknown: str | None) -> bool:
        """Let the slots be what they should be; whether there are more now. ``unknown``: JSON array of tasks without code here."""
        now, has_grown = self._clock.monotonic(), False
        for kind, found in self._ranges.items():
            if self.plan.is_closed(kind):
                continue
            before, used = found.slots, self._used(kind)
            if not found.may_grow(used):
                self._full.pop(kind, None)
            elif kind not in self._full:
                self._measure(kind, now, WAITED)
            elif now < self._full[kind].until:
                self._look_at(self._full[kind].until)
            elif self._is_late(kind, unknown):
                if self._has_room(kind, now):
                    found.grow(now)
                # Of a shorter while than that a moment without the processor would be half.
                self._measure(kind, now, GROW_PAUSE)
            elif now > self._full[kind].until + GROW_PAUSE:
                self._measure(kind, now, WAITED)  # how it was before is no matter
            found.used(now, used)
            if found.slots != before:
                self._resize(kind, found.slots)
                has_grown |= found.slots > before
        if self._untold:
            self._tell()
        return has_grown

    def _used(self, kind: str) -> int:
        """The most slots that were busy at once since the last look. A call that waits for another job has lent its own, and what is
        claimed ahead has none."""
        pool = self._pools.made.get(kind)
        lent = 0 if pool is None else pool.slots - pool.size
        return max(min(self.plan.peak(kind) - lent, self._ranges[kind].slots), 0)

    def _has_room(self, kind: str, now: float) -> bool:
        began = self._full[kind]
        cores = (self._cpu() - began.cpu) / (now - began.at)
        return has_processor_left(cores, _processors() if kind == "thread" else 1, HAS_GIL)

    def _is_late(self, kind: str, unknown: str | None) -> bool:
        """Whether a job waits that this worker could run."""
        try:
            since = self._store.jobs.due_since(kind, self._queues, unknown)
        except PASSING:
            return False
        return since is not None and self._clock.now() - since >= WAITED * MICROS

    def _resize(self, kind: str, slots: int) -> None:
        log.info("worker has %d %s slots now, of %d to %d", slots, kind, *self._given[kind])
        self._slots[kind] = slots
        self.plan.resize(kind, slots)
        pool = self._pools.made.get(kind)
        if pool is not None:
            pool.size = slots
        self._untold = True

    def _tell(self) -> None:
        """Whoever looks at the worker's row."""
        try:
            self._store.workers.resized(self._worker, self._slots, self._given, self._patience.now(for_jobs=False))
            self._untold = False
        except PASSING:
            pass  # at the next look


def _processors() -> int:
    """Those that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # but on Linux
        return os.cpu_count() or 1
