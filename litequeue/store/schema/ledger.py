"""Which versions there are, which of them were applied to a file, and who may still work on it.

Owns the list of migrations, the tables ``litequeue_meta`` and ``litequeue_migrations``, and the judgement of a file that
newer code has migrated, and of ids that have come to their end. The statements of each version are in a module of their own;
the rules that a new one has to keep are in this folder's docstring. Opens and commits nothing: every function works in the caller's transaction.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Final, NamedTuple

from ...base.errors import DatabaseCorrupt, SchemaTooNew
from ...base.version import VERSION
from . import (
    v1_queue,
    v2_schedules,
    v3_listening,
    v4_links,
    v5_steps_and_callbacks,
    v6_workflows_in_batches,
    v7_after_a_wait,
    v8_unique_jobs,
    v9_limits,
    v10_enqueue_by_sql,
    v11_progress,
    v12_tags,
    v13_headers,
    v14_usage,
    v15_history,
    v16_moved,
    v17_alerts,
    v18_printed,
)

# Whose ids SQLite counts on from the highest there ever was. No queue comes to half of them.
NUMBERED: Final = ("litequeue_jobs", "litequeue_schedules", "litequeue_workers", "litequeue_flows")
_HIGHEST: Final = 2**63 - 1
_BEYOND: Final = 2**62
_LAST_ID = """SELECT max(ifnull((SELECT max(id) FROM {table}), 0),
    ifnull((SELECT seq FROM sqlite_sequence WHERE name = '{table}' AND typeof(seq) = 'integer'), 0))"""


class Migration(NamedTuple):
    """What brings a file from the version before to this one."""

    number: int
    name: str
    sql: str
    min_reader: int  # the oldest version whose code may work on the file from then on


MIGRATIONS: Final[tuple[Migration, ...]] = (
    Migration(1, "the queue", v1_queue.SQL, min_reader=1),
    # Code of version 1 would never let go a job that is blocked by the one of an earlier tick.
    Migration(2, "schedules", v2_schedules.SQL, min_reader=2),
    Migration(3, "listening", v3_listening.SQL, min_reader=2),
    # Older code would run a step without the results that it is to be given.
    Migration(4, "links", v4_links.SQL, min_reader=4),
    Migration(5, "steps and callbacks", v5_steps_and_callbacks.SQL, min_reader=4),
    Migration(6, "workflows in batches", v6_workflows_in_batches.SQL, min_reader=4),
    Migration(7, "after a wait", v7_after_a_wait.SQL, min_reader=4),
    Migration(8, "unique jobs", v8_unique_jobs.SQL, min_reader=4),
    # Older code would let limited jobs run without a slot.
    Migration(9, "limits", v9_limits.SQL, min_reader=9),
    Migration(10, "enqueue by SQL", v10_enqueue_by_sql.SQL, min_reader=9),
    Migration(11, "progress", v11_progress.SQL, min_reader=9),
    Migration(12, "tags", v12_tags.SQL, min_reader=9),
    Migration(13, "headers", v13_headers.SQL, min_reader=9),
    Migration(14, "usage", v14_usage.SQL, min_reader=9),
    Migration(15, "history", v15_history.SQL, min_reader=9),
    Migration(16, "moved", v16_moved.SQL, min_reader=9),
    Migration(17, "alerts", v17_alerts.SQL, min_reader=9),
    Migration(18, "in the order of printing", v18_printed.SQL, min_reader=9),
)
CURRENT: Final = len(MIGRATIONS)

META: Final = "litequeue_meta"
_META = "CREATE TABLE IF NOT EXISTS litequeue_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT"
_HAS_META = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'litequeue_meta'"
_GET = "SELECT value FROM litequeue_meta WHERE key = :key"
_PUT = """INSERT INTO litequeue_meta (key, value) VALUES (:key, :value)
ON CONFLICT (key) DO UPDATE SET value = excluded.value"""
_LEDGER = """CREATE TABLE IF NOT EXISTS litequeue_migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    min_reader INTEGER NOT NULL,          -- the oldest version whose code may work on the file from then on
    applied_at INTEGER,                   -- NULL: before there was a ledger
    applied_by TEXT                       -- litequeue's version; NULL: as above
) STRICT"""
OWN_TABLES: Final = (_META, _LEDGER)
_RECORD = """INSERT INTO litequeue_migrations (version, name, min_reader, applied_at, applied_by)
VALUES (:version, :name, :min_reader, :now, :by) ON CONFLICT (version) DO NOTHING"""
_COUNT = "SELECT count(*) FROM sqlite_master"
_PATH = "SELECT file FROM pragma_database_list WHERE name = 'main'"
_VERSION: Final = re.compile("[0-9]{1,9}")


class Found(NamedTuple):
    """What a file says of itself."""

    version: int  # 0: our tables are not there
    min_reader: int | None  # None: nobody who keeps the ledger has written there

    @property
    def needs(self) -> int:
        """The version that code must know to work on the file."""
        return self.version if self.min_reader is None else self.min_reader


def look(connection: sqlite3.Connection) -> Found:
    """The version of a file, and what it takes to work on it."""
    if connection.execute(_HAS_META).fetchone() is None:
        return Found(0, None)
    return Found(_get(connection, "schema_version") or 0, _get(connection, "min_reader"))


def refuse_newer(found: Found, path: str) -> None:
    """Raise SchemaTooNew for a file on which this code cannot work; one that is newer may be fit for it."""
    if found.needs > CURRENT:
        least = "" if found.min_reader is None else f", and {found.min_reader} is the oldest that may use it"
        raise SchemaTooNew(
            f"{path} has schema version {found.version}, this litequeue knows up to {CURRENT}{least}: upgrade litequeue, "
            "here and wherever else this file is used"
        )


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database holds nothing at all, ours or anyone's."""
    return bool(connection.execute(_COUNT).fetchone()[0] == 0)


