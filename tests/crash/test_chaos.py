"""A short chaos run is part of the suite; and its judge sees what it is there to see."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ..chaos import judge
from ..chaos.driver import Driver
from ..chaos.evidence import Evidence, Execution
from ..sample import note
from ..support import ROOT, environment

SEED = 20
DEATH = re.compile(r"rescued p50 ([\d.]+) s, p99 ([\d.]+) s")


@pytest.mark.slow
@pytest.mark.beside
def test_twenty_seconds_of_chaos_break_no_promise() -> None:
    words = [sys.executable, "-m", "tests.chaos", "--seconds", "20", "--seed", str(SEED)]
    run = subprocess.run(
        words, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=110, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"seed {SEED}" in run.stdout
    # On a machine that is too busy no peer may have been up for long enough to be measured.
    found = DEATH.search(run.stdout)
    assert found is None or float(found[1]) < 1.0, run.stdout


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evidence of a short run in which all is well."""
    folder = tmp_path_factory.mktemp("chaos")
    Driver(folder, 1.0, SEED).run()
    assert judge.violations(Evidence(folder)) == []
    return folder


def _sql(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "chaos.sqlite")) as connection, connection:
        assert connection.execute(sql).rowcount > 0


WHOLE = "state = 'succeeded' AND failures + interruptions = 0 AND schedule_id IS NULL AND task LIKE 'tests.chaos.tasks.%'"
ONE = f"(SELECT max(id) FROM litequeue_jobs WHERE {WHOLE})"


def _untouched(folder: Path) -> Execution:
    """That of a job that succeeded, by a worker that was not frozen meanwhile: a frozen one's jobs may run twice."""
    evidence = Evidence(folder)
    with closing(sqlite3.connect(folder / "chaos.sqlite")) as connection:
        found = connection.execute(f"SELECT id FROM litequeue_jobs WHERE {WHOLE} ORDER BY id DESC").fetchall()
    for (job,) in found:
        (run,) = evidence.executions[job]
        at = run.began + 0.000_001
        if not evidence.froze(run.worker, at) and not any(start <= at <= stop for start, stop in evidence.frozen[run.pid]):
            return run
    raise AssertionError("every worker was frozen all the time: the run proves nothing")


def _ran_again(folder: Path) -> None:
    """A second execution beside the first, on record as interrupted, of a worker that nobody touched."""
    job = _untouched(folder).job
    _sql(folder, f"UPDATE litequeue_jobs SET attempt = attempt + 1, interruptions = 1, result = '2' WHERE id = {job}")
    _sql(
        folder,
        "INSERT INTO litequeue_attempts (job_id, attempt, outcome, worker_id, finished_at, error_type, error_message)"
        f" SELECT id, 1, 'interrupted', worker_id, created_at, 'Interrupted', '' FROM litequeue_jobs WHERE id = {job}",
    )
    (line,) = [x for x in (folder / "ledger").read_text().splitlines() if x.startswith(f"start {job} 1 ")]
    words = line.split()
    note(str(folder / "ledger"), f"start {job} 2 {words[3]} {words[4]} {float(words[5]) + 0.000_001:.6f}")
    note(str(folder / "ledger"), f"end {job} 2 {words[3]} {words[4]} {float(words[5]) + 0.000_002:.6f}")


@pytest.mark.slow
def test_no_run_of_a_worker_that_was_frozen_is_forged_again(good: Path, tmp_path: Path) -> None:
    """The judge lets that pass; it was looked up by the number of the worker's row, where all else has its pid."""
    folder = tmp_path / "frozen"
    shutil.copytree(good, folder)
    run = _untouched(folder)
    for what, before in (("stop", 3.0), ("cont", 1.5)):
        note(str(folder / "events"), f"{what} worker {run.worker} {run.began - before:.6f}")
    assert _untouched(folder).worker != run.worker


TICK = "(SELECT tick_at FROM litequeue_ticks WHERE schedule_id = 1 AND job_id IS NOT NULL ORDER BY 1 LIMIT 1 OFFSET 1)"

FORGERIES: dict[str, tuple[Callable[[Path], None], str]] = {
    "lost": (lambda f: _sql(f, f"DELETE FROM litequeue_jobs WHERE id = {ONE}"), "was acked and is lost"),
    "not final": (
        lambda f: _sql(
            f, f"UPDATE litequeue_jobs SET state = 'available', finished_at = NULL, prune_at = NULL WHERE id = {ONE}"
        ),
        "is still available",
    ),
    "from nowhere": (
        lambda f: _sql(
            f, "INSERT INTO litequeue_jobs (task, args) VALUES ('x.quick', '[\"ledger\",\"nobody-1.0\"]')"
        ),
        "intended were 0 jobs, stored are 1",
    ),
    "late result": (
        lambda f: _sql(f, f"UPDATE litequeue_jobs SET result = '0' WHERE id = {ONE}"),
        "no end in the ledger",
    ),
    "run again": (_ran_again, "neither dead nor frozen"),
    "overlap": (_ran_again, "began in"),
    "discarded": (
        lambda f: _sql(f, f"UPDATE litequeue_jobs SET state = 'discarded', last_error = 'Oops' WHERE id = {ONE}"),
        "was discarded: Oops",
    ),
    "a tick twice": (
        lambda f: _sql(
            f,
            "INSERT INTO litequeue_jobs (task, args, schedule_id, scheduled_for)"
            f" SELECT task, args, schedule_id, scheduled_for FROM litequeue_jobs WHERE scheduled_for = {TICK}",
        ),
        "2 jobs were made",
    ),
    "a tick without its row": (
        lambda f: _sql(f, f"DELETE FROM litequeue_ticks WHERE schedule_id = 1 AND tick_at = {TICK}"),
        "is not 250000 us later",
    ),
    "a tick skipped": (
        lambda f: _sql(
            f,
            "UPDATE litequeue_ticks SET outcome = 'skipped', job_id = NULL WHERE schedule_id = 1"
            f" AND tick_at = {TICK}",
        ),
        "though all are to be made up for",
    ),
    "the job of a tick gone": (
        lambda f: _sql(f, f"DELETE FROM litequeue_jobs WHERE schedule_id = 1 AND scheduled_for = {TICK}"),
        "is gone",
    ),
    "the driver's problem": (lambda f: note(str(f / "events"), "problem worker-1 ended"), "worker-1 ended"),
}


@pytest.mark.slow
@pytest.mark.parametrize("forgery", FORGERIES)
def test_the_judge_sees_what_was_forged_into_a_good_runs_evidence(good: Path, tmp_path: Path, forgery: str) -> None:
    forge, expected = FORGERIES[forgery]
    folder = tmp_path / "forged"
    shutil.copytree(good, folder)
    forge(folder)
    found = judge.violations(Evidence(folder))
    assert any(expected in text for text in found), found
