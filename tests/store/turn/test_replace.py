"""A job that has put others in its place, cancelled and put back: nothing runs for nobody, and nothing twice."""

from __future__ import annotations

import pytest

from litequeue.store.rules import DAY

from ..links.driven import Hand, graph_of, step, success

pytestmark = pytest.mark.beside

PLACE = (step("one"), step("two"), step("sum", "one", "two"))


def test_it_waits_for_the_end_of_those_and_comes_to_what_that_comes_to(hand: Hand) -> None:
    jobs = hand.insert(step("a"), step("after", "a", takes="one"))
    assert hand.claim() == [1]
    instead = hand.put_in_its_place(1, *PLACE)
    assert hand.state(1) == "blocked" and hand.untold() == 0
    assert hand.come_to_an_end() == [*instead, jobs["after"]]
    assert hand.inputs(jobs["after"]) == f"of {instead[-1]}"


def test_where_its_cancel_has_come_nothing_takes_its_place(hand: Hand) -> None:
    """It would run for nobody."""
    jobs = hand.insert(step("a"), step("after", "a"))
    hand.claim()
    hand.store.operations.cancel(1, hand.clock.now())
    assert hand.put_in_its_place(1, *PLACE) == []
    hand.come_to_an_end()
    assert hand.states(jobs) == {"a": "cancelled", "after": "cancelled"}
    hand.store.operations.revive(1, hand.clock.now())
    assert hand.come_to_an_end() == [1, 2]


def test_a_flow_that_was_cancelled_and_is_put_back_goes_on_with_those_and_makes_none_anew(hand: Hand) -> None:
    hand.store.flows.enqueue(graph_of([step("a"), step("after", "a")], hand.clock.now()), 1, False, [], hand.clock.now())
    assert hand.claim() == [1]
    instead = hand.put_in_its_place(1, *PLACE)
    hand.claim(1)
    hand.end(instead[0])
    hand.store.flows.cancel(1, hand.clock.now())
    hand.come_to_an_end()
    assert [hand.state(job) for job in (1, 2, *instead)] == ["cancelled", "cancelled", "succeeded", "cancelled", "cancelled"]
    hand.store.flows.retry(1, hand.clock.now())
    hand.check()
    assert hand.state(1) == "blocked"
    assert hand.come_to_an_end() == [*instead[1:], 2]
    assert hand.inputs(2) == [f"of {instead[-1]}"]


@pytest.mark.parametrize("from_start", [False, True])
def test_put_back_by_itself_it_waits_on_unless_it_is_to_begin_anew(hand: Hand, from_start: bool) -> None:
    hand.insert(step("a"))
    hand.claim()
    instead = hand.put_in_its_place(1, *PLACE)
    hand.store.operations.cancel(1, hand.clock.now())
    hand.store.operations.revive(1, hand.clock.now(), from_start=from_start)
    hand.check()
    assert hand.state(1) == ("available" if from_start else "blocked")
    assert sorted(hand.come_to_an_end()) == ([1, *instead] if from_start else instead)


def test_put_back_once_it_has_succeeded_it_begins_anew(hand: Hand) -> None:
    hand.insert(step("p"), step("a", "p"))
    hand.claim()
    hand.end(1)
    hand.claim()
    hand.put_in_its_place(2, step("one"))
    hand.come_to_an_end()
    hand.store.operations.revive(2, hand.clock.now())
    assert hand.claim() == [2]
    assert hand.inputs(2) == ["of 1"]


def test_of_those_that_cannot_succeed_it_is_told_at_once_when_it_is_put_back(hand: Hand) -> None:
    hand.insert(step("a"))
    hand.claim()
    (one,) = hand.put_in_its_place(1, step("one"))
    hand.store.operations.cancel(1, hand.clock.now())
    hand.store.operations.cancel(one, hand.clock.now())
    hand.come_to_an_end()
    hand.store.operations.revive(1, hand.clock.now())
    assert hand.state(1) == "cancelled" and hand.cause(1) == one
    hand.store.operations.revive(one, hand.clock.now())
    assert hand.come_to_an_end() == [one]
    assert hand.state(1) == "succeeded"

# -- of a schedule, kept, and put back -------------------------------------------------------------------------


