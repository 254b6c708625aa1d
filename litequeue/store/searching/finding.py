"""A search, window by window: a stretch of one source is looked at by one short SELECT, and then the next, until there are enough hits or the time is up.

Owns the order of hits, from where a search goes on, and how much is looked at by one statement: none holds a snapshot for more than some
15 ms, and nobody reads a million rows who did not ask for it. What a search did not come to is said, with where to go on.

Measured on 1,000,000 jobs: by any state 0.1 to 0.5 ms (10 for what is scheduled, behind 5,000 that are retried); a column that no index knows, in all of
them, 0.19 s, an argument 0.3, an error 0.5, a word 0.7. So a page's time is enough for 120,000 to 400,000 jobs.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...base.clock import monotonic
from ...base.counts import AtLeast
from ...base.errors import InvalidArgument
from ...base.search import Query, Term
from ..file import Database
from . import masked
from .conditions import Bound, conditions
from .sources import Source, choose

if TYPE_CHECKING:
    from ...base.records import JobInfo

PATIENCE: Final = 0.07  # seconds, for who waits for a page, which takes 15 to 20 ms more
WINDOW_SECONDS: Final = 0.015
SMALLEST, LARGEST = 500, 20_000  # rows of a window
BATCH: Final = 500

_WINDOW_END: Final = "SELECT {key} FROM {table} WHERE {where} ORDER BY {order} LIMIT 1 OFFSET :size"
_WINDOW: Final = "SELECT {key} FROM {table} WHERE {where} ORDER BY {order} LIMIT :limit"
_PLACE: Final = "SELECT {key} FROM litequeue_jobs WHERE id = :id AND {where}"
CALLS: Final = 50
CALLS_OF: Final = f"""SELECT litequeue_jobs.id, task, args, kwargs, last_error, {masked.OPTIONS} FROM json_each(:ids) AS v
CROSS JOIN litequeue_jobs ON litequeue_jobs.id = v.value"""


class Found(NamedTuple):
    """What a search came to."""

    ids: list[int]
    more: str | None  # from where it goes on; None: these are all
    looked_at: int  # jobs
    is_cut: bool  # the time was up: there may be more even though these are fewer than were asked for


class _Filters(NamedTuple):
    """What is asked of each job that is walked past."""

    where: list[str]  # in SQL
    asked: list[Term]  # of its masked call
    values: dict[str, Any]
    limit: int

    @property
    def has_any(self) -> bool:
        return bool(self.where or self.asked)


class _Walk:
    """How far one source has been looked through."""

    def __init__(self, source: Source, after: tuple[int, ...] | None) -> None:
        self.source = source
        self.after = after  # the key of the last one; None: of none yet
        self.size = SMALLEST
        self.looked = False
        self.is_over = False

    def frontier(self) -> tuple[int, ...]:
        """Whatever comes yet comes behind it, in the order of all sources."""
        return self.source.first if self.after is None else self.source.sort_key(self.after)

    def went_on(self, took: float) -> None:
        """The next window is larger or smaller by how long this one took."""
        self.looked = True
        self.size = int(min(max(self.size * (2 if took < WINDOW_SECONDS / 3 else 0.5 if took > WINDOW_SECONDS else 1), SMALLEST), LARGEST))


class Searching:
    """Searches over one file's jobs. Times in microseconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self, query: Query, now: int, *, limit: int = 50, before: str | None = None, seconds: float | None = PATIENCE, newest_first: bool = False
    ) -> Found:
        """So many that it means, in the order in which one wants to see them: what has ended by its end, what waits as it will run, others by id.
        ``before``: what the last page said of where to go on, or a job's id. ``seconds`` None: however long it takes. Raises InvalidArgument
        for a place that is none."""
        until = math.inf if seconds is None else monotonic() + seconds
        bound = Bound()
        with self._database.read() as connection:
            chosen = choose(connection, query, newest_first=newest_first)
            place = None if before is None else _place(connection, chosen.sources, before)
        where = conditions(query, bound, without=chosen.terms)
        if before is not None and place is None:  # that job has gone on since
            where.append(f"litequeue_jobs.id < {bound.take(int(before))}")
        filters = _Filters(where, masked.terms(query), {**bound.values, "now": now}, limit)
        walks = [walk for source in chosen.sources if (walk := _begun(source, place)) is not None]
        hits: list[tuple[tuple[int, ...], int]] = []  # by their order among all
        looked, is_cut = 0, False
        while walks:
            walk = min(walks, key=_Walk.frontier)
            if sum(key <= walk.frontier() for key, _ in hits) >= limit:
                break
            if walk.after is not None and walk.looked and monotonic() >= until:
                is_cut = True
                break
            found, many = self._look(walk, filters)
            hits += found
            looked += many
            if walk.is_over:
                walks.remove(walk)
        edge = min((walk.frontier() for walk in walks), default=None)
        return _page(sorted(hits), edge, limit, looked, is_cut, next(iter(chosen.sources), None))

    def _look(self, walk: _Walk, filters: _Filters) -> tuple[list[tuple[tuple[int, ...], int]], int]:
        """One window of a source: its hits, and how many were looked at."""
        source, limit = walk.source, filters.limit
        order = ", ".join(f"{column} {'DESC' if source.is_down else 'ASC'}" for column in source.key)
        parts = {"key": ", ".join(source.key), "table": source.table, "order": order}
        parameters = {**filters.values, **source.parameters}
        said, end = [source.where], None
        if walk.after is not None:
            said.append(_beyond(source, "after", walk.after, parameters))
            _narrow(parameters, "shigh", walk.after)
        began = monotonic()
        with self._database.read() as connection:
            if filters.has_any:
                sql = _WINDOW_END.format(**parts, where=" AND ".join(said))
                end = connection.execute(sql, {**parameters, "size": walk.size - 1}).fetchone()
                if end is not None:
                    said.append(_beyond(source, "end", end, parameters, up_to=True))
                    _narrow(parameters, "slow", end)
            sql = _WINDOW.format(**parts, where=" AND ".join([*said, *filters.where]))
            # What is asked of a masked call is asked of all that the window leaves, lest a window be looked at once more for each few of them.
            rows = connection.execute(sql, {**parameters, "limit": walk.size if filters.asked else limit + 1}).fetchall()
            kept, last = self._asked(connection, rows, filters) if filters.asked else (rows[:limit], rows[limit - 1] if len(rows) > limit else None)
        if last is not None:  # there may be more in this window
            walk.after = last
        elif end is not None:
            walk.after = end
        else:
            walk.is_over = True
        looked = walk.size if filters.has_any else len(rows)
        walk.went_on(monotonic() - began)
        return [(source.sort_key(row), row[-1]) for row in kept], looked

    @staticmethod
    def _asked(connection: sqlite3.Connection, rows: list[tuple[int, ...]], filters: _Filters) -> tuple[list[tuple[int, ...]], tuple[int, ...] | None]:
        """Those of which all terms hold, as many as are wanted, and where it stopped if there are others behind. A few calls at a time, each of which may be a megabyte."""
        kept: list[tuple[int, ...]] = []
        for start in range(0, len(rows), CALLS):
            some = rows[start : start + CALLS]
            found = connection.execute(CALLS_OF, {"ids": json.dumps([row[-1] for row in some])}).fetchall()
            calls = {job: masked.Call(*call) for job, *call in found}
            for place, row in enumerate(some, start):
                if row[-1] in calls and masked.hold(filters.asked, calls[row[-1]]):
                    kept.append(row)
                    if len(kept) == filters.limit and place + 1 < len(rows):
                        return kept, row
        return kept, None

    def every(self, query: Query, now: int) -> Iterator[list[int]]:
        """All that it means, by the ids, some hundreds at a time, the newest first."""
        before: str | None = None
        while True:
            found = self.find(query, now, limit=BATCH, before=before, seconds=None, newest_first=True)
            if found.ids:
                yield found.ids
            if found.more is None:
                return
            before = found.more

    def count(self, query: Query, now: int, most: int | None = None, seconds: float | None = None) -> int:
        """How many it means; ``AtLeast`` so many where these are more than ``most``, or where the time was up."""
        until = math.inf if seconds is None else monotonic() + seconds
        found = 0
        for ids in self.every(query, now):
            found += len(ids)
            if most is not None and found > most:
                return AtLeast(most)
            if monotonic() >= until:
                return AtLeast(found)
        return found

    def infos(self, ids: Sequence[int]) -> list[JobInfo]:
        """These jobs, in this order, without those that are gone."""
        from ..reports import jobs_of

        with self._database.read() as connection:
            return jobs_of(connection, json.dumps(list(ids)))


