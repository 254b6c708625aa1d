"""Which available jobs this worker leases: the questions that come before a claim.

Owns three answers. A job whose code is not here is left for a worker that has it. A job whose row does not say
what its task's code says (it was enqueued by name, or the code has changed) has its row mended first, since
whoever judges it after a worker's death must find there what it is. And a *suspect*, a job under which as many
workers have died as may without convicting it, runs alone: if that worker dies too, nobody innocent stood beside
it, and if it ends, it is acquitted. Looks at jobs and at what runs; touches neither the store nor a pool.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sized
from typing import Final, NamedTuple, Protocol

from ..base.checks import is_name
from ..base.errors import UnknownTask
from ..base.models import Adoption, ClaimedJob
from ..store.rules import MAX_INTERRUPTIONS
from ..tasks import TaskCode
from .discovery import Catalogue
from .timeouts import Key

# So long a worker takes nothing new when a suspect waits for it to be empty; if that does not come about (a task
# may run for hours), it goes on for a while as if there were none.
HOLD: Final = 30.0  # seconds
REST: Final = 300.0


class Calls(Sized, Container[Key], Protocol):
    """What the worker holds."""


class Refusals(NamedTuple):
    """What is to be done about the jobs that were not leased."""

    adoptions: list[Adoption]
    unknown: list[tuple[ClaimedJob, UnknownTask]]
    again: bool  # a claim at once may now get some of them


def is_suspect(job: ClaimedJob) -> bool:
    return job.interruptions >= MAX_INTERRUPTIONS - 1


class Admission:
    """One worker's; driven by its coordinator. A round is one claim, from ``begin`` to ``end``."""

    def __init__(self, catalogue: Catalogue, calls: Calls) -> None:
        self._catalogue = catalogue
        self._calls = calls
        self._alone: Key | None = None  # the suspect that runs
        self._suspect_waits = False  # for the worker to have nothing else
        self._waits_since = 0.0
        self._resting = False
        self._busy = False

    @property
    def closed(self) -> bool:
        """Whether a suspect runs, and nothing may start beside it."""
        return self._alone is not None and self._alone in self._calls

    def begin(self, now: float) -> int:
        """Start a round; only jobs with fewer interruptions than the answer are to be offered."""
        self._busy = len(self._calls) > 0
        self._alone = None
        if not self._suspect_waits:
            self._waits_since = now
        self._resting = self._busy and (now - self._waits_since) % (HOLD + REST) > HOLD
        return MAX_INTERRUPTIONS - 1 if self._resting else MAX_INTERRUPTIONS

    def accepts(self, job: ClaimedJob) -> bool:
        """Whether to lease the job now. Called inside the store's transaction: no I/O, but now and then a look at the tasks' files."""
        if self._alone is not None:
            return False
        code = self._catalogue.known(job.task)
        if code is None:
            return not is_name(job.task)  # planted: leased, to be discarded
        if adoption(job, code) is not None or self._catalogue.is_stale(job.task):
            return False
        if is_suspect(job):
            if self._busy:
                self._suspect_waits = True
                return False
            self._alone = (job.id, job.attempt)
            return True
        if self._suspect_waits and not self._resting:
            return False  # let the worker run empty; meanwhile another may take the suspect
        self._busy = True
        return True

    def end(self, refused: Iterable[ClaimedJob]) -> Refusals:
        """Find code, and see what rows need, so that the next round can accept more."""
        waited, self._suspect_waits = self._suspect_waits, self._resting and self._suspect_waits
        held_back = self._alone is not None
        found = Refusals([], [], False)
        again = False
        for job in refused:
            known = self._catalogue.known(job.task)
            try:
                code = known or self._catalogue.ask(job.task)
            except UnknownTask as error:
                found.unknown.append((job, error))
                code = None
            change = None if code is None else adoption(job, code)
            if change is not None:
                found.adoptions.append(change)
            elif code is not None and known is not None:
                self._suspect_waits |= is_suspect(job) and not held_back
                continue
            again = True  # the next claim leaves out what has no code here, or not yet, and so sees the jobs behind it
        gone = waited and not self._suspect_waits and not held_back
        return found._replace(again=again or gone)

    @property
    def holds_back(self) -> bool:
        """Whether jobs were refused that can be claimed once something here has ended."""
        return self._suspect_waits and not self._resting or self._alone is not None


def adoption(job: ClaimedJob, code: TaskCode) -> Adoption | None:
    """What to write into the job's row before it can be claimed; None if nothing."""
    says = code.columns
    by_name = job.max_attempts is None  # before anybody recorded what the task says
    limit_key = code.limit_key(job) if code.limit_name is not None and job.limit_key is None else None
    if limit_key is None and job.pool == says.pool and (not says.at_most_once or job.at_most_once and job.max_attempts == 1) and not (by_name and code.callbacks):
        return None
    attempts = says.max_attempts if job.max_attempts is None else job.max_attempts
    assert attempts is not None, "a task that has code says it"
    # An enqueue may ask for it where the task does not, and cannot take it away where the task does.
    callbacks = tuple((one.runs_when, one.job) for one in code.callbacks) if by_name else ()
    return Adoption(job.id, says.pool, 1 if says.at_most_once else attempts, says.at_most_once or job.at_most_once, callbacks, limit_key)
