"""An app's own functions: before and after each execution, and once a worker has written what came of it."""

from __future__ import annotations

import contextvars
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    Discard,
    InvalidArgument,
    InvalidType,
    JobCancelled,
    JobFailed,
    LiteQueue,
    SignatureMismatch,
    Snooze,
    current_job,
)
from litequeue.worker import telling

from ..support import wait_until

app = LiteQueue("unbound.sqlite")
session: contextvars.ContextVar[str] = contextvars.ContextVar("session", default="none")


@app.before_run
def note_begin(job: Any) -> None:
    session.set(f"session of {job.id}")
    note("begin", job.task.rpartition(".")[2], os.getpid())


@app.after_run
def note_end(job: Any, error: BaseException | None) -> None:
    assert session.get() == f"session of {job.id}" and current_job() is job
    note("end", job.task.rpartition(".")[2], type(error).__name__)


def note(*words: object) -> None:
    with open(f"{app.path}.notes", "a") as file:
        print(*words, file=file)


@app.task
def in_thread() -> str:
    return session.get()


@app.task(pool="process")
def in_process() -> str:
    return session.get()


@app.task
async def in_loop() -> str:
    return session.get()


@app.task(pool="process")
def failing() -> None:
    raise KeyError("no")


@pytest.fixture
def bound(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    yield app
    app.close()


@pytest.mark.slow
def test_they_are_called_where_the_task_is_in_all_pools(bound: LiteQueue) -> None:
    with bound.worker(threads=1, processes=1, async_=1):
        for task in (in_thread, in_process, in_loop):
            job = task.delay()
            assert job.get(timeout=30) == f"session of {job.id}"
        with pytest.raises(JobFailed, match="KeyError"):
            failing.delay().get(timeout=30)
    lines = Path(f"{bound.path}.notes").read_text().splitlines()
    pids = {line.split()[1]: int(line.split()[2]) for line in lines if line.startswith("begin")}
    assert pids["in_thread"] == pids["in_loop"] == os.getpid() != pids["in_process"] == pids["failing"]
    assert [line for line in lines if line.startswith("end")] == [
        "end in_thread NoneType", "end in_process NoneType", "end in_loop NoneType", "end failing KeyError",
    ]  # fmt: skip


def run(app: LiteQueue) -> None:
    with app.worker(burst=True) as worker:
        worker.join()


def test_the_last_declared_comes_last_before_and_first_after(app: LiteQueue) -> None:
    told = []
    for name in "ab":
        app.before_run(lambda job, name=name: told.append(f"before {name}"))
        app.after_run(lambda job, error, name=name: told.append(f"after {name}"))

    @app.task
    def work() -> None:
        told.append("work")

    work.delay()
    run(app)
    assert told == ["before a", "before b", "work", "after b", "after a"]


def test_what_a_before_run_raises_is_as_if_the_task_had(app: LiteQueue) -> None:
    raised: list[BaseException] = [ValueError("no session"), Snooze(0), Discard("not today")]
    after: list[BaseException | None] = []
    runs = []

    @app.before_run
    def refuse(job: Any) -> None:
        if raised:
            raise raised.pop(0)

    app.after_run(lambda job, error: after.append(error))

    @app.task(retries=1, backoff=0)
    def work() -> None:
        runs.append(1)

    first = work.delay()
    run(app)
    assert first.state == "discarded" and "not today" in str(first.info().last_error)
    assert [attempt.error_type for attempt in first.info().attempts] == ["ValueError", "Discard"]
    assert [type(error) for error in after] == [ValueError, Snooze, Discard] and not runs
    work.delay()
    run(app)
    assert runs == [1] and after[-1] is None


def test_what_an_after_run_raises_is_logged_and_changes_nothing(app: LiteQueue, caplog: pytest.LogCaptureFixture) -> None:
    others = []

    @app.after_run
    def last(job: Any, error: BaseException | None) -> None:
        others.append(error)

    @app.after_run
    def broken(job: Any, error: BaseException | None) -> None:
        raise OSError("no disk")

    @app.task
    def work() -> int:
        return 7

    job = work.delay()
    with caplog.at_level(logging.ERROR):
        run(app)
    assert job.get(timeout=0) == 7 and others == [None]
    assert "raised OSError: no disk" in caplog.text


def test_a_worker_tells_what_it_has_written(app: LiteQueue) -> None:
    told: list[tuple[str, int, str]] = []
    threads = set()
    for event in ("succeeded", "discarded", "cancelled", "retrying"):

        @app.on(event)
        def tell(job: Any, event: str = event) -> None:
            threads.add(threading.current_thread().name)
            told.append((event, job.id, job.state))

    @app.task(retries=1, backoff="1h")
    def work(how: str) -> str:
        if how == "cancel":
            wait_until(lambda: current_job().cancelled)
            raise JobCancelled(how)
        if how == "fail":
            raise ValueError(how)
        if how == "discard":
            raise Discard(how)
        return how

    good, failed, discarded, cancelled = (work.delay(how) for how in ("good", "fail", "discard", "cancel"))
    with app.worker(threads=4):
        wait_until(lambda: cancelled.state == "running")
        cancelled.cancel()
        wait_until(lambda: len(told) == 4)
    assert sorted(told) == sorted([
        ("succeeded", good.id, "succeeded"), ("retrying", failed.id, "retrying"), ("discarded", discarded.id, "discarded"),
        ("cancelled", cancelled.id, "cancelled"),
    ])  # fmt: skip
    assert threads == {"litequeue-on"}


def test_a_worker_that_ends_calls_what_still_waits(app: LiteQueue) -> None:
    slow = threading.Event()
    told = []

    @app.on("succeeded")
    def tell(job: Any) -> None:
        slow.wait(0.01)
        told.append(job.id)

    @app.task
    def work() -> None:
        pass

    jobs = work.delay_many([()] * 30)
    run(app)
    assert told == [job.id for job in jobs]


def test_what_is_called_and_raises_is_logged_and_the_others_come(app: LiteQueue, caplog: pytest.LogCaptureFixture) -> None:
    told = []

    @app.on("succeeded")
    def broken(job: Any) -> None:
        raise SystemExit("no")

    @app.on("succeeded")
    def tell(job: Any) -> None:
        told.append(job.id)

    @app.task
    def work() -> None:
        pass

    jobs = work.delay_many([()] * 2)
    with caplog.at_level(logging.ERROR):
        run(app)
    assert told == [job.id for job in jobs]
    assert caplog.text.count("what app.on('succeeded') calls raised SystemExit: no") == 2


def test_functions_that_are_too_slow_hold_up_no_job(app: LiteQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(telling, "ROOM", 2)
    monkeypatch.setattr(telling, "LAST", 0.05)
    go_on = threading.Event()
    app.on("succeeded")(lambda job: go_on.wait())

    @app.task
    def work() -> None:
        pass

    jobs = work.delay_many([()] * 10)
    with caplog.at_level(logging.WARNING):
        run(app)
    go_on.set()
    assert {job.state for job in jobs} == {"succeeded"}
    assert "ends were told to nobody" in caplog.text


@pytest.mark.parametrize("declare", [LiteQueue.before_run, LiteQueue.after_run, lambda app, f: app.on("succeeded")(f)])
def test_what_cannot_be_called_is_refused(app: LiteQueue, declare: Callable[[LiteQueue, Any], Any]) -> None:
    async def coroutine(job: Any) -> None:
        pass

    for wrong in (7, "name", in_thread, Discard):
        with pytest.raises(InvalidType, match="takes a plain function, not"):
            declare(app, wrong)
    with pytest.raises(InvalidType, match="coroutine is async def"):
        declare(app, coroutine)


def test_an_unknown_event_is_refused(app: LiteQueue) -> None:
    with pytest.raises(InvalidArgument, match="succeeded"):
        app.on("success")
    with pytest.raises(InvalidType, match='@app.on\\("succeeded"\\)'):
        app.on(print)  # type: ignore[arg-type]


def test_a_function_that_does_not_take_what_it_is_given_is_refused_where_it_is_declared(app: LiteQueue) -> None:
    """Each job of the app was discarded for it."""
    for declare, wrong, given in (
        (app.before_run, lambda: None, "job"), (app.after_run, lambda job: None, "job, error"), (app.on("discarded"), lambda a, b: None, "job"),
    ):  # fmt: skip
        with pytest.raises(SignatureMismatch, match=f"is called as function\\({given}\\)"):
            declare(wrong)
    for fine in (lambda *given: None, lambda job, error=None, more=None: None, print):
        assert app.before_run(fine) is fine and app.after_run(fine) is fine


@app.task(pool="process", timeout=0.3, retries=0)
def in_process_for_ever() -> None:
    threading.Event().wait()


def test_after_what_is_killed_at_its_timeout_nothing_is_called(bound: LiteQueue) -> None:
    """There is nobody left to call it; the guide says so."""
    job = in_process_for_ever.delay()
    with bound.worker(threads=1, processes=1):
        with pytest.raises(JobFailed, match="TaskTimeout"):
            job.get(timeout=30)
        assert in_process.delay().get(timeout=30)
    lines = Path(f"{bound.path}.notes").read_text()
    assert "begin in_process_for_ever" in lines and "end in_process_for_ever" not in lines and "end in_process " in lines
