"""Waits beside a frozen worker, clocks that were set back, workflows and schedules: each as short as it can be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from litequeue import EventTimeout, LiteQueue, current_job
from litequeue.base.models import ClaimedJob, Settled
from litequeue.store import Store
from litequeue.store.turn import Demand

from ..support import FakeClock, new_job, wait_until
from .aside import FAR, again, context_of, found_in, put_aside
from .links.driven import MINUTE, Hand, other, step
from .test_steps_model import run

pytestmark = pytest.mark.beside

SECOND = 1_000_000


def waited_in_vain(hand: Hand) -> ClaimedJob:
    """A job that waited for x for a second, which did not come, and that runs again."""
    job, _ = hand.store.jobs.enqueue(new_job(max_attempts=9))
    now = hand.clock.now()
    put_aside(hand.store, again(hand, job), "x", until=now + SECOND, step="wait", now=now)
    hand.clock.advance(1)
    return again(hand, job)


# -- a frozen worker --------------------------------------------------------------------------------------------


def frozen_and_late(hand: Hand) -> int:
    """Its worker is taken for dead; x comes after all; and another worker's attempt goes as far as the timeout, and is snoozed. Then
    the first one wakes, and its attempt is to be put aside."""
    first = waited_in_vain(hand)
    now = hand.clock.now()
    hand.store.leases.rescue_worker(1, "frozen", now)
    second = again(hand, first.id)
    with pytest.raises(EventTimeout):
        context_of(hand.store, second).wait_for("x", timeout=1, name="wait")
    hand.store.steps.emit("x", '"too late"', now, FAR)
    hand.turn(others=[other(second, "scheduled", now, run_at=now + MINUTE)])
    assert put_aside(hand.store, first, until=now + SECOND, step="sleep", now=now).lost == {(first.id, first.attempt)}
    return first.id


def test_a_late_wait_of_a_frozen_worker_gives_no_event_to_who_has_timed_out(hand: Hand) -> None:
    job = frozen_and_late(hand)
    assert found_in(hand.store.path).steps[job, "wait"][0] is None


def test_a_late_wait_of_a_frozen_worker_wakes_nobody(hand: Hand) -> None:
    job = frozen_and_late(hand)
    assert found_in(hand.store.path).states[job] == "scheduled"


@pytest.mark.parametrize("seed", [14, 99])
def test_the_model_sees_nothing_wrong_where_frozen_workers_tell_of_waits(memory: Path, seed: int) -> None:
    store = Store(str(memory / "db"))
    run(store, FakeClock(), seed)
    store.close()


# -- a timeout, and clocks -------------------------------------------------------------------------------------------


def test_a_wait_stays_timed_out_where_a_later_event_is_said_to_be_older(hand: Hand) -> None:
    """By the clock of who emits, which was set back, or by the ``at`` of plain SQL."""
    job = waited_in_vain(hand)
    with pytest.raises(EventTimeout):
        context_of(hand.store, job).wait_for("x", timeout=1, name="wait")
    now = hand.clock.now()
    hand.store.steps.emit("x", '"too late"', now, FAR)
    put_aside(hand.store, job, "y", step="other", now=now)
    hand.rows("INSERT INTO litequeue_events (name, at) VALUES ('y', ?)", now - 2 * SECOND)
    job = again(hand, job.id)
    with pytest.raises(EventTimeout):
        context_of(hand.store, job).wait_for("x", timeout=1, name="wait")


# -- workflows -----------------------------------------------------------------------------------------------------------


def waits_behind(hand: Hand) -> dict[str, int]:
    """The second job of a chain waits for an event."""
    jobs = hand.insert(step("parent"), step("child", "parent"), step("last", "child"))
    hand.claim()
    hand.end(jobs["parent"])
    put_aside(hand.store, again(hand, jobs["child"]), "x", now=hand.clock.now())
    return jobs


def parent_again(hand: Hand, jobs: dict[str, int]) -> ClaimedJob:
    """It is put back, and runs. Without a look at the invariants, of which one takes the child for one that waits for jobs."""
    now = hand.clock.now()
    hand.store.operations.revive(jobs["parent"], now)
    (parent,) = hand.store.jobs.turn(1, now, now + MINUTE, demand=Demand({"thread": 9})).claimed
    assert parent.id == jobs["parent"]
    return parent


def test_a_step_of_a_flow_may_wait_for_an_event(hand: Hand) -> None:
    jobs = waits_behind(hand)
    hand.check()
    hand.store.steps.emit("x", "1", hand.clock.now(), FAR)
    assert hand.come_to_an_end() == [jobs["child"], jobs["last"]]


def test_a_step_of_a_flow_that_waits_for_an_event_has_run_and_is_left_alone_when_its_parent_is_put_back_and_fails(hand: Hand) -> None:
    jobs = waits_behind(hand)
    parent = parent_again(hand, jobs)
    hand.store.jobs.turn(1, hand.clock.now(), FAR, others=[other(parent, "discarded", hand.clock.now())])
    assert hand.states(jobs)["child"] == "scheduled"


def test_a_step_of_a_flow_that_waits_for_an_event_waits_on_when_its_parent_is_put_back_and_succeeds(hand: Hand) -> None:
    jobs = waits_behind(hand)
    parent, now = parent_again(hand, jobs), hand.clock.now()
    hand.store.jobs.turn(1, now, FAR, succeeded=[Settled(parent.id, parent.attempt, now, now, '"another"', FAR, None)])
    assert hand.states(jobs)["child"] == "scheduled"
    assert hand.inputs(jobs["child"]) == [f"of {jobs['parent']}"]


# -- schedules -----------------------------------------------------------------------------------------------------------


def test_a_job_of_a_schedule_that_waits_for_an_event_is_not_woken_for_nothing(app: LiteQueue) -> None:
    runs: list[int] = []

    @app.task
    def waits() -> Any:
        runs.append(current_job().attempt)
        return current_job().wait_for("x")

    app.schedules.add("s", waits, every="1h")
    app.schedules.run_now("s")
    with app.worker(threads=1):
        wait_until(lambda: runs)
        (info,) = app.jobs()
        job = app.job(info.id)
        wait_until(lambda: job.state == "scheduled")
        others = [waits_not.delay() for waits_not in [app.task(quick)] for _ in range(5)]
        assert [other.get(timeout=30) for other in others] == [None] * 5
        assert runs == [1]


def quick() -> None:
    """Something else that the worker does meanwhile."""
