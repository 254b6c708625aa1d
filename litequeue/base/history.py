"""What is counted of jobs that end, by which spans of time, and what can be read from it: pure numbers.

Owns the spans, the buckets of times, and how a percentile is read from them. What is counted when is the worker's (``worker/tally``)
and the store's (``store/history``).

Each span has its row from the first count on, so that nothing is ever rolled up: twenty pairs of task and queue are 80 rows a second, 0.3 ms (measured;
``store/history``), and nobody has to be awake at the end of a minute, or to win something, for the days to be right.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from .checks import MICROS

MINUTE: Final = 60
QUARTER: Final = 900
DAY: Final = 86_400
EVER: Final = 0  # one row, never pruned: the counters of ``metrics``
SPANS: Final = (MINUTE, QUARTER, DAY, EVER)  # seconds
KEPT: Final = {MINUTE: 8 * 3600, QUARTER: 8 * DAY, DAY: 400 * DAY}  # seconds

# Upper bounds, in microseconds; what takes longer than the last is in one bucket more.
BOUNDS: Final = tuple(int(seconds * MICROS) for seconds in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600))
BUCKETS: Final = len(BOUNDS) + 1

# What an attempt came to, or a job without one.
ENDS: Final = ("succeeded", "failed", "discarded", "cancelled", "expired", "interrupted", "released", "snoozed")


class Counted(NamedTuple):
    """What came of the jobs of one task in one queue, within one minute or since the last that was written."""

    at: int  # microseconds
    task: str
    queue: str
    ends: tuple[int, ...] = (0,) * len(ENDS)  # in their order
    run_us: int = 0
    wait_us: int = 0  # from when an attempt was due to its start
    runs: tuple[int, ...] = (0,) * BUCKETS
    waits: tuple[int, ...] = (0,) * BUCKETS


def of_end(at: int, task: str, queue: str, end: str, count: int = 1) -> Counted:
    """So many that ended so, without an attempt of which the time is known."""
    return Counted(at, task, queue, tuple(count * (name == end) for name in ENDS))


def of_success(at: int, task: str, queue: str, run_us: int, wait_us: int) -> Counted:
    """One attempt that succeeded."""
    return of_end(at, task, queue, "succeeded")._replace(
        run_us=max(run_us, 0), wait_us=max(wait_us, 0), runs=_in_its_bucket(run_us), waits=_in_its_bucket(wait_us)
    )


def _in_its_bucket(micros: int) -> tuple[int, ...]:
    place = bisect_left(BOUNDS, micros)
    return tuple(int(number == place) for number in range(BUCKETS))


def begin(at: int, span: int) -> int:
    """When the span began in which this moment lies; both in microseconds. 0 for the one without an end."""
    return at - at % (span * MICROS) if span else 0


def percentile(buckets: Sequence[int], share: float) -> float | None:
    """Seconds within which this share of the times lies; None where there are none.

    Within a bucket as if they were spread evenly on a scale of logarithms; the first begins at a tenth of its end, and of those beyond the last
    bound it is that bound.
    """
    total = sum(buckets)
    if not total:
        return None
    wanted, seen = share * total, 0
    for number, count in enumerate(buckets):
        if count and seen + count >= wanted:
            if number == len(BOUNDS):
                break
            high = BOUNDS[number] / MICROS
            low = BOUNDS[number - 1] / MICROS if number else high / 10
            return float(low * (high / low) ** ((wanted - seen) / count))
        seen += count
    return BOUNDS[-1] / MICROS
