"""What the overview is made of, and what is around every page.

Owns which few of all there is are shown there. Everything is read for its own page's sake elsewhere.

Measured on 1,000,000 jobs with 16 pairs of task and queue: 16 ms of SQL, of a day 18; with a million that wait, and the hundred pairs that are counted at most, 11 to 24.
What is around a page takes 2.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from ...base.checks import MICROS, aware
from ...base.counts import total
from ...base.history import MINUTE
from ...base.states import STATES, JobState
from ...base.version import VERSION
from .. import alerts, counting, history
from ..actions import LAST
from ..file import Database
from ..file.files import size
from ..inspection import UNTOLD, next_by_task
from ..rules import FOREVER
from ..searching.sources import ALL_GROUPS, MOST_GROUPS
from . import names, queues, reasons, schedules, series, workers
from .failures import failures
from .parts import ActionRow, Count, LiveState, Range, Reason
from .queues import counted
from .records import Frame, Overview

FAILURES: Final = 6
SCHEDULES: Final = 6
ACTIONS: Final = 6
FEW_FAILURES: Final = 500  # jobs that are looked at
NAMES: Final = 100  # to be suggested
FEW_DUE: Final = 300  # jobs, among which the next is that is not retried
MOST_FLOWS: Final = 10_000
LOOKED_AT: Final = 1_000  # available jobs, for tasks without code
UNTOLD_OF: Final = 300  # failures, of which it is asked whether somebody was told

# Those that are retried lie among them.
NEXT_SCHEDULED: Final = f"""SELECT min(run_at) FROM (SELECT run_at, state FROM litequeue_jobs INDEXED BY litequeue_jobs_due
    WHERE (state = 'scheduled' OR state = 'retrying') AND run_at < {FOREVER} ORDER BY run_at LIMIT :most) WHERE state = 'scheduled'"""
NEXT_RETRY: Final = """SELECT run_at FROM litequeue_jobs INDEXED BY litequeue_jobs_retrying WHERE state = 'retrying' ORDER BY run_at LIMIT 1"""
FIRST_START: Final = """SELECT min(started_at) FROM (
    SELECT started_at FROM litequeue_jobs INDEXED BY litequeue_jobs_running WHERE state = 'running' LIMIT :most)"""
ALL: Final = """SELECT (SELECT count(*) FROM litequeue_workers WHERE stopped_at IS NULL),
    (SELECT count(*) FROM (SELECT 1 FROM litequeue_schedules LIMIT :most)), (SELECT count(*) FROM (SELECT 1 FROM litequeue_flows LIMIT :most)),
    (SELECT count(*) FROM (SELECT 1 FROM litequeue_tasks LIMIT :most))"""
COMING: Final = """SELECT count(*) FROM (
    SELECT 1 FROM litequeue_schedules WHERE fires_at IS NOT NULL AND paused_at IS NULL AND disabled_at IS NULL LIMIT :most)"""
MOST: Final = 1_000


class Looks:
    """One file at a glance."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def overview(self, range_: Range, now: int, disk_free: int | None) -> Overview:
        found = series.pieces(range_, now)
        crew = workers.crew(self._database, now)
        with self._database.read() as connection:
            levels = queues.levels(connection)
            states = counting.by_state(connection)
            failed = failures(connection, found, most=FEW_FAILURES)
            over_time = series.series(connection, range_, now, live=levels.level(now))
            of_queues = queues.rows(connection, found, now, levels)
            of_schedules = schedules.some(connection, schedules.COMING, SCHEDULES, schedules.FEW_TICKS)
            actions = connection.execute(LAST, {"limit": ACTIONS}).fetchall()
            facts = _facts(connection, now, crew, levels, states, disk_free)
            return Overview(
                over_time, _states(connection, states, levels), series.succeeded_in_a_day(connection, now), crew.slots, crew.slots_busy,
                failed.groups[:FAILURES], Count(len(failed.groups), failed.jobs.is_capped), of_queues, workers.rows(self._database, crew, now),
                of_schedules, reasons.judged(facts), tuple(ActionRow(aware(at), *rest) for at, *rest in actions),
            )  # fmt: skip

    def reasons(self, now: int, disk_free: int | None) -> tuple[Reason, ...]:
        """Why somebody should look, the worst first."""
        crew = workers.crew(self._database, now)
        with self._database.read() as connection:
            return reasons.judged(_facts(connection, now, crew, queues.levels(connection), counting.by_state(connection), disk_free))

    def frame(self, now: int) -> Frame:
        with self._database.read() as connection:
            failed = failures(connection, series.pieces("24h", now), most=FEW_FAILURES)
            running = connection.execute(counting.RUNNING_BY_QUEUE, {"most": counting.MOST}).fetchall()
            of_queues = names.queues(connection, [name for name, _ in running])
            of_tasks = names.tasks(connection)
            live, of_schedules, flows, recorded = connection.execute(ALL, {"most": MOST_FLOWS}).fetchone()
            jobs = counting.last_id(connection)
        path = self._database.path
        return Frame(
            now=aware(now), path=path, version=VERSION, file_bytes=size(path), log_bytes=self._database.wal.size(), jobs=jobs,
            failures=Count(len(failed.groups), failed.jobs.is_capped), queues=len(of_queues), tasks=max(len(of_tasks), recorded), workers=live,
            schedules=of_schedules, flows=flows, queue_names=tuple(of_queues[:NAMES]), task_names=tuple(of_tasks[:NAMES]),
        )  # fmt: skip


