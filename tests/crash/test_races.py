"""Races on one job, and time that stands still: one end each, nobody robbed, nobody overheard."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base.models import Settled
from litequeue.base.states import FINAL
from litequeue.store import Store
from litequeue.store.turn import Demand

from .. import sample
from ..prepared import worker_process
from ..support import environment, ledger_lines, new_job, wait_until

SECOND = 1_000_000


@pytest.mark.slow
@pytest.mark.beside
def test_cancel_against_claim_finish_and_timeout_leaves_one_end_each(app: LiteQueue) -> None:
    """500 jobs, each cancelled at a random moment of its life while the worker works on."""
    rng = random.Random(7)
    ran: list[int] = []

    @app.task
    def quick(n: int) -> int:
        ran.append(n)
        return n

    @app.task(timeout=0.02)
    def late(n: int) -> int:
        ran.append(n)
        time.sleep(rng.random() * 0.04)
        return n

    ends: Counter[str] = Counter()
    with app.worker(threads=4):
        jobs = []
        for n in range(500):
            job = (late if n % 5 == 0 else quick).delay(n)
            time.sleep(rng.random() * 0.003)
            jobs.append((job, job.cancel()))
        for job, told_cancelled in jobs:
            assert job.wait(timeout=20)
            state = job.state
            ends[state] += 1
            if not told_cancelled:
                assert state in ("succeeded", "discarded")  # it was over when the cancel came
            first = job.info()
            assert first.state in FINAL
    assert max(Counter(ran).values()) == 1
    assert sum(ends.values()) == 500
    assert {"succeeded", "cancelled"} <= set(ends)
    assert [job.state for job, _ in jobs] == [app.job(job.id).state for job, _ in jobs]


def test_a_final_state_is_final_whoever_comes_late(store: Store) -> None:
    """Every order of finish, cancel, rescue and a late finish; on the rows themselves."""
    now = 1_700_000_000 * SECOND
    demand = Demand({"thread": 1})
    for order in range(24):
        rng = random.Random(order)
        job_id, _ = store.jobs.enqueue(new_job())
        (job,) = store.jobs.turn(1, now, now + SECOND, demand=demand).claimed
        row = Settled(job.id, job.attempt, now, now, str(order), now + 10**12, None)
        moves = [
            lambda row=row: store.jobs.turn(1, now, now, succeeded=[row]),
            lambda job_id=job_id: store.operations.cancel(job_id, now),
            lambda: store.leases.rescue_worker(1, "w", now),
            lambda row=row: store.jobs.turn(1, now, now, succeeded=[row._replace(result='"late"')]),
        ]
        rng.shuffle(moves)
        history = []
        for move in moves:
            move()  # type: ignore[no-untyped-call]
            history.append(store.reports.state(job_id))
        finals = [state for state in history if state in FINAL]
        assert len(set(finals)) <= 1, history
        if finals:
            assert history[-1] == finals[0], history
        store.operations.cancel(job_id, now)


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("how", ["a foreign writer", "a suspended machine", "the GIL"])
def test_time_that_stands_still_robs_nobody(
    sample_app: LiteQueue, db: Path, tmp_path: Path, how: str
) -> None:
    """Longer than the lease, and then the heartbeats come before anybody is judged."""
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    flags = ("--lease", "1", "--log-level", "warning")
    if how == "the GIL":
        job = sample.hold_the_gil.delay(str(ledger), 0.1)
    else:
        job = sample.wait_at_gate.delay(str(ledger), str(gate))
    with worker_process(db, *flags) as first, worker_process(db, *flags) as second:
        wait_until(lambda: ledger_lines(ledger))
        if how == "a foreign writer":
            other = sqlite3.connect(db, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            time.sleep(2.5)
            other.execute("ROLLBACK")
            other.close()
        elif how == "a suspended machine":
            for worker in (first, second):
                worker.send_signal(signal.SIGSTOP)
            time.sleep(2.5)
            for worker in (second, first):
                worker.send_signal(signal.SIGCONT)
        else:
            wait_until(lambda: len(ledger_lines(ledger)) == 2, 20)
        time.sleep(2.0)  # a lease and two looks at it: time for a thief
        gate.touch()
        job.get(timeout=10)
    info = job.info()
    assert (info.attempt, info.interruptions) == (1, 0)
    assert len([line for line in ledger_lines(ledger) if line.startswith("start")]) == 1


@pytest.mark.slow
def test_the_children_of_a_killed_worker_are_gone_before_its_jobs_run_again(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    """Each copy holds a lock that only one process can hold, and writes OVERLAP if it is taken."""
    ledger, gate, lock = tmp_path / "ledger", tmp_path / "gate", tmp_path / "lock"
    jobs = [sample.hold_lock_in_process.delay(str(ledger), str(gate), f"{lock}{n}") for n in range(2)]
    with worker_process(db, "--processes", "2") as first, worker_process(db, "--processes", "2") as second:
        wait_until(lambda: len(ledger_lines(ledger)) == 2)
        claimed_by = {job.info().worker for job in jobs}
        victims = [w for w in (first, second) if any(name and name.endswith(f"-{w.pid}") for name in claimed_by)]
        victims[0].kill()
        killed = time.monotonic()
        wait_until(lambda: len(ledger_lines(ledger)) > 2, 10)
        restarted = time.monotonic() - killed
        gate.touch()
        for job in jobs:
            job.wait(timeout=10)
    assert "OVERLAP" not in " ".join(ledger_lines(ledger))
    assert restarted < 3  # a new process for the second copy starts in that time too


@pytest.mark.slow
def test_every_one_of_500_enqueues_at_random_moments_is_heard(sample_app: LiteQueue, db: Path) -> None:
    rng = random.Random(11)
    with worker_process(db, "--log-level", "warning"):
        sample.add.delay(0, 0).get(timeout=10)
        missed = 0
        for n in range(500):
            time.sleep(rng.random() * 0.004)
            began = time.monotonic()
            assert sample.add.delay(n, 1).get(timeout=10) == n + 1
            missed += time.monotonic() - began > 0.45  # found by the slow look alone
    assert missed <= 2  # a machine that stands still for a moment looks the same


def test_a_fork_while_this_process_writes_waits_for_the_commit(store: Store) -> None:
    """A child forked in the middle of another thread's transaction would inherit half of it."""
    inside, go = threading.Event(), threading.Event()

    def write() -> None:
        with store.database.write(durable=True) as connection:
            connection.execute("UPDATE litequeue_jobs SET priority = 5")
            inside.set()
            go.wait(5)

    job_id, _ = store.jobs.enqueue(new_job())
    thread = threading.Thread(target=write)
    thread.start()
    inside.wait(5)
    threading.Timer(0.2, go.set).start()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            found = store.reports.job(job_id)
            code = 0 if found is not None and found.priority == 5 and store.jobs.enqueue(new_job()) else 2
        finally:
            os._exit(code)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert store.reports.stats().states == {"available": 2}


