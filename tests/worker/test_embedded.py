"""Workers inside an app: they stop when asked, and never hold up its exit."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from litequeue import LiteQueue, WorkerFailed
from litequeue.cli import main

from .. import sample
from ..support import environment, ledger_lines, wait_until

pytestmark = pytest.mark.beside


def script(tmp_path: Path, body: str, timeout: float = 20) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "desktop.py"
    path.write_text("import sys, time, threading\nfrom litequeue import LiteQueue\n"
                    "app = LiteQueue('db.sqlite')\n" + textwrap.dedent(body))  # fmt: skip
    return subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, env=environment(), capture_output=True, text=True,
        timeout=timeout, check=False,
    )  # fmt: skip


STUCK = """
    started = threading.Event()
    @app.task
    def stuck():
        started.set()
        while True:
            try: time.sleep(600)
            except BaseException: pass
    if __name__ == "__main__":
        worker = app.worker(threads=1, grace=0.05).start()
        stuck.delay()
        started.wait(10)
"""


ENDINGS = [pytest.param(ending, marks=pytest.mark.slow) for ending in ("sys.exit(3)", "raise ValueError('bye')", "worker.stop()")]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["", *ENDINGS])
def test_the_apps_exit_never_hangs_on_a_stuck_task(tmp_path: Path, ending: str) -> None:
    began = time.monotonic()
    done = script(tmp_path, STUCK + "        " + ending)
    assert time.monotonic() - began < 6
    assert done.returncode == {"": 0, "sys.exit(3)": 3, "worker.stop()": 0}.get(ending, 1)
    with LiteQueue(tmp_path / "db.sqlite") as app:
        # The dead process's row says that it was leaving: the next worker releases, charging nothing.
        with app.worker(threads=1, queues=["other"]):
            wait_until(lambda: app.job(1).state == "available")
        assert app.job(1).info().interruptions == 0


@pytest.mark.slow
def test_an_app_that_ends_without_closing_lets_running_jobs_finish(tmp_path: Path) -> None:
    done = script(tmp_path, """
        @app.task
        def slow():
            started.set(); time.sleep(0.3); print("finished", flush=True)
        started = threading.Event()
        if __name__ == "__main__":
            app.worker(threads=1).start()
            slow.delay()
            started.wait(10)
    """)  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "finished\n", "")


@pytest.mark.slow
def test_process_tasks_in_an_embedded_worker(tmp_path: Path) -> None:
    done = script(tmp_path, """
        @app.task(pool="process")
        def square(x):
            return x * x
        if __name__ == "__main__":
            with app.worker(processes=2):
                print([job.get(timeout=20) for job in square.delay_many([(n,) for n in range(5)])])
    """)  # fmt: skip
    assert done.stdout == "[0, 1, 4, 9, 16]\n", done.stderr


@pytest.mark.slow
def test_a_stuck_thread_keeps_its_lease_while_the_process_lives(app: LiteQueue) -> None:
    """Releasing the job would let another worker start it beside the thread that still runs it."""
    go, started = threading.Event(), threading.Event()

    @app.task
    def stubborn() -> str:
        started.set()
        go.wait(30)
        return "done after all"

    worker = app.worker(threads=1, grace=0.05).start()
    job = stubborn.delay()
    assert started.wait(10)
    worker.stop()
    assert job.state == "running"
    with app.worker(threads=1):
        assert not job.wait(timeout=0.8)
        go.set()
        assert job.get(timeout=10) == "done after all"
    assert job.info().attempt == 1


def test_burst_and_max_jobs_end_by_themselves(app: LiteQueue) -> None:
    @app.task
    def f() -> None: ...

    @app.task
    async def g() -> None: ...

    f.delay_many([() for _ in range(10)])
    g.delay_many([() for _ in range(10)])
    with app.worker(threads=2, max_jobs=3) as worker:
        assert worker.join(10)
    assert app.stats().states == {"succeeded": 3, "available": 17}
    with app.worker(threads=2, burst=True) as worker:
        assert worker.join(10)
    assert app.stats().states == {"succeeded": 20}


@pytest.mark.slow
def test_jobs_behind_a_long_one_are_given_back(app: LiteQueue) -> None:
    """A worker never sits on leased jobs that another could be running."""
    go = threading.Event()

    @app.task
    def quick() -> None: ...

    @app.task
    def long() -> None:
        go.wait(30)

    with app.worker(threads=1, processes=0, async_=0, name="first"):
        for job in quick.delay_many([() for _ in range(50)]):  # it learns that jobs are quick
            assert job.wait(timeout=10)
        app.pause("default")
        long.delay()
        behind = quick.delay_many([() for _ in range(30)])
        app.resume("default")
        wait_until(lambda: app.stats().states.get("available") == 30)
        with app.worker(threads=1, name="second"):
            assert all(job.wait(timeout=10) for job in behind)
        go.set()
        assert {job.info().worker for job in behind} == {"second"}
        assert all(job.info().failures == job.info().interruptions == 0 for job in behind)


@pytest.mark.slow
def test_rows_written_by_plain_sql_are_found_by_the_slow_look(app: LiteQueue, db: Path) -> None:
    import sqlite3

    @app.task(name="plain")
    def plain(x: int) -> int:
        return x

    with app.worker(threads=1):
        plain.delay(1).get(timeout=10)
        with sqlite3.connect(db) as connection:
            connection.execute("INSERT INTO litequeue_jobs (task, args) VALUES ('plain', '[7]')")
        connection.close()
        assert app.job(2).get(timeout=10) == 7


@pytest.mark.parametrize("args", ['{"$nope": 1}', "[1", "5", '{"a": 1}', "[" * 5000])
def test_a_planted_row_hurts_only_itself(app: LiteQueue, db: Path, args: str) -> None:
    import sqlite3

    @app.task(name="plain", retries=3)
    def plain(x: int) -> int:
        return x

    with app.worker(threads=1):
        good = plain.delay(1)
        with sqlite3.connect(db) as connection:
            sql = "INSERT INTO litequeue_jobs (task, args, max_attempts) VALUES ('plain', ?, 1)"
            connection.execute(sql, (args,))
        connection.close()
        assert good.get(timeout=10) == 1
        bad = app.job(2)
        assert bad.wait(timeout=10) and bad.state == "discarded"
        assert plain.delay(2).get(timeout=10) == 2


def test_a_task_that_forks_is_settled_once_and_by_us(app: LiteQueue, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"

    @app.task
    def forks(n: int) -> int:
        os.fork()
        sample.note(str(ledger), f"{n} {os.getpid()}")
        return n

    with app.worker(threads=1):
        jobs = forks.delay_many([(n,) for n in range(5)])
        assert [job.get(timeout=20) for job in jobs] == [0, 1, 2, 3, 4]
    wait_until(lambda: len(ledger_lines(ledger)) == 10)
    for _ in range(5):
        wait_until(lambda: os.waitpid(-1, os.WNOHANG)[0])
    mine = [line for line in ledger_lines(ledger) if line.endswith(f" {os.getpid()}")]
    assert len(mine) == 5


@pytest.mark.slow
def test_a_child_that_a_program_forks_beside_its_pool_ends_without_a_word_and_ends_nothing(tmp_path: Path) -> None:
    """So does each process of a server that has loaded the app before it forks (gunicorn --preload): they wanted to join what is not theirs."""
    (tmp_path / "script.py").write_text(
        "import os, sys\nfrom litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n"
        "@app.task(pool='process', retries=0)\ndef f(n):\n    return os.getpid()\n"
        "if __name__ == '__main__':\n    with app.worker(processes=1):\n        before = f.delay(1).get(timeout=20)\n"
        "        child = os.fork()\n        if child == 0:\n            sys.exit(7)\n"
        "        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), f.delay(1).get(timeout=20) == before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "script.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("7 True\n", "")


@pytest.mark.slow
def test_a_program_that_ends_by_a_signal_after_its_worker_leaks_no_semaphores(tmp_path: Path) -> None:
    """As uvicorn and its workers do: multiprocessing said on stderr that those of the pool's processes were left."""
    (tmp_path / "script.py").write_text(
        "import os, signal\nfrom litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n"
        "@app.task(pool='process', retries=0)\ndef f(n):\n    return n\n"
        "if __name__ == '__main__':\n    with app.worker(processes=1):\n        f.delay(1).get(timeout=20)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "", "")


@pytest.mark.slow
def test_fifty_starts_and_stops_leave_nothing(app: LiteQueue, db: Path) -> None:
    @app.task
    def f() -> int:
        return 1

    @app.task
    async def g() -> int:
        return 2

    with app.worker(threads=1):
        assert f.delay().get(timeout=10) + g.delay().get(timeout=10) == 3
    descriptors = len(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    for _ in range(50):
        with app.worker(threads=2):
            jobs = f.delay(), g.delay()
            assert [job.get(timeout=10) for job in jobs] == [1, 2]
    wait_until(lambda: threading.active_count() <= threads)
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 10  # a few more idle readers, not one a cycle
    assert os.listdir(f"{db}-workers") == []


def test_a_worker_that_fell_over_says_so_when_it_is_stopped(app: LiteQueue, db: Path) -> None:
    worker = app.worker(threads=1).start()
    wait_until(lambda: app.stats().workers)
    worker._worker._died("heartbeat", ZeroDivisionError("x"))
    assert worker.join(10)
    with pytest.raises(WorkerFailed, match="heartbeat"):
        worker.stop()


def test_a_worker_starts_once(app: LiteQueue) -> None:
    worker = app.worker(threads=1)
    with worker:
        pass
    with pytest.raises(WorkerFailed, match="starts once"):
        worker.start()


def test_run_worker_works_in_the_calling_thread_until_nothing_is_left(app: LiteQueue) -> None:
    ran_in: list[threading.Thread] = []

    @app.task
    def note() -> None:
        ran_in.append(threading.current_thread())

    jobs = [note.delay() for _ in range(3)]
    assert app.run_worker(threads=1, burst=True) == 0
    assert [job.state for job in jobs] == ["succeeded"] * 3
    assert len(ran_in) == 3


@pytest.mark.slow
def test_run_worker_drains_at_a_signal_and_returns_its_exit_code(tmp_path: Path) -> None:
    done = script(tmp_path, """
        import os, signal
        @app.task
        def leave():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.2)
            return "finished"
        job = leave.delay()
        print(app.run_worker(threads=1), job.get(timeout=0))
    """)
    assert done.stdout == "0 finished\n", done.stderr


@pytest.mark.slow
def test_a_script_that_sets_the_start_method_for_all_is_told_so_and_one_that_guards_it_works(tmp_path: Path) -> None:
    """The first was told of what it enqueues, which it had guarded."""
    body = (
        "import multiprocessing\nfrom litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n{at_the_top}"
        "@app.task(pool='process', retries=0)\ndef f(n):\n    return n\n"
        "if __name__ == '__main__':\n    {under_main}job = f.delay(1)\n    with app.worker(processes=1):\n        print(job.get(timeout=20))\n"
    )
    sets = "multiprocessing.set_start_method('fork')\n"
    said = []
    for at_the_top, under_main in ((sets, ""), ("", sets + "    ")):
        (tmp_path / "script.py").write_text(body.format(at_the_top=at_the_top, under_main=under_main))
        done = subprocess.run(
            [sys.executable, "script.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
        said.append(done.stdout + done.stderr)
    assert "and multiprocessing.set_start_method() too, which fails in an import" in said[0]
    assert said[1] == "1\n"


@pytest.mark.slow
def test_a_script_without_its_guard_is_told_so_and_enqueues_nothing_twice(tmp_path: Path) -> None:
    """Each process of the pool imports it, as every process that Python spawns does."""
    (tmp_path / "script.py").write_text(
        "from litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n"
        "@app.task(pool='process', retries=0)\ndef f(n):\n    return n\n"
        "job = f.delay(1)\nwith app.worker(processes=1):\n    print(job.get(timeout=20))\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    belongs = 'put what enqueues, waits or starts workers into an if __name__ == "__main__": block'
    assert f"could not start: exit code 1; it imports {tmp_path / 'script.py'}: {belongs}\n" in done.stderr
    assert f"WorkerFailed: a process of the worker's pool imports this file, as every process that Python spawns does: {belongs}" in done.stderr
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert [info.id for info in app.jobs()] == [1]


def test_a_program_that_looks_at_its_own_worker_does_not_take_it_for_dead(app: LiteQueue, db: Path) -> None:
    """The look closed a descriptor of the worker's lock, which was gone with that: the jobs ran again elsewhere."""
    with app.worker(threads=1):
        wait_until(lambda: app.stats().workers)
        for _ in range(2):
            assert main(["doctor", str(db)]) == 0
        look = f"from litequeue.cli import main; raise SystemExit(main(['doctor', {str(db)!r}]))"
        done = subprocess.run([sys.executable, "-c", look], env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


ENDLESS = "SELECT count(*) FROM (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n)"


@pytest.mark.slow
def test_a_stop_ends_a_statement_that_does_not_end(app: LiteQueue, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trigger that somebody puts into the file while it is open."""

    def is_locked() -> bool:
        with contextlib.closing(sqlite3.connect(db, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            connection.execute("ROLLBACK")
            return False

    monkeypatch.setattr("litequeue.store.file.database.foreign", lambda connection: {})  # it came after the last look
    app.task(name="noop")(lambda: None)
    app._client.store.database.patience = 0.5
    worker = app.worker(threads=1, grace=0.05).start()
    addresses = wait_until(app._client.store.workers.addresses)
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(f"CREATE TRIGGER spy AFTER UPDATE ON litequeue_jobs BEGIN {ENDLESS}; END")
        connection.execute("INSERT INTO litequeue_jobs (task, max_attempts) VALUES ('noop', 1)")
    app._client.ring(addresses)
    wait_until(lambda: is_locked() and time.sleep(0.1) is None and is_locked())
    began = time.monotonic()
    with pytest.raises(WorkerFailed, match="held up a stop"):
        worker.stop()
    assert time.monotonic() - began < 10
