"""The tasks that the benchmark and the demo run; importable by workers and pool children."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time

from ...app import LiteQueue
from ...tasks.context import current_job

app = LiteQueue("litequeue-bench.sqlite")


@app.task
def noop() -> None:
    """Nothing, in a thread."""


@app.task
def nap(seconds: float) -> None:
    """Waits, as for a disk."""
    if seconds:
        time.sleep(seconds)


@app.task
def spin(_: int) -> None:
    """Computes for 20 ms of its own, however long that takes."""
    until = time.thread_time() + 0.02
    while time.thread_time() < until:
        sum(range(500))


@app.task
def nap_or_spin(number: int) -> None:
    """Half of them wait, half of them compute."""
    if number % 2:
        time.sleep(0.05)
        return
    until = time.thread_time() + 0.01
    while time.thread_time() < until:
        sum(range(500))


@app.task(pool="process")
def noop_process() -> None:
    """Nothing, in a process."""


@app.task
def stamp() -> int:
    """When it started, in nanoseconds of the machine's monotonic clock, which all processes share."""
    return time.monotonic_ns()


@app.task
def lateness() -> float:
    """How long after its tick it started, in milliseconds."""
    now, tick = time.time(), current_job().scheduled_for
    return 0.0 if tick is None else (now - tick.timestamp()) * 1000


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task
def count(numbers: list[int]) -> int:
    return len(numbers)


@app.task(pool="process")
def crunch(n: int) -> int:
    """Some honest work for a processor."""
    return sum(i * i for i in range(n))


@app.task
async def fetch(n: int) -> str:
    """Waits, as for a network."""
    await asyncio.sleep(0.1)
    return f"page {n}"


@app.task(retries=3, backoff=[0.3, 0.3, 0.3])
def flaky() -> str:
    """Works at the third attempt."""
    job = current_job()
    if job.attempt < 3:
        raise ConnectionError("the line is down")
    return f"worked at attempt {job.attempt}"


@app.task(pool="process", retries=1, backoff=0.3)
def dies_once() -> str:
    """Its process is killed under it the first time."""
    if current_job().attempt == 1:
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
    return "survived, in a new process"


@app.task
def gate(path: str) -> int:
    """Runs until a file is there."""
    while not os.path.exists(path):
        time.sleep(0.005)
    return current_job().attempt


def _talk(lines: int, path: str) -> float:
    """Logs to a file; how many seconds that took."""
    log = logging.getLogger("litequeue_bench")
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    began = time.perf_counter()
    for number in range(lines):
        log.info("line %d of %d", number, lines)
    seconds = time.perf_counter() - began
    handler.close()
    return seconds


@app.task
def talk(lines: int, path: str) -> float:
    return _talk(lines, path)


@app.task(output="drop")
def talk_in_vain(lines: int, path: str) -> float:
    return _talk(lines, path)


@app.task(pool="process")
def talk_in_a_process(lines: int, path: str) -> float:
    return _talk(lines, path)


@app.task(pool="process", output="drop")
def talk_in_a_process_in_vain(lines: int, path: str) -> float:
    return _talk(lines, path)


TALKERS = {"a job's logged lines": (talk, talk_in_vain), "the same in a process": (talk_in_a_process, talk_in_a_process_in_vain)}
