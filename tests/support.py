"""What the tests share: a clock in the test's hand, waiting on conditions, worker processes."""

from __future__ import annotations

import ast
import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from litequeue import LiteQueue
from litequeue.base.models import JobColumns, NewJob, Settled
from litequeue.store.turn import Demand, Turn

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = (sys.executable, "-m", "litequeue")


class FakeClock:
    """A clock that moves when it is told to."""

    def __init__(self, now: int = 1_700_000_000_000_000) -> None:
        self.wall = now
        self.mono = 1000.0

    def now(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def advance(self, seconds: float) -> None:
        self.wall += int(seconds * 1_000_000)
        self.mono += seconds


def wait_until(condition: Callable[[], Any], seconds: float = 10.0, what: str = "") -> Any:
    """Wait for a condition, with a bound that only a failure reaches; what the condition came to."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.005)


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, made without collections of garbage, which were three quarters of the time."""
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        gc.enable()


def environment() -> dict[str, str]:
    """An environment in which the checkout is importable."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def litequeue(*words: object, cwd: Path | None = None, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [*PROGRAM, *map(str, words)],
        cwd=cwd, env=environment(), capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


@contextlib.contextmanager
def worker_process(
    db: Path, *flags: object, wait: bool = True, program: tuple[str, ...] = PROGRAM, **popen: Any
) -> Iterator[subprocess.Popen[str]]:
    """A worker process that serves ``db``; killed at the end if it still runs."""
    process = subprocess.Popen(
        [*program, "worker", str(db), *map(str, flags)], text=True,
        **{"env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **popen},
    )  # fmt: skip
    try:
        if wait:
            wait_until(lambda: registered(db, process.pid), what="the worker registers")
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.communicate()


def registered(db: Path, pid: int) -> bool:
    import sqlite3

    try:
        with contextlib.closing(sqlite3.connect(db)) as connection:
            sql = "SELECT 1 FROM litequeue_workers WHERE pid = ? AND stopped_at IS NULL"
            return connection.execute(sql, (pid,)).fetchone() is not None
    except sqlite3.Error:
        return False


def children_of(pid: int) -> list[int]:
    """The live child processes of a process (Linux)."""
    found = []
    for entry in _candidates(pid):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry))
    return found


def _candidates(pid: int) -> list[str]:
    """The children that the kernel lists by thread; where it does not, all processes (1 ms, and asked for each test)."""
    found: list[str] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += file.read().split()
    except OSError:  # no such list, or a thread that has just ended
        return [entry for entry in os.listdir("/proc") if entry.isdigit()]
    return found


def supervisors_of(pid: int) -> list[int]:
    """Those of a process that watch over a command for it (Linux)."""
    found = []
    for child in children_of(pid):
        with contextlib.suppress(OSError), open(f"/proc/{child}/cmdline") as file:
            if "supervisor.py" in file.read():
                found.append(child)
    return found


def new_job(**fields: Any) -> NewJob:
    """A job for tests of the store, available now; ``fields`` of the job or of its columns."""
    columns = {name: fields.pop(name) for name in JobColumns._fields if name in fields}
    defaults: dict[str, Any] = {
        "task": "tests.task", "args": "[]", "kwargs": "{}", "state": "available", "run_at": 1_700_000_000_000_000,
        "created_at": 1_700_000_000_000_000, "expires_at": None, "columns": JobColumns(**{"max_attempts": 1, **columns}),
    }  # fmt: skip
    return NewJob(**{**defaults, **fields})


def turn_of(app: LiteQueue, most: int = 100, *, succeeded: Sequence[Settled] = (), **demand: Any) -> Turn:
    """A turn of worker 1, which has room for so many; by the app's clock."""
    now = app._client.clock.now()
    return app._client.store.jobs.turn(1, now, now + 10**9, succeeded=succeeded, demand=Demand({"thread": most}, **demand))


def ledger_lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
