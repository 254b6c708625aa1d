"""The kinds of trigger: ``Cron``, ``Every``, ``At``, and the protocol of a user's own.

Owns their options and their ticks. Reads no clock but the moments that it is handed, and stores nothing.
People import them from ``triggers``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Final, Literal, Protocol

from .. import cron
from ..base import checks, durations
from ..base.errors import InvalidArgument, LitequeueError
from ..cron import zones

LEAST_MICROS: Final = 1_000
MOST_MICROS: Final = 36_525 * 86_400_000_000
_MOMENT: Final = "the moment given to next_after"


class Trigger(Protocol):
    """Anything that can tell its next tick."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first tick strictly after an aware moment; None if there is none."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Cron:
    """The ticks of a cron expression in a time zone, by Debian cron's rules.

    ``timezone`` is an IANA name or a ZoneInfo; None is the host's own, looked up once, here. With
    ``seconds=True`` the expression has a first field of seconds.
    """

    expr: str
    timezone: str
    seconds: bool
    _parsed: cron.Expression = field(compare=False)
    _zone: tzinfo = field(compare=False)

    def __init__(self, expr: str, timezone: str | tzinfo | None = None, *, seconds: bool = False) -> None:
        parsed = cron.parse(expr, seconds=seconds)
        # Booting is not of any zone.
        name, zone = zones.find("UTC" if parsed.is_reboot and timezone is None else timezone)
        _fill(self, expr=parsed.text, timezone="UTC" if parsed.is_reboot else name, _parsed=parsed, _zone=zone)
        _fill(self, seconds=seconds and not parsed.text.startswith("@"))

    @property
    def is_reboot(self) -> bool:
        """Whether this is ``@reboot``: no tick in time, but one at each start of the machine."""
        return self._parsed.is_reboot

    def next_after(self, moment: datetime) -> datetime | None:
        tick = self._parsed.next_tick(checks.aware(checks.moment(moment, _MOMENT)), self._zone)
        return None if tick is None else tick.at

    def __repr__(self) -> str:
        options = ", seconds=True" if self.seconds else ""
        return f"Cron({self.expr!r})" if self.is_reboot else f"Cron({self.expr!r}, {self.timezone!r}{options})"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Every:
    """Ticks a fixed time apart, counted from an anchor, so that they never drift.

    ``period`` is a text such as "15m", seconds, or a timedelta. ``anchor`` is "start" (the moment of
    registration, which ``anchored`` fills in; the first tick is one period later, or that moment itself with
    ``run_immediately``), "epoch" (multiples of the period since 1970 UTC), or an aware datetime, which is
    itself the first tick. With ``after="finish"`` each tick is one period after the previous job's end.
    """

    micros: int
    anchor: Literal["start", "epoch"] | datetime
    after: Literal["start", "finish"]
    run_immediately: bool
    started: int | None  # the registration, in microseconds since the epoch

    def __init__(
        self,
        period: str | float | timedelta,
        *,
        anchor: Literal["start", "epoch"] | datetime = "start",
        after: Literal["start", "finish"] = "start",
        run_immediately: bool = False,
    ) -> None:
        checks.one_of(after, "after", ("start", "finish"))
        checks.flag(run_immediately, "run_immediately")
        if isinstance(anchor, datetime):
            anchor = checks.aware(checks.moment(anchor, "anchor"))
        elif anchor not in ("start", "epoch"):
            raise InvalidArgument(f"anchor must be 'start', 'epoch' or an aware datetime, not {anchor!r:.100}")
        if after == "finish" and anchor != "start":
            raise InvalidArgument("after='finish' counts from the end of the previous job, and takes no anchor")
        if run_immediately and anchor == "epoch":
            raise InvalidArgument("run_immediately needs a first tick, and anchor='epoch' has none: use anchor='start'")
        _fill(self, micros=_period(period), anchor=anchor, after=after, run_immediately=run_immediately, started=None)

    def anchored(self, moment: datetime) -> Every:
        """With the moment of registration filled in; the same object where another anchor is set."""
        started = checks.moment(moment, "the moment of registration")
        if self.anchor != "start":
            return self
        made = Every("1s", after=self.after, run_immediately=self.run_immediately)
        _fill(made, micros=self.micros, started=started)
        return made

    def next_after(self, moment: datetime) -> datetime | None:
        return checks.aware(self.micros_after(checks.moment(moment, _MOMENT)))

    def micros_after(self, moment: int) -> int:
        """``next_after`` in microseconds since the epoch."""
        first = self.first_micros()
        if first is not None and moment < first and (self.after == "start" or self.run_immediately):
            return first
        if first is None or self.after == "finish":
            return moment + self.micros
        return first + ((moment - first) // self.micros + 1) * self.micros

    def first_micros(self) -> int | None:
        """The first tick that there is; of "epoch" one far back. None where nothing is anchored yet."""
        if self.anchor == "epoch":
            return -(2 * MOST_MICROS // self.micros) * self.micros
        if isinstance(self.anchor, datetime):
            return checks.moment(self.anchor, "anchor")
        if self.started is None:
            return None
        return self.started if self.run_immediately else self.started + self.micros

    def __repr__(self) -> str:
        options = [repr(durations.render(self.micros))]
        if self.anchor != "start":
            options.append(f"anchor={self.anchor!r}")
        if self.after != "start":
            options.append(f"after={self.after!r}")
        if self.run_immediately:
            options.append("run_immediately=True")
        anchored = "" if self.started is None else f".anchored({checks.aware(self.started)!r})"
        return f"Every({', '.join(options)}){anchored}"


@dataclass(frozen=True, slots=True)
class At:
    """One tick, at an aware datetime, which is kept in UTC."""

    moment: datetime

    def __post_init__(self) -> None:
        _fill(self, moment=checks.aware(checks.moment(self.moment, "At(moment)")))

    def next_after(self, moment: datetime) -> datetime | None:
        return self.moment if checks.moment(moment, _MOMENT) < self.micros else None

    @property
    def micros(self) -> int:
        return checks.moment(self.moment, "At(moment)")


def name_of(trigger: object) -> str:
    """``module.Class`` of a trigger."""
    return f"{type(trigger).__module__}.{type(trigger).__qualname__}"


def _period(period: object) -> int:
    try:
        micros = durations.parse(period) if isinstance(period, str) else checks.span(period, "the period")
    except LitequeueError as error:
        raise type(error)(f"Every: {error}") from None
    if not LEAST_MICROS <= micros <= MOST_MICROS:
        raise InvalidArgument(f"Every: the period must be from 1ms to 36525d (100 years), not {period!r:.80}")
    return micros


def _fill(made: object, **values: object) -> None:
    """Set fields of a frozen object while it is made."""
    for name, value in values.items():
        object.__setattr__(made, name, value)
