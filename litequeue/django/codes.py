"""A task of Django's as one of ours: its options, its code, and how a worker finds it again by its name.

Owns ``LiteQueueTask``, which takes our options in ``@task(retries=3)``, and the rule that a name in the file runs only what is a task of Django's, of a backend
on that file. What runs around the function is in ``running``.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import django
from django.apps import apps
from django.utils.module_loading import import_string

from ..app import LiteQueue
from ..base import stored
from ..base.errors import (
    InvalidArgument,
    InvalidType,
    PayloadTooLarge,
    UnknownTask,
)
from ..base.homes import Home
from ..base.models import TaskOrigin
from ..options import TaskOptions, options_of
from ..task import Task as OurTask
from ..tasks import TaskCode
from ..tasks.finding import RUN_BY
from . import running
from .api import Task, task_backends
from .places import Place, Placed, app_of, is_same

BACKEND: Final = "django.backend"  # a job's header: the alias in TASKS
RUN_AFTER: Final = "django.run_after"  # another, of a job that was enqueued for later
_MARK: Final = "django"  # in what is recorded of a task: the alias
# Django has words of its own for three; callbacks are tasks of ours, and another codec would not be what Django stores.
NOT_OURS: Final = ("name", "queue", "priority", "codec", "on_success", "on_failure")
OPTIONS: Final = tuple(name for name in options_of(TaskOptions) if name not in NOT_OURS)

LiteQueueTask: Any = dataclasses.make_dataclass(
    "LiteQueueTask", [(name, Any, dataclasses.field(default=None, repr=False)) for name in OPTIONS], bases=(Task,), frozen=True, kw_only=True, slots=True,
    namespace={"__doc__": "A task of Django's, with options of ours.", "__module__": __name__},
)  # fmt: skip


def refuse_unknown(options: Any, whose: str) -> None:
    """Raises InvalidType or InvalidArgument."""
    if not isinstance(options, Mapping):
        raise InvalidType(f"{whose} must be a dict of options, not {type(options).__name__}: {options!r:.100}")
    for name in options:
        if name not in OPTIONS:
            hint = "; Django has a word of its own for that, queue_name or priority of its @task" if name in ("queue", "priority") else ""
            raise InvalidType(f"{whose} has no option {name!r}{hint}; it has {', '.join(OPTIONS)}")
    known = options_of(TaskOptions)
    for name, value in options.items():
        if value is not None:
            known[name].kind.check(value, f"{whose}: {name}")


class DjangoCode(TaskCode):
    """Its code. ``found_by`` leads a process of the pool to it, and what is recorded tells other workers that they cannot run it."""

    def __init__(self, alias: str, function: Any, app: LiteQueue, options: Mapping[str, Any]) -> None:
        self._alias = alias
        client = app._client
        super().__init__(function, client.codec, client.bind, options, client.hooks, lambda: client.store)
        self.found_by = functools.partial(again, alias, client.path)

    def _find_origin(self, home: Home | None, qualname: str) -> TaskOrigin | None:
        found = super()._find_origin(home, qualname)
        if found is None:
            return None
        settings = os.environ.get("DJANGO_SETTINGS_MODULE", "")
        by = f"python manage.py litequeue worker{f' (the settings are {settings})' if settings else ''}"
        return found._replace(options=json.dumps({**json.loads(found.options), _MARK: self._alias, RUN_BY: by}))

    def retries_on(self, error: BaseException) -> bool:
        """Not for a result that cannot be stored: what the task does it has done."""
        return not isinstance(error, (running.NotJson, PayloadTooLarge)) and super().retries_on(error)


class _Made(NamedTuple):
    function: Any
    options: dict[str, Any]
    task: OurTask[..., Any]


_made: dict[tuple[str, str, str], _Made] = {}


def ours(task: Any, alias: str, place: Place, defaults: Mapping[str, Any], by_name: Mapping[str, Mapping[str, Any]]) -> OurTask[..., Any]:
    """Our task for one of Django's, made once. Raises InvalidArgument or InvalidType for options that do not go together."""
    own = {name: getattr(task, name) for name in OPTIONS} if isinstance(task, LiteQueueTask) else {}
    given = {**defaults, **by_name.get(task.module_path, {}), **{name: value for name, value in own.items() if value is not None}}
    options = {**given, "name": task.module_path, "headers": {**(given.get("headers") or {}), BACKEND: alias}}
    key = (place.path, alias, task.module_path)
    found = _made.get(key)
    if found is None or found.function is not task.func or found.options != options:
        app = app_of(place.path)
        code = DjangoCode(alias, running.surrounded(task, alias), app, options)
        found = _made[key] = _Made(task.func, options, OurTask(app._client, code))
        app._client._recorded.discard(code.name)
    return found.task


def headers_of(task: OurTask[..., Any]) -> dict[str, Any]:
    """Those of each of its jobs."""
    return stored.loads_as(task.__litequeue_code__.columns.headers, dict)


# -- finding them again -------------------------------------------------------------------------------------


def task_named(name: str) -> Any:
    """The task of Django's that has this path. Raises UnknownTask."""
    if not apps.ready:
        django.setup()  # in a process of the pool
    try:
        found = import_string(name)
    except ImportError as error:
        raise UnknownTask(f"the task {name} cannot be imported: {error}") from error
    if not isinstance(found, Task):
        raise UnknownTask(f"{name} is {type(found).__name__}, and no task of Django's: it is not run")
    if found.module_path != name:
        raise UnknownTask(f"{name} is the task {found.module_path}: a job runs under its own name alone")
    return found


def code_named(name: str, path: str, recorded: TaskOrigin | None) -> TaskCode:
    """The code of a task for the worker of a file: of the backend that it names, if that has its queue there, else of the one for which it was enqueued
    (``using(backend=...)``), if that has. Raises UnknownTask."""
    task = task_named(name)
    for alias in dict.fromkeys((task.backend, alias_of(recorded))):
        backend = backend_of(alias, path)
        if backend is not None:
            code: TaskCode = backend.ours(task).__litequeue_code__
            return code
    raise UnknownTask(f"the task {name} is of the backend {task.backend!r}, which has not its queue in {path}: it is not run here")


def backend_of(alias: Any, path: str) -> Any:
    """The backend of that name in TASKS, if its queue is in the file; else None."""
    if not isinstance(alias, str) or alias not in task_backends.settings:
        return None
    found = task_backends[alias]
    same = isinstance(found, Placed) and is_same(found.place.path, path)
    return found if same else None


def alias_of(recorded: TaskOrigin | None) -> str | None:
    """For which backend its producers have recorded a task; None for one that is not Django's."""
    said = None if recorded is None else stored.loads_as(recorded.options, dict).get(_MARK)
    return said if isinstance(said, str) else None


def again(alias: str, path: str, origin: TaskOrigin, *, check: bool = False) -> TaskCode:
    """In a process of the pool, where Django is set up first."""
    task = task_named(origin.task)
    backend = backend_of(alias, path)
    if backend is None:
        raise UnknownTask(f"TASKS has no backend {alias!r} on {path} in the pool's process")
    try:
        code: TaskCode = backend.ours(task).__litequeue_code__
    except (InvalidArgument, InvalidType) as error:
        raise UnknownTask(str(error)) from error
    return code
