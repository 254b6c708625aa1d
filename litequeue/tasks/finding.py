"""Finding the code of a stored name again.

Owns the rule that a stored name runs only if the module that it points to really registers a task of that name, and what it takes to read its
arguments is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any, Final

from ..base import stored
from ..base.errors import CannotOpen, UnknownTask
from ..base.homes import home_of, loaded, same_directory
from ..base.models import TaskOrigin
from .code import MARK, Marked, TaskCode
from .modules import load

RUN_BY: Final = "run_by"  # in what is recorded of a task: what runs it, where that is no worker like this one


def locate(origin: TaskOrigin, *, check: bool = False) -> TaskCode:
    """Import the module that a producer named, and return its task of that name; ``check`` as for ``load``.

    Runs what importing the module runs, and nothing that the module does not itself register as a
    task under this very name. Raises UnknownTask saying what is missing.
    """
    if not origin.is_loadable:
        raise UnknownTask(
            f"the task {origin.task} was made in a shell or a notebook, which no other process can load: run its jobs "
            "there, with app.worker(); or put the task into a file"
        )
    by = stored.loads_as(origin.options, dict).get(RUN_BY)
    if isinstance(by, str):
        raise UnknownTask(f"{origin.task} is run by another worker than this: {by:.300}; its code is in {origin.directory}")
    module = load(origin.module, origin.directory, check=check)
    code = _found_in(module, origin)
    check_ready(code)
    code.checked = check
    return code


def check_ready(code: TaskCode) -> None:
    """Raise UnknownTask where a key is not here without which nobody can read its arguments, and sign what it comes to."""
    try:
        code.codec.check_ready()
    except CannotOpen as error:
        raise UnknownTask(str(error)) from None


def not_ready(codes: Iterable[TaskCode]) -> Iterator[tuple[str, str]]:
    """Those of which something is not here, each with what."""
    for code in codes:
        try:
            check_ready(code)
        except UnknownTask as error:
            yield code.name, str(error)


def in_loaded(task: str, homes: Iterable[tuple[str, str]]) -> TaskCode | None:
    """The task of that name of one of these modules, each with its directory, as far as they are loaded."""
    for module, directory in homes:
        found = loaded(module, directory)
        code = None if found is None else tasks_of(found).get(task)
        if code is not None and code.origin is not None and code.origin.module == module:
            check_ready(code)
            return code
    return None


def _found_in(module: ModuleType, origin: TaskOrigin) -> TaskCode:
    found: Any = module
    for part in origin.qualname.split("."):
        found = getattr(found, part, None) if _may_be_asked(found) else None
    code = code_of(found)
    if code is not None and code.name == origin.task:
        return code
    code = tasks_of(module).get(origin.task)  # a lambda, or one made inside a function
    if code is not None and code.origin is not None and code.origin.module == origin.module:
        return code
    home = home_of(module.__name__)
    actual = None if home is None else home.directory
    if actual is not None and not same_directory(actual, origin.directory):
        raise UnknownTask(
            f"the module {origin.module} was loaded from {actual}, but the task {origin.task} is in "
            f"the one in {origin.directory}; give one of them another name"
        )
    plain = "without @app.task a function is run by its program's app.executor() alone, and " if type(found) is FunctionType else ""
    raise UnknownTask(
        f"{origin.module}.{origin.qualname} in {origin.directory} is not a task named {origin.task}; "
        f"{plain}if it was added since this worker started, restart the worker"
    )


def _may_be_asked(value: Any) -> bool:
    """Whether a look at its attributes runs nobody's code: a module's or a class's own, or a function's."""
    return type(value) in (ModuleType, type, FunctionType)


def code_of(value: Any) -> TaskCode | None:
    """The code of a task, if the value is one."""
    if type(value) is FunctionType:  # what wraps a task with functools.wraps has its marks
        code = vars(value).get(MARK)
    else:
        code = getattr(value, MARK, None) if issubclass(type(value), Marked) else None
    return code if isinstance(code, TaskCode) else None


def tasks_of(module: ModuleType) -> dict[str, TaskCode]:
    """The tasks among a module's names, and all those of the apps among them."""
    found: dict[str, TaskCode] = {}
    for value in list(vars(module).values()):
        code = code_of(value)
        if code is not None:
            found[code.name] = code
        elif issubclass(type(value), Marked):
            found.update(getattr(value, "__litequeue_tasks__", {}))
    return found
