"""Checkpoints beside somebody who has the file open too, and takes no lock of ours: an app with tables of its own in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from litequeue.store import Store

from ...support import new_job

pytestmark = pytest.mark.beside


@pytest.fixture
def foreign(store: Store, db: Path) -> Iterator[sqlite3.Connection]:
    """Autocommit, and waits for nobody."""
    store.jobs.enqueue(new_job())
    with closing(sqlite3.connect(db, isolation_level=None, timeout=0)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE orders (id INTEGER)")
        yield connection


@pytest.mark.parametrize("by", ["a commit", "doctor"])
def test_nobody_commits_while_a_checkpoint_begins(store: Store, foreign: sqlite3.Connection, by: str) -> None:
    """Before SQLite 3.51.3 a foreign commit that begins the log anew just then may damage the file, and the gate keeps it away from none."""
    tried: list[object] = []

    def during(statement: str) -> None:
        if "wal_checkpoint" in statement:
            try:
                tried.append(foreign.execute("INSERT INTO orders VALUES (1)").rowcount)
            except sqlite3.OperationalError as error:
                tried.append(str(error))

    with store.database.write(durable=by == "a commit") as writer:
        writer.execute("SELECT 1")
    writer.set_trace_callback(during)
    if by == "a commit":
        store.database.wal.make_due()
        store.jobs.enqueue(new_job())
    else:
        busy, frames, copied = store.database.checkpoint()
        assert not busy and copied == frames > 0
    writer.set_trace_callback(None)
    assert tried == ["database is locked"]
    assert foreign.execute("INSERT INTO orders VALUES (1)").rowcount == 1
    assert foreign.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0] == 0
    assert foreign.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_checkpoint_waits_for_nobody_who_writes_and_comes_later(store: Store, foreign: sqlite3.Connection, db: Path) -> None:
    store.database.wal.make_due()
    store.jobs.enqueue(new_job())
    before = db.stat().st_mtime_ns
    writer = store.database.held().writers[True]

    def at_the_end(statement: str) -> None:
        """Between our commit and the checkpoint, where a foreign one may come."""
        if statement == "COMMIT":
            writer.set_trace_callback(None)
            begin_as_soon_as_possible.append(True)

    begin_as_soon_as_possible: list[bool] = []
    guard = store.database.guard(store.database.held())

    def in_the_way(statement: str) -> None:
        if statement == "BEGIN IMMEDIATE" and begin_as_soon_as_possible:
            begin_as_soon_as_possible.clear()
            foreign.execute("BEGIN IMMEDIATE")

    writer.set_trace_callback(at_the_end)
    guard.set_trace_callback(in_the_way)
    store.database.wal.make_due()
    store.jobs.enqueue(new_job())
    assert foreign.in_transaction and db.stat().st_mtime_ns == before
    assert store.database.held().writers[None] is guard and not guard.in_transaction
    foreign.execute("INSERT INTO orders VALUES (1)")
    foreign.execute("COMMIT")
    for _ in range(20):
        store.jobs.enqueue(new_job())
    assert db.stat().st_mtime_ns > before
    assert store.database.checkpoint()[0] == 0


def test_what_doctor_sees_of_a_log_while_somebody_writes_is_that_it_was_in_the_way(store: Store, foreign: sqlite3.Connection) -> None:
    with store.database.write(durable=False) as writer:
        writer.execute("SELECT 1")
    foreign.execute("BEGIN IMMEDIATE")
    assert store.database.checkpoint() == (1, 0, 0)
    foreign.execute("COMMIT")
    assert store.database.checkpoint()[0] == 0
