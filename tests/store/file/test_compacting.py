"""A file gives back what holds nothing, beside who has it open; killed at any stage, nothing is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue.base.errors import QueueBusy, StorageFull
from litequeue.base.models import JobColumns, NewJob
from litequeue.store import Store
from litequeue.store.file import compacting

from ...older import rows
from ...support import ROOT

pytestmark = pytest.mark.beside

JOBS = 12_000
LEFT = 3_000
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def store(db: Path) -> Iterator[Store]:
    """A file of which three quarters hold nothing, and the rest is there."""
    found = filled(db)
    yield found
    found.close()


def filled(db: Path) -> Store:
    store = Store(str(db))
    job = NewJob("t", "[]", "{}", "available", 1, 1, None, JobColumns(max_attempts=1))
    store.jobs.enqueue_many(job, ((f'["{number:0500d}"]', "{}") for number in range(JOBS)))
    with store.database.write(durable=False) as connection:
        connection.execute("DELETE FROM litequeue_jobs WHERE id <= ?", (JOBS - LEFT,))
    store.database.checkpoint()
    return store


def what_is_there(db: Path) -> list[tuple[int, str]]:
    return rows(db, "SELECT id, args FROM litequeue_jobs ORDER BY id")


def assert_sound(db: Path, before: list[tuple[int, str]]) -> None:
    with contextlib.closing(Store(str(db))) as store:
        assert what_is_there(db) == before
        assert rows(db, "PRAGMA integrity_check") == [("ok",)]
        job = store.jobs.enqueue(NewJob("t", "[]", "{}", "available", 1, 1, None, JobColumns(max_attempts=1)))
        assert rows(db, "SELECT max(id) FROM litequeue_jobs") == [(JOBS + 1,)], job


def test_what_holds_nothing_is_given_back_and_the_file_stays_the_same_file(store: Store, db: Path) -> None:
    before, inode, there = compacting.room(store.database), db.stat().st_ino, what_is_there(db)
    other = Store(str(db))
    assert other.reports.state(JOBS) == "available"
    assert before.free > before.file / 2
    assert compacting.compact(store.database, 20)
    after = compacting.room(store.database)
    assert after.free == 0 and after.file < before.file / 2 and after.file >= after.used and after.log == 0
    assert db.stat().st_ino == inode and other.reports.state(JOBS) == "available"
    other.operations.cancel(JOBS, 1)  # who had it open goes on
    assert store.reports.state(JOBS) == "cancelled"
    other.close()
    assert [job for job, _ in what_is_there(db)] == [job for job, _ in there]


def test_what_is_taken_from_the_apps_own_tables_is_nothing(store: Store, db: Path) -> None:
    rows(db, "CREATE TABLE orders (id INTEGER PRIMARY KEY, paid INTEGER)", )
    rows(db, "INSERT INTO orders VALUES (7, 1), (9, 2)")
    rows(db, "PRAGMA user_version = 12")
    compacting.compact(store.database, 20)
    assert rows(db, "SELECT * FROM orders") == [(7, 1), (9, 2)] and rows(db, "PRAGMA user_version") == [(12,)]


def test_what_takes_too_long_is_given_up_and_nothing_has_changed(store: Store, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size, there = db.stat().st_size, what_is_there(db)
    monkeypatch.setattr(compacting, "LOOK_EVERY", 100)
    with pytest.raises(QueueBusy, match="not made within .* s, a third of the time.*Nothing was changed.*--within"):
        compacting.compact(store.database, 0.000_1)
    assert db.stat().st_size == size and compacting.room(store.database).log == 0
    assert_sound(db, there)


def test_ctrl_c_ends_it_as_it_ends_anything(store: Store, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, times = what_is_there(db), iter([0.0, 0.0])

    def interrupted() -> float:
        for at in times:
            return at
        raise KeyboardInterrupt

    monkeypatch.setattr(compacting, "LOOK_EVERY", 100)
    monkeypatch.setattr(compacting, "monotonic", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compacting.compact(store.database, 20)
    assert_sound(db, there)


def test_a_reader_is_left_with_what_it_reads_and_the_file_is_cut_once_it_has_gone(store: Store, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "READERS", 0.05)
    size = db.stat().st_size
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM litequeue_jobs").fetchone() == (LEFT,)
        assert not compacting.compact(store.database, 20)
        assert db.stat().st_size == size
        assert reader.execute("SELECT count(*) FROM litequeue_jobs WHERE length(args) > 500").fetchone() == (LEFT,)
        reader.execute("COMMIT")
    store.database.checkpoint()
    assert db.stat().st_size < size / 2


@pytest.mark.parametrize("shared", [True, False])
def test_room_is_asked_for_first(store: Store, monkeypatch: pytest.MonkeyPatch, shared: bool) -> None:
    path = store.database.path
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**9, 0, 1_500_000))
    monkeypatch.setattr(compacting, "_temporary", lambda: os.path.dirname(path) if shared else "/elsewhere")
    monkeypatch.setattr(compacting, "_device", lambda place: 1 if shared else len(place))
    compacting.refuse_little_room(path, 700_000)
    if not shared:
        compacting.refuse_little_room(path, 1_400_000)
    with pytest.raises(StorageFull, match=r"2\.0 MB are needed in .*for the copy.*, and 1\.5 are free. Nothing was changed"):
        compacting.refuse_little_room(path, 1_000_000 if shared else 2_000_000)


def test_where_there_is_no_room_for_it_after_all_nothing_has_changed(db: Path) -> None:
    """The copy, among SQLite's temporary files, may grow no further than half of what it needs."""
    filled(db).close()
    there = what_is_there(db)
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (800_000, 800_000))"
    ended = child(db, code)
    assert ended.returncode == 1 and "litequeue" in ended.stderr.decode().splitlines()[-1], ended.stderr
    assert not db.with_name(f"{db.name}-wal").exists() or db.with_name(f"{db.name}-wal").stat().st_size == 0
    assert_sound(db, there)


