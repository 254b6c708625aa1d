"""A warning that would come again and again: at most one line every ten seconds, and one when it is over.

Owns the counting. What is refused is tried several times a second, for as long as a disk stays full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..base.log import Log

log = Log("litequeue.worker")

EVERY: Final = 10.0  # seconds


class Complaint:
    """One thing that may be refused; each of its users has its own."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kind: type[BaseException] | None = None
        self._count = 0
        self._first = self._last = self._quiet_until = 0.0

    def again(self, error: BaseException, text: str) -> None:
        """It was refused once more. Said at once if it is new, or another error than before."""
        now = self._monotonic()
        if not self._count:
            self._first = now
        if type(error) is not self._kind:
            self._kind, self._quiet_until = type(error), now
        self._count, self._last = self._count + 1, now
        if now < self._quiet_until:
            return
        self._quiet_until = now + EVERY
        log.warning("%s%s", text, f" ({self._so_far()} so far)" if self._count > 1 else "")

    def over(self, text: str) -> None:
        """It was not refused. Said if it had been."""
        if self._count:
            log.info("%s, after it was refused %s", text, self._so_far())
            self._kind, self._count = None, 0

    def _so_far(self) -> str:
        if self._count == 1:
            return "once"
        return f"{self._count} times in {self._last - self._first:.0f} s"
