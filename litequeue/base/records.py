"""What people and programs are shown of a job, a worker and the file: frozen dataclasses.

Imported by whoever asks, not with the package: making the classes takes 8 ms, which a program that only
enqueues need not pay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from . import stored
from .checks import aware
from .durations import rate_text
from .exact import Limit
from .masking import Secrets
from .states import JobState


@dataclass(frozen=True, slots=True)
class AttemptInfo:
    """One attempt that did not succeed."""

    attempt: int
    outcome: str  # failed, cancelled, discarded or interrupted
    worker: str | None
    started_at: datetime | None
    finished_at: datetime | None
    error_type: str
    error_message: str
    traceback: str
    cpu_seconds: float | None = None  # as of JobInfo
    max_rss_bytes: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class JobInfo:
    """Everything about a job at one moment. Times are aware datetimes in UTC, durations seconds.

    Secret arguments are as the task gets them, but in its ``repr``; ``masked()`` is for who shows it to people.
    """

    id: int
    task: str
    queue: str
    state: JobState
    pool: str
    priority: int
    args: str  # JSON, as stored
    kwargs: str
    attempt: int  # executions so far, with the one that runs
    failures: int  # those that count against max_attempts
    interruptions: int
    max_attempts: int | None
    timeout: float | None
    at_most_once: bool
    worker: str | None  # the last one that claimed it
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    lease_expires_at: datetime | None
    cancel_requested_at: datetime | None
    result: str | None  # JSON, as stored
    last_error: str | None
    schedule: str | None = None  # that made it
    scheduled_for: datetime | None = None  # the tick
    limit_key: str | None = None  # of the limit that it asks: its name, or name:value
    tags: tuple[str, ...] = ()  # words by which people find it
    headers: str | None = None  # JSON, for observers
    unique_key: str | None = None  # under which it was made; of secret arguments a digest
    cpu_seconds: float | None = None  # of the last attempt, in the process pool or of a command, with what it had waited for; None: too short to measure
    max_rss_bytes: int | None = None  # the most that its process had in memory meanwhile
    attempts: tuple[AttemptInfo, ...] = ()
    secret: Secrets | None = None  # which arguments are

    def masked(self) -> JobInfo:
        """With ``***`` for each secret argument, and for what errors say of them."""
        if self.secret is None:
            return self
        args, kwargs = self.secret.call(self.args, self.kwargs)
        hide = self.secret.hider(self.args, self.kwargs)
        attempts = tuple(
            dataclasses.replace(attempt, error_message=hide(attempt.error_message), traceback=hide(attempt.traceback))
            for attempt in self.attempts
        )
        error = None if self.last_error is None else hide(self.last_error)
        return dataclasses.replace(self, args=args, kwargs=kwargs, last_error=error, attempts=attempts)

    def __repr__(self) -> str:
        return _repr(self.masked())


@dataclass(frozen=True, slots=True)
class StepInfo:
    """A step of a job: what was done once, or what it waits for."""

    name: str
    value: str | None  # JSON, as stored; None: it sleeps, or waits for an event
    until: datetime | None  # so long at most
    attempt: int  # which wrote it
    at: datetime
    event: str | None = None  # whose payload the value is


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job says that it is."""

    done: float
    total: float | None  # of so many; None: it does not know
    note: str | None  # what it is at
    speed: float | None  # so many more a second, since this attempt said the first; None: not known yet
    attempt: int  # which said so
    at: datetime  # when that was written down

    @property
    def share(self) -> float | None:
        """What is done, from 0 to 1; None without a total."""
        return None if not self.total else min(self.done / self.total, 1.0)

    @property
    def left(self) -> float | None:
        """The seconds that the rest takes at this speed; None where that cannot be told."""
        return None if self.total is None or not self.speed else max(self.total - self.done, 0) / self.speed


@dataclass(frozen=True, slots=True)
class OutputPiece:
    """A piece of what a command printed."""

    attempt: int
    number: int  # a gap: what lay between was too much to keep
    stream: str  # stdout, stderr, or usage: JSON of exit_code, seconds, cpu_seconds, max_rss_bytes
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker's row."""

    id: int
    name: str
    pid: int
    host: str
    queues: tuple[str, ...] | None  # None: all
    slots: dict[str, int]
    started_at: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None
    unknown_tasks: dict[str, str] = field(default_factory=dict)  # name -> why it has no code
    stuck: dict[str, int] = field(default_factory=dict)  # pool -> jobs that run on past their timeout, in its slots
    elastic: dict[str, tuple[int, int]] = field(default_factory=dict)  # pool -> the least and the most, where its slots move

    def is_stuck(self, pool: str) -> bool:
        """Whether all slots of a pool are held by such jobs."""
        return 0 < self.slots.get(pool, 0) <= self.stuck.get(pool, 0)

    def range_of(self, pool: str) -> str:
        """As it is typed, such as "2:32"; empty where the slots are fixed."""
        return ":".join(map(str, self.elastic.get(pool, ())))