def migrate(connection: sqlite3.Connection, now: int) -> bool:
    """Bring the file to CURRENT inside the caller's write transaction: all of it or nothing.

    Whether ``min_reader`` rose, so that somebody who has the file open may have to stop.
    """
    found = look(connection)
    if found.version >= CURRENT:
        return False
    connection.execute(_META)
    _begin(connection, found.version)
    for migration in MIGRATIONS[found.version :]:
        for statement in statements(migration.sql):
            connection.execute(statement)
        _record(connection, migration, now, VERSION)
    _put(connection, "schema_version", CURRENT)
    _put(connection, "min_reader", _needs(CURRENT))
    # Where there was none, nobody has written who would look again.
    return found.min_reader is not None and _needs(CURRENT) > found.min_reader


def may_write(connection: sqlite3.Connection, path: str) -> bool:
    """Raise SchemaTooNew if newer code has shut us out; in a file without a ledger, begin one.

    For the inside of a write transaction. False if it began one: that may yet be rolled back.
    """
    needs = _get(connection, "min_reader")
    if needs is not None and needs <= CURRENT:
        return True
    found = look(connection)
    refuse_newer(found, path)
    _begin(connection, found.version)
    return False


def _begin(connection: sqlite3.Connection, version: int) -> None:
    """Make the ledger of a file that has come to ``version`` without one."""
    connection.execute(_LEDGER)
    for migration in MIGRATIONS[:version]:
        _record(connection, migration, None, None)
    if version:
        _put(connection, "min_reader", _needs(version))


def _needs(version: int) -> int:
    return max(migration.min_reader for migration in MIGRATIONS[:version])


def _record(connection: sqlite3.Connection, migration: Migration, now: int | None, by: str | None) -> None:
    row = {"version": migration.number, "name": migration.name, "min_reader": migration.min_reader, "now": now, "by": by}
    connection.execute(_RECORD, row)


def _get(connection: sqlite3.Connection, key: str) -> int | None:
    row = connection.execute(_GET, {"key": key}).fetchone()
    if row is None:
        return None
    value = str(row[0])
    if not _VERSION.fullmatch(value):
        path = connection.execute(_PATH).fetchone()[0]
        raise DatabaseCorrupt(
            f"{path} says that its {key} is {value!r:.60}, which is no version: somebody else than litequeue has written that "
            "into litequeue_meta. Restore a backup"
        )
    return int(value)


def _put(connection: sqlite3.Connection, key: str, value: int) -> None:
    connection.execute(_PUT, {"key": key, "value": str(value)})


def used_up(connection: sqlite3.Connection, path: str) -> str | None:
    """In which table somebody has put an id so high that SQLite finds none for the next row, and calls the disk full; else None."""
    import shlex  # for the few who see this

    for table in NUMBERED:
        (last,) = connection.execute(_LAST_ID.format(table=table)).fetchone()
        if last >= _BEYOND:
            # Where only a row has that id, the count is still good: ids of rows that are gone must not come again.
            rest = f"(SELECT ifnull(max(id), 0) FROM {table}) WHERE name = '{table}' AND seq >= {_BEYOND}"
            sql = f"DELETE FROM {table} WHERE id >= {_BEYOND}; UPDATE sqlite_sequence SET seq = {rest}"
            return (
                f"{table} has come to id {last}, and ends at {_HIGHEST}: somebody else than litequeue has put that there. Restore a "
                f'backup, or take it out: sqlite3 {shlex.quote(path)} "{sql}"'
            )
    return None


def statements(script: str) -> list[str]:
    """One by one: executescript() commits first, which would let a kill leave half a migration behind."""
    found, pending = [], ""
    for piece in script.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
