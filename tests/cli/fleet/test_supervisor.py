"""``worker DB --workers N`` with real processes: what dies is replaced, what is told ends, and no job suffers from either."""

from __future__ import annotations

import itertools
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from litequeue import JobFailed

from ...prepared import litequeue
from ...support import children_of, wait_until
from .running import is_gone, lines_of, running

GOES = pytest.mark.skipif(os.name != "posix", reason="a supervisor needs a Unix")
pytestmark = [pytest.mark.beside, GOES]


@pytest.mark.slow
def test_one_that_is_killed_is_replaced_and_its_job_runs_again_once(tmp_path: Path) -> None:
    with running(tmp_path) as ours:
        before = ours.pids()
        job = ours.app.send_task("tasks.wait", args=["x"])
        wait_until(ours.ledger)
        (victim,) = (pid for pid, name in before.items() if name == job.info().worker)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(ours.ledger()) == 2, 20)
        after = ours.wait_for(2)
        assert victim not in after and sorted(after.values()) == ["shop-1", "shop-2"] and len(set(after) & set(before)) == 1
        (tmp_path / "gate").touch()
        job.get(timeout=20)
        assert ours.ledger() == ["begins x", "begins x", "ends x"]
        assert f"worker {before[victim]} ended with exit code 137: another is started in 0.5 s" in ours.log()


@pytest.mark.slow
def test_a_rolling_restart_under_load_interrupts_nothing_and_runs_nothing_twice(tmp_path: Path) -> None:
    with running(tmp_path, "--threads", 4) as ours:
        before, keys = ours.pids(), itertools.count()
        jobs = [ours.app.send_task("tasks.nap", args=[next(keys), 0.05]) for _ in range(50)]
        ours.command.send_signal(signal.SIGUSR1)

        def fed() -> bool:
            if sum(job.state == "succeeded" for job in jobs) > len(jobs) - 40:
                jobs.extend(ours.app.send_task("tasks.nap", args=[next(keys), 0.05]) for _ in range(20))
            found = children_of(ours.command.pid)
            assert len(found) <= 3, "two, and one that comes"
            return not set(before) & set(found) and len(ours.pids()) == 2

        wait_until(fed, 40, "all are replaced")
        for job in jobs:
            job.get(timeout=30)
        assert Counter(ours.ledger()) == Counter(map(str, range(len(jobs))))
        assert {(job.info().attempt, job.info().interruptions) for job in jobs} == {(1, 0)}
        assert sorted(ours.pids().values()) == ["shop-1", "shop-2"]
        assert "rolling restart: 2 to be replaced, one after another" in ours.log()


@pytest.mark.slow
def test_a_release_that_cannot_be_imported_leaves_the_old_workers_as_they_are(tmp_path: Path) -> None:
    with running(tmp_path) as ours:
        before = ours.pids()
        (tmp_path / "tasks.py").write_text("import no_such_module")
        ours.command.send_signal(signal.SIGUSR1)
        ours.wait_for_line("the rolling restart is given up")
        assert ours.wait_for(2) == before
        assert ours.app.send_task("tasks.value").get(timeout=10) == 1


@pytest.mark.slow
def test_when_the_supervisor_is_killed_its_workers_finish_what_they_run_and_end(tmp_path: Path) -> None:
    with running(tmp_path) as ours:
        workers = ours.pids()
        job = ours.app.send_task("tasks.wait", args=["x"])
        wait_until(ours.ledger)
        ours.command.kill()
        wait_until(lambda: "the supervisor is gone, and so the worker stops" in ours.log())
        (tmp_path / "gate").touch()
        assert job.get(timeout=10) is None
        wait_until(lambda: all(map(is_gone, workers)), 20)
        assert ours.ledger() == ["begins x", "ends x"] and ours.app.stats().workers == ()


@pytest.mark.slow
def test_a_stop_waits_for_what_runs_and_a_second_one_does_not(tmp_path: Path) -> None:
    with running(tmp_path) as ours:
        workers = ours.pids()
        job = ours.app.send_task("tasks.wait", args=["x"])
        wait_until(ours.ledger)
        ours.command.send_signal(signal.SIGTERM)
        wait_until(lambda: sum(map(is_gone, workers)) == 1)
        assert ours.command.poll() is None and job.state == "running"
        ours.command.send_signal(signal.SIGTERM)
        assert ours.command.wait(10) == 128 + signal.SIGTERM
        assert all(map(is_gone, workers))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("first", ["supervisor", "workers"])
def test_a_signal_to_all_of_a_service_is_one_signal(tmp_path: Path, number: int, first: str) -> None:
    """As systemd sends it to a whole control group, unless the unit says another ``KillMode``."""
    with running(tmp_path) as ours:
        workers = ours.pids()
        job = ours.app.send_task("tasks.wait", args=["x"])
        wait_until(ours.ledger)
        for pid in (ours.command.pid, *workers) if first == "supervisor" else (*workers, ours.command.pid):
            os.kill(pid, number)
        wait_until(lambda: sum(map(is_gone, workers)) == 1)
        (tmp_path / "gate").touch()
        assert ours.command.wait(20) == 0
        assert job.state == "succeeded" and ours.ledger() == ["begins x", "ends x"]


