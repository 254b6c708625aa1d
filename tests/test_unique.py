"""Unique jobs and debounce, as programs use them: which calls are equal, who is kept out and for how long, and what errors say."""

from __future__ import annotations

import copy
import enum
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from litequeue import (
    AlreadyEnqueued,
    InvalidArgument,
    InvalidType,
    LiteQueue,
    Replace,
    SignatureMismatch,
    group,
)
from litequeue.base.clock import SystemClock

from .support import FakeClock, environment, litequeue, turn_of, wait_until

pytestmark = pytest.mark.beside


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(SystemClock().now())


@pytest.fixture
def app(db: Path, clock: FakeClock) -> LiteQueue:
    return LiteQueue(db, clock=clock)


def claim(app: LiteQueue) -> list[int]:
    return [job.id for job in turn_of(app).claimed]


def settle(app: LiteQueue) -> list[int]:
    with app.worker(burst=True) as worker:
        worker.join()
    return [info.id for info in app.jobs()]


# -- which calls are equal -----------------------------------------------------------------------------------


THREE = UUID(int=3)


class Colour(enum.Enum):
    RED = "red"


def test_all_arguments_make_the_key_however_they_are_given_and_defaults_count(app: LiteQueue) -> None:
    @app.task(unique=True, name="t")
    def t(a: int, b: Any = 2, *rest: Any, c: str = "x", **others: Any) -> None: ...

    first = t.delay(1)
    assert first.is_new and first.info().unique_key == 'a=1 b=2 rest={"$tuple":[]} c="x" others={}'
    for job in (t.delay(1), t.delay(1, 2), t.delay(a=1), t.delay(b=2, a=1, c="x"), app.send_task("t", (1,), {"c": "x"})):
        assert (job.id, job.is_new) == (first.id, False)
    for job in (t.delay(1, 3), t.delay(True), t.delay(1.0), t.delay("1"), t.delay(1, 2, 3), t.delay(1, d=4), t.delay(1, b=None)):
        assert job.is_new


def test_the_key_is_the_same_whatever_order_sets_and_dicts_have(app: LiteQueue) -> None:
    @app.task(unique=("what",), name="t")
    def t(what: Any, seen: int = 0) -> None: ...

    first = t.delay({"a": 1, "b": [{"x": 1, "y": 2}]})
    assert t.delay({"b": [{"y": 2, "x": 1}], "a": 1}, 7) == first
    assert t.delay({1: "a", 2: "b"}) == t.delay({2: "b", 1: "a"}) != first
    code = "from litequeue import LiteQueue\nimport sys\nq = LiteQueue(sys.argv[1])\nprint(q.send_task('t', ({'one', 'two', 'three', 'four'},)).id)"
    ids = {
        subprocess.run([sys.executable, "-c", code, app.path], env={**environment(), "PYTHONHASHSEED": str(seed)}, capture_output=True, check=True).stdout
        for seed in range(4)
    }  # fmt: skip
    assert len(ids) == 1


def test_a_pattern_writes_texts_as_they_are(app: LiteQueue) -> None:
    @app.task(unique="{1}/{user}", name="t")
    def t(user: Any, host: Any = "here") -> None: ...

    moment = datetime(2026, 1, 2)
    said = {5: "here/5", "bob": "here/bob", Colour.RED: "here/red", moment: "here/2026-01-02 00:00:00", UUID(int=3): f"here/{UUID(int=3)}"}
    app.register_type(Colour, name="colour", encode=lambda c: c.value, decode=Colour)
    for user, key in said.items():
        assert t.delay(user).info().unique_key == key
    assert not t.delay(user="bob", host="here").is_new
    assert t.delay("a\nb").info().unique_key == 'here/"a\\nb"'
    assert t.delay([1, 2]).info().unique_key == "here/[1,2]"


def test_a_default_and_the_same_value_given_are_one_key(app: LiteQueue) -> None:
    moment = datetime(2026, 1, 2)

    @app.task(unique="{n}:{a}:{b}:{c}:{d}:{e}", name="t")
    def t(n: int, a: Any = None, b: Any = True, c: Any = moment, d: Any = THREE, e: Any = "text") -> None: ...

    assert t.delay(1) == t.delay(1, None, True, moment, UUID(int=3), "text")
    assert app.jobs()[0].unique_key == f"1:None:True:{moment}:{UUID(int=3)}:text"


