"""Whatever a task's code does hurts its own job alone: the worker lives on, and so do the neighbours."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from litequeue import Job, LiteQueue

from .. import hostile, sample
from ..support import children_of, ledger_lines, registered, wait_until
from .logged import alive, broken, logged_worker, stop

POOLS = ("thread", "process", "async")
FOLLOWING = {"thread": (sample.add, (4, 4)), "process": (sample.square, (3,)), "async": (sample.echo, (5,))}
GATED = {"thread": sample.wait_at_gate, "process": sample.wait_in_process, "async": sample.wait_async}


class Served(NamedTuple):
    app: LiteQueue
    worker: subprocess.Popen[str]
    folder: Path


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """One worker for the whole module: what any of the tests does to it, the others notice."""
    folder = tmp_path_factory.mktemp("task_code")
    db, log = folder / "db.sqlite", folder / "log"
    flags = ("--threads", 3, "--processes", 2, "--async", 3, "--grace", 1, "--log-level", "warning")
    with logged_worker(db, log, *flags) as process:
        yield db, process
        assert process.poll() is None, log.read_text()
        stop(process, 3)
        assert process.returncode == 0
    said = log.read_text()
    assert "\x1b" not in said and "\r" not in said
    assert not broken(said)


@pytest.fixture
def served(worker: tuple[Path, subprocess.Popen[str]]) -> Iterator[Served]:
    db, process = worker
    sample.app._client.bind(str(db))
    yield Served(sample.app, process, db.parent)
    assert process.poll() is None, "the worker is gone"
    sample.app.close()


@pytest.fixture(params=POOLS)
def pool(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def assert_goes_on(pool: str) -> None:
    task, args = FOLLOWING[pool]
    job = task.delay(*args)  # type: ignore[attr-defined]
    assert job.get(timeout=10) in (8, 9, 5)
    assert job.info().attempt == 1


def final(job: Job[object], seconds: float = 10) -> str:
    assert job.wait(timeout=seconds), f"still {job.state}"
    return job.state


RAISED = {
    "hostile init": "tests.hostile.HostileInit",
    "hostile reduce": "tests.hostile.HostileReduce",
    "hostile traceback": "tests.hostile.HostileTraceback",
    "hostile cause": "tests.hostile.HostileCause",
    "hostile name": "\x1b[31m\r\n.HostileName",
    "hostile message": "tests.hostile.HostileMessage",
    "control characters": "ValueError",
    "10 MB": "ValueError",
    "group": "ExceptionGroup",
    "base group": "BaseExceptionGroup",
    "cause cycle": "ValueError",
    "cause chain": "ValueError",
    "sys.exit": "SystemExit",
    "BaseException": "BaseException",
    "CancelledError": "asyncio.exceptions.CancelledError",
    "StopIteration": "StopIteration",
    "MemoryError": "MemoryError",
}


@pytest.mark.slow
def test_whatever_a_task_raises_is_one_failure_in_bounded_text(served: Served, pool: str) -> None:
    """All in a row, each with an innocent behind it."""
    following, args = FOLLOWING[pool]
    jobs = {how: (hostile.HOSTILE[pool].delay(how), following.delay(*args)) for how in RAISED}  # type: ignore[attr-defined]
    for how, (job, innocent) in jobs.items():
        assert final(job) == "discarded", how
        info = job.info()
        assert (info.attempt, info.failures, info.interruptions) == (1, 1, 0), how
        (attempt,) = info.attempts
        # Python itself turns a coroutine's StopIteration into this.
        expected = "RuntimeError" if (how, pool) == ("StopIteration", "async") else RAISED[how]
        assert attempt.error_type == expected, how
        assert len(attempt.error_message) < 5000, how
        assert len(attempt.traceback) < 70_000, how
        assert attempt.traceback, how
        assert innocent.get(timeout=10) in (8, 9, 5), how
        assert innocent.info().attempt == 1, how


@pytest.mark.slow
@pytest.mark.beside
def test_the_message_of_a_failure_is_kept_as_it_was_but_for_a_nul(served: Served, pool: str) -> None:
    job = hostile.HOSTILE[pool].delay("control characters")
    assert final(job) == "discarded"
    assert job.info().attempts[0].error_message == "a\r\n\x1b[31m\\x00b"


BREAKERS = [
    ("thread", "hostile class"), ("thread", "half a retry"),
    ("process", "half a retry"), ("async", "hostile class"), ("async", "half a retry"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.paired
def test_an_exception_that_breaks_the_questions_asked_of_it_is_a_failure(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    """One after the other, so that a worker that does not get over one of them says which."""
    with logged_worker(db, tmp_path / "log", "--grace", 0.1) as process:
        for pool, how in BREAKERS:
            job = hostile.HOSTILE[pool].apply_async((how,))
            assert_goes_on(pool)
            assert final(job, 2) == "discarded", (pool, how)
            assert "ProcessDied" not in (job.info().last_error or ""), (pool, how)
        stop(process, 5)


@pytest.mark.slow
@pytest.mark.beside
def test_a_result_that_lies_about_its_class_is_a_success_without_a_result(served: Served, pool: str) -> None:
    job = hostile.HOSTILE[pool].delay("unbound")
    assert final(job) == "succeeded"


# -- deaths of a pool's process ------------------------------------------------------------------------------

DEATHS = {
    "exit 3": "exit code 3", "null": "SIGSEGV", "abort": "SIGABRT", "close all": "died",
    "out of memory": "MemoryError",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("how", DEATHS)
def test_a_process_that_dies_takes_no_neighbour_along(served: Served, tmp_path: Path, how: str) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    neighbour = sample.wait_in_process.delay(str(ledger), str(gate))
    wait_until(lambda: ledger_lines(ledger), what="the neighbour starts")
    job = hostile.hostile_process.delay(how)
    assert final(job) == "discarded"
    info = job.info()
    assert DEATHS[how] in (info.last_error or "")
    assert (info.attempt, info.failures, info.interruptions) == (1, 1, 0)
    assert_goes_on("process")
    gate.touch()
    assert neighbour.get(timeout=10) == "attempt 1"
    assert (neighbour.info().failures, neighbour.info().interruptions) == (0, 0)


# -- time limits --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("pool", ["thread", "process"])
def test_an_endless_loop_ends_at_its_timeout(served: Served, pool: str) -> None:
    job = hostile.HOSTILE[pool].apply_async(("spin",), timeout=0.3)
    assert final(job, 2.3 + 1) == "discarded"  # a process may have to be started first
    assert (job.info().last_error or "").startswith("TaskTimeout")
    assert_goes_on(pool)


@pytest.mark.slow
def test_a_swallowed_soft_timeout_makes_the_result_late_and_the_retry_wait(served: Served, tmp_path: Path) -> None:
    """Two copies of a job must not overlap, and what comes after the timeout is not a success."""
    ledgers = {pool: tmp_path / pool for pool in POOLS}
    jobs = {
        pool: hostile.SWALLOWS[pool].apply_async((str(ledgers[pool]), 0.7), soft_timeout=0.1, timeout=0.3, retries=1)
        for pool in POOLS
    }
    wait_until(lambda: all(map(ledger_lines, ledgers.values())))
    beside = [FOLLOWING[pool][0].delay(*FOLLOWING[pool][1]) for pool in POOLS]  # type: ignore[attr-defined]
    ended: dict[str, str] = {}

    def all_have_ended() -> bool:
        for pool, job in jobs.items():
            if pool not in ended and (state := job.state) != "running":
                ended[pool] = state
                job.cancel()  # before it runs again
        return len(ended) == len(POOLS)

    wait_until(all_have_ended, 5)
    assert ended == dict.fromkeys(POOLS, "retrying")
    assert [job.get(timeout=10) for job in beside] == [8, 9, 5]
    for pool, job in jobs.items():
        lines = [line.split()[0] for line in ledger_lines(ledgers[pool])]
        assert lines == (["start"] if pool == "process" else ["start", "end"]), pool
        assert [a.error_type for a in job.info().attempts] == ["TaskTimeout"], pool


@pytest.mark.slow
@pytest.mark.paired
def test_tasks_that_never_give_in_delay_neither_others_nor_the_exit(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    pools = ("thread", "async")
    jobs = [hostile.SWALLOWS[pool].apply_async((str(tmp_path / pool), 60.0), timeout=0.2) for pool in pools]
    with logged_worker(db, tmp_path / "log", "--grace", 0.3) as process:
        wait_until(lambda: (tmp_path / "log").read_text().count("timeout reached") == len(pools))
        for pool in pools:
            assert_goes_on(pool)
        stop(process, 4.3)
        assert process.returncode == 0
    assert [job.info().attempt for job in jobs] == [1, 1]


@pytest.mark.slow
@pytest.mark.beside
def test_a_coroutine_that_blocks_the_loop_keeps_its_lease(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    """The other worker, which only looks after the dead, is there from the beginning, and looks thrice."""
    ledger = tmp_path / "ledger"
    with (
        logged_worker(db, tmp_path / "log", "--lease", 1, "--queues", "other", wait=False) as other,
        logged_worker(db, tmp_path / "log", "--lease", 1) as first,
    ):
        wait_until(lambda: registered(db, other.pid))
        job = hostile.blocks_the_loop.delay(str(ledger), 1.9)
        wait_until(lambda: ledger_lines(ledger))
        sample.add.delay(4, 4).get(timeout=10)
        assert job.get(timeout=10) == "unblocked"
        assert first.poll() is None
    assert ledger_lines(ledger) == ["start 1"]


# -- forks, and what is left behind ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("pool", ["process", "async"])
def test_a_task_that_forks_ends_once_and_leaves_no_second_worker(served: Served, pool: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    assert_goes_on(pool)
    job = hostile.FORKS[pool].delay(str(ledger))
    assert job.get(timeout=10) == "forked"
    wait_until(lambda: len(ledger_lines(ledger)) == 2, what="both sides return")
    pids = {int(line.split()[-1]) for line in ledger_lines(ledger)}
    assert len(pids) == 2
    assert_goes_on(pool)
    parent = served.worker.pid if pool == "async" else None
    wait_until(lambda: len([p for p in pids if p != parent and alive(p)]) == (pool == "process"))
    info = job.info()
    assert (info.state, info.attempt, info.failures) == ("succeeded", 1, 0)


@pytest.mark.slow
@pytest.mark.paired
@pytest.mark.parametrize("pool", ["thread", "process"])
def test_what_tasks_leave_running_does_not_hold_up_the_workers_exit(
    sample_app: LiteQueue, db: Path, tmp_path: Path, pool: str
) -> None:
    """A thread, and a process."""
    ledger = tmp_path / "ledger"
    jobs = [hostile.LEAVES[pool].delay(what, str(ledger)) for what in ("thread", "subprocess")]
    with logged_worker(db, tmp_path / "log", "--grace", 0.5) as process:
        try:
            for job in jobs:
                job.get(timeout=10)
            assert_goes_on(pool)
            children = children_of(process.pid)
            stop(process, 2.5)
            assert process.returncode == 0
            orphans = {int(line) for line in ledger_lines(ledger)}
            assert len(orphans) == 1
            wait_until(lambda: not [p for p in children if p not in orphans and alive(p)])
        finally:
            for line in ledger_lines(ledger):
                os.kill(int(line), signal.SIGKILL)


# -- surroundings, context, arguments -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.beside
def test_a_process_task_changes_nothing_for_the_worker(served: Served) -> None:
    before = sample_surroundings()
    hostile.hostile_process.delay("unsettle").get(timeout=10)
    assert_goes_on("process")
    assert sample_surroundings() == before
    assert before[4] == served.worker.pid
    # Nor does it outlive its timeout by ignoring SIGTERM.
    job = hostile.hostile_process.apply_async(("spin",), timeout=0.2)
    assert final(job, 3) == "discarded"


def sample_surroundings() -> list[object]:
    return hostile.surroundings.delay().get(timeout=10)


@pytest.mark.slow
@pytest.mark.paired
def test_a_thread_task_that_changes_directory_and_umask_loses_nothing(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    """They are the whole process's, so the worker must not depend on them: the file is named relative here."""
    with logged_worker(Path(db.name), tmp_path / "log", cwd=tmp_path, wait=False) as process:
        hostile.hostile_thread.delay("unsettle").get(timeout=10)
        for pool in POOLS:  # the process is started only now
            assert_goes_on(pool)
        began = time.monotonic()
        stop(process, 3)
        assert process.returncode == 0 and time.monotonic() - began < 3
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("db.sqlite")) == [
        "db.sqlite", "db.sqlite-lock", "db.sqlite-shm", "db.sqlite-wal", "db.sqlite-workers",
    ]  # fmt: skip
    for path in tmp_path.glob("db.sqlite-*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.slow
@pytest.mark.beside
def test_each_attempt_has_its_own_arguments_and_context(served: Served, pool: str) -> None:
    for _ in range(2):
        job = hostile.SPOILS[pool].delay([1, 2])
        assert job.get(timeout=10) == [[1, 2], "nothing"]
        assert job.info().attempt == 2
