"""What is called once a job has succeeded, or was discarded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    Discard,
    InvalidArgument,
    InvalidType,
    JobFailed,
    LiteQueue,
    Retry,
    SignatureMismatch,
    current_job,
)
from litequeue.store import Store

from ..support import new_job, wait_until

pytestmark = pytest.mark.beside

app = LiteQueue("unbound.sqlite")
told: list[Any] = []


@app.task
def praise(result: object, *more: object) -> None:
    told.append(("praise", result, *more))


@app.task
def mourn(job: dict[str, Any], *more: object) -> None:
    told.append(("mourn", job["id"], job["last_error"], *more))


@app.task
def just_so() -> None:
    told.append("just so")


@app.task(on_success=praise, on_failure=mourn.s("of the task"))
def moody(good: bool = True) -> str:
    if not good:
        raise ValueError("a bad day")
    return "fine"


@app.task
def plain(x: object = None) -> object:
    return x


@app.task(retries=2, backoff=0)
def late() -> int:
    if current_job().attempt < 3:
        raise Retry(0)
    return current_job().attempt


@app.task(on_failure=mourn)
def bad_callback(result: object) -> None:
    raise ValueError("a callback that fails")


@app.task(pool="process", on_success=praise.s("from a process"))
def elsewhere() -> int:
    return 7


@pytest.fixture
def bound(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    told.clear()
    yield app
    app.close()


@pytest.fixture
def working(bound: LiteQueue) -> Iterator[LiteQueue]:
    with bound.worker(threads=4, processes=1):
        yield bound


def test_a_tasks_own_callbacks(working: LiteQueue) -> None:
    assert moody.delay().get(timeout=30) == "fine"
    wait_until(lambda: told == [("praise", "fine")])
    job = moody.delay(False)
    wait_until(lambda: len(told) == 2)
    assert told[1] == ("mourn", job.id, "ValueError: a bad day", "of the task")


def test_callbacks_of_an_enqueue_take_the_place_of_the_tasks(working: LiteQueue) -> None:
    moody.apply_async((False,), on_failure=mourn.s("of the job"))
    moody.apply_async((True,), on_failure=mourn)  # of this end it has none
    plain.apply_async((3,), on_success=praise.s("more").set(queue="mail"))
    plain.apply_async((4,), on_success=just_so.si())
    wait_until(lambda: len(told) == 4)
    assert sorted(map(str, told)) == sorted(map(str, [
        ("mourn", 1, "ValueError: a bad day", "of the job"), ("praise", "fine"), ("praise", 3, "more"), "just so",
    ]))  # fmt: skip
    assert [info.queue for info in working.jobs(task=praise)].count("mail") == 1


def test_every_job_of_many_has_them(working: LiteQueue) -> None:
    plain.delay_many([(n,) for n in range(500)], on_success=praise)
    wait_until(lambda: len(told) == 500)
    assert sorted(told) == [("praise", n) for n in range(500)]


def test_a_callback_fires_at_the_end_and_not_at_a_retry(working: LiteQueue) -> None:
    """celery#2324: a callback fired each time that its task was retried."""
    late.apply_async(on_success=praise)
    wait_until(lambda: told == [("praise", 3)])


def test_it_fires_again_at_each_end(working: LiteQueue) -> None:
    job = moody.delay(False)
    wait_until(lambda: len(told) == 1)
    job.retry()
    wait_until(lambda: len(told) == 2)
    assert told == [("mourn", job.id, "ValueError: a bad day", "of the task")] * 2


def test_jobs_that_callbacks_made_have_none_of_their_tasks(working: LiteQueue) -> None:
    plain.apply_async((1,), on_success=bad_callback)
    wait_until(lambda: working.jobs(state="discarded"))
    wait_until(lambda: working.stats().states.get("available", 0) + working.stats().states.get("running", 0) == 0)
    assert told == []


