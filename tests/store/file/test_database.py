from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from litequeue.base import errors
from litequeue.base.models import Settled
from litequeue.store import Store
from litequeue.store.file.database import Database
from litequeue.store.file.wal import LIMIT as WAL_LIMIT
from litequeue.store.schema import ledger
from litequeue.store.turn import Demand

from ...support import FakeClock, environment, new_job
from ..together import fork, together

pytestmark = pytest.mark.beside


def test_the_file_and_its_side_files_are_for_the_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = Store(str(tmp_path / "db"))
        store.jobs.enqueue(new_job())
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    finally:
        os.umask(old)
    store.close()
    assert modes == {"db": 0o600, "db-lock": 0o600, "db-wal": 0o600, "db-shm": 0o600}


@pytest.mark.parametrize("name", ["a b", "ü", "x?#%20", "-v", "file:x"])
def test_a_strange_name_is_that_file_and_no_uri(tmp_path: Path, name: str) -> None:
    store = Store(str(tmp_path / name))
    store.jobs.enqueue(new_job())
    store.close()
    assert (tmp_path / name).exists()
    assert Store(str(tmp_path / name)).reports.state(1) == "available"


def test_a_symbolic_link_is_the_same_queue(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with_real, with_link = Store(str(tmp_path / "real")), Store(str(tmp_path / "link"))
    with_real.jobs.enqueue(new_job())
    assert with_link.reports.state(1) == "available"
    assert with_link.database.path == with_real.database.path
    with_real.close()
    with_link.close()


def test_reading_a_missing_file_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(errors.CannotOpen, match="no such file"):
        Store(str(tmp_path / "nope"), create=False).open_and_close()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_and_a_folder_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(errors.CannotOpen, match="does not exist"):
        Store(str(tmp_path / "no" / "db")).open_and_close()
    with pytest.raises(errors.CannotOpen, match="directory"):
        Store(str(tmp_path)).open_and_close()


def test_what_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("not a database, but long enough to look at " * 50)
    before = path.read_bytes()
    with pytest.raises(errors.NotAQueue, match="not a SQLite database"):
        Store(str(path)).open_and_close()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["text"]


def test_another_apps_database_is_refused_unless_its_own_code_asks(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE Queue (x)")
        connection.execute("INSERT INTO Queue VALUES (1)")
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(errors.NotAQueue, match="without litequeue's tables"):
        Store(str(path), adopt=False).open_and_close()
    assert path.read_bytes() == before
    store = Store(str(path))
    store.jobs.enqueue(new_job())
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT x FROM Queue").fetchall() == [(1,)]
        assert connection.execute("PRAGMA user_version").fetchone() == (7,)
    connection.close()


def test_a_newer_schema_is_refused_before_any_write(tmp_path: Path) -> None:
    path = tmp_path / "db"
    store = Store(str(path))
    store.jobs.enqueue(new_job())
    with store.database.write(durable=True) as connection:
        connection.execute("UPDATE litequeue_meta SET value = '999'")
    store.close()
    with pytest.raises(errors.SchemaTooNew, match="999"):
        Store(str(path)).open_and_close()


def test_what_a_newer_version_adds_disturbs_nobody_who_has_the_file_open(store: Store, clock: FakeClock) -> None:
    """Migrations only add where they can, so that a worker need not be stopped before its producers are upgraded, and
    may be started again after that. Whether it may, the newer version says."""
    now = clock.now()
    first, _ = store.jobs.enqueue(new_job())
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as newer:
        newer.execute("BEGIN IMMEDIATE")
        newer.execute("ALTER TABLE litequeue_jobs ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'")
        newer.execute("CREATE TABLE litequeue_colours (name TEXT PRIMARY KEY) STRICT")
        newer.execute("UPDATE litequeue_meta SET value = '999' WHERE key = 'schema_version'")
        newer.execute("COMMIT")
    Store(store.path).open_and_close()
    second, _ = store.jobs.enqueue(new_job())
    demand = Demand({"thread": 10})
    claimed = store.jobs.turn(1, now, now + 60_000_000, demand=demand).claimed
    assert [job.id for job in claimed] == [first, second]
    done = [Settled(job.id, job.attempt, now, now, "null", now, None) for job in claimed]
    assert store.jobs.turn(1, now, now, succeeded=done).lost == set()
    assert store.reports.state(second) == "succeeded"
    with contextlib.closing(sqlite3.connect(store.path)) as newer, newer:
        newer.execute("UPDATE litequeue_meta SET value = '999' WHERE key = 'min_reader'")
    with pytest.raises(errors.SchemaTooNew, match="999"):
        Store(store.path).open_and_close()


def test_a_migration_is_all_or_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.open_and_close()
    good, current = ledger.MIGRATIONS, ledger.CURRENT
    broken = ledger.Migration(current + 1, "broken", "CREATE TABLE litequeue_x (y INTEGER) STRICT; BROKEN", current)
    monkeypatch.setattr(ledger, "MIGRATIONS", (*good, broken))
    monkeypatch.setattr(ledger, "CURRENT", current + 1)
    with pytest.raises(errors.StoreError):
        store.reports.state(1)
    monkeypatch.setattr(ledger, "MIGRATIONS", good)
    monkeypatch.setattr(ledger, "CURRENT", current)
    assert store.reports.state(1) is None
    with store.database.read() as connection:
        names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert ("litequeue_x",) not in names


@pytest.mark.slow
def test_twenty_processes_create_the_file_at_once(tmp_path: Path) -> None:
    for round_ in range(3):
        path = str(tmp_path / f"db{round_}")
        together(20, lambda path=path: Store(path).jobs.enqueue(new_job()))  # type: ignore[misc]
        store = Store(path)
        assert store.reports.stats().states == {"available": 20}
        store.close()


def test_a_copy_that_vacuum_made_is_written_with_a_log_again(store: Store, tmp_path: Path) -> None:
    job = store.jobs.enqueue(new_job())[0]
    copy = tmp_path / "copy.sqlite"
    with store.database.side_connection() as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    assert copy.read_bytes()[18:20] == b"\1\1"  # SQLite's word for a file without one
    restored = Store(str(copy))
    assert restored.reports.job(job) is not None
    assert copy.read_bytes()[18:20] == b"\2\2"
    restored.close()


def test_an_exception_inside_a_write_rolls_it_back(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.database.write(durable=True) as connection:
        connection.execute("INSERT INTO litequeue_queues VALUES ('q', 1)")
        _ = 1 / 0
    assert store.reports.stats().paused == ()
    store.jobs.enqueue(new_job())


@pytest.mark.slow
def test_waiting_for_the_lock_ends_in_an_error_that_names_the_holder(db: Path) -> None:
    first, second = Database(str(db)), Database(str(db), patience=0.05)
    code = (
        "import sys, time; from litequeue.store.file.gate import borrow; borrow(sys.argv[1]).acquire(5);"
        "print('held', flush=True); sys.stdin.readline()"
    )
    with first.write(durable=False):
        pass
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(db)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(errors.QueueBusy, match=f"process {holder.pid}") as caught:
        second.write(durable=False).__enter__()
    assert isinstance(caught.value, TimeoutError)
    holder.communicate("go\n")
    with second.write(durable=False):
        pass
    first.close()
    second.close()


@pytest.mark.slow
def test_a_foreign_writer_makes_us_wait_and_then_say_so(db: Path) -> None:
    database = Database(str(db), patience=0.2)
    with database.write(durable=False):
        pass
    hog = sqlite3.connect(db, isolation_level=None)
    hog.execute("BEGIN IMMEDIATE")
    linux = sys.platform.startswith("linux")
    said = "this process itself .* in an open transaction of its own connection" if linux else "another program"
    with pytest.raises(errors.QueueBusy, match=said):
        database.write(durable=True).__enter__()
    hog.execute("ROLLBACK")
    hog.close()
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
        "print('held', flush=True); sys.stdin.readline(); c.close()"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(db)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    with pytest.raises(errors.QueueBusy, match=f"process {other.pid}, another program, held" if linux else "another program"):
        database.write(durable=True).__enter__()
    other.communicate("go\n")
    with database.write(durable=True):
        pass
    database.close()


def test_a_full_disk_is_a_typed_error_and_stores_nothing(store: Store) -> None:
    store.jobs.enqueue(new_job())
    with store.database.write(durable=True) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(errors.StorageFull):
        for _ in range(100):
            store.jobs.enqueue(new_job(args="x" * 5000))
    stored = sum(store.reports.stats().states.values())
    connection.execute("PRAGMA max_page_count = 100000")
    store.jobs.enqueue(new_job())
    assert sum(store.reports.stats().states.values()) == stored + 1


@pytest.mark.slow
def test_the_log_stays_short(store: Store) -> None:
    longest = 0
    for _ in range(120):
        store.jobs.enqueue(new_job(args="x" * 500_000))
        longest = max(longest, store.database.wal.size())
    assert longest < 4 * WAL_LIMIT
    for _ in range(2000):
        store.jobs.enqueue(new_job())
    assert store.database.wal.size() < 4 * WAL_LIMIT


def test_many_rows_in_few_commits_are_copied_back_before_they_are_a_long_log(store: Store, db: Path) -> None:
    """A log full of them held everybody up for 70 to 170 ms."""
    store.jobs.enqueue(new_job())
    store.database.checkpoint()
    before, copied = db.stat().st_size, []
    for _ in range(4):
        store.jobs.enqueue_many(new_job(), (("[]", "{}") for _ in range(4_000)))
        copied.append(db.stat().st_size > before)
    assert copied == [False, False, False, True]  # ROWS * COMMITS are 12,288
    assert store.database.wal.size() < WAL_LIMIT / 2


@pytest.mark.slow
def test_a_reader_delays_the_checkpoint_but_not_the_writers(store: Store, db: Path) -> None:
    store.jobs.enqueue(new_job())
    reader = sqlite3.connect(db, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM litequeue_jobs").fetchone()
    for _ in range(60):
        store.jobs.enqueue(new_job(args="x" * 500_000))
    assert store.database.wal.size() > 2 * WAL_LIMIT
    reader.execute("COMMIT")
    reader.close()
    store.database.tend_wal()
    assert store.database.wal.size() < WAL_LIMIT


@pytest.mark.slow
def failures_of(count: int, work: Callable[[], object]) -> list[BaseException]:
    """What came of it in so many threads at once."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_thirty_two_threads_share_one_store(store: Store) -> None:
    def work() -> None:
        for _ in range(10):
            job_id, _ = store.jobs.enqueue(new_job())
            assert store.reports.state(job_id) == "available"

    assert not failures_of(32, work)
    assert store.reports.stats().states == {"available": 320}


def test_a_forked_child_opens_its_own_connections(store: Store) -> None:
    for _ in range(20):
        store.jobs.enqueue(new_job())

    def fifty() -> None:
        for _ in range(50):
            store.jobs.enqueue(new_job())

    pid = fork(fifty)
    fifty()
    assert os.waitpid(pid, 0)[1] == 0
    assert store.reports.stats().states == {"available": 120}
    with store.database.read() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.slow
def test_forks_while_other_threads_commit_neither_hang_nor_lose(store: Store) -> None:
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            store.jobs.enqueue(new_job())
            written += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(40):
            pid = fork(lambda: store.jobs.enqueue(new_job()))
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        thread.join()
    assert store.reports.stats().states == {"available": written + 40}


def interrupted(function: Callable[[], object], file: str, line: int) -> bool:
    """Whether Ctrl-C came in that function's n-th line of that file; at once, as Python's own handler raises it."""
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., object] | None:
        nonlocal left
        if not frame.f_code.co_filename.endswith(file):
            return trace if event == "call" else None
        if event == "line":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


@pytest.mark.parametrize(
    "file",
    ["store/schema/ledger.py", *(pytest.param(f, marks=pytest.mark.slow) for f in ("store/file/mark.py", "store/file/identity.py"))],
)
def test_an_interrupt_in_what_is_asked_before_a_write_leaves_no_transaction_open(tmp_path: Path, file: str) -> None:
    line = 1
    while True:
        with contextlib.closing(Store(str(tmp_path / f"{line}"))) as first:
            first.reports.state(1)  # makes the file
        with contextlib.closing(Store(str(tmp_path / f"{line}"))) as store:
            came = interrupted(lambda: store.jobs.enqueue(new_job()), file, line)
            store.jobs.enqueue(new_job())  # neither "a transaction within a transaction" nor a shut gate
            assert store.reports.state(1 if came else 2) == "available"
            assert store.reports.state(2 if came else 3) is None
        if not came:
            break
        line += 1
    assert line > 3


def test_several_threads_may_look_whether_others_have_committed(db: Path) -> None:
    """Two workers of one app do: from Python 3.12 on a thousand of their looks failed, and a worker died of it."""
    with contextlib.closing(Store(str(db))) as store:
        store.open_and_close()

        def look() -> None:
            for _ in range(5_000):
                store.database.data_version()

        assert not failures_of(2, look)
