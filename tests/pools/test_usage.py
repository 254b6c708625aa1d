"""What calls in processes have used."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from litequeue.base.outcomes import Died, Interrupted, TimedOut, Usage
from litequeue.pools import usage
from litequeue.pools.base import Reason

from ..support import wait_until
from . import hungry
from .test_contract import Harness

pytestmark = [pytest.mark.beside, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere less can be told")]
MB = 1 << 20


def computed(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


# -- by themselves -----------------------------------------------------------------------------------------


def test_what_is_too_short_is_not_measured_and_no_part_of_what_comes_after_it() -> None:
    usage.begin()
    assert usage.of_call(usage.SHORTEST / 2) == ()
    computed(0.05)
    for _ in range(5):
        assert usage.of_call(0.009) == ()
    computed(0.02)
    cpu, peak = usage.of_call(0.02)  # type: ignore[misc]
    assert 0.02 < cpu < 0.045, "0.07, less the 0.045 that those before it took"
    assert peak is not None and peak > 10 * MB


def test_cpu_is_of_what_was_waited_for_too() -> None:
    usage.of_call(1)
    subprocess.run([sys.executable, "-S", "-c", "import time\nwhile time.process_time() < 0.1: pass"], check=True)
    cpu, _ = usage.of_call(1)  # type: ignore[misc]
    assert 0.1 <= cpu < 0.3


def test_the_peak_of_each_call_is_its_own() -> None:
    usage.peak()
    before = usage.peak() or 0
    hungry.touched(50)
    assert 45 * MB < (usage.peak() or 0) - before < 60 * MB
    assert abs((usage.peak() or 0) - before) < 10 * MB


def test_where_the_kernel_remembers_the_whole_life_only_who_raises_it_has_a_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    real = open

    def none_there(path: Any, *args: Any) -> Any:
        if str(path).startswith("/proc"):
            raise FileNotFoundError(path)
        return real(path, *args)

    monkeypatch.setattr("builtins.open", none_there)
    monkeypatch.setattr(usage, "_raised_to", 0)
    most = [100, 100, 150]
    monkeypatch.setattr(usage, "_most_ever", lambda: most.pop(0))
    assert [usage.peak() for _ in range(3)] == [100, None, 150]
    assert usage.of_process(os.getpid(), 0.0) is None


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    wait_until(lambda: b") Z " in Path(f"/proc/{process.pid}/stat").read_bytes())
    assert usage.of_process(process.pid, 0.0) is None
    process.wait()
    assert usage.of_process(process.pid, 0.0) is None and usage.cpu_of(process.pid) == 0.0


# -- in a process of the pool ------------------------------------------------------------------------------


def used(harness: Harness, *args: Any, task: Any = hungry.use, **limits: Any) -> Usage:
    call = harness.call(task, *args, **limits)
    harness.pool.submit([call])
    harness.result(call)
    found = harness.reports[call.job.id].usage
    assert found is not None
    return found


@pytest.mark.slow
def test_calls_are_measured_each_by_itself(harness: Harness) -> None:
    call = harness.call(hungry.unbounded)
    harness.pool.submit([call])
    harness.result(call)
    assert harness.reports[call.job.id].usage is None, "too short"
    little = used(harness, "sleeps", 0.1)
    assert little.cpu_seconds < 0.05 and (little.max_rss or 0) < 60 * MB, "neither of the start nor of the imports"
    much = used(harness, "computes", 0.1, 60)
    again = used(harness, "sleeps", 0.1)
    assert 0.03 < much.cpu_seconds < 0.2 and again.cpu_seconds < 0.05
    assert little.max_rss is not None and much.max_rss is not None and again.max_rss is not None
    assert 55 * MB < much.max_rss - little.max_rss < 70 * MB and again.max_rss - little.max_rss < 20 * MB
    assert used(harness, "a program", 0.1).cpu_seconds >= 0.1


@pytest.mark.slow
def test_calls_whose_process_does_not_live_to_tell_are_seen_from_outside(harness: Harness) -> None:
    died = used(harness, "dies", 0.6, 60)
    assert type(harness.reports[1].outcome) is Died
    assert died.max_rss is not None and died.max_rss > 70 * MB, "as it was looked at"
    for number, (reason, outcome) in enumerate([(Reason.TIMEOUT, TimedOut), (Reason.CANCEL, Interrupted)], 2):
        call = harness.call(hungry.use, "computes", 60, 60, timeout=60_000_000)
        harness.pool.submit([call])
        wait_until(lambda call=call: harness.pool.tend() or call.job.id in harness.begun)
        pid = harness.pool._slots[0]._process.pid  # type: ignore[attr-defined]
        begun = usage.cpu_of(pid)
        wait_until(lambda pid=pid, begun=begun: usage.cpu_of(pid) > begun + 0.15)
        harness.pool.interrupt(call, reason)
        assert harness.pool._slots[0].watched._used.cpu_seconds > 0.1  # type: ignore[attr-defined]
        assert type(harness.result(call)) is outcome
        found = harness.reports[number].usage
        assert found is not None and 0.1 < found.cpu_seconds < 0.5, "before the kill, and not with its start"
        assert found.max_rss is not None and found.max_rss > 70 * MB
