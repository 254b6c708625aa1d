"""``demo``: real jobs on a temporary file, watched live, in under ten seconds.

Owns the scenes: threads, processes and coroutines at once, a failure that is retried, a process that is killed
under its job, a worker that is killed under its job. What it says at the end it has read back from the file.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any

from ..job import Job
from . import render
from .bench import tasks
from .bench.rig import start_worker

PATIENCE = 30.0  # seconds; a machine that is busy otherwise may need more than ten


def run(arguments: argparse.Namespace) -> int:
    folder = tempfile.mkdtemp(prefix="litequeue-demo-")
    workers: list[subprocess.Popen[bytes]] = []
    began = time.monotonic()
    try:
        path = os.path.join(folder, "demo.sqlite")
        tasks.app._client.bind(path)
        good = _scenes(path, workers)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
        tasks.app.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{'done' if good else 'NOT as it should be'} in {time.monotonic() - began:.1f} s")
    return 0 if good else 1


def _scenes(path: str, workers: list[subprocess.Popen[bytes]]) -> bool:
    print(f"a queue in {path}, and two worker processes\n")
    gate = path + ".gate"
    groups: list[tuple[str, list[Job[Any]]]] = [
        ("200 additions, in threads", list(tasks.add.delay_many((n, n) for n in range(200)))),
        ("8 sums of a million squares, in processes", list(tasks.crunch.delay_many([(1_000_000,)] * 8))),
        ("50 waits of 0.1 s, as coroutines", list(tasks.fetch.delay_many((n,) for n in range(50)))),
        ("1 that fails twice and is retried", [tasks.flaky.delay()]),
        ("1 whose process is killed under it", [tasks.dies_once.delay()]),
        ("1 whose whole worker is killed under it", [tasks.gate.delay(gate)]),
    ]
    held = groups[-1][1][0]
    workers += [start_worker(path, "--log-level", "error", "--name", f"worker-{n}") for n in (1, 2)]
    killed_at = 0.0
    screen = _Screen()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        info = held.info()
        others = all(job.done() for _, jobs in groups[:-1] for job in jobs)
        if not killed_at and info.state == "running" and others:
            victim = next(w for w in tasks.app.stats().workers if w.name == info.worker)
            process = next(w for w in workers if w.pid == victim.pid)
            process.kill()
            process.wait()
            killed_at = time.monotonic()
            screen.say(f"killed {victim.name} (pid {victim.pid}) while it ran job {held.id}")
        elif killed_at and info.attempt > 1 and not os.path.exists(gate):
            took = time.monotonic() - killed_at
            screen.say(f"job {held.id} runs again in {info.worker}, {took:.2f} s after the kill")
            with open(gate, "w"):
                pass
        screen.draw([(label, [job.state for job in jobs]) for label, jobs in groups])
        if all(job.done() for _, jobs in groups for job in jobs):
            break
        time.sleep(0.1)
    print()
    return _verdict(groups)


def _verdict(groups: list[tuple[str, list[Job[Any]]]]) -> bool:
    good = True
    for label, jobs in groups:
        infos = [job.info() for job in jobs]
        done = sum(info.state == "succeeded" for info in infos)
        good = good and done == len(jobs)
        pools = ", ".join(sorted({info.pool for info in infos}))
        words = f"{done} of {len(jobs)} succeeded in the {pools} pool"
        if len(jobs) == 1:
            errors = [f"{a.error_type}: {a.error_message}" for a in infos[0].attempts]
            words += f" at attempt {infos[0].attempt}"
            words += f", after {'; '.join(errors)}" if errors else ""
        print(f"{label}: {words}")
    return good


class _Screen:
    """A live display on a terminal; elsewhere only what is said, since lines cannot be redrawn."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._drawn = 0

    def say(self, line: str) -> None:
        self._clear()
        print(line, flush=True)

    def draw(self, rows: list[tuple[str, list[str]]]) -> None:
        if not self._live:
            return
        self._clear()
        for label, states in rows:
            done = sum(state == "succeeded" for state in states)
            busy = sum(state == "running" for state in states)
            bar = "#" * (30 * done // len(states))
            bar = render.colour(bar.ljust(30, "."), "succeeded")
            note = f"  {busy} running" if busy else ""
            print(f"  {label:<44} {bar} {done}/{len(states)}{note}")
        sys.stdout.flush()
        self._drawn = len(rows)

    def _clear(self) -> None:
        if self._live and self._drawn:
            print(f"\x1b[{self._drawn}A\x1b[J", end="")
            self._drawn = 0
