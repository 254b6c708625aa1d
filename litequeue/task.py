"""The task as users hold it: what ``@app.task`` returns."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack

from .base import checks
from .base.errors import InvalidArgument, InvalidType
from .base.models import EACH
from .client import Client
from .given import call
from .job import Job, job_of
from .jobs import JobBatch
from .options import EnqueueOptions
from .options.missing import Missing
from .tasks import Marked, TaskCode
from .tasks.each import MAP, STARMAP

if TYPE_CHECKING:
    import sqlite3

    from .using import Using
    from .workflow.shapes import Signature, group

P = ParamSpec("P")
R = TypeVar("R")


class Task(Marked, Missing, Generic[P, R]):
    """A function that can be enqueued. Calling it just calls the function."""

    __litequeue_instead__ = "pass its name (task.name), and enqueue by it with app.send_task(name, args)"

    def __init__(self, client: Client, code: TaskCode) -> None:
        functools.update_wrapper(self, code.function)
        self.name = code.name
        self._client = client
        self._code = self.__litequeue_code__ = code

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the function here and now, with nothing enqueued."""
        return self._code.function(*args, **kwargs)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """Enqueue a call; it is on disk when this returns.

        Raises SignatureMismatch, PayloadError, PayloadTooLarge, QueueBusy, StorageFull or another
        StoreError; then nothing was stored.
        """
        return job_of(self._client, *self._client.enqueue(self._code, args, kwargs, None))

    def apply_async(
        self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Unpack[EnqueueOptions]
    ) -> Job[R]:
        """``delay`` with options, which override the task's own: those of ``litequeue.options.EnqueueOptions``.

        ``countdown=60`` runs it in a minute, ``eta=`` at an aware datetime, ``expires=`` drops it if it was not started
        by then; durations are seconds, timedeltas or text such as "1h30m". Raises what ``delay`` raises, and
        InvalidArgument (a ValueError) or InvalidType (a TypeError) for an option that it cannot take.
        """
        return job_of(self._client, *self._client.enqueue(self._code, *call(args, kwargs), options))

    def delay_many(
        self, calls: Iterable[tuple[Any, ...] | dict[str, Any]], **options: Unpack[EnqueueOptions]
    ) -> JobBatch[R]:
        """Enqueue one job per item, all or none, in one transaction; options as of ``apply_async``.

        An item is a tuple of positional arguments or a dict of keyword arguments. An iterator of
        a million is streamed: neither it nor the jobs are held in memory.
        """
        from .many import enqueue_many

        return JobBatch(self._client, *enqueue_many(self._client, self._code, calls, options))

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        """A call for a workflow, not enqueued yet: it takes the result of what comes before it as its first argument."""
        from .workflow.shapes import Signature

        return Signature(self._client, self._code, args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature:
        """A call for a workflow with these arguments alone, whatever what comes before it came to."""
        from .workflow.shapes import Signature

        return Signature(self._client, self._code, args, kwargs, immutable=True)

    def map(self, items: Iterable[Any] | None = None) -> Signature:
        """One job that calls the task with each item, one after the other, and comes to the list of results. Without ``items``: those
        in the list that what comes before it came to. A failure runs all of it again; a job for each is ``group``."""
        return self._each(MAP, items)

    def starmap(self, items: Iterable[Iterable[Any]] | None = None) -> Signature:
        """``map`` where each item is the list of arguments."""
        return self._each(STARMAP, items)

    def chunks(self, items: Iterable[Iterable[Any]], size: int) -> group:
        """A group of ``starmap``, each of so many items; it comes to the list of their lists of results."""
        from .workflow.shapes import group

        checks.integer(size, "size", 1, 2**31)
        left = iter(items)
        return group([self.starmap(part) for part in iter(lambda: list(islice(left, size)), [])])

    def _each(self, how: str, items: Iterable[Any] | None) -> Signature:
        from .workflow.shapes import Signature

        if isinstance(items, (str, bytes)) or items is not None and not isinstance(items, Iterable):
            raise InvalidType(f"{how} takes an iterable of items, not {type(items).__name__}: {items!r:.100}")
        if self._code.template.limited is not None:
            raise InvalidArgument(
                f"{self.name}.{how} makes all of its calls in one job, and the limit of {self.name} counts for each value of its limit_key by itself: "
                f"group({self.name}.s(...) for ...), a job for each"
            )
        args = () if items is None else (list(items),)
        return Signature(self._client, self._code, args, {EACH: how}, immutable=items is not None)

    def using(self, connection: sqlite3.Connection) -> Using[R]:
        """The task, whose jobs are enqueued on the app's own ``sqlite3`` connection to the queue's file, in its transaction: they are there once
        the app has committed. ``task.using(connection).delay(...)``, and what else enqueues; see ``app.using``."""
        from .using import Using

        return Using(self, self._client, connection)

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> Job[R]:
        """``delay`` that does not block the event loop while another writer has the file. With options: ``task.s(...).set(...)``,
        and the ``adelay`` of that."""
        from asyncio import to_thread

        return await to_thread(self.delay, *args, **kwargs)

    def __litequeue_callback__(self) -> tuple[str, TaskCode]:
        return self.s().__litequeue_callback__()

    def __reduce__(self) -> str:
        """Pickled by its name in its module, and copied not at all, as the function that it stands for."""
        return str(getattr(self, "__qualname__", self.name))

    def __repr__(self) -> str:
        return f"<Task {self.name}>"


def name_of(task: object) -> str:
    """The name of a task that is given itself or by its name."""
    if isinstance(task, Task):
        return task.name
    if not isinstance(task, str):
        raise InvalidType(
            f"task must be a task, made by @app.task, or the name of one, not {type(task).__name__}: {task!r:.100}"
        )
    return checks.name(task, "the task's name")


def code_of(task: object, registry: dict[str, TaskCode], client: Client) -> TaskCode | str:
    """The code of a task that is given itself or by its name; the name where the code is not here. Raises InvalidArgument for a shared one
    whose name another task of this app has."""
    if isinstance(task, Task):
        code = task.__litequeue_code__
        if getattr(task._client, "is_free", False):
            enter(registry, code)  # a shared one that nobody has adopted: this app's worker is to run what is enqueued here
        return code
    name = name_of(task)
    return registry.get(name) or client.builtin(name) or name


def register(
    client: Client,
    registry: dict[str, TaskCode],
    function: Callable[..., Any],
    options: Mapping[str, Any],
) -> Task[..., Any]:
    """Make a task and enter it under its name; in memory only."""
    if isinstance(function, Task):
        raise InvalidType(f"{function.name} is a task already; @app.task goes below @app.cron, @app.every and @app.schedule")
    code = TaskCode(function, client.codec, client.bind, options, client.hooks, lambda: client.store)
    enter(registry, code)
    return Task(client, code)


def enter(registry: dict[str, TaskCode], code: TaskCode) -> None:
    """Raises InvalidArgument where its name is another's."""
    known = registry.get(code.name)
    if known is not None and _is_another(known, code):
        raise InvalidArgument(
            f"there is already a task named {code.name!r}, {where(known)}; this one, {where(code)}, is another function. "
            "If a decorator or a factory made them, let it use functools.wraps; or give one of them another name="
        )
    registry[code.name] = code


def _is_another(known: TaskCode, new: TaskCode) -> bool:
    """Whether two functions under one name are two tasks: not if the module is being executed anew."""
    a, b = known.function, new.function
    if (a.__module__, a.__qualname__) != (b.__module__, b.__qualname__):
        return True
    if a is b or _content(a) == _content(b) is not None:
        return False
    if known.made_by is None or new.made_by is None or known.made_by is new.made_by:
        return True
    # A reload, or a notebook's cell that is run again, is other code at the top level than the first time: of the same file, or
    # of none. Two files that use one decorator or factory are none of that.
    files = {known.made_by.co_filename, new.made_by.co_filename}
    return len(files) > 1 and all(map(os.path.isfile, files))


def _content(function: Callable[..., Any]) -> tuple[Any, ...] | None:
    """What a function does, apart from when it was made: equal for two that a factory made of the same things."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    cells = tuple(id(_cell(cell)) for cell in function.__closure__ or ())
    return code, cells, id(function.__defaults__), id(function.__kwdefaults__)


def _cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that has no value yet
        return None


def where(code: TaskCode) -> str:
    """Which function a task is, in words."""
    inner = getattr(inspect.unwrap(code.function), "__code__", None)
    place = f" (line {inner.co_firstlineno} of {inner.co_filename})" if inner is not None else ""
    return f"{code.function.__module__}.{code.function.__qualname__}{place}"
