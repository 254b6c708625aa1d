"""Programs whose main file lacks its ``if __name__ == "__main__":``, in the words for them.

Owns noticing them. Whatever imports such a file, a worker that looks for a task or a process of its pool that starts, does
again what the program does. So does a process that a frozen program (PyInstaller's) starts, which is the program itself,
unless that asks first what it was started for: one without had 147 processes after 20 s.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Final

from .errors import WorkerFailed

ASKS: Final = 'let a frozen program call multiprocessing.freeze_support() before all else in its if __name__ == "__main__": block'
BELONGS: Final = 'put what enqueues, waits or starts workers into an if __name__ == "__main__": block'
RUNS: Final = 'put what runs it as a program, and ends that, into an if __name__ == "__main__": block'


_importing: set[int] = set()  # threads


@contextlib.contextmanager
def workers_import() -> Iterator[None]:
    """In this block a worker, or a process of its pool, imports tasks."""
    thread = threading.get_ident()
    _importing.add(thread)
    try:
        yield
    finally:
        _importing.discard(thread)


def refuse_in_an_import() -> None:
    """Raise WorkerFailed where this program's file is only imported: by a worker that wants its tasks, or by a process of
    its pool that starts. What it enqueues there came again with each of them (a customer was charged twice)."""
    if threading.get_ident() in _importing:
        raise WorkerFailed(f"a worker imports this file, for its tasks: {BELONGS}")
    module = sys.modules.get("multiprocessing.process")
    if module is not None and getattr(module.current_process(), "_inheriting", False):
        raise WorkerFailed(f"a process of the worker's pool imports this file, as every process that Python spawns does: {BELONGS}")
    if is_frozen() and (sys.argv[1:2] == ["--multiprocessing-fork"] or "".join(sys.argv[-1:]).startswith("from multiprocessing.")):
        # A process that runs tasks, or the one that keeps count of resources; freeze_support() makes them that.
        raise WorkerFailed(f"multiprocessing has started this program anew, for a process of the worker's pool, and it runs from the top: {ASKS}")


def is_frozen() -> bool:
    """Whether this program is one file or folder with its Python in it."""
    return bool(getattr(sys, "frozen", False))


def hint() -> str:
    """For a process of the pool that did not start: what is wrong most of the time in a program of one's own."""
    if is_frozen():
        return f"; {ASKS}"
    main = sys.modules.get("__main__")
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    ours = spec is not None and spec.name.startswith("litequeue.")
    if not file or ours:
        return ""
    also = ", and multiprocessing.set_start_method() too, which fails in an import" if _sets_the_start_method(file) else ""
    return f"; it imports {file}: {BELONGS}{also}"


def _sets_the_start_method(file: str) -> bool:
    """Whoever has started a process has it set, so only the text tells."""
    with contextlib.suppress(OSError), open(file, errors="replace") as source:
        return "set_start_method(" in source.read()
    return False
