"""Tasks of all three pools, in the thread that drains: what they wait for, their timeouts, event loops, and what ends the test itself."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from litequeue import (
    JobCancelled,
    LiteQueue,
    ResultTimeout,
    SoftTimeout,
    WouldDeadlock,
    current_job,
    group,
)
from litequeue.testing import Kit, testing

from .. import sample

pytestmark = pytest.mark.beside


def where() -> tuple[int, int]:
    return os.getpid(), threading.get_ident()


def test_tasks_of_all_pools_run_in_the_thread_that_drains(app: LiteQueue, queue: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    async def co() -> tuple[int, int]:
        await asyncio.sleep(0)
        return where()

    tasks = [app.task(name="thread")(where), app.task(pool="process")(where), app.task(name="async")(co)]
    jobs = [task.delay() for task in tasks]
    assert queue.drain() == 3
    assert {job.get(timeout=0) for job in jobs} == {where()}
    monkeypatch.setitem(globals(), "where", lambda: (1, 2))
    assert queue.run(app.task(name="late")(lambda: where())) == (1, 2), "what is replaced for the test is so for the task"


def test_arguments_and_results_pass_through_the_codec_and_context_variables_do_not_leak(app: LiteQueue, queue: Kit) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    given = {"a": [1, 2]}

    def change(value: dict[str, Any]) -> Any:
        value["b"] = variable.get()
        variable.set(9)
        return value

    variable.set(5)
    got = queue.run(app.task(name="t")(change), given)
    assert (got, given, variable.get()) == ({"a": [1, 2], "b": 0}, {"a": [1, 2]}, 5)
    with pytest.raises(TypeError, match="cannot be stored"):
        app.task(name="u")(print).delay(object())


# -- waiting for other jobs --------------------------------------------------------------------------------


def test_a_task_that_waits_for_a_job_has_it_run(app: LiteQueue, queue: Kit) -> None:
    leaf = app.task(name="leaf")(lambda n: n)

    @app.task(name="leaves")
    async def async_leaf(n: int) -> int:
        await asyncio.sleep(0)
        return n

    @app.task(name="waits")
    def waits() -> list[int]:
        return [leaf.delay(1).get(), async_leaf.delay(2).get(timeout=5), *group([leaf.s(3), async_leaf.s(4)]).delay().get()]

    @app.task(name="awaits")
    async def awaits() -> list[Any]:
        return [await waits.delay(), *await asyncio.gather(async_leaf.delay(5), leaf.delay(6))]

    @app.task(name="completed")
    def completed() -> set[int]:
        return {job.get() for job in app.as_completed([leaf.delay(n) for n in (7, 8)])}

    jobs = [waits.delay(), awaits.delay(), completed.delay()]
    queue.drain()
    assert [job.get(timeout=0) for job in jobs] == [[1, 2, 3, 4], [[1, 2, 3, 4], 5, 6], {7, 8}]


def test_a_wait_that_has_no_end_is_an_error_and_no_hang(app: LiteQueue, queue: Kit) -> None:
    later = app.task(name="later")(lambda: None)
    waits = app.task(name="waits")(lambda timeout: later.apply_async(countdown=60).get(timeout))

    @app.task(name="awaits")
    async def awaits() -> None:
        await later.apply_async(countdown=60)

    for task, args in ((waits, (None,)), (awaits, ())):
        task.delay(*args)  # type: ignore[operator]
        with pytest.raises(WouldDeadlock, match=r"all that is due in this test has run.*queue\.advance"):
            queue.drain()
    waits.delay(0.1)
    with pytest.raises(ResultTimeout, match="is scheduled after 0.1 s"):
        queue.drain()


def test_a_wait_that_a_worker_refuses_is_refused(app: LiteQueue, queue: Kit) -> None:
    process = app.task(pool="process")(where)
    assert process.name.endswith("where")

    @app.task(name="blocks")
    async def blocks() -> None:
        process.delay().get()

    blocks.delay()
    with pytest.raises(WouldDeadlock, match="write `await job`"):
        queue.drain()


def test_a_process_task_may_not_wait_for_ever() -> None:
    with testing(sample.app) as queue:
        with pytest.raises(WouldDeadlock, match="a process task that waits for a job keeps its slot"):
            queue.run(sample.wait_for_another, None)
        assert queue.run(sample.wait_for_another, 5) == 9


# -- timeouts and cancels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["thread", "async"])
def test_timeouts_come_by_real_time(app: LiteQueue, queue: Kit, kind: str) -> None:
    @app.task(name="busy", timeout=0.1)
    def busy() -> None:
        while True:
            time.sleep(0.005)

    @app.task(name="sleepy", timeout=0.1)
    async def sleepy() -> None:
        await asyncio.sleep(60)

    @app.task(name="soft", soft_timeout=0.1, timeout=60)
    def soft() -> str:
        try:
            while True:
                time.sleep(0.005)
        except SoftTimeout:
            return "in time"

    @app.task(name="softly", soft_timeout=0.1, timeout=60)
    async def softly() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "in time"
        return "never"

    hard, gentle = (busy, soft) if kind == "thread" else (sleepy, softly)
    job = hard.delay()  # type: ignore[attr-defined]
    queue.drain(check=False)
    assert job.info().last_error == "TaskTimeout: still running after 0.1 s"
    assert queue.run(gentle) == "in time"  # type: ignore[arg-type]


def test_a_task_may_cancel_and_look_whether_it_is(app: LiteQueue, queue: Kit) -> None:
    @app.task(name="t")
    def task() -> None:
        app.job(current_job().id).cancel()
        raise JobCancelled

    job = task.delay()
    queue.drain()
    assert (job.state, queue.failed) == ("cancelled", [])


# -- event loops -------------------------------------------------------------------------------------------


def test_coroutines_share_a_loop(app: LiteQueue, queue: Kit) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    @app.task(name="t")
    async def task() -> None:
        loops.append(asyncio.get_running_loop())

    task.delay_many([()] * 2)
    queue.drain()
    queue.run(task)
    assert len(set(loops)) == 1


def test_in_a_running_loop_a_drain_works_and_an_adrain_runs_coroutines_on_that_loop(app: LiteQueue, queue: Kit) -> None:
    seen: list[Any] = []

    @app.task(name="co")
    async def co() -> None:
        await asyncio.sleep(0)
        seen.append(asyncio.get_running_loop())

    @app.task(name="own")
    def own() -> None:
        seen.append(asyncio.run(asyncio.sleep(0, "a loop of its own")))

    @app.task(name="fails")
    async def fails() -> None:
        await co.delay()
        raise KeyError

    async def test() -> None:
        for task in (co, own):
            task.delay()  # type: ignore[attr-defined]
        assert await queue.adrain() == 2
        assert seen == [asyncio.get_running_loop(), "a loop of its own"] or seen[::-1] == [asyncio.get_running_loop(), "a loop of its own"]
        for task in (co, own):
            task.delay()  # type: ignore[attr-defined]
        assert queue.drain() == 2
        fails.delay()
        with pytest.raises(KeyError):
            await queue.adrain()
        queue.inline = True
        assert await (await own.adelay()) is None
        assert own.delay().state == "succeeded"

    asyncio.run(test())


# -- what is meant for the test ----------------------------------------------------------------------------


class Outcome(BaseException):
    """As test runners end a test: pytest.fail, pytest.skip, a timeout's."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, Outcome], ids=["ctrl-c", "outcome"])
