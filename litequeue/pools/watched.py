"""A process of the pool as its worker sees it from outside: whether it is fit for a call, and what that has used so far.

Owns what is known of the one process. The child itself is asked nothing: it may be busy, or dead by the time of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from ..base.errors import MemoryExceeded
from ..base.outcomes import CpuSpent, Failed, Interrupted, Outcome, Usage
from . import bounded, usage
from .base import Call, Reason

if TYPE_CHECKING:
    from ..tasks import TaskCode
    from ..tasks.bounds import Bounds

WELL: Final = 0
ONCE_CHANGED: Final = 1  # it is not nice yet
NOT: Final = 2


class Size(NamedTuple):
    """A process, with its bytes in memory as its first call began (0: none has yet), and now."""

    pid: int
    fresh: int
    now: int


Judge = Callable[[Sequence[Size]], Collection[int]]  # says which end


class Watched:
    """One process."""

    def __init__(self, pid: Callable[[], int | None]) -> None:
        self._pid = pid
        self._nice = 0  # which only rises
        self._ran_out = False
        self._fresh: int | None = None  # bytes in memory as its first call began
        self._cpu = 0.0  # seconds, before what it runs now
        self._used: Usage | None = None  # by that, at the last look

    def loads(self, codes: Mapping[str, TaskCode]) -> None:
        for task, code in codes.items():
            if code.bounds is not None:
                bounded.tell_what_is_not_kept(task, code.bounds)

    def size(self) -> Size | None:
        pid = self._pid()
        return None if pid is None else Size(pid, self._fresh or 0, bounded.memory_of(pid)[0])

    def fits(self, bounds: Bounds | None) -> int:
        """How well, for a call. ``NOT``: it has run out of memory (whatever else was at work there, such as a thread, may have met
        that too), is nicer, or has been left so big by earlier calls that this one would have notably less than in a fresh one."""
        nice = bounds.nice if bounds is not None and bounds.nice is not None else 0
        if self._ran_out or self._nice not in (0, nice):
            return NOT
        if bounds is not None and bounds.memory is not None and self._has_grown(bounds.memory // 4):
            return NOT
        return WELL if self._nice == nice else ONCE_CHANGED

    def _has_grown(self, much: int) -> bool:
        pid = self._pid()
        return pid is not None and self._fresh is not None and bounded.memory_of(pid)[0] > self._fresh + much

    def begins(self, call: Call) -> None:
        """The first of a batch; one with bounds is the only one."""
        bounds, pid = call.code.bounds, self._pid()
        if bounds is not None and bounds.nice is not None and bounded.KEPT["nice"]:
            self._nice = bounds.nice
        if pid is not None:
            self._cpu, self._used = usage.cpu_of(pid), None
            if self._fresh is None:
                self._fresh = bounded.memory_of(pid)[0]

    def look(self) -> None:
        pid = self._pid()
        if pid is not None:
            self._used = usage.of_process(pid, self._cpu) or self._used

    def ended(self, outcome: Outcome) -> None:
        """A call with bounds."""
        self._ran_out |= isinstance(outcome, Failed) and outcome.type == MemoryExceeded.__name__

    def used(self, outcome: Outcome) -> Usage | None:
        """By a call that came to that when its process died."""
        if isinstance(outcome, CpuSpent):  # it has used all of that, since the last look
            return Usage(outcome.seconds, None if self._used is None else self._used.max_rss)
        return self._used

    def verdict(self, call: Call, killed_for: Reason | None, timed_out: Callable[[Call], Outcome], how_it_died: Callable[[], str]) -> Outcome:
        """What a call came to when its process died."""
        if killed_for is Reason.TIMEOUT:
            return timed_out(call)
        if killed_for is not None:
            return Interrupted(killed_for.value)
        return bounded.verdict(how_it_died(), call.code.bounds)
