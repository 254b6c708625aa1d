"""What a running task can ask about itself: ``current_job()``.

Owns the context variable and the object behind it. What was claimed with the job is answered from memory, and ``cancelled`` is set by
the worker; for the rest it asks the store of the task's app, which whoever made the task has handed it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

from ..base.checks import aware, flag
from ..base.errors import (
    InvalidType,
    JobCancelled,
    NotInATask,
    Retry,
    Signal,
    WouldDeadlock,
)
from ..base.models import ClaimedJob, PastError
from .durable import Durable, Suspend

if TYPE_CHECKING:
    from ..base.statements import Ending, Statements
    from .acknowledging import JobTransaction
    from .code import TaskCode
    from .kept import Kept
    from .progress import Progress

T = TypeVar("T")


class WaitEnded(BaseException):
    """Ends a task that waits for another job while its worker stops: it is given back, and nothing is charged.

    No Exception, so that no task takes it for a failure of the job that it waits for. People do not see it.
    """


class Host(Protocol):
    """Where the job runs."""

    def said(self, job: ClaimedJob, said: str | None, meta: str | None) -> bool:
        """How far it is, as JSON; whether it was taken. Quick, and never raises; so the next."""

    def printed(self, job: ClaimedJob, number: int, stream: str, text: str) -> bool: ...

    def wait_rule(self, blocking: bool, bounded: bool) -> AbstractContextManager[None]:
        """What to do around a wait for another job, which blocks its thread or does not, and has a timeout or has none."""

    @property
    def is_prompt(self) -> bool:
        """Whether what is printed is to be handed on at once, as far as that is cheap: a crash would lose what waits."""

    def is_stopping(self) -> bool:
        """Whether the worker takes on nothing more: a wait for another job cannot end."""


class JobContext(Durable):
    """The running job, as its own code sees it. Read-only."""

    __litequeue_instead__ = "pass what you need of it, such as current_job().id"

    __slots__ = (
        "_cancelled", "_code", "_database", "_grace", "_headers", "_host", "_keeps", "_kept", "_max_attempts", "_pieces", "_progress", "_timeout", "_trusts_anyone", "_usage",
        "started_at",
    )  # fmt: skip

    def __init__(
        self, job: ClaimedJob, max_attempts: int, timeout: int | None, started_at: int
    ) -> None:
        super().__init__()
        self._job = job
        self._max_attempts = max_attempts
        self._timeout = timeout
        self.started_at = started_at  # wall clock, microseconds
        self._cancelled = False
        self._host: Host | None = None  # None again once the job is over: what its code still says is nobody's
        self._grace: float | None = None  # seconds for what it started in other processes; None: as it likes
        self._database: str | None = None  # the file that the job came from
        self._trusts_anyone = False  # who can write that, as the worker was told
        self._keeps = True  # what the job prints and logs
        self._pieces = 0  # the number of the last that was handed on
        self._kept: Kept | None = None  # once the job has said anything
        self._code: TaskCode | None = None
        self._headers: tuple[dict[str, Any], str | None] | None = None  # once somebody has asked; and the worker's name
        self._progress: Progress | None = None  # once the job has said anything
        self._usage: Mapping[str, Any] | None = None  # of a command: what it used, however it ended

    def _emit(self, stream: str, text: str, is_after_gap: bool = False) -> bool:
        """Hand on a piece of output, whose number tells whether something is missing before it; whether it was taken."""
        number = self._pieces + 1 + is_after_gap
        if self._host is not None and not self._host.printed(self._job, number, stream, text):
            return False
        self._pieces = number
        return True

    def _hider(self) -> Callable[[str], str] | None:
        """What takes its secret arguments out of a text, if it has any."""
        secret = None if self._code is None else self._code.secret
        return None if secret is None else secret.hider(self._job.args, self._job.kwargs)

    def _give_up_waiting(self, *, blocking: bool) -> None:
        """Raise WaitEnded if a wait for another job has no end to come, and JobCancelled where a thread waits, of which nothing
        else can end the wait."""
        if self._host is not None and self._host.is_stopping() and not self._job.at_most_once:
            raise WaitEnded("the worker stops, and the job that is waited for does not run here any more")
        if blocking and self._cancelled:
            raise JobCancelled(f"job {self.id} was cancelled while it waited for another")

    def _waiting(self, *, blocking: bool, bounded: bool) -> AbstractContextManager[None]:
        """Around the task's waiting for another job. Raises WouldDeadlock where that must not be."""
        return nullcontext() if self._host is None else self._host.wait_rule(blocking, bounded)

    @property
    def id(self) -> int:
        """The job's id."""
        return self._job.id

    @property
    def task(self) -> str:
        """The task's name."""
        return self._job.task

    @property
    def queue(self) -> str:
        return self._job.queue

    @property
    def attempt(self) -> int:
        """Which execution of the job this is, from 1. Interrupted ones count here too."""
        return self._job.execution

    @property
    def retries_left(self) -> int:
        """How many more attempts a failure of this one leaves."""
        return max(self._max_attempts - self._job.failures - 1, 0)

    @property
    def deadline(self) -> datetime | None:
        """When the attempt reaches its timeout (aware, UTC); None without one."""
        return None if self._timeout is None else aware(self.started_at + self._timeout)

    @property
    def created_at(self) -> datetime:
        """When the job was enqueued (aware, UTC)."""
        return aware(self._job.created_at)

    @property
    def scheduled_for(self) -> datetime | None:
        """The tick of its schedule that the job was made for (aware, UTC); None if no schedule made it."""
        tick = self._job.scheduled_for
        return None if tick is None else aware(tick)

    @property
    def due_at(self) -> datetime:
        """When the job was to run: at once, after its countdown, or at its tick or retry (aware, UTC)."""
        return aware(self._job.run_at)

    @property
    def schedule(self) -> str | None:
        """The name of the schedule that made the job; None if none did."""
        return self._job.schedule

    @property
    def headers(self) -> dict[str, Any]:
        """The small values that came with the enqueue (``apply_async(headers=...)``, ``app.use``). Asks the file, once."""
        return self._asked()[0]

    @property
    def worker(self) -> str | None:
        """The name of the worker that runs the job; None if it has another by now. Asks the file, once."""
        return self._asked()[1]

    def _asked(self) -> tuple[dict[str, Any], str | None]:
        if self._headers is None:
            self._headers = self._store().shown.headers(self.id, self._job.attempt)
        return self._headers

    def will_retry(self, error: BaseException) -> bool:
        """Whether the job is tried again if this is what it fails with: for who reports failures, which may care for the last alone."""
        if not is_failure(error) and not isinstance(error, Retry) or not self.retries_left:
            return False
        return self._code is None or self._code.retries_on(error)

    @property
    def errors(self) -> tuple[PastError, ...]:
        """The errors of earlier attempts, oldest first."""
        return tuple(PastError(*row) for row in self._job.errors or ())

    @property
    def parents(self) -> tuple[int, ...]:
        """The ids of the jobs that it waited for, in their order. Asks the file."""
        return tuple(self._store().flows.parents(self.id))

    def parent_results(self) -> list[Any]:
        """What they came to, in their order, and None for one that did not succeed, or whose result was not stored: for ``.si()``, where
        they are too much to be passed on. Asks the file. Raises JobNotFound for one that is there no more."""
        assert self._codec is not None
        found = self._store().flows.parent_results(self.id)
        return [None if result is None else self._codec.decode_result(result) for result in found]

    def progress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """Say how far the job is: ``done`` of ``total``, and in a note of at most 200 characters at what. People see it with ``job.progress()`` and
        ``job DB ID --follow``. It is stored at most twice a second, so call it as often as you like. Raises InvalidType or InvalidArgument for what
        is no amount."""
        self._said().say(done, total, note)

    def track(self, rows: Iterable[T], total: float | None = None, note: str | None = None) -> Iterator[T]:
        """``for row in current_job().track(rows):`` goes through the rows, and says how many of them are done; ``total``: how many there are, where
        ``len(rows)`` cannot tell."""
        return self._said().track(rows, total, note)

    @property
    def meta(self) -> MutableMapping[str, Any]:
        """Small values by names that the task wants to show while it runs, and after: ``current_job().meta["page"] = 7``. Stored as ``progress``;
        ``job.meta`` has them. Raises PayloadError, or PayloadTooLarge beyond 16 KiB in all."""
        return self._said().meta

    def _said(self) -> Progress:
        if self._progress is None:
            from .progress import Progress

            assert self._codec is not None
            self._progress = Progress(self._hand_on, self._codec, is_over=self._host is None)
        return self._progress

    def _hand_on(self, said: str | None, meta: str | None) -> bool:
        return self._host is None or self._host.said(self._job, said, meta)

    @overload
    def transaction(self, *, ack: Literal[True] = True) -> JobTransaction[Ending]: ...
    @overload
    def transaction(self, *, ack: bool) -> JobTransaction[Statements]: ...
    def transaction(self, *, ack: bool = True) -> JobTransaction[Any]:
        """``with current_job().transaction() as db:`` runs SQL on the queue's file. With the end of the block the job has succeeded, with
        ``db.result``: its rows, its end, and what it enqueued inside are stored in one transaction, or, where the block raises, none of them. So a job's
        effects in the file happen exactly once. What the code does after the block changes nothing of that. ``ack=False``: rows that are only
        stored while this attempt is the one that counts, and the job goes on.

        Raises LeaseLost where another worker runs the job by now, JobCancelled where it was cancelled, both before anything is stored; WouldDeadlock in a
        coroutine: ``await job.run_in_transaction(function)``."""
        if self._job.pool == "async" and not _in_a_thread.get():
            raise WouldDeadlock("a transaction would stop the worker's event loop for as long as it waits for the lock: await job.run_in_transaction(function)")
        from ..base.statements import Ending, Statements
        from .acknowledging import JobTransaction

        return JobTransaction(self, Ending if flag(ack, "ack") else Statements)

    async def run_in_transaction(self, function: Callable[[Any], T], *, ack: bool = True) -> T:
        """``with job.transaction() as db: return function(db)``, in a thread."""
        from asyncio import to_thread
        from inspect import isawaitable, iscoroutinefunction

        plain = "run_in_transaction takes a plain function, which is called with db in a thread, and no async def: nothing was stored"
        if iscoroutinefunction(function):
            raise InvalidType(plain)

        def run() -> T:
            token = _in_a_thread.set(True)
            try:
                with self.transaction(ack=ack) as db:
                    value = function(db)
                    if isawaitable(value):
                        raise InvalidType(plain)
                    return value
            finally:
                _in_a_thread.reset(token)

        return await to_thread(run)

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to cancel this job, or its lease was lost: time to stop.

        For thread tasks, which cannot be stopped from outside: raise JobCancelled to comply.
        """
        return self._cancelled

    def _cancel(self, grace: float | None = None) -> None:
        self._cancelled = True
        self._grace = grace

    def __repr__(self) -> str:
        return f"<JobContext {self.id} {self.task} attempt {self.attempt}>"


def is_failure(error: BaseException) -> bool:
    """Whether a task that raises it has failed. Else it steers its job with it (``Retry``, ``Snooze``, ``Discard``, ``Replace``, ``JobCancelled``), or was itself ended
    so. (A coroutine's timeout comes to it as a cancel, which is none: of ``app.use``, ``ended`` tells.)"""
    asyncio: Any = sys.modules.get("asyncio")
    return not isinstance(error, (Signal, JobCancelled, Suspend, WaitEnded, GeneratorExit, *([] if asyncio is None else [asyncio.CancelledError])))


_in_a_thread: ContextVar[bool] = ContextVar("litequeue_in_a_thread", default=False)
_current: ContextVar[JobContext | None] = ContextVar("litequeue_current_job", default=None)


def running_job() -> JobContext | None:
    """``current_job()`` for who may be asked outside of one."""
    return _current.get()


def current_job() -> JobContext:
    """The job that the calling code runs in. Raises NotInATask (a LookupError) outside of one."""
    context = _current.get()
    if context is None:
        raise NotInATask("current_job() has an answer only inside a running task")
    return context
