"""Kill -9 before each thing that a backup or a restore does, to files or by SQL.

A backup: the original has the rows that it had, and the copy is there whole, or the one before it is, or none. A restore: the file is the old one
or the new one, or is refused as what it is, a file with two names; the old one is somewhere whole; no log of another file lies beside it. And the
next one does what this one was to do, and leaves nothing of it behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from litequeue import CannotOpen, LiteQueue
from litequeue.backup.restoring import BEFORE, prepared
from litequeue.base.clock import SystemClock
from litequeue.store.marks import marks_of

from .. import faults
from .test_kill_sweeps import contents

pytestmark = [pytest.mark.slow, pytest.mark.beside]

Act = Callable[[Path], None]
CUT = 8192  # bytes that a damaged file is left


def tasks(db: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [task for (task,) in connection.execute("SELECT task FROM litequeue_jobs ORDER BY id").fetchall()]


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".litequeue-")]


def killed(origin: Path, act: Act, nth: int) -> tuple[Path, faults.End]:
    """The act on a fresh copy of all files, at the place that they say that they are of, in a process that dies before its nth deed."""
    there = shutil.copytree(origin, origin.with_name("there"))

    def work(victim: faults.Victim) -> None:
        done = faults.die_at_deed(nth)
        act(there)
        victim.say(str(done()))

    return there, faults.run_victim(work)


def deeds(origin: Path, act: Act) -> int:
    there, end = killed(origin, act, 0)
    assert not end.killed
    shutil.rmtree(there)
    return int(end.said[0])


def backup(there: Path) -> None:
    with LiteQueue(there / "db") as app:
        app.backup(there / "copy")


def backup_into_a_folder(there: Path) -> None:
    with LiteQueue(there / "db") as app:
        app.backup(f"{there}/copies/", keep=1)


def restore(there: Path) -> None:
    with prepared(str(there / "db"), str(there / "copy"), SystemClock().now(), "me") as found:
        found.do()


def prepare(folder: Path) -> Path:
    """A file with a log whose writer was killed, and earlier copies of it."""
    there = folder / "there"
    there.mkdir(mode=0o700)
    with LiteQueue(there / "db") as app:
        app.enqueue("old")
        app.backup(there / "copy")
        app.backup(f"{there}/copies/")

    def work(victim: faults.Victim) -> None:
        LiteQueue(there / "db").enqueue("since")
        faults.die()

    assert faults.run_victim(work).killed
    assert (there / "db-wal").stat().st_size
    return there.rename(folder / "origin")


@pytest.mark.parametrize("act", [backup, backup_into_a_folder])
def test_a_backup_killed_anywhere_leaves_the_file_as_it_is_and_the_copy_whole_or_absent(memory: Path, act: Act) -> None:
    origin = prepare(memory)
    rows = contents(Path(shutil.copytree(origin, memory / "as it is")) / "db")
    many = deeds(origin, act)
    assert many > 15
    fresh = 0
    for nth in range(1, many + 1):
        there, end = killed(origin, act, nth)
        assert end.killed, nth
        assert contents(Path(shutil.copytree(there, memory / "post mortem")) / "db") == rows, nth
        shutil.rmtree(memory / "post mortem")
        copies = [there / "copy", *(there / "copies").iterdir()]
        for copy in copies:
            if not copy.name.startswith(".litequeue-"):
                found = tasks(copy)
                assert found in (["old"], ["old", "since"]), (nth, copy)
                fresh += len(found) > 1
                mark = marks_of(str(copy))
                assert mark is not None and mark.copy is not None
        act(there)
        made = [there / "copy"] if act is backup else list((there / "copies").iterdir())
        assert [tasks(copy) for copy in made] == [["old", "since"]], nth
        assert leftovers(there) == leftovers(there / "copies") == [], nth
        assert tasks(there / "db") == ["old", "since"]
        shutil.rmtree(there)
    assert 0 < fresh < many  # some died after it was there


@pytest.mark.parametrize("state", ["intact", "damaged", "gone"])
def test_a_restore_killed_anywhere_leaves_the_old_file_or_the_new_one(memory: Path, state: str) -> None:
    origin = prepare(memory)
    if state == "damaged":
        os.truncate(origin / "db", CUT)
    elif state == "gone":
        (origin / "db").unlink()
    many = deeds(origin, restore)
    assert many > 25
    found = []
    for nth in range(1, many + 1):
        there, end = killed(origin, restore, nth)
        assert end.killed, nth
        db, copy = there / "db", there / "copy"
        assert tasks(copy) == ["old"]
        found.append(look(there, state, nth))
        assert found[-1] != "new" or not any((there / f"db{suffix}").exists() for suffix in ("-wal", "-shm", "-journal")), nth
        restore(there)
        assert tasks(db) == ["old"] and db.stat().st_nlink == 1, nth
        assert not (there / "db-wal").exists() and leftovers(there) == [], nth
        kept = [path for path in there.iterdir() if BEFORE in path.name and not path.name.endswith(("-wal", "-shm"))]
        if state == "intact":
            assert ["old", "since"] in [tasks(path) for path in kept], nth
        elif state == "damaged":
            logs = [Path(f"{path}-wal") for path in kept]
            assert any(path.stat().st_size == CUT and log.exists() for path, log in zip(kept, logs, strict=True)), nth
        shutil.rmtree(there)
    assert set(found) == {"old", "new", "two names"} - ({"two names"} if state == "gone" else set()), found
    assert found == sorted(found, key=["old", "two names", "new"].index)


def look(there: Path, state: str, nth: int) -> str:
    """Which of them the file is, seen on a copy of all."""
    db = there / "db"
    if db.exists() and db.stat().st_nlink > 1:
        with pytest.raises(CannotOpen, match="2 hard links"):
            LiteQueue(db).stats()
        (other,) = (path for path in there.iterdir() if path != db and os.path.samefile(path, db))
        assert other.name.startswith(f"db{BEFORE}"), nth
        return "two names"
    seen = Path(shutil.copytree(there, there.parent / "post mortem")) / "db"
    try:
        if state == "gone" and not seen.exists():
            return "old"
        if seen.stat().st_size == CUT:
            assert state == "damaged" and Path(f"{seen}-wal").exists(), nth
            return "old"
        named = tasks(seen)
        assert named in (["old"], ["old", "since"]), nth
        with LiteQueue(seen) as app:
            assert app.enqueue("next").id == len(named) + 1
        return "new" if named == ["old"] else "old"
    finally:
        shutil.rmtree(seen.parent)
