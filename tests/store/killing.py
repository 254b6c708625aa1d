"""A transaction of the store, killed at each of its statements, on files that are filled by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from litequeue.base.models import Lease
from litequeue.store import Store

from ..crash.acts import Scenario
from ..crash.test_kill_sweeps import sweep
from ..faults import Victim
from .links.driven import Hand


class Deadly(Protocol):
    """``prepare`` makes the file, ``act`` is what dies."""

    @property
    def name(self) -> str: ...
    @property
    def prepare(self) -> Callable[[Hand], None]: ...
    @property
    def act(self) -> Callable[[Victim, Store], None]: ...
    @property
    def fewest(self) -> int:
        """Statements."""


def killed(kill: Deadly, folder: Path, go_on: Callable[[Path, list[Lease]], None], every: int = 1) -> None:
    """``go_on``: what the next worker does, and what must have come of it; ``every``: only at one of so many moments."""

    def prepare(db: Path) -> None:
        store = Store(str(db))
        kill.prepare(Hand(store))
        store.close()

    def act(victim: Victim, db: Path) -> None:
        store = Store(str(db))
        store.reports.state(1)  # the opening has a sweep of its own
        kill.act(victim, store)
        victim.say("done")

    sweep(Scenario(kill.name, prepare, act, kill.fewest), folder, go_on, every=every)
