"""An id of which SQLite finds no next one, in any table of ours: it says that the disk is full, and we what it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base import errors
from litequeue.doctor.examining import examine
from litequeue.store import Store
from litequeue.store.file import sqlerrors

from ...support import new_job

pytestmark = pytest.mark.beside

HIGHEST = 2**63 - 1


def register(store: Store) -> None:
    store.workers.register(name="w", host="h", wake_port=None, queues=None, slots={}, now=1).close()


def fill(db: Path) -> Store:
    """One row in each table, and its store."""
    with LiteQueue(db) as app:
        app.schedules.add("one", "t", every="1h")
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    register(store)
    return store


def declare(db: Path) -> None:
    with LiteQueue(db) as app:
        app.schedules.add("another", "t", every="1h")


ACTS = {
    "litequeue_jobs": lambda store: store.jobs.enqueue(new_job()),
    "litequeue_workers": register,
    "litequeue_schedules": lambda store: declare(Path(store.path)),
}


@pytest.mark.parametrize("planted", ["UPDATE {0} SET id = {1}", "UPDATE sqlite_sequence SET seq = {1} WHERE name = '{0}'"])
@pytest.mark.parametrize("table", ACTS)
def test_an_id_that_is_the_last_is_told_with_what_takes_it_out(db: Path, table: str, planted: str) -> None:
    store = fill(db)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute(planted.format(table, HIGHEST))
    with pytest.raises(errors.DatabaseCorrupt, match=f"{table} has come to id {HIGHEST}") as caught:
        ACTS[table](store)
    said = [text for check, level, text in examine(str(db), full=False) if check == "integrity" and level == "damaged"]
    assert any(f"{table} has come to id {HIGHEST}" in text for text in said)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.executescript(str(caught.value).split('"')[1])
    ACTS[table](store)
    store.close()


def test_what_takes_such_a_row_out_lets_no_id_come_again_that_was_there(db: Path) -> None:
    store = fill(db)
    store.jobs.enqueue_many(new_job(), [("[]", "{}")] * 3)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("DELETE FROM litequeue_jobs WHERE id > 1")  # as they are pruned
        connection.execute("UPDATE litequeue_jobs SET id = ?", (HIGHEST,))
        with pytest.raises(errors.DatabaseCorrupt) as caught:
            store.jobs.enqueue(new_job())
        connection.executescript(str(caught.value).split('"')[1])
    assert store.jobs.enqueue(new_job())[0] == 5
    store.close()


def test_a_batch_that_would_pass_the_last_id_is_told_too(db: Path) -> None:
    store = fill(db)
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = ?", (HIGHEST - 2,))
    with pytest.raises(errors.DatabaseCorrupt, match="has come to id"):
        store.jobs.enqueue_many(new_job(), [("[]", "{}")] * 5)
    assert store.reports.job(1) is not None
    store.close()


def test_ids_are_looked_at_before_the_connection_is_another_threads(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fill(db)
    gate = store.database.held().gate

    def used_up(connection: sqlite3.Connection, path: str) -> None:
        assert gate.is_mine()

    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("UPDATE sqlite_sequence SET seq = ?", (HIGHEST,))
    monkeypatch.setattr(sqlerrors, "used_up", used_up)
    with pytest.raises(errors.StorageFull):
        store.jobs.enqueue(new_job())
    assert not gate.is_mine()
    store.close()
