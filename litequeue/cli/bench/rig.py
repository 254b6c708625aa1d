"""What measurements share: fresh databases, worker processes, a drain without one, and the form of a figure.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ...base.errors import WorkerFailed
from ...base.models import ClaimedJob, Settled
from ...store.turn import Demand
from . import tasks
from .floor import COUNT_ALL

FAR: Final = 4 * 10**15  # in 2096: all is due


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
    words = [sys.executable, "-P", "-m", "litequeue", "worker", path, "--import", tasks.__name__]
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
    return {**inherited, "PYTHONPATH": path, "PYTHONPYCACHEPREFIX": _bytecode()}


@functools.cache
def _bytecode() -> str:
    """A folder that is ours alone, until this process ends: Python runs what it finds there."""
    folder = tempfile.mkdtemp(prefix="litequeue-bytecode-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def drain(many: int, count: int | None = None) -> float:
    """Seconds until so many jobs of the file have ended, or all, with so many of them a turn."""
    store = tasks.app._client.store
    if count is None:
        (count,) = store.database.one(COUNT_ALL)
    began = time.perf_counter()
    held: list[ClaimedJob] = []
    while count > 0:
        ended = [Settled(job.id, job.attempt, FAR, FAR, "7", FAR, None) for job in held]
        held = store.jobs.turn(1, FAR, FAR + 1, succeeded=ended, demand=Demand({"thread": many})).claimed
        count -= len(ended)
    return time.perf_counter() - began
