"""Processes of the pool, and what their tasks leave running: gone with the worker, gone with a timeout or a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from litequeue import JobFailed, LiteQueue
from litequeue.base.filelock import FileLock
from litequeue.store import Store

from ..support import environment, ledger_lines, wait_until, worker_process
from .logged import alive

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")]

TASKS = '''
import ctypes, os, signal, subprocess, sys, time
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")

def note(word, pid=None):
    with open("ledger", "a") as file:
        file.write(f"{word} {pid or os.getpid()}\\n")

@app.task
def forks_and_goes_on():
    """A thread task whose fork has all that the worker had open, the sentinels of its children among them."""
    pid = os.fork()
    if pid == 0:
        time.sleep(20)
        os._exit(0)
    return pid

@app.task(pool="process")
def holds_the_gil(seconds):
    note("begins")
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))  # PyDLL keeps the GIL
    note("ends")

@app.task(pool="process")
def runs(seconds):
    note("begins")
    time.sleep(seconds)
    note("ends")

def sleeper(seconds=30, **options):
    return subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"], **options).pid

@app.task(pool="process", retries=0)
def waits_for_what_it_starts():
    before = noted("left") if os.path.exists("ledger") else []
    note("begins")
    note("left", sleeper())
    if not before:
        time.sleep(30)
    return [alive(pid) for pid in before]

def noted(word):
    with open("ledger") as file:
        return [int(line.split()[1]) for line in file if line.startswith(word)]

def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

@app.task(pool="process")
def leaves(**options):
    return sleeper(**options)

@app.task(pool="process")
def waits_for_all_its_children():
    sleeper(0.1)
    count = 0
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return count
        count += 1

@app.task(pool="process", timeout=0.5, retries=0)
def detaches(how):
    """Leaves a daemon, which holds whatever this process had open."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.write(write, b"1")
        time.sleep(30)
        os._exit(0)
    os.read(read, 1)  # before that it was no daemon, and would end with this process
    note("daemon", pid)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(30)

