"""Calls in threads of this process.

Owns the sharing of calls among the threads of one ``ThreadPoolExecutor``: a deque from which each thread
takes the next as it gets free, so that no call waits behind a long one while another thread idles.
One executor submission is a *runner* that works until the deque is empty (submitting each call by itself
costs 25 to 40 us).

A thread cannot be killed. At its soft timeout, and again at its timeout, ``SoftTimeout`` is raised inside
it between two bytecodes; code that never gets there (a long C call) goes on, and its slot stays taken.
"""

from __future__ import annotations

import concurrent.futures.thread as executors
import os
import random
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Final

from ..base.checks import MICROS
from ..base.clock import Clock
from ..base.errors import SoftTimeout
from ..base.outcomes import NotStarted, Timed, TimedOut
from ..base.softguard import SoftGuard
from ..tasks.context import JobContext
from .base import Call, Events, Reason
from .call import as_it_ended, context_of, from_exception, run, said, storable
from .lending import MOST, Lending
from .whereabouts import of_thread

RUNNER_SECONDS: Final = 0.002  # of expected work for each thread that is woken


class _Running:
    """A call that runs, as whoever interrupts it sees it."""

    __slots__ = ("context", "guard", "thread", "timed_out", "where")

    def __init__(self, context: JobContext, guard: SoftGuard | None) -> None:
        self.context = context
        self.guard = guard
        self.timed_out = False
        self.thread = 0  # of one with a guard
        self.where = ""  # when its time was up


