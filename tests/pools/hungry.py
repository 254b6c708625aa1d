"""Tasks that take much of the machine; in a module of their own, which their processes import."""

from __future__ import annotations

import hashlib
import mmap
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from litequeue import LiteQueue, SoftTimeout

app = LiteQueue("hungry.sqlite")
MB = 1 << 20
kept: list[bytearray] = []
early = threading.Thread(target=time.sleep, args=(1000,), daemon=True)
if multiprocessing.parent_process() is not None:  # in a process of the pool, where numpy starts its own like that
    early.start()
    bytearray(b"x") * (90 * MB)


def touched(megabytes: int) -> bytearray:
    return bytearray(b"x") * (megabytes * MB)


@app.task(pool="process", memory="128M", retries=1)
def eat(how: str) -> Any:
    if how == "at once":
        return len(bytearray(200 * MB))
    if how == "bit by bit":
        eaten: list[list[int]] = []
        while True:
            eaten.append([len(eaten)])
    if how == "mapped":
        return len(mmap.mmap(-1, 200 * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    if how == "in a program":
        return subprocess.run([sys.executable, "-S", "-c", f"bytearray({200 * MB})"], capture_output=True, text=True, check=False).stderr
    if how == "aborts":
        os.abort()
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "no room on the device":
        raise OSError(28, "No space left on device")
    if how == "keeps":
        kept.append(touched(40))
    if how == "within":
        touched(60)
    if how == "stacks":  # reserved, and hardly touched: 8 MB each
        done = threading.Event()
        threads = [threading.Thread(target=done.wait) for _ in range(8)]
        for thread in threads:
            thread.start()
        done.set()
        for thread in threads:
            thread.join()
    return os.getpid()


@app.task(pool="process", memory="128M", soft_timeout=0.1)
def eat_late() -> str:
    try:
        while True:
            time.sleep(0.01)
    except SoftTimeout:
        return "tidied up"


@app.task(pool="process")
def unbounded(megabytes: int = 0) -> tuple[int, int, int]:
    touched(megabytes)
    return os.getpid(), os.getpriority(os.PRIO_PROCESS, 0), signal.getitimer(signal.ITIMER_PROF) != (0.0, 0.0)


@app.task(pool="process", cpu_time=0.4)
def burn(how: str, seconds: float = 60) -> int:
    def compute() -> None:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 1 << 30)  # in C, which lets go of the GIL once

    if how == "in Python":
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass
    elif how == "in C":
        compute()
    elif how == "in threads":
        for _ in range(2):
            threading.Thread(target=compute, daemon=True).start()
        time.sleep(30)
    else:
        time.sleep(0.6)
    return os.getpid()


@app.task(pool="process", nice=7)
def step_back() -> tuple[int, int, int]:
    return os.getpid(), os.getpriority(os.PRIO_PROCESS, 0), os.getpriority(os.PRIO_PROCESS, early.native_id or 0)


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
