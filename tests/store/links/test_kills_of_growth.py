"""Kill -9 before and after every SQL statement of what makes callbacks, joins, seals and abandons batches, and puts work in a job's place.

As in ``test_kills``: the file is as before or as after, and the next worker brings everything to the end that follows from that.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from litequeue.base.models import Lease, Membership, Replacement, TaskOrigin
from litequeue.store import Store
from litequeue.store.batches import Child
from litequeue.store.links.graph import Graph
from litequeue.store.links.telling import JOIN

from ...crash.acts import NOW
from ...faults import Victim
from ...support import new_job
from .driven import (
    Hand,
    by_plain_sql,
    graph_of,
    other,
    replacement,
    step,
    success,
)
from .test_kills import BAD, GOOD, OFF, Ends, Kill, dies, worker_that_runs

pytestmark = pytest.mark.beside

Callback = tuple[str, str]


def callback(when: str, *, takes: int = 1) -> Callback:
    return when, json.dumps({"task": "tests.callback", "takes": takes, "max_attempts": 3})


def called(graph: Graph, *callbacks: tuple[int, Callback]) -> Graph:
    """The same with these at places."""
    return graph._replace(callbacks=[(place, *one) for place, one in callbacks])


# -- callbacks -------------------------------------------------------------------------------------------


def four_that_call(hand: Hand) -> None:
    """1 at each of its ends, 2 at both twice, 3 whom its task names; 4 nobody."""
    options = json.dumps({"callbacks": [callback("success"), callback("failed")]})
    hand.store.jobs.record_origins([TaskOrigin("tests.followed", "tests", "followed", "/", options)], NOW)
    graph = graph_of([step("a"), step("b"), step("c", task="tests.followed", links=1), step("d"), step("e", "a", "b")], NOW)
    some = [(0, callback("success")), (0, callback("failed")), *[(1, callback(when, takes=0)) for when in ("success", "failed") * 2]]
    hand.store.flows.enqueue(called(graph, *some), 4, False, [], NOW)


def end_and_call(victim: Victim, store: Store) -> None:
    hand = worker_that_runs(victim, store)
    good = [success(hand.running[job], NOW) for job in (1, 3)]
    victim.arm()
    store.jobs.turn(hand.worker, NOW, NOW, succeeded=good, others=[other(hand.running[2], BAD, NOW)])


def ends_of_those_that_call(found: Ends) -> Ends:
    """One of 1, two of 2, one of 3; in any case, since who has told nobody runs again, or tells later."""
    failed = found[2] == BAD
    return dict.fromkeys(range(1, 10), GOOD) | ({2: BAD, 5: OFF} if failed else {})


def four_that_have_ended(hand: Hand) -> None:
    four_that_call(hand)
    for job, state in ((1, GOOD), (2, BAD), (3, GOOD), (4, GOOD)):
        by_plain_sql(hand, job)
        hand.rows("UPDATE litequeue_jobs SET state = ?, result = '\"by hand\"' WHERE id = ?", state, job)


def tell_alone(victim: Victim, store: Store) -> None:
    victim.arm()
    store.jobs.turn(1, NOW, NOW)


# -- batches ---------------------------------------------------------------------------------------------

ENDS = ("success", "failed", "ended")  # 2, 3 and 4; 1 is the end of the whole


def begin(store: Store) -> None:
    def child(task: str, when: str) -> Child:
        return Child(new_job(task=task, state="blocked", created_at=NOW, run_at=NOW, max_attempts=3), when, task != JOIN)

    store.batches.begin([child(JOIN, "success"), *[child("tests.end", when) for when in ENDS]], [], NOW)


def begin_one(victim: Victim, store: Store) -> None:
    victim.arm()
    begin(store)


def fill(hand: Hand, *, good: bool) -> None:
    """A batch that is open, of which both members, 5 and 6, have ended."""
    begin(hand.store)
    hand.store.jobs.enqueue_many(new_job(created_at=NOW, run_at=NOW, max_attempts=3), [("[]", "{}")] * 2, None, (), Membership(1, None))
    hand.claim()
    hand.end(5)
    hand.end(6, state=GOOD if good else BAD)
    hand.turn()


def filled_well(hand: Hand) -> None:
    fill(hand, good=True)


def filled_badly(hand: Hand) -> None:
    fill(hand, good=False)


def seal(victim: Victim, store: Store) -> None:
    victim.arm()
    store.batches.seal(1, NOW)


def abandon(victim: Victim, store: Store) -> None:
    victim.arm()
    store.batches.abandon(1, NOW)


def ends_of_a_batch(found: Ends) -> Ends:
    """By its last member; all of it waits as long as it is open."""
    if not found or found[4] == "blocked":
        return found
    last = found.get(6, GOOD)
    return {**found, 1: GOOD if last == GOOD else OFF, 2: GOOD if last == GOOD else OFF, 3: OFF if last == GOOD else GOOD, 4: GOOD}


def as_it_is(found: Ends) -> Ends:
    return found


def open_batch(hand: Hand) -> None:
    begin(hand.store)


def closed_with_one(hand: Hand) -> None:
    """Whose only member waits."""
    begin(hand.store)
    hand.store.jobs.enqueue_many(new_job(created_at=NOW, run_at=NOW, max_attempts=3), [("[]", "{}")], None, (), Membership(1, None))
    hand.store.batches.seal(1, NOW)


def join_many(victim: Victim, store: Store) -> None:
    victim.arm()
    template = new_job(created_at=NOW, run_at=NOW, max_attempts=3, links=1)
    store.jobs.enqueue_many(template, [("[]", "{}")] * 2, None, [callback("success")], Membership(1, None))


def ends_of_an_open_batch(found: Ends) -> Ends:
    """Of the members, if they have joined, and those that they call."""
    members = {5: GOOD, 6: GOOD, 7: GOOD, 8: GOOD} if 5 in found else {}
    return dict.fromkeys((1, 2, 3, 4), "blocked") | members


def join_as_a_member(victim: Victim, store: Store) -> None:
    hand = worker_that_runs(victim, store)
    lease = Lease(5, hand.running[5].attempt)
    victim.arm()
    store.flows.enqueue(graph_of([step("a"), step("b", "a")], NOW), 1, False, [], NOW, Membership(1, lease))


def ends_of_a_closed_batch(found: Ends) -> Ends:
    return dict.fromkeys(found, GOOD) | {3: OFF}


# -- what takes a job's place ------------------------------------------------------------------------------

PLACE = (step("x"), step("y", "x"), step("z", "x", "y"))


def a_chain(hand: Hand) -> None:
    hand.store.flows.enqueue(called(graph_of([step("a"), step("b", "a")], NOW), (0, callback("success"))), 1, False, [], NOW)


def put_in_its_place(victim: Victim, store: Store) -> None:
    hand = worker_that_runs(victim, store)
    row, instead = _instead(hand, 1)
    victim.arm()
    store.jobs.turn(hand.worker, NOW, NOW, others=[row], replaced=[instead])


def _instead(hand: Hand, job: int) -> tuple[Any, Replacement]:
    row, instead = replacement(hand.running[job], PLACE, NOW)
    jobs, edges, waits, _, end = instead.graph
    return row, instead._replace(graph=[jobs, edges, waits, [(0, *callback("success"))], end])


def ends_of_a_chain(found: Ends) -> Ends:
    """With what takes the place of its first step, and whom that calls; or as if it never had, since it runs again, as a plain one."""
    return dict.fromkeys(range(1, 8 if found[1] == "blocked" else 4), GOOD)


def replaced_and_cancelled(hand: Hand) -> None:
    hand.store.flows.enqueue(graph_of([step("a"), step("b", "a")], NOW), 1, False, [], NOW)
    hand.claim()
    hand.put_in_its_place(1, *PLACE)
    hand.store.flows.cancel(1, NOW)
    hand.come_to_an_end()


def retry(victim: Victim, store: Store) -> None:
    victim.arm()
    assert store.flows.retry(1, NOW)[0] == 5


def ends_of_a_retry(found: Ends) -> Ends:
    return dict.fromkeys(found, OFF if found[3] == OFF else GOOD)


KILLS = [
    Kill("make", four_that_call, end_and_call, ends_of_those_that_call, 25),
    Kill("make alone", four_that_have_ended, tell_alone, ends_of_those_that_call, 20),
    Kill("begin", lambda hand: hand.store.open_and_close(), begin_one, as_it_is, 12),
    Kill("seal", filled_well, seal, ends_of_a_batch, 10),
    Kill("seal what failed", filled_badly, seal, ends_of_a_batch, 10),
    Kill("abandon", filled_well, abandon, as_it_is, 8),
    Kill("join", open_batch, join_many, ends_of_an_open_batch, 15),
    Kill("join as a member", closed_with_one, join_as_a_member, ends_of_a_closed_batch, 12),
    Kill("replace", a_chain, put_in_its_place, ends_of_a_chain, 15),
    Kill("retry what was replaced", replaced_and_cancelled, retry, ends_of_a_retry, 30),
]


@pytest.mark.slow
@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill.name)
def test_killed_at_any_statement_it_is_all_or_nothing_and_everything_comes_to_its_end(kill: Kill, memory: Path) -> None:
    dies(kill, memory)


@pytest.mark.parametrize("kill", [kill for kill in KILLS if kill.name in ("make", "replace")], ids=lambda kill: kill.name)
def test_killed_at_every_seventh_statement_it_is_all_or_nothing(kill: Kill, memory: Path) -> None:
    """The same for those who want to know soon."""
    dies(kill, memory, every=7)
