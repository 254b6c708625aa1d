"""What producers and workers do to the file, one transaction at a time, for sweeps that kill them inside it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from litequeue import LiteQueue, Task
from litequeue.base.exact import Limit
from litequeue.base.models import ClaimedJob, Settled, TaskOrigin, Unsettled
from litequeue.payload import Codec
from litequeue.store import Store
from litequeue.store.file.borrowed import Borrowed
from litequeue.store.turn import Demand
from litequeue.store.workers import Registration
from litequeue.tasks.context import JobContext
from litequeue.worker.inbox import Inbox
from litequeue.worker.services.maintenance import Maintenance

from .. import faults
from ..faults import Victim, run_victim
from ..support import FakeClock, new_job

SECOND = 1_000_000
NOW = FakeClock().now()
LEASE = 60 * SECOND


# -- what a worker does, without its threads -----------------------------------------------------------


def register(store: Store, name: str) -> Registration:
    return store.workers.register(name=name, host="h", wake_port=None, queues=None, slots={}, now=NOW)


def claim(store: Store, worker: int, limit: int = 10, now: int = NOW, **settle: Any) -> list[ClaimedJob]:
    return store.jobs.turn(worker, now, now + LEASE, demand=Demand({"thread": limit}), **settle).claimed


def success(job_id: int, attempt: int, result: str, now: int = NOW) -> Settled:
    return Settled(job_id, attempt, now, now, json.dumps(result), now + 86_400 * SECOND, None)


def other(job: ClaimedJob, state: str, **fields: Any) -> Unsettled:
    row = Unsettled(job.id, job.attempt, state, NOW, None, None, None, 0, None, None, None, NOW, 0)
    return row._replace(**fields)


def tick(store: Store, worker: int, clock: FakeClock) -> None:
    """A worker's housekeeping, with the look for dead peers in it."""
    Maintenance(store, worker, clock, LEASE, Inbox()).tick()


# -- the acts ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scenario:
    """``prepare`` makes the file, ``act`` is what dies. The act says "done" when its caller is told so."""

    name: str
    prepare: Callable[[Path], None]
    act: Callable[[Victim, Path], None]
    fewest: int  # statements: a sweep over less would prove nothing
    changes: bool = True


def nothing_yet(db: Path) -> None:
    """A new file."""


def of_another_app(db: Path) -> None:
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE precious (x)")
        connection.execute("INSERT INTO precious VALUES ('gold')")


def three_jobs(db: Path) -> None:
    store = Store(str(db))
    for n in range(3):
        store.jobs.enqueue(new_job(args=f"[{n}]", max_attempts=3))
    store.close()


def three_jobs_and_no_ledger(db: Path) -> None:
    """As code from before there was a ledger left it."""
    three_jobs(db)
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("DROP TABLE litequeue_migrations")
        connection.execute("DELETE FROM litequeue_meta WHERE key = 'min_reader'")


def jobs_in_all_waiting_states(db: Path) -> None:
    three_jobs(db)
    store = Store(str(db))
    store.jobs.enqueue(new_job(state="scheduled", run_at=NOW - 1))
    store.jobs.enqueue(new_job(state="scheduled", run_at=NOW + 9 * SECOND))
    store.jobs.enqueue(new_job(expires_at=NOW - 1))
    store.close()


def dead_worker_with_jobs(db: Path, *, leaving: bool = False) -> None:
    three_jobs(db)

    def work(victim: Victim) -> None:
        store = Store(str(db))
        worker = register(store, "dead").id
        assert len(claim(store, worker, limit=2)) == 2
        if leaving:
            store.workers.leave(worker, NOW)
        faults.die()

    assert run_victim(work).killed


def worker_that_left(db: Path) -> None:
    dead_worker_with_jobs(db, leaving=True)


def old_final_jobs(db: Path) -> None:
    three_jobs(db)
    store = Store(str(db))
    jobs = claim(store, 1, limit=2)
    gone = {"finished_at": 1, "prune_at": NOW - 1, "failed": 1, "error_type": "E"}
    store.jobs.turn(1, NOW, NOW, others=[other(job, "discarded", **gone) for job in jobs])
    store.close()


