"""What an app finds of its jobs.

Owns the words in which programs ask, beside the search itself (``base/search``). A part of the app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import checks
from .base.errors import InvalidType
from .client import Client
from .task import Task, name_of

if TYPE_CHECKING:
    from .base.records import JobInfo


class Searches:
    """A base of the app."""

    _client: Client

    def jobs(
        self,
        query: str = "",
        *,
        state: str | None = None,
        queue: str | None = None,
        task: Task[..., Any] | str | None = None,
        flow: int | None = None,
        tag: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[JobInfo]:
        """Jobs, newest first. ``query`` as in ``litequeue jobs DB QUERY`` (the guide's chapter "watching"), such as ``"error:Timeout age:<1d"``; the
        others are what its terms of these names are. The next page is the one ``before`` the last id of this.

        However long it takes: what no index knows (a task, an error, an argument) is looked for in all jobs, some five million in a second. Raises
        InvalidArgument."""
        from .base import search
        from .base.states import STATES

        if not isinstance(query, str):
            raise InvalidType(f"a search is a text, such as \"error:Timeout age:<1d\", not {type(query).__name__}: {query!r:.60}")
        if state is not None:
            checks.one_of(state, "state", STATES)
        for name, word in (("queue", queue), ("tag", tag)):
            if word is not None:
                checks.name(word, name)
        for name, number in (("flow", flow), ("before", before)):
            if number is not None:
                checks.integer(number, name, 1, 2**63 - 1)
        limit = checks.integer(limit, "limit", 1, 10_000)
        asked = search.of(state=state, queue=queue, task=None if task is None else name_of(task), flow=flow, tag=tag)
        both = search.Query(search.parse(query).terms + asked.terms)
        searching = self._client.store.searching
        place = None if before is None else str(before)
        found = searching.find(both, self._client.clock.now(), limit=limit, before=place, seconds=None, newest_first=True)
        return searching.infos(found.ids)
