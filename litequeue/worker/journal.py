"""One log line for each thing that happens to a job.

Owns the wording and the fields: every record has ``job_id`` and ``task`` as attributes, so that handlers and
``--log-json`` can use them. Logger ``litequeue.jobs``: starts at DEBUG, successes and snoozes at INFO,
failures that are retried at WARNING, discarded ones at ERROR.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from ..checks import clean
from ..errors import UnknownTask
from ..models import ClaimedJob, Lease, Settled, Unsettled
from ..outcomes import NotStarted, Timed
from ..pools.base import Call, Reason

log = logging.getLogger("litequeue.jobs")


def _fields(job: ClaimedJob, **more: Any) -> dict[str, Any]:
    return {"job_id": job.id, "task": job.task, "attempt": job.execution, **more}


def started(calls: Iterable[Call]) -> None:
    if log.isEnabledFor(logging.DEBUG):
        for call in calls:
            job = call.job
            log.debug(
                "job %d %s: attempt %d starts in the %s pool",
                job.id, clean(job.task), job.execution, job.pool, extra=_fields(job),
            )  # fmt: skip


def ended(call: Call, timed: Timed, settled: Settled | Unsettled) -> None:
    if type(settled) is Settled and settled.note is None and not log.isEnabledFor(logging.INFO):
        return
    job = call.job
    if isinstance(settled, Settled):
        if settled.note is not None:
            log.warning("job %d %s: succeeded, but %s", job.id, clean(job.task), clean(settled.note),
                        extra=_fields(job, seconds=timed.seconds))  # fmt: skip
        else:
            log.info(
                "job %d %s: succeeded in %.3f s", job.id, clean(job.task), timed.seconds,
                extra=_fields(job, seconds=timed.seconds),
            )  # fmt: skip
        return
    if isinstance(timed.outcome, NotStarted):
        log.debug("job %d %s: given back", job.id, clean(job.task), extra=_fields(job))
        return
    error = f"{settled.error_type}: {settled.error_message}" if settled.error_type else ""
    level = {"discarded": logging.ERROR, "retrying": logging.WARNING}.get(settled.state, logging.INFO)
    what = {
        "retrying": "failed, runs again in {:.1f} s",
        "scheduled": "snoozed for {:.1f} s",
        "available": "released",
    }.get(settled.state, settled.state)
    if settled.run_at is not None:
        what = what.format((settled.run_at - settled.ended_at) / 1_000_000)
    log.log(
        level, "job %d %s: attempt %d %s%s", job.id, clean(job.task), job.execution, what,
        f" ({clean(error)[:500]})" if error else "",
        extra=_fields(job, seconds=timed.seconds, error=settled.error_type),
    )  # fmt: skip


def lost(leases: Iterable[Lease]) -> None:
    for lease in leases:
        log.warning(
            "job %d: attempt %d had lost its lease; its result was dropped", lease.id, lease.attempt,
            extra={"job_id": lease.id, "task": "", "attempt": lease.attempt},
        )  # fmt: skip


_reported: set[tuple[str, str]] = set()


def unknown(job: ClaimedJob, error: UnknownTask) -> None:
    """Once per task and reason: the job will be met again and again."""
    key = (job.task, str(error))
    if key not in _reported:
        _reported.add(key)
        log.error(
            "job %d %s stays queued, since its code was not found: %s",
            job.id, clean(job.task), clean(str(error)), extra=_fields(job),
        )  # fmt: skip


def limit(call: Call, reason: Reason) -> None:
    job = call.job
    note = ""
    if reason is Reason.TIMEOUT and job.pool == "thread":
        note = "; a thread cannot be killed: its slot is overdue until it ends"
    log.warning(
        "job %d %s: %s reached%s", job.id, clean(job.task), reason.value, note, extra=_fields(job)
    )


def cancelling(call: Call) -> None:
    log.info(
        "job %d %s: cancel requested", call.job.id, clean(call.job.task), extra=_fields(call.job)
    )
