"""What surrounds a task's function in a worker: Django's signals, its context, its database connections, and results as JSON.

Owns that, for functions and coroutines. Which job it is, ``current_job()`` knows; what became of it the worker writes, and ``finished`` tells Django of it then.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connections, reset_queries

from ..app import LiteQueue
from ..base.signatures import signature_of
from ..payload import MAX_BYTES
from ..tasks.context import current_job
from .api import (
    TaskContext,
    TaskResult,
    normalize_json,
    task_backends,
    task_finished,
    task_started,
)


class NotJson(TypeError):
    """A task returned what Django's tasks cannot: it has failed, and is not tried again, since what it does it has done."""


NotJson.__module__, NotJson.__qualname__ = "builtins", "TypeError"  # as people know it, and as Django's own backend calls it


def plain(value: Any) -> Any:
    """As JSON gives it back: what any backend of Django's could store. Raises TypeError or ValueError."""
    return json.loads(_text(value))


def _text(value: Any) -> str:
    return json.dumps(normalize_json(value), separators=(",", ":"))


def surrounded(task: Any, alias: str) -> Callable[..., Any]:
    """What our task calls in the place of the function."""
    function = task.func
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def run(*args: Any, **kwargs: Any) -> Any:
            # Django's own threads for what a coroutine does with the database, as around a request: in one that all share, the end of one job would close
            # the connection that another is using.
            async with ThreadSensitiveContext():
                try:
                    result = running(alias)
                    await task_started.asend_robust(sender=type(task_backends[result.backend]), task_result=result)
                    given = (TaskContext(task_result=result), *args) if task.takes_context else args
                    return returned(await function(*given, **kwargs))
                finally:
                    await sync_to_async(connections.close_all)()

    else:

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            tidy()
            try:
                result = running(alias)
                task_started.send_robust(sender=type(task_backends[result.backend]), task_result=result)
                given = (TaskContext(task_result=result), *args) if task.takes_context else args
                return returned(function(*given, **kwargs))
            finally:
                tidy()

    surrounding: Any = run
    del surrounding.__wrapped__  # whose signature it has, but for the context
    surrounding.__signature__ = call_signature(task)
    return run


def call_signature(task: Any) -> inspect.Signature:
    """Without the context, which the worker gives."""
    found = signature_of(task.func)
    return found.replace(parameters=list(found.parameters.values())[1:]) if task.takes_context else found


def tidy() -> None:
    """As before and after a request."""
    reset_queries()
    close_old_connections()


def running(alias: str) -> TaskResult:
    """What Django is shown of the running job."""
    backend: Any = task_backends[alias]
    return backend.shown(current_job().id)


def returned(value: Any) -> Any:
    """As it is stored. Raises NotJson or PayloadTooLarge: Django would take what could not be stored for None."""
    try:
        text = _text(value)
    except (TypeError, ValueError) as error:
        raise NotJson(str(error)) from None
    found = json.loads(text)
    if len(text) > MAX_BYTES // 2:
        current_job()._code.codec.encode_result(found, "the result")  # type: ignore[union-attr]
    return found


def tell_of_ends(app: LiteQueue, backend: Any) -> None:
    """In this worker, of what it has written: ``task_finished``."""

    def finished(job: Any) -> None:
        tidy()
        try:
            result = backend.shown(job.id)
            task_finished.send_robust(sender=type(task_backends[result.backend]), task_result=result)
        finally:
            tidy()

    for event in ("succeeded", "discarded", "cancelled"):
        app.on(event)(finished)
