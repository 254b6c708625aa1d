"""Chains, groups and chords, enqueued and run by real workers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from litequeue import (
    InvalidArgument,
    InvalidType,
    JobFailed,
    LiteQueue,
    Replace,
    SignatureMismatch,
    chain,
    chord,
    group,
)
from litequeue.workflow.compiling import plan
from litequeue.workflow.shapes import Shape

from ..support import wait_until

pytestmark = pytest.mark.beside

app = LiteQueue("unbound.sqlite")
ran: list[str] = []


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task(pool="process")
def square(x: int) -> int:
    return x * x


@app.task
async def double(x: int) -> int:
    return 2 * x


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task
def listed(numbers: list[object]) -> list[object]:
    return numbers


@app.task
def alone() -> str:
    ran.append("alone")
    return "alone"


@app.task
def fails(x: object = None) -> None:
    ran.append("fails")
    if ran.count("fails") < 2:
        raise ValueError("the first time")


@app.task
def pair(x: int) -> tuple[int, set[int]]:
    return x, {x}


@pytest.fixture
def bound(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    ran.clear()
    yield app
    app.close()


@pytest.fixture
def working(bound: LiteQueue) -> Iterator[LiteQueue]:
    with bound.worker(threads=4, processes=1):
        yield bound


SHAPES: list[tuple[Shape, object]] = [
    (add.s(1, 2), 3),
    (add.s(1, 2) | add.s(10) | double.s(), 26),
    (chain(add.s(1, 2), add.si(5, 5), add.s(1)), 11),
    (group(add.s(n, n) for n in range(5)), [0, 2, 4, 6, 8]),
    (group(add.s(n, n) for n in range(5)) | total.s(), 20),
    (chord([add.s(1, 1)], listed.s()), [2]),
    (chord(group(), listed.s()), []),
    (add.s(1, 1) | group() | listed.s(), []),
    (add.s(1, 1) | group(add.s(1), add.s(2)) | listed.s(), [3, 4]),
    (group(add.s(1, 1), add.s(2, 2)) | group(total.s(), listed.s()), [6, [2, 4]]),
    (group(add.s(1, 1), group(add.s(2, 2), add.s(3, 3))) | listed.s(), [2, [4, 6]]),
    (group(add.s(1, 1) | double.s(), add.s(5, 5) | add.s(1)) | total.s() | add.s(1), 16),
    (chord([chord([add.s(1, 1), add.s(2, 2)], total.s()), add.s(3, 3)], listed.s()), [6, 6]),
    (add.s(2, 3) | square.s() | double.s(), 50),
    (pair.s(3) | group(listed.s(), listed.s()) | listed.s(), [(3, {3}), (3, {3})]),
    (group(pair.s(1), pair.s(2)) | group(listed.s(), listed.s()), [[(1, {1}), (2, {2})]] * 2),
]


@pytest.mark.slow
def test_shapes_come_to_what_they_say(working: LiteQueue) -> None:
    flows = [(shape, shape.delay(), expected) for shape, expected in SHAPES]
    for shape, flow, expected in flows:
        assert flow.get(timeout=30) == expected, shape
        progress = flow.progress()
        assert (progress.done, progress.failed, progress.ended) == (progress.total, 0, progress.total), shape
        assert working.flow(flow.id) == flow and flow.done() and flow.state == "succeeded"


def test_a_flow_can_be_awaited(working: LiteQueue) -> None:
    async def wait() -> list[object]:
        return [await (add.s(1, 2) | double.s()).delay(), await group(add.s(n, 1) for n in range(3)).delay()]

    assert asyncio.run(wait()) == [6, [1, 2, 3]]


def test_get_of_a_flow_in_which_a_step_failed_raises_what_that_step_did(working: LiteQueue) -> None:
    flow = (group(add.s(1, 1), fails.s()) | listed.s() | double.s()).delay()
    with pytest.raises(JobFailed, match=r"fails.*ValueError: the first time"):
        flow.get(timeout=30)
    wait_until(flow.done)
    assert flow.state == "cancelled"
    *_, last = flow.jobs()
    assert "fails), which it needed, was discarded" in str(last.info().last_error)
    assert flow.progress().failed == 1


def test_retry_goes_on_from_what_failed(working: LiteQueue) -> None:
    flow = (alone.s() | fails.s() | listed.si([7])).delay()
    with pytest.raises(JobFailed):
        flow.get(timeout=30)
    wait_until(flow.done)
    assert flow.retry() == 1
    assert flow.get(timeout=30) == [7]
    assert ran == ["alone", "fails", "fails"]


def test_a_step_may_run_though_its_parent_failed(working: LiteQueue) -> None:
    flow = (fails.s() | listed.s().set(on_parent_failure="run")).delay()
    assert flow.get(timeout=30) is None
    assert flow.progress().failed == 1


def test_cancel_ends_all_that_waits(bound: LiteQueue) -> None:
    flow = (add.s(1, 1) | group(add.s(1), add.s(2)) | total.s()).delay()
    assert {job.state for job in flow.jobs()} == {"available", "blocked"}
    assert not flow.wait(timeout=0)
    first, *others, last = flow.jobs()
    assert others[0].why_waiting() == f"it waits for job {first.id} (tests.workflow.test_flows.add), which is available"
    assert str(last.why_waiting()).endswith("which is blocked, and 1 other job")
    assert flow.cancel() == 4
    assert flow.done() and flow.cancel() == 0
    assert {job.state for job in flow.jobs()} == {"cancelled"}


def test_options_of_the_whole_and_of_a_step(bound: LiteQueue) -> None:
    flow = (add.s(1, 1) | add.s(1).set(queue="own", priority=3) | add.s(1)).apply_async(queue="mail", countdown=60, priority=1)
    infos = [job.info() for job in flow.jobs()]
    assert [(info.queue, info.priority, info.state) for info in infos] == [
        ("mail", 1, "scheduled"), ("own", 3, "blocked"), ("mail", 1, "blocked"),
    ]  # fmt: skip


def test_an_option_that_is_none_is_as_one_that_is_left_out(bound: LiteQueue) -> None:
    flow = (add.s(1, 1) | add.s(1).set(countdown=None, queue=None)).apply_async(countdown=None)
    assert [(job.info().queue, job.state) for job in flow.jobs()] == [("default", "available"), ("default", "blocked")]


def test_a_step_may_wait_after_what_came_before_it(working: LiteQueue) -> None:
    flow = (add.s(1, 1) | add.s(1).set(countdown=0.3)).delay()
    assert flow.get(timeout=30) == 3
    first, second = (job.info() for job in flow.jobs())
    assert second.started_at is not None and first.finished_at is not None
    assert (second.started_at - first.finished_at).total_seconds() >= 0.29


def test_nothing_is_stored_of_a_flow_one_step_of_which_is_wrong(bound: LiteQueue) -> None:
    for shape, error in (
        (add.s(1, 1) | add.s(), SignatureMismatch),
        (add.s(1, 1) | add.si(), SignatureMismatch),
        (group(add.s(1, 1), group()) | total.s(), InvalidArgument),
        (add.s(1, object()), Exception),
    ):
        with pytest.raises(error):
            shape.delay()
    assert bound.jobs() == []
    with pytest.raises(InvalidArgument, match="no task in it"):
        group().delay()
    with pytest.raises(InvalidType, match=r"write task\.s\(\.\.\.\)"):
        chain(add.s(1, 1), add)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="on_parent_failure"):
        add.s(1).set(on_parent_failure="ignore")
    with pytest.raises(InvalidType, match="colour"):
        add.s(1).set(colour="red")
    with pytest.raises(TypeError):
        add.s(1) | add


def test_signatures_compare_print_and_are_values() -> None:
    one = add.s(1, y=2)
    assert one == add.s(1, y=2) != add.si(1, y=2)
    assert one.set(queue="q") != one == one.clone()
    assert add.s(2).clone([1]) == add.s(1, 2)
    assert repr(one.set(queue="q") | group(double.s(), double.si(4))) == (
        "tests.workflow.test_flows.add.s(1, y=2).set(queue='q') | "
        "group(tests.workflow.test_flows.double.s(), tests.workflow.test_flows.double.si(4))"
    )
    assert add.s(1, 1) | (double.s() | double.s()) == (add.s(1, 1) | double.s()) | double.s()


def test_a_shape_may_be_nested_deeper_than_python_recurses() -> None:
    deep: Shape = add.s(1, 1)
    for _ in range(5_000):
        deep = group(deep, add.s(1, 1))
    assert len(plan(deep).nodes) == 10_001
    assert len(plan(chain(add.s(1) for _ in range(5_000))).nodes) == 5_000


def test_no_job_has_more_children_than_are_told_at_once() -> None:
    made = plan(add.s(1, 1) | group(add.s(n) for n in range(2_500)) | total.s())
    children: dict[int, int] = {}
    for node in made.nodes:
        for parent in node.parents:
            children[parent] = children.get(parent, 0) + 1
    assert max(children.values()) == 1_000
    assert len(made.nodes) == 1 + 3 + 2_500 + 1


# -- empty ends, and all of them -------------------------------------------------------------------------------


@app.task
def instead() -> None:
    raise Replace(group())


@app.task
def instead_of_one() -> None:
    raise Replace(add.si(1, 2) | group())


def test_what_ends_with_an_empty_group_comes_to_an_empty_list(working: LiteQueue) -> None:
    flow = (add.s(1, 2) | group()).delay()
    assert flow.get(timeout=30) == [] and flow.state == "succeeded"
    assert (add.s(1, 2) | group() | listed.s()).delay().get(timeout=30) == []
    assert instead.delay().get(timeout=30) == [] and instead_of_one.delay().get(timeout=30) == []


@app.task
def breaks() -> None:
    raise ValueError("no")


@app.task
def slow(gate: str) -> str:
    wait_until(lambda: Path(gate).exists(), seconds=30)
    return "slow"


def test_waiting_for_a_group_is_for_all_of_it_and_getting_it_for_the_first_failure(working: LiteQueue, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    flow = group(breaks.s(), slow.s(str(gate))).delay()
    with pytest.raises(JobFailed):
        flow.get(timeout=30)
    assert not flow.wait(timeout=0.2) and not flow.done()
    gate.touch()
    assert flow.wait(timeout=30) and flow.done()
    assert [job.state for job in flow.jobs()] == ["discarded", "succeeded"]


def test_who_takes_long_over_what_has_ended_meets_the_end_though_the_rest_was_pruned(working: LiteQueue) -> None:
    """It looked on for ever, with all of a processor."""
    flow = group(add.s(n, 1).set() for n in range(3)).delay()
    flow.wait(timeout=30)
    found = flow.as_completed(timeout=30)
    next(found)
    with closing(sqlite3.connect(working.path)) as connection, connection:
        for table in ("jobs", "edges", "flow_jobs", "flows"):
            connection.execute(f"DELETE FROM litequeue_{table}")
    assert len(list(found)) == 2
