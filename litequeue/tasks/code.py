"""What a task is: its code, its options, where the code was found; and finding it again by name.

Owns the validation of options and of calls, and the rule that a stored name runs only if the module that
it points to really registers a task of that name. Registering is memory only: no I/O at import.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import all_suffixes
from types import ModuleType
from typing import Any, Final

from ..base import backoff as backoffs
from ..base import checks
from ..base.errors import (
    InvalidArgument,
    InvalidType,
    LitequeueError,
    SignatureMismatch,
    UnknownTask,
)
from ..base.models import TaskOrigin
from ..payload import Codec

POOLS: Final = ("thread", "process", "async")
MARK: Final = "__litequeue_code__"  # the attribute by which a module's object shows that it is a task
MAX_PRIORITY: Final = 1_000_000
MAX_RETRIES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """A task's options, checked; durations in microseconds."""

    queue: str
    pool: str
    priority: int
    max_attempts: int
    backoff: backoffs.BackoffLike
    retry_on: tuple[type[BaseException], ...]
    give_up_on: tuple[type[BaseException], ...]
    timeout: int | None
    soft_timeout: int | None
    expires: int | None
    at_most_once: bool
    result_ttl: int


def check_options(
    *,
    is_async: bool,
    queue: object = "default",
    pool: object = None,
    priority: object = 0,
    retries: object = 0,
    backoff: object = backoffs.DEFAULT,
    retry_on: object = (Exception,),
    give_up_on: object = (),
    timeout: object = None,
    soft_timeout: object = None,
    expires: object = None,
    at_most_once: object = False,
    result_ttl: object = 86_400,
) -> TaskOptions:
    """Validate a task's options; each error names the option and what it takes."""
    if pool is None:
        pool = "async" if is_async else "thread"
    pool = checks.one_of(pool, "pool", POOLS)
    if is_async and pool != "async":
        raise InvalidArgument(f'an async def task runs in pool="async", not {pool!r}; leave pool out')
    if not is_async and pool == "async":
        raise InvalidArgument('pool="async" is for async def functions; this one is not')
    options = TaskOptions(
        queue=checks.name(queue, "queue"),
        pool=pool,
        priority=checks.integer(priority, "priority", -MAX_PRIORITY, MAX_PRIORITY),
        max_attempts=checks.integer(retries, "retries", 0, MAX_RETRIES) + 1,
        backoff=backoffs.check(backoff),
        retry_on=_exceptions(retry_on, "retry_on"),
        give_up_on=_exceptions(give_up_on, "give_up_on"),
        timeout=_duration(timeout, "timeout"),
        soft_timeout=_duration(soft_timeout, "soft_timeout"),
        expires=_duration(expires, "expires"),
        at_most_once=checks.flag(at_most_once, "at_most_once"),
        result_ttl=checks.micros(result_ttl, "result_ttl"),
    )
    if options.at_most_once and options.max_attempts > 1:
        raise InvalidArgument("at_most_once=True contradicts retries: a retry would be a second run")
    check_timeouts(options.timeout, options.soft_timeout)
    return options


def check_timeouts(timeout: int | None, soft_timeout: int | None) -> None:
    if timeout is not None and soft_timeout is not None and soft_timeout >= timeout:
        raise InvalidArgument("soft_timeout must be shorter than timeout, which ends the attempt")


def _duration(value: object, what: str) -> int | None:
    return None if value is None else checks.micros(value, what, zero=False)


def _exceptions(value: object, what: str) -> tuple[type[BaseException], ...]:
    classes = value if isinstance(value, tuple) else (value,)
    if isinstance(value, list):
        classes = tuple(value)
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            raise InvalidType(f"{what} must be an exception class or a tuple of them, not {cls!r:.100}")
    return classes


