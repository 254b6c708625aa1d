"""Alerts as people are shown them: frozen dataclasses, from the rows.

Owns their fields. Times are aware datetimes in UTC, durations seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..base.alertkinds import meaning
from ..base.checks import MICROS, aware
from ..store.alerts import Alert, Event


@dataclass(frozen=True, slots=True)
class AlertInfo:
    """An alert as it stands."""

    name: str
    when: str  # the condition
    meaning: str  # the same in English
    state: str  # ok, pending, firing or paused
    since: datetime | None  # pending or firing
    good_since: datetime | None  # it fires, and is good since then, not long enough yet
    seen: str | None  # at the last look; None: nobody has looked yet
    checked_at: datetime | None
    for_: float
    keep: float
    remind: float | None
    run: str | None
    task: str | None
    mail_to: str | None
    times: int  # that it fired lately, each within an hour of the end before
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """What was told of an alert."""

    id: int
    at: datetime
    alert: str
    event: str  # firing, over, reminder or test
    text: str


def info(row: Alert) -> AlertInfo:
    stands, rules = row.standing, row.rules
    return AlertInfo(
        row.name, row.condition, meaning(row.condition), stands.state if row.paused_at is None else "paused", _time(stands.since), _time(stands.good_since), row.shown,
        _time(row.checked_at), rules.hold / MICROS, rules.keep / MICROS, None if rules.remind is None else rules.remind / MICROS, row.run, row.task, row.mail_to,
        stands.times, aware(row.created_at),
    )  # fmt: skip


def event(row: Event) -> AlertEvent:
    return AlertEvent(row.id, aware(row.at), row.alert, row.event, row.text)


def _time(stamp: int | None) -> datetime | None:
    return None if stamp is None else aware(stamp)
