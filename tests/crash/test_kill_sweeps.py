"""Kill -9 before and after the SQL statements of what producers and workers do to the file.

Each scenario is one act, which is one transaction: whenever its process dies, the file must be exactly as
before the act or exactly as after it, and after it if the caller had been told so. Then no lock may be
left behind, and the next worker must go on at once with everything that is not final.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import litequeue
from litequeue import Job, LiteQueue
from litequeue.base.clock import SystemClock
from litequeue.base.models import Lease
from litequeue.store import Store
from litequeue.store.schema import ledger

from .. import faults, sample
from ..faults import Victim, When, kill_points, run_victim
from ..prepared import worker_process
from ..support import FakeClock, ledger_lines, wait_until
from .acts import (
    NOW,
    SCENARIOS,
    Scenario,
    claim,
    first_open,
    register,
    success,
    three_jobs,
    tick,
)

GO_ON_SECONDS = 2.0

Rows = dict[str, list[tuple[Any, ...]]]


# -- what must hold ---------------------------------------------------------------------------------------


def contents(db: Path) -> Rows:
    """Every row of every table but the workers' and levels, and that the file is sound. A missing file has none."""
    if not db.exists():
        return {}
    with contextlib.closing(sqlite3.connect(db, timeout=0)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        # AUTOINCREMENT's counters are no promise, and how much there is to do is written down by itself.
        kept = [name for (name,) in names if name not in ("litequeue_workers", "litequeue_gauges", "sqlite_sequence")]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in kept}


def states(db: Path) -> dict[int, tuple[str, int]]:
    """State and attempt of each job."""
    with contextlib.closing(sqlite3.connect(db, timeout=0)) as connection:
        rows = connection.execute("SELECT id, state, attempt FROM litequeue_jobs").fetchall()
    return {job: (state, attempt) for job, state, attempt in rows}


def is_final(state: str) -> bool:
    return state in ("succeeded", "discarded", "cancelled", "expired")


def next_worker_goes_on(db: Path, leases: list[Lease]) -> None:
    """Another worker finds no lock, runs all that is not final once more, and the dead one's acks are void."""
    store = Store(str(db))
    store.database.patience = 0.5  # nobody is alive to wait for
    me = register(store, "survivor")
    clock = FakeClock()
    before = states(db)
    tick(store, me.id, clock)
    clock.advance(600)  # past every retry's delay; no lease is judged by the clock here
    ran: list[int] = []
    while jobs := claim(store, me.id, now=clock.now()):
        ran += [job.id for job in jobs]
        ends = [success(job.id, job.attempt, "survivor's", clock.now()) for job in jobs]
        assert store.jobs.turn(me.id, clock.now(), clock.now(), succeeded=ends).lost == set()
    after = states(db)
    todo = [job for job, (state, _) in sorted(before.items()) if not is_final(state)]
    assert sorted(ran) == [job for job in todo if after[job][0] != "expired"]
    for job, (state, attempt) in before.items():
        if job in ran:
            assert after[job] == ("succeeded", attempt + 1)
        elif is_final(state) and job in after:  # or pruned
            assert after[job] == (state, attempt)
    late = [success(lease.id, lease.attempt, "late", NOW + 1) for lease in leases]
    assert store.jobs.turn(me.id, NOW, NOW, succeeded=late).lost == set(leases)
    assert states(db) == after
    store.workers.stopped(me.id, NOW)
    me.close()
    assert store.reports.workers() == []  # nobody is left who looks alive
    store.close()


