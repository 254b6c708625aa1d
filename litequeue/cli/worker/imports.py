"""The modules that ``--import`` names: by their names, or by the paths of their files.

Owns what such a word means, the import of them at a worker's start, and where a service's worker has to run to find them.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import NoReturn

from ...app import LiteQueue
from ...base.errors import InvalidArgument, UnknownTask
from ...base.here import absolute, here
from ...base.homes import Home, home_of
from ...base.log import Log
from ...base.mainguard import workers_import
from ...base.trust import SAY_SO, cure, is_anyone, why_untrusted
from ...task import where
from ...tasks import TaskCode, greenlets
from ...tasks.finding import tasks_of
from ...tasks.modules import load, told
from ..grammar.parser import USUAL

log = Log("litequeue.worker")


def is_path(module: str) -> bool:
    """Whether it is named by its file."""
    return module.endswith(".py") or os.sep in module


def refuse_a_module(db: str) -> None:
    """``worker tasks``, or ``tasks:app``, is a slip of who comes from elsewhere, and would wait for ever at a database of
    that name."""
    if db.endswith(USUAL):
        return
    module = db.removesuffix(".py").partition(":")[0]
    while module.strip("./"):
        path = module if os.sep in module else module.replace(".", os.sep)
        if os.path.isfile(f"{path}.py") or os.path.isfile(os.path.join(path, "__init__.py")):
            raise InvalidArgument(
                f"{db}: there is no such database, but a module {module}: give the database first, as in: worker db.sqlite "
                f"--import {module}"
            )
        module = module.rpartition(".")[0]


def import_tasks(names: list[str], db: str) -> tuple[dict[str, TaskCode], list[Home], dict[str, str | None]]:
    """The tasks of the named modules, where those are, and the files of their apps, with whom each trusts. Any error is the user's to see before
    anything is claimed."""
    if names:
        _look_here(names, os.path.dirname(os.path.realpath(db)))
    greenlets.watch()
    found: dict[str, TaskCode] = {}
    homes: list[Home] = []
    apps: dict[str, str | None] = {}
    for name in names:
        path = absolute(name) if is_path(name) else None
        try:
            with _ctrl_c_told_apart():
                module = _by_name(name) if path is None else _by_path(path)
        except _CtrlC:
            raise
        except BaseException as error:  # a module may end itself, and would end the worker without a word
            log.debug("importing %s", name, exc_info=error)
            said = str(error) if isinstance(error, UnknownTask) else told(error)
            raise UnknownTask(f"--import {name}: {said}{_where_not(name, error)}") from error
        own = [app for app in vars(module).values() if issubclass(type(app), LiteQueue)]
        for app in own:
            app._take_what_is_free()
        codes = tasks_of(module)
        if not codes:
            raise InvalidArgument(f"--import {name}: the module has no tasks and no LiteQueue app")
        for task, code in codes.items():
            other = found.setdefault(task, code)
            if other is not code:
                raise InvalidArgument(
                    f"--import {name}: there is already a task named {task!r}, {where(other)}; this one is {where(code)}: give one "
                    "of them another name=, or each a worker of its own"
                )
        apps |= {os.path.realpath(app._client.bound or db): app._client.trust for app in own}
        home = home_of(module.__name__)
        if home is not None:
            homes.append(home)
    return found, homes, apps


class _CtrlC(KeyboardInterrupt):
    """Somebody pressed it, as opposed to a module that raises as much."""


@contextlib.contextmanager
def _ctrl_c_told_apart() -> Iterator[None]:
    def pressed(*_: object) -> NoReturn:
        raise _CtrlC

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, pressed)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is pressed:  # else the module has one of its own
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _look_here(names: list[str], beside_db: str) -> None:
    """Have the working directory on sys.path, as ``python -m`` has without -P: first only if it has one of the modules. Else it is
    last, where it hides nothing, and only where nobody else can put a module that is looked for in vain elsewhere. Who trusts anyone who can
    write where the database is says nothing of other directories."""
    directory = here()
    if directory is None or directory in sys.path:
        return
    is_said = os.path.commonpath([directory, beside_db]) == beside_db
    try:
        why = None if is_said and is_anyone(None) else why_untrusted(directory)
    except OSError as error:  # closed to us: a worker that somebody else has started with sudo -u
        log.warning("modules are not looked for in the working directory: %s: %s", directory, error.strerror)
        return
    if why is not None:
        say = SAY_SO if is_said else f"PYTHONPATH={directory}, if whoever can write there may run what he likes as you"
        log.warning("modules are not looked for in the working directory, since %s; %s, or say %s", why, cure(why), say)
    elif any(not is_path(name) and name.partition(".")[0] not in sys.modules and _is_in(name, directory) for name in names):
        sys.path.insert(0, directory)
    else:
        sys.path.append(directory)


def _by_name(name: str) -> ModuleType:
    with workers_import():
        return importlib.import_module(name)


def _by_path(path: str) -> ModuleType:
    """A module that is named by its file: by its name if that can be imported, as everybody else imports it."""
    if os.path.isdir(path):
        raise UnknownTask("it is a directory: name a file, or a package as import does")
    if not os.path.isfile(path):
        raise UnknownTask(f"there is no file {path}")
    directory, file = os.path.split(path)
    stem = file.removesuffix(".py")
    return load(stem if stem.isidentifier() and file != stem else f"./{file}", directory)


def _where_not(name: str, error: BaseException) -> str:
    """Where it was looked for, of a module that is not there itself."""
    if is_path(name) or not isinstance(error, ModuleNotFoundError) or error.name is None or not f"{name}.".startswith(f"{error.name}."):
        return ""
    directory, file = here(), name.replace(".", os.sep) + ".py"
    looked = "in PYTHONPATH or among what is installed"
    if directory in sys.path:
        return f"; it is not in {directory}, {looked}"
    if not os.path.isfile(file):
        return f"; it is not {looked}"
    return f"; it is not {looked}, and {directory}, which has a {file}, is not looked at: name the file itself, --import .{os.sep}{file}"


# -- where a service's worker finds them -----------------------------------------------------------------------------


def _is_in(module: str, directory: str) -> bool:
    """Whether an import there would find it in the directory itself."""
    if is_path(module):
        return os.path.isfile(os.path.join(directory, module))
    first = os.path.join(directory, module.partition(".")[0])
    return os.path.isdir(first) or os.path.isfile(f"{first}.py")


def home_of_imports(modules: list[str], beside_db: str) -> str:
    """Where the worker runs if nobody says: beside the file, unless its modules lie here and not there."""
    directory = here()
    for module in modules:
        if directory is not None and not _is_in(module, beside_db) and _is_in(module, directory):
            return directory
    return beside_db


def check_imports(modules: list[str], directory: str, python_path: list[str]) -> None:
    """Whether the worker will find its modules: else the service manager would start it in vain for ever."""
    import importlib.util  # a worker itself, which comes by this file, has no need of it

    for module in modules:
        if _is_in(module, directory):
            continue
        try:
            found = None if is_path(module) else importlib.util.find_spec(module.partition(".")[0])
        except (ImportError, ValueError):
            found = None
        # Of a package where it lies, too. Who asks without -P finds what is here, which the worker does not.
        places = [] if found is None else found.submodule_search_locations or [found.origin or ""]
        home = next((os.path.dirname(os.path.abspath(place)) for place in places), None)
        if found is None or home == here() and home not in python_path:
            raise InvalidArgument(
                f"--import {module}: there is no such module in {directory}, where the worker would run, and none is "
                "installed: give --directory, where it lies"
            )
