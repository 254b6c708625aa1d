"""The pools of a worker that is driven by hand: a call runs where it is told to, in the thread that tells it, and no sooner.

Owns what is different from a worker's: no thread and no process is started, and a call that waits for another job has what is due run meanwhile. A process
task runs here too, so that what a test has replaced is replaced for it, what it does is measured, and what goes wrong can be looked at; its arguments and its
result pass through the codec as in any pool. Timeouts come by real time, from a thread that waits for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ..base.checks import MICROS
from ..base.clock import Clock, monotonic
from ..base.errors import WouldDeadlock
from ..base.outcomes import NotStarted, Timed
from ..pools.base import Call, Reason
from ..pools.coroutines import CoroutinePool
from ..pools.threads import ThreadPool
from ..tasks.context import JobContext
from ..worker.inbox import Inbox
from ..worker.timeouts import limits_of


class Events:
    """What the pools tell the worker."""

    def __init__(self, inbox: Inbox) -> None:
        self.ended, self.printed, self.said = inbox.ended, inbox.printed, inbox.said
        self.stirred, self.lent = inbox.stirred, inbox.look

    def started(self, call: Call) -> None:
        """Its timeouts are seen to here."""


class Waits:
    """What a call that waits for another job has done for it: all that is due. Once nothing is, nobody is left who could end the wait."""

    def __init__(self, meanwhile: Callable[[], int]) -> None:
        """``meanwhile`` runs that; how many executions it was."""
        self._meanwhile = meanwhile
        self._is_bounded = False
        self._looks = 0  # that may find something new

    @contextlib.contextmanager
    def around(self, lent: AbstractContextManager[None], bounded: bool) -> Iterator[None]:
        with lent:
            ran = self._meanwhile()
            self._is_bounded, self._looks = bounded, min(ran, 1)
            yield

    def refuse_one_without_end(self) -> bool:
        """Asked before each look but the first."""
        self._looks -= 1
        if self._is_bounded or self._looks >= 0:
            return False
        raise WouldDeadlock(
            "all that is due in this test has run, and the job that is waited for has not ended: it waits for a later time, an event, or code that is not "
            "here. Give the wait a timeout, or let the test go on: queue.advance(...)"
        )


class Here(ThreadPool):
    """Calls of thread and process tasks."""

    def __init__(self, kind: str, events: Events, clock: Clock, rng: random.Random, waits: Waits) -> None:
        super().__init__(1, events, clock, rng)
        self.kind = kind
        self._waits = waits

    @property
    def todo(self) -> deque[Call]:
        return self._todo

    def submit(self, calls: Sequence[Call]) -> None:
        self._todo.extend(calls)

    def tend(self) -> None:
        pass

    def run(self, call: Call) -> None:
        """To its end, which the inbox has then."""
        self._todo.remove(call)
        self._todo.appendleft(call)
        self._runners += 1
        self._work()

    def wait_rule(self, blocking: bool, bounded: bool) -> AbstractContextManager[None]:
        if self.kind == "process":
            from ..pools import child

            child.wait_rule(blocking, bounded)  # refuses what has no end
        return self._waits.around(super().wait_rule(blocking, bounded), bounded)

    def is_stopping(self) -> bool:
        return self._waits.refuse_one_without_end()

    def _run_limited(self, call: Call, context: JobContext) -> Timed:
        timers = [threading.Timer(limit / MICROS, self.interrupt, (call, reason)) for reason, limit in limits_of(call)]
        for timer in timers:
            timer.daemon = True
            timer.start()
        try:
            return super()._run_limited(call, context)
        finally:
            for timer in timers:
                timer.cancel()


class HereAsync(CoroutinePool):
    """Calls of coroutines."""

    def __init__(self, events: Events, clock: Clock, rng: random.Random, waits: Waits) -> None:
        super().__init__(1, events, clock, rng)
        self._waits = waits
        self.todo: deque[Call] = deque()

    def submit(self, calls: Sequence[Call]) -> None:
        self.todo.extend(calls)

    def backlog(self) -> int:
        return len(self.todo)

    def take_back(self, most: int | None = None) -> list[Call]:
        taken = list(self.todo)[:most]
        for call in taken:
            self.todo.remove(call)
        return taken

    def interrupt(self, call: Call, reason: Reason) -> None:
        if call in self.todo:
            self.todo.remove(call)
            self._events.ended(call, Timed(NotStarted(), 0, 0.0))
        else:
            self._cancel((call.job.id, call.job.attempt), reason)

    async def run(self, call: Call) -> None:
        """To its end, on the loop that is asked."""
        self.todo.remove(call)
        key = call.job.id, call.job.attempt
        loop, self._thread = asyncio.get_running_loop(), threading.current_thread()
        self._start([call])
        running = self._running[key]
        timers = [loop.call_later(limit / MICROS, self._cancel, key, reason) for reason, limit in limits_of(call)]
        await asyncio.wait([running.task])
        for timer in timers:
            timer.cancel()

    def stop(self) -> None:
        pass

    def wait_rule(self, blocking: bool, bounded: bool) -> AbstractContextManager[None]:
        return self._waits.around(super().wait_rule(blocking, bounded), bounded)

    def is_stopping(self) -> bool:
        return self._waits.refuse_one_without_end()


class Loop:
    """The event loop of a test, for its coroutines. Its time is the machine's: on Python's own a sleep never ends while freezegun has that stand still."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        if self._runner is None:
            self._runner = _new_runner()
        if self._runner.get_loop().is_running():  # in the thread of one that waits for this one
            with _new_runner() as runner:
                runner.run(work)
        else:
            self._runner.run(work)

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()


def run_here(pool: Here | HereAsync, call: Call, loop: Loop) -> None:
    """In this thread; where an event loop runs in it, in one beside, which it waits for: a task may start a loop of its own, as in a worker."""
    if _loop_runs():
        thread = threading.Thread(target=_run, args=(pool, call, loop))
        thread.start()
        thread.join()
    else:
        _run(pool, call, loop)


def _run(pool: Here | HereAsync, call: Call, loop: Loop) -> None:
    if isinstance(pool, HereAsync):
        loop.run(pool.run(call))
    else:
        pool.run(call)


def _new_runner() -> asyncio.Runner:
    def new_loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.time = monotonic  # type: ignore[method-assign]
        return loop

    return asyncio.Runner(loop_factory=new_loop)


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
