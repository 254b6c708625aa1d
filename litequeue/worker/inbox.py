"""What the coordinator waits on: one ``queue.SimpleQueue``, the only way into its state.

Its ``put`` is reentrant, so signal handlers may use it. Ended calls go through a deque beside it, and one
message stands for all that are there.
"""

from __future__ import annotations

import queue
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..base.models import ClaimedJob, Lease
from ..base.outcomes import Timed
from ..pools.base import Call

if TYPE_CHECKING:
    from ..pools.watched import Judge

T = TypeVar("T")


class Stirred(NamedTuple):
    """Calls ended, or a pool wants tending."""


class Look(NamedTuple):
    """Somebody committed something: look at the file. ``passed_on``: a worker that has no room for it, to all that sleep."""

    passed_on: bool = False


class Started(NamedTuple):
    """A call with a time limit began."""

    call: Call
    at: float


class Held(NamedTuple):
    """The heartbeat's answer: the leases that are still ours, as of ``at``."""

    leases: set[Lease]
    at: float


class Withdraw(NamedTuple):
    """Let these jobs not begin; ``reply`` gets those that had not, which are cancelled now."""

    jobs: frozenset[int]
    reply: queue.SimpleQueue[set[int]]


class Weigh(NamedTuple):
    """Let these processes of the pool end that ``judge`` names, between two jobs."""

    judge: Judge


class Stop(NamedTuple):
    """Finish what runs, within the grace; ``now``: without waiting."""

    now: bool = False


class Dead(NamedTuple):
    """A service thread died of an exception."""

    service: str
    error: BaseException


Message = Stirred | Look | Started | Held | Withdraw | Weigh | Stop | Dead


class Inbox:
    """Messages and ended calls, from any thread to the coordinator. Also the pools' ``Events``."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._ended: deque[tuple[Call, Timed]] = deque()
        self._printed: deque[tuple[ClaimedJob, int, str, str]] = deque()
        self._said: deque[tuple[ClaimedJob, str | None, str | None]] = deque()
        self._stirred = False
        self._looks: set[bool] = set()  # in the queue

    # -- any thread -------------------------------------------------------------------------

    def put(self, message: Message) -> None:
        self._queue.put(message)

    def stirred(self) -> None:
        # The flag may be seen stale by two threads at once; then there are two messages, no harm.
        if not self._stirred:
            self._stirred = True
            self._queue.put(Stirred())

    def look(self, passed_on: bool = False) -> None:
        if passed_on not in self._looks:
            self._looks.add(passed_on)
            self._queue.put(Look(passed_on))

    def ended(self, call: Call, timed: Timed) -> None:
        self._ended.append((call, timed))
        self.stirred()

    def printed(self, job: ClaimedJob, number: int, stream: str, text: str) -> bool:
        """A piece of what a job prints; the pieces of one attempt are numbered."""
        self._printed.append((job, number, stream, text))
        self.stirred()
        return True

    def said(self, job: ClaimedJob, said: str | None, meta: str | None) -> bool:
        self._said.append((job, said, meta))
        self.stirred()
        return True

    # -- the coordinator ---------------------------------------------------------------------

    def drain(self, timeout: float) -> list[Message]:
        """Every message that is there, waiting up to ``timeout`` seconds for the first."""
        messages: list[Message] = []
        try:
            messages.append(self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait())
            while True:
                messages.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        # Cleared before anything is acted on: what happens from now on makes a new message.
        self._stirred = False
        self._looks.clear()
        return messages

    def take_ended(self) -> list[tuple[Call, Timed]]:
        return _all_of(self._ended)

    def take_printed(self) -> list[tuple[ClaimedJob, int, str, str]]:
        return _all_of(self._printed)

    def take_said(self) -> list[tuple[ClaimedJob, str | None, str | None]]:
        return _all_of(self._said)


def _all_of(waiting: deque[T]) -> list[T]:
    taken = []
    while True:
        try:
            taken.append(waiting.popleft())
        except IndexError:
            return taken
