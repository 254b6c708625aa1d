"""The ways in which jobs can be walked, each by an index: what is looked at first, and from where to go on.

Owns which of them a search takes. A source that holds few jobs among many makes the search quick; what no index knows (a task, an
error, an argument) is looked for in whatever source is left, the last of which is all jobs, from the newest on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ...base.checks import is_utf8
from ...base.search import Query, Span, Term, Text
from ...base.states import FINAL, STATES
from ..links.joining import RANGES

_JOBS: Final = "litequeue_jobs INDEXED BY litequeue_jobs_{}"
# Of the available jobs, each queue, pool and priority that has some, by hopping along the index.
_GROUPS: Final = """WITH RECURSIVE groups (queue, pool, priority, n) AS (
    SELECT * FROM (SELECT queue, pool, priority, 1 FROM litequeue_jobs WHERE state = 'available' AND {which}
        ORDER BY queue, pool, priority DESC LIMIT 1)
    UNION ALL
    SELECT j.queue, j.pool, j.priority, g.n + 1 FROM groups AS g CROSS JOIN litequeue_jobs AS j ON j.id = coalesce(
        (SELECT id FROM litequeue_jobs WHERE state = 'available' AND queue = g.queue AND pool = g.pool AND priority < g.priority
            ORDER BY priority DESC LIMIT 1),
        (SELECT id FROM litequeue_jobs WHERE state = 'available' AND queue = g.queue AND pool > g.pool
            ORDER BY pool, priority DESC LIMIT 1),
        (SELECT id FROM litequeue_jobs WHERE state = 'available' AND queue > g.queue AND {which} ORDER BY queue, pool, priority DESC LIMIT 1))
    WHERE g.n < :most)
