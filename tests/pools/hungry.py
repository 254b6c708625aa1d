"""Tasks that take much of the machine; in a module of their own, which their processes import."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

from litequeue import LiteQueue

app = LiteQueue("hungry.sqlite")
MB = 1 << 20
if multiprocessing.parent_process() is not None:  # in a process of the pool
    bytearray(b"x") * (90 * MB)


def touched(megabytes: int) -> bytearray:
    return bytearray(b"x") * (megabytes * MB)


@app.task(pool="process")
def unbounded(megabytes: int = 0) -> tuple[int, int, int]:
    touched(megabytes)
    return os.getpid(), os.getpriority(os.PRIO_PROCESS, 0), signal.getitimer(signal.ITIMER_PROF) != (0.0, 0.0)


@app.task(pool="process", timeout=60)
def use(how: str, seconds: float = 0.02, megabytes: int = 0) -> int:
    some = touched(megabytes)
    if how == "a program":
        subprocess.run([sys.executable, "-S", "-c", f"import time\nwhile time.process_time() < {seconds}: pass"], check=True)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if how != "computes":
            time.sleep(0.005)
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return len(some)
