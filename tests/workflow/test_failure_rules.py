"""What becomes of those who wait, by what their parent becomes: one test for each row of that table, on a real file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from litequeue import JobNotFound
from litequeue.store import Store

from ..store.links.driven import (
    BAD_ENDS,
    Hand,
    by_a_cancel_before_its_retry,
    by_a_cancel_while_it_runs,
    by_a_cancel_while_it_waits,
    by_its_deadline,
    by_its_failure,
    by_plain_sql,
    step,
    success,
)
from ..support import FakeClock

pytestmark = pytest.mark.beside

DAY = 86_400
ENDED = {
    by_a_cancel_while_it_waits: "was cancelled", by_a_cancel_while_it_runs: "was cancelled",
    by_a_cancel_before_its_retry: "was cancelled", by_its_deadline: "has expired",
}  # fmt: skip


@pytest.fixture
def hand(store: Store, clock: FakeClock) -> Iterator[Hand]:
    yield Hand(store, clock)


@pytest.mark.parametrize("way", BAD_ENDS, ids=lambda way: way.__name__)
def test_a_parent_that_does_not_succeed_cancels_those_who_need_it_and_is_counted_by_the_others(
    hand: Hand, way: Callable[[Hand, int], None]
) -> None:
    far = hand.insert(step("far", run_at=hand.clock.now() + 10**12, state="scheduled"))["far"]
    jobs = hand.insert(
        step("p"),
        step("needs it", "p"), step("needs that", "needs it"), step("and that", "needs that"),
        step("if it failed", "p", when="failed"), step("however it ended", "p", when="ended"),
        step("however that ended", "needs that", when="ended"), step("if that failed", "needs that", when="failed"),
        step("waits on", "p", far, when="ended"), step("waits on for that", "needs it", far, when="failed"),
    )  # fmt: skip
    way(hand, jobs["p"])
    hand.turn()
    hand.turn()  # of what was cancelled in one turn the next one tells
    states = hand.states(jobs)
    assert states.pop("p") in ("discarded", "cancelled", "expired")
    assert states == {
        "needs it": "cancelled", "needs that": "cancelled", "and that": "cancelled",
        "if it failed": "available", "however it ended": "available",
        "however that ended": "available", "if that failed": "available",
        "waits on": "blocked", "waits on for that": "blocked",
    }  # fmt: skip
    assert [hand.cause(jobs[name]) for name in ("needs it", "needs that", "and that")] == [jobs["p"]] * 3
    assert hand.counts(jobs["waits on"]) == hand.counts(jobs["waits on for that"]) == (1, 1)
    ((why,),) = hand.rows("SELECT last_error FROM litequeue_jobs WHERE id = ?", jobs["and that"])
    assert why == f"job {jobs['p']} (tests.task), which it needed, {ENDED.get(way, 'was discarded')}"
    assert hand.untold() == 0


def test_they_are_cancelled_in_the_turn_in_which_the_failure_is_stored(hand: Hand) -> None:
    jobs = hand.insert(step("p"), step("c", "p"), step("d", "c"))
    by_its_failure(hand, jobs["p"])
    assert hand.states(jobs) == {"p": "discarded", "c": "cancelled", "d": "cancelled"}


def test_a_child_is_put_back_by_what_it_waits_for_and_not_by_itself(hand: Hand) -> None:
    jobs = hand.insert(step("p"), step("c", "p"), step("d", "c"))
    assert hand.store.operations.revive(jobs["c"], hand.clock.now())[0] == "blocked"
    by_its_failure(hand, jobs["p"])
    for name in ("c", "d"):
        assert hand.store.operations.revive(jobs[name], hand.clock.now())[0] == "cancelled"
    hand.check()
    assert hand.claim() == []
    assert hand.states(jobs) == {"p": "discarded", "c": "cancelled", "d": "cancelled"}


def snoozed(hand: Hand, job: int) -> None:
    hand.end(job, state="scheduled")


def retrying(hand: Hand, job: int) -> None:
    hand.end(job, state="retrying")


def released(hand: Hand, job: int) -> None:
    hand.end(job, state="available", started_at=None, unstarted=1)


def rescued(hand: Hand, job: int) -> None:
    hand.running.clear()
    assert hand.store.leases.rescue_worker(hand.worker, "dead", hand.clock.now()).again == 1


def released_by_a_worker_that_left(hand: Hand, job: int) -> None:
    hand.running.clear()
    assert hand.store.leases.release_worker(hand.worker, hand.clock.now()).again == 1


def rescued_from_one_that_is_frozen(hand: Hand, job: int) -> None:
    hand.running.clear()
    hand.clock.advance(120)
    assert hand.store.leases.rescue_lapsed(hand.worker, hand.clock.now(), hand.clock.now()).again == 1


@pytest.mark.parametrize(
    "way", [retrying, snoozed, rescued, released, released_by_a_worker_that_left, rescued_from_one_that_is_frozen]
)
def test_a_parent_that_goes_back_to_waiting_changes_nothing(hand: Hand, way: Callable[[Hand, int], None]) -> None:
    jobs = hand.insert(step("p"), step("needs it", "p"), step("failed", "p", when="failed"), step("ended", "p", when="ended"))
    waiting = {"needs it": "blocked", "failed": "blocked", "ended": "blocked"}
    hand.claim()
    way(hand, jobs["p"])
    hand.turn()
    states = hand.states(jobs)
    assert states.pop("p") in ("retrying", "scheduled", "available")
    assert states == waiting
    assert {hand.counts(jobs[name]) for name in waiting} == {(1, 0)}
    hand.clock.advance(120)
    assert hand.claim() == [jobs["p"]]
    hand.end(jobs["p"])
    assert hand.states(jobs) == {"p": "succeeded", "needs it": "available", "failed": "cancelled", "ended": "available"}
    assert hand.inputs(jobs["needs it"]) == hand.inputs(jobs["ended"]) == [f"of {jobs['p']}"]


def test_a_parent_is_not_pruned_while_a_child_waits(hand: Hand) -> None:
    jobs = hand.insert(step("early"), step("late", run_at=hand.clock.now() + 100 * DAY * 1_000_000, state="scheduled"),
                       step("c", "early", "late"))  # fmt: skip
    plain = hand.insert(step("plain"))
    hand.come_to_an_end()
    for _ in range(9):
        hand.clock.advance(10 * DAY)
        hand.store.operations.prune(hand.clock.now(), 60)
        hand.check()
    assert hand.states(jobs | plain) == {"early": "succeeded", "late": "scheduled", "c": "blocked", "plain": None}
    hand.clock.advance(11 * DAY)
    assert hand.come_to_an_end() == [jobs["late"], jobs["c"]]
    assert hand.inputs(jobs["c"]) == [f"of {jobs['early']}", f"of {jobs['late']}"]
    hand.clock.advance(2 * DAY)
    hand.store.operations.prune(hand.clock.now(), 60)
    assert set(hand.states(jobs).values()) == {None}
    assert hand.rows("SELECT count(*) FROM litequeue_edges UNION ALL SELECT count(*) FROM litequeue_waits") == [(0,), (0,)]


def test_a_parent_is_not_pruned_before_those_that_were_cancelled_for_its_sake(hand: Hand) -> None:
    """The good parent of such a child neither, since the child will want its result."""
    jobs = hand.insert(step("good"), step("p"), step("c", "good", "p"), step("d", "c"))
    hand.claim()
    hand.end(jobs["good"])
    hand.end(jobs["p"], state="discarded", prune_at=hand.clock.now() + 1)
    hand.turn()
    hand.rows("UPDATE litequeue_jobs SET prune_at = prune_at + ? WHERE state = 'cancelled'", 30 * DAY * 10**6)  # as code of before kept them
    hand.clock.advance(29 * DAY)
    hand.store.operations.prune(hand.clock.now(), 60)
    assert hand.states(jobs) == {"good": "succeeded", "p": "discarded", "c": "cancelled", "d": "cancelled"}
    assert hand.store.operations.revive(jobs["p"], hand.clock.now())[0] == "available"
    assert hand.come_to_an_end() == [jobs["p"], jobs["c"], jobs["d"]]
    assert hand.inputs(jobs["c"]) == [f"of {jobs['good']}", f"of {jobs['p']}"]


def test_a_failure_and_what_was_cancelled_for_it_are_pruned_after_thirty_days(hand: Hand) -> None:
    jobs = hand.insert(step("p"), step("c", "p"), step("d", "c"))
    by_its_failure(hand, jobs["p"])
    hand.turn()
    hand.clock.advance(30 * DAY + 1)
    for _ in range(3):  # the last of them first
        hand.store.operations.prune(hand.clock.now(), 60)
        hand.check()
        hand.clock.advance(DAY + 1)
    assert set(hand.states(jobs).values()) == {None}


def test_what_may_not_be_pruned_yet_does_not_stand_before_what_may(hand: Hand) -> None:
    far = hand.insert(step("far", run_at=hand.clock.now() + 100 * DAY * 1_000_000, state="scheduled"))["far"]
    held = hand.insert(*(step(f"p{n}") for n in range(40)), step("c", far, *(f"p{n}" for n in range(40))))
    hand.come_to_an_end()
    plain = hand.insert(*(step(f"plain{n}") for n in range(5)))
    hand.come_to_an_end()
    hand.clock.advance(2 * DAY)
    hand.store.operations.prune(hand.clock.now(), 0)  # for as short a time as there is
    hand.store.operations.prune(hand.clock.now(), 60)
    assert set(hand.states(plain).values()) == {None}
    assert hand.states(held)["p0"] == "succeeded"
    ((due,),) = hand.rows("SELECT count(*) FROM litequeue_jobs WHERE prune_at <= ?", hand.clock.now())
    assert due == 0


def test_a_parent_that_is_revived_takes_back_what_was_done_for_its_sake_and_nothing_else(hand: Hand) -> None:
    far = hand.insert(step("far", run_at=hand.clock.now() + 10**12, state="scheduled"))["far"]
    jobs = hand.insert(
        step("p"), step("other"),
        step("c", "p"), step("d", "c"), step("e", "d"),
        step("waits", "p", far, when="ended"),
        step("both", "p", "other"), step("below both", "both", "c"),
        step("has run", "p", when="failed"), step("after it", "has run"),
        step("ended with d", "d", when="ended"),
    )  # fmt: skip
    hand.claim()
    hand.end(jobs["p"], jobs["other"], state="discarded")
    hand.turn()
    assert hand.claim() == [jobs["has run"], jobs["ended with d"]]
    hand.end(jobs["has run"], jobs["ended with d"])
    assert hand.counts(jobs["waits"]) == (1, 1)
    assert hand.store.operations.revive(jobs["p"], hand.clock.now())[0] == "available"
    hand.check()
    assert hand.states(jobs) == {
        "p": "available", "other": "discarded",
        "c": "blocked", "d": "blocked", "e": "blocked",
        "waits": "blocked",
        "both": "cancelled", "below both": "cancelled",
        "has run": "succeeded", "after it": "available",
        "ended with d": "succeeded",
    }  # fmt: skip
    assert hand.counts(jobs["waits"]) == (2, 0)
    assert hand.counts(jobs["c"]) == (1, 0)
    causes = [hand.cause(jobs[name]) for name in ("c", "d", "e", "both", "below both")]
    assert causes == [None, None, None, jobs["other"], jobs["other"]]
    assert hand.come_to_an_end() == [jobs["p"], jobs["after it"], jobs["c"], jobs["d"], jobs["e"]]
    ((attempts,),) = hand.rows("SELECT max(attempt) FROM litequeue_jobs WHERE id IN (?, ?)", jobs["has run"], jobs["ended with d"])
    assert attempts == 1
    assert hand.counts(jobs["waits"]) == (1, 0)


def test_a_parent_that_is_revived_before_anybody_was_told_counts_once(hand: Hand) -> None:
    jobs = hand.insert(step("p"), step("c", "p"), step("e", "p", when="ended"))
    by_plain_sql(hand, jobs["p"])
    hand.store.operations.revive(jobs["p"], hand.clock.now())
    hand.check()
    assert hand.states(jobs) == {"p": "available", "c": "blocked", "e": "blocked"}
    assert hand.come_to_an_end() == [jobs["p"], jobs["c"], jobs["e"]]


def test_a_parent_that_is_revived_and_fails_again_cancels_them_again(hand: Hand) -> None:
    jobs = hand.insert(step("p"), step("c", "p"), step("d", "c"))
    for _ in range(3):
        by_its_failure(hand, jobs["p"])
        hand.turn()
        assert hand.states(jobs) == {"p": "discarded", "c": "cancelled", "d": "cancelled"}
        hand.store.operations.revive(jobs["p"], hand.clock.now())
        assert hand.states(jobs) == {"p": "available", "c": "blocked", "d": "blocked"}


def test_a_parent_that_is_settled_twice_is_counted_once(hand: Hand) -> None:
    jobs = hand.insert(step("p"), step("q", state="scheduled", run_at=hand.clock.now() + 10**12), step("c", "p", "q"))
    hand.claim()
    lease = hand.running[jobs["p"]]
    hand.end(jobs["p"])
    assert hand.counts(jobs["c"]) == (1, 0)
    ((links, result),) = hand.rows("SELECT links, result FROM litequeue_jobs WHERE id = ?", jobs["p"])
    assert links == 2
    hand.clock.advance(1)
    late = success(lease, hand.clock.now())._replace(result='"late"')
    assert hand.turn(succeeded=[late]).lost == {(lease.id, lease.attempt)}
    assert hand.turn().look.untold is False
    assert hand.rows("SELECT links, result FROM litequeue_jobs WHERE id = ?", jobs["p"]) == [(2, result)]
    assert hand.counts(jobs["c"]) == (1, 0)


def test_a_parent_that_is_revived_and_ends_once_more_does_not_change_what_a_child_was_given(hand: Hand) -> None:
    jobs = hand.insert(step("p"), step("c", "p"))
    hand.claim()
    hand.end(jobs["p"])
    given = hand.inputs(jobs["c"])
    hand.store.operations.revive(jobs["p"], hand.clock.now())
    hand.rows("UPDATE litequeue_jobs SET result = '\"another\"' WHERE id = ?", jobs["p"])
    hand.check()
    (child, parent) = sorted(hand.claim(), reverse=True)
    assert (child, parent) == (jobs["c"], jobs["p"])
    assert hand.running[child].inputs == '["of 1"]' and given == ["of 1"]


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told yet"])
@pytest.mark.parametrize("state", ["succeeded", "discarded"])
def test_a_parent_that_is_final_when_a_child_is_inserted_is_counted(hand: Hand, state: str, told: bool) -> None:
    family = hand.insert(step("p"), step("first", "p", when="ended"))
    parent = family["p"]
    hand.claim()
    if told:
        hand.end(parent, state=state)
    else:
        sql = "UPDATE litequeue_jobs SET state = ?, result = '1', finished_at = 1, prune_at = ?, lease_expires_at = NULL WHERE id = ?"
        hand.rows(sql, state, hand.clock.now() + 10**12, parent)
    jobs = hand.insert(step("good", parent), step("failed", parent, when="failed"), step("ended", parent, when="ended"),
                       step("after good", "good"))  # fmt: skip
    waits = set(hand.states(jobs).values()) == {"blocked"}
    assert waits is not told  # the rest of what it comes to is told
    hand.turn()
    hand.turn()  # of what was cancelled in one turn the next one tells
    good = state == "succeeded"
    assert hand.states(jobs) == {
        "good": "available" if good else "cancelled", "failed": "cancelled" if good else "available", "ended": "available",
        "after good": "blocked" if good else "cancelled",
    }  # fmt: skip
    assert hand.untold() == 0
    assert hand.states(family)["first"] == "available"


def test_a_parent_that_was_never_one_and_is_final_is_counted(hand: Hand) -> None:
    parent = hand.insert(step("p"))["p"]
    assert hand.come_to_an_end() == [parent]
    jobs = hand.insert(step("c", parent), step("d", "c"))
    assert hand.states(jobs) == {"c": "available", "d": "blocked"}
    assert hand.inputs(jobs["c"]) == [f"of {parent}"]


def test_a_parent_that_was_cancelled_for_another_passes_that_cause_on_to_a_child_that_comes_later(hand: Hand) -> None:
    first = hand.insert(step("p"), step("c", "p"))
    by_its_failure(hand, first["p"])
    jobs = first | hand.insert(step("late", first["c"]), step("later", "late"))
    assert hand.states(jobs) == {"p": "discarded", "c": "cancelled", "late": "cancelled", "later": "cancelled"}
    assert [hand.cause(jobs[name]) for name in ("c", "late", "later")] == [jobs["p"]] * 3
    hand.store.operations.revive(jobs["p"], hand.clock.now())
    assert hand.states(jobs) == {"p": "available", "c": "blocked", "late": "blocked", "later": "blocked"}
    assert hand.come_to_an_end() == list(jobs.values())


@pytest.mark.parametrize("gone", ["never was", "was pruned"])
def test_a_parent_that_is_missing_when_a_child_is_inserted_is_an_error_and_nothing_is_stored(hand: Hand, gone: str) -> None:
    there = hand.insert(step("p"))["p"]
    missing = 99
    if gone == "was pruned":
        missing = hand.insert(step("q"))["q"]
        hand.claim()
        hand.end(missing)
        hand.clock.advance(2 * DAY)
        assert hand.store.operations.prune(hand.clock.now(), 60) == 1
    before = hand.rows("SELECT id, state, links FROM litequeue_jobs")
    with pytest.raises(JobNotFound, match=f"job {missing} is not there.*nothing was stored"):
        hand.insert(step("a"), step("c", "a", there, missing))
    assert hand.rows("SELECT id, state, links FROM litequeue_jobs") == before
    assert hand.rows("SELECT count(*) FROM litequeue_edges UNION ALL SELECT count(*) FROM litequeue_waits") == [(0,), (0,)]