@pytest.fixture(autouse=True)
def a_clock_that_stands(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a migration was applied is by the machine's clock, and files are compared to each other."""
    if "memory" in request.fixturenames:
        monkeypatch.setattr(SystemClock, "now", lambda clock: NOW)


def sweep(
    scenario: Scenario, folder: Path, goes_on: Callable[[Path, list[Lease]], None] = next_worker_goes_on, *, every: int = 1
) -> None:
    """Kill the act before and after its statements (``kill_points``), each time on a fresh copy of the file, and see that ``goes_on`` can.

    ``every``: only at one of so many of these.
    """
    origin = folder / "origin"
    origin.mkdir()
    scenario.prepare(origin / "db")

    def attempt(name: str, nth: int, when: When) -> tuple[Path, faults.End]:
        shutil.copytree(origin, folder / name)
        db = folder / name / "db"
        return db, run_victim(lambda victim: scenario.act(victim, db), nth, when)

    db, whole = attempt("whole", 0, "before")
    after = contents(db)
    assert "done" in whole.said
    db, _ = attempt("at arm()", 1, "before")
    before = contents(db)
    assert (before != after) == scenario.changes
    assert len(whole.statements) >= scenario.fewest, whole.statements
    for nth, when in itertools.islice(kill_points(whole.statements), 0, None, every):
        db, end = attempt(f"{when} {nth}", nth, when)
        where = f"{scenario.name}: killed {when} statement {nth} of {len(whole.statements)}"
        assert end.killed, where
        died = time.monotonic()
        # On a copy, so that it is the next worker that finds what the dead one left of the log.
        found = contents(Path(shutil.copytree(db.parent, folder / "post mortem")) / "db")
        assert found == after if "done" in end.said else found in (before, after), where
        leases = [Lease(*map(int, line.split()[1:])) for line in end.said if line.startswith("lease")]
        goes_on(db, leases)
        assert time.monotonic() - died < GO_ON_SECONDS, where
        contents(db)
        shutil.rmtree(db.parent)
        shutil.rmtree(folder / "post mortem")


@pytest.mark.beside
def test_a_kill_is_left_out_only_where_it_would_find_what_another_does(memory: Path) -> None:
    def work(victim: Victim) -> None:
        connection = sqlite3.connect(memory / "db", isolation_level=None)
        victim.arm()
        connection.execute("BEGIN IMMEDIATE")
        (memory / "file").touch()
        for n in range(4):
            connection.execute(f"-- a table\nCREATE TABLE t{n} (x)")
        connection.execute("INSERT INTO t0 VALUES (1)")
        victim.say("told")
        connection.execute("COMMIT")

    begin, *tables, insert, commit = range(1, 8)
    assert list(kill_points(run_victim(work).statements)) == [
        (begin, "before"), (begin, "after"), (tables[0], "before"), (tables[0], "after"), (tables[-1], "after"), (insert, "after"),
        (commit, "before"), (commit, "after"),
    ]  # fmt: skip


SHORT = "cancel"  # a few statements, for those who want to know soon


@pytest.mark.beside
@pytest.mark.parametrize(
    "scenario", [pytest.param(s, marks=[pytest.mark.slow] * (s.name != SHORT)) for s in SCENARIOS], ids=lambda s: s.name
)
def test_killed_at_any_statement_it_is_all_or_nothing_and_the_next_worker_goes_on(
    scenario: Scenario, memory: Path
) -> None:
    sweep(scenario, memory)


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("min_reader", [ledger.CURRENT, ledger.CURRENT + 1], ids=["that adds", "that shuts older code out"])
def test_a_migration_killed_at_any_statement_is_all_or_nothing(
    memory: Path, monkeypatch: pytest.MonkeyPatch, min_reader: int
) -> None:
    statements = """CREATE TABLE litequeue_notes (job_id INTEGER, note TEXT) STRICT;
    ALTER TABLE litequeue_jobs ADD COLUMN colour TEXT;
    UPDATE litequeue_jobs SET colour = 'red';
    INSERT INTO litequeue_notes SELECT id, 'migrated' FROM litequeue_jobs"""
    further = ledger.Migration(ledger.CURRENT + 1, "notes", statements, min_reader)
    versions: set[str] = set()

    def prepare(db: Path) -> None:
        three_jobs(db)
        # From here on, and in the children, the code is one release further.
        monkeypatch.setattr(ledger, "MIGRATIONS", (*ledger.MIGRATIONS, further))
        monkeypatch.setattr(ledger, "CURRENT", further.number)
        versions.update(value for key, value in contents(db)["litequeue_meta"] if key == "schema_version")

    sweep(Scenario("migration", prepare, first_open, 15), memory)
    rows = contents(memory / "whole" / "db")
    assert rows["litequeue_meta"] == [("min_reader", str(min_reader)), ("schema_version", str(ledger.CURRENT))]
    assert max(rows["litequeue_migrations"]) == (further.number, "notes", min_reader, NOW, litequeue.__version__)
    assert versions == {str(ledger.CURRENT - 1)}
    assert [note for _, note in rows["litequeue_notes"]] == ["migrated"] * 3


# -- whole workers ----------------------------------------------------------------------------------------

SETTLE = "SET state = 'succeeded'"
LEASED = "SET state = 'running'"


@pytest.mark.slow
@pytest.mark.paired
@pytest.mark.parametrize(
    ("fault", "runs"),
    [
        (f"kill_at(1, 'after', {LEASED!r})", 1),  # the claim was not committed, nothing ran
        (f"kill_at(1, 'before', {SETTLE!r})", 2),
        (f"kill_at(1, 'after', {SETTLE!r})", 2),
    ],
    ids=["in its claim", "before its settle", "in its settle"],
)
def test_a_worker_killed_at_a_statement_is_followed_by_one_that_finishes_within_two_seconds(
    sample_app: LiteQueue, db: Path, tmp_path: Path, fault: str, runs: int
) -> None:
    ledger = tmp_path / "ledger"
    job = sample.record.delay(str(ledger), "ran")
    with faults.faulty_worker(db, fault) as first:
        assert first.wait(timeout=20) == -signal.SIGKILL
        assert job.state in ("available", "running")
        with worker_process(db):
            began = time.monotonic()
            assert job.get(timeout=10) == "ran"
            assert time.monotonic() - began < GO_ON_SECONDS
    assert ledger_lines(ledger) == ["ran"] * runs
    info = job.info()
    assert (info.state, info.failures, info.interruptions) == ("succeeded", 0, runs - 1)


@pytest.mark.slow
@pytest.mark.paired
@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_a_worker_dies_among_its_commits_its_peer_finishes_all_jobs_within_two_seconds(
    sample_app: LiteQueue, db: Path, tmp_path: Path, when: When
) -> None:
    """The commits are those of all the worker's threads, in whatever order they come."""
    ledger = tmp_path / "ledger"
    runs_of: dict[str, Job[object]] = {"first": sample.record.delay(str(ledger), "first")}
    with worker_process(db) as peer:
        wait_until(lambda: ledger_lines(ledger))
        for commit in (2, 3, 4, 5):
            with contextlib.ExitStack() as frozen:
                # The peer is there, but asleep until the other is dead. Not asleep with the lock in its hand:
                with sample_app._client.store.database.write(durable=False):
                    frozen.enter_context(faults.stopped(peer.pid))
                fault = f"kill_at({commit}, {when!r}, 'COMMIT')"
                with faults.faulty_worker(db, fault) as victim:
                    for n in range(20):
                        runs_of[f"{commit}-{n}"] = sample.record.delay(str(ledger), f"{commit}-{n}")
                    assert victim.wait(timeout=10) == -signal.SIGKILL
            died = time.monotonic()
            wait_until(lambda: all(job.state == "succeeded" for job in runs_of.values()))
            assert time.monotonic() - died < GO_ON_SECONDS
    lines = ledger_lines(ledger)
    assert set(lines) == set(runs_of)
    for key, job in runs_of.items():
        assert lines.count(key) <= 1 + job.info().interruptions  # no run that no death explains
