"""A worker's clockwork and its turns on a real file, under a clock that jumps from one moment to the next: what a simulation is held against.

The scheduler, the store, and what an exception means are production's. The calls are not run: how long each takes and whether it fails is asked as the simulator
asks it, so that both throw the same dice.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

from litequeue import LiteQueue, SoftTimeout
from litequeue.base.checks import MICROS, aware
from litequeue.base.clock import boot_id
from litequeue.base.models import ClaimedJob, Settled, Unsettled
from litequeue.base.outcomes import Outcome, Succeeded, Timed, TimedOut
from litequeue.base.records import JobInfo, TickInfo
from litequeue.pools.base import Call
from litequeue.pools.call import from_exception
from litequeue.store import Store
from litequeue.store.turn import Demand, Turn
from litequeue.testing import Attempt, Simulation
from litequeue.testing.simulated import given
from litequeue.testing.simulated.given import Dice, Rules
from litequeue.worker.admission import adoption
from litequeue.worker.config import WorkerConfig
from litequeue.worker.discovery import Catalogue
from litequeue.worker.dispatch import call_of
from litequeue.worker.services.declaring import Declarer
from litequeue.worker.services.scheduler import Scheduler
from litequeue.worker.settling import settle

from ..support import FakeClock

WORKER = """INSERT INTO litequeue_workers (id, name, pid, host, lock_file, slots, started_at, heartbeat_at) VALUES (?, ?, 1, 'here', '', '{}', ?, ?)"""


class Real:
    """The app, whose clock it is, and a worker."""

    def __init__(self, app: LiteQueue, clock: FakeClock, *, seed: int = 0, takes: Any = 0, fails: Any = 0, slots: Any = None, down: Any = (), paused: Any = None) -> None:
        self.app = app
        self.clock = clock
        self.store = Store(app.path)
        limited = [code.origin for code in app._tasks.values() if code.limit_name is not None and code.origin is not None]
        self.store.jobs.record_options(limited, clock.now())  # as a worker does that has their code
        self.dice = Dice(seed)
        self.takes, self.fails = Rules(takes, "takes", given.takes), Rules(fails, "fails", given.fails)
        self.free = {pool: min(count, 10_000) for pool, count in given.slots(slots).items()}
        self.off = given.windows(down, "down")
        people = [(at, name, what) for name, times in (paused or {}).items() for pair in given.windows(times, "paused") for at, what in zip(pair, ("pause", "resume"), strict=True)]
        self.people = sorted(people, key=lambda one: one[0])
        self.calls: dict[int, tuple[Call, Any, int, int]] = {}  # with what it comes to, its begin and its end
        self.worker = 0
        self.names: dict[int, str] = {}
        self.start_worker(boot_id())

    def start_worker(self, boot: str | None) -> None:
        self.worker += 1
        now = self.clock.now()
        with closing(sqlite3.connect(self.app.path)) as connection, connection:
            connection.execute(WORKER, (self.worker, f"w{self.worker}", now, now))
        catalogue = Catalogue(self.app._tasks, path=self.store.path, origin=None, monotonic=self.clock.monotonic, declared=self.app._declared)
        declarer = Declarer(self.store, catalogue, self.clock, boot)
        self.scheduler = Scheduler(self.store, self.clock, boot, declarer, WorkerConfig(), lambda fires: None)

    # -- time --------------------------------------------------------------------------------------------------------

    def run(self, until: datetime) -> None:
        end = round(until.timestamp()) * MICROS
        at: int | None = self.clock.now()
        while True:
            while self.off and (at is None or self.off[0][0] <= at):
                begin, at = self.off.pop(0)
                if begin >= end or at >= end:
                    return
                self.jump(at)
                dead = self.worker
                self.start_worker(f"boot {at}")
                self.store.leases.rescue_worker(dead, f"w{dead}", self.clock.now())
                for call, *_ in self.calls.values():
                    self.free[call.job.pool] += 1
                self.calls.clear()
            if at is None or at >= end:
                return
            self.jump(at)
            self.moment()
            at = self.next()

    def jump(self, at: int) -> None:
        if at > self.clock.now():
            self.clock.mono += (at - self.clock.now()) / MICROS
            self.clock.wall = at

    def next(self) -> int | None:
        look = self.store.jobs.look(self.worker, None)
        times = [self.store.ticks.next_fire(), *look.due(), *(end for *_, end in self.calls.values()), *(at for at, *_ in self.people)]
        return min((at for at in times if at is not None), default=None)

    def moment(self) -> None:
        while self.people and self.people[0][0] <= self.clock.now():
            _, name, what = self.people.pop(0)
            getattr(self.app.schedules, what)(name)
        while True:
            self.scheduler.tick()
            while self.settle():
                self.scheduler.tick()
            if not self.claim():
                return

    # -- turns -------------------------------------------------------------------------------------------------------

    def turn(self, **brought: Any) -> Turn:
        now = self.clock.now()
        return self.store.jobs.turn(self.worker, now, now + 10**15, **brought)

    def settle(self) -> bool:
        """Until nothing moves but what would be started; whether anything did."""
        moved = False
        while True:
            now = self.clock.now()
            ended = [self.calls.pop(id_) for id_, (*_, end) in list(self.calls.items()) if end <= now]
            rows = [self.end(*one) for one in ended]
            look = self.store.jobs.look(self.worker, None)
            if not ended and not look.has_more(now) and not any(at <= now for at in look.due()):
                return moved
            moved = True
            self.turn(succeeded=[row for row in rows if isinstance(row, Settled)], others=[row for row in rows if isinstance(row, Unsettled)])

    def claim(self) -> bool:
        """Whether something that was started has ended by now."""
        self.adopt()
        for job in self.turn(demand=Demand(dict(self.free), free=dict(self.free))).claimed:
            self.begin(job)
        return any(end <= self.clock.now() for *_, end in self.calls.values())

    def adopt(self) -> None:
        """Give jobs that were enqueued without their task's options those, before any is started: else others would be a turn ahead of them."""
        while True:
            looked_at = self.turn(demand=Demand(dict.fromkeys(self.free, 10_000), accept=lambda job: False)).refused
            adoptions = [change for job in looked_at if (change := adoption(job, self.code(job))) is not None]
            if not adoptions:
                return
            self.turn(adoptions=adoptions)

    def code(self, job: ClaimedJob) -> Any:
        return self.app._tasks[job.task]

    # -- calls -------------------------------------------------------------------------------------------------------

    def name(self, job: int, task: str, schedule: str | None = None, tick: int | None = None) -> str:
        if job not in self.names:
            parents = self.store.flows.parents(job)
            flow = self.store.flows.of_job(job)
            if schedule is not None:
                self.names[job] = f"{schedule} {tick}"
            elif flow is not None:
                self.names[job] = f"step {job - 1}"
            else:
                parent = self.store.reports.job(parents[0])
                assert parent is not None
                stamp = None if parent.scheduled_for is None else round(parent.scheduled_for.timestamp() * MICROS)
                self.names[job] = f"{self.name(parent.id, parent.task, parent.schedule, stamp)} > {task}"
        return self.names[job]

    def begin(self, job: ClaimedJob) -> None:
        now = self.clock.now()
        self.free[job.pool] -= 1
        name = f"{self.name(job.id, job.task, job.schedule, job.scheduled_for)} {job.attempt}"
        begun = Attempt(job.id, job.task, job.schedule, job.attempt, aware(now), None, "running")
        long = given.length(self.takes.of(job.schedule, job.task), lambda: begun, self.dice, name)
        error: Any = given.failure(self.fails.of(job.schedule, job.task), lambda: begun, self.dice, name)
        call = call_of(job, self.code(job), self.app.path, 0.0)
        limits = [(limit, what) for limit, what in ((call.soft_timeout, SoftTimeout()), (call.timeout, None)) if limit is not None and limit < long]
        if limits:
            long, error = min(limits, key=lambda one: one[0])
            error = error or TimedOut(long / MICROS)
        if error is True:
            kind = (*call.code.retry_on, Exception)[0]
            error = kind.__new__(kind, "simulated")
        self.calls[job.id] = call, error, now, now + long

    def end(self, call: Call, error: Any, began: int, ended: int) -> Settled | Unsettled:
        self.free[call.job.pool] += 1
        dice = self.dice.about(f"{self.name(call.job.id, call.job.task)} {call.job.attempt} backoff")
        outcome: Outcome = Succeeded("null")
        if error:
            outcome = error if isinstance(error, TimedOut) else from_exception(error, call, dice)
        row = settle(call, Timed(outcome, began, (ended - began) / MICROS), self.clock.now(), dice)
        return row._replace(finished_at=ended) if isinstance(row, Settled) else row  # seconds are a float, and lose a microsecond now and then

    def close(self) -> None:
        self.store.close()

    # -- what came of it ---------------------------------------------------------------------------------------------

    def ticks(self, name: str) -> list[TickInfo]:
        return [_tick(tick) for tick in self.app.schedules.ticks(name, limit=10_000)[::-1]]

    def jobs(self) -> list[JobInfo]:
        found = [self.app.job(info.id).info() for info in self.app.jobs(limit=10_000)[::-1]]
        return [_job(info) for info in found if info.task != "litequeue.join"]