class TaskCode:
    """A registered function with its options: what the pools run."""

    __slots__ = (
        "_arity", "_signature", "bind", "codec", "function", "handlers", "is_async", "name", "options", "origin",
    )  # fmt: skip

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None,
        codec: Codec,
        bind: Callable[[str], None],
        options: Mapping[str, Any],
        handlers: Sequence[TaskCode] = (),
    ) -> None:
        """``bind`` tells the task's app which file the worker that runs it serves; ``handlers`` are the app's
        tasks that are told of discarded jobs."""
        named = all(isinstance(getattr(function, a, None), str) for a in ("__name__", "__module__"))
        if not callable(function) or isinstance(function, type) or not named:
            raise InvalidType(f"a task must be a function (write one with def), not {function!r:.100}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidType(
                f"{function.__qualname__} is a generator: calling it runs nothing. "
                "Return a list, or enqueue one job per item"
            )
        self.function = function
        self.codec = codec
        self.bind = bind
        self.handlers = handlers
        self.is_async = inspect.iscoroutinefunction(function)
        self.options = check_options(is_async=self.is_async, **options)
        module = main_name() if function.__module__ == "__main__" else function.__module__
        qualname = getattr(function, "__qualname__", function.__name__)
        if name is None:
            name = re.sub(r"<locals>\.", "", f"{module or '__main__'}.{qualname}")
            if "<lambda>" in name:
                raise InvalidArgument("a lambda has no name of its own: give the task a name=")
        self.name = checks.name(name, "the task's name")
        self.origin = self._find_origin(module, qualname)
        if self.options.pool == "process" and (self.origin is None or "<" in qualname):
            raise InvalidArgument(
                f'the task {self.name} has pool="process", so it must be importable in another '
                "process: define it at the top level of a module or script file"
            )
        self._signature = inspect.signature(function)
        self._arity = _positional_arity(self._signature)

    def backoff(self, kwargs: str) -> backoffs.BackoffLike:
        """For a job with these stored arguments."""
        return self.options.backoff

    def _find_origin(self, module: str | None, qualname: str) -> TaskOrigin | None:
        if module is None:
            return None
        directory = import_directory(sys.modules.get(self.function.__module__), module)
        if directory is None:
            return None
        o = self.options
        defaults = {
            "queue": o.queue,
            "pool": o.pool,
            "priority": o.priority,
            "max_attempts": o.max_attempts,
            "at_most_once": int(o.at_most_once),
            "timeout": o.timeout,
            "soft_timeout": o.soft_timeout,
            "expires": o.expires,
        }
        return TaskOrigin(self.name, module, qualname, directory, json.dumps(defaults))

    def check_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise SignatureMismatch unless the function could be called like this."""
        # Signature.bind costs 4 us; most calls are positional, and a count settles those.
        if not kwargs and self._arity is not None and self._arity[0] <= len(args) <= self._arity[1]:
            return
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise SignatureMismatch(f"{self.name}{self._signature}: {error}") from None


def _positional_arity(signature: inspect.Signature) -> tuple[int, int] | None:
    """(least, most) positional arguments of a call without keywords; None if keywords are needed."""
    least, most = 0, 0
    for p in signature.parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            most = sys.maxsize
        elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            most += 1
            least += p.default is p.empty
        elif p.kind is p.KEYWORD_ONLY and p.default is p.empty:
            return None
    return least, most


# -- names of modules ----------------------------------------------------------------------------


def main_name() -> str | None:
    """The importable name of ``__main__``; None in a shell, where there is none."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # python -m package.module
        return str(spec.name)
    path = getattr(main, "__file__", None)
    if not isinstance(path, str) or not path.endswith(".py"):
        return None
    stem = os.path.splitext(os.path.basename(path))[0]
    return stem if stem.isidentifier() else None


def import_directory(module: ModuleType | None, name: str) -> str | None:
    """The sys.path entry from which ``name`` can be imported again; None if it has no file."""
    path = getattr(module, "__file__", None)
    if not isinstance(path, str) or not path.endswith((".py", ".pyc", ".so", ".pyd")):
        return None
    directory = os.path.dirname(os.path.abspath(path))
    levels = name.count(".")
    if os.path.splitext(os.path.basename(path))[0] == "__init__":
        levels += 1
    for _ in range(levels):
        directory = os.path.dirname(directory)
    return directory


def source_files(module: str, directory: str) -> list[str]:
    """The files that importing a module would run, as far as they lie in its directory."""
    found, base = [], directory
    for part in module.split("."):
        base = os.path.join(base, part)
        for stem in (os.path.join(base, "__init__"), base):
            found += [stem + suffix for suffix in all_suffixes() if os.path.exists(stem + suffix)]
    return found


# -- finding the code of a stored name ------------------------------------------------------------


def load(name: str, directory: str) -> ModuleType:
    """Import a module from a directory. Raises UnknownTask saying what went wrong."""
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        return importlib.import_module(name)
    except BaseException as error:  # a module may even raise SystemExit while it is imported
        if isinstance(error, KeyboardInterrupt):
            raise
        hint = ""
        if isinstance(error, LitequeueError):
            hint = '; a worker imports that file: what enqueues or waits belongs under if __name__ == "__main__":'
        raise UnknownTask(
            f"importing {name} from {directory} failed: "
            f"{type(error).__name__}: {error}{hint}"
        ) from error


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
