"""Checks of what users hand us: each returns the clean value or raises at once, naming the option.

Owns the limits of names, numbers and times, and the turning of seconds and datetimes into the
integer microseconds that are stored; and ``clean``, for what others wrote. Pure; touches no clock.
"""

from __future__ import annotations

import math
import operator
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from .errors import InvalidArgument, InvalidType

MICROS: Final = 1_000_000
DAY: Final = 86_400 * MICROS
MAX_SECONDS: Final = 100 * 366 * 86_400  # a century: keeps every sum far below SQLite's 2**63
MAX_NAME: Final = 200
_NAME = re.compile(r"[\w.:-]{1,200}")
# RFC 5322's dot-atoms, as far as mailers take them, or a user of this host. What looks like an encoded word is none: some would decode it.
_ADDRESS: Final = re.compile(r"(?!.*=\?)[!#-'*+\-./-9=?A-Z^-~]+(@([A-Za-z0-9.-]+|\[[A-Za-z0-9.:]+\]))?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def name(value: object, what: str) -> str:
    """A task's, queue's or worker's name: 1 to 200 letters, digits, and ``_ . : -``."""
    if not isinstance(value, str):
        raise InvalidType(f"{what} must be a string, not {type(value).__name__}: {value!r:.100}")
    if not _NAME.fullmatch(value):
        raise InvalidArgument(
            f"{what} {value!r:.220} is not allowed: use 1 to {MAX_NAME} letters, digits, "
            "underscores, dots, colons and hyphens"
        )
    return value


def is_name(value: str) -> bool:
    """Whether ``name`` would let it pass."""
    return _NAME.fullmatch(value) is not None


def whole(value: object) -> object:
    """Another library's integer (numpy's) as an int; whatever else as it is."""
    kind = type(value)
    if isinstance(value, (int, float, str, timedelta)) or "bool" in kind.__name__ or not hasattr(kind, "__index__"):
        return value
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:  # of an array, say
        return value


def integer(value: object, what: str, low: int, high: int) -> int:
    """An int within [low, high], numpy's too; bool is refused, since ``retries=True`` is a mistake."""
    value = whole(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidType(f"{what} must be an integer, not {_kind(value)}: {value!r:.100}{_numpys(value, 'int(x)')}")
    if not low <= value <= high:
        raise InvalidArgument(f"{what} must be from {low} to {high}, not {_short(value)}")
    return int(value)


def identity(value: object, what: str) -> int:
    """The id of something in the file, or the digits of it, out of a URL or a form."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    return integer(value, what, 1, 2**63 - 1)


def span(value: object, what: str, *, zero: bool = True) -> int:
    """A length of time as people give it (seconds, a timedelta, text such as "1h30m"), as whole microseconds; at most a century."""
    value = whole(value)
    if isinstance(value, str):
        seconds = _seconds_of(value, what)
    elif isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidType(
            f"{what} must be a length of time (seconds, a timedelta, or text such as '1h30m'), "
            f"not {_kind(value)}: {value!r:.100}{_numpys(value, 'float(x)')}"
        )
    else:
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidArgument(f"{what} must be a finite number of seconds, not {value!r}")
        if abs(value) > MAX_SECONDS:
            raise InvalidArgument(f"{what} must be at most {MAX_SECONDS} seconds, not {_short(value)}")
        seconds = value
    if seconds < 0 or seconds > MAX_SECONDS or (not zero and seconds == 0):
        least = "0" if zero else "more than 0"
        raise InvalidArgument(f"{what} must be {least} to {MAX_SECONDS} seconds, not {value!s:.60}")
    return max(round(seconds * MICROS), 0 if zero else 1)


def _seconds_of(text: str, what: str) -> float:
    from . import durations  # text is for people; most programs have none

    try:
        return durations.parse(text) / MICROS
    except InvalidArgument as error:
        raise InvalidArgument(f"{what}: {error}") from None


def moment(value: object, what: str) -> int:
    """An aware datetime, of any subclass, as microseconds since the epoch."""
    if not isinstance(value, datetime):
        raise InvalidType(f"{what} must be a datetime, not {type(value).__name__}: {value!r:.100}")
    if value.year != value.year:  # pandas.NaT, which is a datetime, has nan
        raise InvalidArgument(f"{what} must be a time, not {value!r:.100}")
    offset = None if value.tzinfo is None else value.utcoffset()
    if offset is None:
        raise InvalidArgument(
            f"{what} must say its time zone: {value.isoformat()} has none; "
            "use datetime.now(timezone.utc) or .replace(tzinfo=ZoneInfo(...))"
        )
    # From its fields, which are what the clock shows: subclasses have arithmetic of their own, and answer with their own
    # types (pendulum, pandas) or count nanoseconds. Timedelta arithmetic is exact and cannot overflow here.
    wall = datetime(value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, UTC)
    stamp = (wall - _EPOCH - offset) // timedelta(microseconds=1)
    if not -MAX_SECONDS * MICROS <= stamp <= 4 * MAX_SECONDS * MICROS:
        raise InvalidArgument(f"{what} must be within the years 1870 to 2370, not {value.isoformat()}")
    return stamp


def aware(stamp: int) -> datetime:
    """Stored microseconds as an aware datetime in UTC; the nearest there is for a planted one."""
    try:
        return _EPOCH + timedelta(microseconds=stamp)
    except OverflowError:
        return (datetime.max if stamp > 0 else datetime.min).replace(tzinfo=UTC)


def clean(text: str) -> str:
    """Without control characters, which could forge lines or drive a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def clean_lines(text: str) -> str:
    """``clean`` for text of several lines: newlines and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def entry(text: str) -> str:
    """Text of several lines as one entry of a log: none but its first begins where an entry does."""
    return text if text.isprintable() else clean_lines(text).replace("\n", "\n    ")


def patience(timeout: object) -> float | None:
    """How long somebody waits, in seconds; None: for ever. Raises as ``span``."""
    return None if timeout is None else span(timeout, "timeout") / MICROS


def counted(count: int, noun: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def line(value: object, what: str) -> str:
    """A line of text that is not blank."""
    if not isinstance(value, str):
        raise InvalidType(f"{what} must be a string, not {type(value).__name__}: {value!r:.100}")
    if not value.strip() or "\0" in value or "\n" in value:
        raise InvalidArgument(f"{what} must be one line of text, not {value!r:.100}")
    return value


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can say it: it has no half of a character."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def utf8_line(value: object, what: str) -> str:
    """``line``, of what the file can keep as text."""
    text = line(value, what)
    if not is_utf8(text):
        raise InvalidArgument(f"{what} must be text that UTF-8 can say, and {text!r:.100} has half a character")
    return text


def address(value: str, what: str) -> str:
    """A mail address as a header has it, or the name of a user of this host, as cron's MAILTO takes them."""
    if not _ADDRESS.fullmatch(value):
        raise InvalidArgument(
            f"{what} must be a mail address or the name of a user of this host, several with commas between, in ASCII "
            f"and without the name of a person; {value!r:.100} is not one"
        )
    return value


def flag(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidType(f"{what} must be True or False, not {value!r:.100}{_numpys(value, 'bool(x)')}")
    return value


def one_of(value: object, what: str, allowed: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise InvalidArgument(f"{what} must be one of {', '.join(allowed)}, not {value!r:.100}")
    return value


def _kind(value: object) -> str:
    kind = type(value)
    return f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__


def _numpys(value: object, words: str) -> str:
    """What to write, for a value of numpy's, which looks like the number that was asked for."""
    return f"; write {words}" if type(value).__module__ == "numpy" else ""


def _short(value: float) -> str:
    # repr() of an int over 4300 digits raises: the error must not fail on the value it reports.
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    return repr(value)
