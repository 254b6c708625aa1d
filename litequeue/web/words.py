"""Numbers and times in the words of the page: ``1,204``, ``28.0 s``, ``2 min ago``, ``25 Nov 14:02``.

Owns every rounding and every unit. Pure, and makes no HTML. Times are shown in the zone of this host; ``app.js`` says them again in the words of ``ago`` as they pass.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ..store.pages.parts import Count

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # strftime's are the locale's
_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_NUMBERS: Final = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


def number(value: float) -> str:
    return f"{value:,.0f}"


def count(value: Count) -> str:
    return f"{value.number:,}{'+' if value.is_capped else ''}"


def short(value: int) -> str:
    """Where there is little room: ``812``, ``12k``, ``1.2M``."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if value >= size * (10 if unit == "k" else 1):
            whole = value / size
            return f"{whole:.1f}{unit}".replace(".0", "") if whole < 10 else f"{whole:.0f}{unit}"
    return f"{value:,}"


def rate(value: float) -> str:
    """So many a minute, as exactly as it can be read."""
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.1f}".removesuffix(".0")


def percent(share: float) -> str:
    """``2.1 %``; never ``0 %`` of something that there was."""
    points = share * 100
    if 0 < points < 0.1:
        return "under 0.1 %"
    return f"{points:.0f} %" if points >= 10 or points == 0 else f"{points:.1f} %"


def took(seconds: float) -> str:
    """A length of time that was measured."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f}".removesuffix(".0") + " ms" if seconds < 0.00995 else f"{seconds * 1000:.0f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    return age(seconds)


def age(seconds: float) -> str:
    """A length of time in its largest unit."""
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "0 s"
    for size, unit, most in ((1, "s", 90), (60, "min", 90), (3600, "h", 36)):
        if seconds < size * most:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds / 86_400):,} d"


def bound(seconds: float) -> str:
    """A round length of time on an axis: ``1 ms``, ``300 ms``, ``10 s``, ``5 min``, ``1 h``."""
    for size, unit in ((3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if seconds >= size and (seconds % size == 0 or unit == "s"):
            return f"{seconds / size:g} {unit}"
    return f"{seconds * 1000:g} ms"


def since(moment: datetime, now: datetime) -> float:
    """The seconds from then to now; before 0 what is to come."""
    return (now - moment).total_seconds()


def ago(moment: datetime, now: datetime) -> str:
    """``2 min ago``, ``in 3 min``; what is further than a day as a date."""
    seconds = since(moment, now)
    if abs(seconds) >= 129_600:
        return day(moment, now)
    if abs(seconds) < 1:
        return "now"
    return f"{age(seconds)} ago" if seconds > 0 else f"in {age(-seconds)}"


def day(moment: datetime, now: datetime) -> str:
    """``25 Nov``, with its year where that is another."""
    return date(moment.astimezone(), now)


def date(local: datetime, now: datetime) -> str:
    """The same, in the zone that it has already."""
    text = f"{local.day} {_MONTHS[local.month - 1]}"
    return text if local.year == now.astimezone().year else f"{text} {local.year}"


def clock(moment: datetime, now: datetime, *, seconds: bool = True) -> str:
    """``14:02:11``, with its day where that is another."""
    local = moment.astimezone()
    text = local.strftime("%H:%M:%S" if seconds else "%H:%M")
    return text if local.date() == now.astimezone().date() else f"{day(moment, now)} {text}"


def whole(moment: datetime) -> str:
    """Everything about a moment, to be read when it is pointed at."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def size(number_of_bytes: int) -> str:
    for unit, exponent in (("GB", 9), ("MB", 6), ("KB", 3)):
        if number_of_bytes >= 10**exponent:
            whole_units = number_of_bytes / 10**exponent
            return f"{whole_units:.1f} {unit}" if whole_units < 10 else f"{whole_units:,.0f} {unit}"
    return f"{number_of_bytes} bytes"


def ordinal(value: int) -> str:
    if 1 <= value <= len(_ORDINALS):
        return _ORDINALS[value - 1]
    return f"{value:,}{'th' if value % 100 in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(value % 10, 'th')}"


def spelled(value: int) -> str:
    """At the beginning of a sentence."""
    return _NUMBERS[value] if value < len(_NUMBERS) else f"{value:,}"


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def attempts(count: int) -> str:
    return f"{count:,} attempt{'' if count == 1 else 's'}"


def jobs(value: int) -> str:
    return f"{value:,} job{'' if value == 1 else 's'}"
