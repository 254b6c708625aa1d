"""Housekeeping that any worker does for the file: dead peers, lapsed leases, pruning, the WAL.

Owns the judgement of death. A free kernel lock proves it. A lapsed lease is only the second line, for a
frozen process, and is believed only if this worker was itself awake for the whole of a lease: after a
suspend, or when the clock is set, every lease looks lapsed. Nor is it believed of a process that can be seen to
run: a task may hold the GIL for longer than a lease.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from ...base.checks import MICROS
from ...base.clock import Clock
from ...base.errors import PASSING
from ...base.history import MINUTE, begin
from ...base.log import Log
from ...base.models import Rescued
from ...store import Store
from ...store.rules import DAY, KEEP_DISCARDED
from ...store.workers import Peer
from .. import journal
from ..inbox import Inbox
from ..repeated_warning import Complaint

if TYPE_CHECKING:
    from ...alerts.watching import Watching

log = Log("litequeue.worker")

PROBE_SECONDS = 0.4  # a dead worker's jobs run again within a second
ALONE_SECONDS = 2.0
LAPSE_SECONDS = 5.0
CHORE_SECONDS = 10.0
# For a moment, under the write lock, and then others have it three times as long.
PRUNE_MOMENT = 0.005
PRUNE_PAUSE = 3
PRUNE_PAUSE_BEHIND = 1
BEHIND = 5 * MICROS
PRUNE_TICKS = 500
# Until the next look, while somebody commits: of 60,000 ends a second that are kept for a second 600,000 were over their time by the next chores.
PRUNE_AGAIN = 1.0
OVERSLEPT_SECONDS = 5.0


class Maintenance:
    """``tick`` does what is due."""

    def __init__(self, store: Store, worker: int, clock: Clock, lease: int, inbox: Inbox, keep_discarded: int = KEEP_DISCARDED) -> None:
        self._store = store
        self._worker = worker
        self._clock = clock
        self._lease_seconds = lease / 1_000_000
        self._inbox = inbox
        self._keep = keep_discarded
        self._refusals = Complaint(clock.monotonic)
        now = clock.monotonic()
        self._awake_since = now
        self._last_mono = now
        self._last_wall = clock.now()
        self._lapse_seconds = min(LAPSE_SECONDS, self._lease_seconds / 4)
        self._probe_due = now
        self._lapse_due = now + self._lapse_seconds
        self._chores_due = now
        self._prune_due = math.inf
        self._looked_at = now  # for what is to be pruned
        self._minute = 0  # in which how much there is to do was looked at: the first time as it starts, for workers that are started for a moment
        self._peers: list[Peer] = []
        self._peers_stale = True
        self._lapsed: tuple[set[int], int] = set(), 0  # workers, and the wall clock of the last look
        self._watching: Watching | None = None  # most files have nothing that is watched

    def look_for_peers(self) -> bool:
        """Read the list of peers at the next tick; while nobody commits anything it stays as it is.

        Whether that tick had better come soon.
        """
        self._peers_stale = True
        return not self._peers

    def has_peers(self) -> bool:
        """Whether other workers serve the file, as of the last tick."""
        return bool(self._peers)

    def tick(self) -> float:
        now = self._clock.monotonic()
        self._notice_sleep(now)
        try:
            if self._peers_stale and self._prune_due == math.inf:  # somebody has committed, so there may be ends whose time is short
                self._prune_due = self._looked_at + PRUNE_AGAIN
            if now >= self._probe_due or self._peers_stale:
                self._rescue_dead()
                # Alone, there is nobody to probe; `look_for_peers` and a poke end that.
                self._probe_due = now + (PROBE_SECONDS if self._peers or self._peers_stale else ALONE_SECONDS)
            if now >= self._lapse_due:
                self._lapse_due = now + self._lapse_seconds
                self._rescue_lapsed(now)
            if now >= self._chores_due:
                self._chores_due = now + CHORE_SECONDS
                self._store.database.tend_wal()
                wall = self._clock.now()
                self._store.workers.forget(wall - DAY, wall)
                self._keep_history(wall)
                self._look_at_alerts(wall)
                self._prune_due = now
            if now >= self._prune_due:
                self._prune_due = self._prune(now)
            self._refusals.over("housekeeping goes on")
        except PASSING as error:
            self._awake_since = now  # nobody could renew a lease
            self._refusals.again(error, f"housekeeping has to wait: {error}")
            self._peers_stale = True
            self._probe_due = self._chores_due = now + PROBE_SECONDS
            self._prune_due = math.inf
        return max(min(self._probe_due, self._chores_due, self._prune_due) - self._clock.monotonic(), 0.0)

    def _keep_history(self, wall: int) -> None:
        """Once a minute; that another worker may have done so is the store's to see."""
        if begin(wall, MINUTE) != self._minute:
            self._minute = begin(wall, MINUTE)
            self._store.levels.keep(wall)
            self._store.levels.prune(wall)

    def _look_at_alerts(self, wall: int) -> None:
        """Each 30 seconds; that another worker, or somebody else, may have done so is the store's to see."""
        if not self._store.notices.is_look_due(wall):
            return
        if self._watching is None:
            from ...alerts.watching import Watching

            self._watching = Watching(self._store, self._clock, logs=True)
        if self._watching.look().told:
            self._inbox.look()

    def _notice_sleep(self, now: float) -> None:
        """Start the count of being awake anew after a suspend, a stop or a step of the clock."""
        wall = self._clock.now()
        slept = now - self._last_mono > OVERSLEPT_SECONDS
        stepped = abs((wall - self._last_wall) / 1_000_000 - (now - self._last_mono))
        if slept or stepped > OVERSLEPT_SECONDS:
            self._awake_since = now
        self._last_mono, self._last_wall = now, wall

    def _rescue_dead(self) -> None:
        if self._peers_stale:
            self._peers_stale = False
            self._peers = self._store.workers.peers(self._worker)
        for peer in self._peers:
            with self._store.workers.proven_dead(peer) as dead:
                if not dead:
                    continue
                self._peers_stale = True
                now = self._clock.now()
                if self._store.workers.is_leaving(peer.id):
                    self._tell(
                        logging.INFO, f"worker {peer.name} has left", self._store.leases.release_worker(peer.id, now, self._keep)
                    )
                else:
                    self._tell(
                        logging.WARNING,
                        f"worker {peer.name} died",
                        self._store.leases.rescue_worker(peer.id, peer.name, now, self._keep),
                    )

    def _tell(self, level: int, what: str, rescued: Rescued) -> None:
        """A line in all, and one for each job that does not run again."""
        lost = f", {len(rescued.lost)} are lost" if rescued.lost else ""
        log.log(level, "%s; %d of its jobs are available again%s", what, rescued.again, lost)
        journal.lost(rescued.lost)
        if rescued.again:
            self._inbox.look()

    def _rescue_lapsed(self, now: float) -> None:
        """Only what had lapsed at one look and is not renewed by the next.

        After somebody held the write lock for long, every lease looks lapsed, but the heartbeats that
        waited for it come before our second look.
        """
        (seen, at), self._lapsed = self._lapsed, (set(), 0)
        if now - self._awake_since < self._lease_seconds:
            return
        wall = self._clock.now()
        lapsed = self._store.leases.lapsed_workers(self._worker, wall)
        self._lapsed = lapsed, wall
        for worker in lapsed & seen:
            if self._store.workers.is_running(worker):
                continue
            rescued = self._store.leases.rescue_lapsed(worker, at, wall, self._keep)
            if rescued.again or rescued.lost:
                name = self._store.workers.name(worker)
                self._tell(logging.WARNING, f"worker {name} let its leases run out", rescued)

    def give_up_own_jobs(self, name: str) -> None:
        """Of this worker, whose coordinator does not move. From the heartbeat's thread."""
        now = self._clock.now()
        all_of_them = now + int(self._lease_seconds * MICROS)  # no lease is for longer
        self._tell(logging.ERROR, f"worker {name} does not move", self._store.leases.rescue_lapsed(self._worker, all_of_them, now, self._keep))

    def _prune(self, now: float) -> float:
        """Delete for a moment what is old; when to go on."""
        self._looked_at, wall = now, self._clock.now()
        self._store.steps.prune(wall)
        if not self._store.operations.prune(wall, PRUNE_MOMENT) and self._store.ticks.prune(wall, PRUNE_TICKS) < PRUNE_TICKS:
            return math.inf
        ended = self._clock.monotonic()  # waiting for the lock counts too: where others wait for it, they have it for longer
        late = wall - (self._store.operations.oldest_prunable() or wall)
        return ended + (PRUNE_PAUSE if late < BEHIND else PRUNE_PAUSE_BEHIND) * max(ended - now, PRUNE_MOMENT)
