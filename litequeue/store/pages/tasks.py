"""The tasks and how they did, and one of them.

Owns which workers lack one. Measured on 1,000,000 jobs with 16 pairs of task and queue: all of them 1.4 ms, of a day 4.5, one 2 to 6; with a hundred pairs 6 and 16.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from ...base import search
from ...base.checks import aware, is_utf8
from ...base.history import EVER
from ...base.records import WorkerInfo
from .. import history
from ..file import Database
from ..history import Sums
from ..reports import Reports
from ..searching import Searching
from . import names, schedules, series
from .failures import FEW, failures
from .listed import listed
from .parts import Range, TaskRow
from .records import TaskPage, TasksPage
from .series import Pieces

LAST: Final = 50
PATIENCE: Final = 0.01  # seconds in which the last jobs of a task are looked for
FAILURES: Final = 10
SCHEDULES: Final = 50

ORIGINS: Final = "SELECT name, module, directory, recorded_at FROM litequeue_tasks WHERE name IN (SELECT value FROM json_each(:names))"
WAS_COUNTED: Final = "SELECT 1 FROM litequeue_metrics WHERE span = :span AND at = 0 AND task = :task LIMIT 1"


def _origins(connection: sqlite3.Connection, tasks: Sequence[str]) -> dict[str, tuple[str, str, int]]:
    rows = connection.execute(ORIGINS, {"names": json.dumps(tasks)}).fetchall()
    return {name: (module, directory, at) for name, module, directory, at in rows}


def _row(name: str, origin: tuple[str, str, int] | None, found: Pieces, sums: Iterable[Sums], rate: float | None, lacking: int) -> TaskRow:
    module, directory, at = (None, None, None) if origin is None else (origin[0] or None, origin[1] or None, aware(origin[2]))
    return TaskRow(name, module, directory, at, series.totals(sums), series.ended(sums, found), rate, lacking)


class Tasks:
    """Pages of one file's tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._searching = Searching(database)

    def all(self, range_: Range, now: int) -> TasksPage:
        found = series.pieces(range_, now)
        workers = Reports(self._database).workers()
        lacking = Counter(task for worker in workers for task in worker.unknown_tasks)
        with self._database.read() as connection:
            tasks = names.tasks(connection)
            origins = _origins(connection, tasks)
            sums = history.sums_by(connection, "task", found.span, found.since, found.until)
            rates = series.rates(connection, "task", now)
        return TasksPage(tuple(_row(name, origins.get(name), found, sums.get(name, ()), rates.of(name), lacking[name]) for name in tasks))

    def one(self, name: str, range_: Range, now: int) -> TaskPage | None:
        """None where nobody has ever heard of it."""
        if not is_utf8(name):
            return None
        found = series.pieces(range_, now)
        last = self._searching.find(search.of(task=name), now, limit=LAST, seconds=PATIENCE, newest_first=True).ids
        with self._database.read() as connection:
            origin = _origins(connection, [name]).get(name)
            if origin is None and not last and connection.execute(WAS_COUNTED, {"span": EVER, "task": name}).fetchone() is None:
                return None
            over_time = series.series(connection, range_, now, task=name)
            rate = series.rates(connection, "task", now).of(name)
            runs, waits = series.histograms_in_a_day(connection, name, now)
            failed = failures(connection, found, most=FEW, task=name).groups[:FAILURES]
            jobs = listed(connection, last)
            made_by = [name for (name,) in connection.execute(schedules.OF_TASK, {"task": name, "most": SCHEDULES}).fetchall()]
        lacking = _lacking(Reports(self._database).workers(), name)
        row = dataclasses.replace(_row(name, origin, found, (), rate, len(lacking)), totals=over_time.totals, ended=tuple(point.ended for point in over_time.points))
        return TaskPage(row, over_time, runs, waits, jobs, lacking, failed, tuple(made_by))


def _lacking(workers: Iterable[WorkerInfo], task: str) -> tuple[tuple[int, str, str], ...]:
    return tuple((worker.id, worker.name, worker.unknown_tasks[task]) for worker in workers if task in worker.unknown_tasks)
