"""Cron expressions: the parser, its errors, and the ticks against cronsim's and a matcher of minutes."""

from __future__ import annotations

import functools
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from litequeue import InvalidArgument, InvalidType, cron

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")
NAMES = {name: str(number) for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
NAMES |= {name: str(number) for number, name in enumerate(MONTHS, 1)}


def ticks(expr: str, zone: str | ZoneInfo, start: datetime, n: int, *, seconds: bool = False) -> list[str]:
    return [f"{at:%m-%d %H:%M:%S%z}" for at, _ in cron.preview(expr, zone, start, n, seconds=seconds)]


def same(one: str, other: str) -> bool:
    return cron.parse(one).table == cron.parse(other).table


# -- a matcher of its own: slow, minute by minute, and of the plain syntax alone ------------------


def held(text: str, low: int, high: int) -> set[int]:
    """The values for which a field holds."""
    values: set[int] = set()
    for item in text.split(","):
        base, _, step = item.partition("/")
        first, dash, last = base.partition("-")
        start = low if base == "*" else int(NAMES.get(first.lower(), first))
        end = int(NAMES.get(last.lower(), last)) if dash else high if base == "*" or step else start
        values |= set(range(start, end + 1, int(step or 1)))
    return values


def matcher(expr: str) -> Callable[[datetime], bool]:
    """Whether the expression holds when the clock shows this."""
    minute, hour, day, month, weekday = expr.split()
    minutes, hours, days, months = held(minute, 0, 59), held(hour, 0, 23), held(day, 1, 31), held(month, 1, 12)
    weekdays = {number % 7 for number in held(weekday, 0, 7)}
    both = "*" in (day[0], weekday[0])

    def matches(local: datetime) -> bool:
        if local.minute not in minutes or local.hour not in hours or local.month not in months:
            return False
        by_day, by_weekday = local.day in days, local.isoweekday() % 7 in weekdays
        return by_day and by_weekday if both else by_day or by_weekday

    return matches


def is_fixed(expr: str) -> bool:
    minute, hour = expr.split()[:2]
    return not minute.startswith("*") and not hour.startswith("*")


@functools.lru_cache(maxsize=2)  # several expressions walk the same minutes
def minutes_of(zone: ZoneInfo, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """What the clock shows at each minute of (start, end], and at the 3000 before."""
    moments = [start + number * MINUTE for number in range(-3000, (end - start) // MINUTE + 1)]
    return [(moment, moment.astimezone(zone).replace(tzinfo=None)) for moment in moments]


@functools.lru_cache(maxsize=2)
def first_minutes_of(zone: ZoneInfo, start: datetime, end: datetime) -> dict[datetime, datetime]:
    """The first minute at which the clock shows a time."""
    return {local: moment for moment, local in reversed(minutes_of(zone, start, end))}


def walked(expr: str, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """Every tick in (start, end], found minute by minute."""
    minutes, matches = minutes_of(zone, start, end), matcher(expr)
    if not is_fixed(expr):
        return [moment for moment, local in minutes if matches(local) and moment > start]
    found = set()
    first_showing = first_minutes_of(zone, start, end)
    local, last = (moment.astimezone(zone).replace(tzinfo=None) for moment in (start - timedelta(days=1), end))
    while local <= last:
        if matches(local):
            shown = local
            while shown not in first_showing:  # it is skipped: the first minute that is there
                shown += MINUTE
            found.add(first_showing[shown])
        local += MINUTE
    return sorted(moment for moment in found if start < moment <= end)


# -- against the table of cronsim's answers -------------------------------------------------------


def table() -> list[tuple[str, str, datetime, list[int]]]:
    """(expression, zone, start, minutes from tick to tick); see table/make.py for what it leaves out."""
    zones, *lines = (Path(__file__).parent / "table" / "ticks.txt").read_text().splitlines()
    rows = []
    expr = ""
    for line in lines:
        if not line.startswith(" "):
            expr = line
            continue
        number, start, *deltas = map(int, line.split())
        rows.append((expr, zones.split()[number], EPOCH + start * MINUTE, deltas))
    return rows


@pytest.mark.slow
@pytest.mark.beside
def test_the_ticks_are_those_of_an_independent_implementation() -> None:
    rows = table()
    assert len({row[0] for row in rows}) > 2000 and len({row[1] for row in rows}) > 20
    others = []
    for expr, name, start, deltas in rows:
        parsed, zone, moment = cron.parse(expr), ZoneInfo(name), start
        for delta in deltas:
            tick = parsed.next_tick(moment, zone)
            if tick is None or tick.at.astimezone(UTC) != moment + delta * MINUTE:
                others.append((expr, zone, moment, tick))
                break
            moment += delta * MINUTE
    # cronsim steps by whole hours of elapsed time, and begins a day at a 00:00 that may not be there; so
    # around shifts of half and quarter hours, and at midnight, it leaves out minutes that match. The minute
    # by minute matcher is the judge there; of fixed times there is no difference.
    assert len(others) <= 40, others[:5]
    for expr, zone, moment, tick in others:
        assert tick is not None and not is_fixed(expr), (expr, zone, moment)
        at = tick.at.astimezone(UTC)
        assert at - moment < timedelta(days=8) and walked(expr, zone, moment, at) == [at], (expr, zone, moment)


CHANGES = {
    "Europe/Berlin": ((2024, 3, 30), (2024, 10, 26)), "America/New_York": ((2024, 3, 9), (2024, 11, 2)),
    "America/Sao_Paulo": ((2018, 11, 3), (2018, 2, 17)), "Asia/Beirut": ((2024, 3, 30), (2024, 10, 26)),
    "Africa/Cairo": ((2024, 4, 25), (2024, 10, 31)), "Australia/Lord_Howe": ((2024, 10, 5), (2024, 4, 6)),
    "Antarctica/Troll": ((2024, 3, 30), (2024, 10, 26)), "Pacific/Apia": ((2011, 12, 29), (2012, 3, 31)),
    "Pacific/Kwajalein": ((1993, 8, 20),), "Asia/Pyongyang": ((2015, 8, 14), (2018, 5, 4)),
    "Pacific/Chatham": ((2024, 9, 28), (2024, 4, 6)),
}  # fmt: skip
AROUND = ["*/7 * * * *", "30 * * * *", "*/20 1-3 * * *", "30 2 * * *", "0 0 * * *", "15,45 0-4 * * *", "0 */3 * * *",
          "5 1/2 * * *", "59 23 * * *", "30 0,1,2,3 * * sat,sun", "*/30 2 */2 * *", "0 1 31 * sun"]  # fmt: skip


QUICK = ("Europe/Berlin", "Pacific/Apia")  # an hour, a day


@pytest.mark.beside
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CHANGES])
def test_around_a_change_every_tick_is_where_a_walk_by_minutes_finds_it(name: str) -> None:
    zone = ZoneInfo(name)
    for year, month, day in CHANGES[name]:
        start = datetime(year, month, day, tzinfo=UTC)
        end = start + timedelta(hours=54)
        for expr in AROUND:
            wanted = walked(expr, zone, start, end)
            found, moment = [], start
            while (tick := cron.parse(expr).next_tick(moment, zone)) and tick.at.astimezone(UTC) <= end:
                moment = tick.at.astimezone(UTC)
                found.append(moment)
            assert found == wanted, (expr, name, start)


@pytest.mark.beside
@pytest.mark.parametrize(
    "name",
    ["Europe/Berlin", *(pytest.param(n, marks=pytest.mark.slow) for n in ("Australia/Lord_Howe", "America/Havana", "Pacific/Apia"))],
)
def test_from_any_moment_the_next_tick_is_the_first_one_later(name: str) -> None:
    """Starts of every kind, within folds and just before and after a change, with parts of a second."""
    rng = random.Random(11)
    zone = ZoneInfo(name)
    year = 2011 if name == "Pacific/Apia" else 2024
    for month, day in ((3, 9), (3, 30), (4, 6), (10, 5), (10, 26), (11, 2), (12, 29)):
        start = datetime(year, month, day, tzinfo=UTC)
        for expr in ("*/15 * * * *", "30 1 * * *", "0,30 0-3 * * *"):
            parsed = cron.parse(expr)
            all_ticks = walked(expr, zone, start, start + timedelta(days=3))
            for _ in range(25):
                moment = start + timedelta(seconds=rng.randrange(36 * 3600), microseconds=rng.choice((0, 1, 999_999)))
                tick = parsed.next_tick(moment, zone)
                assert tick is not None
                assert tick.at.astimezone(UTC) == next(t for t in all_ticks if t > moment), (expr, moment)


def test_fixed_times_and_wildcards_where_the_clock_jumps() -> None:
    spring, autumn = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert ticks("30 2 * * *", BERLIN, spring, 2) == ["03-29 03:00:00+0200", "03-30 02:30:00+0200"]
    assert ticks("*/30 2 * * *", BERLIN, spring, 1) == ["03-30 02:00:00+0200"]
    assert ticks("30 2 * * *", BERLIN, autumn, 2) == ["10-25 02:30:00+0200", "10-26 02:30:00+0100"]
    assert ticks("30 * * * *", BERLIN, autumn.replace(hour=23), 4)[1:] == [
        "10-25 02:30:00+0200", "10-25 02:30:00+0100", "10-25 03:30:00+0100"]  # fmt: skip
    # A day that is not there: what belongs to it runs once, at its end.
    assert ticks("30 9 * * *", "Pacific/Apia", datetime(2011, 12, 29, 20, tzinfo=UTC), 2) == [
        "12-31 00:00:00+1400", "12-31 09:30:00+1400"]  # fmt: skip


def test_seconds_follow_the_same_rules() -> None:
    """No twin in cronsim, which treats six fields by plain arithmetic: ours keep Debian's rules."""
    spring, autumn = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 10, 24, 23, tzinfo=UTC)
    assert ticks("15 30 2 * * *", BERLIN, spring, 2, seconds=True) == ["03-29 03:00:00+0200", "03-30 02:30:15+0200"]
    assert ticks("*/30 30 2 * * *", BERLIN, autumn, 3, seconds=True) == [
        "10-25 02:30:00+0200", "10-25 02:30:30+0200", "10-26 02:30:00+0100"]  # fmt: skip
    start = datetime(2026, 1, 1, 0, 0, 58, 500_000, tzinfo=UTC)
    assert ticks("*/20 * * * * *", "UTC", start, 3, seconds=True) == [
        "01-01 00:01:00+0000", "01-01 00:01:20+0000", "01-01 00:01:40+0000"]  # fmt: skip
    assert ticks("59 59 23 31 12 *", "UTC", start, 1, seconds=True) == ["12-31 23:59:59+0000"]


# -- what is accepted -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0 0 * * sun", "0 0 * * 7"), ("0 0 * * 0", "0 0 * * 7"), ("0 0 * JAN Mon", "0 0 * 1 1"),
        ("0 0 * * fri-mon", "0 0 * * 0,1,5,6"), ("0 0 * nov-feb *", "0 0 * 11,12,1,2 *"),
        ("0 0 * * fri-mon/2", "0 0 * * 5,7"), ("0 0 * * mon-sun", "0 0 * * 0-6"), ("0 0 * * sat-sun", "0 0 * * 6-7"),
        ("5/20 * * * *", "5,25,45 * * * *"), ("0 0 * * 3/2", "0 0 * * 3,5,7"), ("0 0 ? * 1", "0 0 * * 1"),
        ("0 0 1 * ?", "0 0 1 * *"), ("0 0 * * friL", "0 0 * * 5L"), ("0 0 * * Fri#3", "0 0 * * 5#3"),
        (" 0\t 3 *  * *\n", "0 3 * * *"), ("@daily", "0 0 * * *"), ("@Midnight", "0 0 * * *"),
        ("0 0 l * *", "0 0 L * *"),
        ("@hourly", "0 * * * *"), ("@weekly", "0 0 * * 0"), ("@monthly", "0 0 1 * *"), ("@yearly", "@annually"),
        ("@annually", "0 0 1 1 *"), ("5-5/10 0 * * *", "5 0 * * *"), ("007 0 * * *", "7 0 * * *"),
        ("0 0 * * 5,5#3", "0 0 * * 5"), ("*/100 0 * * *", "*/60 0 * * *"), ("0 0 */100 * *", "0 0 */31 * *"),
    ],
)  # fmt: skip
def test_two_ways_to_say_the_same(one: str, other: str) -> None:
    assert same(one, other)


