"""One suite for the three pools: whatever a task does, an outcome comes back and the pool lives on."""

from __future__ import annotations

import concurrent.futures.process as executors
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.base.clock import SystemClock
from litequeue.base.models import ClaimedJob
from litequeue.base.outcomes import (
    Died,
    Discarded,
    Failed,
    Interrupted,
    NotStarted,
    Snoozed,
    Succeeded,
    Timed,
)
from litequeue.pools.base import Call, Pool, Reason
from litequeue.pools.coroutines import CoroutinePool
from litequeue.pools.processes import ProcessPool
from litequeue.pools.threads import ThreadPool
from litequeue.task import Task

from .. import sample
from ..support import wait_until

pytestmark = pytest.mark.beside

KINDS = ("thread", pytest.param("process", marks=pytest.mark.slow), "async")  # a process has to start


class Harness:
    """A pool without a worker: collects what it reports."""

    def __init__(self, kind: str, slots: int = 2, **options: Any) -> None:
        self.reports: dict[int, Timed] = {}
        self.begun: list[int] = []
        self.told: list[tuple[int, str | None, str | None]] = []
        clock, rng = SystemClock(), random.Random(1)
        self.pool: Pool
        if kind == "thread":
            self.pool = ThreadPool(slots, self, clock, rng)
        elif kind == "process":
            self.pool = ProcessPool(slots, self, clock, **options)
        else:
            self.pool = CoroutinePool(slots, self, clock, rng)
        self._next = 0

    def ended(self, call: Call, timed: Timed) -> None:
        assert call.job.id not in self.reports, "reported twice"
        self.reports[call.job.id] = timed

    def started(self, call: Call) -> None:
        self.begun.append(call.job.id)

    def said(self, job: ClaimedJob, said: str | None, meta: str | None) -> bool:
        self.told.append((job.id, said, meta))
        return True

    def printed(self, job: ClaimedJob, number: int, stream: str, text: str) -> bool:
        return True

    def stirred(self) -> None:
        pass

    def lent(self) -> None:
        self.pool.tend()

    def call(self, task: Task[..., Any], *args: Any, **limits: Any) -> Call:
        self._next += 1
        code = task._code
        job = ClaimedJob(
            self._next, 1, 0, code.name, code.codec.encode(list(args)), "{}", "default", code.columns.pool, 0,
            0, 0, 3, None, None, 0, 0, 0, None,
        )  # fmt: skip
        return Call(job, code, 3, limits.get("timeout"), limits.get("soft_timeout"), code.bind.__self__.path)  # type: ignore[attr-defined]

    def result(self, call: Call) -> Any:
        def look() -> Timed | None:
            self.pool.tend()
            return self.reports.get(call.job.id)

        return wait_until(look, 15, f"the end of {call.job.task}").outcome

    def run(self, task: Task[..., Any], *args: Any, **limits: Any) -> Any:
        call = self.call(task, *args, **limits)
        self.pool.submit([call])
        return self.result(call)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def harness(kind: str, sample_app: LiteQueue) -> Iterator[Harness]:
    made = Harness(kind)
    yield made
    made.pool.stop()


SIMPLE: dict[str, Task[..., Any]] = {"thread": sample.add, "process": sample.square, "async": sample.echo}


def test_a_result_comes_back(harness: Harness, kind: str) -> None:
    args = {"thread": (4, 4), "process": (3,), "async": ("x",)}[kind]
    assert harness.run(SIMPLE[kind], *args) == Succeeded({"thread": "8", "process": "9", "async": '"x"'}[kind])


def test_many_calls_each_end_once(harness: Harness, kind: str) -> None:
    calls = [harness.call(SIMPLE[kind], *([n] if kind != "thread" else [n, 0])) for n in range(300)]
    for start in range(0, 300, 100):
        harness.pool.submit(calls[start : start + 100])
    got = [json.loads(harness.result(call).result) for call in calls]
    assert got == [n * n if kind == "process" else n for n in range(300)]


ERRORS = {
    "ValueError": "ValueError",
    "two arguments": "tests.sample.TwoArguments",
    "hostile str": "tests.sample.Hostile",
    "surrogate": "ValueError",
    "SystemExit": "SystemExit",
    "KeyboardInterrupt": "KeyboardInterrupt",
    "GeneratorExit": "GeneratorExit",
    "recursion": "RecursionError",
    "retry": "litequeue.Retry",
}


