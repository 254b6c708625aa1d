"""The handle on an enqueued job: its state, its result, and waiting for it.

Owns waiting: subscribe to the workers' datagrams, look, sleep until told or half a second has passed.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .base import checks
from .base.clock import monotonic
from .base.errors import (
    InvalidArgument,
    JobNotFound,
    ResultTimeout,
    WouldDeadlock,
)
from .base.states import FINAL, JobState
from .client import Client, client_of
from .options.missing import Missing
from .results import Row, result_of
from .shown import Shown
from .subscription import Subscription
from .tasks.context import _current

if TYPE_CHECKING:
    from .base.records import JobInfo
    from .options.kinds import Span

R_co = TypeVar("R_co", covariant=True)

class Job(Shown, Missing, Generic[R_co]):
    """One enqueued job. Cheap: holds an id, and reads the file when asked."""

    __slots__ = ("_born", "_client", "id", "is_new")
    __litequeue_instead__ = "pass its id (job.id), and make a handle of that with app.job(id)"

    def __init__(self, client: Client, job_id: int, is_new: bool = False) -> None:
        self._client = client
        self.id = job_id
        # Of one that a program's transaction made: when. If that is rolled back, its id is another job's.
        self._born = client.born(job_id) if is_new else None
        self.is_new = is_new  # the enqueue that gave this handle has made the job; False too of one that was asked for by its id

    @staticmethod
    def identity(job_id: object) -> Any:
        """An id as people give it. Raises InvalidType or InvalidArgument."""
        return checks.identity(job_id, "job_id")

    @property
    def state(self) -> JobState:
        """The state now. Raises JobNotFound once the job is pruned."""
        row = self._row()
        there = self._elsewhere(row)
        return row[0] if there is None else there.state  # type: ignore[return-value]

    def done(self) -> bool:
        """Whether the state is final."""
        return self.state in FINAL

    def wait(self, timeout: Span | None = None) -> bool:
        """Wait until the job is final, at most ``timeout`` (None: for ever). Whether it is."""
        patience = checks.patience(timeout)
        deadline = None if patience is None else monotonic() + patience
        row = self._wait(patience)
        there = None if row is None else self._elsewhere(row)
        return row is not None and (there is None or there.wait(_left(deadline)))

    def get(self, timeout: Span | None = None) -> R_co:
        """The task's return value, waiting for it at most ``timeout``: seconds, a timedelta or "1m30s" (None: for ever).

        Reading does not consume it. In a thread task, waiting lends the task's slot to others; in a process task
        it needs a timeout, and a coroutine awaits the job instead, or WouldDeadlock is raised. Raises ResultTimeout, JobFailed (with the remote traceback, and
        the original exception as ``__cause__`` if it is a builtin one), JobCancelled, JobExpired,
        ResultNotStored, JobNotFound, or UnknownTask for a result of another codec than JSON where the task's code is not here.
        """
        patience = checks.patience(timeout)
        deadline = None if patience is None else monotonic() + patience
        row = self._wait(patience)
        if row is None:
            assert patience is not None
            raise self._too_late(patience)
        there = self._elsewhere(row)
        return self._unpack(row) if there is None else there.get(_left(deadline))

    def __await__(self) -> Generator[Any, None, R_co]:
        """``await job`` is ``get()`` without blocking the event loop."""
        return self._get_async().__await__()

    def cancel(self) -> bool:
        """Cancel the job: a waiting one at once, a running one as soon as its pool can.

        A coroutine is cancelled, a process killed, a thread sees ``current_job().cancelled``. False if it
        was final already.
        """
        self._refuse_unborn()
        state, done, addresses = self._client.store.operations.cancel(self.id, self._client.clock.now())
        if state is None:
            raise self._missing()
        self._client.ring(addresses)
        return done

    def retry(self, *, from_start: bool = False) -> bool:
        """Run the job again, with its history kept; a waiting one now. One that had not succeeded goes on behind its last ``step``, unless
        it is to begin ``from_start``; one without steps, and one that had succeeded, begins anew.

        False if it runs or is about to.
        """
        before = self.state
        if before == "cancelled" and (there := self._client.store.moving.moved_to(self.id)) is not None:
            raise InvalidArgument(f"job {self.id} was moved to Celery as {there}, where it has run or will: it cannot be run again here")
        state, addresses = self._client.store.operations.revive(self.id, self._client.clock.now(), from_start=from_start)
        if state is None:
            raise self._missing()
        self._client.ring(addresses)
        return before != state and (state == "available" or state == "blocked" and self._client.store.limits.is_in_line(self.id))

    def info(self) -> JobInfo:
        """Everything about the job at this moment, as a frozen record."""
        self._refuse_unborn()
        found = self._client.store.reports.job(self.id)
        if found is None:
            raise self._missing()
        return found

    def why_waiting(self) -> str | None:
        """What keeps an available job from starting (its queue is paused, no worker has its code or is awake, ...), or a running one
        from ending (its worker is dead or frozen); None if nothing does."""
        from .store import holdups

        return holdups.why(self._client.store.database, self.info(), self._client.clock.now())

    @property
    def flow(self) -> Any:
        """The ``Flow`` that it was enqueued with; None for a job by itself."""
        found = self._client.store.flows.of_job(self.id)
        # By its name: the handle of a flow is made of those of jobs, and so above them.
        return None if found is None else importlib.import_module(".workflow.flow", __package__).Flow(self._client, found)

    def __litequeue_ends__(self, path: str) -> list[int]:
        return same_file(self, [self.id], path)

    # -- waiting ---------------------------------------------------------------------------------

    def _row(self) -> Row:
        self._refuse_unborn()
        row = self._client.store.reports.result(self.id)
        if row is None:
            raise self._missing()
        return row

    def _refuse_unborn(self) -> None:
        if self._born is not None and self._client.store.reports.born(self.id) != self._born:
            raise JobNotFound(f"there is no such job: the transaction that made job {self.id} is not committed yet, or was rolled back")

    def _wait(self, patience: float | None) -> Row | None:
        self._client.refuse_in_a_transaction(f"waiting for job {self.id}")
        # Asked first, so that what may not wait does not get by where the job happens to have ended.
        lent = self._in_a_task(blocking=True, bounded=patience is not None)
        row = self._row()
        if row[0] in FINAL:
            return row
        if patience is None:
            self._client.before_a_wait(self.id)
        deadline = None if patience is None else monotonic() + patience
        with lent, Subscription(self._client) as subscription:
            while True:
                # Subscribe first, then look: what is settled in between is not missed.
                again = monotonic() + subscription.renew()
                if deadline is not None:
                    again = min(again, deadline)
                while True:
                    row = self._row()
                    if row[0] in FINAL:
                        return row
                    give_up_waiting(blocking=True)
                    left = again - monotonic()
                    if left <= 0:
                        break
                    subscription.hear(left)
                if deadline is not None and monotonic() >= deadline:
                    return None

    def wait_for_news(self, seconds: float) -> None:
        """Until some job, not only this one, was settled, at most so long; for who waits for several."""
        with self._in_a_task(blocking=True, bounded=True), Subscription(self._client) as subscription:
            left = min(subscription.renew(), seconds)
            if left > 0:
                subscription.hear(left)
            give_up_waiting(blocking=True)

    def _in_a_task(self, *, blocking: bool, bounded: bool) -> contextlib.AbstractContextManager[None]:
        """What the pool wants done around a running task's wait; nothing outside of one."""
        context = _current.get()
        if context is None:
            return contextlib.nullcontext()
        if context.id == self.id and context._database == self._client.path:
            raise WouldDeadlock("a task that waits for its own job waits for ever")
        return context._waiting(blocking=blocking, bounded=bounded)

    async def _get_async(self) -> R_co:
        row = await self._final_async()
        there = self._elsewhere(row)
        return self._unpack(row) if there is None else await there

    async def _final_async(self) -> Row:
        self._client.refuse_in_a_transaction(f"waiting for job {self.id}")
        row = self._row()
        if row[0] in FINAL:
            return row
        self._client.before_a_wait(self.id)
        with self._in_a_task(blocking=False, bounded=False), Subscription(self._client) as subscription:
            while True:
                again = monotonic() + subscription.renew()
                while True:
                    row = self._row()
                    if row[0] in FINAL:
                        return row
                    give_up_waiting(blocking=False)
                    left = again - monotonic()
                    if left <= 0:
                        break
                    await subscription.hear_async(left)

    # -- what it came to ---------------------------------------------------------------------------

    def _unpack(self, row: Row) -> R_co:
        value: R_co = result_of(self._client, self.id, row)
        return value

    def _elsewhere(self, row: Row) -> Job[R_co] | None:
        """Its handle in the system that it was moved to, if this process has that; None for one of this file."""
        if row[0] != "cancelled" or self._client.follow is None:
            return None
        there = self._client.store.moving.moved_to(self.id)
        found: Job[R_co] | None = None if there is None else self._client.follow(there)
        return found

    def _missing(self) -> JobNotFound:
        return JobNotFound(f"there is no job {self.id} in {self._client.path}: it never was, or it was pruned")

    def _too_late(self, seconds: float) -> ResultTimeout:
        info, waits = self.info(), self.why_waiting()
        hint = f": {waits}" if waits else ""
        return ResultTimeout(f"job {self.id} is {info.state} after {seconds:g} s{hint}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Job):
            return NotImplemented
        return self.id == other.id and self._client.path == other._client.path

    def __hash__(self) -> int:
        return hash((Job, self.id))

    def __reduce__(self) -> tuple[Any, ...]:
        return _job_of, (self._client.path, self.id)

    def __copy__(self) -> Job[R_co]:
        return self

    def __deepcopy__(self, memo: object) -> Job[R_co]:
        return self  # it never changes, and a copy of the app would be another

    def __repr__(self) -> str:
        return f"<Job {self.id}>"


def job_of(client: Client, job_id: Any, is_new: bool = False) -> Job[Any]:
    """The handle of a job of this app, wherever its jobs are."""
    found: Job[Any] = (client.handles or Job)(client, job_id, is_new)
    return found


def give_up_waiting(*, blocking: bool) -> None:
    context = _current.get()
    if context is not None:
        context._give_up_waiting(blocking=blocking)


def _job_of(path: str, job_id: int) -> Job[Any]:
    """A handle out of a pickle, with the types of the app that this process has of the file."""
    return Job(client_of(path), job_id)


def same_file(handle: Any, ends: list[int], path: str) -> list[int]:
    """``ends``, of a handle that jobs in this file may wait for."""
    if handle._client.path != path:
        raise InvalidArgument(f"{handle!r} is a handle of {handle._client.path}, and jobs wait for those of their own file: {path}")
    return ends


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - monotonic(), 0.0)
