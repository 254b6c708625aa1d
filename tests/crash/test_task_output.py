"""What tasks print, and streams that are closed or were never open: no deadlock, and the worker lives on."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import Job, LiteQueue

from .. import hostile, sample
from ..support import environment, ledger_lines, wait_until, worker_process
from .logged import stop
from .test_task_code import POOLS, assert_goes_on, final


@pytest.mark.slow
@pytest.mark.beside
def test_a_hundred_megabytes_of_prints_block_nothing(sample_app: LiteQueue, db: Path) -> None:
    with worker_process(db, "--log-level", "warning") as process:
        read = 0

        def drain() -> None:
            nonlocal read
            with contextlib.suppress(ValueError):  # closed as the worker ends
                while piece := process.stdout.buffer.read1(1 << 20):  # type: ignore[union-attr]
                    read += len(piece)

        thread = threading.Thread(target=drain)
        thread.start()
        jobs = [hostile.HOSTILE[pool].delay("shout") for pool in POOLS]
        assert [job.get(timeout=30) for job in jobs] == [100, 100, 100]
        process.terminate()
        thread.join(10)
        assert process.wait(5) == 0
    assert read >= 300 << 20


@pytest.mark.slow
@pytest.mark.beside
def test_a_reader_that_goes_away_costs_only_those_who_print(sample_app: LiteQueue, db: Path) -> None:
    """`litequeue worker db | head -1`: the pipe breaks, and the queue keeps flowing."""
    with worker_process(db) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        for pool in POOLS:
            assert final(hostile.HOSTILE[pool].delay("shout"), 15) == "discarded"
            assert_goes_on(pool)
        process.terminate()
        assert process.wait(5) == 0
        process.stdout = None


SILENT = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-m", "litequeue", "worker")


@contextlib.contextmanager
def silent_worker(db: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Started with its standard streams closed, as some supervisors do."""
    process = subprocess.Popen([*SILENT, str(db), "--grace", "0.2"], env=environment())
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.beside
def test_a_worker_without_streams_runs_tasks_that_print(sample_app: LiteQueue, db: Path) -> None:
    with silent_worker(db):
        for pool in POOLS:
            job = hostile.HOSTILE[pool].delay("shout")
            assert final(job) == "succeeded", (pool, job.info().last_error)
            assert_goes_on(pool)


@pytest.mark.slow
@pytest.mark.paired
@pytest.mark.parametrize("stuck", [False, True])
def test_a_worker_without_streams_leaves_in_good_order(
    sample_app: LiteQueue, db: Path, tmp_path: Path, stuck: bool
) -> None:
    ledger = tmp_path / "ledger"
    with silent_worker(db) as process:
        (sample.stuck.delay(str(ledger)) if stuck else sample.record.delay(str(ledger), 1))
        wait_until(lambda: ledger_lines(ledger))
        stop(process, 2)
        assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.paired
@pytest.mark.parametrize("pool", ["thread", "process", "async"])
def test_a_task_that_closes_the_streams_does_not_stop_the_worker(sample_app: LiteQueue, db: Path, pool: str) -> None:
    with worker_process(db, "--grace", "0.2") as process:
        assert final(hostile.HOSTILE[pool].delay("close streams"), 2) == "succeeded"
        assert_goes_on(pool)
        assert process.poll() is None


@contextlib.contextmanager
def buffering_worker(folder: Path, options: str, body: str) -> Iterator[tuple[subprocess.Popen[str], Job[Any], Path]]:
    """A worker that buffers what is printed, as by default where that goes to a file; it has one job, and its output is the file."""
    (folder / "tasks.py").write_text(
        f"import time\nfrom litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n@app.task({options})\ndef speaks():\n    {body}\n"
    )
    db, said = folder / "db.sqlite", folder / "said"
    environ = {name: value for name, value in environment().items() if name != "PYTHONUNBUFFERED"}
    subprocess.run([sys.executable, "-c", "import tasks; tasks.speaks.delay()"], cwd=folder, env=environ, check=True)
    with said.open("w") as out, LiteQueue(db) as app, worker_process(db, "--grace", "0.3", cwd=folder, env=environ, stdout=out) as worker:
        yield worker, app.job(1), said


@pytest.mark.slow
@pytest.mark.paired
@pytest.mark.parametrize("how", ["timeout", "stop"])
def test_what_a_process_task_printed_before_it_was_killed_is_not_lost(tmp_path: Path, how: str) -> None:
    options = f"pool='process', retries=0, timeout={1 if how == 'timeout' else 60}"
    with buffering_worker(tmp_path, options, "print('so far so good'); time.sleep(60)") as (worker, job, said):
        if how == "timeout":
            wait_until(lambda: job.state == "discarded")
        else:
            wait_until(lambda: "so far so good" in said.read_text(), what="it is there before the stop")
            worker.terminate()
            worker.wait(15)
        assert "so far so good\n" in said.read_text()


@pytest.mark.slow
@pytest.mark.paired
def test_half_a_line_that_a_process_task_printed_is_there_when_it_has_ended(tmp_path: Path) -> None:
    """The process lives on, and might be killed with it."""
    with buffering_worker(tmp_path, "pool='process'", "print('half a line', end='')") as (_, job, said):
        job.get(timeout=20)
        assert "half a line" in said.read_text()


@pytest.mark.slow
@pytest.mark.paired
def test_what_a_thread_task_printed_is_not_lost_where_it_keeps_the_worker_from_its_end(tmp_path: Path) -> None:
    with buffering_worker(tmp_path, "", "print('so far so good'); open('there', 'w').close(); time.sleep(60)") as (worker, _, said):
        wait_until((tmp_path / "there").exists)
        worker.terminate()
        worker.wait(15)
        assert "so far so good\n" in said.read_text()
