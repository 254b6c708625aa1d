"""The files in which no timeout is raised: of each a place where one would break what all threads share.

The thread waits there in C, in a function of the file, so that its timeout is asked for just there; unless it is put off, it
comes as the wait ends.
"""

from __future__ import annotations

import _strptime
import _weakrefset
import asyncio.events
import concurrent.futures.process
import concurrent.futures.thread
import functools
import logging
import logging.handlers
import multiprocessing.resource_tracker
import multiprocessing.util
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from litequeue.base import delicate
from litequeue.base.softguard import SoftGuard

from ..support import environment, wait_until

pytestmark = pytest.mark.beside  # what a failure leaves taken is left in a fork


class Place(NamedTuple):
    step: Callable[[], object]  # of a task: waits, until it is let go on
    go_on: Callable[[], object]
    is_whole: Callable[[], object]  # what others share, afterwards


class Gate:
    """What waits in C, whatever it is called with: ``pass_`` answers with what it is opened with."""

    def __init__(self) -> None:
        answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.pass_: Callable[..., Any] = answers.get
        self.open = answers.put


def taking(lock: Any, step: Callable[[], object]) -> Place:
    def is_free() -> bool:
        free: bool = lock.acquire(timeout=1)
        lock.release()  # or a failure would hang what comes after
        return free

    lock.acquire()
    return Place(step, lock.release, is_free)


def enter_and_leave(context: Any) -> None:
    with context:
        pass


# -- by their files ------------------------------------------------------------------------------------------------


def a_handler(_: pytest.MonkeyPatch) -> Place:
    handler = logging.StreamHandler()
    return taking(handler.lock, handler.flush)


def a_handlers_buffer(_: pytest.MonkeyPatch) -> Place:
    """Its own methods take its lock by methods of ``logging``; here by those of a lock."""
    handler, lock = logging.handlers.MemoryHandler(1), threading.Lock()
    vars(handler).update(lock=lock, acquire=lock.acquire, release=lock.release)
    return taking(lock, handler.flush)


def a_pools_threads(_: pytest.MonkeyPatch) -> Place:
    """A thread that the module does not know is not told of the program's end, which waits for it."""
    gate, pool = Gate(), concurrent.futures.ThreadPoolExecutor(1)

    class Threads(set[threading.Thread]):
        add = gate.pass_  # after the thread was started, before the module is told

    pool._threads = Threads()  # type: ignore[attr-defined]

    def is_known() -> bool:
        pool.shutdown(wait=False)
        return pool._work_queue in concurrent.futures.thread._threads_queues.values()  # type: ignore[attr-defined]

    return Place(lambda: pool.submit(int), lambda: gate.open(None), is_known)


def a_pools_processes(monkeypatch: pytest.MonkeyPatch) -> Place:
    """The same for the thread that manages them."""
    gate, module = Gate(), concurrent.futures.process

    class Manager:
        start = staticmethod(gate.pass_)

    manager = Manager()
    monkeypatch.setattr(module, "_ExecutorManagerThread", lambda pool: manager)
    pool: Any = SimpleNamespace(
        _executor_manager_thread=None, _executor_manager_thread_wakeup=1, _safe_to_dynamically_spawn_children=True
    )
    step = functools.partial(module.ProcessPoolExecutor._start_executor_manager_thread, pool)  # type: ignore[attr-defined]
    return Place(step, lambda: gate.open(None), lambda: manager in module._threads_wakeups)  # type: ignore[attr-defined]


def the_resource_tracker(_: pytest.MonkeyPatch) -> Place:
    tracker: Any = multiprocessing.resource_tracker.ResourceTracker()
    pipe = open(os.devnull, "wb", buffering=0)  # noqa: SIM115 - closed at the end
    tracker._fd = pipe.fileno()  # it runs already
    place = taking(tracker._lock, tracker.ensure_running)
    return place._replace(is_whole=lambda: place.is_whole() and not pipe.close())


def a_lock_that_forks(_: pytest.MonkeyPatch) -> Place:
    lock: Any = multiprocessing.util.ForkAwareThreadLock()
    return taking(lock._lock, functools.partial(enter_and_leave, lock))


def the_cache_of_strptime(_: pytest.MonkeyPatch) -> Place:
    return taking(_strptime._cache_lock, lambda: time.strptime("2026", "%Y"))  # type: ignore[attr-defined]


def the_policy_of_asyncio(_: pytest.MonkeyPatch) -> Place:
    return taking(asyncio.events._lock, asyncio.events._init_event_loop_policy)  # type: ignore[attr-defined]


def a_single_dispatch(_: pytest.MonkeyPatch) -> Place:
    gate = Gate()

    class Waits(type):
        __abstractmethods__ = property(gate.pass_)  # asked for after the registration, before what was found is forgotten

    class A(metaclass=Waits):
        pass

    answer = functools.singledispatch(lambda x: "any")
    assert answer(A()) == "any"
    return Place(lambda: answer.register(A, lambda x: "A"), lambda: gate.open(None), lambda: answer(A()) == "A")


