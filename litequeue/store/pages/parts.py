"""What pages in a browser have in common: counts, series of times, and the rows of their tables. Frozen dataclasses and tuples.

Owns their fields and nothing else. Times are aware datetimes in UTC, lengths of time seconds, shares from 0 to 1, rates a minute; ``None`` is "not known", which is
shown as nothing, never as 0. Texts are as they are stored, by whoever wrote them: who shows them cleans and escapes them. A job and a schedule carry what of their
arguments is secret, and the page calls ``masked()``; every other text of an error here (``FailureGroup``, ``FlowNode``) has been masked by who read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

from ...base.checks import MICROS
from ...base.history import BOUNDS
from ...base.records import ScheduleInfo, TickInfo, WorkerInfo
from ...base.states import JobState

Range = Literal["1h", "24h", "30d"]
RANGES: Final[Mapping[Range, tuple[int, int]]] = {"1h": (60, 60), "24h": (96, 900), "30d": (30, 86_400)}  # points, and the seconds of each
# Upper bounds of the buckets of run and wait times, in seconds; the last has none.
BUCKETS: Final = tuple(bound / MICROS for bound in BOUNDS)
MOST_NODES: Final = 200  # of a flow that are drawn one by one


class Count(NamedTuple):
    """How many; counting stopped there if ``is_capped``, and there are more."""

    number: int
    is_capped: bool = False


class Spread(NamedTuple):
    """The middle and the far end of many lengths of time."""

    median: float
    p95: float  # within which 95 % lie


class Related(NamedTuple):
    """Another job, as one line of a list."""

    id: int
    task: str
    state: JobState
    at: datetime | None = None  # the one time that matters for its state: due, started or ended


@dataclass(frozen=True, slots=True)
class Totals:
    """What came of the attempts within a range."""

    succeeded: int = 0
    failed: int = 0  # and are tried again
    discarded: int = 0
    cancelled: int = 0
    expired: int = 0
    wait: Spread | None = None
    run: Spread | None = None

    @property
    def ended(self) -> int:
        """Jobs that came to an end."""
        return self.succeeded + self.discarded + self.cancelled + self.expired

    @property
    def failed_share(self) -> float | None:
        """Of the attempts; None without any."""
        ran = self.succeeded + self.failed + self.discarded
        return (self.failed + self.discarded) / ran if ran else None


@dataclass(frozen=True, slots=True)
class Point(Totals):
    """One piece of a series of times."""

    at: datetime = field(kw_only=True)  # its beginning
    waiting: int | None = None
    running: int | None = None
    oldest: float | None = None  # how long that one had waited
    was_served: bool = True  # a worker ran: else there is nothing to know


@dataclass(frozen=True, slots=True)
class Series:
    """A range of time in equal pieces, the oldest first; the last is the one that runs."""

    range: Range
    span: int  # seconds of a piece
    points: tuple[Point, ...]
    totals: Totals
    before: Totals  # of the range of the same length before


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many took how long: one count for each of BUCKETS, and one for what took longer."""

    counts: tuple[int, ...]
    spread: Spread | None
    seconds: int = 86_400  # within which they ended

    @property
    def total(self) -> int:
        return sum(self.counts)


class LiveState(NamedTuple):
    """The jobs of one state that have not ended."""

    state: JobState
    jobs: Count
    at: datetime | None  # available: since when the oldest is due; running: the earliest start; scheduled, retrying: the next due


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Discarded jobs of one task with one error."""

    task: str
    error_type: str
    message: str  # of the last of them, masked
    jobs: int
    first: datetime
    last: datetime
    last_job: int
    counts: tuple[int, ...]  # by piece of the range, the oldest first
    query: str  # by which a search finds them


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue now, and in the range."""

    name: str
    waiting: Count  # available
    delayed: Count  # scheduled and retrying
    running: int
    oldest: datetime | None  # since when the oldest available one is due
    paused_at: datetime | None
    ended: tuple[int, ...]  # by piece of the range, the oldest first
    rate: float | None  # ended a minute, by the last whole one
    failed_share: float | None


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker and how it is."""

    info: WorkerInfo
    note: str  # what sets it apart from one that is well, as ``stats`` says it; empty for that
    busy: Mapping[str, int]  # slots by pool: at most all of them, whatever it has claimed beyond
    rate: float | None = None  # ended a minute
    memory_bytes: int | None = None
    runs: tuple[Related, ...] = ()  # a few of its jobs, the longest first


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule and its last ticks."""

    info: ScheduleInfo
    zone: str | None  # whose time its trigger is in
    ticks: tuple[TickInfo, ...]  # the oldest first


class Reason(NamedTuple):
    """Why somebody should look."""

    kind: Literal["paused", "no-worker", "late", "missed", "disabled", "no-code", "untold", "frozen", "dead", "stuck", "disk", "failures", "alert"]
    name: str = ""  # of the queue, schedule, task, worker or alert
    jobs: int = 0  # that wait for it; of the disk the bytes that are left
    since: datetime | None = None
    text: str = ""  # what else is known, such as why it is disabled
    id: int | None = None  # of the worker, or of a job


class ActionRow(NamedTuple):
    """What somebody did."""

    at: datetime
    who: str
    what: str  # retry, cancel, pause, ...
    target: str
    jobs: int


class Lane(NamedTuple):
    """One attempt on the axis of its job's life. What went wrong in it is in the job's ``attempts``, by its number."""

    attempt: int
    outcome: str  # running, succeeded, failed, cancelled, discarded, interrupted, snoozed
    worker: str | None
    due_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task and how it did in the range."""

    name: str
    module: str | None  # None: no producer has recorded where its code is
    directory: str | None
    recorded_at: datetime | None
    totals: Totals
    ended: tuple[int, ...]
    rate: float | None
    lacking: int = 0  # workers that have no code of it


class FlowRow(NamedTuple):
    """A flow in the list."""

    id: int
    task: str  # of its last job
    created_at: datetime
    ended_at: datetime | None
    done: int
    failed: int
    total: int


class FlowNode(NamedTuple):
    """A job of a flow; ``layer``: the longest way to it from a job that waits for none."""

    id: int
    task: str
    state: JobState
    layer: int
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None


class FlowGroup(NamedTuple):
    """Jobs of a flow that are too many to be drawn one by one."""

    task: str
    layer: int
    states: Mapping[JobState, int]


class Finding(NamedTuple):
    """One line of the doctor."""

    check: str
    level: str  # ok, note, wrong, or a word for how the file is unusable
    text: str
    remedy: str = ""  # a command, or what to do
