"""A worker that is driven by hand: it claims one job at a time, as a worker does, and the one who drives it has that run before it claims the next.

Owns that order, and when there is nothing left to do. What it does about a job is the worker's own coordinator's; schedules are fired by the worker's own
clockwork. It has no heartbeat, listens to nobody, and prunes nothing: a test's file keeps all that happened in it.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from ..base.errors import UnknownTask
from ..commands import command
from ..pools.base import Call
from ..store import Store
from ..store.turn import Demand
from ..tasks import TaskCode
from ..worker.config import WorkerConfig
from ..worker.coordinator import Coordinator
from ..worker.discovery import Catalogue
from ..worker.inbox import Inbox
from ..worker.neighbours import Neighbours
from ..worker.planning import AHEAD, Plan
from ..worker.services.clockwork import Clockwork
from ..worker.telling import End, Teller
from .clock import VirtualClock
from .pools import Events, Here, HereAsync, Waits

if TYPE_CHECKING:
    from ..schedules.definition import NewSchedule

KINDS: Final = ("thread", "process", "async")


class Hand(Coordinator):
    """One app's worker in its test."""

    def __init__(
        self, store: Store, path: str, tasks: Mapping[str, TaskCode], declared: Mapping[str, NewSchedule], clock: VirtualClock, run: Callable[[Call], None]
    ) -> None:
        """``run`` has a call run to its end, for a call that waits for it."""
        config, inbox, rng = WorkerConfig(name="test", threads=1, processes=1, async_=1), Inbox(), random.Random(0)
        self._registration = store.workers.register(
            name=config.name, host=socket.gethostname(), wake_port=None, queues=None, slots=config.slots, now=clock.now()
        )
        catalogue = _Catalogue(
            tasks, path=path, origin=None, monotonic=clock.monotonic, declared=declared, trusts_anyone=store.trusts_anyone
        )
        others = Neighbours(_nothing, lambda addresses: None, _nothing, _nothing, lambda: False)
        super().__init__(self._registration.id, store, catalogue, config, clock, rng, inbox, others, None)
        events, waits = Events(inbox), Waits(self._run_what_is_due)
        self._here: dict[str, Here | HereAsync] = {kind: Here(kind, events, clock, rng, waits) for kind in ("thread", "process")}
        self._here["async"] = HereAsync(events, clock, rng, waits)
        self._pools.made.update(self._here)
        self._plan = _OneByOne(config.slots, clock)
        self._teller = _TellerHere()
        self._run = run
        self._only: str | None = None  # the pool that is claimed for, if it is one alone
        self._clockwork = Clockwork(store, catalogue, clock, config, lambda fires: self._looking.news())

    def due(self) -> Iterator[Call]:
        """What is due, one by one, with what comes of it and of the schedules; each is to be run before the next is asked for."""
        self._clockwork.tick()
        self._looking.news()
        has_looked_again = False
        while True:
            call = self._claimed()
            if call is not None:
                has_looked_again = False
                yield call
            elif self._has_more():
                continue
            elif has_looked_again:
                return
            else:  # what has ended may have been waited for, by a schedule or by somebody who has enqueued more
                has_looked_again = True
                self._clockwork.tick()
                self._looking.news()

    def take(self, job: int, kind: str) -> Call | None:
        """This one job, before all others of its pool; None if it cannot be run now."""
        self._only = kind
        self._return(self._here[kind].take_back())  # of a drain that was broken off
        try:
            self._looking.news()
            call = self._claimed()
            while call is None and self._has_more():
                call = self._claimed()
        finally:
            self._only = None
        if call is not None and call.job.id != job:
            self._return(self._here[kind].take_back())
            self.settle()
            return None
        return call

    def settle(self) -> None:
        """Write what has ended, and claim nothing."""
        self._only = ""
        try:
            self._claimed()
        finally:
            self._only = None

    def pool(self, call: Call) -> Here | HereAsync:
        return self._here[call.job.pool]

    def next_due(self) -> int | None:
        """When there is something to do again; None: never, by the clock alone."""
        now = self._clock.now()
        due = self._store.jobs.look(self.id, Demand(dict.fromkeys(KINDS, 1))).due()
        fires = self._store.ticks.next_fire(now)
        return min((at for at in (*due, *([] if fires is None else [fires])) if at > now), default=None)

    def leave(self) -> None:
        self.stop_pools()
        self._store.workers.stopped(self.id, self._clock.now())
        self._registration.close()

    def _claimed(self) -> Call | None:
        """After a turn: the best of those that are held and have not begun."""
        self.receive(self.seconds_until_due() if self._looking.yes else 0.0)  # else it would wait for the next slow look
        self.turn(claiming=True)
        held = [call for pool in self._here.values() for call in pool.todo if self._only in (None, call.job.pool)]
        return min(held, key=lambda call: (-call.job.priority, call.job.run_at, call.job.id), default=None)

    def _has_more(self) -> bool:
        return self._looking.yes or bool(self.outgoing) or self._telling

    def _demand(self) -> Demand | None:
        demand = super()._demand()
        if demand is None or self._only is None:
            return demand
        return demand._replace(limits={kind: most for kind, most in demand.limits.items() if kind == self._only})

    def _run_what_is_due(self) -> int:
        count = 0
        for call in self.due():
            self._run(call)
            count += 1
        return count


class _Catalogue(Catalogue):
    def _discover(self, task: str) -> TaskCode:
        if task == command.NAME:
            raise UnknownTask("a test runs no commands, and sends no mail: its commands stay where assert_enqueued finds them")
        return super()._discover(task)


class _OneByOne(Plan):
    """However short jobs are, none is claimed before the one before it has ended."""

    def ended(self, kind: str, count: int, seconds: float) -> None:
        super().ended(kind, count, count * AHEAD)


class _TellerHere(Teller):
    """Calls what an app has said with ``app.on`` there and then."""

    def tell(self, ends: Iterable[End]) -> None:
        for end in ends:
            self._waiting.put_nowait(end)
        self._waiting.put_nowait(None)
        self._work()


def _nothing() -> None:
    pass
