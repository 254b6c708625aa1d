"""Names to be suggested at a shell: from a file as it is, and none where they are not to be had."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base.history import BUCKETS, ENDS, Counted
from litequeue.store import Store, history, suggested

NOW = 1_750_000_000_000_000


@pytest.fixture
def filled(app: LiteQueue, store: Store) -> LiteQueue:
    app.task(name="shop.send", queue="mail")(lambda: None).delay()
    app.task(name="shop.pack", queue="images")(lambda: None).delay()
    app.pause("reports")
    app.limits.set("stripe", max_running=2)
    app.schedules.add("nightly", "shop.send", every="1h")
    with store.database.write(durable=False) as connection:
        connection.execute("INSERT INTO litequeue_alerts (name, condition, hold, keep, mail_to, created_at) VALUES ('late', 'untold', 0, 0, 'a', 1)")
        history.add(connection, [Counted(NOW, "old.task", "old", (1,) * len(ENDS), 0, 0, (0,) * BUCKETS, (0,) * BUCKETS)])
        connection.execute("INSERT INTO litequeue_workers (name, pid, host, lock_file, slots, started_at, heartbeat_at) VALUES ('web1-7', 7, 'h', 'f', '{}', 1, 1)")
    return app


def every(db: Path) -> dict[str, list[str]]:
    return {kind: suggested.names(str(db), kind) for kind in (*suggested.NAMES, "nothing")}


ALL = {"queues": ["images", "mail", "old", "reports"], "tasks": ["old.task", "shop.pack", "shop.send"], "schedules": ["nightly"], "limits": ["stripe"], "alerts": ["late"], "workers": ["web1-7"], "nothing": []}


def test_they_are_found_in_use_and_at_rest_and_nothing_is_touched(filled: LiteQueue, store: Store, db: Path) -> None:
    assert Path(f"{db}-wal").stat().st_size and every(db) == ALL
    filled.close()
    store.close()
    assert not Path(f"{db}-wal").exists()
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in db.parent.iterdir() if path.is_file()}
    assert every(db) == ALL
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in db.parent.iterdir() if path.is_file()} == before


def test_no_file_another_kind_of_file_and_one_that_is_locked_have_none(filled: LiteQueue, store: Store, db: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE litequeue_tasks (name)")
        connection.execute("INSERT INTO litequeue_tasks VALUES ('a\x1b[2Jb'), (7), (x'ff'), ('fine'), ('')")
    connection.close()
    assert suggested.names(str(other), "tasks") == ["fine"] and suggested.names(str(other), "queues") == []
    (tmp_path / "text").write_text("no database" * 100)
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "text", "empty", "pipe", ".", "a\0b"):
        assert every(tmp_path / name) == {key: [] for key in ALL}, name
    filled.close()
    store.close()
    locked = sqlite3.connect(db, isolation_level=None)
    locked.execute("PRAGMA locking_mode = EXCLUSIVE")
    locked.execute("INSERT INTO litequeue_queues (name, paused_at) VALUES ('x', 1)")
    locked.execute("BEGIN EXCLUSIVE")
    try:
        assert every(db) == {key: [] for key in ALL}
    finally:
        locked.close()


def test_a_view_that_somebody_planted_takes_no_time(db: Path) -> None:
    with sqlite3.connect(db) as connection:
        connection.execute("CREATE VIEW litequeue_tasks AS WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT 'e' || max(x) AS name FROM n")
    connection.close()
    assert suggested.names(str(db), "tasks") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_root_opens_nobody_elses_file(filled: LiteQueue, store: Store, db: Path) -> None:
    filled.close()
    store.close()
    os.chown(db, 12_345, 12_345)
    assert every(db) == {key: [] for key in ALL} and stat.S_ISREG(db.stat().st_mode)


def test_of_very_many_some_are_enough(store: Store, db: Path) -> None:
    with store.database.write(durable=False) as connection:
        connection.executemany("INSERT INTO litequeue_queues (name) VALUES (?)", [(f"q{n:04}",) for n in range(3000)])
    assert suggested.names(str(db), "queues") == [f"q{n:04}" for n in range(suggested.MOST)]


def test_no_statement_walks_all_jobs(store: Store) -> None:
    with store.database.read() as connection:
        for sql in (sql for statements in suggested.NAMES.values() for sql in statements):
            steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", {"most": 5}).fetchall()]
            assert not [step for step in steps if step.startswith("SCAN litequeue_jobs")], steps
