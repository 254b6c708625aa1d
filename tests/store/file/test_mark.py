"""Files that do not belong together, or were emptied: refused before SQLite opens them, with every byte left."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from litequeue import DatabaseCorrupt, DatabaseReplaced, LiteQueue
from litequeue.base import errors
from litequeue.store import Store
from litequeue.store.file import mark

from ... import faults
from ...prepared import litequeue, worker_process
from ...support import environment, new_job
from ..together import fork, together

pytestmark = pytest.mark.beside

COMMANDS = (("stats",), ("doctor",), ("jobs",), ("enqueue", "t"), ("worker", "--burst"))


def killed(db: Path, *, settled: bool = False) -> None:
    """One job in the log, and its writer dead; the five before are in the file if ``settled``."""

    def work(victim: faults.Victim) -> None:
        store = Store(str(db))
        for _ in range(5):
            store.jobs.enqueue(new_job())
        if settled:
            store.close()
        store.jobs.enqueue(new_job())
        faults.die()

    assert faults.run_victim(work).killed
    assert Path(f"{db}-wal").stat().st_size > 0


def evidence(db: Path) -> dict[str, bytes]:
    """Whatever lies there with a job in it; SQLite may make the index of the log, -shm, anew."""
    return {p.name: p.read_bytes() for p in db.parent.iterdir() if p.is_file() and not p.name.endswith("-shm")}


def refused(db: Path, kind: type[errors.StoreError], *says: str) -> None:
    """By every command with exit code 3 and by a producer with this error, and nothing is changed by any."""
    before = evidence(db)
    for command, *rest in COMMANDS:
        done = litequeue(command, db, *rest)
        assert done.returncode == 3, (command, done.stdout, done.stderr)
        for text in (str(db), *says):
            assert text in done.stdout + done.stderr, (command, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert evidence(db) == before, command
    for _ in range(2):
        with pytest.raises(kind, match=says[0]), LiteQueue(db) as app:
            app.enqueue("t")
    with pytest.raises(kind, match=says[0]), LiteQueue(db) as app:
        app.stats()
    assert evidence(db) == before


def empty(db: Path) -> None:
    os.truncate(db, 0)


def restore(db: Path, backup: Path) -> None:
    os.replace(backup, db)


def backed_up(db: Path) -> Path:
    """A sound copy, made as the guide says."""
    path = db.with_name("backup")
    with contextlib.closing(sqlite3.connect(db)) as source, contextlib.closing(sqlite3.connect(path)) as target:
        source.backup(target)
    path.chmod(0o600)
    return path


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_missing_file_whose_log_is_there_is_not_made_anew(db: Path) -> None:
    killed(db)
    db.rename(db.with_name("away"))
    refused(db, DatabaseReplaced, "is gone", f"{db}-wal (", "put the file back")
    db.with_name("away").rename(db)
    assert LiteQueue(db).stats().states == {"available": 6}


@pytest.mark.slow
@pytest.mark.parametrize("settled", [False, True])
def test_an_emptied_file_whose_log_is_there_is_not_made_anew(db: Path, settled: bool) -> None:
    killed(db, settled=settled)
    Path(f"{db}-lock").unlink()  # this is seen without it
    empty(db)
    refused(db, DatabaseCorrupt, "is empty although it was in use")


def test_an_emptied_file_without_a_log_is_known_by_its_mark(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
    empty(db)
    refused(db, DatabaseCorrupt, "is empty although it was in use")
    db.unlink()  # as it says
    assert LiteQueue(db).enqueue("t").id == 1


@pytest.mark.slow
def test_a_backup_put_in_the_place_of_a_file_whose_log_is_there_is_refused_until_that_is_deleted(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
        app.close()
        backup = backed_up(db)
    killed(db, settled=True)
    restore(db, backup)
    refused(db, DatabaseReplaced, "was replaced", f"delete {db}-wal and {db}-shm")
    for suffix in ("-wal", "-shm"):
        Path(f"{db}{suffix}").unlink()
    assert litequeue("enqueue", db, "t").stdout == "2\n"


@pytest.mark.slow
def test_a_backup_moved_in_under_a_worker_stops_it_and_is_refused_until_its_log_is_deleted(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("nobody.knows")
        app.close()
        backup = backed_up(db)
        with worker_process(db) as worker:
            restore(db, backup)
            said, _ = worker.communicate(timeout=10)
            assert worker.returncode == 3
            assert f"delete {db}-wal and {db}-shm" in said.splitlines()[-1]
    refused(db, DatabaseReplaced, "was replaced")


@pytest.mark.slow
def test_a_first_page_written_over_is_damage_where_a_queue_was_and_the_log_stays(db: Path) -> None:
    killed(db, settled=True)
    with open(db, "r+b") as file:
        file.write(b"no SQLite database " * 215)
    refused(db, DatabaseCorrupt, "beginning")
    Path(f"{db}-lock").unlink()  # without its word it may be anything
    with pytest.raises(errors.NotAQueue):
        LiteQueue(db).enqueue("t")


@pytest.mark.slow
def test_the_log_of_a_file_that_was_cut_short_stays(db: Path) -> None:
    killed(db, settled=True)
    os.truncate(db, 8192)
    refused(db, DatabaseCorrupt, "malformed")


# -- what is not -------------------------------------------------------------------------------------------


def test_a_missing_file_with_only_a_lock_and_workers_beside_it_is_new(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
    assert litequeue("worker", db, "--burst").returncode == 0
    db.unlink()
    assert litequeue("stats", db).returncode == 4
    assert LiteQueue(db).enqueue("t").id == 1


@pytest.mark.slow
def test_a_file_made_in_the_place_of_a_deleted_one_is_not_taken_for_it(db: Path) -> None:
    """The system gives the number of a deleted file to the next; here the mark is made to say so."""

    def abandoned(victim: faults.Victim) -> None:
        store = Store(str(db))
        store.database._bring_up = lambda *_: faults.die()  # type: ignore[method-assign]
        store.open_and_close()

    for _ in range(3):
        with LiteQueue(db) as app:
            app.enqueue("t")
        db.unlink()
        assert faults.run_victim(abandoned).killed  # as soon as it has made the file
        assert db.stat().st_size == 0
        with LiteQueue(db) as app:
            assert app.enqueue("t").id == 1
        db.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["deleted", "restored"])
def test_many_processes_open_what_is_new_in_an_old_place_at_once(db: Path, how: str) -> None:
    """A stale mark beside it, and inodes that are used again."""

    def enqueue_and_close() -> None:
        store = Store(str(db))
        store.jobs.enqueue(new_job())
        store.close()

    for _ in range(12):
        with LiteQueue(db) as app:
            app.enqueue("t")
            backup = backed_up(db)
        jobs = 1 if how == "restored" else 0
        if how == "restored":
            restore(db, backup)
        else:
            db.unlink()
        together(8, enqueue_and_close)
        with LiteQueue(db) as app:
            assert app.stats().states == {"available": jobs + 8}
        db.unlink()


@pytest.mark.parametrize("how", ["killed", "closed"])
def test_a_copy_of_all_files_elsewhere_is_a_queue_of_its_own(db: Path, tmp_path: Path, how: str) -> None:
    if how == "killed":
        killed(db, settled=True)
    else:
        with LiteQueue(db) as app:
            for _ in range(6):
                app.enqueue("t")
    there = tmp_path / "there"
    there.mkdir()
    for path in sorted(db.parent.glob(f"{db.name}*"), reverse=True):
        shutil.copy2(path, there)
    copy = there / db.name
    assert litequeue("stats", copy).returncode == 0
    for number in (7, 8):
        with LiteQueue(copy) as app:
            assert app.enqueue("t").id == number
    assert mark.was_set_up(str(copy)) and mark.was_set_up(str(db))
    os.truncate(copy, 0)
    with pytest.raises(DatabaseCorrupt):
        LiteQueue(copy).enqueue("t")


def test_all_files_moved_elsewhere_are_the_same_queue(db: Path, tmp_path: Path) -> None:
    killed(db, settled=True)
    there = tmp_path / "there"
    there.mkdir()
    for path in db.parent.glob(f"{db.name}*"):
        path.rename(there / path.name)
    assert LiteQueue(there / db.name).stats().states == {"available": 6}


@pytest.mark.parametrize("how", [restore, shutil.copy], ids=["moved in", "copied over"])
def test_a_backup_restored_when_all_was_stopped_goes_on(db: Path, how: Callable[[Path, Path], object]) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
        backup = backed_up(db)  # while it is in use
        app.enqueue("t")
    how(db, backup) if how is restore else how(backup, db)
    with LiteQueue(db) as app:
        assert [app.enqueue("t").id for _ in range(3)] == [2, 3, 4]
        assert litequeue("doctor", db).returncode == 0
    assert litequeue("stats", db).returncode == 0


def test_a_restored_file_that_another_program_wrote_to_first_is_no_stray(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its new log may have the number of the old one; what tells them is that it was written after the file came."""
    with LiteQueue(db) as app:
        app.enqueue("t")
        app.close()
        restore(db, backed_up(db))
    with contextlib.closing(sqlite3.connect(db)) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
        log = os.stat(f"{db}-wal")
        with open(f"{db}-lock", "wb") as file:
            file.write(b"file 1:1 log %d:%d\n" % (log.st_dev, log.st_ino))
        with pytest.raises(DatabaseReplaced):
            LiteQueue(db).enqueue("t")
        later = time.time_ns() + 6_000_000_000
        os.utime(f"{db}-wal", ns=(later, later))
        assert LiteQueue(db).enqueue("t").id == 2


