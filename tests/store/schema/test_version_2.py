"""The stored file of version 2, filled by that version's own code: today's code finds everything in it, and does the rest.

What is in it is told in ``tests/older.py``. Code of that version is shut out from then on.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from litequeue import LiteQueue, SchemaTooNew
from litequeue.store import Store
from litequeue.store.schema import ledger

from ...older import filled_by_version_2, newer_code, older_code, rows, serve
from ...support import ROOT, litequeue, wait_until, worker_process

pytestmark = pytest.mark.beside

STATES = {
    1: "succeeded", 2: "discarded", 3: "succeeded", 4: "retrying", 5: "succeeded", 6: "succeeded", 7: "cancelled",
    8: "scheduled", 9: "expired", 10: "available", 11: "running", 12: "blocked", 13: "available", 14: "available",
    15: "available", 16: "available",
}  # fmt: skip
FAR = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def version_2(db: Path) -> Path:
    return filled_by_version_2(db)


def test_everything_in_it_is_found(version_2: Path) -> None:
    with LiteQueue(version_2) as app:
        assert {info.id: info.state for info in app.jobs()} == STATES
        assert [app.job(number).get() for number in (1, 3, 6)] == [3, 5, 42]
        (failure,) = app.job(2).info().attempts
        assert (failure.error_type, failure.error_message, failure.outcome) == ("ValueError", "boom", "failed")
        assert "/srv/app/tests/sample.py" in failure.traceback
        retrying = app.job(4).info()
        assert (retrying.failures, retrying.max_attempts, len(retrying.attempts)) == (3, 6, 3)
        pieces = [(piece.stream, piece.text) for piece in app.job(5).output()]
        assert pieces[:2] == [("stdout", "to stdout\n"), ("stderr", "to stderr\n")]
        assert app.job(8).info().run_at == FAR
        stats = app.stats()
        assert stats.paused == ("idle",)
        assert [(worker.name, worker.host) for worker in stats.workers] == [("dead", "host")]


def test_its_schedules_and_ticks_are_found(version_2: Path) -> None:
    with LiteQueue(version_2) as app:
        found = {schedule.name: (schedule.state, schedule.ticks, schedule.next_tick) for schedule in app.schedules.list()}
        assert {name: state for name, (state, *_) in found.items()} == {
            "hourly": "paused", "nightly": "paused", "once": "active", "serial": "paused",
        }  # fmt: skip
        assert found["once"][2] == FAR
        assert [(tick.outcome, tick.job_id) for tick in app.schedules.ticks("hourly")] == [("manual", 6)]
        assert [(tick.outcome, tick.job_id) for tick in app.schedules.ticks("serial")] == [("fired", 12), ("fired", 11)]
        assert app.job(12).info().schedule == "serial"
        app.schedules.update("nightly", cron="0 3 * * *")
        app.schedules.resume("hourly")
        assert app.schedules.get("hourly").state == "active"


@pytest.mark.slow
def test_its_jobs_run_and_then_code_of_that_version_is_shut_out(version_2: Path, tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    with worker_process(version_2, "--import", "tests.sample", cwd=tmp_path):
        # The one whose worker died, and after it the one that it blocked, too.
        wait_until(lambda: rows(version_2, "SELECT count(*) FROM litequeue_jobs WHERE state = 'succeeded'") == [(10,)])
    done = dict(rows(version_2, "SELECT id, result FROM litequeue_jobs WHERE state = 'succeeded' AND id > 6"))
    assert json.loads(done.pop(16))["exit_code"] == 0
    assert done == {11: '"attempt 2"', 12: '"attempt 1"', 13: "5", 14: "6", 15: "144"}
    assert rows(version_2, "SELECT interruptions FROM litequeue_jobs WHERE id = 11") == [(1,)]
    left = dict(rows(version_2, "SELECT id, state FROM litequeue_jobs WHERE state <> 'succeeded'"))
    assert left == {number: state for number, state in STATES.items() if number in (2, 4, 7, 8, 9, 10)}
    assert rows(version_2, "PRAGMA integrity_check") == [("ok",)]
    assert rows(version_2, "SELECT version FROM litequeue_migrations") == [(migration.number,) for migration in ledger.MIGRATIONS]
    with older_code(2), pytest.raises(SchemaTooNew):
        Store(str(version_2)).open_and_close()


def test_code_of_a_version_whose_rules_still_hold_takes_turns_with_this_one(version_2: Path) -> None:
    for _ in range(2):
        serve(Store(str(version_2)))
        with newer_code(min_reader=ledger.CURRENT):
            serve(Store(str(version_2)))
    assert rows(version_2, "SELECT version FROM litequeue_migrations") == [(number,) for number in range(1, ledger.CURRENT + 2)]


@pytest.mark.slow
def test_a_burst_and_the_other_commands_serve_it(version_2: Path, tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    done = litequeue("worker", version_2, "--import", "tests.sample", "--burst", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert rows(version_2, "SELECT count(*) FROM litequeue_jobs WHERE state = 'succeeded' AND id IN (13, 14, 15, 16)") == [(4,)]
    assert litequeue("resume", version_2, "idle").returncode == 0
    assert litequeue("retry", version_2, 2).returncode == 0
    done = litequeue("worker", version_2, "--import", "tests.sample", "--burst", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert rows(version_2, "SELECT result FROM litequeue_jobs WHERE id = 10") == [("101",)]
    assert rows(version_2, "SELECT state, attempt FROM litequeue_jobs WHERE id = 2") == [("discarded", 2)]
    with older_code(2), pytest.raises(SchemaTooNew):
        Store(str(version_2)).open_and_close()


def test_the_stored_file_is_as_that_version_left_it() -> None:
    """Were it opened in its place, the tests above would prove nothing."""
    with open(ROOT / "tests/data/version-2.sqlite", "rb") as file:
        content = file.read()
    assert b"litequeue_migrations" not in content and b"min_reader" not in content
    assert content[18:20] == b"\2\2"  # in WAL mode
    assert len(content) < 100_000
    assert ledger.MIGRATIONS[1].name == "schedules"
