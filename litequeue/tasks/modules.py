"""Names of modules: what a task's module is called, where it can be imported from again, and importing it.

Owns the name of ``__main__``. Whether a directory is to be believed is the worker's to decide (``worker/discovery``).
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import all_suffixes
from types import ModuleType

from ..base.errors import LitequeueError, UnknownTask


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
