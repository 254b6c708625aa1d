"""How many jobs a worker should hold: enough that no slot waits, few enough that no job does.

Owns the measured time of jobs per pool and the two rules from it: claim at most what the slots will finish in
about 50 ms, and give back what would wait, or has waited, twice that behind calls that turned out long. A job that this
worker holds and does not run is one that another could be running. (Measured: 1,500 jobs of 10 ms, after one
that took no time, so that the first worker claimed 1,000 at once: with eight workers 565 a second where it kept them, 1,923 so.)
"""

from __future__ import annotations

from typing import Final

from ..base.clock import Clock
from ..pools.base import Pool

AHEAD: Final = 0.05  # seconds of work to hold
MOST: Final = 1000  # jobs of one pool at once, beyond its slots
SMOOTHING: Final = 0.05


class Plan:
    """One pool's numbers each; driven by the coordinator."""

    PATIENCE: Final = 2 * AHEAD

    def __init__(self, slots: dict[str, int], clock: Clock) -> None:
        self._slots = slots
        self._clock = clock
        self._held = dict.fromkeys(slots, 0)
        self._seconds: dict[str, float | None] = dict.fromkeys(slots)
        self._moved = dict.fromkeys(slots, 0.0)  # when a call last ended, or was dispatched to a free slot
        self._stalled = dict.fromkeys(slots, False)

    def dispatched(self, kind: str, count: int) -> None:
        if self._held[kind] == 0:
            self._moved[kind] = self._clock.monotonic()
        self._held[kind] += count

    def ended(self, kind: str, count: int, seconds: float) -> None:
        """So many calls are over, and took so long in all."""
        self._held[kind] -= count
        mean = seconds / count
        average = self._seconds[kind]
        weight = 1 - (1 - SMOOTHING) ** count
        self._seconds[kind] = mean if average is None else average + weight * (mean - average)
        self._moved[kind] = self._clock.monotonic()
        self._stalled[kind] = False

    def given_back(self, kind: str, count: int) -> None:
        """So many calls will not run here."""
        self._held[kind] -= count

    def resize(self, kind: str, slots: int) -> None:
        self._slots = {**self._slots, kind: slots}

    def close(self, kind: str) -> None:
        """Claim nothing more for a pool."""
        self.resize(kind, 0)

    def is_stalled(self, kind: str, backlog: int) -> bool:
        """Whether calls wait in a pool where nothing has ended for too long."""
        if not backlog or self._clock.monotonic() - self._moved[kind] < self.PATIENCE:
            return False
        self._stalled[kind] = True
        return True

    def surplus(self, kind: str, backlog: int) -> int:
        """How many of the calls that wait in a pool are more than it will get to in time."""
        average = self._seconds[kind]
        if self.is_stalled(kind, backlog):
            return backlog
        if not backlog or average is None or backlog * average <= self._slots[kind] * self.PATIENCE:
            return 0
        return backlog - int(self._slots[kind] * AHEAD / average)

    def free(self, pools: dict[str, Pool]) -> dict[str, int]:
        """How many slots of each pool nothing is held for."""
        return {kind: (pools[kind].slots if kind in pools else slots) - self._held[kind] for kind, slots in self._slots.items()}

    def limits(self, pools: dict[str, Pool], room: int | None) -> dict[str, int]:
        """How many jobs to claim for each pool; ``room`` bounds each."""
        limits = {}
        for kind, slots in self._slots.items():
            if not slots:
                continue
            if kind in pools:
                slots = pools[kind].slots  # with those that are lent
            target = slots
            average = self._seconds[kind]
            if kind != "async" and average is not None and not self._stalled[kind]:
                target = max(slots, min(int(slots * AHEAD / max(average, 1e-6)), MOST))
            want = target - self._held[kind]
            # In big bites: not for every job that ends while there is plenty left.
            if self._held[kind] > slots and want < target // 2:
                want = 0
            limits[kind] = max(want if room is None else min(want, room), 0)
        return limits
