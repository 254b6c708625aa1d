"""The way in: whatever comes of a command is an exit code and at most one line, also where a file holds what SQLite keeps out."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from litequeue.base.errors import WorkerFailed
from litequeue.store.file import Database
from litequeue.store.inspection import Inspection, damage_told

from ..fuzz import planting
from ..fuzz.rows import NOW, ROWS
from ..prepared import litequeue
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
