from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import logging
import logging.handlers
import queue
import random
import sqlite3
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType, SimpleNamespace

import pytest

from litequeue import SoftTimeout
from litequeue.base import softguard
from litequeue.base.delicate import innermost
from litequeue.base.softguard import SoftGuard, shielded

pytestmark = pytest.mark.beside
Bystander = Callable[[Callable[[], object]], None]


def guarded(work: object, fires: int, pause: float = 0.0) -> tuple[object, list[str]]:
    """Run ``work(notes)`` under a guard that is fired at; the result, and what it noted."""
    notes: list[str] = []
    armed = threading.Event()
    out: list[object] = []

    def run() -> None:
        guard = SoftGuard()
        guards.append(guard)
        armed.set()
        out.append(guard.run(lambda: work(notes)))  # type: ignore[operator]
        for _ in range(2000):  # nothing may land out here
            out[-1] = out[-1]
        notes.append("after")

    guards: list[SoftGuard] = []
    thread = threading.Thread(target=run)
    thread.start()
    assert armed.wait(5)
    for _ in range(fires):
        time.sleep(pause)
        guards[0].fire()
    thread.join(10)
    assert not thread.is_alive()
    return out[0], notes


def spin(notes: list[str]) -> str:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        pass
    return "never interrupted"


def test_a_busy_loop_is_interrupted() -> None:
    result, notes = guarded(spin, 1, 0.02)
    assert (result, notes) == (None, ["after"])


@pytest.mark.slow
def test_fires_at_random_moments_never_escape() -> None:
    for n in range(300):
        result, notes = guarded(lambda notes: sum(range(200)), 50, 0.0 if n % 2 else 0.000_01)
        assert result in (None, 19900)
        assert notes == ["after"]


def test_what_comes_while_shielded_waits_for_the_end_of_it() -> None:
    def work(notes: list[str]) -> str:
        try:
            with shielded, shielded:
                time.sleep(0.1)
                notes.append("inside, whole")
            notes.append("not reached")
        except SoftTimeout:
            notes.append("interrupted after")
        return "tidied up"

    assert guarded(work, 1, 0.02) == ("tidied up", ["inside, whole", "interrupted after", "after"])


def test_a_shield_without_a_guard_costs_nothing_and_does_nothing() -> None:
    with shielded:
        pass


# -- swallowed, and handled ----------------------------------------------------------------------------------------


class _Dies:
    def __del__(self) -> None:
        for _ in range(300):
            pass


class _DiesCarefully:
    def __del__(self) -> None:
        try:
            for _ in range(300):
                pass
        except BaseException:
            len("whatever comes")
            raise
        finally:
            len("whatever comes")


def _loses_objects() -> None:
    _Dies()


def _loses_careful_objects() -> None:
    _DiesCarefully()


def _loses_generators() -> None:
    def generator() -> Iterator[int]:
        try:
            yield 1
        finally:
            for _ in range(300):
                pass

    next(generator())


def _loses_what_is_watched() -> None:
    def noted(_: object) -> None:
        for _ in range(300):
            pass

    watched = _Watched()
    kept = weakref.ref(watched, noted)
    del watched
    assert kept() is None


class _Watched:
    pass


def _collects_garbage() -> None:
    def noted(phase: str, _: object) -> None:
        for _ in range(300):
            pass

    gc.callbacks[:] = [noted]
    gc.collect(0)


def _asks_a_traced_database() -> None:
    def traced(_statement: str) -> None:
        for _ in range(300):
            pass

    connection = sqlite3.connect(":memory:", check_same_thread=False)
    _opened.append(connection)
    connection.set_trace_callback(traced)
    for _ in range(100):
        connection.execute("select 1").fetchall()


_opened: list[sqlite3.Connection] = []


@pytest.fixture(autouse=True)
def all_are_closed() -> Iterator[None]:
    """Or newer Pythons warn of databases that a timeout has left open, in whatever comes next."""
    yield
    while _opened:
        _opened.pop().close()


@pytest.fixture
def ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look at what Python swallows: pytest keeps the exceptions, and reports them."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)


