"""The tests notice: litequeue with one thing taken out fails a scenario that the whole of it passes.

Each scenario runs twice, whole and broken (see ``broken``), and says whether the promise held.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from litequeue import JobFailed, LiteQueue, QueueBusy
from litequeue.base.models import ClaimedJob
from litequeue.store import Store
from litequeue.store.turn import Demand
from litequeue.worker.inbox import Inbox
from litequeue.worker.services.heartbeat import Heartbeat
from litequeue.worker.services.maintenance import Maintenance

from .. import sample
from ..support import (
    PROGRAM,
    FakeClock,
    ledger_lines,
    new_job,
    wait_until,
    worker_process,
)
from . import broken

LEASE = 60_000_000


def whole_and(variant: str) -> pytest.MarkDecorator:
    """Run the test on the whole product, where it holds, and on a broken one, where it must not."""
    return pytest.mark.parametrize(("variant", "holds"), [("", True), (variant, False)], ids=["whole", variant])


def both(variant: str) -> dict[str, bool]:
    """The same for a test that has both at once: which they are, and whether the promise holds."""
    return {"": True, variant: False}


def program(variant: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.crash.broken", variant) if variant else PROGRAM


def starts(ledger: Path) -> list[str]:
    return [line for line in ledger_lines(ledger) if line.startswith("start")]


@pytest.mark.slow
@pytest.mark.beside
def test_only_the_fence_keeps_a_thawed_workers_result_out(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    """A whole worker and one without the fence are frozen with a job each; a third one runs both jobs again."""
    gate = tmp_path / "gate"
    with contextlib.ExitStack() as stack:
        frozen, jobs, ledgers = {}, {}, {}
        for variant in both("ack_without_fence"):
            queue = variant or "whole"
            ledgers[variant] = tmp_path / queue
            jobs[variant] = sample.wait_at_gate.apply_async((str(ledgers[variant]), str(gate)), queue=queue)
            flags = ("--lease", "1", "--queues", queue)
            frozen[variant] = stack.enter_context(worker_process(db, *flags, wait=False, program=program(variant)))
        wait_until(lambda: all(starts(ledger) for ledger in ledgers.values()), 30)
        for worker in frozen.values():
            worker.send_signal(signal.SIGSTOP)
        stack.enter_context(worker_process(db, "--lease", "1"))
        rerun = lambda: all(len(starts(ledger)) == 2 for ledger in ledgers.values())
        wait_until(rerun, 20, "the leases lapse and the jobs run again")
        gate.touch()
        assert [job.get(timeout=10) for job in jobs.values()] == ["attempt 2"] * 2
        for worker in frozen.values():
            worker.send_signal(signal.SIGCONT)
        ended = lambda: all(len(ledger_lines(ledger)) == 4 for ledger in ledgers.values())
        wait_until(ended, what="the thawed attempts end too")
        for variant, holds in both("ack_without_fence").items():
            # Leaving, it settles what it has; after that nothing more can come.
            frozen[variant].terminate()
            frozen[variant].wait(timeout=20)
            assert (jobs[variant].get(timeout=5) == "attempt 2") == holds, variant


@whole_and("one_look")
def test_only_a_second_look_spares_a_worker_that_waited_for_the_write_lock(
    store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, variant: str, holds: bool
) -> None:
    broken.apply(variant, monkeypatch.setattr)
    registration = store.workers.register(
        name="live", host="h", wake_port=None, queues=None, slots={}, now=clock.now()
    )
    registration.close()  # no lock to probe: only the lease tells
    heart = Heartbeat(store, registration.id, clock, LEASE, Inbox())
    reaper = Maintenance(store, registration.id + 1, clock, LEASE, Inbox())
    heart.tick()
    store.jobs.enqueue(new_job())
    store.jobs.turn(registration.id, clock.now(), clock.now() + LEASE, demand=Demand({"thread": 1}))
    for _ in range(32):  # somebody holds the write lock for 64 s: no beat is written, but looks are free
        clock.advance(2)
        reaper.tick()
    heart.tick()  # the first to have the lock again
    for _ in range(60):
        clock.advance(2)
        heart.tick()
        reaper.tick()
    assert (store.reports.state(1) == "running") == holds


@whole_and("deferred_begin")
def test_only_an_immediate_begin_keeps_the_apps_own_commits_out_of_a_claim(
    db: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, variant: str, holds: bool
) -> None:
    broken.apply(variant, monkeypatch.setattr)
    store = Store(str(db))
    with closing(store), closing(sqlite3.connect(db, timeout=0, isolation_level=None)) as apps:
        store.jobs.enqueue(new_job())
        with store.database.write(durable=False) as connection:
            connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")

        def accept(job: ClaimedJob) -> bool:
            """Inside the claim, between its look and its lease: the app commits a row of its own."""
            try:
                apps.execute("INSERT INTO orders DEFAULT VALUES")
            except sqlite3.OperationalError:
                pass  # it waits, as it should; with a timeout it would be next
            return True

        demand = Demand({"thread": 1}, accept=accept)
        try:
            claimed = store.jobs.turn(1, clock.now(), clock.now() + LEASE, demand=demand).claimed
        except QueueBusy:  # SQLITE_BUSY_SNAPSHOT: at once, whatever the timeout
            claimed = []
        assert (len(claimed) == 1) == holds


@pytest.mark.slow
@pytest.mark.beside
def test_only_a_process_pool_per_slot_spares_the_neighbour_of_a_crash(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with contextlib.ExitStack() as stack:
        neighbours, culprits = {}, {}
        for variant in both("shared_pool"):
            queue = variant or "whole"
            neighbours[variant] = sample.wait_in_process.apply_async((str(tmp_path / queue), str(gate)), queue=queue)
            flags = ("--processes", "2", "--queues", queue)
            stack.enter_context(worker_process(db, *flags, wait=False, program=program(variant)))
        for variant in both("shared_pool"):
            queue = variant or "whole"
            wait_until(lambda queue=queue: starts(tmp_path / queue), 30)
            culprits[variant] = sample.misbehave_process.apply_async(("kill",), queue=queue)
        for culprit in culprits.values():
            with pytest.raises(JobFailed, match="ProcessDied"):
                culprit.get(timeout=15)
        gate.touch()
        for variant, holds in both("shared_pool").items():
            assert neighbours[variant].wait(15)
            assert (neighbours[variant].state == "succeeded") == holds, variant


@pytest.mark.slow
@pytest.mark.beside
def test_only_a_modest_claim_leaves_long_jobs_to_an_idle_worker(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    ledgers = {variant: tmp_path / (variant or "whole") for variant in both("prefetching_claim")}

    def start(variant: str, *, wait: bool) -> None:
        flags = ("--threads", "1", "--processes", "0", "--grace", "0", "--queues", ledgers[variant].name)
        stack.enter_context(worker_process(db, *flags, wait=wait, program=program(variant)))

    with contextlib.ExitStack() as stack:
        for variant, ledger in ledgers.items():
            for _ in range(6):
                sample.wait_at_gate.apply_async((str(ledger), str(gate)), queue=ledger.name)
            start(variant, wait=False)
        for variant, ledger in ledgers.items():
            wait_until(lambda ledger=ledger: starts(ledger), 30)
            start(variant, wait=True)
        # An idle worker takes a job within milliseconds of its registration.
        wait_until(lambda: len(starts(ledgers[""])) == 2)
        time.sleep(0.5)
        assert len(starts(ledgers["prefetching_claim"])) == 1
        gate.touch()
        for ledger in ledgers.values():
            wait_until(lambda ledger=ledger: len(ledger_lines(ledger)) == 12, what="all of them run")
