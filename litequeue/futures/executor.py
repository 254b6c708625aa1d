"""``app.executor()``: an ``Executor`` of ``concurrent.futures`` whose calls are jobs.

Owns the options, and ``submit``, ``map`` and ``shutdown`` as the standard library has them. Futures and their completing are in ``future`` and ``pending``.
"""

from __future__ import annotations

import functools
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent import futures
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from ..base import checks
from ..base.clock import monotonic
from ..base.errors import InvalidArgument, InvalidType
from ..client import Client
from ..job import Job
from ..many import enqueue_many
from ..options import EnqueueOptions, checked, options_of
from ..options.workers import EmbeddedOptions
from ..tasks import TaskCode
from ..tasks.context import running_job
from ..worker.config import WorkerConfig
from .functions import code_of
from .future import JobFuture
from .pending import Pending

if TYPE_CHECKING:
    from ..worker.embedded import EmbeddedWorker

QUEUE: Final = "executor"
_NO_INITIALIZER: Final = (
    "a job runs in whatever process has its code, after a crash in another one, where no initializer has run: let the function itself make what it needs, once "
    "(functools.cache)"
)
_INSTEAD: Final = {
    "initializer": _NO_INITIALIZER,
    "initargs": _NO_INITIALIZER,
    "mp_context": "its processes are always spawned",
    "max_tasks_per_child": "that is max_jobs_per_child here",
    "thread_name_prefix": "name= is what stats calls its worker",
    "queues": "it has one, queue=",
    "burst": "it ends when it is shut down",
    "max_jobs": "it ends when it is shut down",
}


