"""Pools whose size is set anew, and processes that are kept warm."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base.outcomes import Succeeded
from litequeue.pools.processes import ProcessPool
from litequeue.pools.threads import ThreadPool

from .. import sample
from ..support import children_of, ledger_lines, wait_until
from .test_contract import Harness

pytestmark = pytest.mark.beside


def threads() -> int:
    return sum(thread.name.startswith("litequeue_") for thread in threading.enumerate())


def test_a_pool_of_threads_runs_more_once_it_is_larger_and_lets_its_threads_end_once_it_is_smaller(sample_app: LiteQueue, tmp_path: Path) -> None:
    harness, ledger, gate = Harness("thread", 1), tmp_path / "ledger", tmp_path / "gate"
    assert isinstance(harness.pool, ThreadPool)
    calls = [harness.call(sample.wait_at_gate, str(ledger), str(gate)) for _ in range(4)]
    harness.pool.submit(calls)
    wait_until(lambda: len(ledger_lines(ledger)) == 1)
    assert harness.pool.backlog() == 3
    harness.pool.size = 3
    harness.pool.tend()
    harness.pool.tend()
    wait_until(lambda: len(ledger_lines(ledger)) == 3)
    harness.pool.size = 1
    assert threads() == 3, "what runs goes on"
    gate.touch()
    assert all(isinstance(harness.result(call), Succeeded) for call in calls)
    wait_until(lambda: threads() <= 1, what="the threads end")
    assert harness.run(sample.add, 1, 2) == Succeeded("3")
    harness.pool.stop()
    wait_until(lambda: threads() == 0)


def test_a_pool_of_threads_that_shrinks_under_a_backlog_keeps_to_its_size(sample_app: LiteQueue, tmp_path: Path) -> None:
    harness, ledger, first, second = Harness("thread", 3), tmp_path / "ledger", tmp_path / "first", tmp_path / "second"
    calls = [harness.call(sample.wait_at_gate, str(ledger), str(gate)) for gate in (*[first] * 3, *[second] * 3)]
    harness.pool.submit(calls)
    wait_until(lambda: len(ledger_lines(ledger)) == 3)
    harness.pool.size = 1
    first.touch()
    for call in calls[:3]:
        harness.result(call)
    wait_until(lambda: sum(line.startswith("start") for line in ledger_lines(ledger)) == 4)
    assert harness.pool.backlog() == 2 and threads() <= 2
    second.touch()
    for call in calls[3:]:
        harness.result(call)
    harness.pool.stop()


@pytest.fixture
def warm() -> Iterator[Harness]:
    made = Harness("process", 3, warm=1, idle_seconds=0.3)
    yield made
    made.pool.stop()


def idle(harness: Harness) -> int:
    assert isinstance(harness.pool, ProcessPool)
    harness.pool.tend()
    return sum(slot.idle for slot in harness.pool._slots)


def pids(harness: Harness) -> list[int]:
    assert isinstance(harness.pool, ProcessPool)
    return [slot._process.pid for slot in harness.pool._slots if slot._process is not None and slot._process.pid is not None]


@pytest.mark.slow
def test_the_least_of_processes_are_there_before_any_job_and_those_beyond_end_once_they_idle(sample_app: LiteQueue, warm: Harness, tmp_path: Path) -> None:
    wait_until(lambda: idle(warm) == 1, what="one is warm")
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    calls = [warm.call(sample.wait_in_process, str(ledger), str(gate)) for _ in range(3)]
    warm.pool.submit(calls)
    wait_until(lambda: warm.pool.tend() or sum(line.startswith("start") for line in ledger_lines(ledger)) == 3)
    before = pids(warm)
    assert len(before) == 3
    gate.touch()
    for call in calls:
        warm.result(call)
    wait_until(lambda: idle(warm) == 1 and len(pids(warm)) == 1, what="two have retired")
    (left,) = pids(warm)
    wait_until(lambda: set(before) & set(children_of(os.getpid())) == {left}, what="their processes have ended")


@pytest.mark.slow
def test_a_warm_process_has_imported_what_it_was_given_and_one_that_dies_of_it_is_not_tried_again_at_once(tmp_path: Path) -> None:
    for name, end in (("good_to_import", ""), ("fatal_to_import", "os._exit(3)"), ("bad_to_import", "raise ValueError")):
        (tmp_path / f"{name}.py").write_text(f"import os\nopen({str(tmp_path / name)!r}, 'a').write('x')\n{end}\n")
    for name, stays in (("good_to_import", True), ("bad_to_import", True), ("fatal_to_import", False)):
        harness = Harness("process", 2, warm=1, imports=[(name, str(tmp_path))])
        assert isinstance(harness.pool, ProcessPool)
        wait_until(lambda: idle(harness) == stays and bool(pids(harness)) == stays and (tmp_path / name).exists(), what=name)  # noqa: B023
        for _ in range(20):
            harness.pool.tend()
        assert len(pids(harness)) == stays and (tmp_path / name).read_text() == "x"
        harness.pool.stop()
