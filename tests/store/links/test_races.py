"""Two who do something to the same jobs at the same moment, round after round: whoever is first, the end is as it should be.

In the first two rounds the one is first and then the other, and from then on whom the machine lets.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from litequeue import JobNotFound
from litequeue.base.models import ClaimedJob, Settled
from litequeue.store import Store
from litequeue.store.links import graph, invariants
from litequeue.store.turn import Demand

from ...support import FakeClock
from ..together import together
from .driven import MINUTE, Hand, by_plain_sql, graph_of, of, other, step, success

pytestmark = pytest.mark.beside

MANY = pytest.mark.parametrize("rounds", [6, pytest.param(30, marks=pytest.mark.slow)])


class Two:
    """Two threads with a store each, which begin what they are given at the same moment."""

    def __init__(self, path: str) -> None:
        self.stores = Store(path), Store(path)
        self._rng = random.Random(path)
        self._round = 0

    def do(self, one: Callable[[Store], object], another: Callable[[Store], object]) -> None:
        pairs = [(one, self.stores[0]), (another, self.stores[1])]
        self._round += 1
        if self._round <= 2:
            for deed, store in pairs[:: 1 if self._round == 1 else -1]:
                deed(store)
            return
        errors: list[BaseException] = []
        start = threading.Barrier(2)

        def work(deed: Callable[[Store], object], store: Store) -> None:
            try:
                start.wait(10)
                deed(store)
            except BaseException as error:  # noqa: BLE001 - to be raised where the test is
                errors.append(error)

        self._rng.shuffle(pairs)
        threads = [threading.Thread(target=work, args=pair) for pair in pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        if errors:
            raise errors[0]

    def close(self) -> None:
        for store in self.stores:
            store.close()


@pytest.fixture
def hand(store: Store, clock: FakeClock) -> Iterator[Hand]:
    yield Hand(store, clock)


@pytest.fixture
def two(db: Path) -> Iterator[Two]:
    two = Two(str(db))
    yield two
    two.close()


def settled(hand: Hand, job: int, state: str = "succeeded") -> Callable[[Store], object]:
    """The deed of a worker that ends one of its jobs."""
    claimed, now = hand.running.pop(job), hand.clock.now()
    if state == "succeeded":
        return lambda store: store.jobs.turn(hand.worker, now, now + MINUTE, succeeded=[success(claimed, now)])
    return lambda store: store.jobs.turn(hand.worker, now, now + MINUTE, others=[other(claimed, state, now)])


# -- two workers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_workers_that_settle_the_parents_of_one_child_let_it_go_once(db: Path, workers: int) -> None:
    """In processes of their own, with as many graphs as there are rounds; each child notes what it was given as its result."""
    store = Store(str(db))
    hand = Hand(store)
    steps = [step("a"), step("b"), step("c", "a", "b"), step("d", "c", "a")]
    graphs = [list(hand.insert(*steps).values()) for _ in range(10 * workers)]
    store.close()

    def work() -> None:
        mine = Store(str(db))
        worker = mine.workers.register(name="w", host="h", wake_port=None, queues=None, slots={}, now=hand.clock.now())
        now, ended = hand.clock.now(), list[ClaimedJob]()
        while True:
            results = [(job, job.inputs or json.dumps(of(job.id))) for job in ended]
            rows = [Settled(job.id, job.attempt, now, now, result, now + MINUTE, None) for job, result in results]
            turn = mine.jobs.turn(worker.id, now, now + MINUTE, succeeded=rows, demand=Demand({"thread": 2}))
            assert not turn.lost
            ended = turn.claimed
            with mine.database.read() as connection:
                assert invariants.broken(connection) == []
                (left,) = connection.execute("SELECT count(*) FROM litequeue_jobs WHERE finished_at IS NULL").fetchone()
            if not left:
                break
        mine.workers.stopped(worker.id, now)
        worker.close()
        mine.close()

    together(workers, work)
    found = dict(hand.rows("SELECT id, json_array(state, attempt, json(result)) FROM litequeue_jobs"))
    for a, b, c, d in graphs:
        assert json.loads(found[c]) == ["succeeded", 1, [of(a), of(b)]]
        assert json.loads(found[d]) == ["succeeded", 1, [[of(a), of(b)], of(a)]]
    assert hand.untold() == 0
    store.close()


@MANY
def test_two_that_settle_the_last_two_parents_let_the_child_go_once(hand: Hand, two: Two, rounds: int) -> None:
    for n in range(rounds):
        jobs = hand.insert(step("a"), step("b"), step("c", "a", "b"), step("alarm", "a", "b", when="failed"))
        hand.claim()
        bad = n % 3 == 1
        two.do(settled(hand, jobs["a"]), settled(hand, jobs["b"], "discarded" if bad else "succeeded"))
        hand.check()
        good = {"a": "succeeded", "b": "succeeded", "c": "available", "alarm": "cancelled"}
        assert hand.states(jobs) == (good | {"b": "discarded", "c": "cancelled", "alarm": "available"} if bad else good)
        assert hand.come_to_an_end() == [jobs["alarm" if bad else "c"]]


# -- who comes in ---------------------------------------------------------------------------------------------


@MANY
@pytest.mark.parametrize("state", ["succeeded", "discarded"])
def test_a_child_that_comes_as_its_parent_is_settled_is_told(hand: Hand, two: Two, rounds: int, state: str) -> None:
    """rq#739, and the retried transaction of rq PR#1615."""
    for _ in range(rounds):
        parent = hand.insert(step("p"))["p"]
        hand.claim()
        born: list[int] = []

        def insert(store: Store, parent: int = parent, born: list[int] = born) -> None:
            steps = [step("c", parent), step("d", "c"), step("e", parent, when="ended")]
            with store.database.write(durable=False) as connection:
                born += graph.insert(connection, graph_of(steps, hand.clock.now()), hand.clock.now())

        two.do(settled(hand, parent, state), insert)
        hand.check()
        hand.turn()
        jobs = dict(zip("cde", born, strict=True))
        good = state == "succeeded"
        assert hand.come_to_an_end() == ([jobs["c"], jobs["e"], jobs["d"]] if good else [jobs["e"]])
        assert set(hand.states(jobs).values()) == ({"succeeded"} if good else {"succeeded", "cancelled"})
        assert hand.inputs(jobs["e"]) == [of(parent) if good else None]
        assert hand.untold() == 0


