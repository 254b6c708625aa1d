"""A worker process whose output goes to a file: no pipe that could fill up, and a log to look at afterwards."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..support import environment, registered, wait_until


@contextlib.contextmanager
def logged_worker(
    db: Path, log: Path, *flags: object, wait: bool = True, **popen: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process that serves ``db``; killed at the end if it still runs."""
    with open(log, "ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "litequeue", "worker", str(db), *map(str, flags)],
            stdin=subprocess.DEVNULL, **{"env": environment(), "stdout": file, "stderr": subprocess.STDOUT, **popen},
        )  # fmt: skip
    try:
        if wait:
            wait_until(lambda: registered(db, process.pid), what="the worker registers")
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


def stop(process: subprocess.Popen[bytes], seconds: float, how: int = signal.SIGTERM) -> float:
    """Signal a worker and wait for it at most so long; how long it took."""
    began = time.monotonic()
    process.send_signal(how)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the worker did not leave within {seconds} s") from None
    return time.monotonic() - began


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
