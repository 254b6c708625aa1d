"""Where a call was when its time was up."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue.base.outcomes import Failed, TimedOut
from litequeue.pools import whereabouts
from litequeue.pools.base import Reason

from ..support import wait_until
from . import stuck
from .test_contract import Harness

pytestmark = [pytest.mark.beside, pytest.mark.skipif(whereabouts.SIGNAL is None, reason="this system has no signal for it")]
LAST = "TaskTimeout: still running after 60 s"
HERE = os.path.abspath(__file__)


def told(*threads: tuple[str, ...]) -> bytes:
    """As faulthandler writes it: the main thread last, in each the innermost frame first."""
    return "\n".join(
        f"{'Current thread' if number == len(threads) else 'Thread'} 0x00007f{number} (most recent call first):\n" + "".join(f"{line}\n" for line in thread)
        for number, thread in enumerate(threads, 1)
    ).encode()


OURS = (f'  File "{whereabouts._CALLED[0]}", line 137 in _called', f'  File "{whereabouts._OF_MAIN}", line 150 in run_batch', '  File "<string>", line 1 in <module>')


def test_the_answer_becomes_a_traceback_with_the_lines_of_source_and_without_our_frames() -> None:
    text = whereabouts.as_traceback(told((f'  File "{HERE}", line 1 in task', *OURS)), LAST)
    assert text == f'Traceback (most recent call last):\n  File "{HERE}", line 1, in task\n    """Where a call was when its time was up."""\n{LAST}\n'


def test_threads_of_the_task_stand_before_it_and_those_of_others_do_not() -> None:
    idle = (f'  File "{threading_file()}", line 327 in wait', f'  File "{threading_file()}", line 1002 in _bootstrap')
    ticking = (f'  File "{whereabouts._PACKAGE}tasks/ticking.py", line 70 in _work', *idle)
    mine = tuple((f'  File "/x/{number}.py", line 7 in wait', *idle) for number in range(7))
    text = whereabouts.as_traceback(told(idle, ticking, *mine, ('  File "/x/main.py", line 9 in task', *OURS)), LAST)
    others, main = text.split("Traceback (most recent call last):\n")
    assert others.count("Another thread of its process") == 5 and others.endswith("... 2 more threads ...\n\n")
    assert "ticking" not in text and main == f'  File "/x/main.py", line 9, in task\n{LAST}\n'


def threading_file() -> str:
    return os.path.join(os.path.dirname(os.__file__), "threading.py")


def test_names_that_are_not_ascii_and_files_that_are_none_are_shown_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "größe.py"
    file.write_text("first()\nsecond()\n")
    escaped = str(file).replace("ö", r"\xf6").replace("ß", r"\xdf")
    text = whereabouts.as_traceback(told((f'  File "{escaped}", line 2 in f', '  File "/dev/zero", line 1 in g', '  File "<string>", line ??? in h', *OURS)), LAST)
    assert f'File "{file}", line 2, in f\n    second()\n' in text
    assert '"/dev/zero", line 1, in g\n  File' in text and '"<string>", line 0, in h\n  File' in text


@pytest.mark.parametrize("answer", [b"", b"Thread 0x1 (most rec", b"\xff\0", told(("nothing",))])
def test_half_an_answer_or_none_is_no_traceback(answer: bytes) -> None:
    assert whereabouts.as_traceback(answer, LAST) == ""


# -- threads and coroutines ----------------------------------------------------------------------------------


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@contextlib.contextmanager
def pool(kind: str, tmp_path: Path) -> Iterator[Harness]:
    stuck.app._client.bind(str(tmp_path / "db.sqlite"))
    made = Harness(kind, 1)
    try:
        yield made
    finally:
        made.pool.stop()
        stuck.app.close()


def begin(harness: Harness, task: Any, began: Path, *args: Any, **limits: Any) -> Any:
    call = harness.call(task, *args, **{"timeout": 60_000_000, **limits})
    harness.pool.submit([call])
    wait_until(lambda: (harness.pool.tend(), began.exists())[1])
    return call


def test_a_thread_that_runs_on_is_told_of_at_its_timeout_and_if_it_ends_late(tmp_path: Path) -> None:
    with pool("thread", tmp_path) as harness:
        call = begin(harness, stuck.overrun, tmp_path / "began", str(tmp_path / "began"), str(tmp_path / "gate"))
        where = harness.pool.interrupt(call, Reason.TIMEOUT)
        assert where is not None and where.startswith('Traceback (most recent call last):\n  File "') and "in overrun" in where
        assert "litequeue/pools" not in where and where.endswith(f"{LAST}\n")
        (tmp_path / "gate").touch()
        outcome = harness.result(call)
        assert isinstance(outcome, TimedOut) and outcome.traceback == where, "it returned a value, too late"


@pytest.mark.parametrize("how", ["plain", "in another", "swallows"])
def test_a_coroutine_is_told_of_through_what_it_awaits(tmp_path: Path, how: str) -> None:
    for number, reason in enumerate((Reason.TIMEOUT, Reason.SOFT_TIMEOUT)):
        with pool("async", tmp_path) as harness:
            began = tmp_path / f"began{number}"
            call = begin(harness, stuck.wait_for_ever, began, str(began), how)
            wait_until(lambda call=call, harness=harness: "sleeps_here" in where_is(harness, call), 5, "the await")
            harness.pool.interrupt(call, reason)
            outcome = harness.result(call)
            if reason is Reason.SOFT_TIMEOUT and how == "swallows":
                continue  # it ended well
            assert isinstance(outcome, TimedOut if reason is Reason.TIMEOUT else Failed)
            assert "in wait_for_ever" in outcome.traceback and "await asyncio.sleep(60)" in outcome.traceback
            assert "litequeue/pools" not in outcome.traceback


def where_is(harness: Harness, call: Any) -> str:
    running = harness.pool._running.get((call.job.id, call.job.attempt))  # type: ignore[attr-defined]
    return "" if running is None else whereabouts.of_coroutine(running.task, LAST)


# -- processes -----------------------------------------------------------------------------------------------

HANGS = {
    "sleeps": "time.sleep(60)", "computes": "computing_here()", "in C": "SLOW_IN_C.match", "in a thread": "other.join()", "catches all": "time.sleep(60)",
    "deep": "in deep", "many threads": "", "starts another": "time.sleep(60)",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("how", HANGS)
def test_a_process_says_where_it_was_and_is_killed_at_once(tmp_path: Path, how: str) -> None:
    with pool("process", tmp_path) as harness:
        began = tmp_path / "began"
        call = begin(harness, stuck.hang, began, how, str(began))
        pid = int(wait_until(began.read_text))
        time.sleep(0.2)  # not before it is there
        harness.pool.interrupt(call, Reason.TIMEOUT)
        outcome = harness.result(call)
        assert isinstance(outcome, TimedOut) and outcome.seconds == 60
        assert HANGS[how] in outcome.traceback
        if HANGS[how]:
            assert outcome.traceback.endswith(f"{LAST}\n") and "litequeue/pools" not in outcome.traceback
        if how == "in a thread":
            assert "Another thread of its process (most recent call last):\n" in outcome.traceback
            assert outcome.traceback.index("in waits_in_a_thread") < outcome.traceback.index("in hang")
        wait_until(lambda: not is_alive(pid), 5)
        if how == "starts another":
            other = int((tmp_path / "began.other").read_text())
            wait_until(lambda: not is_alive(other), 5, "the end of what it had started")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stopped", "answers the signal itself", "blocks the signal"])
def test_a_process_that_does_not_answer_is_killed_all_the_same_soon(tmp_path: Path, how: str) -> None:
    with pool("process", tmp_path) as harness:
        began = tmp_path / "began"
        call = begin(harness, stuck.hang, began, how, str(began))
        time.sleep(0.2)
        since = time.monotonic()
        harness.pool.interrupt(call, Reason.TIMEOUT)
        if how == "stopped":
            assert is_alive(int(began.read_text())), "it is a thread that waits, and not the coordinator"
        outcome = harness.result(call)
        assert isinstance(outcome, TimedOut)
        assert whereabouts.PATIENCE < time.monotonic() - since < whereabouts.PATIENCE + 3 or outcome.traceback, "some thread of it answers, perhaps"


@pytest.mark.slow
def test_what_is_secret_is_not_in_it(tmp_path: Path) -> None:
    with pool("process", tmp_path) as harness:
        began = tmp_path / "began"
        call = begin(harness, stuck.log_in, began, "hunter2-of-ann", str(began))
        time.sleep(0.2)
        harness.pool.interrupt(call, Reason.TIMEOUT)
        outcome = harness.result(call)
        assert "in log_in" in outcome.traceback and "hunter2" not in outcome.traceback


@pytest.mark.slow
def test_a_shutdown_does_not_wait_for_an_answer(tmp_path: Path) -> None:
    with pool("process", tmp_path) as harness:
        began = tmp_path / "began"
        begin(harness, stuck.hang, began, "sleeps", str(began))
        pid = int(wait_until(began.read_text))
        since = time.monotonic()
        harness.pool.stop()
        assert time.monotonic() - since < 5 and not is_alive(pid)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks in /proc")
def test_no_descriptor_and_no_thread_is_left_of_asking(tmp_path: Path) -> None:
    def many() -> int:
        gc.collect()  # executors are rings
        return len(os.listdir("/proc/self/fd"))

    with pool("process", tmp_path) as harness:
        counts = []
        for number in range(4):
            began = tmp_path / f"began{number}"
            call = begin(harness, stuck.hang, began, "sleeps", str(began))
            harness.pool.interrupt(call, Reason.TIMEOUT)
            harness.result(call)
            counts.append(many())
        assert counts[3] <= counts[1]
