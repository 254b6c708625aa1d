"""One copy: what it is, where it may go, and what goes for it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.base import errors
from litequeue.store.file.draft import Draft
from litequeue.store.marks import marks_of
from litequeue.store.turn import Demand

from .. import faults
from ..support import turn_of

pytestmark = pytest.mark.beside


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "copy.sqlite"


def rows(path: Path, sql: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def whole(path: Path) -> dict[str, list[Any]]:
    """Every row of every table."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
        return {name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in names}


def given_to_nobody(folder: Path) -> int:
    """All in a folder, and whoever it is may pass those above it, which pytest has closed."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be another user")
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o1:
            parent.chmod(0o711)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    return 65534


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".litequeue-")]


# -- what a copy is ----------------------------------------------------------------------------------------


def test_a_copy_is_one_file_of_its_owner_and_the_original_is_as_it_was(app: LiteQueue, db: Path, to: Path) -> None:
    app.enqueue("t", 1)
    before = whole(db)
    assert app.backup(to) == str(to)
    assert whole(db) == before
    assert sorted(path.name for path in to.parent.iterdir() if path.name.startswith(("copy", ".lite"))) == ["copy.sqlite"]
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    after = whole(to)
    mark = dict(after.pop("litequeue_meta"))
    assert marks_of(str(to)) is not None and '"of": ' in mark.pop("copy")
    assert mark == dict(before.pop("litequeue_meta"))
    assert after == before


def test_what_ran_may_run_in_the_copy_and_costs_nothing(app: LiteQueue, to: Path) -> None:
    @app.task(retries=2)
    def plain() -> None: ...

    @app.task(at_most_once=True)
    def once() -> None: ...

    @app.task(limit="one")
    def limited() -> None: ...

    app.limit("one", max_running=1)
    jobs = [plain.delay(), once.delay(), limited.delay(), plain.delay()]
    app.pause("default")
    app.resume("default")
    worker = app._client.store.workers.register(name="w", host="h", wake_port=9, queues=None, slots={"thread": 4}, now=app._client.clock.now())
    turn = app._client.store.jobs.turn(worker.id, app._client.clock.now(), app._client.clock.now() + 60_000_000, demand=Demand({"thread": 3}))
    assert len(turn.claimed) == 3
    app.backup(to)
    assert [job.state for job in jobs] == ["running", "running", "running", "available"]
    worker.close()
    with LiteQueue(to) as copy:
        states = [copy.job(job.id).info() for job in jobs]
        assert [info.state for info in states] == ["available", "discarded", "blocked", "available"]
        assert [(info.failures, info.interruptions) for info in states] == [(0, 0)] * 4
        assert states[1].last_error == "Lost: it ran as the copy was made, and runs at most once"
        assert copy.stats().workers == ()
        assert rows(to, "SELECT count(*) FROM litequeue_workers WHERE stopped_at IS NULL OR wake_port IS NOT NULL") == [(0,)]

        @copy.task(name=limited.name)
        def again() -> str:
            return "here"

        with copy.worker(threads=2):
            assert copy.job(jobs[2].id).get(timeout=10) == "here"


def test_what_it_counts_of_jobs_that_ran_adds_up(app: LiteQueue, to: Path) -> None:
    @app.task(at_most_once=True)
    def once() -> None: ...

    once.delay()
    turn_of(app)
    app.backup(to)
    ends = rows(to, "SELECT sum(discarded) FROM litequeue_metrics WHERE span = 0")
    assert ends == [(1,)]
    assert rows(Path(app.path), "SELECT count(*) FROM litequeue_metrics WHERE discarded > 0") == [(0,)]


def test_the_apps_own_tables_come_along_as_they_are_even_what_only_the_app_can_compute(app: LiteQueue, db: Path, to: Path) -> None:
    app.enqueue("t")
    app.close()
    with contextlib.closing(sqlite3.connect(db)) as theirs:
        theirs.execute("PRAGMA wal_autocheckpoint = 0")
        theirs.create_function("shout", 1, str.upper, deterministic=True)
        theirs.executescript(
            "CREATE TABLE names (name TEXT); INSERT INTO names VALUES ('a'), ('b'), ('c'); DELETE FROM names WHERE name = 'b';"
            "CREATE INDEX loud ON names (shout(name)); CREATE TABLE checked (x CHECK (shout(x) <> '')); PRAGMA user_version = 7; PRAGMA application_id = 77"
        )
    app.backup(to)
    assert rows(to, "SELECT rowid, name FROM names NOT INDEXED") == [(1, "a"), (3, "c")]
    assert (rows(to, "PRAGMA user_version"), rows(to, "PRAGMA application_id")) == ([(7,)], [(77,)])
    assert ("loud",) in rows(to, "SELECT name FROM sqlite_master WHERE type = 'index'")
    app.close()
    faults.damage(db, "litequeue_jobs")
    with pytest.raises(errors.DatabaseCorrupt):  # the rest is looked at all the same
        app.backup(to)
    app.close()


def test_root_copies_a_users_file_as_that_user(app: LiteQueue, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    nobody = given_to_nobody(theirs)
    app.enqueue("t")
    app.close()
    with pytest.raises(errors.CannotOpen, match="belongs to another user"):  # root's own queue, which that user would then have in hand
        app.backup(theirs / "copy.sqlite")
    app.close()
    given_to_nobody(tmp_path)
    made = [Path(app.backup(theirs / "copy.sqlite")), *(Path(app.backup(f"{theirs}/copies/", keep=1)) for _ in range(2))]
    assert {path.stat().st_uid for path in (made[0], made[2], theirs / "copies")} == {nobody}
    assert len(list((theirs / "copies").iterdir())) == 1 and leftovers(theirs) == []


def test_a_copy_of_a_paused_copy_knows_what_was_paused_before_both(app: LiteQueue, to: Path) -> None:
    app.schedules.add("stopped", "t", every="1h", paused=True)
    app.schedules.add("often", "t", every="1h")
    app.backup(to, paused=True)
    with LiteQueue(to) as copy:
        copy.schedules.add("later", "t", every="1h")
        again = copy.backup(to.with_name("again.sqlite"), paused=True)
    with LiteQueue(again) as copy:
        assert copy._client.store.copies.paused_by_copy() == ["later", "often"]


@pytest.mark.slow
def test_a_paused_copy_fires_nothing_and_nothing_that_comes_to_it_later_does(app: LiteQueue, to: Path) -> None:
    app.schedules.add("stopped", "t", every="50ms", paused=True)
    app.schedules.add("often", "t", every="50ms")
    app.backup(to, paused=True)
    with LiteQueue(to) as copy:
        copy.schedules.add("later", "t", every="50ms")
        assert {info.name: info.state for info in copy.schedules.list()} == {"stopped": "paused", "often": "paused", "later": "paused"}
        last = copy.task(name="last")(lambda: None)
        with copy.worker():
            last.apply_async(countdown=0.5).get(timeout=10)  # all that while ticks were due
        assert [job.task for job in copy.jobs()] == ["last"]
    assert {info.name: info.state for info in app.schedules.list()} == {"stopped": "paused", "often": "active"}
    mark = marks_of(str(to))
    assert mark is not None and mark.paused_at is not None


def test_a_paused_copy_tells_nobody_of_failures_again(app: LiteQueue, to: Path) -> None:
    app.enqueue("t")
    with contextlib.closing(sqlite3.connect(app.path)) as connection, connection:
        connection.execute("UPDATE litequeue_jobs SET state = 'discarded', finished_at = 1, prune_at = 1")
    app.backup(to, paused=True)
    assert rows(to, "SELECT count(*) FROM litequeue_jobs WHERE state = 'discarded' AND reported_at IS NULL") == [(0,)]
    app.backup(to)
    assert rows(to, "SELECT count(*) FROM litequeue_jobs WHERE state = 'discarded' AND reported_at IS NULL") == [(1,)]


def test_a_copy_is_none_of_what_a_transaction_may_yet_undo(app: LiteQueue, to: Path) -> None:
    app.enqueue("t")
    with app.transaction(), pytest.raises(errors.InvalidArgument, match="make it after the block"):
        app.backup(to)
    assert not to.exists() and leftovers(to.parent) == []


# -- where it goes -----------------------------------------------------------------------------------------


def test_a_file_is_replaced_only_by_a_later_copy(app: LiteQueue, to: Path) -> None:
    app.enqueue("t")
    app.backup(to)
    app.enqueue("t")
    app.backup(to)
    assert rows(to, "SELECT count(*) FROM litequeue_jobs") == [(2,)]


@pytest.mark.parametrize("there", ["text", "a queue", "a database", "empty", "a link", "a pipe"])
def test_what_is_no_copy_is_left_as_it_is(app: LiteQueue, to: Path, there: str) -> None:
    app.enqueue("t")
    if there == "text":
        to.write_text("a photograph")
    elif there == "a queue":
        with LiteQueue(to) as other:
            other.enqueue("t")
    elif there == "a database":
        with contextlib.closing(sqlite3.connect(to)) as other_:
            other_.execute("CREATE TABLE x (y)")
    elif there == "empty":
        to.touch()
    elif there == "a link":
        to.with_name("photo").write_text("a photograph")
        to.symlink_to(to.with_name("photo"))
    else:
        os.mkfifo(to)
    content = to.read_bytes() if there != "a pipe" else None
    with pytest.raises(errors.CannotOpen, match="left as it is|left as it was"):
        app.backup(to)
    assert content is None or to.read_bytes() == content
    assert leftovers(to.parent) == []


def test_the_file_itself_is_no_place_for_its_copy(app: LiteQueue, db: Path) -> None:
    app.enqueue("t")
    with pytest.raises(errors.InvalidArgument, match="is the file itself"):
        app.backup(db)


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal", "-lock", "-locks", "-workers", "-workers/"])
def test_what_lies_beside_the_file_in_use_is_no_place_for_its_copy(app: LiteQueue, db: Path, suffix: str) -> None:
    """SQLite deletes a log that is not of the file."""
    app.enqueue("t")
    before = sorted(os.listdir(db.parent))
    with pytest.raises(errors.InvalidArgument, match="lies beside .* while it is in use"):
        app.backup(f"{db}{suffix}")
    assert sorted(os.listdir(db.parent)) == before


def test_a_copy_whose_log_a_killed_program_has_left_is_replaced_with_that(app: LiteQueue, to: Path) -> None:
    """The log of the older copy would else be taken for that of the new one: its pages are other ones."""
    app.enqueue("t")
    app.backup(to)
    code = """import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for sql in ("PRAGMA journal_mode = WAL", "PRAGMA wal_autocheckpoint = 0", "UPDATE litequeue_jobs SET priority = 7", "CREATE TABLE x (y)"):
    connection.execute(sql)