@pytest.mark.slow
def test_an_exception_becomes_text_and_the_pool_lives(harness: Harness, kind: str) -> None:
    for how, error in ERRORS.items():
        outcome = harness.run(sample.MISBEHAVE[kind], how)
        assert isinstance(outcome, Failed), how
        assert outcome.type == error
        assert (outcome.delay is None) == (how in ("SystemExit", "KeyboardInterrupt")), how
        outcome.message.encode()
        if how == "ValueError":
            assert outcome.message == "boom" and "_misbehave" in outcome.traceback
            assert "litequeue/pools" not in outcome.traceback
        assert isinstance(harness.run(sample.MISBEHAVE[kind], "discard"), Discarded), how
        assert isinstance(harness.run(sample.MISBEHAVE[kind], "snooze"), Snoozed), how


def test_a_result_that_cannot_be_stored_is_still_a_success(harness: Harness, kind: str) -> None:
    for how in ("object", "huge"):
        outcome = harness.run(sample.MISBEHAVE[kind], how)
        assert isinstance(outcome, Succeeded), how
        assert outcome.result is None and outcome.note, how


def test_a_timed_call_says_when_it_starts(harness: Harness, kind: str) -> None:
    call = harness.call(sample.SLOW[kind], 0.0, timeout=5_000_000)
    harness.pool.submit([call])
    assert harness.result(call) == Succeeded('"finished"')
    assert harness.begun == [call.job.id]


WAIT: dict[str, Task[..., Any]] = {
    "thread": sample.wait_at_gate, "process": sample.wait_in_process, "async": sample.wait_async,
}  # fmt: skip


def test_interrupting_for_a_timeout_ends_the_call(harness: Harness, kind: str, tmp_path: Any) -> None:
    ledger = tmp_path / "ledger"
    call = harness.call(WAIT[kind], str(ledger), str(tmp_path / "gate"), timeout=100_000)
    harness.pool.submit([call])
    wait_until(lambda: (harness.pool.tend(), ledger.exists())[1])
    assert harness.begun == [call.job.id]
    harness.pool.interrupt(call, Reason.TIMEOUT)
    outcome = harness.result(call)
    assert type(outcome).__name__ == "TimedOut"
    args = {"thread": (4, 4), "process": (3,), "async": ("x",)}[kind]
    assert isinstance(harness.run(SIMPLE[kind], *args), Succeeded)


def test_interrupting_stops_what_can_be_stopped(harness: Harness, kind: str, tmp_path: Path) -> None:
    """Both at once, on the two slots."""
    calls = {}
    for reason in (Reason.CANCEL, Reason.SHUTDOWN):
        calls[reason] = harness.call(WAIT[kind], str(tmp_path / reason.name), str(tmp_path / "gate"))
    harness.pool.submit(list(calls.values()))
    wait_until(lambda: (harness.pool.tend(), all((tmp_path / reason.name).exists() for reason in calls))[1])
    for reason, call in calls.items():
        harness.pool.interrupt(call, reason)
    for reason, call in calls.items():
        outcome = harness.result(call)
        if kind == "thread":  # it saw current_job().cancelled and returned
            assert isinstance(outcome, Succeeded), reason
        else:
            assert outcome == Interrupted(reason.value)


@pytest.mark.slow
def test_a_dying_child_is_blamed_for_its_own_call_alone(sample_app: LiteQueue, tmp_path: Any) -> None:
    harness = Harness("process")
    try:
        ledger, gate = tmp_path / "ledger", tmp_path / "gate"
        sibling = harness.call(sample.wait_in_process, str(ledger), str(gate))
        harness.pool.submit([sibling])
        wait_until(lambda: (harness.pool.tend(), ledger.exists())[1])
        for how, said in (("segfault", "SIGSEGV"), ("exit", "exit code 0"), ("kill", "SIGKILL")):
            outcome = harness.run(sample.misbehave_process, how)
            assert isinstance(outcome, Died) and said in outcome.how
        gate.touch()
        assert isinstance(harness.result(sibling), Succeeded)
    finally:
        harness.pool.stop()


@pytest.mark.slow
def test_a_crash_in_a_batch_keeps_what_was_done_and_gives_back_the_rest(sample_app: LiteQueue) -> None:
    harness = Harness("process", slots=1)
    try:
        for _ in range(3):  # teaches the pool that these are quick, so that they travel together
            harness.run(sample.square, 2)
            harness.pool._seconds[sample.misbehave_process.name] = 0.000_1  # type: ignore[attr-defined]
        calls = [harness.call(sample.square, n) for n in range(5)]
        calls.insert(3, harness.call(sample.misbehave_process, "segfault"))
        harness.pool.submit(calls)
        outcomes = [harness.result(call) for call in calls]
        assert [type(o) for o in outcomes[:4]] == [Succeeded, Succeeded, Succeeded, Died]
        assert all(type(o) in (NotStarted, Succeeded) for o in outcomes[4:])
        assert NotStarted in map(type, outcomes[4:])
    finally:
        harness.pool.stop()


