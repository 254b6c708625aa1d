"""The coordinator: one thread that claims, dispatches and settles, and alone changes the worker's state.

Everything else (pools, heartbeat, listener, signals) posts to its inbox, so there are no locks here. What to
do with an outcome is decided in ``settling``; how many jobs to take, in ``planning``; the SQL is the
store's. A *turn* is one transaction: settle what ended, promote what is due, claim what there is room for.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from ..base.clock import Clock
from ..base.errors import PASSING, UnknownTask, WorkerFailed
from ..base.models import Adoption, ClaimedJob, Lease, Printed, Settled, Unsettled
from ..base.outcomes import NotStarted, Timed
from ..pools.base import Call, Reason
from ..store import Store
from ..store.turn import Demand, Turn
from . import journal
from .admission import Admission
from .config import WorkerConfig
from .discovery import Catalogue
from .inbox import Dead, Held, Inbox, Look, Started, Stop
from .planning import Plan
from .pooling import Pools
from .reporting import Reporter
from .settling import impossible, settle
from .slow_look import Watch
from .timeouts import Key, Limits

log = logging.getLogger("litequeue.worker")

TEND_PAUSE = 0.005  # while calls wait in a pool
RETRY_PAUSE = 0.25  # after a turn that the file refused
MOST_PRINTED = 1_000  # pieces of output that are kept while the file takes none


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What the rest of the worker wants to hear, and the one thing it is asked."""

    on_settled: Callable[[], None]
    on_news: Callable[[], None]  # there may be work: somebody committed something, a peer may have come
    on_change: Callable[[], None]  # the same, told at most twice a second; or a schedule's job has ended
    has_peers: Callable[[], bool]


