"""What Celery's result backend is asked and told as a job begins.

Owns these three questions, and that their failure keeps no job from being run: at least once. STARTED is written here, and not by Celery, which would do so before our code is asked: over the
end of a job of which a second copy has come.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

from celery.states import READY_STATES, STARTED

from ..base.log import Log

T = TypeVar("T")
log = Log("litequeue.celery")

SECONDS: Final = 7 * 86_400  # for which starts are counted


def has_ended(task: Any) -> bool:
    """Whether this job has a final state; False where nobody keeps one."""
    return _asked(task, lambda: task.backend.get_state(task.request.id) in READY_STATES, False)


def counted_starts(task: Any, executions: int) -> int:
    """How often this execution was begun after a worker had died under it, with this one; 0 where the backend cannot count: Redis and Memcached can."""

    def count() -> int:
        key = task.backend.get_key_for_task(f"{task.request.id}-{executions}-starts")
        found = int(task.backend.incr(key))
        task.backend.expire(key, SECONDS)
        return found

    return _asked(task, count, 0)


def begins(task: Any) -> None:
    request = task.request
    if not request.ignore_result:
        told = {"pid": os.getpid(), "hostname": request.hostname}
        _asked(task, lambda: task.backend.store_result(request.id, told, STARTED, request=request), None)


def _asked(task: Any, ask: Callable[[], T], otherwise: T) -> T:
    try:
        return ask()
    except (NotImplementedError, AttributeError):  # of a backend that has none, or that keeps nothing
        return otherwise
    except Exception as error:  # noqa: BLE001 - whatever its client raises
        log.warning("job %s %s: Celery's result backend cannot be asked, and so it is run: %s: %s", task.request.id, task.name, type(error).__name__, error)
        return otherwise