@pytest.mark.slow
@pytest.mark.usefixtures("ignored")
@pytest.mark.parametrize(
    "step",
    [_loses_objects, _loses_careful_objects, _loses_generators, _loses_what_is_watched, _collects_garbage, _asks_a_traced_database],
)
def test_a_timeout_that_python_swallows_comes_again(step: Callable[[], object]) -> None:
    """99 in 100 land where Python writes "Exception ignored in" and goes on; there is no end without another one."""
    moments = random.Random(1)
    for _ in range(10):
        rained_on(until_the_second(step), moments, 0.01)


@pytest.mark.slow
def test_a_timeout_that_python_swallowed_and_somebody_keeps_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", kept.append)
    def work(notes: list[str]) -> str:
        class Dies:
            def __del__(self) -> None:
                spin(notes)

        Dies()
        notes.append("swallowed")
        return spin(notes)

    assert guarded(work, 1, 0.02) == (None, ["swallowed", "after"])
    assert len(kept) == 1
    kept.clear()


def _catches() -> None:
    try:
        spin([])
    except SoftTimeout:
        time.sleep(0.3)


def _catches_and_keeps() -> None:
    try:
        spin([])
    except SoftTimeout as error:
        _catches_and_keeps.kept = error  # type: ignore[attr-defined]


def _suppresses() -> None:
    with contextlib.suppress(SoftTimeout):
        spin([])


def _catches_in_a_generator() -> None:
    @contextlib.contextmanager
    def caught() -> Iterator[None]:
        try:
            yield
        except SoftTimeout:
            pass

    with caught():
        spin([])


def _raises_another() -> None:
    try:
        try:
            spin([])
        except SoftTimeout:
            raise KeyError from None
    except KeyError:
        pass


def _raises_another_in_a_called_one() -> None:
    def called() -> None:
        with contextlib.ExitStack():
            try:
                spin([])
            except SoftTimeout:
                int("no number")

    with contextlib.suppress(ValueError):
        called()


def _catches_what_was_raised_again() -> None:
    def called() -> None:
        try:
            spin([])
        except SoftTimeout:
            len("whatever comes")
            raise

    with contextlib.suppress(SoftTimeout):
        called()


def _catches_in_a_finalizer() -> None:
    class Dies:
        def __del__(self) -> None:
            with contextlib.suppress(SoftTimeout):
                spin([])

    Dies()


def _catches_what_a_coroutine_raised() -> None:
    async def late() -> None:
        try:
            await asyncio.create_task(asyncio.to_thread(time.sleep, 0.01))
            spin([])
        finally:
            await asyncio.sleep(0.1)

    with contextlib.suppress(SoftTimeout):
        asyncio.run(late())


@pytest.mark.slow
@pytest.mark.parametrize(
    "handle",
    [
        _catches, _catches_and_keeps, _suppresses, _catches_in_a_generator, _raises_another, _raises_another_in_a_called_one,
        _catches_what_was_raised_again, _catches_in_a_finalizer, _catches_what_a_coroutine_raised,
    ],
)  # fmt: skip
def test_a_timeout_that_the_task_handles_comes_once(handle: Callable[[], object]) -> None:
    def work(notes: list[str]) -> str:
        handle()
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            pass
        return "tidied up"

    assert guarded(work, 1, 0.05) == ("tidied up", ["after"])


def test_a_timeout_that_comes_as_the_soft_one_is_on_its_way_out_is_caught_with_it() -> None:
    """Whoever catches one cannot tell that it is two."""
    caught: list[BaseException | None] = []

    def work(notes: list[str]) -> str:
        try:
            try:
                spin(notes)
            finally:
                notes.append("on its way out")
                spin(notes)
        except SoftTimeout as error:
            caught.extend((error, error.__context__))
        return "goes on"

    assert guarded(work, 2, 0.1) == ("goes on", ["on its way out", "after"])
    assert [type(error) for error in caught] == [softguard._Raised] * 2


@pytest.mark.slow
def test_a_call_ends_whose_timeout_was_thrown_away() -> None:
    """On 3.11 it has never been made then, and the call waited for that at its end."""
    for _ in range(20):
        assert guarded(lambda _: _asks_a_traced_database(), 1)[1] == ["after"]


# -- random moments ------------------------------------------------------------------------------------------------