def _page(
    hits: list[tuple[tuple[int, ...], int]], edge: tuple[int, ...] | None, limit: int, looked: int, is_cut: bool, source: Source | None
) -> Found:
    """Of all hits those that nothing can come before any more; ``edge`` None: everything was looked at."""
    good = [hit for hit in hits if edge is None or hit[0] <= edge]
    ids = list(dict.fromkeys(job for _, job in good))
    if source is None or edge is None and len(ids) <= limit:
        return Found(ids, None, looked, False)
    if len(ids) < limit and edge is not None:
        return Found(ids, _written(edge, source), looked, is_cut)
    ids = ids[:limit]
    return Found(ids, _written(next(key for key, job in good if job == ids[-1]), source), looked, False)


def _beyond(source: Source, name: str, key: tuple[int, ...], parameters: dict[str, Any], *, up_to: bool = False) -> str:
    """As SQL: behind this key, or ``up_to`` it, in words that SQLite finds in an index; sets its parameters."""
    sign = ("<" if source.is_down else ">") if not up_to else ">=" if source.is_down else "<="
    parameters.update({f"{name}{n}": part for n, part in enumerate(key)})
    if len(key) == 1:
        return f"({source.key[0]} {sign} :{name}0)"
    return f"(({', '.join(source.key)}) {sign} ({', '.join(f':{name}{n}' for n in range(len(key)))}))"


