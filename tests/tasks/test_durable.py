"""Steps, sleep and events: what a job does once, however often it runs."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    EventTimeout,
    InvalidArgument,
    InvalidType,
    JobFailed,
    LiteQueue,
    PayloadError,
    current_job,
)
from litequeue.base.models import ClaimedJob
from litequeue.store.links import invariants

from ..support import wait_until

pytestmark = pytest.mark.beside

app = LiteQueue("unbound.sqlite")
done: list[object] = []


def note(path: str, what: str) -> str:
    """An effect that is seen from every pool."""
    with open(path, "a") as file:
        file.write(f"{what}\n")
    return what.upper()


def noted(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def steps_of(path: str, failing: str) -> list[Any]:
    job = current_job()
    one = job.step("one", note, path, "one")
    again = job.step("one", note, path, "again")
    if not Path(failing).exists():
        Path(failing).touch()
        raise ValueError("the first time")
    return [one, again, job.step("two", note, path, "two")]


@app.task(retries=1, backoff=0)
def in_a_thread(path: str, failing: str) -> list[Any]:
    return steps_of(path, failing)


@app.task(retries=1, backoff=0, pool="process")
def in_a_process(path: str, failing: str) -> list[Any]:
    return steps_of(path, failing)


async def note_slowly(path: str, what: str) -> str:
    await asyncio.sleep(0)
    return note(path, what)


@app.task(retries=1, backoff=0)
async def in_a_coroutine(path: str, failing: str) -> list[Any]:
    job = current_job()
    one, again = await asyncio.gather(job.step("one", note_slowly, path, "one"), job.step("one", note, path, "again"))
    if not Path(failing).exists():
        Path(failing).touch()
        raise ValueError("the first time")
    return [one, again, await job.step("two", note_slowly, path, "two")]


TASKS = [in_a_thread, in_a_process, in_a_coroutine]


@pytest.fixture
def bound(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    done.clear()
    yield app
    app.close()


@pytest.fixture
def working(bound: LiteQueue) -> Iterator[LiteQueue]:
    with bound.worker(threads=4, processes=1):
        yield bound


# -- steps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task.name).rpartition("_")[2])
def test_a_retry_goes_on_behind_the_last_step(working: LiteQueue, tmp_path: Path, task: Any) -> None:
    job = task.delay(str(tmp_path / "notes"), str(tmp_path / "failed"))
    assert job.get(timeout=30) == ["ONE", "AGAIN", "TWO"]
    assert sorted(noted(tmp_path / "notes")) == ["again", "one", "two"]
    assert sorted((step.name, step.attempt) for step in job.steps()) == [("one", 1), ("one#2", 1), ("two", 2)]


def test_steps_are_found_by_name_whatever_order_they_are_stored_in(working: LiteQueue) -> None:
    """gather stores what ends first, first (dbos-transact-py#688: replayed by position, recovery never ended)."""
    job = swaps.delay()
    assert job.get(timeout=30) == ["slow", "fast"]
    assert done.count("slow") == done.count("fast") == 1


@app.task(retries=1, backoff=0)
async def swaps() -> list[str]:
    async def run(what: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        done.append(what)
        return what

    job = current_job()
    first = job.attempt == 1
    found = await asyncio.gather(job.step("slow", run, "slow", 0.05 * first), job.step("fast", run, "fast", 0.0))
    if first:
        raise ValueError("once more")
    return list(found)


@app.task(retries=1, backoff=0)
async def fails_beside(how: str) -> object:
    async def slowly() -> str:
        done.append("slow")
        await asyncio.sleep(0.3)
        return "slow"

    async def at_once() -> str:
        if current_job().attempt == 1:
            if how == "sleeps":
                await current_job().sleep(0.01)
            if how == "fails":
                raise ValueError("once more")
        return "quick"

    job = current_job()
    if how == "made a task":
        started = asyncio.create_task(job.step("slow", slowly))
        return started is None
    return await asyncio.gather(job.step("slow", slowly), at_once())


@pytest.mark.parametrize("how", ["fails", "sleeps"])
def test_a_step_that_runs_beside_what_ends_the_attempt_is_stored_and_not_done_again(working: LiteQueue, how: str) -> None:
    assert fails_beside.delay(how).get(timeout=30) == ["slow", "quick"]
    assert done == ["slow"]


def test_a_step_that_is_a_task_of_its_own_is_waited_for(working: LiteQueue) -> None:
    job = fails_beside.delay("made a task")
    assert job.get(timeout=30) is False and [step.name for step in job.steps()] == ["slow"]


@app.task(retries=1, backoff=0)
def names_like_another() -> list[object]:
    job = current_job()
    found = [job.step(name, lambda value=value: value) for value, name in enumerate(("x#2", "x", "x", "y", "y", "y#2"))]
    if job.attempt == 1:
        raise ValueError("once more")
    return found


def test_a_step_whose_name_is_like_the_second_of_another_name_has_its_own_value(working: LiteQueue) -> None:
    assert names_like_another.delay().get(timeout=30) == list(range(6))


@app.task(retries=1, backoff=0)
def changes() -> list[object]:
    job = current_job()
    done.append("run")
    if len(done) == 1:
        job.step("old", lambda: 1)
        raise ValueError("a deploy")
    return [job.step("new", lambda: 2), job.step("old", lambda: 3)]


def test_a_step_that_is_new_runs_and_one_that_was_stored_is_given_wherever_it_stands(working: LiteQueue) -> None:
    assert changes.delay().get(timeout=30) == [2, 1]


@app.task
def nests() -> None:
    job = current_job()
    job.step("outer", lambda: job.step("inner", lambda: 1))


@app.task
def awaits_nothing(path: str) -> None:
    current_job().step("one", note_slowly, path, "one")


@app.task
def keeps_what_cannot_be_kept() -> None:
    current_job().step("lock", threading.Lock)


@app.task
async def forgets_to_await() -> str:
    current_job().step("one", lambda: done.append("ran"))
    return "done"


@app.task
def calls_it_himself() -> None:
    current_job().step("one", len("abc"))  # type: ignore[arg-type]


@app.task
def waits_wrongly(name: Any) -> None:
    current_job().wait_for(name, timeout=1)


@app.task
def names_wrongly(name: Any) -> None:
    current_job().step(name, lambda: 1)


def test_what_is_no_step_fails_the_job_and_says_why(working: LiteQueue) -> None:
    for job, error in (
        (nests.delay(), "step 'inner' is inside step 'outer'"),
        (awaits_nothing.delay("path"), "note_slowly is a coroutine function"),
        (keeps_what_cannot_be_kept.delay(), "the result of step 'lock'"),
        (names_wrongly.delay(7), "the step's name must be a string"),
        (names_wrongly.delay("x" * 201), "may have 200 characters"),
        (names_wrongly.delay("a\nb"), "the step's name"),
        (names_wrongly.delay("a\ud800b"), "half a character"),
        (calls_it_himself.delay(), "takes a function and its arguments, not what it came to"),
        (forgets_to_await.delay(), "step 'one' was never awaited"),
        (waits_wrongly.delay("a\ud800b"), "half a character"), (waits_wrongly.delay(7), "a name, or a list of names, not int"),
        (waits_wrongly.delay({"a": 1, "b": 2}), "a name, or a list of names, not dict"), (waits_wrongly.delay([]), "not none"),
    ):
        with pytest.raises(JobFailed, match=error):
            job.get(timeout=30)


@app.task
def many() -> int:
    job = current_job()
    for number in range(10_001):
        job._key(f"n{number}")
    return 0


def test_a_job_has_ten_thousand_steps_at_most(working: LiteQueue) -> None:
    with pytest.raises(JobFailed, match="10,000 steps"):
        many.delay().get(timeout=30)


@app.task
def fails_late() -> int:
    job = current_job()
    value: int = job.step("one", lambda: done.append("one") or len(done))
    if done.count("fail") < 1:
        done.append("fail")
        raise ValueError("once")
    return value


def test_retry_of_a_failed_job_goes_on_and_of_a_succeeded_one_begins_anew(working: LiteQueue) -> None:
    job = fails_late.delay()
    with pytest.raises(JobFailed):
        job.get(timeout=30)
    job.retry()
    assert job.get(timeout=30) == 1 and done.count("one") == 1
    job.retry()
    wait_until(lambda: done.count("one") == 2)
    assert job.get(timeout=30) == 3


def test_retry_from_the_start_forgets_the_steps_of_a_failed_job(working: LiteQueue) -> None:
    job = fails_late.delay()
    with pytest.raises(JobFailed):
        job.get(timeout=30)
    job.retry(from_start=True)
    assert job.get(timeout=30) == 3 and done.count("one") == 2


def test_a_stale_attempt_stores_nothing(bound: LiteQueue) -> None:
    job = fails_late.delay()
    steps = bound._client.store.steps
    assert not steps.keep(job.id, 1, "one", "1")  # nobody has claimed it
    with closing(sqlite3.connect(bound.path)) as connection, connection:
        connection.execute("UPDATE litequeue_jobs SET state = 'running', attempt = 2, lease_expires_at = 1, worker_id = 1")
    assert not steps.keep(job.id, 1, "one", "1")
    assert job.steps() == []
    assert steps.keep(job.id, 2, "one", "1")


def test_a_stored_step_acquits_the_job_of_its_workers_ends(bound: LiteQueue) -> None:
    job = fails_late.delay()
    with closing(sqlite3.connect(bound.path)) as connection, connection:
        connection.execute(
            "UPDATE litequeue_jobs SET state = 'running', attempt = 2, lease_expires_at = 1, worker_id = 1, interruptions = 2"
        )
    assert bound._client.store.steps.keep(job.id, 2, "one", "1")
    assert job.info().interruptions == 0


def test_steps_of_many_threads_are_all_stored(bound: LiteQueue) -> None:
    jobs = fails_late.delay_many([()] * 8)
    with closing(sqlite3.connect(bound.path)) as connection, connection:
        connection.execute("UPDATE litequeue_jobs SET state = 'running', attempt = 1, lease_expires_at = 1, worker_id = 1")
    steps = bound._client.store.steps

    def run(job: int) -> None:
        for number in range(20):
            assert steps.keep(job, 1, f"s{number}", str(number))

    threads = [threading.Thread(target=run, args=(job.id,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [len(job.steps()) for job in jobs] == [20] * 8


# -- sleep -----------------------------------------------------------------------------------------------------


@app.task
def sleeps(seconds: float) -> list[object]:
    job = current_job()
    began = job.step("begin", time.time)
    job.sleep(seconds)
    job.sleep(seconds)
    return [began, time.time(), job.attempt]


@app.task(pool="process")
def sleeps_in_a_process(seconds: float) -> list[object]:
    job = current_job()
    began = job.step("begin", time.time)
    job.sleep(seconds)
    job.sleep(seconds)
    return [began, time.time(), job.attempt]


@app.task
async def sleeps_in_a_coroutine(seconds: float) -> list[object]:
    job = current_job()
    began = await job.step("begin", time.time)
    await job.sleep(seconds)
    await job.sleep(seconds)
    return [began, time.time(), job.attempt]


@pytest.mark.parametrize("task", [sleeps, sleeps_in_a_process, sleeps_in_a_coroutine], ids=["thread", "process", "coroutine"])
def test_a_job_sleeps_without_a_slot_and_goes_on(working: LiteQueue, task: Any) -> None:
    job = task.delay(0.2)
    wait_until(lambda: job.state == "scheduled")
    began, ended, executions = job.get(timeout=30)
    assert ended - began >= 0.39 and executions == 3
    assert job.info().failures == 0


def test_who_wakes_a_sleeper_before_its_time_is_disappointed(working: LiteQueue) -> None:
    job = sleeps.delay(0.5)
    wait_until(lambda: job.state == "scheduled")
    due = job.info().run_at
    assert job.retry()
    wait_until(lambda: job.state == "scheduled" and job.info().attempt == 2)
    assert job.info().run_at == due


def test_a_sleeping_job_can_be_cancelled_and_put_back(working: LiteQueue) -> None:
    job = sleeps.delay(0.3)
    wait_until(lambda: job.state == "scheduled")
    assert job.cancel()
    assert job.state == "cancelled"
    assert job.retry()
    assert len(job.get(timeout=30)) == 3


@app.task
def goes_on_regardless() -> str:
    try:
        current_job().sleep("1h")
    except BaseException:  # noqa: BLE001, S110 - which is what it is about
        pass
    return "awake"


@app.task
async def goes_on_regardless_in_a_coroutine() -> str:
    try:
        await current_job().sleep("1h")
    except BaseException:  # noqa: BLE001, S110 - which is what it is about
        pass
    return "awake"


def test_a_task_that_does_not_let_itself_be_put_aside_fails(working: LiteQueue) -> None:
    for task in (goes_on_regardless, goes_on_regardless_in_a_coroutine):
        with pytest.raises(JobFailed, match="let BaseException through"):
            task.delay().get(timeout=30)


# -- events ----------------------------------------------------------------------------------------------------


@app.task
def waits(event: Any, timeout: Any = None) -> object:
    job = current_job()
    try:
        found = job.wait_for(event, timeout=timeout)
    except EventTimeout:
        return job.step("refund", lambda: done.append("refund") or "late")
    return found


@app.task(pool="process")
def waits_in_a_process(event: Any, timeout: Any = None) -> object:
    return current_job().wait_for(event, timeout=timeout)


@app.task
async def waits_in_a_coroutine(event: Any, timeout: Any = None) -> object:
    return await current_job().wait_for(event, timeout=timeout)


@pytest.mark.parametrize("task", [waits, waits_in_a_process, waits_in_a_coroutine], ids=["thread", "process", "coroutine"])
def test_an_event_wakes_who_waits_for_it(working: LiteQueue, task: Any) -> None:
    """inngest#1433: one that came before anybody waited is not lost; #1046: any of several."""
    job, bounded, several = task.delay("delivered:17"), task.delay("delivered:17", "1h"), task.delay(["lost:17", "delivered:17"])
    wait_until(lambda: (job.state, bounded.state, several.state) == ("scheduled",) * 3)
    assert job.why_waiting() == bounded.why_waiting() == "it waits for the event 'delivered:17'"
    assert working.emit("delivered:17", {"at": "noon", "to": (1, 2)})
    assert job.get(timeout=30) == bounded.get(timeout=30) == {"at": "noon", "to": (1, 2)}
    assert several.get(timeout=30) == ("delivered:17", {"at": "noon", "to": (1, 2)})
    assert not working.emit("delivered:17", "again")
    assert task.delay("delivered:17").get(timeout=30) == {"at": "noon", "to": (1, 2)}  # who comes later, too


def test_of_several_events_that_have_happened_the_first_counts(working: LiteQueue) -> None:
    working.emit("b", 1)
    working.emit("a", 2)
    assert waits.delay(["a", "b", "c"]).get(timeout=30) == ("b", 1)


def test_plain_sql_emits(working: LiteQueue) -> None:
    job = waits.delay("paid:3")
    wait_until(lambda: job.state == "scheduled")
    with closing(sqlite3.connect(working.path)) as connection, connection:
        connection.execute("INSERT INTO litequeue_events (name, payload) VALUES ('paid:3', '{\"sum\": 5}')")
    assert job.get(timeout=30) == {"sum": 5}


def test_a_wait_that_times_out_stays_timed_out(working: LiteQueue) -> None:
    job = waits.delay("never", 0.2)
    assert job.get(timeout=30) == "late"
    working.emit("never", 1)
    job.retry()  # it had succeeded, and so begins anew
    wait_until(lambda: job.info().attempt == 4)
    assert job.get(timeout=30) == 1
    assert done == ["refund"]


@app.task(retries=3, backoff=0)
def times_out_and_fails() -> object:
    job = current_job()
    try:
        return job.wait_for("slow", timeout=0.1)
    except EventTimeout:
        if job.step("first", lambda: len(done)) == 0 and not done:
            done.append(1)
            app.emit("slow", "too late")
            raise ValueError("after the event came") from None
        return "timed out"


def test_an_event_that_comes_after_the_timeout_does_not_turn_the_job_round(working: LiteQueue) -> None:
    assert times_out_and_fails.delay().get(timeout=30) == "timed out"


def test_emit_refuses_what_cannot_be_stored(bound: LiteQueue) -> None:
    for event, payload, error in (
        (7, None, InvalidType), ("", None, InvalidArgument), ("x" * 201, None, InvalidArgument), ("a", threading.Lock(), PayloadError),
    ):  # fmt: skip
        with pytest.raises(error):
            bound.emit(event, payload)  # type: ignore[arg-type]


def test_an_event_is_kept_as_long_as_it_was_to(bound: LiteQueue) -> None:
    bound.emit("short", keep="1m")
    bound.emit("long")
    store, now = bound._client.store, bound._client.clock.now()
    store.steps.prune(now + 3_600_000_000)
    with closing(sqlite3.connect(bound.path)) as connection:
        assert connection.execute("SELECT name FROM litequeue_events").fetchall() == [("long",)]


def test_steps_and_listeners_go_with_their_job(working: LiteQueue) -> None:
    job, other = sleeps.delay(0.05), waits.delay("never")
    job.get(timeout=30)
    wait_until(lambda: other.state == "scheduled")
    other.cancel()
    store = working._client.store
    store.operations.prune(working._client.clock.now() + 40 * 86_400 * 1_000_000, 5.0)
    with closing(sqlite3.connect(working.path)) as connection:
        for table in ("steps", "listeners", "jobs"):
            assert connection.execute(f"SELECT count(*) FROM litequeue_{table}").fetchone() == (0,), table


def test_what_holds_of_waits_holds(working: LiteQueue) -> None:
    job = waits.delay("x")
    wait_until(lambda: job.state == "scheduled")
    with closing(sqlite3.connect(working.path)) as connection:
        assert invariants.broken(connection) == []
        connection.execute("DELETE FROM litequeue_listeners")
        assert invariants.broken(connection) == [f"job {job.id} waits for an event, and nobody knows which"]


def test_a_first_execution_without_steps_asks_the_file_nothing(bound: LiteQueue) -> None:
    from litequeue.tasks.context import JobContext

    fields = dict.fromkeys(ClaimedJob._fields[:18])
    job = ClaimedJob(**{**fields, "id": 1, "attempt": 3, "releases": 2, "pool": "thread"})  # type: ignore[arg-type]
    context = JobContext(job, 1, None, 0)
    assert context._find("one") is None  # it has no store, and would raise
