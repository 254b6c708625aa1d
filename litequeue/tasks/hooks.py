"""An app's own functions around and after the executions of its tasks: ``app.before_run``, ``app.after_run``, ``app.on``.

Owns the checks of such a function, and the calls around an execution. Those after an end are the worker's to call. Imported by those alone whose
apps have some.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from ..base import checks
from ..base.errors import InvalidType, SignatureMismatch
from ..base.log import Log
from ..base.signatures import signature_of
from .code import Hooks, Marked, TaskCode
from .context import JobContext

log = Log("litequeue.jobs")

# What an execution can come to that the worker itself writes down.
ENDS: Final = ("succeeded", "discarded", "cancelled", "retrying")


def plain_function(function: Any, whose: str, *given: str) -> Any:
    """Raises InvalidType for what cannot be called there and then, SignatureMismatch for what does not take what it is ``given``."""
    if not callable(function) or isinstance(function, type) or issubclass(type(function), Marked):
        raise InvalidType(f"{whose} takes a plain function, not {type(function).__name__}: {function!r:.100}")
    name = getattr(function, "__qualname__", type(function).__name__)
    if inspect.iscoroutinefunction(function):
        raise InvalidType(f"{whose} takes a plain function, which is called in tasks of all pools; {name} is async def")
    with contextlib.suppress(ValueError):  # some of C have no signature
        try:
            signature_of(function).bind(*given)
        except TypeError as error:
            raise SignatureMismatch(f"{whose}: {name} is called as function({', '.join(given)}): {error}") from None
    return function


def ends(hooks: Hooks, event: Any, handle: Callable[[int], Any]) -> Callable[[Any], Any]:
    """Takes a function that is to be called with the ``handle`` of each job that comes to this. Raises InvalidArgument or InvalidType."""
    if callable(event):
        raise InvalidType(f'say when: @app.on("succeeded"), or {" or ".join(ENDS[1:])}; not @app.on alone')
    checks.one_of(event, "event", ENDS)

    def add(function: Any) -> Any:
        found = plain_function(function, f"app.on({event!r})", "job")
        hooks.ended.setdefault(event, []).append(lambda job: found(handle(job)))
        return function

    return add


class Around:
    """``with Around(code, context):`` where the task is called, in its thread, process or event loop."""

    __slots__ = ("_code", "_context", "_observers")

    def __init__(self, code: TaskCode, context: JobContext) -> None:
        self._code = code
        self._context = context

    def __enter__(self) -> Self:
        self._observers = None
        if self._code.hooks.observers:
            from . import observers

            self._observers = observers.Around(self._code.hooks.observers, "run", self._context)
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
        try:
            for hook in reversed(self._code.hooks.after):
                try:
                    hook(self._context, error)
                except Exception as wrong:
                    log.error("job %d %s: after_run %s raised %s: %s", self._context.id, self._code.name, getattr(hook, "__qualname__", hook),
                              type(wrong).__name__, wrong, exc_info=wrong)  # fmt: skip
        finally:
            if self._observers is not None:
                self._observers.leave(error)
