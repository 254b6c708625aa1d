"""What each page in a browser is made of: frozen dataclasses, one a page, of the rows in ``parts``.

Owns their fields and nothing else; how values are meant is in ``parts``. Imported by the pages alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ...base.records import JobInfo, JobProgress, OutputPiece, StepInfo
from ...base.search import Query
from ...base.states import JobState
from .parts import (
    ActionRow,
    Count,
    FailureGroup,
    Finding,
    FlowGroup,
    FlowNode,
    FlowRow,
    Histogram,
    Lane,
    LiveState,
    QueueRow,
    Range,
    Reason,
    Related,
    ScheduleRow,
    Series,
    TaskRow,
    WorkerRow,
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What is around every page."""

    now: datetime  # when the page was read
    path: str  # of the file, absolute
    version: str
    file_bytes: int
    log_bytes: int
    jobs: int  # that were ever enqueued
    failures: Count  # groups of discarded jobs in the last day
    queues: int
    tasks: int
    workers: int  # that have not signed off
    schedules: int
    flows: int
    queue_names: tuple[str, ...] = ()  # a hundred at most, to be suggested
    task_names: tuple[str, ...] = ()
    took: float = 0.0  # to read the page


@dataclass(frozen=True, slots=True)
class Overview:
    """/"""

    series: Series
    states: tuple[LiveState, ...]
    succeeded_day: int  # in 24 h
    slots: int
    busy: int
    failures: tuple[FailureGroup, ...]  # the largest few
    failure_groups: Count
    queues: tuple[QueueRow, ...]
    workers: tuple[WorkerRow, ...]
    schedules: tuple[ScheduleRow, ...]  # the next few
    reasons: tuple[Reason, ...]
    actions: tuple[ActionRow, ...]


@dataclass(frozen=True, slots=True)
class JobsPage:
    """/jobs"""

    query: Query
    rows: tuple[JobInfo, ...]
    tabs: tuple[tuple[JobState, Count | None], ...]  # each state, and how many where that is cheap to know
    order: Literal["id", "started", "due", "ended"]
    matching: Count | None  # by the query; None where only a scan would tell
    next: str | None  # what ``before`` is for the next page
    newest: int  # the last id of the file
    newer: int = 0  # jobs that match and came since the page was opened (``seen``)
    looked_from: int | None = None
    looked_down_to: int | None = None  # the search stopped there, for it had taken its time
    took: float = 0.0


@dataclass(frozen=True, slots=True)
class JobPage:
    """/jobs/ID"""

    job: JobInfo
    lanes: tuple[Lane, ...]
    why_waiting: str | None
    holder: int | None  # the job that has its key in its place
    cause: int | None  # the job for whose sake it was cancelled
    kept_until: datetime | None
    output_attempt: int | None  # whose output follows
    output: tuple[OutputPiece, ...]  # the last of it, 64 KB at most
    output_before: bool  # there is more, before these
    progress: JobProgress | None
    meta: str | None  # JSON
    steps: tuple[StepInfo, ...]
    flow: int | None
    parents: tuple[Related, ...]  # a few
    parent_count: int
    dependants: tuple[Related, ...]
    dependant_count: int
    run_times: Histogram | None  # of its task
    same_error: FailureGroup | None  # it is one of
    same_task: tuple[Related, ...]  # the last


@dataclass(frozen=True, slots=True)
class FailuresPage:
    """/failures"""

    range: Range
    groups: tuple[FailureGroup, ...]
    jobs: Count  # discarded in the range; capped: the groups are those of the last so many
    untold: Count


@dataclass(frozen=True, slots=True)
class QueuesPage:
    """/queues"""

    rows: tuple[QueueRow, ...]


@dataclass(frozen=True, slots=True)
class QueuePage:
    """/queues/NAME"""

    row: QueueRow
    series: Series
    tasks: tuple[tuple[str, Count], ...]  # of its waiting jobs, the most first
    next_up: tuple[JobInfo, ...]  # as they will run
    failures: tuple[FailureGroup, ...]
    served_by: tuple[tuple[int, str], ...]  # workers, as id and name


@dataclass(frozen=True, slots=True)
class TasksPage:
    """/tasks"""

    rows: tuple[TaskRow, ...]


@dataclass(frozen=True, slots=True)
class TaskPage:
    """/tasks/NAME"""

    row: TaskRow
    series: Series
    run_times: Histogram
    wait_times: Histogram
    last: tuple[JobInfo, ...]
    lacking: tuple[tuple[int, str, str], ...]  # workers, as id, name and why
    failures: tuple[FailureGroup, ...]
    schedules: tuple[str, ...]  # that make its jobs


@dataclass(frozen=True, slots=True)
class WorkersPage:
    """/workers"""

    live: tuple[WorkerRow, ...]
    stopped: tuple[WorkerRow, ...]  # in the last day


@dataclass(frozen=True, slots=True)
class WorkerPage:
    """/workers/ID"""

    row: WorkerRow
    running: tuple[JobInfo, ...]
    last: tuple[JobInfo, ...]  # that it ended


@dataclass(frozen=True, slots=True)
class SchedulesPage:
    """/schedules"""

    rows: tuple[ScheduleRow, ...]


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """/schedules/NAME"""

    row: ScheduleRow  # with its last 60 ticks
    next_ticks: tuple[datetime, ...]  # the stored one, and what its trigger says comes after that
    run_times: Histogram | None


@dataclass(frozen=True, slots=True)
class FlowsPage:
    """/flows"""

    rows: tuple[FlowRow, ...]
    next: int | None  # what ``before`` is for the next page


@dataclass(frozen=True, slots=True)
class FlowPage:
    """/flows/ID"""

    row: FlowRow
    nodes: tuple[FlowNode, ...]  # all, or none where there are more than MOST_NODES
    edges: tuple[tuple[int, int], ...]  # from a parent to who waits for it
    groups: tuple[FlowGroup, ...]


@dataclass(frozen=True, slots=True)
class DoctorPage:
    """/doctor"""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class ActPage:
    """/jobs/act: what a bulk action is about to do, or has done."""

    op: str  # retry, cancel, purge, move
    query: str | None  # of what is meant; None: the ids
    ids: tuple[int, ...]
    count: Count
    rows: tuple[JobInfo, ...]  # the first few
    done: int | None = None  # None: it is only asked for
    stopped: str = ""  # why it did not go on
    to: str = ""  # the queue, of a move
    kept: int = 0  # cancelled only, and not deleted, since jobs that come of them are there
