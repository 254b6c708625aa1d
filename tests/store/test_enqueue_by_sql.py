"""Jobs from plain SQL: a row that is inserted into a view, by whatever program or trigger, is checked and becomes a job."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue

pytestmark = pytest.mark.beside


@pytest.fixture
def app(db: Path) -> Iterator[LiteQueue]:
    with LiteQueue(db) as app:
        list(app.limits)
        yield app


@pytest.fixture
def connection(app: LiteQueue, db: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        yield connection


def test_a_row_becomes_a_job_with_what_its_task_says(app: LiteQueue, connection: sqlite3.Connection) -> None:
    ran: list[Any] = []

    @app.task(name="t", retries=3, max_running=1, limit_key="{0}")
    def t(n: int, text: str = "") -> None:
        ran.append((n, text))

    connection.execute("INSERT INTO litequeue_enqueue (task, args) VALUES ('t', '[1, \"two\"]')")
    connection.execute("INSERT INTO litequeue_enqueue VALUES ('t', ' [2]\n', '{\"text\": \"x\"}', 'default', 7, NULL)")
    connection.execute("INSERT INTO litequeue_enqueue (task, args, delay) VALUES ('t', '[3]', 0.5)")
    first, second, third = reversed(app.jobs())
    assert (first.state, first.queue, first.priority, second.priority) == ("available", "default", 0, 7)
    assert third.state == "scheduled" and (third.run_at - third.created_at).total_seconds() == 0.5
    with app.worker(burst=True) as worker:
        worker.join()
    assert ran == [(2, "x"), (1, "two")]
    assert app.job(first.id).info().max_attempts == 4
    assert connection.execute("SELECT * FROM litequeue_enqueue").fetchall() == []


@pytest.mark.parametrize(
    ("columns", "values", "says"),
    [
        ("task", (None,), "task must be the name of a task, such as 'tasks.add'"), ("task", (" ",), "task must be"), ("task", ("a task",), "task must be"), ("task, queue", ("t", "no queue"), "queue must be"), ("task", (5,), "task must be"),
        ("task, args", ("t", "1"), "args must be the text of a JSON array"), ("task, args", ("t", 1), "args must be"),
        ("task, args", ("t", '{"n": 1}'), "args must be"), ("task, kwargs", ("t", "[1]"), "kwargs must be the text of a JSON object"),
        ("task, queue", ("t", ""), "queue must be a name"),
        ("task, args", ("t", f"[{'1,' * 600_000}1]"), "the arguments may have 1048576"), ("task", ("litequeue.join",), "task must be"),
        ("task, priority", ("t", "high"), "priority must be a whole number"),
        ("task, priority", ("t", 10**7), "priority must be"), ("task, delay", ("t", -1), "delay must be a number of seconds"),
        ("task, delay", ("t", "5s"), "delay must be a number of seconds"), ("task, delay", ("t", 1e300), "delay must be a number of seconds"),
    ],
)  # fmt: skip
def test_what_makes_no_job_is_refused(app: LiteQueue, connection: sqlite3.Connection, columns: str, values: tuple[Any, ...], says: str) -> None:
    marks = ", ".join("?" * len(values))
    with pytest.raises(sqlite3.IntegrityError, match=f"litequeue_enqueue: {says}"):
        connection.execute(f"INSERT INTO litequeue_enqueue ({columns}) VALUES ({marks})", values)
    assert app.jobs() == []


def test_arguments_that_turn_out_to_be_no_json_discard_the_job(app: LiteQueue, connection: sqlite3.Connection) -> None:
    app.task(name="t")(lambda *_: None)
    connection.execute("INSERT INTO litequeue_enqueue (task, args) VALUES ('t', '[what]')")
    with app.worker(burst=True) as worker:
        worker.join()
    assert app.jobs()[0].state == "discarded"


def test_a_trigger_of_the_app_makes_jobs_on_any_connection_and_with_its_transaction(app: LiteQueue, connection: sqlite3.Connection) -> None:
    app.task(name="t")(lambda n: n)
    with app.transaction() as rows:
        rows.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, paid INTEGER)")
        rows.execute("""CREATE TRIGGER paid AFTER UPDATE OF paid ON orders WHEN NEW.paid
            BEGIN INSERT INTO litequeue_enqueue (task, args) VALUES ('t', '[' || NEW.id || ']'); END""")
        rows.executemany("INSERT INTO orders VALUES (?, 0)", [(1,), (2,), (3,)])
        rows.execute("UPDATE orders SET paid = 1 WHERE id = 1")
    connection.execute("BEGIN")
    connection.execute("UPDATE orders SET paid = 1 WHERE id = 2")
    connection.execute("ROLLBACK")
    connection.execute("UPDATE orders SET paid = 1 WHERE id = 3")
    assert sorted(info.args for info in app.jobs()) == ["[1]", "[3]"]
    assert app._client.store.database.data_version() > 0, "such a trigger is the app's affair"
    with app.worker(burst=True) as worker:
        worker.join()
    assert app.stats().states == {"succeeded": 2}
