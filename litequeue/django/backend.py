"""``LiteQueueBackend``, which Django asks: to enqueue a task, and what became of one.

Owns the reading of TASKS. Django makes one of these for each thread and alias; all that is dear is made once, by file and name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from ..app import LiteQueue
from ..base.errors import InvalidArgument, InvalidType, JobNotFound, UnknownTask
from ..task import Task as OurTask
from . import checks, codes, places, results, running
from .api import (
    BaseTaskBackend,
    InvalidTask,
    InvalidTaskBackend,
    TaskResult,
    TaskResultDoesNotExist,
    task_backends,
    task_enqueued,
)

KNOWN: Final = ("database", "path", "defaults", "tasks", "schedules")


class LiteQueueBackend(places.Placed, BaseTaskBackend):
    """A backend of Django's tasks whose queue is an SQLite file: one of DATABASES, or one of its own."""

    task_class = codes.LiteQueueTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        try:
            self._read(self.options)
        except (InvalidArgument, InvalidType) as error:
            raise InvalidTaskBackend(f"TASKS[{alias!r}]: OPTIONS: {error}") from error

    def _read(self, options: Mapping[str, Any]) -> None:
        for name in options:
            if name not in KNOWN:
                raise InvalidArgument(f"there is no {name!r}; there are {', '.join(KNOWN)}")
        if "database" in options and "path" in options:
            raise InvalidArgument("say database, which is one of DATABASES, or path, a file; not both")
        self._defaults: Mapping[str, Any] = options.get("defaults", {})
        codes.refuse_unknown(self._defaults, "defaults")
        self._by_name: Mapping[str, Mapping[str, Any]] = options.get("tasks", {})
        if not isinstance(self._by_name, Mapping):
            raise InvalidType(f"tasks must be a dict, from a task's path to its options, not {type(self._by_name).__name__}")
        for name, said in self._by_name.items():
            codes.refuse_unknown(said, f"tasks[{name!r}]")
        if not isinstance(options.get("schedules", {}), Mapping):
            raise InvalidType(f"schedules must be a dict, from a name to what it runs and when, not {type(options['schedules']).__name__}")

    @property
    def app(self) -> LiteQueue:
        """The queue, for what Django has no words for: its jobs, schedules, limits."""
        return places.app_of(self.place.path)

    def ours(self, task: Any) -> OurTask[..., Any]:
        """Our task for one of Django's. Raises InvalidArgument or InvalidType for options that it cannot have."""
        return codes.ours(task, self.alias, self.place, self._defaults, self._by_name)

    # -- Django's questions ---------------------------------------------------------------------------------

    def validate_task(self, task: Any) -> None:
        """Raises InvalidTask."""
        super().validate_task(task)
        if isinstance(task, codes.LiteQueueTask) and any(getattr(task, name) is not None for name in codes.OPTIONS):
            try:
                self.ours(task)
            except (InvalidArgument, InvalidType) as error:
                raise InvalidTask(f"{task.module_path}: {error}") from error

    def enqueue(self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskResult:
        """Store a job; within ``atomic()`` on the queue's own database it is there once that is committed."""
        self.validate_task(task)
        plain_args, plain_kwargs = running.plain(list(args)), running.plain(dict(kwargs))
        try:
            ours = self.ours(task)
        except (InvalidArgument, InvalidType) as error:
            raise InvalidTask(f"{task.module_path}: {error}") from error
        options: dict[str, Any] = {"queue": task.queue_name, "priority": task.priority}
        if task.run_after is not None:
            options["eta"] = timezone.make_aware(task.run_after) if timezone.is_naive(task.run_after) else task.run_after
            options["headers"] = {**codes.headers_of(ours), codes.RUN_AFTER: task.run_after.isoformat()}
        with places.joined(self.place, writes=True):
            info = ours.apply_async(plain_args, plain_kwargs, **options).info()
        result = results.result_of(info, task, self.alias, self.app._client.codec)
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> TaskResult:
        """Raises TaskResultDoesNotExist."""
        number = results.number_of(result_id)
        if number is None:
            raise TaskResultDoesNotExist(result_id)
        return self.shown(number, result_id)

    def check(self, **kwargs: Any) -> Iterable[Any]:
        """What is wrong with the settings."""
        return checks.of_backend(self)

    # -- what these stand on ----------------------------------------------------------------------------------

    def shown(self, number: int, result_id: str | None = None) -> TaskResult:
        """What Django is shown of a job; ``result_id``: which must be its own."""
        with places.joined(self.place) as app:
            try:
                info = app.job(number).info()
            except JobNotFound:
                raise TaskResultDoesNotExist(result_id or str(number)) from None
        if result_id is not None and not results.is_id_of(result_id, info):
            raise TaskResultDoesNotExist(result_id)
        try:
            task = codes.task_named(info.task)
        except UnknownTask as error:
            raise InvalidTask(f"job {number}: {error}") from error
        return results.result_of(info, task, self.alias, app._client.codec, result_id)


def backends() -> list[LiteQueueBackend]:
    """Those of ours in TASKS."""
    return [backend for backend in task_backends.all() if isinstance(backend, LiteQueueBackend)]


def backends_on(path: str) -> list[LiteQueueBackend]:
    """Those whose queue is in that file."""
    found = []
    for backend in backends():
        with contextlib.suppress(ImproperlyConfigured):
            if places.is_same(backend.place.path, path):
                found.append(backend)
    return found

