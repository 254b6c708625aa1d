"""The front door: options, enqueueing, handles, results; with an embedded worker where one is needed."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import os
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import litequeue
from litequeue import (
    Backoff,
    InvalidArgument,
    InvalidType,
    Job,
    JobCancelled,
    JobExpired,
    JobFailed,
    JobNotFound,
    LiteQueue,
    LitequeueError,
    PayloadError,
    PayloadTooLarge,
    ResultNotStored,
    ResultTimeout,
    Retry,
    SignatureMismatch,
    Snooze,
    current_job,
)

from . import sample
from .support import FakeClock, wait_until

pytestmark = pytest.mark.beside

# -- decorating -------------------------------------------------------------------------------------


def test_decorating_does_no_io(tmp_path: Path) -> None:
    app = LiteQueue(tmp_path / "no" / "such" / "folder" / "db")

    @app.task
    def f() -> int:
        "It says so."
        return 1

    assert (f(), f.__name__, f.__doc__) == (1, "f", "It says so.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("queue", "a b"), ("queue", 5), ("pool", "gpu"), ("pool", "async"), ("priority", 1.5), ("priority", 10**9),
        ("retries", -1), ("retries", True), ("backoff", "fast"), ("retry_on", 5), ("retry_on", ("ValueError",)),
        ("give_up_on", int), ("timeout", 0), ("timeout", float("nan")), ("soft_timeout", -1), ("expires", "1 h"), ("expires", datetime(2030, 1, 1, tzinfo=UTC)),
        ("at_most_once", 1), ("result_ttl", float("inf")), ("name", "x" * 201), ("name", "a/b"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused_when_decorating_and_named(app: LiteQueue, option: str, value: Any) -> None:
    with pytest.raises((InvalidArgument, InvalidType), match=option.replace("name", "name")):
        app.task(**{option: value})(lambda: None)


def test_an_enqueue_may_ask_to_run_at_most_once_and_not_take_that_away(app: LiteQueue) -> None:
    often, once = app.task(name="often", retries=3)(print), app.task(name="once", at_most_once=True)(print)
    info = often.apply_async(at_most_once=True).info()
    assert (info.at_most_once, info.max_attempts) == (True, 1)
    assert not often.apply_async(at_most_once=False).info().at_most_once
    with pytest.raises(InvalidArgument, match="takes no retries"):
        often.apply_async(at_most_once=True, retries=1)
    with pytest.raises(InvalidArgument, match="nobody else may take that away"):
        once.apply_async(at_most_once=False)


def test_other_mistakes_when_decorating(app: LiteQueue) -> None:
    with pytest.raises(InvalidType, match="no option 'retry'.*retries"):
        app.task(retry=3)  # type: ignore[call-overload]
    with pytest.raises(InvalidArgument, match="at_most_once"):
        app.task(at_most_once=True, retries=1)(lambda: None)
    with pytest.raises(InvalidArgument, match="soft_timeout must be shorter"):
        app.task(soft_timeout=5, timeout=5)(lambda: None)
    with pytest.raises(InvalidArgument, match="lambda"):
        app.task(lambda: None)
    with pytest.raises(InvalidType, match="must be a function"):
        app.task(5)  # type: ignore[call-overload]

    def generator() -> Any:
        yield 1

    with pytest.raises(InvalidType, match="generator"):
        app.task(generator)

    async def coroutine() -> None: ...

    with pytest.raises(InvalidArgument, match="async def"):
        app.task(pool="process")(coroutine)

    def closure() -> None: ...

    with pytest.raises(InvalidArgument, match="importable"):
        app.task(pool="process")(closure)
    app.task(name="same")(closure)
    with pytest.raises(InvalidArgument, match="already a task named 'same'"):
        app.task(name="same")(coroutine)


@pytest.mark.parametrize("path", [":memory:", "", "a\0b", "file:db.sqlite?mode=memory"])
def test_what_is_no_file_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument, match="path of a file on disk"):
        LiteQueue(path)


def test_wrong_types_of_path_and_durability() -> None:
    for wrong in (5, b"db", None):
        with pytest.raises(InvalidType):
            LiteQueue(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="durability"):
        LiteQueue("x", durability="none")


def test_the_path_is_the_same_after_chdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = LiteQueue("db.sqlite")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    with app:
        app.enqueue("some.task")
    assert (tmp_path / "db.sqlite").exists()


# -- enqueueing ----------------------------------------------------------------------------------------


def count(app: LiteQueue) -> int:
    return sum(app.stats().states.values())


def test_wrong_calls_store_nothing(app: LiteQueue) -> None:
    @app.task
    def f(x: Any, *, y: Any = 1) -> None: ...

    with pytest.raises(SignatureMismatch, match="missing a required argument: 'x'"):
        f.delay()  # type: ignore[call-arg]
    with pytest.raises(SignatureMismatch, match="too many positional"):
        f.delay(1, 2)  # type: ignore[call-arg]
    with pytest.raises(SignatureMismatch, match="'z'"):
        f.delay(1, z=2)  # type: ignore[call-arg]
    with pytest.raises(PayloadError, match=r"f: argument x, args\[0\] cannot be stored"):
        f.delay(object())
    with pytest.raises(PayloadError, match=r"kwargs\['y'\]"):
        f.delay(1, y=object())
    with pytest.raises(PayloadTooLarge):
        f.delay("x" * (1 << 20))
    for options in (
        {"countdown": float("nan")}, {"countdown": -1}, {"countdown": "five"}, {"eta": datetime(2030, 1, 1)},
        {"eta": 5}, {"expires": 0}, {"expires": datetime(2030, 1, 1)}, {"priority": True}, {"queue": ""},
        {"retries": -1}, {"timeout": 0}, {"soft_timeout": 9, "timeout": 5}, {"countdown": 1, "eta": datetime.now(UTC)},
    ):  # fmt: skip
        with pytest.raises((InvalidArgument, InvalidType)):
            f.apply_async((1,), **options)
    for items in ([1], [(1,), "ab"], [(1,), ()], [{"x": 1, 5: 2}], [[1]]):
        with pytest.raises((InvalidType, SignatureMismatch)):
            f.delay_many(items)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument):
        app.enqueue("no such/name")
    assert count(app) == 0


def test_options_of_an_enqueue_override_the_tasks(app: LiteQueue) -> None:
    @app.task(queue="slow", priority=1, retries=2, timeout=60, expires=100)
    def f() -> None: ...

    plain = f.delay().info()
    assert (plain.queue, plain.priority, plain.max_attempts, plain.timeout, plain.state) == (
        "slow", 1, 3, 60.0, "available",
    )  # fmt: skip
    assert plain.expires_at is not None
    eta = datetime.now(UTC) + timedelta(hours=1)
    changed = f.apply_async(eta=eta, queue="fast", priority=9, retries=0, timeout=1, expires=eta + timedelta(hours=1))
    info = changed.info()
    assert (info.queue, info.priority, info.max_attempts, info.timeout, info.state) == ("fast", 9, 1, 1.0, "scheduled")
    assert info.run_at == eta
    assert f.apply_async(countdown=0).state == "available"
    assert f.apply_async(eta=datetime(2020, 1, 1, tzinfo=UTC)).state == "available"
    assert f.apply_async(countdown=timedelta(minutes=1)).state == "scheduled"


def test_a_job_has_not_waited_since_before_it_was_there(app: LiteQueue) -> None:
    """By an eta in the past its job was months late at once, and the doctor found something wrong."""
    before = datetime.now(UTC)
    info = app.send_task("some.task", eta=datetime(2020, 1, 1, tzinfo=UTC)).info()
    oldest = app.stats().oldest_available
    assert oldest is not None and before - timedelta(seconds=1) < oldest == info.created_at
    assert info.run_at == datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.slow
def test_delay_many_takes_tuples_and_dicts_and_streams(app: LiteQueue) -> None:
    @app.task
    def f(x: int, y: int = 0) -> None: ...

    jobs = f.delay_many([(1,), {"x": 2, "y": 3}, (4, 5)], queue="bulk")
    assert len(jobs) == 3
    assert [job.info().args for job in jobs] == ["[1]", "[]", "[4,5]"]
    assert jobs[1].info().kwargs == '{"x":2,"y":3}'
    assert jobs[-1] == app.job(jobs[0].id + 2)
    assert [job.id for job in jobs[1:]] == [jobs[1].id, jobs[2].id]
    alive = []

    def calls() -> Any:
        for n in range(20_000):
            alive.append(n)
            yield (n,)

    assert len(f.delay_many(calls())) == 20_000
    assert len(f.delay_many([])) == 0


def test_enqueue_by_name_takes_the_options_that_producers_recorded(sample_app: LiteQueue, db: Path) -> None:
    sample.known.delay(1)
    with LiteQueue(db) as stranger:
        info = stranger.enqueue("known", 5).info()
        assert (info.queue, info.priority, info.max_attempts, info.args) == ("q", 4, 3, "[5]")
        info = stranger.send_task("unknown", (1,), {"k": 2}, priority=7).info()
        assert (info.queue, info.priority, info.max_attempts, info.pool) == ("default", 7, None, "thread")
        sample.wait_once.delay("", "")
        with pytest.raises(InvalidArgument, match="at most once"):
            stranger.send_task(sample.wait_once.name, ("", ""), retries=2)
    with pytest.raises(SignatureMismatch):
        sample_app.enqueue("known")


@pytest.mark.parametrize(
    "planted", ['{"queue": 5}', '{"priority": "high"}', '{"at_most_once": null, "expires": "soon"}', "[1]", "{", '{"timeout": {}}']
)
def test_options_that_somebody_planted_are_none(sample_app: LiteQueue, db: Path, planted: str) -> None:
    sample.known.delay(1)
    sample_app.close()
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("UPDATE litequeue_tasks SET options = ?", (planted,))
    with LiteQueue(db) as stranger:
        info = stranger.enqueue("known", 5).info()
        assert (info.queue, info.priority, info.args) == ("default", 0, "[5]")


@pytest.mark.parametrize("name", [5, None, ["known"], object()])
def test_a_name_that_is_no_string_is_refused(app: LiteQueue, name: Any) -> None:
    for use in (app.enqueue, app.send_task):
        with pytest.raises(InvalidType, match="task must be a task, made by @app.task, or the name of one, not"):
            use(name)


def test_a_task_may_be_given_wherever_its_name_is_taken(app: LiteQueue, db: Path) -> None:
    @app.task(name="sum", priority=3)
    def add(x: int, y: int) -> int:
        return x + y

    with LiteQueue(db) as other:
        jobs = [app.enqueue(add, 1, y=2), app.send_task(add, (1, 2)), other.enqueue(add, 1, 2)]
        other.enqueue("another")
        assert [info.priority for info in other.jobs(task=add)] == [3, 3, 3]
        assert {info.id for info in app.jobs(task=add)} == {job.id for job in jobs}
        for wrong in (lambda: app.enqueue(add, 1), lambda: other.send_task(add, (1,))):
            with pytest.raises(SignatureMismatch):
                wrong()


def test_a_task_without_its_code_at_hand_gets_its_options_from_the_worker(app: LiteQueue, db: Path) -> None:
    @app.task(name="late", retries=1, backoff=0.01)
    async def late(x: int) -> int:
        if current_job().attempt < 2:
            raise ValueError
        return x

    with LiteQueue(db) as stranger:
        job = stranger.enqueue("late", 5)
        with app.worker(threads=1):
            assert job.get(timeout=10) == 5
    info = job.info()
    assert (info.pool, info.max_attempts, info.failures) == ("async", 2, 1)


@pytest.mark.parametrize("args", [5, "ab", b"ab"])
def test_arguments_must_be_a_sequence(app: LiteQueue, args: Any) -> None:
    @app.task
    def f(*values: Any) -> None: ...

    for use in (lambda: f.apply_async(args), lambda: app.send_task("other", args)):
        with pytest.raises(InvalidType, match="args must be"):
            use()
    with pytest.raises(InvalidType, match="kwargs must be"):
        f.apply_async((), 5)  # type: ignore[arg-type]
    assert app.stats().states == {}


def test_delay_many_names_the_item(app: LiteQueue) -> None:
    @app.task
    def f(x: Any, y: Any) -> None: ...

    for item, error in (((3,), SignatureMismatch), ((1, object()), PayloadError), (["ab"], InvalidType)):
        with pytest.raises(error, match="item 2"):
            f.delay_many([(1, 2), (1, 2), item, (1, 2)])
    assert app.stats().states == {}


def test_a_job_that_could_never_start_is_refused(app: LiteQueue) -> None:
    @app.task
    def f() -> None: ...

    @app.task(expires=1)
    def g() -> None: ...

    for use in (
        lambda: f.apply_async(countdown=60, expires=5),
        lambda: g.apply_async(countdown=60),
        lambda: app.send_task("h", countdown=60, expires=60),
    ):
        with pytest.raises(InvalidArgument, match="before it is due"):
            use()


def test_a_method_as_a_task_is_told_that_nobody_passes_self(app: LiteQueue) -> None:
    class Shop:
        @app.task
        def sell(self, item: str) -> None: ...

        @app.task
        @staticmethod
        def count(item: str) -> int:
            return len(item)

    @app.task
    def bound(self: Any, x: int) -> None: ...

    says = r"missing a required argument: '\w+'; nobody passes a task its self: make it a @staticmethod, or a function, and ask current_job"
    for wrong in (lambda: Shop().sell.delay("tea"), lambda: Shop.sell.delay(), lambda: bound.delay(1)):  # type: ignore[call-arg]
        with pytest.raises(SignatureMismatch, match=says):
            wrong()
    with pytest.raises(InvalidType, match=r"not <classmethod.*; make it a @staticmethod"):
        app.task(classmethod(lambda cls: None))  # type: ignore[call-overload]
    with app.worker(threads=1):
        assert Shop().count.delay("tea").get(timeout=10) == 3


def test_what_is_no_function_is_no_task(app: LiteQueue) -> None:
    for wrong in (functools.partial(print), object(), str):
        with pytest.raises(InvalidType, match="must be a function"):
            app.task(wrong)  # type: ignore[call-overload]
        with pytest.raises(InvalidType, match="must be a function"):
            app.task(name="n")(wrong)  # type: ignore[arg-type]


def test_why_a_job_does_not_start(app: LiteQueue, db: Path) -> None:
    @app.task(pool="thread")
    def f() -> None: ...

    job, mail = f.delay(), f.apply_async(queue="mail")
    strange = app.enqueue("strange")
    with pytest.raises(ResultTimeout, match="no worker serves this file: python -m litequeue worker"):
        job.get(timeout=0)
    app.pause("default")
    assert job.why_waiting() == "its queue default is paused"
    with app.worker(threads=0, queues=["default"], name="w"):
        wait_until(lambda: app.stats().workers)
        assert mail.why_waiting() == "no worker serves its queue mail"
        app.resume("default")
        assert job.why_waiting() == "no worker of its queue has slots for the thread pool"
    with app.worker(threads=1, name="w"):
        assert job.get(timeout=10) is None
        wait_until(lambda: any(w.unknown_tasks for w in app.stats().workers))
        with pytest.raises(ResultTimeout, match="worker w cannot run it"):
            strange.get(timeout=0.01)
        assert job.why_waiting() is None


def test_a_job_that_does_not_exist(app: LiteQueue) -> None:
    app.enqueue("x")
    job = app.job(999)
    for use in (lambda: job.state, job.done, job.info, job.cancel, job.retry, lambda: job.get(timeout=0)):
        with pytest.raises(JobNotFound, match="999"):
            use()
    with pytest.raises(InvalidArgument):
        app.job(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owner here that could be told")
def test_who_enqueues_into_another_users_file_is_told_of_it_once(
    app: LiteQueue, db: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> list[str]:
        return [record.getMessage() for record in caplog.records]

    app.enqueue("mine")
    assert said() == []
    if os.geteuid() == 0:
        os.chown(db, 54_321, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    with LiteQueue(db) as other:
        other.stats()
        assert said() == []
        other.enqueue("t", "a secret")
        other.enqueue("t", "another")
        other.schedules.add("s", "t", every=60)
    (line,) = said()
    assert line.startswith(f"{db} belongs to another user (uid ")


# -- running, with an embedded worker -------------------------------------------------------------------------


def test_the_first_thing_a_newcomer_does(app: LiteQueue) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    job = add.delay(4, 4)
    with pytest.raises(ResultTimeout, match="no worker serves this file"):
        job.get(timeout=0.01)
    assert not job.done() and not job.wait(timeout=0)
    with app.worker(threads=2):
        assert job.get(timeout=10) == 8
        assert job.get() == 8  # reading does not consume it
        assert add.delay(1, y=2).get(timeout=10) == 3
    assert job.done() and job.wait() and job.state == "succeeded"
    info = job.info()
    assert (info.attempt, info.failures, info.result, info.attempts) == (1, 0, "8", ())
    assert info.worker and info.started_at and info.finished_at and info.created_at <= info.started_at


def test_every_value_arrives_as_it_was_sent(app: LiteQueue) -> None:
    @app.task
    def echo(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    args = ((1, (2,)), {1: {2}}, b"\0", datetime.now(UTC), 10**5000, "\ud800", {"$tuple": 1}, None)
    with app.worker(threads=1):
        assert echo.delay(*args, k=(1,)).get(timeout=10) == (args, {"k": (1,)})


def test_a_failure_carries_its_type_message_and_traceback(app: LiteQueue) -> None:
    @app.task
    def fail() -> None:
        raise ValueError("boom")

    class Odd(Exception):
        pass

    @app.task
    def odd() -> None:
        raise Odd("strange")

    with app.worker(threads=1):
        with pytest.raises(JobFailed, match="ValueError: boom") as caught:
            fail.delay().get(timeout=10)
        with pytest.raises(JobFailed) as other:
            odd.delay().get(timeout=10)
    assert (caught.value.type, caught.value.message) == ("ValueError", "boom")
    assert "in fail" in caught.value.traceback
    assert isinstance(caught.value.__cause__, ValueError) and str(caught.value.__cause__) == "boom"
    assert other.value.__cause__ is None and other.value.type.endswith("Odd")
    (attempt,) = app.job(caught.value.job_id).info().attempts
    assert (attempt.attempt, attempt.outcome, attempt.error_type) == (1, "failed", "ValueError")


def test_a_key_error_comes_back_with_its_key(app: LiteQueue) -> None:
    @app.task
    def fail(key: str) -> None:
        raise KeyError(key)

    with app.worker(threads=1):
        for key in ("x", "it's"):
            with pytest.raises(JobFailed) as caught:
                fail.delay(key).get(timeout=10)
            assert isinstance(caught.value.__cause__, KeyError) and caught.value.__cause__.args == (key,)


def test_none_is_a_result_and_an_unstorable_one_says_so(app: LiteQueue) -> None:
    runs = []

    @app.task
    def nothing() -> None: ...

    @app.task(retries=3)
    def thing() -> object:
        runs.append(1)
        return object()

    with app.worker(threads=1):
        assert nothing.delay().get(timeout=10) is None
        job = thing.delay()
        with pytest.raises(ResultNotStored, match="object is not supported"):
            job.get(timeout=10)
    assert job.state == "succeeded" and runs == [1]


def test_retries_back_off_and_stop(app: LiteQueue) -> None:
    seen: list[tuple[int, int, int]] = []

    @app.task(retries=2, backoff=[0.01, 0.02])
    def flaky(good: int) -> str:
        job = current_job()
        seen.append((job.attempt, job.retries_left, len(job.errors)))
        if job.attempt < good:
            raise ConnectionError("not yet")
        return "fine"

    with app.worker(threads=1):
        assert flaky.delay(3).get(timeout=10) == "fine"
        with pytest.raises(JobFailed, match="not yet"):
            flaky.delay(99).get(timeout=10)
    assert seen == [(1, 2, 0), (2, 1, 1), (3, 0, 2)] * 2


@pytest.fixture
def short_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a broken backoff falls back on, which else is up to a second and more."""
    monkeypatch.setattr("litequeue.base.backoff.DEFAULT", Backoff(base=0.01))


