"""Workflows beside as many plain jobs: stored, drained, and cancelled for the sake of one.

What is drained here is so by the store's turns alone, without a worker around them: it is their share that a workflow changes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ...base.models import Unsettled
from ...store.turn import Demand
from ...workflow.shapes import chain, chord, group
from . import tasks
from .rig import FAR, Bench, Figure, drain, percentile, timed

TURN: int = 256  # jobs that are claimed and settled in one


def flows(bench: Bench) -> Iterator[Figure]:
    count = bench.rounds(10_000)
    rows = [(n, n) for n in range(count)]
    shapes = {"chain": chain(tasks.noop.si() for _ in rows), "group and callback": chord([tasks.add.s(*row) for row in rows], tasks.count.s())}
    stored: dict[str, list[float]] = {name: [] for name in shapes}
    drained: dict[str, list[float]] = {name: [] for name in shapes}
    seconds = []
    for _ in bench.times(3):
        for name, shape in shapes.items():
            many = 1 if name == "chain" else TURN
            bench.fresh()
            tasks.noop.delay()
            plain = timed(lambda: tasks.add.delay_many(rows))
            plain_drain = drain(many)
            bench.fresh()
            tasks.noop.delay()
            seconds.append(timed(shape.delay))
            stored[name].append(seconds[-1] / plain)
            drained[name].append(drain(many) / plain_drain)
    for name in shapes:
        yield Figure(f"{name} of {count:,} stored, of plain jobs", percentile(stored[name], 0.5), "ratio", 1.5, False)
        yield Figure("  drained, of plain jobs", percentile(drained[name], 0.5), "ratio", 1.6, False)
    yield Figure("  stored, the longest", max(seconds), "s", 1, False)


def cascade(bench: Bench) -> Iterator[Figure]:
    """The first of many steps is discarded, and the rest cancelled for its sake."""
    count = bench.rounds(10_000)
    bench.fresh()
    flow = chain(tasks.noop.si() for _ in range(count)).delay()
    store = tasks.app._client.store
    (first,) = store.jobs.turn(1, FAR, FAR + 1, demand=Demand({"thread": 1})).claimed
    end = Unsettled(first.id, first.attempt, "discarded", FAR, FAR, None, FAR, 1, "ValueError", "no", "", FAR, 0)
    longest = 0.0
    began = time.perf_counter()
    others = [end]
    while others or store.jobs.look(1, None).untold:
        length = timed(lambda others=others: store.jobs.turn(1, FAR, FAR + 1, others=others))
        longest, others = max(longest, length), []
    total = time.perf_counter() - began
    assert flow.state == "cancelled"
    yield Figure(f"{count:,} steps cancelled for the first", total, "s", 1, False)
    yield Figure("  the longest turn of it", longest * 1000, "ms", 50, False)


def nested(bench: Bench) -> Iterator[Figure]:
    """Chords in a chord, in a worker."""
    count = bench.rounds(1_000)
    path = bench.fresh()
    inner = [chord([tasks.add.s(n, 1) for n in range(10)], tasks.total.s()) for _ in range(count)]
    with bench.worker(path):
        began = time.perf_counter()
        found = chord(group(inner), tasks.total.s()).delay().get(timeout=300)
        seconds = time.perf_counter() - began
    assert found == 55 * count
    yield Figure(f"{count:,} chords of 10 in a chord, done", 12 * count / seconds, "jobs/s", 2_000, True)