def test_either_day_suffices_unless_a_field_starts_with_a_star() -> None:
    start = datetime(2026, 2, 1, tzinfo=UTC)
    assert ticks("0 0 13 * 5", "UTC", start, 3) == ["02-06 00:00:00+0000", "02-13 00:00:00+0000", "02-20 00:00:00+0000"]
    assert ticks("0 0 */100,13 * 5", "UTC", start, 2) == ["02-13 00:00:00+0000", "03-13 00:00:00+0000"]
    assert not same("0 0 13 * 1-7", "0 0 13 * *")


@pytest.mark.parametrize(
    ("expr", "wanted"),
    [
        ("0 0 L * *", "02-28"), ("0 0 LW * *", "02-27"), ("0 0 * * 5L", "02-27"), ("0 0 * * mon#2", "02-09"),
        ("0 0 L 5 *", "05-31"), ("0 0 LW 5 *", "05-29"), ("0 0 * 5 7#5", "05-31"), ("0 0 29 2 *", "02-29"),
    ],
)  # fmt: skip
def test_last_days_and_numbered_weekdays(expr: str, wanted: str) -> None:
    assert ticks(expr, "UTC", datetime(2026, 2, 2, tzinfo=UTC), 1) == [f"{wanted} 00:00:00+0000"]


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expr", "field", "piece"),
    [
        ("60 * * * *", "field 1 (minute)", "'60'"), ("* 24 * * *", "field 2 (hour)", "'24'"),
        ("* 1,25 * * *", "field 2 (hour)", "'25'"), ("* * 0 * *", "field 3 (day-of-month)", "'0'"),
        ("* * 32 * *", "field 3 (day-of-month)", "'32'"), ("* * * 13 *", "field 4 (month)", "'13'"),
        ("* * * * 8", "field 5 (day-of-week)", "'8'"), ("a * * * *", "field 1 (minute)", "'a'"),
        ("* 5-1 * * *", "field 2 (hour)", "'5-1' runs backwards"),
        ("* * * * 5-1", "(day-of-week)", "'5-1' runs backwards"),
        ("* * * * fri-1", "(day-of-week)", "'fri-1'"), ("* * * monday *", "field 4 (month)", "'monday'"),
        ("* * * * friday", "field 5 (day-of-week)", "'friday'"), ("*/0 * * * *", "field 1 (minute)", "'*/0'"),
        ("*/ * * * *", "field 1 (minute)", "'*/'"), ("*/x * * * *", "field 1 (minute)", "'*/x'"),
        ("1-5/2/3 * * * *", "field 1 (minute)", "'1-5/2/3'"), ("1,,2 * * * *", "field 1 (minute)", "'1,,2'"),
        ("1, * * * *", "field 1 (minute)", "'1,'"), ("-1 * * * *", "field 1 (minute)", "'-1'"),
        ("1-2-3 * * * *", "field 1 (minute)", "'1-2-3'"), ("1-99 * * * *", "field 1 (minute)", "'1-99'"),
        ("¹ * * * *", "field 1 (minute)", "'¹'"), ("1_0 * * * *", "field 1 (minute)", "'1_0'"),
        ("? * * * *", "field 1 (minute)", "'?'"), ("* * ?/2 * *", "field 3 (day-of-month)", "'?/2'"),
        ("* * 15W * *", "field 3 (day-of-month)", "'15W'"), ("* * L/2 * *", "field 3 (day-of-month)", "'L/2'"),
        ("* * L-3 * *", "field 3 (day-of-month)", "'L-3'"), ("* * * * L", "field 5 (day-of-week)", "'L'"),
        ("* * * * 5L-6", "field 5 (day-of-week)", "'5L-6'"), ("* * * * 1#6", "field 5 (day-of-week)", "'1#6'"),
        ("* * * * 1#0", "field 5 (day-of-week)", "'1#0'"), ("* * * * #2", "field 5 (day-of-week)", "'#2'"),
        ("* * * * 8#2", "field 5 (day-of-week)", "'8#2'"), ("* L * * *", "field 2 (hour)", "'L'"),
        ("* * * * jan", "field 5 (day-of-week)", "'jan'"), ("99999999999999999999 * * * *", "field 1", "'9999"),
        ("*5 * * * *", "field 1 (minute)", "'*5'"), ("* * * *\n* *", "field 4 (month)", r"'*\n*'"),
        ("ſun * * * *", "field 1 (minute)", "'ſun'"),
    ],
)  # fmt: skip
def test_an_error_names_the_field_and_the_piece_and_what_is_allowed(expr: str, field: str, piece: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        cron.parse(expr)
    said = str(caught.value)
    assert field in said and piece in said and repr(expr) in said and "allowed are" in said


def test_the_number_of_fields_is_said_with_the_way_out() -> None:
    for expr, seconds, hint in (("* * * * * *", False, "--seconds"), ("* * * * *", True, "leave out"),
                                ("", False, "0 fields"),
                                ("0 3 * * * /usr/bin/true -x", False, "7 fields"),
                                ("* * * *", False, "4 fields")):  # fmt: skip
        with pytest.raises(InvalidArgument, match=hint):
            cron.parse(expr, seconds=seconds)
    with pytest.raises(InvalidArgument, match=r"Every\('90s'\)"):
        cron.parse("@every 90s")
    with pytest.raises(InvalidArgument, match="@reboot"):
        cron.parse("@nightly")
    with pytest.raises(InvalidArgument, match="1000"):
        cron.parse("1," * 600 + "1 * * * *")
    with pytest.raises(InvalidType):
        cron.parse(5)  # type: ignore[arg-type]
    assert cron.parse("@reboot").is_reboot and cron.preview("@reboot", "UTC", EPOCH) == []


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ("0 0 30 2 *", "February has a day 30"), ("0 0 31 4 *", "April has a day 31"),
        ("0 0 31 2,4,6,9,11 *", "February or April or June or September or November"),
        ("0 0 30-31 feb */2", "February has a day 30"), ("1 1 */100 * mon#4", "'mon#4'"),
        ("7 0/2 */11 * 4#3", "both must match"), ("4-21/4 * */28 * 0#3", "'0#3'"),
        ("0 0 */28 2-12 3#2", "in February or"),
    ],
)  # fmt: skip
def test_what_can_never_fire_is_refused_with_the_reason(expr: str, why: str) -> None:
    with pytest.raises(InvalidArgument, match="can never fire") as caught:
        cron.parse(expr)
    assert why in str(caught.value)