@pytest.mark.parametrize("line", [b"", b"\xff" * 128, b"file 1:1 log", b"file 1:1 log 1:1", bytes(128), b"x" * 5000])
def test_a_lock_file_that_says_nothing_sensible_refuses_nobody(db: Path, line: bytes) -> None:
    killed(db, settled=True)
    Path(f"{db}-lock").write_bytes(line)
    with LiteQueue(db) as app:
        assert app.enqueue("t").id == 7
    assert mark.was_set_up(str(db))


def test_the_mark_is_made_by_the_first_transaction_and_not_by_looking(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
    Path(f"{db}-lock").unlink()
    with LiteQueue(db) as app:
        app.stats()
        assert not Path(f"{db}-lock").exists()
        app.enqueue("t")
        files = [os.stat(f"{db}{suffix}") for suffix in ("", "-wal")]
    said = Path(f"{db}-lock").read_text()
    assert said.split() == ["file", *(f"{s.st_dev}:{s.st_ino}" for s in files[:1]), "log", f"{files[1].st_dev}:{files[1].st_ino}"]


def test_reading_the_mark_drops_no_lock_of_this_process(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
        gate = app._client.store.database.held().gate
        gate.acquire(1)
        try:
            assert mark.was_set_up(str(db))
            mark.refuse_strays(str(db))
            probe = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
            done = subprocess.run(
                [sys.executable, "-c", probe, f"{db}-lock"], env=environment(), capture_output=True, check=False
            )
            assert b"BlockingIOError" in done.stderr
        finally:
            gate.release()


def test_a_forked_child_finds_the_files_in_order(db: Path) -> None:
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    pid = fork(lambda: store.jobs.enqueue(new_job()))
    assert os.waitpid(pid, 0)[1] == 0
    assert store.jobs.enqueue(new_job())[0] == 3
    store.close()
    assert mark.was_set_up(str(db))


# -- permissions -------------------------------------------------------------------------------------------

NOBODY = 65534


def as_nobody(path: Path, what: Callable[[], object]) -> str:
    """The CannotOpen that another user gets."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be another user")
    for parent in path.parents:  # pytest's folders are closed to others
        if parent.name != "closed" and not parent.stat().st_mode & 0o1:
            parent.chmod(0o755)

    def work(victim: faults.Victim) -> None:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        with pytest.raises(errors.CannotOpen) as caught:
            what()
        victim.say(str(caught.value))

    (said,) = faults.run_victim(work).said
    assert str(path) in said
    return said


def test_a_file_of_somebody_else_is_said_so(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITEQUEUE_TRUST", "anyone")
    with LiteQueue(db) as app:
        app.enqueue("t")
    db.parent.chmod(0o777)
    said = as_nobody(db, lambda: LiteQueue(db).enqueue("t"))
    assert f"{db} belongs to uid 0 with mode 600, and you are uid {NOBODY}" in said
    said = as_nobody(db, lambda: Store(str(db), create=False).reports.state(1))
    assert "belongs to uid 0 with mode 600" in said


def test_a_folder_that_cannot_be_written_is_said_so(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
    os.chown(db, NOBODY, NOBODY)
    os.chown(f"{db}-lock", NOBODY, NOBODY)
    said = as_nobody(db, lambda: LiteQueue(db).enqueue("t"))
    assert f"the folder {db.parent} belongs to uid 0 with mode 755, and you are uid {NOBODY}" in said
    said = as_nobody(db.with_name("new"), lambda: LiteQueue(db.with_name("new")).enqueue("t"))
    assert f"the folder {db.parent} belongs to uid 0" in said


def test_a_lock_file_of_somebody_else_is_said_so(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITEQUEUE_TRUST", "anyone")
    with LiteQueue(db) as app:
        app.enqueue("t")
    db.parent.chmod(0o777)
    os.chown(db, NOBODY, NOBODY)
    said = as_nobody(db, lambda: LiteQueue(db).enqueue("t"))
    assert f"{db}-lock belongs to uid 0 with mode 600" in said


def test_a_folder_that_cannot_be_looked_into_is_said_so(db: Path) -> None:
    closed = db.parent / "closed"
    closed.mkdir(mode=0o700)
    with LiteQueue(closed / "db") as app:
        app.enqueue("t")
    said = as_nobody(closed / "db", lambda: LiteQueue(closed / "db").enqueue("t"))
    assert f"{closed} belongs to uid 0 with mode 700" in said
