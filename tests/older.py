"""Files as older versions left them, and the code of other versions, for tests of what is opened by which.

``data/version-2.sqlite`` was filled by the code of schema version 2, which kept no ledger: jobs in every state, one of
them running under a worker that died and one blocked behind it, a paused queue, schedules with their ticks, what a command
printed. Its times lie in November 2023, what is kept for later in 2100; it has small pages, so that it is short.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue.base.models import Settled
from litequeue.store import Store
from litequeue.store.schema import ledger
from litequeue.store.schema.ledger import Found, Migration
from litequeue.store.turn import Demand

from .support import ROOT, FakeClock, new_job

ADDITIVE = """CREATE TABLE litequeue_colours (name TEXT PRIMARY KEY) STRICT;
ALTER TABLE litequeue_jobs ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';
CREATE INDEX litequeue_jobs_colour ON litequeue_jobs (colour, id)"""


def rows(db: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """By a connection that is not litequeue's; committed."""
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        return connection.execute(sql, values).fetchall()


def made_by(version: int, db: Path) -> Path:
    """A file with the tables of a version as its own code made them: in WAL mode, owner-only, without a ledger."""
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE litequeue_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT")
        for migration in ledger.MIGRATIONS[:version]:
            for statement in ledger.statements(migration.sql):
                connection.execute(statement)
        connection.execute("INSERT INTO litequeue_meta VALUES ('schema_version', ?)", (str(version),))
        connection.execute("COMMIT")
    db.chmod(0o600)
    return db


def filled_by_version_2(db: Path) -> Path:
    """A copy of the stored file, with the lock that its dead worker left."""
    shutil.copy(ROOT / "tests/data/version-2.sqlite", db)
    db.chmod(0o600)
    ((lock,),) = rows(db, "SELECT lock_file FROM litequeue_workers WHERE name = 'dead'")
    folder = Path(f"{db}-workers")
    folder.mkdir(mode=0o700)
    (folder / lock).touch(mode=0o600)
    for suffix in ("-wal", "-shm"):
        Path(f"{db}{suffix}").unlink(missing_ok=True)
    return db


@contextlib.contextmanager
def older_code(version: int) -> Iterator[None]:
    """Inside the block this process knows no later version."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "MIGRATIONS", ledger.MIGRATIONS[:version])
        patch.setattr(ledger, "CURRENT", version)
        yield


@contextlib.contextmanager
def newer_code(*, min_reader: int, sql: str = ADDITIVE) -> Iterator[Migration]:
    """Inside the block this process, and what it forks, knows one version more."""
    further = Migration(ledger.CURRENT + 1, "further", sql, min_reader)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "MIGRATIONS", (*ledger.MIGRATIONS, further))
        patch.setattr(ledger, "CURRENT", further.number)
        yield further


@contextlib.contextmanager
def rules_of_version_2() -> Iterator[None]:
    """Inside the block files are judged as the code of that version did: by schema_version alone, when they are opened."""
    look = ledger.look
    with older_code(2), pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "look", lambda connection: Found(look(connection).version, None))
        patch.setattr(ledger, "may_write", lambda connection, path: True)
        yield


def serve(store: Store) -> None:
    """Enqueue a job; claim what there is, settle it."""
    now = FakeClock().now()
    job, _ = store.jobs.enqueue(new_job())
    claimed = store.jobs.turn(1, now, now + 60_000_000, demand=Demand({"thread": 10})).claimed
    assert job in [found.id for found in claimed]
    done = [Settled(found.id, found.attempt, now, now, "null", now, None) for found in claimed]
    assert store.jobs.turn(1, now, now, succeeded=done).lost == set()
    assert store.reports.state(job) == "succeeded"
