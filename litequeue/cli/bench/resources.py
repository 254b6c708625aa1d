"""What is paid for nothing: imports and starts, and a worker that is idle.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from . import tasks
from .rig import Bench, Figure, environment, percentile, start_worker


def idle(bench: Bench) -> Iterator[Figure]:
    path = bench.fresh()
    tasks.noop.delay()
    with bench.worker(path) as process:
        tasks.app.job(1).get(timeout=30)
        time.sleep(0.5)
        seconds = 1.5 if bench.quick else 20.0
        before = cpu_seconds(process.pid)
        time.sleep(seconds)
        share = (cpu_seconds(process.pid) - before) / seconds
        memory = _memory_mb(process.pid)
    yield Figure("idle worker, processor", share * 100, "% core", 0.1, False)
    yield Figure("idle worker, resident memory", memory, "MB", 30, False)


def cpu_seconds(pid: int) -> float:
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
    words = [sys.executable, "-P", "-c", code]
    filling = [sys.executable, "-P", "-c", f"import litequeue.cli.grammar, litequeue.cli.worker.command, {tasks.__name__}"]
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
