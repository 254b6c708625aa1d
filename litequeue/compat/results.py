"""Celery's handle of a job or a workflow, its states, and its exceptions.

Owns what a state and an outcome are called there. Reading and waiting are our handle's, which ``result.handle`` is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from .. import known
from ..base.errors import (
    InvalidArgument,
    InvalidType,
    JobCancelled,
    JobExpired,
    JobFailed,
    JobNotFound,
    LitequeueError,
    ResultTimeout,
    Retry,
    SoftTimeout,
    TaskTimeout,
)
from ..job import Job
from ..options.missing import Missing
from ..workflow.flow import Flow

STATES: Final = {"retrying": "RETRY", "succeeded": "SUCCESS", "discarded": "FAILURE", "cancelled": "REVOKED", "expired": "REVOKED"}  # else PENDING
SAID: Final = "state"  # in a job's meta: the state that it says itself
INFO: Final = "info"
KILLS: Final = ("TERM", "KILL", "INT", "QUIT", "15", "9", "2", "3")  # signals of revoke, all of which are the same here

newest: Final[list[Callable[[], Any]]] = [lambda: None]  # gives the process's newest Celery app, whose are shared tasks, and ids by themselves

SoftTimeLimitExceeded = SoftTimeout
TimeLimitExceeded = TaskTimeout
TimeoutError = ResultTimeout
TaskRevokedError = JobCancelled


class MaxRetriesExceededError(LitequeueError, RuntimeError):
    """``self.retry()`` without an error of its own, once no retries are left."""


class Ignore(JobCancelled):
    """Raised by a task: nobody cares how it ended. Its state is what it said last, and nothing that waits for it runs."""


class Reject(LitequeueError):
    """Raised by a task: give the job up, or, with ``requeue``, run it again in a second."""

    def __init__(self, reason: object = None, requeue: bool = False) -> None:
        super().__init__("the task rejected its job" if reason is None else str(reason))
        self.reason, self.requeue = reason, requeue


@dataclass(frozen=True)
class _Nowhere:
    """In place of a handle, of an id that no job of ours can have."""

    id: str

    def _refuse(self, *_: Any) -> NoReturn:
        raise JobNotFound(f"there is no job {self.id!r:.100}: an id is a number here, '17', or 'flow:3' of a workflow, as an enqueue gives it")

    get = cancel = done = _refuse
    state = property(_refuse)


class AsyncResult(Missing):
    """``AsyncResult(id)`` of the process's app, or what an enqueue gives. An id is a text of digits, and ``flow:`` before it of a workflow."""

    def __init__(self, id: Any, *, app: Any = None) -> None:
        if not isinstance(id, (Job, Flow)):
            app = app or newest[0]() or known.the_app("AsyncResult(id) is of the one app", "app.AsyncResult(id) says of which")
            try:
                id = app.flow(id) if str(id).startswith("flow:") else app.job(id)
            except (InvalidArgument, InvalidType):
                if not isinstance(id, str) or not id:
                    raise
                id = _Nowhere(id)
        self.handle: Job[Any] | Flow = id

    @property
    def id(self) -> str:
        return f"flow:{self.handle.id}" if isinstance(self.handle, Flow) else str(self.handle.id)

    task_id = id

    @property
    def state(self) -> str:
        """PENDING, STARTED (with ``track_started``), RETRY, SUCCESS, FAILURE, REVOKED, or what the task says with ``update_state``."""
        try:
            found = self.handle.state
            said = self.handle.meta.get(SAID) if isinstance(self.handle, Job) and found in ("running", "cancelled") else None
            if said is not None and (found, said) != ("cancelled", "STARTED"):
                return str(said)
            if found == "cancelled" and isinstance(self.handle, Flow) and (step := self.handle._to_blame()) is not None:
                found = step.state
        except JobNotFound:
            return "PENDING"
        return STATES.get(found, "PENDING")

    status = state

    def ready(self) -> bool:
        try:
            return self.handle.done()
        except JobNotFound:
            return False

    def successful(self) -> bool:
        return self.state == "SUCCESS"

    def failed(self) -> bool:
        return self.state == "FAILURE"

    def get(self, timeout: float | None = None, propagate: bool = True, *, disable_sync_subtasks: bool = False) -> Any:
        """What the task returned; what it raised is raised, or returned unless ``propagate``. In a task it lends its slot to others meanwhile."""
        if disable_sync_subtasks:
            raise InvalidArgument("disable_sync_subtasks is not carried: a task that waits for another lends it its slot, so it may")
        value, error, _ = self._outcome(timeout)
        if error is None or not propagate:
            return value if error is None else error
        raise error from None

    wait = join = get

    @property
    def result(self) -> Any:
        """What it returned, or raised, or what it says of itself; None of one that has not begun."""
        if self.ready():
            value, error, _ = self._outcome(0)
            return value if error is None else error
        if isinstance(self.handle, Job) and self.state not in ("PENDING", "RETRY"):
            return self.handle.meta.get(INFO)
        return Retry(self.handle.info().last_error or "") if isinstance(self.handle, Job) and self.state == "RETRY" else None

    info = result

    @property
    def traceback(self) -> str | None:
        return self._outcome(0)[2] if self.ready() else None

    @property
    def children(self) -> list[AsyncResult]:
        """Of a workflow: its jobs."""
        return [AsyncResult(job) for job in self.handle.jobs()] if isinstance(self.handle, Flow) else []

    results = children

    def completed_count(self) -> int:
        """Of a workflow: how many of its jobs have succeeded."""
        return self.handle.progress().done if isinstance(self.handle, Flow) else int(self.successful())

    def revoke(self, *, terminate: bool = False, **more: Any) -> None:
        """Cancel it; one that runs only with ``terminate``: its process is killed, a thread is told. One that is not there is passed over."""
        _refuse_unknown(more)
        with contextlib.suppress(JobNotFound):
            if isinstance(self.handle, Flow):
                for job in self.children:
                    job.revoke(terminate=terminate)
            elif terminate or self.handle.state != "running":
                self.handle.cancel()

    def _outcome(self, timeout: float | None) -> tuple[Any, BaseException | None, str | None]:
        """What it returned, what it raised, and where."""
        try:
            return self.handle.get(timeout), None, None
        except JobFailed as failed:
            error = failed.__cause__ or failed  # the error itself, where its class is one of Python's own
            if error is not failed:
                error.__notes__ = list(getattr(failed, "__notes__", ()))
            return None, error, failed.traceback or None
        except (JobCancelled, JobExpired) as error:
            return None, error, None

    def __eq__(self, other: object) -> bool:
        return self.handle == other.handle if isinstance(other, AsyncResult) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.handle)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<AsyncResult: {self.id}>"