@app.task(pool="process", timeout=0.5)
def forks(how):
    """Leaves a fork, which holds every pipe of this process, and a subprocess, which holds none."""
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    note("fork", pid)  # by us: the end may come before it could
    note("subprocess", subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"]).pid)
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(30)
'''


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiteQueue:
    (tmp_path / "tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    enqueue = "import sys, tasks; getattr(tasks, sys.argv[1]).delay(*map(eval, sys.argv[2:]))"
    monkeypatch.setattr(LiteQueue, "start", lambda self, *words: subprocess.run(
        [sys.executable, "-c", enqueue, *map(str, words)], cwd=tmp_path, env=environment(), check=True, timeout=30,
    ), raising=False)  # fmt: skip
    return LiteQueue(tmp_path / "db.sqlite")


def noted(folder: Path, word: str) -> list[int]:
    return [int(line.split()[1]) for line in ledger_lines(folder / "ledger") if line.startswith(word)]


def assert_death_is_noticed(app: LiteQueue, how: str) -> None:
    """Of the process of job 1, long before what it left ends by itself."""
    began = time.monotonic()
    with pytest.raises(JobFailed, match="SIGSEGV" if how == "crash" else "still running after 0.5 s"):
        app.job(1).get(timeout=10)
    assert time.monotonic() - began < 3.0


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("task", ["runs", "holds_the_gil"])
def test_children_are_gone_with_a_killed_worker_that_had_forked_and_before_their_jobs_run_again(
    app: LiteQueue, tmp_path: Path, task: str
) -> None:
    """Once the fork held the sentinel, or the GIL kept the look-out from running: two runs went side by side for 3.8 s."""
    app.start(task, 3.0)  # type: ignore[attr-defined]
    db = tmp_path / "db.sqlite"
    with worker_process(db, cwd=tmp_path) as first:
        wait_until(lambda: noted(tmp_path, "begins"))
        app.start("forks_and_goes_on")  # type: ignore[attr-defined]
        wait_until(lambda: app.job(2).state == "succeeded")
        with worker_process(db, cwd=tmp_path):
            first.kill()
            killed = time.monotonic()
            (pid,) = noted(tmp_path, "begins")
            wait_until(lambda: not alive(pid), 2.0)
            assert time.monotonic() - killed < 0.5
            wait_until(lambda: len(noted(tmp_path, "begins")) == 2, 10)
            assert app.job(1).get(timeout=20) is None
            os.kill(app.job(2).get(timeout=5), signal.SIGKILL)  # it holds what the killed worker wrote to
    words = [line.split()[0] for line in ledger_lines(tmp_path / "ledger")]
    assert words == ["begins", "begins", "ends"], "the first run was still under way"


@pytest.mark.paired
def test_what_a_task_had_started_is_gone_with_its_killed_worker_before_the_job_runs_again(app: LiteQueue, tmp_path: Path) -> None:
    """The kernel ends the pool's process and nothing else: a subprocess ran on beside the second run."""
    app.start("waits_for_what_it_starts")  # type: ignore[attr-defined]
    db = tmp_path / "db.sqlite"
    with worker_process(db, cwd=tmp_path) as first:
        wait_until(lambda: noted(tmp_path, "left"))
        with worker_process(db, cwd=tmp_path):
            first.kill()
            assert app.job(1).get(timeout=20) == [False]
    assert len(noted(tmp_path, "begins")) == 2
    kill_all(noted(tmp_path, "left")[1:])


@pytest.mark.paired
def test_a_process_that_is_renewed_or_stopped_leaves_in_the_background_what_its_tasks_did(
    app: LiteQueue, tmp_path: Path
) -> None:
    for _ in range(2):
        app.start("leaves")  # type: ignore[attr-defined]
    with worker_process(tmp_path / "db.sqlite", "--processes", "1", "--max-jobs-per-child", "1", cwd=tmp_path) as worker:
        left = [app.job(number).get(timeout=20) for number in (1, 2)]  # of two processes, the first of which is gone
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0
        assert [alive(pid) for pid in left] == [True, True]
        kill_all(left)


@pytest.mark.paired
def test_a_task_that_waits_for_all_its_children_has_none_of_ours(app: LiteQueue, tmp_path: Path) -> None:
    app.start("waits_for_all_its_children")  # type: ignore[attr-defined]
    with worker_process(tmp_path / "db.sqlite", cwd=tmp_path):
        assert app.job(1).get(timeout=20) == 1


@pytest.mark.paired
@pytest.mark.parametrize("how", ["crash", "timeout"])
def test_a_child_that_left_a_daemon_is_seen_to_die_and_the_daemon_lives_on(app: LiteQueue, tmp_path: Path, how: str) -> None:
    """Of a session of its own, and with the pipe in its hands by whose end the executor learns of a death."""
    app.start("detaches", repr(how))  # type: ignore[attr-defined]
    with worker_process(tmp_path / "db.sqlite", cwd=tmp_path):
        wait_until(lambda: noted(tmp_path, "daemon"))
        assert_death_is_noticed(app, how)
        assert [alive(pid) for pid in noted(tmp_path, "daemon")] == [True]
        kill_all(noted(tmp_path, "daemon"))


@pytest.mark.paired
def test_a_dead_workers_jobs_wait_for_a_child_that_is_still_seen_to_run(store: Store, db: Path) -> None:
    """Where no kernel ends it: the lock beside the worker's own."""
    registration = store.workers.register(name="w", host="h", wake_port=None, queues=None, slots={}, now=1)
    (peer,) = store.workers.peers(0)
    lock = f"{registration.locks_of_children.start}-4711.lock"
    hold = f"from litequeue.base.filelock import FileLock; f = FileLock({lock!r}); f.try_acquire(); print(1, flush=True); input()"
    # A process never probes what it holds itself: so another one looks.
    look = (
        f"from litequeue.store import Store\nstore = Store({str(db)!r})\n(peer,) = store.workers.peers(0)\n"
        "with store.workers.proven_dead(peer) as dead: print(dead)"
    )  # fmt: skip

    def judged() -> str:
        done = subprocess.run([sys.executable, "-c", look], env=environment(), capture_output=True, text=True, check=True)
        return done.stdout.strip()

    child = subprocess.Popen(
        [sys.executable, "-c", hold], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == "1\n"
    assert judged() == "False"  # the worker lives
    registration._lock.release()
    assert judged() == "False"  # it is dead, and its child is not
    child.communicate("\n", timeout=10)
    assert judged() == "True"
    assert not os.path.exists(lock) and not os.path.exists(registration._lock.path), "cleared away"
    registration._lock.close()
    assert FileLock is not None and peer.id == registration.id


@pytest.mark.paired
@pytest.mark.parametrize("how", ["crash", "timeout"])
def test_a_child_that_has_forked_is_seen_to_die_and_what_it_left_dies_with_it(
    app: LiteQueue, tmp_path: Path, how: str
) -> None:
    """The executor waits on a pipe that the fork holds open: neither was noticed for as long as the fork lived."""
    app.start("forks", repr(how))  # type: ignore[attr-defined]
    with worker_process(tmp_path / "db.sqlite", cwd=tmp_path):
        wait_until(lambda: noted(tmp_path, "subprocess"))
        assert_death_is_noticed(app, how)
        left = [*noted(tmp_path, "fork"), *noted(tmp_path, "subprocess")]
        assert len(left) == 2
        for pid in left:
            wait_until(lambda pid=pid: not alive(pid), 2.0)
        app.start("runs", 0.0)  # type: ignore[attr-defined]
        assert app.job(2).get(timeout=10) is None, "the slot lives on"


@pytest.mark.paired
def test_a_fork_that_outlives_its_task_costs_the_worker_no_time_to_stop(app: LiteQueue, tmp_path: Path) -> None:
    app.start("forks", repr("timeout"))  # type: ignore[attr-defined]
    with worker_process(tmp_path / "db.sqlite", "--grace", "0.1", cwd=tmp_path) as worker:
        wait_until(lambda: noted(tmp_path, "subprocess"))
        began = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0
        assert time.monotonic() - began < 3.0
    for pid in [*noted(tmp_path, "fork"), *noted(tmp_path, "subprocess")]:
        wait_until(lambda pid=pid: not alive(pid), 2.0)
