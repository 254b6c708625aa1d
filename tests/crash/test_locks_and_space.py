"""Files that cannot be written for a while: somebody holds the lock, or the device has no room, or it fails.

Each is a typed error with the path in it and the fitting exit code; a worker lives on, and nothing is lost. Locks in
one process are in tests/store/file/test_database.py.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue, current_job
from litequeue.base import errors
from litequeue.base.clock import SystemClock
from litequeue.cli.exits import TRY_LATER
from litequeue.store import Store
from litequeue.store.turn import Demand
from litequeue.worker.inbox import Inbox
from litequeue.worker.services.maintenance import Maintenance

from .. import faults, sample
from ..prepared import worker_process
from ..support import environment, ledger_lines, litequeue, new_job, wait_until
from .test_refused_files import refused

# -- locks held by others (ST1, ST2) --------------------------------------------------------------------

HOGS = [faults.hog_of_sqlite, faults.hog_of_the_gate]


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("hog", HOGS)
def test_an_enqueue_waits_for_a_lock_that_is_held_for_a_time(
    db: Path, hog: Callable[[Path, float], contextlib.AbstractContextManager[faults.Outsider]]
) -> None:
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    with hog(db, 0.7) as outsider:
        ids, *_ = store.jobs.enqueue_many(new_job(), [("[]", "{}")] * 3)
        assert time.monotonic() - outsider.since > 0.5
    assert list(ids) == [2, 3, 4]
    store.close()


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("hog", HOGS)
def test_a_lock_that_is_held_too_long_is_queuebusy_and_exit_75_and_stores_nothing(
    db: Path, hog: Callable[[Path], contextlib.AbstractContextManager[faults.Outsider]]
) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
        store = app._client.store
        store.close()
        store.database.patience = 0.2
        with hog(db):
            with pytest.raises(errors.QueueBusy, match=str(db)):
                app.enqueue("t")
            with pytest.raises(errors.QueueBusy, match=str(db)):
                store.jobs.enqueue_many(new_job(), [("[]", "{}")] * 3)
            done = subprocess.run(
                [sys.executable, "-c", faults.cli_with("patience(0.2)"), "enqueue", str(db), "t"],
                env=environment(), capture_output=True, text=True, timeout=20, check=False,
            )  # fmt: skip
            assert done.returncode == TRY_LATER
            assert done.stderr.startswith("litequeue: ") and str(db) in done.stderr and done.stderr.count("\n") == 1
        assert app.stats().states == {"available": 1}
        assert app.enqueue("t").id == 2


@pytest.mark.beside
def test_a_half_read_cursor_of_somebody_else_delays_nobody(db: Path) -> None:
    store = Store(str(db))
    store.jobs.enqueue_many(new_job(args='["' + "x" * 500 + '"]'), [("[]", "{}")] * 500)
    store.database.patience = 0.3
    with faults.half_read(db):
        for _ in range(40):  # past the looks for a due checkpoint
            store.jobs.enqueue(new_job())
        store.database.wal.make_due()
        for _ in range(20):
            store.jobs.enqueue(new_job())
    assert store.reports.stats().states == {"available": 560}
    store.close()


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("hog", HOGS)
def test_a_worker_that_cannot_write_for_longer_than_its_patience_lives_and_settles_later(
    app: LiteQueue, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    hog: Callable[[Path], contextlib.AbstractContextManager[faults.Outsider]],
) -> None:  # fmt: skip
    starts: list[int] = []
    gate = threading.Event()

    @app.task
    def work() -> str:
        starts.append(current_job().attempt)
        gate.wait(30)
        return "done"

    app._client.store.database.patience = 0.2
    job = work.delay()
    with app.worker(threads=2), caplog.at_level(logging.WARNING):
        wait_until(lambda: starts)
        with hog(Path(app.path)):
            gate.set()
            wait_until(lambda: "it keeps 1 result and tries again" in caplog.text, what="the settle is refused")
            assert job.state == "running"
        assert job.get(timeout=10) == "done"
        assert work.delay().get(timeout=10) == "done"
    assert starts == [1, 1]
    info = job.info()
    assert (info.failures, info.interruptions) == (0, 0)


class RunningClock(SystemClock):
    """The real time, and what a test adds to it."""

    ahead = 0.0

    def now(self) -> int:
        return super().now() + int(self.ahead * 1_000_000)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.mark.slow
@pytest.mark.beside
def test_a_rescue_that_had_to_wait_for_the_lock_takes_nothing(db: Path) -> None:
    clock, store, second = RunningClock(), Store(str(db)), 1_000_000
    store.jobs.enqueue(new_job())
    housekeeping = Maintenance(store, 2, clock, 2 * second, Inbox())
    housekeeping.tick()
    clock.ahead += 4
    housekeeping.tick()
    now = clock.now()
    assert store.jobs.turn(1, now, now + 2 * second, demand=Demand({"thread": 1})).claimed
    with faults.hog_of_sqlite(db, 1.0):
        clock.ahead += 2.5
        housekeeping.tick()  # the first look, which is only a SELECT
        clock.ahead += 0.6
        housekeeping.tick()  # the second; if it wants to write, it has to wait, as worker 1's heartbeat has to
    assert store.reports.state(1) == "running"
    store.close()


@pytest.mark.slow
@pytest.mark.beside
def test_a_lock_held_for_longer_than_the_lease_robs_nobody(sample_app: LiteQueue, db: Path, tmp_path: Path) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    job = sample.wait_at_gate.delay(str(ledger), str(gate))

    def beats() -> list[int]:
        with contextlib.closing(sqlite3.connect(db)) as connection:
            return [at for (at,) in connection.execute("SELECT heartbeat_at FROM litequeue_workers ORDER BY id")]

    with worker_process(db, "--lease", "1"), worker_process(db, "--lease", "1"), worker_process(db, "--lease", "1"):
        wait_until(lambda: ledger_lines(ledger))
        up = time.monotonic()
        wait_until(lambda: time.monotonic() - up > 1.5)  # awake for a whole lease: now they judge others
        with faults.hog_of_sqlite(db):
            seen = beats()
            lapse = job.info().lease_expires_at
            assert lapse is not None
            time.sleep(2.5)  # as long as it takes for the lease to be more than a whole lease too old
            assert beats() == seen
        for _ in range(4):  # long enough for several looks at the leases after it
            last = beats()
            wait_until(lambda then=last: all(b > a for a, b in zip(then, beats(), strict=True)), what="all beat")
        gate.touch()
        assert job.get(timeout=10) == "attempt 1"
    assert [line.split()[0] for line in ledger_lines(ledger)] == ["start", "end"]
    assert (job.info().attempt, job.info().interruptions) == (1, 0)


# -- no room (ST5, ST6) -----------------------------------------------------------------------------------


@contextlib.contextmanager
def no_page_more(store: Store) -> Iterator[None]:
    """SQLite finds the database full, for every writing connection of this store."""
    for durable in (True, False):
        with store.database.write(durable=durable) as connection:
            connection.execute("PRAGMA max_page_count = 1")  # which is to say: not one more than now
    yield
    for durable in (True, False):
        with store.database.write(durable=durable) as connection:
            connection.execute("PRAGMA max_page_count = 1000000")


@pytest.mark.slow
@pytest.mark.beside
def test_a_full_disk_at_enqueue_takes_a_batch_whole_or_not_at_all(tmp_path: Path) -> None:
    with faults.small_disk(tmp_path / "disk") as disk:
        db = disk.path / "db"
        store = Store(str(db))
        store.jobs.enqueue(new_job())
        disk.fill()
        with pytest.raises(errors.StorageFull, match=str(db)):
            store.jobs.enqueue(new_job())
        refused(db, TRY_LATER, "no room", commands=(("enqueue", "DB", "t"),), run=litequeue)
        disk.free()
        with pytest.raises(errors.StorageFull, match=str(db)):
            store.jobs.enqueue_many(new_job(), ((f'["{n}", "{"x" * 1000}"]', "{}") for n in range(2000)))
        assert store.reports.stats().states == {"available": 1}
        assert store.jobs.enqueue(new_job())[0] == 2
        ids, *_ = store.jobs.enqueue_many(new_job(), [("[]", "{}")] * 50)
        assert list(ids) == list(range(3, 53))
        with store.database.read() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        store.close()


@pytest.mark.beside
def test_a_write_that_the_system_cuts_short_is_a_typed_error_and_stores_nothing(db: Path) -> None:
    """Without root: a limit on the size of files, beyond which write() first falls short and then fails."""

    def work(victim: faults.Victim) -> None:
        store = Store(str(db))
        store.jobs.enqueue(new_job())
        with faults.files_no_longer_than(store.database.wal.size() + 6000):
            for _ in range(3):
                with pytest.raises(errors.StoreError, match=str(db)):
                    store.jobs.enqueue(new_job(args='["' + "x" * 20_000 + '"]'))
            with pytest.raises(errors.StoreError, match=str(db)):
                store.jobs.enqueue_many(new_job(), [('["' + "x" * 20_000 + '"]', "{}")] * 5)
            assert store.reports.stats().states == {"available": 1}
        victim.say(f"stored {store.jobs.enqueue(new_job())[0]}")
        store.close()

    assert faults.run_victim(work).said == ["stored 2"]
    store = Store(str(db))
    with store.database.read() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert store.reports.stats().states == {"available": 2}
    store.close()


@pytest.mark.slow
@pytest.mark.beside
def test_a_result_that_finds_no_room_is_kept_and_stored_once_there_is_some(
    app: LiteQueue, caplog: pytest.LogCaptureFixture
) -> None:
    starts: list[int] = []
    gate = threading.Event()

    @app.task
    def work(size: int) -> str:
        starts.append(size)
        gate.wait(30)
        return "x" * size

    big = work.delay(500_000)
    with app.worker(threads=1), caplog.at_level(logging.INFO):
        wait_until(lambda: starts)
        behind = work.delay(1)
        with no_page_more(app._client.store):
            gate.set()
            wait_until(lambda: "it keeps 1 result and tries again" in caplog.text, what="the settle is refused")
            time.sleep(0.8)  # and tried again, three times
            assert caplog.text.count("and tries again") == 1
            assert (big.state, behind.state) == ("running", "available")  # and nothing new is claimed
        assert big.get(timeout=10) == "x" * 500_000
        assert behind.get(timeout=10) == "x"
    assert starts == [500_000, 1]
    assert "no room" in caplog.text and app.path in caplog.text
    assert caplog.text.count("the file takes writes again, after it was refused") == 1
    assert (big.info().attempt, big.info().interruptions, big.info().failures) == (1, 0, 0)


@pytest.mark.slow
@pytest.mark.beside
def test_a_device_that_fails_at_the_settle_costs_neither_the_worker_nor_the_result(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    """A limit on the file's size, which SQLite reports as an I/O error, like a quota or a bad cable."""
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    job = sample.wait_at_gate.delay(str(ledger), str(gate))
    with worker_process(db) as worker:
        wait_until(lambda: ledger_lines(ledger))
        _, hard = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (4096, hard))
        gate.touch()
        wait_until(lambda: len(ledger_lines(ledger)) == 2)
        time.sleep(1)  # a few tries
        assert (worker.poll(), job.state) == (None, "running")
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert job.get(timeout=10) == "attempt 1"
        assert sample.add.delay(1, 1).get(timeout=10) == 2
    assert len(ledger_lines(ledger)) == 2