GroupResult = AsyncResult


def _refuse_unknown(given: dict[str, Any]) -> None:
    """Of ``revoke``. What asks how a worker is told, or by which of the signals that kill, says nothing: it is written into the file."""
    if unknown := given.keys() - {"signal", "connection", "destination", "wait", "timeout", "reply"}:
        raise InvalidType(f"revoke takes terminate, not {', '.join(sorted(unknown))}")
    if (signal := given.get("signal")) is not None and str(getattr(signal, "name", signal)).upper().removeprefix("SIG") not in KILLS:
        raise InvalidArgument(f"revoke(signal={signal!r:.60}): terminate=True kills the process of a job, and other signals are not sent: soft_time_limit= of the task")


class Control:
    """``app.control``, of which ``revoke`` is carried."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def revoke(self, task_id: Any, *, terminate: bool = False, **more: Any) -> None:
        """Cancel a job, or several, by id."""
        _refuse_unknown(more)
        for one in task_id if isinstance(task_id, Iterable) and not isinstance(task_id, str) else [task_id]:
            AsyncResult(one, app=self._app).revoke(terminate=terminate, **more)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"app.control.{name} is not carried; here: app.pause(queue) and app.resume(queue), app.stats() for the workers, app.jobs(state=...), "
            "app.limit(name, rate=...), and python -m litequeue purge DB QUERY", name=name, obj=self,
        )  # fmt: skip
