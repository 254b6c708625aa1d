"""From when each attempt could have started, in the rows of those that did not succeed."""

from __future__ import annotations

import pytest

from litequeue.base.models import Unsettled
from litequeue.store import Store
from litequeue.store.turn import Demand

from ...support import FakeClock, new_job

pytestmark = pytest.mark.beside

EVERYTHING = Demand({"thread": 5})
DUE = "SELECT attempt, outcome, due_at FROM litequeue_attempts ORDER BY attempt"


def rows(store: Store) -> list[tuple[int, str, int | None]]:
    with store.database.read() as connection:
        return connection.execute(DUE).fetchall()


def failed(job: int, attempt: int, run_at: int, now: int) -> Unsettled:
    return Unsettled(job, attempt, "retrying", now, None, run_at, None, 1, "E", "m", "", now, 0)


def test_an_attempt_is_due_when_its_job_was_not_when_the_next_one_is(store: Store, clock: FakeClock) -> None:
    created = clock.now()
    store.jobs.enqueue(new_job(created_at=created, run_at=created + 5, max_attempts=3))
    (job,) = store.jobs.turn(1, created + 9, created + 99, demand=EVERYTHING).claimed
    store.jobs.turn(1, created + 20, created + 99, others=[failed(job.id, 1, created + 50, created + 20)])
    (job,) = store.jobs.turn(1, created + 60, created + 99, demand=EVERYTHING).claimed
    store.jobs.turn(1, created + 70, created + 99, others=[failed(job.id, 2, created + 90, created + 70)])
    assert rows(store) == [(1, "failed", created + 5), (2, "failed", created + 50)]


def test_nobody_waits_for_a_job_before_it_is_there(store: Store, clock: FakeClock) -> None:
    created = clock.now()
    store.jobs.enqueue(new_job(created_at=created, run_at=created - 1_000))
    (job,) = store.jobs.turn(1, created + 9, created + 99, demand=EVERYTHING).claimed
    store.jobs.turn(1, created + 20, created + 99, others=[failed(job.id, 1, created + 50, created + 20)])
    assert rows(store) == [(1, "failed", created)]


def test_an_attempt_whose_worker_died_was_due_too(store: Store, clock: FakeClock) -> None:
    created = clock.now()
    store.jobs.enqueue(new_job(created_at=created, run_at=created + 5))
    store.jobs.turn(1, created + 9, created + 99, demand=EVERYTHING)
    assert store.leases.rescue_worker(1, "w", created + 30).again == 1
    store.jobs.turn(2, created + 40, created + 99, demand=EVERYTHING)
    assert store.leases.rescue_lapsed(2, created + 100, created + 100).again == 1
    assert rows(store) == [(1, "interrupted", created + 5), (2, "interrupted", created + 5)]
