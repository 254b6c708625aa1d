"""Frozen programs, which are their own Python: PyInstaller's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue

from ..prepared import litequeue
from ..support import environment
from . import peer

peer("PyInstaller")
pytestmark = [pytest.mark.beside(whole=True), pytest.mark.slow]  # one after another: building it takes longer than running it

HELPER = """
from litequeue import LiteQueue
app = LiteQueue("db.sqlite")

@app.task(pool="process")
def triple(n):
    return n * 3
"""
DESK = """
import multiprocessing, os
from helper import triple
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")

@app.task
def in_a_thread(n):
    return n + 1

@app.task(pool="process", retries=0)
def in_a_process(n):
    return [n * 2, os.getpid() != int(os.environ["DESK"])]

@app.cron("0 3 * * *")
@app.task(pool="process")
def nightly(): ...

if __name__ == "__main__":
    if "DOES_NOT_ASK" not in os.environ:
        multiprocessing.freeze_support()
    os.environ["DESK"] = str(os.getpid())
    with app.worker(threads=1, processes=1):
        print(in_a_thread.name, in_a_process.name, triple.name)
        print(in_a_thread.delay(1).get(timeout=20))
        print(in_a_process.delay(2).get(timeout=20))
"""


@pytest.fixture(scope="module", params=["--onedir", "--onefile"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frozen, and its source gone."""
    folder, kind = tmp_path_factory.mktemp("frozen"), str(request.param)
    (folder / "helper.py").write_text(HELPER)
    (folder / "desk.py").write_text(DESK)
    made = subprocess.run(
        [sys.executable, "-m", "PyInstaller", kind, "--log-level", "ERROR", "desk.py"], cwd=folder, env=environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    (folder / "helper.py").unlink()
    (folder / "desk.py").unlink()
    return folder / "dist" / ("desk" if kind == "--onefile" else "desk/desk")


def run(program: Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **variables}
    return subprocess.run([program], cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_frozen_program_runs_its_tasks_in_threads_and_processes_and_keeps_its_schedules(program: Path, tmp_path: Path) -> None:
    for _ in range(2):
        done = run(program, tmp_path)
        assert done.stdout.splitlines() == ["desk.in_a_thread desk.in_a_process helper.triple", "2", "[4, True]"], done.stderr
    with LiteQueue(tmp_path / "db.sqlite") as app:
        (schedule,) = app.schedules.list()
        assert (schedule.name, schedule.state) == ("desk.nightly", "active")
        job = app.send_task("desk.in_a_thread", (1,))
        worker = litequeue("worker", "db.sqlite", "--burst", cwd=tmp_path)
        assert (worker.returncode, job.state) == (0, "available")
        assert "is a program and not Python's source" in worker.stderr


def test_one_that_does_not_ask_what_it_was_started_for_is_told_so_and_starts_no_more_of_itself(program: Path, tmp_path: Path) -> None:
    """It had 147 processes after 20 s."""
    done = run(program, tmp_path, DOES_NOT_ASK="1")
    assert done.returncode == 1
    asks = 'let a frozen program call multiprocessing.freeze_support() before all else in its if __name__ == "__main__": block'
    assert f"WorkerFailed: multiprocessing has started this program anew, for a process of the worker's pool, and it runs from the top: {asks}" in done.stderr
    assert f"JobFailed: job 2 failed: ProcessDied: could not start: exit code 1; {asks}" in done.stderr
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert [info.id for info in app.jobs()] == [2, 1]
