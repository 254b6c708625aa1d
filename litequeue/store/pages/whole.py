"""All pages of one file, a method each. Times are microseconds, and nothing here looks at a clock but to say how long it took.

Owns nothing: what each is made of stands in the module of its name.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...base.records import JobInfo
from ...base.search import Query
from ..file import Database
from ..inspection import UNTOLD
from . import series
from .failures import failures
from .flows import FlowPages
from .job import JobPages
from .jobs import JobLists
from .listed import listed
from .overview import UNTOLD_OF, Looks
from .parts import Count, Range, Reason
from .queues import Queues
from .records import (
    FailuresPage,
    FlowPage,
    FlowsPage,
    Frame,
    JobPage,
    JobsPage,
    Overview,
    QueuePage,
    QueuesPage,
    SchedulePage,
    SchedulesPage,
    TaskPage,
    TasksPage,
    WorkerPage,
    WorkersPage,
)
from .schedules import SchedulePages
from .tasks import Tasks
from .workers import Crews


class Pages:
    """What is shown of one file. Where a method may answer None, there is no such thing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looks, self._lists, self._jobs = Looks(database), JobLists(database), JobPages(database)
        self._queues, self._tasks, self._crews = Queues(database), Tasks(database), Crews(database)
        self._schedules, self._flows = SchedulePages(database), FlowPages(database)

    def frame(self, now: int) -> Frame:
        """``took`` is for who has read the page to fill in."""
        return self._looks.frame(now)

    def overview(self, range_: Range, now: int, *, disk_free: int | None = None) -> Overview:
        """``disk_free``: bytes where the file is, if that was asked."""
        return self._looks.overview(range_, now, disk_free)

    def reasons(self, now: int, *, disk_free: int | None = None) -> tuple[Reason, ...]:
        """Why somebody should look, without the rest of the overview."""
        return self._looks.reasons(now, disk_free)

    def jobs(self, query: Query, before: str | None, now: int, seen: int | None = None) -> JobsPage:
        """``before``: what the page before said of where to go on; ``seen``: what ``newest`` was when the first page was opened. Raises InvalidArgument for a
        place that is none."""
        return self._lists.page(query, before, now, seen)

    def job(self, job: int, now: int, attempt: int | None = None) -> JobPage | None:
        """``attempt``: whose output is meant; None: the last that printed anything."""
        return self._jobs.one(job, now, attempt)

    def listed(self, jobs: Sequence[int]) -> tuple[JobInfo, ...]:
        """These, as lists show them."""
        with self._database.read() as connection:
            return listed(connection, jobs)

    def failures(self, range_: Range, now: int) -> FailuresPage:
        found = series.pieces(range_, now)
        with self._database.read() as connection:
            failed = failures(connection, found)
            (untold, _) = connection.execute(UNTOLD, {"most": UNTOLD_OF}).fetchone()
        return FailuresPage(range_, failed.groups, failed.jobs, Count(untold))

    def queues(self, now: int) -> QueuesPage:
        return self._queues.all(now)

    def queue(self, name: str, range_: Range, now: int) -> QueuePage | None:
        return self._queues.one(name, range_, now)

    def tasks(self, range_: Range, now: int) -> TasksPage:
        return self._tasks.all(range_, now)

    def task(self, name: str, range_: Range, now: int) -> TaskPage | None:
        return self._tasks.one(name, range_, now)

    def workers(self, now: int) -> WorkersPage:
        return self._crews.all(now)

    def worker(self, worker: int, now: int) -> WorkerPage | None:
        return self._crews.one(worker, now)

    def schedules(self) -> SchedulesPage:
        return self._schedules.all()

    def schedule(self, name: str, now: int) -> SchedulePage | None:
        return self._schedules.one(name, now)

    def flows(self, *, before: int | None = None) -> FlowsPage:
        return self._flows.all(before)

    def flow(self, flow: int) -> FlowPage | None:
        return self._flows.one(flow)
