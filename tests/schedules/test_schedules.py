"""Schedules as users write them: at run time by ``app.schedules``, and in code by decorators."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from litequeue import (
    At,
    Cron,
    Every,
    InvalidArgument,
    InvalidType,
    LiteQueue,
    PayloadError,
    PayloadTooLarge,
    ScheduleNotFound,
    SignatureMismatch,
    current_job,
)

from .. import sample
from ..support import FakeClock, environment, wait_until

pytestmark = pytest.mark.beside

SECOND = 1_000_000
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ERRORS = (InvalidArgument, InvalidType, SignatureMismatch, PayloadError, PayloadTooLarge)


class Own:
    """A trigger that no file can hold."""

    def next_after(self, moment: datetime) -> datetime:
        return moment + timedelta(hours=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(int(NOON.timestamp()) * SECOND)


@pytest.fixture
def app(db: Path, clock: FakeClock) -> Iterator[LiteQueue]:
    with LiteQueue(db, clock=clock) as app:

        @app.task(name="report", retries=2, timeout=60)
        def report(day: int = 1, *, form: str = "pdf") -> None: ...

        @app.task(name="once", at_most_once=True)
        def once() -> None: ...

        yield app


def stored(db: Path) -> list[Any]:
    if not db.exists():
        return []
    with contextlib.closing(sqlite3.connect(db)) as connection:
        return connection.execute("SELECT * FROM litequeue_schedules ORDER BY id").fetchall()


# -- the trigger ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected", "spec"),
    [
        ({"cron": "30 14 * * *", "timezone": "UTC"}, "14:30", {"cron": "30 14 * * *", "timezone": "UTC"}),
        ({"cron": "30 14 * * *", "timezone": ZoneInfo("Asia/Tokyo")}, "05:30", {"cron": "30 14 * * *", "timezone": "Asia/Tokyo"}),
        ({"cron": "30 5 14 * * *", "timezone": "UTC", "seconds": True}, "14:05", None),
        ({"cron": "@hourly", "timezone": "UTC"}, "12:00", None),
        ({"every": "15m"}, "12:15", {"every": "15m"}),
        ({"every": 900}, "12:15", {"every": "15m"}),
        ({"every": timedelta(minutes=15)}, "12:15", {"every": "15m"}),
        ({"at": NOON + timedelta(hours=1)}, "13:00", {"at": "2026-03-02T13:00:00Z"}),
        ({"at": NOON}, "12:00", None),
        ({"trigger": Cron("30 14 * * *", "UTC")}, "14:30", None),
        ({"trigger": Every("1h", anchor="epoch")}, "12:00", {"every": "1h", "anchor": "epoch"}),
        ({"trigger": Every("1h", run_immediately=True)}, "12:00", {"every": "1h", "run_immediately": True}),
        ({"trigger": Every("1h", after="finish")}, "13:00", {"every": "1h", "after": "finish"}),
        ({"trigger": At(NOON + timedelta(minutes=1))}, "12:01", None),
    ],
)
def test_each_way_to_give_a_time(app: LiteQueue, given: Any, expected: str, spec: Any) -> None:
    info = app.schedules.add("s", "report", **given)
    assert info.next_tick is not None
    assert f"{info.next_tick:%H:%M}" == expected
    assert info.state == "active"
    if spec is not None:
        assert json.loads(info.spec) == spec


# What is wrong, the error's class, and words that it must have.
WRONG: list[tuple[dict[str, Any], type[Exception], list[str]]] = [
    ({}, InvalidArgument, ["cron=", "every=", "at=", "trigger=", "none"]),
    ({"cron": "* * * * *", "every": "1m"}, InvalidArgument, ["one of cron=", "2"]),
    ({"cron": "61 * * * *"}, InvalidArgument, ["minute", "61", "0 to 59"]),
    ({"cron": "* * *"}, InvalidArgument, ["3", "5"]),
    ({"cron": 5}, InvalidType, ["5"]),
    ({"cron": "0 0 30 2 *"}, InvalidArgument, ["never"]),
    ({"cron": "0 3 * * *", "timezone": "Europe/Berln"}, InvalidArgument, ["timezone", "Europe/Berln", "Europe/Berlin"]),
    ({"cron": "0 3 * * *", "timezone": 2}, InvalidType, ["timezone", "2"]),
    ({"every": "1m", "timezone": "UTC"}, InvalidArgument, ["timezone=", "cron="]),
    ({"every": "1m", "seconds": True}, InvalidArgument, ["seconds=", "cron="]),
    ({"every": "often"}, InvalidArgument, ["Every", "often", "1h30m"]),
    ({"every": 0}, InvalidArgument, ["period", "1ms", "0"]),
    ({"every": True}, InvalidType, ["period", "True"]),
    ({"at": datetime(2030, 1, 1)}, InvalidArgument, ["time zone", "2030"]),
    ({"at": "tomorrow"}, InvalidType, ["datetime", "tomorrow"]),
    ({"trigger": "0 3 * * *"}, InvalidType, ["trigger", "Cron('0 3 * * *')"]),
    ({"trigger": Own}, InvalidType, ["trigger", "the class"]),
    ({"every": "1m", "catch_up": "some"}, InvalidArgument, ["catch_up", "some", "latest, skip, all"]),
    ({"every": "1m", "overlap": True}, InvalidArgument, ["overlap", "True", "skip, queue, allow"]),
    ({"every": "1m", "grace": -1}, InvalidArgument, ["grace", "-1"]),
    ({"every": "1m", "grace": "soon"}, InvalidArgument, ["grace", "soon"]),
    ({"every": "1m", "jitter": "1m"}, InvalidArgument, ["jitter", "1m", "shorter than the period"]),
    ({"every": "1m", "jitter": []}, InvalidType, ["jitter", "length of time"]),
    ({"every": "1m", "on_failure": ""}, InvalidArgument, ["on_failure", "one line"]),
    ({"every": "1m", "mail_to": 7}, InvalidType, ["mail_to", "7"]),
    ({"every": "1m", "mail_to": "jörg@example.org"}, InvalidArgument, ["mail_to", "jörg@", "ASCII"]),
    ({"every": "1m", "mail_to": "Ann <ann@example.org>"}, InvalidArgument, ["mail_to", "Ann", "name of a person"]),
    ({"every": "1m", "mail_to": ["ann", "a b"]}, InvalidArgument, ["mail_to", "a b"]),
    ({"every": "1m", "mail_to": []}, InvalidArgument, ["mail_to", "one line"]),
    ({"every": "1m", "queue": "no spaces"}, InvalidArgument, ["queue", "no spaces", "letters"]),
    ({"every": "1m", "priority": 1.5}, InvalidType, ["priority", "1.5"]),
    ({"every": "1m", "retries": -1}, InvalidArgument, ["retries", "-1"]),
    ({"every": "1m", "retries": "3"}, InvalidType, ["retries", "'3'"]),
    ({"every": "1m", "timeout": 0}, InvalidArgument, ["timeout", "0"]),
    ({"every": "1m", "timeout": "1 hour"}, InvalidArgument, ["timeout", "1 hour"]),
    ({"every": "1m", "soft_timeout": "2h"}, InvalidArgument, ["soft_timeout", "timeout"]),
    ({"every": "1m", "expires": NOON}, InvalidType, ["expires", "length of time", "datetime"]),
    ({"every": "1m", "args": "abc"}, InvalidType, ["args", "abc"]),
    ({"every": "1m", "kwargs": [1]}, InvalidType, ["kwargs", "[1]"]),
    ({"every": "1m", "kwargs": {"nope": 1}}, SignatureMismatch, ["report", "nope"]),
    ({"every": "1m", "args": (1, 2)}, SignatureMismatch, ["report", "too many"]),
    ({"every": "1m", "args": (object(),)}, PayloadError, ["args[0]", "object"]),
    ({"every": "1m", "args": ("x" * (2 << 20),)}, PayloadTooLarge, ["1,048,576"]),
]


def _tell(words: list[str], error: BaseException) -> None:
    for word in words:
        assert word in str(error), (word, str(error))


@pytest.mark.parametrize(("options", "kind", "words"), WRONG)
@pytest.mark.parametrize("way", ["add", "update", "decorator"])
def test_what_is_wrong_is_refused_at_once_and_nothing_is_stored(
    app: LiteQueue, db: Path, way: str, options: dict[str, Any], kind: type[Exception], words: list[str]
) -> None:
    if way == "update" and not options.keys() & {"cron", "at", "trigger", "timezone", "seconds"}:
        if not options:
            pytest.skip("an update of nothing is none")
        options = {key: value for key, value in options.items() if key != "every" or len(options) == 1}
    if way == "update":
        app.schedules.add("s", "report", every="1m")
    before = stored(db)
    with pytest.raises(kind) as caught:
        if way == "add":
            app.schedules.add("s", "report", **options)
        elif way == "update":
            app.schedules.update("s", **options)
        else:

            @app.schedule(options.pop("trigger", None), **options)
            @app.task(name="other", timeout=60)
            def report(day: int = 1, *, form: str = "pdf") -> None: ...

    assert isinstance(caught.value, ERRORS)
    _tell([word if way != "decorator" or word != "report" else "other" for word in words], caught.value)
    assert stored(db) == before
    assert not app._declared


@pytest.mark.parametrize(
    ("name", "task", "options", "words"),
    [
        ("", "report", {}, ["the schedule's name", "1 to 200"]),
        ("a b", "report", {}, ["the schedule's name", "a b"]),
        (7, "report", {}, ["the schedule's name", "int"]),
        ("s", "no such thing", {}, ["task", "no such thing"]),
        ("s", print, {}, ["task must be", "@app.task", "print"]),
        ("s", None, {}, ["task must be", "None"]),
        ("s", ["report"], {}, ["task must be", "list"]),
        ("s", "once", {"retries": 1}, ["once", "at most once", "retries"]),
        ("s", "report", {"paused": "yes"}, ["paused", "True or False"]),
        ("s", "report", {"replace": 1}, ["replace", "True or False"]),
    ],
)
def test_a_wrong_name_task_or_flag_is_refused(
    app: LiteQueue, db: Path, name: Any, task: Any, options: Any, words: list[str]
) -> None:
    with pytest.raises(ERRORS) as caught:
        app.schedules.add(name, task, every="1m", **options)
    _tell(words, caught.value)
    assert stored(db) == []


def test_a_time_that_is_over_and_a_trigger_of_ones_own_are_no_schedule(app: LiteQueue, db: Path) -> None:
    with pytest.raises(InvalidArgument, match="would never fire: once at 2026-03-02 11:59:59"):
        app.schedules.add("s", "report", at=NOON - timedelta(seconds=1))
    with pytest.raises(InvalidArgument, match=r"Own exists only in code.*@app\.schedule"):
        app.schedules.add("s", "report", trigger=Own())
    assert stored(db) == []
    app.schedules.add("s", "report", every="1m")
    before = stored(db)
    with pytest.raises(InvalidArgument, match="would never fire"):
        app.schedules.update("s", at=NOON - timedelta(seconds=1))
    with pytest.raises(InvalidArgument, match="Own exists only in code"):
        app.schedules.update("s", trigger=Own())
    with pytest.raises(InvalidType, match="update has no option 'task'"):
        app.schedules.update("s", task="other")
    assert stored(db) == before


# -- changing -------------------------------------------------------------------------------------------


def test_options_and_arguments_reach_the_row_and_the_job(app: LiteQueue, clock: FakeClock) -> None:
    app.schedules.add(
        "s", "report", every="1h", args=(3,), kwargs={"form": "csv"}, queue="slow", priority=9, retries=5, timeout="2h",
        soft_timeout=timedelta(hours=1), expires="10m", catch_up="all", grace="1d", overlap="allow", jitter=1.5,
        on_failure="true", mail_to="ann",
    )  # fmt: skip
    info = app.schedules.get("s")
    assert (info.catch_up, info.grace, info.overlap, info.jitter) == ("all", 86_400.0, "allow", 1.5)
    assert (info.on_failure, info.mail_to, info.queue, info.declared_in) == ("true", "ann", "slow", None)
    job = app.schedules.run_now("s").info()
    assert (job.task, json.loads(job.args), json.loads(job.kwargs)) == ("report", [3], {"form": "csv"})
    assert (job.queue, job.priority, job.max_attempts, job.timeout, job.pool) == ("slow", 9, 6, 7200.0, "thread")
    assert job.expires_at == NOON + timedelta(minutes=10)
    assert (job.schedule, job.scheduled_for) == ("s", NOON)
    assert app.schedules.add("t", "once", every="1h").grace == 3600.0
    job = app.schedules.run_now("t").info()
    assert (job.at_most_once, job.max_attempts, job.timeout) == (True, 1, None)
    app.schedules.add("u", "report", cron="0 3 * * *")
    job = app.schedules.run_now("u").info()
    assert (job.max_attempts, job.timeout) == (3, 60.0)


def test_a_schedule_may_ask_that_its_jobs_run_at_most_once(app: LiteQueue) -> None:
    assert app.schedules.add("s", "report", every="1h", at_most_once=True).at_most_once  # instead of the task's two retries
    job = app.schedules.run_now("s").info()
    assert (job.at_most_once, job.max_attempts) == (True, 1)
    assert not app.schedules.update("s", at_most_once=False).at_most_once
    app.schedules.add("again", "report", every="1h", retries=4)
    for refused in ({"at_most_once": True}, {"at_most_once": True, "retries": 1}):
        with pytest.raises(InvalidArgument, match="takes no retries"):
            app.schedules.update("again", **refused)  # type: ignore[arg-type]
    assert app.schedules.update("again", at_most_once=True, retries=0).at_most_once
    app.schedules.add("unknown", "not.here", every="1h")
    app.schedules.update("unknown", at_most_once=True)
    job = app.schedules.run_now("unknown").info()
    assert (job.at_most_once, job.max_attempts) == (True, 1)
    with pytest.raises(InvalidArgument, match="nobody else may take that away"):
        app.schedules.add("t", "once", every="1h", at_most_once=False)


def test_a_name_is_taken_unless_replaced_and_replacing_by_the_same_time_keeps_the_next_tick(
    app: LiteQueue, clock: FakeClock
) -> None:
    """Else a program that adds its schedules at each start would put off an interval for ever."""
    first = app.schedules.add("s", "report", every="1h", priority=1)
    clock.advance(1800)
    with pytest.raises(InvalidArgument, match="already a schedule named s: .*replace=True"):
        app.schedules.add("s", "report", every="1h")
    again = app.schedules.add("s", "report", every="1h", retries=7, replace=True)
    assert again.next_tick == first.next_tick
    assert app.schedules.run_now("s").info().max_attempts == 8
    assert app.schedules.run_now("s").info().priority == 0
    other = app.schedules.add("s", "report", every="2h", replace=True)
    assert other.next_tick == NOON + timedelta(minutes=150)
    assert other.created_at == first.created_at
    app.schedules.add("s", "report", every="2h", replace=True, paused=True)
    assert app.schedules.get("s").state == "paused"
    assert app.schedules.add("s", "report", every="3h", replace=True).state == "paused"
    assert app.schedules.add("p", "report", every="2h", paused=True).state == "paused"


def test_an_update_keeps_the_next_tick_unless_the_time_is_another(
    app: LiteQueue, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick = app.schedules.add("s", "report", every="1h", retries=1).next_tick
    clock.advance(1800)
    for change in (
        {"retries": 9}, {"every": "60m"}, {"trigger": Every("1h")}, {"kwargs": {"form": "x"}}, {"grace": 5}, {},
        {"jitter": 0}, {"queue": "q"},
    ):  # fmt: skip
        assert app.schedules.update("s", **change).next_tick == tick, change  # type: ignore[arg-type]
    job = app.schedules.run_now("s").info()
    assert (job.max_attempts, json.loads(job.kwargs), job.queue) == (10, {"form": "x"}, "q")
    assert app.schedules.update("s", every="2h").next_tick == NOON + timedelta(minutes=150)
    assert app.schedules.update("s", cron="0 3 * * *", timezone="UTC").next_tick == NOON + timedelta(hours=15)
    assert app.schedules.update("s", timezone="Asia/Tokyo").next_tick == NOON + timedelta(hours=6)
    monkeypatch.setenv("TZ", "America/Chicago")
    assert app.schedules.update("s", seconds=None, timezone=None).next_tick == NOON + timedelta(hours=21)
    with pytest.raises(InvalidArgument, match="cron="):
        app.schedules.update("s", every="1h", timezone="UTC")


def test_an_update_is_judged_together_with_what_stays(app: LiteQueue) -> None:
    app.schedules.add("s", "report", every="1h", soft_timeout=50, args=("x" * 600_000,))
    with pytest.raises(InvalidArgument, match="soft_timeout must be shorter"):
        app.schedules.update("s", timeout=40)
    with pytest.raises(SignatureMismatch):
        app.schedules.update("s", kwargs={"day": 1})  # which args=("x...",) gives already
    with pytest.raises(PayloadTooLarge):
        app.schedules.update("s", kwargs={"form": "x" * 600_000})
    app.schedules.update("s", jitter="59m")
    with pytest.raises(InvalidArgument, match="jitter"):
        app.schedules.update("s", every="30m")
    app.schedules.add("t", "once", every="1h")
    with pytest.raises(InvalidArgument, match="at most once"):
        app.schedules.update("t", retries=3)


def test_a_usual_grace_goes_with_the_time_and_a_chosen_one_stays(app: LiteQueue) -> None:
    """Else a schedule that became a daily one misses its tick after the minute that was usual before."""
    app.schedules.add("s", "report", every="1m")
    assert app.schedules.update("s", every="1d").grace == 86_400.0
    assert app.schedules.update("s", cron="0 3 * * *").grace == 3600.0
    app.schedules.update("s", grace=7)
    assert app.schedules.update("s", every="1h").grace == 7.0
    assert app.schedules.update("s", grace=None).grace == 3600.0


def test_updates_from_many_threads_lose_nothing(app: LiteQueue) -> None:
    app.schedules.add("s", "report", every="1h")
    changes: list[dict[str, Any]] = [
        {"retries": 3}, {"priority": 4}, {"grace": 5}, {"queue": "q"}, {"catch_up": "all"}, {"overlap": "allow"},
        {"mail_to": "ann"}, {"on_failure": "true"},
    ]  # fmt: skip
    start = threading.Barrier(len(changes))

    def change(options: dict[str, Any]) -> None:
        start.wait()
        app.schedules.update("s", **options)

    threads = [threading.Thread(target=change, args=(options,)) for options in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    info, job = app.schedules.get("s"), app.schedules.run_now("s").info()
    assert (info.grace, info.queue, info.catch_up, info.overlap) == (5.0, "q", "all", "allow")
    assert (info.mail_to, info.on_failure, job.max_attempts, job.priority) == ("ann", "true", 4, 4)


def test_of_many_that_add_one_name_one_wins(db: Path, app: LiteQueue) -> None:
    start, won = threading.Barrier(8), []

    def add(number: int) -> None:
        start.wait()
        try:
            app.schedules.add("s", "report", every="1h", priority=number)
            won.append(number)
        except InvalidArgument:
            pass

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == len(stored(db)) == 1
    assert app.schedules.run_now("s").info().priority == won[0]


def test_what_is_not_there_is_not_found(app: LiteQueue) -> None:
    app.schedules.add("s", "report", every="1h")
    app.schedules.run_now("s")
    app.schedules.remove("s")
    schedules = app.schedules
    for method in (schedules.update, schedules.remove, schedules.pause, schedules.resume, schedules.run_now,
                   schedules.get, schedules.ticks):  # fmt: skip
        with pytest.raises(ScheduleNotFound, match="there is no schedule named s"):
            method("s")
        with pytest.raises(InvalidType, match="the schedule's name"):
            method(5)  # type: ignore[operator]
    assert schedules.list() == []
    assert app.job(1).state == "available"
    # A new one of that name has nothing of the old one's history.
    schedules.add("s", "report", every="1h")
    assert schedules.ticks("s") == []


def test_pausing_and_resuming_are_shown_and_count_from_now(app: LiteQueue, clock: FakeClock) -> None:
    app.schedules.add("s", "report", every="1h")
    app.schedules.resume("s")
    app.schedules.pause("s")
    app.schedules.pause("s")
    info = app.schedules.get("s")
    assert (info.state, info.next_tick) == ("paused", None)
    assert app.schedules.update("s", retries=1).state == "paused"
    assert app.schedules.update("s", every="1h", jitter=5).state == "paused"
    app.schedules.update("s", jitter=0)
    clock.advance(10 * 3600 + 60)
    app.schedules.resume("s")
    assert app.schedules.get("s").next_tick == NOON + timedelta(hours=11)


def test_each_run_now_is_a_job_and_a_tick_even_two_in_one_microsecond(app: LiteQueue) -> None:
    tick = app.schedules.add("s", "report", every="1h").next_tick
    jobs = [app.schedules.run_now("s") for _ in range(3)]
    app.schedules.pause("s")
    jobs.append(app.schedules.run_now("s"))
    ticks = app.schedules.ticks("s")
    assert [t.job_id for t in ticks] == [job.id for job in jobs][::-1]
    assert {t.outcome for t in ticks} == {"manual"}
    assert [t.at for t in ticks][::-1] == [job.info().scheduled_for for job in jobs]
    app.schedules.resume("s")
    info = app.schedules.get("s")
    assert (info.next_tick, info.ticks, info.last_outcome, info.last_job) == (tick, 0, "manual", jobs[-1].id)


def test_the_history_is_paged_newest_first(app: LiteQueue, clock: FakeClock) -> None:
    app.schedules.add("s", "report", every="1h")
    for _ in range(7):
        clock.advance(1)
        app.schedules.run_now("s")
    pages, before = [], None
    while page := app.schedules.ticks("s", before=before, limit=3):
        pages.append([tick.job_id for tick in page])
        before = page[-1].at
    assert pages == [[7, 6, 5], [4, 3, 2], [1]]
    for wrong in ({"limit": 0}, {"limit": True}, {"before": 5}, {"before": datetime(2026, 1, 1)}):
        with pytest.raises(ERRORS, match=next(iter(wrong))):
            app.schedules.ticks("s", **wrong)  # type: ignore[arg-type]


# -- beside a worker, and from another process ------------------------------------------------------------


def test_a_schedule_added_beside_a_worker_fires_without_waiting_for_the_slow_look(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is told. By itself it would look each half second, and here each hour, as may its clockwork."""
    monkeypatch.setattr("litequeue.worker.slow_look.SLOW_LOOK", 3_600.0)
    with LiteQueue(db) as app, LiteQueue(db) as other:
        seen: list[datetime | None] = []

        @app.task(name="seen")
        def task() -> None:
            seen.append(current_job().scheduled_for)

        with app.worker(threads=2):
            for number in range(5):
                seen.clear()
                other.schedules.add(f"s{number}", "seen", every="20ms")
                wait_until(lambda: seen)
                other.schedules.remove(f"s{number}")
                assert seen[0] is not None
        assert app.jobs(limit=1)[0].schedule is None  # its schedule is gone, and the job is not


