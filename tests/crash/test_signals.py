"""A worker that is told to leave does so in time, whatever runs or waits, with nothing lost or charged."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue

from .. import hostile, sample
from ..support import (
    children_of,
    environment,
    ledger_lines,
    litequeue,
    registered,
    wait_until,
)
from .logged import alive, logged_worker, stop

GATED = {"thread": sample.wait_at_gate, "process": sample.wait_in_process, "async": sample.wait_async}
FLAGS = ("--threads", 2, "--processes", 1, "--async", 2)
LAST_WORDS = 2.0
HELD_UP = 0.2 + LAST_WORDS + 1.0  # at a grace of 0.2 s: after so long, a worker leaves whatever holds it up


@pytest.fixture(params=GATED)
def pool(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def starts(ledger: Path) -> int:
    return sum(line.startswith("start") for line in ledger_lines(ledger))


def gone(pids: list[int]) -> bool:
    """Whether the processes are dead; here, nobody may reap those whose parent died first."""
    return not any(alive(pid) for pid in pids)


# -- a first signal -----------------------------------------------------------------------------------------


@pytest.mark.paired
@pytest.mark.parametrize(
    "how",
    [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow), pytest.param(signal.SIGHUP, marks=pytest.mark.slow)],
    ids=lambda s: s.name,
)
def test_an_idle_worker_leaves_within_a_second(
    sample_app: LiteQueue, db: Path, tmp_path: Path, how: signal.Signals
) -> None:
    with logged_worker(db, tmp_path / "log", *FLAGS) as worker:
        for task, args in ((sample.add, (1, 1)), (sample.square, (3,)), (sample.echo, (1,))):
            task.delay(*args).get(timeout=10)  # so that it has all its pools, and a child
        children = children_of(worker.pid)
        assert children
        assert stop(worker, 2, how) < 1
        assert worker.returncode == 0
    wait_until(lambda: gone(children), 1)
    assert os.listdir(f"{db}-workers") == []


@pytest.mark.slow
@pytest.mark.paired
def test_what_does_not_end_within_the_grace_runs_elsewhere_within_a_second(
    sample_app: LiteQueue, db: Path, tmp_path: Path, pool: str
) -> None:
    """A second worker is there already; the thread's task ignores every wish to stop."""
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    with logged_worker(db, tmp_path / "log", *FLAGS, "--grace", 0.5) as first:
        if pool == "thread":
            job = sample.stuck.delay(str(ledger))
        else:
            job = GATED[pool].delay(str(ledger), str(gate))  # type: ignore[attr-defined]
        wait_until(lambda: starts(ledger) == 1)
        children = children_of(first.pid)
        with logged_worker(db, tmp_path / "log2", *FLAGS, "--grace", 0.1):
            # Its process is up, so that the start of one is not counted.
            wait_until(lambda: sample.square.delay(3).get(timeout=10) == 9)
            assert 0.5 <= stop(first, 0.5 + LAST_WORDS + 1)
            left_at = time.monotonic()
            assert first.returncode == 0
            wait_until(lambda: gone(children), 1)
            wait_until(lambda: starts(ledger) == 2, 10)
            # A child for the second attempt may have to be started; a thread and a coroutine need nothing.
            assert time.monotonic() - left_at < (2 if pool == "process" else 1)
            info = job.info()
            assert (info.attempt, info.failures, info.interruptions, info.attempts) == (2, 0, 0, ())
            if pool != "thread":
                gate.touch()
                assert job.get(timeout=10) == "attempt 2"


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_a_signal_to_the_whole_group_lets_the_children_finish(
    sample_app: LiteQueue, db: Path, tmp_path: Path, pool: str, how: signal.Signals
) -> None:
    """Ctrl-C, systemd's stop of a service, a terminal that is closed."""
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    job = GATED[pool].delay(str(ledger), str(gate))  # type: ignore[attr-defined]
    with logged_worker(db, tmp_path / "log", *FLAGS, start_new_session=True) as worker:
        wait_until(lambda: starts(ledger) == 1)
        os.killpg(worker.pid, how)
        wait_until(lambda: "finishes 1 job" in (tmp_path / "log").read_text())
        gate.touch()
        worker.wait(10)
        assert worker.returncode == 0
    assert job.get(timeout=0) == "attempt 1"
    if how is not signal.SIGHUP:  # which multiprocessing's own resource tracker does not outlive
        assert "Traceback" not in (tmp_path / "log").read_text()


# -- more signals ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize(
    ("pool", "how", "code"),
    [("thread", signal.SIGTERM, 143), ("process", signal.SIGINT, 130), ("async", signal.SIGTERM, 143)],
)
def test_a_second_signal_leaves_at_once_and_the_job_runs_elsewhere(
    sample_app: LiteQueue, db: Path, tmp_path: Path, pool: str, how: int, code: int
) -> None:
    ledger, gate, log = tmp_path / "ledger", tmp_path / "gate", tmp_path / "log"
    job = GATED[pool].delay(str(ledger), str(gate))  # type: ignore[attr-defined]
    with logged_worker(db, log, *FLAGS) as first:
        wait_until(lambda: starts(ledger) == 1)
        children = children_of(first.pid)
        first.send_signal(how)
        wait_until(lambda: "finishes 1 job" in log.read_text())
        assert stop(first, LAST_WORDS + 1, how) < LAST_WORDS + 1
        assert first.returncode == code
    wait_until(lambda: gone(children), 1)
    if pool == "thread" and job.state == "succeeded":  # it saw that it was to stop, and returned
        return
    with logged_worker(db, log, *FLAGS):
        wait_until(lambda: starts(ledger) == 2)
        gate.touch()
        assert job.get(timeout=10) == "attempt 2"
    assert (job.info().failures, job.info().interruptions) == (0, 0)


