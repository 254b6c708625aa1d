"""Schedules and ticks as people are shown them, from the rows of LIST, SHOW and TICKS.

Owns the word for a schedule's state, and nothing that is stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ... import triggers
from ...base import checks, stored
from ...base.errors import InvalidArgument
from ...base.masking import recorded
from ...base.records import ScheduleInfo, TickInfo
from .table import COLUMNS


def shown(row: tuple[Any, ...]) -> ScheduleInfo:
    count = len(COLUMNS)
    v = dict(zip(COLUMNS, row[:count], strict=True))
    _id, paused, disabled, why, awaiting, ticks, created, tick, outcome, reason, job, job_state, options = row[count:]
    if disabled is not None:
        state = "disabled"
    elif paused is not None:
        state = "paused"
    elif awaiting:
        state = "running"
    else:
        state = "active" if v["next_tick_at"] is not None or v["boot"] is not None else "done"
    return ScheduleInfo(
        name=v["name"], trigger=_words(v["trigger"]), state=state, why=why, task=v["task"], args=v["args"],
        kwargs=v["kwargs"], queue=v["queue"], priority=v["priority"],
        retries=None if v["max_attempts"] is None else v["max_attempts"] - 1, timeout=_seconds(v["timeout"]),
        at_most_once=bool(v["at_most_once"]), expires=_seconds(v["expires"]), catch_up=v["catch_up"], grace=v["grace"] / checks.MICROS, overlap=v["overlap"], jitter=v["jitter"] / checks.MICROS, on_failure=v["on_failure"], mail_to=v["mail_to"],
        declared_in=v["module"], next_tick=_time(v["fires_at"]) if state == "active" else None,
        last_tick=_time(tick), last_outcome=outcome, last_reason=reason, last_job=job, last_job_state=job_state,
        ticks=ticks, created_at=checks.aware(created), spec=v["trigger"], secret=recorded(v["task"], options),
    )  # fmt: skip


def _words(spec: str) -> str:
    try:
        return triggers.describe(triggers.from_spec(spec))
    except InvalidArgument:
        return stored.shown(spec)


def shown_tick(row: tuple[Any, ...]) -> TickInfo:
    at, through, decided, outcome, reason, job, state, finished, started, error = row
    return TickInfo(
        checks.aware(at), _time(through), checks.aware(decided), outcome, reason, job, state, _time(started),
        _time(finished), error if state not in (None, "succeeded") else None,
    )  # fmt: skip


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / checks.MICROS


def _time(stamp: int | None) -> datetime | None:
    return None if stamp is None else checks.aware(stamp)
