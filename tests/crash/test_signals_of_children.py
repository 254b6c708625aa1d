"""Signals in what a worker's tasks and commands start: at their defaults, whatever the worker does about its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from litequeue import LiteQueue

from ..support import environment, wait_until, worker_process

pytestmark = [pytest.mark.slow, pytest.mark.paired]

TASKS = '''
import multiprocessing, time
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")

def ends_a_fork():
    """How long terminate() takes: a fork that has the worker's handler for SIGTERM does not mind it."""
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(20,))
    child.start()
    time.sleep(0.2)
    began = time.monotonic()
    child.terminate()
    child.join()
    return time.monotonic() - began, child.exitcode

def ends_them_at_once():
    began = time.monotonic()
    codes = set()
    for _ in range(40):
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(20,))
        child.start()
        child.terminate()
        child.join()
        codes.add(child.exitcode)
    return time.monotonic() - began, *codes

in_a_thread = app.task(name="in_a_thread")(ends_a_fork)
at_once_in_a_thread = app.task(name="at_once_in_a_thread")(ends_them_at_once)

@app.task(pool="process")
def at_once_in_a_process():
    return ends_them_at_once()

@app.task(pool="process")
def in_a_process():
    return ends_a_fork()

if __name__ == "__main__":
    in_a_thread.delay()
    in_a_process.delay()
    at_once_in_a_thread.delay()
    at_once_in_a_process.delay()
'''


def test_a_fork_of_a_task_can_be_terminated(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    subprocess.run([sys.executable, "tasks.py"], cwd=tmp_path, env=environment(), timeout=30, check=True)
    with worker_process(tmp_path / "db.sqlite", "--import", "tasks", cwd=tmp_path), LiteQueue(tmp_path / "db.sqlite") as app:
        for job in (1, 2, 3, 4):
            seconds, code = app.job(job).get(timeout=40)
            assert code == -signal.SIGTERM and seconds < 5


SAID = """
import json, signal
print(json.dumps([n.name for n in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1)
                  if signal.getsignal(n) == signal.SIG_IGN]))
"""


def test_a_command_has_every_signal_at_its_default_however_the_worker_was_started(tmp_path: Path) -> None:
    """A script's `worker &` has SIGINT and SIGQUIT ignored, and handed that on to every command it ran."""
    db = tmp_path / "db.sqlite"
    with LiteQueue(db) as app:
        job = app.send_task("litequeue.command", (), {"argv": [sys.executable, "-c", SAID]})

        def ignore() -> None:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1):
                signal.signal(number, signal.SIG_IGN)

        with worker_process(db, "--burst", wait=False, preexec_fn=ignore, stdin=subprocess.DEVNULL) as worker:
            assert worker.wait(20) == 0
        assert json.loads("".join(piece.text for piece in job.output() if piece.stream == "stdout")) == []


WAITING = '''
import sys
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")

@app.task(queue="elsewhere")
def never(): ...

@app.task
def waits():
    return never.delay().get()

@app.task
async def awaits():
    return await never.delay()

@app.task(pool="process")
def waits_in_a_process():
    return never.delay().get(timeout=600)

@app.task(pool="process", soft_timeout=600)
def waits_with_a_limit():
    return never.delay().get(timeout=600)

if __name__ == "__main__":
    for task in (waits, awaits, waits_in_a_process, waits_with_a_limit):
        task.delay()
'''


def test_a_stop_waits_for_no_task_that_only_waits_for_other_jobs(tmp_path: Path) -> None:
    """The worker claims nothing more, so such a wait cannot end: it took the whole grace."""
    (tmp_path / "waiting.py").write_text(WAITING)
    subprocess.run([sys.executable, "waiting.py"], cwd=tmp_path, env=environment(), timeout=30, check=True)
    db = tmp_path / "db.sqlite"
    with LiteQueue(db) as app:
        with worker_process(db, "--queues", "default", "--processes", "2", "--grace", "20", cwd=tmp_path) as worker:
            wait_until(lambda: app.stats().queues.get("elsewhere", {}).get("available") == 4, 20)
            began = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(15) == 0
            assert time.monotonic() - began < 4
        for job in map(app.job, (1, 2, 3, 4)):
            info = job.info()
            assert (info.state, info.failures, info.interruptions) == ("available", 0, 0), info.last_error