# -- killed ------------------------------------------------------------------------------------------------

CHILD = """
import os, signal, sys, threading
from litequeue.store import Store
from litequeue.store.file import compacting

path = sys.argv[1]
def die(*_):
    print("dies", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
def watch(name, is_so):
    def look():
        while not is_so(os.stat(path + name).st_size):
            pass
        die()
    threading.Thread(target=look, daemon=True).start()
store = Store(path)
store.reports.state(1)
size = os.stat(path).st_size
{how}
compacting.compact(store.database, 60)
print("done", flush=True)
"""
COUNTED = """
compacting.LOOK_EVERY = 100
calls = 0
def monotonic():
    global calls
    calls += 1
    if calls == {n}:
        die()
    return 0.0
compacting.monotonic = monotonic
"""
STAGES = {
    "it begins": "compacting._vacuum = die",
    "the copy begins": COUNTED.format(n=2),
    "amid the copy": COUNTED.format(n=300),
    "the log begins": "watch('-wal', lambda size: size > 0)",
    "amid the log": "watch('-wal', lambda size: size > 1_000_000)",
    "it is committed": "compacting._shorten = die",
    "the file is cut": "watch('', lambda now: now < size)",
}


def child(db: Path, how: str) -> subprocess.CompletedProcess[bytes]:
    program = CHILD.replace("{how}", textwrap.dedent(how))
    return subprocess.run([sys.executable, "-c", program, str(db)], check=False, cwd=ROOT, capture_output=True, timeout=60)


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_any_stage_nothing_is_lost_and_it_can_be_done_again(db: Path, stage: str) -> None:
    filled(db).close()
    size, there = db.stat().st_size, what_is_there(db)
    ended = child(db, STAGES[stage])
    if stage == "the file is cut":
        assert ended.returncode in (-signal.SIGKILL, 0), ended.stderr  # it may be over before anybody sees that
    else:
        assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, b"dies\n"), ended.stderr
    assert_sound(db, there)
    with contextlib.closing(Store(str(db))) as store:
        assert compacting.compact(store.database, 60)
        assert compacting.room(store.database).free == 0
    assert db.stat().st_size < size / 2
