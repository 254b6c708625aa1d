"""Where a process of the pool looks for modules before it knows where its worker does.

Owns a word of the command line that multiprocessing starts it with. That is ``python -c``, which looks in the working directory
first, whoever can write there, and what it looks for is multiprocessing; so does the resource tracker, which comes with it.

Owns the sys.path that it has after that: the worker's, but for directories that a database has named. It imports litequeue, and
with it much of the standard library, before anything of ours runs in it; those directories it gets then, behind the
hook that judges what is found there (``tasks/checked``). Other processes that a task starts have them at once, as those
of its own program have. And that it starts wherever its worker is, and is nobody's to join but its worker's.
"""

from __future__ import annotations

import multiprocessing.context
import multiprocessing.process
import os
import sys
import threading
import types
from collections.abc import Callable
from multiprocessing import spawn, util
from typing import Any

from ..tasks import checked

_flags: Callable[[], list[str]] | None = getattr(util, "_args_from_interpreter_flags", None)
_preparation = spawn.get_preparation_data
_starts = threading.local()  # of a thread that starts one: ``process``


class PoolProcess(multiprocessing.context.SpawnProcess):
    """A process of the pool."""

    handed: checked.Handed | None = None

    def start(self) -> None:
        _starts.process = self
        try:
            super().start()
        finally:
            _starts.process = None

    def run(self) -> None:
        if self.handed is not None:  # what multiprocessing does inside is its own: if it goes about it otherwise, it has them at once
            checked.take_over(self.handed)
        super().run()


class Context(multiprocessing.context.SpawnContext):
    """In which a slot of the pool starts its process, and learns which that is: an executor says it of its own to nobody."""

    process: PoolProcess | None = None

    def Process(self, *arguments: Any, **named: Any) -> PoolProcess:  # type: ignore[override]
        self.process = PoolProcess(*arguments, **named)
        return self.process


def _flags_and_safe_path() -> list[str]:
    assert _flags is not None
    return [*_flags(), *([] if sys.flags.safe_path else ["-P"])]


def _prepare_to_check(name: str) -> dict[str, Any]:
    """What the new process is told before it is given anything else."""
    try:
        data = _preparation(name)
    except FileNotFoundError:  # it asks where it is, which a release that was taken away no longer tells
        spawn.os = types.SimpleNamespace(**{**vars(os), "getcwd": lambda: os.curdir})  # type: ignore[attr-defined]
        try:
            data = _preparation(name)
        finally:
            spawn.os = os  # type: ignore[attr-defined]
    process = getattr(_starts, "process", None)
    if process is not None:
        # It has our working directory already, and may not be able to go there: it may be closed to us (sudo -u), or gone.
        data.pop("dir", None)
        process.handed = checked.hand_over(data["sys_path"])
        data["sys_path"] = checked.unchecked(data["sys_path"])
    return data


def look_nowhere_but_there() -> None:
    """Have multiprocessing start Python with -P. For all of this process, since only there can it be said: a program's own pools
    have the same sys.path as without."""
    if _flags is not None:
        util._args_from_interpreter_flags = _flags_and_safe_path  # type: ignore[attr-defined]
    spawn.get_preparation_data = _prepare_to_check


def _after_in_child() -> None:
    """A child that its worker's process has forked, as a server does that loads the app first, ends as any other: multiprocessing would
    have it join what is not its own."""
    children: set[object] = getattr(multiprocessing.process, "_children", set())
    children -= {child for child in children if isinstance(child, PoolProcess)}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)
