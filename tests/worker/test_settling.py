from __future__ import annotations

import random
from typing import Any

import pytest

from litequeue import CpuTimeExceeded, LiteQueue, ProcessDied, TaskTimeout
from litequeue.base.checks import DAY
from litequeue.base.models import ClaimedJob, Settled, Unsettled
from litequeue.base.outcomes import (
    Cancelled,
    CpuSpent,
    Died,
    Discarded,
    Failed,
    Interrupted,
    NotStarted,
    Outcome,
    Snoozed,
    Succeeded,
    Timed,
    TimedOut,
)
from litequeue.pools.base import Call, Reason
from litequeue.worker.dispatch import Keeping, call_of
from litequeue.worker.settling import impossible, settle

pytestmark = pytest.mark.beside

NOW = 1_000_000_000


def call(app: LiteQueue, *, failures: int = 0, max_attempts: int = 3, once: int = 0, **options: Any) -> Call:
    @app.task(name="t", **options)
    def task() -> None: ...

    job = ClaimedJob(7, 2, 0, "t", "[]", "{}", "q", "thread", 0, failures, 0, max_attempts, None, None, once, 0, 0, None)
    return call_of(job, task._code, "", 0.0, keeping=Keeping(True, 9 * DAY, 2 * DAY))


def decide(call: Call, outcome: Outcome, why: Reason | None = None) -> Settled | Unsettled:
    return settle(call, Timed(outcome, 5, 0.5), NOW, random.Random(1), why)


def test_a_success_keeps_its_result_for_its_time(app: LiteQueue) -> None:
    row = decide(call(app, result_ttl=60), Succeeded("8"))
    assert row == Settled(7, 2, 5, 500_005, "8", NOW + 60_000_000, None)
    assert decide(call(app, result_ttl=0), Succeeded("8")).prune_at == NOW
    assert decide(call(app), Succeeded("8")).prune_at == NOW + 9 * DAY


def test_what_is_discarded_is_kept_as_the_worker_says_and_what_is_cancelled_for_a_day(app: LiteQueue) -> None:
    assert decide(call(app, result_ttl=60), Failed("E", "m", "", None)).prune_at == NOW + 2 * DAY
    assert decide(call(app), Cancelled("why")).prune_at == NOW + DAY
    assert impossible(call(app).job, "why", NOW, 5 * DAY).prune_at == NOW + 5 * DAY


def test_a_success_is_one_even_if_a_cancel_came_too_late(app: LiteQueue) -> None:
    assert isinstance(decide(call(app), Succeeded("8"), Reason.CANCEL), Settled)


@pytest.mark.parametrize(
    ("outcome", "state", "failed"),
    [
        (Failed("E", "m", "", 9), "retrying", 1),
        (Failed("E", "m", "", None), "discarded", 1),
        (Snoozed(9), "scheduled", 0),
        (Discarded("why"), "discarded", 0),
        (Cancelled("shutdown"), "cancelled", 0),
        (Interrupted("cancelled"), "cancelled", 0),
        (NotStarted(), "available", 0),
        (Died("died: SIGSEGV"), "retrying", 1),
        (TimedOut(3.0), "retrying", 1),
        (CpuSpent(3.0), "retrying", 1),
    ],
)
def test_each_outcome_has_its_state(app: LiteQueue, outcome: Outcome, state: str, failed: int) -> None:
    row = decide(call(app, backoff=9e-6), outcome)
    assert isinstance(row, Unsettled)
    assert (row.state, row.failed) == (state, failed)
    assert (row.finished_at is not None) == (state in ("discarded", "cancelled")) == (row.prune_at is not None)
    if state in ("retrying", "scheduled"):
        assert row.run_at == NOW + 9


def test_what_ends_a_process_has_a_class_to_be_given_up_on(app: LiteQueue) -> None:
    for outcome, error in ((Died("x"), ProcessDied), (TimedOut(1.0), TaskTimeout), (CpuSpent(1.5), CpuTimeExceeded)):
        row = decide(call(app, give_up_on=error), outcome)
        assert isinstance(row, Unsettled) and (row.state, row.error_type) == ("discarded", error.__name__)
    assert row.error_message == "cpu_time: more than 1.5 s"


def test_our_own_shutdown_charges_nothing(app: LiteQueue) -> None:
    task = call(app)
    for reason in (Reason.SHUTDOWN, Reason.LOST):
        for outcome in (Interrupted(reason.value), Cancelled("the task saw it and stopped")):
            row = decide(task, outcome, reason)
            assert isinstance(row, Unsettled) and (row.state, row.failed) == ("available", 0)
        assert isinstance(decide(task, Succeeded("1"), reason), Settled)


def test_what_was_withdrawn_is_cancelled_and_no_attempt_of_it_is_counted(app: LiteQueue) -> None:
    row = decide(call(app), NotStarted(), Reason.WITHDRAWN)
    assert isinstance(row, Unsettled)
    assert (row.state, row.finished_at, row.unstarted, row.error_type) == ("cancelled", NOW, 1, None) and row.prune_at
    assert decide(call(app), NotStarted()).state == "available"  # type: ignore[union-attr]


def test_the_last_attempt_is_not_retried_however_it_ended(app: LiteQueue) -> None:
    for outcome in (Died("x"), TimedOut(1.0), CpuSpent(1.0)):
        row = decide(call(app, failures=2), outcome)
        assert isinstance(row, Unsettled) and row.state == "discarded"


def test_a_failure_after_a_cancel_is_a_cancel(app: LiteQueue) -> None:
    row = decide(call(app), Failed("E", "m", "", 9), Reason.CANCEL)
    assert isinstance(row, Unsettled) and row.state == "cancelled"


def test_an_at_most_once_job_that_had_started_is_never_released(app: LiteQueue) -> None:
    row = decide(call(app, once=1, max_attempts=1), Interrupted("shutdown"), Reason.SHUTDOWN)
    assert isinstance(row, Unsettled) and row.state == "discarded" and row.error_type == "Lost"
    row = decide(call(app, once=1, max_attempts=1), NotStarted())
    assert isinstance(row, Unsettled) and row.state == "available"
