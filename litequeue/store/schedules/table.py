"""The rows of schedules: added, changed, paused, removed, each or many in one transaction.

Owns ``litequeue_schedules``. A change that was worked out from a row is void where the row is no longer as it was read.
What may be changed where is ``app.schedules``' to say.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from ...base.bell import Address
from ...base.exact import Enqueued
from ...base.models import Fire, JobColumns, Planned, Step, TaskOrigin
from ..bells import everyone
from ..file import Database
from ..origins import record_origin
from .firing import BUSY
from .history import CLOSE_OF, insert_fired
from .keyed import of_schedule

# As SQL: since when all schedules of this file are paused, and those that come; NULL in any but a copy that is to fire none (``copies``).
PAUSED_AT: Final = "(SELECT CAST(value AS INTEGER) FROM litequeue_meta WHERE key = 'schedules_paused_at')"
# What becomes of a tick that cannot be on time, and who is told (options/schedules).
RULES: Final = ("catch_up", "grace", "overlap", "jitter", "on_failure", "mail_to")
COLUMNS: Final = (
    "name", "trigger", "task", "args", "kwargs", *JobColumns._fields, "expires", *RULES, "module", "directory", "anchor_at",
    "next_tick_at", "fires_at", "boot", "unique_key",
)  # fmt: skip

INSERT: Final = f"""INSERT INTO litequeue_schedules ({", ".join(COLUMNS)}, paused_at, created_at, updated_at)
VALUES ({", ".join(":" + column for column in COLUMNS)}, coalesce(:paused_at, {PAUSED_AT}), :now, :now)"""

REPLACE: Final = f"""UPDATE litequeue_schedules
SET {", ".join(f"{column} = :{column}" for column in COLUMNS)}, awaiting = 0, disabled_at = NULL,
    disabled_why = NULL, paused_at = coalesce(paused_at, :paused_at), revision = revision + 1, updated_at = :now
WHERE name = :name"""

# All but the time: for a schedule whose trigger is as it was.
KEPT_OVER_A_RESTART: Final = ("anchor_at", "next_tick_at", "fires_at", "boot")
AMEND: Final = f"""UPDATE litequeue_schedules
SET {", ".join(f"{column} = :{column}" for column in COLUMNS if column not in KEPT_OVER_A_RESTART)},
    paused_at = coalesce(paused_at, :paused_at), revision = revision + 1, updated_at = :now
WHERE name = :name"""

STORED: Final = f"""SELECT {", ".join(COLUMNS)}, id, revision, paused_at, disabled_at, awaiting
FROM litequeue_schedules WHERE name = :name"""
DECLARED_BY: Final = """SELECT id, name, revision FROM litequeue_schedules
WHERE module = :module AND directory = :directory AND disabled_at IS NULL"""
DECLARING: Final = """SELECT DISTINCT s.module, s.directory FROM litequeue_schedules AS s
WHERE s.module IS NOT NULL AND s.directory IS NOT NULL"""
REMOVE: Final = "DELETE FROM litequeue_schedules WHERE name = :name"
# Not those of jobs that have not ended: one that is blocked still waits for the one before it.
REMOVE_TICKS: Final = """DELETE FROM litequeue_ticks
WHERE schedule_id = :id AND (job_id IS NULL OR job_finished_at IS NOT NULL)"""
REMOVE_COUNTS: Final = "DELETE FROM litequeue_tick_counts WHERE schedule_id = :id"
PAUSE: Final = """UPDATE litequeue_schedules SET paused_at = coalesce(paused_at, :now), revision = revision + 1,
    updated_at = :now
WHERE name = :name"""
RESUME: Final = """UPDATE litequeue_schedules SET paused_at = NULL, disabled_at = NULL, disabled_why = NULL,
    next_tick_at = :next_tick_at, fires_at = :fires_at, awaiting = :awaiting, revision = revision + 1, updated_at = :now