FORKS_AT_ONCE = """
import os, signal, sys, threading, time
from litequeue import LiteQueue, chain
app = LiteQueue("db.sqlite")

@app.task(name="f")
def f(): pass

@app.task(name="u", unique=("n",))
def u(n): pass

def limit():
    app.limit("door", max_running=2)
    app.limits.list()

def transaction():
    with app.transaction() as db:
        f.delay()
        db.execute("SELECT 1").fetchone()

def lock():
    with app.lock("door", timeout=20):
        pass

uses = {"enqueue": f.delay, "look": app.stats, "worker": lambda: app.worker(threads=1), "schedules": lambda: app.schedules.list(),
    "many": lambda: f.delay_many([()]), "unique": lambda: u.delay(os.getpid()), "unique_many": lambda: u.delay_many([(os.getpid(),)]),
    "limit": limit, "transaction": transaction, "lock": lock, "link": lambda: f.s().delay(),
    "chain": lambda: chain(f.si()).delay()}
use = uses[sys.argv[1]]
is_enqueue = sys.argv[1] not in ("look", "worker", "schedules", "limit", "lock")
if not is_enqueue:
    f.delay()
thread = threading.Thread(target=use)
thread.start()
children, until = [], time.monotonic() + 0.15
while time.monotonic() < until and len(children) < 40:
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        use()
        os._exit(0)
    children.append(child)
    time.sleep(0.001)
thread.join()
ends = {os.waitpid(child, 0)[1] for child in children}
print(ends, app.stats().states["available"] - len(children) * is_enqueue)
"""


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize(
    "use",
    ["enqueue", "look", "worker", "schedules", "many", "unique", "unique_many", "limit", "transaction", "lock", "link", "chain"],
)
def test_forks_beside_a_threads_first_use_find_no_module_half_imported(tmp_path: Path, use: str) -> None:
    """The lock of a module that another thread was importing stays taken in a fork's child: two thirds of them hung."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS_AT_ONCE, use], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "{0} 1\n", done.stderr
