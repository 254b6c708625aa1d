"""Draining, and time: each feature of the queue by a test that drains it, as its users' tests do."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from litequeue import (
    Backoff,
    Discard,
    EventTimeout,
    InvalidArgument,
    InvalidType,
    JobFailed,
    JobInfo,
    LiteQueue,
    Replace,
    Retry,
    Snooze,
    WouldDeadlock,
    chord,
    current_job,
    group,
)
from litequeue.testing import Kit, testing
from litequeue.testing import failures as module

pytestmark = pytest.mark.beside


@pytest.fixture
def seen() -> list[Any]:
    """What the tasks of a test have done."""
    return []


def states(app: LiteQueue) -> list[str]:
    return [info.state for info in reversed(app.jobs())]


# -- draining ----------------------------------------------------------------------------------------------


def test_a_drain_runs_what_is_due_and_what_that_enqueues(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    @app.task(name="count")
    def count(n: int) -> int:
        seen.append(n)
        if n:
            count.delay(n - 1)
        return n

    job, later = count.delay(3), count.apply_async((9,), countdown="1m")
    assert seen == [], "nothing runs by itself"
    assert (queue.drain(), seen, job.get(timeout=0), later.state) == (4, [3, 2, 1, 0], 3, "scheduled")
    assert queue.drain() == 0


def test_the_order_is_the_workers(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    @app.task(name="first")
    def first(n: int) -> None:
        seen.append(n)
        if n == 3:
            first.apply_async((4,), priority=9)

    @app.task(name="second")
    async def second(n: int) -> None:
        seen.append(n)

    for task, n, priority in ((first, 1, 0), (second, 2, 0), (first, 3, 5), (second, 0, 5)):
        task.apply_async((n,), priority=priority)
    queue.drain()
    assert seen == [3, 4, 0, 1, 2]


def test_a_drain_raises_the_exception_of_the_first_job_that_was_discarded_once_all_have_run(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    @app.task(name="divide")
    def divide(x: int, y: int) -> float:
        seen.append(x)
        return x / y

    jobs = [divide.delay(x, 0) for x in range(2)] + [divide.delay(2, 1)]
    with pytest.raises(ZeroDivisionError) as raised:
        queue.drain()
    assert seen == [0, 1, 2]
    assert raised.value.__notes__ == ["job 1 divide was discarded at attempt 1, and 1 more were discarded: see queue.failed"]
    assert [entry.name for entry in raised.traceback][-1] == "divide"
    assert not [entry.path for entry in raised.traceback if "/pools/" in str(entry.path)]
    assert [info.id for info in queue.failed] == [1, 2]
    assert queue.drain() == 0, "it was said once"
    divide.delay(3, 0)
    assert queue.drain(check=False) == 1
    assert queue.drain() == 0, "and that was told of too"
    assert [type(info) for info in queue.failed] == [JobInfo] * 3
    jobs[0].retry()
    with pytest.raises(ZeroDivisionError):
        queue.drain()  # it has failed anew


def test_what_has_no_exception_of_its_own_is_a_failed_job(app: LiteQueue, queue: Kit) -> None:
    app.task(name="leave")(lambda: sys.exit(3)).delay()
    with pytest.raises(JobFailed, match="SystemExit: 3"):
        queue.drain()
    app.task(name="generator")(lambda: (n for n in "ab")).delay()
    with pytest.raises(JobFailed, match="returned a generator"):
        queue.drain()


def test_a_job_without_code_here_stays_for_whoever_has_it(app: LiteQueue, queue: Kit) -> None:
    app.enqueue("another.service", 1)
    assert queue.drain() == 0
    queue.assert_enqueued("another.service", args=(1,))


def test_no_command_is_run_and_no_mail_is_sent(app: LiteQueue, queue: Kit, tmp_path: Any) -> None:
    app.task(name="fails")(lambda: 1 / 0)
    app.schedules.add("s", "fails", every="1h", on_failure=f"touch {tmp_path}/ran", mail_to="root")
    queue.advance("1h", check=False)
    assert len(queue.failed) == 1
    assert len(queue.enqueued("litequeue.command")) == 2
    queue.advance("1d", check=False)
    assert not (tmp_path / "ran").exists()


def test_what_a_function_of_the_app_enqueues_after_an_end_is_run_too(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    task = app.task(name="t")(seen.append)
    app.on("succeeded")(lambda job: task.delay(job.id + 1) if job.id < 3 else None)
    task.delay(1)
    assert (queue.drain(), seen) == (3, [1, 2, 3])


def test_a_task_of_another_app_does_not_go_into_that_ones_file(queue: Kit, tmp_path: Any) -> None:
    with LiteQueue(tmp_path / "production.sqlite") as other:
        task = other.task(name="t")(lambda: None)
        with pytest.raises(InvalidArgument, match=r"t is a task of another app, on .*production\.sqlite"):
            queue.run(task)
        with pytest.raises(InvalidArgument, match="of another app"), queue.job(task):
            pass
    assert not (tmp_path / "production.sqlite").exists()


def test_jobs_that_come_to_no_end_are_an_error(app: LiteQueue, queue: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    @app.task(name="again")
    def again() -> None:
        again.delay()

    monkeypatch.setattr(module, "MOST", 20)
    again.delay()
    with pytest.raises(AssertionError, match="20 jobs have run without any time passing, the last one of again: does it enqueue itself"):
        queue.drain()


def test_a_job_drains_nothing(app: LiteQueue, queue: Kit) -> None:
    app.task(name="drains")(lambda: queue.drain()).delay()
    with pytest.raises(InvalidArgument, match="is being run already: drain"):
        queue.drain()


def test_app_functions_are_called_as_by_a_worker(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    app.before_run(lambda job: seen.append(("before", job.task)))
    app.after_run(lambda job, error: seen.append(("after", job.task, repr(error))))
    app.on("succeeded")(lambda job: seen.append(("on", job.get(timeout=0))))
    app.on_discarded(app.task(name="told")(lambda job: seen.append(("told", job["task"]))))
    app.task(name="good")(lambda: 8).delay()
    app.task(name="bad")(lambda: 1 / 0).delay()
    queue.drain(check=False)
    assert seen == [
        ("before", "good"), ("after", "good", "None"), ("on", 8), ("before", "bad"), ("after", "bad", "ZeroDivisionError('division by zero')"),
        ("before", "told"), ("told", "bad"), ("after", "told", "None"), ("on", None),
    ]  # fmt: skip


# -- failures that are retried, and time -------------------------------------------------------------------


def test_retries_come_after_their_backoff(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    @app.task(name="flaky", retries=3, backoff=Backoff(base=60, factor=2, jitter=False))
    def flaky() -> str:
        seen.append(queue.now)
        if current_job().attempt < 3:
            raise ConnectionError("no")
        return "done"

    job = flaky.delay()
    assert (queue.drain(), job.state) == (1, "retrying"), "which is no failure of the drain"
    assert queue.advance(59) == 0
    assert (queue.advance(2), job.state) == (1, "retrying")
    assert (queue.advance("2m"), job.get(timeout=0)) == (1, "done")
    assert timedelta(minutes=3) <= seen[2] - seen[0] < timedelta(minutes=3, seconds=5)
    assert len(job.info().attempts) == 2


def test_the_last_attempt_fails_the_drain(app: LiteQueue, queue: Kit) -> None:
    app.task(name="never", retries=2)(lambda: 1 / 0).delay()
    queue.drain()
    with pytest.raises(ZeroDivisionError):
        queue.advance("1h")
    assert [info.failures for info in queue.failed] == [3]


def test_signals_steer_a_job(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    @app.task(name="steered", retries=1)
    def steered(signal: str) -> str:
        seen.append((signal, current_job().attempt))
        if current_job().attempt == 1:
            raise {"snooze": Snooze("10m"), "retry": Retry(delay="20m"), "discard": Discard("why"), "replace": Replace(other.s("other"))}[signal]
        return signal

    other = app.task(name="other")(lambda text: text.upper())
    jobs = [steered.delay(signal) for signal in ("snooze", "retry", "replace")]
    assert (queue.drain(), queue.advance("1h")) == (4, 2)
    assert [job.get(timeout=0) for job in jobs] == ["snooze", "retry", "OTHER"]
    steered.delay("discard")
    with pytest.raises(Discard, match="why"):
        queue.drain()


def test_time_stands_where_it_was_put(app: LiteQueue, queue: Kit) -> None:
    began = queue.now
    for step in ("1h30m", timedelta(minutes=30), 3600):
        queue.advance(step)
    queue.advance(days=2, minutes=0.5)
    assert timedelta(days=2, hours=3, seconds=30) <= queue.now - began < timedelta(days=2, hours=3, seconds=40)
    at = queue.now + timedelta(hours=1)
    job = app.task(name="t")(lambda: None).apply_async(eta=at)
    queue.advance(minutes=59)
    assert job.state == "scheduled"
    queue.advance(minutes=1)
    assert (job.state, at <= job.info().started_at < at + timedelta(seconds=10)) == ("succeeded", True)  # type: ignore[operator]


def test_what_is_no_length_of_time_is_refused(app: LiteQueue, queue: Kit) -> None:
    for wrong in ((), ("1h", {"days": 1}), ("tomorrow",), (-1,), ({"fortnights": 1},)):
        given = [item for item in wrong if not isinstance(item, dict)]
        parts = next((item for item in wrong if isinstance(item, dict)), {})
        with pytest.raises((InvalidArgument, InvalidType), match="advance"):
            queue.advance(*given, **parts)


def test_each_job_runs_at_its_own_time(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    start = queue.now

    @app.task(name="at")
    def at(minutes: int) -> None:
        seen.append((minutes, round((queue.now - start) / timedelta(minutes=1))))
        if minutes == 10:
            at.apply_async((15,), countdown="5m")

    for minutes in (30, 10, 20):
        at.apply_async((minutes,), countdown=60 * minutes)
    assert queue.advance("1h") == 4
    assert seen == [(10, 10), (15, 15), (20, 20), (30, 30)]


def test_a_job_expires_where_nobody_works(app: LiteQueue, queue: Kit) -> None:
    task = app.task(name="t", expires="1h")(lambda: None)
    job = task.delay()
    assert queue.advance("2h", run=False) == 0
    assert job.state == "available"
    assert (queue.drain(), job.state, queue.failed) == (0, "expired", [])
    app.pause("default")
    job = task.delay()
    queue.advance("2h")
    assert job.state == "expired"


# -- schedules ---------------------------------------------------------------------------------------------


def test_declared_schedules_fire_at_their_times(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    @app.cron("0 3 * * *", timezone="Europe/Berlin")
    @app.task(name="nightly")
    def nightly() -> None:
        seen.append(current_job().scheduled_for)

    @app.every("6h", name="feeds")
    @app.task(name="refresh")
    def refresh() -> None:
        seen.append("feeds")

    queue.drain()  # a worker has come, and with it the schedules
    assert {info.name for info in app.schedules.list()} == {"nightly", "feeds"}
    queue.advance(days=3)
    ticks = [tick for tick in seen if tick != "feeds"]
    assert len(ticks) == 3 and {b - a for a, b in itertools.pairwise(ticks)} <= {timedelta(hours=h) for h in (23, 24, 25)}
    assert seen.count("feeds") == 12
    assert {tick.outcome for tick in app.schedules.ticks("feeds")} == {"fired"}


def test_ticks_while_nobody_worked_are_caught_up_as_the_schedule_says(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    app.task(name="t")(lambda: seen.append(current_job().scheduled_for))
    app.schedules.add("latest", "t", every="1h", grace="1d")
    app.schedules.add("all", "t", every="1h", catch_up="all", grace="1d")
    queue.advance("5h30m", run=False)
    queue.drain()
    assert [tick.outcome for tick in app.schedules.ticks("latest")] == ["late", *["skipped"] * 4]
    assert (len(seen), [tick.outcome for tick in app.schedules.ticks("all")]) == (6, ["late"] * 5)


def test_a_schedule_that_counts_from_the_end_of_its_job_goes_on(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    from litequeue import Every

    app.task(name="t")(lambda: seen.append(queue.now))
    app.schedules.add("s", "t", trigger=Every("10m", after="finish"))
    queue.advance("35m")
    assert len(seen) == 3


# -- what the store does -----------------------------------------------------------------------------------


def test_workflows(app: LiteQueue, queue: Kit) -> None:
    add = app.task(name="add")(lambda x, y=0: x + y)
    total = app.task(name="total")(sum)
    chained = (add.s(1, 2) | add.s(3) | add.s(4)).delay()
    grouped = chord(group(add.s(n, n) for n in range(4)), total.s()).delay()
    after = add.apply_async((1,), after=[grouped], countdown="1h")
    assert queue.drain() == 3 + 5
    assert (chained.get(timeout=0), grouped.get(timeout=0), after.state) == (10, 12, "scheduled")
    queue.advance("1h")
    assert after.state == "succeeded"
    broken = (add.s(1, "x") | add.s(1)).delay()
    with pytest.raises(TypeError):
        queue.drain()
    assert (broken.done(), states(app)[-2:]) == (True, ["discarded", "cancelled"])


def test_callbacks_and_batches(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    note = app.task(name="note")(seen.append)
    work = app.task(name="work", on_success=note.s())(lambda n: 8 // n)
    with app.batch(on_success=note.si("all"), on_failure=note.si("some failed"), on_end=note.si("over")):
        work.delay(2)
        work.delay(0)
    with pytest.raises(ZeroDivisionError):
        queue.drain()
    assert sorted(map(str, seen)) == ["4", "over", "some failed"]


def test_unique_jobs_and_debounced_ones(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    unique = app.task(name="unique", unique=True)(seen.append)
    assert unique.delay(1) == unique.delay(1)
    debounced = app.task(name="debounced", debounce="1m", unique="one")(seen.append)
    debounced.delay(2)
    queue.advance("30s")
    debounced.delay(3)
    queue.advance("45s")
    assert seen == [1]
    queue.advance("15s")
    assert seen == [1, 3]


def test_limits_and_rates(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    one = app.task(name="one", max_running=1)(lambda: seen.append(len(app.jobs(state="running"))))
    one.delay_many([()] * 5)
    assert (queue.drain(), seen) == (5, [1] * 5)
    rated = app.task(name="rated", rate="2/m")(lambda: seen.append(queue.now))
    rated.delay_many([()] * 5)
    assert queue.drain() == 2
    queue.advance("10m")
    assert len(seen) == 10
    assert min(c - a for a, c in zip(seen[5:], seen[7:], strict=False)) >= timedelta(minutes=1)


def test_steps_sleep_and_wait_for_events(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    @app.task(name="order")
    def order() -> str:
        job = current_job()
        number = job.step("charge", lambda: seen.append("charged") or 7)  # type: ignore[func-returns-value]
        job.sleep("1d")
        paid = job.wait_for("paid", timeout="2d")
        return f"{number} {paid}"

    job = order.delay()
    queue.drain()
    assert ([step.name for step in job.steps()], job.state) == (["charge", "sleep"], "scheduled")
    queue.advance(days=1)
    app.emit("paid", "in full")
    queue.drain()
    assert (job.get(timeout=0), seen) == ("7 in full", ["charged"])
    waits = app.task(name="waits", retries=0)(lambda: current_job().wait_for("other", timeout="2d")).delay()
    assert (queue.advance(days=1), waits.state) == (1, "scheduled")
    with pytest.raises(EventTimeout, match="no event 'other' came in time"):
        queue.advance(days=2)


def test_transactions(app: LiteQueue, queue: Kit) -> None:
    @app.task(name="book")
    def book(n: int) -> None:
        with current_job().transaction() as db:
            db.execute("INSERT INTO books VALUES (?)", (n,))
            db.result = n

    with app.transaction() as db:
        db.execute("CREATE TABLE books (n)")
        job = book.delay(1)
        queue.refute_enqueued("nothing")
    with contextlib.suppress(KeyError), app.transaction():
        book.delay(2)
        raise KeyError
    queue.advance(days=1)
    assert job.get(timeout=0) == 1
    with contextlib.closing(sqlite3.connect(app.path)) as connection:
        assert connection.execute("SELECT n FROM books").fetchall() == [(1,)]
        with app.using(connection):
            book.delay(3)
        connection.commit()
    assert queue.drain() == 1


def test_cancelled_jobs_are_not_run(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    task = app.task(name="t")(seen.append)
    later = task.apply_async((2,), countdown=60)
    app.task(name="cancels")(lambda: (later.cancel(), app.job(3).cancel())).delay()
    task.delay(3)
    queue.advance("1h")
    assert (seen, states(app)) == ([], ["cancelled", "succeeded", "cancelled"])


# -- one job -----------------------------------------------------------------------------------------------


def test_run_runs_one_call_as_a_job_and_nothing_else(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    @app.task(name="task")
    def task(n: int, *, more: tuple[int, ...] = ()) -> Any:
        seen.append(n)
        task.delay(n + 1)
        return current_job().id, more

    @app.task(name="co")
    async def co() -> None:
        seen.append("co")

    task.apply_async((0,), priority=100)
    co.delay()
    assert queue.run(task, 5, more=(1, 2)) == (3, (1, 2))
    assert seen == [5]
    assert states(app) == ["available", "available", "succeeded", "available"]
    queue.run(co)
    assert seen == [5, "co"]


def test_run_raises_what_the_task_raised_whatever_is_left_of_its_attempts(app: LiteQueue, queue: Kit) -> None:
    @app.task(name="flaky", retries=2)
    def flaky() -> None:
        raise ConnectionError("no")

    with pytest.raises(ConnectionError) as raised:
        queue.run(flaky)
    assert raised.value.__notes__ == ["job 1 is retrying"]
    assert queue.drain() == 0
    with pytest.raises(ConnectionError):
        queue.advance("1h")
    fails = app.task(name="fails")(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        queue.run(fails)
    assert queue.drain() == 0, "it is not told twice"
    with pytest.raises(TypeError, match="missing a required argument"):
        queue.run(app.task(name="takes")(lambda x: x))  # type: ignore[call-arg]
    with pytest.raises(InvalidType, match=r"queue\.run takes a task, made by @app\.task, not function"):
        queue.run(test_transactions)  # type: ignore[arg-type]


def test_run_says_where_a_job_has_not_ended_or_cannot_begin(app: LiteQueue, queue: Kit) -> None:
    @app.task(name="snoozes")
    def snoozes() -> None:
        raise Snooze("1h")

    with pytest.raises(AssertionError, match=r"snoozes\(\), job 1, scheduled, due in 1h: the job has not ended, and queue\.advance"):
        queue.run(snoozes)
    app.pause("default")
    with pytest.raises(AssertionError, match=r"snoozes\(\), job 2, available cannot run now: .*paused"):
        queue.run(snoozes)


def test_a_function_that_asks_for_its_job_is_called_by_itself(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    @app.task(name="export", retries=4, queue="slow", timeout="1h")
    def export(path: str) -> int:
        job = current_job()
        seen.append((job.attempt, job.retries_left, job.queue, [error.type for error in job.errors], job.cancelled, job.scheduled_for))
        job.meta["path"] = path
        return job.step("size", len, path)  # type: ignore[no-any-return]

    tick = datetime(2030, 1, 1, tzinfo=UTC)
    with queue.job(export) as job:
        assert export("ab") == 2
        assert job is current_job() and app.job(job.id).state == "running"
        assert job.deadline is not None and job.deadline > queue.now
    with queue.job(export, attempt=3, errors=[ValueError("x"), KeyError("y")], cancelled=True, scheduled_for=tick) as third:
        export("abc")
    assert seen == [(1, 4, "slow", [], False, None), (3, 2, "slow", ["ValueError", "KeyError"], True, tick)]
    assert [(app.job(one.id).state, app.job(one.id).meta) for one in (job, third)] == [("succeeded", {"path": "ab"}), ("succeeded", {"path": "abc"})]
    assert queue.drain() == 0


def test_an_exception_in_the_block_of_a_job_is_the_tests(app: LiteQueue, queue: Kit) -> None:
    task = app.task(name="t", retries=1)(lambda: current_job().sleep("1h"))
    with pytest.raises(Snooze), queue.job(task):
        raise Snooze(5)
    with pytest.raises(AssertionError, match=r"t puts its job aside here, at 'sleep'.*queue\.run.*queue\.advance"), queue.job(task):
        task()
    with pytest.raises(LookupError, match="only inside a running task"):
        current_job()
    assert states(app) == ["scheduled", "scheduled"]
    with pytest.raises(InvalidArgument, match="attempt must be from 1"), queue.job(task, attempt=0):
        pass


# -- as eager mode was -------------------------------------------------------------------------------------


def test_inline_runs_what_is_due_after_each_enqueue(app: LiteQueue, queue: Kit, seen: list[Any]) -> None:
    @app.task(name="outer")
    def outer(n: int) -> int:
        inner.delay(n)
        seen.append(("outer", n))
        return n

    @app.task(name="inner", retries=1)
    def inner(n: int) -> None:
        seen.append(("inner", n, current_job().attempt))
        if n == 3:
            raise ValueError(n)

    queue.inline = True
    assert outer.delay(1).get(timeout=0) == 1
    assert seen == [("outer", 1), ("inner", 1, 1)], "a job that is enqueued by one begins after that, as in a worker"
    later = outer.apply_async((2,), countdown=60)
    assert later.state == "scheduled"
    with app.transaction():
        outer.delay(4)
        assert len(seen) == 2
    assert len(seen) == 4
    inner.delay(3)
    with pytest.raises(ValueError, match="3"):
        queue.advance("1h")
    inner.delay_many([(5,), (6,)])
    (inner.si(7) | inner.si(8)).delay()
    assert seen[-4:] == [("inner", n, 1) for n in (5, 6, 7, 8)]
    queue.inline = False
    assert outer.delay(9).state == "available"


def test_inline_raises_where_it_was_enqueued(app: LiteQueue, queue: Kit) -> None:
    task = app.task(name="t")(lambda: 1 / 0)
    queue.inline = True
    with pytest.raises(ZeroDivisionError):
        task.delay()
    other = app.task(name="u")(lambda: 4)
    assert queue.run(other) == 4
    with queue.job(other):
        job = other.delay()
        assert job.state == "available"
    assert job.state == "succeeded"


def test_a_test_that_waits_for_a_job_without_having_it_run_is_told(app: LiteQueue) -> None:
    with testing(app) as queue:
        job = app.task(name="t")(lambda: 4).delay()
        with pytest.raises(WouldDeadlock, match=f"job {job.id} has not run, and in a test nobody runs jobs but the test: queue.drain"):
            job.get()
        with pytest.raises(WouldDeadlock, match="await queue.adrain"):
            asyncio.run(job._final_async())
        queue.drain()
        assert job.get() == 4


def test_a_job_of_any_codec_is_seen(app: LiteQueue) -> None:
    app.register_codec("text", lambda value: repr(value).encode(), lambda data: __import__("ast").literal_eval(data.decode()))
    task = app.task(name="coded", codec="text")(lambda x: x)
    other = app.task(name="other")(lambda: 0)
    with testing(app) as queue:
        task.delay({1: (2,)})
        assert queue.assert_enqueued(task, args=({1: (2,)},)).args == ({1: (2,)},)
        queue.refute_enqueued(other)
        queue.drain()
