"""What users of other task queues have reported of their workflows, each as a test of that situation here."""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    Discard,
    JobExpired,
    JobFailed,
    LiteQueue,
    Retry,
    SoftTimeout,
    chain,
    chord,
    current_job,
    group,
)
from litequeue.store import Store
from litequeue.store.links import invariants
from litequeue.workflow.shapes import Shape

from ..faults import Victim, run_victim
from ..store.links.driven import (
    BAD_ENDS,
    Hand,
    by_a_cancel_while_it_runs,
    by_a_cancel_while_it_waits,
    by_its_deadline,
    by_its_failure,
    by_its_third_dead_worker,
    by_plain_sql,
    step,
)
from ..support import FakeClock, wait_until

pytestmark = pytest.mark.beside

DAY = 86_400
app = LiteQueue("unbound.sqlite")
ran: list[str] = []


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def total(numbers: list[int]) -> int:
    ran.append("total")
    return sum(numbers)


@app.task
def listed(*given: Any) -> list[Any]:
    ran.append("listed")
    return list(given)


@app.task
def named(name: str) -> str:
    ran.append(name)
    return name


@app.task
def nothing() -> None:
    ran.append("nothing")


@app.task
def fails(*given: Any) -> None:
    raise ValueError("not this one")


@app.task
def gives_up() -> None:
    raise Discard("there is no such user")


@app.task(retries=2, backoff=0)
def third_time_lucky(x: int) -> int:
    ran.append("try")
    if current_job().attempt < 3:
        raise Retry(delay=0)
    return x


@app.task(retries=2, backoff=0)
def fails_twice(x: int) -> int:
    ran.append("try")
    if current_job().attempt < 3:
        raise ValueError("not yet")
    return x


@app.task(result_ttl=0)
def forgotten(x: int) -> int:
    return x


