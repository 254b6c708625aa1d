"""Lengths of time as people write them: ``"90s"``, ``"1h30m"``, ``"2d"``.

Owns the grammar of such texts and the way back from microseconds to text and to words. Pure; must
not know what a length is used for, nor limit it beyond what its text can say.
"""

from __future__ import annotations

import re
from typing import Final

from .errors import InvalidArgument, InvalidType

# Falling order: a text names each unit at most once, the larger before the smaller.
UNITS: Final = (
    ("w", 604_800_000_000, "week"),
    ("d", 86_400_000_000, "day"),
    ("h", 3_600_000_000, "hour"),
    ("m", 60_000_000, "minute"),
    ("s", 1_000_000, "second"),
    ("ms", 1_000, "millisecond"),
    ("us", 1, "microsecond"),
)
_TEXT: Final = re.compile("".join(f"(?:([0-9]{{1,18}}){unit})?" for unit, _, _ in UNITS))
_BARE: Final = re.compile("[0-9]{1,18}([.][0-9]{1,6})?")
_MAX_TEXT: Final = 60


def parse(text: str) -> int:
    """Microseconds of a text such as ``1h30m``; a bare number is seconds, and may have a fraction."""
    if not isinstance(text, str):
        raise InvalidType(f"a length of time must be a string such as '90s', not {type(text).__name__}: {text!r:.100}")
    stripped = text.strip()
    if _BARE.fullmatch(stripped):
        whole, _, part = stripped.partition(".")
        return int(whole) * 1_000_000 + int(part.ljust(6, "0"))
    match = _TEXT.fullmatch(stripped) if len(stripped) <= _MAX_TEXT else None
    if not stripped or match is None:
        raise InvalidArgument(
            f"{text!r:.80} is no length of time: use whole numbers with the units w, d, h, m, s, ms, us, "
            "larger before smaller, without spaces, such as '90s', '1h30m' or '500ms'; a number alone is seconds"
        )
    return sum(int(count) * size for count, (_, size, _) in zip(match.groups(), UNITS, strict=True) if count)


def rate(text: str) -> tuple[int, int]:
    """Of a text such as ``100/m``, ``5/s`` or ``10/30s``: how many, within how many microseconds. Raises InvalidArgument."""
    count, slash, per = text.strip().partition("/")
    micros = 0
    if slash and count.isascii() and count.isdigit() and len(count) < 10:
        try:
            micros = parse(f"1{per}" if per.isalpha() else per)
        except InvalidArgument:
            micros = 0
    if not (int(count or 0) if count.isascii() and count.isdigit() else 0) or not 1_000_000 <= micros <= 366 * 86_400_000_000:
        raise InvalidArgument(f"{text!r:.60} is no rate: a whole number from 1, a stroke, and s, m, h, d or a length of time from 1s on, such as '100/m', '5/s' or '10/30s'")
    return int(count), micros


def rate_text(count: int, micros: int) -> str:
    """The text of which ``rate`` makes this."""
    per = render(micros)
    return f"{count}/{per[1:] if per[0] == '1' and per[1:].isalpha() else per}"


def render(micros: int) -> str:
    """The shortest text with units that parses to this many microseconds: ``90s``, ``1h5m``, ``2d``."""
    if isinstance(micros, bool) or not isinstance(micros, int):
        raise InvalidType(f"a length of time must be whole microseconds, not {type(micros).__name__}: {micros!r:.100}")
    if micros < 0:
        raise InvalidArgument(f"a length of time must not be negative, but is {micros!s:.60} microseconds")
    if micros == 0:
        return "0s"
    spelled = ["".join(f"{count}{unit}" for count, unit, _ in _split(micros, first)) for first in range(len(UNITS))]
    return min(spelled, key=len)  # of equally short ones the first, which has the larger units


def words(micros: int) -> str:
    """In English, to follow "every": ``15 minutes``, ``hour``, ``1 hour and 30 minutes``."""
    parts = _split(micros, 1)  # in days: "14 days" needs no thought, unlike "2 weeks" beside "10 days"
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][2]
    spelled = [f"{count} {name}" + ("s" if count != 1 else "") for count, _, name in parts]
    return spelled[0] if len(spelled) == 1 else f"{', '.join(spelled[:-1])} and {spelled[-1]}"


def spelled(micros: int) -> str:
    """The same with the number of one: ``1 hour``."""
    said = words(micros)
    return said if said[:1].isdigit() else f"1 {said}"


def about(seconds: float) -> str:
    """As people say it, to two or three digits: 1.2 ms, 15.0 s, 3 min."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def _split(micros: int, first: int) -> list[tuple[int, str, str]]:
    """(count, unit, name) of each unit needed, from the unit number ``first`` down."""
    parts = []
    for unit, size, name in UNITS[first:]:
        count, micros = divmod(micros, size)
        if count:
            parts.append((count, unit, name))
    return parts
