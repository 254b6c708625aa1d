"""Kill -9 before and after every SQL statement of what stores a step, tells of an event, and puts a job aside.

Each is one transaction: the file is as before it or as after it, and the next worker brings everything to its end, with the steps
and the events that are there.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from litequeue.base.clock import SystemClock
from litequeue.base.models import ClaimedJob, Lease
from litequeue.store import Store

from ..crash.acts import NOW, SECOND, claim, register, tick
from ..faults import Victim
from ..support import FakeClock, new_job
from .aside import FAR, Found, found_in, put_aside, rows_of
from .killing import killed
from .links.driven import MINUTE, Hand, by_its_third_dead_worker, success

pytestmark = pytest.mark.beside

SOON, LATER = NOW + SECOND, NOW + 60 * SECOND


@pytest.fixture(autouse=True)
def a_clock_that_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are compared to each other, and steps have the time of the machine's clock."""
    monkeypatch.setattr(SystemClock, "now", lambda clock: NOW)


class Kill(NamedTuple):
    """``prepare`` makes the file, ``act`` is what dies; ``follows`` says of what was found what there has to be in the end."""

    name: str
    prepare: Callable[[Hand], None]
    act: Callable[[Victim, Store], None]
    follows: Callable[[Found, Found], None]
    fewest: int  # statements


def go_on(db: Path, leases: list[Lease], follows: Callable[[Found, Found], None]) -> None:
    """Another worker finds no lock. It tells of both events, perhaps again, waits for the end of all sleep, and runs what may run, each
    job once; nothing counts that the dead one does."""
    found = found_in(db)
    store = Store(str(db))
    store.database.patience = 0.5  # nobody is alive to wait for
    clock = FakeClock()
    me = register(store, "survivor")
    tick(store, me.id, clock)
    for name in ("x", "y"):
        first, _ = store.steps.emit(name, f'"{name} again"', clock.now() + 1, FAR)
        assert first is (name not in found.events)
    hand = Hand(store, clock, me.id)
    clock.advance(120)
    ran = hand.come_to_an_end()
    todo = {job for job, state in found.states.items() if state not in ("succeeded", "discarded")}
    ended = found_in(db)
    lost = {job for job in todo if ended.states[job] == "discarded"}
    assert sorted(ran) == sorted(todo - lost)
    assert all(ended.steps[job, "wait"][0] is None for job, _ in ended.listeners)  # of those that have timed out
    assert ended.states == {job: "succeeded" if job in todo - lost else ended.states[job] for job in found.states}
    follows(found, ended)
    for lease in leases:
        assert not store.steps.keep(lease.id, lease.attempt, "late", "1")
        late = ClaimedJob(*lease, 0, "", "", "", "", "", 0, 0, 0, 1, None, None, 0, 0, 0, None)
        turn = put_aside(store, late, "x", now=clock.now(), worker=me.id)
        assert turn.lost | turn.ended_themselves == {lease}  # some have succeeded at this very attempt
        assert hand.turn(succeeded=[success(late, clock.now())]).lost == {lease}
    assert found_in(db) == ended
    store.workers.stopped(me.id, NOW)
    me.close()
    store.close()


def enqueue(store: Store, count: int) -> None:
    for _ in range(count):
        store.jobs.enqueue(new_job(max_attempts=3))


def runs(victim: Victim, store: Store) -> tuple[int, list[ClaimedJob]]:
    """The victim's own worker, with all that it can have in its hands."""
    worker = register(store, "victim").id
    jobs = claim(store, worker)
    for job in jobs:
        victim.say(f"lease {job.id} {job.attempt}")
    return worker, jobs


# -- a step ----------------------------------------------------------------------------------------------------


def a_job_whose_workers_died(hand: Hand) -> None:
    enqueue(hand.store, 1)
    for _ in range(2):
        hand.claim()
        hand.running.clear()
        hand.store.leases.rescue_worker(hand.worker, "dead", NOW)


def keep(victim: Victim, store: Store) -> None:
    _, (job,) = runs(victim, store)
    victim.arm()
    assert store.steps.keep(job.id, job.attempt, "charge", '"paid"')


def the_step_is_there_or_not(found: Found, ended: Found) -> None:
    assert found.steps in ({}, {(1, "charge"): ("paid", None, None)})
    assert ended.steps == found.steps
    # One that had not come further than its third dead worker is given up.
    assert ended.states == {1: "succeeded" if found.steps else "discarded"}


# -- an event ----------------------------------------------------------------------------------------------------


def those_who_wait_in_all_ways(hand: Hand) -> None:
    """1 for x, 2 for x with a timeout, 3 for x or y, 4 for y; 5 sleeps, 6 has timed out and retries, 7 has failed in its wait for x."""
    enqueue(hand.store, 7)
    now = hand.clock.now()
    jobs = {job.id: job for job in claim(hand.store, 1)}
    for job, names, until in ((1, ("x",), None), (2, ("x",), LATER), (3, ("y", "x"), None), (4, ("y",), None), (5, (), LATER)):
        put_aside(hand.store, jobs[job], *names, until=until, now=now)
    put_aside(hand.store, jobs[6], "x", until=now, now=now)
    hand.running[7] = jobs[7]
    hand.claim()
    hand.end(6, state="retrying", run_at=LATER)
    hand.end(7, state="available")
    by_its_third_dead_worker(hand, 7)
    hand.check()


