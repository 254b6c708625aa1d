"""Eight producers and four workers on one file: every job once, and nobody sees a lock."""

from __future__ import annotations

import collections
import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue

from .. import sample
from ..older import rows
from ..prepared import worker_process
from ..support import ROOT, environment, ledger_lines, registered, wait_until

PRODUCER = """
import sys
from tests import sample
sample.app._client.bind(sys.argv[1])
ledger, number, count = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
half = count // 10
for n in range(half):
    sample.record.delay(ledger, f"{number}-{n}")
sample.record.delay_many((ledger, f"{number}-{n}") for n in range(half, count))
"""


@pytest.mark.slow
@pytest.mark.beside
def test_eight_producers_and_four_workers_run_twenty_thousand_jobs_once_each(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    sample.record.delay(str(ledger), "first")  # the file is there when the workers come
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(worker_process(db, "--log-level", "warning", "--threads", "4", wait=False))
            for _ in range(4)
        ]
        producers = [
            subprocess.Popen(
                [sys.executable, "-c", PRODUCER, str(db), str(ledger), str(n), "2500"],
                cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True,
            )
            for n in range(8)
        ]
        wait_until(lambda: all(registered(db, worker.pid) for worker in workers), what="the workers register")
        for producer in producers:
            _, said = producer.communicate(timeout=120)
            assert producer.returncode == 0, said
            assert said == ""
        # Counting the states of so many jobs again and again would keep a core from the workers.
        bytes_when_done = len("first\n") + sum(len(f"{n % 8}-{n // 8}\n") for n in range(20_000))
        wait_until(lambda: ledger.stat().st_size >= bytes_when_done, 120, "all jobs run")
        done = lambda: rows(db, "SELECT count(*) FROM litequeue_jobs WHERE state = 'succeeded'") == [(20_001,)]
        wait_until(done, 120, "all jobs succeed")
        for worker in workers:
            worker.terminate()
            said, _ = worker.communicate(timeout=20)
            assert worker.returncode == 0
            assert said == ""
    counts = collections.Counter(ledger_lines(ledger))
    assert len(counts) == 20_001
    assert set(counts.values()) == {1}
    with sample_app._client.store.database.read() as connection:
        # A job that was claimed ahead and given back unstarted has a second attempt, but ran once.
        troubled = "SELECT count(*) FROM litequeue_jobs WHERE failures > 0 OR interruptions > 0"
        assert connection.execute(troubled).fetchone() == (0,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