@pytest.mark.slow
def test_what_has_not_begun_can_be_taken_back_from_a_busy_child(sample_app: LiteQueue, tmp_path: Any) -> None:
    harness = Harness("process", slots=1)
    try:
        harness.run(sample.square, 2)
        quick = harness.pool._seconds  # type: ignore[attr-defined]
        quick[sample.wait_in_process.name] = 0.000_1
        quick[sample.square.name] = 0.000_1
        ledger, gate = tmp_path / "ledger", tmp_path / "gate"
        long = harness.call(sample.wait_in_process, str(ledger), str(gate))
        behind = [harness.call(sample.square, n) for n in range(4)]
        harness.pool.submit([long, *behind])
        wait_until(lambda: (harness.pool.tend(), ledger.exists())[1])
        assert harness.pool.backlog() == 4
        taken = harness.pool.take_back(4)
        assert sorted(c.job.id for c in taken) == sorted(c.job.id for c in behind)
        gate.touch()
        assert isinstance(harness.result(long), Succeeded)
        assert len(harness.reports) == 2
    finally:
        harness.pool.stop()


def test_one_call_that_has_not_begun_is_withdrawn_and_the_others_run(kind: str, sample_app: LiteQueue, tmp_path: Path) -> None:
    """In a batch with one that runs, too; what runs, or has run, is left alone."""
    harness = Harness(kind, slots=1)
    try:
        if kind == "process":
            harness.run(sample.square, 2)
            harness.pool._seconds |= {task.name: 0.000_1 for task in (sample.wait_in_process, sample.square)}  # type: ignore[attr-defined]
        ledger, gate = tmp_path / "ledger", tmp_path / "gate"
        long = harness.call(WAIT[kind], str(ledger), str(gate))
        behind = [harness.call(SIMPLE[kind], *([n] if kind != "thread" else [n, 0])) for n in range(4)]
        harness.pool.submit([long, *behind])
        wait_until(lambda: (harness.pool.tend(), ledger.exists())[1])
        assert not harness.pool.withdraw(long)
        begins_at_once = kind == "async"
        assert harness.pool.withdraw(behind[1]) != begins_at_once
        assert not harness.pool.withdraw(behind[1])
        gate.touch()
        assert isinstance(harness.result(long), Succeeded)
        assert [type(harness.result(call)) for call in behind] == [Succeeded, Succeeded if begins_at_once else NotStarted, Succeeded, Succeeded]
        assert not harness.pool.withdraw(behind[0])
    finally:
        harness.pool.stop()


@pytest.mark.slow
def test_a_child_is_renewed_after_so_many_jobs_and_retired_when_idle(sample_app: LiteQueue) -> None:
    harness = Harness("process", slots=1)
    harness.pool = ProcessPool(1, harness, SystemClock(), jobs_per_child=2, idle_seconds=0.05)
    try:
        pids = [json.loads(harness.run(sample.pid).result) for _ in range(5)]
        assert len(set(pids)) >= 3
        wait_until(lambda: (harness.pool.tend(), not harness.pool._slots)[1])  # type: ignore[attr-defined]
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
    finally:
        harness.pool.stop()


@pytest.mark.slow
def test_a_child_that_died_while_it_was_idle_is_replaced(sample_app: LiteQueue) -> None:
    harness = Harness("process", slots=1)
    try:
        pid = json.loads(harness.run(sample.pid).result)
        os.kill(pid, 9)
        outcome = harness.run(sample.pid)
        while isinstance(outcome, NotStarted):
            outcome = harness.run(sample.pid)
        assert isinstance(outcome, (Succeeded, Died))
        assert json.loads(harness.run(sample.pid).result) != pid
    finally:
        harness.pool.stop()


def test_threads_share_the_waiting_calls(sample_app: LiteQueue, tmp_path: Any) -> None:
    """No call waits behind a long one while another thread is free."""
    harness = Harness("thread", slots=2)
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    long = harness.call(sample.wait_at_gate, str(ledger), str(gate))
    quick = [harness.call(sample.add, n, 0) for n in range(50)]
    harness.pool.submit([long, *quick])
    for call in quick:
        assert isinstance(harness.result(call), Succeeded)
    assert long.job.id not in harness.reports
    gate.touch()
    harness.result(long)
    harness.pool.stop()


