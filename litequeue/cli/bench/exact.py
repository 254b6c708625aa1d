"""Keys, limits and a job's own transaction, beside the same without them.

At ``durability="normal"``, since a sync takes ten times as long as any of it; what is drained is so by the store's turns alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ...payload import Codec
from ...store.turn import Demand
from ...tasks.context import JobContext
from . import floor, tasks
from .rig import FAR, Bench, Figure, drain, percentile, timed

TURN: int = 256  # jobs that are claimed and settled in one


def _nothing(n: int) -> None:
    """Never called."""


def keys(bench: Bench) -> Iterator[Figure]:
    """A new key for each job, and one that a waiting job has."""
    count = bench.rounds(4_000)
    plain_task, once = tasks.app.task(name="plain")(_nothing), tasks.app.task(name="once", unique=("n",))(_nothing)
    new, taken = [], []
    for _ in bench.times(3):
        bench.fresh("normal")
        plain_task.delay(-1)
        once.delay(-1)
        plain = timed(lambda: [plain_task.delay(n) for n in range(count)])
        new.append(timed(lambda: [once.delay(n) for n in range(count)]) / plain)
        taken.append(timed(lambda: [once.delay(-1) for _ in range(count)]) / plain)
    yield Figure("enqueue under a new unique key, of one without", percentile(new, 0.5), "ratio", 2, False)
    yield Figure("  under a key that is taken", percentile(taken, 0.5), "ratio", 1, False)


def limits(bench: Bench) -> Iterator[Figure]:
    """Many keys with one slot each; and one limit with many that wait for it, before what is drained."""
    count, few = bench.rounds(10_000), bench.rounds(100_000)
    plain_task = tasks.app.task(name="plain")(_nothing)
    keyed = tasks.app.task(name="keyed", max_running=1, limit_key="{n}")(_nothing)
    limited = tasks.app.task(name="limited", max_running=4)(_nothing)
    by_keys, beside = [], []
    for _ in bench.times(3):
        bench.fresh("normal")
        plain_task.delay_many((n,) for n in range(count) for _ in range(5))
        plain = drain(TURN)
        bench.fresh("normal")
        keyed.delay_many((n,) for n in range(count) for _ in range(5))
        by_keys.append(drain(TURN) / plain)
        bench.fresh("normal")
        plain_task.delay_many((n,) for n in range(count))
        plain = drain(TURN)
        bench.fresh("normal")
        limited.delay_many((n,) for n in range(few))
        _line_up()
        plain_task.delay_many((n,) for n in range(count))
        beside.append(drain(TURN, count) / plain)
    yield Figure(f"{count:,} keys with one slot drained, of plain jobs", percentile(by_keys, 0.5), "ratio", 4, False)
    yield Figure(f"drain beside {few:,} that wait for a slot", percentile(beside, 0.5), "ratio", 1.2, False, "of one without them")


def transactions(bench: Bench) -> Iterator[Figure]:
    """A row of the job's own with its result and its end, beside the bare row."""
    count = bench.rounds(2_000)
    path = bench.fresh("normal")
    with tasks.app.transaction() as db:
        db.execute(floor.ORDERS)
        db.executemany(floor.ORDER, [(n,) for n in range(count)])
    tasks.add.delay_many((n, n) for n in range(count))
    store = tasks.app._client.store
    jobs = store.jobs.turn(1, FAR, FAR + 1, demand=Demand({"thread": count})).claimed
    bare = floor.Orders(path)
    seconds = 0.0
    for number, claimed in enumerate(jobs):  # in turns, so that both meet the same machine
        job = JobContext(claimed, FAR, None, FAR)
        job._opener, job._codec = (lambda: store), Codec()
        began = time.perf_counter()
        with job.transaction() as ending:
            ending.execute(floor.PAY, (number,))
            ending.result = "paid"
        middle = time.perf_counter()
        bare.pay(number)
        seconds += 2 * middle - began - time.perf_counter()
    bare.close()
    yield Figure("a job's own transaction, over its bare rows", seconds / count * 1e6, "us", 100, False)


def _line_up() -> None:
    """All that are limited have come into line, and have their slots: a turn sees to a thousand of them, once."""
    store = tasks.app._client.store
    held = store.jobs.turn(1, FAR, FAR + 1, demand=Demand({"thread": TURN})).claimed
    while store.jobs.look(1, None).unfilled:
        held += store.jobs.turn(1, FAR, FAR + 1, demand=Demand({"thread": TURN})).claimed
    assert len(held) == 4