os._exit(0)"""
    subprocess.run([sys.executable, "-c", code, str(to)], check=True)
    assert os.path.getsize(f"{to}-wal")
    for number in range(300):
        app.enqueue("t", number)
    app.backup(to)
    assert not os.path.exists(f"{to}-wal")
    with contextlib.closing(sqlite3.connect(to)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*), max(priority) FROM litequeue_jobs").fetchone() == (301, 0)
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'x'").fetchone() == (0,)


def test_a_log_that_belongs_to_no_copy_is_not_given_a_new_one(app: LiteQueue, to: Path) -> None:
    app.enqueue("t")
    for suffix in ("-wal", "-journal"):
        beside = Path(f"{to}{suffix}")
        beside.write_bytes(b"x" * 5000)
        with pytest.raises(errors.LitequeueError, match="-wal .* holds what was committed last|belongs to no file that is"):
            app.backup(to)
        assert not to.exists() and leftovers(to.parent) == []
        beside.unlink()


def test_a_copy_on_which_somebody_works_is_not_replaced(app: LiteQueue, to: Path) -> None:
    app.enqueue("t")
    app.backup(to)
    with LiteQueue(to) as used:
        used.stats()
        with pytest.raises(errors.QueueBusy, match="in use"):
            app.backup(to)
    app.backup(to)


def test_in_a_folder_the_newest_of_this_file_stay_and_all_else_does(app: LiteQueue, tmp_path: Path) -> None:
    app.enqueue("t")
    folder = tmp_path / "copies"
    first = [app.backup(f"{folder}/", keep=3) for _ in range(2)]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    with LiteQueue(elsewhere / "db.sqlite") as other:
        other.enqueue("t")
        theirs = Path(other.backup(folder))
    notes = folder / theirs.name.replace("db-2", "db-1")
    notes.write_text("of that name, and no copy")
    made = [*first, *(app.backup(folder, keep=3) for _ in range(3))]
    assert sorted(folder.iterdir()) == sorted([*map(Path, made[-3:]), theirs, notes])
    assert app.backup(folder, keep=1) and len(list(folder.iterdir())) == 3


def test_a_copy_in_use_is_not_deleted_for_a_newer_one(app: LiteQueue, tmp_path: Path) -> None:
    app.enqueue("t")
    folder = tmp_path / "copies"
    folder.mkdir(mode=0o700)
    old = Path(app.backup(folder))
    with LiteQueue(old) as used:
        used.stats()
        app.backup(folder, keep=1)
        assert old.exists()
    newest = Path(app.backup(folder, keep=1))
    assert [path for path in folder.iterdir() if path.suffix == ".sqlite"] == [newest]


@pytest.mark.parametrize(
    ("to", "keep", "error", "says"),
    [
        ("", None, errors.InvalidArgument, "must be the path"),
        ("s3://bucket/db", None, errors.InvalidArgument, "must be the path"),
        ("a\0b", None, errors.InvalidArgument, "must be the path"),
        (b"copy", None, errors.InvalidType, "must be a path"),
        ("copy.sqlite", 3, errors.InvalidArgument, "keep goes with a folder"),
        ("copies/", 0, errors.InvalidArgument, "keep must be from 1"),
        ("copies/", True, errors.InvalidType, "keep must be an integer"),
        ("missing/copy.sqlite", None, errors.CannotOpen, "missing does not exist"),
        ("missing/copies/", None, errors.CannotOpen, "cannot be made"),
    ],
)
def test_where_it_cannot_go_is_said_before_anything_is_made(
    app: LiteQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: Any, keep: Any, error: type[Exception], says: str
) -> None:
    app.enqueue("t")
    app.close()
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(error, match=says):
        app.backup(to, keep=keep)
    app.close()
    assert sorted(os.listdir(tmp_path)) == before


def test_a_folder_that_others_can_write_is_no_place(app: LiteQueue, tmp_path: Path) -> None:
    app.enqueue("t")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(errors.CannotOpen, match="can be written by others.*chmod go-w"):
        app.backup(shared / "copy.sqlite")
    assert list(shared.iterdir()) == []


# -- what goes wrong ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def abandoned(folder: Path) -> Iterator[Path]:
    """What a process left that was killed as it made a copy, with the log of that."""
    path = folder / ".litequeue-0123456789abcdef.part"
    for suffix in ("", "-wal"):
        Path(f"{path}{suffix}").write_text("half of it")
    (folder / ".litequeue-fedcba9876543210.part-journal").touch()
    (folder / ".litequeue-of-mine.part").touch()
    yield path


def test_what_a_killed_one_left_goes_with_the_next_and_what_another_is_making_stays(app: LiteQueue, tmp_path: Path) -> None:
    app.enqueue("t")
    with abandoned(tmp_path), Draft(str(tmp_path / "other")) as draft:
        app.backup(tmp_path / "copy.sqlite")
        assert sorted(leftovers(tmp_path)) == sorted([".litequeue-of-mine.part", os.path.basename(draft.path)])
    assert leftovers(tmp_path) == [".litequeue-of-mine.part"]


def test_a_damaged_file_is_not_taken_for_a_copy(app: LiteQueue, db: Path, to: Path) -> None:
    for _ in range(50):
        app.enqueue("t", "x" * 500)
    app.backup(to)
    good = faults.digest(to)
    app.close()
    faults.damage(db, "litequeue_jobs")
    with pytest.raises(errors.DatabaseCorrupt, match=str(db)):
        app.backup(to)
    app.close()
    assert faults.digest(to) == good
    assert leftovers(to.parent) == []


def test_without_room_it_is_one_line_and_nothing_is_left(app: LiteQueue, tmp_path: Path) -> None:
    for _ in range(20):
        app.enqueue("t", "x" * 50_000)
    with faults.small_disk(tmp_path / "disk", "512k") as disk:
        with pytest.raises(errors.StorageFull, match="no room left on the device for the copy"):
            app.backup(disk.path / "copy.sqlite")
        assert list(disk.path.iterdir()) == []
        disk.fill()
        with pytest.raises(errors.StorageFull, match="no room left on the device for the copy"):
            app.backup(disk.path / "copy.sqlite")
        disk.free()
        assert list(disk.path.iterdir()) == []


def test_many_at_once_into_one_folder_are_as_many_copies(app: LiteQueue, tmp_path: Path) -> None:
    app.enqueue("t")
    made: list[str] = []
    folder = tmp_path / "copies"
    folder.mkdir(mode=0o700)

    threads = [threading.Thread(target=lambda: made.append(app.backup(folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, folder.iterdir())) == sorted(set(made))
    assert len(set(made)) == 4
