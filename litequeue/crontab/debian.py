"""What Debian's cron makes of the five fields of a time, where it is not what litequeue makes of them.

Owns a model of its parser: what it refuses (and with it the whole crontab), what it takes for something else, since it
passes over the rest of a word that it does not understand; and the way back, a time in terms that both read alike.
tests/data/cron-accept.tsv has the answers of the real one, which the tests hold the model to. What litequeue itself makes of
a time is the room ``cron``'s.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WORD: Final = re.compile("[0-9A-Za-z]+")
_ITEM: Final = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/([0-9]+))?", re.ASCII)  # as its manual has them
_LONGEST: Final = 18  # digits of a number that C's long holds
_LONGEST_HERE: Final = 9  # those that its int holds as well; what is longer, it takes for another number


class _Kind(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def fold(self, value: int) -> int:
        """Back into the field, for a range of names that ran over its end; Sunday is 0."""
        return (value - self.low) % len(self.names) + self.low if self.names else value


_KINDS: Final = (
    _Kind("minute", 0, 59), _Kind("hour", 0, 23), _Kind("day of month", 1, 31), _Kind("month", 1, 12, _MONTHS),
    _Kind("day of week", 0, 7, _DAYS),
)  # fmt: skip


class Field(NamedTuple):
    """One field of a time, as Debian's cron reads it."""

    name: str
    text: str
    values: frozenset[int] | None  # Sunday is 0; None: it refuses the field
    plain: bool  # it means what it says: no rest that is passed over, no range that runs backwards

    @property
    def said(self) -> str:
        """In terms that both crons read alike, where there are such."""
        if self.plain:
            return self.text
        return ",".join(map(str, sorted(self.values or ()))) or "none"


def read(when: str) -> tuple[Field, ...]:
    """The five fields of a time; none of an @macro."""
    if when.startswith("@"):
        return ()
    return tuple(_field(text, kind) for text, kind in zip(when.split(" "), _KINDS, strict=False))


def never(fields: tuple[Field, ...]) -> bool:
    """Whether a time that it takes has a field without any value, and so never comes."""
    empty = [not field.values for field in fields]
    # Day of month and day of week are alternatives, unless one of them begins with a star.
    either = not fields[2].text.startswith("*") and not fields[4].text.startswith("*")
    days = empty[2] and empty[4] if either else empty[2] or empty[4]
    return empty[0] or empty[1] or empty[3] or days


def verdict(when: str) -> str:
    """What it does with a time that litequeue does not take; "" if that is no news."""
    fields = read(when)
    if len(fields) < len(_KINDS) or any(field.values is None for field in fields) or all(field.plain for field in fields):
        return ""
    if never(fields):
        return "; Debian's cron takes it, and never runs it"
    return f"; Debian's cron takes it for {' '.join(field.said for field in fields)!r:.200}"


def terms(when: str) -> str | None:
    """The same time in terms that Debian's cron reads alike; None where it has none."""
    if when.startswith("@"):
        return when
    parts = [_written(text, kind) for text, kind in zip(when.split(" "), _KINDS, strict=False)]
    found = " ".join(part for part in parts if part is not None)
    good = None not in parts and all(field.plain and field.values is not None for field in read(found))
    return found if good else None


# -- its parser ------------------------------------------------------------------------------------------


def _field(text: str, kind: _Kind) -> Field:
    values: set[int] = set()
    rest = "," + text
    while rest.startswith(","):
        taken = _range(rest[1:], kind)
        if taken is None:
            return Field(kind.name, text, None, False)
        more, rest = taken
        values |= more
    folded = frozenset(kind.fold(value) for value in values)
    return Field(kind.name, text, folded, not rest and all(_is_plain(item, kind) for item in text.split(",")))


def _range(text: str, kind: _Kind) -> tuple[set[int], str] | None:
    """The values of what a text begins with, and its rest."""
    if text.startswith("*"):
        first, last, rest = kind.low, kind.high, text[1:]
    else:
        taken = _number(text, kind)
        if taken is None or taken[1].startswith("/"):
            return None
        first, rest = last, _ = taken
        if rest.startswith("-"):
            taken = _number(rest[1:], kind)
            if taken is None:
                return None
            last, rest = taken
        elif kind.low <= first <= kind.high:
            return {first}, rest
    if not (kind.low <= first <= kind.high and kind.low <= last <= kind.high):
        return None
    step = 1
    if rest.startswith("/"):
        taken = _number(rest[1:], _Kind("step", 0, 0))
        if taken is None or taken[0] <= 0:
            return None
        step, rest = taken
    return set(range(first, last + 1, step)), rest


def _number(text: str, kind: _Kind) -> tuple[int, str] | None:
    found = _WORD.match(text)
    if found is None:
        return None
    word, rest = found[0].lower(), text[found.end() :]
    if word in kind.names:
        return kind.names.index(word) + kind.low, rest
    if not word.isdigit():
        return None
    digits = word.lstrip("0") or "0"
    number = int(digits) % 2**32 if len(digits) <= _LONGEST else 2**32 - 1  # an int of C
    return number - 2**32 if number >= 2**31 else number, rest


def _is_plain(item: str, kind: _Kind) -> bool:
    found = _ITEM.fullmatch(item)
    if found is None:
        return False
    low, high, step = found.groups()
    if any(word and len(word) > _LONGEST_HERE for word in (low, high, step and step.lstrip("0"))):
        return False
    if high is None:
        return True
    ends = _number(low, kind), _number(high, kind)
    return None not in ends and ends[0][0] <= ends[1][0]  # type: ignore[index]


# -- the way back ----------------------------------------------------------------------------------------


def _written(text: str, kind: _Kind) -> str | None:
    if text == "?":
        return "*"
    parts = [_item(item, kind) for item in text.split(",")]
    return None if None in parts else ",".join(part for part in parts if part is not None)


def _item(item: str, kind: _Kind) -> str | None:
    found = _ITEM.fullmatch(item)
    if found is None:
        return None
    low, high, step = found.groups()
    if low == "*" or high is None and step is None:
        return item
    first = _number(low, kind)
    if first is None:
        return None
    if high is None:
        return f"{first[0]}-{kind.high}/{step}"
    last = _number(high, kind)
    if last is None or first[0] <= last[0] or not kind.names:
        return item
    values = range(first[0], last[0] + len(kind.names) + 1, int(step or 1))  # around the end, as names may here
    return ",".join(map(str, sorted(map(kind.fold, values))))
