"""The slots of limits, in memory: what ``store/turn/fill`` does in SQL.

Owns who gets one, and the count of what has started within the time of a rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop

from ...base.exact import Limit
from .jobs import ASK, Job, Table


class Limits:
    """Those of all keys."""

    def __init__(self, table: Table, limits: Mapping[str, Limit]) -> None:
        self._table = table
        self._limits = limits
        self._starts: dict[str, dict[int, int]] = {}  # by key and slice of the rate's time: how many

    def fill(self) -> None:
        """Give the slots that there are of the keys that ask."""
        table = self._table
        for key in sorted(table.asked):
            line, limit = table.lines.get(key, []), self._limit_of(key)
            free = self._free(key, limit)
            while line and (free is None or free > 0):
                rank, job = heappop(line)
                if not job.stands or job.is_final or rank != job.rank:
                    continue
                free = None if free is None else free - 1
                job.has_slot = True
                table.held[key] = table.held.get(key, 0) + 1
                table.starting[key] = table.starting.get(key, 0) + 1
                table.make_ready(job)
        table.asked.clear()

    def started(self, job: Job) -> None:
        """Count a start; its key is looked at again once that has left the window."""
        key = job.new.columns.limit_key
        limit = None if key is None else self._limit_of(key)
        if key is None or limit is None or limit.per is None:
            return
        width = limit.per // 32
        began = self._table.now // width * width
        starts = self._starts.setdefault(key, {})
        if began not in starts:
            self._table.at(began + width + limit.per, ASK, key)
        starts[began] = starts.get(began, 0) + 1

    def _limit_of(self, key: str) -> Limit | None:
        return self._limits.get(key.partition(":")[0])

    def _free(self, key: str, limit: Limit | None) -> int | None:
        """None: any number."""
        if limit is None:
            return None
        free = [] if limit.max_running is None else [limit.max_running - self._table.held.get(key, 0)]
        if limit.rate is not None and limit.per is not None:
            since, starts = self._table.now - limit.per - limit.per // 32, self._starts.get(key, {})
            for began in [began for began in starts if began <= since]:
                del starts[began]
            free.append(limit.rate - sum(starts.values()) - self._table.starting.get(key, 0))
        return min(free, default=None)
