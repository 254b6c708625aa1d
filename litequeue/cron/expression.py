"""Cron expressions: what they say, in words and in the next ticks.

Owns the whole expression: its number of fields, the macros, what can never fire; and ``explain`` and
``preview`` for people. The parts are elsewhere: a field's text in ``fields``, the search and
daylight saving time in ``search``, English in ``words``. Reads no clock.

The rules are Debian cron's: ``minute hour day-of-month month day-of-week``. With ``seconds=True`` a
field of seconds comes first.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from ..base import checks
from ..base.errors import InvalidArgument, InvalidType
from . import search, zones
from .fields import KINDS, MONTHS, SECOND, Field, Place
from .fields import parse as parse_field

REBOOT: Final = "@reboot"
MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MAX_TEXT: Final = 1000
_MAX_PREVIEW: Final = 10_000
_SPACE: Final = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression; ``fields`` are six, with seconds first, or none for ``@reboot``."""

    text: str
    fields: tuple[Field, ...]
    table: search.Table | None

    @property
    def is_reboot(self) -> bool:
        return self.table is None

    def next_tick(self, moment: datetime, zone: tzinfo) -> search.Tick | None:
        """The first tick strictly after an aware datetime."""
        return None if self.table is None else search.next_tick(self.table, moment, zone)


class Preview(NamedTuple):
    """A coming tick, and what daylight saving time does to it, or ""."""

    at: datetime
    note: str


def parse(expr: str, *, seconds: bool = False) -> Expression:
    """Read an expression, or raise InvalidArgument that says what is wrong where."""
    if not isinstance(expr, str):
        raise InvalidType(f"a cron expression must be a string, not {type(expr).__name__}: {expr!r:.100}")
    if len(expr) > _MAX_TEXT:
        raise InvalidArgument(f"a cron expression must have at most {_MAX_TEXT} characters; this has {len(expr)}")
    return _parse(_SPACE.sub(" ", expr.strip()), checks.flag(seconds, "seconds"))


def explain(expr: str, *, seconds: bool = False) -> str:
    """What an expression says, in plain English."""
    from . import words  # only people need it

    parsed = parse(expr, seconds=seconds)
    return "at every boot" if parsed.is_reboot else words.sentence(*parsed.fields)


def preview(
    expr: str,
    timezone: str | tzinfo | None,
    start: datetime,
    n: int = 5,
    *,
    seconds: bool = False,
) -> list[Preview]:
    """The next ``n`` ticks after the aware datetime ``start``, in the zone (None: the host's own)."""
    parsed = parse(expr, seconds=seconds)
    zone = zones.find(timezone)[1]
    count = checks.integer(n, "n", 0, _MAX_PREVIEW)
    ticks: list[Preview] = []
    moment = checks.aware(checks.moment(start, "start"))
    while len(ticks) < count:
        tick = parsed.next_tick(moment, zone)
        if tick is None or parsed.table is None:
            break
        ticks.append(Preview(tick.at, _note(tick, parsed.table.fixed)))
        moment = tick.at
    return ticks


# -- parsing --------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)
def _parse(text: str, seconds: bool) -> Expression:
    if text.startswith("@"):
        return _macro(text)
    fields = _fields(text, seconds)
    table = search.table(*fields)
    if not search.fires(table):
        raise InvalidArgument(f"cron expression {text!r:.220} can never fire: {_why_never(text, fields)}")
    return Expression(text, fields, table)


def _macro(text: str) -> Expression:
    lower = text.lower()
    if lower == REBOOT:
        return Expression(lower, (), None)
    if lower in MACROS:
        fields = _fields(MACROS[lower], False)
        return Expression(lower, fields, search.table(*fields))
    if lower.partition(" ")[0] == "@every":
        length = text.partition(" ")[2] or "90s"
        raise InvalidArgument(f"{text!r:.100} is an interval, not a cron expression: use Every({length!r:.60}), or --every {length:.60}")
    raise InvalidArgument(f"cron expression {text!r:.220} is no macro; those are {', '.join([*MACROS, REBOOT])}")


def _fields(text: str, seconds: bool) -> tuple[Field, ...]:
    if text[:1] in ("'", '"') or text[-1:] in ("'", '"'):
        raise InvalidArgument(f"cron expression {text!r:.220} has quotes around it, which are the shell's: leave them out of it")
    zone, _, rest = text.partition(" ")
    if "=" in zone:
        name, _, value = zone.partition("=")
        raise InvalidArgument(
            f"cron expression {text!r:.220} begins with a setting: write {rest!r:.100}"
            + (f", and its zone as timezone={value!r:.60} (--timezone {value:.60})" if name in ("TZ", "CRON_TZ") else "")
        )
    texts = text.split(" ") if text else []
    kinds = KINDS if seconds else KINDS[1:]
    if len(texts) != len(kinds):
        raise InvalidArgument(_wrong_count(text, len(texts), seconds))
    places = [Place(text, position, kind) for position, kind in enumerate(kinds, 1)]
    parsed = tuple(map(parse_field, places, texts))
    return parsed if seconds else (_ON_THE_MINUTE, *parsed)


_ON_THE_MINUTE: Final = Field(SECOND, 1, starred=False)


def _wrong_count(text: str, count: int, seconds: bool) -> str:
    names = " ".join(kind.name for kind in KINDS[0 if seconds else 1 :])
    has = f"cron expression {text!r:.220} has {count} field{'' if count == 1 else 's'}"
    if seconds:
        hint = "; leave out seconds=True (--seconds) for one without seconds" if count == 5 else ""
        return f"{has}, but with seconds=True it must have 6 ({names}){hint}"
    hint = ""
    if count == 6 and re.search(r"\s\d{4}([-,/]\S*)?$", text):
        hint = f"; the last looks like a year: write {text.rpartition(' ')[0]!r:.100}"
    elif count == 6:
        without = text.partition(" ")[2]
        hint = f"; if the first is seconds, as Quartz and Spring have them, give seconds=True (--seconds), or write {without!r:.100}"
    elif count == 7:
        hint = "; it looks like Quartz's, with seconds first and a year at the end: leave those two out"
    return f"{has}, but must have 5 ({names}){hint}"


def _why_never(text: str, fields: tuple[Field, ...]) -> str:
    day, month = fields[3:5]
    months = " or ".join(MONTHS[number - 1] for number in search.bits(month.values))
    longest = max(search.LENGTHS[number][-1] for number in search.bits(month.values))
    if not day.specials and not day.values & (1 << longest + 1) - 1:
        return f"no {months} has a day {next(iter(search.bits(day.values)))}"
    texts = text.split(" ")
    also = "" if month.is_whole else f" in {months}"
    return (
        f"no day{also} is in both {texts[-3]!r} (day-of-month) and {texts[-1]!r} (day-of-week), and both must match "
        "when one of them starts with a star"
    )


# -- notes of a preview ---------------------------------------------------------------------------


def _note(tick: search.Tick, fixed: bool) -> str:
    wall = tick.at.replace(tzinfo=None, fold=0)
    if wall != tick.nominal:
        if wall.date() == tick.nominal.date():
            return f"{_clock(tick.nominal)} does not exist on this day: runs at {_clock(wall)}"
        missing, runs = (f"{moment:%Y-%m-%d} {_clock(moment)}" for moment in (tick.nominal, wall))
        return f"{missing} does not exist: runs at {runs}"
    if tick.at.replace(fold=0).utcoffset() == tick.at.replace(fold=1).utcoffset():
        return ""
    which = "second" if tick.at.fold else "first, and the only run" if fixed else "first"
    return f"the clock shows {_clock(wall)} twice: this is the {which}"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
