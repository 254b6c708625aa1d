"""Schedules and their ticks in memory: what ``store/schedules`` does in SQL.

Owns their steps from tick to tick, the jobs of these, and who waits for whose end. What is to be done about a tick is asked of ``triggers/firing``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from ...base.checks import aware
from ...base.exact import UniqueKey
from ...base.models import Fire, NewJob, Past, Planned, Step
from ...tasks import TaskCode
from ...triggers import Trigger
from ...triggers.firing import at_boot, first, go_on_from, overlapping, plan
from ...worker.services.declaring import reason
from .jobs import FIRE, Job, Table

FIRST_BOOT: Final = "0"


class Schedule:
    """One, and what became of its ticks: each as due time, end of the range, time of the decision, outcome, reason and job."""

    __slots__ = ("active", "awaiting", "boot", "code", "expires", "key", "last", "line", "new", "overlap", "paused", "row", "ticks", "trigger", "why")

    def __init__(
        self, row: Planned, trigger: Trigger, overlap: str, new: NewJob, expires: int | None, code: TaskCode, key: UniqueKey | None,
        boot: str | None, *, paused: bool, awaiting: bool,
    ) -> None:  # fmt: skip
        self.row = row
        self.trigger = trigger
        self.overlap = overlap
        self.new = new  # the job of each tick, but for its times
        self.expires = expires
        self.code = code
        self.key = key
        self.boot = boot  # the last one, of a trigger that fires once for each
        self.paused = paused
        self.awaiting = awaiting  # the next tick counts from the end of the last one's job
        self.why: str | None = None  # it is out of service
        self.ticks: list[tuple[int, int | None, int, str, str | None, Job | None]] = []
        self.active: set[Job] = set()  # have not ended, and do not
        self.line: deque[Job] = deque()  # wait for the one before them
        self.last: Job | None = None

    def is_busy(self) -> bool:
        """Whether a job of it has not ended."""
        while self.line and self.line[0].is_final:  # it expired
            self.line.popleft()
        return bool(self.active or self.line)


class Schedules:
    """All of them."""

    def __init__(self, table: Table, schedules: Iterable[Schedule], off: list[tuple[int, int]]) -> None:
        self._table = table
        self._all = {schedule.row.id: schedule for schedule in schedules}
        self._rules = {id_: (schedule.overlap, schedule.row.catch_up) for id_, schedule in self._all.items()}
        self._decided: set[tuple[int, int]] = set()
        self._keys: dict[tuple[str, str], tuple[Job, str | int, int]] = {}  # whose they are, until what, and when that is
        self._off = off
        self._boot, self._is_new = FIRST_BOOT, False
        self._touched: set[int] = set()  # may have something to go on from
        for schedule in self._all.values():
            self._plan(schedule)
            if schedule.awaiting:
                self._touched.add(schedule.row.id)

    # -- what people and the host do ---------------------------------------------------------------------------

    def booted(self, boot: str) -> None:
        self._boot, self._is_new = boot, True

    def pause(self, schedule: Schedule) -> None:
        schedule.paused = True

    def resume(self, schedule: Schedule) -> None:
        """The next tick is counted from now, or from the end of the job that runs."""
        if not schedule.paused:
            return
        schedule.paused, self._is_new = False, True
        schedule.awaiting = schedule.awaiting and schedule.is_busy()
        tick = fires_at = None
        if not schedule.awaiting:
            tick, fires_at = first(schedule.trigger, schedule.row.name, schedule.row.jitter, self._table.now)
        schedule.row = schedule.row._replace(next_tick_at=tick, fires_at=fires_at)
        self._plan(schedule)

    # -- from tick to tick ------------------------------------------------------------------------------------------

    def fire(self, due: Iterable[tuple[Schedule, int]]) -> None:
        """Those whose tick has come; each with when it was to fire, which may be another by now."""
        now = self._table.now
        self._note_ended()
        if self._is_new:
            self._is_new = False
            rebooted = [s for s in self._all.values() if s.boot not in (None, self._boot) and not s.paused and s.why is None]
            self._take([at_boot(schedule.row, self._boot, now) for schedule in rebooted])
        # Once each: one that was resumed has been planned for the same moment before.
        ready = {(at, s.row.id): s for s, at in due if s.row.fires_at == at and not s.paused and s.why is None}
        self._take(self._steps([ready[at] for at in sorted(ready)], lambda schedule: plan(schedule.row, schedule.trigger, now)))

    def after_jobs(self) -> None:
        """See to those that wait for jobs to end."""
        self._note_ended()
        if not self._touched:
            return
        touched = [self._all[id_] for id_ in sorted(self._touched)]
        self._touched.clear()
        goes_on = [s for s in touched if s.awaiting and not s.paused and s.why is None and (s.last is None or s.last.is_final)]
        self._take(self._steps(goes_on, lambda schedule: go_on_from(schedule.row, schedule.trigger, _ended(schedule, self._table.now))))
        for schedule in touched:
            if not schedule.active and schedule.is_busy():
                job = schedule.line.popleft()
                schedule.active.add(job)
                job.run_at = self._table.now
                self._table.let_go(job)

    def _note_ended(self) -> None:
        for job in self._table.ended:
            job.of.active.discard(job)
            self._touched.add(job.of.row.id)
        self._table.ended.clear()

    def _steps(self, schedules: Iterable[Schedule], decide: Callable[[Schedule], Step]) -> list[Step]:
        steps = []
        for schedule in schedules:
            try:
                steps.append(decide(schedule))
            except Exception as error:  # noqa: BLE001 - a user's own trigger
                schedule.why = reason(error)
        return steps

    def _take(self, steps: list[Step]) -> None:
        if not steps:
            return
        now = self._table.now
        busy = {step.id for step in steps if self._all[step.id].is_busy()}
        jobs, past = overlapping(steps, busy, self._rules, self._decided)
        for step in steps:
            schedule = self._all[step.id]
            schedule.row = schedule.row._replace(next_tick_at=step.next_tick_at, fires_at=step.fires_at)
            schedule.awaiting, schedule.boot = step.awaiting, step.boot or schedule.boot
            self._plan(schedule)
            if step.awaiting:
                self._touched.add(step.id)
        for id_, each in past:
            self._decide(self._all[id_], each)
        for fire in self._without_keys(jobs):
            self._make(self._all[fire.schedule], fire, now)

    def _plan(self, schedule: Schedule) -> None:
        if schedule.row.fires_at is not None:
            self._table.at(schedule.row.fires_at, FIRE, (schedule, schedule.row.fires_at))

    # -- ticks ---------------------------------------------------------------------------------------------------------

    def _make(self, schedule: Schedule, fire: Fire, now: int) -> None:
        expires_at = None if schedule.expires is None else now + schedule.expires
        new = schedule.new._replace(state=fire.state, run_at=now, expires_at=expires_at)
        job = self._table.add(f"{schedule.row.name} {fire.tick}", new, schedule.code, of=schedule, tick=fire.tick)
        schedule.last = job
        if fire.state == "blocked":
            schedule.line.append(job)
        else:
            schedule.active.add(job)
        if schedule.key is not None:
            until = schedule.key.until
            self._keys[job.new.task, schedule.key.text] = job, until, now + until if isinstance(until, int) else 0
        self._note(schedule, fire.tick, None, fire.outcome, self._why_late(fire, now), job)

    def _why_late(self, fire: Fire, now: int) -> str | None:
        if fire.outcome != "late":
            return None
        found = [f"no worker ran from {_shown(begin)} to {_shown(end)}" for begin, end in self._off if begin <= fire.tick < end]
        return found[0] if found else None

    def _decide(self, schedule: Schedule, past: Past) -> None:
        if (schedule.row.id, past.tick) not in self._decided:
            self._note(schedule, past.tick, past.through, past.outcome, past.reason, None)

    def _note(self, schedule: Schedule, tick: int, through: int | None, outcome: str, reason: str | None, job: Job | None) -> None:
        self._decided.add((schedule.row.id, tick))
        schedule.ticks.append((tick, through, self._table.now, outcome, reason, job))

    def _without_keys(self, jobs: list[Fire]) -> list[Fire]:
        """Those that no other job keeps out. Where two of them have one key, the first is made."""
        made = []
        mine = set()
        for fire in jobs:
            schedule = self._all[fire.schedule]
            if schedule.key is not None:
                key = schedule.new.task, schedule.key.text
                holder = None if key in mine else self._holder(key)
                if holder is not None or key in mine:
                    who = "another job of this moment" if holder is None else f"job {holder.id}"
                    self._decide(schedule, Past(fire.tick, None, "skipped", f"{who} has its key {key[1]}"))
                    continue
                mine.add(key)
            made.append(fire)
        return made

    def _holder(self, key: tuple[str, str]) -> Job | None:
        if key not in self._keys:
            return None
        job, until, at = self._keys[key]
        if at:
            return job if at > self._table.now else None
        if job.state != "running":
            self._table.expire([job])  # where its time is over
        return None if job.is_final or until == "start" and job.claims else job


def _ended(schedule: Schedule, now: int) -> int:
    """When the job of its last tick has; a tick that made none is over when that is decided."""
    ended = [] if schedule.last is None else [schedule.last.finished_at or now]
    return max([*ended, *(tick[2] for tick in schedule.ticks[-1:])], default=now)


def _shown(stamp: int) -> str:
    return aware(stamp).isoformat(sep=" ", timespec="seconds")
