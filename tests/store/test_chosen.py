"""The claim of one job that is named: it is had now, or nothing has happened."""

from __future__ import annotations

from typing import Any

import pytest

from litequeue.base.models import Settled, Unsettled
from litequeue.store import Store
from litequeue.store.turn import Demand

from ..support import FakeClock, new_job

pytestmark = pytest.mark.beside

DAY = 86_400_000_000


def made(store: Store, clock: FakeClock, state: str) -> int:
    """A job that has come to this state as jobs do."""
    now = clock.now()
    later = {"state": "scheduled", "run_at": now + DAY} if state in ("scheduled", "cancelled") else {}
    expires = {"expires_at": now + 10} if state == "expired" else {}
    job, _ = store.jobs.enqueue(new_job(**{"created_at": now, "run_at": now, **later, **expires}))
    if state == "cancelled":
        store.operations.cancel(job, now)
    elif state == "expired":
        store.jobs.turn(9, now + DAY, now + DAY, demand=Demand({"thread": 1}))
    elif state not in ("available", "scheduled"):
        (claimed,) = store.jobs.turn(9, now, now + DAY, demand=Demand({"thread": 1})).claimed
        if state == "succeeded":
            store.jobs.turn(9, now, now + DAY, succeeded=[Settled(job, claimed.attempt, now, now, "1", now + DAY, None)])
        elif state != "running":
            final = state == "discarded"
            end = Unsettled(job, claimed.attempt, state, now, now if final else None, None if final else now + DAY, now + DAY if final else None, 1, "E", "e", "", now, 0)
            store.jobs.turn(9, now, now + DAY, others=[end])
    assert store.reports.state(job) == state
    return job


def row(store: Store, job: int) -> tuple[Any, ...]:
    return tuple(store.database.one("SELECT * FROM litequeue_jobs WHERE id = :id", {"id": job}))


@pytest.mark.parametrize("state", ["available", "scheduled", "retrying", "running", "succeeded", "discarded", "cancelled", "expired"])
@pytest.mark.parametrize("again", [False, True])
def test_it_is_claimed_or_left_as_it_was(store: Store, clock: FakeClock, state: str, again: bool) -> None:
    job = made(store, clock, state)
    before, now = row(store, job), clock.now() + DAY // 2
    looked = store.chosen.look(job)
    turn = store.chosen.claim(job, 3, now, now + 60, again=again)
    if state in ("available", "scheduled", "retrying") or again and state != "running":
        assert turn is not None and looked is not None and [claimed.id for claimed in turn.claimed] == [job]
        assert turn.claimed[0].attempt == looked[0].attempt and turn.claimed[0].args == looked[0].args
        info = store.reports.job(job)
        assert info is not None and info.state == "running" and info.attempt == looked[0].execution
        assert store.jobs.turn(3, now, now + 60, succeeded=[Settled(job, turn.claimed[0].attempt, now, now, "2", now + DAY, None)]).lost == set()
        assert store.reports.result(job) == ("succeeded", "2", None)
    else:
        assert turn is None and row(store, job) == before


def test_others_are_left_alone_and_a_pause_is_for_workers(store: Store, clock: FakeClock) -> None:
    first, second = made(store, clock, "available"), made(store, clock, "scheduled")
    store.operations.pause("default", clock.now())
    now = clock.now()
    assert store.chosen.claim(second, 3, now, now + 60) is not None
    assert store.reports.state(first) == "available"


def test_one_that_is_not_there_is_not_had(store: Store, clock: FakeClock) -> None:
    assert store.chosen.look(7) is None and store.chosen.claim(7, 3, clock.now(), clock.now() + 60) is None


def test_one_whose_deadline_has_passed_is_not_started(store: Store, clock: FakeClock) -> None:
    job, _ = store.jobs.enqueue(new_job(created_at=clock.now(), run_at=clock.now(), expires_at=clock.now() + 10))
    before = row(store, job)
    assert store.chosen.claim(job, 3, clock.now() + 20, clock.now() + 60) is None and row(store, job) == before
