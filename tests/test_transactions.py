"""Rows and jobs in one transaction: on our connection, on the app's own, and with the end of a job; together or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    AlreadyEnqueued,
    InvalidArgument,
    InvalidType,
    JobCancelled,
    JobNotFound,
    LeaseLost,
    LiteQueue,
    PayloadError,
    QueueBusy,
    StoreError,
    WouldDeadlock,
    chain,
    current_job,
    group,
)
from litequeue.base import forkguard
from litequeue.base.models import ClaimedJob
from litequeue.payload import Codec
from litequeue.tasks.context import JobContext

from .support import environment, turn_of, wait_until, worker_process

pytestmark = pytest.mark.beside


@pytest.fixture
def app(db: Path) -> Iterator[LiteQueue]:
    with LiteQueue(db) as app:
        with app.transaction() as rows:
            rows.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, paid INTEGER NOT NULL DEFAULT 0)")
        yield app


def orders(db: Path) -> list[tuple[int, int]]:
    with contextlib.closing(sqlite3.connect(db)) as connection:
        return connection.execute("SELECT id, paid FROM orders ORDER BY id").fetchall()


class Oops(Exception):
    pass


# -- on our connection -----------------------------------------------------------------------------------


def everything(app: LiteQueue) -> None:
    t = app.task(name="t", unique="{0}")(lambda n=0: n)
    plain = app.task(name="p")(lambda n=0: n)
    first = t.delay(1)
    assert t.delay(1) == first, "what is not committed yet is seen inside"
    t.delay_many([(1,), (2,)])
    t.delay_many([(2,), (3,)])
    plain.delay_many([(1,), (2,)])
    plain.apply_async((1,), after=first, on_success=plain)
    (plain.s(1) | group(plain.s(), plain.s())).delay()
    app.emit("happened", 1)
    app.schedules.add("s", plain, every="1h")
    app.job(first.id).cancel()
    app.limits.set("mailer", max_running=1)
    with app.batch() as batch:
        plain.delay(9)
    assert batch.progress().total == 1
    assert first.info().state == "cancelled" and app.stats().states


def test_rows_and_jobs_are_stored_together_or_not_at_all(app: LiteQueue, db: Path) -> None:
    """celery PR#8491: jobs that start before the commit; #8976: none that has an id before."""
    with pytest.raises(Oops), app.transaction() as rows:
        rows.execute("INSERT INTO orders (id) VALUES (1)")
        everything(app)
        raise Oops
    assert orders(db) == [] and app.jobs() == [] and app.schedules.list() == [] and list(app.limits) == []
    with app.transaction() as rows:
        rows.execute("INSERT INTO orders (id) VALUES (?)", (1,))
        rows.executemany("INSERT INTO orders (id) VALUES (?)", [(2,), (3,)])
        assert rows.execute("SELECT count(*) FROM orders").fetchone() == (3,)
        everything(app)
        with contextlib.closing(sqlite3.connect(db)) as other:
            assert other.execute("SELECT count(*) FROM litequeue_jobs").fetchone() == (0,)
    assert orders(db) == [(1, 0), (2, 0), (3, 0)] and len(app.jobs()) == 12
    with app.worker(burst=True) as worker:
        worker.join()
    assert set(app.stats().states) == {"succeeded", "cancelled"}


def test_where_a_tasks_code_is_is_recorded_again_after_a_rollback(app: LiteQueue) -> None:
    t = app.task(max_running=2)(_module_task)
    with pytest.raises(Oops), app.transaction():
        t.delay()
        raise Oops
    assert app._client.store.jobs.origin(t.name) is None
    t.delay()
    assert app._client.store.jobs.origin(t.name) is not None and [info.name for info in app.limits] == [t.name]


def _module_task() -> None: ...


def test_a_handle_of_what_was_rolled_back_is_no_other_jobs(app: LiteQueue, db: Path) -> None:
    t, connection = app.task(name="t")(lambda n: n), sqlite3.connect(db)
    handles = [t.using(connection).delay("mine"), *t.using(connection).delay_many([("mine",)])]
    for use in (handles[0].get, handles[0].info, handles[1].cancel, lambda: handles[1].state):
        with pytest.raises(JobNotFound, match="the transaction that made job [12] is not committed yet, or was rolled back"):
            use()
    connection.rollback()
    connection.close()
    with pytest.raises(Oops), app.transaction():
        handles.append(t.delay("mine"))
        raise Oops
    with app.transaction():
        kept = t.delay("other")
    assert kept.id == handles[0].id == handles[2].id and kept.info().args == '["other"]'
    t.delay("other")
    for handle in handles:
        with pytest.raises(JobNotFound, match="is not committed yet, or was rolled back"):
            handle.info()


