"""Why a job does not start, or does not end: told to whoever waits for it, with what will happen and what to do."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue, ResultTimeout
from litequeue.base.records import JobInfo
from litequeue.store.inspection import Condition
from litequeue.store.waiting import held_up, start_one
from litequeue.store.workers import is_process, process_state

from .. import prepared
from ..support import wait_until

pytestmark = pytest.mark.beside

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
START = "python -m litequeue worker /q"
FROZEN = (
    "its worker w (process 7) is frozen: wake it (kill -CONT 7) or end it (kill -9 7); otherwise another worker runs it again when "
    "its lease"
)


@pytest.fixture
def running(app: LiteQueue) -> JobInfo:
    info = app.enqueue("a.task").info()
    return replace(info, state="running", worker="w", lease_expires_at=NOW + timedelta(seconds=40))


def condition(**fields: Any) -> Condition:
    return Condition(**{"pid": 7, "dead": False, "leaving": False, "stopped": False, "beat_at": 0, **fields})


@pytest.mark.parametrize(
    ("found", "fields", "said"),
    [
        (condition(), {}, None),
        (condition(dead=None), {}, None),  # its lock file is gone, which proves nothing
        (condition(dead=True), {}, f"its worker w (process 7) is dead: the next worker runs it again: {START}"),
        (condition(dead=True), {"at_most_once": True},
         f"its worker w (process 7) is dead: the next worker discards it, as it is to run at most once: {START}"),
        (condition(dead=True), {"interruptions": 2},
         f"its worker w (process 7) is dead: the next worker discards it, as 3 workers have died while it ran: {START}"),
        (condition(dead=True, leaving=True), {"interruptions": 2},
         f"its worker w (process 7) has left while it ran on: the next worker runs it again: {START}"),
        (condition(stopped=True), {}, f"{FROZEN} runs out in 40 s"),
        (condition(stopped=True), {"lease_expires_at": NOW}, f"{FROZEN} has run out"),
        (condition(stopped=True, pid=-1, is_process=False), {},
         ("its worker w (process -1) is frozen: wake it or end it where it runs (its row has -1, which is no process here); otherwise "
         "another worker runs it again when its lease runs out in 40 s")),
        (None, {}, f"its worker is gone, and has left it behind: another worker runs it again when its lease runs out in 40 s: {START}"),
    ],
)  # fmt: skip
def test_what_holds_up_a_running_job_is_said_with_its_fate(
    running: JobInfo, found: Condition | None, fields: dict[str, Any], said: str | None
) -> None:
    assert held_up(replace(running, **fields), found, NOW, "/q") == said


def test_a_command_that_is_advised_means_the_file_whatever_that_is_called() -> None:
    assert start_one("/two words/$(x).db") == "python -m litequeue worker '/two words/$(x).db'"


def test_a_number_that_is_no_process_here_is_none_to_advise_a_signal_for() -> None:
    assert is_process(os.getpid())
    assert not any(map(is_process, (-1, 0, 1)))
    if os.path.exists("/proc/self"):
        assert not is_process(2**22 + 1), "more than Linux has"


@pytest.mark.slow
def test_a_job_that_runs_under_a_dead_worker_says_so(db: Path, tmp_path: Path) -> None:
    with LiteQueue(db) as app:
        job = app.enqueue("litequeue.command", ["sleep", "60"])
        with prepared.worker_process(db, "--name", "w") as worker:
            wait_until(lambda: job.state == "running")
            assert job.why_waiting() is None
            worker.kill()
            worker.wait()
            says = f"its worker w (process {worker.pid}) is dead: the next worker runs it again: python -m litequeue worker {db}"
            assert job.why_waiting() == says
            assert f"waits         {says}\n" in prepared.litequeue("job", db, job.id).stdout
            assert json.loads(prepared.litequeue("job", db, job.id, "--json").stdout)["why_waiting"] == says
            with pytest.raises(ResultTimeout, match=r"is running after 0 s: its worker w .* is dead"):
                job.get(timeout=0)
            assert "no worker serves this file" in str(app.enqueue("a.task").why_waiting())


@pytest.mark.slow
def test_a_job_that_only_a_frozen_worker_could_take_says_so_wherever_that_is_asked(db: Path) -> None:
    if not os.path.exists("/proc/self"):
        pytest.skip("what a process does cannot be told here")
    with LiteQueue(db) as app, prepared.worker_process(db, "--name", "w", "--queues", "default") as worker:
        app.schedules.add("s", "a.task", every="1h")
        worker.send_signal(signal.SIGSTOP)
        wait_until(lambda: process_state(worker.pid) == "T")
        job = app.enqueue("litequeue.command", ["true"])
        says = f"worker w (process {worker.pid}) is frozen, and its last beat was "
        cure = f": wake it (kill -CONT {worker.pid}) or end it (kill -9 {worker.pid}), or start another: {start_one(str(db))}"
        assert (job.why_waiting() or "").startswith(says) and (job.why_waiting() or "").endswith(cure)
        assert f"waits         {says}" in prepared.litequeue("job", db, job.id).stdout
        with pytest.raises(ResultTimeout, match=r"is available after 0 s: worker w .* is frozen"):
            job.get(timeout=0)
        told = prepared.litequeue("doctor", db)
        assert f"cannot start: {says}" in told.stdout and "wait for a free slot" not in told.stdout and told.returncode == 1
        assert "1 schedule with a next tick, and no worker is awake, so none fires" in told.stdout
        assert "no worker serves its queue" in str(app.send_task("a.task", queue="other").why_waiting())
        with prepared.worker_process(db, "--name", "second", "--threads", "1"):
            assert job.get(timeout=10) is not None
            assert f"cannot start: {says}" not in prepared.litequeue("doctor", db).stdout


def test_who_asks_in_a_workers_own_process_does_not_take_its_lock_away(app: LiteQueue, db: Path) -> None:
    with app.worker(threads=1):
        wait_until(lambda: app.stats().workers)
        app.enqueue("nobody.knows.it").why_waiting()
        (note,) = [worker["note"] for worker in json.loads(prepared.litequeue("stats", db, "--json").stdout)["workers"]]
    assert note == ""