@pytest.mark.slow
def test_soft_timeouts_let_the_task_tidy_up(sample_app: LiteQueue) -> None:
    harness = Harness("process", slots=1)
    try:
        assert harness.run(sample.tidy_process, soft_timeout=100_000) == Succeeded('"tidied up"')
    finally:
        harness.pool.stop()
    for kind in ("thread", "async"):
        harness = Harness(kind)
        call = harness.call(sample.TIDY[kind], soft_timeout=100_000)
        harness.pool.submit([call])
        wait_until(lambda: harness.begun)  # noqa: B023
        harness.pool.interrupt(call, Reason.SOFT_TIMEOUT)
        assert harness.result(call) == Succeeded('"tidied up"')
        harness.pool.stop()


@pytest.mark.slow
def test_a_soft_timeout_ends_what_a_process_task_waits_for_in_c(sample_app: LiteQueue) -> None:
    """It came when the sleep was over."""
    harness = Harness("process", slots=1)
    try:
        for how in ("sleep", "a subprocess", "a socket", "a lock", "an event"):
            outcome = harness.run(sample.wait_softly, how, soft_timeout=200_000)
            assert isinstance(outcome, Succeeded), (how, outcome)
            assert 0.1 < float(json.loads(outcome.result)) < 3, (how, outcome)
        assert harness.run(sample.add, 1, 2) == Succeeded("3")
    finally:
        harness.pool.stop()


def test_a_soft_timeout_never_lands_in_the_next_call(sample_app: LiteQueue) -> None:
    """Interrupts rain on a stream of short limited calls; none may end another way than its own."""
    harness = Harness("thread", slots=1)
    calls = [harness.call(sample.add, n, 0, timeout=10_000_000) for n in range(400)]
    plain = [harness.call(sample.add, n, 0) for n in range(400)]
    stop = threading.Event()

    def rain() -> None:
        while not stop.is_set():
            for call in calls:
                harness.pool.interrupt(call, Reason.SOFT_TIMEOUT)

    thread = threading.Thread(target=rain)
    thread.start()
    mixed = [call for pair in zip(calls, plain, strict=True) for call in pair]
    harness.pool.submit(mixed)
    try:
        for call in plain:
            assert harness.result(call) == Succeeded(str(json.loads(call.job.args)[0]))
        for call in calls:
            assert type(harness.result(call)) in (Succeeded, Failed)
    finally:
        stop.set()
        thread.join()
        harness.pool.stop()


@pytest.mark.slow
def test_a_stopped_process_pool_leaves_no_thread_for_which_its_program_would_wait(
    sample_app: LiteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The executor's own was taken for a task's, on a busy machine."""
    end = executors._ExecutorManagerThread.join_executor_internals

    def slowly(self: Any) -> None:
        end(self)
        time.sleep(0.3)

    monkeypatch.setattr(executors._ExecutorManagerThread, "join_executor_internals", slowly)
    before = set(threading.enumerate())
    harness = Harness("process", 1)
    harness.run(sample.square, 3)
    assert isinstance(harness.pool, ProcessPool)
    (slot,) = harness.pool._slots
    wait_until(lambda: harness.pool.tend() or slot.idle)  # so that it is let end by itself
    harness.pool.stop()
    assert [thread for thread in threading.enumerate() if thread not in before and not thread.daemon] == []


def test_a_timeout_just_before_a_lent_slot_is_given_back_leaves_none_lent(app: LiteQueue) -> None:
    """It came there once in 500 calls on Python without the GIL; the pool had a slot too many from then on."""
    harness = Harness("thread", slots=1)
    assert isinstance(harness.pool, ThreadPool)

    class Lent(dict[object, int]):
        def pop(self, *args: Any) -> Any:
            if not interrupted:
                interrupted.append(True)
                harness.pool.interrupt(call, Reason.SOFT_TIMEOUT)
                while True:
                    pass
            return super().pop(*args)

    interrupted: list[bool] = []
    harness.pool._lending._lent = Lent()

    @app.task
    def waits() -> None:
        for _ in range(2):  # one of them has the number that the harness gives the call, and no call waits for itself
            app.enqueue("another")
        app.job(2).get(timeout=0.001)

    call = harness.call(waits, timeout=10_000_000)
    harness.pool.submit([call])
    try:
        assert harness.result(call).type == "TaskTimeout"
        assert (interrupted, harness.pool.slots) == ([True], 1)
    finally:
        harness.pool.stop()
