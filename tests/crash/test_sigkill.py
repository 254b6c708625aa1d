"""What dies, and what must happen then: measured from the kill, at the default settings."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from litequeue import Job, JobFailed, LiteQueue

from .. import sample
from ..prepared import worker_process
from ..support import ledger_lines, registered, wait_until

TASKS = [sample.wait_at_gate, sample.wait_in_process, sample.wait_async]


def starts(ledger: Path) -> list[str]:
    return [line for line in ledger_lines(ledger) if line.startswith("start")]


@pytest.mark.slow
def test_a_killed_workers_jobs_run_again_within_a_second(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    """One of each pool."""
    gate = tmp_path / "gate"
    ledgers = {task.name: tmp_path / task.name for task in TASKS}
    jobs = [task.delay(str(ledgers[task.name]), str(gate)) for task in TASKS]
    with worker_process(db) as first:
        wait_until(lambda: all(starts(ledger) for ledger in ledgers.values()))
        with worker_process(db):
            # A process for the second attempt takes its own time to start; not counted against rescue.
            first.kill()
            killed = time.monotonic()
            wait_until(lambda: all(job.state != "running" or job.info().attempt == 2 for job in jobs))
            rescued = time.monotonic() - killed
            wait_until(lambda: all(len(starts(ledger)) == 2 for ledger in ledgers.values()))
            gate.touch()
            assert [job.get(timeout=10) for job in jobs] == ["attempt 2"] * 3
    assert rescued < 1.0
    for job in jobs:
        info = job.info()
        assert (info.interruptions, info.failures) == (1, 0), info.task
        assert [a.outcome for a in info.attempts] == ["interrupted"], info.task


@pytest.mark.slow
@pytest.mark.beside
def test_an_at_most_once_job_is_lost_rather_than_run_twice(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    job = sample.wait_once.delay(str(ledger), str(tmp_path / "gate"))
    with worker_process(db) as first:
        wait_until(lambda: starts(ledger))
        first.kill()
        with sample_app.worker(threads=1), pytest.raises(JobFailed, match="at most once"):
            job.get(timeout=10)
    assert len(starts(ledger)) == 1


@pytest.mark.slow
@pytest.mark.paired
def test_an_enqueue_may_ask_that_a_job_be_lost_rather_than_run_twice(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    """Also one whose row the worker has to mend first: it was enqueued by name, and its task runs in a process."""
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    job = sample_app.send_task("tests.sample.wait_in_process", (str(ledger), str(gate)), at_most_once=True)
    with worker_process(db, "--import", "tests.sample") as first:
        wait_until(lambda: starts(ledger))
        assert (job.info().pool, job.info().at_most_once, job.info().max_attempts) == ("process", True, 1)
        first.kill()
        with sample_app.worker(threads=1), pytest.raises(JobFailed, match="at most once"):
            job.get(timeout=10)
    assert len(starts(ledger)) == 1


@pytest.mark.slow
@pytest.mark.paired
def test_a_stopped_worker_keeps_its_job_and_the_children_of_a_killed_one_die(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    # The second one only looks after the dead, and is there from the beginning.
    with worker_process(db, "--queues", "other", wait=False) as second, worker_process(db) as first:
        job = sample.wait_in_process.delay(str(ledger), str(gate))
        wait_until(lambda: starts(ledger) and registered(db, second.pid))
        child = int(starts(ledger)[0].split()[3])
        first.send_signal(signal.SIGSTOP)
        time.sleep(1.0)  # twice the time in which a dead worker is found out
        assert (job.state, job.info().attempt, job.info().interruptions) == ("running", 1, 0)
        first.kill()
        wait_until(lambda: not os.path.exists(f"/proc/{child}") or _is_zombie(child), 1.0)
    gate.touch()


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.slow
@pytest.mark.beside
def test_a_task_that_kills_its_worker_is_discarded_at_the_third_time(
    sample_app: LiteQueue, db: Path
) -> None:
    job = sample.misbehave_thread.delay("kill")
    for _ in range(3):
        with worker_process(db, wait=False) as worker:
            worker.wait(timeout=15)
    with worker_process(db), pytest.raises(JobFailed, match="3 workers died"):
        job.get(timeout=10)
    assert job.info().attempt == 3


@pytest.mark.slow
@pytest.mark.beside
def test_a_frozen_workers_late_result_changes_nothing(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    job = sample.wait_at_gate.delay(str(ledger), str(gate))
    flags = ("--lease", "1")
    with worker_process(db, *flags, wait=False) as one, worker_process(db, *flags, wait=False) as other:
        wait_until(lambda: starts(ledger) and registered(db, one.pid) and registered(db, other.pid))
        frozen = one if int(starts(ledger)[0].split()[3]) == one.pid else other
        frozen.send_signal(signal.SIGSTOP)
        wait_until(lambda: len(starts(ledger)) == 2, 20, "the lease lapses and the job runs again")
        gate.touch()
        assert job.get(timeout=10) == "attempt 2"
        before = job.info()
        frozen.send_signal(signal.SIGCONT)
        wait_until(lambda: len(ledger_lines(ledger)) == 4, what="the frozen attempt ends too")
        # Leaving, it settles what it has; after that nothing more can come.
        frozen.terminate()
        log = frozen.communicate(timeout=10)[0]
        assert job.info() == before
    assert "succeeded" not in log
    assert "had lost its lease; its result" in log


def left_by_a_dead_worker(db: Path, ledger: Path, gate: Path) -> Job[str]:
    job = sample.wait_at_gate.delay(str(ledger), str(gate))
    with worker_process(db) as worker:
        wait_until(lambda: starts(ledger))
        worker.kill()
        worker.wait()
    return job


@pytest.mark.beside
def test_a_burst_after_a_crash_first_takes_up_what_the_dead_left(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    job = left_by_a_dead_worker(db, tmp_path / "ledger", gate)
    gate.touch()
    with sample_app.worker(threads=1, burst=True) as burst:
        assert burst.join(10)
    assert job.state == "succeeded"


@pytest.mark.slow
@pytest.mark.paired
def test_after_a_reboot_the_jobs_of_before_start_with_the_first_worker(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    """No kernel lock outlives the machine; so it matters not that the pid came round again and the clock went back."""
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    job = left_by_a_dead_worker(db, ledger, gate)
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        hour = 3600 * 1_000_000
        connection.execute("UPDATE litequeue_jobs SET lease_expires_at = lease_expires_at + ?", (hour,))
        connection.execute(
            "UPDATE litequeue_workers SET pid = ?, started_at = started_at + ?, heartbeat_at = heartbeat_at + ?",
            (os.getpid(), hour, hour),
        )
    with worker_process(db):
        up = time.monotonic()
        wait_until(lambda: len(starts(ledger)) == 2)
        assert time.monotonic() - up < 2
        gate.touch()
        assert job.get(timeout=10) == "attempt 2"
    assert (job.info().failures, job.info().interruptions) == (0, 1)
