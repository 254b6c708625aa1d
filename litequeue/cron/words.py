"""A cron expression in English.

Owns the wording. It describes what the fields mean, not how they were written: ``*/30`` and ``0,30`` read
alike. Two tables that differ must read differently. Must not decide when anything fires.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Final

from .fields import LAST, LAST_DAY, LAST_WORKING_DAY, MONTHS, WEEKDAYS, Field

_CLOCK_TIMES: Final = re.compile(r"at [0-9:, and]+")
_MOST_TIMES: Final = 4  # "at 09:00, 09:30, 12:00 and 12:30", but not more
_LONG_LIST: Final = 6  # values from which on an even list reads better as "every 3rd ... from ... to ..."


def sentence(second: Field, minute: Field, hour: Field, day: Field, month: Field, weekday: Field) -> str:
    """What the six fields mean together, as in "at 09:00 on the 1st of every month"."""
    time = _time(_values(second), _values(minute), _values(hour))
    date = _date(day, month, weekday)
    at_times = _CLOCK_TIMES.fullmatch(time) is not None
    if not date:
        return f"{time} every day" if at_times else time
    if date.startswith("in "):
        return f"{time} every day {date}" if at_times else f"{time}, {date}"
    if at_times and date.startswith(("every ", "on ")):
        return f"{time} {date}"
    # "every 5 minutes, every Sunday" would be read as two schedules.
    return f"{time}, {'on ' if date.startswith('every ') else ''}{date}"


# -- the time of day ------------------------------------------------------------------------------


def _time(seconds: list[int], minutes: list[int], hours: list[int]) -> str:
    on_the_minute = seconds == [0]
    if len(seconds) * len(minutes) * len(hours) <= _MOST_TIMES:
        return "at " + _join(
            [_clock(h, m, None if on_the_minute else s) for h in hours for m in minutes for s in seconds]
        )
    if not on_the_minute:
        return _with_seconds(seconds, minutes, hours)
    if len(minutes) == 1:
        return _hourly(minutes[0], hours)
    every = _every(minutes, 60, "minute")
    if every:
        return every + _within(hours)
    past = "past each hour" if _within(hours) else "past every hour"
    return f"at {_listed(minutes, 'minute')} {past}{_within(hours)}"


def _hourly(minute: int, hours: list[int]) -> str:
    """One minute of several hours."""
    if len(hours) == 24:
        if minute == 0:
            return "every hour"
        return f"at {minute} minute{'s' if minute > 1 else ''} past every hour"
    step = _step(hours)
    if step and (step == 1 or len(hours) >= _LONG_LIST or _every(hours, 24, "hour")):
        if minute == 0 and _every(hours, 24, "hour"):
            return f"every {step} hours"
        span = f"from {_clock(hours[0], minute)} to {_clock(hours[-1], minute)}"
        return f"every hour {span}" if step == 1 else f"every {step} hours {span}"
    return "at " + _join([_clock(hour, minute) for hour in hours])


def _with_seconds(seconds: list[int], minutes: list[int], hours: list[int]) -> str:
    every = _every(seconds, 60, "second")
    if len(minutes) == 60:
        time = every or f"at {_numbered(seconds, 'second')} of every minute"
    elif every:
        time = f"{every}, in {_numbered(minutes, 'minute')} of {'each' if _within(hours) else 'every'} hour"
    else:
        of = f"of {_numbered(minutes, 'minute')} of {'each' if _within(hours) else 'every'} hour"
        time = f"at {_numbered(seconds, 'second')} {of}"
    return time + _within(hours)


def _within(hours: list[int]) -> str:
    """The hours as a restriction: ", from 09:00 to 17:59"; nothing for all of them."""
    if len(hours) == 24:
        return ""
    step = _step(hours)
    if step > 1 and len(hours) >= _MOST_TIMES:
        return f", in every {_ordinal(step)} hour from {hours[0]:02} to {hours[-1]:02}"
    return ", from " + _join([f"{_clock(low, 0)} to {_clock(high, 59)}" for low, high in _runs(hours)])


def _clock(hour: int, minute: int, second: int | None = None) -> str:
    return f"{hour:02}:{minute:02}" + ("" if second is None else f":{second:02}")


def _every(values: list[int], size: int, unit: str) -> str:
    """ "every 5 minutes" where that is true over the end of the hour, too; else ""."""
    step = _step(values)
    if not step or values[0] or size % step or values[-1] + step != size:
        return ""
    return f"every {unit}" if step == 1 else f"every {step} {unit}s"


def _listed(values: list[int], unit: str) -> str:
    """ "5, 20 and 35 minutes"; "every 3rd minute from 2 to 59"."""
    step = _step(values)
    if step and (step == 1 or len(values) >= _LONG_LIST):
        return f"every {'' if step == 1 else _ordinal(step) + ' '}{unit} from {values[0]} to {values[-1]}"
    return f"{_join(_spans(values))} minutes"


def _numbered(values: list[int], unit: str) -> str:
    """ "second 30"; "seconds 5, 20 and 35"; "every 3rd second from 2 to 59"."""
    step = _step(values)
    if step > 1 and len(values) >= _LONG_LIST:
        return f"every {_ordinal(step)} {unit} from {values[0]} to {values[-1]}"
    return f"{unit}{'s' if len(values) > 1 else ''} {_join(_spans(values))}"


# -- the date -------------------------------------------------------------------------------------


def _date(day: Field, month: Field, weekday: Field) -> str:
    """The days as "every Sunday in May", "on the 1st of every month", "in May", or "" for every day."""
    both = day.starred or weekday.starred
    months = "" if month.is_whole else _named(_values(month), MONTHS)
    # Under the OR rule a field that has every day makes the other one pointless.
    whole = day.is_whole and weekday.is_whole if both else day.is_whole or weekday.is_whole
    if whole:
        return f"in {months}" if months else ""
    if both and day.is_whole:
        return _weekdays(weekday, months)
    if both and weekday.is_whole:
        return f"on {_days(day)} of {_each(months) or ('the month' if day.specials else 'every month')}"
    days = f"on {_days(day)} of {_each(months) or 'the month'}"
    if both:
        return f"{days}, when it is {_condition(weekday)}"
    by_weekday = _weekdays(weekday, months)
    return f"{days}, and {by_weekday if by_weekday.startswith('on ') else 'on ' + by_weekday}"


def _each(months: str) -> str:
    """ "each month from August to November": "the last day of August to November" could be one day."""
    return f"each month from {months}" if " to " in months else months


def _days(day: Field) -> str:
    """ "the 1st and 15th", "every 2nd day from the 1st to the 31st", "the last working day"."""
    values = _values(day)
    step = _step(values)
    parts = []
    if values and step > 1 and len(values) >= _LONG_LIST:
        parts = [f"every {_ordinal(step)} day from the {_ordinal(values[0])} to the {_ordinal(values[-1])}"]
    elif values:
        spelled = [
            _ordinal(low) if low == high else f"{_ordinal(low)} to {_ordinal(high)}"
            for low, high in _runs(values, shortest=3)
        ]
        parts = ["the " + _join(spelled)]
    if LAST_DAY in day.specials:
        parts.append("the last day")
    if LAST_WORKING_DAY in day.specials:
        parts.append("the last working day")
    return _join(parts)


def _weekdays(weekday: Field, months: str) -> str:
    """ "every Sunday", "Monday to Friday", "on the 3rd Friday of the month"."""
    parts = []
    values = _values(weekday)
    if values:
        names = _named(values, WEEKDAYS)
        run = len(_wrapped(values, 7)) == 1 and len(values) > 2
        parts.append(("" if run else "every ") + names + (f" in {months}" if months else ""))
    if weekday.specials:
        parts.append(f"on {_nth(weekday)} of {_each(months) or 'the month'}")
    return ", and ".join(parts)


def _condition(weekday: Field) -> str:
    """ "a Monday or Friday", "the last Friday"."""
    parts = []
    if weekday.values:
        parts.append("a " + _join([WEEKDAYS[value] for value in _values(weekday)], "or"))
    if weekday.specials:
        parts.append(_nth(weekday, "or"))
    return " or ".join(parts)


def _nth(weekday: Field, word: str = "and") -> str:
    def rank(special: tuple[int, int]) -> tuple[int, int]:
        return special[0], 6 if special[1] == LAST else special[1]

    specials = sorted(weekday.specials, key=rank)
    names = [f"the {'last' if nth == LAST else _ordinal(nth)} {WEEKDAYS[value]}" for value, nth in specials]
    return _join(names, word)


# -- lists of values ------------------------------------------------------------------------------


def _values(field: Field) -> list[int]:
    return [bit for bit in range(field.values.bit_length()) if field.values >> bit & 1]


def _step(values: Sequence[int]) -> int:
    """The distance between the values where it is the same all along; 0 where not, or for a single one."""
    steps = {after - before for before, after in itertools.pairwise(values)}
    return steps.pop() if len(steps) == 1 else 0


def _runs(values: list[int], shortest: int = 1) -> list[tuple[int, int]]:
    """The values as (first, last) of neighbours; runs shorter than ``shortest`` are taken apart."""
    runs: list[tuple[int, int]] = []
    for value in values:
        if runs and runs[-1][1] == value - 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return [
        piece
        for low, high in runs
        for piece in ([(low, high)] if high - low + 1 >= shortest else [(n, n) for n in range(low, high + 1)])
    ]


def _wrapped(values: list[int], size: int) -> list[tuple[int, int]]:
    """Runs in a circle, where Saturday and Sunday, or December and January, are neighbours."""
    runs = _runs(values)
    if len(runs) > 1 and runs[0][0] == 0 and runs[-1][1] == size - 1:
        runs = [*runs[1:-1], (runs[-1][0], runs[0][1] + size)]
    return runs


def _named(values: list[int], names: tuple[str, ...]) -> str:
    """ "Monday to Friday", "January, May and June": one run of three or more, or each by name."""
    first = 1 if len(names) == 12 else 0
    runs = _wrapped([value - first for value in values], len(names))
    if len(runs) == 1 and len(values) > 2:
        low, high = runs[0]
        return f"{names[low % len(names)]} to {names[high % len(names)]}"
    return _join([names[value - first] for value in values])


def _spans(values: list[int]) -> list[str]:
    return [str(low) if low == high else f"{low} to {high}" for low, high in _runs(values, shortest=3)]


def _join(parts: list[str], word: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
