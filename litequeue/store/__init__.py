"""The file: everything that speaks SQL, bundled over one ``Database``.

Look in ``schema`` for the tables, ``queries`` for the SQL, ``jobs`` for what workers and producers do,
``operations`` for what people do, ``schedules`` for ticks, ``notices`` for who is told of failures, ``workers`` for who is alive, ``reports`` for reading, ``gate`` for the
write lock, ``inspection`` for the doctor's questions. Knows nothing of tasks or of user code.
"""

from __future__ import annotations

from .database import Database
from .jobs import Jobs
from .notices import Notices
from .operations import Operations
from .reports import Reports
from .schedules import Schedules
from .workers import Workers

__all__ = ["Store"]


class Store:
    """One database file's parts; a bundle without logic."""

    def __init__(
        self, path: str, *, create: bool = True, adopt: bool = True, durability: str = "full"
    ) -> None:
        self.database = Database(path, create=create, adopt=adopt, durability=durability)
        self.jobs = Jobs(self.database)
        self.notices = Notices(self.database)
        self.operations = Operations(self.database)
        self.workers = Workers(self.database)
        self.reports = Reports(self.database)
        self.schedules = Schedules(self.database)

    @property
    def path(self) -> str:
        return self.database.path

    def open_and_close(self) -> None:
        """Only see whether the file can be used: raises what the first use would raise."""
        self.reports.state(0)
        self.close()

    def close(self) -> None:
        self.database.close()
