"""A job that puts other work in its place."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from litequeue import JobCancelled, JobFailed, LiteQueue, Replace, group
from litequeue.store.links import invariants

from ..support import wait_until

pytestmark = pytest.mark.beside

app = LiteQueue("unbound.sqlite")
broken: set[int] = set()


@app.task
def number(n: int) -> int:
    if n in broken:
        raise ValueError(f"number {n}")
    return n


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task
def fan_out(n: int) -> None:
    raise Replace(group(number.s(one) for one in range(n)) | total.s())


@app.task(pool="process")
def fan_out_in_a_process(n: int) -> None:
    raise Replace(group(number.s(one) for one in range(n)))


@app.task
async def fan_out_in_a_coroutine(n: int) -> None:
    raise Replace(fan_out.s(n))  # which replaces itself


@app.task
def wrongly(what: object) -> None:
    raise Replace(what)


@pytest.fixture
def working(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    broken.clear()
    with app.worker(threads=4, processes=1):
        yield app
    with closing(sqlite3.connect(db)) as connection:
        assert invariants.broken(connection) == []
    app.close()


def test_the_job_comes_to_what_its_replacement_comes_to_in_every_pool(working: LiteQueue) -> None:
    jobs = [fan_out.delay(4), fan_out_in_a_process.delay(3), fan_out_in_a_coroutine.delay(5)]
    assert [job.get(timeout=30) for job in jobs] == [6, [0, 1, 2], 10]
    assert [job.info().attempt for job in jobs] == [1, 1, 1]


def test_places_in_a_chord_are_kept(working: LiteQueue) -> None:
    """celery#4368, #10191: replace within a chord lost the chord."""
    flow = (group(number.s(100), fan_out.s(4), number.s(1)) | total.s()).delay()
    assert flow.get(timeout=30) == 107
    bare = group(fan_out.s(3), number.s(7)).delay()
    assert bare.get(timeout=30) == [3, 7]
    assert bare.progress().total == 6


def test_a_step_that_takes_a_result_may_be_replaced_and_run_again(working: LiteQueue) -> None:
    flow = (number.s(4) | fan_out.s() | number.s()).delay()
    assert flow.get(timeout=30) == 6
    step = flow.jobs()[1]
    step.retry()
    wait_until(lambda: step.info().attempt == 2 and step.done())
    assert step.get() == 6


def test_a_replacement_that_fails_is_seen_and_can_be_put_back(working: LiteQueue) -> None:
    broken.add(2)
    flow = (fan_out.s(4) | number.s()).delay()
    with pytest.raises(JobFailed, match="number 2"):
        flow.get(timeout=30)
    alone = fan_out.delay(3)
    with pytest.raises(JobCancelled):
        alone.get(timeout=30)
    assert "test_replace.number), which it needed, was discarded" in str(alone.info().last_error)
    broken.clear()
    wait_until(flow.done)
    assert flow.retry() == 1
    assert flow.get(timeout=30) == 6


def test_what_can_take_no_jobs_place_fails_it(working: LiteQueue, tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="Replace takes a signature"):
        wrongly.delay(7).get(timeout=30)
