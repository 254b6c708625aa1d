"""The tables, and everything that speaks SQL, bundled over one file.

Read ``schema`` first, the tables; then ``jobs``, how jobs come in (``inserting``: each as a row; ``keys``: whose key another has, not at all; ``limits``: how many of them may run; ``tags``: by which words they are found), and ``turn``, what a worker does to them in one
transaction. ``leases`` are renewed and taken over, ``acks`` are ends that jobs write themselves, ``operations`` is what people do to a job, ``actions`` who did, ``workers`` who is alive,
``bells`` whom to wake, ``links`` how jobs wait for jobs, ``flows`` those that were stored together, ``batches`` those that grow,
``steps`` what jobs remember of how far they came,
``schedules`` the schedules and their ticks, ``notices`` who is told of failures, ``alerts`` what is watched, and told of, ``watched`` what is so of it, ``origins`` where tasks' code is,
``rules`` the numbers behind. ``reports`` reads, ``counting`` counts as far as there is time, ``history`` keeps and tells what came of jobs by spans of time, ``levels`` how much there was to do, ``searching`` finds the jobs that a search means, ``futures`` for an executor, ``moving`` lets jobs leave for another system, ``carrying`` takes them out of a file as lines of text, and into another, ``shown`` what jobs leave to be seen, ``printed`` what all of them print, in its order, ``chosen`` claims one that is named, ``overdue`` tells since when jobs are due, ``waiting`` says why a job does not start or end and ``holdups`` asks the file for it, ``exposed`` reads what collectors of metrics are told, ``suggested`` names for a shell that completes them (by itself, without all of this), ``inspection`` answers the doctor, ``copies`` makes of a copy a queue of its own, which ``marks`` tells of, ``pages`` holds what a browser is shown.
How one SQLite file is opened and kept safe is in ``file``. Knows nothing of tasks or of user code. May import ``triggers``
(their words) and ``base``.

SQL is constants with named parameters, beside the function that runs them; the tests run EXPLAIN QUERY PLAN over each and
forbid a scan of the jobs table on any path that a worker or an enqueue takes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from ..base.softguard import shielded
from ..base.trust import is_anyone
from .file import Database

if TYPE_CHECKING:
    from .acks import Acks
    from .actions import Actions
    from .alerts import Alerts
    from .batches import Batches
    from .carrying.reading import Reading
    from .carrying.storing import Storing
    from .chosen import Chosen
    from .copies import Copies
    from .flows import Flows
    from .futures import Futures
    from .jobs import Jobs
    from .leases import Leases
    from .levels import Levels
    from .limits import Limits
    from .marks import Marks
    from .moving import Moving
    from .notices import Notices
    from .operations import Operations
    from .pages import Pages
    from .printed import PrintedPieces
    from .reports import Reports
    from .schedules import Schedules, Ticks
    from .searching import Searching
    from .shown import Shown
    from .steps import Steps
    from .workers import Workers

__all__ = ["Store"]

_PARTS: Final = {
    "acks": "acks.Acks", "actions": "actions.Actions", "alerts": "alerts.Alerts",
    "batches": "batches.Batches", "chosen": "chosen.Chosen", "copies": "copies.Copies", "flows": "flows.Flows", "futures": "futures.Futures", "reading": "carrying.reading.Reading", "storing": "carrying.storing.Storing", "jobs": "jobs.Jobs", "leases": "leases.Leases", "levels": "levels.Levels", "limits": "limits.Limits", "marks": "marks.Marks", "moving": "moving.Moving", "notices": "notices.Notices",
    "operations": "operations.Operations", "pages": "pages.Pages",
    "printed": "printed.PrintedPieces", "reports": "reports.Reports", "searching": "searching.Searching", "schedules": "schedules.Schedules", "shown": "shown.Shown", "steps": "steps.Steps", "ticks": "schedules.Ticks", "workers": "workers.Workers",
}  # fmt: skip


class Store:
    """One database file's parts; a bundle without logic. Each is made, and its module imported, when it is first used."""

    acks: Acks
    actions: Actions
    alerts: Alerts
    batches: Batches
    chosen: Chosen
    copies: Copies
    flows: Flows
    futures: Futures
    jobs: Jobs
    leases: Leases
    levels: Levels
    limits: Limits
    marks: Marks
    moving: Moving
    notices: Notices
    operations: Operations
    pages: Pages
    printed: PrintedPieces
    reading: Reading
    reports: Reports
    schedules: Schedules
    searching: Searching
    shown: Shown
    steps: Steps
    storing: Storing
    ticks: Ticks
    workers: Workers

    def __init__(
        self, path: str, *, create: bool = True, adopt: bool = True, durability: str = "full", trust: str | None = None
    ) -> None:
        self.database = Database(path, create=create, adopt=adopt, durability=durability, trust=trust)
        self._trust = trust

    def __getattr__(self, name: str) -> Any:
        if name not in _PARTS:
            raise AttributeError(f"a store has no part {name!r}")
        module, _, part = _PARTS[name].rpartition(".")
        # Two threads may both make one: they are alike.
        with shielded:
            made = getattr(importlib.import_module(f".{module}", __name__), part)(self.database)
        setattr(self, name, made)
        return made

    @property
    def path(self) -> str:
        return self.database.path

    @property
    def trusts_anyone(self) -> bool:
        """Whether it was said that whoever can write the file may decide what is run."""
        return is_anyone(self._trust)

    def open_and_close(self) -> None:
        """Only see whether the file can be used: raises what the first use would raise."""
        self.reports.state(0)
        self.close()

    def close(self) -> None:
        self.database.close()