@pytest.mark.usefixtures("short_default")
def test_retry_on_give_up_on_and_the_functions_form_of_backoff(app: LiteQueue) -> None:
    asked: list[tuple[int, str]] = []

    def backoff(attempt: int, error: BaseException) -> float:
        asked.append((attempt, type(error).__name__))
        if len(asked) == 2:
            raise ZeroDivisionError  # a broken backoff falls back on the default
        return 0.001

    @app.task(retries=2, backoff=backoff, retry_on=(OSError, ValueError), give_up_on=FileNotFoundError)
    def f(kind: str) -> None:
        raise {"os": OSError, "missing": FileNotFoundError, "type": TypeError}[kind]("x")

    with app.worker(threads=1):
        jobs = {kind: f.delay(kind) for kind in ("missing", "type", "os")}
        assert all(job.wait(timeout=20) for job in jobs.values())
    assert {kind: job.info().attempt for kind, job in jobs.items()} == {"missing": 1, "type": 1, "os": 3}
    assert asked == [(1, "OSError"), (2, "OSError")]


def test_signals_that_a_task_raises(app: LiteQueue) -> None:
    @app.task(retries=1)
    def again() -> int:
        if current_job().attempt == 1:
            raise Retry("later", delay=0.01)
        return current_job().attempt

    @app.task
    def nap() -> int:
        if current_job().attempt < 3:
            raise Snooze("5ms")
        return current_job().attempt

    @app.task(retries=9)
    def give_up() -> None:
        raise litequeue.Discard("no use")

    with app.worker(threads=1):
        assert again.delay().get(timeout=10) == 2
        job = nap.delay()
        assert job.get(timeout=10) == 3
        lost = give_up.delay()
        with pytest.raises(JobFailed, match="no use"):
            lost.get(timeout=10)
    assert job.info().failures == 0
    assert lost.info().attempt == 1


