"""The search for a cron table's next tick, and what daylight saving time does to it.

Owns the masks of a table, the walk month -> day -> hour -> minute -> second over local time, and
Debian cron's rules where a zone's clock jumps. Must not read text; a table comes from ``expression``.

The rules, with "fixed" for a table whose minute and hour both start without a star:

- The clock jumps forward: a fixed time that is skipped runs once, at the first moment after the jump;
  any other table just finds no match in the hours that do not exist.
- The clock jumps back: a fixed time that comes twice runs the first time only; any other table runs at
  each match of both passes.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from .fields import LAST, LAST_DAY, LAST_WORKING_DAY, Field

_SECOND: Final = timedelta(seconds=1)
# 29 February falls on a given weekday again after at most 40 years, and nothing is rarer than that.
_HORIZON: Final = 41
# The lengths that a month can have; there is no month 0.
LENGTHS: Final = ((), (31,), (28, 29), *((30,) if month in (4, 6, 9, 11) else (31,) for month in range(3, 13)))
_LAST_YEAR: Final = 2369  # of what can be stored, see checks.moment


@dataclass(frozen=True, slots=True)
class Table:
    """A mask of values for each field; the days of a month follow from its first weekday and its length."""

    seconds: int
    minutes: int
    hours: int
    months: int
    days: tuple[int, ...]  # 28 masks, see _shape
    fixed: bool


class Tick(NamedTuple):
    """``at``, in the zone; and the local time of the table's match, other than ``at`` where that was skipped."""

    at: datetime
    nominal: datetime


# -- building a table ---------------------------------------------------------------------------


def table(second: Field, minute: Field, hour: Field, day: Field, month: Field, weekday: Field) -> Table:
    any_weekday = weekday.is_whole  # takes as long to say as all else
    days = tuple(_days(day, weekday, any_weekday, first, length) for first in range(7) for length in (28, 29, 30, 31))
    fixed = not (minute.starred or hour.starred)
    return Table(second.values, minute.values, hour.values, month.values, days, fixed)


def fires(found: Table) -> bool:
    """Whether any month that the table names has a day that it names."""
    return any(
        found.days[_shape(first, length)]
        for month in bits(found.months)
        for length in LENGTHS[month]
        for first in range(7)
    )


