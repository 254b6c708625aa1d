"""Tasks that wait for other jobs: none of them waits for ever, however few slots there are."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import random
import threading
import time
from pathlib import Path

import pytest

from litequeue import (
    Job,
    JobCancelled,
    JobFailed,
    LiteQueue,
    WouldDeadlock,
    current_job,
)
from litequeue.base.softguard import SoftGuard
from litequeue.cli import main
from litequeue.pools.lending import Lending

from .. import sample
from ..prepared import worker_process
from ..support import wait_until

pytestmark = pytest.mark.beside


@pytest.mark.slow
def test_a_thread_task_lends_its_slot_while_it_waits(app: LiteQueue) -> None:
    @app.task
    def fib(n: int) -> int:
        if n < 2:
            return n
        first, second = fib.delay(n - 1), fib.delay(n - 2)
        return int(first.get()) + int(second.get())

    with app.worker(threads=1):
        assert fib.delay(7).get(timeout=30) == 13


def test_a_child_that_was_claimed_with_its_parent_runs_too(app: LiteQueue) -> None:
    @app.task
    def child() -> str:
        return "grown up"

    @app.task
    def parent(job_id: int) -> str:
        return str(app.job(job_id).get())

    @app.task
    def noop() -> None: ...

    noop.delay_many(() for _ in range(50))  # so quick that the worker claims ahead
    waiting = parent.delay(52)
    assert child.delay().id == 52
    with app.worker(threads=1):
        assert waiting.get(timeout=10) == "grown up"


@pytest.mark.slow
def test_a_coroutine_that_awaits_lends_its_slot(app: LiteQueue) -> None:
    @app.task
    async def tree(depth: int) -> int:
        if depth == 0:
            return 1
        jobs: list[Job[int]] = [tree.delay(depth - 1) for _ in range(3)]
        return sum([await job for job in jobs])

    with app.worker(threads=0, async_=1):
        assert tree.delay(3).get(timeout=30) == 27


def test_a_coroutine_that_blocks_the_loop_is_told_to_await(app: LiteQueue) -> None:
    @app.task
    async def child() -> int:
        return 5

    @app.task
    async def blocking() -> int:
        return int(child.delay().get())

    @app.task
    async def elsewhere() -> int:
        return int(await asyncio.to_thread(child.delay().get))

    with app.worker(threads=1, async_=1):
        with pytest.raises(JobFailed, match="write `await job`"):
            blocking.delay().get(timeout=10)
        assert elsewhere.delay().get(timeout=10) == 5


def test_a_task_that_waits_for_its_own_job_is_told_so(app: LiteQueue) -> None:
    """It waited for ever, and its slot with it."""

    @app.task
    def in_a_thread() -> None:
        app.job(current_job().id).get(timeout=20)

    @app.task
    async def in_a_coroutine() -> None:
        await app.job(current_job().id)

    with app.worker(threads=1, async_=1):
        for task in (in_a_thread, in_a_coroutine):
            with pytest.raises(JobFailed, match="WouldDeadlock: a task that waits for its own job waits for ever"):
                task.delay().get(timeout=10)


def test_a_cancel_ends_a_thread_tasks_wait(app: LiteQueue) -> None:
    """Two that wait for each other, say: nothing else ends them."""
    ids: dict[str, int] = {}

    @app.task
    def waits(for_the_job: str) -> None:
        app.job(ids[for_the_job]).get()

    ids["one"] = waits.apply_async(("two",), countdown=0.05).id
    ids["two"] = waits.delay("one").id
    with app.worker(threads=2):
        wait_until(lambda: app.stats().states == {"running": 2})
        assert app.job(ids["one"]).cancel()
        for name in ("one", "two"):
            with pytest.raises(JobCancelled):
                app.job(ids[name]).get(timeout=10)


@pytest.mark.slow
def test_a_process_task_waits_with_a_timeout_or_not_at_all(sample_app: LiteQueue, db: Path) -> None:
    ended = sample.add.delay(1, 2)
    with worker_process(db, "--processes", "1"):
        with pytest.raises(JobFailed, match="WouldDeadlock: a process task"):
            sample.wait_for_another.delay(None).get(timeout=20)
        assert ended.get(timeout=20) == 3
        with pytest.raises(JobFailed, match="WouldDeadlock: a process task"):  # not only where it has to wait
            sample.wait_for_the_job.delay(ended.id).get(timeout=20)
        with pytest.raises(JobFailed, match="ResultTimeout"):
            sample.wait_for_another.delay(0.2).get(timeout=20)


def test_lending_has_an_end(app: LiteQueue) -> None:
    lending = Lending(lambda: None)
    with contextlib.ExitStack() as waits:
        for _ in range(200):
            waits.enter_context(lending.slot())
        with pytest.raises(WouldDeadlock, match="wait for other jobs already"), lending.slot():
            pass
        assert lending.count == 200
    assert lending.count == 0


@pytest.mark.slow
def test_a_lent_slot_is_given_back_whenever_a_timeout_ends_the_wait(app: LiteQueue) -> None:
    lending, moments = Lending(lambda: None), random.Random(1)

    def waits_again_and_again() -> None:
        while True:
            with lending.slot():
                pass

    for _ in range(300):
        guards: queue.SimpleQueue[SoftGuard] = queue.SimpleQueue()

        def call() -> None:
            guard = SoftGuard()
            guards.put(guard)  # noqa: B023 - this round's
            guard.run(waits_again_and_again)
            lending.forget_thread()

        thread = threading.Thread(target=call)
        thread.start()
        guard = guards.get(timeout=5)
        end = time.perf_counter() + moments.random() * 0.000_3
        while time.perf_counter() < end:
            time.sleep(0)
        guard.fire()
        thread.join(10)
        assert not thread.is_alive()
        assert lending.count == 0


@pytest.mark.slow
def test_after_the_wait_there_are_no_more_threads_at_work_than_slots(app: LiteQueue) -> None:
    running = 0
    most = 0

    @app.task
    def busy() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(2000):
            pass
        running -= 1

    @app.task
    def parent() -> None:
        busy.delay().get()

    with app.worker(threads=1):
        for job in [parent.delay() for _ in range(3)]:
            job.get(timeout=10)
        most = 0
        busy.delay_many(() for _ in range(300))[-1].get(timeout=20)
    assert most == 1


@pytest.mark.slow
def test_slots_that_are_all_stuck_past_their_timeout_are_named_as_the_reason(
    app: LiteQueue, db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = threading.Event()

    @app.task(timeout=0.2, retries=0)
    def stuck() -> None:
        while not gate.is_set():
            try:
                gate.wait(20)
            except BaseException:  # noqa: BLE001, S110 - a timeout, which it swallows
                pass

    @app.task
    def quick() -> None: ...

    with app.worker(threads=2, processes=0, async_=0, name="w", grace=0.5):
        for _ in range(2):
            stuck.delay()
        job = quick.delay()
        wait_until(lambda: "all 2 thread slots of worker w are held" in str(job.why_waiting()), 15)
        assert main(["doctor", str(db)]) == 1
        assert "all 2 thread slots of w are held by jobs that run on past their timeout" in capsys.readouterr().out
        main(["stats", str(db)])
        assert "worker w: all thread slots are held by jobs" in capsys.readouterr().out
        gate.set()
        assert job.get(timeout=10) is None
        assert job.why_waiting() is None
