"""The handle of a job that is in Celery: as one of a job in the file, as far as Celery can tell.

Owns what Celery's states and results mean here. Waits as Celery does, by its result backend.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from celery.backends.base import DisabledBackend
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.exceptions import TimeoutError as CelerysTimeout
from celery.result import allow_join_result
from celery.states import READY_STATES
from celery.utils.serialization import UnpickleableExceptionWrapper

from ..base import checks
from ..base.errors import (
    CannotOpen,
    InvalidType,
    JobCancelled,
    JobExpired,
    ResultNotStored,
    ResultTimeout,
    WouldDeadlock,
)
from ..base.states import JobState
from ..client import Client
from ..job import Job
from ..options.kinds import Span
from ..results import failed, rebuilt
from ..tasks.context import running_job
from .running import NOT_STORED

_STATES: Final[dict[str, JobState]] = {
    "PENDING": "available", "RECEIVED": "available", "STARTED": "running", "RETRY": "retrying", "SUCCESS": "succeeded", "FAILURE": "discarded", "REVOKED": "cancelled",
}  # fmt: skip


class CeleryJob(Job[Any]):
    """``id`` is Celery's, a text. One that Celery does not know is ``available``: it tells no difference."""

    __slots__ = ()

    def __init__(self, client: Client, job_id: Any, is_new: bool = False) -> None:
        super().__init__(client, job_id, is_new)

    @property
    def state(self) -> JobState:
        meta = self._meta()
        return "expired" if _is_expired(meta) else _STATES.get(meta["status"], "running")

    def done(self) -> bool:
        return self._meta()["status"] in READY_STATES

    def wait(self, timeout: Span | None = None) -> bool:
        return self._awaited(checks.patience(timeout)) is not None

    def get(self, timeout: Span | None = None) -> Any:
        seconds = checks.patience(timeout)
        if running_job() is not None and seconds is None:
            raise WouldDeadlock("a task in a Celery worker that waits for another keeps its slot, and may wait for ever: give it a timeout")
        meta = self._awaited(seconds)
        if meta is None:
            raise ResultTimeout(f"job {self.id} is {self.state} after {seconds:g} s")
        return self._came_to(meta)

    async def _get_async(self) -> Any:
        return await asyncio.to_thread(self.get)

    def cancel(self) -> bool:
        """Revoke it, where it waits: best effort, since only the live workers remember that. One that runs is left to."""
        if self._meta()["status"] in (*READY_STATES, "STARTED"):
            return False
        self._result().revoke()
        return True

    def retry(self, *, from_start: bool = False) -> NoReturn:
        raise self._not_there("Celery does not keep what a job was called with: enqueue it anew")

    def info(self) -> NoReturn:
        raise self._not_there("app.job(id).state and get() are what there is of it")

    def why_waiting(self) -> NoReturn:
        raise self._not_there("`celery inspect` shows what its workers do")

    @property
    def flow(self) -> None:
        return None

    # -- what Celery says ------------------------------------------------------------------------------

    def _result(self) -> Any:
        celery: Any = self._client.celery  # type: ignore[attr-defined]
        if isinstance(celery.backend, DisabledBackend):
            raise CannotOpen(f"nobody can tell what becomes of job {self.id}: the Celery app has no result backend, which Celery(..., backend=\"redis://...\") says")
        return celery.AsyncResult(self.id)

    def _meta(self) -> Mapping[str, Any]:
        result = self._result()
        found: Mapping[str, Any] = result.backend.get_task_meta(self.id)
        return found

    def _awaited(self, seconds: float | None) -> Mapping[str, Any] | None:
        result = self._result()
        with allow_join_result(), contextlib.suppress(CelerysTimeout):  # in a fork that shares its parent's connection nothing is heard: so a last look
            result.get(timeout=seconds, propagate=False, disable_sync_subtasks=False)
        meta = self._meta()
        return meta if meta["status"] in READY_STATES else None

    def _came_to(self, meta: Mapping[str, Any]) -> Any:
        found = meta["result"]
        if meta["status"] == "SUCCESS":
            if isinstance(found, dict) and found.keys() == {NOT_STORED}:
                raise ResultNotStored(f"job {self.id} succeeded, but {found[NOT_STORED]}")
            return found
        if _is_expired(meta):
            raise JobExpired(f"job {self.id} was not started before its deadline")
        if meta["status"] == "REVOKED":
            raise JobCancelled(f"job {self.id} was cancelled")
        kind, message = _named(found)
        raise failed(self.id, kind, message, meta.get("traceback") or "") from rebuilt(kind, message)

    def _not_there(self, instead: str) -> CannotOpen:
        return CannotOpen(f"job {self.id} is in Celery: {instead}")

    def __reduce__(self) -> NoReturn:
        raise InvalidType(f"a handle of a job in Celery belongs to its process: hand on its id, {self.id!r}, and make a handle of that with app.job(id)")

    def __repr__(self) -> str:
        return f"<Job {self.id} in Celery>"


def _is_expired(meta: Mapping[str, Any]) -> bool:
    return meta["status"] == "REVOKED" and str(meta["result"]) == "expired"


def _named(error: Any) -> tuple[str, str]:
    """The type and the message of an error, as our attempts have them."""
    if isinstance(error, UnpickleableExceptionWrapper):  # what Celery makes of a class that it cannot import
        return f"{error.exc_module}.{error.exc_cls_name}".removeprefix("builtins."), ", ".join(map(str, error.exc_args))
    if isinstance(error, TimeLimitExceeded):
        return "TaskTimeout", f"still running after {error.args[0]:g} s" if error.args and isinstance(error.args[0], (int, float)) else str(error)
    if isinstance(error, WorkerLostError):
        return "ProcessDied", str(error)
    cls = type(error)
    known = cls.__module__ in ("builtins", "litequeue", "litequeue.base.errors")
    kind = cls.__qualname__ if known else f"{cls.__module__}.{cls.__qualname__}"
    try:
        return kind.removeprefix("builtins."), str(error)
    except Exception as second:  # noqa: BLE001 - the exception's own code
        return kind, f"<its __str__ raised {type(second).__name__}>"