def test_two_tasks_have_keys_of_their_own(app: LiteQueue) -> None:
    """graphile/worker#312."""
    tasks = [app.task(unique="user:{0}", name=name)(lambda n: n) for name in ("one", "two")]
    assert [task.delay(5).is_new for task in tasks] == [True, True]
    assert [task.delay(5).is_new for task in tasks] == [False, False]


def test_a_long_key_ends_in_a_digest_and_a_secret_argument_is_one(app: LiteQueue) -> None:
    @app.task(unique=True, secret="token", name="t")
    def t(token: str, text: str = "") -> None: ...

    key = t.delay("hunter2").info().unique_key
    assert key is not None and "hunter2" not in key and key.startswith("token=#")
    assert not t.delay("hunter2").is_new and t.delay("hunter3").is_new
    long = t.delay("x", "a" * 5000).info().unique_key
    assert long is not None and len(long) < 120
    assert not t.delay("x", "a" * 5000).is_new and t.delay("x", "a" * 4999 + "b").is_new


def test_a_default_that_cannot_be_stored_says_by_its_absence_that_nothing_was_given(app: LiteQueue) -> None:
    absent = object()

    @app.task(unique=True, name="t")
    def t(a: int, b: Any = absent) -> None: ...

    assert t.delay(1).is_new and not t.delay(1).is_new and t.delay(1, None).is_new


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"unique": ("user",)}, r"unique names 'user', which is no argument of t; its arguments are: n, x"),
        ({"unique": "user:{user}"}, "unique names 'user', which is no argument"),
        ({"unique": "user:{n.id}"}, r"unique takes arguments by their names or numbers alone, as in \"user:\{user_id\}\", with no attribute, !r or :format"),
        ({"unique": "user:{n"}, "unique is no pattern"),
        ({"unique": ()}, "unique must name at least one argument; True is for all of them"),
        ({"unique": 5}, r"unique must be True, names of arguments as in \(\"user_id\",\)"),
        ({"unique": ""}, "unique must not be empty"),
        ({"unique": ("n")}, r"unique='n' is one key for all jobs, whatever their n is: \(\"n\",\) or \"\{n\}\""),
        ({"max_running": 1, "limit_key": "n"}, "limit_key='n' is one key for all jobs"),
        ({"unique": True, "unique_until": "done"}, 'unique_until is "finish", "start" or a length of time: '),
        ({"unique": True, "on_conflict": "skip"}, "on_conflict must be one of return, raise, replace, not 'skip'"),
        ({"max_wait": 5}, "max_wait goes with debounce"),
        ({"debounce": 5, "max_wait": 4}, "max_wait must not be shorter than debounce"),
        ({"debounce": 5, "unique_until": "finish"}, "debounce says itself what becomes of a second enqueue: leave unique_until out"),
        ({"debounce": 5, "unique": False}, "leave unique out"),
    ],
)
def test_what_makes_no_key_is_refused_with_the_task(app: LiteQueue, options: dict[str, Any], says: str) -> None:
    with pytest.raises((InvalidArgument, InvalidType), match=says):
        app.task(name="t", **options)(lambda n, x=1: n)


def test_what_goes_with_no_key_is_refused_with_the_enqueue(app: LiteQueue) -> None:
    debounced = app.task(debounce="10s", name="d")(print)
    replaced = app.task(unique=True, on_conflict="replace", name="r")(print)
    other = app.task(name="o")(print).delay()
    with pytest.raises(InvalidArgument, match="d is debounced, which says when its jobs run: leave countdown out, or say unique=False"):
        debounced.apply_async((1,), countdown=5)
    with pytest.raises(InvalidArgument, match="cannot wait for others: leave after out, or say unique=False"):
        replaced.apply_async((1,), after=other)
    with pytest.raises(InvalidArgument, match="unique of an enqueue is a key, a text, or False for none"):
        replaced.apply_async((1,), unique=True)
    with pytest.raises(InvalidArgument, match="must be text that UTF-8 can say"):
        replaced.apply_async((1,), unique="\ud800")
    with pytest.raises(InvalidType, match="unique of an enqueue is a key, a text, or False for none, not int: 17"):
        replaced.apply_async((1,), unique=17)  # type: ignore[typeddict-item]
    with pytest.raises(InvalidArgument, match="delay_many takes no key"):
        replaced.delay_many([(1,)], unique="k")
    with pytest.raises(SignatureMismatch):
        app.task(unique=True, name="s")(lambda n: n).delay_many([(1,), (1, 2)])
    assert len(app.jobs()) == 1


# -- who is kept out, and for how long -----------------------------------------------------------------------


