"""What is done about a worker that has grown too big: by figures, and with real leaks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from litequeue.cli.fleet.memory import Verdict, judge
from litequeue.pools.watched import Size

from ...support import wait_until
from .running import TASKS, running

pytestmark = pytest.mark.beside

M = 1 << 20


@pytest.mark.parametrize(
    ("own", "pool", "verdict"),
    [
        (100, [], Verdict(100)),
        (201, [], Verdict(201, leave=True)),
        (100, [(1, 50, 60), (2, 50, 40)], Verdict(200)),
        # The one that has grown most is enough.
        (100, [(1, 40, 60), (2, 40, 90)], Verdict(250, frozenset({2}))),
        (100, [(1, 40, 80), (2, 40, 200), (3, 0, 10)], Verdict(390, frozenset({1, 2}))),
        # The worker is the one; its processes end with it.
        (190, [(1, 40, 80)], Verdict(270, leave=True)),
        # Nothing has grown by a fifth: the next would be as big at once.
        (115, [(1, 45, 50), (2, 45, 50)], Verdict(215, is_hopeless=True)),
        (115, [(1, 60, 90)], Verdict(205, frozenset({1}))),
        (110, [(1, 80, 97), (2, 60, 70)], Verdict(277, frozenset({1}))),
        (100, [(1, 0, 150)], Verdict(250, is_hopeless=True)),
    ],
)
def test_no_more_is_ended_than_is_needed_and_nothing_that_would_be_as_big_again(own: int, pool: list[tuple[int, int, int]], verdict: Verdict) -> None:
    found = judge(200 * M, own * M, 100 * M, [Size(pid, fresh * M, now * M) for pid, fresh, now in pool])
    assert found == verdict._replace(total=verdict.total * M)


NEEDS_PROC = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="nothing tells what a process has in memory")


@pytest.mark.slow
@NEEDS_PROC
def test_a_worker_whose_threads_leak_is_replaced_and_no_job_suffers(tmp_path: Path) -> None:
    with running(tmp_path, "--max-memory", "150M", "--threads", 2) as ours:
        before = ours.pids()
        running_job = ours.app.send_task("tasks.nap", args=["slow", 12])
        big = [ours.app.send_task("tasks.leak", args=[140 * M]) for _ in range(4)]
        for job in big:
            job.get(timeout=30)
        wait_until(lambda: not {worker.pid for worker in ours.app.stats().workers} & set(before), 60, "both are replaced")
        ours.wait_for(2)
        assert running_job.get(timeout=30) is None
        assert running_job.info().attempt == 1 and ours.ledger() == ["slow"]
        assert "and may have 150M: it is replaced in its turn" in ours.log()


@pytest.mark.slow
@NEEDS_PROC
def test_a_process_of_the_pool_that_leaks_ends_between_two_jobs_and_its_worker_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, "--max-memory", "200M", "--processes", 1, workers=1) as ours:
        before = ours.pids()
        first = ours.app.send_task("tasks.leak_in_process", args=[1]).get(timeout=20)
        ours.app.send_task("tasks.leak_in_process", args=[250 * M]).get(timeout=20)

        def renewed() -> bool:
            return bool(ours.app.send_task("tasks.leak_in_process", args=[1]).get(timeout=20) != first)

        wait_until(renewed, 30)
        assert ours.pids() == before
        assert "and 200M are allowed: 1 processes of the pool that have grown end after what they run" in ours.log()


@pytest.mark.slow
@NEEDS_PROC
def test_a_limit_that_a_fresh_worker_nearly_has_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, "--max-memory", "100M", workers=3, up=False, tasks=f"{TASKS}\nkept.append(b'x' * {80 * M})\n") as ours:
        kept = ours.command.wait(30)
    assert kept == 2 and "--max-memory 100M is less than 1.2 times the 1" in ours.log() and "is up" not in ours.log()
