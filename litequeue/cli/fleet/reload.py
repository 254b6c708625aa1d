"""Whether the code that a fleet's workers have loaded was changed, for ``--reload``.

Owns the look at files. The workers say which theirs are (``child``); here they are only looked at, and read for their syntax, never imported. At
2,000 looks a second 400 files are looked at five times a second, and ten thousand each five seconds. A look takes 2 us, and with 200 files the
supervisor used 0.4 % of a core.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Final

from ...base.here import here
from ...base.log import Log
from ...tasks.source import Signature, signature_of, written_at

log = Log("litequeue.supervisor")

LOOKS: Final = 2_000  # a second
SHORTEST: Final = 0.2  # seconds between two
AT_ONCE: Final = 400
MOST: Final = 20_000  # files


class Watch:
    """The files, by what they were at the last look."""

    def __init__(self) -> None:
        self._files: dict[str, Signature | None] = {}
        self._names: dict[str, frozenset[str]] = {}  # in the folders of those files, as they were when those were added
        self._broken = set[str]()
        self._changed: str | None = None  # one that waits until no other has a slip
        self._next = 0
        self.pause = SHORTEST

    def add(self, file: str, began: int) -> None:
        """``began``: when the process did that has loaded it, in microseconds since the epoch. What was written since is taken for a change: whether it was loaded before or after
        that nobody knows, for a worker tells of its files up to a second later."""
        if file not in self._files and len(self._files) < MOST:
            found = signature_of(file)
            self._files[file] = None if found is not None and written_at(found) >= began else found
            for folder in (os.path.dirname(file), here() or os.sep):
                if folder not in self._names:
                    self._names[folder] = _names_in(folder)

    def look(self, *, anew: bool = False) -> str | None:
        """At the next of them; the name of one that is another than it was, unless one has a slip in its syntax. ``anew``: no worker is there, and a file
        that is new may be what was missing."""
        self._changed = self._look_for_new_ones() if anew else self._changed
        files = list(self._files)
        some = (files[self._next :] + files[: self._next])[:AT_ONCE]
        self._next = (self._next + len(some)) % max(len(files), 1)
        self.pause = max(SHORTEST, len(some) / LOOKS)
        for file in some:
            now = signature_of(file)
            if now is None and file in self._broken:  # it may be gone for good; should it come back, it is looked at anew
                self._broken.discard(file)
                self._files[file] = None
            if now is None or now == self._files[file]:  # one that is away is being written, or comes back as another
                continue
            self._files[file] = now
            self._broken.discard(file)
            why = slip(file)
            if why is None:
                self._changed = file
            else:
                self._broken.add(file)
                log.error("%s%s", why, "" if anew else "; what runs goes on as it was")
        if self._broken:
            return None
        changed, self._changed = self._changed, None
        return changed

    def _look_for_new_ones(self) -> str | None:
        found = None
        for folder, before in self._names.items():
            names = self._names[folder] = _names_in(folder)
            paths = [os.path.join(folder, name) for name in sorted(names - before)]
            found = next((path for path in paths if path.endswith(".py") or os.path.isdir(path)), found)
        return found


def _names_in(folder: str) -> frozenset[str]:
    """Those that a module or a package may have."""
    try:
        return frozenset(name for name in os.listdir(folder) if name.removesuffix(".py").isidentifier() and not name.startswith("__"))
    except OSError:
        return frozenset()


def slip(file: str, compiled: Callable[..., object] = compile) -> str | None:
    """What is wrong with its syntax; None: nothing, or it cannot be told."""
    try:
        with open(file, "rb") as opened:
            text = opened.read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled(text, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"{file}, line {error.lineno}: {error.msg}"
    except (OSError, ValueError, RecursionError, MemoryError):
        return None
    return None
