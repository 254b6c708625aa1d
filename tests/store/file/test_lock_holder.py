"""Who may only read the file can hold up who writes it: he is named, with whose process it is; and no reader of ours is."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue.base import errors
from litequeue.doctor.examining import examine
from litequeue.store import Store
from litequeue.store.file.lock_holder import holder, readers, why_held_up

from ...support import new_job

pytestmark = [
    pytest.mark.beside,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who has a lock"),
]

WRITE, CHECKPOINT, FIRST_READER = 120, 121, 123
FOR_EVER = 0
F_OFD_SETLK = 37  # in Python's fcntl from 3.14 on


@contextlib.contextmanager
def locked_for_reading(db: Path, byte: int, length: int = 1, uid: int | None = None, *, of_the_file: bool = False) -> Iterator[int]:
    """By a process that has opened -shm for reading only; its pid. ``of_the_file``: as no process's, but that of what is open."""
    told, telling = os.pipe()
    waiting, go_on = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go_on)
        shm = os.open(f"{db}-shm", os.O_RDONLY)
        if uid is not None:
            os.setresuid(uid, uid, uid)
        if of_the_file:
            fcntl.fcntl(shm, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, byte, length, 0))
        else:
            fcntl.lockf(shm, fcntl.LOCK_SH, length, byte)
        os.write(telling, b".")
        os.read(waiting, 1)
        os._exit(0)
    os.close(telling)
    os.close(waiting)
    assert os.read(told, 1) == b"."
    try:
        yield pid
    finally:
        os.close(go_on)
        os.close(told)
        os.waitpid(pid, 0)


@pytest.mark.parametrize("of_the_file", [False, True])
@pytest.mark.parametrize(("byte", "length"), [(WRITE, 1), (0, FOR_EVER), (100, 100)])
def test_a_lock_for_reading_that_keeps_writers_off_is_named(db: Path, byte: int, length: int, of_the_file: bool) -> None:
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    store.database.patience = 0.05
    store.database.close()
    store.reports.state(0)
    with locked_for_reading(db, byte, length, of_the_file=of_the_file) as pid:
        with pytest.raises(errors.QueueBusy) as caught:
            store.jobs.enqueue(new_job())
        assert f"process {pid} of uid {os.geteuid()} holds a lock for reading on {db}-shm" in str(caught.value)
        assert f"chmod go= {db} {db}-shm" in str(caught.value)
    store.jobs.enqueue(new_job())
    store.close()


def test_who_waits_for_one_that_is_held_up_is_told_of_whom_that_one_waits_for(db: Path) -> None:
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    gate = store.database.held().gate

    def hold() -> None:
        gate.acquire(1)
        held.set()
        done.wait()
        gate.release()

    held, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=hold)
    with locked_for_reading(db, WRITE) as pid:
        thread.start()
        held.wait()
        with pytest.raises(errors.QueueBusy, match=f"another thread of this process. process {pid} of uid"):
            gate.acquire(0.01)
        done.set()
        thread.join()
    store.close()


def test_the_doctor_names_who_keeps_checkpoints_off(db: Path) -> None:
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    with locked_for_reading(db, CHECKPOINT) as pid:
        found = {check: (level, text) for check, level, text in examine(str(db), full=False)}
    assert found["wal"][0] == "busy"
    assert f"process {pid} of uid" in found["wal"][1]
    store.close()


def test_the_doctor_says_what_comes_of_letting_others_read(db: Path) -> None:
    Store(str(db)).open_and_close()
    db.chmod(0o644)
    said = [text for check, level, text in examine(str(db), full=False) if check == "file" and level == "wrong"]
    assert any(
        f"{db}{suffix}: owner {os.geteuid()}, mode 644: its group can read it, everybody can read it, and hold up all who write" in text
        for text in said
        for suffix in ("", "-shm")
    )
    assert not any("hold up" in text for text in said if f"{db}-wal" in text)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be other users")
@pytest.mark.parametrize("byte", [WRITE, FIRST_READER])
def test_one_that_only_root_can_name_is_told_as_such(db: Path, byte: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock of what is open, in a process that we may not look into."""
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    real = os.listdir
    with locked_for_reading(db, byte, uid=54_322, of_the_file=True) as pid:
        assert readers(str(db)) == [(pid, 54_322)] * (byte == FIRST_READER)
        monkeypatch.setattr(os, "listdir", lambda path: [] if str(path).startswith(f"/proc/{pid}/") else real(path))
        assert readers(str(db)) == [(0, None)] * (byte == FIRST_READER)
        assert ("a process that cannot be named" in str(why_held_up(str(db)))) == (byte == WRITE)
        assert holder(str(db)) is None
    store.close()


def test_readers_of_ours_and_writers_are_not_named_for_it(db: Path) -> None:
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    with store.database.read() as connection:
        cursor = connection.execute("SELECT id FROM litequeue_jobs UNION ALL SELECT 1")
        cursor.fetchone()
        assert why_held_up(str(db)) is None
        with store.database.write(durable=False):
            assert why_held_up(str(db)) is None
            assert holder(str(db)) == os.getpid()
        cursor.fetchall()
    with locked_for_reading(db, FIRST_READER, 5):
        assert why_held_up(str(db)) is None
        store.jobs.enqueue(new_job())
    store.close()


def test_a_lock_of_another_kind_keeps_nobody_off_and_is_not_named(db: Path) -> None:
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    shm = os.open(f"{db}-shm", os.O_RDONLY)
    for kind, of in ((fcntl.LOCK_SH, why_held_up), (fcntl.LOCK_EX, holder)):
        fcntl.flock(shm, kind)
        assert of(str(db)) is None
        store.jobs.enqueue(new_job())
    store.close()
    os.close(shm)  # after SQLite's own, which a close would drop


def test_who_holds_a_readers_lock_is_told_and_users_other_than_us_first(db: Path) -> None:
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    assert readers(str(db)) == []
    me, other = os.geteuid(), 54_322 if os.geteuid() == 0 else os.geteuid()
    with contextlib.ExitStack() as lock:
        pid = lock.enter_context(locked_for_reading(db, FIRST_READER, 5, other))  # before the read, inside of which nobody forks
        with store.database.read() as connection:
            cursor = connection.execute("SELECT id FROM litequeue_jobs UNION ALL SELECT 1")
            cursor.fetchone()
            assert sorted(readers(str(db))) == sorted([(pid, other), (os.getpid(), me)])
            assert me == other or readers(str(db))[0] == (pid, other)
            lock.close()
            assert readers(str(db)) == [(os.getpid(), me)]
            cursor.fetchall()
    store.close()


@pytest.mark.slow
def test_the_doctor_names_who_holds_a_readers_lock_and_not_a_worker_that_has_the_file_open(db: Path) -> None:
    """He need not have the file open: only its -shm."""
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    with locked_for_reading(db, FIRST_READER, 5) as pid:
        for _ in range(24):
            store.jobs.enqueue(new_job(kwargs=json.dumps({"x": "x" * 1_000_000})))
        found = {check: (level, text) for check, level, text in examine(str(db), full=False)}
    assert found["wal"][0] == "wrong" and found["wal"][1].endswith(f"is held by {pid} (uid {os.geteuid()})"), found["wal"]
    store.close()
