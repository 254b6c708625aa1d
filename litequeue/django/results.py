"""What Django is shown of a job: a ``TaskResult``, and the id by which it is asked for.

Owns both. An id ends up in addresses, and a plain number could be guessed; so it has a digest by SECRET_KEY, of the number and of when the job was
enqueued: an id of a transaction that was rolled back is never that of the job which has the number then. Reads no file.
"""

from __future__ import annotations

import builtins
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

import litequeue

from ..base import stored
from ..base.records import AttemptInfo
from ..base.states import WAITING
from .api import TaskError, TaskResult, TaskResultStatus
from .codes import BACKEND, RUN_AFTER
from .running import plain

if TYPE_CHECKING:
    from ..base.records import JobInfo
    from ..payload import Codec

_ID: Final = re.compile(r"([1-9]\d{0,18})-([0-9a-f]{8})", re.ASCII)


def number_of(result_id: object) -> int | None:
    """The job's number in an id; None in what is none."""
    found = _ID.fullmatch(result_id) if isinstance(result_id, str) else None
    return None if found is None or int(found[1]) >= 2**63 else int(found[1])


def id_of(info: JobInfo, key: str | None = None) -> str:
    born = f"{info.id}:{info.created_at.timestamp():.6f}"
    return f"{info.id}-{salted_hmac('litequeue.django', born, secret=key, algorithm='sha256').hexdigest()[:8]}"


def is_id_of(result_id: str, info: JobInfo) -> bool:
    """Also by a SECRET_KEY of before."""
    return any(constant_time_compare(result_id, id_of(info, key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def headers_of(info: JobInfo) -> dict[str, Any]:
    return stored.loads_as(info.headers, dict)


def result_of(info: JobInfo, task: Any, alias: str, codec: Codec, result_id: str | None = None) -> TaskResult:
    """``task``: as its module has it; ``alias``: its backend's, where the job does not say another."""
    headers = headers_of(info)
    run_after = headers.get(RUN_AFTER)
    alias = str(headers.get(BACKEND, alias))
    task = task.using(
        priority=info.priority, queue_name=info.queue, backend=alias, run_after=datetime.fromisoformat(run_after) if isinstance(run_after, str) else None
    )
    begun = [attempt.started_at for attempt in info.attempts if attempt.started_at is not None]
    last = info.started_at or (begun[-1] if begun else None)
    found = TaskResult(
        task=task,
        id=result_id or id_of(info),
        status=_status(info),
        enqueued_at=_here(info.created_at),
        started_at=_here(begun[0] if begun else last),
        finished_at=_here(info.finished_at),
        last_attempted_at=_here(last),
        args=codec.decode(info.args),
        kwargs=codec.decode(info.kwargs),
        backend=alias,
        errors=_errors(info),
        worker_ids=_workers(info),
    )
    if info.state == "succeeded" and info.result is not None:
        object.__setattr__(found, "_return_value", plain(codec.decode(info.result)))
    return found


def _status(info: JobInfo) -> Any:
    if info.state in WAITING:
        return TaskResultStatus.READY
    return {"running": TaskResultStatus.RUNNING, "succeeded": TaskResultStatus.SUCCESSFUL}.get(info.state, TaskResultStatus.FAILED)


def _here(moment: datetime | None) -> datetime | None:
    """As the project has its times: aware, or by its TIME_ZONE."""
    return moment if moment is None or settings.USE_TZ else timezone.make_naive(moment)


def _workers(info: JobInfo) -> list[str]:
    """One name for each attempt."""
    names = {attempt.attempt: attempt.worker for attempt in info.attempts}
    last = info.worker or ""
    return [names.get(number) or last for number in range(1, info.attempt + 1)]


def _errors(info: JobInfo) -> list[TaskError]:
    found = [_error(attempt) for attempt in info.attempts]
    if info.state in ("cancelled", "expired") and not (info.attempts and info.attempts[-1].outcome == info.state):
        name = {"cancelled": "JobCancelled", "expired": "JobExpired"}[info.state]
        found.append(TaskError(exception_class_path=f"litequeue.{name}", traceback=info.last_error or f"the job was {info.state} before it ran"))
    return found


def _error(attempt: AttemptInfo) -> TaskError:
    return TaskError(
        exception_class_path=class_path(attempt.error_type), traceback=attempt.traceback or f"{attempt.error_type}: {attempt.error_message}"
    )


def class_path(kind: str) -> str:
    """The path by which Django imports the class. What has no module is Python's own, or ours; of what is no class at all ("Interrupted") the nearest."""
    if "." in kind:
        return kind
    if isinstance(getattr(builtins, kind, None), type):
        return f"builtins.{kind}"
    return f"litequeue.{kind if isinstance(getattr(litequeue, kind, None), type) else 'WorkerFailed'}"
