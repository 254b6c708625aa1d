"""What came of this worker's attempts, summed up in memory until a turn takes it along.

Owns the sums, and when they are due. Fed with what a turn has written, so that what was lost is not counted and nothing twice; a kill costs
the last second's. For the coordinator's thread alone.

Most turns settle many jobs of one task, which are summed up by functions of C: 0.4 us a job of the 16 that a drain has for each in all; one by one it was 1.4.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import repeat
from operator import itemgetter, sub
from typing import Final

from ..base.history import BOUNDS, BUCKETS, ENDS, MINUTE, Counted, begin
from ..base.models import ClaimedJob, Lease, Settled, Unsettled

PAUSE: Final = 1.0  # seconds between two turns that take it along
MOST: Final = 100  # pairs of task and queue a minute; what comes then counts as ''

_fields: Final = ClaimedJob._fields.index
_TASK, _QUEUE, _DUE, _CREATED = (itemgetter(_fields(name)) for name in ("task", "queue", "run_at", "created_at"))
_STARTED, _FINISHED = (itemgetter(Settled._fields.index(name)) for name in ("started_at", "finished_at"))
_END_OF: Final = {
    "retrying": "failed", "discarded": "discarded", "cancelled": "cancelled", "scheduled": "snoozed", "blocked": "snoozed", "available": "released",
}  # fmt: skip
_RAN: Final = ("failed", "discarded", "cancelled")  # to an end, whatever that was


class _Row:
    """The sums of a task in a queue, in one minute."""

    __slots__ = ("ends", "run_us", "runs", "wait_us", "waits")

    def __init__(self) -> None:
        self.ends = [0] * len(ENDS)
        self.run_us = self.wait_us = 0
        self.runs = [0] * BUCKETS
        self.waits = [0] * BUCKETS


class Tally:
    """One worker's."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._rows: dict[tuple[int, str, str], _Row] = {}
        self._pairs: set[tuple[str, str]] = set()  # of this minute
        self._minute = 0
        self._due = 0.0
        self.is_urgent = False  # the worker is about to end

    def due(self) -> float:
        """When, by the monotonic clock, a turn should take it along; infinity where nothing was counted."""
        return self._due if self._rows else float("inf")

    def is_due(self) -> bool:
        return bool(self._rows) and (self.is_urgent or self._monotonic() >= self._due)

    def rows(self) -> Sequence[Counted]:
        """What a turn takes along."""
        if not self.is_due():
            return ()
        return [
            Counted(at, task, queue, tuple(row.ends), row.run_us, row.wait_us, tuple(row.runs), tuple(row.waits))
            for (at, task, queue), row in self._rows.items()
        ]

    def written(self) -> None:
        self._rows.clear()
        self._due = self._monotonic() + PAUSE

    # -- counting ----------------------------------------------------------------------------------------

    def succeeded(self, now: int, jobs: Sequence[ClaimedJob], rows: Sequence[Settled], lost: Collection[Lease]) -> None:
        """Jobs and their rows, in the same order."""
        if lost:
            kept = [pair for pair in zip(jobs, rows, strict=True) if Lease(pair[1].id, pair[1].attempt) not in lost]
            jobs, rows = [job for job, _ in kept], [row for _, row in kept]
        if not rows:
            return
        tasks, queues = set(map(_TASK, jobs)), set(map(_QUEUE, jobs))
        if len(tasks) == len(queues) == 1:
            self._add(self._row(now, tasks.pop(), queues.pop()), jobs, rows)
            return
        together: dict[tuple[str, str], tuple[list[ClaimedJob], list[Settled]]] = {}
        for job, row in zip(jobs, rows, strict=True):
            pair = together.setdefault((job.task, job.queue), ([], []))
            pair[0].append(job)
            pair[1].append(row)
        for (task, queue), (its, theirs) in together.items():
            self._add(self._row(now, task, queue), its, theirs)

    def _add(self, row: _Row, jobs: Sequence[ClaimedJob], settled: Sequence[Settled]) -> None:
        starts, due, created = list(map(_STARTED, settled)), list(map(_DUE, jobs)), list(map(_CREATED, jobs))
        if due != created:  # mostly they were to run at once
            due = list(map(max, due, created))
        row.ends[0] += len(settled)
        row.run_us += _spread(list(map(sub, map(_FINISHED, settled), starts)), row.runs)
        row.wait_us += _spread(list(map(sub, starts, due)), row.waits)

    def other(self, now: int, job: ClaimedJob, row: Unsettled) -> None:
        """Any other end of an attempt."""
        end = _END_OF[row.state]
        sums = self._row(now, job.task, job.queue)
        sums.ends[ENDS.index(end)] += 1
        if end in _RAN and row.started_at is not None:
            sums.run_us += _spread([row.ended_at - row.started_at], sums.runs)
            sums.wait_us += _spread([row.started_at - max(job.run_at, job.created_at)], sums.waits)

    def _row(self, now: int, task: str, queue: str) -> _Row:
        minute = begin(now, MINUTE)
        if minute != self._minute:
            self._minute, self._pairs = minute, set()
        if (task, queue) not in self._pairs:
            if len(self._pairs) == MOST:
                task = queue = ""
            else:
                self._pairs.add((task, queue))
        key = minute, task, queue
        if key not in self._rows:
            self._rows[key] = _Row()
        return self._rows[key]


def _spread(times: list[int], buckets: list[int]) -> int:
    """Count them in their buckets; their sum. Negative ones, of a clock that was set back, are none."""
    low = bisect_left(BOUNDS, min(times))
    if bisect_left(BOUNDS, max(times)) == low:
        buckets[low] += len(times)
    else:
        for bucket, count in Counter(map(bisect_left, repeat(BOUNDS), times)).items():
            buckets[bucket] += count
    return max(sum(times), 0)