@pytest.mark.slow
def test_a_crash_loop_ends_with_the_code_of_the_worker(tmp_path: Path) -> None:
    with running(tmp_path, up=False, tasks="import os\nopen('starts', 'a').write('x')\nos._exit(9)") as ours:
        assert ours.command.wait(60) == 9
        assert (tmp_path / "starts").read_text() == "xxxxx"
        assert "did not come up for the 5th time (exit code 9): there is no use in going on" in ours.log()


def test_a_mistake_is_told_once_and_is_the_exit_code(tmp_path: Path) -> None:
    done = litequeue("worker", tmp_path / "db.sqlite", "--workers", 3, "--import", "no_such_module", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("litequeue: --import no_such_module: ")


def test_more_fewer_and_a_session_of_their_own(tmp_path: Path) -> None:
    with running(tmp_path) as ours:
        assert all(os.getsid(pid) == pid for pid in ours.pids()), "Ctrl-C is the supervisor's"
        ours.command.send_signal(signal.SIGTTIN)
        assert sorted(ours.wait_for(3).values()) == ["shop-1", "shop-2", "shop-3"]
        ours.command.send_signal(signal.SIGTTOU)
        assert sorted(ours.wait_for(2).values()) == ["shop-1", "shop-2"]
        ours.command.send_signal(signal.SIGINT)
        assert ours.command.wait(20) == 0


def test_a_burst_ends_when_all_have(tmp_path: Path) -> None:
    with running(tmp_path, "--burst", up=False) as ours:
        jobs = [ours.app.send_task("tasks.value") for _ in range(20)]
        assert ours.command.wait(30) == 0, ours.log()
        assert {job.state for job in jobs} == {"succeeded"}


@pytest.mark.slow
def test_one_that_ends_by_itself_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path, "--max-jobs", 3, workers=1) as ours:
        jobs = [ours.app.send_task("tasks.value") for _ in range(8)]
        for job in jobs:
            job.get(timeout=30)
        names = {job.info().worker for job in jobs}
        assert names == {"shop-1"}
        ours.wait_for(1)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="nothing tells that a process is stopped")
def test_one_that_is_stopped_for_its_lease_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path, "--lease", 1) as ours:
        victim, *_ = ours.pids()
        os.kill(victim, signal.SIGSTOP)
        wait_until(lambda: is_gone(victim), 30)
        ours.wait_for(2)
        assert "is stopped (SIGSTOP) for 1 s, and its jobs are others' by now: it is killed" in ours.log()


def test_who_says_what_is_told_apart(tmp_path: Path) -> None:
    with running(tmp_path, "--log-json") as ours:
        ours.app.send_task("tasks.value").get(timeout=10)
        ours.wait_for_line("worker shop-2 is up")
        ours.command.terminate()
        assert ours.command.wait(20) == 0
        said = lines_of(ours.log())
    workers = {line["worker"] for line in said if line["logger"] == "litequeue.worker"}
    assert workers == {"shop-1", "shop-2"}
    assert {line["message"] for line in said if "worker" not in line} == {"worker shop-1 is up", "worker shop-2 is up"}


def test_lines_for_people_begin_with_the_name_too(tmp_path: Path) -> None:
    with running(tmp_path, "--mail-to", "ann") as ours:
        ours.wait_for_line(" INFO shop-1 worker shop-1 serves ")
        ours.wait_for_line("worker shop-2 is up")
        assert ours.log().count(": nothing was ever enqueued there") == 1, "what is true of all is said once"


@pytest.mark.slow
def test_a_command_finds_nothing_of_the_supervisors(tmp_path: Path) -> None:
    with running(tmp_path, workers=1) as ours:
        job = ours.app.send_task("litequeue.command", kwargs={"argv": ["sh", "-c", "env; ls /proc/self/fd"], "cwd": str(tmp_path)})
        try:
            job.get(timeout=20)
        except JobFailed as error:  # pragma: no cover
            pytest.fail(str(error))
        printed = "".join(piece.text for piece in job.output())
    assert "LITEQUEUE_SUPERVISED" not in printed and "NOTIFY" not in printed


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--workers", "0"), "--workers: must be"),
        (("--workers", "65"), "--workers: must be"),
        (("--workers", "2", "--", "sh"), "--workers and a program after -- do not go together"),
        (("--reload", "--burst"), "--reload waits for changes, and --burst ends"),
        (("--reload", "--", "sh"), "--reload and a program after --"),
        (("--max-memory", "512M"), "--max-memory goes with --workers"),
        (("--workers", "2", "--max-memory", "much"), "'much' is no size"),
        (("--workers", "2", "--max-memory", "100"), "argument --max-memory: must be from 32M to 1024T, not '100'; for megabytes write '100M'"),
        (("--workers", "2", "--threads", "-1"), "threads must be"),
        (("--workers", "2", "--name", "x" * 199), "is not allowed"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_begun(tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    done = litequeue("worker", tmp_path / "db", *words)
    assert (done.returncode, done.stderr.count("\n"), list(tmp_path.iterdir())) == (2, 1, []), done.stderr
    assert why in done.stderr


