"""The ledger in a file: what it records, when it is made, and that looking makes none."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

import pytest

import litequeue
from litequeue import CannotOpen, DatabaseCorrupt, LiteQueue
from litequeue.cli import exits
from litequeue.store import Store
from litequeue.store.schema import ledger

from ... import faults
from ...older import filled_by_version_2, made_by, newer_code, rows
from ...prepared import litequeue as command_line
from ...support import new_job

pytestmark = pytest.mark.beside

LEDGER = "SELECT * FROM litequeue_migrations ORDER BY version"
HAS_LEDGER = "SELECT name FROM sqlite_schema WHERE name = 'litequeue_migrations'"
NEEDS = str(ledger._needs(ledger.CURRENT))
MIN_READER = "SELECT value FROM litequeue_meta WHERE key = 'min_reader'"


def without_ledger(db: Path) -> Path:
    """A file that is up to date, as code wrote it that kept none."""
    Store(str(filled_by_version_2(db))).open_and_close()
    rows(db, "DROP TABLE litequeue_migrations")
    rows(db, "DELETE FROM litequeue_meta WHERE key = 'min_reader'")
    rows(db, "PRAGMA wal_checkpoint(TRUNCATE)")
    Path(f"{db}-lock").unlink()
    return db


def test_the_list_of_migrations_is_in_order_and_asks_for_no_version_that_is_yet_to_come() -> None:
    assert [migration.number for migration in ledger.MIGRATIONS] == list(range(1, ledger.CURRENT + 1))
    for migration in ledger.MIGRATIONS:
        assert 1 <= migration.min_reader <= migration.number
        assert migration.name


def test_a_new_file_says_what_was_applied_when_and_by_which_litequeue(store: Store, db: Path) -> None:
    before = time.time_ns() // 1000
    store.open_and_close()
    found = rows(db, LEDGER)
    assert [row[:3] for row in found] == [(m.number, m.name, m.min_reader) for m in ledger.MIGRATIONS]
    for *_, applied_at, applied_by in found:
        assert before <= applied_at <= time.time_ns() // 1000
        assert applied_by == litequeue.__version__
    assert rows(db, MIN_READER) == [(NEEDS,)]


def test_of_what_was_applied_before_there_was_a_ledger_it_says_that_it_does_not_know(db: Path) -> None:
    Store(str(made_by(1, db))).open_and_close()
    first, *others = rows(db, LEDGER)
    assert first == (1, "the queue", 1, None, None)
    assert len(others) == ledger.CURRENT - 1
    assert all(applied_at is not None and by == litequeue.__version__ for *_, applied_at, by in others)


def test_opening_a_file_that_is_up_to_date_writes_nothing_and_asks_for_no_lock(store: Store, db: Path) -> None:
    store.jobs.enqueue(new_job())
    store.close()
    Path(f"{db}-lock").unlink()
    before = faults.digest(db)
    for adopt in (True, False):
        Store(str(db), create=adopt, adopt=adopt).open_and_close()
    assert not Path(f"{db}-lock").exists()
    assert faults.digest(db) == before


def test_looking_at_a_file_without_a_ledger_writes_nothing_and_the_first_write_begins_it(db: Path) -> None:
    without_ledger(db)
    before = faults.digest(db)
    for command in ("stats", "jobs", "schedules"):
        done = command_line(command, db)
        assert (done.returncode, done.stderr) == (0, "")
    assert not Path(f"{db}-lock").exists()
    assert faults.digest(db) == before
    with LiteQueue(db) as app:
        app.enqueue("t")
        assert rows(db, LEDGER) == [(m.number, m.name, m.min_reader, None, None) for m in ledger.MIGRATIONS]
    assert rows(db, MIN_READER) == [(NEEDS,)]


def test_a_ledger_that_is_rolled_back_with_the_first_write_is_begun_by_the_next(db: Path) -> None:
    store = Store(str(without_ledger(db)))
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), store.database.write(durable=True) as connection:
            assert connection.execute(HAS_LEDGER).fetchall()
            _ = 1 / 0
        assert rows(db, HAS_LEDGER) == []
    store.jobs.enqueue(new_job())
    assert len(rows(db, LEDGER)) == ledger.CURRENT
    store.close()


@pytest.mark.slow
def test_a_file_without_a_ledger_can_be_looked_at_on_a_read_only_disk(tmp_path: Path) -> None:
    with faults.small_disk(tmp_path / "disk") as disk:
        db = without_ledger(disk.path / "db")
        disk.read_only()
        before = faults.digest(db)
        for words in (("stats", db), ("jobs", db), ("schedules", db), ("job", db, "5")):
            done = command_line(*words)
            assert (done.returncode, done.stderr) == (0, "")
        with pytest.raises(CannotOpen, match=str(db)):
            LiteQueue(db).enqueue("t")
        assert faults.digest(db) == before


def test_a_newer_version_records_itself_beside_what_was_there(store: Store, db: Path) -> None:
    store.open_and_close()
    known = rows(db, LEDGER)
    with newer_code(min_reader=2) as further:
        Store(str(db)).open_and_close()
    *before, last = rows(db, LEDGER)
    assert before == known
    assert last[:3] == (further.number, "further", 2)
    assert rows(db, MIN_READER) == [(NEEDS,)]


@pytest.mark.parametrize("announced", ["the folder", "the lock"])
def test_no_file_is_migrated_past_those_who_cannot_be_told(
    store: Store, db: Path, monkeypatch: pytest.MonkeyPatch, announced: str
) -> None:
    store.jobs.enqueue(new_job())
    before = rows(db, "SELECT key, value FROM litequeue_meta")

    def refuse(*words: object, **more: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with newer_code(min_reader=ledger.CURRENT + 1):
        monkeypatch.setattr(os, *(("utime", refuse) if announced == "the folder" else ("ftruncate", refuse)))
        with pytest.raises(CannotOpen, match="could not be told: make .*-lock and its folder writable"):
            Store(str(db)).open_and_close()
        monkeypatch.undo()
    assert rows(db, "SELECT key, value FROM litequeue_meta") == before
    store.jobs.enqueue(new_job())


@pytest.mark.parametrize("key", ["schema_version", "min_reader"])
@pytest.mark.parametrize("value", ["abc", "", "-5", "9" * 5000])
def test_a_version_that_is_none_is_damage_and_says_where_it_stands(db: Path, key: str, value: str) -> None:
    Store(str(db)).open_and_close()
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE litequeue_meta SET value = ? WHERE key = ?", (value, key))
    with pytest.raises(DatabaseCorrupt, match=f"db.* says that its {key} is .* which is no version: .* litequeue_meta") as raised:
        Store(str(db)).open_and_close()
    assert exits.code_of(raised.value) == exits.DAMAGED
    assert rows(db, f"SELECT value FROM litequeue_meta WHERE key = '{key}'") == [(value,)]
