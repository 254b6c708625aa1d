"""A schedule as somebody wrote it, checked, and what is stored of it.

Owns what goes together in a schedule, and its row. Declaring is memory only: a worker that has the code writes it to the
file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Unpack

from .. import triggers
from ..base import checks, durations
from ..base.errors import InvalidArgument
from ..base.exact import UniqueKey
from ..base.models import NewJob, TaskOrigin
from ..options.schedules import TimeOptions
from ..triggers import At, Cron, Every, Trigger, firing

HOUR: Final = 3_600 * checks.MICROS


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A schedule, checked; durations in microseconds."""

    name: str
    trigger: Trigger
    job: NewJob  # a template: its times do not count
    rules: Mapping[str, Any]  # the clean RuleOptions
    origin: TaskOrigin | None  # where the task's code is
    key: UniqueKey | None = None  # of the job of each tick
    module: str | None = None  # that declares it; None: added at run time
    directory: str | None = None
    path: str | None = None  # the file that it was declared for, where that was known then

    def values(self, now: int, boot: str | None) -> dict[str, Any]:
        """The columns of its row, for one that begins now."""
        return {**self.row(now), **self.timing(now, boot)}

    def timing(self, now: int, boot: str | None) -> dict[str, Any]:
        """Its next tick. Asks the trigger: a user's own may raise anything."""
        tick, fires_at = firing.first(firing.bound(self.trigger, now), self.name, self.rules["jitter"], now)
        return {"next_tick_at": tick, "fires_at": fires_at, "boot": self._boot(boot)}

    def row(self, now: int) -> dict[str, Any]:
        """The columns of its row, without its next tick."""
        job = self.job
        expires = None if job.expires_at is None else job.expires_at - job.created_at
        return {
            "name": self.name, "trigger": triggers.spec_of(self.trigger), "task": job.task, "args": job.args,
            "kwargs": job.kwargs, **job.columns._asdict(), "expires": expires, **self.rules, "module": self.module,
            "directory": self.directory, "anchor_at": now, "next_tick_at": None, "fires_at": None, "boot": None,
            "unique_key": None if self.key is None else json.dumps(self.key[:2]),
        }  # fmt: skip

    def _boot(self, boot: str | None) -> str | None:
        if not (isinstance(self.trigger, Cron) and self.trigger.is_reboot):
            return None
        if boot is None:
            raise InvalidArgument("@reboot: this system does not tell one boot from another")
        return boot  # this one is over: the next one fires


def trigger_of(**times: Unpack[TimeOptions]) -> Trigger:
    """The one trigger that was given, in whichever way."""
    given = [key for key in ("cron", "every", "at", "trigger") if times.get(key) is not None]
    if len(given) != 1:
        raise InvalidArgument(f"give one of cron=, every=, at= and trigger=, not {len(given) or 'none'} of them")
    cron, every, at, zone = times.get("cron"), times.get("every"), times.get("at"), times.get("timezone")
    if cron is not None:
        return Cron(cron, zone, seconds=times.get("seconds") or False)
    if zone is not None or times.get("seconds"):
        raise InvalidArgument("timezone= and seconds= go with cron=")
    if every is not None:
        return Every(every)
    return At(at) if at is not None else triggers.check(times.get("trigger"))


def define(
    name: object,
    trigger: Trigger,
    job: NewJob,
    rules: Mapping[str, Any],
    origin: TaskOrigin | None,
    key: UniqueKey | None = None,
    *,
    declared: bool = False,
    path: str | None = None,
) -> NewSchedule:
    """A schedule of parts that are checked each by itself; raises InvalidArgument if they do not go together."""
    jitter = rules["jitter"]
    if isinstance(trigger, Every) and jitter >= trigger.micros:
        raise InvalidArgument(
            f"jitter ({durations.render(jitter)}) must be shorter than the period ({durations.render(trigger.micros)})"
        )
    home = origin if declared else None
    return NewSchedule(
        name=checks.name(name, "the schedule's name"),
        trigger=trigger,
        job=job,
        rules={**rules, "grace": default_grace(trigger) if rules["grace"] is None else rules["grace"]},
        origin=origin,
        key=key,
        module=None if home is None else home.module,
        directory=None if home is None else home.directory,
        path=path,
    )


def default_grace(trigger: Trigger) -> int:
    return trigger.micros if isinstance(trigger, Every) else HOUR
