"""The tests notice: litequeue with one thing taken out fails a scenario that the whole of it passes.

Each scenario runs twice, whole and broken (see ``broken``), and says whether the promise held.
"""

from __future__ import annotations

import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from litequeue import JobFailed, LiteQueue, QueueBusy
from litequeue.models import ClaimedJob
from litequeue.store import Store
from litequeue.store.jobs import Demand
from litequeue.worker.heartbeat import Heartbeat
from litequeue.worker.inbox import Inbox
from litequeue.worker.maintenance import Maintenance

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


def program(variant: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.crash.broken", variant) if variant else PROGRAM


def starts(ledger: Path) -> list[str]:
    return [line for line in ledger_lines(ledger) if line.startswith("start")]


@pytest.mark.slow
@whole_and("ack_without_fence")
def test_only_the_fence_keeps_a_thawed_workers_result_out(
    sample_app: LiteQueue, db: Path, tmp_path: Path, variant: str, holds: bool
) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    job = sample.wait_at_gate.delay(str(ledger), str(gate))
    with worker_process(db, "--lease", "1", program=program(variant)) as frozen:
        wait_until(lambda: starts(ledger))
        frozen.send_signal(signal.SIGSTOP)
        with worker_process(db, "--lease", "1", program=program(variant)):
            wait_until(lambda: len(starts(ledger)) == 2, 20, "the lease lapses and the job runs again")
            gate.touch()
            assert job.get(timeout=10) == "attempt 2"
            frozen.send_signal(signal.SIGCONT)
            wait_until(lambda: len(ledger_lines(ledger)) == 4, what="the thawed attempt ends too")
            # Leaving, it settles what it has; after that nothing more can come.
            frozen.terminate()
            frozen.wait(timeout=20)
            assert (job.get(timeout=5) == "attempt 2") == holds


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
@whole_and("shared_pool")
def test_only_a_process_pool_per_slot_spares_the_neighbour_of_a_crash(
    sample_app: LiteQueue, db: Path, tmp_path: Path, variant: str, holds: bool
) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    neighbour = sample.wait_in_process.delay(str(ledger), str(gate))
    with worker_process(db, "--processes", "2", program=program(variant)):
        wait_until(lambda: starts(ledger))
        culprit = sample.misbehave_process.delay("kill")
        with pytest.raises(JobFailed, match="ProcessDied"):
            culprit.get(timeout=15)
        gate.touch()
        assert neighbour.wait(15)
        assert (neighbour.state == "succeeded") == holds


@pytest.mark.slow
@whole_and("prefetching_claim")
def test_only_a_modest_claim_leaves_long_jobs_to_an_idle_worker(
    sample_app: LiteQueue, db: Path, tmp_path: Path, variant: str, holds: bool
) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    flags = ("--threads", "1", "--processes", "0", "--grace", "0")
    sample.wait_at_gate.delay_many((str(ledger), str(gate)) for _ in range(6))
    with worker_process(db, *flags, program=program(variant)):
        wait_until(lambda: starts(ledger))
        with worker_process(db, *flags, program=program(variant)):
            # An idle worker takes a job within milliseconds of its registration.
            deadline = time.monotonic() + (10 if holds else 2)
            while len(starts(ledger)) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert (len(starts(ledger)) == 2) == holds
            gate.touch()
            wait_until(lambda: len(ledger_lines(ledger)) == 12, what="all of them run")