WHERE name = :name AND revision = :revision"""
DISABLE: Final = """UPDATE litequeue_schedules
SET disabled_at = :now, disabled_why = :why, revision = revision + 1, updated_at = :now
WHERE id = :id AND revision = :revision AND disabled_at IS NULL"""

# -- reading -----------------------------------------------------------------------------------------

_SHOWN = f"""SELECT {", ".join("s." + column for column in COLUMNS)}, s.id, s.paused_at, s.disabled_at,
    s.disabled_why, s.awaiting, s.ticks, s.created_at,
    t.tick_at, t.outcome, t.reason, t.job_id, coalesce(t.job_state, j.state),
    (SELECT options FROM litequeue_tasks AS o WHERE o.name = s.task)
FROM litequeue_schedules AS s
LEFT JOIN litequeue_ticks AS t ON t.schedule_id = s.id AND t.tick_at = (
    SELECT max(tick_at) FROM litequeue_ticks WHERE schedule_id = s.id)
LEFT JOIN litequeue_jobs AS j ON j.id = t.job_id"""
LIST: Final = f"{_SHOWN} ORDER BY s.name"
SHOW: Final = f"{_SHOWN} WHERE s.name = :name"

TICKS: Final = """SELECT t.tick_at, t.through_at, t.decided_at, t.outcome, t.reason, t.job_id,
    coalesce(t.job_state, j.state), coalesce(t.job_finished_at, j.finished_at), j.started_at, j.last_error
FROM litequeue_ticks AS t LEFT JOIN litequeue_jobs AS j ON j.id = t.job_id
WHERE t.schedule_id = (SELECT id FROM litequeue_schedules WHERE name = :name)
  AND (:before IS NULL OR t.tick_at < :before)
ORDER BY t.tick_at DESC LIMIT :limit"""


class Stored(NamedTuple):
    """A schedule's row as it stands."""

    values: dict[str, Any]
    id: int
    revision: int
    paused_at: int | None
    disabled_at: int | None
    awaiting: int


class Change(NamedTuple):
    """A row to be written."""

    values: dict[str, Any]
    now: int
    known: Stored | None = None  # what this was worked out from; None: there was none of that name
    origin: TaskOrigin | None = None
    retime: bool = True  # also its anchor and next tick
    paused: bool = False  # from now on; one that is paused stays so

    def is_void(self, found: Stored | None) -> bool:
        """Whether the row is no longer as it was."""
        known = self.known
        if known is None or found is None:
            return found is not known
        if (found.id, found.revision) != (known.id, known.revision):
            return True
        # A tick that was fired must not come again.
        return self.retime and found.values["next_tick_at"] != known.values["next_tick_at"]