def test_a_schedules_job_that_is_replaced_waits_for_its_replacement_like_any_other(hand: Hand) -> None:
    """It was taken for one that waits for an earlier tick's, and ran again and again."""
    hand.insert(step("a"))
    hand.rows("UPDATE litequeue_jobs SET schedule_id = 1, scheduled_for = 1")
    assert hand.claim() == [1]
    (instead,) = hand.put_in_its_place(1, step("one"))
    later = hand.insert(step("b"))["b"]
    hand.rows("UPDATE litequeue_jobs SET schedule_id = 1, scheduled_for = 2, state = 'blocked' WHERE id = ?", later)
    for job, tick in ((1, 1), (later, 2)):
        hand.rows("INSERT INTO litequeue_ticks (schedule_id, tick_at, outcome, decided_at, job_id) VALUES (1, ?, 'fired', 1, ?)", tick, job)
    ticks = hand.store.ticks
    assert ticks.waits_for_jobs() == (False, True)
    assert ticks.unblock(hand.clock.now())[0] == 0
    assert hand.store.operations.revive(1, hand.clock.now())[0] == "blocked"
    assert (hand.state(1), hand.state(later)) == ("blocked", "blocked")
    assert hand.claim() == [instead]
    hand.end(instead)
    hand.turn()
    assert hand.state(1) == "succeeded"
    assert ticks.unblock(hand.clock.now())[0] == 1
    assert hand.state(later) == "available" and ticks.waits_for_jobs() == (False, False)


def test_what_was_replaced_is_kept_as_long_as_its_task_says_and_as_its_replacement_is(hand: Hand) -> None:
    for keep, of_place in ((9 * DAY, DAY), (DAY, 30 * DAY), (0, 0)):
        job = hand.insert(step("a"))["a"]
        hand.claim()
        (instead,) = hand.put_in_its_place(job, step("one"), keep=keep)
        hand.claim()
        now = hand.clock.now()
        hand.turn(succeeded=[success(hand.running.pop(instead), now)._replace(prune_at=now + of_place)])
        ((kept,),) = hand.rows("SELECT prune_at FROM litequeue_jobs WHERE id = ?", job)
        assert kept - now == max(keep, of_place, DAY)


def test_a_replacement_that_was_cancelled_can_be_put_back_as_long_as_those_that_wait_for_it_are_there(hand: Hand) -> None:
    """It was pruned after a day, and what had been cancelled for its sake could not be put back any more."""
    hand.store.flows.enqueue(graph_of([step("a"), step("after", "a")], hand.clock.now()), 1, False, [], hand.clock.now())
    hand.claim()
    (instead,) = hand.put_in_its_place(1, step("one"))
    hand.store.operations.cancel(instead, hand.clock.now())
    hand.come_to_an_end()
    assert [hand.state(job) for job in (1, 2, instead)] == ["cancelled"] * 3
    hand.clock.advance(2 * 86_400)
    hand.store.operations.prune(hand.clock.now(), 60)
    assert hand.store.flows.retry(1, hand.clock.now())[0] == 1
    assert hand.come_to_an_end() == [instead, 2]


@pytest.mark.parametrize("from_start", [False, True])
def test_put_back_it_has_the_parents_that_it_had(hand: Hand, from_start: bool) -> None:
    """Those of what took its place were told to be its own: ``current_job().parent_results()`` was of others."""
    jobs = hand.insert(step("p"), step("q"), step("c", "q", "p", takes="all"))
    hand.claim()
    hand.end(jobs["p"], jobs["q"])
    for _ in range(2):
        assert hand.store.flows.parents(jobs["c"]) == [jobs["q"], jobs["p"]]
        assert hand.claim() == [jobs["c"]]
        (instead,) = hand.put_in_its_place(jobs["c"], step("one"))
        assert hand.store.flows.parents(jobs["c"]) == [instead]
        hand.claim()
        hand.end(instead)
        hand.turn()
        assert hand.state(jobs["c"]) == "succeeded"
        hand.store.operations.revive(jobs["c"], hand.clock.now(), from_start=from_start)
    assert hand.inputs(jobs["c"]) == [f"of {jobs['q']}", f"of {jobs['p']}"]
