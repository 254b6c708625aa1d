"""A worker's life: register, serve, drain, leave.

Owns the order in which its parts start and stop. What it does in between is the coordinator's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue

from ..base.bell import LOOK, MORE
from ..base.checks import counted
from ..base.clock import Clock
from ..base.errors import PASSING, LitequeueError
from ..base.log import Log
from ..base.states import STATES
from ..pools import capturing, job_fields
from ..pools.base import Reason
from ..store import Store
from ..store.inspection import damage_told
from ..store.schedules import Fires
from ..store.workers import Registration
from .config import WorkerConfig
from .coordinator import Coordinator
from .discovery import Catalogue
from .importing import Importer
from .inbox import Dead, Inbox, Stop, Weigh, Withdraw
from .neighbours import Neighbours
from .services.clockwork import Clockwork
from .services.heartbeat import Heartbeat
from .services.listener import Listener
from .services.maintenance import Maintenance
from .services.service import Service
from .services.watchdog import Watchdog
from .slow_look import SLOW_LOOK
from .telling import say_that_it_ends

log = Log("litequeue.worker")

MOST_NAMED = 10  # tasks without code, in one line
LAST_WORDS = 2.0  # seconds for killed processes and cancelled coroutines to be reported at shutdown


class Worker:
    """One worker. ``run`` blocks until it is stopped; ``stop`` may be called from anywhere."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        config: WorkerConfig,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.name = config.name or f"{socket.gethostname()}-{os.getpid()}"
        self._store = store
        self._catalogue = catalogue
        self._config = config
        self._clock = clock
        self._rng = rng
        self._inbox = Inbox()
        self._poke_after = 0.0
        self._leavings: contextlib.ExitStack | None = None
        self.on_stuck: Callable[[], None] = self._give_up_jobs  # else for a process that is nothing but this worker
        if config.output == "keep":
            capturing.keep_output()
        job_fields.put_on_records()  # not in run(): an app goes on, and may log, while the thread of its worker begins

    def stop(self, *, now: bool = False) -> None:
        """Finish what runs, within the grace, then end; ``now`` does not wait. From any thread."""
        self._inbox.put(Stop(now))

    @property
    def queues(self) -> tuple[str, ...] | None:
        """Those that it serves; None: all."""
        found: tuple[str, ...] | None = self._config.queues
        return found

    @property
    def grace(self) -> float:
        """Seconds for running jobs at a stop."""
        found: float = self._config.grace
        return found

    def withdraw(self, jobs: Iterable[int]) -> SimpleQueue[set[int]]:
        """Let jobs not begin, as ``Withdraw``; where the answer comes. From any thread."""
        asked = Withdraw(frozenset(jobs), SimpleQueue())
        self._inbox.put(asked)
        return asked.reply

    def weigh(self, message: Weigh) -> None:
        """Have its judge asked, in the worker's own thread. From any thread."""
        self._inbox.put(message)

    @property
    def patience(self) -> float:
        """Seconds in which a stop comes to its end, unless a statement of SQLite's does not."""
        return self.grace + LAST_WORDS + 2 * self._store.database.patience  # for the lock, in the last turn and before

    def interrupt(self) -> None:
        """End the statement that holds a stop up: a trigger that somebody has put into the file may never. From any thread."""
        self._store.database.held().interrupt()

    def run(self) -> bool:
        """Work until stopped. False if calls still run in threads that cannot be stopped.

        They keep their leases: no other worker may start those jobs while the threads live. The worker
        has announced that it is leaving, so that peers release them when this process is gone.
        """
        with damage_told(self._store.database), self._registered() as everything:
            coordinator = self._coordinator
            while coordinator.stop is None:
                coordinator.receive(coordinator.seconds_until_due())
                if coordinator.stop is None:
                    coordinator.give_back_what_waits()
                    coordinator.turn(claiming=True)
                    if coordinator.finished:
                        coordinator.stop = Stop()
            if self._drain():
                return True
            with contextlib.suppress(*PASSING):  # then its jobs are rescued, and an interruption is charged
                self._store.workers.leave(coordinator.id, self._clock.now())
            self._leavings = everything.pop_all()
        if not coordinator.calls:
            return False
        log.warning(
            "worker %s leaves %s running in threads that did not end: %s",
            self.name,
            counted(len(coordinator.calls), "job"),
            ", ".join(call.job.task for call in coordinator.calls.values()),
        )
        return False

    def unwritten(self) -> str | None:
        """Which results would be lost if the process ended now, and why. From any thread."""
        return self._coordinator.outgoing.endings.given_up() if hasattr(self, "_coordinator") else None

    @property
    def has_leavings(self) -> bool:
        """Whether run() came to False."""
        return self._leavings is not None

    def outlive(self) -> None:
        """After run() came to False, in a process that lives on: wait for those threads, and settle."""
        assert self._leavings is not None
        with self._leavings:
            while self._coordinator.calls or self._coordinator.outgoing:
                self._coordinator.receive(SLOW_LOOK)
                self._coordinator.turn()

    # -- starting and stopping the parts ---------------------------------------------------------

    @contextlib.contextmanager
    def _registered(self) -> Iterator[contextlib.ExitStack]:
        config, clock = self._config, self._clock
        with contextlib.ExitStack() as stack:
            clockwork = Clockwork(
                self._store, self._catalogue, clock, config, lambda fires: self._fired(fires, listener)
            )
            ticker = Service("scheduler", clockwork.tick, self._died)
            self._catalogue.on_declared = ticker.poke
            listener = Listener(self._inbox.look, ticker.poke, self._died, clock.monotonic)
            stack.callback(listener.stop)
            registration = self._store.workers.register(
                name=self.name, host=socket.gethostname(),
                wake_port=listener.ear.port,
                queues=config.queues,
                slots=config.slots,
                ranges=config.ranges,
                now=clock.now(),
            )
            listener.start(registration.token)
            lease = config.lease_micros
            self._catalogue.importer = Importer(self._inbox.look, clock.monotonic)
            maintenance = Maintenance(self._store, registration.id, clock, lease, self._inbox, config.keep_discarded)
            heartbeat = Heartbeat(self._store, registration.id, clock, lease, self._inbox)
            self._coordinator = Coordinator(
                registration.id,
                self._store,
                self._catalogue,
                config,
                clock,
                self._rng,
                self._inbox,
                Neighbours(
                    listener.settled,
                    lambda addresses: listener.ear.tell(MORE, addresses),
                    self._look_for_peers,
                    ticker.poke,
                    maintenance.has_peers,
                ),
                registration.locks_of_children,
            )
            stack.callback(self._unregister, registration, listener)
            self._maintenance = maintenance
            # Before the first look: a burst that finds nothing ends, so it must have rescued and fired by then.
            maintenance.tick()
            clockwork.tick()
            self._housekeeper = Service("maintenance", maintenance.tick, self._died)
            watchdog = Watchdog(lambda: self._coordinator.moved_at, threading.get_ident(), clock, self.on_stuck)

            def beat() -> float:
                return heartbeat.tick() if watchdog.look() else heartbeat.interval

            def declare_rest() -> None:
                if ticker.has_ended:  # else it may be at it
                    clockwork.declare_rest()

            stack.callback(declare_rest)
            for service in (Service("heartbeat", beat, self._died), self._housekeeper, ticker):
                stack.callback(service.stop)
                service.start()
            stack.callback(lambda: say_that_it_ends(self._catalogue.codes()))
            stack.callback(self._coordinator.stop_pools)
            # Peers that sleep get to know us, so that they notice should we die.
            listener.ear.tell(LOOK, self._store.workers.addresses())
            log.info("worker %s serves %s (%s)", self.name, self._store.path, config.said_slots)
            self._catalogue.say_who_is_believed()
            yield stack

    def _unregister(self, registration: Registration, listener: Listener) -> None:
        if self._coordinator.calls or self._coordinator.outgoing:
            # We fell over. The lock stays until the process ends, since a thread may still run one of
            # them; then the free lock tells the peers to rescue what the row still claims.
            return
        left = ""
        try:
            if self._coordinator.finished and log.isEnabledFor(logging.INFO):
                left = self._left()
            self._store.workers.stopped(registration.id, self._clock.now())
            # Of what we were told alone in the meantime nobody else knows.
            listener.ear.tell(LOOK, self._store.workers.addresses())
        except LitequeueError as error:
            log.warning("worker %s could not sign off: %s", self.name, error)
            return  # the lock goes with the process, and then a peer does it
        registration.close()
        log.info("worker %s stopped%s", self.name, left)

    def _left(self) -> str:
        """What a worker that ends by itself leaves undone: what is due later, has no code here, or is one job too many."""
        states = self._of_my_queues(self._store.reports.still_to_do())
        left = [f"{states[state]} {state}" for state in STATES if states[state]]
        said = f"; for a later one it leaves {', '.join(left)}" if left else ""
        unknown = self._of_my_queues(self._store.reports.without_code(self._catalogue.unknown_json() or "[]"))
        tasks = [f"{counted(count, 'job')} of {task}" for task, count in unknown.items()]
        more = ", ..." if len(tasks) > MOST_NAMED else ""
        return said + (f"; it cannot run {', '.join(tasks[:MOST_NAMED])}{more}" if tasks else "")

    def _of_my_queues(self, rows: Iterable[tuple[str, str, int]]) -> Counter[str]:
        counts = Counter[str]()
        for queue, key, count in rows:
            if self._config.queues is None or queue in self._config.queues:
                counts[key] += count
        return counts

    def _fired(self, fires: Fires, listener: Listener) -> None:
        self._inbox.look()
        listener.ear.tell(LOOK, fires.addresses)

    def _give_up_jobs(self) -> None:
        """From the heartbeat's thread, of a worker that does not move: what can be stopped from here is, and others may run it."""
        with contextlib.suppress(Exception):  # that thread may be anywhere
            self._coordinator.interrupt_all(Reason.LOST)
        try:
            self._maintenance.give_up_own_jobs(self.name)
        except PASSING as error:
            log.error("the jobs of worker %s could not be put back: %s", self.name, error)

    def _look_for_peers(self) -> None:
        now = self._clock.monotonic()
        if self._maintenance.look_for_peers() and now >= self._poke_after:
            self._poke_after = now + 0.2  # under load every commit is news
            self._housekeeper.poke()

    def _died(self, service: str, error: BaseException) -> None:
        self._inbox.put(Dead(service, error))

    def _drain(self) -> bool:
        """Give back what has not started, wait for what runs, stop what does not end. All done?"""
        coordinator, clock = self._coordinator, self._clock
        stop = coordinator.stop
        deadline = clock.monotonic() + (0 if stop is not None and stop.now else self._config.grace)
        if coordinator.calls:
            log.info("worker %s finishes %s", self.name, counted(len(coordinator.calls), "job"))
        coordinator.give_back_all()
        coordinator.turn()
        while coordinator.calls and clock.monotonic() < deadline:
            left = deadline - clock.monotonic()
            coordinator.receive(min(left, coordinator.seconds_until_due() or SLOW_LOOK))
            coordinator.turn()
            if coordinator.stop is not None and coordinator.stop.now:
                break
        coordinator.interrupt_all(Reason.SHUTDOWN)
        deadline = clock.monotonic() + LAST_WORDS
        while clock.monotonic() < deadline:
            if all(call.job.pool == "thread" for call in coordinator.calls.values()):
                break
            coordinator.receive(0.05)
        # The last results must not be lost to a passing lock.
        deadline = clock.monotonic() + self._store.database.patience
        coordinator.outgoing.tally.is_urgent = True
        while coordinator.outgoing.is_due and clock.monotonic() < deadline:
            coordinator.turn()
            if coordinator.outgoing:
                coordinator.receive(0.05)
        return not (coordinator.calls or coordinator.outgoing)
