"""``app.executor()``: jobs as futures of ``concurrent.futures``, through real workers."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from concurrent.futures import (
    ALL_COMPLETED,
    CancelledError,
    Executor,
    Future,
    as_completed,
    wait,
)
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    InvalidArgument,
    InvalidType,
    JobExpired,
    JobFailed,
    JobNotFound,
    LiteQueue,
    PayloadError,
    ResultNotStored,
    ResultTimeout,
    SignatureMismatch,
    WorkerFailed,
    WouldDeadlock,
    current_job,
)
from litequeue.worker import planning

from ..support import wait_until
from . import calls

pytestmark = pytest.mark.beside


def test_a_call_is_a_job_and_its_future_a_real_one(app: LiteQueue) -> None:
    task = app.task(name="sum", queue="sums")(lambda x, y: x + y)
    with app.executor(threads=2, queue="thumbs") as pool:
        assert isinstance(pool, Executor)
        futures = [pool.submit(calls.add, 2, y=3), pool.submit(task, 4, 5), pool.submit(calls.later, 6)]
        assert all(isinstance(future, Future) for future in futures)
        assert {future.result(timeout=20) for future in as_completed(futures, timeout=20)} == {5, 9, 6}
        assert [future.job.get() for future in futures] == [5, 9, 6]
        assert {(job.task, job.queue, job.state) for job in app.jobs()} == {
            ("tests.futures.calls.add", "thumbs", "succeeded"), ("sum", "thumbs", "succeeded"), ("tests.futures.calls.later", "thumbs", "succeeded"),
        }  # fmt: skip
        (worker,) = app.stats().workers
        assert worker.queues == ("thumbs",) and worker.slots["thread"] == 2
    assert not app.stats().workers


def test_a_loop_awaits_them(app: LiteQueue) -> None:
    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        with app.executor(2) as pool:
            given = [loop.run_in_executor(pool, calls.add, n, n) for n in range(3)]
            return await asyncio.gather(*given, asyncio.wrap_future(pool.submit(calls.later, "x")))

    assert asyncio.run(main()) == [0, 2, 4, "x"]


def test_what_a_call_raised_is_raised_itself_where_its_class_is_a_builtin_one(app: LiteQueue) -> None:
    with app.executor(threads=2) as pool:
        for name, argument in (("ValueError", "no"), ("KeyError", "key"), ("TimeoutError", "late")):
            future = pool.submit(calls.raises, name, argument)
            error = future.exception(timeout=20)
            assert (type(error).__name__, error.args) == (name, (argument,)) if error else None
            assert isinstance(error.__cause__, JobFailed) and "in raises" in error.__cause__.traceback  # type: ignore[union-attr]
            with pytest.raises(type(error), match=argument):  # type: ignore[arg-type]
                future.result()
        for name, said in (("Strange", r"tests\.futures\.calls\.Strange: odd"), ("SystemExit", "SystemExit: odd")):
            with pytest.raises(JobFailed, match=f"job . failed: {said}"):
                pool.submit(calls.raises, name, "odd").result(timeout=20)
    assert len(calls.ran) == 5, "none was tried again"


def test_a_task_is_tried_again_as_it_says(app: LiteQueue) -> None:
    @app.task(retries=2, backoff=0.01, name="third")
    def third() -> int:
        if current_job().attempt < 3:
            raise ValueError
        return current_job().attempt

    with app.executor(threads=1) as pool:
        assert pool.submit(third).result(timeout=20) == 3


def test_what_cannot_be_stored_is_said_of_arguments_at_once_and_of_results_by_the_future(app: LiteQueue) -> None:
    with app.executor(threads=1) as pool:
        with pytest.raises(PayloadError, match="object"):
            pool.submit(calls.add, object())
        with pytest.raises(SignatureMismatch, match="add"):
            pool.submit(calls.add, 1, 2, 3)
        with pytest.raises(PayloadError, match="item 1"):
            pool.map(calls.add, [1, object()])
        with pytest.raises(TypeError):
            pool.submit(fn=calls.add)  # type: ignore[call-arg]
        with pytest.raises(ResultNotStored, match="the result cannot be stored: its type object"):
            pool.submit(calls.an_object, 1).result(timeout=20)
        with app.transaction(), pytest.raises(WouldDeadlock, match="wait after the block"):
            pool.submit(calls.add, 1)
    assert len(app.jobs()) == 1


def test_a_future_says_why_it_is_not_done_and_knows_of_other_ends(app: LiteQueue) -> None:
    app.pause("executor")
    soon = app.task(name="soon", expires=0.05)(calls.add)
    with app.executor(threads=1) as pool:
        future, gone, cancelled = (pool.submit(calls.note, n) for n in range(3))
        expired = pool.submit(soon, 1)
        assert not future.done() and not future.running()
        with pytest.raises(ResultTimeout, match=r"job 1 is available after 0\.01 s: its queue executor is paused") as caught:
            future.result(timeout=0.01)
        assert isinstance(caught.value, TimeoutError)
        with pytest.raises(TimeoutError):
            future.exception(timeout=-1)
        with app.transaction() as db:
            db.execute("DELETE FROM litequeue_jobs WHERE id = ?", (gone.job.id,))
        assert cancelled.job.cancel()
        assert isinstance(gone.exception(timeout=20), JobNotFound)
        with pytest.raises(CancelledError):
            cancelled.result(timeout=20)
        assert cancelled.cancelled()
        with pytest.raises(JobExpired):
            expired.result(timeout=20)
        app.resume("executor")
    assert future.result() == 0


def test_a_call_that_has_not_begun_can_be_cancelled_also_where_a_worker_holds_it(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    # It takes as many as there are, and gives none back of those behind a long one.
    monkeypatch.setattr(planning, "AHEAD", 1000.0)
    monkeypatch.setattr(planning.Plan, "PATIENCE", 1000.0)
    with app.executor(threads=1) as pool, calls.let_go():
        assert pool.submit(calls.add, 1).result(timeout=20) == 1  # it knows now how long they take
        first, *others = futures = [pool.submit(calls.held, n) for n in range(20)]
        wait_until(lambda: calls.ran == [0] and others[-1].running())
        assert {future.job.state for future in futures} == {"running"}
        assert not first.cancel() and not first.job.info().cancel_requested_at
        assert others[3].cancel() and others[3].cancelled() and others[3].cancel()
        assert others[3].job.state == "cancelled" and others[3].job.info().attempt == 0
        with pytest.raises(CancelledError):
            others[3].result()
        calls.go.set()
        assert wait(futures, 20, ALL_COMPLETED).not_done == set()
        assert first.result() == 0 and not first.cancel() and not first.cancelled()
    assert calls.ran == [n for n in range(20) if n != 4]


def test_a_job_that_was_begun_once_is_not_cancelled_between_its_attempts(app: LiteQueue) -> None:
    @app.task(retries=1, backoff=60, name="again")
    def again() -> None:
        raise ValueError

    with app.executor(threads=1) as pool:
        future = pool.submit(again)
        wait_until(lambda: future.job.state == "retrying")
        assert not future.cancel() and future.job.state == "retrying"
        future.job.cancel()
        assert wait([future], 20).done == {future} and future.cancelled()


def test_shutdown_takes_no_more_and_waits_or_does_not_and_cancels_what_has_not_begun(app: LiteQueue) -> None:
    pool = app.executor(threads=1)
    futures = [pool.submit(calls.held, n) for n in range(30)]
    wait_until(lambda: calls.ran)
    pool.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(RuntimeError, match="^cannot schedule new futures after shutdown$"):
        pool.submit(calls.add, 1)
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.map(calls.add, [1])
    assert [future.cancelled() for future in futures] == [False] + [True] * 29
    assert not futures[0].done() and calls.ran == [0]
    calls.go.set()
    pool.shutdown()
    assert futures[0].result() == 0 and not app.stats().workers
    pool.shutdown()


def test_the_end_of_the_block_waits_also_after_an_exception(app: LiteQueue) -> None:
    def leave() -> None:
        with app.executor(threads=2) as pool:
            futures.extend(pool.submit(calls.nap, 0.05) for _ in range(6))
            raise LookupError

    futures: list[Future[Any]] = []
    with pytest.raises(LookupError):
        leave()
    assert all(future.done() for future in futures)


def test_ctrl_c_ends_the_block_at_once_and_the_next_executor_goes_on(app: LiteQueue) -> None:
    def leave() -> None:
        with app.executor(threads=1) as pool:
            futures.extend(pool.submit(calls.held, n) for n in range(5))
            wait_until(lambda: calls.ran)
            threading.Timer(0.05, calls.go.set).start()
            raise KeyboardInterrupt

    futures: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        leave()
    assert futures[0].result() == 0, "what had begun has the worker's grace"
    left = [future for future in futures if future.job.state == "available"]
    assert left
    for future in left:
        with pytest.raises(WorkerFailed, match=f"the executor was interrupted, before job {future.job.id} had ended, which is in the file still"):
            future.result(timeout=0)
    with app.executor(threads=1, tasks=[calls.held]) as pool:
        assert [future.job for future in pool.resumed] == [future.job for future in left]
    assert [future.result() for future in pool.resumed] == [future.job.id - 1 for future in left]
    assert sorted(calls.ran) == [0, 1, 2, 3, 4]
    with app.executor(tasks=[calls.held]) as pool:
        assert pool.resumed == []


def test_without_a_worker_of_its_own_others_run_the_calls(app: LiteQueue) -> None:
    task = app.task(name="else", queue="sums")(calls.add)
    with app.executor(threads=0) as pool:
        first = pool.submit(task, 1)
        with pytest.raises(InvalidArgument, match=r"tests\.futures\.calls\.note is a plain function, which other workers do not know: make it a task"):
            pool.submit(calls.note, 1)
        assert first.job.info().queue == "sums" and not app.stats().workers
        with app.executor(threads=0, tasks=[task, calls.note]) as second, app.worker(threads=1):
            assert second.resumed[0].result(timeout=20) == 1 == first.result(timeout=20)
            assert second.submit(calls.note, 2).result(timeout=20) == 2
            assert second.submit(task, 3).result(timeout=20) == 3
    with app.executor(threads=0) as pool:
        waiting = pool.submit(task, 5)
        assert waiting.cancel() and waiting.job.state == "cancelled"


def test_two_executors_of_one_app_stand_beside_each_other(app: LiteQueue) -> None:
    with app.executor(threads=1, queue="a") as a, app.executor(threads=1, queue="b") as b, app.executor(threads=1, queue="a") as more, calls.let_go():
        held = a.submit(calls.held, "a")
        wait_until(lambda: calls.ran)
        assert more.submit(calls.add, 0).result(timeout=20) == 0, "a worker starts with the first call"
        assert b.submit(calls.add, 1).result(timeout=20) == 1
        assert a.submit(calls.add, 2).result(timeout=20) == 2, "the third serves the same queue"
        b.shutdown()
        calls.go.set()
        assert held.result(timeout=20) == "a" and more.submit(calls.add, 3).result(timeout=20) == 3


def test_those_of_two_apps_on_one_file_do_not_take_each_others_place(app: LiteQueue) -> None:
    with LiteQueue(app.path) as other, app.executor(threads=1, queue="a") as a, other.executor(threads=1, queue="b") as b:
        assert a.submit(calls.add, 1).result(timeout=20) == 1
        assert b.submit(calls.add, 2).result(timeout=20) == 2
        assert a.submit(calls.add, 3).result(timeout=20) == 3


def test_a_map_is_in_order_all_or_nothing_and_takes_no_more_than_its_buffer(app: LiteQueue) -> None:
    with app.executor(threads=3) as pool:
        assert list(pool.map(pow, range(10), range(10), chunksize=3)) == list(map(pow, range(10), range(10)))
        assert list(pool.map(calls.add)) == [] == list(pool.map(calls.add, [], buffersize=2))
        numbers = iter(range(9))
        found = pool.map(calls.add, numbers, buffersize=2)
        assert next(numbers) == 2
        assert [next(found) for _ in range(3)] == [0, 1, 3] and next(numbers) == 6
        assert list(found) == [4, 5, 7, 8]
        endless = pool.map(calls.add, itertools.count(), itertools.count(), buffersize=3)
        assert [next(endless) for _ in range(3)] == [0, 2, 4]
        endless.close()  # type: ignore[attr-defined]
        # What makes the items may wait for other calls: it is asked before anything is written.
        assert list(pool.map(calls.add, (pool.submit(calls.add, n).result(timeout=20) for n in range(3)))) == [0, 1, 2]
        pool.map(calls.note, range(3))  # nobody takes these
        with pytest.raises(ValueError, match="^buffersize must be None or > 0$"):
            pool.map(calls.add, [1], buffersize=0)
        with pytest.raises(TypeError, match="^buffersize must be an integer or None$"):
            pool.map(calls.add, [1], buffersize="2")  # type: ignore[arg-type]
    assert sorted(calls.ran) == [0, 1, 2]


def test_a_map_that_is_not_taken_to_its_end_cancels_what_has_not_begun(app: LiteQueue) -> None:
    with app.executor(threads=1) as pool, calls.let_go():
        held = pool.submit(calls.held, "first")
        wait_until(lambda: calls.ran)
        late = pool.map(calls.note, ["second", "third"], timeout=0)
        with pytest.raises(TimeoutError):
            next(late)
        closed = pool.map(calls.note, ["fourth"])
        with pytest.raises(TimeoutError):
            held.result(timeout=0.01)
        threading.Timer(0.05, calls.go.set).start()
        failing = pool.map(calls.raises, ["ValueError", "KeyError"])
        with pytest.raises(ValueError, match="^$"):
            next(failing)
        assert next(closed) == "fourth" and held.result(timeout=20) == "first"
    assert calls.ran in (["first", "fourth", "ValueError"], ["first", "fourth", "ValueError", "KeyError"])


@pytest.mark.parametrize(("options", "error", "why"), [
    ({"max_workers": 0}, InvalidArgument, r"max_workers must be greater than 0, not 0; with threads=0 other workers run the calls"),
    ({"max_workers": -1}, ValueError, "max_workers must be greater than 0"),
    ({"max_workers": "4"}, InvalidType, "max_workers"),
    ({"max_workers": 2, "threads": 2}, InvalidArgument, "max_workers is threads: give one of them"),
    ({"threads": -1}, InvalidArgument, "threads"),
    ({"threads": 0, "processes": "two"}, InvalidType, "processes"),
    ({"initializer": print}, InvalidType, r"an executor takes no initializer: a job runs in whatever process has its code.*functools\.cache"),
    ({"initargs": (1,)}, TypeError, "an executor takes no initargs"),
    ({"max_tasks_per_child": 5}, InvalidType, "that is max_jobs_per_child here"),
    ({"thread_name_prefix": "x"}, InvalidType, "name= is what stats calls its worker"),
    ({"queues": ["a"]}, InvalidType, "it has one, queue="),
    ({"burst": True}, InvalidType, "it ends when it is shut down"),
    ({"queue": "no such name"}, InvalidArgument, "queue"),
    ({"stale": "never"}, InvalidArgument, "stale"),
    ({"workers": 3}, InvalidType, "an executor has no option 'workers'; it has max_workers, queue, tasks, threads, processes"),
    ({"tasks": [lambda: 1]}, InvalidType, "<lambda>"),
], ids=str)  # fmt: skip
def test_an_option_that_it_cannot_take_is_said_at_once(app: LiteQueue, options: dict[str, Any], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        app.executor(**options)
    assert not os.path.exists(app.path)


def test_an_executor_without_slots_for_a_call_says_so_and_one_without_calls_costs_nothing(app: LiteQueue) -> None:
    task = app.task(name="computes", pool="process")(calls.where)
    with app.executor(threads=1, processes=0, initializer=None, stale="wait") as pool, pytest.raises(InvalidArgument, match="'process', for which this executor has no slots"):  # fmt: skip
        pool.submit(task, 1)
    with app.executor():
        pass
    assert not os.path.exists(app.path)


@pytest.mark.slow
def test_plain_functions_run_in_processes_where_only_those_are_asked_for(app: LiteQueue, tmp_path: Path) -> None:
    with app.executor(processes=2) as pool:
        found = list(pool.map(calls.where, range(6)))
        assert [x for _, x in found] == list(range(6)) and os.getpid() not in {pid for pid, _ in found}
        with pytest.raises(ValueError, match="no"):
            pool.submit(calls.raises, "ValueError", "no").result(timeout=20)
        with pytest.raises(InvalidArgument, match="must be importable in another process"):
            pool.submit(pow, 2, 2)
        first, *_, last = [pool.submit(calls.nap, 0.2, str(tmp_path / f"{n}")) for n in range(6)]
        wait_until((tmp_path / "0").exists, 20)
        assert last.cancel() and last.job.info().attempt == 0
        assert not first.cancel() and first.result(timeout=20)
    assert not (tmp_path / "5").exists()


@pytest.mark.slow
def test_in_a_task_a_result_is_waited_for_as_a_jobs(app: LiteQueue) -> None:
    pool = app.executor(threads=1)

    @app.task(name="outer")
    def outer() -> Any:
        inner = pool.submit(calls.add, 20, 1)  # in the slot that this one lends
        with app.executor(threads=1, queue="other") as mine:
            return inner.result() + sum(mine.map(calls.add, [10, 11]))

    @app.task(name="coroutine")
    async def coroutine() -> Any:
        with pytest.raises(WouldDeadlock, match="write `await job`"):
            app.executor(threads=1)
        future = pool.submit(calls.add, 1)
        with pytest.raises(WouldDeadlock):
            future.result() if not future.done() else app.executor()
        return await asyncio.wrap_future(pool.submit(calls.add, 7))

    with pool:
        assert pool.submit(outer).result(timeout=20) == 42
        assert pool.submit(coroutine).result(timeout=20) == 7


def test_calls_one_after_the_other_wait_for_no_slow_look(app: LiteQueue) -> None:
    """A wake-up that is lost costs half a second."""
    with app.executor(threads=1, queue="quick") as pool:
        began = time.monotonic()
        assert [pool.submit(calls.add, n).result(timeout=20) for n in range(100)] == list(range(100))
        assert time.monotonic() - began < 10