def _states(connection: sqlite3.Connection, states: dict[str, int], levels: queues.Levels) -> tuple[LiveState, ...]:
    times = {
        "available": min(levels.oldest.values(), default=None),
        "running": connection.execute(FIRST_START, {"most": MOST}).fetchone()[0],
        "scheduled": connection.execute(NEXT_SCHEDULED, {"most": FEW_DUE}).fetchone()[0],
        "retrying": (connection.execute(NEXT_RETRY).fetchone() or (None,))[0],
    }
    live: Sequence[JobState] = [state for state in STATES if state in times or state == "blocked"]
    found = ((state, counted(states.get(state, 0)), times.get(state)) for state in live)
    return tuple(LiveState(state, jobs, None if at is None or not jobs.number else aware(at)) for state, jobs, at in found)


def _facts(
    connection: sqlite3.Connection, now: int, crew: workers.Crew, levels: queues.Levels, states: dict[str, int], disk_free: int | None
) -> reasons.Facts:
    untold, last_untold = connection.execute(UNTOLD, {"most": UNTOLD_OF}).fetchone()
    late = connection.execute(schedules.LATE, {"before": now - int(reasons.LATE * MICROS), "most": reasons.FIRST}).fetchall()
    (coming,) = connection.execute(COMING, {"most": MOST}).fetchone()
    ended, discarded = _ended(connection, now)
    return reasons.Facts(
        now, int(states.get("available", 0) or total(states.get(state, 0) for state in ("scheduled", "retrying"))), ended, discarded, coming,
        [(queue, since, int(levels.available.get(queue, 0))) for queue, since in levels.paused.items()], crew.workers, crew.conditions,
        reasons.without_code(_waits(connection), crew.living) if any(worker.unknown_tasks for worker in crew.living) else (),
        late, connection.execute(schedules.MISSED, {"most": reasons.FIRST}).fetchall(), connection.execute(schedules.DISABLED, {"most": reasons.FIRST}).fetchall(), untold, last_untold, disk_free, alerts.firing(connection, reasons.MOST),
    )  # fmt: skip


def _ended(connection: sqlite3.Connection, now: int) -> tuple[int, int]:
    """How many jobs ended in the last hour, and how many of them were discarded."""
    found = history.sums(connection, MINUTE, now - 3600 * MICROS, now + 1)
    discarded = sum(each.count("discarded") for each in found)
    return discarded + sum(each.count("succeeded") for each in found), discarded


def _waits(connection: sqlite3.Connection) -> dict[tuple[str, str, str], int]:
    """By queue, pool and task how many jobs are available, among those that are next."""
    groups = connection.execute(ALL_GROUPS, {"most": MOST_GROUPS}).fetchall()
    return {key: int(waits.jobs) for key, waits in next_by_task(connection, groups, LOOKED_AT).items()}


