"""Kill -9 before and after every SQL statement of what makes jobs wait for jobs, tells them, and takes back what they were told.

Each is one transaction: the file is as before it or as after it, the invariants hold, and the next worker brings everything to
the end that follows from what it found.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from litequeue.base.models import Lease, Settled, TaskOrigin
from litequeue.store import Store
from litequeue.store.links import invariants
from litequeue.store.links.telling import JOIN

from ...crash.acts import NOW, SECOND, register, tick
from ...faults import Victim, die, run_victim
from ...support import FakeClock
from ..killing import killed
from .driven import Hand, Step, by_plain_sql, graph_of, other, step, success

pytestmark = pytest.mark.beside

FAR = NOW + 10**12
OLD = NOW - 40 * 86_400 * SECOND
Ends = dict[int, str]


class Kill(NamedTuple):
    """``prepare`` makes the file, ``act`` is what dies; ``ends`` says what must become of what was found."""

    name: str
    prepare: Callable[[Hand], None]
    act: Callable[[Victim, Store], None]
    ends: Callable[[Ends], Ends]
    fewest: int  # statements


def states(db: Path) -> Ends:
    with contextlib.closing(sqlite3.connect(db, timeout=0)) as connection:
        assert invariants.broken(connection) == []
        return dict(connection.execute("SELECT id, state FROM litequeue_jobs").fetchall())


def go_on(db: Path, leases: list[Lease], ends: Callable[[Ends], Ends]) -> None:
    """Another worker finds no lock, does what is left, each of it once, and the dead one's acks are void."""
    found = states(db)
    store = Store(str(db))
    store.database.patience = 0.5  # nobody is alive to wait for
    clock = FakeClock()
    me = register(store, "survivor")
    tick(store, me.id, clock)
    hand = Hand(store, clock, me.id)
    store.operations.prune(clock.now(), 60)
    ran = hand.come_to_an_end()
    assert len(ran) == len(set(ran))
    assert states(db) == ends(found)
    late = [Settled(lease.id, lease.attempt, NOW, NOW + 1, '"late"', FAR, None) for lease in leases]
    assert hand.turn(succeeded=late).lost == set(leases)
    assert states(db) == ends(found)
    assert hand.untold() == 0
    store.workers.stopped(me.id, NOW)
    me.close()
    store.close()


def dies(kill: Kill, memory: Path, every: int = 1) -> None:
    """At one of so many moments, and each time somebody goes on."""
    killed(kill, memory, lambda db, leases: go_on(db, leases, kill.ends), every)


def worker_that_runs(victim: Victim, store: Store) -> Hand:
    """The victim's own, with all that it can have in its hands."""
    hand = Hand(store, worker=register(store, "victim").id)
    for job in hand.claim():
        victim.say(f"lease {job} {hand.running[job].attempt}")
    return hand


GOOD, BAD, OFF = "succeeded", "discarded", "cancelled"

# -- what comes in ----------------------------------------------------------------------------------------