def emit(victim: Victim, store: Store) -> None:
    victim.arm()
    assert store.steps.emit("x", '"x"', NOW, FAR)[0]


def emit_by_plain_sql(victim: Victim, store: Store) -> None:
    path = store.path
    store.close()
    victim.arm()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO litequeue_events (name, payload, at, prune_at) VALUES ('x', '\"x\"', ?, ?)", (NOW, FAR))
        connection.execute("COMMIT")


def all_are_given_it_or_none(found: Found, ended: Found) -> None:
    there = "x" in found.events
    assert {job: state for job, state in found.states.items() if job < 4} == (
        dict.fromkeys((1, 2, 3), "available") if there else dict.fromkeys((1, 2, 3), "scheduled")
    )
    x = "x" if there else "x again"
    assert ended.steps == {
        (1, "wait"): (x, None, "x"), (2, "wait"): (x, LATER, "x"), (3, "wait"): (x, None, "x"), (4, "wait"): ("y again", None, "y"),
        (5, "wait"): (None, LATER, None), (6, "wait"): (None, NOW, None),
    }  # fmt: skip


# -- a job that is put aside -----------------------------------------------------------------------------------------


def four_jobs(hand: Hand) -> None:
    enqueue(hand.store, 4)


def wait_in_all_ways(victim: Victim, store: Store) -> None:
    """1 sleeps, 2 and 3 wait, 4 has succeeded."""
    worker, (one, two, three, four) = runs(victim, store)
    rows = [rows_of(one, (), SOON, "wait", NOW), rows_of(two, ("x", "y"), None, "wait", NOW), rows_of(three, ("y",), LATER, "wait", NOW)]
    others, suspended = [list(part) for part in zip(*rows, strict=True)]
    victim.arm()
    store.jobs.turn(worker, NOW, NOW + MINUTE, succeeded=[success(four, NOW)], others=others, suspended=suspended)  # type: ignore[arg-type]


def all_are_put_aside_or_none(found: Found, ended: Found) -> None:
    if found.states[4] == "running":
        assert found.steps == ended.steps == {}
        return
    assert found.states == {1: "scheduled", 2: "scheduled", 3: "scheduled", 4: "succeeded"}
    assert found.listeners == [(2, "x"), (2, "y"), (3, "y")]
    assert found.steps == {(1, "wait"): (None, SOON, None), (2, "wait"): (None, None, None), (3, "wait"): (None, LATER, None)}
    assert ended.steps == found.steps | {(2, "wait"): ("x again", None, "x"), (3, "wait"): ("y again", LATER, "y")}


def jobs_and_what_has_happened(hand: Hand) -> None:
    four_jobs(hand)
    hand.store.steps.emit("y", '"y"', NOW, FAR)
    hand.store.steps.emit("x", '"x"', NOW + 1, FAR)


def none_waits_for_what_has_happened(found: Found, ended: Found) -> None:
    assert ended.steps == found.steps
    if found.states[4] == "running":
        assert found.steps == {}
        return
    assert found.states == {1: "scheduled", 2: "available", 3: "available", 4: "succeeded"}
    assert found.listeners == []
    assert found.steps == {(1, "wait"): (None, SOON, None), (2, "wait"): ("y", None, "y"), (3, "wait"): ("y", LATER, "y")}


KILLS = [
    Kill("step", a_job_whose_workers_died, keep, the_step_is_there_or_not, 4),
    Kill("emit", those_who_wait_in_all_ways, emit, all_are_given_it_or_none, 4),
    Kill("emit by plain SQL", those_who_wait_in_all_ways, emit_by_plain_sql, all_are_given_it_or_none, 4),
    Kill("put aside", four_jobs, wait_in_all_ways, all_are_put_aside_or_none, 10),
    Kill("put aside where it has happened", jobs_and_what_has_happened, wait_in_all_ways, none_waits_for_what_has_happened, 13),
]
OFTEN = {"step": 4, "emit": 4, "emit by plain SQL": 4, "put aside": 7, "put aside where it has happened": 7}


@pytest.mark.slow
@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill.name)
def test_killed_at_any_statement_it_is_all_or_nothing_and_everything_comes_to_its_end(kill: Kill, memory: Path) -> None:
    killed(kill, memory, lambda db, leases: go_on(db, leases, kill.follows))


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill.name)
def test_killed_at_some_of_its_statements_it_is_all_or_nothing(kill: Kill, memory: Path) -> None:
    """The same for those who want to know soon."""
    killed(kill, memory, lambda db, leases: go_on(db, leases, kill.follows), every=OFTEN[kill.name])
