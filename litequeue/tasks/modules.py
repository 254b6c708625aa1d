"""Importing the module that a task's code is in, from where its home says.

Owns the import, by name or by path, and what is said of one that fails. Who names the directory, and so whether what lies there is
to be checked, the worker knows (``worker/discovery``); how it is checked, ``checked``; what a module is called, ``base/homes``.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from importlib.machinery import SourceFileLoader, all_suffixes
from types import ModuleType
from typing import Final

from ..base.errors import LitequeueError, UnknownTask
from ..base.homes import (
    file_of,
    home_of,
    is_of_python,
    loaded,
    name_of_file,
    note_loaded_by_path,
)
from ..base.mainguard import BELONGS, RUNS, workers_import
from ..base.trust import SAY_SO, Untrusted, cure, why_untrusted, without_waiting
from . import checked, greenlets

IMPORT_SECONDS: Final = 30.0  # for a module, which is given up for now after that

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def takes_too_long(seconds: float) -> str:
    """What is said of a task whose module is given up for now."""
    return f"importing its module has taken more than {seconds:g} s, and has not ended yet"


def source_files(module: str, directory: str) -> list[str]:
    """The files that importing a module would run, as far as they lie in its directory."""
    file = file_of(module)
    if file is not None:
        return [path for path in [os.path.join(directory, file)] if os.path.exists(path)]
    found, base = [], directory
    for part in module.split("."):
        base = os.path.join(base, part)
        for stem in (os.path.join(base, "__init__"), base):
            found += [stem + suffix for suffix in all_suffixes() if os.path.exists(stem + suffix)]
    return found


def load(module: str, directory: str, *, check: bool = False) -> ModuleType:
    """Import a module from a directory; ``check`` that nobody else could have put it, or what it imports from there, in its
    place. Raises UnknownTask saying what went wrong."""
    greenlets.watch()
    file = file_of(module)
    try:
        if check:
            checked.watch(module, directory)
        with checked.first_on_the_path(directory), workers_import():
            if file is not None:
                return _by_path(file, directory, checked.Loader if check else SourceFileLoader)
            if check:
                checked.find(module, directory)
            return importlib.import_module(module)
    except UnknownTask:
        raise
    except (checked.Refused, Untrusted) as why:
        raise UnknownTask(_refusal(module, directory, why.args[0])) from why
    except BaseException as error:  # a module may even raise SystemExit while it is imported
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UnknownTask(f"importing {module} from {directory} failed: {told(error)}") from error


def why_not_imported(module: str, directory: str, user: int) -> str | None:
    """What a worker of that user's would say of a module that others could have written; None if nothing, as far as can be told
    without importing it: more may be refused on the way."""
    with contextlib.suppress(OSError):  # it is not there, which is another matter
        for path in (directory, *source_files(module, directory)):
            if (why := why_untrusted(path, user)) is not None:
                return _refusal(module, directory, why)
    return None


def _refusal(module: str, directory: str, why: object) -> str:
    return f"{module} in {directory} is not imported, since {why}; {cure(why)}, name the code yourself with --import MODULE, or say {SAY_SO}"


def told(error: BaseException) -> str:
    """An error of an import with the line that raised it, and with what is wrong most of the time."""
    said = f"{type(error).__name__}: {error}".removesuffix(": ")
    if isinstance(error, SyntaxError):
        return said  # which says its place
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(("<", _OURS)) and not is_of_python(file) and ("-packages" not in file or not place):
            place = f" (line {trace.tb_lineno} of {file})"  # of whoever wrote it, rather than of a library that he uses
        trace = trace.tb_next
    if isinstance(error, ImportError) and "relative import" in str(error):
        place += "; name it by its package, as in --import package.module"
    if isinstance(error, LitequeueError) and BELONGS not in said:
        place += f"; a worker imports that file: {BELONGS}"
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        place += f"; a worker imports that file: {RUNS}"
    return said + place


def _by_path(file: str, directory: str, loader: type[SourceFileLoader]) -> ModuleType:
    """A script whose name no import statement can say."""
    found = loaded(f"./{file}", directory)
    if found is not None:
        return found
    name = name_of_file(file)
    if name in sys.modules:
        home = home_of(name)
        raise UnknownTask(
            f"{file} in {directory} cannot be loaded beside {home.module if home else name} from "
            f"{home.directory if home else 'elsewhere'}, which has the same name: rename one of them"
        )
    import importlib.util  # few tasks are in such scripts

    path = os.path.join(directory, file)
    if _is_program(path):
        raise UnknownTask(
            f"{path} is a program and not Python's source: what is frozen runs its tasks itself, with app.worker()"
        )
    spec = importlib.util.spec_from_file_location(name, path, loader=loader(name, path))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    note_loaded_by_path(name, file)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _is_program(path: str) -> bool:
    with contextlib.suppress(OSError), open(path, "rb", opener=without_waiting) as file:
        return b"\0" in (file.read(1024) or b"")  # None: a pipe, in which nothing is yet
    return False
