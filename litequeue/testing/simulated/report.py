"""What came of a simulation, as people look at it.

Owns the records that are made of it, each when it is first asked for, and the summary.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from ...base.checks import MICROS, aware, counted
from ...base.errors import ScheduleNotFound
from ...base.records import AttemptInfo, JobInfo, TickInfo
from ...base.states import STATES
from ...store.links.telling import JOIN
from .given import Attempt
from .jobs import Job
from .schedules import Schedule

_OUTCOMES: Final = ("fired", "late", "skipped", "missed")


class Simulation:
    """What came of it. Times are aware datetimes.

    ``start``, ``end``: from when to when; ``left_out``: schedules that could not be simulated, or came to an end by an error, and why. Of a workflow
    ``state`` is what ``Flow.state`` would be at the end, and ``took`` the time until its last job had ended; of schedules both are None.
    """

    def __init__(
        self, start: datetime, end: datetime, schedules: Iterable[Schedule], jobs: list[Job], left_out: Mapping[str, str], state: str | None
    ) -> None:
        self.start = start
        self.end = end
        self.state = state
        self._schedules = {schedule.row.name: schedule for schedule in schedules}
        self._jobs = jobs
        self.left_out = {**left_out, **{name: schedule.why for name, schedule in self._schedules.items() if schedule.why is not None}}

    @property
    def schedules(self) -> list[str]:
        """The names of the schedules that were simulated."""
        return sorted(self._schedules)

    def ticks(self, name: str) -> list[TickInfo]:
        """What became of the ticks of a schedule, oldest first: as ``app.schedules.ticks`` would say it. ``decided_at`` is when it fired. Raises
        ScheduleNotFound."""
        if name not in self._schedules:
            there = ", ".join(self.schedules) or "none"
            raise ScheduleNotFound(f"no schedule named {name} was simulated; those are {there}{_why(self.left_out.get(name))}")
        return [
            TickInfo(
                aware(at), _time(through), aware(decided), outcome, reason, None if job is None else job.id, None if job is None else job.state,
                None if job is None else _time(job.started_at), None if job is None else _time(job.finished_at),
                None if job is None or job.state == "succeeded" else job.error,
            )
            for at, through, decided, outcome, reason, job in sorted(self._schedules[name].ticks, key=lambda tick: tick[0])
        ]  # fmt: skip

    @functools.cached_property
    def jobs(self) -> list[JobInfo]:
        """The jobs as they were in the end, in the order in which they were made: as ``app.job(id).info()`` would say it, without results."""
        return [_info(job) for job in self._jobs if job.new.task != JOIN]

    @functools.cached_property
    def attempts(self) -> list[Attempt]:
        """Each execution of a job, in the order in which they began."""
        found = [(job, a_try) for job in self._jobs for a_try in job.tries]
        found.sort(key=lambda one: one[1][1])
        return [
            Attempt(job.id, job.new.task, _schedule(job), number, aware(began), _time(ended), outcome, _error(kind, message))
            for job, (number, began, ended, outcome, kind, message) in found
        ]

    @property
    def took(self) -> timedelta | None:
        if self.state is None:
            return None
        ends = [job.finished_at for job in self._jobs if job.finished_at is not None]
        return max(map(aware, ends), default=self.start) - self.start

    def summary(self) -> str:
        """In words: what became of the ticks of each schedule, of its jobs, and of those of other tasks."""
        lines = [f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M %Z}" if self.state is None else f"{self.state} after {self.took}"]
        of: dict[Any, list[Job]] = {}
        for job in self._jobs:
            of.setdefault(job.new.task if job.of is None else job.of, []).append(job)
        for name in self.schedules:
            schedule = self._schedules[name]
            ticks = Counter(tick[3] for tick in schedule.ticks)
            lines.append(f"{name}: {counted(ticks.total(), 'tick')}{_said(ticks, _OUTCOMES)}{' (it is paused)' if schedule.paused else ''}")
            lines.append(f"    {_of_jobs(of.get(schedule, []))}")
        others = {task: jobs for task, jobs in of.items() if isinstance(task, str) and task != JOIN}
        lines += [f"{task}: {_of_jobs(jobs)}" for task, jobs in sorted(others.items())]
        lines += [f"{name}: left out, {why}" for name, why in sorted(self.left_out.items())]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Simulation of {counted(len(self._jobs), 'job')} from {self.start} to {self.end}>"


def _of_jobs(jobs: list[Job]) -> str:
    """How they ended, how often they were tried, and how long the longest took from when it was made."""
    states = Counter(job.state for job in jobs)
    longest = max((job.finished_at - job.created_at for job in jobs if job.finished_at is not None), default=0) // MICROS
    tries = counted(sum(len(job.tries) for job in jobs), "attempt")
    return f"{counted(len(jobs), 'job')}{_said(states, STATES)}; {tries}, longest {timedelta(seconds=longest)}"


def _said(counts: Counter[str], order: Iterable[str]) -> str:
    said = [f"{counts[what]} {what}" for what in order if counts[what]]
    return f": {', '.join(said)}" if said else ""


def _info(job: Job) -> JobInfo:
    new, columns = job.new, job.new.columns
    attempts = [
        AttemptInfo(number, outcome, None, aware(began), _time(ended), kind, message or "", "")
        for number, began, ended, outcome, kind, message in job.tries
        if kind is not None
    ]
    return JobInfo(
        id=job.id, task=new.task, queue=columns.queue, state=job.state, pool=columns.pool, priority=columns.priority, args=new.args,  # type: ignore[arg-type]
        kwargs=new.kwargs, attempt=job.claims, failures=job.failures, interruptions=job.interruptions,
        max_attempts=columns.max_attempts, timeout=None if columns.timeout is None else columns.timeout / MICROS,
        at_most_once=bool(columns.at_most_once), worker=None, created_at=aware(job.created_at), run_at=aware(job.run_at),
        started_at=_time(job.started_at), finished_at=_time(job.finished_at), expires_at=_time(job.expires_at), lease_expires_at=None,
        cancel_requested_at=None, result=None, last_error=job.error, schedule=_schedule(job), scheduled_for=_time(job.tick),
        limit_key=columns.limit_key, tags=tuple(json.loads(columns.tags or "[]")), unique_key=None if job.of is None or job.of.key is None else job.of.key.text,
        attempts=tuple(attempts), secret=job.code.secret,
    )  # fmt: skip


def _schedule(job: Job) -> str | None:
    return None if job.of is None else str(job.of.row.name)


def _error(kind: str | None, message: str | None) -> str | None:
    return f"{kind}: {message}" if kind and message else kind


def _why(left_out: str | None) -> str:
    return "" if left_out is None else f"; {left_out}"


def _time(stamp: Any) -> datetime | None:
    return None if stamp is None else aware(stamp)
