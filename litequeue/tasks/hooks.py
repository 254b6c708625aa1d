"""An app's own functions around and after the executions of its tasks: ``app.before_run``, ``app.after_run``, ``app.on``.

Owns the checks of such a function, and the calls around an execution. Those after an end are the worker's to call. Imported by those alone whose
apps have some.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from ..base import checks
from ..base.errors import InvalidType
from ..base.log import Log
from .code import Hooks, Marked, TaskCode
from .context import JobContext

log = Log("litequeue.jobs")

# What an execution can come to that the worker itself writes down.
ENDS: Final = ("succeeded", "discarded", "cancelled", "retrying")


def plain_function(function: Any, whose: str) -> Any:
    """Raises InvalidType for what cannot be called there and then."""
    if not callable(function) or isinstance(function, type) or issubclass(type(function), Marked):
        raise InvalidType(f"{whose} takes a plain function, not {type(function).__name__}: {function!r:.100}")
    if inspect.iscoroutinefunction(function):
        raise InvalidType(f"{whose} takes a plain function, which is called in tasks of all pools; {function.__qualname__} is async def")
    return function


def add_end(hooks: Hooks, event: str, function: Any, handle: Callable[[int], Any]) -> Any:
    """Have a function called with the ``handle`` of each job that comes to this. Raises InvalidArgument or InvalidType."""
    checks.one_of(event, "event", ENDS)
    found = plain_function(function, f"app.on({event!r})")
    hooks.ended.setdefault(event, []).append(lambda job: found(handle(job)))
    return function


class Around:
    """``with Around(code, context):`` where the task is called, in its thread, process or event loop."""

    __slots__ = ("_code", "_context")

    def __init__(self, code: TaskCode, context: JobContext) -> None:
        self._code = code
        self._context = context

    def __enter__(self) -> Self:
        try:
            for hook in self._code.hooks.before:
                hook(self._context)
        except BaseException as error:
            self._after(error)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._after(error)

    def _after(self, error: BaseException | None) -> None:
        for hook in reversed(self._code.hooks.after):
            try:
                hook(self._context, error)
            except Exception as wrong:
                log.error("job %d %s: after_run %s raised %s: %s", self._context.id, self._code.name, getattr(hook, "__qualname__", hook),
                          type(wrong).__name__, wrong, exc_info=wrong)  # fmt: skip
