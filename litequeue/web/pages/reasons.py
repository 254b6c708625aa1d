"""Why somebody should look at the file, in one clause each, with a link to where that is seen.

Owns those words. Which reasons there are is the store's to say.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from ...base.checks import counted
from ...store.pages.parts import Reason
from .. import words
from ..addresses import to
from ..html import Markup, join, value
from ..messages import Request
from ..values import link

MOST: Final = 4


def said(reason: Reason, request: Request, now: datetime) -> Markup:
    return _SAID[reason.kind](reason, request, now)


def _since(reason: Reason, now: datetime) -> str:
    return "" if reason.since is None else f" since {words.clock(reason.since, now, seconds=False)}"


def _waiting(reason: Reason) -> str:
    return f", {words.jobs(reason.jobs)} wait{'s' if reason.jobs == 1 else ''}" if reason.jobs else ""


def _why(reason: Reason) -> Markup:
    return join(": ", value(reason.text, 200)) if reason.text else Markup()


def _tick(reason: Reason, now: datetime) -> str:
    return "a tick" if reason.since is None else f"its tick of {words.clock(reason.since, now, seconds=False)}"


def _paused(reason: Reason, request: Request, now: datetime) -> Markup:
    where = f"{_waiting(reason)} in it" if reason.jobs else ""
    return join(link(("queue ", value(reason.name)), to(request, "queues", reason.name)), f" is paused{_since(reason, now)}{where}")


def _no_worker(reason: Reason, request: Request, now: datetime) -> Markup:
    return join(link("no worker", to(request, "workers")), f" serves this file{_waiting(reason)}")


def _late(reason: Reason, request: Request, now: datetime) -> Markup:
    return join(_schedule(reason, request), f" is late: {_tick(reason, now)} has not come", _why(reason))


def _missed(reason: Reason, request: Request, now: datetime) -> Markup:
    return join(_schedule(reason, request), f" missed {_tick(reason, now)}", _why(reason))


def _disabled(reason: Reason, request: Request, now: datetime) -> Markup:
    return join(_schedule(reason, request), " is disabled", _why(reason))


def _schedule(reason: Reason, request: Request) -> Markup:
    return link(value(reason.name), to(request, "schedules", reason.name))


def _no_code(reason: Reason, request: Request, now: datetime) -> Markup:
    return join(link(value(reason.name), to(request, "tasks", reason.name)), f" has no code here{_waiting(reason)}", _why(reason))


def _untold(reason: Reason, request: Request, now: datetime) -> Markup:
    last = "" if reason.id is None else f", the last by job {reason.id:,}"
    return join(link(f"{counted(reason.jobs, 'failure')}", to(request, "doctor")), f" could not be told to anybody{last}", _why(reason))


def _frozen(reason: Reason, request: Request, now: datetime) -> Markup:
    return join(_worker(reason, request), f" is frozen{_since(reason, now)}", _why(reason))


def _dead(reason: Reason, request: Request, now: datetime) -> Markup:
    return join(_worker(reason, request), f" is dead{_since(reason, now)}", _why(reason))


def _stuck(reason: Reason, request: Request, now: datetime) -> Markup:
    return join(_worker(reason, request), " has no slot left: jobs run on past their timeout", _why(reason))


def _worker(reason: Reason, request: Request) -> Markup:
    return link(("worker ", value(reason.name)), to(request, "workers") if reason.id is None else to(request, "workers", reason.id))


def _disk(reason: Reason, request: Request, now: datetime) -> Markup:
    return join(link("the disk", to(request, "doctor")), f" has {words.size(reason.jobs)} left")


def _failures(reason: Reason, request: Request, now: datetime) -> Markup:
    return join(link(words.jobs(reason.jobs), to(request, "failures")), f" {'was' if reason.jobs == 1 else 'were'} discarded in the last hour", _why(reason))


def _alert(reason: Reason, request: Request, now: datetime) -> Markup:
    return join(link(("alert ", value(reason.name)), to(request, "doctor")), f" fires{_since(reason, now)}", _why(reason))


_SAID: Final[dict[str, Callable[[Reason, Request, datetime], Markup]]] = {
    "paused": _paused, "no-worker": _no_worker, "late": _late, "missed": _missed, "disabled": _disabled, "no-code": _no_code, "untold": _untold,
    "frozen": _frozen, "dead": _dead, "stuck": _stuck, "disk": _disk, "failures": _failures, "alert": _alert,
}  # fmt: skip
