"""Whether the source files of a program's tasks are still those that it has imported.

Owns the watch over the files of a worker inside a program. A reloader (Flask's, Django's) leaves its parent process with a
worker of the code from before the edit, which ran 8 of the 12 jobs after it. What a worker does with what is found here is
``discovery``'s. A file that is gone says nothing, and one that was only touched, or changed back, is as it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from ..tasks import TaskCode
from ..tasks.source import Signature, Source, signature, signature_of

# Seconds until the next look, for each file and each task: a twentieth of the time goes into looks, at 8 us for a file and
# 0.25 us for a task.
PAUSE_FILE: Final = 0.000_16
PAUSE_TASK: Final = 0.000_005

_contents: dict[tuple[str, Signature], int] = {}  # hashes; of the process, which may make one worker after another


class Sources:
    """The files of the tasks in a registry that may grow, and be replaced task by task where a module is executed anew."""

    def __init__(self, registered: Mapping[str, TaskCode], monotonic: Callable[[], float]) -> None:
        self._registered = registered
        self._monotonic = monotonic
        self._look_at = 0.0
        self.changed = dict[str, str]()  # task -> what is to be said of it
        self.look()

    def look(self) -> bool:
        """Look at the files, unless that was done just now. Whether ``changed`` says something else than before."""
        now = self._monotonic()
        if now < self._look_at:
            return False
        tasks: dict[Source, list[str]] = {}
        for name, code in list(self._registered.items()):
            if code.source is not None:
                tasks.setdefault(code.source, []).append(name)
        self._look_at = now + PAUSE_FILE * len(tasks) + PAUSE_TASK * len(self._registered)
        before, self.changed = self.changed, {}
        for source, names in tasks.items():
            if _is_another(source):
                why = (
                    f"{source.file} was changed after its program had imported it: restart the program, or start the worker with "
                    'stale="run"'
                )
                self.changed.update(dict.fromkeys(names, why))
        return before != self.changed


def _is_another(source: Source) -> bool:
    then, now = source.signature, signature_of(source.file)
    if then is None or now is None:
        return False
    if now == then:
        _content(source.file, now)  # to compare with later
        return False
    before, after = _contents.get((source.file, then)), _content(source.file, now)
    return after is not None and before != after


def _content(file: str, now: Signature) -> int | None:
    """A hash of it, read once; None if it has just been changed again, and is to be looked at again."""
    found = _contents.get((file, now))
    if found is None:
        try:
            with open(file, "rb") as opened:
                if signature(os.fstat(opened.fileno())) == now:
                    found = _contents[file, now] = hash(opened.read())
        except OSError:
            pass
    return found