def test_workers_are_rung_after_the_commit_and_not_before(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litequeue.worker.slow_look.SLOW_LOOK", 3_600.0)  # else it would see the jobs by itself
    ran = threading.Event()
    t = app.task(name="t")(lambda: ran.set())
    with app.worker():
        t.delay().get(timeout=10)
        told = "SELECT sum(succeeded) FROM litequeue_metrics WHERE span = 60"
        wait_until(lambda: app._client.store.database.one(told)[0] == 1, what="the turn that tells of it is over too")
        ran.clear()
        with app.transaction():
            t.delay()
            assert not ran.wait(0.2)
        assert ran.wait(10)


def test_an_error_inside_undoes_what_it_cut_short_and_no_more(app: LiteQueue, db: Path) -> None:
    t = app.task(name="t", unique=True, on_conflict="raise")(lambda n: n)
    with app.transaction() as rows:
        rows.execute("INSERT INTO orders (id) VALUES (1)")
        t.delay(1)
        with pytest.raises(AlreadyEnqueued):
            t.delay_many([(2,), (1,)])
        with pytest.raises(JobNotFound):
            t.apply_async((5,), after=77)
        with pytest.raises(sqlite3.IntegrityError):
            rows.execute("INSERT INTO orders (id) VALUES (1)")
    assert orders(db) == [(1, 0)] and len(app.jobs()) == 1
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"), app.transaction() as rows:  # as sqlite3 has it
        rows.execute("UPDATE orders SET paid = 1")
        rows.execute("INSERT INTO orders (id) VALUES (1)")
    assert orders(db) == [(1, 0)]


def test_one_inside_of_another_is_a_part_of_it(app: LiteQueue, db: Path) -> None:
    with app.transaction() as rows:
        rows.execute("INSERT INTO orders (id) VALUES (1)")
        with app.transaction() as inner:
            inner.execute("INSERT INTO orders (id) VALUES (2)")
        with pytest.raises(Oops), app.transaction() as inner:
            inner.execute("INSERT INTO orders (id) VALUES (3)")
            raise Oops
    assert orders(db) == [(1, 0), (2, 0)]


@pytest.mark.parametrize("sql", ["COMMIT", " -- really\n rollback", "/* x */ BEGIN", "End", "SAVEPOINT a", "release a"])
def test_what_would_end_it_is_refused(app: LiteQueue, db: Path, sql: str) -> None:
    with pytest.raises(InvalidArgument, match="whose end commits and whose exception rolls back: leave "), app.transaction() as rows:
        rows.execute("INSERT INTO orders (id) VALUES (1)")
        rows.execute(sql)
    assert orders(db) == []
    with pytest.raises(InvalidArgument, match="the transaction is over"):
        rows.execute("SELECT 1")
    for staying in ("PRAGMA foreign_keys = ON", "attach 'x' as y", ";; \ufeffCOMMIT"):
        with pytest.raises(InvalidArgument), app.transaction() as rows:
            rows.execute(staying)


def test_where_sqlite_itself_ends_it_nothing_is_stored_and_that_is_said(app: LiteQueue, db: Path) -> None:
    t = app.task(name="u")(lambda n: n)
    job = running(app)
    for opens in (app.transaction, job.transaction, lambda: job.transaction(ack=False)):
        for act in (lambda rows: rows.execute("INSERT INTO orders (id) VALUES (3)"), lambda _: t.delay(1), lambda _: None):
            with pytest.raises(StoreError, match="the transaction was ended inside of its block, by SQLite"), opens() as rows:
                rows.execute("INSERT INTO orders (id) VALUES (2)")
                with contextlib.suppress(sqlite3.IntegrityError):
                    rows.execute("INSERT OR ROLLBACK INTO orders (id) VALUES (2)")
                act(rows)
    assert orders(db) == [] and len(app.jobs()) == 1 and app.job(job.id).state == "running"
    t.delay(2)
    assert len(app.jobs()) == 2, "the lock is free"


def test_what_a_statement_gives_is_read_to_its_end(app: LiteQueue, db: Path) -> None:
    t = app.task(name="t", unique=True)(lambda n: n)
    with app.transaction() as rows:
        rows.executemany("INSERT INTO orders (id) VALUES (?)", [(n,) for n in range(50)])
    for _ in range(2):
        with app.transaction() as rows:
            found = rows.execute("SELECT id FROM orders")
            assert found.description[0][0] == "id" and found.fetchone() == (0,) and found.fetchmany(2) == [(1,), (2,)]
            t.delay_many(found)
            t.delay_many(rows.execute("SELECT id FROM orders"))
            for (n,) in rows.execute("UPDATE orders SET paid = paid + 1 WHERE id < 3 RETURNING id"):
                t.delay(n)
    assert len(app.jobs(limit=100)) == 50
    assert app._client.store.database.checkpoint()[0] == 0
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        for (n,) in connection.execute("SELECT id FROM orders WHERE id < 3"):
            t.using(connection).delay_many([(n,), (100 + n,)])
        connection.execute("BEGIN")
        half = connection.execute("INSERT INTO orders (id) VALUES (60), (61) RETURNING id")
        half.fetchone()
        with pytest.raises(QueueBusy, match=r"is not read to its end: \.fetchall\(\) the rows of its RETURNING"):
            t.using(connection).delay(1)
        half.close()
        connection.execute("ROLLBACK")
        with pytest.raises(PayloadError):
            t.using(connection).delay_many([(200,), (object(),)])
        assert not connection.in_transaction
    assert len(app.jobs(limit=100)) == 53


def test_waiting_inside_is_told_at_once(app: LiteQueue) -> None:
    t = app.task(name="t")(lambda: 0)
    done = t.delay()
    done.cancel()
    for wait in (done.get, lambda: done.wait(1), lambda: asyncio.run(_awaited(done)), group(t.s(), t.s()).delay().get):
        with pytest.raises(WouldDeadlock, match="inside of a transaction would wait for jobs that are not there"), app.transaction():
            wait()
    assert app.transaction is not None and len(app.jobs()) == 4


async def _awaited(job: Any) -> Any:
    return await job


def test_of_another_thread_or_coroutine_that_writes_meanwhile_nothing_is_mixed_in(app: LiteQueue, db: Path) -> None:
    t = app.task(name="t")(lambda n: n)

    async def main() -> None:
        with app.transaction() as rows:
            rows.execute("INSERT INTO orders (id) VALUES (1)")
            with pytest.raises(WouldDeadlock, match="with delay\\(\\) and not adelay\\(\\)"):
                await t.adelay(1)

    asyncio.run(main())
    assert orders(db) == [(1, 0)] and app.jobs() == []

    async def other(inside: asyncio.Event) -> None:
        await inside.wait()
        with pytest.raises(WouldDeadlock, match="Await nothing inside of a transaction"):
            t.delay(2)

    async def two() -> None:
        inside = asyncio.Event()
        task = asyncio.create_task(other(inside))
        await asyncio.sleep(0)
        with app.transaction() as rows:
            rows.execute("INSERT INTO orders (id) VALUES (2)")
            inside.set()
            await task

    asyncio.run(two())
    assert orders(db) == [(1, 0), (2, 0)] and app.jobs() == []
    began, go_on = threading.Event(), threading.Event()

    def elsewhere() -> None:
        began.set()
        t.delay(3)
        go_on.set()

    with pytest.raises(Oops), app.transaction():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        began.wait(5)
        assert not go_on.wait(0.1), "it waits for the lock"
        raise Oops
    thread.join()
    assert [info.args for info in app.jobs()] == ["[3]"]


def test_one_that_is_held_for_long_is_said(app: LiteQueue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litequeue.store.file.joined.LONG", 0.05)
    with caplog.at_level(logging.WARNING), app.transaction():
        time.sleep(0.06)
    assert "a transaction was held open for 0.1 s, in which nobody else could write" in caplog.text


def _told(act: Callable[[], object]) -> int:
    """Of a fork's child, as its exit code."""
    try:
        act()
    except StoreError as error:
        return 7 if "was forked inside of a transaction" in str(error) else 8
    return 9


def test_a_child_that_is_forked_inside_is_told_that_it_cannot_use_the_file(app: LiteQueue, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's table of locks is copied with the write lock taken: the child would wait for that for ever."""
    monkeypatch.setattr(forkguard, "_inside", 0)  # tests that cut writes short leave some counted
    t, began = app.task(name="t")(lambda n: n), time.monotonic()
    with app.transaction() as rows:
        rows.execute("INSERT INTO orders (id) VALUES (1)")
        with app.transaction():
            pid = os.fork()
            if pid == 0:
                os._exit(_told(lambda: t.delay("of the child")))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert orders(db) == [(1, 0)] and app.jobs() == []
    assert time.monotonic() - began < 4, "nobody waits for who is inside"


def test_a_child_that_is_forked_inside_cannot_end_it(app: LiteQueue, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A COMMIT of the child's, on what it has of its parent's connection, would succeed and tear the log."""
    monkeypatch.setattr(forkguard, "_inside", 0)

    def forks_and_goes_on(child: list[int]) -> None:
        with app.transaction() as rows:
            rows.execute("INSERT INTO orders (id) VALUES (1)")
            with app.transaction():
                child.append(os.fork())
                if child == [0]:
                    child.append(_told(lambda: rows.execute("INSERT INTO orders (id) VALUES (2)")))

    child: list[int] = []
    if _told(lambda: forks_and_goes_on(child)) != 9:
        os._exit(child[1])  # of the child alone: its block could not end
    assert os.waitstatus_to_exitcode(os.waitpid(child[0], 0)[1]) == 7
    assert orders(db) == [(1, 0)]
    with app.transaction() as rows:
        rows.execute("INSERT INTO orders (id) VALUES (3)")
    assert orders(db) == [(1, 0), (3, 0)]


def test_a_child_that_is_forked_beside_a_transaction_of_the_programs_own_is_told_whose_lock_it_waits_for(app: LiteQueue, db: Path) -> None:
    t = app.task(name="t")(lambda n: n)
    t.delay(1)
    connection = sqlite3.connect(db, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    pid = os.fork()
    if pid == 0:
        app._client.store.database.patience = 0.3
        try:
            t.delay(2)
        except QueueBusy as error:
            os._exit(7 if "which started this one" in str(error) and "fork before it or after it" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    connection.close()


FORKS_INSIDE = """
import os, sys, sqlite3
from litequeue import LiteQueue
app = LiteQueue("db.sqlite")
with app.transaction() as db:
    db.execute("CREATE TABLE big (v TEXT)")
def ends():
    if how == "exit": sys.exit(5)
    if how == "raise": raise ValueError
    if how == "os._exit": os._exit(5)
how = sys.argv[1]
with app.transaction() as db:
    db.executemany("INSERT INTO big (v) VALUES (?)", (("x" * 1000,) for _ in range(6000)))
    pid = os.fork()
    if pid == 0:
        ends()
    else:
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        db.execute("SELECT count(*) FROM big").fetchall()
        with app.transaction():
            db.execute("INSERT INTO big (v) VALUES (1)")
print(sqlite3.connect("db.sqlite").execute("PRAGMA integrity_check").fetchall())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code", "said"), [("exit", 5, ""), ("raise", 1, "ValueError"), ("os._exit", 5, ""), ("goes on", 1, "was forked inside")])
def test_however_a_child_ends_its_parents_transaction_is_whole(tmp_path: Path, how: str, code: int, said: str) -> None:
    """SQLite rolled back as Python freed the child's copy of the connection: of what is more than its cache, a part lay in the log, whose table
    both share, and the file was malformed."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS_INSIDE, how], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == f"{code}\n[('ok',)]\n", done.stderr
    assert said in done.stderr and done.stderr.count("Traceback") == bool(said)


@pytest.mark.parametrize(("held", "told"), [(0.3, 9), (1.5, 7)])
def test_a_fork_waits_for_another_threads_transaction_and_if_it_is_long_its_child_is_told(
    app: LiteQueue, monkeypatch: pytest.MonkeyPatch, held: float, told: int
) -> None:
    """Before it was, the child waited until its patience was over, for what nobody would ever give back in it."""
    monkeypatch.setattr(forkguard, "_inside", 0)
    monkeypatch.setattr(forkguard, "PATIENCE", 1.0)
    t, began, may_end = app.task(name="t")(lambda n: n), threading.Event(), threading.Event()

    def hold() -> None:
        with app.transaction():
            began.set()
            may_end.wait(held)

    thread = threading.Thread(target=hold)
    thread.start()
    began.wait(5)
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os._exit(_told(lambda: t.delay("of the child")))
    may_end.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == told
    assert len(app.jobs()) == (told == 9)


@pytest.mark.slow
def test_a_soft_timeout_comes_in_a_block_and_in_one_inside_of_it(app: LiteQueue, db: Path) -> None:
    def busy() -> None:
        end = time.monotonic() + 8
        while time.monotonic() < end:
            time.sleep(0.01)

    @app.task(name="one", soft_timeout=1)
    def one() -> None:
        time.sleep(0.6)  # the worker has written what it had to
        with app.transaction() as rows:
            rows.execute("INSERT INTO orders (id) VALUES (1)")
            busy()

    @app.task(name="two", soft_timeout=1)
    def two() -> None:
        time.sleep(0.6)
        with app.transaction(), app.transaction() as rows:
            rows.execute("INSERT INTO orders (id) VALUES (1)")
            busy()

    for task in (one, two):
        job, began = task.delay(), time.monotonic()
        with app.worker(burst=True) as worker:
            worker.join()
        assert job.state == "discarded" and "soft_timeout has passed" in (job.info().last_error or "") and time.monotonic() - began < 5
    assert orders(db) == []


# -- on the app's own ---------------------------------------------------------------------------------------

MODES: dict[str, Callable[[Path], sqlite3.Connection]] = {
    "as it comes": sqlite3.connect,
    "IMMEDIATE": lambda db: sqlite3.connect(db, isolation_level="IMMEDIATE"),
    "EXCLUSIVE": lambda db: sqlite3.connect(db, isolation_level="EXCLUSIVE"),
    "none": lambda db: sqlite3.connect(db, isolation_level=None),
}
if sys.version_info >= (3, 12):
    MODES["autocommit=False"] = lambda db: sqlite3.connect(db, autocommit=False)
    MODES["autocommit=True"] = lambda db: sqlite3.connect(db, autocommit=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("commits", [True, False])
def test_jobs_go_with_the_apps_own_transaction(app: LiteQueue, db: Path, mode: str, commits: bool) -> None:
    t, connection = app.task(name="t")(lambda n: n), MODES[mode](db)
    if mode in ("none", "autocommit=True"):
        connection.execute("BEGIN")
    connection.execute("INSERT INTO orders (id) VALUES (1)")
    t.using(connection).delay(1)
    t.using(connection).delay_many([(2,), (3,)])
    t.using(connection).apply_async((4,), countdown=60)
    with app.using(connection):
        chain(t.s(5), t.s()).delay()
    assert connection.in_transaction and app.jobs() == []
    connection.execute("COMMIT" if commits else "ROLLBACK") if mode == "autocommit=True" else (connection.commit if commits else connection.rollback)()
    assert len(app.jobs()) == len(orders(db)) * 6 == 6 * commits
    connection.close()


@pytest.mark.parametrize("mode", MODES)
def test_without_a_transaction_an_enqueue_does_as_the_apps_next_insert_would(app: LiteQueue, db: Path, mode: str) -> None:
    t, connection = app.task(name="t")(lambda n: n), MODES[mode](db)
    t.using(connection).delay(1)
    by_itself = mode in ("none", "autocommit=True")
    assert connection.in_transaction is not by_itself and len(app.jobs()) == by_itself
    if not by_itself:
        connection.commit()
    assert len(app.jobs()) == 1
    connection.close()


def test_whatever_the_app_has_set_on_its_connection(app: LiteQueue, db: Path) -> None:
    t, connection = app.task(name="t", unique=True)(lambda n: n), sqlite3.connect(db)
    connection.row_factory = lambda cursor, row: {"a dict": row}
    connection.text_factory = bytes
    connection.execute("PRAGMA foreign_keys = ON")
    assert t.using(connection).delay(1).is_new and not t.using(connection).delay(1).is_new
    t.using(connection).delay_many([(1,), (2,)])
    assert connection.text_factory is bytes and connection.row_factory is not None
    connection.commit()
    assert len(app.jobs()) == 2
    connection.close()


def test_what_is_no_connection_to_the_file_is_refused(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    t = app.task(name="t")(lambda: 0)
    with pytest.raises(InvalidType, match=r"using takes a sqlite3.Connection, not PosixPath\. Of SQLAlchemy that is session"):
        t.using(db).delay()  # type: ignore[arg-type]
    for other in (":memory:", str(tmp_path / "other.sqlite")):
        with contextlib.closing(sqlite3.connect(other)) as connection, pytest.raises(
            InvalidArgument, match="that connection's main database is .*, and the queue's is "
        ):
            t.using(connection).delay()
    os.symlink(db, tmp_path / "link.sqlite")
    with contextlib.closing(sqlite3.connect(tmp_path / "link.sqlite", isolation_level=None)) as connection:
        t.using(connection).delay()
    assert len(app.jobs()) == 1


def test_a_transaction_that_has_read_before_another_wrote_is_told_that_it_is_too_late(app: LiteQueue, db: Path) -> None:
    t, connection = app.task(name="t")(lambda n: n), sqlite3.connect(db, isolation_level=None, timeout=0.1)
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM orders").fetchall()
    t.delay(1)
    with pytest.raises(QueueBusy, match="this transaction has read before another one wrote, .* begin it with BEGIN IMMEDIATE"):
        t.using(connection).delay(2)
    connection.execute("ROLLBACK")
    assert len(app.jobs()) == 1
    connection.close()


def test_workers_see_it_with_their_next_look_or_when_they_are_rung(app: LiteQueue, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = threading.Event()
    t, connection = app.task(name="t")(lambda: ran.set()), sqlite3.connect(db)
    with app.worker():
        wait_until(lambda: app.stats().workers)
        t.using(connection).delay()
        connection.commit()
        assert ran.wait(10)
    monkeypatch.setattr("litequeue.worker.slow_look.SLOW_LOOK", 3_600.0)
    with app.worker():
        t.delay().get(timeout=10)
        told = "SELECT sum(succeeded) FROM litequeue_metrics WHERE span = 60"
        wait_until(lambda: app._client.store.database.one(told)[0] == 2, what="the turn that tells of it is over too")
        ran.clear()
        t.using(connection).delay()
        connection.commit()
        assert not ran.wait(0.7), "it does not look by itself now"
        app.ring()
        assert ran.wait(10)
    connection.close()


# -- with the end of a job ------------------------------------------------------------------------------------

SITE = """
import os, time
import os, time
from litequeue import LiteQueue, current_job
app = LiteQueue({db!r})

def pay(order):
    with current_job().transaction() as rows:
        rows.execute("UPDATE orders SET paid = paid + 1 WHERE id = ?", (order,))
        told.delay(order)
        rows.result = f"paid {{order}}"

@app.task
def told(order): ...

@app.task(retries=99, backoff=0)
def charge(order):
    pay(order)

@app.task(pool="process", retries=99, backoff=0)
def charge_in_process(order):
    pay(order)

@app.task(retries=99, backoff=0)
async def charge_in_coroutine(order):
    def rows(db):
        db.execute("UPDATE orders SET paid = paid + 1 WHERE id = ?", (order,))
        told.delay(order)
        db.result = f"paid {{order}}"
        return 7
    assert await current_job().run_in_transaction(rows) == 7

@app.task(pool="process", retries=1)
def dies(order):
    pay(order)
    os._exit(3)

@app.task(pool="process", timeout=2)
def hangs(order):
    pay(order)
    time.sleep(60)

@app.task(retries=1, backoff=0)
def fails_once(order):
    with current_job().transaction() as rows:
        rows.execute("UPDATE orders SET paid = paid + 1 WHERE id = ?", (order,))
        if current_job().attempt == 1:
            raise ValueError
    raise RuntimeError("after the end")
"""


@pytest.fixture
def site(app: LiteQueue, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "site_pay.py").write_text(SITE.format(db=str(db)))
    monkeypatch.syspath_prepend(str(tmp_path))
    import site_pay  # type: ignore[import-not-found]

    yield site_pay
    site_pay.app.close()
    del sys.modules["site_pay"]


def test_the_rows_the_result_and_the_end_in_all_three_pools(site: Any, app: LiteQueue, db: Path) -> None:
    with app.transaction() as rows:
        rows.executemany("INSERT INTO orders (id) VALUES (?)", [(n,) for n in range(4)])
    jobs = [site.charge.delay(0), site.charge_in_process.delay(1), site.charge_in_coroutine.delay(2), site.fails_once.delay(3)]
    followed = site.told.apply_async((5,), after=jobs[0])
    with site.app.worker(burst=True) as worker:
        worker.join()
    assert [job.get() for job in jobs] == ["paid 0", "paid 1", "paid 2", None]
    assert orders(db) == [(n, 1) for n in range(4)] and followed.state == "succeeded"
    assert site.app.stats().states == {"succeeded": 8}


def test_what_comes_after_the_end_changes_nothing_and_is_said(site: Any, app: LiteQueue, caplog: pytest.LogCaptureFixture) -> None:
    job = site.fails_once.delay(1)
    with caplog.at_level(logging.ERROR), site.app.worker(burst=True) as worker:
        worker.join()
    assert job.state == "succeeded" and job.info().failures == 1
    assert f"job {job.id} site_pay.fails_once: had ended with its own transaction, as succeeded, and then came to: RuntimeError: after the end" in caplog.text


def test_a_process_that_dies_after_the_end_has_succeeded(site: Any, app: LiteQueue, db: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[tuple[str, int]] = []
    site.app.on("succeeded")(lambda job: heard.append(("succeeded", job.id)))
    site.app.on("discarded")(lambda job: heard.append(("discarded", job.id)))
    with app.transaction() as rows:
        rows.execute("INSERT INTO orders (id) VALUES (1)")
    dies, hangs = site.dies.delay(1), site.hangs.delay(1)
    with caplog.at_level(logging.WARNING), site.app.worker() as worker:
        assert wait_until(lambda: {dies.state, hangs.state} == {"succeeded"})
        assert wait_until(lambda: len(heard) == 4, 15)
        worker.stop()
    assert orders(db) == [(1, 2)] and [job.info().failures for job in (dies, hangs)] == [0, 0]
    assert sorted(heard) == sorted(("succeeded", job.id) for job in app.jobs())
    assert f"job {dies.id} site_pay.dies: had ended with its own transaction, as succeeded, and then came to: ProcessDied: " in caplog.text
    assert f"job {hangs.id} site_pay.hangs: had ended with its own transaction, as succeeded, and then came to: TaskTimeout: " in caplog.text
    assert "lost its lease" not in caplog.text


def running(app: LiteQueue) -> JobContext:
    """A job as the pools would have it, of worker 1."""
    app.task(name="t")(lambda: 0).delay()
    (job,) = turn_of(app, 1).claimed
    return context_of(app, job)


def context_of(app: LiteQueue, job: ClaimedJob) -> JobContext:
    context = JobContext(job, 9, None, app._client.clock.now())
    context._opener, context._codec, context._keep_succeeded = lambda: app._client.store, Codec(), 10**12
    return context


def test_a_lost_lease_and_a_cancel_are_told_before_anything_is_stored(app: LiteQueue, db: Path) -> None:
    first, second = running(app), running(app)
    app._client.store.leases.rescue_lapsed(1, 2**62, app._client.clock.now())
    with pytest.raises(LeaseLost, match="this attempt is not the one that counts any more"), first.transaction() as rows:
        rows.execute("INSERT INTO orders (id) VALUES (1)")
    second = running(app)
    app.job(second.id).cancel()
    with pytest.raises(JobCancelled), second.transaction() as rows:
        rows.execute("INSERT INTO orders (id) VALUES (1)")
    assert orders(db) == []


def test_fenced_rows_without_the_end_and_no_second_end(app: LiteQueue, db: Path) -> None:
    job = running(app)
    with job.transaction(ack=False) as rows:
        rows.execute("INSERT INTO orders (id) VALUES (1)")
    assert app.job(job.id).state == "running"
    with pytest.raises(PayloadError), job.transaction() as rows:
        rows.execute("INSERT INTO orders (id) VALUES (2)")
        rows.result = object()
    with job.transaction() as rows:
        rows.result = {"paid"}
    assert (app.job(job.id).get(), orders(db)) == ({"paid"}, [(1, 0)])
    with pytest.raises(InvalidArgument, match="has ended with a transaction of its own already"), job.transaction():
        pass


def test_what_is_given_where_it_does_nothing_is_told(app: LiteQueue, db: Path, site: Any, caplog: pytest.LogCaptureFixture) -> None:
    job = running(app)
    with pytest.raises(AttributeError, match="has no attribute 'result'"), app.transaction() as rows:
        rows.result = 5  # type: ignore[attr-defined]
    with pytest.raises(AttributeError), job.transaction(ack=False) as rows:
        rows.result = 5
    with pytest.raises(AttributeError), job.transaction() as rows:
        rows.resutl = 5
    with pytest.raises(AttributeError, match="a transaction has execute and executemany, and no commit: its block's end commits"), job.transaction() as rows:
        rows.commit()
    with pytest.raises(InvalidType, match="ack"):
        job.transaction(ack="no")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="so it cannot be inside of another transaction: make it the outer one"), app.transaction(), job.transaction():
        pass
    with pytest.raises(InvalidArgument, match="enqueue without using"), app.transaction(), contextlib.closing(sqlite3.connect(db)) as connection:
        app.task(name="t2")(lambda: 0).using(connection).delay()

    async def stores(_: Any) -> None: ...

    @app.task(name="wrong")
    async def wrong() -> None:
        await current_job().run_in_transaction(stores)

    @app.task(name="returns")
    def returns() -> int:
        with current_job().transaction():
            return 5

    refused, ignored = wrong.delay(), returns.delay()
    with app.worker(burst=True) as worker:
        worker.join()
    assert refused.state == "discarded" and "and no async def: nothing was stored" in (refused.info().last_error or "")
    assert ignored.get() is None and "what the task returned is ignored, db.result is what it comes to" in caplog.text


def test_in_a_coroutine_it_would_stop_the_loop(app: LiteQueue) -> None:
    said: list[str] = []

    @app.task(name="a")
    async def a() -> None:
        try:
            current_job().transaction()
        except WouldDeadlock as error:
            said.append(str(error))

    a.delay()
    with app.worker(burst=True) as worker:
        worker.join()
    assert said == ["a transaction would stop the worker's event loop for as long as it waits for the lock: await job.run_in_transaction(function)"]


@pytest.mark.slow
def test_workers_that_are_killed_all_the_time_pay_each_order_exactly_once(site: Any, app: LiteQueue, db: Path, tmp_path: Path) -> None:
    """Rows and end both or neither: a job that had not ended pays again, and one that had does not. KILLS=200 for a minute of it."""
    most = int(os.environ.get("KILLS", "8"))
    rng, count = random.Random(11), 15 * most
    with app.transaction() as rows:
        rows.executemany("INSERT INTO orders (id) VALUES (?)", [(n,) for n in range(count)])
    tasks = [site.charge, site.charge, site.charge_in_process, site.charge_in_coroutine]
    for start in range(0, count, 100):
        tasks[start // 100 % 4].delay_many((n,) for n in range(start, min(start + 100, count)))
    kills = 0
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(worker_process(db, cwd=tmp_path, wait=False)) for _ in range(2)]
        ended = time.monotonic() + 90
        while kills < most and time.monotonic() < ended:
            time.sleep(rng.uniform(0.15, 0.45))
            victim = workers.pop(rng.randrange(2))
            os.kill(victim.pid, signal.SIGKILL)
            kills += 1
            workers.append(stack.enter_context(worker_process(db, cwd=tmp_path, wait=False)))
        with site.app.worker(burst=True) as worker:
            worker.join()
        wait_until(lambda: not set(site.app.stats().states) - {"succeeded", "discarded"}, 60)
    paid = dict(orders(db))
    succeeded = {int(info.args[1:-1]) for info in _all(site.app) if info.task != "site_pay.told" and info.state == "succeeded"}
    assert {order for order, times in paid.items() if times} == succeeded and set(paid.values()) <= {0, 1}
    told = [int(info.args[1:-1]) for info in _all(site.app) if info.task == "site_pay.told"]
    assert sorted(told) == sorted(succeeded)
    assert kills == most


def _all(app: LiteQueue) -> list[Any]:
    found: list[Any] = []
    while page := app.jobs(limit=10_000, before=found[-1].id if found else None):
        found += page
    return found
