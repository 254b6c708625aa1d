"""What running a call can come to: the only values that pools hand back.

Plain data, so that it crosses a process boundary as tuples and text. Exceptions become these at one
edge, ``pools/call.py``; what they mean for the job is decided at another, ``worker/settling.py``.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Succeeded(NamedTuple):
    result: str | None  # JSON; None if it could not be stored
    note: str | None = None  # why not


class Failed(NamedTuple):
    """An exception. ``delay`` is the wait before the next attempt, None to give up at once."""

    type: str
    message: str
    traceback: str
    delay: int | None  # microseconds


class Snoozed(NamedTuple):
    delay: int  # microseconds


class Suspended(NamedTuple):
    """The task sleeps, or waits for events."""

    step: str
    delay: int | None  # microseconds; None: for ever
    until: int | None  # the end of a wait that had begun before
    names: list[str]  # of the events


class Replaced(NamedTuple):
    """The task has put other jobs in the place of its own."""

    graph: list[Any]  # jobs, edges, waits and callbacks, as ``store/links/graph`` has them, and the place of the end


class Discarded(NamedTuple):
    reason: str


class Cancelled(NamedTuple):
    """The task raised JobCancelled."""

    reason: str


class Interrupted(NamedTuple):
    """The pool stopped the call as it was told to: cancelled, lease lost or shutdown."""

    reason: str


class Died(NamedTuple):
    """The pool process that ran the call is gone."""

    how: str  # "died: SIGSEGV"


class TimedOut(NamedTuple):
    """The attempt was stopped at its hard timeout."""

    seconds: float
    traceback: str = ""


class CpuSpent(NamedTuple):
    """The process that ran the call was ended at the task's ``cpu_time``."""

    seconds: float


class NotStarted(NamedTuple):
    """The pool gives the call back without having run any of it."""

    no_code: str | None = None  # why the pool's process cannot load the task's code, which the worker has


Outcome = (
    Succeeded | Failed | Snoozed | Suspended | Replaced | Discarded | Cancelled | Interrupted | Died | TimedOut | CpuSpent | NotStarted
)


class Usage(NamedTuple):
    """What a call has used."""

    cpu_seconds: float  # with what it has started and waited for
    max_rss: int | None  # bytes, the most that its process had; None: nobody can tell


class Timed(NamedTuple):
    """An outcome with when it happened: wall clock at the start (us) and how long it took (s)."""

    outcome: Outcome
    started_at: int
    seconds: float
    usage: Usage | None = None  # None: too short to be measured, or in no process of its own
