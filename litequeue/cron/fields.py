"""The six fields of a cron expression: from text to the values that it means.

Owns the grammar of a field (names, lists, ranges, steps, ``L``, ``LW``, ``5L``, ``5#3``, ``?``) and
the errors that point into it. Must not know about times, nor how fields go together: see ``search``
and ``expression``.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..base.errors import InvalidArgument

MONTHS: Final = ("January", "February", "March", "April", "May", "June", "July", "August",
                 "September", "October", "November", "December")  # fmt: skip
WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

LAST: Final = -1
LAST_WORKING: Final = -2
LAST_DAY: Final = (0, LAST)  # as specials of the field of days
LAST_WORKING_DAY: Final = (0, LAST_WORKING)


def mask(values: Iterable[int]) -> int:
    """A bit for each value."""
    return functools.reduce(operator.or_, (1 << value for value in values), 0)


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the six: its name and what it can hold."""

    name: str
    low: int
    high: int
    allowed: str
    names: tuple[str, ...] = ()  # of low, low + 1, ...; ranges of them may wrap around

    @property
    def whole(self) -> int:
        """Every value as a mask; weekdays are 0 to 6 in a mask, since 7 is Sunday as well."""
        return mask(map(self.fold, range(self.low, self.high + 1)))

    def fold(self, value: int) -> int:
        """Bring a value that ran over the end of a range of names back into the field."""
        if not self.names:
            return value
        return (value - self.low) % len(self.names) + self.low


SECOND: Final = Kind("second", 0, 59, "0 to 59")
MINUTE: Final = Kind("minute", 0, 59, "0 to 59")
HOUR: Final = Kind("hour", 0, 23, "0 to 23")
DAY: Final = Kind("day-of-month", 1, 31, "1 to 31, L (the last day), LW (the last working day), ?")
MONTH: Final = Kind("month", 1, 12, "1 to 12 or jan to dec", tuple(name[:3].lower() for name in MONTHS))
WEEKDAY: Final = Kind(
    "day-of-week", 0, 7,
    "0 to 7 (0 and 7 are Sunday) or sun to sat, 5L or friL (the last Friday), 5#3 or fri#3 (the third Friday), ?",
    tuple(name[:3].lower() for name in WEEKDAYS),
)  # fmt: skip
KINDS: Final = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)

_DIGITS: Final = re.compile("[0-9]+")


@dataclass(frozen=True, slots=True)
class Field:
    """What one field means.

    ``values`` has a bit for each value. ``specials`` are, of days, LAST_DAY and LAST_WORKING_DAY;
    of weekdays (weekday, 1 to 5 or LAST).
    """

    kind: Kind
    values: int
    starred: bool  # the text starts with a star: Debian's rules turn on that, not on the values
    specials: frozenset[tuple[int, int]] = frozenset()

    @property
    def is_whole(self) -> bool:
        return self.values == self.kind.whole


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field stands in which expression, for its errors."""

    expression: str
    position: int
    kind: Kind

    def wrong(self, piece: str, why: str) -> InvalidArgument:
        return InvalidArgument(
            f"cron expression {self.expression!r:.220}, field {self.position} ({self.kind.name}): {piece!r:.80} {why}; "
            f"allowed are {self.kind.allowed}, *, lists (1,2), ranges (1-5) and steps (*/2, 1-5/2, 1/2)"
        )


def parse(place: Place, text: str) -> Field:
    """Read one field, or raise InvalidArgument that names it and the piece that is wrong."""
    kind = place.kind
    if text == "?" and kind in (DAY, WEEKDAY):
        return Field(kind, kind.whole, starred=True)
    values = 0
    specials: set[tuple[int, int]] = set()
    for item in text.split(","):
        if not item:
            raise place.wrong(text, "has an empty piece between commas")
        special = _special(place, item)
        if special is not None:
            specials.add(special)
        else:
            values |= _span(place, item)
    if kind is WEEKDAY:  # what every Friday covers, the third Friday does not add to
        specials = {(weekday, nth) for weekday, nth in specials if not values >> weekday & 1}
    return Field(kind, values, text.startswith("*"), frozenset(specials))


def _special(place: Place, item: str) -> tuple[int, int] | None:
    lower = item.lower()
    if place.kind is DAY:
        return {"l": LAST_DAY, "lw": LAST_WORKING_DAY}.get(lower)
    if place.kind is not WEEKDAY:
        return None
    if lower == "l":
        raise place.wrong(item, "does not say which weekday")
    if lower.endswith("l"):
        return _value(place, item, lower[:-1]) % 7, LAST
    if "#" in lower:
        weekday, _, nth = lower.partition("#")
        if nth not in ("1", "2", "3", "4", "5"):
            raise place.wrong(item, "must have a number from 1 to 5 after the #")
        return _value(place, item, weekday) % 7, int(nth)
    return None


def _span(place: Place, item: str) -> int:
    """The mask of ``*``, ``a`` or ``a-b``, each with or without ``/step``."""
    kind = place.kind
    base, slash, step = item.partition("/")
    if slash and (not _DIGITS.fullmatch(step) or not int(step)):
        raise place.wrong(item, "must have a whole number above 0 after the /")
    if base == "*":
        low, high = kind.low, kind.high
    elif "-" in base:
        low, high = _range(place, item, base)
    else:
        low = _value(place, item, base)
        high = kind.high if slash else low
    return mask(map(kind.fold, range(low, high + 1, int(step or 1))))


def _range(place: Place, item: str, base: str) -> tuple[int, int]:
    first, _, second = base.partition("-")
    low, high = _value(place, item, first), _value(place, item, second)
    if high >= low:
        return low, high
    names = place.kind.names
    if first.lower() in names and second.lower() in names:
        return low, high + len(names)
    why = "runs backwards" + (" (only ranges of names may wrap, such as fri-mon or nov-feb)" if names else "")
    kind = place.kind
    top = kind.high if kind is not WEEKDAY else kind.high - 1
    around = [f"{a}-{b}" if a != b else f"{a}" for a, b in ((low, top), (kind.low, high))]
    raise place.wrong(item, f"{why}; for what goes around write {','.join(around)}")


def _value(place: Place, item: str, text: str) -> int:
    kind = place.kind
    if text.lower() in kind.names:
        return kind.names.index(text.lower()) + kind.low
    if not _DIGITS.fullmatch(text):
        raise place.wrong(item, "is not understood")
    if len(text) > 10 or not kind.low <= int(text) <= kind.high:
        raise place.wrong(item, "is out of range" if text == item else f"is out of range with {text}")
    return int(text)
