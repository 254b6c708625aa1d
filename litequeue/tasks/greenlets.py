"""Keeping gevent and eventlet from replacing the threads of a process that a worker runs in.

Owns the watch over their import. ``gevent.monkey.patch_all()`` in a module of tasks puts greenlets in the place of the threads
and locks that the worker's own threads are using, and of its sockets: none of them moves any more, and nobody is told (seen:
a worker that ran nothing). So there the functions refuse, as an error of the module that calls them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final, NamedTuple

from ..base.errors import UnknownTask


class Patcher(NamedTuple):
    """A module that does it."""

    shown: str  # as people call it
    functions: tuple[str, ...]
    has_patched: Callable[[Any], bool]


PATCHERS: Final = {
    "gevent.monkey": Patcher(
        "gevent.monkey.patch_all",
        tuple(f"patch_{name}" for name in ("all", "thread", "socket", "time", "select", "queue")),
        lambda module: any(map(module.is_module_patched, ("threading", "socket", "time", "select", "queue"))),
    ),
    "eventlet.patcher": Patcher(
        "eventlet.monkey_patch",
        ("monkey_patch",),
        lambda module: any(map(module.is_monkey_patched, ("thread", "socket", "time", "select"))),
    ),
}


def watch() -> None:
    """From now on in this process. Raises UnknownTask where it is too late."""
    for name, patcher in PATCHERS.items():
        module = sys.modules.get(name)
        if module is not None:
            if patcher.has_patched(module):
                raise UnknownTask(f"{_why(patcher)}; here that has been done already")
            _disarm(module)
            package = sys.modules.get(name.partition(".")[0])
            if hasattr(package, patcher.functions[0]):  # eventlet hands it on
                setattr(package, patcher.functions[0], getattr(module, patcher.functions[0]))
    if not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


def _why(patcher: Patcher) -> str:
    return (
        f"{patcher.shown}() would replace the threads and sockets that the worker in this process runs on: leave it to the "
        "programs that need it; tasks can be async, or use threads as they are"
    )


def _disarm(module: Any) -> None:
    patcher = PATCHERS[module.__name__]

    def refuse(*_args: object, **_options: object) -> None:
        raise UnknownTask(_why(patcher))

    for name in patcher.functions:
        setattr(module, name, refuse)


class _Watch:
    """A finder that hands over those modules with their functions replaced."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in PATCHERS:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # by its methods
                return spec
        return None


class _Loader:
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _disarm(module)
