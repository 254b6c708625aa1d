"""Code of two versions on one file: what only adds disturbs nobody, what older code would break stops it before it writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from litequeue import SchemaTooNew
from litequeue.cli.exits import DAMAGED
from litequeue.store import Store
from litequeue.store.file.identity import SETTLED
from litequeue.store.schema import ledger
from litequeue.store.turn import Demand
from litequeue.worker.slow_look import SLOW_LOOK

from ... import faults, sample
from ...older import newer_code, rows, rules_of_version_2, serve
from ...prepared import litequeue
from ...support import ledger_lines, new_job, wait_until, worker_process

pytestmark = pytest.mark.beside

TOO_NEW = f"schema version {ledger.CURRENT + 1}, this litequeue knows up to {ledger.CURRENT}"
SHUT_OUT = ledger.CURRENT + 1


def migrate_further(db: Path, min_reader: int) -> None:
    """What the newer version's first start does to a file."""
    with newer_code(min_reader=min_reader):
        Store(str(db)).open_and_close()


# -- what only adds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opened", ["before", "after"])
def test_code_that_is_older_serves_a_file_to_which_the_newer_only_added(db: Path, opened: str) -> None:
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    if opened == "after":
        store.close()
    migrate_further(db, ledger.CURRENT)
    before = rows(db, "SELECT * FROM litequeue_meta ORDER BY key")
    serve(store)
    assert store.reports.stats().states == {"succeeded": 2}
    store.close()
    assert rows(db, "SELECT DISTINCT colour FROM litequeue_jobs") == [("red",)]
    # It migrated nothing and turned nothing back.
    assert rows(db, "SELECT * FROM litequeue_meta ORDER BY key") == before
    assert before == [("min_reader", str(ledger.CURRENT)), ("schema_version", str(ledger.CURRENT + 1))]
    with newer_code(min_reader=ledger.CURRENT):
        serve(Store(str(db)))


@pytest.mark.slow
def test_commands_serve_a_file_to_which_a_newer_version_only_added(db: Path) -> None:
    Store(str(db)).open_and_close()
    migrate_further(db, ledger.CURRENT)
    for words in (("enqueue", db, "--command", "--", "true"), ("worker", db, "--burst"), ("stats", db), ("jobs", db)):
        done = litequeue(*words)
        assert done.returncode == 0, done.stderr
    assert rows(db, "SELECT state FROM litequeue_jobs") == [("succeeded",)]


@pytest.mark.slow
def test_a_worker_goes_on_while_a_newer_version_adds_to_its_file(db: Path, tmp_path: Path) -> None:
    sample.app._client.bind(str(db))
    try:
        with worker_process(db) as worker:
            migrate_further(db, ledger.CURRENT)
            time.sleep(2 * SLOW_LOOK)
            sample.record.delay(str(tmp_path / "ledger"), "ran").get(timeout=10)
            assert worker.poll() is None
    finally:
        sample.app.close()
    assert ledger_lines(tmp_path / "ledger") == ["ran"]


# -- what shuts older code out -------------------------------------------------------------------------------


def test_a_file_that_is_too_new_is_refused_before_anything_is_written(db: Path) -> None:
    store = Store(str(db))
    store.jobs.enqueue(new_job())
    store.close()
    migrate_further(db, SHUT_OUT)
    Path(f"{db}-lock").unlink()
    before = faults.digest(db)
    with pytest.raises(SchemaTooNew, match=f"{db} has {TOO_NEW}, and {SHUT_OUT} is the oldest .*: upgrade litequeue"):
        store.jobs.enqueue(new_job())
    for words in (("enqueue", db, "t"), ("stats", db), ("worker", db, "--burst")):
        done = litequeue(*words)
        assert done.returncode == DAMAGED
        assert TOO_NEW in done.stderr and "Traceback" not in done.stderr
    assert faults.digest(db) == before
    assert not Path(f"{db}-lock").exists()