@pytest.mark.slow
@pytest.mark.beside
def test_a_worker_process_outlives_a_full_disk_and_settles_once(sample_app: LiteQueue, tmp_path: Path) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    with faults.small_disk(tmp_path / "disk") as disk:
        db = disk.path / "db"
        sample_app._client.bind(str(db))
        job = sample.wait_at_gate.delay(str(ledger), str(gate))
        with worker_process(db) as worker:
            wait_until(lambda: ledger_lines(ledger))
            disk.fill()
            gate.touch()
            assert worker.stdout is not None
            assert any("it keeps 1 result and tries again" in line for line in worker.stdout)
            assert job.state == "running"
            disk.free()
            assert job.get(timeout=10) == "attempt 1"
            assert sample.add.delay(1, 2).get(timeout=10) == 3
            worker.terminate()
            worker.communicate(timeout=20)
            assert worker.returncode == 0
        sample_app.close()
    assert [line.split()[0] for line in ledger_lines(ledger)] == ["start", "end"]



@pytest.mark.slow
@pytest.mark.beside
def test_a_stop_while_the_disk_is_full_says_how_many_results_it_gives_up_and_is_exit_75(
    sample_app: LiteQueue, tmp_path: Path
) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    with faults.small_disk(tmp_path / "disk") as disk:
        db = disk.path / "db"
        sample_app._client.bind(str(db))
        sample.wait_at_gate.delay(str(ledger), str(gate))
        with worker_process(db, "--grace", "0.2") as worker:
            wait_until(lambda: ledger_lines(ledger))
            disk.fill()
            gate.touch()
            assert worker.stdout is not None
            assert any("it keeps 1 result and tries again" in line for line in worker.stdout)
            worker.terminate()
            last = worker.communicate(timeout=20)[0].splitlines()[-1]
        assert worker.returncode == 75
        assert "ERROR the results of 1 job (1) could not be written and are given up" in last
        assert "no room left" in last
        sample_app.close()
