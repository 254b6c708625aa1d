"""A process of the pool as its worker sees it from outside: what the call has used so far that it runs.

Owns what is known of the one process. The child itself is asked nothing: it may be busy, or dead by the time of the answer.
"""

from __future__ import annotations

from collections.abc import Callable

from ..base.outcomes import Usage
from . import usage


class Watched:
    """One process."""

    def __init__(self, pid: Callable[[], int | None]) -> None:
        self._pid = pid
        self._cpu = 0.0  # seconds, before what it runs now
        self.used: Usage | None = None  # by that, at the last look

    def begins(self) -> None:
        pid = self._pid()
        if pid is not None:
            self._cpu, self.used = usage.cpu_of(pid), None

    def look(self) -> None:
        pid = self._pid()
        if pid is not None:
            self.used = usage.of_process(pid, self._cpu) or self.used
