"""What a state shows, read from the file: one page of those that a browser has, by the same statements.

Owns when the file is read again: when it has changed, when somebody has gone elsewhere, and at times for what only passes (a worker that goes silent writes
nothing). Each statement is one SELECT, fetched whole, so that between two looks nothing is held open; nothing is written. However long a read takes,
reading has a twentieth of the time at most: a search of what no index knows looks for 70 ms at all jobs, and then not again for 1.4 s.

Measured on 1,000,000 jobs with 16 pairs of task and queue, beside other work: the overview 7 to 12 ms, jobs 1 to 8, queues 4, one job 1 to 4, workers and schedules under 1; a search for an
error that there is not 79.
"""

from __future__ import annotations

import shutil
from typing import Final

from ...base.checks import aware
from ...base.clock import Clock
from ...base.errors import PASSING
from ...client import Client
from ...store.pages import Pages
from .state import Page, Shown, State

OLDEST: Final = 5.0  # seconds after which it is read again though nothing was written
SHARE: Final = 20  # times as long as reading took nothing is read

Asked = tuple[object, ...]


def asked(state: State) -> Asked:
    """What of a state decides what is read."""
    return state.view, state.job, state.query, state.before, state.range


def page_of(pages: Pages, state: State, now: int, path: str) -> Page | None:
    """None for a job that is not there."""
    if state.job is not None:
        return pages.job(state.job, now)
    match state.view:
        case "overview":
            return pages.overview(state.range, now, disk_free=shutil.disk_usage(path).free)
        case "jobs":
            return pages.jobs(state.search, state.before[-1] if state.before else None, now)
        case "queues":
            return pages.queues(now)
        case "workers":
            return pages.workers(now)
    return pages.schedules()


class Reader:
    """Reads one file, as seldom as will do."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._asked: Asked | None = None
        self._version: int | None = None
        self._at = 0.0
        self._not_before = 0.0
        self.shown = Shown(aware(clock.now()))

    def look(self, state: State, *, anew: bool = False) -> Shown:
        """``anew``: even where it has just been read. Raises what opening the file does, but for what passes: that is said in ``trouble``."""
        now = self._clock.now()
        try:
            if self._is_due(state, anew):
                self._read(state, now)
            else:
                self.shown = Shown(aware(now), self.shown.page, "", self.shown.took)
        except PASSING as error:
            page = self.shown.page if self._asked == asked(state) else None
            self.shown = Shown(aware(now), page, str(error), self.shown.took)
        return self.shown

    def _is_due(self, state: State, anew: bool) -> bool:
        if anew or self._asked != asked(state):
            return True
        if self._clock.monotonic() < self._not_before:
            return False
        return self._client.store.database.data_version() != self._version or self._clock.monotonic() - self._at >= OLDEST

    def _read(self, state: State, now: int) -> None:
        # Before it is read: what is written meanwhile is read the next time.
        version, began = self._client.store.database.data_version(), self._clock.monotonic()
        page = page_of(self._client.store.pages, state, now, self._client.store.path)
        self._at = self._clock.monotonic()
        took = self._at - began
        self._not_before = self._at + took * SHARE
        self._asked, self._version = asked(state), version
        self.shown = Shown(aware(now), page, "", took)
