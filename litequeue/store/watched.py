"""What is so of that which alerts watch: each condition asked of the file, the disk and the workers, with what was seen in a few words.

Owns which question each kind is, and that none grows with the file: counts stop where they are too many already, rates come from the history. Measured on 1,000,000
jobs that all wait, with a history of a hundred pairs of task and queue each minute: ``waiting`` with its highest bound 4 ms, seven hours of the history 4, all else below 0.5;
``no-success`` 1.8 where none of the 11,000 ticks that are kept of a schedule succeeded: what was before them nobody knows, and it is bad. What an alert makes of it is ``base/alerting``'s.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from ..base.alertkinds import Condition
from ..base.checks import MICROS, clean, counted
from ..base.durations import about
from ..base.errors import PASSING
from ..base.history import DAY, KEPT, SPANS
from ..base.records import WorkerInfo
from ..base.sizes import render as size_text
from . import counting, history, inspection, waiting
from .file import Database
from .inspection import Inspection
from .reports import Reports
from .rules import QUEUE_OF_ALERTS
from .schedules.history import KEEP_OF_EACH, THIN_EVERY
from .searching.sources import ALL_GROUPS, GROUPS_OF_QUEUE, MOST_GROUPS

LATE: Final = 60 * MICROS  # that a tick may be
MOST_SHOWN: Final = 200  # characters
SILENT: Final = 120.0  # seconds without a beat, after which a worker is frozen, whatever its process is said to do

SCHEDULE: Final = """SELECT fires_at, paused_at IS NOT NULL, disabled_at IS NOT NULL, created_at,
    (SELECT max(tick_at) FROM litequeue_ticks WHERE schedule_id = s.id), (SELECT outcome FROM litequeue_ticks WHERE schedule_id = s.id ORDER BY tick_at DESC LIMIT 1)
FROM litequeue_schedules AS s WHERE name = :name"""
# Among its last ticks; of one whose tick is not closed yet the job itself is asked. By their ends, and not the first that is met: jobs of one schedule may overlap.
LAST_SUCCESS: Final = """SELECT count(*), max(CASE WHEN t.job_state = 'succeeded' THEN t.job_finished_at
        WHEN t.job_state IS NULL THEN (SELECT j.finished_at FROM litequeue_jobs AS j WHERE j.id = t.job_id AND j.state = 'succeeded') END)
