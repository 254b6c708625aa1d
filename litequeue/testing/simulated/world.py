"""From one moment to the next: what is due is done, what ends is settled, what may run is started.

Owns the order of things within a moment, in which nothing takes time but what is said to: ticks fire; then what has ended is settled, what has
expired is dropped, what is due may run, who waited is told, slots of limits are given, until nothing more comes of that; then jobs are started. So one
that takes exactly as long as its schedule's period still runs at the next tick, as in a worker, which starts it a little after its own.
"""

from __future__ import annotations

from typing import Any, Final

from ...base.checks import MICROS, aware
from ...base.errors import InvalidArgument, SoftTimeout
from ...base.models import Settled
from ...base.outcomes import Outcome, Replaced, Suspended, Timed, TimedOut
from ...base.states import FINAL
from ...pools.call import from_exception
from ...store.rules import MAX_INTERRUPTIONS
from ...worker.dispatch import call_of
from ...worker.settling import settle
from .given import Attempt, Rules, failure, length
from .jobs import ASK, END, EXPIRE, FIRE, PAUSE, PROMOTE, Job, Table
from .limits import Limits
from .links import tell
from .reading import Codes
from .schedules import Schedules

_WHY: Final = "the host went off"
_ENDED: Final = {"retrying": "failed", "scheduled": "snoozed"}  # by the state that a try led to: what is said of it


class World:
    """All that there is."""

    def __init__(
        self, table: Table, schedules: Schedules, limits: Limits, codes: Codes, takes: Rules, fails: Rules, off: list[tuple[int, int]]
    ) -> None:
        self.table = table
        self.schedules = schedules
        self._limits = limits
        self._codes = codes
        self._takes = takes
        self._fails = fails
        self._rules: dict[tuple[str | None, str], tuple[Any, Any]] = {}
        self._off = list(enumerate(off, 1))
        self._running: dict[int, Job] = {}

    def run(self, until: int) -> None:
        """Go on to that moment, or until nothing more will happen."""
        table = self.table
        at: int | None = table.now
        while True:
            while self._off and (at is None or self._off[0][1][0] <= at):
                number, (begin, at) = self._off.pop(0)
                if begin >= until or at >= until:
                    return
                table.now = max(at, table.now)
                self._come_back(str(number))
            if at is None or at >= until:
                return
            table.now = max(at, table.now)
            self._moment()
            at = table.next()

    def _moment(self) -> None:
        while True:
            self._pass()
            if not self.table.stirs():
                for job in self.table.claim():
                    self._begin(job)
                if not self.table.stirs():
                    return

    def _pass(self) -> None:
        table, due = self.table, self.table.due()
        for schedule, pauses in due[PAUSE]:
            (self.schedules.pause if pauses else self.schedules.resume)(schedule)
        self.schedules.fire(due[FIRE])
        self.schedules.after_jobs()
        for job, claim in due[END]:
            if job.state == "running" and job.claims == claim:
                self._end(job)
        table.expire(due[EXPIRE])
        table.promote(due[PROMOTE])
        if table.inbox:
            tell(table, self._codes.of)
        table.asked.update(due[ASK])
        if table.asked:
            self._limits.fill()
        self.schedules.after_jobs()

    # -- one attempt ---------------------------------------------------------------------------------------------

    def _begin(self, job: Job) -> None:
        now, new, name = self.table.now, job.new, f"{job.name} {job.claims}"
        schedule = None if job.of is None else job.of.row.name
        if (schedule, new.task) not in self._rules:
            self._rules[schedule, new.task] = self._takes.of(schedule, new.task), self._fails.of(schedule, new.task)
        takes, fails = self._rules[schedule, new.task]

        def attempt() -> Attempt:
            return Attempt(job.id, new.task, schedule, job.claims, aware(now), None, "running")

        seconds = length(takes, attempt, self.table.dice, name)
        error: Any = failure(fails, attempt, self.table.dice, name)
        says = job.code.columns
        for limit, late in (
            (says.timeout if new.columns.timeout is None else new.columns.timeout, TimedOut),
            (says.soft_timeout if new.columns.soft_timeout is None else new.columns.soft_timeout, SoftTimeout),
        ):
            if limit is not None and seconds > limit:
                seconds, error = limit, TimedOut(limit / MICROS) if late is TimedOut else SoftTimeout()
        job.ending = error
        job.tries.append([job.claims, now, None, "running", None, None])
        self._running[job.id] = job
        if job.has_slot:
            self._limits.started(job)
        self.table.at(now + seconds, END, (job, job.claims))

    def _end(self, job: Job) -> None:
        del self._running[job.id]
        if job.ending is False:
            job.tries[-1][2:4] = self.table.now, "succeeded"
            job.error = None
            self.table.finish(job, "succeeded", None)
        else:
            self._fail(job)

    def _fail(self, job: Job) -> None:
        """A worker says what that comes to."""
        now, began = self.table.now, job.tries[-1][1]
        dice = self.table.dice.about(f"{job.name} {job.claims} backoff")
        call = call_of(job.claimed(), job.code, "", 0.0)
        outcome: Outcome = job.ending if isinstance(job.ending, TimedOut) else from_exception(_raised(job), call, dice)
        if isinstance(outcome, (Replaced, Suspended)):
            raise InvalidArgument(f"{job.new.task}: what a task puts in its place, or waits for, is not simulated: {outcome!r:.100}")
        row = settle(call, Timed(outcome, began, (now - began) / MICROS), now, dice)
        assert not isinstance(row, Settled)
        job.failures += row.failed
        word = _ENDED.get(row.state, "failed" if row.failed else row.state)
        job.tries[-1][2:] = now, word, row.error_type, row.error_message
        said = f"{row.error_type}: {row.error_message}" if row.error_message else row.error_type
        if row.state in FINAL:
            self.table.finish(job, row.state, said)
        else:
            job.error = said or job.error
            self.table.put_off(job, row.state, now if row.run_at is None else row.run_at)

    # -- the host -----------------------------------------------------------------------------------------------------

    def _come_back(self, boot: str) -> None:
        """What ran when it went off is put back, as that of a worker that was killed."""
        self.schedules.booted(boot)
        for _, job in sorted(self._running.items()):
            once = job.new.columns.at_most_once
            job.interruptions += 1
            job.tries[-1][2:] = self.table.now, "interrupted", "Interrupted", _WHY
            if once or job.interruptions >= MAX_INTERRUPTIONS:
                why = f"{_WHY}; it runs at most once" if once else f"{job.interruptions} workers died while it ran; it is the likely cause"
                self.table.finish(job, "discarded", f"{'Lost' if once else 'Interrupted'}: {why}")
            else:
                self.table.leave(job)
                job.error, job.expires_at = f"Interrupted: {_WHY}", None  # it was started in time
                self.table.let_go(job)
        self._running.clear()


def _raised(job: Job) -> BaseException:
    """What it was said to raise; else something for which it is retried, if it is for anything."""
    if isinstance(job.ending, BaseException):
        return job.ending
    kind: type[BaseException] = (*job.code.retry_on, Exception)[0]
    try:
        made: BaseException = kind.__new__(kind, "simulated")
        return made
    except Exception as error:
        raise InvalidArgument(f"{job.new.task} is retried on {kind.__name__}, of which none can be made: let a function of fails make one: {error}") from error
