"""The worker's clockwork: fires the ticks that are due, and knows when the next one is.

Owns the order of that and nothing of the decisions: which ticks to fire is ``firing``'s, that each is fired once the
store's, so any number of workers may run one. It sleeps until the next tick. Only while a schedule awaits the end of
its job, or a job that of its predecessor, it looks again by itself, for the case that the worker died that should
have said so.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from ...base.checks import MICROS, aware
from ...base.clock import Clock
from ...base.errors import PASSING, InvalidArgument, LitequeueError
from ...base.log import Log
from ...base.models import NewJob, Past, Planned, Step
from ...store import Store
from ...store.schedules import Fires, NoJob, stuck
from ...triggers import Trigger
from ...triggers.firing import (
    STUCK_AT_LEAST,
    at_boot,
    go_on_from,
    is_foreign,
    is_stuck,
    plan,
    trigger_of,
)
from ..config import WorkerConfig
from .declaring import Declarer, disable, reason
from .lookahead import Ahead
from .service import NOTHING_SECONDS, REFUSED_SECONDS

if TYPE_CHECKING:
    from ...commands.notices import Listeners

log = Log("litequeue.worker")

BATCH: Final = 1_000  # schedules in one transaction
AWAIT_SECONDS: Final = 5.0
SET_BACK: Final = 60.0  # seconds; less is left to the ticks' own grid
MANY: Final = 100  # fired at once: let their jobs start before the next ticks are worked out
MANY_SECONDS: Final = 0.2
STUCK_SECONDS: Final = 60.0  # between looks for jobs that do not end


class Scheduler:
    """``tick`` fires what is due; the seconds until the next."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        boot: str | None,
        declarer: Declarer,
        config: WorkerConfig,
        on_fired: Callable[[Fires], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._boot = boot
        self._declarer = declarer
        self._config = config
        self._on_fired = on_fired
        self._foreign: dict[int, str] = {}  # schedules that only another worker's code can work out
        self._ahead = Ahead()
        self._look_for_stuck_at = 0.0
        self._began = clock.now()

    def declare(self) -> None:
        self._declarer.declare()

    def tick(self) -> float:
        try:
            self.declare()
            self._heed_a_clock_set_back()
            if self._boot is not None:
                rebooted = self._store.ticks.rebooted(self._boot)
                self._fire([at_boot(row, self._boot, self._clock.now()) for row in rebooted])
            fired = 0
            while (count := self._fire_due()) == BATCH:
                fired += count
            waiting = self._after_jobs()
            self._tell_of_stuck()
            due = self._store.ticks.next_fire(self._clock.now() if self._foreign else -(2**62))
            if due is not None and fired + count >= MANY:
                return min(self._until(due), MANY_SECONDS)
            if due is not None:
                self._look_ahead(due)
        except PASSING as error:
            log.warning("schedules have to wait: %s", error)
            return REFUSED_SECONDS
        return min(self._until(due), AWAIT_SECONDS if waiting else NOTHING_SECONDS)

    def _until(self, due: int | None) -> float:
        return NOTHING_SECONDS if due is None else max((due - self._clock.now()) / MICROS, 0.0)

    def _heed_a_clock_set_back(self) -> None:
        """A clock that was ten years ahead for a minute must not silence the schedules for ten years."""
        last, now = self._store.ticks.last_decided(), self._clock.now()
        if last is None or last - now <= SET_BACK * MICROS:
            return
        log.warning("the clock was set back by %.0f s: the schedules go on from now", (last - now) / MICROS)
        steps = self._steps(self._store.ticks.to_come(now), lambda row, trigger: go_on_from(row, trigger, now))
        for start in range(0, len(steps), BATCH):
            self._fire(steps[start : start + BATCH])
        self._store.ticks.forget_future(now)

    def _fire_due(self) -> int:
        """Fire a batch; of how many."""
        known = self._declarer.triggers
        self._foreign = {id_: name for id_, name in self._foreign.items() if name not in known}
        rows = self._store.ticks.due(self._clock.now(), BATCH, self._foreign)
        self._fire(self._steps(rows, self._plan))
        return len(rows)

    def _plan(self, row: Planned, trigger: Trigger) -> Step:
        now = self._clock.now()
        return self._ahead.step(row, now) or plan(row, trigger, now)

    def _look_ahead(self, due: int) -> None:
        """Work out the steps of the next ticks, so that they need only be taken when their time comes."""
        if not self._ahead.wants(due, self._clock.now()):
            return
        steps = {}
        for row in self._store.ticks.due(due, BATCH, self._foreign):
            with contextlib.suppress(Exception):  # it is told of when its time comes
                if not is_foreign(row.trigger):
                    steps[row] = plan(row, trigger_of(row.trigger, row.anchor_at), due)
        self._ahead.keep(due, steps)

    def _after_jobs(self) -> bool:
        """See to those that wait for jobs to end; whether some still do."""
        awaiting, blocked = self._store.ticks.waits_for_jobs()
        if awaiting:
            ended = dict(self._store.ticks.ended())
            self._fire(self._steps(list(ended), lambda row, trigger: go_on_from(row, trigger, ended[row])))
        if blocked:
            count, addresses = self._store.ticks.unblock(self._clock.now())
            if count:
                self._on_fired(Fires([], [], addresses))
        return (awaiting or blocked) and any(self._store.ticks.waits_for_jobs())

    def _tell_of_stuck(self) -> None:
        """Once of each job that keeps its schedule from going on."""
        mono = self._clock.monotonic()
        if mono < self._look_for_stuck_at:
            return
        self._look_for_stuck_at = mono + STUCK_SECONDS
        now = self._clock.now()
        for found in stuck.unended(self._store.database, now - STUCK_AT_LEAST):
            with contextlib.suppress(InvalidArgument):  # a planted row; it is told of when it fires
                trigger = self._trigger(found.schedule)
                # What waits may have had nobody to run it before we came.
                since = found.tick if found.runs else max(found.tick, self._began)
                if found.told or trigger is None or not is_stuck(trigger, since, now):
                    continue
                addresses = stuck.tell(self._store.database, found, now, lambda found=found: self._stuck_jobs(found, now))  # type: ignore[misc]
                if addresses is not None:
                    log.error("schedule %s does not go on: its job %d has not ended", found.schedule.name, found.job)
                    self._on_fired(Fires([], [], addresses))

    def _stuck_jobs(self, found: stuck.Unended, now: int) -> list[NewJob]:
        from ...commands.notices import of_stuck

        on_failure, mail_to, queue = found.listening
        listeners = self._listeners(on_failure, mail_to)
        since = aware(found.tick).isoformat()
        return of_stuck(found.schedule.name, found.job, since, listeners, socket.gethostname(), queue, now)

    def _steps(self, rows: list[Planned], decide: Callable[[Planned, Trigger], Step]) -> list[Step]:
        steps = []
        for row in rows:
            try:
                trigger = self._trigger(row)
                if trigger is not None:
                    steps.append(decide(row, trigger))
            except Exception as error:  # noqa: BLE001 - a planted row, or a user's own trigger
                self._disable(row, error)
        return steps

    def _disable(self, row: Planned | Step, error: Exception) -> None:
        disable(self._store, row, row.name, reason(error), self._clock.now())

    def _trigger(self, row: Planned) -> Trigger | None:
        if is_foreign(row.trigger):
            own = self._declarer.triggers.get(row.name)
            if own is None:
                self._foreign[row.id] = row.name
            return own
        return trigger_of(row.trigger, row.anchor_at)

    def _fire(self, steps: list[Step]) -> None:
        if not steps:
            return
        try:
            fires = self._store.ticks.fire(steps, self._clock.now(), self._tell)
        except Exception as error:
            if isinstance(error, LitequeueError) and not isinstance(error, NoJob):
                raise  # it is the file that has something
            if len(steps) == 1:
                self._disable(steps[0], error)
            else:  # the others go on
                self._fire(steps[: len(steps) // 2])
                self._fire(steps[len(steps) // 2 :])
            return
        if fires.fired:
            self._on_fired(fires)  # the jobs wait for nobody's log
        _log(fires)

    def _tell(
        self, schedule: str, missed: Sequence[Past], on_failure: str | None, mail_to: str | None, queue: str
    ) -> list[NewJob]:
        """The jobs that tell people of missed ticks."""
        from ...commands.notices import of_missed

        listeners = self._listeners(on_failure, mail_to)
        if not listeners:
            return []
        return of_missed(schedule, missed, listeners, socket.gethostname(), queue, self._clock.now())

    def _listeners(self, on_failure: str | None, mail_to: str | None) -> Listeners:
        """Of a schedule, and of this worker."""
        from ...commands.notices import Listeners  # few schedules have anything to tell

        return Listeners.of((self._config.on_failure, on_failure), (self._config.mail_to, mail_to))


def _log(fires: Fires) -> None:
    # One line for ticks that share their fate: after a minute's absence a schedule of every second has sixty of them.
    alike = itertools.groupby(fires.past, lambda of: (of[0], of[1].outcome, of[1].reason))
    for (schedule, outcome, why), group in alike:
        level = logging.INFO if outcome == "skipped" else logging.WARNING
        log.log(level, "schedule %s: %s %s: %s", schedule, _ticks([past for _, past in group]), outcome, why)
    if log.isEnabledFor(logging.INFO):
        for schedule, tick, job in fires.fired:
            log.info("schedule %s: tick %s is job %d", schedule, aware(tick), job)


def _ticks(alike: list[Past]) -> str:
    first, last = alike[0].tick, alike[-1].through or alike[-1].tick
    if first == last:
        return f"tick {aware(first)}"
    if any(past.through for past in alike):  # nobody has counted them
        return f"ticks from {aware(first)} to {aware(last)}"
    return f"{len(alike)} ticks from {aware(first)} to {aware(last)}, each"
