"""What a module's functions and classes are called in the file, and where the module can be loaded from again.

Owns the name of ``__main__``: one rule, for tasks and for registered types. A script is named by its file, so that the
program that enqueues and the worker that loads the script say the same; a shell or notebook has no name at all.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any, Final, NamedTuple

from .mainguard import is_frozen

_SOURCES: Final = (".py", ".pyc", ".so", ".pyd")
# Modules that were loaded by their path, since no import statement could name their file: name -> file's name.
_by_path: dict[str, str] = {}


class Home(NamedTuple):
    """Where the things of a module are at home."""

    name: str  # what their names begin with
    module: str  # to be loaded again: a module's name, or a file's in its directory, as ``./send-mail.py``
    directory: str | None  # the entry of sys.path, or the file's directory; None: it has no file


def home_of(module: str | None, namespace: Mapping[str, Any] | None = None) -> Home | None:
    """The home of a module by its ``__name__``; None for a shell or a notebook, which nobody else can load.

    ``namespace``: the globals of a function of it, where one is at hand. A tool that runs a script need not have made that the
    ``__main__`` of ``sys.modules``.
    """
    if module in ("__console__", None):  # code.interact(), and with names of somebody's own, as Django's shell has them
        return None
    if module not in ("__main__", "__mp_main__"):  # the second is the first, in a child of multiprocessing
        file, loaded = _by_path.get(module), sys.modules.get(module)
        if file is not None:
            return Home(module, f"./{file}", os.path.dirname(os.path.abspath(str(getattr(loaded, "__file__", "")))))
        return Home(module, module, import_directory(loaded, module))
    main: Any = sys.modules.get(module)
    spec, path = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if is_frozen():
        spec, path = None, sys.executable
    elif isinstance(path, str) and is_of_python(path):
        # A shell (Python 3.13's, python -m asyncio), or a tool that runs a script or module, of which it makes argv (cProfile,
        # trace).
        says = namespace or {}
        spec, path = says.get("__spec__"), says.get("__file__") or "".join(sys.argv[:1])
        main = SimpleNamespace(__file__=path)
        if path and is_of_python(os.path.abspath(path)):
            spec = path = None
    if spec is not None and spec.name != "__main__":  # python -m package.module; a script has that from cProfile
        name = str(spec.name)
        return Home(name, name, import_directory(main, name))
    if not isinstance(path, str) or not os.path.isfile(path):
        return None
    directory, file = os.path.split(as_named(os.path.abspath(path)))
    stem, suffix = os.path.splitext(file)
    if stem.isidentifier() and suffix == ".py":
        return Home(stem, stem, directory)
    return Home(name_of_file(file), f"./{file}", directory)


def is_of_python(path: str) -> bool:
    """Whether a file is of the standard library, and no package that was installed."""
    return path.startswith(os.path.dirname(os.__file__) + os.sep) and "-packages" not in path


def name_of_file(file: str) -> str:
    """What a script's tasks are called by: ``send-mail.py`` is ``send-mail``, what no name may hold becomes ``_``."""
    return re.sub(r"[^\w-]", "_", file.removesuffix(".py")) or "_"


def file_of(module: str) -> str | None:
    """The file of a script that is to be loaded by its path; None for a module that can be imported by its name."""
    return module.removeprefix("./") if module.startswith("./") else None


def note_loaded_by_path(name: str, file: str) -> None:
    """A module was loaded by its path: its home is that file."""
    _by_path[name] = file


def loaded(module: str, directory: str) -> ModuleType | None:
    """The module of a home, if this process has it, from there; also if it is ``__main__``."""
    main = home_of("__main__")
    if main is not None and main.module == module and same_directory(main.directory, directory):
        return sys.modules.get("__main__")
    file = file_of(module)
    name = module if file is None else name_of_file(file)
    found = sys.modules.get(name)
    home = None if found is None else home_of(name)
    return found if home is not None and home.module == module and same_directory(home.directory, directory) else None


def as_named(path: str) -> str:
    """A path below the working directory as the shell names that: who goes to /srv/current means it, though the system says
    /srv/releases/42. POSIX leaves the name in PWD."""
    try:
        here, named = os.getcwd(), os.environ.get("PWD", "")
    except OSError:  # the directory is gone
        return path
    if named == here or not os.path.isabs(named) or os.path.realpath(named) != here:
        return path
    return named + path[len(here) :] if path == here or path.startswith(here + os.sep) else path


def same_directory(one: str | None, other: str | None) -> bool:
    """Whether they are one, however they are named."""
    return one == other or one is not None and other is not None and os.path.realpath(one) == os.path.realpath(other)


def import_directory(module: ModuleType | None, name: str) -> str | None:
    """The sys.path entry from which ``name`` can be imported again; None if it has no file.

    A symbolic link stays as it was named: ``current`` is to lead to the next release, not to the one of today.
    """
    path = getattr(module, "__file__", None)
    if not isinstance(path, str) or not path.endswith(_SOURCES):
        return None
    directory = os.path.dirname(as_named(os.path.abspath(path)))
    levels = name.count(".")
    if os.path.splitext(os.path.basename(path))[0] == "__init__":
        levels += 1
    for _ in range(levels):
        directory = os.path.dirname(directory)
    return directory