def test_a_worker_obeys_changes_at_once(db: Path) -> None:
    with LiteQueue(db) as app:
        ran = []

        @app.task(name="count")
        def task(x: int) -> None:
            ran.append(x)

        with app.worker(threads=2):
            app.schedules.add("s", "count", every="1h", args=(1,))
            app.schedules.update("s", every="50ms", args=(2,))
            wait_until(lambda: len(ran) >= 2)
            assert set(ran) == {2}
            app.schedules.pause("s")
            wait_until(lambda: not app.stats().states.get("running") and not app.stats().states.get("available"))
            count = len(ran)
            app.schedules.run_now("s").get(timeout=10)
            assert len(ran) == count + 1
            app.schedules.resume("s")
            wait_until(lambda: len(ran) > count + 1)
            app.schedules.remove("s")


IN_ANOTHER_PROCESS = """
from litequeue import LiteQueue
with LiteQueue("db.sqlite") as app:
    app.schedules.add("theirs", "tests.sample.add", every="100ms", args=(1, 2))
    app.schedules.update("ours", priority=5)
    app.schedules.pause("ours")
    print([info.name for info in app.schedules.list()])
"""


@pytest.mark.slow
def test_schedules_are_the_files_and_any_process_changes_them(sample_app: LiteQueue, db: Path) -> None:
    sample_app.schedules.add("ours", sample.square, every="1h", args=(3,))
    with sample_app.worker(threads=1, processes=1):
        assert _python(IN_ANOTHER_PROCESS, db.parent) == "['ours', 'theirs']\n"
        done = wait_until(lambda: [t for t in sample_app.schedules.ticks("theirs") if t.job_state == "succeeded"])
        sample_app.schedules.remove("theirs")
        assert sample_app.job(done[0].job_id or 0).get(timeout=5) == 3
        assert sample_app.schedules.get("ours").state == "paused"
        job = sample_app.schedules.run_now("ours")
        assert job.get(timeout=20) == 9
        assert (job.info().pool, job.info().priority) == ("process", 5)


