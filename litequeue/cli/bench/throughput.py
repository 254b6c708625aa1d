"""How much gets through: enqueues and drains.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from ...job import Job
from . import tasks
from .floor import Floor
from .rig import Bench, Figure, percentile


def enqueue(bench: Bench) -> Iterator[Figure]:
    count = bench.rounds(2000)
    for durability, synchronous in (("full", "FULL"), ("normal", "NORMAL")):
        ratios, rates = [], []
        bench.fresh(durability)
        tasks.noop.delay()
        floor = Floor(bench.path(), synchronous)
        for _ in range(5):  # in turns, so that the machine's moods fall on both
            raw = floor.insert_singly(count // 5 or 1)
            began = time.perf_counter()
            for _ in range(count // 5 or 1):
                tasks.noop.delay()
            rate = (count // 5 or 1) / (time.perf_counter() - began)
            ratios.append(rate / raw)
            rates.append(rate)
        floor.close()
        note = f"({percentile(rates, 0.5):,.0f}/s)"
        yield Figure(f"enqueue one by one, {durability}, of raw", percentile(ratios, 0.5), "ratio", 0.5, True, note)


def enqueue_many(bench: Bench) -> Iterator[Figure]:
    bench.fresh()
    count = bench.rounds(200_000)
    rates = []
    for _ in bench.times(3):
        began = time.perf_counter()
        tasks.add.delay_many((n, n) for n in range(count))
        rates.append(count / (time.perf_counter() - began))
    yield Figure("delay_many", max(rates), "jobs/s", 150_000, True)


def drain(bench: Bench) -> Iterator[Figure]:
    count = bench.rounds(60_000)
    rates, ratios = [], []
    for _ in bench.times(3):
        floor = Floor(bench.path(), "NORMAL")
        floor.fill(count)
        raw = floor.claim_and_ack(32)
        floor.close()
        rates.append(drained(bench, tasks.noop, [()] * count))
        ratios.append(rates[-1] / raw)
    yield Figure("drain of no-op thread jobs, one worker", max(rates), "jobs/s", 25_000, True)
    yield Figure("  of raw claim and ack, in batches of 32", max(ratios), "ratio", 0.3, True)
    count = bench.rounds(20_000)
    rate = max(drained(bench, tasks.noop_process, [()] * count, "--processes", "2") for _ in bench.times(2))
    yield Figure("drain of no-op process jobs, 2 slots", rate, "jobs/s", 4_000, True)


def drained(bench: Bench, task: Any, payloads: list[tuple[Any, ...]], *flags: str, workers: int = 1) -> float:
    """Jobs a second, from the resume of a paused queue to the last job's end, by the jobs' own times."""
    path = bench.fresh()
    tasks.noop.delay().info()
    with ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(bench.worker(path, *flags))
        tasks.app.job(1).get(timeout=30)
        tasks.app.pause("default")
        jobs = task.delay_many(payloads)
        tasks.app.resume("default")
        began = time.time()
        return len(payloads) / (last_end(jobs[-1]) - began)


def last_end(last: Job[Any]) -> float:
    """When the last job has ended, by the jobs' own times; ``last``: that which was enqueued last."""
    while tasks.app._client.store.reports.state(last.id) != "succeeded":
        time.sleep(0.01)
    while "running" in (states := tasks.app.stats().states) or "available" in states:
        time.sleep(0.01)
    return max(info.finished_at.timestamp() for info in tasks.app.jobs(limit=2000) if info.finished_at)
