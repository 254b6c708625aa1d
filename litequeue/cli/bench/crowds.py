"""Many processes on one file: producers beside each other, and workers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from . import tasks
from .floor import Floor, behind_lock
from .resources import cpu_seconds
from .rig import Bench, Figure, environment, percentile
from .throughput import drained

PRODUCERS = 16
WORKERS = 4
CROWD = (1, 2, 4, 8)


def producers(bench: Bench) -> Iterator[Figure]:
    """All enqueue as fast as they can, synced; the floor is a row each, behind a lock that the kernel hands on."""
    seconds, crowd, serving = (0.5, 2, 1) if bench.quick else (4.0, PRODUCERS, WORKERS)
    floor = Floor(bench.path(), "FULL")
    floor.close()
    raw = _produced("floor", floor.path, seconds, crowd)
    path = bench.fresh()
    tasks.noop.delay()
    with ExitStack() as workers:
        for _ in range(serving):
            workers.enter_context(bench.worker(path))
        ours = _produced("ours", path, seconds, crowd)
    note = f"({len(ours) / seconds:,.0f}/s, raw {len(raw) / seconds:,.0f}/s)"
    yield Figure(f"{crowd} producers, {serving} workers, of raw", len(ours) / len(raw), "ratio", 0.9, True, note)
    middle = f"(p50 {percentile(ours, 0.5) * 1000:.1f}, raw worst {max(raw) * 1000:.0f})"
    yield Figure("  enqueue among them, worst", max(ours) * 1000, "ms", 250, False, middle)


def _produced(kind: str, path: str, seconds: float, crowd: int) -> list[float]:
    """How long each deed of all the producers took."""
    words = [sys.executable, "-P", "-c", f"from {__name__} import produce; produce(*__import__('sys').argv[1:])"]
    processes = [
        subprocess.Popen([*words, kind, path, str(seconds)], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(crowd)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    return [second for process in processes for second in json.loads(process.communicate()[0])]


def produce(kind: str, path: str, seconds: str) -> None:
    """One of the producers, in its own process."""
    deed: Callable[[], Any] = behind_lock(path) if kind == "floor" else _enqueue(path)
    deed()
    print("ready", flush=True)
    sys.stdin.readline()
    times: list[float] = []
    now = time.perf_counter()
    end = now + float(seconds)
    while now < end:
        deed()
        before, now = now, time.perf_counter()
        times.append(now - before)
    print(json.dumps(times))


def _enqueue(path: str) -> Callable[[], Any]:
    tasks.app._client.bind(path)
    return tasks.noop.delay


def workers(bench: Bench) -> Iterator[Figure]:
    """A backlog and more and more workers: the least that one more step came to, of the best before it."""
    crowds = CROWD[:2] if bench.quick else CROWD
    for milliseconds, count in ((0, 30_000), (1, 6_000), (10, 1_500)):
        rates = []
        for crowd in crowds:
            naps = [(milliseconds / 1000,)] * bench.rounds(count)
            rates.append(drained(bench, tasks.nap, naps, workers=crowd))
        step = min(rate / max(rates[:number]) for number, rate in enumerate(rates) if number)
        note = f"({', '.join(f'{rate:,.0f}' for rate in rates)}/s)"
        yield Figure(f"{'/'.join(map(str, crowds))} workers, jobs of {milliseconds} ms, least step", step, "ratio", 1, True, note)


def bystanders(bench: Bench) -> Iterator[Figure]:
    """Jobs that come one by one, and seven workers more than it takes."""
    path = bench.fresh()
    tasks.noop.delay()
    count = bench.rounds(1_000)
    with ExitStack() as stack:
        pids = [stack.enter_context(bench.worker(path)).pid for _ in range(2 if bench.quick else CROWD[-1])]
        time.sleep(0.5 if bench.quick else 2.0)
        before = [cpu_seconds(pid) for pid in pids]
        began = time.monotonic()
        for number in range(count):
            tasks.noop.delay()
            time.sleep(max(began + (number + 1) / 200 - time.monotonic(), 0.0))
        seconds = time.monotonic() - began
        used = sorted(cpu_seconds(pid) - at_first for pid, at_first in zip(pids, before, strict=True))
    share = sum(used[:-1]) / (len(used) - 1) / seconds * 100
    note = f"(the busy one: {used[-1] / seconds * 100:.0f} %)"
    yield Figure(f"CPU of each of {len(used) - 1} workers too many, 200 jobs/s", share, "% core", 4, False, note)