class Schedules:
    """The table of schedules."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- what people and code do -------------------------------------------------------------------

    def stored(self, name: str) -> Stored | None:
        with self._database.read() as connection:
            return _stored(connection, name)

    def write(self, changes: Sequence[Change], removed: Iterable[str] = ()) -> tuple[list[int], list[Address]]:
        """Make all of these changes, and delete what is to be ``removed``, if none of them is void; else nothing.

        The numbers of those that are, and whom to wake.
        """
        with self._database.write(durable=True) as connection:
            void = [n for n, change in enumerate(changes) if change.is_void(_stored(connection, change.values["name"]))]
            if not void:
                for change in changes:
                    _make(connection, change)
                for name in removed:
                    _remove(connection, name)
            return void, everyone(connection)

    def pause(self, name: str, now: int) -> bool:
        with self._database.write(durable=True) as connection:
            return connection.execute(PAUSE, {"name": name, "now": now}).rowcount > 0

    def resume(self, known: Stored, next_tick: int | None, fires_at: int | None, now: int) -> list[Address] | None:
        """Undo a pause or a disablement; the next tick is counted from now, or from the end of the job that runs.

        Whom to wake; None if it is not as it was ``known``.
        """
        with self._database.write(durable=True) as connection:
            (busy,) = connection.execute(BUSY, {"schedules": json.dumps([known.id])}).fetchone()
            awaiting = bool(known.awaiting) and busy != "[]"
            count = connection.execute(
                RESUME,
                {
                    "name": known.values["name"], "revision": known.revision, "now": now, "awaiting": int(awaiting),
                    "next_tick_at": None if awaiting else next_tick, "fires_at": None if awaiting else fires_at,
                },
            ).rowcount  # fmt: skip
            return everyone(connection) if count else None

    def run_now(self, name: str, now: int) -> tuple[Enqueued, list[Address]] | None:
        """Make a job of a schedule now, beside its ticks, or find the one that has its key; and whom to wake. None if there is no such schedule."""
        with self._database.write(durable=True) as connection:
            known = _stored(connection, name)
            if known is None:
                return None
            holder = of_schedule(connection, known.id, now)
            if holder is not None:
                return Enqueued(holder, False), []
            tick = now
            while self._is_taken(connection, name, tick):
                tick += 1  # two within a microsecond
            fired = insert_fired(connection, [Fire(known.id, tick, "available", "manual")], [], now)
            return Enqueued(fired[0][2], True), everyone(connection)

    @staticmethod
    def _is_taken(connection: sqlite3.Connection, name: str, tick: int) -> bool:
        rows = connection.execute(TICKS, {"name": name, "before": tick + 1, "limit": 1}).fetchall()
        return bool(rows) and rows[0][0] == tick

    def disable(self, schedule: Planned | Step | Stored, why: str, now: int) -> None:
        """Take a schedule out of service that cannot be worked out."""
        with self._database.write(durable=True) as connection:
            connection.execute(
                DISABLE, {"id": schedule.id, "revision": schedule.revision, "why": why, "now": now}
            )

    # -- declared in code ----------------------------------------------------------------------------

    def declaring(self) -> list[tuple[str, str]]:
        """The modules, with their directories, that declared schedules of this file; also what they have no more, and may have again."""
        with self._database.read() as connection:
            return [(module, directory) for module, directory in connection.execute(DECLARING).fetchall()]

    def withdraw(self, module: str, directory: str, declared: Iterable[str], why: str, now: int) -> list[str]:
        """Disable what a module declared once and does not declare any more. Which."""
        keep = set(declared)
        where = {"module": module, "directory": directory}
        with self._database.read() as connection:
            rows = connection.execute(DECLARED_BY, where).fetchall()
        if all(name in keep for _, name, _ in rows):
            return []
        with self._database.write(durable=True) as connection:
            rows = connection.execute(DECLARED_BY, where).fetchall()
            gone = [row for row in rows if row[1] not in keep]
            for id_, _, revision in gone:
                connection.execute(DISABLE, {"id": id_, "revision": revision, "why": why, "now": now})
        return [name for _, name, _ in gone]

    # -- reading ---------------------------------------------------------------------------------------

    def rows(self, name: str | None = None) -> list[tuple[Any, ...]]:
        """The rows of LIST, or of SHOW."""
        with self._database.read() as connection:
            if name is None:
                return connection.execute(LIST).fetchall()
            return connection.execute(SHOW, {"name": name}).fetchall()

    def ticks(self, name: str, before: int | None, limit: int) -> list[tuple[Any, ...]]:
        with self._database.read() as connection:
            parameters = {"name": name, "before": before, "limit": limit}
            return connection.execute(TICKS, parameters).fetchall()


def _stored(connection: sqlite3.Connection, name: str) -> Stored | None:
    row = connection.execute(STORED, {"name": name}).fetchone()
    if row is None:
        return None
    count = len(COLUMNS)
    return Stored(dict(zip(COLUMNS, row[:count], strict=True)), *row[count:])


def _make(connection: sqlite3.Connection, change: Change) -> None:
    if change.origin is not None:
        record_origin(connection, change.origin, change.now)
    statement = INSERT if change.known is None else REPLACE if change.retime else AMEND
    paused_at = change.now if change.paused else None
    connection.execute(statement, {**change.values, "paused_at": paused_at, "now": change.now})


def _remove(connection: sqlite3.Connection, name: str) -> None:
    """A schedule, if it is there, and its history; its jobs stay."""
    known = _stored(connection, name)
    if known is not None:
        connection.execute(CLOSE_OF, {"schedules": json.dumps([known.id])})
        connection.execute(REMOVE_TICKS, {"id": known.id})
        connection.execute(REMOVE_COUNTS, {"id": known.id})
        connection.execute(REMOVE, {"name": name})
