"""A worker process whose output goes to a file: no pipe that could fill up, and a log to look at afterwards."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..prepared import Process
from ..support import worker_process


@contextlib.contextmanager
def logged_worker(db: Path, log: Path, *flags: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A worker process as ``worker_process`` starts it, with the same options."""
    with (
        open(log, "ab") as file,
        worker_process(db, *flags, **{"stdin": subprocess.DEVNULL, "stdout": file, **options}) as process,
    ):
        yield process


def broken(said: str) -> bool:
    """Whether a worker's log has a traceback of its own; those of jobs stand below their lines, indented."""
    return re.search("^Traceback", said, re.MULTILINE) is not None


def stop(process: subprocess.Popen[Any] | Process, seconds: float, how: int = signal.SIGTERM) -> float:
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
