"""Our schedules on Celery's clock: the same ticks, also when clocks change."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from litequeue import Cron, Every, LiteQueue
from litequeue.base.errors import InvalidArgument
from tests.peers import peer

peer("celery")
pytestmark = pytest.mark.beside

from celery import Celery
from celery.schedules import crontab

from litequeue.celery import NotCarried, export
from litequeue.celery.beat import TriggerSchedule

BERLIN = ZoneInfo("Europe/Berlin")
AUTUMN, SPRING = datetime(2026, 10, 25, tzinfo=BERLIN), datetime(2026, 3, 29, tzinfo=BERLIN)


def ticks(schedule: Any, day: datetime) -> list[datetime]:
    """Asked once a minute, as beat asks, from midnight to midnight where it is."""
    moment = day.astimezone(UTC)
    end = (day + timedelta(days=1)).astimezone(UTC)
    last, found = moment - timedelta(minutes=1), []
    while moment < end:
        schedule.nowfun = lambda at=moment: at.astimezone(BERLIN)
        if schedule.is_due(last)[0]:
            found.append(moment)
            last = moment
        moment += timedelta(minutes=1)
    return found


def ours(expression: str) -> TriggerSchedule:
    return TriggerSchedule(Cron(expression, "Europe/Berlin"))


@pytest.mark.parametrize(("expression", "day", "count"), [
    ("0 * * * *", AUTUMN, 25), ("0 * * * *", SPRING, 23), ("30 2 * * *", AUTUMN, 1), ("30 2 * * *", SPRING, 1), ("*/30 * * * *", AUTUMN, 50), ("0 7 * * *", AUTUMN, 1),
])  # fmt: skip
def test_ticks_are_right_on_the_days_on_which_clocks_change(expression: str, day: datetime, count: int) -> None:
    found = ticks(ours(expression), day)
    assert len(found) == count
    before = day - timedelta(minutes=1)
    expected = []
    trigger = Cron(expression, "Europe/Berlin")
    while (tick := trigger.next_after(expected[-1] if expected else before)) is not None and tick < day + timedelta(days=1):
        expected.append(tick.astimezone(UTC))
    assert found == expected


def test_celerys_own_crontab_is_not_the_same() -> None:
    """Or there would be no reason for ours."""
    app = Celery("t", set_as_current=False)
    app.conf.timezone, app.conf.enable_utc = "Europe/Berlin", True
    assert ticks(crontab(minute=0, app=app), AUTUMN) != ticks(ours("0 * * * *"), AUTUMN)


def test_what_was_missed_is_fired_once() -> None:
    schedule = ours("0 * * * *")
    schedule.nowfun = lambda: datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
    due, seconds = schedule.is_due(datetime(2026, 6, 1, 3, 0, tzinfo=UTC))
    assert due and seconds == 30 * 60
    due, seconds = schedule.is_due(datetime(2026, 6, 1, 12, 30, tzinfo=UTC))
    assert not due and seconds == 30 * 60
    assert schedule.remaining_estimate(datetime(2026, 6, 1, 12, 30, tzinfo=UTC)) == timedelta(minutes=30)


@pytest.mark.parametrize("trigger", [Cron("0 7 * * 1-5", "Europe/Berlin"), Cron("*/5 * * * * *", "UTC", seconds=True), Every("90s").anchored(datetime(2026, 1, 1, tzinfo=UTC))], ids=str)
def test_a_schedule_is_kept_by_beat_as_it_is(trigger: Any) -> None:
    """Its file is a pickle."""
    back = pickle.loads(pickle.dumps(TriggerSchedule(trigger)))
    assert back == TriggerSchedule(trigger) and back.trigger == trigger and hash(back) == hash(TriggerSchedule(trigger))


def test_an_interval_counts_from_its_last_run_also_where_beat_is_started_anew_before_its_end(celery: Celery) -> None:
    app = LiteQueue("never.sqlite")
    app.every("1h", name="hourly")(app.task(name="t")(lambda: None))
    export(app, celery)
    schedule = celery.conf.beat_schedule["hourly"]["schedule"]
    schedule.nowfun = lambda: datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
    assert schedule.is_due(datetime(2026, 6, 1, 11, 29, tzinfo=UTC)) == (True, 3600)
    assert schedule.is_due(datetime(2026, 6, 1, 12, 0, tzinfo=UTC)) == (False, 1800)


@pytest.fixture
def celery() -> Iterator[Celery]:
    yield Celery("t", broker="memory://", backend="cache+memory://", set_as_current=False)


def test_what_a_schedule_says_of_its_jobs_goes_along(celery: Celery) -> None:
    app = LiteQueue("never.sqlite")

    @app.cron("0 7 * * *", timezone="Europe/Berlin", name="digest", args=(("a", 1),), queue="mail", priority=3, timeout="30s", expires="1h", retries=2)
    @app.task(name="digest")
    def digest(value: Any) -> None: ...

    celery.conf.beat_schedule = {"theirs": {"task": "x", "schedule": 1.0}}
    export(app, celery)
    entry = celery.conf.beat_schedule["digest"]
    assert set(celery.conf.beat_schedule) == {"digest", "theirs"}
    assert entry["task"] == "digest" and list(entry["args"]) == [("a", 1)] and repr(entry["schedule"]) == "<at 07:00 every day (Europe/Berlin)>"
    options = entry["options"]
    assert (options["queue"], options["soft_time_limit"], options["time_limit"], options["expires"]) == ("mail", 30.0, 35.0, 3600.0)
    assert options["headers"] == {"litequeue": {"max_attempts": 3, "schedule": "digest"}}


def test_schedules_stay_where_they_are_if_that_is_said(celery: Celery) -> None:
    app = LiteQueue("never.sqlite")
    app.every("1h", name="hourly")(app.task(name="t")(lambda: None))
    export(app, celery, schedules=False)
    assert "hourly" not in (celery.conf.beat_schedule or {})


def test_what_beat_does_not_do_is_warned_of_once_for_each_rule(celery: Celery) -> None:
    app = LiteQueue("never.sqlite")
    task = app.task(name="t")(lambda: None)
    app.every("1h", name="a", overlap="allow")(task)
    app.every("2h", name="b", overlap="allow", jitter="5m")(task)
    app.every("2h", name="c")(task)
    with pytest.warns(NotCarried) as caught:
        export(app, celery)
    said = sorted(str(warning.message).partition(" does")[0] for warning in caught)
    assert said == ["jitter of the schedule b", "overlap of the schedule a, b"]


@pytest.mark.parametrize("declare", [lambda app: app.every("1h", after="finish", name="late"), lambda app: app.cron("@reboot", name="late")], ids=["finish", "reboot"])
def test_a_schedule_that_beat_cannot_keep_is_refused(declare: Any, celery: Celery) -> None:
    app = LiteQueue("never.sqlite")
    declare(app)(app.task(name="t")(lambda: None))
    with pytest.raises(InvalidArgument, match=r"the schedule late .* Celery's clock does not know: export\(\.\.\., schedules=False\)"):
        export(app, celery)