# -- decorators ---------------------------------------------------------------------------------------------


def test_decorators_declare_in_memory_and_give_back_the_task(db: Path, app: LiteQueue) -> None:
    @app.cron("0 3 * * *", timezone="UTC", name="nightly", kwargs={"x": 1})
    @app.every("15m", jitter="30s")
    @app.task(name="both", retries=3)
    def both(x: int = 0) -> int:
        return x + 1

    @app.schedule(Own())
    async def plain() -> None: ...

    assert both(1) == 2
    assert both.name == "both"
    assert sorted(app._declared) == ["both", "nightly", plain.name]  # type: ignore[attr-defined]
    assert app._declared["nightly"].job.columns.max_attempts == 4
    assert app._declared["both"].rules["jitter"] == 30 * SECOND
    assert app._declared[plain.name].job.columns.pool == "async"  # type: ignore[attr-defined]
    assert not db.exists()


def test_a_decorator_in_the_wrong_place_says_so(app: LiteQueue) -> None:
    for lower in (app.cron("0 3 * * *"), app.every("1m"), app.schedule(Own())):
        for upper in (app.task, app.task(retries=3)):
            app._declared.clear()

            def f() -> None: ...

            with pytest.raises(InvalidType, match=r"is a task already; @app\.task goes below @app\.cron"):
                upper(lower(f))  # type: ignore[operator]
    app._declared.clear()
    # Without its parentheses.
    for bare in (app.cron, app.every, app.schedule):
        with pytest.raises((InvalidType, InvalidArgument)):
            bare(f)  # type: ignore[operator]
    with pytest.raises(InvalidType, match="a schedule has no option 'rertries'"):
        app.every("1m", rertries=3)
    with pytest.raises(InvalidType, match="function"):
        app.every("1m")("report")  # type: ignore[type-var]
    with pytest.raises(InvalidArgument, match="the schedule's name"):
        app.every("1m", name="")(f)
    with pytest.raises(InvalidArgument, match="a lambda has no name"):
        app.every("1m")(lambda: None)
    assert not app._declared