def test_a_job_by_name_and_a_schedules_have_those_that_were_recorded(working: LiteQueue) -> None:
    moody.delay().get(timeout=30)
    wait_until(lambda: len(told) == 1)
    working.enqueue(moody.name).get(timeout=30)
    wait_until(lambda: len(told) == 2)
    working.schedules.add("now", moody, every="1h")
    working.schedules.run_now("now")
    wait_until(lambda: len(told) == 3)
    plain.apply_async((9,), on_success=praise.name)
    wait_until(lambda: told[3:] == [("praise", 9)])


def test_a_process_and_a_step_of_a_workflow_have_them_too(working: LiteQueue) -> None:
    flow = (elsewhere.s() | plain.s().set(on_success=praise.s("a step"))).delay()
    assert flow.get(timeout=30) == 7
    wait_until(lambda: len(told) == 2)
    assert sorted(told) == [("praise", 7, "a step"), ("praise", 7, "from a process")]
    assert flow.progress().total == 2


def test_it_knows_whose_callback_it_is(working: LiteQueue) -> None:
    job = plain.apply_async((5,), on_success=parents)
    wait_until(lambda: told)
    assert told == [(5, (job.id,))]


@app.task
def parents(result: object) -> None:
    told.append((result, current_job().parents))


def test_a_callback_fires_on_every_way_to_being_discarded(store: Store, clock: Any, db: Path) -> None:
    """Also a rescue, where no code is at hand."""
    app._client.bind(str(db))
    made = plain.apply_async((1,), on_failure=mourn, at_most_once=True)
    now = app._client.clock.now()
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(
            "UPDATE litequeue_jobs SET state = 'running', attempt = 1, worker_id = 1, lease_expires_at = 1 WHERE id = ?", (made.id,)
        )
    assert store.leases.rescue_lapsed(1, now, now).lost
    store.jobs.turn(1, now, now + 1)
    (found,) = app.jobs(task=mourn)
    assert found.state == "available"
    app.close()


@app.task
def kept(*given: object) -> None:
    told.append(given)


@app.task
def given_up() -> None:
    raise Discard("not worth it")


def test_a_callback_of_a_failure_is_always_given_the_same_one_thing(bound: LiteQueue) -> None:
    """celery#3709: one was called with the request, the exception and the traceback, or sent the id, as it came."""
    lost = plain.apply_async((1,), on_failure=kept, at_most_once=True)
    now = bound._client.clock.now()
    with closing(sqlite3.connect(bound.path)) as connection, connection:
        connection.execute("UPDATE litequeue_jobs SET state = 'running', attempt = 1, worker_id = 1, lease_expires_at = 1")
    assert bound._client.store.leases.rescue_lapsed(1, now, now).lost
    jobs = [lost.id, moody.apply_async((False,), on_failure=kept).id, given_up.apply_async(on_failure=kept).id]
    jobs.append((given_up.s().set(on_failure=kept) | plain.s()).delay().jobs()[0].id)
    with bound.worker(burst=True) as worker:
        worker.join()
    assert sorted(job["id"] for (job,) in told) == jobs
    assert len({tuple(sorted(job)) for (job,) in told}) == 1 and {job["state"] for (job,) in told} == {"discarded"}


@app.task(retries=0)
def refuses(*given: object) -> None:
    raise ValueError("no")


def test_a_failure_that_is_too_long_to_be_told_is_told_in_short(bound: LiteQueue) -> None:
    """The arguments as a text in a text were more than a job may be given, and its callback was discarded."""
    refuses.apply_async(('"' * 520_000,), on_failure=kept)
    refuses.apply_async((datetime(2026, 1, 2, tzinfo=UTC),), on_failure=kept)
    with bound.worker(burst=True) as worker:
        worker.join()
    long, short = sorted((job for (job,) in told), key=lambda job: job["id"])
    assert long["args"] is None and "args, kwargs and result" in long["left_out"] and long["last_error"] == "ValueError: no"
    assert "left_out" not in short and "2026-01-02" in repr(short["args"]) and isinstance(short["args"], list)


