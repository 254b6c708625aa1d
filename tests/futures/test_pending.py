"""The thread that completes futures: whatever callbacks, workers and forks do to it."""

from __future__ import annotations

import gc
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue, WorkerFailed, subscription
from litequeue.base.errors import StorageFailed
from litequeue.worker import planning

from ..support import wait_until
from . import calls

pytestmark = pytest.mark.beside


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_a_callback_may_wait_for_another_call_submit_one_and_raise(app: LiteQueue, caplog: pytest.LogCaptureFixture) -> None:
    found: list[Any] = []

    def call_back(future: Any) -> None:
        found.append((future.result(), pool.submit(calls.add, 2).result(timeout=20), slow.result(timeout=20), threading.current_thread().name))
        raise SystemExit(3)

    with app.executor(threads=2) as pool:
        slow = pool.submit(calls.nap, 0.2)
        pool.submit(calls.add, 1).add_done_callback(call_back)
        wait_until(lambda: found)
        assert pool.submit(calls.add, 3).result(timeout=20) == 3, "the thread goes on"
    assert found == [(1, 2, os.getpid(), "litequeue-futures")]
    assert "a callback of its future raised SystemExit: 3" in caplog.text


def test_a_callback_may_cancel_a_call_that_the_worker_holds(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "AHEAD", 1000.0)
    monkeypatch.setattr(planning.Plan, "PATIENCE", 1000.0)
    found: list[Any] = []
    with app.executor(threads=2) as pool, calls.let_go():
        assert pool.submit(calls.add, 1).result(timeout=20) == 1  # it knows now how long they take
        held, first, *others = [pool.submit(calls.held, n) for n in range(10)]
        wait_until(lambda: len(calls.ran) == 2 and others[-1].running())
        others[0].add_done_callback(lambda _: found.append((others[1].cancel(), held.cancel(), first.cancel(), threading.current_thread().name)))
        assert others[0].job.cancel()
        wait_until(lambda: found)
    assert found == [(True, False, False, "litequeue-futures")]
    assert sorted(calls.ran) == [0, 1, 4, 5, 6, 7, 8, 9]


def test_a_job_that_ends_before_its_future_is_there_is_not_missed(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tells of it again; the next look of its own accord is half a minute away here."""
    monkeypatch.setattr(subscription, "SLOW_LOOK", 30.0)
    enqueue = app._client.enqueue

    def slowly(*arguments: Any) -> Any:
        made = enqueue(*arguments)
        wait_until(lambda: app.job(made[0]).done())
        looks = pool._pending._looks
        pool._pending._wake()
        wait_until(lambda: pool._pending._looks > looks)
        time.sleep(0.05)  # it listens again
        return made

    with app.executor(threads=2) as pool, calls.let_go():
        held = pool.submit(calls.held, 1)
        wait_until(lambda: calls.ran)
        monkeypatch.setattr(app._client, "enqueue", slowly)
        assert pool.submit(calls.add, 2).result(timeout=10) == 2
        calls.go.set()
        assert held.result(timeout=10) == 1


def test_two_futures_of_one_job_are_completed_both(app: LiteQueue) -> None:
    task = app.task(name="once", unique=True)(calls.held)
    with app.executor(threads=1) as pool, calls.let_go():
        first, second = pool.submit(task, 1), pool.submit(task, 1)
        assert first.job == second.job and not second.job.is_new
        calls.go.set()
        assert first.result(timeout=20) == second.result(timeout=20) == 1


def test_a_worker_that_dies_fails_what_waits_and_takes_nothing_more(app: LiteQueue) -> None:
    with app.executor(threads=1, queue="paused") as pool:
        app.pause("paused")
        future = pool.submit(calls.add, 1)
        pool._pending._worker._worker._died("scheduler", OSError("gone"))  # type: ignore[union-attr]
        with pytest.raises(WorkerFailed, match=r"the embedded worker had died: .*gone.*, before job 1 had ended, which is in the file still"):
            future.result(timeout=20)
        with pytest.raises(WorkerFailed, match="had died"):
            pool.submit(calls.add, 2)
    assert future.job.state == "available"


def test_a_file_that_cannot_be_read_for_a_while_fails_nobody_and_one_that_is_gone_does(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[Exception] = [StorageFailed("for now")]
    with app.executor(threads=0, tasks=[calls.add]) as pool:
        look = app._client.store.futures.endings

        def endings(jobs: Any) -> Any:
            if errors:
                raise errors.pop()
            return look(jobs)

        monkeypatch.setattr(app._client.store.futures, "endings", endings)
        with app.worker(threads=1):
            assert pool.submit(calls.add, 1).result(timeout=20) == 1
        waiting = pool.submit(calls.add, 2)
        errors.append(ValueError("broken"))
        with pytest.raises(WorkerFailed, match=r"the file could not be read \(broken\), before job 2 had ended"):
            waiting.result(timeout=20)


def test_an_executor_that_nobody_holds_any_more_finishes_and_its_threads_end(app: LiteQueue) -> None:
    before = set(threading.enumerate())
    results = app.executor(threads=2).map(calls.nap, [0.05] * 5)
    gc.collect()
    assert len(list(results)) == 5
    del results
    wait_until(lambda: all(thread.name == "litequeue-log" for thread in set(threading.enumerate()) - before))
    assert not app.stats().workers


def test_it_sleeps_while_there_is_nothing_to_wait_for(app: LiteQueue) -> None:
    with app.executor(threads=1) as pool:
        assert pool.submit(calls.add, 1).result(timeout=20) == 1
        wait_until(lambda: pool._pending._rests)
        looks = pool._pending._looks
        time.sleep(0.1)
        assert pool._pending._looks == looks
        assert pool.submit(calls.add, 2).result(timeout=20) == 2


def test_in_a_forks_child_it_takes_nothing_and_hangs_nobody(app: LiteQueue, tmp_path: Path) -> None:
    with app.executor(threads=1) as pool, calls.let_go():
        future, done = pool.submit(calls.held, 1), pool.submit(calls.add, 5)
        wait_until(lambda: calls.ran)
        child = os.fork()
        if child == 0:
            said = []
            for ask in (lambda: pool.submit(calls.add, 1), lambda: future.result(timeout=5)):
                try:
                    ask()
                except RuntimeError as error:
                    said.append(str(error))
            pool.shutdown()
            (tmp_path / "said").write_text("\n".join([*said, str(future.cancel()), str(done.job.get(timeout=20))]))
            os._exit(0)
        wait_until(lambda: (tmp_path / "said").exists() or calls.go.set())
        assert os.waitpid(child, 0)[1] == 0
        assert future.result(timeout=20) == 1
    said = (tmp_path / "said").read_text().splitlines()
    assert "make another here with app.executor()" in said[0]
    assert "its parent process's, and is not completed here: future.job.get() is the same" in said[1]
    assert said[2:] == ["False", "5"]
