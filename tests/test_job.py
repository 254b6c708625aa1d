"""The handle: its waits end when they are told to, in coroutines too, and it tells what became of the job."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import traceback
from datetime import timedelta
from typing import Any

import pytest

from litequeue import (
    InvalidArgument,
    InvalidType,
    JobFailed,
    LiteQueue,
    ResultTimeout,
    SoftTimeout,
)

from .support import wait_until


def test_an_awaiting_coroutine_is_cancelled_whenever_that_comes(app: LiteQueue) -> None:
    """wait_for of Python 3.11 took a cancellation that came with its own timeout for that, and the caller waited on."""
    job = app.enqueue("nobody.runs.it")
    rng = random.Random(7)

    async def wait(seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                await job
        except TimeoutError:
            return "timed out"
        return "?"

    async def main() -> list[str]:
        # The waits look every 50 ms while nobody serves the file: many of these moments fall on such a one.
        moments = [0.05 * rng.randint(1, 4) + rng.choice((0, 0, rng.random() * 0.01)) for _ in range(60)]
        async with asyncio.timeout(20):
            return await asyncio.gather(*map(wait, moments))

    assert asyncio.run(main()) == ["timed out"] * 60


@pytest.mark.slow
def test_awaiting_coroutines_are_cancelled_under_load_while_bytes_come(app: LiteQueue) -> None:
    job = app.enqueue("nobody.runs.it")
    noop = app.task(name="noop")(lambda: None)
    rng = random.Random(11)

    async def wait(seconds: float) -> bool:
        task = asyncio.ensure_future(_await(job))
        await asyncio.sleep(seconds)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return True
        return False

    async def _await(job: object) -> None:
        await job  # type: ignore[misc]

    async def main() -> list[bool]:
        async with asyncio.timeout(30):
            waits = asyncio.gather(*(wait(rng.random()) for _ in range(50)))
            while not waits.done():
                noop.delay()
                await asyncio.sleep(0.002)
            return await waits

    with app.worker(threads=2):
        assert all(asyncio.run(main()))


@pytest.mark.slow
def test_an_expiry_is_of_jobs_that_were_not_started_and_a_retry_is_one_that_was(app: LiteQueue) -> None:
    """It failed, was to be retried, and was reported as never started; nobody was told of its failure."""
    told: list[str] = []

    @app.on_discarded
    def tell(job: dict[str, Any]) -> None:
        told.append(job["last_error"])

    @app.task(retries=1, backoff=0.6, expires=0.3)
    def fails() -> None:
        raise ValueError("no")

    job = fails.delay()
    with app.worker(threads=2):
        wait_until(lambda: told, 10)
    info = job.info()
    assert (info.state, info.failures, info.expires_at) == ("discarded", 2, None)
    assert told == ["ValueError: no"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["thread", "async"])
def test_a_task_that_waits_for_another_job_does_not_hold_up_the_stop_of_its_worker(app: LiteQueue, kind: str) -> None:
    """The other job runs nowhere any more: it waited until the grace was over, 30 s by default."""

    @app.task(queue="nobody")
    def other() -> None: ...

    if kind == "thread":

        @app.task
        def waits() -> None:
            other.delay().get()
    else:

        @app.task
        async def waits() -> None:
            await other.delay()

    job = waits.delay()
    worker = app.worker(queues=["default"], threads=2, grace=30.0)
    with worker:
        wait_until(lambda: app.jobs(task=other.name), 10)
        begin = time.monotonic()
    assert time.monotonic() - begin < 5
    info = job.info()
    assert (info.state, info.failures, info.attempt) == ("available", 0, 1)


@pytest.mark.slow
def test_a_task_that_may_run_only_once_may_wait_on_while_its_worker_stops(app: LiteQueue) -> None:
    @app.task(queue="nobody")
    def other() -> None: ...

    @app.task(at_most_once=True)
    def waits() -> str:
        with contextlib.suppress(TimeoutError):
            other.delay().get(timeout=1.5)
        return "waited"

    job = waits.delay()
    with app.worker(queues=["default"], threads=2, grace=20.0):
        wait_until(lambda: app.jobs(task=other.name), 10)
    assert job.get(timeout=10) == "waited"


def test_a_failure_that_nobody_catches_shows_where_in_the_task_it_was(app: LiteQueue) -> None:
    @app.task(retries=0)
    def fails() -> None:
        raise ValueError("\x1b[31mred")

    with app.worker(threads=1), pytest.raises(JobFailed) as caught:
        fails.delay().get(timeout=10)
    shown = "".join(traceback.format_exception(caught.value))
    assert "In the task:" in shown and 'raise ValueError("\\x1b[31mred")' in shown
    assert "\x1b" not in "".join(caught.value.__notes__)


@pytest.mark.slow
def test_leaving_the_program_is_no_failure_to_be_retried_unless_it_is_named(app: LiteQueue) -> None:
    def leaves() -> None:
        raise SystemExit(3)

    once = app.task(name="once", retries=1, backoff=0)(leaves)
    twice = app.task(name="twice", retries=1, backoff=0, retry_on=SystemExit)(leaves)
    jobs = [once.delay(), twice.delay()]
    with app.worker(threads=1, burst=True) as worker:
        assert worker.join(20)
    assert [job.info().attempt for job in jobs] == [1, 2]


def test_a_soft_timeout_says_what_it_is(app: LiteQueue) -> None:
    @app.task(soft_timeout=0.1)
    def late() -> str:
        try:
            while True:
                time.sleep(0.01)
        except SoftTimeout as error:
            return str(error)

    with app.worker(threads=1):
        assert late.delay().get(timeout=10) == "soft_timeout has passed"


def test_a_handle_is_had_by_an_id_of_text_as_well(app: LiteQueue) -> None:
    app.enqueue("some.task")
    assert app.job("1").info().task == "some.task"
    for wrong in ("", "x", "-1", "0", "9" * 40, "\u0661"):
        with pytest.raises((InvalidType, InvalidArgument)):
            app.job(wrong)


def test_waits_take_a_length_of_time_as_every_option_does(app: LiteQueue) -> None:
    job = app.enqueue("nobody.runs.it")
    for timeout in ("10ms", timedelta(milliseconds=10), 0.01):
        assert not job.wait(timeout)
        with pytest.raises(ResultTimeout, match=r"job 1 is available after 0\.01 s: no worker"):
            job.get(timeout)
    worker = app.worker(burst=True)
    assert not worker.join("10ms") and not worker.join(timedelta(milliseconds=10))
    for wait in (job.wait, job.get, worker.join):
        with pytest.raises(InvalidArgument, match="timeout: 'soon' is no length of time"):
            wait("soon")
        with pytest.raises(InvalidArgument, match="timeout must be 0 to"):
            wait(-1)
        with pytest.raises(InvalidType, match="timeout must be a length of time"):
            wait(True)