def rained_on(work: Callable[[], object], moments: random.Random, longest: float, aim: Callable[[FrameType], bool] | None = None) -> None:
    """Run ``work`` under a guard that is fired at twice, at random moments; or at the next at which it is where ``aim`` says."""
    guards: list[SoftGuard] = []
    ready = threading.Event()

    def run() -> None:
        guards.append(SoftGuard())
        ready.set()
        guards[0].run(work)

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(5)
    for _ in range(2):
        end = time.perf_counter() + moments.random() * longest
        while time.perf_counter() < end:
            time.sleep(0)
        if aim is not None:
            _look_until(thread, aim)
        guards[0].fire()
    thread.join(20)
    assert not thread.is_alive(), "a timeout never came, or something that it needs stayed taken"


def _look_until(thread: threading.Thread, aim: Callable[[FrameType], bool]) -> None:
    """At every few of its instructions, where it gives us the GIL; and then it has it only after the usual time."""
    usual = sys.getswitchinterval()
    latest = time.perf_counter() + 0.1
    sys.setswitchinterval(0.000_001)
    try:
        while time.perf_counter() < latest:
            time.sleep(0)
            frame = innermost(thread.ident or 0)
            if frame is not None and aim(frame):
                return
    finally:
        sys.setswitchinterval(usual)


def until_the_second(step: Callable[[], object]) -> Callable[[], None]:
    """A task that catches the first SoftTimeout and goes on."""

    def work() -> None:
        try:
            while True:
                step()
        except SoftTimeout:
            while True:
                step()

    return work


@pytest.fixture
def bystander() -> Iterator[Bystander]:
    """Another thread, which has been there before: a new one may get the number of one that has ended, and to a lock that is
    re-entrant (those of ``logging``, of ``warnings``) it is that one."""
    steps: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def stand_by() -> None:
        while (step := steps.get()) is not None:
            step()
            done.put(True)

    def can_do(step: Callable[[], object]) -> None:
        steps.put(step)
        try:
            done.get(timeout=10)
        except queue.Empty:
            pytest.fail("something was left taken")

    threading.Thread(target=stand_by, daemon=True).start()
    yield can_do
    steps.put(None)


lock = threading.Lock()


def takes_a_lock_under_the_shield() -> None:
    with shielded, lock, shielded:
        pass


def enters_and_leaves() -> None:
    with shielded:
        pass


def computes() -> None:
    sum(range(20))


