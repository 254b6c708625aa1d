"""The scheduler, made when there is something to schedule.

Owns that question. Time zones, cron and what goes with them take 2 MB and 10 ms, which a worker of a file without
schedules does not pay for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...base.clock import Clock, boot_id
from ...base.errors import PASSING
from ...store import Store
from ...store.schedules import Fires
from ..config import WorkerConfig
from ..discovery import Catalogue
from .service import NOTHING_SECONDS, REFUSED_SECONDS

if TYPE_CHECKING:
    from .scheduler import Scheduler


class Clockwork:
    """``tick`` is the scheduler's, once there is one."""

    def __init__(
        self, store: Store, catalogue: Catalogue, clock: Clock, config: WorkerConfig, on_fired: Callable[[Fires], None]
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._clock = clock
        self._config = config
        self._on_fired = on_fired
        self._scheduler: Scheduler | None = None

    def tick(self) -> float:
        if self._config.only_tells:  # no tick fires for want of a worker to run it
            return NOTHING_SECONDS
        if self._scheduler is None:
            try:
                if not self._catalogue.declares() and not self._store.ticks.exist():
                    return NOTHING_SECONDS
            except PASSING:
                return REFUSED_SECONDS
            self._scheduler = self._make()
        return self._scheduler.tick()

    def declare_rest(self) -> None:
        """Once ``tick`` is called no more: a worker's last job may have brought a module whose schedules are not written down yet."""
        if any(found.schedules for found in self._catalogue.declared):
            if self._scheduler is None:
                self._scheduler = self._make()
            with contextlib.suppress(*PASSING):  # the next worker that loads it writes them down
                self._scheduler.declare()

    def _make(self) -> Scheduler:
        from .declaring import Declarer
        from .scheduler import Scheduler

        boot = boot_id()
        declarer = Declarer(self._store, self._catalogue, self._clock, boot)
        return Scheduler(self._store, self._clock, boot, declarer, self._config, self._on_fired)
