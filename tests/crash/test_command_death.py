"""Commands and the deaths around them: of the worker, however it dies, at its limits, at its shutdown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import Job, LiteQueue
from litequeue.commands import supervisor
from litequeue.commands.command import NAME, TASK, check_command
from litequeue.worker.worker import LAST_WORDS

from ..prepared import worker_process
from ..support import environment, supervisors_of, wait_until
from .logged import alive

pytestmark = pytest.mark.skipif(os.name != "posix", reason="commands need process groups")

FLAGS = ("--import", "litequeue.commands.command", "--threads", 0, "--processes", 0)

# Its grandchild in the background, another in a group of its own, and itself; "deaf": they ignore SIGTERM.
TREE = """
test "$1" != deaf || trap '' TERM
for pid in $(cat "$0" 2>/dev/null); do
    ! grep -q '^State:.[^ZX]' /proc/$pid/status 2>/dev/null || echo OVERLAP >> "$0"
done
sleep 60 & one=$!
set -m; sleep 60 & two=$!
echo $one $two $$ >> "$0"
wait; wait; sleep 60
"""


def tree(file: Path, *how: str) -> list[str]:
    return ["sh", "-c", TREE, str(file), *how]


def running(file: Path, times: int = 1) -> list[int]:
    """The processes of the latest attempt, once there were so many."""

    def look() -> list[int]:
        lines = file.read_text().split("\n")[:-1] if file.exists() else []
        assert "OVERLAP" not in lines
        return [int(word) for word in lines[-1].split()] if len(lines) == times else []

    found: list[int] = wait_until(look, what=f"attempt {times} of the command")
    assert all(map(alive, found))
    return found


def gone(pids: list[int]) -> bool:
    return not any(map(alive, pids))


# -- the process that runs the coroutine -----------------------------------------------------------------

HOST = """
import asyncio, os, sys, time
from litequeue.commands.command import run_command
from litequeue.tasks.context import JobContext, _current
from litequeue.base.models import ClaimedJob

async def main():
    job = ClaimedJob(1, 1, 0, "t", "[]", "{}", "default", "async", 0, 0, 0, 1, None, None, 0, 0, 0, None)
    _current.set(JobContext(job, 1, None, 0))
    running = asyncio.create_task(run_command(sys.argv[2:]))
    await asyncio.sleep(0)
    if sys.argv[1] == "forks" and os.fork() == 0:
        time.sleep(60)
    await running