SELECT queue, pool, priority FROM groups"""
ALL_GROUPS: Final = _GROUPS.format(which="true")
GROUPS_OF_QUEUE: Final = _GROUPS.format(which="queue = :queue")
MOST_GROUPS: Final = 200


class Source(NamedTuple):
    """Jobs in the order of an index. The names of parameters that are set begin with ``s``."""

    table: str
    where: str
    key: tuple[str, ...]  # by which they are in order, the id last
    is_down: bool
    parameters: Mapping[str, Any] = MappingProxyType({})
    first: tuple[int, ...] = ()  # stands before the key, where several sources come in one order

    def sort_key(self, key: tuple[int, ...]) -> tuple[int, ...]:
        """Of several sources together, what comes first is least."""
        return self.first + (tuple(-part for part in key) if self.is_down else key)


_ID: Final = "litequeue_jobs.id"


class Chosen(NamedTuple):
    """What to walk, and which terms hold there by themselves."""

    sources: tuple[Source, ...]
    terms: tuple[Term, ...] = ()


def choose(connection: sqlite3.Connection, query: Query, *, newest_first: bool) -> Chosen:
    """``newest_first``: by id, whatever else would be quicker."""
    by_key = {term.key: term for term in query.terms if not term.is_not}
    for key in ("tag", "flow"):
        if key in by_key and not any(isinstance(value, Text) and value.is_prefix for value in by_key[key].values):
            return Chosen(_by_word(by_key[key]), (by_key[key],))
    ids = _ids(by_key.get("id"))
    states = _states(query)
    if newest_first or "id" in by_key and ids.high is not None and ids.low is not None:
        return Chosen((_newest(ids),))
    said = tuple(term for term in query.terms if term.key == "state")
    if states <= FINAL - {"succeeded"}:
        return Chosen(tuple(_ended(state) for state in STATES if state in states), said)
    if len(states) == 1:
        (state,) = states
        if state == "available":
            return _available(connection, by_key.get("queue"), said)
        if state in _BY_STATE:
            return Chosen(_BY_STATE[state], said)
        if state == "scheduled":  # among those that are retried: the state is looked at, window by window
            return Chosen((_DUE,))
    return Chosen((_newest(ids),))


def _states(query: Query) -> set[str]:
    states: set[str] = set(STATES)
    for term in query.terms:
        if term.key == "state":
            named = {value.text for value in term.values if isinstance(value, Text)}
            states = states - named if term.is_not else states & named
    return states


def _ids(term: Term | None) -> Span:
    """Within which they all lie."""
    spans = [value for value in term.values if isinstance(value, Span)] if term is not None else []
    if not spans:
        return Span(None, None)
    lows, highs = [span.low for span in spans], [span.high for span in spans]
    return Span(
        None if None in lows else min(low for low in lows if low is not None),
        None if None in highs else max(high for high in highs if high is not None),
    )


def _newest(ids: Span) -> Source:
    where, parameters = ["true"], {}
    for sign, end, name in ((">=", ids.low, "slow"), ("<=", ids.high, "shigh")):
        if end is not None:
            where.append(f"{_ID} {sign} :{name}")
            parameters[name] = end
    # Or SQLite sees by the value that is bound that all available jobs of a queue could be walked for the sake of ten ids (measured: 24 ms).
    return Source("litequeue_jobs NOT INDEXED", " AND ".join(where), (_ID,), True, parameters)


def _ended(state: str) -> Source:
    # The state is a parameter and the rest stands as in the index, which SQLite takes by that.
    where = "state = :sstate AND finished_at IS NOT NULL AND state <> 'succeeded'"
    return Source(_JOBS.format("ended"), where, ("finished_at", _ID), True, {"sstate": state})


_BY_STATE: Final = {
    "running": (Source(_JOBS.format("running"), "state = 'running'", ("started_at", _ID), True),),
    "retrying": (Source(_JOBS.format("retrying"), "state = 'retrying'", ("run_at", _ID), False),),
    "blocked": (
        Source(_JOBS.format("blocked"), "state = 'blocked' AND schedule_id IS NULL", (_ID,), True),
        Source(_JOBS.format("blocked"), "state = 'blocked' AND schedule_id > -9223372036854775808", (_ID,), True),
    ),
}


_DUE: Final = Source(_JOBS.format("due"), "(state = 'scheduled' OR state = 'retrying')", ("run_at", _ID), False)


def _available(connection: sqlite3.Connection, queues: Term | None, said: tuple[Term, ...]) -> Chosen:
    """As they will run: each queue and pool with its priorities, together by priority and age. Where there are too many of them, all jobs."""
    named = [value.text for value in queues.values if isinstance(value, Text)] if queues is not None else []
    if queues is not None and any(isinstance(value, Text) and value.is_prefix for value in queues.values):
        named = []
    if named:
        groups = [
            group for queue in dict.fromkeys(named) for group in connection.execute(GROUPS_OF_QUEUE, {"queue": queue, "most": MOST_GROUPS}).fetchall()
        ]
    else:
        groups = connection.execute(ALL_GROUPS, {"most": MOST_GROUPS}).fetchall()
    groups = [group for group in groups if is_utf8(group[0])]  # SQL cannot be asked for a queue that somebody has planted as no text
    if len(groups) >= MOST_GROUPS:
        return Chosen((_newest(Span(None, None)),))
    where = "state = 'available' AND queue = :squeue AND pool = :spool AND priority = :spriority"
    return Chosen(tuple(
        Source(_JOBS.format("available"), where, ("run_at", _ID), False, {"squeue": queue, "spool": pool, "spriority": priority}, (-priority,))
        for queue, pool, priority in groups
    ), (*said, queues) if queues is not None and named else said)  # fmt: skip


def _by_word(term: Term) -> tuple[Source, ...]:
    """Of a tag or a flow: one for each value; what two of them have comes twice, side by side."""
    return tuple(
        Source(
            "litequeue_tags AS t CROSS JOIN litequeue_jobs ON litequeue_jobs.id = t.job_id" if term.key == "tag"
            else f"{RANGES.replace(':flow', ':sword')} CROSS JOIN litequeue_jobs ON litequeue_jobs.id BETWEEN r.first_id AND r.last_id",
            "t.tag = :sword" if term.key == "tag" else "true",
            ("t.job_id",) if term.key == "tag" else (_ID,), True, {"sword": value.text},
        )
        for value in term.values if isinstance(value, Text)
    )  # fmt: skip