@MANY
def test_a_child_that_comes_as_its_parent_is_pruned_is_told_or_refused(hand: Hand, two: Two, rounds: int) -> None:
    refused = 0
    for _ in range(rounds):
        parent = hand.insert(step("p"))["p"]
        hand.come_to_an_end()
        hand.rows("UPDATE litequeue_jobs SET prune_at = 1 WHERE finished_at IS NOT NULL")
        born: list[int] = []

        def insert(store: Store, parent: int = parent, born: list[int] = born) -> None:
            try:
                with store.database.write(durable=False) as connection:
                    born += graph.insert(connection, graph_of([step("c", parent)], hand.clock.now()), hand.clock.now())
            except JobNotFound:
                pass

        two.do(insert, lambda store: store.operations.prune(hand.clock.now(), 60))
        hand.check()
        if born:
            assert hand.inputs(born[0]) == [of(parent)]
        else:
            refused += 1
        assert hand.come_to_an_end() == born
    assert 0 < refused < rounds


# -- who is taken out --------------------------------------------------------------------------------------


@MANY
def test_a_child_that_is_cancelled_as_it_is_let_go_is_cancelled(hand: Hand, two: Two, rounds: int) -> None:
    for _ in range(rounds):
        jobs = hand.insert(step("p"), step("c", "p"), step("d", "c"), step("e", "c", when="ended"))
        hand.claim()
        two.do(settled(hand, jobs["p"]), lambda store, child=jobs["c"]: store.operations.cancel(child, hand.clock.now()))
        hand.check()
        hand.turn()
        assert hand.states(jobs) == {"p": "succeeded", "c": "cancelled", "d": "cancelled", "e": "available"}
        assert hand.come_to_an_end() == [jobs["e"]]
        assert hand.store.operations.revive(jobs["c"], hand.clock.now())[0] == "available"  # it needs to wait for nothing more
        assert hand.come_to_an_end() == [jobs["c"], jobs["d"]]
        assert hand.inputs(jobs["c"]) == [of(jobs["p"])]


@MANY
def test_a_flow_that_is_cancelled_as_its_steps_end_leaves_nothing_that_waits(hand: Hand, two: Two, rounds: int) -> None:
    for _ in range(rounds):
        steps = [step("a"), step("b"), step("c", "a", "b"), step("d", "c"), step("e", "d", "a")]
        flow, _ = hand.store.flows.enqueue(graph_of(steps, hand.clock.now()), 4, False, [], hand.clock.now())
        a, b, c, d, e = hand.store.flows.jobs(flow)
        hand.claim(1)
        two.do(settled(hand, a), lambda store, flow=flow: store.flows.cancel(flow, hand.clock.now()))
        hand.check()
        assert hand.come_to_an_end() == []
        assert hand.states({"b": b, "c": c, "d": d, "e": e}) == dict.fromkeys("bcde", "cancelled")
        ran = hand.store.flows.retry(flow, hand.clock.now())[0]
        assert hand.come_to_an_end() == [b, c, d, e]
        assert ran == 4


