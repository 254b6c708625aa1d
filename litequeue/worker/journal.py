"""One log line for each thing that happens to a job.

Owns the wording and the fields: every record has ``job_id`` and ``task`` as attributes, so that handlers and
``--log-json`` can use them. Logger ``litequeue.jobs``: starts at DEBUG, successes and snoozes at INFO,
failures that are retried at WARNING, discarded ones at ERROR. The end of a job is logged once it is written. Where an attempt was the
last, its traceback stands below the line; where DEBUG is on, that of each. It is the text that is stored, without what is secret.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from ..base.checks import clean_lines, counted
from ..base.errors import UnknownTask
from ..base.log import Log
from ..base.models import ClaimedJob, Lease, LostJob, Settled, Unsettled
from ..base.outcomes import NotStarted, Replaced, Suspended, Timed
from ..pools.base import Call, Reason
from .repeated_warning import Complaint

log = Log("litequeue.jobs")

MOST_TRACEBACK: Final = 16 << 10  # characters in the log, of the 64 K that are stored: journald cuts a line at 48 K


def _fields(job: ClaimedJob | LostJob, **more: Any) -> dict[str, Any]:
    return {
        "job_id": job.id, "task": job.task, "schedule": job.schedule, "attempt": job.execution, "queue": job.queue, **more
    }  # fmt: skip


def started(calls: Iterable[Call]) -> None:
    if log.isEnabledFor(logging.DEBUG):
        for call in calls:
            job = call.job
            log.debug(
                "job %d %s: attempt %d starts in the %s pool",
                job.id, job.label, job.execution, job.pool, extra=_fields(job),
            )  # fmt: skip


class Endings:
    """What has ended and is not written yet. Its line comes when it is: a result may be dropped or given up."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._kept: list[tuple[Call, Timed, Settled | Unsettled]] = []
        self._refusals = Complaint(monotonic)
        self._why = ""
        self._is_plain = True  # all of them are successes of which there is nothing to say but at INFO

    def add(self, call: Call, timed: Timed, settled: Settled | Unsettled) -> None:
        self._kept.append((call, timed, settled))
        if type(settled) is not Settled or settled.note is not None:
            self._is_plain = False

    def written(self, lost: Collection[Lease], ended_themselves: Collection[Lease] = ()) -> None:
        """All of them were, but for the leases that were no longer ours, and those of jobs that had written their end themselves."""
        kept, self._kept, self._why = self._kept, [], ""
        self._refusals.over("the file takes writes again")
        quiet = not lost and not ended_themselves and not log.isEnabledFor(logging.INFO)
        is_plain, self._is_plain = self._is_plain, True
        if quiet and is_plain:  # mostly: to look at each of them took 0.06 us
            return
        for call, timed, settled in kept:
            if quiet and type(settled) is Settled and settled.note is None:
                continue
            if lost and Lease(call.job.id, call.job.attempt) in lost:
                _dropped(call, timed)
            elif ended_themselves and Lease(call.job.id, call.job.attempt) in ended_themselves:
                _ignored(call, timed, settled)
            else:
                _ended(call, timed, settled)

    def refused(self, error: Exception) -> None:
        """None of them was."""
        self._why = str(error)
        count = len(self._results())
        kept = f"it keeps {counted(count, 'result')} and tries again" if count else "nothing new is claimed until it can be written"
        self._refusals.again(error, f"{self._why}; {kept}")

    def given_up(self) -> str | None:
        """For a worker's last line: which results it leaves unwritten, and why. From any thread."""
        ids = self._results()
        if not ids:
            return None
        shown = ", ".join(map(str, ids[:10])) + (", ..." if len(ids) > 10 else "")
        why = self._why or "the file could not be written in time"
        return (
            f"the results of {counted(len(ids), 'job')} ({shown}) could not be written and are given up: {why}. "
            "Those jobs run again; the at-most-once ones among them are lost"
        )

    def _results(self) -> list[int]:
        return [call.job.id for call, timed, _ in list(self._kept) if type(timed.outcome) is not NotStarted]


def _dropped(call: Call, timed: Timed) -> None:
    job = call.job
    log.warning(
        "job %d %s: attempt %d had lost its lease; its result, after %.3f s, was dropped",
        job.id, job.label, job.execution, timed.seconds, extra=_fields(job, seconds=timed.seconds),
    )  # fmt: skip


def _ignored(call: Call, timed: Timed, settled: Settled | Unsettled) -> None:
    job, error = call.job, "" if isinstance(settled, Settled) or not settled.error_type else f"{settled.error_type}: {settled.error_message}"
    log.error(
        "job %d %s: had ended with its own transaction, as succeeded, and then came to: %s", job.id, job.label,
        error[:500] or type(timed.outcome).__name__.lower(), extra=_fields(job, seconds=timed.seconds),
    )  # fmt: skip
    log.info("job %d %s: succeeded", job.id, job.label, extra=_fields(job))


