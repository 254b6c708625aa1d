"""The lanes of a job's life, lived through by hand."""

from __future__ import annotations

import pytest

from litequeue.base.checks import aware
from litequeue.base.models import Settled, Unsettled
from litequeue.store import Store
from litequeue.store.pages.parts import Lane
from litequeue.store.turn import Demand

from ...support import new_job

pytestmark = pytest.mark.beside

T = 1_700_000_000_000_000
EVERYTHING = Demand({"thread": 5})


@pytest.fixture
def job(store: Store) -> int:
    execute = "INSERT INTO litequeue_workers (name, pid, host, lock_file, slots, started_at, heartbeat_at) VALUES ('w', 1, 'h', 'l', '{}', 1, 1)"
    with store.database.write(durable=False) as connection:
        connection.execute(execute)
    store.jobs.enqueue(new_job(created_at=T, run_at=T + 5, max_attempts=9))
    claim(store, T + 10)
    return 1


def claim(store: Store, now: int) -> None:
    assert store.jobs.turn(1, now, now + 10**9, demand=EVERYTHING).claimed


def end(store: Store, attempt: int, state: str, now: int, *, run_at: int | None = None, error: str | None = None, unstarted: int = 0) -> None:
    final = now if state in ("discarded", "cancelled") else None
    row = Unsettled(1, attempt, state, now - 5, final, run_at, None if final is None else now + 99, int(error is not None), error, error, "", now, unstarted)
    store.jobs.turn(1, now, now + 10**9, others=[row])


def lanes(store: Store) -> tuple[Lane, ...]:
    page = store.pages.job(1, T + 1000)
    assert page is not None
    return page.lanes


def lane(attempt: int, outcome: str, due: int | None, started: int, ended: int | None) -> Lane:
    return Lane(attempt, outcome, "w", None if due is None else aware(T + due), aware(T + started), None if ended is None else aware(T + ended))


def test_a_job_that_failed_and_then_succeeded(store: Store, job: int) -> None:
    assert lanes(store) == (lane(1, "running", 5, 10, None),)
    end(store, 1, "retrying", T + 20, run_at=T + 50, error="E")
    assert lanes(store) == (lane(1, "failed", 5, 15, 20),)
    claim(store, T + 60)
    assert lanes(store) == (lane(1, "failed", 5, 15, 20), lane(2, "running", 50, 60, None))
    store.jobs.turn(1, T + 70, T + 10**9, succeeded=[Settled(1, 2, T + 61, T + 69, "1", T + 999, None)])
    assert lanes(store) == (lane(1, "failed", 5, 15, 20), lane(2, "succeeded", 50, 61, 69))


@pytest.mark.parametrize("state", ["discarded", "cancelled"])
def test_one_that_ended_otherwise(store: Store, job: int, state: str) -> None:
    end(store, 1, state, T + 20, error="E")
    outcome = "failed" if state == "discarded" else "cancelled"
    assert lanes(store) == (lane(1, outcome, 5, 15, 20),)


def test_one_that_put_itself_off(store: Store, job: int) -> None:
    end(store, 1, "scheduled", T + 20, run_at=T + 50)
    assert lanes(store) == (lane(1, "snoozed", None, 15, None),)
    claim(store, T + 60)
    assert lanes(store) == (lane(2, "running", 50, 60, None),), "of what came before nothing is kept"


def test_one_that_its_worker_gave_back(store: Store, job: int) -> None:
    end(store, 1, "available", T + 20)
    assert lanes(store) == (lane(1, "interrupted", 5, 15, None),)


def test_one_that_was_given_back_unstarted_had_no_attempt(store: Store, job: int) -> None:
    end(store, 1, "available", T + 20, unstarted=1)
    assert lanes(store) == ()


def test_one_whose_worker_died(store: Store, job: int) -> None:
    store.leases.rescue_worker(1, "w", T + 40)
    assert lanes(store) == (lane(1, "interrupted", 5, 10, 40),)


def test_one_that_may_run_but_once_and_was_lost_at_a_shutdown(store: Store, job: int) -> None:
    with store.database.write(durable=False) as connection:
        connection.execute("UPDATE litequeue_jobs SET at_most_once = 1")
    store.leases.release_worker(1, T + 40)
    assert lanes(store) == (lane(1, "discarded", 5, 10, 40),)


def test_attempts_of_older_code_were_due_nobody_knows_when(store: Store, job: int) -> None:
    end(store, 1, "retrying", T + 20, run_at=T + 50, error="E")
    with store.database.write(durable=False) as connection:
        connection.execute("UPDATE litequeue_attempts SET due_at = NULL")
    assert lanes(store) == (lane(1, "failed", None, 15, 20),)
