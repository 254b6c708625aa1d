"""Paths and files that cannot be a queue, or not now: a typed error with the path in it, and the fitting exit code.

The file is never recreated, truncated or repaired: what was damaged, foreign or newer is left byte for byte.
And strange names of a good file. Creation at once is in tests/store/file/test_database.py.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base import errors
from litequeue.cli.exits import CANNOT_OPEN, DAMAGED
from litequeue.store.schema import ledger

from .. import faults, sample
from ..prepared import litequeue, worker_process
from ..support import ledger_lines, wait_until

COMMANDS = (("stats", "DB"), ("jobs", "DB"), ("enqueue", "DB", "t"), ("worker", "DB", "--burst"))


def refused(
    db: Path,
    code: int,
    says: str,
    *,
    commands: tuple[tuple[str, ...], ...] = COMMANDS,
    run: Callable[..., subprocess.CompletedProcess[str]] = litequeue,
) -> None:
    """Each command ends soon, with this code and one line that names the file and says why."""
    for words in commands:
        began = time.monotonic()
        done = run(*(str(db) if word == "DB" else word for word in words))
        assert time.monotonic() - began < 5, words  # far from the 30 s of patience with a lock
        assert done.returncode == code, (words, done.stderr)
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("litequeue: ")]
        assert str(db) in line and says in line, (words, line)
        assert "Traceback" not in done.stderr, done.stderr


# -- what must not or cannot be written (ST8, ST9, ST10, ST12, ST14) --------------------------------------


@pytest.mark.slow
@pytest.mark.beside
def test_a_file_on_a_read_only_disk_is_refused_in_one_line(tmp_path: Path) -> None:
    with faults.small_disk(tmp_path / "disk") as disk:
        db = disk.path / "db"
        with LiteQueue(db) as app:
            app.enqueue("t")
        disk.read_only()
        before = faults.digest(db)
        refused(db, CANNOT_OPEN, "Read-only", commands=(("enqueue", "DB", "t"), ("worker", "DB")))
        for command in ("jobs", "stats"):
            done = litequeue(command, db)
            assert done.returncode == 0, done.stderr
            assert "available" in done.stdout.lower()
        assert litequeue("job", db, "1").returncode == 0
        with pytest.raises(errors.CannotOpen, match=str(db)):
            LiteQueue(db).enqueue("t")
        assert faults.digest(db) == before
        new = disk.path / "new"
        refused(new, CANNOT_OPEN, "Read-only", commands=(("worker", "DB"),))


NO_QUEUES = {
    "short text": b"hello\n",
    "text": b"not a database, but long enough to look at\n" * 200,
    "zeros": bytes(8192),
    "a header and no more": b"SQLite format 3\0" + b"\xff" * 200,
}


@pytest.mark.beside
@pytest.mark.parametrize("what", NO_QUEUES)
def test_a_file_that_is_no_database_is_refused_and_left_byte_for_byte(tmp_path: Path, what: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(NO_QUEUES[what])
    refused(path, CANNOT_OPEN, "not a SQLite database")
    with pytest.raises(errors.NotAQueue, match=str(path)):
        LiteQueue(path).enqueue("t")
    assert path.read_bytes() == NO_QUEUES[what]
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.beside
def test_the_commands_leave_another_apps_database_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE Queue (x)")
    before = faults.digest(path)
    refused(path, CANNOT_OPEN, "without litequeue's tables")
    assert faults.digest(path) == before
    assert os.listdir(tmp_path) == ["theirs"]


def with_a_job(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")


@pytest.mark.beside
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_damaged_page_is_exit_3_with_advice_and_is_left_as_it_is(db: Path, command: tuple[str, ...]) -> None:
    with_a_job(db)
    faults.damage(db, "litequeue_jobs")
    before, inode = faults.digest(db), db.stat().st_ino
    refused(db, DAMAGED, ".recover", commands=(command,))
    if command[0] != "worker":  # it has registered, in a table that is sound
        with pytest.raises(errors.DatabaseCorrupt, match=str(db)):
            LiteQueue(db).enqueue("t")
        assert faults.digest(db) == before
    assert db.stat().st_ino == inode


@pytest.mark.slow
@pytest.mark.beside
def test_a_file_that_was_cut_short_is_exit_3_and_is_not_mended(db: Path) -> None:
    with_a_job(db)
    whole = db.read_bytes()
    for pages in (1, 2, 5):
        db.write_bytes(whole[: pages * 4096])
        refused(db, DAMAGED, "damaged", commands=(("stats", "DB"), ("enqueue", "DB", "t")))
        assert db.read_bytes() == whole[: pages * 4096]


def folder(path: Path) -> None:
    path.mkdir()


def under_a_file(path: Path) -> None:
    path.parent.write_text("a file")


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere" / "db")


def loop(path: Path) -> None:
    path.symlink_to(path)


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/null")


@pytest.mark.beside
@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("missing/db", lambda path: None, "does not exist"),
        ("folder", folder, "is a directory"),
        ("fifo", os.mkfifo, "not a regular file"),
        ("file/db", under_a_file, "Not a directory"),
        ("dangling", dangling, "does not exist"),
        ("loop", loop, "symbolic links"),
        ("device", link_to_a_device, "not a regular file"),
    ],
)
def test_a_path_that_can_be_no_file_is_said_so_at_once_and_nothing_is_created(
    tmp_path: Path, name: str, make: Callable[[Path], None], says: str
) -> None:
    path = tmp_path / name
    make(path)
    before = sorted(p for p in tmp_path.rglob("*"))
    refused(path, CANNOT_OPEN, says, commands=(("worker", "DB", "--burst"),))
    with pytest.raises(errors.CannotOpen, match=name):
        LiteQueue(path).enqueue("t")
    assert sorted(p for p in tmp_path.rglob("*")) == before


@pytest.mark.beside
def test_an_empty_file_is_a_new_queue_for_those_who_write_and_is_left_by_those_who_read(db: Path) -> None:
    db.touch(mode=0o600)
    refused(db, CANNOT_OPEN, "nothing was ever enqueued", commands=(("stats", "DB"), ("enqueue", "DB", "t")))
    assert db.read_bytes() == b""
    with_a_job(db)
    assert litequeue("stats", db).returncode == 0


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("said", [None, ledger.CURRENT + 1, 999])
def test_a_newer_schema_is_exit_3_with_both_versions_and_is_left_byte_for_byte(db: Path, said: int | None) -> None:
    """If it does not say that older code may work on it, or says that this one may not."""
    with_a_job(db)
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE litequeue_meta SET value = '999' WHERE key = 'schema_version'")
        if said is None:
            connection.execute("DELETE FROM litequeue_meta WHERE key = 'min_reader'")
        else:
            connection.execute("UPDATE litequeue_meta SET value = ? WHERE key = 'min_reader'", (said,))
    before = faults.digest(db)
    refused(db, DAMAGED, f"schema version 999, this litequeue knows up to {ledger.CURRENT}")
    with pytest.raises(errors.SchemaTooNew, match=str(db)):
        LiteQueue(db).enqueue("t")
    assert faults.digest(db) == before
    assert not Path(f"{db}-workers").exists()


@pytest.mark.beside
def test_a_file_with_two_hard_links_is_refused_under_both_names(db: Path, tmp_path: Path) -> None:
    """Each name would have a log and a lock of its own: acknowledged jobs vanished."""
    with LiteQueue(db) as app:
        app.enqueue("t")
    two = tmp_path / "two.sqlite"
    os.link(db, two)
    for name in (db, two):
        done = litequeue("enqueue", name, "t")
        assert done.returncode == 4
        assert "hard links" in done.stderr
    two.unlink()
    assert litequeue("enqueue", db, "t").stdout == "2\n"


# -- names (ST17, ST18) --------------------------------------------------------------------------------------

TASKS = """
import os
from litequeue import LiteQueue
app = LiteQueue("elsewhere.sqlite")

