"""The main thread as a pool of one slot, for somebody who wants to see a job run: with a debugger, a profiler, or his own eyes.

Owns the call that runs there, whichever pool its task names: a coroutine in an event loop of its own. Timeouts and bounds are off. An exception is kept for who
wants to look at it before the worker hears of the end. Ctrl-C, SIGTERM and a terminal that is closed end the call, and it is given back; they are raised in the task alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import json
import os
import queue
import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import FrameType
from typing import Any, Final

from ..base.clock import Clock
from ..base.errors import WouldDeadlock
from ..base.outcomes import Interrupted, Outcome, Succeeded, Timed, Usage
from ..tasks.context import JobContext
from .base import Call, Events, Reason
from .call import as_it_ended, context_of, from_exception, run
from .coroutines import _run as run_coroutine
from .logs import flush_streams

GIVEN_BACK: Final = Interrupted(Reason.SHUTDOWN.value)
GRACE: Final = 1.5  # seconds for what a coroutine has running in other processes

# The end of a call, with the last exception that its function raised, and whether a signal has come since: as what it is to count.
Decide = Callable[[Call, Timed, BaseException | None, Callable[[], bool]], Timed]


class Stopped(SystemExit):
    """Somebody wants this process to end."""


class MainThread:
    """The pool of any kind."""

    kind = "main"
    slots = size = 1
    is_prompt = False

    def __init__(self, events: Events | None, clock: Clock, rng: random.Random, back: Outcome = GIVEN_BACK) -> None:
        """``events`` None: nobody hears of anything. ``back``: what a call comes to that a signal has ended."""
        self._events = events
        self._back = back
        self._clock = clock
        self._rng = rng
        self._todo: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._context: JobContext | None = None
        self._task: asyncio.Task[Timed] | None = None
        self._reason: Reason | None = None
        self._is_inside = False  # the task's own code
        self._is_thought_about = False  # its end
        self._error: BaseException | None = None
        self.stopped_by: int | None = None  # a signal's number

    # -- the worker's thread -------------------------------------------------------------------------------

    def submit(self, calls: Sequence[Call]) -> None:
        for call in calls:
            self._todo.put(call)

    def nothing_comes(self) -> None:
        """Who waits for a call waits in vain."""
        self._todo.put(None)

    def tend(self) -> None:
        pass

    def backlog(self) -> int:
        return 0

    def take_back(self, most: int | None = None) -> list[Call]:
        return []

    def withdraw(self, call: Call) -> bool:
        return False

    def interrupt(self, call: Call, reason: Reason) -> None:
        self._reason = reason
        if self._context is not None:
            self._context._cancel(GRACE if reason is Reason.SHUTDOWN else None)
        self._cancel_coroutine()

    def end_waits(self) -> None:
        pass

    def stop(self) -> None:
        pass

    # -- what a call says ----------------------------------------------------------------------------------

    def said(self, job: Any, said: str | None, meta: str | None) -> bool:
        return self._events is None or self._events.said(job, said, meta)

    def printed(self, job: Any, number: int, stream: str, text: str) -> bool:
        return self._events is None or self._events.printed(job, number, stream, text)

    def wait_rule(self, blocking: bool, bounded: bool) -> AbstractContextManager[None]:
        if blocking and self._task is not None and threading.current_thread() is threading.main_thread():
            raise WouldDeadlock("get() and wait() block the loop in which the coroutine runs; write `await job`")
        return nullcontext()

    def is_stopping(self) -> bool:
        return self.stopped_by is not None

    # -- the main thread -----------------------------------------------------------------------------------

    def serve(self, decide: Decide) -> Timed | None:
        """Run the call that comes, and report what is decided of it. None, if none comes."""
        assert self._events is not None
        call = self._todo.get()
        if call is None:
            return None
        context = context_of(call, self._clock)
        context._host = self
        timed = as_it_ended(context, self._decided(call, self.run(call, context), decide))
        self._error = None
        self._events.ended(call, timed)
        return timed

    def rehearse(self, call: Call, context: JobContext, decide: Decide) -> Timed:
        """Run a call of which nobody hears."""
        with self.signals():
            return self._decided(call, self.run(call, context), decide)

    def _decided(self, call: Call, timed: Timed, decide: Decide) -> Timed:
        if (back := self._given_back(timed)) is not None:
            return back
        self._is_thought_about = True
        try:
            timed = decide(call, timed, self._error, self.is_stopping)
        finally:
            self._is_thought_about = False
        return self._given_back(timed) or timed

    def run(self, call: Call, context: JobContext) -> Timed:
        """To its end, in this thread."""
        code = copy.copy(call.code)
        code.function, code.bounds = self._watched(code.function, code.is_async), None
        call = call._replace(code=code)
        context._timeout, context._code = None, code
        self._context = context
        try:
            if not code.is_async:
                return run(call, context, self._clock, self._rng)
            with asyncio.Runner() as runner:
                return runner.run(self._awaited(call, context))
        finally:
            self._context = None

    async def _awaited(self, call: Call, context: JobContext) -> Timed:
        begin = self._clock.monotonic()
        task = self._task = asyncio.ensure_future(run_coroutine(call, context, self._clock, self._rng))
        await asyncio.wait([task])
        self._task = None
        used = context._usage
        if used is not None:
            context._emit("usage", json.dumps(used))
        if not task.cancelled() and (error := task.exception()) is None:
            timed = task.result()
        else:
            reason = Reason.SHUTDOWN if self.stopped_by is not None else self._reason
            error = asyncio.CancelledError() if task.cancelled() else error
            assert error is not None
            outcome = Interrupted(reason.value) if reason is not None and task.cancelled() else from_exception(error, call, self._rng)
            timed = Timed(outcome, context.started_at, self._clock.monotonic() - begin)
        if used is not None and used["cpu_seconds"] is not None:
            timed = timed._replace(usage=Usage(used["cpu_seconds"], used["max_rss_bytes"]))
        return timed

    def _watched(self, function: Callable[..., Any], is_async: bool) -> Callable[..., Any]:
        """The same function, whose exception is kept, and which alone a signal ends."""

        @contextlib.contextmanager
        def watched() -> Iterator[None]:
            pid, code = os.getpid(), 1
            try:
                self._is_inside = True
                if self.stopped_by is not None:
                    raise KeyboardInterrupt
                yield
                code = 0
            except BaseException as error:
                self._error = error
                raise
            finally:
                self._is_inside = False
                if os.getpid() != pid:  # the task forked: its child would go on as this command, and report the same job
                    flush_streams()
                    os._exit(code)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with watched():
                return function(*args, **kwargs)

        @functools.wraps(function)
        async def await_it(*args: Any, **kwargs: Any) -> Any:
            with watched():
                return await function(*args, **kwargs)

        return await_it if is_async else call

    # -- signals -------------------------------------------------------------------------------------------

    def _given_back(self, timed: Timed) -> Timed | None:
        """What a signal has ended; not what has succeeded all the same, or goes on later."""
        if self.stopped_by is None or isinstance(timed.outcome, Succeeded):
            return None
        return timed._replace(outcome=self._back)

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """From the claim of a call until its end is written: what comes where the task does not run is noted, and breaks nothing off."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        old = {number: signal.signal(number, self._handle) for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._is_thought_about and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.stopped_by = number
        if self._is_thought_about:
            raise Stopped(128 + number)
        if self._task is not None and self._context is not None:
            self._context._cancel(GRACE)
            self._cancel_coroutine()
        elif self._is_inside:
            raise KeyboardInterrupt

    def _cancel_coroutine(self) -> None:
        task = self._task
        if task is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed
                task.get_loop().call_soon_threadsafe(task.cancel)