def test_what_fires_rarely_is_not_refused() -> None:
    for expr in ("0 0 30 2 1", "0 0 29 2 *", "0 0 31 1,4 *", "0 0 * 2 mon#5", "0 0 */28 2 mon#5", "0 0 L 2 *"):
        assert cron.preview(expr, "UTC", EPOCH, 1)


# -- preview --------------------------------------------------------------------------------------


def test_a_preview_says_what_daylight_saving_time_does() -> None:
    spring = [note for _, note in cron.preview("30 2 * * *", "Europe/Berlin", datetime(2026, 3, 27, 12, tzinfo=UTC), 3)]
    assert spring == ["", "02:30 does not exist on this day: runs at 03:00", ""]
    autumn = cron.preview("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC), 2)
    assert [tick.note for tick in autumn] == ["the clock shows 02:30 twice: this is the first, and the only run", ""]
    both = cron.preview("*/30 2 * * *", BERLIN, datetime(2026, 10, 24, 12, tzinfo=UTC), 5)
    assert [tick.note for tick in both[1:4]] == [
        "the clock shows 02:30 twice: this is the first", "the clock shows 02:00 twice: this is the second",
        "the clock shows 02:30 twice: this is the second"]  # fmt: skip
    assert both[4].note == "" and both[3].at.fold == 1
    gone = cron.preview("30 9 * * *", "Pacific/Apia", datetime(2011, 12, 29, 20, tzinfo=UTC), 1)[0]
    assert gone.note == "2011-12-30 09:30 does not exist: runs at 2011-12-31 00:00"


def test_a_preview_wants_an_aware_start() -> None:
    with pytest.raises(InvalidArgument, match="time zone"):
        cron.preview("* * * * *", "UTC", datetime(2026, 1, 1))
    with pytest.raises(InvalidType, match="start"):
        cron.preview("* * * * *", "UTC", None)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="n must be"):
        cron.preview("* * * * *", "UTC", EPOCH, -1)


