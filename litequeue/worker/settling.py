"""What an outcome means for its job: a pure decision, from values to the rows that settle it.

Owns retry-or-discard and what is kept of a failure. Touches neither the store nor a clock.
"""

from __future__ import annotations

import json
import random

from ..base.checks import MICROS
from ..base.errors import CpuTimeExceeded, ProcessDied, TaskTimeout
from ..base.models import ClaimedJob, Replacement, Settled, Suspension, Unsettled
from ..base.outcomes import (
    Cancelled,
    CpuSpent,
    Died,
    Discarded,
    Failed,
    Interrupted,
    NotStarted,
    Replaced,
    Snoozed,
    Succeeded,
    Suspended,
    Timed,
    TimedOut,
)
from ..pools.base import Call, Reason
from ..pools.call import retry_delay, still_running, too_much_cpu
from ..store.rules import FOREVER, KEEP, KEEP_DISCARDED


def settle(
    call: Call, timed: Timed, now: int, rng: random.Random, interrupted: Reason | None = None
) -> Settled | Unsettled:
    """The end of an attempt. ``interrupted``: why the worker asked it to stop, if it did."""
    job, outcome = call.job, timed.outcome
    if type(outcome) is Succeeded:
        finished = timed.started_at + int(timed.seconds * MICROS)
        return Settled(
            job.id,
            job.attempt,
            timed.started_at,
            finished,
            outcome.result,
            now + call.keep_succeeded,
            None if outcome.note is None else f"ResultNotStored: {outcome.note}",
        )
    if isinstance(outcome, NotStarted):
        released = _released(job, now, unstarted=True)
        withdrawn = interrupted is Reason.WITHDRAWN
        return released._replace(state="cancelled", finished_at=now, prune_at=now + KEEP) if withdrawn else released
    if isinstance(outcome, Snoozed):
        return _back(call, "scheduled", timed, now, run_at=now + outcome.delay)
    if isinstance(outcome, Suspended):
        until = until_of(outcome, now)
        return _back(call, "scheduled", timed, now, run_at=FOREVER if until is None else until)
    if isinstance(outcome, Replaced):
        return _back(call, "blocked", timed, now, run_at=job.run_at)
    if isinstance(outcome, Discarded):
        return _final(call, "discarded", timed, now, ("Discard", outcome.reason, ""))
    if isinstance(outcome, (Cancelled, Interrupted)):
        ended_itself = isinstance(outcome, Interrupted) and outcome.reason == Reason.SHUTDOWN.value  # a wait without an end
        if interrupted in (Reason.SHUTDOWN, Reason.LOST) or ended_itself:
            return _broken_off(call, timed, now)
        return _final(call, "cancelled", timed, now, ("JobCancelled", outcome.reason, ""))
    if isinstance(outcome, Died):
        delay = retry_delay(ProcessDied(outcome.how), call, rng)
        error = ("ProcessDied", outcome.how, "")
    elif isinstance(outcome, TimedOut):
        text = still_running(outcome)
        delay = retry_delay(TaskTimeout(text), call, rng)
        error = ("TaskTimeout", text, outcome.traceback)
    elif isinstance(outcome, CpuSpent):
        text = too_much_cpu(outcome)
        delay = retry_delay(CpuTimeExceeded(text), call, rng)
        error = ("CpuTimeExceeded", text, "")
    else:
        assert isinstance(outcome, Failed)
        delay = outcome.delay
        error = (outcome.type, outcome.message, outcome.traceback)
    if interrupted is Reason.CANCEL:
        return _final(call, "cancelled", timed, now, error)
    if delay is None:
        return _final(call, "discarded", timed, now, error)
    return _back(call, "retrying", timed, now, run_at=now + delay, error=error)


def suspension(job: ClaimedJob, outcome: Suspended, now: int) -> Suspension:
    """What is stored of a wait, beside what ``settle`` says of its job."""
    return Suspension(job.id, job.attempt, outcome.step, until_of(outcome, now), json.dumps(outcome.names))


def replacement(call: Call, outcome: Replaced) -> Replacement:
    """What is stored of what takes a job's place, beside what ``settle`` says of its job."""
    return Replacement(call.job.id, call.job.attempt, outcome.graph, call.keep_succeeded)


def until_of(outcome: Suspended, now: int) -> int | None:
    """The wall clock is the worker's, who also looks when a job is due."""
    return outcome.until if outcome.delay is None else now + outcome.delay


def _released(job: ClaimedJob, now: int, *, unstarted: bool) -> Unsettled:
    """Give a job back: nothing is charged."""
    return Unsettled(
        job.id, job.attempt, "available", None, None, None, None, 0, None, None, None, now, int(unstarted)
    )


def impossible(job: ClaimedJob, why: str, now: int, keep: int = KEEP_DISCARDED) -> Unsettled:
    """A planted job that no worker can ever run is discarded."""
    why = why.encode("utf-8", "backslashreplace").decode()
    return Unsettled(
        job.id, job.attempt, "discarded", None, now, None, now + keep, 0, "UnknownTask", why, "", now, 0
    )


def _broken_off(call: Call, timed: Timed, now: int) -> Unsettled:
    """Our own doing, and nothing is charged; but what may run only once had started."""
    if call.job.at_most_once:
        lost = ("Lost", "the worker was shut down; it runs at most once", "")
        return _final(call, "discarded", timed, now, lost)
    return _released(call.job, now, unstarted=False)


def _final(
    call: Call, state: str, timed: Timed, now: int, error: tuple[str, str, str]
) -> Unsettled:
    keep = call.keep_discarded if state == "discarded" else KEEP
    return Unsettled(
        call.job.id,
        call.job.attempt,
        state,
        timed.started_at or None,
        now,
        None,
        now + keep,
        int(state == "discarded" and error[0] not in ("Discard", "Lost")),
        *error,
        now,
        0,
    )


def _back(
    call: Call,
    state: str,
    timed: Timed,
    now: int,
    *,
    run_at: int,
    error: tuple[str, str, str] | None = None,
) -> Unsettled:
    return Unsettled(
        call.job.id,
        call.job.attempt,
        state,
        timed.started_at or None,
        None,
        run_at,
        None,
        int(error is not None),
        error[0] if error else None,
        error[1] if error else None,
        error[2] if error else None,
        now,
        0,
    )
