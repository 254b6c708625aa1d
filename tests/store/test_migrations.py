"""Files of older versions: what was in them stays, and works."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.store import Store, schema

from ..prepared import litequeue
from ..support import FakeClock, new_job

pytestmark = pytest.mark.beside

STATES = ("available", "scheduled", "running", "retrying", "succeeded", "discarded", "cancelled", "expired")
FINAL = STATES[4:]


@pytest.fixture
def version_1(db: Path, monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> Path:
    """A file as the first version left it: a job in each state, a worker, a paused queue."""
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        older.setattr(schema, "CURRENT", 1)
        store = Store(str(db))
        for _ in STATES:
            store.jobs.enqueue(new_job(created_at=clock.now()))
        store.operations.pause("idle", clock.now())
        store.close()
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
    assert (done.returncode, done.stderr) == (0, "")
    with contextlib.closing(sqlite3.connect(version_1)) as connection:
        assert connection.execute("SELECT value FROM litequeue_meta").fetchall() == [(str(schema.CURRENT),)]
