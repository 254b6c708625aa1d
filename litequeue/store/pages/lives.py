"""A job's attempts on the axis of its life, from their rows and the job's own. Pure.

Owns what can be known of an attempt that left no row: one that succeeded, that runs, that was put off by itself, or given back by a worker that shut down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from ...base.records import AttemptInfo, JobInfo
from .parts import Lane

# Of a job that has ended, or runs, the outcome of its last attempt, if that left no row.
_OUTCOMES: Final = {"running": "running", "succeeded": "succeeded", "discarded": "discarded"}


def lanes(job: JobInfo, due: Mapping[int, datetime]) -> tuple[Lane, ...]:
    """``due``: from when its attempts that have a row could have started, where that is known."""
    found = [_recorded(attempt, due.get(attempt.attempt)) for attempt in job.attempts]
    if job.attempt > 0 and job.started_at is not None and not _has(job.attempts, job.attempt):
        found.append(_last(job, job.started_at))
    return tuple(sorted(found, key=lambda lane: lane.attempt))


def _has(attempts: Iterable[AttemptInfo], number: int) -> bool:
    return any(attempt.attempt == number for attempt in attempts)


def _recorded(attempt: AttemptInfo, due: datetime | None) -> Lane:
    return Lane(attempt.attempt, attempt.outcome, attempt.worker, due, attempt.started_at, attempt.finished_at)


def _last(job: JobInfo, started: datetime) -> Lane:
    due = max(job.run_at, job.created_at)
    if job.state in _OUTCOMES:
        return Lane(job.attempt, _OUTCOMES[job.state], job.worker, due, started, job.finished_at)
    if due <= started and job.finished_at is None:  # it is due as it was before, as one that its worker gave back
        return Lane(job.attempt, "interrupted", job.worker, due, started, None)
    return Lane(job.attempt, "snoozed", job.worker, None, started, None)
