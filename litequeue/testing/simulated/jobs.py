"""Jobs in memory: what they are, which of them may run, and when something is due.

Owns their states, and the order in which they are started: by priority, then by age. What lets one go or ends it is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection
from heapq import heappop, heappush
from typing import Any, Final

from ...base.checks import aware
from ...base.errors import InvalidArgument
from ...base.models import ClaimedJob, NewJob
from ...base.states import FINAL
from ...tasks import TaskCode
from ...worker.admission import adoption
from .given import Dice

FIRE, END, EXPIRE, PROMOTE, ASK, PAUSE = KINDS = range(6)  # of what may be due
MOST: Final = 10_000_000  # things that may happen: minutes of thinking


class Wait:
    """How a job waits for others."""

    __slots__ = ("cause", "delay", "needs", "parents", "pending", "upset")

    def __init__(self, needs: bool, delay: int | None) -> None:
        self.needs = needs  # that all of them succeed
        self.parents: list[Job] = []
        self.pending = 0  # of them that have not ended
        self.upset = 0  # of them that did not succeed
        self.delay = delay or 0
        self.cause: Job | None = None  # for whose sake it was cancelled


class Job:
    """One. ``name`` tells it from all others whatever else is simulated; of its tries the last may be under way."""

    __slots__ = (
        "callbacks", "children", "claims", "code", "created_at", "ending", "error", "expires_at", "failures", "finished_at", "has_slot", "id",
        "interruptions", "name", "new", "of", "run_at", "stands", "started_at", "state", "tells", "tick", "tries", "wait",
    )  # fmt: skip

    def __init__(self, number: int, name: str, new: NewJob, code: TaskCode, now: int) -> None:
        self.id = number
        self.name = name
        self.new = new
        self.code = code
        self.state = new.state
        self.created_at = now
        self.run_at = new.run_at
        self.expires_at = new.expires_at
        self.started_at: int | None = None
        self.finished_at: int | None = None
        self.claims = self.failures = self.interruptions = 0
        self.error: str | None = None
        self.ending: Any = None  # of the try that is under way: what it will come to
        self.tries: list[list[Any]] = []  # number, start, end, outcome, type and message of the error
        self.tells = bool(new.columns.links)
        self.callbacks: dict[str, str] = {}
        self.children: list[Job] = []
        self.wait: Wait | None = None
        self.has_slot = False  # of its limit
        self.stands = False  # in line for one
        self.of: Any = None  # its schedule
        self.tick: int | None = None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def rank(self) -> tuple[int, int, int]:
        return -self.new.columns.priority, self.run_at, self.id

    def claimed(self) -> ClaimedJob:
        """As a worker has it that runs it."""
        new, columns = self.new, self.new.columns
        return ClaimedJob(
            self.id, self.claims, 0, new.task, new.args, new.kwargs, columns.queue, columns.pool, columns.priority, self.failures,
            self.interruptions, columns.max_attempts, columns.timeout, columns.soft_timeout, columns.at_most_once, self.run_at,
            self.created_at, None, self.tick, None if self.of is None else self.of.row.name, None, columns.limit_key,
        )  # fmt: skip


def fitted(new: NewJob, code: TaskCode) -> NewJob:
    """With what its task's code says, as the worker writes it into the row of a job that was enqueued without."""
    change = adoption(Job(0, "", new, code, 0).claimed(), code)
    if change is None:
        return new
    columns = new.columns._replace(
        pool=change.pool, max_attempts=change.max_attempts, at_most_once=change.at_most_once,
        limit_key=new.columns.limit_key or change.limit_key, links=1 if change.callbacks else new.columns.links,
    )  # fmt: skip
    return new._replace(columns=columns)