WRITES: dict[str, Callable[[Store], object]] = {
    "an enqueue": lambda store: store.jobs.enqueue(new_job()),
    "many": lambda store: store.jobs.enqueue_many(new_job(), [("[]", "{}")]),
    "a turn": lambda store: store.jobs.turn(1, 1, 1, demand=Demand({"thread": 1})),
    "a heartbeat": lambda store: store.leases.extend(1, 1, 1),
    "a pause": lambda store: store.operations.pause("q", 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("pause", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_whoever_has_the_file_open_writes_nothing_more(store: Store, write: Callable[[Store], object], pause: bool) -> None:
    """Also if the folder's time of change was believed by then: the migration moves it."""
    db = Path(store.path)
    store.jobs.enqueue(new_job())
    if pause:
        identity = store.database.held().identity
        wait_until(lambda: store.jobs.enqueue(new_job()) and identity._settled)
    migrate_further(db, SHUT_OUT)
    before = rows(db, "SELECT * FROM litequeue_jobs")
    for _ in range(2):  # and does not come round to it
        with pytest.raises(SchemaTooNew, match=TOO_NEW):
            write(store)
    assert rows(db, "SELECT * FROM litequeue_jobs") == before
    assert rows(db, "SELECT * FROM litequeue_queues") == []
    assert store.reports.state(1) == "available"  # nobody is left with a transaction
    with newer_code(min_reader=SHUT_OUT):
        Store(str(db)).jobs.enqueue(new_job())  # or with the lock


def test_one_who_only_looked_so_far_writes_nothing_either(db: Path) -> None:
    Store(str(db)).open_and_close()
    store = Store(str(db))
    assert store.reports.state(1) is None
    migrate_further(db, SHUT_OUT)
    with pytest.raises(SchemaTooNew, match=TOO_NEW):
        store.jobs.enqueue(new_job())
    store.close()


@pytest.mark.slow
def test_a_look_of_another_thread_before_the_commit_takes_no_news_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow look asks for the files without the lock, so it may see the announcement and not yet the change."""
    store.jobs.enqueue(new_job())
    identity = store.database.held().identity
    wait_until(lambda: store.jobs.enqueue(new_job()) and identity._settled)
    with newer_code(min_reader=SHUT_OUT):
        newer = Store(store.path)
        announce = type(store.database.held()).announce

        def and_look(handles: object, path: str) -> None:
            announce(handles, path)  # type: ignore[arg-type]
            for _ in range(2):
                store.database.data_version()
                time.sleep(2 * SETTLED)
            assert identity._settled

        monkeypatch.setattr(type(store.database.held()), "announce", and_look)
        newer.open_and_close()
    with pytest.raises(SchemaTooNew, match=TOO_NEW):
        store.jobs.enqueue(new_job())


def test_the_slow_look_tells_an_idle_worker(store: Store) -> None:
    assert store.database.data_version() == store.database.data_version()
    migrate_further(Path(store.path), SHUT_OUT)
    for _ in range(2):
        with pytest.raises(SchemaTooNew, match=TOO_NEW):
            store.database.data_version()


@pytest.mark.slow
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "with a job in hand"])
def test_a_worker_that_is_shut_out_stops_with_exit_3_and_writes_nothing_more(
    db: Path, tmp_path: Path, busy: bool
) -> None:
    sample.app._client.bind(str(db))
    gate, ledger_file = tmp_path / "gate", tmp_path / "ledger"
    job = sample.wait_at_gate.delay(str(ledger_file), str(gate)) if busy else None
    with worker_process(db) as worker:
        if busy:
            wait_until(lambda: ledger_lines(ledger_file))
        sample.app.close()
        tables = [f"litequeue_{name}" for name in ("jobs", "workers", "attempts", "ticks")]
        migrate_further(db, SHUT_OUT)
        before = [rows(db, f"SELECT * FROM {table}") for table in tables]
        if busy:
            gate.touch()
        said, _ = worker.communicate(timeout=10)
        assert worker.returncode == DAMAGED, said
        assert TOO_NEW in said and "Traceback" not in said, said
        assert [rows(db, f"SELECT * FROM {table}") for table in tables] == before
    # A worker of the newer version finds that it is dead, and runs its job.
    if job is not None:
        with newer_code(min_reader=SHUT_OUT):
            sample.app._client.bind(str(db))
            try:
                with sample.app.worker():
                    assert job.get(timeout=10) == "attempt 2"
            finally:
                sample.app.close()


# -- the version before --------------------------------------------------------------------------------------


def test_code_from_before_the_ledger_opens_no_file_of_a_later_version(db: Path) -> None:
    serve(Store(str(db)))
    with rules_of_version_2(), pytest.raises(SchemaTooNew):  # it knows no min_reader
        Store(str(db)).open_and_close()
