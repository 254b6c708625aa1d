"""Closing a store while other threads use it: an app that ends beside its embedded worker."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.store import Store
from litequeue.store.file.gate import WriteGate
from litequeue.store.file.handles import Handles

from ... import faults
from ...prepared import litequeue
from ...support import environment, new_job

pytestmark = pytest.mark.beside


@pytest.mark.slow
def test_closing_under_threads_that_read_and_write_crashes_nothing(store: Store) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not stop.is_set():
                job_id, _ = store.jobs.enqueue(new_job())
                assert store.reports.state(job_id) == "available"
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    def watch() -> None:
        while not stop.is_set():
            store.database.data_version()

    threads = [threading.Thread(target=work) for _ in range(3)] + [threading.Thread(target=watch)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        store.close()
        time.sleep(0.002)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    with store.database.read() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_looking_waits_for_no_write_lock_and_makes_no_side_file(db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
    Path(f"{db}-lock").unlink()
    began = time.monotonic()
    assert litequeue("jobs", db).returncode == 0
    assert not Path(f"{db}-lock").exists()
    Path(f"{db}-lock").touch(0o600)
    with faults.hog_of_the_gate(db, 20.0):
        assert litequeue("stats", db).returncode == 0
    assert time.monotonic() - began < 8


@pytest.mark.slow
@pytest.mark.beside
def test_an_app_that_nobody_closed_ends_without_a_warning(tmp_path: Path) -> None:
    """Python 3.13 warns of an unclosed sqlite3 connection, each of a socket, and users' tests run under -W error."""
    program = """
import gc, os, sys
from litequeue import LiteQueue
for path in sys.argv[1:]:
    app = LiteQueue(path)
    app.enqueue("some.task")
    app.stats()
    with app.worker(threads=1, processes=0):
        app.enqueue("some.task")
    app.self = app
    del app
    gc.collect()
app = LiteQueue(sys.argv[1])
app.stats()
app.worker(threads=1, processes=0).start()
app.enqueue("some.task")
try:
    LiteQueue(os.path.join(sys.argv[1], "below")).stats()
except OSError:
    gc.collect()
"""
    words = [sys.executable, "-W", "error", "-X", "dev", "-c", program, tmp_path / "a.sqlite", tmp_path / "b.sqlite"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment(), timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_gate_that_another_thread_gives_back_meanwhile_is_still_a_gate(tmp_path: Path) -> None:
    """Once in two million looks it was None by the time that it was handed out."""

    class Watched(Handles):
        looks = 0

        @property
        def _gate(self) -> WriteGate | None:  # type: ignore[override]
            self.looks += 1
            return gate if self.looks == 1 else None

        @_gate.setter
        def _gate(self, value: WriteGate | None) -> None: ...

    (tmp_path / "db").touch(0o600)
    gate = WriteGate(str(tmp_path / "db"))
    handles = Watched(str(tmp_path / "db"))
    handles.looks = 0
    assert handles.gate is gate
    gate.close()
