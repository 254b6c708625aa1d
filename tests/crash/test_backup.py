"""Copies of a busy file (ST24)."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue

from .. import sample
from ..prepared import worker_process
from ..support import ledger_lines, litequeue, wait_until

COPIES = 6
FINAL = ("succeeded", "discarded", "cancelled", "expired")


@contextlib.contextmanager
def producers(ledger: Path) -> Iterator[list[int]]:
    """Two threads that enqueue for as long as the block runs; yields the ids that they were given so far."""
    given: list[int] = []
    enough = threading.Event()

    def one_by_one() -> None:
        while not enough.is_set():
            given.append(sample.record.delay(str(ledger), "one").id)

    def in_batches() -> None:
        while not enough.wait(0.02):
            given.extend(job.id for job in sample.record.delay_many([(str(ledger), "many")] * 20))

    threads = [threading.Thread(target=produce) for produce in (one_by_one, in_batches)]
    for thread in threads:
        thread.start()
    try:
        yield given
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def assert_sound(copy: Path, given: list[int]) -> dict[str, int]:
    """How many jobs are in each state, in a copy that was begun when these ids had been given out."""
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        workers = {worker for (worker,) in connection.execute("SELECT id FROM litequeue_workers")}
        jobs = connection.execute(
            "SELECT id, state, attempt, worker_id, lease_expires_at, finished_at, args, result FROM litequeue_jobs"
        ).fetchall()
    states: dict[str, int] = {}
    for job, state, attempt, worker, lease, finished, args, result in jobs:
        ran = state == "available" and attempt > 0  # or was claimed, and is given back
        states["ran" if ran else state] = states.get("ran" if ran else state, 0) + 1
        assert state in ("available", "succeeded") and lease is None, job
        assert (state == "succeeded") == (finished is not None), job
        assert result == (json.dumps(json.loads(args)[1]) if state == "succeeded" else None), job
        if state != "available":
            assert worker in workers and attempt >= 1, job
    ids = {row[0] for row in jobs}
    assert ids >= set(given)
    assert ids == set(range(1, len(ids) + 1))  # no later one without the earlier ones
    return states


@pytest.mark.slow
@pytest.mark.beside
def test_each_backup_of_a_busy_file_is_a_queue_of_one_moment_that_another_worker_can_finish(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    ledger, again, gate = tmp_path / "ledger", tmp_path / "again", tmp_path / "gate"
    holder = sample.wait_at_gate.delay(str(again), str(gate))
    copies = [tmp_path / f"copy {n}.sqlite" for n in range(COPIES)]
    counts = []

    def succeeded() -> int:
        return sample_app.stats().states.get("succeeded", 0)

    quiet = ("--threads", 2, "--log-level", "warning")
    with worker_process(db, *quiet), worker_process(db, *quiet):
        wait_until(lambda: ledger_lines(again))
        with producers(ledger) as given:
            for copy in copies:
                goal = len(given) + 50, succeeded() + 20
                wait_until(lambda goal=goal: len(given) > goal[0] and succeeded() > goal[1], what="all are busy")
                before = list(given)
                sample_app.backup(copy)
                counts.append(assert_sound(copy, [holder.id, *before]))
        gate.touch()
        wait_until(lambda: set(sample_app.stats().states) == {"succeeded"}, what="the original is not disturbed")
    assert len(ledger_lines(ledger)) == len(given)  # each ran once
    assert all(count["ran"] >= 1 and count["succeeded"] > 20 for count in counts), counts
    total, left = sum(counts[-1].values()), sum(counts[-1].values()) - counts[-1]["succeeded"]
    before = len(ledger_lines(ledger))
    with LiteQueue(copies[-1]) as restored:
        new = restored.enqueue("tests.sample.record", str(ledger), "new")
        assert litequeue("worker", copies[-1], "--burst").returncode == 0
        assert restored.stats().states == {"succeeded": total + 1}
        assert (restored.job(holder.id).get(timeout=0), new.get(timeout=0)) == ("attempt 2", "new")
    assert [line.split()[0] for line in ledger_lines(again)] == ["start", "end"] * 2
    assert len(ledger_lines(ledger)) - before == left  # all but the one at the gate, and the new one: each once
