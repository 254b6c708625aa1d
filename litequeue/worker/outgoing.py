"""What has ended, or was printed, and is not written yet: the rows that the coordinator's next turn brings along, with what is counted of them.

Owns the keeping of them: they stay until a turn has written them, however long the file takes none. For the
coordinator's thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, NamedTuple

from ..base.checks import MICROS
from ..base.models import (
    Adoption,
    ClaimedJob,
    Lease,
    Printed,
    Replacement,
    Said,
    Settled,
    Suspension,
    Unsettled,
    Used,
)
from ..base.outcomes import Replaced, Suspended, Timed
from ..pools.base import Call
from . import journal
from .settling import replacement, suspension
from .tally import Tally
from .telling import End

MOST_PRINTED: Final = 16 << 20  # characters of output that are kept while the file takes none


class Written(NamedTuple):
    """What a turn has written, as far as somebody is to be told."""

    settled: bool
    discarded: bool
    of_schedule: bool  # a job that a schedule made has ended
    adopted: bool
    ends: list[End]  # that somebody is to hear of


class Outgoing:
    """One worker's rows on their way to the file."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.succeeded: list[Settled] = []
        self.others: list[Unsettled] = []
        self.suspended: list[Suspension] = []  # beside their rows among the others
        self.replaced: list[Replacement] = []  # the same
        self.adoptions: list[Adoption] = []
        self.printed: list[Printed] = []
        self._characters = 0  # of those
        self.used: list[Used] = []
        self.said: dict[int, Said] = {}  # by job: the last that each says
        self.endings = journal.Endings(monotonic)
        self.tally = Tally(monotonic)
        self._jobs: list[ClaimedJob] = []  # of those that succeeded, in their order
        self._others: list[tuple[ClaimedJob, Unsettled]] = []
        self._of_schedule = False
        self._heard: list[tuple[Call, str]] = []  # whose end an app's functions may be told of

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.succeeded or self.others or self.adoptions or self.printed or self.said)

    @property
    def is_due(self) -> bool:
        """Whether a turn is wanted for what there is to write, if it be the history alone."""
        return bool(self) or self.tally.is_due()

    def impossible(self, job: ClaimedJob, row: Unsettled) -> None:
        """It ends, and nobody has run it."""
        self.others.append(row)
        self._others.append((job, row))

    def end(self, call: Call, timed: Timed, settled: Settled | Unsettled, now: int) -> None:
        if type(timed.outcome) is Suspended:
            self.suspended.append(suspension(call.job, timed.outcome, now))
        elif type(timed.outcome) is Replaced:
            self.replaced.append(replacement(call, timed.outcome))
        if type(settled) is Settled:
            self.succeeded.append(settled)
            self._jobs.append(call.job)
        else:
            self.others.append(settled)  # type: ignore[arg-type]
            self._others.append((call.job, settled))  # type: ignore[arg-type]
        if timed.usage is not None:
            self.used.append(Used(call.job.id, call.job.execution, int(timed.usage.cpu_seconds * MICROS), timed.usage.max_rss))
        self._of_schedule |= call.job.scheduled_for is not None
        if call.code.hooks.ended:
            self._heard.append((call, "succeeded" if type(settled) is Settled else settled.state))  # type: ignore[union-attr]
        self.endings.add(call, timed, settled)

    def keep(self, printed: Iterable[tuple[ClaimedJob, int, str, str]], said: Iterable[tuple[ClaimedJob, str | None, str | None]], now: int) -> None:
        """What running jobs printed, as far as there is room, and how far they say that they are."""
        for job, number, stream, text in printed:
            self._characters += len(text)
            self.printed.append(Printed(job.id, job.execution, number, stream, now, text))
        if self._characters > MOST_PRINTED:  # the numbers tell that some is missing; what is said last is worth most
            del self.printed[: len(self.printed) // 2]
            self._characters = sum(len(piece.text) for piece in self.printed)
        for job, how_far, meta in said:
            self.said[job.id] = Said(job.id, job.execution, now, how_far, meta)

    def written(self, now: int, lost: Collection[Lease], ended_themselves: Collection[Lease] = (), acknowledged: Collection[Lease] = ()) -> Written:
        """All of it is written, but for the leases that were no longer ours, and those of jobs that had written their end themselves: as it is here
        (``acknowledged``), or another one."""
        self.endings.written(lost, ended_themselves)
        self._count(now, {*lost, *ended_themselves, *acknowledged})
        found = Written(
            bool(self.succeeded or self.others), any(row.state == "discarded" for row in self.others), self._of_schedule,
            bool(self.adoptions), list(self._ends(lost, ended_themselves)),
        )  # fmt: skip
        self.succeeded, self.others, self.suspended, self.replaced, self.adoptions, self.printed = [], [], [], [], [], []
        self.used, self.said, self._characters, self._jobs, self._others = [], {}, 0, [], []
        self._of_schedule, self._heard = False, []
        return found

    def _count(self, now: int, others: Collection[Lease]) -> None:
        """What somebody else has written is not ours to count."""
        self.tally.succeeded(now, self._jobs, self.succeeded, others)
        for job, row in self._others:
            if Lease(job.id, job.attempt) not in others:
                self.tally.other(now, job, row)

    def _ends(self, lost: Collection[Lease], ended_themselves: Collection[Lease]) -> Iterator[End]:
        for call, event in self._heard:
            lease = Lease(call.job.id, call.job.attempt)
            event = "succeeded" if lease in ended_themselves else event
            functions = call.code.hooks.ended.get(event)
            if functions and lease not in lost:
                yield End(*lease, event, tuple(functions))

