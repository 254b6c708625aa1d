"""A job that has put others in its place, cancelled and put back: nothing runs for nobody, and nothing twice."""

from __future__ import annotations

import pytest

from ..links.driven import Hand, graph_of, step

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


