"""The tables, and everything that speaks SQL, bundled over one file.

Read ``schema`` first, the tables; then ``jobs``, what workers and producers do, with the SQL in ``queries``.
``operations`` is what people do, ``workers`` who is alive, ``reports`` reading, ``waiting`` why a job does not start,
``schedules`` the ticks (``schedule_queries``, ``schedule_reports``), ``notices`` who is told of failures, ``inspection``
the doctor's questions (``doctor_queries``). How one SQLite file is opened and kept safe is in ``file``. Knows nothing of
tasks or of user code. May import ``triggers`` (their words) and ``base``.
"""

from __future__ import annotations

from .file import Database
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