def bits(mask: int) -> Iterable[int]:
    return (bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def _shape(first: int, length: int) -> int:
    """The number of a kind of month: its first weekday (Monday is 0) and its length."""
    return first * 4 + length - 28


def _days(day: Field, weekday: Field, any_weekday: bool, first: int, length: int) -> int:
    """The days that match in a month of this shape."""
    month = (1 << length + 1) - 2
    by_day = day.values & month
    if LAST_DAY in day.specials:
        by_day |= 1 << length
    if LAST_WORKING_DAY in day.specials:
        by_day |= 1 << length - max((first + length - 1) % 7 - 4, 0)
    by_weekday = month if any_weekday else 0
    for sunday_based in range(0 if any_weekday else 7):
        # The first day of the month with this weekday, and the days a week apart from it on.
        earliest = 1 + (sunday_based - 1 - first) % 7
        if weekday.values >> sunday_based & 1:
            by_weekday |= _WEEKLY << earliest
        for special, nth in weekday.specials:
            if special == sunday_based:
                weeks = (length - earliest) // 7 if nth == LAST else nth - 1
                by_weekday |= 1 << earliest + 7 * weeks
    # Debian's rule: either suffices when both are restricted; but a field that starts with a star,
    # even */2, counts as not restricted, and then both must match.
    both = day.starred or weekday.starred
    return (by_day & by_weekday if both else by_day | by_weekday) & month


_WEEKLY: Final = sum(1 << 7 * week for week in range(5))


# -- local time -----------------------------------------------------------------------------------


def next_local(table: Table, start: datetime, last_year: int) -> datetime | None:
    """The first match at or after a naive local time, whether the zone has that moment or not."""
    year, month, day = start.year, start.month, start.day
    clock = _clock_from(table, start.hour, start.minute, start.second)
    if clock is None:  # nothing more today; a day past the month's end finds no bit, and so the next month
        day += 1
        clock = _first_clock(table)
    while year <= last_year:
        if table.months >> month & 1:
            first = date(year, month, 1).weekday()
            length = 28 + calendar.isleap(year) if month == 2 else LENGTHS[month][0]
            found = _bit_from(table.days[_shape(first, length)], day)
            if found >= 0:
                if (found, month, year) != (start.day, start.month, start.year):
                    clock = _first_clock(table)
                return datetime(year, month, found, *clock)
        day = 1
        month += 1
        if month > 12:
            year, month = year + 1, 1
    return None


def _clock_from(table: Table, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
    """The first matching time of day at or after this one."""
    if table.hours >> hour & 1:
        if table.minutes >> minute & 1:
            found = _bit_from(table.seconds, second)
            if found >= 0:
                return hour, minute, found
        found = _bit_from(table.minutes, minute + 1)
        if found >= 0:
            return hour, found, _bit_from(table.seconds, 0)
    found = _bit_from(table.hours, hour + 1)
    return (found, _bit_from(table.minutes, 0), _bit_from(table.seconds, 0)) if found >= 0 else None


def _first_clock(table: Table) -> tuple[int, int, int]:
    return _bit_from(table.hours, 0), _bit_from(table.minutes, 0), _bit_from(table.seconds, 0)


def _bit_from(mask: int, bit: int) -> int:
    """The lowest bit of a mask at or above ``bit``, or -1."""
    rest = mask >> bit
    return bit + (rest & -rest).bit_length() - 1 if rest else -1


# -- the zone's clock -----------------------------------------------------------------------------
#
# Moments are naive datetimes in UTC here: Python compares two aware ones of the same zone by their
# wall clocks, which go back.


def next_tick(table: Table, moment: datetime, zone: tzinfo) -> Tick | None:
    """The first tick strictly after an aware datetime; None if there is none in the next 41 years."""
    # Ticks are at whole seconds, so what is after the moment is after its second.
    here = moment.astimezone(zone).replace(microsecond=0)
    last_year = min(here.year + _HORIZON, _LAST_YEAR)
    if table.fixed:
        return _next_fixed(table, here, zone, last_year)
    return _next_wild(table, here, zone, last_year)


def _next_fixed(table: Table, here: datetime, zone: tzinfo, last_year: int) -> Tick | None:
    start = _naive(here) + _SECOND
    before, after = _offsets(start - _SECOND, zone)
    if here.fold and before > after:
        # The second pass: what it shows has run in the first.
        now = _utc(here)
        turn = _turn(zone, now - (before - after), now)
        start = max(start, turn + before)
    local = next_local(table, start, last_year)
    if local is None:
        return None
    before, after = _offsets(local, zone)
    if before < after:
        return Tick(_aware(_turn(zone, local - after, local - before), zone), local)
    return Tick(_aware(local - before, zone), local)


def _next_wild(table: Table, here: datetime, zone: tzinfo, last_year: int) -> Tick | None:
    now = _utc(here)
    tick = _real_match(table, _naive(here) + _SECOND, now + _SECOND, zone, last_year)
    before, after = _offsets(_naive(here), zone)
    if before > after and not here.fold:
        # The first pass: the clock will show earlier times again.
        turn = _turn(zone, now, now + (before - after))
        if tick is None or _utc(tick.at) >= turn:
            return _real_match(table, turn + after, turn, zone, last_year)
    return tick


def _real_match(table: Table, start: datetime, earliest: datetime, zone: tzinfo, last_year: int) -> Tick | None:
    """The first match from the local time ``start`` on that exists, at its first pass from ``earliest`` on."""
    local = next_local(table, start, last_year)
    while local is not None:
        before, after = _offsets(local, zone)
        if before >= after:
            first_pass = local - before
            return Tick(_aware(first_pass if first_pass >= earliest else local - after, zone), local)
        turn = _turn(zone, local - after, local - before)
        local = next_local(table, turn + after, last_year)
    return None


def _offsets(local: datetime, zone: tzinfo) -> tuple[timedelta, timedelta]:
    """The offsets of a local time by both readings (PEP 495).

    Equal: it is there once. The first larger: it is there twice, in this order. The first smaller: it
    is skipped, and these are the offsets before and after the jump.
    """
    before = local.replace(tzinfo=zone).utcoffset()
    after = local.replace(tzinfo=zone, fold=1).utcoffset()
    return before or timedelta(0), after or timedelta(0)


def _turn(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    """The moment in (low, high] from which on the zone's offset is another than at ``low``."""
    old = _aware(low, zone).utcoffset()
    span = (high - low) // _SECOND
    same, other = 0, span
    while other - same > 1:
        middle = (same + other) // 2
        if _aware(low + middle * _SECOND, zone).utcoffset() == old:
            same = middle
        else:
            other = middle
    return low + other * _SECOND


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None, fold=0)


def _aware(utc: datetime, zone: tzinfo) -> datetime:
    return utc.replace(tzinfo=UTC).astimezone(zone)
