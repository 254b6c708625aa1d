"""What grows must not slow: claims beside a million rows and 10,000 queues, looks at them, and the end of what is old.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Final

from ...base import search
from ...base.models import JobColumns, NewJob
from ...store import Store
from ...store.inspection import Inspection
from ...store.turn import Demand
from . import tasks
from .floor import AGE_ALL, END_ALL, FINISH_ALL, SPREAD, Floor
from .rig import Bench, Figure, percentile, timed

FEW = 3_000
GAP = 0.002  # seconds between two enqueues beside it


def many_rows(bench: Bench) -> Iterator[Figure]:
    """A claim of a hundred, in turns with one of a table that is short."""
    count = bench.rounds(1_000_000)
    for label in ("waiting", "finished", "scheduled"):
        small, large = Store(bench.path()), Store(bench.path())
        for store, rows in ((small, FEW), (large, count)):
            _fill(store, rows, *("scheduled", 10**15) if label == "scheduled" else ())
            if label == "finished":
                with store.database.write(durable=False) as connection:
                    connection.execute(FINISH_ALL)
            if label != "waiting":
                _fill(store, FEW)
        yield Figure(f"claim with {count:,} {label} rows, of few", _times_as_long(large, small), "ratio", 1.2, False)


def many_queues(bench: Bench) -> Iterator[Figure]:
    stores = []
    for queues in (10, 10_000):
        store = Store(bench.path())
        _fill(store, 10_000)
        with store.database.write(durable=False) as connection:
            connection.execute(SPREAD, {"count": queues})
        stores.append(store)
    small, large = stores
    yield Figure("claim with 10,000 queues, of ten", _times_as_long(large, small), "ratio", 2, False)


def looks(bench: Bench) -> Iterator[Figure]:
    """What people ask of a file with a million jobs, a third of them in each of three states: the slowest, and a search for what is not there."""
    store, now = Store(bench.path()), time.time_ns() // 1000
    for state in ("succeeded", "discarded", "available"):
        _fill(store, bench.rounds(333_333))
        if state != "available":
            with store.database.write(durable=False) as connection:
                connection.execute(END_ALL, {"state": state})
    inspection = Inspection(store.database)
    asked: dict[str, Callable[[], object]] = {
        "stats": lambda: store.reports.stats(now),
        "doctor": lambda: (inspection.waiting(), inspection.untold(), inspection.conditions(now), inspection.waits_oddly(full=False)),
        **{f"jobs {query}": functools.partial(store.searching.find, search.parse(query), now) for query in LOOKS},
    }
    slowest = max(asked, key=lambda name: _best(asked[name]))
    yield Figure("the slowest look at a million jobs", _best(asked[slowest]) * 1000, "ms", 20, False, f"({slowest})")
    nothing = functools.partial(store.searching.find, search.parse("error:nowhere"), now)
    yield Figure("a search for what is nowhere, until it says so", _best(nothing) * 1000, "ms", 100, False)
    store.close()


LOOKS: Final = (
    "", "state:available", "state:available queue:default", "state:running", "state:scheduled", "state:retrying", "state:blocked", "state:discarded",
    "state:cancelled,expired", "tag:x", "flow:1", "id:5..100",
)  # fmt: skip


def _best(work: Callable[[], object]) -> float:
    return min(timed(work) for _ in range(5))


def prune(bench: Bench) -> Iterator[Figure]:
    """A worker deletes old jobs, and somebody goes on enqueueing."""
    count = bench.rounds(400_000)
    path = bench.fresh()
    store = Store(path)
    _fill(store, count)
    with store.database.write(durable=False) as connection:
        connection.execute(AGE_ALL)
    store.database.checkpoint()
    floor = Floor(bench.path(), "FULL")
    waits: list[float] = []
    raw: list[float] = []
    began = time.perf_counter()
    with bench.worker(path):
        while store.reports.state(count) is not None:  # they go in the order of their ids
            for times, deed in ((waits, tasks.noop.delay), (raw, lambda: floor.insert_singly(1))):
                before = time.perf_counter()
                deed()
                times.append(time.perf_counter() - before)
            time.sleep(GAP)
        rate = count / (time.perf_counter() - began)
    floor.close()
    store.close()
    yield Figure("prune, while others enqueue", rate, "jobs/s", 40_000, True)
    yield Figure("  enqueue beside it, worst", max(waits) * 1000, "ms", 50, False, f"(raw: {max(raw) * 1000:.1f})")


def _fill(store: Store, rows: int, state: str = "available", run_at: int = 1) -> None:
    job = NewJob("t", "[]", "{}", state, run_at, 1, None, JobColumns(max_attempts=1))
    store.jobs.enqueue_many(job, (("[]", "{}") for _ in range(rows)))


def _times_as_long(large: Store, small: Store) -> float:
    times: dict[Store, list[float]] = {small: [], large: []}
    for _ in range(25):
        for store, taken in times.items():
            began = time.perf_counter()
            store.jobs.turn(1, 1, 10**12, demand=Demand({"thread": 100}))
            taken.append(time.perf_counter() - began)
    small.close()
    large.close()
    return percentile(times[large], 0.5) / percentile(times[small], 0.5)
