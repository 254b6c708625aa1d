"""Plain functions as tasks: which can be one, and how a process of the pool finds one again.

Owns the rule that a function is called by its name: whoever finds ``module.qualname`` has the same function, now, in another process and after a crash.
Registers in memory; enqueues and runs nothing.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ..base.errors import InvalidArgument, InvalidType, UnknownTask
from ..base.homes import home_of
from ..base.models import TaskOrigin
from ..client import Client, client_of
from ..task import Task, register
from ..tasks import TaskCode
from ..tasks.functions import check_function
from ..tasks.modules import load


def code_of(client: Client, registry: dict[str, TaskCode], function: Callable[..., Any], pool: str) -> TaskCode:
    """The code of a task of this app, or of a function, which is registered as one of that pool. Raises InvalidType or InvalidArgument."""
    if isinstance(function, Task):
        if function.name not in registry:
            raise InvalidArgument(f"{function.name} is a task of another app, and this executor's worker runs those of its own: use that app's executor")
        return function.__litequeue_code__
    code = next((code for code in list(registry.values()) if code.function is function), None)
    if code is None:
        _refuse_unnamed(function)
        options = {} if inspect.iscoroutinefunction(function) else {"pool": pool}
        code = register(client, registry, _as_function(function), options).__litequeue_code__
        code.found_by = functools.partial(again, client.path)
    elif code.found_by is not None and code.columns.pool not in (pool, "async"):
        raise InvalidArgument(
            f"another executor of this app runs {code.name} in its pool {code.columns.pool!r}, and this one would in {pool!r}: make it a task, which says itself "
            "where it runs, with @app.task(pool=...)"
        )
    return code


def again(path: str, origin: TaskOrigin, *, check: bool = False) -> TaskCode:
    """In a process of the pool: the code of a function that the worker's process has registered, for the app of that file."""
    found: Any = load(origin.module, origin.directory, check=check)
    for part in origin.qualname.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise UnknownTask(f"there is no function {origin.qualname} in {origin.module} from {origin.directory} any more")
    client = client_of(path)
    return TaskCode(_as_function(found), client.codec, client.bind, {}, client.hooks, lambda: client.store)


def _as_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """What cannot always tell its parameters, a class or what is written in C, as a function that calls it."""
    if isinstance(function, FunctionType) or inspect.ismethod(function):
        return function

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    for name in functools.WRAPPER_ASSIGNMENTS[:4]:
        setattr(call, name, getattr(function, name, None))
    return call


def _refuse_unnamed(function: object) -> None:
    if isinstance(function, functools.partial):
        raise InvalidType("a functools.partial has no name by which a job could call it: submit its function with the arguments, submit(f, 1, x=2)")
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not callable(function) or not isinstance(module, str) or not isinstance(name, str):
        raise InvalidType(f"an executor runs tasks, and functions at the top level of a module, not {function!r:.100}")
    if not isinstance(function, type):
        check_function(function)
    if "<" in name:  # <lambda>, or in <locals>
        raise InvalidType(
            f"{name} of {module} cannot be found again by that name, in another process or after a crash: write it with def at the top level of a module"
        )
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not function and not (inspect.ismethod(function) and found == function):
        raise InvalidType(f"{module}.{name} is another object than this function, so a job cannot call it by that name: submit {module}.{name}, or rename one of them")
    if home_of(module, getattr(function, "__globals__", None)) is None:
        raise InvalidArgument(
            f"{name} is made in a shell or a notebook, which has no name to tell it from the functions of another: submit a task, made with @app.task(name=...)"
        )