def test_current_job_is_known_inside_only_and_context_does_not_leak(app: LiteQueue) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("v", default="clean")

    @app.task(timeout=50)
    def look() -> tuple[int, str, str, bool]:
        before = variable.get()
        variable.set("dirty")
        job = current_job()
        assert job.deadline is not None and job.deadline > datetime.now(UTC)
        return job.id, job.task, before, job.cancelled

    with pytest.raises(LookupError):
        current_job()
    with app.worker(threads=1):
        for _ in range(3):
            job = look.delay()
            assert job.get(timeout=10) == (job.id, look.name, "clean", False)


def test_priorities_and_queues(app: LiteQueue) -> None:
    order: list[str] = []

    @app.task
    def f(label: str) -> None:
        order.append(label)

    f.apply_async(("low",), priority=-5)
    f.apply_async(("normal",))
    f.apply_async(("high",), priority=5)
    f.apply_async(("elsewhere",), queue="other", priority=99)
    with app.worker(threads=1, queues=["default"], burst=True) as worker:
        assert worker.join(10)
    assert order == ["high", "normal", "low"]
    assert app.stats().queues["other"] == {"available": 1}


def test_a_paused_queue_waits_and_resume_wakes_it(app: LiteQueue) -> None:
    @app.task
    def f() -> str:
        return "ran"

    app.pause("default")
    with app.worker(threads=1):
        job = f.delay()
        assert not job.wait(timeout=0.1)
        assert app.stats().paused == ("default",)
        app.resume("default")
        assert job.get(timeout=10) == "ran"


