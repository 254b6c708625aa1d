"""What people and programs are shown of a job, a worker and the file: frozen dataclasses.

Imported by whoever asks, not with the package: making the classes takes 8 ms, which a program that only
enqueues need not pay.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

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


@dataclass(frozen=True, slots=True)
class JobInfo:
    """Everything about a job at one moment. Times are aware datetimes in UTC, durations seconds."""

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
    attempts: tuple[AttemptInfo, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts over the whole file."""

    states: dict[str, int]
    queues: dict[str, dict[str, int]]
    paused: tuple[str, ...]
    workers: tuple[WorkerInfo, ...]
    oldest_available: datetime | None
    next_due: datetime | None
