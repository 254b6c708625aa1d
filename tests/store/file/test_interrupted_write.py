"""A signal's handler that raises, at whatever moment of a write: the lock is let go of, nothing half is stored, and the next write goes on."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from litequeue.base import forkguard
from litequeue.base.errors import QueueBusy
from litequeue.store import Store
from litequeue.store.file import database, gate, handles, wal, write

from ...support import environment, new_job
from ..together import fork

FILES = {module.__file__ for module in (database, gate, handles, wal, write, forkguard)}


# The collector may end an object of the write before while it is interrupted: what is raised there nobody hears.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Interrupted(Exception):
    pass


@contextlib.contextmanager
def raising_at(moment: int) -> Iterator[list[str]]:
    """At this of the moments in which those files begin a function or are back from one of C's: there Python calls signals' handlers.
    Where that was, once it was."""
    left = moment
    where: list[str] = []

    def watch(frame: FrameType, event: str, arg: object) -> None:
        nonlocal left
        if event in ("call", "c_return") and frame.f_code.co_filename in FILES:
            left -= 1
            if left == 0:
                where.append(f"{event} {frame.f_code.co_name}, line {frame.f_lineno}")
                raise Interrupted

    sys.setprofile(watch)
    try:
        yield where
    finally:
        sys.setprofile(None)


@pytest.fixture
def store(store: Store) -> Store:
    store.jobs.enqueue(new_job())
    store.database.patience = 2.0
    return store


def every_moment(store: Store) -> Iterator[str]:
    """Interrupt an enqueue, each time at the next moment, until it comes to its end; what was raised is thrown away."""
    for moment in range(1, 1000):
        with raising_at(moment) as where, contextlib.suppress(Interrupted):
            store.jobs.enqueue(new_job())
        if not where:
            assert moment > 20
            return
        yield where[0]


def test_another_thread_can_write_once_what_was_raised_is_gone(store: Store) -> None:
    for where in every_moment(store):
        failed: list[BaseException] = []

        def enqueue(failed: list[BaseException] = failed) -> None:
            try:
                store.jobs.enqueue(new_job())
            except BaseException as error:  # noqa: BLE001
                failed.append(error)

        thread = threading.Thread(target=enqueue)
        thread.start()
        thread.join()
        assert not failed, where


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells who holds a lock")
def test_another_process_can_write_too(store: Store, db: Path) -> None:
    """For a lock is asked by who would wait for it: a query of one's own finds none of one's own."""
    ask = "import sys; from litequeue.base.filelock import FileLock\nfor line in sys.stdin: print(FileLock(sys.argv[1]).holder(), flush=True)"
    command = [sys.executable, "-c", ask, f"{db}-lock"]
    with subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None and other.stdout is not None
        for where in every_moment(store):
            other.stdin.write("\n")
            other.stdin.flush()
            assert other.stdout.readline() == "None\n", where
            assert not any(connection.in_transaction for connection in store.database.held().writers.values()), where


def test_the_thread_itself_goes_on_while_somebody_keeps_what_was_raised(store: Store) -> None:
    """As Python's prompt does in sys.last_traceback, with all that it leads to."""
    kept = []
    for moment in range(1, 1000):
        with raising_at(moment) as where:
            try:
                store.jobs.enqueue(new_job())
            except Interrupted as error:
                kept.append(error)
        if not where:
            break
        store.jobs.enqueue(new_job())
        with store.database.write(durable=False) as connection:
            kept[-3:-2] = []  # an older one goes while a later write is under way, and takes nothing from that
            assert connection.in_transaction
            assert store.database.held().gate.is_mine()
    assert moment > 20


def test_of_each_that_was_interrupted_all_or_nothing_is_stored(store: Store) -> None:
    before, times = 1, 0
    for times, where in enumerate(every_moment(store), 1):
        with store.database.read() as connection:
            (jobs,) = connection.execute("SELECT count(*) FROM litequeue_jobs").fetchone()
        assert jobs - before in (0, 1), where
        before = jobs
    assert before < times


def test_a_fork_is_held_up_once_at_most(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forkguard, "PATIENCE", 0.2)
    for _ in every_moment(store):
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(fork(lambda: None), 0)[1]) == 0
    assert forkguard._inside == 0
    store.jobs.enqueue(new_job())
    assert forkguard._inside == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_real_signals_at_random_moments_leave_nothing_behind(store: Store) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    chance = random.Random(5)
    interrupted = 0
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.000_01, 0.000_4))
                    store.jobs.enqueue(new_job())
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupted:
                interrupted += 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 20
    assert store.jobs.enqueue(new_job())


def test_a_handler_that_writes_in_the_middle_of_a_write_is_told_so_at_once_and_harms_nothing(store: Store) -> None:
    told: list[BaseException] = []

    def enqueue(frame: FrameType, event: str, arg: object) -> None:
        if event == "call" and frame.f_code is write.Write.__exit__.__code__:
            sys.setprofile(None)
            try:
                store.jobs.enqueue(new_job())
            except QueueBusy as error:
                told.append(error)

    sys.setprofile(enqueue)
    try:
        number, _ = store.jobs.enqueue(new_job())
    finally:
        sys.setprofile(None)
    assert "in the middle of a write" in str(told[0])
    assert store.reports.state(number) == "available"
    with store.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM litequeue_jobs").fetchone() == (2,)