@dataclass(frozen=True, slots=True, repr=False)
class ScheduleInfo:
    """A schedule as it stands. Durations in seconds. Of secret arguments as ``JobInfo``."""

    name: str
    trigger: str  # in words
    state: str  # active, paused, disabled, running (its next tick counts from the end of its job) or done
    why: str | None  # it is disabled
    task: str
    args: str  # JSON, as stored
    kwargs: str
    queue: str
    priority: int
    retries: int | None  # None: as the task's own options say
    timeout: float | None
    at_most_once: bool
    expires: float | None  # a job that has not started so long after its tick is dropped
    catch_up: str
    grace: float
    overlap: str
    jitter: float
    on_failure: str | None
    mail_to: str | None
    declared_in: str | None  # the module; None: added at run time
    next_tick: datetime | None
    last_tick: datetime | None
    last_outcome: str | None  # fired, late, manual, skipped or missed
    last_reason: str | None
    last_job: int | None
    last_job_state: str | None
    ticks: int  # that came so far, with those left out for an overlap
    created_at: datetime
    spec: str  # the trigger as stored, JSON
    secret: Secrets | None = None  # which arguments are

    def masked(self) -> ScheduleInfo:
        """With ``***`` for each secret argument."""
        if self.secret is None:
            return self
        args, kwargs = self.secret.call(self.args, self.kwargs)
        return dataclasses.replace(self, args=args, kwargs=kwargs)

    def __repr__(self) -> str:
        return _repr(self.masked())


@dataclass(frozen=True, slots=True)
class TickInfo:
    """What became of one due time of a schedule."""

    at: datetime
    through: datetime | None  # one entry for many that were missed: the last of them
    decided_at: datetime
    outcome: str  # fired, late (fired, more than a second after its time), manual, skipped or missed
    reason: str | None
    job_id: int | None
    job_state: str | None
    started_at: datetime | None  # while the job is kept
    finished_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class LimitKeyInfo:
    """How the jobs of one key of a limit stand."""

    key: str  # the limit's name, or name:value
    running: int
    available: int  # that have a slot, and wait for a worker
    waiting: int  # for a slot
    started: int  # within the time of the rate
    next_at: datetime | None  # when the rate lets somebody start again


@dataclass(frozen=True, slots=True)
class LimitInfo:
    """A limit at one moment."""

    name: str
    max_running: int | None  # None: any number
    rate: str | None  # such as 100/m
    keys: tuple[LimitKeyInfo, ...] = ()


def limit_info(limit: Limit, counts: Iterable[tuple[str, int, int, int, int, int | None]]) -> LimitInfo:
    rate = None if limit.rate is None or limit.per is None else rate_text(limit.rate, limit.per)
    keys = [LimitKeyInfo(*count[:5], None if not count[5] else aware(count[5])) for count in counts]
    return LimitInfo(limit.name, limit.max_running, rate, tuple(keys))


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts over the whole file. Of more than 10,000 jobs some are ``AtLeast``: an int, shown as ``10,000+``."""

    states: dict[str, int]
    queues: dict[str, dict[str, int]]  # of more than 10,000 jobs whole for what is available and runs
    paused: tuple[str, ...]
    workers: tuple[WorkerInfo, ...]
    oldest_available: datetime | None  # since when the one that has waited longest could run
    next_due: datetime | None


def _repr(info: JobInfo | ScheduleInfo) -> str:
    fields = (f.name for f in dataclasses.fields(info) if f.name != "secret")
    return f"{type(info).__name__}({', '.join(f'{name}={getattr(info, name)!r}' for name in fields)})"


def as_dict(value: Any) -> dict[str, Any]:
    """A record as JSON can hold it, masked; stored JSON of a job as what it says, tags and all."""
    if isinstance(value, (JobInfo, ScheduleInfo)):
        value = dataclasses.replace(value.masked(), secret=None)
    found: dict[str, Any] = dataclasses.asdict(value)
    if isinstance(value, (JobInfo, ScheduleInfo)):
        del found["secret"]
    if isinstance(value, OutputPiece) and value.stream == "usage":
        found["text"] = stored.shown(value.text)
    for part in ("args", "kwargs", "result", "spec") if isinstance(value, (JobInfo, ScheduleInfo)) else ():
        text = found.get(part)
        if text is None:
            continue
        found[part] = value_of(text) if isinstance(value, JobInfo) else stored.shown(text)
    return found


def value_of(text: str) -> Any:
    """Stored JSON as what it says, or in few words why not, where somebody planted something else."""
    try:
        return stored.loads(text)
    except ValueError:
        return stored.shown(text)
