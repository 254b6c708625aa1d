"""Whether the source files of a program's tasks are still those that it has imported.

Owns the watch over the files of a worker inside a program. A reloader (Flask's, Django's) leaves its parent process with a
worker of the code from before the edit, which ran 8 of the 12 jobs after it. What a worker does with what is found here is
``discovery``'s. A file that is gone, or that no program can have been read from, says nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from ..tasks import TaskCode

PAUSE: Final = 0.000_1  # seconds for each file, until the next look: that costs 5 us a file


class Seen(NamedTuple):
    """A file at one moment."""

    stat: tuple[int, int, int]
    content: int  # hash


class Sources:
    """The files of the tasks in a registry that may grow, and be replaced task by task where a module is executed anew."""

    def __init__(self, registered: Mapping[str, TaskCode], monotonic: Callable[[], float]) -> None:
        self._registered = registered
        self._monotonic = monotonic
        self._look_at = 0.0
        self._known: dict[str, TaskCode] = {}
        self._file_of: dict[str, str] = {}  # by task
        self._imported: dict[str, Seen] = {}  # by file: as it was imported
        self._now: dict[str, Seen] = {}
        self.changed = dict[str, str]()  # task -> what is to be said of it
        self.look()

    def look(self) -> bool:
        """Look at the files, unless that was done just now. Whether ``changed`` says something else than before."""
        now = self._monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + PAUSE * len(self._imported)
        for name, code in list(self._registered.items()):
            if self._known.get(name) is not code:
                self._take_in(name, code)
        differing = {file for file, then in self._imported.items() if self._differs(file, then)}
        before, self.changed = self.changed, {
            task: f"{file} was changed after its program had imported it: restart the program, or start the worker with "
            'stale="run"'
            for task, file in self._file_of.items() if file in differing
        }  # fmt: skip
        return before != self.changed

    def _take_in(self, name: str, code: TaskCode) -> None:
        before, self._known[name] = self._known.get(name), code
        file = getattr(sys.modules.get(code.function.__module__), "__file__", None)
        if not isinstance(file, str):
            return
        # A factory registers its task again and again; a module that is executed anew is other code at its top level.
        if file not in self._imported or before is not None and before.made_by is not code.made_by:
            seen = _seen(file)
            if seen is None:
                return
            self._imported[file] = self._now[file] = seen
        self._file_of[name] = file

    def _differs(self, file: str, then: Seen) -> bool:
        now = self._now[file] = _seen(file, self._now[file]) or self._now[file]
        return now.content != then.content


def _seen(file: str, before: Seen | None = None) -> Seen | None:
    """A file as it is; read only if it is not as it was. None if it cannot be read."""
    try:
        found = os.stat(file)
        stat = found.st_mtime_ns, found.st_size, found.st_ino
        if before is not None and stat == before.stat:
            return before
        with open(file, "rb") as source:
            return Seen(stat, hash(source.read()))
    except OSError:
        return None
