"""Very many who wait, results that are not there, and what is left of a workflow in the end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import JobFailed, JobNotFound, LiteQueue, ResultNotStored, group
from litequeue.store import Store, flows
from litequeue.store.links.telling import JOIN

from .. import sample
from ..prepared import worker_process
from ..store.links.driven import Hand, graph_of, step
from ..support import FakeClock, wait_until

app = LiteQueue("unbound.sqlite")
ran: list[str] = []
FAR = 10**16


@app.task
def named(name: object) -> object:
    ran.append(str(name))
    return name


@app.task
def fails() -> None:
    raise ValueError("not this one")


@app.task
def unstorable() -> object:
    return threading.Lock()


@app.task(result_ttl=0)
def forgotten(x: int) -> int:
    return x


@pytest.fixture
def working(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    ran.clear()
    with app.worker(threads=2):
        yield app
    app.close()


@pytest.fixture
def hand(store: Store, clock: FakeClock) -> Iterator[Hand]:
    yield Hand(store, clock)


# -- more than a thousand who wait for what has failed ---------------------------------------------------


def test_none_of_many_children_runs_whose_parents_fail_in_one_turn(hand: Hand) -> None:
    """Two parents of 600: 1,000 are cancelled, and 200 let go."""
    jobs = hand.insert(step("p"), step("q"), *(step(f"{parent}{n}", parent) for parent in "pq" for n in range(600)))
    hand.claim()
    hand.end(jobs["p"], jobs["q"], state="discarded")
    for _ in range(3):
        hand.turn()
    assert Counter(hand.states(jobs).values()) == {"discarded": 2, "cancelled": 1_200}


def test_none_of_many_steps_runs_after_what_failed(working: LiteQueue) -> None:
    flow = group(fails.s() | group(named.si("ran") for _ in range(600)) for _ in range(2)).apply_async()
    wait_until(flow.done, seconds=20)
    assert ran == []
    assert flow.progress() == (0, 1_202, 2, 1_202)


def test_none_of_many_children_runs_that_come_after_their_parent_has_failed(hand: Hand) -> None:
    parent = hand.insert(step("p"))["p"]
    hand.claim()
    hand.end(parent, state="discarded")
    jobs = hand.insert(*(step(f"c{n}", parent) for n in range(1_200)))
    for _ in range(3):
        hand.turn()
    assert Counter(hand.states(jobs).values()) == {"cancelled": 1_200}


def test_none_of_many_children_waits_in_vain_for_the_second_of_two_parents(hand: Hand) -> None:
    hand.insert(step("p"), step("q"), *(step(f"c{n}", "p", "q") for n in range(1_200)))
    hand.claim()
    hand.end(1, state="discarded")  # the invariants are looked at


def test_none_of_many_children_waits_in_vain_once_one_of_two_failures_is_put_back(hand: Hand) -> None:
    hand.insert(step("p"), step("q"))
    hand.claim()
    hand.end(1, 2, state="discarded")
    for _ in range(2):
        hand.insert(*(step(f"c{n}", 1, 2) for n in range(600)))
    hand.turn()
    hand.store.operations.revive(1, hand.clock.now())
    hand.check()


# -- results -------------------------------------------------------------------------------------------------


def test_a_step_does_not_run_with_none_for_a_result_that_could_not_be_stored(working: LiteQueue) -> None:
    """``get`` of the job itself raises ResultNotStored."""
    flow = (unstorable.s() | named.s()).delay()
    with pytest.raises((ResultNotStored, JobFailed)):
        flow.get(timeout=10)
    assert ran == []


def test_the_results_of_a_group_are_all_of_them_or_an_error(working: LiteQueue) -> None:
    """Of a group a member of which was pruned, ``get`` gives a shorter list."""
    flow = group(forgotten.s(1), named.s(2), forgotten.s(3)).delay()
    assert flow.wait(10)
    store = working._client.store
    store.operations.prune(working._client.clock.now() + 1_000_000, 60)
    with pytest.raises(JobNotFound):
        flow.get(timeout=10)


def test_get_names_the_step_that_failed_if_that_is_the_last_one_too(working: LiteQueue) -> None:
    flow = (named.s(1) | fails.si()).delay()
    with pytest.raises(JobFailed) as caught:
        flow.get(timeout=10)
    assert caught.value.step == fails.name


# -- what is left, and who is told ---------------------------------------------------------------------------


def test_what_brought_results_together_keeps_them_where_one_of_those_is_gone_and_it_is_to_be_put_back(hand: Hand) -> None:
    """It waited anew then, and came to a list that lacked a member."""
    jobs = hand.insert(step("a"), step("b"), step("both", "a", "b", task=JOIN), step("waits", "both", "later"), step("later", run_at=FAR, state="scheduled"))
    hand.claim()
    hand.end(jobs["a"], jobs["b"])
    hand.rows("UPDATE litequeue_jobs SET prune_at = 1 WHERE id = ?", jobs["a"])
    hand.store.operations.prune(hand.clock.now(), 60)
    assert hand.states(jobs) == {"a": None, "b": "succeeded", "both": "succeeded", "waits": "blocked", "later": "scheduled"}
    assert hand.store.operations.revive(jobs["both"], hand.clock.now())[0] == "succeeded"
    hand.check()
    hand.store.operations.revive(jobs["later"], hand.clock.now())
    assert hand.come_to_an_end() == [jobs["later"], jobs["waits"]]
    assert hand.inputs(jobs["waits"]) == [["of 1", "of 2"], f"of {jobs['later']}"]


def test_nothing_is_left_of_a_flow_whose_jobs_are_pruned(working: LiteQueue) -> None:
    flow = (named.s(1) | named.s()).delay()
    assert flow.get(timeout=10) == 1
    store = working._client.store
    store.operations.prune(working._client.clock.now() + 10 * 86_400 * 1_000_000, 60)
    assert working.jobs() == []
    with store.database.read() as connection:
        for table in ("edges", "waits", "flow_jobs", "flows"):
            assert connection.execute(f"SELECT count(*) FROM litequeue_{table}").fetchone() == (0,), table


@pytest.mark.slow
def test_a_step_for_another_workers_queue_is_not_left_to_its_slow_look(sample_app: LiteQueue, db: Path) -> None:
    """Each step is for the queue of the worker that sleeps; found by its slow look, it takes up to half a second."""
    shape = sample.add.s(1, 1).set(queue="a")
    for n in range(10):
        shape |= sample.add.s(1).set(queue="ab"[n % 2 == 0])
    with worker_process(db, "--queues", "a", "--threads", "1"), worker_process(db, "--queues", "b", "--threads", "1"):
        assert shape.delay().get(timeout=20) == 12  # both have the code now
        began = time.monotonic()
        assert shape.delay().get(timeout=20) == 12
        assert time.monotonic() - began < 1.0


# -- very many that are cancelled, or put back ----------------------------------------------------------------


def a_group(hand: Hand, count: int) -> int:
    """Its number of jobs, with the one that follows all."""
    names = [f"m{n}" for n in range(count)]
    hand.store.flows.enqueue(graph_of([*map(step, names), step("end", *names)], hand.clock.now()), count, False, [], hand.clock.now())
    return count + 1


def test_putting_back_many_members_costs_no_more_for_each_than_cancelling_them(hand: Hand) -> None:
    """It took 85 times as long for 2,000, and 28 s for 10,000, with the write lock all the time."""
    count = a_group(hand, 2_000)
    began = time.perf_counter()
    assert hand.store.flows.cancel(1, hand.clock.now())[0] == count
    cancelled = time.perf_counter() - began
    began = time.perf_counter()
    assert hand.store.flows.retry(1, hand.clock.now())[0] == count
    assert time.perf_counter() - began < 15 * cancelled
    hand.check()


@pytest.mark.parametrize("act", ["cancel", "retry"])
def test_many_are_cancelled_and_put_back_in_portions_that_others_may_write_between(
    hand: Hand, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    count = a_group(hand, 8)
    if act == "retry":
        hand.store.flows.cancel(1, hand.clock.now())
    monkeypatch.setattr(flows, "PORTION", 2)
    write = hand.store.flows._database.write
    transactions: list[bool] = []

    def counted(*, durable: bool) -> object:
        transactions.append(durable)
        return write(durable=durable)

    monkeypatch.setattr(hand.store.flows._database, "write", counted)
    assert getattr(hand.store.flows, act)(1, hand.clock.now())[0] == count
    assert transactions == [True] * 5
    monkeypatch.undo()
    hand.check()


def test_what_takes_the_place_of_a_job_while_its_flow_is_cancelled_is_cancelled_too(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are the last ones, whose turn is over."""
    count = a_group(hand, 8)
    assert hand.claim(1) == [1]
    monkeypatch.setattr(flows, "PORTION", 2)
    write = hand.store.flows._database.write
    instead: list[int] = []
    calls = iter(range(100))

    def between(*, durable: bool) -> object:
        if next(calls) == 2:
            monkeypatch.undo()
            instead.extend(hand.put_in_its_place(1, step("one"), step("two", "one")))
            monkeypatch.setattr(flows, "PORTION", 2)
        return write(durable=durable)

    monkeypatch.setattr(hand.store.flows._database, "write", between)
    assert hand.store.flows.cancel(1, hand.clock.now())[0] == count + 2
    assert len(instead) == 2
    assert {hand.state(job) for job in (1, *instead)} == {"cancelled"}
