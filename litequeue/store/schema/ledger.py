"""Which versions there are, which one a file has, and how it comes to the newest.

Owns the list of migrations and the row ``schema_version`` of ``litequeue_meta``. The statements of each version are in a
module of their own.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from ...base.errors import SchemaTooNew
from . import v1_queue, v2_schedules


@dataclass(frozen=True, slots=True)
class Migration:
    """What brings a file from the version before to this one."""

    number: int
    name: str
    sql: str


MIGRATIONS: Final[tuple[Migration, ...]] = (
    Migration(1, "the queue", v1_queue.SQL),
    Migration(2, "schedules", v2_schedules.SQL),
)
CURRENT: Final = len(MIGRATIONS)

_META = "CREATE TABLE IF NOT EXISTS litequeue_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT"
_HAS_META = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'litequeue_meta'"
_GET = "SELECT value FROM litequeue_meta WHERE key = 'schema_version'"
_PUT = """INSERT INTO litequeue_meta (key, value) VALUES ('schema_version', :version)
ON CONFLICT (key) DO UPDATE SET value = excluded.value"""
_COUNT = "SELECT count(*) FROM sqlite_master"


def version(connection: sqlite3.Connection) -> int:
    """The schema's version in this file; 0 where our tables are not."""
    if connection.execute(_HAS_META).fetchone() is None:
        return 0
    row = connection.execute(_GET).fetchone()
    return 0 if row is None else int(row[0])


def refuse_newer(found: int, path: str) -> None:
    """Raise SchemaTooNew for a version that this code does not know."""
    if found > CURRENT:
        raise SchemaTooNew(
            f"{path} has schema version {found}, this litequeue knows up to {CURRENT}: upgrade litequeue"
        )


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database holds nothing at all, ours or anyone's."""
    return bool(connection.execute(_COUNT).fetchone()[0] == 0)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to CURRENT inside the caller's write transaction: all of it or nothing."""
    found = version(connection)
    if found < CURRENT:
        connection.execute(_META)
        for migration in MIGRATIONS[found:]:
            for statement in statements(migration.sql):
                connection.execute(statement)
        connection.execute(_PUT, {"version": str(CURRENT)})


def statements(script: str) -> list[str]:
    """One by one: executescript() commits first, which would let a kill leave half a migration behind."""
    found, pending = [], ""
    for piece in script.split(";"):
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found
