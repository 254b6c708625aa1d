"""The futures of one executor that are not done, and the thread that completes them.

Owns that thread, which hears from the workers as ``job.wait`` does, looks once for all, and sleeps while there is nothing to look for; the executor's own
worker, which is started with the first call; and what an exit of the interpreter waits for. Whoever takes a future out of the table completes it.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import logging
import os
import platform
import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ..base.clock import monotonic
from ..base.errors import PASSING, StoreError, WorkerFailed
from ..base.log import Log
from ..client import Client
from ..job import Job
from ..subscription import SLOW_LOOK, Subscription
from .future import JobFuture

if TYPE_CHECKING:
    from ..worker.embedded import EmbeddedWorker

log = Log("litequeue.executor")

LOOK: Final = 1_000  # jobs that are asked for, or cancelled, at once
# Seconds from one look to the next, at least, where workers tell of ends all the time; or as long as the look took, of which one for 10,000 jobs takes 10 ms.
SOON: Final = 0.0005
_AT_EXIT: Final = "cannot schedule new futures after interpreter shutdown"  # the standard library's words

_working = set[Any]()  # the Pending of executors whose worker may have something to do
_hooked = set[str]()
_exiting = False


class Pending:
    """One executor's. Every method may be called from any thread."""

    def __init__(self, client: Client, worker: Callable[[], EmbeddedWorker] | None) -> None:
        """``worker`` makes the executor's own, if it has one."""
        self._client = client
        self._make_worker = worker
        self._worker: EmbeddedWorker | None = None
        self._left: dict[int, tuple[JobFuture, ...]] = {}
        self._lock = threading.Lock()  # of whoever adds, against whoever closes
        self._owner: Callable[[], object] = lambda: self
        self._closed = False
        self._broken: str | None = None
        self._pid = 0  # in which the thread runs
        self._thread = threading.Thread(target=self._work, name="litequeue-futures", daemon=True)
        self._wakes = queue.SimpleQueue[object]()
        self._rests = self._gathers = False
        self._looks = 0
        self._subscription: Subscription | None = None

    def belong(self, owner: object) -> None:
        """End as after ``close`` once nobody holds the owner any more. What is called then is no Python code, see ``known``."""
        self._owner = weakref.ref(owner, self._wakes.put)

    # -- adding --------------------------------------------------------------------------------------

    @contextmanager
    def adding(self, *pools: str) -> Iterator[Callable[[Iterable[Job[Any]]], list[JobFuture]]]:
        """In the block jobs are made, for calls in these pools; what it gives makes futures of them. Raises RuntimeError after ``close``, and in a fork's child."""
        if self._pid not in (0, os.getpid()):
            raise RuntimeError("this executor works in the process that has forked this one: make another here with app.executor()")
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if self._broken is not None:
                raise WorkerFailed(self._broken)
            self._start(pools)
            looks = self._looks
            yield lambda jobs: self._add(jobs, looks)

    def _add(self, jobs: Iterable[Job[Any]], looks: int) -> list[JobFuture]:
        futures = [JobFuture(job, self) for job in jobs]
        for future in futures:
            self._left[future.job.id] = (*self._left.get(future.job.id, ()), future)
        # A job may have ended before it was in the table: a look in between has not seen it, and no other may be about to come.
        if self._rests or self._looks != looks and not self._gathers:
            self._wake()
        return futures

    def _start(self, pools: Iterable[str]) -> None:
        if self._make_worker is not None:
            for pool in pools:
                _hook(pool)
        if self._pid:
            return
        if self._make_worker is not None:
            self._worker = self._make_worker().start()
            self._worker.wait_until_it_works()  # else the first look hears nobody, and the next comes 50 ms later
            _working.add(self)
        self._pid = os.getpid()
        self._thread.start()

    # -- cancelling ----------------------------------------------------------------------------------

    def cancel(self, futures: Iterable[JobFuture]) -> None:
        """Cancel the jobs that have not begun; their futures are done then."""
        self._client.refuse_in_a_transaction("cancelling a call")
        jobs = {future.job.id: future for future in futures if not future.done()}
        left = self._withdraw(jobs)
        if left and self._worker is not None:
            self._withdraw(left - self._worker.withdraw(left))  # what it has given back since the first
        self.look(list(jobs))
        if not self.is_here():
            wait([future for job, future in jobs.items() if job not in self._left])  # some the thread may be completing just now

    def _withdraw(self, jobs: Iterable[int]) -> set[int]:
        """Those that are not to be had in the file."""
        left = set(jobs)
        for some in _portions(list(left)):
            gone, addresses = self._client.store.futures.withdraw(some, self._client.clock.now())
            self._client.ring(addresses)
            left -= gone
        return left

    # -- completing ----------------------------------------------------------------------------------

    def look(self, jobs: Sequence[int] | None = None) -> None:
        """Complete the futures of those jobs (None: of all) that have ended."""
        self._looks += 1
        for some in _portions(list(self._left) if jobs is None else jobs):
            for job, ending in self._client.store.futures.endings(some):
                for future in self._left.pop(job, ()):
                    _guarded(job, future._complete, ending)

    def _fail(self, why: str) -> None:
        for job in list(self._left):
            for future in self._left.pop(job, ()):
                _guarded(job, future.set_exception, WorkerFailed(f"{why}, before job {job} had ended, which is in the file still: see future.job"))

    def is_here(self) -> bool:
        """Whether the thread that completes them asks, as from a callback of one."""
        return threading.current_thread() is self._thread

    # -- ending --------------------------------------------------------------------------------------

    def close(self, *, cancel: bool = False) -> None:
        """Take nothing more; once all is done, end the worker and the thread."""
        if self._pid not in (0, os.getpid()):
            return
        with self._lock:
            self._closed = True
        if cancel:
            self.cancel(self._futures())
        self._wake()

    def join(self) -> None:
        """After ``close``: wait for that. Ctrl-C ends the worker, which gives its jobs back, and fails what is left."""
        if self._pid != os.getpid() or self.is_here():
            return
        try:
            while left := self._futures():
                for future in left:
                    future._wait(None)
            self._thread.join()
        except KeyboardInterrupt:
            self.abandon()
            raise

    def abandon(self) -> None:
        """End the worker, with its grace for what runs, and fail the futures that are left; their jobs stay in the file."""
        self.close()
        if self._pid != os.getpid():
            return
        try:
            if self._worker is not None:
                self._worker.stop()
            self.look()
        except (StoreError, WorkerFailed, *PASSING) as error:
            log.warning("an executor that was interrupted: %s", error)
        finally:  # also where a second Ctrl-C does not wait for the worker
            self._fail("the executor was interrupted")
            self._wake()
        self._thread.join()

    def finish(self) -> None:
        """At the interpreter's exit."""
        try:
            threading.Thread(target=bool).start()
        except RuntimeError:  # of the first releases of Python 3.12: the worker could not run what it has not begun
            if self._left:  # not by our Log, which has a thread
                logging.getLogger("litequeue.executor").warning(
                    "Python %s starts no threads at its exit: what has not begun of %d calls is left in the queue; end an executor with shutdown()",
                    platform.python_version(), len(self._left),
                )  # fmt: skip
            self.abandon()
            return
        self.close()
        with contextlib.suppress(KeyboardInterrupt):
            self.join()

    def _futures(self) -> list[JobFuture]:
        return [future for futures in list(self._left.values()) for future in futures]

    # -- the thread ----------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._wakes.put(None)
        if (subscription := self._subscription) is not None:
            subscription.wake()

    def _work(self) -> None:
        while not self._is_over():
            try:
                self._attend() if self._left else self._rest()
            except PASSING:
                with contextlib.suppress(queue.Empty):
                    self._wakes.get(timeout=SLOW_LOOK)
            except Exception as error:  # noqa: BLE001 - whoever waits must not wait for ever
                self._fail(f"the file could not be read ({error})")
        with contextlib.suppress(WorkerFailed):  # it has ended either way
            if self._worker is not None:
                self._worker.stop()
        _working.discard(self)

    def _is_over(self) -> bool:
        return (self._closed or self._owner() is None) and not self._left  # in this order: nothing is added after a close

    def _rest(self) -> None:
        self._rests = True
        if not self._left and not self._is_over():
            self._wakes.get()
        self._rests = False

    def _attend(self) -> None:
        """Complete futures until there are none, and a while longer: the next call may come at once."""
        with Subscription(self._client) as self._subscription:
            again = 0.0
            while not self._is_over():
                if monotonic() >= again:
                    if not self._left:
                        return
                    again = monotonic() + self._subscription.renew()
                    self._see_to_the_worker()
                began = monotonic()
                self.look()
                ended = monotonic()
                self._subscription.hear(max(again - ended, 0.0))
                pause = ended + min(max(ended - began, SOON), SLOW_LOOK) - monotonic()
                if pause > 0:
                    self._gathers = True
                    self._subscription.gather(pause)
                    self._gathers = False

    def _see_to_the_worker(self) -> None:
        """One that ends by itself has died, or another app's has taken its place, which may run the jobs."""
        if self._worker is None or not self._worker.join(0):
            return
        try:
            self._worker.stop()
        except WorkerFailed as error:
            self._broken = str(error)
            self._fail(str(error))
        self._worker = None
        _working.discard(self)


