"""The schedules with their last ticks, and one of them with its next.

Owns which are shown, and how long the jobs of one run: the history knows tasks alone, and of forty crontab lines all have the same. The next tick is the stored
one; only what comes after it is worked out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from ...base.checks import aware, moment
from ...base.errors import LitequeueError
from ...base.records import ScheduleInfo, TickInfo
from ...triggers import Cron, Every, Trigger
from ...triggers.firing import trigger_of
from ...triggers.ticks import next_tick
from ..file import Database
from ..schedules.shown import shown, shown_tick
from ..schedules.table import COLUMNS, SHOW, TICKS
from .parts import BUCKETS, Histogram, ScheduleRow, Spread
from .records import SchedulePage, SchedulesPage
from .secret_errors import masked_errors

MOST: Final = 300  # schedules on a page
FEW_TICKS: Final = 14
TICKS_OF_ONE: Final = 60
NEXT: Final = 5

NAMES: Final = "SELECT name FROM litequeue_schedules ORDER BY name LIMIT :most"
COMING: Final = """SELECT name FROM litequeue_schedules
ORDER BY fires_at IS NULL OR paused_at IS NOT NULL OR disabled_at IS NOT NULL, fires_at, name LIMIT :most"""
LATE: Final = """SELECT name, fires_at FROM litequeue_schedules
WHERE fires_at < :before AND fires_at IS NOT NULL AND paused_at IS NULL AND disabled_at IS NULL ORDER BY fires_at LIMIT :most"""
# Whose last tick nobody fired.
MISSED: Final = """SELECT s.name, t.tick_at, ifnull(t.reason, '') FROM (
    SELECT id, name FROM litequeue_schedules WHERE paused_at IS NULL AND disabled_at IS NULL ORDER BY id LIMIT 1000) AS s
CROSS JOIN litequeue_ticks AS t ON t.schedule_id = s.id AND t.tick_at = (SELECT max(tick_at) FROM litequeue_ticks WHERE schedule_id = s.id)
WHERE t.outcome = 'missed' ORDER BY t.tick_at DESC LIMIT :most"""
DISABLED: Final = "SELECT name, disabled_why FROM litequeue_schedules WHERE disabled_at IS NOT NULL ORDER BY disabled_at DESC, name LIMIT :most"
OF_TASK: Final = "SELECT name FROM litequeue_schedules WHERE task = :task ORDER BY name LIMIT :most"


class Stored(NamedTuple):
    """A schedule's row, and what its trigger is; None for one that only code can work out."""

    info: ScheduleInfo
    trigger: Trigger | None


def some(connection: sqlite3.Connection, sql: str, most: int, ticks: int, **asked: Any) -> tuple[ScheduleRow, ...]:
    """Those whose names ``sql`` finds, in that order."""
    found = [row[0] for row in connection.execute(sql, {"most": most, **asked}).fetchall()]
    return tuple(_row(connection, each, ticks) for name in found if (each := _stored(connection, name)) is not None)


def _stored(connection: sqlite3.Connection, name: str) -> Stored | None:
    try:
        row = connection.execute(SHOW, {"name": name}).fetchone()
    except UnicodeEncodeError:  # planted, and no text
        return None
    if row is None:
        return None
    trigger = None
    with contextlib.suppress(LitequeueError):
        trigger = trigger_of(row[COLUMNS.index("trigger")], row[COLUMNS.index("anchor_at")])
    return Stored(shown(row), trigger)


def _row(connection: sqlite3.Connection, found: Stored, ticks: int) -> ScheduleRow:
    zone = found.trigger.timezone if isinstance(found.trigger, Cron) and not found.trigger.is_reboot else None
    rows = connection.execute(TICKS, {"name": found.info.name, "before": None, "limit": ticks}).fetchall()
    return ScheduleRow(found.info, zone, masked(connection, [shown_tick(row) for row in reversed(rows)]))


def masked(connection: sqlite3.Connection, ticks: Sequence[TickInfo]) -> tuple[TickInfo, ...]:
    """Without what is secret in the errors of their jobs."""
    errors = masked_errors(connection, [tick.job_id for tick in ticks if tick.job_id is not None and tick.error is not None])
    return tuple(
        tick if tick.job_id not in errors or tick.error is None else dataclasses.replace(tick, error=errors[tick.job_id]) for tick in ticks
    )


def next_ticks(found: Stored, many: int = NEXT) -> Iterator[datetime]:
    """The stored one, and what the trigger says comes after that, if anybody can tell before its job has ended."""
    at = found.info.next_tick
    if at is None:
        return
    yield at
    trigger = found.trigger
    if trigger is None or isinstance(trigger, Every) and trigger.after == "finish":
        return
    with contextlib.suppress(LitequeueError):
        tick: int | None = moment(at, "the next tick")
        for _ in range(many - 1):
            assert tick is not None
            tick = next_tick(trigger, tick)
            if tick is None:
                return
            yield aware(tick)


def run_times(ticks: Iterable[TickInfo], now: int) -> Histogram | None:
    """Of the jobs of these ticks that are still there, of each its last attempt."""
    spans = [(tick.finished_at, (tick.finished_at - tick.started_at).total_seconds()) for tick in ticks if tick.started_at and tick.finished_at]
    took = sorted(max(seconds, 0.0) for _, seconds in spans)
    if not took:
        return None
    counts = [0] * (len(BUCKETS) + 1)
    for seconds in took:
        counts[bisect_left(BUCKETS, seconds)] += 1
    since = (aware(now) - min(finished for finished, _ in spans)).total_seconds()
    return Histogram(tuple(counts), Spread(_nearest(took, 0.5), _nearest(took, 0.95)), max(int(since), 1))


def _nearest(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class SchedulePages:
    """Pages of one file's schedules."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> SchedulesPage:
        with self._database.read() as connection:
            return SchedulesPage(some(connection, NAMES, MOST, FEW_TICKS))

    def one(self, name: str, now: int) -> SchedulePage | None:
        """None where there is none of that name."""
        with self._database.read() as connection:
            found = _stored(connection, name)
            if found is None:
                return None
            row = _row(connection, found, TICKS_OF_ONE)
        return SchedulePage(row, tuple(next_ticks(found)), run_times(row.ticks, now))
