"""Tasks at module level, importable by worker processes and by pool children."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from litequeue import (
    Discard,
    LiteQueue,
    Replace,
    Retry,
    Snooze,
    SoftTimeout,
    current_job,
)

app = LiteQueue("sample.sqlite")


@app.task
def add(x: Any, y: Any) -> Any:
    return x + y


@app.task(name="known", queue="q", priority=4, retries=2)
def known(x: int) -> int:
    return x


@app.task(pool="process")
def square(x: int) -> int:
    return x * x


@app.task
async def echo(x: Any) -> Any:
    await asyncio.sleep(0)
    return x


@app.task(pool="process", soft_timeout=0.2, timeout=20)
def wait_softly(how: str) -> str:
    ours, _theirs = socket.socketpair()
    waits = {
        "sleep": lambda: time.sleep(30),
        "a subprocess": lambda: subprocess.run(["sleep", "30"], check=True),
        "a socket": lambda: ours.recv(1),
        "a lock": threading.Semaphore(0).acquire,
        "an event": lambda: threading.Event().wait(30),
    }
    begin = time.monotonic()
    try:
        waits[how]()
    except SoftTimeout:
        return f"{time.monotonic() - begin:.1f}"
    return "nothing came"


@app.task(pool="process")
def wait_for_another(timeout: float | None) -> Any:
    return square.delay(3).get(timeout)


@app.task(pool="process")
def wait_for_the_job(job_id: int) -> Any:
    return app.job(job_id).get()


def note(ledger: str, line: str) -> None:
    """One line, written whole, outside SQLite."""
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, (line + "\n").encode())
    finally:
        os.close(fd)


@app.task
def record(ledger: str, key: Any) -> Any:
    note(ledger, str(key))
    return key


@app.task(pool="process")
def record_in_process(ledger: str, key: Any) -> Any:
    note(ledger, f"{key} {os.getpid()}")
    return key


def _gate(ledger: str, gate: str) -> str:
    job = current_job()
    note(ledger, f"start {job.id} {job.attempt} {os.getpid()}")
    while not Path(gate).exists() and not job.cancelled:
        time.sleep(0.005)
    note(ledger, f"end {job.id} {job.attempt}")
    return f"attempt {job.attempt}"


@app.task
def wait_at_gate(ledger: str, gate: str) -> str:
    return _gate(ledger, gate)


@app.task(at_most_once=True)
def wait_once(ledger: str, gate: str) -> str:
    return _gate(ledger, gate)


@app.task(pool="process")
def wait_in_process(ledger: str, gate: str) -> str:
    return _gate(ledger, gate)


@app.task
async def wait_async(ledger: str, gate: str) -> str:
    job = current_job()
    note(ledger, f"start {job.id} {job.attempt} {os.getpid()}")
    while not Path(gate).exists():
        await asyncio.sleep(0.005)
    note(ledger, f"end {job.id} {job.attempt}")
    return f"attempt {job.attempt}"


@app.task
def hold_the_gil(ledger: str, seconds: float) -> str:
    """In C, between two bytecodes, as a catastrophic regular expression does."""
    note(ledger, "start")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(60_000_000))  # three leases without letting go
    note(ledger, "end")
    return "let go"


@app.task(pool="process")
def hold_lock_in_process(ledger: str, gate: str, lock: str) -> None:
    import fcntl

    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            note(ledger, f"OVERLAP {os.getpid()}")
        note(ledger, f"start {os.getpid()}")
        while not Path(gate).exists():
            time.sleep(0.005)


class TwoArguments(Exception):
    """An exception that pickles and then cannot be unpickled."""

    def __init__(self, a: str, b: str) -> None:
        super().__init__(f"{a} and {b}")


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message for you")


def _misbehave(how: str) -> Any:
    if how == "ValueError":
        raise ValueError("boom")
    if how == "two arguments":
        raise TwoArguments("one", "two")
    if how == "hostile str":
        raise Hostile
    if how == "surrogate":
        raise ValueError("\ud800")
    if how == "SystemExit":
        raise SystemExit(3)
    if how == "KeyboardInterrupt":
        raise KeyboardInterrupt
    if how == "GeneratorExit":
        raise GeneratorExit
    if how == "recursion":
        return _misbehave(how)
    if how == "object":
        return object()
    if how == "huge":
        return "x" * (2 << 20)
    if how == "discard":
        raise Discard("not worth it")
    if how == "retry":
        raise Retry(delay=0.01)
    if how == "snooze":
        if current_job().attempt == 1:
            raise Snooze(0.01)
        return "woke"
    if how == "exit":
        os._exit(0)
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(how)


@app.task
def misbehave_thread(how: str) -> Any:
    return _misbehave(how)


@app.task(pool="process")
def misbehave_process(how: str) -> Any:
    return _misbehave(how)


@app.task
async def misbehave_async(how: str) -> Any:
    return _misbehave(how)


MISBEHAVE = {"thread": misbehave_thread, "process": misbehave_process, "async": misbehave_async}


@app.task(timeout=0.3)
def slow_thread(seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.005)
    return "finished"


@app.task(pool="process", timeout=0.3)
def slow_process(seconds: float) -> str:
    time.sleep(seconds)
    return "finished"


@app.task(timeout=0.3)
async def slow_async(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "finished"


SLOW = {"thread": slow_thread, "process": slow_process, "async": slow_async}


@app.task(soft_timeout=0.1, timeout=5)
def tidy_thread() -> str:
    return _tidy()


@app.task(pool="process", soft_timeout=0.1, timeout=5)
def tidy_process() -> str:
    return _tidy()


def _tidy() -> str:
    from litequeue import SoftTimeout

    try:
        while True:
            time.sleep(0.005)
    except SoftTimeout:
        return "tidied up"


@app.task(soft_timeout=0.1, timeout=5)
async def tidy_async() -> str:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "tidied up"
    return "overslept"


TIDY = {"thread": tidy_thread, "process": tidy_process, "async": tidy_async}


@app.task(pool="process")
def pid() -> int:
    return os.getpid()


@app.task
def plant(count: int, ledger: str) -> None:
    """A task that enqueues tasks."""
    for key in range(count):
        record.delay(ledger, key)


@app.task
def stuck(ledger: str) -> None:
    """Ignores every wish to stop."""
    note(ledger, f"start {os.getpid()}")
    while True:
        try:
            time.sleep(600)
        except BaseException:  # noqa: BLE001, S112
            continue


@app.task
def leave_daemon(ledger: str) -> None:
    """Start a process that outlives the one that started it."""
    subprocess.run(["/bin/sh", "-c", 'sleep 0.2 && echo "daemon $$" >> "$0" &', ledger], check=True)


@app.task
def hear(event: Any, timeout: float | None = None) -> Any:
    """``sleep`` and ``step`` do that instead; all else is waited for."""
    job = current_job()
    if event == "sleep":
        return job.sleep(0)
    return job.step("step", int, 5) if event == "step" else job.wait_for(event, timeout=timeout)


@app.task
def put_in_place() -> None:
    raise Replace(add.s(1, 2) | add.s(3))