def test_a_key_is_had_until_the_job_has_ended_through_retries_and_deaths(app: LiteQueue, clock: FakeClock) -> None:
    """sidekiq-unique-jobs#592, #691, #488, #580: locks that outlive their jobs. Here none is held."""
    tries: list[int] = []

    @app.task(unique=True, retries=1, backoff=0.01, name="t")
    def t(n: int) -> None:
        tries.append(n)
        if len(tries) == 1:
            raise ValueError

    job = t.delay(1)
    assert claim(app) == [job.id] and not t.delay(1).is_new
    app._client.store.leases.rescue_worker(1, "w", clock.now())
    assert not t.delay(1).is_new
    store = app._client.store
    with store.database.write(durable=False) as connection:
        connection.execute("DELETE FROM litequeue_jobs")  # by whoever
    assert t.delay(1).is_new


def test_until_the_start(app: LiteQueue) -> None:
    t = app.task(unique=True, unique_until="start", name="t")(lambda n: n)
    first = t.delay(1)
    assert not t.delay(1).is_new
    assert claim(app) == [first.id]
    second = t.delay(1)
    assert second.is_new and not t.delay(1).is_new


def test_for_a_time_whatever_becomes_of_the_job_and_not_for_longer_where_the_clock_is_set_back(app: LiteQueue, clock: FakeClock) -> None:
    t = app.task(unique=True, unique_until="5m", name="t")(lambda n: n)
    first = t.delay(1)
    first.cancel()
    clock.advance(299)
    assert t.delay(1) == first
    clock.advance(2)
    second = t.delay(1)
    assert second.is_new
    clock.wall -= 3600 * 1_000_000
    assert t.delay(1).is_new, "it is not taken for an hour and five minutes"


def test_one_that_will_not_start_any_more_keeps_nobody_out_and_does_not_come_back(app: LiteQueue, clock: FakeClock) -> None:
    t = app.task(unique=True, name="t", expires="10s")(lambda n: n)
    late = t.delay(1)
    clock.advance(11)
    second = t.delay(1)
    assert second.is_new and late.state == "expired"
    clock.wall -= 60_000_000
    assert claim(app) == [second.id]


def test_raise_names_the_job_that_there_is(app: LiteQueue) -> None:
    t = app.task(unique="user:{0}", on_conflict="raise", name="t")(lambda n: n)
    job = t.delay(5)
    with pytest.raises(AlreadyEnqueued, match=r"^t: its key user:5 is taken by job 1; nothing was stored$") as caught:
        t.delay(5)
    assert caught.value.job_id == job.id
    assert isinstance(caught.value, RuntimeError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.job_id) == (str(caught.value), job.id)
    with pytest.raises(AlreadyEnqueued, match="delay_many: item 1: t: its key user:5 is taken by job 1; nothing was stored"):
        t.delay_many([(4,), (5,)])
    with pytest.raises(AlreadyEnqueued, match="delay_many: item 2 has the key of item 0, user:3; nothing was stored"):
        t.delay_many([(3,), (4,), (3,)])
    assert len(app.jobs()) == 1


def test_replace_changes_what_has_not_started_and_makes_another_of_what_has(app: LiteQueue, clock: FakeClock) -> None:
    """oban#635, graphile/worker#303."""

    @app.task(unique=("user",), on_conflict="replace", name="t")
    def t(user: int, text: str = "", *more: Any) -> None: ...

    job = t.apply_async((1, "a"), priority=1)
    created = job.info().created_at
    clock.advance(5)
    second = t.apply_async((1, "b"), priority=7, countdown=60)
    info = job.info()
    assert second == job and not second.is_new
    assert (info.args, info.priority, info.state, info.created_at) == ('[1,"b"]', 7, "scheduled", created)
    assert info.run_at == created + timedelta(seconds=65)
    assert t.delay(1, "c").info().state == "available"
    assert claim(app) == [job.id]
    third = t.delay(1, "d")
    assert third.is_new and (job.info().args, third.info().args) == ('[1,"c"]', '[1,"d"]')


def test_a_unique_job_waits_for_others_and_is_found_by_its_key_meanwhile(app: LiteQueue) -> None:
    t = app.task(unique=True, name="t")(lambda n: n)
    other = app.task(name="o")(lambda: 0).delay()
    job = t.apply_async((1,), after=other, on_success=app.task(name="told")(lambda n: n))
    assert job.state == "blocked" and t.delay(1) == job
    assert t.apply_async((1,), after=other) == job
    with app.batch() as batch:
        assert t.delay(1) == job
        assert t.delay(2).is_new
    assert batch.progress().total == 1


