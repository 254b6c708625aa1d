"""A worker that runs one job, which somebody has chosen, in the main thread, and leaves.

Owns its life, from its registration to the last write. What is done about the job is the coordinator's, which works in a thread beside the main one, with a heartbeat:
whoever looks at the job in a debugger may take his time. It claims nothing else, fires no schedule, rescues nobody and listens to nobody.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..base.bell import Bell
from ..base.clock import Clock
from ..base.errors import PASSING, WorkerFailed
from ..base.log import Log
from ..pools.here import Decide, MainThread
from .admission import adoption
from .config import WorkerConfig
from .coordinator import Coordinator
from .discovery import Catalogue
from .inbox import Dead, Inbox
from .neighbours import Neighbours
from .pooling import events_of
from .services.heartbeat import Heartbeat
from .services.service import Service
from .telling import say_that_it_ends

if TYPE_CHECKING:
    from ..base.models import ClaimedJob
    from ..base.outcomes import Outcome, Timed
    from ..store import Store
    from ..store.workers import Registration
    from ..tasks import TaskCode

log = Log("litequeue.worker")

KINDS = ("thread", "process", "async")


def run_one(
    store: Store, catalogue: Catalogue, clock: Clock, rng: random.Random, job: ClaimedJob, code: TaskCode, decide: Decide, began: Callable[[], None], back: Outcome, *, again: bool
) -> tuple[bool, Timed | None, int | None]:
    """Claim this job, as it was looked at, and run it here. Whether it could be claimed, what it came to (None: it did not begin), and the signal that has ended it.
    ``began`` is called in between; ``back``: what it comes to if a signal ends it. Raises WorkerFailed where the file could not be written."""
    name = f"run-{socket.gethostname()}-{os.getpid()}"
    config, inbox = WorkerConfig(name=name, threads=1, processes=1, async_=1, max_jobs=1), Inbox()
    registration = store.workers.register(name=name, host=socket.gethostname(), wake_port=None, queues=None, slots={}, now=clock.now())
    bell = Bell()
    worker = None
    try:
        pool = MainThread(events_of(inbox, clock), clock, rng, back)
        worker = _Single(registration, store, catalogue, config, clock, rng, inbox, bell, pool)
        with pool.signals():
            if not worker.takes(job, code, again=again):
                return False, None, None
            began()
            timed = worker.work(decide)
        return True, timed, pool.stopped_by
    finally:
        _leave(store, registration, clock, bell, holds=worker is not None and bool(worker.calls or worker.outgoing))


def _leave(store: Store, registration: Registration, clock: Clock, bell: Bell, *, holds: bool) -> None:
    if not holds:  # else the lock goes with this process, and a peer rescues what the row still claims
        with contextlib.suppress(*PASSING):
            store.workers.stopped(registration.id, clock.now())
            bell.ring(store.workers.addresses())  # what was given back, or waited for it
            registration.close()
    bell.close()


class _Single(Coordinator):
    """Of one job."""

    def __init__(
        self, registration: Registration, store: Store, catalogue: Catalogue, config: WorkerConfig, clock: Clock, rng: random.Random, inbox: Inbox, bell: Bell, pool: MainThread
    ) -> None:
        others = Neighbours(_nothing, bell.ring, _nothing, _nothing, lambda: True)
        super().__init__(registration.id, store, catalogue, config, clock, rng, inbox, others, None)
        self._here = pool
        self._pools.made.update(dict.fromkeys(KINDS, pool))
        self._heartbeat = Heartbeat(store, registration.id, clock, config.lease_micros, inbox)
        self._thread = threading.Thread(target=self._settle, name="litequeue-worker", daemon=True)
        self._error: BaseException | None = None

    def takes(self, job: ClaimedJob, code: TaskCode, *, again: bool) -> bool:
        """Claim it. False: it cannot be had now."""
        now = self._clock.now()
        change = adoption(job, code)
        turn = self._store.chosen.claim(job.id, self.id, now, now + self._config.lease_micros, [] if change is None else [change], again=again)
        if turn is None:
            return False
        self._after(turn, None, now)
        return True

    def work(self, decide: Decide) -> Timed | None:
        """In the main thread: what it came to; None if it did not begin."""
        beat = Service("heartbeat", self._heartbeat.tick, lambda name, error: self._inbox.put(Dead(name, error)))
        beat.start()
        self._thread.start()
        try:
            timed = self._here.serve(decide)
            self._thread.join()
        finally:
            say_that_it_ends(self._catalogue.codes())
            beat.stop()
        if self._error is not None:
            raise WorkerFailed(f"the end of the job could not be written: {self._error}") from self._error
        return timed

    def _settle(self) -> None:
        """In a thread beside it: until its end is written."""
        try:
            while self.calls:
                self.receive(self.seconds_until_due())
                self.turn()
            until = self._clock.monotonic() + self._store.database.patience
            self.outgoing.tally.is_urgent = True
            while (self.outgoing.is_due or self._telling) and self._clock.monotonic() < until:
                self.turn()
                self.receive(0.0 if self._looking.yes else 0.05)
            if self.outgoing:
                raise WorkerFailed(self.outgoing.endings.given_up() or "the file could not be written in time")
        except BaseException as error:  # noqa: BLE001 - raised by who waits for this thread
            self._error = error
        finally:
            self.stop_pools()
            self._here.nothing_comes()


def _nothing() -> None:
    pass