def _narrow(parameters: dict[str, Any], name: str, key: tuple[int, ...]) -> None:
    """Of two bounds on one side SQLite walks to either, and only asks each row for the other: the ids that are searched end here, too. (Measured: an
    error in 900,000 of 1,000,000 jobs took 155 s, 1 s with this.)"""
    if name in parameters:
        parameters[name] = key[-1]


def _begun(source: Source, place: tuple[int, ...] | None) -> _Walk | None:
    """Behind a place in the order of all sources; None where the whole of this one lies before it."""
    if place is None:
        return _Walk(source, None)
    its = place[: len(source.first)]
    if source.first < its:
        return None
    if source.first > its:
        return _Walk(source, None)
    key = place[len(source.first) :]
    return _Walk(source, tuple(-part for part in key) if source.is_down else key)


def _place(connection: sqlite3.Connection, sources: Sequence[Source], before: str) -> tuple[int, ...] | None:
    """Where that is in the order of all sources; None for the id of a job that is in none of them."""
    try:
        parts = tuple(map(int, before.split("_")))
    except ValueError:
        raise InvalidArgument(f"{before!r:.80} is no place to go on from: it comes from the page before, or is a job's id") from None
    if not all(-(2**63) <= part < 2**63 for part in parts):
        raise InvalidArgument(f"{before:.80} is beyond any job")
    if not sources:
        return parts
    source = sources[0]
    width = len(source.first) + len(source.key)
    if len(parts) == 1 < width:
        return _place_of(connection, sources, parts[0])
    if width == 1 < len(parts) < 4:  # since the page before there are too many queues to walk them one by one
        return (-parts[0],)
    if len(parts) != width:
        raise InvalidArgument(f"{before!r:.80} is a place in the order of another search")
    parts = parts[::-1]
    return parts[: len(source.first)] + source.sort_key(parts[len(source.first) :])[len(source.first) :]


def _place_of(connection: sqlite3.Connection, sources: Sequence[Source], job: int) -> tuple[int, ...] | None:
    for source in sources:
        sql = _PLACE.format(key=", ".join(source.key), where=source.where)
        row = connection.execute(sql, {"id": job, **source.parameters}).fetchone()
        if row is not None:
            return source.sort_key(row)
    return None


def _written(place: tuple[int, ...], source: Source) -> str:
    """As ``before`` takes it, the id first: in the order of their ids it is that alone, so that people can say it too."""
    first, key = place[: len(source.first)], place[len(source.first) :]
    return "_".join(map(str, reversed((*first, *(-part if source.is_down else part for part in key)))))
