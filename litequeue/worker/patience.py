"""How long the coordinator waits for the write lock, and when a turn tries again.

Owns that: as long as anybody does, but no longer than until a call that runs has used up its time, since the thread that waits is the one that
ends it, and a program's transaction may hold the lock for seconds. What was cut short for that was not refused: the turn begins again at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..base.errors import QueueBusy

RETRY_PAUSE: Final = 0.25  # after a turn that the file refused
SHORTEST: Final = 0.05


class Patience:
    """Times are monotonic seconds. For the coordinator's thread."""

    def __init__(self, usual: float, next_timeout: Callable[[], float], monotonic: Callable[[], float]) -> None:
        """``next_timeout``: when the next call's time is up; infinity if never."""
        self.refused_until = 0.0
        self._usual = usual
        self._next_timeout = next_timeout
        self._monotonic = monotonic
        self._waits_since: float | None = None

    def now(self, *, for_jobs: bool = True) -> float | None:
        """Seconds, from now on; None: as long as anybody. For what is only counted it is a moment: a call may have begun of which nobody here has heard."""
        if not for_jobs:
            return SHORTEST
        left = max(self._next_timeout() - self._monotonic(), SHORTEST)
        return left if left < self._usual else None

    def is_refused(self, error: Exception, began: float, now: float) -> bool:
        """Whether that was no wait that was cut short. If so, the next turn comes after a pause."""
        if self._waits_since is None:
            self._waits_since = began
        if isinstance(error, QueueBusy) and now - self._waits_since < self._usual:
            return False
        self._waits_since = None
        self.refused_until = now + RETRY_PAUSE
        return True

    def had(self) -> None:
        """The lock was."""
        self._waits_since = None