class Executor(futures.Executor):
    """What ``app.executor()`` returns."""

    def __init__(
        self, client: Client, registry: dict[str, TaskCode], worker: Callable[..., EmbeddedWorker], max_workers: int | None, queue: str | None,
        tasks: Iterable[Callable[..., Any]], options: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """``registry``: the app's tasks; ``worker`` is its ``app.worker``."""
        context = running_job()
        if context is not None:  # its end waits for jobs; where a task must not, that is said now
            with context._waiting(blocking=True, bounded=False):
                pass
        given = _checked(max_workers, options)
        self._client, self._registry = client, registry
        has_worker = given.get("threads") != 0 or bool(given.get("processes") or given.get("async_"))
        self._slots = WorkerConfig(**given).slots if has_worker else None
        self._pool = "process" if given.get("processes") and not given.get("threads") else "thread"
        name = None if queue is None else checks.name(queue, "queue")
        self._queue = QUEUE if name is None and has_worker else name
        self._codes: dict[Callable[..., Any], TaskCode] = {}
        # Not stale="wait": a program that waits for its own calls would wait for ever once somebody edits its file.
        said = {**given, "queues": [self._queue], "stale": options.get("stale") or "run"}
        self._pending = Pending(client, functools.partial(worker, **said) if has_worker else None)
        self._pending.belong(self)
        self.resumed: list[JobFuture] = self._resume([self._code_of(task, named=True) for task in _listed(tasks)])

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> JobFuture:
        """Have ``fn(*args, **kwargs)`` called: the job is on disk when this returns. ``fn``: a task, or a function at the top level of a module.

        Raises what ``task.delay`` raises, InvalidType for a function that has no name of its own (a lambda, a method, a closure, a partial), RuntimeError
        after ``shutdown``.
        """
        code = self._code_of(fn)
        self._client.refuse_in_a_transaction("a future")
        with self._pending.adding(code.columns.pool) as futures_of:
            return futures_of([Job(self._client, *self._client.enqueue(code, args, kwargs, self._options()))])[0]

    def map(
        self, fn: Callable[..., Any], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1, buffersize: int | None = None
    ) -> Iterator[Any]:
        """The results of ``fn`` for each item, in order. All calls are enqueued at once, or none; with ``buffersize`` no more than so many ahead of
        what was yielded. ``timeout``: seconds from this call. Where the results are not all taken, what has not begun is cancelled.
        ``chunksize`` changes nothing."""
        if buffersize is not None and not isinstance(buffersize, int):
            raise TypeError("buffersize must be an integer or None")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        deadline = None if timeout is None else monotonic() + timeout
        calls = zip(*iterables, strict=False)
        # Taken before anything is stored: what makes the items may wait for other jobs.
        ahead = deque(self._submit_all(fn, list(islice(calls, buffersize))))
        return _results(ahead, self._pending, deadline, None if buffersize is None else _next_call(weakref.ref(self), fn, calls))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls. ``wait`` until those that there are have ended, whoever runs them, and end the worker; without, that happens beside.
        ``cancel_futures``: those that have not begun never will."""
        self._pending.close(cancel=cancel_futures)
        if wait:
            self._pending.join()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        """As ``shutdown``. Ctrl-C does not wait for calls that have not begun: they are still in the queue."""
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._pending.abandon()
            return False
        return super().__exit__(kind, error, trace)

    # -- what is called, and where -----------------------------------------------------------------------

    def _submit_all(self, fn: Callable[..., Any], calls: list[tuple[Any, ...]]) -> list[JobFuture]:
        code = self._code_of(fn)
        self._client.refuse_in_a_transaction("a future")
        with self._pending.adding(code.columns.pool) as futures_of:
            ids, _ = enqueue_many(self._client, code, calls, self._options())
            return futures_of(Job(self._client, job) for job in ids)

    def _options(self) -> EnqueueOptions | None:
        return None if self._queue is None else {"queue": self._queue}

    def _code_of(self, function: Callable[..., Any], *, named: bool = False) -> TaskCode:
        """``named``: its user has said by ``tasks`` that some worker has it."""
        try:
            found = self._codes.get(function)
        except TypeError:  # what cannot be hashed is no function
            found = None
        if found is None:
            found = code_of(self._client, self._registry, function, self._pool)
            self._refuse_where_nobody_runs_it(found, named)
            self._codes[function] = found
        return found

    def _refuse_where_nobody_runs_it(self, code: TaskCode, named: bool) -> None:
        pool = code.columns.pool
        if self._slots is not None and not self._slots[pool]:
            raise InvalidArgument(f"{code.name} runs in the pool {pool!r}, for which this executor has no slots")
        if self._slots is None and code.found_by is not None and not named:
            raise InvalidArgument(
                f"{code.name} is a plain function, which other workers do not know: make it a task with @app.task; or give the executor threads; or, where another "
                f"program has app.executor(tasks=[{code.function.__name__}]), say so here too"
            )

    def _resume(self, codes: list[TaskCode]) -> list[JobFuture]:
        """Futures of what is left of them in the queue: asked before the worker starts, which may be quick."""
        if not codes:
            return []
        unfinished = self._client.store.futures.unfinished
        left = [job for code in dict.fromkeys(codes) for job in unfinished(code.name, self._queue or code.columns.queue)]
        with self._pending.adding(*(code.columns.pool for code in codes)) as futures_of:
            return futures_of(Job(self._client, job) for job in left)


def _listed(tasks: Any) -> Iterable[Callable[..., Any]]:
    if tasks is not None and (callable(tasks) or not isinstance(tasks, Iterable)):
        raise InvalidType(f"tasks must be a list of tasks and functions, not {tasks!r:.100}")
    return () if tasks is None else tasks


def _checked(max_workers: int | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a worker. Raises InvalidArgument, or InvalidType for what an executor has not."""
    known = [name for name in options_of(EmbeddedOptions) if name not in _INSTEAD]
    for name, value in options.items():
        if name not in known and name not in _INSTEAD:
            from ..options.habits import said_here

            raise InvalidType(f"an executor has no option {name!r}{said_here(name)}; it has max_workers, queue, tasks, {', '.join(known)}")
        if name in _INSTEAD and value is not None:
            raise InvalidType(f"an executor takes no {name}: {_INSTEAD[name]}")
    given = {name: value for name, value in options.items() if value is not None}
    checked(EmbeddedOptions, given, "an executor")
    given.pop("stale", None)
    if max_workers is not None:
        if "threads" in given:
            raise InvalidArgument("max_workers is threads: give one of them")
        if isinstance(max_workers, int) and max_workers <= 0:
            raise InvalidArgument(f"max_workers must be greater than 0, not {max_workers}; with threads=0 other workers run the calls")
        given["threads"] = checks.integer(max_workers, "max_workers", 1, 1000)
    return given


def _next_call(owner: Callable[[], Executor | None], fn: Callable[..., Any], calls: Iterator[tuple[Any, ...]]) -> Callable[[], JobFuture | None]:
    """Enqueues the next one of a ``map``; None once there is none, or nobody holds the executor any more."""

    def enqueue() -> JobFuture | None:
        executor = owner()
        if executor is None or (arguments := next(calls, None)) is None:
            return None
        return executor.submit(fn, *arguments)

    return enqueue


def _results(ahead: deque[JobFuture], pending: Pending, deadline: float | None, next_call: Callable[[], JobFuture | None] | None) -> Iterator[Any]:
    """In order; holds on to no result that it has given. Cancels what is left as it ends."""
    try:
        while ahead:
            if next_call is not None and (following := next_call()) is not None:
                ahead.append(following)
            yield _next_result(ahead, deadline)
    finally:
        if ahead:
            pending.cancel(ahead)


def _next_result(ahead: deque[JobFuture], deadline: float | None) -> Any:
    result = ahead[0].result(None if deadline is None else deadline - monotonic())  # if that raises, it is cancelled as the rest
    ahead.popleft()
    return result
