"""What a test holds of a queue: ``with testing(app) as queue:``.

Owns the order of a test's own doings: what is due is run when it says so, time goes on when it says so, and what failed is raised. Everything is what it is in
production (the store, the worker's decisions, retries, schedules), but for the clock, which a test can put forward. There is no eager mode: what such a mode
leaves out (that arguments are stored, that a failure is retried, that a countdown waits) is what the tests are to see.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack

from .. import known
from ..app import LiteQueue
from ..base import checks
from ..base.errors import InvalidArgument, InvalidType, WouldDeadlock
from ..given import database_path
from ..job import Job
from ..options.jobs import MAX_PRIORITY
from ..pools.base import Call
from ..task import Task, code_of
from ..tasks import TaskCode
from ..tasks.context import JobContext, running_job
from ..worker import embedded
from . import enqueued, fresh, pretended
from .clock import VirtualClock
from .enqueued import Enqueued, Expectation, Expected
from .failures import Failures
from .hand import Hand
from .pools import HereAsync, Loop, run_here
from .rebinding import rebound

if TYPE_CHECKING:
    from ..base.records import JobInfo
    from ..options.kinds import Span

P = ParamSpec("P")
R = TypeVar("R")

__tracebackhide__ = True  # for pytest, which then shows the test's line, and the task's


@contextmanager
def testing(app: LiteQueue | None = None, *, path: str | os.PathLike[str] | None = None) -> Iterator[Kit]:
    """The app on a fresh file of the test's own; after the block on the one that it had. ``app``: left out, the only one of the process.
    ``path``: of the file, which must not be there yet; left out, in a folder that goes with the block. Raises NotBound for no app, or one of several."""
    if app is None:
        app = known.the_app("testing() has the only app", "testing(app) says which")
    if not isinstance(app, LiteQueue):
        raise InvalidType(f"testing() takes an app, made by LiteQueue(...), not {type(app).__name__}: {app!r:.100}")
    with ExitStack() as stack:
        if path is None:
            path = os.path.join(stack.enter_context(tempfile.TemporaryDirectory(prefix="litequeue-")), "queue.sqlite")
        path = os.path.realpath(database_path(path))  # as the store has it, which a worker's jobs are told
        fresh.make(path)
        kit = Kit(app)
        stack.enter_context(rebound(app._client, path, kit._clock, kit._on_ring, kit._on_wait))
        stack.callback(kit._leave)
        app._take_what_is_free()
        yield kit


testing.__test__ = False  # type: ignore[attr-defined]  # for pytest, to which all that begins so is a test


class Kit:
    """The queue of a test: its app's, on a file of the test's own."""

    inline = False  # whether what is due is run after each enqueue

    def __init__(self, app: LiteQueue) -> None:
        self.app = app
        self._client = app._client
        self._clock = VirtualClock(app._client.clock)
        self._busy = threading.Lock()
        self._worker: Hand | None = None
        self._loop = Loop()
        self._failures = Failures(app._client)

    # -- running what was enqueued -------------------------------------------------------------------------

    def drain(self, *, check: bool = True) -> int:
        """Run what is due in this thread, and what that enqueues, until nothing is due. How many executions that were.

        Raises the exception of the first job that is discarded meanwhile, once all have run; unless ``check=False``: then look at ``failed``. What is
        retried waits for its time, see ``advance``. Raises InvalidArgument in a job, AssertionError where 10,000 executions come to no end.
        """
        with self._working():
            count = self._run_all()
        self._failures.take_in(check=check)
        return count

    async def adrain(self, *, check: bool = True) -> int:
        """``drain`` in a coroutine, on whose event loop the async tasks run too: what a fixture has made for that loop can be used by them. Other tasks
        run in a thread beside."""
        with self._working():
            count = 0
            for call in self._hand.due():
                await self._run_async(call)
                self._failures.refuse_to_go_on(call, count := count + 1)
        self._failures.take_in(check=check)
        return count

    def advance(self, span: Span | None = None, *, run: bool = True, check: bool = True, **parts: float) -> int:
        """Let so much time pass: ``"1h30m"``, seconds, a timedelta, or parts of one, as in ``days=2``. Whatever becomes due is run when its time comes: retries,
        schedules, countdowns, deadlines, as with a worker that is there all the time. With ``run=False`` nobody works meanwhile, and ``drain()``
        is the worker that comes then. It is the queue's clock alone that moves. How many executions that were; raises as ``drain``."""
        length = _length(span, parts)
        with self._working():
            count = self._run_all() if run else 0
            end = self._clock.now() + length  # schedules that are new begin now, and not after it
            while run and (due := self._hand.next_due()) is not None and due <= end:
                self._clock.go_on_to(due)
                count += self._run_all()
            self._clock.go_on_to(end)
        self._failures.take_in(check=check)
        return count

    def run(self, task: Task[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run one call of a task as a job, and nothing else: what it returns, as ``job.get()`` gives it. Raises what the task raised, whatever attempts
        are left; AssertionError where the job has not ended, since it sleeps, or could not begin."""
        with self._working():
            code = self._code(task, "run")
            handle = Task.apply_async(task, args, kwargs, priority=MAX_PRIORITY)  # also of one whose own gives another handle
            call = self._hand.take(handle.id, code.columns.pool)
            if call is None:
                raise AssertionError(f"{self._said(handle)} cannot run now: {handle.why_waiting() or handle.state}")
            self._run(call)
            self._hand.settle()
        self._failures.refuse_to_go_on(call)
        result: R = self._failures.result(handle, lambda: self._said(handle))
        return result

    @contextmanager
    def job(
        self, task: Task[..., Any], *, attempt: int = 1, errors: Iterable[BaseException] = (), cancelled: bool = False, scheduled_for: datetime | None = None
    ) -> Iterator[JobContext]:
        """``with queue.job(task, attempt=2): task(...)``: in the block ``current_job()`` is a job of the task that really runs, so that a function which asks for
        it can be called by itself. ``errors``: of the attempts before; ``cancelled``: somebody has asked to cancel it; ``scheduled_for``: the tick of its
        schedule. With the block the job ends. Raises AssertionError where it is put aside in there, which ``run`` and ``drain`` go through."""
        with self._working():
            call = pretended.claimed(self._client, self._hand, self._code(task, "job"), attempt, errors, scheduled_for)
        try:
            with pretended.inside(self._hand.pool(call), call, self._clock, cancelled=cancelled) as context:
                yield context
        finally:
            with self._working():
                self._hand.settle()
        self._on_ring()

    # -- looking ---------------------------------------------------------------------------------------------

    def enqueued(self, task: Task[..., Any] | str | None = None, /, **expected: Unpack[Expectation]) -> list[Enqueued]:
        """The jobs that wait, the oldest first; of a task, and as ``assert_enqueued`` describes them."""
        return self._found(task, expected)[1]

    def assert_enqueued(self, task: Task[..., Any] | str | None = None, /, *, count: int | None = None, **expected: Unpack[Expectation]) -> Enqueued:
        """That a job waits that was enqueued with ``args`` and ``kwargs`` (either way round: what the function gets is compared; ``unittest.mock.ANY``
        is equal to anything), is due ``within`` some time, in this ``queue``, of this ``priority``; ``state``: in this one, final ones too, instead of waiting.
        ``count``: just so many; else at least one. The last of them. Raises AssertionError, which lists what there is instead."""
        if count is not None:
            checks.integer(count, "count", 1, 2**31)
        what, found = self._found(task, expected)
        if found and count in (None, len(found)):
            return found[-1]
        number = checks.counted(len(found), "job") if found else "no job"
        raise AssertionError(f"{number}{what}{'' if count is None else f', and not {count}'}. {enqueued.instead(self._client, what.task)}")

    def refute_enqueued(self, task: Task[..., Any] | str | None = None, /, **expected: Unpack[Expectation]) -> None:
        """That no such job waits. Raises AssertionError, which lists them."""
        what, found = self._found(task, expected)
        if found:
            raise AssertionError(f"{checks.counted(len(found), 'job')}{what}, and there should be none:{''.join(f'{chr(10)}  {job.said}' for job in found)}")

    @property
    def failed(self) -> list[JobInfo]:
        """The jobs that were discarded, the oldest first: failures that are not retried."""
        return self._failures.failed()

    @property
    def now(self) -> datetime:
        """What time it is for the queue (aware, UTC)."""
        return checks.aware(self._clock.now())

    def __repr__(self) -> str:
        return f"<Kit {self.app!r}>"

    # -- how -------------------------------------------------------------------------------------------------

    @property
    def _hand(self) -> Hand:
        if self._worker is None:
            client, app = self._client, self.app
            self._worker = Hand(client.store, client.path, app._tasks, app._declared, self._clock, self._run)
            client.hooks.after.append(self._failures.heard)
            client.hooks.around = True
        return self._worker

    @contextmanager
    def _working(self) -> Iterator[None]:
        if running_job() is not None or not self._busy.acquire(blocking=False):
            raise InvalidArgument("what is due is being run already: drain() and the like are for the test, and not for what the test has run")
        try:
            yield
        finally:
            self._busy.release()

    def _run_all(self) -> int:
        count = 0
        for call in self._hand.due():
            self._run(call)
            self._failures.refuse_to_go_on(call, count := count + 1)
        return count

    def _run(self, call: Call) -> None:
        run_here(self._hand.pool(call), call, self._loop)

    async def _run_async(self, call: Call) -> None:
        pool = self._hand.pool(call)
        if isinstance(pool, HereAsync):
            await pool.run(call)
        else:
            await asyncio.to_thread(pool.run, call)

    def _on_ring(self) -> None:
        """Somebody may have enqueued something. In a job, or beside one, it is run after that."""
        if self.inline and running_job() is None and self._busy.acquire(blocking=False):
            try:
                self._run_all()
            finally:
                self._busy.release()
            self._failures.take_in(check=True)

    def _on_wait(self, job_id: int) -> None:
        """By the test itself; a job that waits has what is due run meanwhile."""
        if running_job() is not None or embedded._started or any(worker.id != (self._worker and self._worker.id) for worker in self._client.store.reports.workers()):
            return
        raise WouldDeadlock(
            f"job {job_id} has not run, and in a test nobody runs jobs but the test: queue.drain() first (in a coroutine, await queue.adrain()), or queue.inline = True"
        )

    def _code(self, task: object, what: str) -> TaskCode:
        if not isinstance(task, Task):
            raise InvalidType(f"queue.{what} takes a task, made by @app.task, not {type(task).__name__}: {task!r:.100}")
        if task._client.path != self._client.path:  # or it would go where that app works
            raise InvalidArgument(f"{task.name} is a task of another app, on {task._client.path}: testing() of that app has its jobs")
        return task.__litequeue_code__

    def _found(self, task: object, expected: Expectation) -> tuple[Expected, list[Enqueued]]:
        what = Expected.of(task, expected)
        code = None if task is None else code_of(task, self.app._tasks, self._client)
        return what, enqueued.found(self._client, code if isinstance(code, TaskCode) else None, what)

    def _said(self, handle: Job[Any]) -> str:
        return next(job.said for job in enqueued.all_of(self._client, [handle.state]) if job.id == handle.id)

    def _leave(self) -> None:
        self._loop.close()
        if self._worker is not None:
            self._client.hooks.after.remove(self._failures.heard)
            self._worker.leave()


def _length(span: Any, parts: dict[str, float]) -> int:
    if (span is None) is not bool(parts):
        raise InvalidArgument('advance() takes one length of time: advance("1h30m"), or its parts, advance(hours=1, minutes=30)')
    try:
        return checks.span(timedelta(**parts) if span is None else span, "advance()")
    except TypeError as error:
        raise InvalidType(f"advance() takes the parts of a timedelta, such as days=2: {error}") from None