def first_open(victim: Victim, db: Path) -> None:
    victim.arm()
    store = Store(str(db))
    store.open_and_close()
    victim.say("done")


def enqueue(victim: Victim, db: Path) -> None:
    victim.arm()
    store = Store(str(db))
    store.jobs.enqueue(new_job(), TaskOrigin("tests.task", "tests", "task", "/", "{}"))
    victim.say("done")
    store.close()


def enqueue_with_checkpoint(victim: Victim, db: Path) -> None:
    store = Store(str(db))
    with store.database.write(durable=False) as connection:
        connection.execute("SELECT 1").fetchone()
    store.database.wal.make_due()  # the next commit finds a checkpoint due
    victim.arm()
    store.jobs.enqueue(new_job(args="[" + "1," * 5000 + "1]"))
    victim.say("done")
    store.close()


def delay_many(victim: Victim, db: Path) -> None:
    store = Store(str(db))
    store.reports.state(1)  # the opening has a sweep of its own
    victim.arm()
    ids, *_ = store.jobs.enqueue_many(new_job(), ((f"[{n}]", "{}") for n in range(60)))
    assert len(ids) == 60
    victim.say("done")
    store.close()


def claim_jobs(victim: Victim, db: Path) -> None:
    store = Store(str(db))
    worker = register(store, "victim").id
    victim.arm()
    jobs = claim(store, worker)
    assert len(jobs) == 4
    victim.say("done")
    for job in jobs:
        victim.say(f"lease {job.id} {job.attempt}")


def settle_and_claim(victim: Victim, db: Path, *, limit: int = 2) -> None:
    store = Store(str(db))
    worker = register(store, "victim").id
    jobs = claim(store, worker, limit)
    for job in jobs:
        victim.say(f"lease {job.id} {job.attempt}")
    victim.arm()
    more = claim(store, worker, succeeded=[success(job.id, job.attempt, "victim's") for job in jobs])
    assert len(more) == 1
    victim.say("done")


def retry_and_discard(victim: Victim, db: Path) -> None:
    store = Store(str(db))
    worker = register(store, "victim").id
    first, second, third = claim(store, worker)
    error = {"failed": 1, "error_type": "ValueError", "error_message": "boom", "traceback": "tb"}
    ends = [
        other(first, "retrying", run_at=NOW + SECOND, **error),
        other(second, "discarded", finished_at=NOW, prune_at=NOW + 9_999 * SECOND, **error),
        other(third, "scheduled", run_at=NOW + SECOND),
    ]
    victim.arm()
    store.jobs.turn(worker, NOW, NOW + LEASE, others=ends)
    victim.say("done")


def release(victim: Victim, db: Path) -> None:
    store = Store(str(db))
    worker = register(store, "victim").id
    jobs = claim(store, worker)
    victim.arm()
    store.jobs.turn(worker, NOW, NOW, others=[other(j, "available", started_at=None, unstarted=1) for j in jobs])
    victim.say("done")
    store.close()


def look_after_the_dead(victim: Victim, db: Path) -> None:
    store = Store(str(db))
    worker = register(store, "victim").id
    victim.arm()
    tick(store, worker, FakeClock())
    victim.say("done")


def prune(victim: Victim, db: Path) -> None:
    """In one transaction, however busy the machine is."""
    store = Store(str(db))
    register(store, "victim")
    victim.arm()
    store.operations.prune(NOW, 60)
    victim.say("done")


def renew_leases(victim: Victim, db: Path) -> None:
    store = Store(str(db))
    worker = register(store, "victim").id
    jobs = claim(store, worker)
    victim.arm()
    assert len(store.leases.extend(worker, NOW, NOW + 2 * LEASE)) == len(jobs)
    victim.say("done")


def cancel(victim: Victim, db: Path) -> None:
    store = Store(str(db))
    store.reports.state(1)  # the opening has a sweep of its own
    victim.arm()
    assert store.operations.cancel(1, NOW)[0] == "cancelled"
    victim.say("done")
    store.close()


def revive(victim: Victim, db: Path) -> None:
    store = Store(str(db))
    store.reports.state(1)  # the opening has a sweep of its own
    victim.arm()
    assert store.operations.revive(1, NOW)[0] == "available"
    victim.say("done")
    store.close()


