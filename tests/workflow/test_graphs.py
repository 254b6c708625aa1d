"""Jobs after jobs, many calls in one job, shapes as text, and what a step asks of those before it."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    InvalidArgument,
    InvalidType,
    JobCancelled,
    JobFailed,
    JobNotFound,
    LiteQueue,
    ResultTimeout,
    SignatureMismatch,
    UnknownTask,
    chain,
    chord,
    current_job,
    group,
)
from litequeue.workflow.shapes import Shape

from ..support import wait_until

pytestmark = pytest.mark.beside

app = LiteQueue("unbound.sqlite")


@app.task
def add(x: int, y: int = 0) -> int:
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
def numbers(count: int) -> list[int]:
    return list(range(count))


@app.task
def fails() -> None:
    raise ValueError("as it must")


@app.task
def family() -> tuple[tuple[int, ...], list[Any]]:
    job = current_job()
    return job.parents, job.parent_results()


@app.task(pool="process")
def family_elsewhere() -> tuple[tuple[int, ...], list[Any]]:
    job = current_job()
    return job.parents, job.parent_results()


@app.task(secret="password")
def login(user: str, password: str) -> str:
    return user


@pytest.fixture
def bound(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    yield app
    app.close()


@pytest.fixture
def working(bound: LiteQueue) -> Iterator[LiteQueue]:
    with bound.worker(threads=4, processes=1):
        yield bound


# -- after -------------------------------------------------------------------------------------------------


def test_a_job_waits_for_jobs_flows_and_batches(working: LiteQueue) -> None:
    page = chord([add.s(1, 1), add.s(2, 2)], total.s()).delay()
    other, many = add.delay(1), add.delay_many([(n, n) for n in range(3)])
    report = family.apply_async(after=[page, other, many])
    parents, results = report.get(timeout=30)
    assert results == [6, 1, 0, 2, 4]
    assert parents[1:] == (other.id, *many.ids)
    assert report.flow is None


def test_the_result_of_a_bare_group_is_the_list_of_its_members_for_who_comes_after_it(working: LiteQueue) -> None:
    pages = group(add.s(n, n) for n in range(3)).delay()
    assert family.apply_async(after=[pages, add.delay(7)]).get(timeout=30)[1] == [[0, 2, 4], 7]


def test_a_step_asks_for_its_parents_results_in_every_pool(working: LiteQueue) -> None:
    flow = (group(add.s(1, 1), numbers.s(2)) | family_elsewhere.si()).delay()
    parents, results = flow.get(timeout=30)
    assert results == [2, [0, 1]] and parents == tuple(job.id for job in flow.jobs()[:2])
    assert add.delay(1).flow is None
    assert all(job.flow == flow for job in flow.jobs())


def test_a_job_after_one_that_fails_is_cancelled_and_says_for_whose_sake(working: LiteQueue) -> None:
    bad = fails.delay()
    late = add.apply_async((1, 1), after=bad)
    with pytest.raises(JobCancelled):
        late.get(timeout=30)
    assert f"job {bad.id} (tests.workflow.test_graphs.fails), which it needed, was discarded" in str(late.info().last_error)
    later = add.apply_async((1, 1), after=[bad])  # which had failed before this was enqueued
    assert later.state == "cancelled"


def test_a_shape_waits_for_jobs(working: LiteQueue) -> None:
    first, second = add.delay(1, 1), add.delay(2, 2)
    alone = (family.s() | total.si([1])).apply_async(after=[first, second])
    assert alone.get(timeout=30) == 1
    assert alone.jobs()[0].get() == ((first.id, second.id), [2, 4])
    several = group(add.s(n) for n in range(5)).apply_async(after=[first, alone, f"flow:{alone.id}", second.id])
    assert several.get(timeout=30) == [0, 1, 2, 3, 4]
    assert add.apply_async((1,), after=group() and add.delay(1).id).get(timeout=30) == 1


def test_what_comes_after_many_has_few_edges(bound: LiteQueue, edges: Any) -> None:
    before = [add.delay(n) for n in range(20)]
    group(add.s(n) for n in range(30)).apply_async(after=before)
    assert edges() == 20 + 30 + 30  # to what brings them together, from there, and to the end of the whole


@pytest.fixture
def edges(db: Path) -> Any:
    import sqlite3
    from contextlib import closing

    def count() -> int:
        with closing(sqlite3.connect(db)) as connection:
            return int(connection.execute("SELECT count(*) FROM litequeue_edges").fetchone()[0])

    return count


def test_a_countdown_after_others_counts_from_their_end(working: LiteQueue) -> None:
    first = add.delay(1)
    late = add.apply_async((1,), after=first, countdown=0.3)
    assert late.get(timeout=30) == 1
    a, b = first.info().finished_at, late.info().started_at
    assert a is not None and b is not None and b - a >= timedelta(seconds=0.29)
    assert add.apply_async((1,), after=group_of_nothing(working), countdown=60).state == "scheduled"


def group_of_nothing(queue: LiteQueue) -> list[Any]:
    return []


def test_nothing_is_enqueued_after_what_is_not_there(bound: LiteQueue, tmp_path: Path) -> None:
    with pytest.raises(JobNotFound, match="job 77 is not there"):
        add.apply_async((1,), after=77)
    with pytest.raises(JobNotFound, match="no flow 7"):
        add.apply_async((1,), after="flow:7")
    elsewhere = LiteQueue(tmp_path / "other.sqlite").job(1)
    with pytest.raises(InvalidArgument, match="those of their own file"):
        add.apply_async((1,), after=elsewhere)
    for wrong in (1.5, "x", [None], object(), [0], [-1], ["flow:x"], True, [2**63]):
        with pytest.raises(InvalidType, match="after"):
            add.apply_async((1,), after=wrong)
    with pytest.raises(InvalidArgument, match="group"):
        add.delay_many([(1,)], after=1)
    with pytest.raises(InvalidArgument, match="belongs to the whole"):
        add.s(1).set(after=1)
    assert bound.jobs() == []


# -- many calls in one job -----------------------------------------------------------------------------------


def test_map_starmap_and_chunks(working: LiteQueue) -> None:
    flows = [
        (add.map([1, 2, 3]).delay(), [1, 2, 3]),
        (add.starmap([(1, 1), (2,)]).delay(), [2, 2]),
        (add.chunks(zip(range(5), range(5), strict=True), 2).delay(), [[0, 2], [4, 6], [8]]),
        ((numbers.s(3) | square.map() | total.s()).delay(), 5),
        ((numbers.s(3) | double.map()).delay(), [0, 2, 4]),
        (add.map([]).delay(), []),
    ]
    for flow, expected in flows:
        assert flow.get(timeout=30) == expected
    assert len(flows[2][0].jobs()) == 3


def test_an_item_that_fits_no_call_is_refused_at_once_or_fails_the_job(working: LiteQueue) -> None:
    with pytest.raises(SignatureMismatch, match="starmap: item 1"):
        add.starmap([(1, 1), (1, 2, 3)]).delay()
    with pytest.raises(InvalidType, match="starmap: item 0"):
        add.starmap([7]).delay()  # type: ignore[list-item]
    for wrong in (7, "abc"):
        with pytest.raises(InvalidType, match="iterable of items"):
            add.map(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument):
        add.chunks([(1,)], 0)
    with pytest.raises(JobFailed, match="one list of items"):
        (add.s(1, 1) | add.map()).delay().get(timeout=30)


def test_secrets_of_many_calls_are_masked_too(working: LiteQueue) -> None:
    flow = login.starmap([("ann", "hunter2"), ("bob", "geheim")]).delay()
    assert flow.get(timeout=30) == ["ann", "bob"]
    (job,) = flow.jobs()
    assert "hunter2" not in str(job.info().masked())


# -- as text, and elsewhere ------------------------------------------------------------------------------------

SHAPES: list[Shape] = [
    add.s(1, y=2).set(queue="mail", countdown=timedelta(seconds=3), priority=4),
    add.si((1, 2), {3}).set(on_parent_failure="run"),
    chain(add.s(1, 1), group(add.s(1), add.s(2) | double.s()), total.s()),
    add.chunks([(1, 2), (3, 4), (5, 6)], 2) | total.map(),
    group(),
]


def test_a_shape_is_stored_as_json_and_read_back() -> None:
    for shape in SHAPES:
        again = app.signature(shape.to_json())
        assert again == shape and repr(again) == repr(shape)


def test_a_shape_nested_deeper_than_python_recurses_is_stored_too() -> None:
    deep: Shape = add.s(1, 1)
    for _ in range(3_000):
        deep = group(deep, add.s(1, 1))
    text = deep.to_json()
    assert app.signature(text).to_json() == text


def test_what_is_no_stored_shape_is_refused(tmp_path: Path) -> None:
    known = add.s(1).to_json()
    for text in ("", "{}", "[1]", '{"litequeue": 2, "shape": []}', '{"litequeue": 1, "shape": []}',
                 '{"litequeue": 1, "shape": [["chain", 2]]}', '{"litequeue": 1, "shape": [["call", 1]]}',
                 '{"litequeue": 1, "shape": [["colour", 0]]}', known.replace('"cancel"', '"explode"'), known.replace("[1]", "7")):  # fmt: skip
        with pytest.raises(InvalidArgument, match="no workflow as to_json writes it"):
            app.signature(text)
    with pytest.raises(UnknownTask, match=r"test_graphs\.add"):
        LiteQueue(tmp_path / "other.sqlite").signature(known)
    with pytest.raises(InvalidType):
        app.signature(7)  # type: ignore[arg-type]


def test_a_flow_is_pickled_and_copied_as_a_job_is(bound: LiteQueue) -> None:
    flow = chain(add.s(1, 1), add.s(1)).delay()
    assert pickle.loads(pickle.dumps(flow)) == flow == copy.deepcopy(flow) is copy.copy(flow)


def test_jobs_come_as_they_end(working: LiteQueue) -> None:
    flow = group(add.s(1, 1), add.s(2, 2).set(countdown=0.3), fails.s()).delay()
    jobs = list(flow.as_completed(timeout=30))
    assert {job.id for job in jobs} == {job.id for job in flow.jobs()}
    assert jobs[-1].get() == 4
    with pytest.raises(ResultTimeout, match="1 of 1 jobs have not ended"):
        list(add.s(1).apply_async(countdown=60).as_completed(timeout=0.05))


def test_a_loop_is_not_blocked_by_an_enqueue(working: LiteQueue) -> None:
    async def main() -> tuple[object, object]:
        job = await add.adelay(1, y=2)
        flow = await (add.s(1, 1) | double.s()).adelay()
        return await job, await flow

    assert asyncio.run(main()) == (3, 4)


def test_jobs_for_which_a_running_one_waited_are_kept_as_long(working: LiteQueue) -> None:
    first = add.delay(1)
    wait_until(first.done)
    add.apply_async((1,), after=first, countdown=600)
    store = working._client.store
    far = working._client.clock.now() + 3 * 86_400 * 1_000_000
    store.operations.prune(far, 1.0)
    assert first.state == "succeeded"