def test_cancel_of_a_waiting_and_of_a_running_job(app: LiteQueue) -> None:
    started = threading.Event()

    @app.task
    def cooperative() -> None:
        started.set()
        while not current_job().cancelled:
            time.sleep(0.002)
        raise JobCancelled("as asked")

    @app.task
    async def coroutine() -> None:
        started.set()
        await asyncio.sleep(60)

    waiting = cooperative.apply_async(countdown=60)
    assert waiting.cancel() and not waiting.cancel()
    with pytest.raises(JobCancelled):
        waiting.get(timeout=1)
    with app.worker(threads=1):
        for task in (cooperative, coroutine):
            started.clear()
            job = task.delay()
            assert started.wait(10)
            assert job.cancel()
            with pytest.raises(JobCancelled):
                job.get(timeout=10)
            assert job.state == "cancelled"


def test_a_full_worker_still_hears_a_cancel(app: LiteQueue) -> None:
    started = threading.Event()

    @app.task
    def hold() -> None:
        started.set()
        while not current_job().cancelled:
            time.sleep(0.002)
        raise JobCancelled

    with app.worker(threads=1, processes=0, async_=0):
        job, behind = hold.delay(), hold.delay()
        assert started.wait(10)
        assert job.cancel() and behind.cancel()
        assert job.wait(timeout=10) and behind.wait(timeout=10)


