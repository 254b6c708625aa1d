"""Slots that move within a range, beside fixed ones: ``bench --only elastic``, a minute.

Owns the three loads: bursts of jobs that wait, as for a disk, jobs that compute, and both. Each is run with few slots, with many, and with a range from the
few to the many; what counts is what of the better fixed number the range comes to, from its least on. A range needs some seconds to grow, so a twentieth of
a load would tell nothing: ``--quick`` leaves them out, unless they are named.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from ...job import Job
from . import tasks
from .rig import Bench, Figure, percentile
from .throughput import drained, last_end

FEW, MANY, RANGE = "2", "32", "2:32"
NAP: Final = 0.05  # seconds
BURSTS, EACH, PAUSE = 16, 60, 0.5  # jobs that wait for 3 s in all, each half second


def elastic(bench: Bench) -> Iterator[Figure]:
    yield _compared("bursts that wait", {slots: _bursts(bench, slots) for slots in (FEW, RANGE, MANY)})
    rounds = [_drained(bench, tasks.spin, {FEW: 100, RANGE: 100, MANY: 100}) for _ in range(3)]  # in turns, since they come to nearly the same
    yield _compared("jobs that compute", {slots: percentile([rates[slots] for rates in rounds], 0.5) for slots in (FEW, RANGE, MANY)})
    yield _compared("both, mixed", _drained(bench, tasks.nap_or_spin, {FEW: 300, RANGE: 2400, MANY: 2400}))


def _drained(bench: Bench, task: Any, counts: dict[str, int]) -> dict[str, float]:
    return {slots: drained(bench, task, [(n,) for n in range(count)], "--threads", slots) for slots, count in counts.items()}


def _bursts(bench: Bench, slots: str) -> float:
    """Jobs a second, from the first enqueue to the last job's end."""
    with bench.worker(bench.fresh(), "--threads", slots):
        tasks.nap.delay(0.0).get(timeout=30)
        began, jobs = time.time(), list[Job[Any]]()
        for number in range(BURSTS):
            time.sleep(max(began + number * PAUSE - time.time(), 0.0))
            jobs += tasks.nap.delay_many((NAP,) for _ in range(EACH))
        return len(jobs) / (last_end(jobs[-1]) - began)


def _compared(name: str, rates: dict[str, float]) -> Figure:
    note = ", ".join(f"{slots}: {rate:,.0f}/s" for slots, rate in rates.items())
    return Figure(f"slots {RANGE}, {name}, of the better", rates[RANGE] / max(rates[FEW], rates[MANY]), "ratio", 0.9, True, f"({note})")