asyncio.run(main())
"""


@pytest.fixture(params=["lives alone", "forks"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a command; one that also forked another, which holds all of its pipes."""
    words = [sys.executable, "-c", HOST, request.param, *tree(tmp_path / "pids", "deaf")]
    process = subprocess.Popen(words, env=environment(), start_new_session=True)
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_command_dies_with_the_process_that_ran_it(host: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pids = running(tmp_path / "pids")
    guards = supervisors_of(host.pid)
    assert len(guards) == 1
    host.kill()
    wait_until(lambda: gone(pids + guards), 1.0, "all that belonged to the command is gone")


@pytest.mark.slow
def test_a_stopped_worker_is_not_a_dead_one(host: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pids = running(tmp_path / "pids")
    host.send_signal(signal.SIGSTOP)
    time.sleep(0.1)  # longer than the supervisor takes to notice a death
    assert all(map(alive, pids))
    host.send_signal(signal.SIGKILL)
    wait_until(lambda: gone(pids), 1.0)


# -- a worker --------------------------------------------------------------------------------------------


@pytest.fixture
def app(app: LiteQueue) -> LiteQueue:
    app._tasks[NAME] = TASK
    return app


def enqueue(app: LiteQueue, argv: list[str], **options: Any) -> Job[Any]:
    return app.send_task(NAME, kwargs=check_command(argv), **options)


@pytest.mark.slow
def test_a_killed_workers_command_is_gone_before_it_runs_again(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    job = enqueue(app, tree(tmp_path / "pids", "deaf"))
    with worker_process(db, *FLAGS) as first:
        old = running(tmp_path / "pids")
        with worker_process(db, *FLAGS) as second:
            first.kill()
            new = running(tmp_path / "pids", times=2)
            assert gone(old)
            assert job.info().interruptions == 1
            second.kill()
            wait_until(lambda: gone(new), 1.0)


@pytest.mark.beside
def test_a_stopped_service_charges_nothing(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    """systemd's KillMode=control-group: SIGTERM to the worker, the supervisor and all of the command."""
    job = enqueue(app, tree(tmp_path / "pids"))
    with worker_process(db, *FLAGS) as worker:
        pids = running(tmp_path / "pids")
        [guard] = supervisors_of(worker.pid)
        # The shell, seeing its children end, starts another that nobody has told anything.
        for pid in [worker.pid, *pids[:2]]:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: len(set(supervisor.live_members(guard) or ()) - set(pids)) == 1)
        for pid in [pids[2], guard]:
            os.kill(pid, signal.SIGTERM)
        worker.wait(5)
    assert supervisor.live_members(guard) == []
    info = job.info()
    assert (info.failures, info.interruptions) == (0, 0)
    assert info.state in ("available", "scheduled")


@pytest.mark.beside
@pytest.mark.parametrize("how", ["obedient", pytest.param("deaf", marks=pytest.mark.slow)])
def test_a_worker_that_shuts_down_takes_its_commands_along(
    app: LiteQueue, db: Path, tmp_path: Path, how: str
) -> None:
    job = enqueue(app, tree(tmp_path / "pids", how))
    with worker_process(db, *FLAGS, "--grace", 0.1) as worker:
        pids = running(tmp_path / "pids")
        worker.send_signal(signal.SIGTERM)
        worker.wait(0.1 + LAST_WORDS + 1)
    assert gone(pids)
    info = job.info()
    assert (info.state, info.failures, info.interruptions) == ("available", 0, 0)


@pytest.mark.slow
@pytest.mark.beside
def test_a_command_reaches_its_limit_or_is_cancelled(app: LiteQueue, tmp_path: Path) -> None:
    with app.worker(threads=0, processes=0):
        late = enqueue(app, tree(tmp_path / "late"), timeout=0.5)
        cancelled = enqueue(app, tree(tmp_path / "cancelled"))
        failing = enqueue(app, ["sh", "-c", "echo why >&2; exit 9"])
        again = enqueue(app, ["false"], retries=3)
        pids = running(tmp_path / "late") + running(tmp_path / "cancelled")
        cancelled.cancel()
        wait_until(lambda: late.state == "discarded" and cancelled.state == "cancelled")
        wait_until(lambda: failing.state == "discarded" and again.state == "retrying")
    assert gone(pids)
    assert late.info().attempts[-1].error_type == "TaskTimeout"
    error = failing.info().attempts[-1]
    assert error.error_type == "litequeue.CommandFailed"
    assert error.error_message.startswith("exit code 9 after") and error.error_message.endswith("s: why")
    assert error.traceback.startswith("litequeue.CommandFailed: "), "where we raised it tells nobody anything"


@pytest.mark.beside
def test_the_result_and_the_environment_of_a_job(app: LiteQueue, tmp_path: Path) -> None:
    with app.worker(threads=0, processes=0):
        line = f'test "$LITEQUEUE_DB" = "{app.path}" && echo "$LITEQUEUE_JOB_ID" > {tmp_path}/id'
        job = app.send_task(NAME, kwargs=check_command(command=line))
        usage = job.get(timeout=10)
    assert usage["exit_code"] == 0 and usage["max_rss_bytes"] > 0
    assert (tmp_path / "id").read_text() == f"{job.id}\n"


@pytest.mark.beside
def test_an_embedded_worker_that_ends_takes_its_commands_along(app: LiteQueue, tmp_path: Path) -> None:
    with app.worker(threads=0, processes=0, grace=0.1):
        job = enqueue(app, tree(tmp_path / "pids"))
        pids = running(tmp_path / "pids")
    assert gone(pids)
    assert (job.state, job.info().failures) == ("available", 0)