@pytest.mark.parametrize("rounds", [8, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("step", [takes_a_lock_under_the_shield, enters_and_leaves, computes])
def test_whenever_they_come_both_timeouts_end_what_they_meet(step: Callable[[], object], rounds: int) -> None:
    moments = random.Random(rounds)
    for _ in range(rounds):
        rained_on(until_the_second(step), moments, 0.000_4)
    assert lock.acquire(timeout=1), "left taken"
    lock.release()


def test_one_that_counts_can_be_asked_what_became_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the thread that raises them: where it looked in between, it ended, and no timeout came to anybody any more."""
    counted = []

    def ref(raised: SoftTimeout) -> weakref.ref[SoftTimeout]:
        counted.append(softguard._guards[threading.get_ident()]._made)
        return weakref.ref(raised)

    monkeypatch.setattr(softguard, "weakref", SimpleNamespace(ref=ref))
    assert guarded(spin, 1) == (None, ["after"])
    assert counted == [0]


def test_what_comes_before_the_call_has_begun_comes_in_it() -> None:
    guard = SoftGuard()
    guard.fire()
    ended = threading.Event()

    def run() -> None:
        guard._thread = threading.get_ident()
        assert guard.run(lambda: spin([])) is None
        ended.set()

    threading.Thread(target=run).start()
    assert ended.wait(4)


@pytest.mark.skipif(not softguard.HAS_GIL, reason="a thread moves at any time")
def test_a_thread_that_moves_as_it_is_looked_at_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks loses the GIL after it, and the thread goes on to where it must not be met."""
    go_on, there = threading.Lock(), threading.Lock()
    assert go_on.acquire() and there.acquire()
    looks: list[str] = []
    whole: list[bool] = []

    def is_delicate(frame: FrameType | None, until: CodeType) -> bool:
        assert frame is not None
        looks.append(frame.f_code.co_name)
        if len(looks) == 1:
            go_on.release()
            assert there.acquire(timeout=5)
        return looks[-1] == "delicate"

    def delicate() -> None:
        there.release()
        time.sleep(0.05)
        whole.append(True)

    def work(notes: list[str]) -> str:
        go_on.acquire()
        delicate()
        return spin(notes)

    monkeypatch.setattr(softguard, "is_delicate", is_delicate)
    result, _ = guarded(work, 1, 0.05)
    assert result is None
    assert (looks[0], looks[-1], whole) == ("work", "spin", [True])


@pytest.mark.parametrize("rounds", [8, pytest.param(40, marks=pytest.mark.slow)])
def test_a_task_that_logs_without_pause_is_ended_and_leaves_no_lock_of_the_log_taken(
    tmp_path: Path, bystander: Bystander, rounds: int
) -> None:
    moments = random.Random(rounds)
    logger = logging.getLogger(f"busy.{rounds}")
    logger.propagate = False
    handler = logging.FileHandler(tmp_path / "log")
    logger.addHandler(handler)

    def step() -> None:
        logger.warning("again %s", logging.getLogger("another").isEnabledFor(10))

    holders = ("acquire", "_acquireLock") if sys.version_info < (3, 13) else ("handle", "isEnabledFor")
    try:
        for _ in range(rounds):
            rained_on(until_the_second(step), moments, 0.001, lambda frame: frame.f_code.co_name in holders)
            bystander(step)
    finally:
        handler.close()


@pytest.mark.parametrize("rounds", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_a_module_is_imported_whole_before_its_task_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bystander: Bystander, rounds: int
) -> None:
    for name in ("outer", "inner", "innermost"):
        (tmp_path / f"cut_short_{name}.py").write_text("for n in range(300): pass\nwhole = True\n")
    (tmp_path / "cut_short_outer.py").write_text("import cut_short_inner, cut_short_innermost\nfor n in range(300): pass\nwhole = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    moments = random.Random(rounds)

    def step() -> None:
        for name in ("cut_short_outer", "cut_short_inner", "cut_short_innermost"):
            found = sys.modules.get(name)
            assert found is None or found.whole
            sys.modules.pop(name, None)
        import cut_short_outer  # type: ignore[import-not-found]

        assert cut_short_outer.whole
        time.sleep(0.001)  # a task that does nothing but import is left to do that

    for _ in range(rounds):
        rained_on(until_the_second(step), moments, 0.003, lambda frame: frame.f_code.co_filename.startswith("<frozen importlib"))
        bystander(step)


def _logs_to_a_queue() -> Callable[[], object]:
    handler = logging.handlers.QueueHandler(queue.Queue())
    record = logging.makeLogRecord({"msg": "again"})
    return lambda: handler.handle(record)


def _starts_a_thread() -> None:
    thread = threading.Thread(target=time.sleep, args=(0.000_2,))  # no timeout comes while one is being started
    thread.start()
    thread.join()


def _starts_an_executor() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()


def _warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.warn("again", stacklevel=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        _logs_to_a_queue, lambda: _starts_a_thread, lambda: _starts_an_executor, lambda: lambda: time.strptime("2026-11-26", "%Y-%m-%d"),
        lambda: _warns,
    ],
    ids=["queue", "thread", "executor", "strptime", "warnings"],
)
def test_whatever_a_task_shares_with_others_goes_on_after_its_timeout(
    bystander: Bystander, make: Callable[[], Callable[[], object]]
) -> None:
    """The queue's lock was left taken within 38 rounds; and on 3.11 a thread that was being started got the exception."""
    moments = random.Random(3)
    step = make()
    for _ in range(60):
        rained_on(until_the_second(step), moments, 0.001)
        bystander(step)


@pytest.mark.slow
def test_a_task_that_waits_for_its_own_events_is_ended() -> None:
    event = threading.Event()
    rained_on(until_the_second(lambda: event.wait(0.05)), random.Random(1), 0.01)
    condition = threading.Condition()

    def waits() -> None:
        with condition:
            condition.wait(0.05)

    rained_on(until_the_second(waits), random.Random(1), 0.01)
    numbers: queue.Queue[int] = queue.Queue()

    def gets() -> None:
        with contextlib.suppress(queue.Empty):
            numbers.get(timeout=0.05)

    rained_on(until_the_second(gets), random.Random(1), 0.01)