def test_retrying_a_final_job_runs_it_again_with_its_history(app: LiteQueue) -> None:
    @app.task
    def f() -> str:
        if current_job().attempt == 1:
            raise ValueError("first")
        return "second"

    with app.worker(threads=1):
        job = f.delay()
        assert job.wait(timeout=10) and job.state == "discarded"
        assert job.retry()
        assert job.get(timeout=10) == "second"
    assert [a.error_message for a in job.info().attempts] == ["first"]


@pytest.mark.slow
def test_an_expired_job_is_never_started(app: LiteQueue) -> None:
    @app.task
    def f() -> None: ...

    job = f.apply_async(expires=0.001)
    time.sleep(0.002)
    with app.worker(threads=1), pytest.raises(JobExpired):
        job.get(timeout=10)


def test_await_does_not_block_the_loop(app: LiteQueue) -> None:
    @app.task
    def slow(n: int) -> int:
        time.sleep(0.01)
        return n

    async def main() -> list[int]:
        return list(await asyncio.gather(*(slow.delay(n) for n in range(10))))

    with app.worker(threads=4):
        assert asyncio.run(main()) == list(range(10))


@pytest.mark.slow
def test_a_task_enqueues_tasks(app: LiteQueue) -> None:
    @app.task
    def leaf(n: int) -> int:
        return n

    @app.task
    def tree(n: int) -> list[int]:
        return [leaf.delay(n * 10 + i).id for i in range(10)]

    with app.worker(threads=4):
        branches = [tree.delay(n) for n in range(10)]
        leaves = [app.job(i) for branch in branches for i in branch.get(timeout=20)]
        assert sorted(job.get(timeout=20) for job in leaves) == list(range(100))


