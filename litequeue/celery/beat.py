"""An app's declared schedules for Celery's clock, ``celery beat``.

Owns that each of our triggers is a schedule of Celery's, with the same ticks: Celery's own ``crontab`` loses or doubles ticks when clocks change. What beat does not do (catch up, keep
ticks, jobs that must not overlap) is warned of; two of it fire twice.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from celery.schedules import BaseSchedule, schedstate

from ..base.checks import MICROS, aware, moment
from ..base.errors import InvalidArgument
from ..options import complete
from ..options.schedules import RuleOptions
from ..schedules.definition import NewSchedule, default_grace
from ..tasks import TaskCode
from ..triggers import Cron, Every, Trigger, describe, firing, from_spec, spec_of
from .bookkeeping import Bookkeeping
from .carried import Broker, NotCarried, routed

_NEVER: Final = 86_400.0 * 365  # seconds: beat looks again when something changes, or after minutes


class TriggerSchedule(BaseSchedule):
    """One of our triggers. An interval counts from when it last ran, which beat keeps, and not from its registration: that is anew at each start of beat, and an
    hour's would never come where beat is started each 50 minutes."""

    def __init__(self, trigger: Trigger, nowfun: Any = None, app: Any = None) -> None:
        super().__init__(nowfun=nowfun, app=app)
        self.trigger = trigger

    def is_due(self, last_run_at: datetime) -> Any:
        last, now = self._seen(last_run_at), moment(self.now(), "now")
        tick = self._after(last)
        if tick is None:
            return schedstate(False, _NEVER)
        if tick > now:
            return schedstate(False, (tick - now) / MICROS)
        following = self._after(now)  # what was missed meanwhile is fired once
        return schedstate(True, _NEVER if following is None else (following - now) / MICROS)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        tick = self._after(self._seen(last_run_at))
        left = _NEVER * MICROS if tick is None else tick - moment(self.now(), "now")
        return timedelta(microseconds=left)

    def _seen(self, last_run_at: datetime) -> int:
        return moment(self.maybe_make_aware(last_run_at), "last_run_at")

    def _after(self, micros: int) -> int | None:
        tick = self.trigger.next_after(aware(micros))
        return None if tick is None else moment(tick, "the tick")

    def __reduce__(self) -> tuple[Any, ...]:
        return (_from_spec, (spec_of(self.trigger),)) if _is_ours(self.trigger) else (type(self), (self.trigger,))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TriggerSchedule) and spec_of(self.trigger) == spec_of(other.trigger)

    def __hash__(self) -> int:
        return hash(spec_of(self.trigger))

    def __repr__(self) -> str:
        return f"<{describe(self.trigger)}>"


def _from_spec(text: str) -> TriggerSchedule:
    return TriggerSchedule(from_spec(text))


def _is_ours(trigger: Trigger) -> bool:
    return not firing.is_foreign(spec_of(trigger))


def entries(declared: Iterable[NewSchedule], tasks: Mapping[str, TaskCode], broker: Broker) -> dict[str, dict[str, Any]]:
    """For ``conf.beat_schedule``."""
    return {new.name: _entry(new, tasks[new.job.task], broker) for new in declared}


def _entry(new: NewSchedule, code: TaskCode, broker: Broker) -> dict[str, Any]:
    job = new.job
    args, kwargs = code.codec.decode_call(job.args, job.kwargs)
    columns = job.columns
    options = routed(broker, columns.queue, columns.priority, columns.timeout, columns.soft_timeout)
    if job.expires_at is not None:
        options["expires"] = (job.expires_at - job.created_at) / MICROS
    # When it was made is not said: that is each tick's own.
    options["headers"] = Bookkeeping(max_attempts=columns.max_attempts, headers=columns.headers, schedule=new.name).as_headers()
    return {"task": job.task, "schedule": TriggerSchedule(new.trigger), "args": args, "kwargs": kwargs, "options": options}


def check(declared: Iterable[NewSchedule]) -> None:
    """Warn of what schedules say beyond when they tick, once for each. Raises InvalidArgument for a schedule that beat cannot keep."""
    instead = "which Celery's clock does not know: export(..., schedules=False), and celery-migrate --follow"
    for new in declared:
        if type(new.trigger) is Every and new.trigger.after == "finish":
            raise InvalidArgument(f"the schedule {new.name} counts from the end of its last job, {instead}")
        if type(new.trigger) is Cron and new.trigger.is_reboot:
            raise InvalidArgument(f"the schedule {new.name} is @reboot, {instead}")
        if type(new.trigger) is Every and new.trigger.run_immediately:
            warnings.warn(NotCarried(f"run_immediately of the schedule {new.name} does nothing with Celery's clock, which begins with a whole period"), stacklevel=3)
    usual = complete(RuleOptions, {}, "a schedule")
    found: dict[str, list[str]] = {}
    for new in declared:
        for rule, value in new.rules.items():
            if value != (default_grace(new.trigger) if rule == "grace" else usual[rule]):
                found.setdefault(rule, []).append(new.name)
    for rule, names in found.items():
        warnings.warn(NotCarried(f"{rule} of the schedule {', '.join(names)} does nothing with Celery's clock; celery-migrate --follow keeps it"), stacklevel=3)