FROM (SELECT job_id, job_state, job_finished_at FROM litequeue_ticks
    WHERE schedule_id = (SELECT id FROM litequeue_schedules WHERE name = :name) ORDER BY tick_at DESC LIMIT :most) AS t"""
MOST_TICKS: Final = (100, KEEP_OF_EACH + THIN_EVERY)  # of a schedule that does well; and all that are kept


class Look(NamedTuple):
    """What somebody has seen."""

    is_bad: bool | None  # None: nobody could see
    shown: str  # in a few words


class Watched:
    """One file's."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._inspection = Inspection(database)
        self._reports = Reports(database)

    def look(self, condition: Condition, now: int) -> Look:
        """Raises the store's errors that pass: then nobody looks at anything."""
        try:
            is_bad, shown = _LOOKS[condition.kind](self, condition, now)
            return Look(is_bad, clean(shown)[:MOST_SHOWN])  # a worker's name may be planted, and no text that can be stored
        except PASSING:
            raise
        except Exception as error:  # noqa: BLE001 - a planted row, or a disk that cannot be asked, keeps no other alert from being looked at
            return Look(None, clean(f"{type(error).__name__}: {error}")[:MOST_SHOWN])

    def awake(self) -> list[WorkerInfo]:
        """The workers that are there, but for those that only tell of alerts while nobody else is."""
        conditions = self._inspection.conditions(0)
        found = [worker for worker in self._reports.workers() if worker.queues != (QUEUE_OF_ALERTS,)]
        return waiting.awake(waiting.alive(found, conditions), conditions)

    # -- jobs ----------------------------------------------------------------------------------------------

    def _oldest(self, asked: Condition, now: int) -> Look:
        groups = ALL_GROUPS if asked.queue is None else GROUPS_OF_QUEUE
        with self._database.read() as connection:
            rows = connection.execute(groups, {"queue": asked.queue, "most": MOST_GROUPS}).fetchall()
            since = min(counting.oldest_of(connection, rows).values(), default=None)
        if since is None:
            return Look(False, "none waits")
        age = max(now - since, 0)
        return Look(age > asked.bound, f"it has waited for {about(age / MICROS)}")

    def _waiting(self, asked: Condition, now: int) -> Look:
        sql, most = (counting.AVAILABLE if asked.queue is None else counting.AVAILABLE_IN), max(asked.bound + 1, counting.MOST + 1)
        (count,) = self._database.one(sql, {"queue": asked.queue, "most": most})
        return Look(count > asked.bound, f"{count - 1:,}+ wait" if count == most else f"{count:,} {'waits' if count == 1 else 'wait'}")

    def _attempts(self, asked: Condition, now: int) -> tuple[int, int, int]:
        """By the shortest spans that are kept for long enough."""
        span = next((span for span in SPANS if span and KEPT[span] * MICROS > asked.within + span * MICROS), DAY)
        with self._database.read() as connection:
            return history.attempts(connection, span, now - asked.within, now + 1, task=asked.task, queue=asked.queue)

    def _discarded(self, asked: Condition, now: int) -> Look:
        *_, count = self._attempts(asked, now)
        return Look(count > asked.bound, f"{count:,} {'was' if count == 1 else 'were'}")

    def _failed(self, asked: Condition, now: int) -> Look:
        succeeded, *others = self._attempts(asked, now)
        failed, ran = sum(others), succeeded + sum(others)
        if not ran:
            return Look(False, "there was no attempt")
        is_bad = ran >= asked.least and failed * 10_000 > asked.bound * ran
        return Look(is_bad, f"{failed / ran:.1%} of {counted(ran, 'attempt')}")

    # -- workers -------------------------------------------------------------------------------------------

    def _no_worker(self, asked: Condition, now: int) -> Look:
        count = len(self.awake())
        return Look(not count, f"{counted(count, 'worker')} {'does' if count == 1 else 'do'}" if count else "none does")

    def _frozen(self, asked: Condition, now: int) -> Look:
        conditions = self._inspection.conditions(now)
        found = [
            worker.name for worker in self._reports.workers() if (how := conditions.get(worker.id)) is not None and not how.dead
            and (how.stopped or waiting.is_late(how, now) and waiting.silence(how, now) > SILENT)
        ]  # fmt: skip
        return Look(bool(found), ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "") if found else "none is")

    # -- schedules -----------------------------------------------------------------------------------------

    def _schedule(self, asked: Condition, now: int) -> Look:
        row = self._database.one(SCHEDULE, {"name": asked.schedule})
        if row is None:
            return Look(True, f"there is no schedule {asked.schedule}")
        fires_at, is_paused, is_disabled, created_at, last, outcome = row
        if asked.what == "no-success":
            return self._no_success(asked, now, created_at)
        if is_disabled:
            return Look(True, "it is disabled")
        if is_paused:
            return Look(False, "it is paused")
        if asked.what == "missed":
            return Look(outcome == "missed", "it has had no tick" if last is None else f"its last tick, {about(max(now - last, 0) / MICROS)} ago: {outcome}")
        late = 0 if fires_at is None else now - fires_at
        return Look(late > LATE, f"its tick is {about(late / MICROS)} late" if late > LATE else "it is not")

    def _no_success(self, asked: Condition, now: int, created_at: int) -> Look:
        ticks, age, shown = 0, 0, ""
        for most in MOST_TICKS:
            ticks, success = self._database.one(LAST_SUCCESS, {"name": asked.schedule, "most": most})
            age = now - (created_at if success is None else success)
            ago = f"{about(max(age, 0) / MICROS)} ago"
            shown = f"it did {ago}" if success is not None else f"none of its last {ticks:,} did" if ticks >= KEEP_OF_EACH else f"it has not since it was made, {ago}"
            if age <= asked.bound or ticks < most:
                break
        return Look(age > asked.bound, shown)

    # -- the disk ------------------------------------------------------------------------------------------

    def _disk(self, asked: Condition, now: int) -> Look:
        free = shutil.disk_usage(os.path.dirname(self._database.path)).free
        return Look(free < asked.bound, f"it has {size_text(free)}")

    def _log(self, asked: Condition, now: int) -> Look:
        size = self._database.wal.size()
        return Look(size > asked.bound, f"it has {size_text(size)}")

    def _untold(self, asked: Condition, now: int) -> Look:
        count, last = self._database.one(inspection.UNTOLD, {"most": inspection.LOOKED_AT})
        return Look(count > 0, f"{counted(count, 'failure')}, the last by job {last}" if count else "all were told")


_LOOKS: Final[Mapping[str, Callable[[Watched, Condition, int], Look]]] = {
    "oldest": Watched._oldest, "waiting": Watched._waiting, "discarded": Watched._discarded, "failed-ratio": Watched._failed,
    "no-worker": Watched._no_worker, "worker-frozen": Watched._frozen, "schedule": Watched._schedule, "disk": Watched._disk, "log": Watched._log,
    "untold": Watched._untold,
}  # fmt: skip
