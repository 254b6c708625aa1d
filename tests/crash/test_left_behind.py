"""What workers leave behind: a script that ends anyhow loses no job, and one after the other leaves nothing."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue

from .. import sample
from ..prepared import worker_process
from ..support import children_of, environment, wait_until
from .logged import alive, logged_worker, stop
from .test_signals import FLAGS, LAST_WORDS, gone

# -- workers inside scripts ---------------------------------------------------------------------------------------

SCRIPT = """
import contextlib, sys, time
from pathlib import Path
from litequeue import LiteQueue
app = LiteQueue("db.sqlite")

@app.task(pool="process")
def process(name): work(name)
@app.task
async def coroutine(name):
    import asyncio
    Path(name + ".started").touch()
    await asyncio.sleep(SECONDS)
    Path(name + ".ended").touch()
@app.task
def thread(name): work(name)
def work(name):
    Path(name + ".started").touch()
    time.sleep(SECONDS)
    Path(name + ".ended").touch()

if __name__ == "__main__":
    tasks = {"process": process, "coroutine": coroutine, "thread": thread}
    worker = app.worker(threads=1, processes=1, grace=GRACE)
    with worker if ENDING.startswith("with") else contextlib.nullcontext(worker.start()):
        for name, task in tasks.items():
            task.delay(name)
        while not all(Path(name + ".started").exists() for name in tasks):
            time.sleep(0.005)
        if "raise" in ENDING:
            raise ValueError("bye")
        if "exit" in ENDING:
            sys.exit(3)
"""


@pytest.mark.slow
@pytest.mark.paired
@pytest.mark.parametrize(
    ("patient", "ending", "code"),
    [
        (True, "with", 0), (True, "never raise", 1), (False, "with raise", 1), (False, "with exit", 3),
        (False, "never", 0),
    ],
)  # fmt: skip
def test_a_script_that_ends_anyhow_loses_nothing(tmp_path: Path, patient: bool, ending: str, code: int) -> None:
    """Within the grace what runs is finished; after it, it is released or left to the next worker."""
    settings = {"SECONDS": 0.2 if patient else 60, "GRACE": 5.0 if patient else 0.1, "ENDING": ending}
    body = "".join(f"{name} = {value!r}\n" for name, value in settings.items()) + textwrap.dedent(SCRIPT)
    (tmp_path / "desktop.py").write_text(body)
    script = [sys.executable, "desktop.py"]
    done = subprocess.Popen(script, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: len(list(tmp_path.glob("*.started"))) == 3)
        children = children_of(done.pid)
        _, said = done.communicate(timeout=5.3 if patient else 0.3 + LAST_WORDS + 1)
    finally:
        done.kill()
        done.wait()
    assert done.returncode == code, said
    assert ("ValueError" in said) == ("raise" in ending)
    assert said.count("Traceback") == ("raise" in ending)
    wait_until(lambda: gone(children), 1)
    db = tmp_path / "db.sqlite"
    with LiteQueue(db) as app:
        if patient:
            assert app.stats().states == {"succeeded": 3}
            assert len(list(tmp_path.glob("*.ended"))) == 3
        else:
            with app.worker(threads=1, queues=["other"]):  # which only looks after the dead
                wait_until(lambda: app.stats().states == {"available": 3})
        assert all(i.failures == i.interruptions == 0 for i in app.jobs())
        assert app.stats().workers == ()


# -- again and again ------------------------------------------------------------------------------------------------


def belongings(db: Path) -> dict[str, Any]:
    """What this process has, and what lies about: all that a worker could leave behind."""
    links = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    return {
        "threads": {t.name for t in threading.enumerate()},
        "children": set(children_of(os.getpid())),
        # The app's own readers of the database are kept for their next use.
        "descriptors": sorted(link for link in links if not link.startswith((str(db), "/proc"))),
        "locks": os.listdir(f"{db}-workers"),
        "temporary": os.listdir(tempfile.gettempdir()),
    }


@pytest.mark.slow
@pytest.mark.beside
def test_fifty_embedded_workers_leave_nothing_at_all_behind(
    sample_app: LiteQueue, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at random moments, with and without jobs under way; every tenth with a process."""
    mine = tmp_path / "temporary"
    mine.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(mine))
    rng = random.Random(8)

    def cycle(n: int) -> None:
        with sample_app.worker(threads=2, processes=1, grace=5):
            jobs = [sample.add.delay(n, 1), sample.echo.delay(n)]
            if n % 10 == 0:
                assert sample.square.delay(n).get(timeout=10) == n * n
            if n % 2:
                assert jobs[0].get(timeout=10) == n + 1
            time.sleep(rng.random() * 0.02)

    cycle(0)
    before = belongings(db)
    for n in range(1, 51):
        cycle(n)
    wait_until(lambda: belongings(db)["threads"] <= before["threads"], what="threads end")
    after = belongings(db)
    assert len(after.pop("descriptors")) <= len(before.pop("descriptors"))
    assert after == before
    with sample_app.worker(threads=2, burst=True) as worker:
        assert worker.join(20)
    assert set(sample_app.stats().states) == {"succeeded"}
    assert all(info.failures == info.interruptions == 0 for info in sample_app.jobs(limit=1000))


@pytest.mark.slow
@pytest.mark.beside
def test_five_worker_processes_leave_nothing_at_all_behind(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    """Each with a process of its own for the jobs of its queue; they come at once, and go one after the other."""
    mine = tmp_path / "temporary"
    mine.mkdir()
    with contextlib.ExitStack() as stack:
        jobs, workers = [], []
        for n in range(5):
            queue = f"q{n}"
            jobs.append(sample.square.apply_async((n,), queue=queue))
            flags = (*FLAGS, "--queues", queue)
            env = {**environment(), "TMPDIR": str(mine)}
            workers.append(stack.enter_context(logged_worker(db, tmp_path / "log", *flags, wait=False, env=env)))
        assert [job.get(timeout=40) for job in jobs] == [n * n for n in range(5)]
        for n, worker in enumerate(workers):
            children = children_of(worker.pid)
            assert children, n
            stop(worker, 3)
            assert worker.returncode == 0, n
            wait_until(lambda: gone(children), 1)  # noqa: B023
            assert len(os.listdir(f"{db}-workers")) == 3 * (4 - n)  # one lock of it, of its process, and of the guard of that
        assert list(mine.iterdir()) == []
    assert sample_app.stats().workers == ()


POOLS = """
import concurrent.futures, multiprocessing, os, time
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")

@app.task
def makes_pools():
    pool = multiprocessing.get_context("spawn").Pool(1)
    other = concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    with open("pids", "w") as file:
        file.write(f"{pool.apply(os.getpid)} {other.submit(os.getpid).result()} ")
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
"""


@pytest.mark.slow
@pytest.mark.paired
def test_pools_that_a_task_has_made_end_with_a_worker_that_is_left(tmp_path: Path) -> None:
    (tmp_path / "pools.py").write_text(POOLS)
    code = "import pools; pools.makes_pools.delay()"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), check=True)
    with worker_process(tmp_path / "db.sqlite", "--grace", "0.2", cwd=tmp_path) as worker:
        wait_until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().endswith(" "), 20)
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        assert all(alive(pid) for pid in pids)
        worker.terminate()
        assert worker.wait(15) == 0
    wait_until(lambda: not any(alive(pid) for pid in pids), 5)