def the_names_of_temporary_files(monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(tempfile, "_name_sequence", None)
    return taking(tempfile._once_lock, tempfile._get_candidate_names)  # type: ignore[attr-defined]


def the_filters_of_warnings(monkeypatch: pytest.MonkeyPatch) -> Place:
    if sys.version_info >= (3, 14):  # they have a lock now, whose methods are functions of Python
        lock = threading.Lock()
        monkeypatch.setattr(warnings, "_acquire_lock", lock.acquire)
        monkeypatch.setattr(warnings, "_release_lock", lock.release)
        return taking(lock, functools.partial(enter_and_leave, warnings._lock))
    gate = Gate()
    module: Any = SimpleNamespace(**vars(warnings))
    module._filters_mutated = gate.pass_  # as it begins, and as it ends

    def step() -> None:
        with warnings.catch_warnings(module=module):
            module.showwarning = print

    gate.open(None)
    return Place(step, lambda: gate.open(None), lambda: module.showwarning is warnings.showwarning)


def the_rest_of_warnings(monkeypatch: pytest.MonkeyPatch) -> Place:
    lock = threading.Lock()
    monkeypatch.setattr(warnings, "_lock", lock)
    monkeypatch.setattr(warnings, "_filters_mutated_lock_held", int)  # it asks for its own
    return taking(lock, functools.partial(enter_and_leave, warnings.catch_warnings()))


def a_finalizer(monkeypatch: pytest.MonkeyPatch) -> Place:
    """It is called once or never: what has left the registry has to be called."""
    gate, called = Gate(), list[str]()
    finalizer: Any = weakref.finalize(threading.main_thread(), called.append, "at the end")
    info = finalizer._registry.pop(finalizer)
    monkeypatch.setattr(weakref.finalize, "_registry", SimpleNamespace(pop=gate.pass_))
    return Place(finalizer, lambda: gate.open(info), lambda: called)


def a_weak_set(_: pytest.MonkeyPatch) -> Place:
    """While one looks through it nothing is removed, for ever if that never ends."""
    gate, numbers = Gate(), weakref.WeakSet[Any]()
    looking = _weakrefset._IterationGuard(numbers)  # type: ignore[attr-defined]
    looking.weakcontainer = gate.pass_  # asked as it begins, and as it ends
    gate.open(numbers)
    return Place(functools.partial(enter_and_leave, looking), lambda: gate.open(numbers), lambda: not numbers._iterating)  # type: ignore[attr-defined]


def a_condition(_: pytest.MonkeyPatch) -> Place:
    lock = threading.Lock()
    return taking(lock, functools.partial(enter_and_leave, threading.Condition(lock)))


PLACES = {
    "logging/__init__.py": a_handler,
    "logging/handlers.py": a_handlers_buffer,
    "concurrent/futures/thread.py": a_pools_threads,
    "concurrent/futures/process.py": a_pools_processes,
    "multiprocessing/resource_tracker.py": the_resource_tracker,
    "multiprocessing/util.py": a_lock_that_forks,
    "_strptime.py": the_cache_of_strptime,
    "asyncio/events.py": the_policy_of_asyncio,
    "functools.py": a_single_dispatch,
    "tempfile.py": the_names_of_temporary_files,
    "warnings.py": the_filters_of_warnings,
    "_py_warnings.py": the_rest_of_warnings,
    "weakref.py": a_finalizer,
    "_weakrefset.py": a_weak_set,
    "threading.py": a_condition,
}
# Python 3.14 has split the one, and needs no guard in the other.
HERE = [file for file in PLACES if file != ("_py_warnings.py" if sys.version_info < (3, 14) else "_weakrefset.py")]


# Known by reading alone: their locks are taken by ``with`` for a moment, in which nothing waits that could be held up here. From
# Python 3.14 on a timeout may come right after a lock was taken.
BY_READING = {
    "asyncio/mixins.py", "importlib/util.py", "logging/config.py", "multiprocessing/forkserver.py", "multiprocessing/heap.py",
    "multiprocessing/managers.py", "multiprocessing/resource_sharer.py", "sysconfig.py", "sysconfig/__init__.py", "webbrowser.py",
}  # fmt: skip


def test_each_file_has_its_place() -> None:
    listed = {*delicate._SHARED, *delicate._WHOLLY} - {path("queue.py")}  # which has a test of its own, in test_softguard
    assert listed == set(map(path, [*PLACES, *BY_READING]))


def path(file: str) -> str:
    return os.path.join(os.path.dirname(os.__file__), *file.split("/"))


@pytest.fixture
def no_switches() -> Iterator[None]:
    """A thread goes on until it waits: nowhere but there a timeout meets it."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("no_switches")
@pytest.mark.parametrize("file", HERE)
def test_a_timeout_breaks_nothing_that_threads_share(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = PLACES[file](monkeypatch)
    guards: list[SoftGuard] = []
    ended: list[object] = []

    def run() -> None:
        guards.append(SoftGuard())
        ended.append(guards[0].run(task))

    def task() -> None:
        place.step()
        while True:
            time.sleep(0.001)

    def is_there() -> bool:
        frame = delicate.innermost(thread.ident or 0)
        return frame is not None and frame.f_code.co_filename == path(file)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(is_there)
    guards[0].fire()
    place.go_on()
    thread.join(10)
    assert ended == [None]  # by the timeout
    assert place.is_whole()


LOOKS_WHILE_GARBAGE_IS_COLLECTED = """
import gc, threading, time
from litequeue.base.delicate import innermost

class Dies:
    def __init__(self):
        self.itself = self
    def __del__(self):
        time.sleep(0)  # gives the GIL away

def look():
    for _ in range(2000):
        Dies()
        innermost(threading.get_ident())

gc.set_threshold(1)
threads = [threading.Thread(target=look, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert gc.isenabled()
gc.disable()
assert innermost(threading.get_ident()) is not None and not gc.isenabled()
print("whole")
"""


@pytest.mark.slow
def test_threads_that_look_while_garbage_is_collected_do_not_wait_for_each_other_for_ever() -> None:
    """Python 3.11.8 and before; within a second, without what is done against it."""
    words = [sys.executable, "-c", LOOKS_WHILE_GARBAGE_IS_COLLECTED]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "whole\n", done.stderr
