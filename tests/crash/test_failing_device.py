"""A device that fails (ST7): what could not be synced was not promised, and what had been done is not forgotten."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from litequeue import LiteQueue

from .. import faults, sample
from ..support import environment, ledger_lines, wait_until
from .logged import logged_worker

SCRIPT = """
import sys
from litequeue import LiteQueue, StorageFailed
with LiteQueue(sys.argv[1]) as app:
    for n in range(3):
        try:
            print("id", app.enqueue("t", n).id, flush=True)
        except StorageFailed as error:
            assert sys.argv[1] in str(error)
            print("failed", flush=True)
"""


class Failure(NamedTuple):
    """What came of one sync that failed."""

    injected: bool
    told_of_the_log: bool  # a job was refused, for the sake of the log


def fail_the_sync(folder: Path, nth: int) -> Failure:
    db, trace = folder / f"{nth}.db", folder / f"{nth}.trace"
    words = ["-f", "--seccomp-bpf", "-y", "-o", str(trace), "-e", "trace=fdatasync,fsync"]
    fault = ["-e", f"inject=fdatasync,fsync:error=EIO:when={nth}"]
    done = subprocess.run(
        [faults.strace(), *words, *fault, sys.executable, "-c", SCRIPT, str(db)], env=environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == 3 and said.count("failed") <= 1, said
    with contextlib.closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute("SELECT id, args FROM litequeue_jobs").fetchall()
    stored = {f"id {job}": json.loads(args)[0] for job, args in rows}
    promised = {word: n for n, word in enumerate(said) if word != "failed"}
    assert stored.items() >= promised.items()
    assert sorted(stored.values()) in ([0, 1, 2], sorted(promised.values()))
    injected = [line for line in trace.read_text().splitlines() if "INJECTED" in line]
    return Failure(bool(injected), bool(injected) and "failed" in said and "-wal>" in injected[0])


@pytest.mark.slow
@pytest.mark.beside
def test_an_enqueue_whose_sync_fails_returns_no_id_and_the_next_one_works(tmp_path: Path) -> None:
    """Each sync of a new file's first three jobs in turn, from the first of its creation to the last of its closing."""
    found: list[Failure] = []
    with ThreadPoolExecutor(2) as executor:  # a pair at a time
        while len(found) < 30 and all(failure.injected for failure in found):
            nths = (len(found) + 1, len(found) + 2)
            found += executor.map(fail_the_sync, (tmp_path, tmp_path), nths)
    assert not found[-1].injected  # the sweep came to the end
    assert sum(failure.told_of_the_log for failure in found) >= 3  # a commit at the least for each job


@pytest.mark.slow
@pytest.mark.beside
def test_a_result_that_the_device_refuses_is_kept_and_written_when_it_is_well_again(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    ledger, gate, log = tmp_path / "ledger", tmp_path / "gate", tmp_path / "log"
    job = sample.wait_at_gate.delay(str(ledger), str(gate))
    with logged_worker(db, log) as worker:
        wait_until(lambda: ledger_lines(ledger))
        with faults.failing(worker.pid, "pwrite64", f"{db}-wal"):
            gate.touch()
            wait_until(lambda: "it keeps 1 result and tries again" in log.read_text())
            assert (worker.poll(), job.state) == (None, "running")
        assert job.get(timeout=10) == "attempt 1"
        assert sample.add.delay(1, 2).get(timeout=10) == 3
    assert [line.split()[0] for line in ledger_lines(ledger)] == ["start", "end"]
    assert (job.info().failures, job.info().interruptions) == (0, 0)


@pytest.mark.slow
@pytest.mark.beside
def test_an_at_most_once_job_does_not_start_before_its_claim_is_on_the_device(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    """Else a power cut would undo the claim, and it would run twice."""
    ledger, gate, log = tmp_path / "ledger", tmp_path / "gate", tmp_path / "log"
    gate.touch()
    with logged_worker(db, log) as worker:
        with faults.failing(worker.pid, "fdatasync,fsync", f"{db}-wal"):
            job = sample.wait_once.delay(str(ledger), str(gate))
            wait_until(lambda: "at most once are put back" in log.read_text())
            assert ledger_lines(ledger) == []
        assert job.get(timeout=10) == "attempt 1"
    assert [line.split()[0] for line in ledger_lines(ledger)] == ["start", "end"]
