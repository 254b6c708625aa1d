"""What somebody looks at, and what has been read for it: values that do not change.

Owns their fields, and which row of a list is chosen: it is known by its id or name, so that a list which moves under somebody's hands does not
put another job under them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple

from ...base.search import Query, parse
from ...store.pages.parts import Range
from ...store.pages.records import (
    JobPage,
    JobsPage,
    Overview,
    QueuesPage,
    SchedulesPage,
    WorkersPage,
)

View = Literal["overview", "jobs", "queues", "workers", "schedules"]
VIEWS: Final[tuple[View, ...]] = ("overview", "jobs", "queues", "workers", "schedules")
INTERVALS: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds
RANGES: Final[tuple[Range, ...]] = ("1h", "24h", "30d")

Page = Overview | JobsPage | JobPage | QueuesPage | WorkersPage | SchedulesPage
Name = int | str  # of a row: a job's or a worker's id, the name of a queue or a schedule


class Deed(NamedTuple):
    """What is to be done, and to what."""

    what: Literal["retry", "cancel", "pause", "resume", "run"]
    kind: Literal["jobs", "queue", "schedule"]
    names: tuple[Name, ...]


class Question(NamedTuple):
    """Asked before it is done. What it is about stays the same however the list moves meanwhile."""

    text: str
    deed: Deed


class Chosen(NamedTuple):
    """A row: which, and where it was when it was last seen."""

    name: Name
    place: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What was read of the file; ``page`` None: nothing yet, or there is no such thing any more."""

    now: datetime
    page: Page | None = None
    trouble: str = ""  # why it could not be read again
    took: float = 0.0  # seconds


@dataclass(frozen=True, slots=True)
class State:
    """All that the keys change."""

    view: View = "overview"
    job: int | None = None  # which is open
    query: str = ""  # of the list of jobs
    typed: str | None = None  # another one, that is being typed
    wrong: str = ""  # what is the matter with that
    before: tuple[str, ...] = ()  # from where each page of jobs behind the first goes on
    chosen: Mapping[View, Chosen] = field(default_factory=dict)
    marked: frozenset[int] = frozenset()  # jobs
    scroll: int = 0  # lines of what has no rows
    range: Range = "1h"
    interval: float = 1.0
    is_paused: bool = False
    may_act: bool = False
    is_help: bool = False
    goes: bool = False  # g was pressed, and a letter is to come
    question: Question | None = None
    message: str = ""  # what came of the last key

    @property
    def search(self) -> Query:
        return parse(self.query)


def names_of(page: Page | None) -> tuple[Name, ...]:
    """Of the rows, in their order; none of what is no list."""
    if isinstance(page, JobsPage):
        return tuple(job.id for job in page.rows)
    if isinstance(page, QueuesPage):
        return tuple(row.name for row in page.rows)
    if isinstance(page, WorkersPage):
        return tuple(row.info.id for row in (*page.live, *page.stopped))
    if isinstance(page, SchedulesPage):
        return tuple(row.info.name for row in page.rows)
    return ()


def chosen(state: State, page: Page | None) -> Chosen | None:
    """The row that is chosen, where it is now; the one in its place where it is gone. None where there are no rows."""
    names = names_of(page)
    if not names:
        return None
    held = state.chosen.get(state.view)
    if held is None:
        return Chosen(names[0], 0)
    if held.name in names:
        return Chosen(held.name, names.index(held.name))
    place = min(held.place, len(names) - 1)
    return Chosen(names[place], place)
