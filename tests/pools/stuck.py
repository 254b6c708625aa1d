"""Tasks that do not end in time; in a module of their own, which their processes import."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from litequeue import LiteQueue

app = LiteQueue("stuck.sqlite")
SLOW_IN_C = re.compile("(a+)+$")


@app.task(pool="process", retries=1)
def hang(how: str, began: str = "") -> Any:
    if began:
        Path(began).write_text(str(os.getpid()))
    if how == "computes":
        while True:
            computing_here()
    if how == "in C":
        return SLOW_IN_C.match("a" * 60 + "b")
    if how == "in a thread":
        other = threading.Thread(target=waits_in_a_thread, name="of the task", daemon=True)
        other.start()
        other.join()
    if how == "catches all":
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(60)
    if how == "deep":
        return deep(300)
    if how == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    if how == "answers the signal itself":
        signal.signal(signal.SIGRTMAX, lambda *_: None)
    if how == "blocks the signal":
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
    if how == "starts another":
        Path(f"{began}.other").write_text(str(subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"]).pid))
    if how == "many threads":
        for _ in range(120):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    time.sleep(60)


def computing_here() -> int:
    return sum(range(100))


def waits_in_a_thread() -> None:
    time.sleep(60)


def deep(levels: int) -> Any:
    return deep(levels - 1) if levels else time.sleep(60)


@app.task(pool="process", retries=1, secret="password")
def log_in(password: str, began: str) -> None:
    Path(began).write_text("")
    namespace: dict[str, Any] = {"sleep": time.sleep}
    exec(compile("sleep(60)", password, "exec"), namespace)  # noqa: S102 - a name of a file is told, too


@app.task(retries=1)
def overrun(began: str, gate: str) -> str:
    Path(began).write_text("")
    while not Path(gate).exists():
        with contextlib.suppress(BaseException):
            time.sleep(0.01)
    return "late"


@app.task(retries=1)
async def wait_for_ever(began: str, how: str) -> None:
    Path(began).write_text("")
    if how == "in another":
        await asyncio.create_task(sleeps_here())
    elif how == "swallows":
        try:
            await sleeps_here()
        except asyncio.CancelledError:
            return
    await sleeps_here()


async def sleeps_here() -> None:
    await asyncio.sleep(60)