def _ended(call: Call, timed: Timed, settled: Settled | Unsettled) -> None:
    job = call.job
    if isinstance(settled, Settled):
        if settled.note is not None:
            log.warning("job %d %s: succeeded, but %s", job.id, job.label, settled.note,
                        extra=_fields(job, seconds=timed.seconds))  # fmt: skip
        else:
            log.info(
                "job %d %s: succeeded in %.3f s", job.id, job.label, timed.seconds,
                extra=_fields(job, seconds=timed.seconds),
            )  # fmt: skip
        return
    if isinstance(timed.outcome, NotStarted):
        log.debug("job %d %s: given back", job.id, job.label, extra=_fields(job))
        return
    error = f"{settled.error_type}: {settled.error_message}" if settled.error_type else ""
    level = {"discarded": logging.ERROR, "retrying": logging.WARNING}.get(settled.state, logging.INFO)
    what = {
        "retrying": "failed, runs again in {:.1f} s",
        "scheduled": "snoozed for {:.1f} s",
        "available": "released",
    }.get(settled.state, settled.state)
    if isinstance(timed.outcome, Suspended):
        what = "sleeps for {:.1f} s" if not timed.outcome.names else "waits for an event"
    elif isinstance(timed.outcome, Replaced):
        what = f"has put {counted(len(timed.outcome.graph[0]), 'job')} in its place, and ends with the last"
    if settled.run_at is not None:
        what = what.format((settled.run_at - settled.ended_at) / 1_000_000)
    log.log(
        level, "job %d %s: attempt %d %s%s", job.id, job.label, job.execution, what,
        f" ({error[:500]})" if error else "",
        extra=_fields(job, seconds=timed.seconds, error=settled.error_type), trace=_traceback(settled),
    )  # fmt: skip


def _traceback(settled: Unsettled) -> str | None:
    """What of it goes into the log: its beginning and its end, which says where it came from and where it was raised."""
    return _bounded(settled.traceback) if settled.state == "discarded" or log.isEnabledFor(logging.DEBUG) else None


def _bounded(traceback: str | None) -> str | None:
    text = clean_lines((traceback or "").rstrip("\n"))  # whose handler shows it is the program's affair
    if not text:
        return None
    half = MOST_TRACEBACK // 2
    left_out = len(text) - 2 * half
    return text if left_out <= 0 else f"{text[:half]}\n... {left_out:,} characters left out ...\n{text[-half:]}"


def lost(jobs: Iterable[LostJob]) -> None:
    """What a rescue could not put back."""
    for job in jobs:
        log.error(
            "job %d %s: attempt %d discarded (%s)", job.id, job.label, job.execution, job.why[:500],
            extra=_fields(job),
        )  # fmt: skip


_reported: set[tuple[str, str]] = set()
_told: set[str] = set()


def for_all_tasks(why: str) -> None:
    """At a worker's start, and not again for each task: why it runs nothing that the file names."""
    _told.add(why)
    log.warning("%s", why)


def _in_short(why: str) -> str:
    return "nothing that the file names is run here, as was said" if why in _told else why


def unknown(job: ClaimedJob, error: UnknownTask) -> None:
    """Once per task and reason: the job will be met again and again."""
    key = (job.task, str(error))
    if key not in _reported:
        _reported.add(key)
        log.error(
            "job %d %s stays queued, since it cannot run here: %s",
            job.id, job.label, _in_short(str(error)), extra=_fields(job),
        )  # fmt: skip


def unknown_task(task: str, why: str) -> None:
    """The same, of a task of which no job was met: it was looked for to tell of one that had been discarded."""
    if (task, why) not in _reported:
        _reported.add((task, why))
        log.error("jobs of %s would stay queued, since they cannot run here: %s", task, _in_short(why))


def limit(call: Call, reason: Reason, where: str | None = None) -> None:
    """``where``: of one that may run on, its traceback now; once it has ended there may be another."""
    job = call.job
    note = ""
    if reason is Reason.TIMEOUT and job.pool == "thread":
        note = "; a thread cannot be killed: its slot is overdue until it ends"
    log.warning(
        "job %d %s: %s reached%s", job.id, job.label, reason.value, note, extra=_fields(job), trace=_bounded(where)
    )


def cancelling(call: Call) -> None:
    log.info(
        "job %d %s: cancel requested", call.job.id, call.job.label, extra=_fields(call.job)
    )
