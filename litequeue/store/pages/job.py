"""One job: its life, what it printed last, and what there is around it.

Owns how much of each is read: the last attempts, 64 KB of output, a few of its neighbours.

Measured on 1,000,000 jobs: 1 to 2 ms, one that was discarded 4, for the sake of the others like it.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from ...base import search
from ...base.checks import aware, is_utf8
from ...base.counts import capped
from ...base.records import JobInfo, OutputPiece
from .. import holdups
from ..file import Database
from ..flows import Flows
from ..reports import Reports
from ..rules import DAY
from ..searching import Searching
from ..shown import Shown
from . import series
from .failures import FEW, failures, like
from .listed import related
from .lives import lanes
from .parts import FailureGroup, Range, Related
from .records import JobPage
from .secret_errors import masked_errors

ATTEMPTS: Final = 50
STEPS: Final = 200
OUTPUT: Final = 65_536  # characters
PIECES: Final = 16  # that are read at a time
FEW_JOBS: Final = 5
MOST_COUNTED: Final = 10_000
PATIENCE: Final = 0.005  # seconds in which others of its task are looked for

KEPT_UNTIL: Final = "SELECT prune_at FROM litequeue_jobs WHERE id = :id"
DUE: Final = "SELECT attempt, due_at FROM litequeue_attempts WHERE job_id = :id AND due_at IS NOT NULL ORDER BY attempt DESC LIMIT :most"
LAST_OUTPUT: Final = "SELECT max(attempt) FROM litequeue_output WHERE job_id = :id"
PRINTED: Final = f"""SELECT number, stream, at, substr(text, -{OUTPUT}), length(text) FROM litequeue_output
WHERE job_id = :id AND attempt = :attempt AND number < :before ORDER BY number DESC LIMIT :most"""
_TIME: Final = """CASE WHEN j.finished_at IS NOT NULL THEN j.finished_at WHEN j.state = 'running' THEN j.started_at
    WHEN j.state = 'blocked' THEN j.created_at ELSE j.run_at END"""
PARENTS: Final = f"""SELECT j.id, j.task, j.state, {_TIME} FROM litequeue_edges AS e JOIN litequeue_jobs AS j ON j.id = e.parent_id
WHERE e.child_id = :id ORDER BY e.position LIMIT :most"""
DEPENDANTS: Final = f"""SELECT j.id, j.task, j.state, {_TIME} FROM litequeue_edges AS e JOIN litequeue_jobs AS j ON j.id = e.child_id
WHERE e.parent_id = :id ORDER BY e.child_id LIMIT :most"""
PARENT_COUNT: Final = "SELECT count(*) FROM (SELECT 1 FROM litequeue_edges WHERE child_id = :id LIMIT :most)"
DEPENDANT_COUNT: Final = "SELECT count(*) FROM (SELECT 1 FROM litequeue_edges WHERE parent_id = :id LIMIT :most)"
OTHERS: Final = f"""SELECT j.id, j.task, j.state, {_TIME} FROM json_each(:ids) AS v CROSS JOIN litequeue_jobs AS j ON j.id = v.value ORDER BY v.key"""


class JobPages:
    """Pages of one file's jobs, one by one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reports, self._shown, self._flows = Reports(database), Shown(database), Flows(database)
        self._searching = Searching(database)

    def one(self, job: int, now: int, attempt: int | None) -> JobPage | None:
        """``attempt``: whose output is meant; None: the last that printed anything. None where there is no such job."""
        info = self._reports.job(job, ATTEMPTS)
        if info is None:
            return None
        others, run_times = list[int](), None
        if is_utf8(info.task):  # else SQL cannot be asked for it
            others = self._searching.find(search.of(task=info.task), now, limit=FEW_JOBS + 1, seconds=PATIENCE, newest_first=True).ids
        with self._database.read() as connection:
            (kept,) = connection.execute(KEPT_UNTIL, {"id": job}).fetchone() or (None,)
            due = {number: aware(at) for number, at in connection.execute(DUE, {"id": job, "most": ATTEMPTS}).fetchall()}
            if attempt is None:
                (attempt,) = connection.execute(LAST_OUTPUT, {"id": job}).fetchone()
            output, is_cut = ((), False) if attempt is None else _output(connection, job, attempt)
            parents, parent_count = _related(connection, PARENTS, PARENT_COUNT, job)
            dependants, dependant_count = _related(connection, DEPENDANTS, DEPENDANT_COUNT, job)
            if is_utf8(info.task):
                run_times, _ = series.histograms_in_a_day(connection, info.task, now)
            same_error = None if info.state != "discarded" else _same_error(connection, info, now)
            same_task = related(connection, OTHERS, ids=json.dumps([other for other in others if other != job][:FEW_JOBS]))
        return JobPage(
            info, lanes(info, due), None if info.finished_at is not None else holdups.why(self._database, info, now),
            self._reports.key_holder(job, now), self._flows.cause(job), None if kept is None else aware(kept),
            attempt, output, is_cut, self._shown.progress(job), self._shown.meta(job), tuple(self._shown.steps(job, STEPS)), self._flows.of_job(job),
            parents, parent_count, dependants, dependant_count, run_times if run_times is not None and run_times.total else None, same_error, same_task,
        )  # fmt: skip


def _output(connection: sqlite3.Connection, job: int, attempt: int) -> tuple[tuple[OutputPiece, ...], bool]:
    """The last of what it printed, and whether there is more before."""
    found: list[OutputPiece] = []
    room, before = OUTPUT, 2**63 - 1
    while room > 0:
        rows = connection.execute(PRINTED, {"id": job, "attempt": attempt, "before": before, "most": PIECES}).fetchall()
        for number, stream, at, text, length in rows:
            if room <= 0:
                return tuple(reversed(found)), True
            found.append(OutputPiece(attempt, number, stream, aware(at), text[-room:]))
            is_cut = length > room
            room, before = room - length, number
            if is_cut:
                return tuple(reversed(found)), True
        if len(rows) < PIECES:
            return tuple(reversed(found)), False
    more = connection.execute(PRINTED, {"id": job, "attempt": attempt, "before": before, "most": 1}).fetchone()
    return tuple(reversed(found)), more is not None


def _related(connection: sqlite3.Connection, jobs: str, count: str, job: int) -> tuple[tuple[Related, ...], int]:
    (many,) = connection.execute(count, {"id": job, "most": MOST_COUNTED + 1}).fetchone()
    return related(connection, jobs, id=job, most=FEW_JOBS), capped(many, MOST_COUNTED)


def _same_error(connection: sqlite3.Connection, info: JobInfo, now: int) -> FailureGroup | None:
    assert info.finished_at is not None
    range_: Range = "24h" if info.finished_at > aware(now - DAY) else "30d"
    error = masked_errors(connection, [info.id]).get(info.id, info.last_error or "")
    return like(failures(connection, series.pieces(range_, now), most=FEW, task=info.task).groups, info.task, error)