def test_unique_false_and_a_key_of_its_own_for_one_enqueue(app: LiteQueue) -> None:
    t = app.task(unique=True, name="t")(lambda n: n)
    plain = app.task(name="p")(lambda n: n)
    assert t.delay(1).is_new and t.apply_async((1,), unique=False).is_new and not t.delay(1).is_new
    order = plain.apply_async((1,), unique="order-17")
    assert plain.apply_async((2,), unique="order-17") == order and order.info().unique_key == "order-17"
    assert app.send_task("p", (3,), unique="order-17") == order
    assert plain.delay(1).info().unique_key is None


def test_many_at_once_the_first_of_each_key_wins_also_inside_the_batch(app: LiteQueue) -> None:
    t = app.task(unique=("n",), name="t")(lambda n, text="": n)
    there = t.delay(2)
    jobs = t.delay_many([(1, "a"), (2, "b"), (3, "c"), (1, "d")])
    assert [job.is_new for job in jobs] == [True, False, True, False]
    assert jobs[0] == jobs[3] and jobs[1] == there and [job.info().args for job in jobs[:1]] == ['[1,"a"]']
    assert [job.is_new for job in jobs[2:]] == [True, False] and [job.is_new for job in pickle.loads(pickle.dumps(jobs))] == [True, False, True, False]
    assert not any(job.is_new for job in t.delay_many({"n": n} for n in (1, 2, 3)))
    assert [job.is_new for job in t.delay_many([(1,), (1,)], unique=False)] == [True, True]


def test_handles_say_whether_they_made_their_job(app: LiteQueue) -> None:
    job = app.task(name="t")(print).delay()
    assert job.is_new and copy.copy(job).is_new and not app.job(job.id).is_new


# -- debounce ------------------------------------------------------------------------------------------------


def test_debounce_puts_off_with_the_last_arguments_but_no_longer_than_max_wait(app: LiteQueue, clock: FakeClock) -> None:
    """graphile/worker#583."""

    @app.task(debounce="10s", max_wait="1m", unique=("doc",), name="t")
    def t(doc: int, text: str) -> None: ...

    job = t.delay(1, "0")
    start = job.info().created_at
    assert job.info().run_at == start + timedelta(seconds=10)
    for n in range(1, 13):
        clock.advance(5)
        assert t.delay(1, str(n)) == job
        assert job.info().run_at == start + timedelta(seconds=min(5 * n + 10, 60))
    assert (job.info().args, job.state) == ('[1,"12"]', "available")
    assert claim(app) == [job.id]
    assert t.delay(1, "13").is_new
    last = t.delay_many([(2, "a"), (1, "b"), (2, "c")])
    assert [one.is_new for one in last] == [True, False, False]
    assert [one.info().args for one in last] == ['[2,"c"]', '[1,"b"]', '[2,"c"]']


# -- retry, workflows, schedules ---------------------------------------------------------------------------


def test_a_retried_job_has_its_key_again_or_runs_without_and_the_command_says_so(app: LiteQueue, db: Path) -> None:
    """procrastinate#1543, oban#1457, river#1183: no change of state can violate a key."""
    t = app.task(unique="user:{0}", name="t")(lambda n: n)
    first = t.delay(5)
    first.cancel()
    assert first.retry() and not t.delay(5).is_new
    first.cancel()
    second = t.delay(5)
    assert second.is_new
    said = litequeue("retry", db, first.id).stdout
    assert said == "job 1 runs again\njob 1 runs without its key user:5, which job 2 has\n"
    assert t.delay(5) == second
    shown = litequeue("job", db, first.id).stdout
    assert "key           user:5, which job 2 has\n" in shown
    second.cancel()
    assert not first.cancel() or first.retry()
    assert t.delay(5) == first


def test_a_step_a_callback_and_what_takes_a_jobs_place_are_jobs_of_their_own(app: LiteQueue) -> None:
    t = app.task(unique=True, name="t")(lambda n=0: n)
    plain = app.task(name="p")(lambda n=0: n)
    for act in (
        lambda: (plain.s(1) | t.s()).delay(), lambda: group(t.s(1), plain.s(2)).delay(), lambda: plain.apply_async((1,), on_success=t.s()),
        lambda: app.task(on_failure=t, name="q")(print), lambda: app.batch(on_success=t).__enter__(),
    ):  # fmt: skip
        with pytest.raises(InvalidArgument, match=r"t is unique, and .* is always a job of its own: \.set\(unique=False\), or enqueue it"):
            act()
    (t.s(1).set(unique=False) | plain.s()).delay()
    plain.apply_async((1,), on_success=t.s().set(unique=False))

    @app.task(name="r")
    def r() -> None:
        raise Replace(t.si(1))

    job = r.delay()
    settle(app)
    assert job.state == "discarded" and "t is unique" in (job.info().last_error or "")