def come_and_go(victim: Victim, db: Path) -> None:
    store = Store(str(db))
    store.reports.state(1)
    victim.arm()
    registration = register(store, "victim")
    store.workers.stopped(registration.id, NOW)
    registration.close()
    victim.say("done")
    store.close()


# -- transactions, keys, limits ---------------------------------------------------------------------------


def jobs_and_orders(db: Path) -> None:
    three_jobs(db)
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, paid INTEGER)")
        connection.execute("INSERT INTO orders VALUES (1, 0)")


def _app(db: Path) -> tuple[LiteQueue, Task[..., Any]]:
    app = LiteQueue(db, clock=FakeClock())
    task = app.task(name="tests.task", unique="{0}")(lambda n: n)
    return app, task


def transaction_of_an_app(victim: Victim, db: Path) -> None:
    app, task = _app(db)
    app.limits.list()  # the opening has a sweep of its own
    victim.arm()
    with app.transaction() as rows:
        rows.execute("UPDATE orders SET paid = 1")
        task.delay(7)
        task.delay_many([(8,), (9,)])
    victim.say("done")


def using_a_connection(victim: Victim, db: Path) -> None:
    app, task = _app(db)
    app.limits.list()
    connection = sqlite3.connect(db)
    Borrowed._cursor = lambda borrowed: borrowed._connection  # type: ignore[assignment, method-assign, return-value]  # whose statements are seen
    victim.arm()
    connection.execute("UPDATE orders SET paid = 1")
    task.using(connection).delay(7)
    task.using(connection).delay_many([(8,), (9,)])
    connection.commit()
    victim.say("done")


def transaction_of_a_job(victim: Victim, db: Path) -> None:
    app, task = _app(db)
    store = app._client.store
    worker = register(store, "victim").id
    (job,) = claim(store, worker, limit=1)
    context = JobContext(job, 9, None, NOW)
    context._opener, context._codec = lambda: store, Codec()
    victim.say(f"lease {job.id} {job.attempt}")
    victim.arm()
    with context.transaction() as rows:
        rows.execute("UPDATE orders SET paid = paid + 1")
        task.delay(7)
        rows.result = "victim's"
    victim.say("done")


def limited_jobs(db: Path) -> None:
    store = Store(str(db))
    for limit in (Limit("a", 1), Limit("b", None, 3, SECOND)):
        store.limits.set(limit, NOW)
    for key in ("a", "a", "b", "b", "b"):
        store.jobs.enqueue(new_job(limit_key=key, max_attempts=9))
    store.close()


SCENARIOS = [
    Scenario("transaction of an app", jobs_and_orders, transaction_of_an_app, 20),
    Scenario("using a connection of the app's", jobs_and_orders, using_a_connection, 20),
    Scenario("transaction of a job", jobs_and_orders, transaction_of_a_job, 8),
    Scenario("fill and claim", limited_jobs, claim_jobs, 10),
    Scenario("settle and fill", limited_jobs, partial(settle_and_claim, limit=10), 8),
    Scenario("first open", nothing_yet, first_open, 30),
    Scenario("first open of another app's file", of_another_app, first_open, 30),
    Scenario("enqueue", three_jobs, enqueue, 12),
    Scenario("enqueue with a checkpoint", three_jobs, enqueue_with_checkpoint, 6),
    Scenario("enqueue that begins the ledger", three_jobs_and_no_ledger, enqueue, 17),
    Scenario("delay_many", three_jobs, delay_many, 13),
    Scenario("claim", jobs_in_all_waiting_states, claim_jobs, 8),
    Scenario("settle and claim", three_jobs, settle_and_claim, 6),
    Scenario("retry and discard", three_jobs, retry_and_discard, 6),
    Scenario("release", three_jobs, release, 6),
    Scenario("rescue", dead_worker_with_jobs, look_after_the_dead, 8),
    Scenario("release of one who left", worker_that_left, look_after_the_dead, 8),
    Scenario("prune", old_final_jobs, prune, 8),
    Scenario("heartbeat", three_jobs, renew_leases, 5),
    Scenario("cancel", three_jobs, cancel, 3),
    Scenario("revive", old_final_jobs, revive, 3),
    Scenario("register and sign off", three_jobs, come_and_go, 8, changes=False),
]