def _tick(tick: TickInfo) -> TickInfo:
    """Without what only one of the two knows: why nobody fired it in time, and that somebody was told of a job that did not end."""
    reason = None if tick.outcome == "late" or tick.reason is None else tick.reason.partition("; its job did not end")[0]
    return dataclasses.replace(tick, reason=None if reason == "its job did not end" else reason, error=_said(tick.error))


def _job(info: JobInfo) -> JobInfo:
    if not info.attempt:  # who would run it says the rest when it comes to that
        info = dataclasses.replace(info, pool="", max_attempts=None, at_most_once=False, limit_key=None)
    attempts = tuple(dataclasses.replace(one, worker=None, traceback="", error_message=_said(one.error_message) or "") for one in info.attempts)
    return dataclasses.replace(info, worker=None, result=None, lease_expires_at=None, secret=None, last_error=_said(info.last_error), attempts=attempts)


def _said(error: str | None) -> str | None:
    """Who died is called after himself."""
    for word in ("Interrupted: ", "Lost: "):
        if error is not None and error.startswith(word):
            return word
    return "" if error is not None and (" died" in error or "went off" in error) else error


def assert_equal(run: Simulation, real: Real, names: Mapping[str, Any] | list[str]) -> None:
    """Tick for tick, and job for job."""
    for name in names:
        ours, theirs = [_tick(tick) for tick in run.ticks(name)], real.ticks(name)
        for our, their in zip(ours, theirs, strict=False):
            assert our == their, name
        assert len(ours) == len(theirs), name
    jobs, stored = [_job(info) for info in run.jobs], real.jobs()
    for mine, there in zip(jobs, stored, strict=False):
        assert mine == there
    assert len(jobs) == len(stored)
