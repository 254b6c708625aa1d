"""The schedules that settings declare: ``"OPTIONS": {"schedules": {"digest": {"task": "shop.tasks.digest", "cron": "0 7 * * *"}}}``.

Owns the reading of them. Writing them to the file is a worker's, which knows them by ``declared``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..base.errors import InvalidArgument, InvalidType
from . import codes
from .api import InvalidTask
from .running import plain

if TYPE_CHECKING:
    from ..schedules.definition import NewSchedule


def new(backend: Any, name: str, said: Any) -> NewSchedule:
    """One of them. Raises InvalidArgument, InvalidType, or UnknownTask."""
    if not isinstance(said, Mapping):
        raise InvalidType(f"a schedule is a dict of options, not {type(said).__name__}: {said!r:.100}")
    options = dict(said)
    path = options.pop("task", None)
    if not isinstance(path, str):
        raise InvalidArgument(f"say its task, by its path such as 'shop.tasks.digest', not {path!r:.100}")
    task = codes.task_named(path)
    try:
        task = task.using(queue_name=options.pop("queue", None), priority=options.pop("priority", None), backend=backend.alias)
        args, kwargs = plain(list(options.get("args") or ())), plain(dict(options.get("kwargs") or {}))
    except (InvalidTask, TypeError, ValueError) as error:
        raise InvalidArgument(str(error)) from error
    ours = backend.ours(task)
    headers = {**(options.get("headers") or {}), **codes.headers_of(ours)}
    options |= {"args": args, "kwargs": kwargs, "headers": headers, "queue": task.queue_name, "priority": task.priority}
    found: NewSchedule = backend.app.schedules.new(name, ours, options, declared=True)
    return found
