"""Rows and schemas that hold the interpreter, or never return. A worker can be stopped all the same, and runs no SQL of others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from litequeue import LiteQueue, PayloadCorrupt
from litequeue.payload import Codec

from ..support import ROOT, wait_until
from .world import OWNER, World, command, run, sql, started

PRIME = 2**61 - 1  # ints that are multiples of it have the same hash
GRACE = 0.5
PATIENCE = 6.0  # seconds for a stop: the grace, the last words, and what a busy machine needs
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT"


def colliding(count: int, tag: str) -> str:
    """A set, or the keys of a dict, that takes time with the square of its length; JSON."""
    items = [number * PRIME for number in range(1, count + 1)]
    return json.dumps([{tag: [[item, 0] for item in items] if tag == "$dict" else items}])


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["$set", "$frozenset", "$dict"])
def test_colliding_values_are_refused_or_read_at_once(tag: str) -> None:
    text = colliding(8_000, tag)
    begin = time.monotonic()
    try:
        Codec().decode(text)
    except PayloadCorrupt:
        pass
    assert time.monotonic() - begin < 0.5


def with_colliding_arguments(world: World, db: Path) -> None:
    folder = world.folder("app")
    world.file(folder / "tasks.py", "from litequeue import LiteQueue\napp = LiteQueue('x')\n@app.task\ndef f(x): pass\n")
    world.job(db, folder)
    sql(OWNER, db, lambda connection: connection.execute("UPDATE litequeue_jobs SET args = ?", (colliding(40_000, "$set"),)) and None)


def with_an_endless_trigger(world: World, db: Path) -> None:
    world.command_job(db)
    body = f"SELECT count(*) FROM ({ENDLESS} x FROM n)"
    trigger = f"CREATE TRIGGER planted AFTER UPDATE ON litequeue_jobs BEGIN {body}; END"
    sql(OWNER, db, lambda connection: connection.execute(trigger) and None)


def with_an_endless_view(world: World, db: Path) -> None:
    folder = world.folder("app")
    world.tasks(folder)
    world.job(db, folder)

    def plant(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE litequeue_tasks")
        columns = "NULL AS module, NULL AS qualname, NULL AS directory, NULL AS options, NULL AS recorded_at"
        connection.execute(f"CREATE VIEW litequeue_tasks AS {ENDLESS} 'x' AS name, {columns} FROM n")

    sql(OWNER, db, plant)


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("plant", [with_colliding_arguments, with_an_endless_trigger, with_an_endless_view])
def test_a_worker_obeys_a_stop_whatever_a_row_or_a_schema_holds(world: World, plant: Callable[[World, Path], None]) -> None:
    db = world.queue(world.folder("home"))
    plant(world, db)
    with started(OWNER, command("worker", db, "--grace", GRACE, "--threads", 1)) as worker:
        begin = time.monotonic()
        # It is in the middle of it, or has refused, or is done with it.
        wait_until(lambda: worker.poll() is not None or cpu_seconds(worker.pid) > 1.0 or time.monotonic() - begin > 5)
        worker.send_signal(signal.SIGTERM)
        worker.wait(PATIENCE)


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- a schema that is not ours ---------------------------------------------------------------------------------------

FOREIGN = {
    "a trigger": "CREATE TRIGGER planted AFTER INSERT ON litequeue_jobs BEGIN INSERT INTO planted_rows VALUES (1); END",
    "a trigger on a view": "CREATE TRIGGER planted INSTEAD OF INSERT ON litequeue_jobs_readable BEGIN INSERT INTO planted_rows VALUES (1); END",
    "a view for a table": "DROP TABLE litequeue_queues; CREATE VIEW litequeue_queues AS SELECT 'q' AS name, NULL AS paused_at",
    "a table without our checks": "DROP TABLE litequeue_queues; CREATE TABLE litequeue_queues (name, paused_at)",
    "a column that computes": "ALTER TABLE litequeue_jobs ADD COLUMN planted TEXT GENERATED ALWAYS AS (hex(zeroblob(100))) VIRTUAL",
}


def foreign(world: World, kind: str) -> Path:
    db = world.queue(world.folder("home"))

    def plant(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE planted_rows (x)")
        for statement in FOREIGN[kind].split("; ") if "BEGIN" not in FOREIGN[kind] else [FOREIGN[kind]]:
            connection.execute(statement)

    sql(OWNER, db, plant)
    return db


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_with_a_schema_that_is_not_ours_is_refused(world: World, kind: str) -> None:
    db = foreign(world, kind)
    done = run(OWNER, "enqueue", db, "t")
    assert done.returncode not in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert sql(OWNER, db, lambda connection: connection.execute("SELECT count(*) FROM planted_rows").fetchone()) == (0,)


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("kind", FOREIGN)
def test_the_doctor_says_which(world: World, kind: str) -> None:
    db = foreign(world, kind)
    done = run(OWNER, "doctor", db)
    wrong = [line for line in done.stdout.splitlines() if not line.startswith(("ok", "note"))]
    name = "planted" if "planted" in FOREIGN[kind].replace("planted_rows", "") else "litequeue_queues"
    assert any(name in line for line in wrong), done.stdout


# -- what goes on working ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("items", [range(20_000), range(0, 2**62, 2**62 // 20_000)], ids=["small", "large"])
def test_a_set_that_does_not_collide_is_read(items: range) -> None:
    codec = Codec()
    text = codec.encode(set(items))
    assert codec.decode(text) == set(items)


OWN = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, paid);
CREATE TABLE log (what);
CREATE VIEW paid AS SELECT * FROM orders WHERE paid;
CREATE VIEW waiting AS SELECT id, task FROM litequeue_jobs WHERE state = 'available';
CREATE TRIGGER noted AFTER INSERT ON orders BEGIN INSERT INTO log VALUES (new.id); END;
CREATE TRIGGER shipped AFTER UPDATE ON orders BEGIN INSERT INTO litequeue_jobs (task) VALUES ('ship'); END;
CREATE INDEX my_jobs ON litequeue_jobs (task);
"""


