"""Calls of ``async def`` tasks on one event loop in a thread of its own.

Owns the loop's life and the meaning of cancelling: ``soft_timeout`` cancels the coroutine once (it may
catch ``asyncio.CancelledError`` to tidy up), ``timeout``, a cancelled job and shutdown cancel it for good.
The loop's thread is a daemon: a coroutine that blocks cannot hold up the app's exit.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import random
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ..base.checks import MICROS
from ..base.clock import Clock
from ..base.errors import SoftTimeout, WouldDeadlock
from ..base.log import Log
from ..base.models import EACH
from ..base.outcomes import (
    Failed,
    Interrupted,
    Outcome,
    Succeeded,
    Timed,
    TimedOut,
    Usage,
)
from ..tasks.context import JobContext, _current
from ..tasks.each import await_each
from .base import Call, Events, Reason
from .call import (
    around,
    as_it_ended,
    context_of,
    from_exception,
    never_awaited,
    storable,
    succeeded,
    swallowed,
)
from .lending import Lending
from .whereabouts import of_coroutine

log = Log("litequeue.worker")

# Seconds for what a cancelled coroutine has running in other processes, where that is not its own matter: the
# worker waits no longer than LAST_WORDS; and a job whose lease is lost may be running elsewhere by now.
GRACES = {Reason.SHUTDOWN: 1.5, Reason.LOST: 0.0}


class _Running:
    __slots__ = ("begin", "context", "reason", "task", "where")

    def __init__(self, context: JobContext, task: asyncio.Task[Timed], begin: float) -> None:
        self.context = context
        self.task = task
        self.begin = begin
        self.reason: Reason | None = None
        self.where = ""  # when its time was up


async def _run(call: Call, context: JobContext, clock: Clock, rng: random.Random) -> Timed:
    """``call.run`` for a coroutine; cancelling the surrounding asyncio task is left to the pool."""
    begin = clock.monotonic()
    code = call.code
    try:
        args, kwargs = code.codec.decode_call(call.job.args, call.job.kwargs, call.job.inputs)
        _current.set(context)  # each asyncio task has a context of its own
        with around(code, context) if code.hooks.around else nullcontext():
            each = await_each(context, code.function, args, kwargs) if EACH in kwargs else code.function(*args, **kwargs)
            result = await each
        outcome = succeeded(call, result) if context._suspended is None else swallowed(context._suspended)
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - the edge: whatever it is becomes data here
        outcome = from_exception(error, call, rng)
    if context._open:
        forgotten = await context._end_of_steps()
        if forgotten is not None and type(outcome) is Succeeded:
            outcome = never_awaited(forgotten)
    return Timed(outcome, context.started_at, clock.monotonic() - begin)


class CoroutinePool:
    """The pool of kind "async"."""

    kind = "async"
    is_prompt = False

    def __init__(self, slots: int, events: Events, clock: Clock, rng: random.Random) -> None:
        self.size = slots
        self._lending = Lending(events.lent)
        self._events = events
        self.said, self.printed = events.said, events.printed
        self._clock = clock
        self._rng = rng
        self._running: dict[tuple[int, int], _Running] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._waits_end = False
        self._pid = os.getpid()

    @property
    def slots(self) -> int:
        return self.size + self._lending.count

    def submit(self, calls: Sequence[Call]) -> None:
        self._started_loop().call_soon_threadsafe(self._start, list(calls))

    def tend(self) -> None:
        pass

    def backlog(self) -> int:
        return 0

    def take_back(self, most: int | None = None) -> list[Call]:
        return []

    def withdraw(self, call: Call) -> bool:
        return False  # each begins at once

    def interrupt(self, call: Call, reason: Reason) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed
                self._loop.call_soon_threadsafe(self._cancel, (call.job.id, call.job.attempt), reason)

    def end_waits(self) -> None:
        self._waits_end = True

    def stop(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._stopping = True
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(0.5)  # longer only if a coroutine blocks the loop

    # -- in the loop's thread ----------------------------------------------------------------------

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._loop.set_exception_handler(self._complain)
            self._thread = threading.Thread(
                target=self._run_loop, args=(self._loop,), name="litequeue-async", daemon=True
            )
            self._thread.start()
        return self._loop

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while not self._stopping:
            try:
                loop.run_forever()
            except BaseException as error:  # noqa: BLE001 - SystemExit of a subtask ends run_forever
                log.error("a coroutine raised %s through the event loop; the loop goes on", repr(error))
        with contextlib.suppress(Exception):
            for task in asyncio.all_tasks(loop):
                task.cancel()
            # One round, so that cancelled coroutines run their clean-up.
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # From Python 3.14 on a fork's child has no running loop, and complains when the coroutine that forked ends there.
        if os.getpid() == self._pid:
            loop.default_exception_handler(context)

    def _start(self, calls: list[Call]) -> None:
        loop = asyncio.get_running_loop()
        for call in calls:
            context = context_of(call, self._clock)
            context._host = self
            work = _run(call, context, self._clock, self._rng)
            running = _Running(context, loop.create_task(work), self._clock.monotonic())
            self._running[call.job.id, call.job.attempt] = running
            if call.timeout is not None or call.soft_timeout is not None:
                self._events.started(call)
            running.task.add_done_callback(functools.partial(self._done, call, running))

    def is_stopping(self) -> bool:
        return self._waits_end

    def wait_rule(self, blocking: bool, bounded: bool) -> AbstractContextManager[None]:
        if blocking and threading.current_thread() is self._thread:
            raise WouldDeadlock("get() and wait() block the loop that all coroutines share; write `await job`")
        return self._lending.slot()

    def _done(self, call: Call, running: _Running, task: asyncio.Task[Timed]) -> None:
        self._running.pop((call.job.id, call.job.attempt), None)
        used = running.context._usage
        if used is not None:
            running.context._emit("usage", json.dumps(used))
        if os.getpid() != self._pid:
            os._exit(0)  # the task forked: the child's end of it is not for us to report
        timed = self._timed(call, running, task)
        if used is not None and used["cpu_seconds"] is not None:
            timed = timed._replace(usage=Usage(used["cpu_seconds"], used["max_rss_bytes"]))
        self._events.ended(call, as_it_ended(running.context, timed))

    def _timed(self, call: Call, running: _Running, task: asyncio.Task[Timed]) -> Timed:
        seconds = self._clock.monotonic() - running.begin
        if running.reason is Reason.TIMEOUT:
            # However it ended, it was too late.
            outcome: Outcome = TimedOut((call.timeout or 0) / MICROS, storable(call.without_secrets(running.where)))
        elif task.cancelled():
            outcome = self._why_cancelled(call, running)
        else:
            error = task.exception()
            if error is None:
                return task.result()
            outcome = from_exception(error, call, self._rng)
        return Timed(outcome, running.context.started_at, seconds)

    def _why_cancelled(self, call: Call, running: _Running) -> Outcome:
        reason = running.reason
        if reason is Reason.SOFT_TIMEOUT:
            late = from_exception(SoftTimeout(), call, self._rng)
            return late._replace(traceback=storable(call.without_secrets(running.where))) if isinstance(late, Failed) and running.where else late
        if reason is None:  # the coroutine cancelled itself: a failure like any other
            return from_exception(asyncio.CancelledError(), call, self._rng)
        return Interrupted(reason.value)

    def _cancel(self, key: tuple[int, int], reason: Reason) -> None:
        running = self._running.get(key)
        if running is not None:
            running.reason = reason
            if reason in (Reason.TIMEOUT, Reason.SOFT_TIMEOUT):
                running.where = of_coroutine(running.task, f"TaskTimeout: it waited here at its {reason.value}")
            running.context._cancel(GRACES.get(reason))
            running.task.cancel()
