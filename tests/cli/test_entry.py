"""The way in: whatever comes of a command is an exit code and at most one line, also where a file holds what SQLite keeps out."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from litequeue import CannotOpen, LiteQueue
from litequeue.base.errors import WorkerFailed
from litequeue.store.file import Database
from litequeue.store.inspection import Inspection, damage_told

from ..fuzz import planting
from ..fuzz.rows import NOW, ROWS
from ..prepared import litequeue
from ..support import environment
from .conftest import Cli

TICK = {"schedule_id": 1, "tick_at": NOW, "decided_at": NOW, "outcome": "fired", "job_id": 1}
OUTPUT = {"job_id": 1, "attempt": 1, "number": 1, "stream": "stdout", "at": NOW, "text": "x"}
PLANTED = [*((table, row) for table, row in ROWS if table != "ticks" and "every" not in str(row)), ("ticks", TICK), ("output", OUTPUT)]
TABLES = sorted({table for table, _ in PLANTED})
READING = (
    ("jobs",), ("jobs", "--json"), ("job", 1), ("job", 5), ("job", 7, "--json"), ("stats",), ("stats", "--json"), ("schedules",),
    ("schedules", "--json"), ("tasks",), ("ticks", "nightly"), ("cron", "export"), ("doctor",),
)  # fmt: skip


def filled(folder: Path) -> Path:
    db = planting.made(folder)
    planting.rows(db, PLANTED)
    return db


def ill_typed(random: Random, db: Path, table: str) -> dict[str, Any]:
    """A column, and what it cannot hold."""
    with closing(sqlite3.connect(db)) as connection:
        columns = [row[1:6] for row in connection.execute(f"PRAGMA table_info(litequeue_{table})")]
    column, kind, filled_in, _, key = random.choice([row for row in columns if row[4] != 1])  # a key of many rows is one of one
    wrong = [b"\xffx", *(["abc", 1.5] if kind == "INTEGER" else []), *([None] if filled_in and not key else [])]
    return {column: random.choice(wrong)}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.slow
def test_values_that_no_column_takes_end_no_command_in_a_traceback(tmp_path: Path, cli: Cli, seed: int) -> None:
    random, db = Random(seed), filled(tmp_path)
    planted = {table: ill_typed(random, db, table) for table in TABLES}
    for table, values in planted.items():
        planting.mistyped(db, table, values)
    for command, *words in READING:
        where = (words.pop(0),) if command == "cron" else ()
        done = cli(command, *where, db, *words)
        assert done.code in (0, 1, 3), (planted, done)
        assert done.err.count("\n") <= 1, (planted, done)
        assert command != "doctor" or done.code == 3 and "value in litequeue_" in done.out, (planted, done)


def test_a_command_that_falls_over_such_a_value_says_which_and_what_to_do(tmp_path: Path, cli: Cli) -> None:
    db = filled(tmp_path)
    planting.mistyped(db, "jobs", {"run_at": "abc"})
    done = cli("jobs", db)
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        f"litequeue: {db} is damaged (non-INTEGER value in litequeue_jobs.run_at); it was left as it is. Restore a backup, or "
        "salvage what can be read with `sqlite3 FILE .recover`\n"
    )


def test_the_doctor_says_it_beside_all_else(tmp_path: Path, cli: Cli) -> None:
    db = filled(tmp_path)
    planting.mistyped(db, "jobs", {"run_at": "abc"})
    done = cli("doctor", db)
    lines = [line.split(maxsplit=2) for line in done.out.splitlines()]
    assert done.code == 3
    assert ["damaged", "integrity", "non-INTEGER value in litequeue_jobs.run_at"] in lines
    assert {check for _, check, _ in lines} >= {"workers", "tasks", "jobs", "schedules"}
    assert [text for level, check, text in lines if check == "jobs" and "is damaged" in text]


@pytest.mark.parametrize(("table", "values"), [("jobs", {"args": b"x"}), ("workers", {"lock_file": None}), ("schedules", {"jitter": "x"}), ("schedules", {"trigger": b"x"})])
@pytest.mark.slow
def test_a_worker_says_it_in_a_line_and_leaves(tmp_path: Path, table: str, values: dict[str, Any]) -> None:
    db = filled(tmp_path)
    planting.mistyped(db, table, values)
    done = litequeue("worker", db, "--burst", "--import", "tests.sample", "--log-level", "error", timeout=30)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert f"value in litequeue_{table}.{next(iter(values))})" in done.stderr.splitlines()[-1]


def test_a_fault_of_our_own_stays_one(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litequeue.cli.jobs.jobs", lambda _: {}[1])
    with pytest.raises(KeyError):
        cli("jobs", filled(tmp_path))
    with pytest.raises(KeyError):
        cli("jobs", tmp_path / "none.sqlite")


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, "Too many open files"), MemoryError()], ids=repr)
def test_for_what_the_system_refuses_no_file_is_read_through(db: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Of 10 GB that takes a minute, before a worker is started again that has only too few descriptors."""
    monkeypatch.setattr(Inspection, "damage", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(WorkerFailed), damage_told(Database(str(db))):
        raise WorkerFailed("a part of it died") from error


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which was deleted meanwhile."""
    directory = tmp_path / "gone"
    directory.mkdir()
    monkeypatch.chdir(directory)
    directory.rmdir()
    return directory


@pytest.mark.parametrize(
    "words",
    [
        ("stats", "db.sqlite"), ("worker", "db.sqlite"), ("init", "db.sqlite"), ("doctor", "db.sqlite"), ("service", "db.sqlite"),
        ("service", "DB", "--directory", "there"), ("cron", "import", "DB", "there"), ("cron", "export", "db.sqlite"),
        ("enqueue", "DB", "--command", "--cwd", "there", "--", "true"), ("enqueue", "DB", "--command", "--", "true"),
        ("schedule", "add", "db.sqlite", "x", "--every", "1h", "--cwd", "/", "--", "true"), ("worker", "DB", "--import", "./there.py"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_working_directory_that_was_deleted_is_one_line(db: Path, gone: Path, cli: Cli, words: tuple[str, ...]) -> None:
    """Each was a traceback, of two errors."""
    with LiteQueue(db) as app:
        app.stats()
    done = cli(*(db if word == "DB" else word for word in words))
    assert done.code in (2, 4) and done.err.count("\n") == 1
    assert "the directory that you are in is gone" in done.err
    with pytest.raises(CannotOpen, match="db.sqlite: the directory that you are in is gone, so it is nowhere"):
        LiteQueue("db.sqlite")


@pytest.mark.slow
def test_what_needs_no_working_directory_works_without(db: Path) -> None:
    shop = db.with_name("shop.py")
    shop.write_text(f"from litequeue import LiteQueue\napp = LiteQueue({str(db)!r})\n@app.task\ndef add(x, y): return x + y\n")
    litequeue = f"mkdir x; cd x; rmdir ../x; exec {sys.executable} -P -m litequeue"
    for words in (f"init {db}", f"enqueue {db} shop.add 1 2", f"worker {db} --burst --import {shop}", f"service {db} -- --import {shop}"):
        done = subprocess.run(
            f"{litequeue} {words}", shell=True, cwd=db.parent, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    with LiteQueue(db) as app:
        assert app.job(1).info().result == "3"
