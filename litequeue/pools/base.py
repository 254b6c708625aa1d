"""The protocol between the worker and the places where calls run.

A pool takes calls in batches and *reports* each as it ends, from whatever thread it ended in. Not one
``concurrent.futures.Future`` per call: creating, finishing and watching one costs 13.9 us here, a third
of a core at the 25,000 jobs a second that one worker has to drain, against 0.2 us for a report.
The executors of ``concurrent.futures`` still do the running; their futures stand for batches.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ..base.checks import DAY
from ..base.models import ClaimedJob
from ..base.outcomes import Timed
from ..tasks import TaskCode


class Call(NamedTuple):
    """One attempt, ready to run."""

    job: ClaimedJob
    code: TaskCode
    max_attempts: int
    timeout: int | None  # microseconds
    soft_timeout: int | None
    database: str  # the file that the task's app is bound to
    claimed_at: float = 0.0  # monotonic, of the worker
    trusts_anyone: bool = False  # who can write the file, with what a command does
    keeps: bool = True  # what it prints and logs
    keep_succeeded: int = DAY  # microseconds that the job is kept once it has ended so
    keep_discarded: int = 30 * DAY

    def without_secrets(self, text: str) -> str:
        """A text that came of it, such as an error, without its secret arguments."""
        secret = self.code.secret
        return text if secret is None else secret.hider(self.job.args, self.job.kwargs)(text)


class Reason(enum.Enum):
    """Why a call is interrupted."""

    SOFT_TIMEOUT = "soft timeout"
    TIMEOUT = "timeout"
    CANCEL = "cancelled"
    LOST = "lease lost"
    SHUTDOWN = "shutdown"
    WITHDRAWN = "withdrawn"  # cancelled before it had begun


class Events(Protocol):
    """What a pool tells the worker; called from any thread, quick, never raising."""

    def ended(self, call: Call, timed: Timed) -> None:
        """The call is over (or was given back: NotStarted)."""

    def started(self, call: Call) -> None:
        """A call with a time limit has begun: its clock runs from now."""

    def printed(self, job: ClaimedJob, number: int, stream: str, text: str) -> bool:
        """A piece of what a running call prints; the pieces of one call are numbered. Whether it was taken: always."""

    def said(self, job: ClaimedJob, said: str | None, meta: str | None) -> bool:
        """How far a running call says that it is, and what else it shows: as JSON, in place of what it said before. The same."""

    def stirred(self) -> None:
        """Something happened that ``tend`` should see to."""

    def lent(self) -> None:
        """A call waits for another job, and its slot is free: there is room for a claim."""


class Pool(Protocol):
    """Runs calls somewhere. Knows nothing of jobs' states or of SQLite. Driven by one thread."""

    kind: str
    size: int  # how many calls may run at once; where it is set anew, what runs goes on

    @property
    def slots(self) -> int:
        """The size, and more while some calls wait for other jobs."""

    def submit(self, calls: Sequence[Call]) -> None:
        """Start the calls, or queue those for which no slot is free."""

    def tend(self) -> None:
        """Do what has become due inside the pool."""

    def backlog(self) -> int:
        """How many submitted calls wait for a slot."""

    def take_back(self, most: int | None = None) -> list[Call]:
        """Remove and return calls that have not started; those will not be reported."""

    def withdraw(self, call: Call) -> bool:
        """Give one call back, which is reported as NotStarted. False if it has begun: nothing is done about that."""

    def interrupt(self, call: Call, reason: Reason) -> str | None:
        """Stop a running call as far as this kind of pool can; its end is reported as always. Of a thread whose time is up, which may run on: where it is."""

    def end_waits(self) -> None:
        """The worker stops: let calls that wait for other jobs end, now and from now on, but for those that may run only
        once. What they come to is reported as always."""

    def stop(self) -> None:
        """End the pool. Calls that still run are abandoned."""