def test_registered_types_travel(app: LiteQueue) -> None:
    from .payload.test_payload import Colour, Money

    app.register_type(Colour)
    app.register_type(Money, lambda m: m.cents, Money)

    @app.task
    def f(colour: Colour, money: Money) -> tuple[Colour, int]:
        return colour, money.cents

    with app.worker(threads=1):
        assert f.delay(Colour.RED, Money(5)).get(timeout=10) == (Colour.RED, 5)


@pytest.mark.slow
def test_a_timeout_ends_each_kind_of_attempt(app: LiteQueue) -> None:
    @app.task(timeout=0.1)
    def thread() -> None:
        while True:
            time.sleep(0.002)

    @app.task(timeout=0.1)
    async def coroutine() -> None:
        await asyncio.sleep(60)

    with app.worker(threads=1):
        for task in (thread, coroutine):
            with pytest.raises(JobFailed, match=r"TaskTimeout: still running after 0\.1 s"):
                task.delay().get(timeout=10)


@pytest.mark.slow
def test_a_timed_out_enqueue_leaves_the_write_lock_free(app: LiteQueue) -> None:
    """SoftTimeout waits until the task is outside litequeue: raised inside, it would keep the lock."""
    from litequeue.store.file.gate import borrow, give_back

    @app.task
    def other() -> None: ...

    started, shut = threading.Event(), threading.Event()

    @app.task(timeout=0.2)
    def enqueues() -> None:
        started.set()
        shut.wait(10)
        other.delay()
        for _ in range(1_000):  # until its timeout comes, where that was held up, too
            time.sleep(0.01)

    with app.worker(threads=2):
        other.delay().get(timeout=10)
        job = enqueues.delay()
        gate = borrow(app.path)
        assert started.wait(10)
        gate.acquire(5)
        shut.set()
        time.sleep(0.5)  # the task waits for the gate when its timeout passes
        gate.release()
        give_back(gate)
        with pytest.raises(JobFailed, match="TaskTimeout"):
            job.get(timeout=10)
        assert other.delay().get(timeout=10) is None