class ThreadPool:
    """The pool of kind "thread"."""

    kind = "thread"
    is_prompt = False

    def __init__(self, slots: int, events: Events, clock: Clock, rng: random.Random) -> None:
        self._size = slots
        self._lending = Lending(events.lent)
        self._events = events
        self.said, self.printed = events.said, events.printed
        self._clock = clock
        self._rng = rng
        self._todo: deque[Call] = deque()
        self._runners = 0
        self._ended = self._ended_before = 0
        self._seconds: float | None = None  # a call's, moving average
        self._pid = os.getpid()
        self._count = threading.Lock()  # of runners, against one that ends as calls arrive
        self._running: dict[tuple[int, int], _Running] = {}
        self._stopping = False
        self._executor = self._new_executor()

    @property
    def slots(self) -> int:
        return self._size + self._lending.count

    @property
    def size(self) -> int:
        return self._size

    @size.setter
    def size(self, slots: int) -> None:
        self._size = slots
        # An executor keeps every thread that it ever had. Those of the old one end as they run out of calls.
        self._executor.shutdown(wait=False)
        self._executor = self._new_executor()

    def _new_executor(self) -> executors.ThreadPoolExecutor:
        return executors.ThreadPoolExecutor(self._size + MOST, thread_name_prefix="litequeue")

    def submit(self, calls: Sequence[Call]) -> None:
        self._todo.extend(calls)
        # Threads that compute only take the GIL from each other and from the coordinator: a drain of
        # no-op jobs was 1.3 times faster with one runner than with four. So no more of them than there is
        # work for, and `tend` adds the others if that turns out wrong.
        enough = self.slots
        if self._seconds is not None:
            enough = int(len(self._todo) * self._seconds / RUNNER_SECONDS) + 1
        self._start_runners(enough)

    def tend(self) -> None:
        if self._todo and self._ended == self._ended_before:
            self._start_runners(self.slots)  # nothing has moved since the last look
        self._ended_before = self._ended

    def _start_runners(self, enough: int) -> None:
        with self._count:
            wanted = min(self.slots, enough, self._runners + len(self._todo)) - self._runners
            self._runners += max(wanted, 0)
        for number in range(wanted):
            try:
                self._start_runner(number)
            except RuntimeError:
                with self._count:
                    self._runners -= wanted - number
                if not self._runners:
                    raise  # else those that there are get to it
                break
        if wanted > 0:
            self._disown_threads()

    def _start_runner(self, number: int) -> None:
        try:
            self._executor.submit(self._work)
        except RuntimeError:
            if self._stopping or threading.main_thread().is_alive():
                raise
            # The main thread has ended and others go on: executors have closed, and threads can still be started, but for
            # Python 3.12.
            threading.Thread(target=self._work, name=f"litequeue_late_{number}", daemon=True).start()

    def _disown_threads(self) -> None:
        """Keep concurrent.futures from joining its threads, however long they take, at the app's exit.

        The worker's own shutdown has a deadline; that has none. (Not from within the thread: it is
        entered into the list after it was started.)
        """
        joined = getattr(executors, "_threads_queues", {})
        for thread in tuple(getattr(self._executor, "_threads", ())):
            joined.pop(thread, None)

    def backlog(self) -> int:
        return len(self._todo)

    def take_back(self, most: int | None = None) -> list[Call]:
        taken: list[Call] = []
        while most is None or len(taken) < most:
            try:
                taken.append(self._todo.pop())
            except IndexError:
                break
        return taken

    def withdraw(self, call: Call) -> bool:
        try:
            self._todo.remove(call)
        except ValueError:
            return False
        self._events.ended(call, Timed(NotStarted(), 0, 0.0))
        return True

    def interrupt(self, call: Call, reason: Reason) -> str | None:
        running = self._running.get((call.job.id, call.job.attempt))
        if running is None:
            if reason not in (Reason.SOFT_TIMEOUT, Reason.TIMEOUT):  # else it has just ended
                self.withdraw(call)
            return None
        if reason in (Reason.SOFT_TIMEOUT, Reason.TIMEOUT):
            if running.guard is not None:
                if reason is Reason.TIMEOUT:
                    text = of_thread(running.thread, said(TimedOut((call.timeout or 0) / MICROS)))
                    running.where = storable(call.without_secrets(text))
                running.timed_out = reason is Reason.TIMEOUT
                running.guard.fire()
        else:
            running.context._cancel()
        return running.where or None

    def end_waits(self) -> None:
        self._stopping = True

    def stop(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    # -- in the pool's threads ------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            if self._runners > self.slots:  # a task that had lent its slot goes on
                with self._count:
                    if self._runners > self.slots:
                        self._runners -= 1
                        return
            try:
                call = self._todo.popleft()
            except IndexError:
                with self._count:
                    if self._todo:
                        continue
                    self._runners -= 1
                    return
            key = (call.job.id, call.job.attempt)
            context = context_of(call, self._clock)
            context._host = self
            try:
                if call.timeout is None and call.soft_timeout is None:
                    self._running[key] = _Running(context, None)
                    timed = run(call, context, self._clock, self._rng)
                else:
                    timed = self._run_limited(call, context)
            except BaseException as error:  # noqa: BLE001 - a bug of ours must not cost the slot and the job
                timed = Timed(from_exception(error, call, self._rng), context.started_at, 0.0)
            if os.getpid() != self._pid:
                os._exit(0)  # the task forked: what the child makes of it is not for us to report
            self._running.pop(key, None)
            # Several threads write these without a lock: a lost update does not matter.
            self._ended += 1
            average = self._seconds
            self._seconds = (
                timed.seconds if average is None else average + 0.1 * (timed.seconds - average)
            )
            self._events.ended(call, as_it_ended(context, timed))

    def wait_rule(self, blocking: bool, bounded: bool) -> AbstractContextManager[None]:
        return self._lending.slot()

    def is_stopping(self) -> bool:
        return self._stopping

    def _run_limited(self, call: Call, context: JobContext) -> Timed:
        key = (call.job.id, call.job.attempt)
        running = self._running[key] = _Running(context, SoftGuard())
        assert running.guard is not None
        running.thread = threading.get_ident()
        begin = self._clock.monotonic()
        self._events.started(call)
        timed = running.guard.run(lambda: run(call, context, self._clock, self._rng))
        self._lending.forget_thread()
        if running.timed_out:
            # Whatever it came to: it was too late, and the traceback shows where it was.
            trace = getattr(timed.outcome, "traceback", "") if timed is not None else ""
            outcome = TimedOut((call.timeout or 0) / MICROS, trace or running.where)
            return Timed(outcome, running.context.started_at, self._clock.monotonic() - begin)
        if timed is None:
            late = from_exception(SoftTimeout(), call, self._rng)
            return Timed(late, context.started_at, self._clock.monotonic() - begin)
        return timed
