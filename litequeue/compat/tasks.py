"""Celery's task over ours: its calls, what it asks and says of its running job, and a class of tasks of the program's own.

Owns how a job of such a task is run: through the class's ``__call__``, with the app's settings, which may come after the task.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from types import MethodType
from typing import Any, Final, NoReturn
from weakref import ref

from .. import task
from ..base import checks
from ..base.clock import SystemClock
from ..base.errors import (
    Discard,
    InvalidArgument,
    InvalidType,
    NotInATask,
    Replace,
    Retry,
    Snooze,
)
from ..base.signatures import signature_of
from ..options import TaskOptions, checked, refuse_unknown, stored
from ..shared import shared_task as native_shared_task
from ..tasks.context import JobContext, running_job
from . import options as translated
from . import refused
from .canvas import Signature, group, signature
from .results import INFO, SAID, AsyncResult, MaxRetriesExceededError, Reject, newest

_called: ContextVar[tuple[tuple[Any, ...], dict[str, Any]]] = ContextVar("litequeue_compat_call", default=((), {}))
_shared: Final[list[Any]] = []  # of @shared_task


class Request:
    """``self.request``: what a running job is. Of a call that is none ``called_directly`` is true, and the rest is empty."""

    is_eager, parent_id = False, None

    def __init__(self, name: str, job: JobContext | None) -> None:
        self._job, self.task = job, name
        self.called_directly = job is None
        self.args, self.kwargs = _called.get() if job else ((), {})
        self.id = self.root_id = self.correlation_id = str(job.id) if job else None
        self.retries: int = job._job.failures if job else 0
        self.delivery_info = {"routing_key": job.queue} if job else {}

    headers = property(lambda self: self._job.headers if self._job else {})
    hostname = property(lambda self: self._job.worker if self._job else None)

    def __repr__(self) -> str:
        return f"<Context: id={self.id} task={self.task} retries={self.retries} args={self.args!r} kwargs={self.kwargs!r}>"


class Task(task.Task[..., Any]):
    """A task. A class of tasks of the program's own (``base=``, ``task_cls=``) may have attributes, options among them, and a ``__call__`` of its own, around ``self.run``."""

    max_retries: int | None = 3
    default_retry_delay: float = 180
    MaxRetriesExceededError = MaxRetriesExceededError
    run: Callable[..., Any]  # the function

    def __init__(self) -> None:
        """Of classes that set up something: what makes it a task comes after it."""

    def __init_subclass__(cls) -> None:
        refused.refuse_handlers(cls)

    def _become(self, made: task.Task[..., Any], given: Mapping[str, Any], function: Callable[..., Any], app: Any) -> None:
        super().__init__(made._client, made.__litequeue_code__)
        self._given, self._app, self._stamp = given, ref(app) if app is not None else None, None
        self.run = MethodType(function, self) if given.get("bind") else function
        self.max_retries = translated.by_hand(given)
        self.default_retry_delay = given.get("default_retry_delay", 180)

    @property
    def app(self) -> Any:
        return newest[0]() if self._app is None else self._app()

    @property
    def request(self) -> Request:
        job = running_job()
        return Request(self.name, job if job is not None and job.task == self.name else None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(*args, **kwargs)

    def _perform(self, *args: Any, **kwargs: Any) -> Any:
        """What a job calls."""
        self._settle()
        job = running_job()
        if job is None or job.task != self.name:  # from another's code, or by hand
            return self(*args, **kwargs)
        _called.set((args, kwargs))
        if self._says("track_started"):
            job.meta[SAID] = "STARTED"
        try:
            found = self(*args, **kwargs)
        except Reject as error:
            raise (Snooze(1) if error.requeue else Discard(str(error))) from error
        # What follows in a workflow takes it all the same.
        return None if found is not None and self._says("ignore_result") and job._store().flows.of_job(job.id) is None else found

    def _says(self, option: str) -> bool:
        said = self._given.get(option)
        return bool(self.app is not None and self.app.conf[f"task_{option}"] if said is None else said)

    def _settle(self) -> None:
        """Take over what the app's settings say, which may have come after the task."""
        app = self.app
        if app is None or self._stamp is app.conf.stamp:
            return
        conf, code, self._stamp = app.conf, self.__litequeue_code__, app.conf.stamp
        if type(self) is Task and app.Task is not Task:  # of @shared_task, which did not know
            if options := options_of(app.Task):
                raise InvalidType(f"{self.name} is a shared task, and was made before its app's class, which says {', '.join(options)}: say that with the task, or base=")
            self.__class__ = app.Task
        said = {"queue": conf.queue_of(self.name), "timeout": conf.task_time_limit, "soft_timeout": conf.task_soft_time_limit, "result_ttl": conf.result_expires}
        own = translated.of_task(self._given)
        clean = checked(TaskOptions, {name: value for name, value in said.items() if name not in own}, "app.conf")
        code.result_ttl = clean.get("result_ttl", code.result_ttl)
        columns = code.columns._replace(**stored(TaskOptions, clean))
        never = columns.timeout is not None and columns.soft_timeout is not None and columns.soft_timeout >= columns.timeout
        code.columns = columns._replace(soft_timeout=None) if never else columns
        code.template = code.template._replace(columns=code.columns)
        if code._origin is not None:
            code._origin = code._origin._replace(options=code.template.recorded(code.secret))

    # -- enqueueing ----------------------------------------------------------------------------------------

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult:  # type: ignore[override]
        return self.apply_async(args, kwargs)

    def apply_async(self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> AsyncResult:  # type: ignore[override]
        if "link" in options and self._says("ignore_result"):
            raise InvalidArgument(f"{self.name} says ignore_result, so its result is not there for link: leave one of them out")
        self._settle()
        return AsyncResult(super().apply_async(() if args is None else args, kwargs, **translated.of_call(options)))

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """``delay`` once Django's transaction is committed."""
        importlib.import_module("django.db").transaction.on_commit(functools.partial(self.delay, *args, **kwargs))

    def apply(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise InvalidArgument(f"{self.name}.apply() is not carried: call the task to run it here, and in tests litequeue.testing's queue.run(task, ...) runs it as a job")

    def signature(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> Signature:
        self._settle()
        return signature(self, args, kwargs, **options)

    subtask = signature

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        return self.signature(args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature:
        return self.signature(args, kwargs, immutable=True)

    def chunks(self, items: Iterable[Iterable[Any]], size: int) -> group:
        return group(super().chunks(items, size).parts)

    def AsyncResult(self, task_id: Any) -> AsyncResult:
        return AsyncResult(task_id, app=self.app)

    # -- in a running job ----------------------------------------------------------------------------------

    def retry(
        self, args: Any = None, kwargs: Any = None, exc: BaseException | None = None, throw: bool = True, eta: Any = None, countdown: float | None = None,
        max_retries: int | None = None, **options: Any,
    ) -> Retry:  # fmt: skip
        """Raise what runs the job again; with no retries left, ``exc``, or MaxRetriesExceededError."""
        if args is not None or kwargs is not None or options:
            raise InvalidType("retry() runs the job again as it is, with its arguments and options: for others enqueue another, apply_async(...), and return")
        request, most = self.request, self.max_retries if max_retries is None else max_retries
        if max_retries is not None and self.max_retries is not None and max_retries > self.max_retries:
            raise InvalidArgument(f"retry(max_retries={max_retries}) is more than the task's own {self.max_retries}: say it there, @app.task(max_retries={max_retries})")
        if request.called_directly or most is not None and request.retries >= most:
            raise exc or MaxRetriesExceededError(f"{self.name} was tried {request.retries + 1} times (args={request.args!r:.200})")
        delay: float = self.default_retry_delay if countdown is None else countdown
        if eta is not None:
            delay = max(0, checks.moment(translated.aware(eta), "eta") - SystemClock().now()) / checks.MICROS
        if isinstance(delay, (int, float)):
            delay = max(0, delay)  # as in Celery, what is in the past is now
        again = Retry("" if exc is None else f"{type(exc).__name__}: {exc}", delay=delay)
        if throw:
            raise again from exc
        return again

    def update_state(self, task_id: Any = None, state: str | None = None, meta: Any = None) -> None:
        """What ``result.state`` and ``result.info`` are while it runs; numbers ``current`` and ``total`` are its progress, too."""
        job = running_job()
        if job is None or task_id not in (None, job.id, str(job.id)):
            raise NotInATask("update_state() is of the running job alone")
        if state is not None:
            job.meta[SAID] = state
        job.meta[INFO] = str(meta) if isinstance(meta, BaseException) else meta
        if isinstance(meta, Mapping) and all(isinstance(meta.get(name), (int, float)) for name in ("current", "total")):
            job.progress(meta["current"], meta["total"])

    def replace(self, sig: Any) -> NoReturn:
        raise Replace(sig)

    @property
    def __litequeue_schedules__(self) -> dict[str, Any]:
        return {} if self.app is None else self.app.__litequeue_schedules__

    @__litequeue_schedules__.setter
    def __litequeue_schedules__(self, declared: dict[str, Any]) -> None:
        """By ``@app.schedule``: they are those of the app, which are shown anyway."""


def options_of(cls: type[Task]) -> dict[str, Any]:
    """What a class says of its tasks."""
    own = cls.__mro__[: cls.__mro__.index(Task)]
    return {name: getattr(cls, name) for name in translated.TAKEN if any(name in vars(base) for base in own)}


def make(cls: type[Task], function: Callable[..., Any], given: Mapping[str, Any], app: Any, register: Callable[[Any, Any], task.Task[..., Any]]) -> Task:
    if not (isinstance(cls, type) and issubclass(cls, Task)):
        raise InvalidType(f"base is a subclass of litequeue.compat.celery.Task, not {cls!r:.100}")
    if isinstance(function, task.Task):
        raise InvalidType(f"{function.name} is a task already")
    given = options_of(cls) | dict(given)
    options = translated.of_task(given)
    refuse_unknown(TaskOptions, options, "@app.task")
    made = cls()

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return made._perform(*args, **kwargs)

    if isinstance(function, type) or not callable(function) or inspect.iscoroutinefunction(function):
        raise InvalidType(f"a task is a plain function here, as in Celery; for async def, which Celery cannot run either, use LiteQueue's own @app.task: {function!r:.100}")
    signed = signature_of(function)
    call.__signature__ = signed.replace(parameters=list(signed.parameters.values())[1:]) if given.get("bind") else signed  # type: ignore[attr-defined]
    made._become(register(call, options), given, function, app)
    return made


def shared_task(*function: Any, **given: Any) -> Any:
    """A task of the process's newest Celery app, also of one that is made later."""

    def of(function: Any) -> Task:
        made = make(given.get("base") or Task, function, given, None, lambda call, options: native_shared_task(**options)(call))
        _shared.append(made)
        if (app := newest[0]()) is not None:
            made._client.take(app)  # type: ignore[attr-defined]
        return made

    return of(function[0]) if function else of


def give_shared_to(app: Any) -> None:
    """Tasks of ``@shared_task``, those to come as well, are this app's from now on; it is not kept alive for that."""
    newest[0] = ref(app)
    for made in _shared:
        made._client.take(app)
