"""Calls of ``async def`` tasks on one event loop in a thread of its own.

Owns the loop's life and the meaning of cancelling: ``soft_timeout`` cancels the coroutine once (it may
catch ``asyncio.CancelledError`` to tidy up), ``timeout``, a cancelled job and shutdown cancel it for good.
The loop's thread is a daemon: a coroutine that blocks cannot hold up the app's exit.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Sequence

from ..checks import MICROS
from ..clock import Clock
from ..context import JobContext
from ..errors import SoftTimeout
from ..outcomes import Cancelled, Outcome, Timed, TimedOut
from .base import Call, Events, Reason
from .call import context_of, from_exception, run_async


class _Running:
    __slots__ = ("context", "reason", "task")

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self.task: asyncio.Task[None] | None = None
        self.reason: Reason | None = None


class CoroutinePool:
    """The pool of kind "async"."""

    kind = "async"

    def __init__(self, slots: int, events: Events, clock: Clock, rng: random.Random) -> None:
        self.slots = slots
        self._events = events
        self._clock = clock
        self._rng = rng
        self._running: dict[int, _Running] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, calls: Sequence[Call]) -> None:
        self._started_loop().call_soon_threadsafe(self._start, list(calls))

    def tend(self) -> None:
        pass

    def backlog(self) -> int:
        return 0

    def take_back(self, most: int | None = None) -> list[Call]:
        return []

    def interrupt(self, call: Call, reason: Reason) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed
                self._loop.call_soon_threadsafe(self._cancel, call.job.id, reason)

    def stop(self) -> None:
        if self._loop is not None and self._thread is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(0.5)  # longer only if a coroutine blocks the loop

    # -- in the loop's thread ----------------------------------------------------------------------

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._run_loop, args=(self._loop,), name="litequeue-async", daemon=True
            )
            self._thread.start()
        return self._loop

    @staticmethod
    def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            with contextlib.suppress(Exception):
                for task in asyncio.all_tasks(loop):
                    task.cancel()
                # One round, so that cancelled coroutines run their clean-up.
                loop.run_until_complete(asyncio.sleep(0))
                loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def _start(self, calls: list[Call]) -> None:
        loop = asyncio.get_running_loop()
        for call in calls:
            running = _Running(context_of(call, self._clock))
            self._running[call.job.id] = running
            running.task = loop.create_task(self._run(call, running))

    async def _run(self, call: Call, running: _Running) -> None:
        if call.timeout is not None or call.soft_timeout is not None:
            self._events.started(call)
        begin = self._clock.monotonic()
        try:
            timed = await run_async(call, running.context, self._clock, self._rng)
        except asyncio.CancelledError as error:
            outcome = self._why_cancelled(call, running.reason, error)
            timed = Timed(outcome, running.context.started_at, self._clock.monotonic() - begin)
        if running.reason == Reason.TIMEOUT and not isinstance(timed.outcome, TimedOut):
            # It swallowed the cancel and went on to some other end: too late.
            timed = timed._replace(outcome=TimedOut((call.timeout or 0) / MICROS))
        del self._running[call.job.id]
        self._events.ended(call, timed)

    def _why_cancelled(self, call: Call, reason: Reason | None, error: BaseException) -> Outcome:
        if reason == Reason.TIMEOUT:
            return TimedOut((call.timeout or 0) / MICROS)
        if reason == Reason.SOFT_TIMEOUT:
            return from_exception(SoftTimeout("soft_timeout has passed"), call, self._rng)
        if reason is None:  # the coroutine cancelled itself: a failure like any other
            return from_exception(error, call, self._rng)
        return Cancelled(reason.value)

    def _cancel(self, job: int, reason: Reason) -> None:
        running = self._running.get(job)
        if running is not None and running.task is not None:
            running.reason = reason
            running.context._cancel()
            running.task.cancel()