def _portions(jobs: Sequence[int]) -> Iterator[Sequence[int]]:
    return (jobs[start : start + LOOK] for start in range(0, len(jobs), LOOK))


def _guarded(job: int, complete: Callable[[Any], None], what: object) -> None:
    """A callback of somebody's must not end the thread; of an Exception ``concurrent.futures`` has logged already."""
    try:
        complete(what)
    except BaseException as error:  # noqa: BLE001 - SystemExit of a callback
        log.error("job %d: a callback of its future raised %s: %s", job, type(error).__name__, error)


def _hook(pool: str) -> None:
    """Finish at the exit what executors are at, before the pools of ``concurrent.futures``, in which calls run, take nothing more: as those do
    for theirs, and before them, since what is registered last comes first."""
    module = f"concurrent.futures.{'process' if pool == 'process' else 'thread'}"
    if _exiting:
        raise RuntimeError(_AT_EXIT)
    if module not in _hooked:
        try:
            importlib.import_module(module)
            getattr(threading, "_register_atexit", atexit.register)(_at_exit)
        except RuntimeError:  # its own words are of atexit
            raise RuntimeError(_AT_EXIT) from None
        _hooked.add(module)


def _at_exit() -> None:
    global _exiting
    _exiting = True
    for pending in list(_working):
        if pending._pid == os.getpid():
            pending.finish()
