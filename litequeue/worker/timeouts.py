"""When running calls reach their soft timeout and their timeout.

Owns the heap of deadlines, in monotonic time from each call's own start. What to do about one is the
coordinator's.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping

from ..base.checks import MICROS
from ..pools.base import Call, Reason

Key = tuple[int, int]  # a job's id and the attempt's number


def limits_of(call: Call) -> list[tuple[Reason, int]]:
    """What limits a call has, in microseconds."""
    both = ((Reason.SOFT_TIMEOUT, call.soft_timeout), (Reason.TIMEOUT, call.timeout))
    return [(reason, limit) for reason, limit in both if limit is not None]


class Limits:
    """The deadlines of the calls that have any."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Call, Reason]] = []
        self._serial = itertools.count()

    def watch(self, call: Call, started: float, live: Mapping[Key, Call]) -> None:
        """Enter a call that began then. ``live``: those that still run; others are swept out."""
        for reason, limit in limits_of(call):
            entry = (started + limit / MICROS, next(self._serial), call, reason)
            heapq.heappush(self._heap, entry)
        if len(self._heap) > 4 * len(live) + 64:  # mostly of calls that ended in time
            self._heap = [e for e in self._heap if live.get((e[2].job.id, e[2].job.attempt)) is e[2]]
            heapq.heapify(self._heap)

    def next(self) -> float:
        """When the next one is due; infinity if there is none."""
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float, live: Mapping[Key, Call]) -> Iterator[tuple[Call, Reason]]:
        """Take out what has passed, of calls that still run."""
        while self._heap and self._heap[0][0] <= now:
            _, _, call, reason = heapq.heappop(self._heap)
            if live.get((call.job.id, call.job.attempt)) is call:
                yield call, reason
