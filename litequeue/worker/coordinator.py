"""The coordinator: one thread that claims, dispatches and settles, and alone changes the worker's state.

Everything else (pools, heartbeat, listener, signals) posts to its inbox, so there are no locks here. What to
do with an outcome is decided in ``settling``; how many jobs to take, in ``planning``; the SQL is the
store's. A *turn* is one transaction: settle what ended, promote what is due, claim what there is room for.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

from ..base.clock import Clock
from ..base.errors import PASSING, UnknownTask, WorkerFailed
from ..base.lockfolder import Locks
from ..base.log import Log
from ..base.models import ClaimedJob
from ..base.outcomes import Interrupted, NotStarted, Timed
from ..pools.base import Call, Reason
from ..store import Store
from ..store.turn import Demand, Turn
from . import journal
from .admission import Admission
from .config import WorkerConfig
from .discovery import Catalogue
from .dispatch import calls_of, is_durable, tell_unknown
from .inbox import Dead, Held, Inbox, Look, Started, Stop, Weigh, Withdraw
from .looking import Looking
from .neighbours import Neighbours
from .outgoing import Outgoing
from .patience import Patience
from .planning import Plan
from .pooling import Pools
from .reporting import Reporter
from .running import Running
from .settling import impossible, settle
from .slow_look import Watch
from .telling import Teller
from .timeouts import Key

log = Log("litequeue.worker")

TEND_PAUSE = 0.005  # while calls wait in a pool


class Coordinator:
    """Claims, dispatches, settles. Every method is for the one thread that drives it."""

    def __init__(
        self, worker: int, store: Store, catalogue: Catalogue, config: WorkerConfig, clock: Clock, rng: random.Random,
        inbox: Inbox, others: Neighbours, locks: Locks | None,
    ) -> None:  # fmt: skip
        self.id = worker
        self.stop: Stop | None = None
        self._store = store
        self._catalogue = catalogue
        self._config = config
        self._clock = clock
        self._rng = rng
        self._inbox = inbox
        self._neighbours = others
        self._pools = Pools(config, inbox, clock, rng, locks, catalogue.homes)
        self._running = Running(self._pools)
        self._admission = Admission(catalogue, self.calls)
        self.outgoing = Outgoing(clock.monotonic)
        self._looking = Looking()
        self._teller = Teller()
        self._watch = Watch(store.database, clock)
        self._patience = Patience(store.database.patience, self._running.next_timeout, clock.monotonic)
        self._elastic, self._plan = None, Plan(config.slots, clock)
        if config.moves:
            from .elastic import Elastic

            self._elastic = Elastic(worker, store, config, self._pools, clock, self._patience, self._watch.look_at)
            self._plan = self._elastic.plan
        self._reporter = Reporter(store, catalogue, config.on_failure, config.mail_to, self._patience, is_on=not config.only_tells)
        self._telling = True  # there may be discarded jobs that somebody wants to hear of
        self._taken = 0
        self.moved_at = clock.monotonic()

    @property
    def calls(self) -> dict[Key, Call]:
        """Claimed and not ended."""
        return self._running.calls

    @property
    def finished(self) -> bool:
        """Whether a worker that ends by itself (burst, max_jobs) has done what it was to do."""
        if self.calls or self.outgoing or self._telling or self._reporter.awaits_code or self._catalogue.still_imports():
            return False
        enough = self._config.max_jobs is not None and self._taken >= self._config.max_jobs
        return enough or (self._config.burst and not self._looking.yes)

    # -- waiting -------------------------------------------------------------------------------

    def receive(self, timeout: float) -> None:
        """Wait for messages and take them in; look at the clocks."""
        messages, self.moved_at = self._inbox.drain(timeout), self._clock.monotonic()
        for message in messages:
            if isinstance(message, Look):
                self._looking.news(passed_on=message.passed_on)
                self._neighbours.on_news()
            elif isinstance(message, (Started, Held, Withdraw, Weigh)):
                self._running.hear(message)
            elif isinstance(message, Stop):
                self.stop = message
            elif isinstance(message, Dead):
                raise WorkerFailed(f"the {message.service} died: {message.error!r}") from message.error
        self._pools.tend()
        # Before the ends: a job that is final shows all that it printed, and said.
        self.outgoing.keep(self._inbox.take_printed(), self._inbox.take_said(), self._clock.now())
        self._take_in(self._inbox.take_ended())
        mono = self._clock.monotonic()
        self._running.enforce_timeouts(mono)
        # By the clock and not by silence: heartbeats may come more often than that.
        if mono >= self._watch.due():
            self._slow_look()
        if self._telling:
            self._telling = False
            self._looking.news(self._reporter.report(self._clock))

    def seconds_until_due(self) -> float:
        now = self._clock.monotonic()
        if now < self._patience.refused_until:
            return self._patience.refused_until - now
        if self._looking.yes:
            return 0.0
        due = min(self._watch.due(), self._running.next_timeout(), self.outgoing.tally.due(), now + TEND_PAUSE if self._pools.backlogged() else math.inf)
        return max(due - now, 0.0)

    def _slow_look(self) -> None:
        """Has anybody committed anything without a word, was the clock set, or is something due?"""
        looking, news = self._watch.look()
        if looking:
            self._looking.news()
            self._neighbours.on_news()
        if news:
            self._neighbours.on_change()
        self._telling |= news or self._reporter.refused or self._reporter.awaits_code
        self._looking.news(self._catalogue.tend())
        if self._elastic is not None and self.stop is None:
            self._looking.news(self._elastic.look(self._catalogue.unknown_json()))
        self._tell_unknown([])

    # -- a turn ------------------------------------------------------------------------------------

    def turn(self, *, claiming: bool = False) -> None:
        if not (self._looking.yes or self.outgoing.is_due):
            return
        demand = self._demand() if claiming else None
        now, mono = self._clock.now(), self._clock.monotonic()
        if mono < self._patience.refused_until:
            return
        has_peers = self._neighbours.has_peers()
        try:
            if not self.outgoing.is_due and has_peers and not self._anything_to_do(now, demand):
                self._looking.no() if demand is None else self._looking.saw(None)
                return
            turn = self._store.jobs.turn(
                self.id, now, now + self._config.lease_micros,
                succeeded=self.outgoing.succeeded, others=self.outgoing.others,
                suspended=self.outgoing.suspended, replaced=self.outgoing.replaced, adoptions=self.outgoing.adoptions,
                printed=self.outgoing.printed, said=self.outgoing.said, used=self.outgoing.used, counted=self.outgoing.tally.rows(),
                demand=demand, keep_discarded=self._config.keep_discarded,
                running=len(self.calls) if has_peers else None,
                passes_on=self._looking.passes_on or bool(self.outgoing),
                patience=self._patience.now(for_jobs=self._looking.yes or bool(self.outgoing)),
            )  # fmt: skip
        except PASSING as error:  # what ended is kept and written once there is room; until then nothing new is claimed
            if self._patience.is_refused(error, mono, self._clock.monotonic()):
                self.outgoing.endings.refused(error)
            return
        self._patience.had()
        self._after(turn, demand, now)

    def _anything_to_do(self, now: int, demand: Demand | None) -> bool:
        """Many may have been told of the same; one wins, and the rest need not queue for the write lock."""
        look = self._store.jobs.look(self.id, demand)
        due = look.due()
        waits = demand is not None and (look.waiting or look.rest or not look.listening)  # it must say that it sleeps
        if waits or look.cancelled or look.sweep or look.has_more(now) or any(t <= now for t in due):
            return True
        self._watch.expect(min(due, default=None), now, self._clock.monotonic())
        return False

    def _after(self, turn: Turn, demand: Demand | None, now: int) -> None:
        mono = self._clock.monotonic()
        self._neighbours.tell_more(turn.to_tell)
        if turn.counted:
            self.outgoing.tally.written()
        written = self.outgoing.written(now, turn.lost, turn.ended_themselves, turn.acknowledged)
        self._telling |= written.discarded
        if written.ends:
            self._teller.tell(written.ends)
        if written.settled:
            self._neighbours.on_settled()
        if written.of_schedule:
            self._neighbours.on_change()  # a schedule, or its next job, may have waited for that
        if demand is None:
            self._looking.no()  # no room; what ends makes some, and its turn claims
        else:
            # Short of what was asked for: there is no more. Otherwise there may be.
            expiring = turn.look.next_expiry is not None and turn.look.next_expiry <= now
            left = len(turn.claimed) + len(turn.refused) >= demand.most or written.adopted or expiring
            self._looking.news(turn.look.next_due is not None and turn.look.next_due <= now)  # promoted
            self._looking.saw(turn.look.rest, left or turn.look.has_more(now))
        due = [t for t in turn.look.due() if t > now]
        self._watch.expect(min(due, default=None), now, mono)
        if turn.look.cancelled:
            self._running.cancel(set(turn.look.cancelled))
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
        return Demand(limits, room, self._config.queues, self._looking.begin, unknown, self._plan.free(self._pools.made), below, self._admission.accepts)

    # -- dispatch ------------------------------------------------------------------------------------

    def _dispatch(self, jobs: list[ClaimedJob], mono: float) -> None:
        batches, without = calls_of(jobs, self._catalogue, self._store.path, mono, self._config.keeping)
        for job, why in without:
            self.outgoing.impossible(job, impossible(job, why, self._clock.now(), self._config.keep_discarded))
        self._running.add(itertools.chain(*batches.values()))
        once = [call for calls in batches.values() for call in calls if call.job.at_most_once]
        refused = bool(once) and not is_durable(self._store, self.id, self._clock.now(), self._patience)
        for kind, calls in batches.items():
            self._taken += len(calls)
            self._plan.dispatched(kind, len(calls))
            if refused:
                self._return([call for call in calls if call.job.at_most_once])
                calls = [call for call in calls if not call.job.at_most_once]
            journal.started(calls)
            try:
                self._pools.get(kind).submit(calls)
            except RuntimeError as error:  # the main thread has ended, and executors with it
                pool = self._pools.made.get(kind)
                self._return(calls if pool is None else pool.take_back())
                self._plan.close(kind)
                log.error("the %s pool starts nothing more here: %s", kind, error)

    def _see_to(self, refused: list[ClaimedJob]) -> None:
        refusals = self._admission.end(refused)
        self.outgoing.adoptions += refusals.adoptions
        self._tell_unknown(refusals.unknown)
        if self._admission.holds_back:
            self._looking.no()  # what ends here brings the next turn
        self._looking.news(refusals.again)

    def _tell_unknown(self, met: Sequence[tuple[ClaimedJob, UnknownTask]]) -> None:
        if met or self._catalogue.untold:
            tell_unknown(self._store, self.id, self._catalogue, met, self._clock.now(), self._patience)

    # -- what ends -------------------------------------------------------------------------------------

    def _take_in(self, ended: list[tuple[Call, Timed]]) -> None:
        """Turn what ended into rows to settle."""
        now = self._clock.now()
        counts: dict[str, tuple[int, float]] = {}
        without_code: list[tuple[ClaimedJob, UnknownTask]] = []
        for call, timed in ended:
            job = call.job
            if not self._running.remove(call):
                continue
            if type(timed.outcome) is NotStarted:
                if timed.outcome.no_code is not None:
                    self._catalogue.lacks(job.task, timed.outcome.no_code)
                    without_code.append((job, UnknownTask(timed.outcome.no_code)))
                self._plan.given_back(job.pool, 1)
                self._taken -= 1
            else:
                count, seconds = counts.get(job.pool, (0, 0.0))
                counts[job.pool] = count + 1, seconds + timed.seconds
            why = self._running.why_interrupted(call)
            if type(timed.outcome) is Interrupted and why is None and self.stop is None:
                self._catalogue.lacks(job.task, "it needs an executor, and this worker's program has ended but for some threads")
            self.outgoing.end(call, timed, settle(call, timed, now, self._rng, why), now)
        for kind, (count, seconds) in counts.items():
            self._plan.ended(kind, count, seconds)
        if without_code:
            self._tell_unknown(without_code)

    def give_back_what_waits(self) -> None:
        """Calls that no slot got to in time are put back, for whoever is free."""
        for kind, pool in self._pools.made.items():
            surplus = self._plan.surplus(kind, pool.backlog())
            if surplus:
                self._return(pool.take_back(surplus))

    def _return(self, calls: list[Call]) -> None:
        self._take_in([(call, Timed(NotStarted(), 0, 0.0)) for call in calls])

    def give_back_all(self) -> None:
        """At a stop: put back all that has not started, and what waits for another job, which now waits in vain."""
        for pool in self._pools.made.values():
            self._return(pool.take_back())
            pool.end_waits()

    def interrupt_all(self, reason: Reason) -> None:
        self._running.interrupt_all(reason)

    def stop_pools(self) -> None:
        self._pools.stop()
        self._teller.stop()