# -- who is put back ----------------------------------------------------------------------------------------


@MANY
@pytest.mark.parametrize("child", ["waits", "was cancelled"])
def test_a_parent_that_is_put_back_as_its_children_are_told_is_waited_for(hand: Hand, two: Two, rounds: int, child: str) -> None:
    now = hand.clock.now()
    for _ in range(rounds):
        far = hand.insert(step("far", state="scheduled", run_at=now + 10**12))["far"]
        jobs = hand.insert(step("p"), step("c", "p"), step("d", "c", far), step("e", "p", far, when="ended"))
        if child == "was cancelled":  # once already, and p is about to be told of for the second time
            by_plain_sql(hand, jobs["p"])
            hand.turn()
            hand.store.operations.revive(jobs["p"], now)
        by_plain_sql(hand, jobs["p"])
        two.do(lambda store: store.jobs.turn(1, now, now), lambda store, job=jobs["p"]: store.operations.revive(job, now))
        hand.check()
        assert hand.states(jobs) == {"p": "available", "c": "blocked", "d": "blocked", "e": "blocked"}
        assert (hand.counts(jobs["c"]), hand.counts(jobs["e"])) == ((1, 0), (2, 0))
        assert hand.come_to_an_end() == [jobs["p"], jobs["c"]]
        hand.store.operations.cancel(far, now)
        assert hand.come_to_an_end() == [jobs["e"]]
        assert hand.states(jobs)["d"] == "cancelled"


@MANY
def test_two_failures_below_one_child_that_are_put_back_at_once_let_it_run(hand: Hand, two: Two, rounds: int) -> None:
    now = hand.clock.now()
    for _ in range(rounds):
        jobs = hand.insert(step("p"), step("q"), step("c", "p", "q"), step("d", "c"))
        hand.claim()
        hand.end(jobs["p"], jobs["q"], state="discarded")
        hand.turn()
        revive = [lambda store, job=jobs[name]: store.operations.revive(job, now) for name in "pq"]
        two.do(*revive)
        hand.check()
        assert hand.states(jobs) == {"p": "available", "q": "available", "c": "blocked", "d": "blocked"}
        assert hand.come_to_an_end() == [jobs["p"], jobs["q"], jobs["c"], jobs["d"]]


@MANY
def test_a_failure_that_is_put_back_as_it_is_pruned_is_there_with_all_that_waits_for_it(hand: Hand, two: Two, rounds: int) -> None:
    """What was cancelled for its sake keeps it, and the good parent of that too."""
    now = hand.clock.now()
    for _ in range(rounds):
        jobs = hand.insert(step("good"), step("p"), step("c", "good", "p"), step("d", "c"))
        hand.claim()
        hand.end(jobs["good"])
        hand.end(jobs["p"], state="discarded")
        hand.turn()
        hand.rows("UPDATE litequeue_jobs SET prune_at = 1 WHERE id IN (?, ?)", jobs["good"], jobs["p"])
        two.do(
            lambda store: store.operations.prune(now, 60),
            lambda store, job=jobs["p"]: store.operations.revive(job, now),
        )
        hand.check()
        assert hand.come_to_an_end() == [jobs["p"], jobs["c"], jobs["d"]]
        assert hand.inputs(jobs["c"]) == [of(jobs["good"]), of(jobs["p"])]


@MANY
def test_a_failure_whose_children_have_run_is_put_back_or_pruned_and_nobody_notices(hand: Hand, two: Two, rounds: int) -> None:
    now = hand.clock.now()
    for _ in range(rounds):
        jobs = hand.insert(step("p"), step("alarm", "p", when="failed"), step("after it", "alarm"))
        hand.claim()
        hand.end(jobs["p"], state="discarded")
        hand.claim()
        hand.end(jobs["alarm"])
        hand.rows("UPDATE litequeue_jobs SET prune_at = 1 WHERE finished_at IS NOT NULL")
        back: list[str | None] = []
        two.do(
            lambda store: store.operations.prune(now, 60),
            lambda store, job=jobs["p"], back=back: back.append(store.operations.revive(job, now)[0]),
        )
        hand.check()
        there = [jobs["p"]] if back == ["available"] else []
        assert hand.come_to_an_end() == sorted([*there, jobs["after it"]])
        assert hand.states(jobs)["p"] == ("succeeded" if there else None)
