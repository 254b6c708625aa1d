"""A copy in the place of a file: what comes of it, and all for which it is refused."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.backup.restoring import BEFORE, Prepared, prepared
from litequeue.base import errors
from litequeue.base.clock import SystemClock
from litequeue.store.file.handles import Handles
from litequeue.store.marks import marks_of
from litequeue.store.schema import ledger

from .. import faults
from ..prepared import worker_process
from ..support import turn_of
from .test_making import given_to_nobody, leftovers, rows, whole

pytestmark = pytest.mark.beside

LATER = 3600 * 1_000_000


def restore(db: Path, copy: Path, *, paused: bool = False, later: int = 0) -> tuple[Prepared, Path | None]:
    with prepared(str(db), str(copy), SystemClock().now() + later, "me", paused=paused) as found:
        before = found.do()
    return found, None if before is None else Path(before)


def tasks(db: Path) -> list[str]:
    with LiteQueue(db) as app:
        return sorted(job.task for job in app.jobs())


@pytest.fixture
def copy(db: Path, tmp_path: Path) -> Path:
    """Of a file with one job, which has another one since."""
    with LiteQueue(db) as app:
        app.enqueue("old")
        path = Path(app.backup(tmp_path / "copy.sqlite"))
        app.enqueue("since")
    return path


def beside(db: Path) -> set[str]:
    return {path.name.removeprefix(db.name) for path in db.parent.iterdir() if path.name.startswith(db.name)} - {"-lock", "-workers"}


# -- what comes of it ----------------------------------------------------------------------------------------


def test_the_copy_is_the_file_and_the_former_one_is_kept_whole(db: Path, copy: Path) -> None:
    db.chmod(0o660)
    former, given = whole(db), faults.digest(copy)
    found, before = restore(db, copy)
    assert before is not None and before.name.startswith(db.name + BEFORE)
    assert beside(db) == {"", before.name.removeprefix(db.name)} and leftovers(db.parent) == []
    assert whole(before) == former and faults.digest(copy) == given
    assert stat.S_IMODE(db.stat().st_mode) == 0o660 and db.stat().st_nlink == 1
    assert (found.waiting, found.since and found.since.again, found.paused) == (1, 0, False)
    mark = marks_of(str(db))
    assert mark is not None and mark.copy is None
    assert [tuple(row) for row in rows(db, "SELECT who, what, target FROM litequeue_actions")] == [("me", "restore", f"from {copy}")]
    with LiteQueue(db) as app:
        assert app.enqueue("next").id == 2
    assert tasks(before) == ["old", "since"]


def test_a_file_that_is_gone_is_there_again_without_the_log_that_lay_there(db: Path, copy: Path) -> None:
    log = db.with_name(db.name + "-wal")
    db.unlink()
    log.write_bytes(b"what was committed last")
    _, before = restore(db, copy)
    assert before is None and tasks(db) == ["old"]
    (kept,) = (path for path in db.parent.iterdir() if BEFORE in path.name)
    assert kept.name.endswith("-wal") and kept.read_bytes() == b"what was committed last"


@pytest.mark.parametrize("how", ["damaged", "cut", "emptied", "no database", "another log"])
def test_a_file_that_no_worker_opens_any_more_is_replaced_and_kept_with_its_log(db: Path, copy: Path, how: str) -> None:
    def work(victim: faults.Victim) -> None:
        LiteQueue(db).enqueue("in.the.log")
        faults.die()

    assert faults.run_victim(work).killed
    log = db.with_name(db.name + "-wal")
    assert log.stat().st_size
    if how == "damaged":
        log.unlink()
        faults.damage(db, "litequeue_jobs")
    elif how == "cut":
        os.truncate(db, 8192)
    elif how == "emptied":
        os.truncate(db, 0)
    elif how == "no database":
        with open(db, "r+b") as file:
            file.write(b"no SQLite database " * 215)
    else:
        other = db.with_name("other")
        other.write_bytes(copy.read_bytes())
        os.replace(other, db)
    former, logged = db.read_bytes(), log.read_bytes() if log.exists() else None
    _, before = restore(db, copy)
    assert before is not None
    assert tasks(db) == ["old"]
    if how == "another log" or logged is not None and how != "damaged":
        assert Path(f"{before}-wal").read_bytes() == logged
        assert before.read_bytes() == former


def test_a_copy_that_sqlite_has_made_and_one_of_an_older_version_will_do(db: Path, copy: Path, tmp_path: Path) -> None:
    by_hand = tmp_path / "by hand"
    with contextlib.closing(sqlite3.connect(db)) as source, contextlib.closing(sqlite3.connect(by_hand)) as target:
        source.backup(target)
    found, _ = restore(db, by_hand)
    assert found.copy is None and tasks(db) == ["old", "since"]
    older = tmp_path / "older"
    with contextlib.closing(sqlite3.connect(older)) as connection, connection:
        connection.execute(ledger.OWN_TABLES[0])
        for statement in ledger.statements(ledger.MIGRATIONS[0].sql):
            connection.execute(statement)
        connection.execute("INSERT INTO litequeue_meta VALUES ('schema_version', '1')")
        connection.execute("INSERT INTO litequeue_jobs (task) VALUES ('ancient')")
    older.chmod(0o600)
    restore(db, older)
    assert tasks(db) == ["ancient"]
    assert rows(db, "SELECT value FROM litequeue_meta WHERE key = 'schema_version'") == [(str(ledger.CURRENT),)]


def test_what_has_run_since_runs_again_but_for_what_runs_at_most_once(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    plain = app.task(name="plain")(lambda: None)
    once = app.task(name="once", at_most_once=True)(lambda: None)
    for task in (plain, plain, once, once):
        task.delay()
    once.apply_async(countdown=7200)
    copy = Path(app.backup(tmp_path / "copy.sqlite"))
    for done in (1, 3):
        with contextlib.closing(sqlite3.connect(db)) as connection, connection:
            connection.execute("UPDATE litequeue_jobs SET state = 'succeeded', attempt = 1, finished_at = 1, prune_at = 9 WHERE id = ?", (done,))
    app.close()
    found, before = restore(db, copy)
    assert found.since is not None and (found.since.again, found.lost, found.waiting) == (1, 1, 4)
    with LiteQueue(db) as restored:
        infos = {job.id: job for job in restored.jobs()}
        assert {id_: info.state for id_, info in infos.items()} == {1: "available", 2: "available", 3: "discarded", 4: "available", 5: "scheduled"}
        assert infos[3].last_error == "Lost: it may have run since the copy was made, and runs at most once"
        assert restored.job(3).retry()
    assert before is not None
    before.unlink()
    db.unlink()  # nobody knows what has run: what was due may have
    found, _ = restore(db, copy, later=LATER)
    assert found.since is None and (found.lost, found.waiting) == (2, 3)
    with LiteQueue(db) as restored:
        assert {job.id: job.state for job in restored.jobs()} == {1: "available", 2: "available", 3: "discarded", 4: "discarded", 5: "scheduled"}


def test_with_its_schedules_paused_no_tick_fires_again(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    app.schedules.add("often", "t", every="1s")
    copy = Path(app.backup(tmp_path / "copy.sqlite"))
    app.close()
    assert restore(db, copy)[0].paused is False
    assert app.schedules.get("often").state == "active"
    app.close()
    assert restore(db, copy, paused=True)[0].paused is True
    assert app.schedules.get("often").state == "paused"


def test_a_worker_that_opens_a_file_as_it_is_exchanged_finds_another_one(db: Path, copy: Path) -> None:
    """It has the former file open, waits for the gate, and may write nothing, nor make a log beside the new one."""
    with prepared(str(db), str(copy), SystemClock().now(), "me") as found:
        app = LiteQueue(db)
        database = app._client.store.database
        database.patience = 0.1
        with pytest.raises(errors.QueueBusy):
            app.enqueue("t")
        identity = Handles(database.path)
        found.do()
    with contextlib.closing(sqlite3.connect(db)) as connection, pytest.raises(errors.DatabaseReplaced):
        database._bring_up(connection, identity)  # type: ignore[arg-type]
    assert tasks(db) == ["old"]


def test_no_is_no(db: Path, copy: Path) -> None:
    former = whole(db)
    with prepared(str(db), str(copy), SystemClock().now(), "me") as found:
        assert found.replaces
    assert whole(db) == former and leftovers(db.parent) == [] and not any(BEFORE in path.name for path in db.parent.iterdir())
    assert tasks(db) == ["old", "since"]


# -- what it is refused for --------------------------------------------------------------------------------


def refused(db: Path, copy: Path, error: type[Exception], says: str) -> None:
    with contextlib.suppress(OSError):
        names = sorted(set(os.listdir(db.parent)) - {f"{db.name}{suffix}" for suffix in ("-lock", "-wal", "-shm")})
    with pytest.raises(error, match=says):
        restore(db, copy)
    assert sorted(set(os.listdir(db.parent)) - {f"{db.name}{suffix}" for suffix in ("-lock", "-wal", "-shm")}) == names


@pytest.mark.slow
def test_while_a_worker_runs_on_either_file(db: Path, copy: Path) -> None:
    with worker_process(db) as worker:
        refused(db, copy, errors.QueueBusy, rf"{db} is in use, by process(es)? .*{worker.pid}.*stop every worker")
    restore(db, copy)
    with worker_process(copy):
        refused(db, copy, errors.QueueBusy, "is in use.*a queue at work.*litequeue backup")


def test_while_any_program_has_it_open(db: Path, copy: Path) -> None:
    with LiteQueue(db) as app:
        app.stats()
        refused(db, copy, errors.QueueBusy, "in use, by process this one")
    with contextlib.closing(sqlite3.connect(db)) as other:
        other.execute("SELECT count(*) FROM litequeue_jobs").fetchone()
        refused(db, copy, errors.QueueBusy, "in use")
    restore(db, copy)


def test_where_the_system_does_not_tell_sqlites_lock_and_the_workers_do(db: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litequeue.store.file.swap.users", lambda path: [])
    with contextlib.closing(sqlite3.connect(db)) as other:
        other.execute("SELECT count(*) FROM litequeue_jobs").fetchone()
        refused(db, copy, errors.QueueBusy, "SQLite's write lock")
    with LiteQueue(db) as app:
        place = app._client.store.workers.register(name="w", host="h", wake_port=None, queues=None, slots={}, now=1)
        app.close()
        refused(db, copy, errors.QueueBusy, r"by a worker \(.*\.lock is locked\)")
        place.close()
    restore(db, copy)


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ("missing", errors.CannotOpen, "no such file"),
        ("a folder", errors.CannotOpen, "a folder: name a copy in it"),
        ("text", errors.NotAQueue, "not a SQLite database"),
        ("empty", errors.NotAQueue, "without litequeue's tables"),
        ("foreign", errors.NotAQueue, "without litequeue's tables"),
        ("damaged", errors.DatabaseCorrupt, "is damaged"),
        ("newer", errors.SchemaTooNew, "upgrade litequeue"),
        ("trigger", errors.NotAQueue, "evil"),
        ("loose", errors.CannotOpen, "can be written by others.*chmod go-w"),
        ("itself", errors.InvalidArgument, "is the file itself"),
    ],
)
def test_a_copy_that_is_none_or_that_no_worker_could_open(db: Path, copy: Path, what: str, error: type[Exception], says: str) -> None:
    def sql(statement: str) -> None:
        with contextlib.closing(sqlite3.connect(copy)) as connection, connection:
            connection.execute(statement)

    acts: dict[str, Callable[[], object]] = {
        "missing": copy.unlink,
        "a folder": lambda: (copy.unlink(), copy.mkdir()),
        "text": lambda: copy.write_text("a photograph"),
        "empty": lambda: os.truncate(copy, 0),
        "foreign": lambda: (copy.unlink(), sql("CREATE TABLE x (y)"), copy.chmod(0o600)),
        "damaged": lambda: faults.damage(copy, "litequeue_jobs"),
        "newer": lambda: sql("UPDATE litequeue_meta SET value = '999'"),
        "trigger": lambda: sql("CREATE TRIGGER evil AFTER INSERT ON litequeue_jobs BEGIN DELETE FROM litequeue_jobs; END"),
        "loose": lambda: copy.chmod(0o666),
        "itself": lambda: None,
    }
    acts[what]()
    former = whole(db)
    refused(db, db if what == "itself" else copy, error, says)
    assert whole(db) == former


@pytest.mark.parametrize(("what", "says"), [("a database", "without litequeue's tables"), ("text", "no SQLite database")])
def test_a_file_that_never_was_a_queue_is_not_replaced(tmp_path: Path, copy: Path, what: str, says: str) -> None:
    photos = tmp_path / "photos.db"
    if what == "text":
        photos.write_text("a photograph" * 100)
    else:
        with contextlib.closing(sqlite3.connect(photos)) as connection:
            connection.execute("CREATE TABLE x (y)")
    content = photos.read_bytes()
    refused(photos, copy, errors.NotAQueue, f"{says}, and was left as it is: check the path")
    assert photos.read_bytes() == content and not photos.with_name("photos.db-lock").exists()


def test_a_file_of_somebody_else_is_not_replaced(db: Path, copy: Path) -> None:
    nobody = given_to_nobody(db.parent)
    os.chown(db, 0, 0)

    def work(victim: faults.Victim) -> None:
        os.setgroups([])
        os.setresgid(nobody, nobody, nobody)
        os.setresuid(nobody, nobody, nobody)
        with pytest.raises(errors.CannotOpen) as caught:
            restore(db, copy)
        victim.say(str(caught.value))

    (said,) = faults.run_victim(work).said
    assert "is not replaced, since the new file would be yours" in said and "belongs to uid 0" in said


def test_root_restores_a_users_file_as_that_users(db: Path, copy: Path) -> None:
    nobody = given_to_nobody(db.parent)
    _, before = restore(db, copy)
    assert before is not None
    assert {path.stat().st_uid for path in (db, before, copy)} == {nobody}


def test_without_room_nothing_is_changed(db: Path, copy: Path, tmp_path: Path) -> None:
    with faults.small_disk(tmp_path / "disk") as disk:
        there = disk.path / "db.sqlite"
        with LiteQueue(there) as app:
            app.enqueue("there")
        disk.fill()
        with pytest.raises(errors.StorageFull, match="no room left on the device for the copy"):
            restore(there, copy)
        disk.free()
        assert tasks(there) == ["there"] and leftovers(disk.path) == []


def test_a_restore_that_was_killed_between_its_names_is_gone_on_with(db: Path, copy: Path) -> None:
    before = Path(f"{db}{BEFORE}20200101T000000Z")
    os.link(db, before)
    with pytest.raises(errors.CannotOpen, match="2 hard links"):
        LiteQueue(db).stats()
    assert restore(db, copy)[1] == before
    assert tasks(db) == ["old"] and tasks(before) == ["old", "since"]


def test_the_jobs_of_a_copy_of_another_file_are_not_compared_with_the_files(db: Path, copy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with LiteQueue(other) as app:
        app.enqueue("theirs")
        turn_of(app)
    found, _ = restore(other, copy)
    assert found.since is None and found.copy is not None and found.copy.of == str(db)
    assert tasks(other) == ["old"]
