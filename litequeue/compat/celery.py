"""Celery's names over litequeue: a program that was written for Celery runs with other imports, and with the path of a file as its broker.

Owns the app as such a program holds it. It is a LiteQueue, and its worker is ours: ``python -m litequeue worker db.sqlite --import proj.celery``.
What is not carried raises, and names the way here.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import known
from ..app import LiteQueue
from ..base.errors import InvalidArgument, InvalidType, NotBound, Retry, UnknownTask
from ..given import DATABASE
from ..task import register
from ..tasks.context import running_job
from . import options as translated
from . import refused, settings
from .canvas import Signature, chain, chord, group, signature
from .results import (
    AsyncResult,
    Control,
    GroupResult,
    Ignore,
    MaxRetriesExceededError,
    Reject,
    SoftTimeLimitExceeded,
    TaskRevokedError,
    TimeLimitExceeded,
    TimeoutError,
)
from .settings import crontab
from .tasks import Task, give_shared_to, make, shared_task

if TYPE_CHECKING:
    from typing import NoReturn

__all__ = [
    "AsyncResult", "Celery", "GroupResult", "Ignore", "MaxRetriesExceededError", "Reject", "Retry", "Signature", "SoftTimeLimitExceeded", "Task",
    "TaskRevokedError", "TimeLimitExceeded", "TimeoutError", "chain", "chord", "crontab", "get_task_logger", "group", "shared_task", "signature",
]  # fmt: skip

get_task_logger = logging.getLogger


def __getattr__(name: str) -> NoReturn:
    refused.refuse_name(__name__, name)


class _Signal:
    """``app.on_after_configure``: functions that a worker is about to call."""

    def __init__(self) -> None:
        self.functions: list[Callable[..., Any]] = []

    def connect(self, *function: Callable[..., Any], **_: Any) -> Any:
        """``@app.on_after_configure.connect``"""
        if not function:
            return self.connect
        self.functions.append(function[0])
        return function[0]


class Celery(LiteQueue):
    """``Celery("proj", broker="db.sqlite")``. What LiteQueue has, this has too."""

    _is_read = False  # what its settings say of schedules

    def __init__(
        self, main: str | None = None, *, broker: str | None = None, include: Iterable[str] = (), task_cls: type[Task] | None = None, config_source: Any = None,
        namespace: str | None = None, set_as_current: bool = True, **more: Any,
    ) -> None:  # fmt: skip
        known_ones = {name: more.pop(name) for name in list(more) if name in settings.DEFAULTS or name.startswith(refused.THEIRS) and name not in refused.ARGUMENTS}
        refused.refuse_arguments(more)
        super().__init__(self._path if broker is None else settings.path_of(broker))
        self.main, self.Task, self._broker = main, task_cls or Task, broker
        self.tasks: dict[str, Task] = {}
        self.control = Control(self)
        self.on_after_configure, self.on_after_finalize = _Signal(), _Signal()
        self._settings, self._pending = settings.Settings(), list[tuple[Any, str | None]]()
        self._found, self._periodic = list[tuple[Any, str | None]](), dict[str, Mapping[str, Any]]()
        self._beat = set[str]()  # names of schedules that were entries
        self._settings.update(known_ones)
        self._settings.update(include=include)
        if config_source is not None:
            self.config_from_object(config_source, namespace=namespace)
        if set_as_current:
            self.set_default()

    # -- settings ------------------------------------------------------------------------------------------

    @property
    def conf(self) -> settings.Settings:
        for source in self._pending[:]:  # taken away once it is read: another thread that comes meanwhile reads it, too
            self._settings.update(settings.read(*source))
            if source in self._pending:
                self._pending.remove(source)
        return self._settings

    def config_from_object(self, obj: Any, *, namespace: str | None = None) -> None:
        """Read when it is first needed."""
        self._pending.append((obj, namespace))

    def _path(self) -> str:
        """Where nobody has said it as the app was made."""
        found = self.conf.broker_url or os.environ.get("CELERY_BROKER_URL") or known.serving or os.environ.get(DATABASE)
        if not found:
            raise NotBound('this app has no database yet: Celery("proj", broker="db.sqlite"), app.conf.broker_url = "db.sqlite", or CELERY_BROKER_URL=db.sqlite')
        return settings.path_of(found)

    def set_default(self) -> None:
        """Tasks of ``@shared_task`` are this app's."""
        give_shared_to(self)

    set_current = set_default

    # -- tasks ---------------------------------------------------------------------------------------------

    def task(self, *function: Any, **options: Any) -> Any:
        """``@app.task``, with Celery's options, or ours."""

        def made(function: Any) -> Task:
            found = make(options.get("base") or self.Task, function, options, self, lambda call, said: register(self._client, self._tasks, call, said))
            self.tasks[found.name] = found
            return found

        return made(function[0]) if function else made

    def autodiscover_tasks(self, packages: Iterable[str] | Callable[[], Iterable[str]] | None = None, related_name: str | None = "tasks") -> None:
        """Have a worker import ``package.tasks`` of these; left out, of the installed apps of Django."""
        self._found.append((packages, related_name))

    def send_task(self, name: Any, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> AsyncResult:  # type: ignore[override]
        """Enqueue a task by its name, whose code need not be here."""
        if isinstance(name, Task) or name in self.tasks:
            return (name if isinstance(name, Task) else self.tasks[name]).apply_async(args, kwargs, **options)
        said = {"queue": self.conf.queue_of(name), **translated.of_call(options)}
        return AsyncResult(super().send_task(name, args or (), kwargs, **said))

    def signature(self, task: Any, *args: Any, **options: Any) -> Any:  # type: ignore[override]
        """The call of a task that is given by its name; or a workflow out of its text."""
        if isinstance(task, str) and task[:1] in "[{":
            return super().signature(task)
        if isinstance(task, str) and task not in self.tasks:
            raise UnknownTask(f"there is no task {task!r:.100} in this app; it has {', '.join(sorted(self.tasks)) or 'none'}")
        return (self.tasks[task] if isinstance(task, str) else task).signature(*args, **options)

    def AsyncResult(self, task_id: Any) -> AsyncResult:
        return AsyncResult(task_id, app=self)

    GroupResult = AsyncResult

    @property
    def current_task(self) -> Task | None:
        job = running_job()
        return None if job is None else self.tasks.get(job.task)

    # -- schedules, and what a worker is to have loaded ---------------------------------------------------------

    def add_periodic_task(
        self, schedule: Any, sig: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, name: str | None = None, **options: Any
    ) -> str:
        """An entry of the beat schedule."""
        key = name or repr(sig)
        said = {**getattr(sig, "options", {}), **options}
        self._periodic[key] = {
            "task": getattr(sig, "task", None) or sig.name, "schedule": schedule, "options": said,
            "args": args or getattr(sig, "args", ()), "kwargs": kwargs or getattr(sig, "kwargs", {}),
        }  # fmt: skip
        return key

    @property
    def __litequeue_schedules__(self) -> dict[str, Any]:
        """Also for a worker that was told of no module, and has loaded one for the sake of its jobs: it took what was not read yet for what is declared no more."""
        if not self._is_read:
            self._take_what_is_free()
        return self._declared

    @__litequeue_schedules__.setter
    def __litequeue_schedules__(self, declared: dict[str, Any]) -> None: ...

    def _take_what_is_free(self) -> None:
        self._is_read = True
        for module in (*self.conf.include, *self.conf.imports):
            importlib.import_module(module)
        for packages, related_name in self._found:
            for package in self._apps_of_django() if packages is None else packages() if callable(packages) else packages:
                _import_of(package, related_name)
        super()._take_what_is_free()
        for signal in (self.on_after_configure, self.on_after_finalize):
            for function in signal.functions:
                function(sender=self)
        taken: dict[str, Any] = {}
        for name, entry in {**self.conf.beat_schedule, **self._periodic}.items():
            if not isinstance(entry, Mapping):
                raise InvalidType(f"beat_schedule: {name!r} is {{'task': ..., 'schedule': ...}}, not {type(entry).__name__}: {entry!r:.60}")
            ours = settings.schedule_name(name, str(entry.get("task")))
            if ours in taken:
                raise InvalidArgument(f"beat_schedule: {taken[ours]!r:.200} and {name!r:.200} would both be the schedule {ours}: give one of them another name")
            taken[ours] = name
            self._schedule(name, ours, entry)
        self._beat = set(taken)

    def _schedule(self, name: Any, ours: str, entry: Mapping[str, Any]) -> None:
        said, task = dict(entry), entry.get("task")
        if unknown := said.keys() - {"task", "schedule", "args", "kwargs", "options"}:
            raise InvalidType(f"beat_schedule: {name!r} has {', '.join(sorted(unknown))}; an entry has task, schedule, args, kwargs and options")
        if task not in self._tasks:
            raise InvalidArgument(f"beat_schedule: {name!r} is of the task {task!r:.100}, which nothing here has: include=[...] names the module that does")
        origin = self._tasks[task].origin
        if origin is None or not origin.is_loadable:
            raise InvalidArgument(f"beat_schedule: {name!r} is of {task}, which is not in a module that a worker could import, so it cannot be scheduled")
        options = {
            **translated.of_call(said.get("options") or {}), "args": said.get("args"), "kwargs": said.get("kwargs"),
            "trigger": settings.trigger_of(said.get("schedule"), self.conf.zone), "overlap": "allow",
        }  # fmt: skip
        if ours in self._declared and ours not in self._beat:
            raise InvalidArgument(f"beat_schedule: {name!r} would be the schedule {ours}, and an @app.schedule has that name: give one of them another")
        self._declared[ours] = self.schedules.new(ours, task, options, declared=True)

    def _apps_of_django(self) -> list[str]:
        """Also sees to it that jobs find no connection that has long been closed, as Celery's worker does."""
        importlib.import_module("django").setup()
        if _close_old not in self._client.hooks.before:
            self.before_run(_close_old)
        return [config.name for config in importlib.import_module("django.apps").apps.get_app_configs()]


def _close_old(job: Any) -> None:
    importlib.import_module("django.db").close_old_connections()


def _import_of(package: str, related_name: str | None) -> None:
    name = package if related_name is None else f"{package}.{related_name}"
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
