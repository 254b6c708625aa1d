"""Keeping gevent from replacing the threads of a process that a worker runs in.

Owns the watch over its import. ``gevent.monkey.patch_all()`` in a module of tasks puts greenlets in the place of the threads
and locks that the worker's own threads are using, and of its sockets: none of them moves any more, and nobody is told (seen:
a worker that ran nothing). So there the functions refuse, as an error of the module that calls them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

from ..base.errors import UnknownTask

MODULE: Final = "gevent.monkey"
WHY: Final = (
    "gevent.monkey.patch_all() would replace the threads and sockets that the worker in this process runs on: leave it to the programs that "
    "need it; tasks can be async, or use threads as they are"
)


def watch() -> None:
    """From now on in this process. Raises UnknownTask where it is too late."""
    module = sys.modules.get(MODULE)
    if module is not None and any(map(module.is_module_patched, ("threading", "socket", "time", "select", "queue"))):
        raise UnknownTask(f"{WHY}; here that has been done already")
    if module is not None:
        _disarm(module)
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


def _disarm(module: Any) -> None:
    for name in ("all", "thread", "socket", "time", "select", "queue"):
        setattr(module, f"patch_{name}", _refuse)


def _refuse(*_args: object, **_options: object) -> None:
    raise UnknownTask(WHY)


class _Watch:
    """A finder that hands over the module with those functions replaced."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != MODULE:
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
