"""``bench``: this machine against the budgets, beside the raw floor measured in the same run.

Owns the measurements; what they may cost is in BUDGETS. Workers run as users run them, as processes, with
``--log-level warning``: at ``info`` a line is written for each job.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ...base.errors import CannotOpen, WorkerFailed
from ...base.models import JobColumns, NewJob
from ...store import Store
from ...store.turn import Demand
from .. import render
from . import tasks
from .floor import COPY_SCHEDULE, FINISH_ALL, Floor

PAUSE = 0.003  # seconds between the rounds of a latency, so that everybody sleeps


class Figure(NamedTuple):
    """One measured number and what it should be."""

    name: str
    value: float
    unit: str
    budget: float
    at_least: bool  # else: at most
    note: str = ""

    @property
    def met(self) -> bool:
        return self.value >= self.budget if self.at_least else self.value <= self.budget


def run(arguments: argparse.Namespace) -> int:
    try:
        folder = tempfile.mkdtemp(prefix="litequeue-bench-", dir=arguments.dir)
    except OSError as error:
        raise CannotOpen(f"--dir {arguments.dir}: nothing can be made there ({error.strerror})") from error
    show = not arguments.json
    figures: list[Figure] = []
    try:
        for measure in MEASURES:
            for figure in measure(Bench(folder, quick=arguments.quick)):
                figures.append(figure)
                if show:
                    _print(figure)
    finally:
        tasks.app.close()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(environment()["PYTHONPYCACHEPREFIX"], ignore_errors=True)
    if arguments.json:
        render.print_json([{**figure._asdict(), "met": figure.met} for figure in figures])
    else:
        missed = sum(not figure.met for figure in figures)
        print(f"\n{len(figures) - missed} of {len(figures)} budgets met")
    return 0


def _print(figure: Figure) -> None:
    sign = ">=" if figure.at_least else "<="
    mark = render.colour("ok  ", "succeeded") if figure.met else render.colour("MISS", "discarded")
    line = f"{mark} {figure.name:<46} {figure.value:>12,.4g} {figure.unit:<8}"
    print(f"{line} {sign} {figure.budget:,g}  {figure.note}".rstrip(), flush=True)


class Bench:
    """A folder to measure in, with fresh databases and workers."""

    def __init__(self, folder: str, *, quick: bool) -> None:
        self.folder = folder
        self.quick = quick
        self._count = 0

    def rounds(self, full: int) -> int:
        return max(full // 20, 1) if self.quick else full

    def times(self, full: int) -> range:
        """How often to measure what has a best or a middle."""
        return range(1 if self.quick else full)

    def path(self) -> str:
        return os.path.join(self.folder, f"{len(os.listdir(self.folder))}-{time.monotonic_ns()}.sqlite")

    def fresh(self, durability: str = "full") -> str:
        """Bind the tasks to a new file."""
        path = self.path()
        tasks.app.close()
        tasks.app._client.durability = durability
        tasks.app._client.bind(path)
        return path

    @contextlib.contextmanager
    def worker(self, path: str, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
        process = start_worker(path, *flags)
        try:
            deadline = time.monotonic() + 20
            while not any(w.pid == process.pid for w in tasks.app.stats().workers):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise WorkerFailed("the worker that was to be measured did not start")
                time.sleep(0.005)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def start_worker(path: str, *flags: str) -> subprocess.Popen[bytes]:
    """A worker process for the bench's tasks. Quiet: some of them are going to be killed."""
    words = [sys.executable, "-m", "litequeue", "worker", path, "--import", tasks.__name__]
    return subprocess.Popen(
        [*words, "--log-level", "warning", *flags],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def environment() -> dict[str, str]:
    """An environment in which children find this very package, compiled, as installed ones are.

    Some machines switch off the cache of byte code (PYTHONDONTWRITEBYTECODE); compiling the package anew at
    each start costs 90 ms and is not what is to be measured.
    """
    root = str(pathlib.Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    cache = os.path.join(tempfile.gettempdir(), f"litequeue-bench-pycache-{os.getpid()}")
    return {**inherited, "PYTHONPATH": path, "PYTHONPYCACHEPREFIX": cache}


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


# -- the measurements --------------------------------------------------------------------------------


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
        rates.append(_drained(bench, tasks.noop, count))
        ratios.append(rates[-1] / raw)
    yield Figure("drain of no-op thread jobs, one worker", max(rates), "jobs/s", 25_000, True)
    yield Figure("  of raw claim and ack, in batches of 32", max(ratios), "ratio", 0.3, True)
    count = bench.rounds(20_000)
    rate = max(_drained(bench, tasks.noop_process, count, "--processes", "2") for _ in bench.times(2))
    yield Figure("drain of no-op process jobs, 2 slots", rate, "jobs/s", 4_000, True)


def _drained(bench: Bench, task: Any, count: int, *flags: str) -> float:
    """Jobs a second, from the resume of a paused queue to the last job's end, by the jobs' own times."""
    path = bench.fresh()
    task.delay().info()
    with bench.worker(path, *flags):
        tasks.app.job(1).get(timeout=30)
        tasks.app.pause("default")
        jobs = task.delay_many(() for _ in range(count))
        tasks.app.resume("default")
        began = time.time()
        while tasks.app._client.store.reports.state(jobs[-1].id) != "succeeded":
            time.sleep(0.01)
        while "running" in (states := tasks.app.stats().states) or "available" in states:
            time.sleep(0.01)
        last = max(info.finished_at.timestamp() for info in tasks.app.jobs(limit=2000) if info.finished_at)
    return count / (last - began)


def latency(bench: Bench) -> Iterator[Figure]:
    path = bench.fresh()
    starts, sees = [], []
    with bench.worker(path):
        tasks.stamp.delay().get(timeout=30)
        for _ in range(bench.rounds(1000)):
            began = time.monotonic_ns()
            job = tasks.stamp.delay()
            stored = time.monotonic_ns()
            started = job.get(timeout=30)
            sees.append((time.monotonic_ns() - began) / 1e6)
            starts.append((started - stored) / 1e6)
            time.sleep(PAUSE)
    floor = Floor(bench.path(), "FULL")
    raw_starts, raw_sees = floor.wake(bench.rounds(500), PAUSE, environment())
    floor.close()
    for name, share, budget in (("p50", 0.5, 1), ("p99", 0.99, 5)):
        note = f"(raw: {percentile(raw_starts, share):.2f})"
        yield Figure(f"enqueued to started, other process, {name}", percentile(starts, share), "ms", budget, False, note)
    note = f"(raw: {percentile(raw_sees, 0.5):.2f})"
    yield Figure("enqueue to result seen by get(), p50", percentile(sees, 0.5), "ms", 2, False, note)


def big_table(bench: Bench) -> Iterator[Figure]:
    count = bench.rounds(1_000_000)
    for label in ("waiting", "finished"):
        small, large = Store(bench.path()), Store(bench.path())
        for store, rows in ((small, 3_000), (large, count)):
            store.jobs.enqueue_many(_row(), (("[]", "{}") for _ in range(rows)))
            if label == "finished":
                with store.database.write(durable=False) as connection:
                    connection.execute(FINISH_ALL)
                store.jobs.enqueue_many(_row(), (("[]", "{}") for _ in range(3_000)))
        times: dict[Store, list[float]] = {small: [], large: []}
        for _ in range(25):
            for store, taken in times.items():
                began = time.perf_counter()
                store.jobs.turn(1, 1, 10**12, demand=Demand({"thread": 100}))
                taken.append(time.perf_counter() - began)
        ratio = percentile(times[large], 0.5) / percentile(times[small], 0.5)
        small.close()
        large.close()
        yield Figure(f"claim with {count:,} {label} rows, of few", ratio, "ratio", 1.2, False)


def _row() -> NewJob:
    return NewJob("t", "[]", "{}", "available", 1, 1, None, JobColumns(max_attempts=1))


def idle(bench: Bench) -> Iterator[Figure]:
    path = bench.fresh()
    tasks.noop.delay()
    with bench.worker(path) as process:
        tasks.app.job(1).get(timeout=30)
        time.sleep(0.5)
        seconds = 1.5 if bench.quick else 20.0
        before = _cpu_seconds(process.pid)
        time.sleep(seconds)
        share = (_cpu_seconds(process.pid) - before) / seconds
        memory = _memory_mb(process.pid)
    yield Figure("idle worker, processor", share * 100, "% core", 0.1, False)
    yield Figure("idle worker, resident memory", memory, "MB", 30, False)


def _cpu_seconds(pid: int) -> float:
    """In nanoseconds where the kernel counts them; /proc/PID/stat has only hundredths of a second."""
    total = 0.0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[0]) / 1e9
    return total


def _memory_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status") as file:
        (line,) = (line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def starting(bench: Bench) -> Iterator[Figure]:
    code = "import time; t = time.perf_counter(); import litequeue; print(time.perf_counter() - t)"
    words = [sys.executable, "-c", code]
    filling = [sys.executable, "-c", f"import litequeue.cli.grammar, litequeue.cli.worker.command, {tasks.__name__}"]
    subprocess.run(filling, env=environment(), capture_output=True, check=True)  # the cache
    took = [
        float(subprocess.run(words, env=environment(), capture_output=True, check=True).stdout) * 1000
        for _ in bench.times(7)
    ]
    yield Figure("import litequeue", percentile(took, 0.5), "ms", 60, False)
    firsts = []
    for _ in bench.times(5):
        path = bench.fresh()
        job = tasks.stamp.delay()
        began = time.monotonic_ns()
        process = start_worker(path, "--max-jobs", "1")
        firsts.append((job.get(timeout=30) - began) / 1e6)
        process.wait(30)
    yield Figure("worker started to first job run", percentile(firsts, 0.5), "ms", 250, False)


def rescue(bench: Bench) -> Iterator[Figure]:
    took = []
    for _ in range(bench.rounds(5)):
        path = bench.fresh()
        gate = path + ".gate"
        job = tasks.gate.delay(gate)
        with bench.worker(path) as first:
            while job.state != "running":
                time.sleep(0.002)
            with bench.worker(path):
                first.kill()
                killed = time.monotonic()
                while job.info().attempt < 2:
                    time.sleep(0.002)
                took.append(time.monotonic() - killed)
                with open(gate, "w"):
                    pass
                job.get(timeout=30)
    yield Figure("killed worker to its job running again, worst", max(took), "s", 1, False)


def ticks(bench: Bench) -> Iterator[Figure]:
    path = bench.fresh()
    with bench.worker(path):
        tasks.app.schedules.add("often", tasks.lateness, every=0.1, overlap="allow")
        late = _lateness(bench.rounds(150))
    note = f"(p50: {percentile(late, 0.5):.2f})"
    yield Figure("tick to its job started, p99", percentile(late, 0.99), "ms", 50, False, note)
    path = bench.fresh()
    count = bench.rounds(1_000)
    second = datetime.fromtimestamp(int(time.time()) + (2 if bench.quick else 4), UTC)
    tasks.app.schedules.add("at-once", tasks.lateness, cron=f"{second:%S %M %H} * * *", seconds=True, timezone="UTC")
    tasks.app.schedules.add("not-yet", tasks.lateness, at=second + timedelta(days=1))
    with tasks.app._client.store.database.write(durable=False) as connection:
        for name, copies in (("at-once", count - 1), ("not-yet", 9 * count)):
            connection.execute(COPY_SCHEDULE, {"name": name, "count": copies})
    with bench.worker(path):
        late = _lateness(count)
    # They are one transaction, so that none can start before the last of them is there.
    note = f"(last started: {max(late):.0f})"
    yield Figure(f"{count:,} schedules on one second, all inserted", min(late), "ms", 100, False, note)


def _lateness(count: int) -> list[float]:
    """Of that many jobs, by their own account."""
    while tasks.app.stats().states.get("succeeded", 0) < count:
        time.sleep(0.01)
    return [float(job.result) for job in tasks.app.jobs(limit=2_000)[-count:] if job.result is not None]


MEASURES: tuple[Callable[[Bench], Iterator[Figure]], ...] = (
    starting, enqueue, enqueue_many, drain, latency, ticks, big_table, idle, rescue,
)  # fmt: skip
