"""Files that are deleted or replaced while they are in use: noticed before anything is written into nowhere."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from litequeue import DatabaseReplaced, LiteQueue

from ...prepared import worker_process
from ...support import ledger_lines, wait_until

pytestmark = pytest.mark.beside


def unlink(suffix: str) -> Callable[[Path], None]:
    return lambda db: os.unlink(f"{db}{suffix}")


def rename_over(db: Path) -> None:
    copy = db.with_name("copy")
    shutil.copy(db, copy)
    os.replace(copy, db)


def move_away(db: Path) -> None:
    os.rename(db, db.with_name("away"))


CHANGES = {
    "the file unlinked": unlink(""), "its -wal unlinked": unlink("-wal"), "its -shm unlinked": unlink("-shm"),
    "its -lock unlinked": unlink("-lock"), "another file in its place": rename_over, "moved away": move_away,
}  # fmt: skip


@pytest.mark.parametrize("pause", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_producer_does_not_enqueue_into_nowhere(db: Path, change: Callable[[Path], None], pause: bool) -> None:
    app = LiteQueue(db)
    app.enqueue("t")
    if pause:  # the folder's time of change has been believed by now
        identity = app._client.store.database.held().identity
        wait_until(lambda: app.enqueue("t") and identity._settled)
    change(db)
    for _ in range(2):  # and does not come round to it
        with pytest.raises(DatabaseReplaced, match="while it was in use") as caught:
            app.enqueue("t")
        assert str(db) in str(caught.value)


def test_no_further_connection_is_opened_to_a_file_that_took_its_place(db: Path) -> None:
    """SQLite would cut the -shm short under the connections that are open, and the next read would be a SIGBUS."""
    with LiteQueue(db) as app:
        app.enqueue("t")
        database = app._client.store.database
        with database.read():  # one that stays in use
            rename_over(db)
            size = os.path.getsize(f"{db}-shm")
            for another in (lambda: database.one("SELECT 1"), database.data_version):
                with pytest.raises(DatabaseReplaced):
                    another()
            with pytest.raises(DatabaseReplaced), database.side_connection():
                pass
            assert os.path.getsize(f"{db}-shm") == size


def test_after_close_an_app_goes_on_with_the_file_that_is_there(db: Path) -> None:
    app = LiteQueue(db)
    app.enqueue("t")
    move_away(db)
    os.unlink(f"{db}-wal")
    os.unlink(f"{db}-shm")
    with pytest.raises(DatabaseReplaced):
        app.enqueue("t")
    app.close()
    assert app.enqueue("t").id == 1


def test_other_files_in_the_folder_come_and_go(db: Path) -> None:
    with LiteQueue(db) as app:
        for n in range(20):
            app.enqueue("t")
            (db.parent / f"other{n}").touch()
            (db.parent / f"other{n // 2}").unlink(missing_ok=True)
        assert app.stats().states == {"available": 20}


@pytest.mark.slow
def test_a_worker_stops_with_exit_3_and_names_the_file(tmp_path: Path) -> None:
    """A worker and a file for each change, all at once: an idle worker sees it within a slow look."""
    with contextlib.ExitStack() as ends:
        workers = {}
        for number, name in enumerate(CHANGES):
            db = tmp_path / str(number) / "db.sqlite"
            db.parent.mkdir()
            with LiteQueue(db) as app:
                app.send_task("tests.sample.record", (str(db.parent / "ledger"), 1))
            workers[name] = db, ends.enter_context(worker_process(db, "--import", "tests.sample", wait=False))
        for db, _ in workers.values():
            wait_until(lambda db=db: ledger_lines(db.parent / "ledger"), 20)
        for name, (db, _) in workers.items():
            CHANGES[name](db)
        for name, (db, worker) in workers.items():
            try:
                said, _ = worker.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                pytest.fail(f"{name}: it went on")
            assert worker.returncode == 3, (name, said)
            assert str(db) in said.splitlines()[-1], (name, said)
            assert "Traceback" not in said, name
