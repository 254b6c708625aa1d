"""Two who do something to the same steps and events at the same moment, round after round.

In the first two rounds the one is first and then the other, and from then on whom the machine lets.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import EventTimeout, LeaseLost, LiteQueue, current_job
from litequeue.base.models import ClaimedJob, Settled
from litequeue.store import Store
from litequeue.store.turn import Demand
from litequeue.tasks.durable import Suspend

from ..support import FakeClock, new_job, wait_until
from .aside import FAR, Found, again, context_of, found_in, put_aside, rows_of
from .links.driven import MINUTE, Hand, other, success
from .links.test_races import MANY, Two
from .together import fork, together

pytestmark = pytest.mark.beside

SECOND = 1_000_000


@pytest.fixture
def two(hand: Hand) -> Iterator[Two]:
    two = Two(hand.store.path)
    yield two
    two.close()


def new(hand: Hand) -> ClaimedJob:
    """A job that runs."""
    job, _ = hand.store.jobs.enqueue(new_job(max_attempts=9))
    return again(hand, job)


def end(hand: Hand, job: ClaimedJob) -> None:
    hand.turn(succeeded=[success(job, hand.clock.now())])


def found(hand: Hand) -> Found:
    return found_in(hand.store.path)


def emits(name: str, payload: str, at: int) -> Any:
    return lambda store: store.steps.emit(name, json.dumps(payload), at, FAR)


# -- an event and who waits for it -----------------------------------------------------------------------------


@MANY
@pytest.mark.parametrize("timeout", [None, MINUTE])
def test_an_event_that_comes_as_a_job_begins_to_wait_wakes_it(hand: Hand, two: Two, rounds: int, timeout: int | None) -> None:
    now = hand.clock.now()
    until = None if timeout is None else now + timeout
    for n in range(rounds):
        job, name = new(hand), f"x{n}"
        two.do(lambda store: put_aside(store, job, name, "never", until=until, now=now), emits(name, name, now))  # noqa: B023
        seen = found(hand)
        assert seen.states[job.id] == "available" and seen.listeners == []
        assert seen.steps[job.id, "wait"] == (name, until, name)
        job = again(hand, job.id)
        assert context_of(hand.store, job).wait_for([name, "never"], timeout=60, name="wait") == (name, name)
        end(hand, job)


@MANY
def test_of_two_events_that_come_at_once_as_a_job_begins_to_wait_one_is_given(hand: Hand, two: Two, rounds: int) -> None:
    now = hand.clock.now()
    for n in range(rounds):
        job, names = new(hand), (f"x{n}", f"y{n}")
        put_aside(hand.store, job, *names, now=now)
        two.do(emits(names[0], "x", now), emits(names[1], "y", now))
        seen = found(hand)
        assert seen.states[job.id] == "available" and seen.listeners == []
        value, _, event = seen.steps[job.id, "wait"]
        assert (value, event) in (("x", names[0]), ("y", names[1]))
        assert context_of(hand.store, again(hand, job.id)).wait_for(names, name="wait") == (event, value)
        end(hand, job._replace(attempt=2))


@MANY
def test_of_two_who_emit_the_same_event_one_is_first_for_all(hand: Hand, two: Two, rounds: int) -> None:
    now = hand.clock.now()
    for n in range(rounds):
        before, name = new(hand), f"x{n}"
        put_aside(hand.store, before, name, now=now)
        firsts: list[str] = []

        def emit(store: Store, payload: str, name: str = name, firsts: list[str] = firsts) -> None:
            if store.steps.emit(name, json.dumps(payload), now, FAR)[0]:
                firsts.append(payload)

        two.do(lambda store: emit(store, "a"), lambda store: emit(store, "b"))
        (first,) = firsts
        hand.running.clear()
        end(hand, again(hand, before.id))
        after = new(hand)
        put_aside(hand.store, after, name, now=now)
        end(hand, again(hand, after.id))
        seen = found(hand)
        assert seen.events[name] == first
        assert seen.steps[before.id, "wait"] == seen.steps[after.id, "wait"] == (first, None, name)


def test_processes_that_wait_and_that_emit_lose_no_wake_up(memory: Path) -> None:
    """Each job waits for an event of its own; those who emit go through them in the order in which they are begun."""
    path, now, jobs = str(memory / "db"), FakeClock().now(), 150
    store = Store(path)
    for _ in range(jobs):
        store.jobs.enqueue(new_job())
    claimed = store.jobs.turn(1, now, now + MINUTE, demand=Demand({"thread": jobs})).claimed
    store.close()

    def emit() -> None:
        mine = Store(path)
        for job in claimed:
            mine.steps.emit(f"x{job.id}", str(job.id), now, FAR)
        mine.close()

    def wait() -> None:
        mine = Store(path)
        for job in claimed:
            row, suspension = rows_of(job, (f"x{job.id}",), None if job.id % 2 else now + MINUTE, "wait", now)
            mine.jobs.turn(1, now, now + MINUTE, others=[row], suspended=[suspension])
        mine.close()

    pids = [fork(emit), fork(wait)]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    seen = found_in(path)
    assert set(seen.states.values()) == {"available"} and seen.listeners == []
    assert {at: value for at, (value, *_) in seen.steps.items()} == {(job.id, "wait"): job.id for job in claimed}


@pytest.mark.parametrize("jobs", [60, pytest.param(200, marks=pytest.mark.slow)])
def test_jobs_of_a_worker_that_wait_while_threads_emit_all_come_to_their_end(app: LiteQueue, jobs: int) -> None:
    @app.task
    def waits(number: int) -> list[Any]:
        job = current_job()
        return [job.wait_for(f"a{number}"), job.wait_for([f"b{number}", f"c{number}"], timeout="1m")[1]]

    def emit(prefixes: str) -> None:
        for number in range(jobs):
            for prefix in prefixes:
                app.emit(f"{prefix}{number}", number)

    with app.worker(threads=4):
        emitters = [threading.Thread(target=emit, args=(prefixes,)) for prefixes in ("ab", "ca")]
        for thread in emitters:
            thread.start()
        handles = waits.delay_many([(number,) for number in range(jobs)])
        for number, handle in enumerate(handles):
            assert handle.get(timeout=30) == [number, number]
        for thread in emitters:
            thread.join(30)
    assert found_in(app.path).listeners == []


# -- an event, and the end of the wait --------------------------------------------------------------------------


@MANY
def test_an_event_that_comes_as_the_wait_times_out_is_given_or_not_and_that_stays(hand: Hand, two: Two, rounds: int) -> None:
    given = 0
    for n in range(rounds):
        now, name = hand.clock.now(), f"x{n}"
        job = new(hand)
        put_aside(hand.store, job, name, until=now + SECOND, now=now)
        hand.clock.advance(1)
        now = hand.clock.now()
        two.do(emits(name, name, now), lambda store: store.jobs.turn(1, now, now))  # noqa: B023
        seen = found(hand)
        assert seen.states[job.id] == "available"
        value = seen.steps[job.id, "wait"][0]
        given += value is not None
        for _ in range(2):  # and when it comes there once more
            job = again(hand, job.id)
            context = context_of(hand.store, job)
            if value is None:
                with pytest.raises(EventTimeout):
                    context.wait_for(name, timeout=1, name="wait")
            else:
                assert context.wait_for(name, timeout=1, name="wait") == value
            hand.turn(others=[other(job, "retrying", now, run_at=now)])
            hand.clock.advance(0.001)  # past the end of the wait
        assert found(hand).steps[job.id, "wait"][0] == value
        end(hand, again(hand, job.id))
    assert 0 < given < rounds


# -- an event, and who takes the job out or hurries it --------------------------------------------------------------


@MANY
@pytest.mark.parametrize("timeout", [None, MINUTE])
def test_a_job_that_is_cancelled_as_its_event_comes_is_cancelled_and_has_it_when_put_back(
    hand: Hand, two: Two, rounds: int, timeout: int | None
) -> None:
    now = hand.clock.now()
    until = None if timeout is None else now + timeout
    for n in range(rounds):
        job, name = new(hand), f"x{n}"
        put_aside(hand.store, job, name, until=until, now=now)
        two.do(emits(name, name, now), lambda store: store.operations.cancel(job.id, now))  # noqa: B023
        assert found(hand).states[job.id] == "cancelled"
        assert hand.store.operations.revive(job.id, now)[0] == "available"
        job = again(hand, job.id)
        try:
            assert context_of(hand.store, job).wait_for(name, timeout=60 if timeout else None, name="wait") == name
        except Suspend:
            put_aside(hand.store, job, name, until=until, now=now)
            job = again(hand, job.id)
            assert context_of(hand.store, job).wait_for(name, name="wait") == name
        end(hand, job)
        assert found(hand).listeners == []


@MANY
def test_a_job_that_is_hurried_as_its_event_comes_is_given_it(hand: Hand, two: Two, rounds: int) -> None:
    now = hand.clock.now()
    for n in range(rounds):
        job, name = new(hand), f"x{n}"
        put_aside(hand.store, job, name, until=now + MINUTE, now=now)
        two.do(emits(name, name, now), lambda store: store.operations.revive(job.id, now))  # noqa: B023
        job = again(hand, job.id)
        context = context_of(hand.store, job)
        if found(hand).steps[job.id, "wait"][0] is None:
            with pytest.raises(Suspend) as put:
                context.wait_for(name, timeout=60, name="wait")
            assert put.value.until == now + MINUTE
            put_aside(hand.store, job, name, until=put.value.until, now=now)
            job = again(hand, job.id)
        assert context_of(hand.store, job).wait_for(name, timeout=60, name="wait") == name
        end(hand, job)


@MANY
def test_a_job_that_is_cancelled_as_it_is_put_aside_is_cancelled(hand: Hand, two: Two, rounds: int) -> None:
    now = hand.clock.now()
    for n in range(rounds):
        job, name = new(hand), f"x{n}"
        two.do(
            lambda store: put_aside(store, job, name, now=now),  # noqa: B023
            lambda store: store.operations.cancel(job.id, now),  # noqa: B023
        )
        hand.turn()
        assert found(hand).states[job.id] == "cancelled"
        hand.store.steps.emit(name, "1", now, FAR)
        assert found(hand).states[job.id] == "cancelled"


# -- a worker that was frozen ------------------------------------------------------------------------------------


@MANY
def test_the_step_of_a_worker_that_is_taken_for_dead_at_that_moment_counts_or_is_refused(hand: Hand, two: Two, rounds: int) -> None:
    now = hand.clock.now()
    refused = 0
    for _ in range(rounds):
        job = new(hand)
        context, ran = context_of(hand.store, job), list[str]()

        def step(store: Store, job: ClaimedJob = job, ran: list[str] = ran) -> None:
            try:
                context_of(store, job).step("charge", lambda: "by the first")
                ran.append("kept")
            except LeaseLost:
                ran.append("refused")

        two.do(step, lambda store: store.leases.rescue_worker(1, "w", now))
        kept = ran == ["kept"]
        refused += not kept
        assert found(hand).steps == ({(job.id, "charge"): ("by the first", None, None)} if kept else {})
        late = again(hand, job.id)
        expected = "by the first" if kept else "by the second"
        assert context_of(hand.store, late).step("charge", lambda: "by the second") == expected
        with pytest.raises(LeaseLost, match="is not the one that counts"):
            context.step("refund", lambda: "late")
        assert put_aside(hand.store, job, "x", now=now).lost == {(job.id, 1)}
        assert found(hand).steps == {(job.id, "charge"): (expected, None, None)}
        end(hand, late)
        hand.store.operations.revive(job.id, now, from_start=True)
        hand.store.operations.cancel(job.id, now)
    assert 0 < refused < rounds


def test_a_thread_that_was_frozen_beyond_its_lease_is_refused_its_step(app: LiteQueue) -> None:
    """The job runs on in it after it has been given to another."""
    frozen, goes_on, said = threading.Event(), threading.Event(), list[BaseException]()

    @app.task
    def charges() -> str:
        job = current_job()
        if job.attempt == 1:
            frozen.set()
            goes_on.wait(30)
            try:
                job.step("charge", lambda: "by the first")
            except LeaseLost as error:
                said.append(error)
                raise
        return job.step("charge", lambda: "by the second")

    with app.worker(threads=2):
        job = charges.delay()
        try:
            assert frozen.wait(30)
            store, now = app._client.store, app._client.clock.now()
            ((worker,),) = Hand(store).rows("SELECT worker_id FROM litequeue_jobs")
            assert store.leases.rescue_lapsed(worker, now + 10 * MINUTE, now).again == 1
            app.emit("anything")  # which wakes the worker
            assert job.get(timeout=30) == "by the second"
        finally:
            goes_on.set()
        wait_until(lambda: said)
    assert "the result of step 'charge' was not stored" in str(said[0])
    assert [(step.name, step.attempt) for step in job.steps()] == [("charge", 2)]


def test_processes_that_store_the_same_steps_of_an_attempt_store_each_once(memory: Path) -> None:
    path, now = str(memory / "db"), FakeClock().now()
    store = Store(path)
    job, _ = store.jobs.enqueue(new_job())
    (claimed,) = store.jobs.turn(1, now, now + MINUTE, demand=Demand({"thread": 1})).claimed
    store.close()

    def work() -> None:
        mine = Store(path)
        for n in range(10):
            assert mine.steps.keep(job, claimed.attempt, f"s{n}", str(n))
        mine.close()

    together(3, work)
    store = Store(path)
    settled = Settled(job, claimed.attempt, now, now, "null", FAR, None)
    assert not store.jobs.turn(1, now, now, succeeded=[settled]).lost
    assert not store.steps.keep(job, claimed.attempt, "late", "1")
    store.close()
    assert found_in(path).steps == {(job, f"s{n}"): (n, None, None) for n in range(10)}


# -- what comes late, or when the clock is not to be relied on ---------------------------------------------------------


def test_an_event_whose_time_is_over_makes_room_for_the_next_of_its_name(hand: Hand) -> None:
    """It was said to be there already, and then pruned: no event was left at all."""
    now = hand.clock.now()
    assert hand.store.steps.emit("e", '"old"', now, now + SECOND)[0]
    assert not hand.store.steps.emit("e", '"again"', now + SECOND - 1, FAR)[0]
    assert hand.store.steps.emit("e", '"new"', now + SECOND, FAR)[0]
    assert found(hand).events == {"e": "new"}


def test_a_wait_in_vain_stays_one_when_the_clock_is_set_back(hand: Hand) -> None:
    """By whatever way the job comes there again, and though the event has come by then."""
    job, now = new(hand), hand.clock.now()
    put_aside(hand.store, job, "late", until=now + MINUTE, now=now)
    for way in ("retry", "snooze", "discard", "cancel"):
        hand.clock.wall = max(hand.clock.wall, now + MINUTE + SECOND)
        job = again(hand, job.id)
        with pytest.raises(EventTimeout):
            context_of(hand.store, job).wait_for("late", timeout=60, name="wait")
        hand.clock.wall = now + SECOND
        hand.store.steps.emit("late", "1", hand.clock.now(), FAR)
        if way == "retry":
            hand.turn(others=[other(job, "retrying", hand.clock.now(), run_at=hand.clock.now())])
        elif way == "snooze":
            hand.turn(others=[other(job, "scheduled", hand.clock.now(), run_at=hand.clock.now())])
        else:
            hand.turn(others=[other(job, "discarded" if way == "discard" else "cancelled", hand.clock.now())])
            assert hand.store.operations.revive(job.id, hand.clock.now())[0] == "available"
    with pytest.raises(EventTimeout):
        context_of(hand.store, again(hand, job.id)).wait_for("late", timeout=60, name="wait")


@pytest.mark.parametrize("timeout", [None, MINUTE])
def test_put_back_from_the_start_one_that_waits_or_is_to_be_retried_begins_anew(hand: Hand, timeout: int | None) -> None:
    job, now = new(hand), hand.clock.now()
    put_aside(hand.store, job, "e", until=None if timeout is None else now + timeout, now=now)
    assert hand.store.operations.revive(job.id, now, from_start=True)[0] == "available"
    assert found(hand).steps == {}
    job = again(hand, job.id)
    assert hand.store.steps.keep(job.id, job.attempt, "s", "1")
    hand.turn(others=[other(job, "retrying", now, run_at=now + MINUTE)])
    hand.store.operations.revive(job.id, now)
    assert found(hand).steps != {}
    assert hand.store.operations.revive(job.id, now, from_start=True)[0] == "available"
    assert found(hand).steps == {}


def test_a_job_that_has_slept_since_its_workers_died_is_not_convicted_for_that(hand: Hand) -> None:
    """Three deploys of a month were taken for three workers that it had killed."""
    job = new(hand)
    for n in range(4):
        assert not hand.store.leases.rescue_worker(1, "w", hand.clock.now()).lost
        hand.clock.advance(1)
        job = again(hand, job.id)
        put_aside(hand.store, job, until=hand.clock.now() + SECOND, step=f"z{n}", now=hand.clock.now())
        hand.clock.advance(1)
        job = again(hand, job.id)
        assert job.interruptions == 0