class Coordinator:
    """Claims, dispatches, settles. Every method is for the one thread that drives it."""

    def __init__(
        self,
        worker: int,
        store: Store,
        catalogue: Catalogue,
        config: WorkerConfig,
        clock: Clock,
        rng: random.Random,
        inbox: Inbox,
        others: Neighbours,
    ) -> None:
        self.id = worker
        self.calls: dict[Key, Call] = {}  # claimed and not ended
        self.stop: Stop | None = None
        self._store = store
        self._catalogue = catalogue
        self._config = config
        self._clock = clock
        self._rng = rng
        self._inbox = inbox
        self._neighbours = others
        self._admission = Admission(catalogue, self.calls)
        self._reporter = Reporter(store, catalogue, config.on_failure, config.mail_to)
        self._telling = True  # there may be discarded jobs that somebody wants to hear of
        self._plan = Plan(config.slots, clock)
        self._pools = Pools(config, inbox, clock, rng)
        self._interrupted: dict[Key, Reason] = {}
        self._limits = Limits()
        self.endings = journal.Endings(clock.monotonic)
        self._succeeded: list[Settled] = []
        self._others: list[Unsettled] = []
        self._adoptions: list[Adoption] = []
        self._printed: list[Printed] = []
        self._scheduled_ended = False  # a job that a schedule made
        self._looking = True  # there may be something to claim
        self._watch = Watch(store.database, clock)
        self._refused_until = 0.0
        self._taken = 0

    @property
    def unsettled(self) -> bool:
        """Whether something has ended and is not written yet."""
        return bool(self._succeeded or self._others or self._adoptions or self._printed)

    @property
    def finished(self) -> bool:
        """Whether a worker that ends by itself (burst, max_jobs) has done what it was to do."""
        if self.calls or self.unsettled or self._telling:
            return False
        enough = self._config.max_jobs is not None and self._taken >= self._config.max_jobs
        return enough or (self._config.burst and not self._looking)

    # -- waiting -------------------------------------------------------------------------------

    def receive(self, timeout: float) -> None:
        """Wait for messages and take them in; look at the clocks."""
        messages = self._inbox.drain(timeout)
        for message in messages:
            if isinstance(message, Look):
                self._looking = True
                self._neighbours.on_news()
            elif isinstance(message, Started):
                self._limits.watch(message.call, message.at, self.calls)
            elif isinstance(message, Held):
                self._notice_losses(message)
            elif isinstance(message, Stop):
                self.stop = message
            elif isinstance(message, Dead):
                raise WorkerFailed(
                    f"the {message.service} died: {message.error!r}"
                ) from message.error
        self._pools.tend()
        self._take_in_printed()
        self._take_in(self._inbox.take_ended())
        self._enforce_limits()
        # By the clock and not by silence: heartbeats may come more often than that.
        if self._clock.monotonic() >= self._watch.due():
            self._slow_look()
        if self._telling:
            self._telling = False
            self._looking |= self._reporter.report(self._clock)

    def seconds_until_due(self) -> float:
        now = self._clock.monotonic()
        if now < self._refused_until:
            return self._refused_until - now
        if self._looking:
            return 0.0
        due = min(self._watch.due(), self._limits.next())
        if self._pools.backlogged():
            due = min(due, now + TEND_PAUSE)
        return max(due - now, 0.0)

    def _slow_look(self) -> None:
        """Has anybody committed anything without a word, was the clock set, or is something due?"""
        looking, news = self._watch.look()
        if looking:
            self._looking = True
            self._neighbours.on_news()
        if news:
            self._neighbours.on_change()
        self._telling |= news or self._reporter.refused
        if self._catalogue.has_failures and self._catalogue.forget_old_failures():
            self._looking = True
            self._report_unknown()

    # -- a turn ------------------------------------------------------------------------------------

    def turn(self, *, claiming: bool = False) -> None:
        if not (self._looking or self.unsettled):
            return
        demand = self._demand() if claiming else None
        now, mono = self._clock.now(), self._clock.monotonic()
        if mono < self._refused_until:
            return
        try:
            if not self.unsettled and self._neighbours.has_peers() and not self._anything_to_do(now):
                self._looking = False
                return
            turn = self._store.jobs.turn(
                self.id,
                now,
                now + self._config.lease_micros,
                succeeded=self._succeeded,
                others=self._others,
                adoptions=self._adoptions,
                printed=self._printed,
                demand=demand,
            )
        except PASSING as error:
            # What ended is kept and written once there is room; until then nothing new is claimed.
            self.endings.refused(error)
            self._refused_until = self._clock.monotonic() + RETRY_PAUSE
            return
        self._after(turn, demand, now)

    def _anything_to_do(self, now: int) -> bool:
        """Every enqueue wakes all workers; one wins, and the rest need not queue for the write lock."""
        look = self._store.jobs.look(self.id)
        due = [t for t in (look.next_due, look.next_expiry) if t is not None]
        queues = self._config.queues
        waits = any(queues is None or w.queue in queues for w in look.waiting)
        if waits or look.cancelled or look.sweep or any(t <= now for t in due):
            return True
        self._watch.expect(min(due, default=None), now, self._clock.monotonic())
        return False

    def _after(self, turn: Turn, demand: Demand | None, now: int) -> None:
        mono = self._clock.monotonic()
        self.endings.written(turn.lost)
        if self._succeeded or self._others:
            self._telling |= any(row.state == "discarded" for row in self._others)
            self._succeeded, self._others = [], []
            self._neighbours.on_settled()
            if self._scheduled_ended:
                self._scheduled_ended = False
                self._neighbours.on_change()  # a schedule, or its next job, may have waited for that
        adopted, self._adoptions, self._printed = bool(self._adoptions), [], []
        if demand is None:
            self._looking = False  # no room; what ends makes some, and its turn claims
        else:
            # Short of what was asked for: there is no more. Otherwise there may be.
            asked = sum(demand.limits.values())
            asked = asked if demand.room is None else min(asked, demand.room)
            expiring = turn.look.next_expiry is not None and turn.look.next_expiry <= now
            self._looking = len(turn.claimed) + len(turn.refused) >= asked or adopted or expiring
        due = [t for t in (turn.look.next_due, turn.look.next_expiry) if t is not None and t > now]
        self._watch.expect(min(due, default=None), now, mono)
        if turn.look.cancelled:
            self._cancel(set(turn.look.cancelled))
        if demand is not None:
            self._see_to(turn.refused)
        if turn.claimed:
            self._dispatch(turn.claimed, mono)

    def _demand(self) -> Demand | None:
        room = None if self._config.max_jobs is None else self._config.max_jobs - self._taken
        limits = self._plan.limits(self._pools.made, room)
        # A suspect that waits for another job must not keep that from running.
        if not any(limits.values()) or room == 0 or self._admission.closed and not self._pools.lent():
            return None
        below = self._admission.begin(self._clock.monotonic())
        unknown = self._catalogue.unknown_json()
        return Demand(limits, room, self._config.queues, unknown, below, self._admission.accepts)

    # -- dispatch ------------------------------------------------------------------------------------

    def _dispatch(self, jobs: list[ClaimedJob], mono: float) -> None:
        batches: dict[str, list[Call]] = {}
        for job in jobs:
            try:
                call = self._call_of(job, mono)
            except UnknownTask as error:
                self._others.append(impossible(job, str(error), self._clock.now()))
                continue
            batches.setdefault(job.pool, []).append(call)
            self.calls[job.id, job.attempt] = call
        once = [call for calls in batches.values() for call in calls if call.job.at_most_once]
        refused = bool(once) and not self._make_durable()
        for kind, calls in batches.items():
            self._taken += len(calls)
            self._plan.dispatched(kind, len(calls))
            if refused:
                self._return([call for call in calls if call.job.at_most_once])
                calls = [call for call in calls if not call.job.at_most_once]
            journal.started(calls)
            try:
                self._pools.get(kind).submit(calls)
            except RuntimeError as error:  # the interpreter is about to exit
                log.error("no more calls can be started: %s", error)
                self._return(self._pools.get(kind).take_back())
                self.stop = Stop()

    def _make_durable(self) -> bool:
        """Before an at-most-once job starts, a power cut must no longer be able to undo its claim."""
        try:
            self._store.leases.make_durable(self.id, self._clock.now())
        except PASSING as error:
            log.warning("%s; jobs that run at most once are put back", error)
            return False
        return True

    def _call_of(self, job: ClaimedJob, mono: float) -> Call:
        code = self._catalogue.find(job.task)
        says = code.columns
        attempts = says.max_attempts if job.max_attempts is None else job.max_attempts
        assert attempts is not None, "a task that has code says it"
        timeout = says.timeout if job.timeout is None else job.timeout
        soft = says.soft_timeout if job.soft_timeout is None else job.soft_timeout
        return Call(job, code, attempts, timeout, soft, self._store.path, mono)

    def _see_to(self, refused: list[ClaimedJob]) -> None:
        refusals = self._admission.end(refused)
        self._adoptions += refusals.adoptions
        for job, error in refusals.unknown:
            journal.unknown(job, error)
        if refusals.unknown:
            self._report_unknown()
        if self._admission.holds_back:
            self._looking = False  # what ends here brings the next turn
        self._looking |= refusals.again

    def _report_unknown(self) -> None:
        with contextlib.suppress(*PASSING):
            self._store.workers.report_unknown(self.id, self._catalogue.unknown())

    # -- what ends -------------------------------------------------------------------------------------

    def _take_in_printed(self) -> None:
        """What running jobs print, before their ends: a job that is final shows all of it."""
        now = self._clock.now()
        for call, number, stream, text in self._inbox.take_printed():
            if len(self._printed) < MOST_PRINTED:
                self._printed.append(Printed(call.job.id, call.job.execution, number, stream, now, text))

    def _take_in(self, ended: list[tuple[Call, Timed]]) -> None:
        """Turn what ended into rows to settle."""
        now = self._clock.now()
        counts: dict[str, tuple[int, float]] = {}
        for call, timed in ended:
            job = call.job
            key = (job.id, job.attempt)
            if self.calls.pop(key, None) is None:
                continue
            if type(timed.outcome) is NotStarted:
                self._plan.given_back(job.pool, 1)
                self._taken -= 1
            else:
                count, seconds = counts.get(job.pool, (0, 0.0))
                counts[job.pool] = count + 1, seconds + timed.seconds
            why = self._interrupted.pop(key, None) if self._interrupted else None
            settled = settle(call, timed, now, self._rng, why)
            self._scheduled_ended |= job.scheduled_for is not None
            if type(settled) is Settled:
                self._succeeded.append(settled)
            else:
                self._others.append(settled)  # type: ignore[arg-type]
            self.endings.add(call, timed, settled)
        for kind, (count, seconds) in counts.items():
            self._plan.ended(kind, count, seconds)

    def give_back_what_waits(self) -> None:
        """Calls that no slot got to in time are put back, for whoever is free."""
        for kind, pool in self._pools.made.items():
            waiting = pool.backlog()
            if self._plan.is_stalled(kind, waiting):
                self._return(pool.take_back(waiting))

    def _return(self, calls: list[Call]) -> None:
        self._take_in([(call, Timed(NotStarted(), 0, 0.0)) for call in calls])

    def give_back_all(self) -> None:
        """Put back everything that has not started."""
        for pool in self._pools.made.values():
            self._return(pool.take_back())

    def interrupt_all(self, reason: Reason) -> None:
        for key, call in list(self.calls.items()):
            self._interrupted.setdefault(key, reason)
            self._pools.get(call.job.pool).interrupt(call, reason)

    def stop_pools(self) -> None:
        self._pools.stop()

    # -- limits, cancels, losses ---------------------------------------------------------------------------

    def _enforce_limits(self) -> None:
        for call, reason in self._limits.due(self._clock.monotonic(), self.calls):
            journal.limit(call, reason)
            self._pools.get(call.job.pool).interrupt(call, reason)

    def _cancel(self, job_ids: set[int]) -> None:
        for key, call in list(self.calls.items()):
            if key[0] in job_ids and key not in self._interrupted:
                journal.cancelling(call)
                self._interrupt(key, call, Reason.CANCEL)

    def _notice_losses(self, held: Held) -> None:
        for key, call in list(self.calls.items()):
            if call.claimed_at < held.at and Lease(*key) not in held.leases:
                log.warning("job %d: its lease was lost; stopping it", key[0])
                self._interrupt(key, call, Reason.LOST)

    def _interrupt(self, key: Key, call: Call, reason: Reason) -> None:
        self._interrupted[key] = reason
        self._pools.get(call.job.pool).interrupt(call, reason)
