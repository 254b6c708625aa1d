"""The workers as they are now, those that stopped in the last day, and one of them.

Owns what is busy: a worker holds up to a thousand claimed jobs beyond its slots, and no slot runs two. Its memory is asked of the host, if that is ours.

Of several workers nobody counts who ended how much, so that only one which was alone in the last whole minute has a rate.
"""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ...base.records import WorkerInfo
from .. import waiting
from ..file import Database
from ..inspection import Condition, Inspection
from ..reports import WORKER_COLUMNS, Reports, worker_of
from ..rules import DAY
from ..workers import resident
from . import series
from .listed import listed, related
from .parts import Related, WorkerRow
from .records import WorkerPage, WorkersPage

MOST: Final = 200  # that live
MOST_STOPPED: Final = 50
MOST_RUNNING: Final = 10_000  # jobs that are counted
RUNS: Final = 3  # jobs that a row shows
ON_A_PAGE: Final = 50
LOOKED_AT: Final = 10_000  # jobs, among which those are looked for that a worker ended: 6 ms

BUSY: Final = """SELECT worker_id, pool, count(*) FROM (
    SELECT worker_id, pool FROM litequeue_jobs INDEXED BY litequeue_jobs_running WHERE state = 'running' LIMIT :most) GROUP BY worker_id, pool"""
LONGEST: Final = """SELECT id, task, state, started_at FROM (
    SELECT id, task, state, started_at FROM litequeue_jobs INDEXED BY litequeue_jobs_running
    WHERE state = 'running' AND worker_id = :worker LIMIT 2000) ORDER BY started_at, id LIMIT :most"""
STOPPED: Final = f"""SELECT {WORKER_COLUMNS} FROM litequeue_workers
WHERE stopped_at IS NOT NULL AND stopped_at >= :since ORDER BY id DESC LIMIT :most"""
WORKER: Final = f"SELECT {WORKER_COLUMNS} FROM litequeue_workers WHERE id = :worker"
# What it ended last lies near what it runs, wherever among the jobs that is.
NEAR: Final = "SELECT max(id) FROM litequeue_jobs INDEXED BY litequeue_jobs_running WHERE state = 'running' AND worker_id = :worker"
ENDED: Final = """SELECT json_group_array(id) FROM (SELECT id FROM (
        SELECT id, worker_id, finished_at FROM litequeue_jobs WHERE id <= :near ORDER BY id DESC LIMIT :looked)
    WHERE worker_id = :worker AND finished_at IS NOT NULL ORDER BY finished_at DESC, id DESC LIMIT :most)"""


class Crew(NamedTuple):
    """Those that have not signed off."""

    workers: Sequence[WorkerInfo]
    conditions: Mapping[int, Condition]
    busy: Mapping[int, Mapping[str, int]]  # slots, by worker and pool

    @property
    def slots(self) -> int:
        return sum(sum(worker.slots.values()) for worker in self.living)

    @property
    def slots_busy(self) -> int:
        return sum(sum(self.busy[worker.id].values()) for worker in self.living)

    @property
    def living(self) -> list[WorkerInfo]:
        return waiting.alive(self.workers, self.conditions)


def crew(database: Database, now: int) -> Crew:
    found = Reports(database).workers(now)[:MOST]
    with database.read() as connection:
        rows = connection.execute(BUSY, {"most": MOST_RUNNING}).fetchall()
    held: dict[int, dict[str, int]] = {}
    for worker, pool, many in rows:
        held.setdefault(worker, {})[pool] = many
    return Crew(found, Inspection(database).conditions(now), {worker.id: _busy(worker, held.get(worker.id, {})) for worker in found})


def _busy(worker: WorkerInfo, held: Mapping[str, int]) -> dict[str, int]:
    return {pool: min(held.get(pool, 0), slots) for pool, slots in worker.slots.items() if slots > 0}


def rows(database: Database, found: Crew, now: int) -> tuple[WorkerRow, ...]:
    with database.read() as connection:
        rate = _rate(connection, now)
        runs = {
            worker.id: related(connection, LONGEST, worker=worker.id, most=RUNS) for worker in found.workers
        }
    return tuple(_row(worker, found.conditions.get(worker.id), found.busy[worker.id], runs[worker.id], rate, now) for worker in found.workers)


def _row(
    worker: WorkerInfo, condition: Condition | None, busy: Mapping[str, int], runs: Sequence[Related], rate: tuple[int, float] | None, now: int
) -> WorkerRow:
    note = "" if condition is None else waiting.word(condition, now)
    is_here = condition is not None and not condition.dead and worker.host == socket.gethostname()
    its_rate = rate[1] if rate is not None and rate[0] == worker.id else None
    return WorkerRow(worker, note, busy, its_rate, resident(worker.pid) if is_here else None, tuple(runs))


def _rate(connection: sqlite3.Connection, now: int) -> tuple[int, float] | None:
    """Of the one worker that was there in the last whole minute."""
    there = series.served_by(connection, now)
    return (there[0], sum(series.rates(connection, "queue", now).counts.values())) if len(there) == 1 else None


class Crews:
    """Pages of one file's workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, now: int) -> WorkersPage:
        with self._database.read() as connection:
            stopped = connection.execute(STOPPED, {"since": now - DAY, "most": MOST_STOPPED}).fetchall()
        live = rows(self._database, crew(self._database, now), now)
        return WorkersPage(live, tuple(_row(worker_of(row, {}), None, {}, (), None, now) for row in stopped))

    def one(self, worker: int, now: int) -> WorkerPage | None:
        """None where there is no such worker, or none any more."""
        row = next((row for row in rows(self._database, crew(self._database, now), now) if row.info.id == worker), None)
        with self._database.read() as connection:
            stored = connection.execute(WORKER, {"worker": worker}).fetchone()
            if stored is None:
                return None
            row = row or _row(worker_of(stored, {}), None, {}, (), None, now)
            running = [id_ for id_, *_ in connection.execute(LONGEST, {"worker": worker, "most": ON_A_PAGE}).fetchall()]
            (near,) = connection.execute(NEAR, {"worker": worker}).fetchone()
            asked = {"worker": worker, "near": 2**63 - 1 if near is None else near, "looked": LOOKED_AT, "most": ON_A_PAGE}
            (ended,) = connection.execute(ENDED, asked).fetchone()
            return WorkerPage(row, listed(connection, running), listed(connection, json.loads(ended)))
