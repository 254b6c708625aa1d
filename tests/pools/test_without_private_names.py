"""What the pools take of the inside of the standard library may be gone in the next Python: they work without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..support import environment

pytestmark = pytest.mark.beside

PROGRAM = """
import time
from types import SimpleNamespace

from litequeue import LiteQueue
from litequeue.pools import group, slot, spawning, threads


class Public:
    def __init__(self, of):
        self.__of = of

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.__of, name)


def public(module, executor):
    real = getattr(module, executor)
    return SimpleNamespace(**{executor: lambda *args, **kwargs: Public(real(*args, **kwargs))})


threads.executors = public(threads.executors, "ThreadPoolExecutor")
slot.executors = public(slot.executors, "ProcessPoolExecutor")
group.resource_tracker = SimpleNamespace()
spawning._flags = None

app = LiteQueue("db.sqlite")


@app.task
def in_a_thread():
    return "thread"


@app.task(pool="process")
def in_a_process():
    return "process"


@app.task(pool="process", timeout=0.3)
def for_too_long():
    time.sleep(60)


@app.task(pool="process")
def that_dies():
    import os
    os.abort()


@app.task
async def in_a_coroutine():
    return "coroutine"


if __name__ == "__main__":
    tasks = (in_a_thread, in_a_process, for_too_long, that_dies, in_a_process, in_a_coroutine)
    jobs = [task.delay() for task in tasks]
    began = time.monotonic()
    with app.worker(burst=True, threads=2, processes=1) as worker:
        worker.join()
    assert time.monotonic() - began < 30
    for job in jobs:
        info = job.info()
        print(info.state, info.last_error or info.result)
"""


@pytest.mark.slow
def test_calls_run_time_out_and_die_in_all_pools(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        'succeeded "thread"', 'succeeded "process"', "discarded TaskTimeout: still running after 0.3 s", "discarded ProcessDied: died: SIGABRT",
        'succeeded "process"', 'succeeded "coroutine"',
    ], done.stderr  # fmt: skip