def test_what_cannot_be_a_callback_is_refused_where_it_is_said(bound: LiteQueue) -> None:
    for wrong, error in (
        (7, InvalidType), (print, InvalidType), (plain.s() | plain.s(), InvalidType), ("no name", InvalidArgument),
        (just_so, SignatureMismatch), (praise.s().set(eta=None, expires=None, on_success=praise), InvalidArgument),
    ):  # fmt: skip
        with pytest.raises(error):
            plain.apply_async(on_success=wrong)
        with pytest.raises(error):
            app.task(name="t", on_failure=wrong)(lambda: None)
    with pytest.raises(InvalidArgument, match="belong to a step"):
        (plain.s(1) | plain.s()).apply_async(on_success=praise)
    assert bound.jobs() == []


def test_a_planted_callback_makes_nothing_and_holds_nobody_up(working: LiteQueue) -> None:
    for text in ("", "[]", "{}", '{"task": 7}', '{"task": "t", "delay": "soon"}', '{"task": "t", "pool": 7}'):
        with closing(sqlite3.connect(working.path)) as connection, connection:
            connection.execute("INSERT INTO litequeue_callbacks VALUES (?, 1, 'success', ?)", (plain_job(working), text))
    wait_until(lambda: not working.stats().states.get("scheduled"))
    moody.delay().get(timeout=30)
    wait_until(lambda: told == [("praise", "fine")])


def plain_job(queue: LiteQueue) -> int:
    job = plain.apply_async((1,), countdown=0.2, on_failure=mourn)
    return job.id


def test_callbacks_go_with_their_job(working: LiteQueue) -> None:
    plain.apply_async((5,), on_success=praise)
    wait_until(lambda: told)
    wait_until(lambda: working.stats().states == {"succeeded": 2})
    working._client.store.operations.prune(working._client.clock.now() + 40 * 86_400 * 1_000_000, 5.0)
    with closing(sqlite3.connect(working.path)) as connection:
        for table in ("jobs", "callbacks", "edges", "waits"):
            assert connection.execute(f"SELECT count(*) FROM litequeue_{table}").fetchone() == (0,), table


def test_a_failing_job_with_a_secret_tells_it_to_nobody(working: LiteQueue) -> None:
    leaks.apply_async(("hunter2-hunter2",), on_failure=remember)
    wait_until(lambda: told)
    assert "hunter2" not in str(told)


@app.task(secret="password")
def leaks(password: str) -> None:
    raise ValueError(f"wrong: {password}")


@app.task
def remember(job: object) -> None:
    told.append(job)


def test_a_task_that_fails_still_fails(working: LiteQueue) -> None:
    with pytest.raises(JobFailed):
        moody.delay(False).get(timeout=30)


def test_a_callback_that_is_cancelled_and_put_back_is_called_with_what_it_was_to_be_given(bound: LiteQueue) -> None:
    """It was cancelled again at once, for the sake of the job of whose failure it was to tell."""
    bound.pause("later")
    moody.apply_async((False,), on_failure=mourn.s("put back").set(queue="later"))
    plain.apply_async((3,), on_success=praise.s("put back").set(queue="later"))
    with bound.worker(threads=1, burst=True) as worker:
        worker.join()
    waiting = [bound.job(info.id) for info in bound.jobs(queue="later")]
    assert len(waiting) == 2
    for job in waiting:
        assert job.cancel() and job.retry()
    bound.resume("later")
    with bound.worker(threads=1, burst=True) as worker:
        worker.join()
    assert sorted(told) == [("mourn", 1, "ValueError: a bad day", "put back"), ("praise", 3, "put back")]


def test_a_job_that_was_enqueued_by_name_before_anybody_recorded_its_task_has_the_tasks_callbacks(bound: LiteQueue) -> None:
    bound._client.store.jobs.enqueue(new_job(task=moody.name, max_attempts=None), None)
    bound._client.store.jobs.enqueue(new_job(task=moody.name, args="[false]", max_attempts=None), None)
    with bound.worker(burst=True) as worker:
        worker.join()
    assert sorted(told, key=str) == [("mourn", 2, "ValueError: a bad day", "of the task"), ("praise", "fine")]