@pytest.mark.slow
def test_a_third_signal_ends_the_process_there_and_then(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    """Even while it waits for the last words of a coroutine that swallows its cancellation."""
    ledger, log = tmp_path / "ledger", tmp_path / "log"
    job = hostile.swallows_async.delay(str(ledger), 60.0)
    with logged_worker(db, log, *FLAGS) as worker:
        wait_until(lambda: starts(ledger) == 1)
        worker.send_signal(signal.SIGTERM)
        wait_until(lambda: "finishes 1 job" in log.read_text())
        worker.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # signals of one number that come together are one
        assert stop(worker, 2) < 0.5
        assert worker.returncode == 143
    with logged_worker(db, log, *FLAGS, "--grace", 0.1):
        wait_until(lambda: starts(ledger) == 2)
    assert job.info().failures == 0


# -- signals at bad moments -------------------------------------------------------------------------------------


@contextlib.contextmanager
def write_lock_held(db: Path) -> Iterator[sqlite3.Connection]:
    """A foreign program in the middle of a long transaction."""
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@pytest.mark.slow
@pytest.mark.beside
def test_a_signal_while_somebody_holds_the_write_lock_loses_no_result(
    sample_app: LiteQueue, db: Path, tmp_path: Path, pool: str
) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    job = GATED[pool].delay(str(ledger), str(gate))  # type: ignore[attr-defined]
    with logged_worker(db, tmp_path / "log", *FLAGS, "--grace", 1) as worker:
        wait_until(lambda: starts(ledger) == 1)
        with write_lock_held(db):
            gate.touch()
            wait_until(lambda: len(ledger_lines(ledger)) == 2)
            worker.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                worker.wait(0.7)  # the result is worth waiting for
        worker.wait(3)
        assert worker.returncode == 0
    assert job.state == "succeeded"
    assert job.info().attempt == 1


@pytest.mark.slow
@pytest.mark.beside
def test_an_idle_worker_leaves_although_somebody_holds_the_write_lock(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    with logged_worker(db, tmp_path / "log", *FLAGS, "--grace", 0.2) as worker:
        sample.add.delay(1, 1).get(timeout=10)
        with write_lock_held(db):
            stop(worker, HELD_UP + 1.5)


@pytest.mark.slow
@pytest.mark.beside
def test_a_worker_under_nohup_outlives_its_terminal(sample_app: LiteQueue, db: Path) -> None:
    words = ["nohup", sys.executable, "-m", "litequeue", "worker", str(db), *map(str, FLAGS)]
    process = subprocess.Popen(
        words, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: registered(db, process.pid))
        process.send_signal(signal.SIGHUP)
        assert sample.add.delay(1, 2).get(timeout=10) == 3
        stop(process, 3)
    finally:
        process.kill()
        process.wait()


SLOW_MODULE = """
import sys, time
from pathlib import Path
from litequeue import LiteQueue
Path("importing").touch()
if "litequeue.worker.worker" in sys.modules:
    time.sleep(60)
app = LiteQueue("db.sqlite")
@app.task
def f(): ...
if __name__ == "__main__":
    f.delay()
"""


@pytest.mark.slow
@pytest.mark.beside
def test_a_signal_during_the_import_of_a_slow_module_is_obeyed_within_the_grace(tmp_path: Path) -> None:
    db = tmp_path / "db.sqlite"
    (tmp_path / "slow_module.py").write_text(SLOW_MODULE)
    subprocess.run([sys.executable, "slow_module.py"], cwd=tmp_path, env=environment(), check=True, timeout=20)
    (tmp_path / "importing").unlink()
    with logged_worker(db, tmp_path / "log", "--grace", 0.2, cwd=tmp_path) as worker:
        wait_until((tmp_path / "importing").exists)
        stop(worker, HELD_UP + 1.5)


@pytest.mark.slow
@pytest.mark.beside
def test_a_signal_during_an_import_leaves_no_half_state(tmp_path: Path) -> None:
    db = tmp_path / "db.sqlite"
    (tmp_path / "slow_module.py").write_text(SLOW_MODULE.replace("sleep(60)", "sleep(1)"))
    subprocess.run([sys.executable, "slow_module.py"], cwd=tmp_path, env=environment(), check=True, timeout=20)
    (tmp_path / "importing").unlink()
    with logged_worker(db, tmp_path / "log", cwd=tmp_path) as worker:
        wait_until((tmp_path / "importing").exists)
        stop(worker, 4)
        assert worker.returncode == 0
    with LiteQueue(db) as app:
        assert (app.job(1).state, app.job(1).info().attempt) == ("available", 0)
    assert litequeue("worker", db, "--burst", cwd=tmp_path).returncode == 0
    with LiteQueue(db) as app:
        assert (app.job(1).state, app.job(1).info().attempt) == ("succeeded", 1)


@pytest.mark.slow
@pytest.mark.beside
def test_a_stopped_worker_goes_on_where_it_was(sample_app: LiteQueue, db: Path, tmp_path: Path, pool: str) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    job = GATED[pool].delay(str(ledger), str(gate))  # type: ignore[attr-defined]
    with logged_worker(db, tmp_path / "log", *FLAGS) as worker:
        wait_until(lambda: starts(ledger) == 1)
        worker.send_signal(signal.SIGSTOP)
        behind = sample.echo.delay("x")
        gate.touch()
        worker.send_signal(signal.SIGTERM)  # waits for the SIGCONT
        worker.send_signal(signal.SIGCONT)
        worker.wait(10)
        assert worker.returncode == 0
    assert job.get(timeout=0) == "attempt 1"
    assert behind.state in ("available", "succeeded")
