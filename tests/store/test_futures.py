"""What an executor asks of the file: ends, and jobs that are not to begin."""

from __future__ import annotations

import pytest

from litequeue.base.models import Unsettled
from litequeue.store import Store
from litequeue.store.turn import Demand

from ..support import FakeClock, new_job

pytestmark = pytest.mark.beside


def test_only_what_nobody_has_begun_is_withdrawn(store: Store, clock: FakeClock) -> None:
    now, later = clock.now(), clock.now() + 60_000_000
    waiting, given_back, running, retrying = (store.jobs.enqueue(new_job())[0] for _ in range(4))
    scheduled = store.jobs.enqueue(new_job(state="scheduled", run_at=later))[0]
    claimed = store.jobs.turn(1, now, later, demand=Demand({"thread": 10}, accept=lambda job: job.id != waiting)).claimed
    leases = {job.id: job.attempt for job in claimed}
    assert leases.keys() == {given_back, running, retrying}
    back = [Unsettled(given_back, leases[given_back], "available", None, None, None, None, 0, None, None, None, now, 1),
            Unsettled(retrying, leases[retrying], "retrying", now, None, later, None, 1, "E", "", "", now, 0)]  # fmt: skip
    store.jobs.turn(1, now, later, others=back)
    everything = [waiting, given_back, running, retrying, scheduled, 99]
    gone, _ = store.futures.withdraw(everything, now)
    assert gone == {waiting, given_back, scheduled}
    assert {job: store.reports.state(job) for job in everything} == {
        waiting: "cancelled", given_back: "cancelled", scheduled: "cancelled", running: "running", retrying: "retrying", 99: None,
    }  # fmt: skip
    assert store.futures.withdraw(everything, now) == (set(), [])


def test_ends_come_in_their_order_and_what_is_gone_is_told(store: Store, clock: FakeClock) -> None:
    jobs = [store.jobs.enqueue(new_job())[0] for _ in range(3)]
    for job in reversed(jobs[:2]):
        clock.advance(1)
        store.futures.withdraw([job], clock.now())
    assert store.futures.endings([*jobs, 99]) == [(99, None), (jobs[1], ("cancelled", None, None)), (jobs[0], ("cancelled", None, None))]
    assert store.futures.endings([]) == []


def test_what_a_task_has_left_in_a_queue_is_found_in_every_state(store: Store, clock: FakeClock) -> None:
    now, later = clock.now(), clock.now() + 60_000_000
    running, ended, waiting = (store.jobs.enqueue(new_job())[0] for _ in range(3))
    store.jobs.enqueue(new_job(task="other"))
    store.jobs.enqueue(new_job(queue="other"))
    scheduled = store.jobs.enqueue(new_job(state="scheduled", run_at=later))[0]
    store.futures.withdraw([ended], now)
    store.jobs.turn(1, now, later, demand=Demand({"thread": 1}))
    with store.database.write(durable=False) as connection:
        connection.execute("INSERT INTO litequeue_jobs (task, queue, state) SELECT task, queue, 'blocked' FROM litequeue_jobs WHERE id = ?", (running,))
        (blocked,) = connection.execute("SELECT max(id) FROM litequeue_jobs").fetchone()
    job = store.reports.job(waiting)
    assert job is not None
    assert store.futures.unfinished(job.task, job.queue) == [running, waiting, scheduled, blocked]