@pytest.mark.slow
def test_a_tick_whose_key_is_taken_is_skipped_and_says_by_which_job(db: Path) -> None:
    app = LiteQueue(db)
    t = app.task(unique=True, queue="elsewhere", name="t")(lambda n: n)
    held = t.delay(1)
    app.schedules.add("s", t, every="1s", args=(1,))
    app.schedules.add("first", t, every="1s", args=(2,), overlap="allow")
    app.schedules.add("second", t, every="1s", args=(2,), overlap="allow")
    assert app.schedules.run_now("s") == held
    with app.worker(queues=["default"]):
        wait_until(lambda: all(len(app.schedules.ticks(name)) > 1 for name in ("s", "first", "second")))
    assert {(tick.outcome, tick.reason, tick.job_id) for tick in app.schedules.ticks("s")} == {("skipped", "job 1 has its key n=1", None)}
    twos = [tick for name in ("first", "second") for tick in app.schedules.ticks(name)]
    (made,) = [tick.job_id for tick in twos if tick.job_id is not None]
    assert {tick.outcome for tick in twos} == {"fired", "skipped"} and app.job(made or 0).info().unique_key == "n=2"
    assert not t.delay(2).is_new
    app.schedules.update("s", args=(3,))
    assert app.schedules.run_now("s").info().unique_key == "n=3"


def test_the_command_line_says_that_a_job_was_there(app: LiteQueue, db: Path) -> None:
    app.task(unique="user:{0}", name="t")(lambda n: n).delay(5)
    ran = litequeue("enqueue", db, "t", "5")
    assert (ran.stdout, ran.stderr, ran.returncode) == ("1\n", "litequeue: job 1 was there: it has the key user:5\n", 0)
    assert litequeue("enqueue", db, "t", "5", "--unique", "no").stdout == "2\n"
    assert litequeue("enqueue", db, "t", "5", "--unique", "mine").stdout == "3\n"
    assert litequeue("enqueue", db, "t", "6", "--unique", "mine").stdout == "3\n"
    assert json.loads(litequeue("job", db, 3, "--json").stdout)["unique_key"] == "mine"


# -- many at once, and kills --------------------------------------------------------------------------------


def test_of_threads_and_processes_that_enqueue_one_key_exactly_one_makes_the_job(app: LiteQueue, db: Path) -> None:
    t = app.task(unique=True, name="t")(lambda n: n)
    t.delay(0)
    code = (
        "import sys; from litequeue import LiteQueue; q = LiteQueue(sys.argv[1])\n"
        "print(sum(q.send_task('t', (n,)).is_new for n in range(1, 40)))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(db)], env=environment(), stdout=subprocess.PIPE) for _ in range(3)]
    new: list[bool] = []

    def enqueue() -> None:
        new.extend(t.delay(n).is_new for n in range(1, 40))

    threads = [threading.Thread(target=enqueue) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(new) + sum(int(process.communicate()[0]) for process in processes) == 39
    assert len(app.jobs(limit=100)) == 40


@pytest.mark.slow
def test_a_producer_that_is_killed_leaves_a_job_with_its_key_or_neither(app: LiteQueue, db: Path) -> None:
    t = app.task(unique="user:{0}", name="t")(lambda n: n)
    t.delay("first")
    code = (
        "import sys; from litequeue import LiteQueue; q = LiteQueue(sys.argv[1])\n"
        "for n in range(10**6): q.send_task('t', (sys.argv[2] + str(n),))"
    )
    rng = random.Random(7)
    for round_ in range(12):
        process = subprocess.Popen([sys.executable, "-c", code, str(db), f"{round_}-"], env=environment())
        before = len(app.jobs(limit=10_000))
        wait_until(lambda before=before: len(app.jobs(limit=10_000)) > before, 20)  # type: ignore[misc]
        wait_until(lambda: rng.random() < 0.2)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with app._client.store.database.read() as connection:
        (odd,) = connection.execute(
            "SELECT (SELECT count(*) FROM litequeue_jobs WHERE id NOT IN (SELECT job_id FROM litequeue_keys))"
            " + (SELECT count(*) FROM litequeue_keys WHERE job_id NOT IN (SELECT id FROM litequeue_jobs))"
        ).fetchone()
    assert odd == 0
