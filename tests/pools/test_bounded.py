"""Processes of the pool keep to what their tasks may take, and say so where that was too little."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from litequeue.base.errors import MemoryExceeded
from litequeue.base.outcomes import CpuSpent, Died, Failed, Succeeded
from litequeue.pools import bounded
from litequeue.tasks.bounds import Bounds

from . import hungry
from .test_contract import Harness

resource = pytest.importorskip("resource")
pytestmark = [pytest.mark.beside, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is kept on Linux")]
MB = 1 << 20


# -- by themselves -----------------------------------------------------------------------------------------


def test_memory_is_what_the_process_has_and_what_is_left_to_the_bound() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    reserved = mmap.mmap(-1, 200 * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # and not touched
    has, data = bounded.memory_of(os.getpid())
    bounded.begin(Bounds(has + 64 * MB, None, None))
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        assert abs(soft - data - 64 * MB) < 4 * MB and hard == before[1]
        bytearray(40 * MB)
        with pytest.raises(MemoryError):
            bytearray(90 * MB)
    finally:
        bounded.end()
    reserved.close()
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    bytearray(90 * MB)
    bounded.end()
    assert resource.getrlimit(resource.RLIMIT_DATA) == before, "what never began ends, too"


def test_a_limit_that_somebody_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[Any] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (100 * MB, 200 * MB))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: set_to.append(limits))
    bounded.begin(Bounds(1 << 40, None, None))
    bounded.end()
    assert set_to == [(100 * MB, 200 * MB), (100 * MB, 200 * MB)]


@pytest.mark.parametrize("error", [MemoryError("Unable to allocate 4 GiB"), OSError(errno.ENOMEM, "Cannot allocate memory")])
def test_a_missing_memory_is_named_with_what_the_task_may_have(error: BaseException) -> None:
    bounds = Bounds(512 * MB, None, None)
    bounded.begin(bounds)
    found = bounded.named(error, bounds)
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] in (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_DATA)[1]), "there is memory to tell of it in"
    assert type(found) is MemoryExceeded
    assert str(found).startswith("memory: more than 512M, of which its process had ") and str(found).endswith(f"M as the task began ({error})")
    assert bounded.named(error, Bounds(None, 1, None)) is error, "which is none of ours"


def test_other_errors_are_what_they_are() -> None:
    for error in (ValueError("x"), OSError(errno.ENOSPC, "x"), KeyboardInterrupt()):
        assert bounded.named(error, Bounds(512 * MB, None, None)) is error


@pytest.mark.parametrize(
    ("how", "bounds", "outcome"),
    [
        ("SIGPROF", Bounds(None, 60_000_000, None), CpuSpent(60.0)),
        ("SIGPROF", Bounds(64 * MB, None, None), Died("died: SIGPROF")),
        ("SIGPROF", None, Died("died: SIGPROF")),
        ("SIGKILL (killed; by the kernel if memory ran out)", Bounds(64 * MB, 1, 1), Died("died: SIGKILL (killed; by the kernel if memory ran out)")),
        ("SIGSEGV", Bounds(None, 1, 1), Died("died: SIGSEGV")),
    ],
)
def test_only_its_own_signal_is_a_bound(how: str, bounds: Bounds | None, outcome: CpuSpent | Died) -> None:
    assert bounded.verdict(how, bounds) == outcome


def test_what_a_system_cannot_keep_is_said_once_by_the_worker(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(bounded, "KEPT", {"memory": False, "cpu_time": True, "nice": False})
    bounded.tell_what_is_not_kept("t", Bounds(1, 1, 1))
    bounded.tell_what_is_not_kept("fine", Bounds(None, 1, None))
    assert caplog.messages == [f"task t says memory and nice, which this system ({sys.platform}) has no way to keep: its jobs run without"]
    before = resource.getrlimit(resource.RLIMIT_DATA)
    bounded.begin(Bounds(1, None, 1))  # a process that believed in it would have died here
    assert resource.getrlimit(resource.RLIMIT_DATA) == before and bounded._nice == 0
    error = MemoryError()
    assert bounded.named(error, Bounds(1, None, None)) is error


# -- in a process of the pool ------------------------------------------------------------------------------


def text(outcome: Any) -> str:
    assert isinstance(outcome, Succeeded) and outcome.result is not None, outcome
    return outcome.result


@pytest.mark.slow
def test_a_task_that_wants_more_memory_than_it_may_fails_and_the_next_has_a_fresh_process(harness: Harness) -> None:
    pids = {text(harness.run(hungry.eat, "within"))}
    for how in ("at once", "bit by bit", "mapped"):
        outcome = harness.run(hungry.eat, how)
        assert isinstance(outcome, Failed) and outcome.type == "MemoryExceeded", (how, outcome)
        assert outcome.message.startswith("memory: more than 128M, of which its process had "), how
        assert outcome.delay is not None, "it is retried as any failure"
        assert how == "bit by bit" or "in eat" in outcome.traceback, "where it was"  # at its end there is no memory for that
        pids.add(text(harness.run(hungry.eat, "within")))
    assert len(pids) == 4
    assert "MemoryError" in text(harness.run(hungry.eat, "in a program")), "what it starts is bound, too"
    assert harness.run(hungry.eat, "no room on the device").type == "OSError"
    assert text(harness.run(hungry.eat, "stacks")) in pids, "64 MB of addresses within 104 that are left"
    assert text(harness.run(hungry.eat_late, soft_timeout=100_000)) == '"tidied up"'
    text(harness.run(hungry.unbounded, 200))


@pytest.mark.slow
def test_a_process_in_which_jobs_have_left_much_is_no_place_for_one_with_a_bound(harness: Harness) -> None:
    first = text(harness.run(hungry.eat, "within"))
    assert text(harness.run(hungry.eat, "keeps")) == first
    assert text(harness.run(hungry.unbounded)).startswith(f'{{"$tuple":[{first},'), "others do not mind"
    assert text(harness.run(hungry.eat, "within")) != first


@pytest.mark.slow
def test_a_task_that_computes_for_longer_than_it_may_is_ended_wherever_it_is(harness: Harness) -> None:
    assert len({text(harness.run(hungry.burn, "in Python", 0.25)) for _ in range(2)}) == 1, "each attempt has all of it"
    for how in ("in Python", "in C", "in threads"):
        call = harness.call(hungry.burn, how)
        harness.pool.submit([call])
        assert harness.result(call) == CpuSpent(0.4), how
        usage = harness.reports[call.job.id].usage
        assert usage is not None and usage.cpu_seconds == 0.4
    text(harness.run(hungry.burn, "asleep"))
    assert text(harness.run(hungry.unbounded)).endswith(",0,false]}"), "nothing is left of it"


@pytest.mark.slow
def test_another_death_is_not_called_a_bound(harness: Harness) -> None:
    assert harness.run(hungry.eat, "killed") == Died("died: SIGKILL (killed; by the kernel if memory ran out)")
    said = "died: SIGABRT (it has a bound, memory, and what is written in C may end so where it gets no more)"
    assert harness.run(hungry.eat, "aborts") == Died(said)


@pytest.mark.slow
def test_a_nice_process_is_kept_for_jobs_that_are_as_nice(harness: Harness) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    nice = min(own + 7, 19)
    first = text(harness.run(hungry.unbounded))
    assert f",{own}," in first
    found = text(harness.run(hungry.step_back))
    assert found == first.replace(f",{own},false", f",{nice},{nice}"), "the same process, with the threads that it had"
    assert text(harness.run(hungry.step_back)) == found
    other = text(harness.run(hungry.unbounded))
    assert f",{own}," in other and other != first
    harness.pool.size = 2
    calls = [harness.call(hungry.step_back), harness.call(hungry.unbounded)]
    harness.pool.submit(calls)
    both = [text(harness.result(call)) for call in calls]
    for _ in range(3):
        assert [text(harness.run(hungry.unbounded)), text(harness.run(hungry.step_back))] == both[::-1], "none has to go for the other"


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists(bounded.AUTOGROUP), reason="the kernel has no autogroups")
def test_a_nice_process_is_nice_beside_other_sessions_too(harness: Harness) -> None:
    pid = text(harness.run(hungry.step_back)).split("[")[1].split(",")[0]
    assert Path(f"/proc/{pid}/autogroup").read_text().rpartition(" ")[2] == "7\n"


def test_a_group_that_is_told_too_soon_after_another_is_told_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    group = tmp_path / "autogroup"
    group.touch()
    monkeypatch.setattr(bounded, "AUTOGROUP", str(group))
    monkeypatch.setattr(os, "setpriority", lambda *args: None)
    monkeypatch.setattr(bounded, "_nice", 0)
    real, busy = os.write, [BlockingIOError(), BlockingIOError()]

    def write(file: int, data: bytes) -> int:
        if busy:
            raise busy.pop()
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    bounded.begin(Bounds(None, None, 7))
    assert group.read_text() == "7"
    monkeypatch.setattr(bounded, "AUTOGROUP", str(tmp_path / "none"))
    bounded.begin(Bounds(None, None, 8))


def test_the_signal_of_the_timer_is_one_that_leaves_no_core() -> None:
    assert bounded.SPENT is signal.SIGPROF
