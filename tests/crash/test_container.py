"""A worker as process 1 of a PID namespace, as in a container without an init (SH9, PD13)."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from litequeue import LiteQueue

from .. import sample
from ..support import PROGRAM, children_of, ledger_lines, wait_until
from .logged import logged_worker

UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.fixture(autouse=True, scope="module")
def namespaces() -> None:
    """Skip where no PID namespace can be made."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs root, or leave to make a PID namespace")


class Contained(NamedTuple):
    pid: int  # of the worker, seen from outside
    process: subprocess.Popen[str]  # unshare, which ends as the worker does


@contextlib.contextmanager
def contained_worker(db: Path, log: Path, *flags: object) -> Iterator[Contained]:
    with logged_worker(db, log, *flags, wait=False, program=(*UNSHARE, *PROGRAM)) as process:
        wait_until(lambda: log.exists() and " serves " in log.read_text(), what="the worker is up")
        (worker,) = children_of(process.pid)
        yield Contained(worker, process)


def starts(ledger: Path) -> int:
    return sum(line.startswith("start") for line in ledger_lines(ledger))


def zombies_of(pid: int) -> list[str]:
    """The children of a process that ended and were not waited for."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/stat") as file:
            name, _, fields = file.read().rpartition(")")
            if fields.split()[:2] == ["Z", str(pid)]:
                found.append(name)
    return found


@pytest.mark.slow
@pytest.mark.beside
def test_as_process_1_a_worker_obeys_sigterm_finishes_its_jobs_and_leaves_no_zombies(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    """The kernel gives process 1 only those signals that it has handlers for."""
    ledger, gate, log = tmp_path / "ledger", tmp_path / "gate", tmp_path / "log"
    with contained_worker(db, log, "--processes", 2) as worker:
        dying = [sample.misbehave_process.delay(how) for how in ("exit", "kill", "segfault")]
        wait_until(lambda: all(job.state == "discarded" for job in dying))
        family = (worker.pid, *children_of(worker.pid))
        wait_until(lambda: not any(map(zombies_of, family)), what="the dead children are reaped")
        job = sample.wait_in_process.delay(str(ledger), str(gate))
        wait_until(lambda: starts(ledger) == 1)
        os.kill(worker.pid, signal.SIGTERM)
        wait_until(lambda: "finishes 1 job" in log.read_text())
        gate.touch()
        assert worker.process.wait(10) == 0
    assert job.get(timeout=0) == "attempt 1"
    assert sample_app.stats().workers == ()


@pytest.mark.slow
def test_the_next_process_1_takes_over_from_the_one_that_was_killed(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    """They have the same pid, which proves nothing."""
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    job = sample.wait_at_gate.delay(str(ledger), str(gate))
    with contained_worker(db, tmp_path / "log") as first:
        wait_until(lambda: starts(ledger) == 1)
        os.kill(first.pid, signal.SIGKILL)
        first.process.wait(10)
    with contained_worker(db, tmp_path / "log 2"):
        up = time.monotonic()
        wait_until(lambda: starts(ledger) == 2)
        assert time.monotonic() - up < 1
        gate.touch()
        assert job.get(timeout=10) == "attempt 2"
    pids = [line.split()[3] for line in ledger_lines(ledger) if line.startswith("start")]
    assert pids[0] == pids[1]


@pytest.mark.slow
@pytest.mark.beside
def test_as_process_1_a_supervisor_ends_its_workers_and_reaps_what_tasks_leave_behind(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    with contained_worker(db, tmp_path / "log", "--workers", 2) as supervisor:
        sample.plant.delay(20, str(tmp_path / "ledger")).get(timeout=20)
        wait_until(lambda: len(children_of(supervisor.pid)) == 2 and not zombies_of(supervisor.pid), what="all are reaped")
        os.kill(supervisor.pid, signal.SIGTERM)
        assert supervisor.process.wait(10) == 0
    assert sample_app.stats().workers == ()


@pytest.mark.slow
@pytest.mark.beside
def test_what_tasks_leave_behind_is_reaped_by_process_1(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    """The kernel gives the orphans of a namespace to its first process, whether that expects them or not."""
    ledger = tmp_path / "ledger"
    with contained_worker(db, tmp_path / "log") as worker:
        jobs = [sample.leave_daemon.delay(str(ledger)) for _ in range(5)]
        assert all(job.wait(timeout=10) for job in jobs)
        wait_until(lambda: len(ledger_lines(ledger)) == 5, what="the daemons end")
        wait_until(lambda: zombies_of(worker.pid) == [], what="the daemons are reaped")


@pytest.mark.slow
@pytest.mark.beside
def test_as_process_1_with_a_program_it_ends_as_that_does_and_reaps_what_it_leaves_behind(db: Path, tmp_path: Path) -> None:
    """One container for a web server and the worker: worker DB -- gunicorn ..."""
    leaves = "(sleep 0.01 &); (sleep 1000 &); trap 'exit 3' TERM; touch leaves; while :; do sleep 0.01; done"
    with contained_worker(db, tmp_path / "log", "--", "sh", "-c", f"cd {tmp_path}; {leaves}") as worker:
        wait_until((tmp_path / "leaves").exists)
        wait_until(lambda: zombies_of(worker.pid) == [], what="what has ended is reaped")
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.process.wait(10) == 3
    log = (tmp_path / "log").read_text()
    assert "the program sh has ended with exit code 3" in log and " stopped" in log  # two processes' lines: in whichever order
