"""Why somebody should look at the file, in one clause each, with a link to where that is seen.

Owns those words, as a ``Clause`` for whoever shows them: the page with its link, a terminal as text. Which reasons there are is the store's to say.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from ...base.checks import counted
from ...store.pages.parts import Reason
from .. import words
from ..addresses import to
from ..html import Markup, join, value
from ..messages import Request
from ..values import link

MOST: Final = 4
MOST_WHY: Final = 200  # characters


class Clause(NamedTuple):
    """``queue`` ``mail`` `` is paused since 14:02``: the first two lead to ``where``. Names, and why, are as somebody wrote them."""

    before: str  # the name
    name: str
    where: tuple[str | int, ...]  # an address of the page
    rest: str
    why: str = ""

    @property
    def text(self) -> str:
        """All of it, to be cleaned by who shows it."""
        why = self.why if len(self.why) <= MOST_WHY else self.why[: MOST_WHY - 1] + "…"
        return f"{self.before}{self.name}{self.rest}{f': {why}' if why else ''}"


def said(reason: Reason, request: Request, now: datetime) -> Markup:
    found = clause(reason, now)
    named = value(found.name) if found.name else None
    why = (": ", value(found.why, MOST_WHY)) if found.why else None
    return join(link((found.before, named), to(request, *found.where)), found.rest, why)


def clause(reason: Reason, now: datetime) -> Clause:
    return _SAID[reason.kind](reason, now)


def _since(reason: Reason, now: datetime) -> str:
    return "" if reason.since is None else f" since {words.clock(reason.since, now, seconds=False)}"


def _waiting(reason: Reason) -> str:
    return f", {words.jobs(reason.jobs)} wait{'s' if reason.jobs == 1 else ''}" if reason.jobs else ""


def _tick(reason: Reason, now: datetime) -> str:
    return "a tick" if reason.since is None else f"its tick of {words.clock(reason.since, now, seconds=False)}"


def _paused(reason: Reason, now: datetime) -> Clause:
    where = f"{_waiting(reason)} in it" if reason.jobs else ""
    return Clause("queue ", reason.name, ("queues", reason.name), f" is paused{_since(reason, now)}{where}")


def _no_worker(reason: Reason, now: datetime) -> Clause:
    return Clause("no worker", "", ("workers",), f" serves this file{_waiting(reason)}")


def _late(reason: Reason, now: datetime) -> Clause:
    return _schedule(reason, f" is late: {_tick(reason, now)} has not come")


def _missed(reason: Reason, now: datetime) -> Clause:
    return _schedule(reason, f" missed {_tick(reason, now)}")


def _disabled(reason: Reason, now: datetime) -> Clause:
    return _schedule(reason, " is disabled")


def _schedule(reason: Reason, rest: str) -> Clause:
    return Clause("", reason.name, ("schedules", reason.name), rest, reason.text)


def _no_code(reason: Reason, now: datetime) -> Clause:
    return Clause("", reason.name, ("tasks", reason.name), f" has no code here{_waiting(reason)}", reason.text)


def _untold(reason: Reason, now: datetime) -> Clause:
    last = "" if reason.id is None else f", the last by job {reason.id:,}"
    return Clause(counted(reason.jobs, "failure"), "", ("doctor",), f" could not be told to anybody{last}", reason.text)


def _frozen(reason: Reason, now: datetime) -> Clause:
    return _worker(reason, f" is frozen{_since(reason, now)}")


def _dead(reason: Reason, now: datetime) -> Clause:
    return _worker(reason, f" is dead{_since(reason, now)}")


def _stuck(reason: Reason, now: datetime) -> Clause:
    return _worker(reason, " has no slot left: jobs run on past their timeout")


def _worker(reason: Reason, rest: str) -> Clause:
    return Clause("worker ", reason.name, ("workers",) if reason.id is None else ("workers", reason.id), rest, reason.text)


def _disk(reason: Reason, now: datetime) -> Clause:
    return Clause("the disk", "", ("doctor",), f" has {words.size(reason.jobs)} left")


def _failures(reason: Reason, now: datetime) -> Clause:
    return Clause(words.jobs(reason.jobs), "", ("failures",), f" {'was' if reason.jobs == 1 else 'were'} discarded in the last hour", reason.text)


def _alert(reason: Reason, now: datetime) -> Clause:
    return Clause("alert ", reason.name, ("doctor",), f" fires{_since(reason, now)}", reason.text)


_SAID: Final[dict[str, Callable[[Reason, datetime], Clause]]] = {
    "paused": _paused, "no-worker": _no_worker, "late": _late, "missed": _missed, "disabled": _disabled, "no-code": _no_code, "untold": _untold,
    "frozen": _frozen, "dead": _dead, "stuck": _stuck, "disk": _disk, "failures": _failures, "alert": _alert,
}  # fmt: skip