def test_one_name_for_two_declarations_is_refused(app: LiteQueue) -> None:
    def f() -> None: ...

    with pytest.raises(InvalidArgument, match="already a schedule named .*another name="):
        app.cron("0 3 * * *")(app.cron("0 15 * * *")(f))

    @app.every("1m", name="x")
    def g() -> None: ...

    with pytest.raises(InvalidArgument, match="already a schedule named x"):

        @app.every("1m", name="x")
        def h() -> None: ...


@pytest.mark.slow
def test_a_module_that_is_executed_again_declares_anew(tmp_path: Path) -> None:
    (tmp_path / "core.py").write_text(f"from litequeue import LiteQueue\napp = LiteQueue({str(tmp_path / 'x.db')!r})\n")
    (tmp_path / "again.py").write_text("import core\n@core.app.every(PERIOD)\n@core.app.task\ndef f(): ...\n".replace(
        "PERIOD", "'1m'"))  # fmt: skip
    code = (
        "import importlib, again, core; open('again.py', 'a').write('\\n'); importlib.reload(again);"
        "print(list(core.app._declared))"
    )
    assert _python(code, tmp_path) == "['again.f']\n"


def _python(code: str, cwd: Path) -> str:
    env = {**environment(), "PYTHONDONTWRITEBYTECODE": "1"}
    env["PYTHONPATH"] += f":{cwd}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_importing_declarations_writes_nothing_and_importing_the_package_loads_no_zones(tmp_path: Path) -> None:
    lines = ["from litequeue import LiteQueue", "app = LiteQueue('declared.sqlite')"]
    for n in range(100):
        lines += [f"@app.cron('{n % 60} 3 * * *', timezone='Europe/Berlin')", "@app.task", f"def f{n}(): ..."]
    (tmp_path / "declared.py").write_text("\n".join(lines))
    loaded = "print([m for m in ('zoneinfo', 'litequeue.triggers', 'litequeue.cron', 'litequeue.base.durations', "\
        "'litequeue.schedules', 'litequeue.base.records', 'sqlite3') if m in sys.modules])"  # fmt: skip
    assert _python(f"import sys, litequeue; {loaded}", tmp_path) in ("[]\n", "['sqlite3']\n")
    assert _python("import declared; print(len(declared.app._declared))", tmp_path) == "100\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["declared.py"]