# -- the end of the search, and its cost ----------------------------------------------------------


def test_the_rarest_day_is_found_and_the_search_ends() -> None:
    found = cron.preview("0 0 * 2 mon#5", "UTC", datetime(2072, 3, 1, tzinfo=UTC), 1)
    assert found[0].at.year == 2112  # 40 years, the longest that the calendar has
    # Only at a time of day that Berlin's clock skips on that very day: there is no tick to find.
    assert cron.preview("*/30 2 25-31 3 */7", BERLIN, datetime(2026, 1, 1, tzinfo=UTC), 1) == []
    assert cron.preview("0 0 29 2 *", "UTC", datetime(2369, 1, 1, tzinfo=UTC), 1) == []


def cost(expr: str, zone: ZoneInfo, start: datetime) -> float:
    parsed = cron.parse(expr)
    best = 1.0
    for _ in range(5):
        began = time.perf_counter()
        parsed.next_tick(start, zone)
        best = min(best, time.perf_counter() - began)
    return best


def test_the_search_is_quick() -> None:
    assert cost("0 0 * 2 mon#5", BERLIN, datetime(2072, 3, 1, tzinfo=UTC)) < 0.02
    assert cost("*/30 2 25-31 3 */7", BERLIN, datetime(2026, 1, 1, tzinfo=UTC)) < 0.02
    usual = [cost(expr, ZoneInfo(name), start) for expr, name, start, _ in table()[::20]]
    assert statistics.median(usual) < 0.001


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("'0 3 * * *'", "has quotes around it"),
        ('"0 3 * * *"', "has quotes around it"),
        ("CRON_TZ=Europe/Berlin 0 3 * * *", "write '0 3 * * *', and its zone as timezone='Europe/Berlin' (--timezone Europe/Berlin)"),
        ("TZ=UTC 0 3 * * *", "timezone='UTC'"),
        ("0 3 * * * 2026", "the last looks like a year: write '0 3 * * *'"),
        ("MAILTO=me 0 3 * * *", "begins with a setting: write '0 3 * * *'"),
        ("0 0 3 * * *", "as Quartz and Spring have them, give seconds=True (--seconds), or write '0 3 * * *'"),
        ("0 0 3 * * ? 2026", "it looks like Quartz's, with seconds first and a year at the end"),
        ("0 22-2 * * *", "for what goes around write 22-23,0-2"),
        ("50-5 * * * *", "write 50-59,0-5"),
        ("0 3 * * 5-1", "write 5-6,0-1"),
        ("0 3 * 11-2 *", "write 11-12,1-2"),
        ("0 3 * * 6-0", "write 6,0"),
    ],
)
def test_habits_from_elsewhere_are_told_how_it_is_written_here(expr: str, says: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        cron.explain(expr)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("expr", "says"),
    [
        ("0 3 L 8-11 *", "at 03:00 on the last day of each month from August to November"),
        ("0 3 31 8-11 *", "at 03:00 on the 31st of each month from August to November"),
        ("0 3 * 8-11 fri#2", "at 03:00 on the 2nd Friday of each month from August to November"),
        ("0 3 1 3 *", "at 03:00 on the 1st of March"),
        ("0 3 1 3,9 *", "at 03:00 on the 1st of March and September"),
        ("0 3 1 * *", "at 03:00 on the 1st of every month"),
    ],
)
def test_days_of_several_months_cannot_be_read_as_one_day(expr: str, says: str) -> None:
    assert cron.explain(expr) == says
