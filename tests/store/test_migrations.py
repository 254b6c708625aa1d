"""Files of older versions: what was in them stays, and works."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.base.models import Settled
from litequeue.store import Store
from litequeue.store.schema import ledger
from litequeue.store.turn import Demand

from ..older import made_by, older_code, rows
from ..prepared import litequeue
from ..support import FakeClock, new_job
from .together import together

pytestmark = pytest.mark.beside

STATES = ("available", "scheduled", "running", "retrying", "succeeded", "discarded", "cancelled", "expired")
FINAL = STATES[4:]
NOW = FakeClock().now()
VERSIONS = [migration.number for migration in ledger.MIGRATIONS]
ITS_TABLES = {
    1: ("jobs", "attempts", "tasks", "workers", "queues"), 2: ("schedules", "ticks", "output"), 3: (),
    4: ("edges", "waits", "flows", "flow_jobs"), 5: ("steps", "events", "listeners", "callbacks"), 6: (), 7: (), 8: ("keys",), 9: ("limits", "asking", "starts"), 10: (),
    11: ("progress",), 12: ("tags",), 13: (), 14: ("usage",), 15: ("metrics", "gauges", "actions", "tick_counts"), 16: (),
    17: ("alerts", "alert_events"), 18: ("printed",),
}  # fmt: skip


@pytest.fixture
def version_1(db: Path, clock: FakeClock) -> Path:
    """A file as the first version left it: a job in each state, a worker, a paused queue."""
    with older_code(1):
        store = Store(str(db))
        with store.database.write(durable=True) as connection:
            for _ in STATES:
                job = {**new_job(created_at=clock.now())._asdict(), **new_job().columns._asdict()}
                del job["columns"], job["links"], job["limit_key"], job["tags"], job["headers"]  # which came later
                connection.execute(f"INSERT INTO litequeue_jobs ({', '.join(job)}) VALUES ({', '.join('?' * len(job))})", (*job.values(),))
            connection.execute("INSERT INTO litequeue_queues VALUES ('idle', ?)", (clock.now(),))
        store.close()
    rows(db, "DROP TABLE litequeue_migrations")
    rows(db, "DELETE FROM litequeue_meta WHERE key = 'min_reader'")
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        for number, state in enumerate(STATES, 1):
            final, leased = (clock.now() if state in FINAL else None), (clock.now() if state == "running" else None)
            connection.execute(
                "UPDATE litequeue_jobs SET state = ?, finished_at = ?, prune_at = ?, lease_expires_at = ?, worker_id = 1, "
                "attempt = 1 WHERE id = ?",
                (state, final, final and final + 10**15, leased, number),
            )
        assert connection.execute("SELECT value FROM litequeue_meta").fetchall() == [("1",)]
    return db


def test_jobs_of_the_first_version_are_as_they_were_and_nobody_is_told_of_its_dead_letters(version_1: Path) -> None:
    with LiteQueue(version_1) as app:
        found = {info.id: info.state for info in app.jobs()}
        assert [found[number] for number in sorted(found)] == list(STATES)
        assert app.job(6).info().schedule is None
        assert app.stats().paused == ("idle",)
        app.schedules.add("s", "tasks.t", every="1h")
        assert app.schedules.get("s").state == "active"
    store = Store(str(version_1))
    assert store.notices.unreported(10) == []
    with store.database.read() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        made = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    store.close()
    fresh = Store(f"{version_1}-fresh")
    with fresh.database.write(durable=True) as connection:
        assert made == connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    fresh.close()


def test_any_command_brings_an_older_file_up_to_date_and_runs_what_it_holds(version_1: Path) -> None:
    assert litequeue("stats", version_1).returncode == 0
    done = litequeue("schedules", version_1)
    assert (done.returncode, done.stderr) == (0, "litequeue: there is no schedule\n")
    found = dict(rows(version_1, "SELECT key, value FROM litequeue_meta"))
    assert found == {"schema_version": str(ledger.CURRENT), "min_reader": str(ledger._needs(ledger.CURRENT))}


# -- every version, from its own statements -------------------------------------------------------------------


def fill(db: Path, version: int) -> None:
    """A row of every kind that the version has."""
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:

        def insert(table: str, **values: Any) -> None:
            names = ", ".join(values)
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO litequeue_{table} ({names}) VALUES ({marks})", tuple(values.values()))

        for state in STATES:
            final = {"finished_at": NOW, "prune_at": NOW + 10**15} if state in FINAL else {}
            leased = {"lease_expires_at": NOW, "worker_id": 1} if state == "running" else {}
            insert("jobs", task="tests.task", state=state, attempt=1, created_at=NOW, **final, **leased)
        insert("attempts", job_id=6, attempt=1, outcome="failed", error_type="ValueError", error_message="boom")
        insert("tasks", name="tests.task", module="tests", qualname="task", directory="/", options="{}", recorded_at=NOW)
        insert("workers", name="w", pid=1, host="h", lock_file="w.lock", slots="{}", started_at=NOW, heartbeat_at=NOW)
        insert("queues", name="idle", paused_at=NOW)
        if version >= 2:
            times = {"anchor_at": NOW, "created_at": NOW, "updated_at": NOW, "next_tick_at": NOW, "fires_at": NOW}
            insert("schedules", name="s", trigger='{"every": "1h"}', task="tests.task", grace=1, paused_at=NOW, **times)
            insert("jobs", task="tests.task", state="blocked", schedule_id=1, scheduled_for=NOW, created_at=NOW)
            insert("ticks", schedule_id=1, tick_at=NOW, decided_at=NOW, outcome="fired", job_id=9)
        if version >= 18:
            insert("printed", job_id=3, attempt=1, number=1)
        if version >= 4:
            insert("jobs", task="tests.task", state="blocked", links=4, created_at=NOW)
            insert("edges", parent_id=4, child_id=10, position=0)
            insert("waits", job_id=10, pending=1)
            insert("flows", end_id=10, created_at=NOW)
            insert("flow_jobs", first_id=10, last_id=10, flow_id=1)
        if version >= 5:
            insert("steps", job_id=3, name="charge", value="1", attempt=1, at=NOW)
            insert("events", name="delivered", at=NOW, prune_at=NOW + 10**12)
            insert("callbacks", job_id=3, number=0, runs_when="failed", job="{}")
            insert("listeners", name="paid", job_id=3, step="wait")
        if version >= 8:
            insert("keys", job_id=1, task="tests.task", key="user 5", holds=1, until="finish")
        if version >= 9:
            insert("limits", name="mailer", max_running=2)
            insert("asking", limit_key="mailer", at=NOW)
            insert("starts", limit_key="mailer", began=NOW, width=1, n=1)
        if version >= 2:
            insert("output", job_id=5, attempt=1, number=1, stream="stdout", at=NOW, text="hello\n")
        if version >= 11:
            insert("progress", job_id=3, attempt=1, at=NOW, said="[1, 2, null, null]")
        if version >= 12:
            insert("tags", job_id=3, tag="import")
        if version >= 14:
            insert("usage", job_id=6, attempt=1, cpu_time=4_500_000, max_rss=123_000_000)
        if version >= 15:
            insert("metrics", span=60, at=NOW, task="tests.task", queue="default", succeeded=1)
            insert("gauges", span=60, at=NOW, queue="default", available=1, delayed=0, running=0, oldest_us=0, last_id=10)
            insert("tick_counts", schedule_id=1, outcome="fired", count=1)
            insert("actions", at=NOW, who="ann (cli)", what="retry", target="job 6", count=1)
        if version >= 17:
            insert("alerts", name="late", condition="oldest >5m", hold=60_000_000, keep=0, run="tell", created_at=NOW)
            insert("alert_events", at=NOW, alert="late", event="firing", text="alert late")


def held(db: Path, columns: dict[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    return {table: rows(db, f"SELECT {names} FROM litequeue_{table} ORDER BY 1, 2") for table, names in columns.items()}


def columns_of(db: Path, version: int) -> dict[str, str]:
    tables = [table for number in range(1, version + 1) for table in ITS_TABLES[number]]
    return {
        table: ", ".join(name for (name,) in rows(db, f"SELECT name FROM pragma_table_info('litequeue_{table}')"))
        for table in tables
    }


def schema_of(db: Path) -> list[tuple[Any, ...]]:
    return rows(db, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")


@pytest.fixture(params=VERSIONS, ids=lambda number: f"version {number}")
def older(request: pytest.FixtureRequest, db: Path) -> tuple[int, Path]:
    fill(made_by(request.param, db), request.param)
    return request.param, db


def test_what_was_in_a_file_of_any_version_stays_and_works(older: tuple[int, Path], clock: FakeClock) -> None:
    version, db = older
    columns = columns_of(db, version)
    before = held(db, columns)
    assert all(before.values())

    store = Store(str(db))
    assert store.reports.state(1) == "available"
    assert held(db, columns) == before  # it has been migrated by now, if it had to be

    now = clock.now()
    claimed = store.jobs.turn(2, now, now + 1, demand=Demand({"thread": 10})).claimed
    assert {job.id for job in claimed} == {STATES.index(state) + 1 for state in ("available", "scheduled", "retrying")}
    done = [Settled(job.id, job.attempt, now, now, "1", now + 10**12, None) for job in claimed]
    assert store.jobs.turn(2, now, now + 1, succeeded=done).lost == set()
    assert {store.reports.state(job.id) for job in claimed} == {"succeeded"}
    assert store.reports.stats().paused == ("idle",)
    # What was discarded before anybody could be told of it is told to nobody.
    assert len(store.notices.unreported(10)) == (version >= 2)
    store.close()
    with LiteQueue(db) as app:
        app.schedules.add("another", "tests.task", every="1h")
        assert [schedule.name for schedule in app.schedules.list()] == ["another", *["s"] * (version >= 2)]


def test_a_file_of_any_version_comes_to_the_schema_of_a_fresh_one(older: tuple[int, Path], tmp_path: Path) -> None:
    version, db = older
    fresh = tmp_path / "fresh"
    for path in (db, fresh):
        store = Store(str(path))
        store.jobs.enqueue(new_job())
        store.close()
    assert schema_of(db) == schema_of(fresh)
    assert rows(db, "PRAGMA integrity_check") == [("ok",)]
    known = "SELECT version, name, min_reader FROM litequeue_migrations ORDER BY version"
    assert rows(db, known) == rows(fresh, known) == [(m.number, m.name, m.min_reader) for m in ledger.MIGRATIONS]
    unknown = "SELECT version FROM litequeue_migrations WHERE applied_at IS NULL AND applied_by IS NULL"
    assert rows(db, unknown) == [(number,) for number in range(1, version + 1)]
    assert rows(fresh, unknown) == []
    meta = "SELECT key, value FROM litequeue_meta ORDER BY key"
    assert rows(db, meta) == rows(fresh, meta)


@pytest.mark.slow
def test_many_processes_open_a_file_of_any_version_at_once(older: tuple[int, Path]) -> None:
    version, db = older
    before = len(rows(db, "SELECT id FROM litequeue_jobs"))
    together(8, lambda: Store(str(db)).jobs.enqueue(new_job()))
    assert len(rows(db, "SELECT id FROM litequeue_jobs")) == before + 8
    assert rows(db, "PRAGMA integrity_check") == [("ok",)]
    assert rows(db, "SELECT version FROM litequeue_migrations WHERE applied_at IS NULL ORDER BY version") == [
        (number,) for number in range(1, version + 1)
    ]
    assert rows(db, "SELECT value FROM litequeue_meta ORDER BY key") == [(str(ledger._needs(ledger.CURRENT)),), (str(ledger.CURRENT),)]