def test_jobs_and_stats(app: LiteQueue) -> None:
    for n in range(5):
        app.send_task("t", (n,), queue=f"q{n % 2}")
    assert [info.id for info in app.jobs(limit=2)] == [5, 4]
    assert [info.id for info in app.jobs(before=4, queue="q0")] == [3, 1]
    assert [info.id for info in app.jobs(task="t", state="available")] == [5, 4, 3, 2, 1]
    assert app.jobs(state="discarded") == []
    for wrong in ({"state": "x"}, {"limit": 0}, {"before": 2**70}, {"queue": "'; DROP"}):
        with pytest.raises(InvalidArgument):
            app.jobs(**wrong)  # type: ignore[arg-type]
    assert app.stats().states == {"available": 5}


def test_an_injected_clock_decides_when_a_job_is_due(db: Path, clock: FakeClock) -> None:
    with LiteQueue(db, clock=clock) as app:
        info = app.send_task("t", countdown=10).info()
        assert info.run_at == info.created_at + timedelta(seconds=10)
        assert info.created_at.timestamp() == clock.now() / 1_000_000


def test_every_error_is_of_the_family_and_public(app: LiteQueue) -> None:
    for name in litequeue.__all__:
        assert getattr(litequeue, name).__name__ == name or callable(getattr(litequeue, name))
        value = getattr(litequeue, name)
        if isinstance(value, type) and issubclass(value, Exception):
            assert issubclass(value, LitequeueError)
    assert set(litequeue.__all__) == {
        n for n, v in vars(litequeue).items() if callable(v) and not n.startswith("_")
    } | set(litequeue._LATER)
    with pytest.raises(AttributeError):
        litequeue.NoSuchName  # noqa: B018
    assert isinstance(Backoff(), Backoff) and Job


@pytest.mark.usefixtures("short_default")
def test_a_wrong_delay_and_a_broken_backoff_are_told(app: LiteQueue, caplog: pytest.LogCaptureFixture) -> None:
    @app.task(retries=1, backoff=lambda attempt, error: "soon")
    def broken() -> None:
        raise ValueError("v")

    @app.task
    def negative() -> None:
        raise Retry(delay=-1)

    @app.task
    def hopeless() -> None:
        raise Retry("once more")

    with pytest.raises(InvalidArgument, match=r"\(attempt, exception\)"):
        app.task(backoff=lambda attempt: 1)(lambda: None)
    with app.worker(threads=1):
        with pytest.raises(JobFailed, match=r"Retry\(delay\) must be"):
            negative.delay().get(timeout=10)
        with pytest.raises(JobFailed, match=r"once more; no attempts were left \(retries=0\)"):
            hopeless.delay().get(timeout=10)
        broken.delay().wait(timeout=10)
    assert "its backoff function failed, and the default is used" in caplog.text
