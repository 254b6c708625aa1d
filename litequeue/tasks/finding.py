"""Finding the code of a stored name again.

Owns the rule that a stored name runs only if the module that it points to really registers a task of that name.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..base.errors import UnknownTask
from ..base.models import TaskOrigin
from .code import MARK, TaskCode
from .modules import import_directory, load


def locate(origin: TaskOrigin) -> TaskCode:
    """Import the module that a producer named, and return its task of that name.

    Runs what importing the module runs, and nothing that the module does not itself register as a
    task under this very name. Raises UnknownTask saying what is missing.
    """
    module = load(origin.module, origin.directory)
    found: Any = module
    for part in origin.qualname.split("."):
        found = getattr(found, part, None)
    code = getattr(found, MARK, None)
    if isinstance(code, TaskCode) and code.name == origin.task:
        return code
    code = tasks_of(module).get(origin.task)  # a lambda, or one made inside a function
    if code is not None and code.function.__module__ == origin.module:
        return code
    actual = import_directory(module, origin.module)
    if actual is not None and actual != origin.directory:
        raise UnknownTask(
            f"the module {origin.module} was loaded from {actual}, but the task {origin.task} is in "
            f"the one in {origin.directory}; give one of them another name"
        )
    raise UnknownTask(
        f"{origin.module}.{origin.qualname} in {origin.directory} is not a task named {origin.task}; "
        "if it was added since this worker started, restart the worker"
    )


def tasks_of(module: ModuleType) -> dict[str, TaskCode]:
    """The tasks among a module's names, and all those of the apps among them."""
    found: dict[str, TaskCode] = {}
    for value in vars(module).values():
        code = getattr(value, MARK, None)
        if isinstance(code, TaskCode):
            found[code.name] = code
        registry = getattr(value, "__litequeue_tasks__", None)
        if isinstance(registry, dict):
            found.update((name, code) for name, code in registry.items() if isinstance(code, TaskCode))
    return found