@app.task
def move(folder):
    os.chdir(folder)
    return os.getcwd()
"""


NAMES = [pytest.param(name, marks=pytest.mark.slow) for name in ("a b.db", "ünï 日本.db", "./-v.db", "./file:x.db", "'\";--.db")]


@pytest.mark.beside
@pytest.mark.parametrize("name", ["x?mode=ro#%20.db", *NAMES])
def test_every_command_means_the_same_file_by_a_strange_relative_name(tmp_path: Path, name: str) -> None:
    """Also when a task changes the worker's directory in the middle."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "tasks.py").write_text(TASKS)
    with LiteQueue(here / name) as app:
        app.enqueue("tasks.move", str(there))
    assert litequeue("enqueue", name, "tasks.move", there, cwd=here).stdout == "2\n"
    done = litequeue("worker", name, "--burst", "--threads", "1", "--import", "tasks", cwd=here)
    assert done.returncode == 0, done.stderr
    listed = litequeue("jobs", name, cwd=here)
    assert listed.stdout.count("succeeded") == 2, listed.stdout
    ours = {Path(name).name, Path(name).name + "-lock", Path(name).name + "-workers"}
    assert {p.name for p in here.iterdir()} - {"__pycache__", "tasks.py"} == ours
    assert list(there.iterdir()) == []


@pytest.mark.beside
def test_a_relative_path_is_settled_when_the_app_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    with LiteQueue("q.db") as app:  # nothing is opened yet
        monkeypatch.chdir(tmp_path / "there")
        app.enqueue("t")
        app.close()
        monkeypatch.chdir("/")
        app.enqueue("t")
        assert app.path == str(tmp_path / "q.db")
    assert LiteQueue(tmp_path / "q.db").stats().states == {"available": 2}
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.slow
@pytest.mark.beside
def test_workers_by_two_names_of_one_file_run_each_job_once(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    aliases = tmp_path / "aliases"
    aliases.mkdir()
    (aliases / "link").symlink_to(db)
    (tmp_path / "folder link").symlink_to(aliases)
    sample.record.delay(str(ledger), "first")
    with (
        worker_process(db),
        worker_process(tmp_path / "folder link" / "link"),
        LiteQueue(aliases / "link") as alias,
    ):
        jobs = [alias.enqueue("tests.sample.record", str(ledger), n) for n in range(50)]
        sample.record.delay_many((str(ledger), n) for n in range(50, 200))
        wait_until(lambda: sample_app.stats().states == {"succeeded": 201})
        assert jobs[7].get(timeout=5) == 7
    assert sorted(ledger_lines(ledger)) == sorted(["first", *map(str, range(200))])
    assert [p.name for p in aliases.iterdir()] == ["link"]  # no side file beside the link