DIAMOND = (step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c"), step("alarm", "a", when="failed"))


def nothing_but_tables(hand: Hand) -> None:
    hand.store.open_and_close()


def insert(victim: Victim, store: Store, *steps: Step) -> None:
    origin = TaskOrigin("tests.task", "tests", "task", "/", "{}")
    graph = graph_of(steps, NOW)
    victim.arm()
    store.flows.enqueue(graph, len(steps) - 1, False, [origin], NOW)


def insert_a_flow(victim: Victim, store: Store) -> None:
    insert(victim, store, *DIAMOND)


def ends_of_a_flow(found: Ends) -> Ends:
    return {1: GOOD, 2: GOOD, 3: GOOD, 4: GOOD, 5: OFF} if found else {}


def parents_of_all_kinds(hand: Hand) -> None:
    """1 runs under a worker that is dead, 2 waits, 3 has succeeded, 4 failed, and 5 failed and has told nobody."""
    path = hand.store.path

    def die_with_a_job(victim: Victim) -> None:
        store = Store(path)
        theirs = Hand(store, worker=register(store, "dead").id)
        theirs.insert(step("runs"), step("waits", priority=-1))
        assert theirs.claim(1) == [1]
        die()

    assert run_victim(die_with_a_job).killed
    hand.insert(step("good"), step("bad"), step("untold"), step("known to the untold", "untold", when="ended"))
    assert hand.claim(2) == [3, 4]
    hand.end(3)
    hand.end(4, state=BAD)
    by_plain_sql(hand, 5)


def insert_with_parents_outside(victim: Victim, store: Store) -> None:
    insert(
        victim, store,
        step("now", 3), step("never", 4), step("nor that", "never"), step("since it failed", 4, when="failed"),
        step("when told", 5), step("when told of the end", 5, when="ended"),
        step("all", 1, 2, 3), step("needless", 1, when="failed"),
        step("together", 3, task=JOIN), step("after them", "together", "all"),
    )  # fmt: skip


def ends_with_parents_outside(found: Ends) -> Ends:
    before = {1: GOOD, 2: GOOD, 3: GOOD, 4: BAD, 5: BAD, 6: GOOD}
    if len(found) == len(before):
        return before
    return before | {7: GOOD, 8: OFF, 9: OFF, 10: GOOD, 11: OFF, 12: GOOD, 13: GOOD, 14: OFF, 15: GOOD, 16: GOOD}


# -- what is told ------------------------------------------------------------------------------------------


def those_who_wait_in_all_ways(hand: Hand) -> None:
    """For 1 and 2, which are to succeed, and 3, which is to fail."""
    hand.insert(
        step("p"), step("q"), step("bad"),
        step("freed", "p", "q"), step("needs bad", "bad"), step("and so on", "needs bad"), step("alarm", "bad", when="failed"),
        step("needless", "p", when="failed"), step("together", "p", "q", task=JOIN), step("after them", "together"),
        step("summary", "p", "q", "bad", when="ended"), step("of the lost", "and so on", when="ended"),
    )  # fmt: skip


def settle_and_tell(victim: Victim, store: Store) -> None:
    hand = worker_that_runs(victim, store)
    good = [success(hand.running[job], NOW) for job in (1, 2)]
    bad = [other(hand.running[3], BAD, NOW)]
    victim.arm()
    store.jobs.turn(hand.worker, NOW, NOW, succeeded=good, others=bad)


def ends_of_those_told(found: Ends) -> Ends:
    """Where nothing was settled all runs again, and well."""
    failed = found[3] == BAD
    told = {5: OFF, 6: OFF, 7: GOOD} if failed else {5: GOOD, 6: GOOD, 7: OFF}
    return dict.fromkeys(range(1, 13), GOOD) | {3: BAD if failed else GOOD, 8: OFF} | told


def three_that_have_told_nobody(hand: Hand) -> None:
    those_who_wait_in_all_ways(hand)
    for job, state in ((1, GOOD), (2, GOOD), (3, BAD)):
        by_plain_sql(hand, job)
        hand.rows("UPDATE litequeue_jobs SET state = ?, result = '\"by hand\"' WHERE id = ?", state, job)


def tell_alone(victim: Victim, store: Store) -> None:
    victim.arm()
    store.jobs.turn(1, NOW, NOW)


def cancel_one(victim: Victim, store: Store) -> None:
    victim.arm()
    assert store.operations.cancel(3, NOW)[0] == OFF


def ends_of_a_cancel(found: Ends) -> Ends:
    ends = ends_of_those_told({**found, 3: BAD if found[3] == OFF else found[3]})
    return ends | {3: OFF if found[3] == OFF else GOOD}


# -- what is taken back --------------------------------------------------------------------------------------


def two_that_failed(hand: Hand) -> None:
    """What hangs on 1, on 2, and on both; 5 has run for 1's failure."""
    hand.insert(
        step("p"), step("q"),
        step("c", "p"), step("d", "c"), step("since p failed", "p", when="failed"),
        step("both", "p", "q"), step("below", "both", "c"),
        step("waits", "p", "far", when="ended"), step("far", state="scheduled", run_at=FAR),
    )  # fmt: skip
    hand.claim()
    hand.end(1, 2, state=BAD)
    hand.come_to_an_end()


def revive(victim: Victim, store: Store) -> None:
    victim.arm()
    assert store.operations.revive(1, NOW)[0] == "available"


def ends_of_a_revival(found: Ends) -> Ends:
    back = {1: GOOD, 3: GOOD, 4: GOOD} if found[1] == "available" else {1: BAD, 3: OFF, 4: OFF}
    return back | {2: BAD, 5: GOOD, 6: OFF, 7: OFF, 8: "blocked", 9: "scheduled"}


def a_flow_of(hand: Hand, *steps: Step) -> None:
    hand.store.flows.enqueue(graph_of(steps, NOW), len(steps) - 1, False, [], NOW)


def a_flow_with_two_failures(hand: Hand) -> None:
    a_flow_of(hand, step("p"), step("q"), step("c", "p"), step("d", "c", "q"), step("e", "d"))
    hand.claim()
    hand.end(1, 2, state=BAD)
    hand.come_to_an_end()


def retry_a_flow(victim: Victim, store: Store) -> None:
    victim.arm()
    assert store.flows.retry(1, NOW)[0] == 2


def cancel_a_flow(victim: Victim, store: Store) -> None:
    victim.arm()
    assert store.flows.cancel(1, NOW)[0] == 5


def a_flow_that_waits(hand: Hand) -> None:
    a_flow_of(hand, *DIAMOND)


def ends_of_a_retry(found: Ends) -> Ends:
    return dict.fromkeys(found, GOOD) if found[1] == "available" else {1: BAD, 2: BAD, 3: OFF, 4: OFF, 5: OFF}


def ends_of_a_cancelled_flow(found: Ends) -> Ends:
    return dict.fromkeys(found, OFF) if found[1] == OFF else ends_of_a_flow(found)


# -- what is pruned ------------------------------------------------------------------------------------------


def old_ones_for_whom_somebody_waits(hand: Hand) -> None:
    """1 may go with its child; 3 has a child that waits, and 5 one that was cancelled for its sake."""
    hand.insert(
        step("done"), step("after it", "done"), step("early"), step("waits", "early", "far"), step("bad"), step("never", "bad"),
        step("far", state="scheduled", run_at=FAR),
    )  # fmt: skip
    hand.claim()
    hand.end(1, 3)
    hand.end(5, state=BAD)
    hand.come_to_an_end()
    hand.rows("UPDATE litequeue_jobs SET prune_at = ? WHERE finished_at IS NOT NULL AND id <> 6", OLD)


def prune(victim: Victim, store: Store) -> None:
    victim.arm()
    store.operations.prune(NOW, 60)


def ends_of_a_prune(found: Ends) -> Ends:
    """The next worker prunes, too."""
    return {3: GOOD, 4: "blocked", 5: BAD, 6: OFF, 7: "scheduled"}


KILLS = [
    Kill("insert", nothing_but_tables, insert_a_flow, ends_of_a_flow, 10),
    Kill("insert with parents outside", parents_of_all_kinds, insert_with_parents_outside, ends_with_parents_outside, 20),
    Kill("settle and tell", those_who_wait_in_all_ways, settle_and_tell, ends_of_those_told, 20),
    Kill("tell", three_that_have_told_nobody, tell_alone, ends_of_those_told, 15),
    Kill("cancel and tell", those_who_wait_in_all_ways, cancel_one, ends_of_a_cancel, 13),
    Kill("revive", two_that_failed, revive, ends_of_a_revival, 15),
    Kill("retry a flow", a_flow_with_two_failures, retry_a_flow, ends_of_a_retry, 20),
    Kill("cancel a flow", a_flow_that_waits, cancel_a_flow, ends_of_a_cancelled_flow, 8),
    Kill("prune", old_ones_for_whom_somebody_waits, prune, ends_of_a_prune, 10),
]


@pytest.mark.slow
@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill.name)
def test_killed_at_any_statement_it_is_all_or_nothing_and_everything_comes_to_its_end(kill: Kill, memory: Path) -> None:
    dies(kill, memory)


@pytest.mark.parametrize("kill", [kill for kill in KILLS if kill.name in ("insert", "tell")], ids=lambda kill: kill.name)
def test_killed_at_every_seventh_statement_it_is_all_or_nothing(kill: Kill, memory: Path) -> None:
    """The same for those who want to know soon."""
    dies(kill, memory, every=7)