@pytest.mark.beside
def test_an_apps_own_tables_views_and_triggers_stay_its_own(db: Path) -> None:
    """In the file of its queue, and also where they make jobs, or look at ours."""
    with LiteQueue(db) as app:
        app.enqueue("t")
    connection = sqlite3.connect(db)
    connection.executescript(OWN)
    connection.execute("INSERT INTO orders VALUES (1, 0)")
    connection.execute("UPDATE orders SET paid = 1")
    connection.commit()
    connection.close()
    with LiteQueue(db) as app:
        app.enqueue("t")
        assert sorted(info.task for info in app.jobs()) == ["ship", "t", "t"]


@pytest.mark.beside
def test_a_file_that_an_earlier_version_has_made_is_no_foreign_one(tmp_path: Path) -> None:
    db = tmp_path / "db.sqlite"
    shutil.copy(ROOT / "tests/data/version-2.sqlite", db)
    with LiteQueue(db) as app:
        assert app.enqueue("t").id


@pytest.mark.beside
def test_a_file_that_was_vacuumed_or_copied_by_sqlite_is_no_foreign_one(db: Path, tmp_path: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
    connection = sqlite3.connect(db)
    connection.execute("VACUUM")
    connection.execute("VACUUM INTO ?", (str(tmp_path / "copy.sqlite"),))
    restored = sqlite3.connect(tmp_path / "restored.sqlite")
    restored.executescript("\n".join(connection.iterdump()).replace("DELETE FROM \"sqlite_sequence\";", ""))
    restored.close()
    connection.close()
    for name in ("db.sqlite", "copy.sqlite", "restored.sqlite"):
        with LiteQueue(tmp_path / name) as app:
            assert app.enqueue("t").id == 2
