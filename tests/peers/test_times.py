"""Times of pendulum, pandas, freezegun, pytz, dateutil and pydantic, as options and as arguments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from litequeue import LiteQueue
from litequeue.base import checks
from litequeue.base.errors import InvalidArgument, PayloadError
from litequeue.cron import preview
from litequeue.payload import Codec
from litequeue.triggers import At, Cron, Every, next_tick, spec_of

from . import peer

pytestmark = pytest.mark.beside

BERLIN = ZoneInfo("Europe/Berlin")
# The same moment everywhere below.
SUMMER = datetime(2036, 7, 1, 12, 30, 15, 123456, tzinfo=BERLIN)
MOMENT = checks.moment(SUMMER, "summer")


def pendulums() -> Any:
    return peer("pendulum").datetime(2036, 7, 1, 12, 30, 15, 123456, tz="Europe/Berlin")


def pendulums_by_offset() -> Any:
    return peer("pendulum").parse("2036-07-01T12:30:15.123456+02:00")


def pandas_stamp() -> Any:
    return peer("pandas").Timestamp("2036-07-01 12:30:15.123456789", tz="Europe/Berlin")


def pandas_stamp_before_the_epoch() -> Any:
    return peer("pandas").Timestamp("1960-07-01 12:30:15.123456789", tz="UTC")


def pandas_stamp_of_pytz() -> Any:
    return peer("pandas").Timestamp("2036-07-01 12:30:15.123456789", tz=peer("pytz").timezone("Europe/Berlin"))


def freezeguns() -> Any:
    with peer("freezegun").freeze_time("2036-07-01 10:30:15.123456"):
        import datetime as module

        found = module.datetime.now(UTC)
        assert type(found).__name__ == "FakeDatetime"
        return found


STAMPS = [pendulums, pendulums_by_offset, pandas_stamp, pandas_stamp_of_pytz, freezeguns]


@pytest.fixture(params=STAMPS, ids=lambda f: f.__name__)
def stamp(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_any_datetime_says_when_a_job_is_to_run(app: LiteQueue, stamp: Any) -> None:
    @app.task
    def f() -> None: ...

    info = f.apply_async(eta=stamp).info()
    assert info.run_at == SUMMER and type(info.run_at) is datetime and info.state == "scheduled"
    assert f.apply_async(expires=stamp).info().expires_at == SUMMER


def test_any_datetime_says_when_a_schedule_fires(app: LiteQueue, stamp: Any) -> None:
    app.schedules.add("once", "some.task", at=stamp)
    found = app.schedules.get("once")
    assert found is not None and found.next_tick == SUMMER
    assert app.schedules.ticks("once", before=stamp) == []
    plain = SUMMER.astimezone(UTC)
    assert spec_of(At(stamp)) == spec_of(At(plain)) and type(At(stamp).moment) is datetime
    assert spec_of(Every("1h", anchor=stamp)) == spec_of(Every("1h", anchor=plain))
    assert Every("1h").anchored(stamp) == Every("1h").anchored(plain)
    for trigger in (Cron("0 12 * * *", "Europe/Berlin"), Every("1h", anchor="epoch"), At(SUMMER + timedelta(days=1))):
        found_after = trigger.next_after(stamp)
        assert found_after == trigger.next_after(plain) and type(found_after) is datetime
    ticks = preview("0 12 * * *", "Europe/Berlin", stamp, 2)
    assert ticks == preview("0 12 * * *", "Europe/Berlin", plain, 2)
    assert all(type(tick.at) is datetime for tick in ticks)


def test_a_users_trigger_may_answer_with_any_datetime(stamp: Any) -> None:
    class Own:
        def next_after(self, moment: datetime) -> Any:
            return stamp

    assert next_tick(Own(), 0) == MOMENT


def test_times_while_the_clock_is_frozen(app: LiteQueue) -> None:
    @app.task
    def f(x: Any) -> None: ...

    with peer("freezegun").freeze_time("2030-01-01"):
        import datetime as module

        now = module.datetime.now(UTC)
        job = f.apply_async((now,), eta=now + timedelta(hours=1))
        assert job.info().run_at == datetime(2030, 1, 1, 1, tzinfo=UTC)
    codec = Codec()
    back = codec.decode(codec.encode([now, now.date()]))
    assert back == [datetime(2030, 1, 1, tzinfo=UTC), date(2030, 1, 1)]
    assert [type(v) for v in back] == [datetime, date]


def test_nanoseconds_are_floored() -> None:
    assert checks.moment(pandas_stamp(), "eta") == MOMENT
    plain = datetime(1960, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)
    assert checks.moment(pandas_stamp_before_the_epoch(), "eta") == checks.moment(plain, "eta")


def test_no_time_at_all_is_refused(app: LiteQueue) -> None:
    pandas = peer("pandas")
    for nothing in (pandas.NaT, pandas.Timestamp("2030-01-01")):
        with pytest.raises(InvalidArgument, match="eta"):
            app.send_task("some.task", eta=nothing)


def test_lengths_of_time(app: LiteQueue) -> None:
    pandas, pendulum = peer("pandas"), peer("pendulum")
    lengths = (pandas.Timedelta("1h30min"), pendulum.duration(hours=1, minutes=30), pendulum.now() - pendulum.now().subtract(minutes=90))
    for length in lengths:
        assert abs(checks.span(length, "countdown") - 5_400_000_000) < 1_000_000
        assert abs(Every(length).micros - 5_400_000_000) < 1_000_000


# -- as arguments --------------------------------------------------------------------------------------------------


def carried(value: Any) -> Any:
    codec = Codec()
    return codec.decode(codec.encode([value], "args"))[0]


def by(library: str, make: Callable[[Any], Any]) -> Callable[[], Any]:
    """A zone, or a time with it, once its library is there."""
    return lambda: make(peer(library))


def _pydantic(text: str) -> Callable[[Any], Any]:
    return lambda pydantic: pydantic.TypeAdapter(datetime).validate_python(text).tzinfo


ZONES: dict[str, tuple[Callable[[], Any], Any]] = {
    "pendulum": (by("pendulum", lambda p: p.timezone("Europe/Berlin")), BERLIN),
    "pendulum UTC": (by("pendulum", lambda p: p.UTC), ZoneInfo("UTC")),
    "pendulum fixed": (by("pendulum", lambda p: p.timezone(7200)), timezone(timedelta(hours=2), "+02:00")),
    "pytz UTC": (by("pytz", lambda p: p.utc), ZoneInfo("UTC")),
    "pytz fixed": (by("pytz", lambda p: p.FixedOffset(-90)), timezone(timedelta(minutes=-90))),
    "pytz static": (by("pytz", lambda p: p.timezone("Etc/GMT+5")), ZoneInfo("Etc/GMT+5")),
    "dateutil UTC": (by("dateutil.tz", lambda d: d.UTC), UTC),
    "dateutil offset": (by("dateutil.tz", lambda d: d.tzoffset("X", 3600)), timezone(timedelta(hours=1), "X")),
    "pydantic": (by("pydantic", _pydantic("2030-01-01T00:00:00+05:30")), timezone(timedelta(hours=5, minutes=30), "+05:30")),
    "pydantic UTC": (by("pydantic", _pydantic("2030-01-01T00:00:00Z")), UTC),
}


@pytest.mark.parametrize("name", ZONES)
def test_zones_with_a_key_or_a_fixed_offset_are_carried(name: str) -> None:
    make, comes_back = ZONES[name]
    for value in (datetime(2036, 7, 1, 12, tzinfo=make()), datetime(2036, 1, 1, 12, tzinfo=make()), time(12, tzinfo=make())):
        back = carried(value)
        assert back.replace(tzinfo=None) == value.replace(tzinfo=None)
        assert back.utcoffset() == value.utcoffset()
        assert type(back.tzinfo) is type(comes_back) and str(back.tzinfo) == str(comes_back)


def test_each_moment_of_a_pytz_zone_is_carried() -> None:
    zone = peer("pytz").timezone("Europe/Berlin")
    for wall in (datetime(2026, 10, 25, 2, 30), datetime(2026, 3, 29, 2, 30), datetime(2026, 7, 1), datetime(2026, 1, 1)):
        for first in (True, False):
            value = zone.localize(wall, is_dst=first)
            back = carried(value)
            assert back.tzinfo is BERLIN and back.utcoffset() == value.utcoffset()
            assert back.replace(tzinfo=None, fold=0) == wall
            assert checks.moment(back, "x") == checks.moment(value, "x")


def test_a_pytz_zone_that_was_never_localized_is_refused() -> None:
    """Such a time is 53 minutes off: what its zone says of it is what no clock there shows."""
    value = datetime(2026, 7, 1, tzinfo=peer("pytz").timezone("Europe/Berlin"))
    with pytest.raises(PayloadError, match=r"args\[0\].*0:53:00.*localize") as caught:
        carried(value)
    assert "\n" not in str(caught.value)


def test_a_rule_without_a_name_is_refused_with_a_way_out() -> None:
    zone = peer("dateutil.tz").tzstr("CET-1CEST")
    with pytest.raises(PayloadError, match=r"astimezone\(zoneinfo.ZoneInfo\(") as caught:
        carried(datetime(2026, 7, 1, tzinfo=zone))
    assert "timezone.utc" in str(caught.value) and "\n" not in str(caught.value)


def test_a_dateutil_zone_is_carried_by_its_key_if_it_tells_one() -> None:
    zone = peer("dateutil.tz").gettz("Europe/Berlin")
    value = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zone)
    if not hasattr(zone, "key"):
        with pytest.raises(PayloadError, match="astimezone"):
            carried(value)
        return
    back = carried(value)
    assert back.tzinfo is BERLIN and back.utcoffset() == value.utcoffset()


@pytest.mark.parametrize("make", [pendulums, pandas_stamp], ids=lambda f: f.__name__)
def test_subclasses_as_arguments_are_refused_with_a_conversion_that_works(make: Callable[[], Any]) -> None:
    value = make()
    parts: list[Any] = [value]
    if make is pendulums:
        parts += [value.date(), value.time(), peer("pendulum").duration(days=1, seconds=3)]
    else:
        parts += [peer("pandas").Timedelta("1h30min5s")]
    for x in parts:
        with pytest.raises(PayloadError, match=r"args\[0\].*convert it with (.*), or call app.register_type") as caught:
            carried(x)
        words = str(caught.value).partition("convert it with ")[2].partition(", or call")[0]
        converted = eval(words, {"x": x, "datetime": datetime, "date": date, "time": time, "timedelta": timedelta})
        assert type(converted) in (datetime, date, time, timedelta)
        assert converted == (x.floor("us") if x is value and make is pandas_stamp else x)
        back = carried(converted)
        assert back == converted


def test_a_registered_subclass_is_carried_as_it_is_registered() -> None:
    pendulum = peer("pendulum")
    codec = Codec()
    codec.register(pendulum.DateTime, lambda x: [x.isoformat(), x.timezone_name], lambda b: pendulum.parse(b[0]).in_timezone(b[1]))
    back = codec.decode(codec.encode(pendulums()))
    assert type(back) is pendulum.DateTime and back == pendulums() and back.timezone_name == "Europe/Berlin"