class Table:
    """All jobs, and all that will be due, at one moment."""

    def __init__(self, now: int, dice: Dice, slots: dict[str, int], paused: Collection[str] = ()) -> None:
        self.now = now
        self.dice = dice
        self.jobs: list[Job] = []
        self.free = slots
        self.inbox: list[Job] = []  # have ended, and others are to be told
        self.ended: list[Job] = []  # of schedules
        self.lines: dict[str, list[tuple[tuple[int, int, int], Job]]] = {}  # by key: who stands in line
        self.held: dict[str, int] = {}  # by key: slots that are taken,
        self.starting: dict[str, int] = {}  # and of those, by jobs that have not started
        self.asked: set[str] = set()  # keys to be looked at
        self._at_once: list[Job] = []
        self._paused = paused
        self._ready: dict[str, list[tuple[tuple[int, int, int], Job]]] = {pool: [] for pool in slots}
        self._events: list[tuple[int, int, int, Any]] = []
        self._count = 0

    # -- when something is due -----------------------------------------------------------------------------

    def at(self, moment: int, kind: int, subject: Any) -> None:
        self._count += 1
        if self._count > MOST:
            raise InvalidArgument(f"more than {MOST:,} things happen until {aware(self.now)}: simulate fewer days, or say what takes longer")
        heappush(self._events, (moment, kind, self._count, subject))

    def next(self) -> int | None:
        return self._events[0][0] if self._events else None

    def stirs(self) -> bool:
        """Whether there is something to do at this moment, but starting jobs."""
        return bool(self.inbox or self.ended or self.asked or self._events and self._events[0][0] <= self.now)

    def due(self) -> list[list[Any]]:
        """What is due by now, by kind; each is told of once."""
        found: list[list[Any]] = [[] for _ in KINDS]
        while self._events and self._events[0][0] <= self.now:
            _, kind, _, subject = heappop(self._events)
            found[kind].append(subject)
        return found

    # -- the states of jobs ----------------------------------------------------------------------------------

    def add(self, name: str, new: NewJob, code: TaskCode, of: Any = None, tick: int | None = None) -> Job:
        """A new one, as it is stored: it is let go, or waits, as its state says. ``of``: its schedule."""
        job = Job(len(self.jobs) + 1, name, new, code, self.now)
        job.of, job.tick = of, tick
        self.jobs.append(job)
        if job.expires_at is not None:
            self.at(job.expires_at, EXPIRE, job)
        if job.state == "available":
            self.let_go(job)
        elif job.state == "scheduled":
            self.at(job.run_at, PROMOTE, job)
        return job

    def let_go(self, job: Job) -> None:
        """It may run now; a limited one comes into line for its slot."""
        key = job.new.columns.limit_key
        if key is None:
            self.make_ready(job)
            return
        job.state, job.stands = "blocked", True
        if job.new.columns.queue not in self._paused:
            heappush(self.lines.setdefault(key, []), (job.rank, job))
        self.asked.add(key)

    def make_ready(self, job: Job) -> None:
        job.state, job.stands = "available", False
        if job.new.columns.queue not in self._paused:
            heappush(self._ready[job.new.columns.pool], (job.rank, job))

    def put_off(self, job: Job, state: str, until: int) -> None:
        self.leave(job)
        job.state, job.run_at, job.expires_at = state, until, None  # it was started in time
        if until > self.now:
            self.at(until, PROMOTE, job)
        else:  # before anybody else is given its slot
            self._at_once.append(job)

    def finish(self, job: Job, state: str, error: str | None) -> None:
        self.leave(job)
        job.state, job.finished_at = state, self.now
        job.error = error if error is not None else job.error
        job.stands = False
        if job.tells:
            self.inbox.append(job)
        if job.of is not None:
            self.ended.append(job)

    def leave(self, job: Job) -> None:
        """Give up what it has: its slot of a pool, and of its limit."""
        if job.state == "running":
            self.free[job.new.columns.pool] += 1
        if job.has_slot:
            key = job.new.columns.limit_key
            assert key is not None
            job.has_slot = False
            self.held[key] -= 1
            self.starting[key] -= job.state == "available"
            self.asked.add(key)

    def expire(self, jobs: list[Job]) -> None:
        for job in jobs:
            if job.expires_at is not None and job.expires_at <= self.now and job.state != "running" and not job.is_final:
                self.finish(job, "expired", "not started before its deadline")

    def promote(self, jobs: list[Job]) -> None:
        jobs, self._at_once = jobs + self._at_once, []
        for job in jobs:
            if job.state in ("scheduled", "retrying") and job.run_at <= self.now:
                self.let_go(job)

    def claim(self) -> list[Job]:
        """The best of those that may run, as many as there are slots."""
        found = []
        for pool, ready in self._ready.items():
            while ready and self.free[pool] > 0:
                rank, job = heappop(ready)
                if job.state == "available" and rank == job.rank:
                    self.free[pool] -= 1
                    job.state, job.started_at = "running", self.now
                    job.claims += 1
                    if job.has_slot:
                        self.starting[job.new.columns.limit_key or ""] -= 1
                    found.append(job)
        return found