@pytest.fixture
def bound(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    ran.clear()
    yield app
    app.close()


@pytest.fixture
def working(bound: LiteQueue) -> Iterator[LiteQueue]:
    with bound.worker(threads=4):
        yield bound
        with bound._client.store.database.read() as connection:
            assert invariants.broken(connection) == []


@pytest.fixture
def hand(store: Store, clock: FakeClock) -> Iterator[Hand]:
    yield Hand(store, clock)


# -- shapes ---------------------------------------------------------------------------------------------


def test_the_callback_of_a_header_that_turns_out_to_be_empty_runs_at_once_with_an_empty_list(working: LiteQueue) -> None:
    """celery#4333: ``get`` is stuck for ever; celery#3756: an IndexError in the canvas; celery#2107."""
    users: list[int] = []
    assert chord([add.s(user, 1) for user in users], total.s()).delay().get(timeout=10) == 0
    assert (named.s("first") | group(add.s(1) for _ in users) | total.s() | add.s(3)).delay().get(timeout=10) == 3
    assert ran == ["total", "first", "total"]
    assert group(add.s(1) for _ in users).parts == ()


def test_the_callback_of_a_header_of_one_is_given_a_list(working: LiteQueue) -> None:
    """celery#3597: a ValueError for the id of a chord with one task; later a bare value, where all others had lists."""
    assert chord([add.s(1, 1)], total.s()).delay().get(timeout=10) == 2
    inner = chord([add.s(2, 2)], total.s())
    assert chord([inner, chord([add.s(1, 0), add.s(2, 0)], total.s())], total.s()).delay().get(timeout=10) == 7


def stored(shape: Shape, of: LiteQueue) -> tuple[int, int, int]:
    """How many jobs and edges it comes to, and how long the longest arguments are."""
    shape.delay()
    with of._client.store.database.read() as connection:
        (jobs,) = connection.execute("SELECT count(*) FROM litequeue_jobs").fetchone()
        (edges,) = connection.execute("SELECT count(*) FROM litequeue_edges").fetchone()
        (longest,) = connection.execute("SELECT max(length(args) + length(kwargs)) FROM litequeue_jobs").fetchone()
    return jobs, edges, longest


def test_a_chain_of_a_thousand_steps_is_stored_as_a_thousand_rows(bound: LiteQueue) -> None:
    """celery#1078: 75 steps work, and of 100 the rest, which each message carries, is too deep to be encoded."""
    steps = chain(add.s(1, 1), *(add.s(1) for _ in range(999)))
    assert stored(steps, bound) == (1_000, 999, len("[1,1]{}"))


def test_a_chord_of_chains_of_chords_is_stored_without_recursion(bound: LiteQueue) -> None:
    """celery#5327: a RecursionError for some 600 tasks in chunks, in the encoder."""
    def report(many: int) -> Shape:
        return chain(chord([nothing.si() for _ in range(many // 5)], nothing.si()) for _ in range(5))

    jobs, edges, longest = stored(chord([report(355), report(250)], nothing.si()), bound)
    assert jobs == 355 + 250 + 10 + 1
    assert (edges < 3 * jobs, longest) == (True, len("[]{}"))


def test_a_chain_of_chords_takes_room_by_its_length_and_no_more(working: LiteQueue) -> None:
    """celery#5286: with 15 chords in a chain ``apply_async`` takes all memory, since each holds what comes after it."""
    parts: list[Shape] = [named.si("first")]
    for n in range(15):
        parts += [chord([add.si(n, 0), add.si(n, 1)], total.s())]
    jobs, edges, longest = stored(chain(parts), working)
    assert (jobs, longest) == (1 + 3 * 15, len('["first"]{}'))
    assert edges < 2 * jobs
    assert working.flow(1).get(timeout=20) == 29


NESTED: list[tuple[str, Shape, object]] = [
    (
        "celery#4401: stops when the innermost groups are done",
        group(group(total.s([n, 2]), total.s([n, 3])) | total.s() for n in (1, 10)) | total.s(),
        2 * 11 + 2 * 5,
    ),
    (
        "celery#5612: the callback is not called where chains are nested in groups on several levels",
        group(
            add.s(1, 1) | group(add.s(1), add.s(2) | group(add.s(3), add.s(4)) | total.s()) | total.s(),
            add.s(1, 1) | group(add.s(1) | add.s(1), add.s(2)),
        )
        | listed.s(),
        [[3 + 15, [4, 4]]],
    ),
    (
        "celery#9107: a chord in the header of a chord in the header of a chord",
        chord([chord([chord([chord([add.s(1, 1)], total.s()), add.s(1, 2)], total.s()), add.s(1, 3)], total.s())], total.s()),
        9,
    ),
]


def test_nested_chords_complete(working: LiteQueue) -> None:
    """celery#9107, #5612, #4401: one that is nested never completes."""
    for report, flow, expected in [(report, shape.delay(), expected) for report, shape, expected in NESTED]:
        assert flow.get(timeout=20) == expected, report


def test_a_failure_in_nested_chains_and_groups_ends_the_whole(working: LiteQueue) -> None:
    """celery#9674: ``chord_unlock`` is retried for ever, depending on where in the nesting the task failed."""
    in_a_group = group(add.si(1, 1), fails.s()) | total.s()
    for bad in (fails.s(), add.si(1, 1) | fails.s(), in_a_group, chord([group(fails.s())], total.s())):
        inner = group(named.si("inner") | add.si(2, 2), bad) | listed.s()
        flow = (named.s("first") | group(inner | listed.s(), named.si("beside")) | listed.s()).delay()
        with pytest.raises(JobFailed, match="fails.*not this one"):
            flow.get(timeout=20)
        wait_until(flow.done)
        assert flow.progress().failed == 1
        assert all(job.done() for job in flow.jobs())
    assert Counter(ran) == {"first": 4, "inner": 4, "beside": 4}


def test_a_chain_in_a_group_is_given_what_comes_before_the_group(working: LiteQueue) -> None:
    """celery#1057, #4161: its first step was called with one argument too few."""
    members = group(add.s(1) | add.s(2), add.s(7) | add.s(3))
    assert (add.s(3, 2) | members).delay().get(timeout=10) == [8, 15]
    deeper = group(add.s(1) | group(add.s(10), add.s(20)), add.s(2))
    assert (add.s(3, 2) | deeper | listed.s()).delay().get(timeout=10) == [[[16, 26], 7]]


# -- retries, and results that are none ---------------------------------------------------------------


@pytest.mark.parametrize("task", [third_time_lucky, fails_twice], ids=lambda task: task.name.rpartition(".")[2])
def test_what_comes_after_a_step_that_is_retried_runs_once_and_after_its_last_attempt(working: LiteQueue, task: Any) -> None:
    """celery#6631: the rest of the chain is lost after a retry; celery#2324: a chord's callback runs at the first failure
    of a member that is retried."""
    assert (task.s(5) | add.s(1) | add.s(1)).delay().get(timeout=20) == 7
    assert ran == ["try"] * 3
    assert chord([task.s(5), add.s(1, 1)], total.s()).delay().get(timeout=20) == 7
    assert ran == [*["try"] * 6, "total"]


def test_tasks_that_return_nothing_have_a_callback_all_the_same(working: LiteQueue) -> None:
    """celery#1857: with results that are ignored a chord is refused; celery#4862."""
    flow = (group(nothing.si(), nothing.si()) | listed.s("and") | nothing.si() | listed.s()).delay()
    assert flow.get(timeout=10) == [None]
    assert ran == ["nothing", "nothing", "listed", "nothing", "listed"]
    assert flow.jobs()[2].get(timeout=0) == [[None, None], "and"]


def test_results_that_are_not_kept_are_there_for_the_callback(bound: LiteQueue) -> None:
    """celery#5237: with ``result_expires=0`` the callback waits for ever for what has expired."""
    flow = (group(forgotten.s(1), forgotten.s(2), add.s(1, 2)) | total.s()).delay()
    with bound.worker(threads=1):
        assert flow.get(timeout=10) == 6


def test_results_that_are_not_kept_outlive_a_look_at_what_is_old(hand: Hand) -> None:
    """celery#5237 again: what is pruned is not what somebody waits for; once it was given to him, it may go."""
    late = hand.insert(step("late", state="scheduled", run_at=hand.clock.now() + 60 * 1_000_000))["late"]
    jobs = hand.insert(step("a"), step("c", "a", late))
    hand.claim()
    hand.end(jobs["a"])
    hand.rows("UPDATE litequeue_jobs SET prune_at = finished_at WHERE id = ?", jobs["a"])
    hand.store.operations.prune(hand.clock.now(), 60)
    hand.clock.advance(61)
    assert hand.come_to_an_end() == [late, jobs["c"]]
    assert hand.inputs(jobs["c"]) == ["of 2", "of 1"]


# -- the handle -----------------------------------------------------------------------------------------


def test_get_raises_what_a_step_long_before_the_end_did(working: LiteQueue) -> None:
    """celery#1210, #4004: ``get`` of a chain whose end is a group hangs where the first task failed."""
    ends_in_a_group = fails.s() | group(named.si("b"), named.si("c"))
    for shape in (ends_in_a_group, fails.s() | add.s(1) | add.s(1), group(fails.s(), fails.s()) | total.s()):
        flow = shape.delay()
        with pytest.raises(JobFailed, match="not this one") as caught:
            flow.get(timeout=10)
        assert caught.value.step == fails.name
        assert caught.value.job_id == flow.jobs()[0].id
        assert isinstance(caught.value.__cause__, ValueError)
    assert ran == []


def test_get_raises_that_a_step_before_the_end_was_not_started_in_time(bound: LiteQueue) -> None:
    """celery#4004, for the other ways in which what is upstream ends."""
    flow = (add.s(1, 1).set(expires=0.001) | add.s(1) | group(add.s(1), add.s(2))).delay()
    with bound.worker(threads=1), pytest.raises(JobExpired):
        flow.get(timeout=10)
    assert {job.state for job in flow.jobs()} == {"expired", "cancelled"}


def test_the_whole_can_be_cancelled_by_who_has_nothing_but_its_id(bound: LiteQueue, db: Path) -> None:
    """celery#4299, #4516, #5824: a chain that is looked up by its id has lost its parents, and only its last task is revoked."""
    flow = (named.s("a") | group(add.s(1), add.s(2)) | total.s() | add.s(1)).delay()
    kept = json.dumps({"flow": flow.id})
    with LiteQueue(db) as other:
        found = other.flow(json.loads(kept)["flow"])
        assert [job.id for job in found.jobs()] == [job.id for job in flow.jobs()]
        assert found.cancel() == 5
        assert found.done() and found.state == "cancelled"
    with bound.worker(threads=2):
        assert add.delay(1, 1).get(timeout=10) == 2  # it looks, and works
    assert ran == []
    assert {job.state for job in flow.jobs()} == {"cancelled"}
    assert flow.retry() == 5
    with bound.worker(threads=2), pytest.raises(JobFailed, match="TypeError"):
        flow.get(timeout=10)
    assert ran == ["a"]


def test_of_a_workflow_whose_making_is_interrupted_nothing_is_stored(bound: LiteQueue) -> None:
    """celery#1700: a soft time limit in the midst of it left a ``chord_unlock`` that looped for ever."""
    def members() -> Iterator[Shape]:
        yield add.s(1, 1)
        yield add.s(2, 2)
        raise SoftTimeout("it takes too long")

    with pytest.raises(SoftTimeout):
        chord(members(), total.s()).delay()
    assert bound.jobs() == []


def test_of_a_workflow_whose_maker_is_interrupted_by_a_signal_nothing_or_all_is_stored(
    bound: LiteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """celery#1700 again: at whatever moment of the enqueue it comes."""
    class TooLong(Exception):
        pass

    interrupted: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        interrupted.append(number)
        raise TooLong

    shape = chord([add.s(n, n) for n in range(1000)], total.s())
    shape.delay()  # what that imports leaves its files open where it is interrupted, and that is Python's
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # it may come in a weak reference's callback, where Python drops it
    before = signal.signal(signal.SIGVTALRM, interrupt)
    for n in range(1, 25):
        try:  # no with around it, whose end may be interrupted too
            signal.setitimer(signal.ITIMER_VIRTUAL, n * 0.0005)
            shape.delay()
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except TooLong:
            pass
    signal.signal(signal.SIGVTALRM, before)
    assert interrupted
    with bound._client.store.database.read() as connection:
        assert invariants.broken(connection) == []
        (jobs,) = connection.execute("SELECT count(*) FROM litequeue_jobs").fetchone()
        (flows,) = connection.execute("SELECT count(*) FROM litequeue_flows").fetchone()
    assert jobs == 1001 * flows


# -- waiting for what there is ----------------------------------------------------------------------------


def test_a_job_that_waits_for_one_which_runs_or_has_just_ended_runs(hand: Hand) -> None:
    """rq#739: inserted while its dependency ran, it was never executed; rq PR#1615: nor if all that it waited for
    ended meanwhile."""
    first = hand.insert(step("a"), step("b"), step("d"))
    hand.claim()
    while_they_run = hand.insert(step("c", *first.values()))
    hand.end(first["a"])
    as_one_has_ended = hand.insert(step("c", *first.values()))
    hand.end(first["b"], first["d"])
    when_all_have = hand.insert(step("c", *first.values()))
    jobs = [found["c"] for found in (while_they_run, as_one_has_ended, when_all_have)]
    assert hand.come_to_an_end() == jobs
    assert [hand.inputs(job) for job in jobs] == [["of 1", "of 2", "of 3"]] * 3


def test_a_step_that_sleeps_for_longer_than_results_are_kept_has_what_it_was_given(hand: Hand) -> None:
    """oban#722: a snoozing job's upstream was pruned, and it crashed."""
    jobs = hand.insert(step("a"), step("b", "a"), step("c", "b"))
    hand.claim()
    hand.end(jobs["a"])
    for _ in range(5):
        assert hand.claim() == [jobs["b"]]
        assert hand.running[jobs["b"]].inputs == '["of 1"]'
        hand.end(jobs["b"], state="scheduled")
        hand.clock.advance(3 * DAY)
        hand.store.operations.prune(hand.clock.now(), 60)
        hand.check()
    assert hand.states(jobs) == {"a": "succeeded", "b": "scheduled", "c": "blocked"}  # it may be asked for what it came to
    assert hand.come_to_an_end() == [jobs["b"], jobs["c"]]


def test_what_was_cancelled_for_a_failure_does_not_run_once_the_failure_is_pruned(hand: Hand) -> None:
    """oban#1500: what is held for a discarded job goes on when that is deleted."""
    jobs = hand.insert(step("a"), step("b", "a"), step("c", "b"))
    by_its_failure(hand, jobs["a"])
    for _ in range(40):
        hand.clock.advance(DAY)
        hand.store.operations.prune(hand.clock.now(), 60)
        assert hand.claim() == []
    assert set(hand.states(jobs).values()) == {None}


def test_nobody_waits_for_ever_for_what_has_failed(hand: Hand) -> None:
    """rq#1093: dependents of a failed job stay deferred; bullmq#3587: 300 parents in ``waiting-children``, and more each day."""
    graphs = [hand.insert(step("a"), step("b", "a"), step("c", "b")) for _ in range(30)]
    jobs = [job for found in graphs for job in found.values()]
    hand.claim()
    hand.end(*hand.running, state="discarded")
    hand.come_to_an_end()
    ends = Counter(state for (state,) in hand.rows("SELECT state FROM litequeue_jobs"))
    assert ends == {"discarded": 30, "cancelled": 60}
    hand.clock.advance(31 * DAY)
    for _ in range(4):
        hand.store.operations.prune(hand.clock.now(), 60)
        hand.clock.advance(DAY + 1)
    assert {state for state in hand.states({str(job): job for job in jobs}).values()} == {None}


def test_a_job_can_wait_for_the_end_of_others_whatever_it_is(hand: Hand) -> None:
    """rq#1436: of some dependencies that failed the deferred one waits for ever."""
    ways: list[Callable[[Hand, int], None]] = [by_its_failure, by_a_cancel_while_it_waits, by_its_deadline, by_plain_sql]
    parents = [hand.insert(step("p", state="scheduled", run_at=hand.clock.now() + 10**12))["p"] for _ in range(len(ways) + 1)]
    child = hand.insert(step("c", *parents, when="ended"))
    for parent, way in zip(parents, [*ways, None], strict=True):
        assert hand.states(child) == {"c": "blocked"}
        hand.rows("UPDATE litequeue_jobs SET state = 'available' WHERE id = ?", parent)
        if way is not None:
            way(hand, parent)
            hand.turn()
    assert hand.come_to_an_end() == [parents[-1], child["c"]]
    assert hand.inputs(child["c"]) == [None] * len(ways) + [f"of {parents[-1]}"]


# -- forgotten paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", BAD_ENDS, ids=lambda way: way.__name__)
def test_on_whatever_path_the_last_of_a_group_ends_who_waits_for_it_goes_on(hand: Hand, way: Callable[[Hand, int], None]) -> None:
    """rq#2006: not for a job whose worker died; oban#799, #949: not for one that was cancelled; bullmq#3362: not for one
    that must not be retried; bullmq#800: not for one that is removed as it fails; dramatiq PR#868: not for one that failed
    for good, or was skipped for its age."""
    good = hand.insert(step("good"))["good"]
    hand.claim()
    jobs = hand.insert(step("bad"), step("summary", good, "bad", when="ended"), step("alarm", good, "bad", when="failed"))
    hand.end(good)
    way(hand, jobs["bad"])
    hand.rows("UPDATE litequeue_jobs SET prune_at = finished_at WHERE id = ?", jobs["bad"])  # it is kept no longer
    hand.store.operations.prune(hand.clock.now(), 60)
    assert hand.come_to_an_end() == [jobs["summary"], jobs["alarm"]]
    assert hand.inputs(jobs["summary"]) == [f"of {good}", None]


def test_a_task_that_gives_up_lets_its_groups_summary_run(working: LiteQueue) -> None:
    """bullmq#3362: the child fails with an UnrecoverableError, and its parent is in ``waiting-children`` for ever."""
    flow = (group(gives_up.s(), add.s(1, 1)) | listed.s().set(on_parent_failure="run")).delay()
    wait_until(flow.done)
    assert [job.state for job in flow.jobs()] == ["discarded", "succeeded", "succeeded"]
    assert flow.get(timeout=0) == [[None, 2]]


def test_a_process_that_dies_between_an_end_and_its_telling_leaves_it_to_the_next(db: Path) -> None:
    """oban#954: a callback that a process was about to insert as it died is never inserted."""
    def work(victim: Victim) -> None:
        hand = Hand(Store(str(db)))
        hand.insert(step("p"), step("needs it", "p"), step("ended", "p", when="ended"))
        by_its_third_dead_worker(hand, 1)  # it is final, and nobody is told: that is for a turn
        victim.arm()
        hand.store.jobs.turn(1, hand.clock.now(), hand.clock.now())

    assert run_victim(work, 2).killed
    store = Store(str(db))
    hand = Hand(store)
    assert hand.untold() == 1
    assert hand.come_to_an_end() == [3]
    assert hand.untold() == 0
    store.close()


@pytest.mark.parametrize("way", [by_a_cancel_while_it_waits, by_a_cancel_while_it_runs], ids=lambda way: way.__name__)
def test_a_cancelled_sentinel_that_kept_a_group_open_closes_it(hand: Hand, way: Callable[[Hand, int], None]) -> None:
    """oban#949: ``cancel_job`` of the last job of a batch fires no callback."""
    members = [hand.insert(step("member"))["member"] for _ in range(3)]
    assert hand.come_to_an_end() == members
    jobs = hand.insert(step("sentinel"), step("end", "sentinel", *members, when="ended"))
    way(hand, jobs["sentinel"])
    assert hand.states(jobs) == {"sentinel": "cancelled", "end": "available"}
