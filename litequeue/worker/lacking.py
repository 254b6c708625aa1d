"""Which tasks cannot run in this worker, and why.

Owns how long that is believed: what was looked for in vain, or lacks a key, is tried again after a while, since somebody may have mended it. Looks for
nothing itself; that is ``discovery``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

RETRY_SECONDS: Final = 30.0


class Lack(NamedTuple):
    """Of one task."""

    why: str
    at: float  # monotonic, when that was found
    is_not_found: bool  # its code; else that is here, and lacks something


class Lacking:
    """By the tasks' names."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lacks: dict[str, Lack] = {}

    def __contains__(self, task: str) -> bool:
        return task in self._lacks

    def __iter__(self) -> Iterator[str]:
        return iter(self._lacks)

    def add(self, task: str, why: str, *, is_not_found: bool) -> None:
        self._lacks[task] = Lack(why, self._monotonic(), is_not_found)

    def discard(self, task: str) -> None:
        """It may be tried again."""
        del self._lacks[task]

    def why(self, task: str) -> str | None:
        lack = self._lacks.get(task)
        return None if lack is None else lack.why

    def reasons(self) -> dict[str, str]:
        return {task: lack.why for task, lack in self._lacks.items()}

    def but_for(self, registered: Collection[str]) -> list[str]:
        """Without those whose code was not found when it was looked for, and is here now."""
        return [task for task, lack in self._lacks.items() if not (lack.is_not_found and task in registered)]

    def discard_old(self) -> list[str]:
        """Those that were found long enough ago, and may be tried again."""
        now = self._monotonic()
        old = [task for task, lack in self._lacks.items() if lack.at < now - RETRY_SECONDS]
        for task in old:
            del self._lacks[task]
        return old
