"""Imports from directories that only the database names: each file is judged as it is read, and what fails is not run.

Owns the finder and the loaders of those directories and of all below them: packages, siblings, bytecode, for as long as the
process runs, since a module imports more when its tasks are called. Files are read through descriptors that were
judged; of a ``__pycache__`` that others can write, or that another user made, the bytecode counts as missing, and the source is
compiled. What was named outright (``--import``) or imported by the program itself is not looked at.

Such a directory is first on sys.path, as in its user's program, whose own ``statistics.py`` is meant. So what Python, or litequeue,
imports later for itself is looked for there too. What others could have put there under the name of a module of Python's counts as
not there, and the search goes on: refusing it ended a worker at its first command. Under any other name it is refused. A process
of a pool has these directories from ``take_over``, behind the hook.

It is a hook for paths and no finder of its own on ``sys.meta_path``, so that the order of ``sys.path``, ``__path__`` and
namespace packages work as ever. A first import of a small module takes 0.30 ms of processor time, an ordinary one 0.11.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import ModuleType
from typing import Any, Final, NamedTuple, NoReturn

from ..base import trust
from ..base.errors import UnknownTask
from ..base.log import Log

log = Log("litequeue.worker")

_BEFORE: Final = frozenset(sys.path)  # any database has named anything
_roots: set[str] = set()  # as they were named, and as they really are
_passed_over: set[str] = set()  # why, as was said


class Refused(ImportError):
    """What an import found could be somebody else's."""


class Loader(SourceFileLoader):
    """Of a source, with its bytecode."""

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """Which is asked for first: bytecode of our own does not stand in for a source that others could have written."""
        if (why := trust.why_untrusted(path)) is not None:
            raise trust.Untrusted(why)
        return super().path_stats(path)

    def get_data(self, path: str) -> bytes:
        return trust.read(path)


class BytecodeLoader(SourcelessFileLoader):
    """Of bytecode that stands in the place of a source."""

    def get_data(self, path: str) -> bytes:
        return trust.read(path)


class Finder(FileFinder):
    """Of one directory."""

    def __init__(self, path: str) -> None:
        super().__init__(
            path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (Loader, SOURCE_SUFFIXES), (BytecodeLoader, BYTECODE_SUFFIXES)
        )

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        try:
            return self.judged(fullname, target)
        except Refused as why:
            _pass_over(why, self.path)
            return None

    def judged(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """What there is under that name, or Refused."""
        found = super().find_spec(fullname, target)
        if found is not None:
            _refuse(fullname, self.path)
            if found.origin is not None and (isinstance(found.loader, ExtensionFileLoader) or fullname in sys.stdlib_module_names):
                # dlopen takes a path, and nobody else can change what it leads to. And a loader passes over nothing any more.
                _refuse(fullname, found.origin)
        return found


class Closed:
    """Of a zip that others could have written: any name may be in it."""

    def __init__(self, path: str, why: str) -> None:
        self._path = path
        self._why = why

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        sys.path_importer_cache.pop(self._path, None)  # to be judged anew at the next import
        _pass_over(Refused(self._why, name=fullname), self._path)
        return None


def _refuse(module: str, path: str) -> None:
    try:
        why = trust.why_untrusted(path)
    except OSError as error:
        why = f"{path} cannot be looked at: {error.strerror}"
    if why is not None:
        raise Refused(why, name=module)


def _pass_over(refused: Refused, entry: str) -> None:
    """Go on to the next entry of the path in the search for a module of Python's own."""
    if refused.name not in sys.stdlib_module_names:  # a package's own submodules are nowhere else
        raise refused
    if str(refused) not in _passed_over:
        _passed_over.add(str(refused))
        log.warning("%s in %s is passed over, and Python's own imported, since %s", refused.name, entry, refused)


def _finder(path: str) -> Finder | Closed:
    """The hook."""
    if not _leads_below_a_root(path):
        raise ImportError("not a directory that a database has named")
    if not os.path.isdir(path):
        archive = path
        while not os.path.lexists(archive):  # a folder inside of one
            archive = os.path.dirname(archive)
        try:
            _refuse("", archive)
        except Refused as why:
            return Closed(path, str(why))
        raise ImportError("a zip is read by its own importer")
    return Finder(path)


def _is_below_a_root(path: str) -> bool:
    return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in tuple(_roots))


def _leads_below_a_root(path: str) -> bool:
    return _is_below_a_root(path) or _is_below_a_root(os.path.realpath(path))  # 15 us, once for each entry and package


def watch(module: str, directory: str) -> None:
    """From now on, what is imported from this directory and below is judged. Raises Refused where that is nothing, and UnknownTask
    where it is not there."""
    try:
        why = trust.why_untrusted(directory)
    except OSError:
        why = None
        missing(module, directory)
    if why is not None:
        raise Refused(why, name=module)
    _judge_below({directory, os.path.realpath(directory)})


def _judge_below(roots: set[str]) -> None:
    if not _roots:
        sys.path_hooks.insert(0, _finder)
    _roots.update(roots)
    for path, finder in list(sys.path_importer_cache.items()):
        if _is_below_a_root(path) and not isinstance(finder, Finder):
            sys.path_importer_cache.pop(path, None)


class Handed(NamedTuple):
    """What a process of the pool is to know of this one's imports."""

    path: list[str]
    roots: set[str]
    passed_over: set[str]


def hand_over(path: list[str]) -> Handed:
    """``path``: what it is to have as sys.path."""
    return Handed(path, _roots.copy(), _passed_over.copy())


def take_over(handed: Handed) -> None:
    """In the process, which has started without these directories: find what the worker finds, judged as there."""
    if handed.roots:
        _passed_over.update(handed.passed_over)
        _judge_below(handed.roots)
        sys.path[:] = handed.path


def unchecked(path: list[str]) -> list[str]:
    """Of a sys.path the entries that need no hook: not those that the database has named, nor what modules from there have added. What
    was there before stays, though a database names it too: litequeue may be installed there."""
    return [entry for entry in path if entry in _BEFORE or not _leads_below_a_root(entry)]


def find(module: str, directory: str) -> None:
    """Raise UnknownTask where a module's outermost package is not in the directory: one of the same name elsewhere is not meant."""
    outermost = module.partition(".")[0]  # which is meant to be this, and not Python's of that name
    finder = sys.path_importer_cache.get(directory)
    if finder is None and os.path.isdir(directory):
        finder = sys.path_importer_cache[directory] = Finder(directory)
    found = finder.judged(outermost) if isinstance(finder, Finder) else PathFinder.find_spec(outermost, [directory])
    if found is None:
        missing(module, directory)


def missing(module: str, directory: str) -> NoReturn:
    raise UnknownTask(f"there is no module {module} in {directory} any more")


@contextlib.contextmanager
def first_on_the_path(directory: str) -> Iterator[None]:
    """For an import and, if that succeeds, from then on. Where it fails, our own late imports must not find what lies there."""
    added = directory not in sys.path
    if added:
        sys.path.insert(0, directory)
    try:
        yield
    except BaseException:
        if added:
            with contextlib.suppress(ValueError):
                sys.path.remove(directory)
        raise

