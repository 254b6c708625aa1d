"""A schedule as somebody wrote it, checked, and what is stored of it.

Owns the options of schedules and their defaults. Declaring is memory only: a worker that has the code writes it to
the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from .. import triggers
from ..base import checks, durations
from ..base.errors import InvalidArgument
from ..base.models import NewJob, TaskOrigin
from ..triggers import At, Cron, Every, Trigger, firing

CATCH_UP: Final = ("latest", "skip", "all")
OVERLAP: Final = ("skip", "queue", "allow")
HOUR: Final = 3_600 * checks.MICROS

Span = str | float | timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A schedule, checked; durations in microseconds."""

    name: str
    trigger: Trigger
    job: NewJob  # a template: its times do not count
    expires: int | None
    catch_up: str
    grace: int
    overlap: str
    jitter: int
    on_failure: str | None
    mail_to: str | None
    origin: TaskOrigin | None  # where the task's code is
    module: str | None = None  # that declares it; None: added at run time
    directory: str | None = None
    path: str | None = None  # the file that it was declared for

    def values(self, now: int, boot: str | None) -> dict[str, Any]:
        """The columns of its row, for one that begins now."""
        return {**self.row(now), **self.timing(now, boot)}

    def timing(self, now: int, boot: str | None) -> dict[str, Any]:
        """Its next tick. Asks the trigger: a user's own may raise anything."""
        tick, fires_at = firing.first(firing.bound(self.trigger, now), self.name, self.jitter, now)
        return {"next_tick_at": tick, "fires_at": fires_at, "boot": self._boot(boot)}

    def row(self, now: int) -> dict[str, Any]:
        """The columns of its row, without its next tick."""
        job = self.job
        return {
            "name": self.name, "trigger": triggers.spec_of(self.trigger), "task": job.task, "args": job.args,
            "kwargs": job.kwargs, "queue": job.queue, "pool": job.pool, "priority": job.priority,
            "max_attempts": job.max_attempts, "timeout": job.timeout, "soft_timeout": job.soft_timeout,
            "at_most_once": job.at_most_once, "expires": self.expires, "catch_up": self.catch_up,
            "grace": self.grace, "overlap": self.overlap, "jitter": self.jitter,
            "on_failure": self.on_failure, "mail_to": self.mail_to, "module": self.module,
            "directory": self.directory, "anchor_at": now, "next_tick_at": None, "fires_at": None, "boot": None,
        }  # fmt: skip

    def _boot(self, boot: str | None) -> str | None:
        if not (isinstance(self.trigger, Cron) and self.trigger.is_reboot):
            return None
        if boot is None:
            raise InvalidArgument("@reboot: this system does not tell one boot from another")
        return boot  # this one is over: the next one fires


def trigger_of(
    *,
    cron: str | None = None,
    every: Span | None = None,
    at: datetime | None = None,
    trigger: object = None,
    timezone: Any = None,
    seconds: bool = False,
) -> Trigger:
    """The one trigger that was given, in whichever way."""
    given = [x for x in (cron, every, at, trigger) if x is not None]
    if len(given) != 1:
        raise InvalidArgument(f"give one of cron=, every=, at= and trigger=, not {len(given) or 'none'} of them")
    if cron is not None:
        return Cron(cron, timezone, seconds=seconds)
    if timezone is not None or seconds:
        raise InvalidArgument("timezone= and seconds= go with cron=")
    if every is not None:
        return Every(every)
    return At(at) if at is not None else triggers.check(trigger)


def span(value: object, what: str, *, zero: bool = True) -> int:
    """Text such as "1h30m", seconds or a timedelta, as microseconds."""
    if isinstance(value, str):
        try:
            return checks.micros(durations.parse(value) / checks.MICROS, what, zero=zero)
        except InvalidArgument as error:
            raise InvalidArgument(f"{what}: {error}") from None
    return checks.micros(value, what, zero=zero)


def check(
    *,
    name: object,
    trigger: Trigger,
    job: NewJob,
    origin: TaskOrigin | None,
    catch_up: object = "latest",
    grace: object = None,
    overlap: object = "skip",
    jitter: object = 0,
    on_failure: object = None,
    mail_to: object = None,
    declared_for: str | None = None,
) -> NewSchedule:
    """Validate a schedule's options; each error names the option and what it takes."""
    jitter = span(jitter, "jitter")
    if isinstance(trigger, Every) and jitter >= trigger.micros:
        raise InvalidArgument(
            f"jitter ({durations.render(jitter)}) must be shorter than the period ({durations.render(trigger.micros)})"
        )
    grace = default_grace(trigger) if grace is None else span(grace, "grace")
    return NewSchedule(
        name=checks.name(name, "the schedule's name"),
        trigger=trigger,
        job=job,
        expires=None if job.expires_at is None else job.expires_at - job.created_at,
        catch_up=checks.one_of(catch_up, "catch_up", CATCH_UP),
        grace=grace,
        overlap=checks.one_of(overlap, "overlap", OVERLAP),
        jitter=jitter,
        on_failure=None if on_failure is None else checks.line(on_failure, "on_failure"),
        mail_to=None if mail_to is None else checks.line(mail_to, "mail_to"),
        origin=origin,
        module=origin.module if declared_for is not None and origin is not None else None,
        directory=origin.directory if declared_for is not None and origin is not None else None,
        path=declared_for,
    )


def default_grace(trigger: Trigger) -> int:
    return trigger.micros if isinstance(trigger, Every) else HOUR
