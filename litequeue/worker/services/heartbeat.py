"""Renewing the worker's leases, from a thread that user code cannot hold up for long.

Owns the renewal, and asking which leases are still ours. A beat that cannot be written is tried again;
it never stops a task: only a lease that somebody else took does.
"""

from __future__ import annotations

from ...base.clock import Clock
from ...base.errors import PASSING
from ...store import Store
from ..inbox import Held, Inbox
from ..repeated_warning import Complaint


class Heartbeat:
    """Renews every sixth of the lease: five beats may be missed before anybody could take a job."""

    def __init__(self, store: Store, worker: int, clock: Clock, lease: int, inbox: Inbox) -> None:
        self._store = store
        self._worker = worker
        self._clock = clock
        self._lease = lease
        self._inbox = inbox
        self._first = True
        self._refusals = Complaint(clock.monotonic)

    @property
    def interval(self) -> float:
        return self._lease / 6 / 1_000_000

    def tick(self) -> float:
        if self._first:  # registering was the first beat
            self._first = False
            return self.interval
        asked_at = self._clock.monotonic()
        now = self._clock.now()
        try:
            held = self._store.leases.extend(self._worker, now, now + self._lease)
        except PASSING as error:
            self._refusals.again(error, f"the heartbeat could not be written: {error}")
            return min(1.0, self.interval)
        self._refusals.over("the heartbeat is written")
        self._inbox.put(Held(held, asked_at))
        return self.interval
