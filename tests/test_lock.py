"""``app.lock``: one holder of a name at a time, whoever works on the file."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from litequeue import (
    InvalidArgument,
    InvalidType,
    JobCancelled,
    LiteQueue,
    LockTimeout,
    Task,
    WouldDeadlock,
)

from .support import environment, wait_until

pytestmark = pytest.mark.beside

HOLDER = """
import sys, time
from litequeue import LiteQueue
with LiteQueue(sys.argv[1]).lock("one"):
    print("has it", flush=True)
    time.sleep(60)
"""


def holder(db: Path) -> subprocess.Popen[str]:
    """Another process that has it."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(db)], stdout=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None and process.stdout.readline() == "has it\n"
    return process


def test_what_another_process_has_does_not_come_and_says_whose_it_is(app: LiteQueue, db: Path) -> None:
    with holder(db) as process:
        with pytest.raises(LockTimeout, match=rf"'one' did not come within 0.1 s: it is had by process {process.pid}$"):
            app.lock("one", timeout=0.1).__enter__()
        with app.lock("another", timeout=0):
            pass
        process.kill()


def test_of_files_that_were_deleted_and_made_anew_it_is_the_new_ones(db: Path) -> None:
    """As of tests that use one folder after the other: this process had the deleted file's still, beside another that had the new one's."""
    with LiteQueue(db) as app, app.lock("one", timeout=0):
        pass
    for path in db.parent.glob(f"{db.name}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with holder(db) as process:
        with LiteQueue(db) as app, pytest.raises(LockTimeout, match=f"it is had by process {process.pid}$"):
            app.lock("one", timeout=0.1).__enter__()
        process.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_comes_as_soon_as_the_process_that_had_it_is_dead(app: LiteQueue, db: Path, how: signal.Signals) -> None:
    with holder(db) as process:
        threading.Timer(0.2, process.send_signal, [how]).start()
        began = time.monotonic()
        with app.lock("one", timeout=30):
            assert 0.1 < time.monotonic() - began < 10


def test_threads_and_several_apps_of_a_process_keep_each_other_out(app: LiteQueue, db: Path) -> None:
    inside, most = 0, 0

    def work(mine: LiteQueue) -> None:
        nonlocal inside, most
        for _ in range(30):
            with mine.lock("one", timeout=30):
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    with LiteQueue(db) as other:
        threads = [threading.Thread(target=work, args=(mine,)) for mine in (app, other, app, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == 1 and inside == 0


def test_of_several_processes_one_is_in_at_a_time(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    code = """
import os, sys
from litequeue import LiteQueue
app = LiteQueue(sys.argv[1])
for n in range(40):
    with app.lock("one"):
        fd = os.open(sys.argv[2], os.O_CREAT | os.O_EXCL)  # fails if somebody else is in
        os.close(fd)
        os.unlink(sys.argv[2])
"""
    app.enqueue("t")
    words = [sys.executable, "-c", code, str(db), str(tmp_path / "inside")]
    processes = [subprocess.Popen(words, env=environment()) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]


def test_coroutines_take_turns_and_their_loop_goes_on(app: LiteQueue) -> None:
    seen: list[str] = []

    async def work(name: str) -> None:
        async with app.lock("one", timeout=10):
            seen.append(f"{name} in")
            await asyncio.sleep(0.02)
            seen.append(f"{name} out")

    async def both() -> None:
        await asyncio.gather(work("a"), work("b"), work("c"))

    asyncio.run(both())
    assert [word.split()[1] for word in seen] == ["in", "out"] * 3


def test_who_would_wait_for_himself_is_told(app: LiteQueue) -> None:
    with app.lock("one"):
        with pytest.raises(WouldDeadlock, match="it would wait for itself"):
            app.lock("one").__enter__()
        with app.lock("two"):
            pass

    async def blocks() -> None:
        async with app.lock("one"):
            with pytest.raises(WouldDeadlock, match="it would wait for itself"):
                app.lock("one").__enter__()

            async def other() -> None:
                with pytest.raises(WouldDeadlock, match="async with"):
                    app.lock("one").__enter__()

            await asyncio.create_task(other())

    asyncio.run(blocks())


def test_of_threads_that_wait_in_a_circle_one_is_told(app: LiteQueue) -> None:
    told: list[str] = []
    both = threading.Barrier(2)

    def work(first: str, second: str) -> None:
        with app.lock(first):
            both.wait(10)
            try:
                with app.lock(second, timeout=30):
                    pass
            except WouldDeadlock as error:
                told.append(str(error))

    threads = [threading.Thread(target=work, args=names) for names in (("one", "two"), ("two", "one"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(told) == 1 and "which is had here" in told[0]
    with app.lock("one", timeout=0), app.lock("two", timeout=0):
        pass


def test_an_exception_lets_it_go_and_one_lock_can_be_entered_again(app: LiteQueue) -> None:
    lock = app.lock("one", timeout=0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), lock:
            1 / 0  # noqa: B018
    entered = app.lock("one", timeout=0)
    entered.__enter__()
    del entered  # as where an exception comes before the block begins
    with lock:
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forks_child_has_none_of_its_parents_locks_and_lets_go_of_none(app: LiteQueue) -> None:
    with app.lock("one"):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with app.lock("one", timeout=0.05):
                    code = 2
            except LockTimeout:
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        with pytest.raises(WouldDeadlock):
            app.lock("one").__enter__()


def task_that_waits(app: LiteQueue) -> tuple[Task[[], None], threading.Event]:
    """For the lock ``one``, and what says that it runs."""
    started = threading.Event()

    @app.task(retries=0)
    def waits() -> None:
        started.set()
        with app.lock("one"):
            pass

    return waits, started


def test_a_task_that_waits_for_one_ends_when_it_is_cancelled(app: LiteQueue) -> None:
    waits, started = task_that_waits(app)
    with app.lock("one"), app.worker(threads=1):
        job = waits.delay()
        assert started.wait(10)
        job.cancel()
        wait_until(job.done)
        with pytest.raises(JobCancelled):
            job.get(timeout=0)


@pytest.mark.slow
def test_a_soft_timeout_leaves_no_lock_behind(app: LiteQueue) -> None:
    """Wherever it comes: before, in or after the block."""
    @app.task(soft_timeout=0.02, retries=0)
    def works(n: int) -> None:
        while True:
            with app.lock(f"{n}"):
                pass

    with app.worker(threads=4):
        jobs = [works.delay(n) for n in range(40)]
        wait_until(lambda: all(job.done() for job in jobs), seconds=60)
    for n in range(40):
        with app.lock(f"{n}", timeout=0):
            pass


def test_what_is_no_name_or_no_time_is_refused(app: LiteQueue) -> None:
    for wrong, error in ((7, InvalidType), ("", InvalidArgument), ("a\nb", InvalidArgument), ("x" * 201, InvalidArgument)):
        with pytest.raises(error, match="lock"):
            app.lock(wrong)  # type: ignore[arg-type]
    for timeout, error in ((-1, InvalidArgument), ("soon", InvalidArgument), (object(), InvalidType)):
        with pytest.raises(error, match="timeout"):
            app.lock("one", timeout=timeout)  # type: ignore[arg-type]


def test_its_file_is_its_owners_alone_and_there_only_once_somebody_has_had_one(app: LiteQueue, db: Path) -> None:
    app.enqueue("t")
    beside = Path(f"{os.path.realpath(db)}-locks")
    assert not beside.exists()
    with app.lock("one"):
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600


def test_a_task_that_waits_for_one_is_given_back_when_its_worker_stops(app: LiteQueue) -> None:
    waits, started = task_that_waits(app)
    with app.lock("one"):
        job = waits.delay()
        with app.worker(threads=1):
            assert started.wait(10)
            began = time.monotonic()
        assert time.monotonic() - began < 5 and job.state == "available"