@pytest.mark.parametrize("kind", ["thread", "async"])
def test_what_ends_a_test_is_no_failure_of_a_job(app: LiteQueue, queue: Kit, error: type[BaseException], kind: str) -> None:
    def raises() -> None:
        raise error

    async def async_raises() -> None:
        raise error

    task: Any = app.task(name="t")(raises if kind == "thread" else async_raises)
    other = app.task(name="other")(lambda: 5).delay()
    for go_on in (lambda: task.delay() and queue.drain(check=False), lambda: queue.run(task), lambda: task.delay() and queue.advance("1h")):
        with pytest.raises(error):
            go_on()
    queue.drain()
    assert (other.state, [info.state for info in app.jobs(task=task)]) == ("succeeded", ["discarded"] * 3)


def test_a_drain_that_was_broken_off_goes_on(app: LiteQueue, queue: Kit) -> None:
    breaks: list[Callable[[], None]] = [lambda: (_ for _ in ()).throw(Outcome)]  # type: ignore[list-item]
    task = app.task(name="t")(lambda: breaks.pop()())

    @app.task(name="co")
    async def co() -> int:
        return 4

    task.delay()
    job = co.delay()
    with pytest.raises(Outcome):
        queue.drain()
    assert queue.run(co) == 4
    queue.drain(check=False)
    assert job.get(timeout=0) == 4
