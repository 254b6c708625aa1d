"""Putting a worker together for an app: its code, its settings, its clock.

Owns that assembly, and what it loads: a program that only enqueues does not import this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..base.clock import Clock, system_random
from ..options.workers import WorkerOptions
from ..store import Store
from ..tasks import TaskCode, greenlets
from .config import WorkerConfig
from .discovery import Catalogue
from .staleness import Sources
from .worker import Worker

if TYPE_CHECKING:
    from ..schedules.definition import NewSchedule


def build(
    store: Store, path: str, clock: Clock, tasks: dict[str, TaskCode], declared: Mapping[str, NewSchedule],
    options: WorkerOptions | Mapping[str, Any], *, watching: bool = False,
) -> Worker:  # fmt: skip
    """A worker of these tasks and declared schedules on one file. ``watching``: what was changed on disk since is left to others.
    Raises InvalidArgument or InvalidType for an option that it cannot take."""
    greenlets.watch()
    sources = Sources(tasks, clock.monotonic) if watching else None
    catalogue = Catalogue(
        tasks, path=path, origin=None, monotonic=clock.monotonic, declared=declared, sources=sources,
        trusts_anyone=store.trusts_anyone,
    )  # fmt: skip
    return Worker(store, catalogue, WorkerConfig(**options), clock, system_random())
