"""Storing jobs that wait for each other, or for jobs that there are: all or nothing, with consecutive ids.

Owns the form in which a graph comes, and the count with which each job begins to wait. What shapes there are, and which job gets
which results, is decided above.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import starmap
from typing import Final, NamedTuple

from ...base.errors import JobNotFound
from ...base.models import JobColumns, NewJob
from ..inserting import Insertion
from ..rules import HAS_DEPENDANTS, WAITS
from ..tags import note
from . import following, telling


class Edge(NamedTuple):
    """A job waits for another one."""

    parent: int  # its place among the jobs of the graph; below zero: the id of one that there is, negated
    child: int  # place
    position: int  # of the parent among the child's: the order of results


class Wait(NamedTuple):
    """How a job of the graph waits that has parents."""

    child: int  # place
    runs_when: str = "success"  # or "failed" or "ended"
    takes: str | None = None  # "one" or "all" of its parents' results
    delay: int | None = None  # microseconds from when it may run
    inputs: str | None = None  # JSON, of one that is given this, whatever they come to


class Graph(NamedTuple):
    """Jobs, and who waits for whom. A job with parents has one Wait, and no parent twice."""

    jobs: Sequence[NewJob]
    edges: Sequence[Edge]
    waits: Sequence[Wait]
    callbacks: Sequence[tuple[int, str, str]] = ()  # place, when, and the job as JSON


MISSING: Final = """SELECT value FROM json_each(:ids) WHERE NOT EXISTS (SELECT 1 FROM litequeue_jobs WHERE id = value) LIMIT 1"""
# Of those that there are: the rest of what they come to is told. Who is final and has told nobody becomes one that has told.
LINK: Final = """UPDATE litequeue_jobs SET links = CASE
    WHEN finished_at IS NULL THEN (CASE WHEN ifnull(links, 0) < 4 THEN 1 ELSE 5 END)
    WHEN links IS NULL THEN 2 WHEN links = 4 THEN 6 ELSE links END
WHERE id IN (SELECT value FROM json_each(:ids))"""
# A row that is there already is of no job: somebody has planted it for the ids to come.
INSERT_EDGE: Final = "INSERT OR REPLACE INTO litequeue_edges (parent_id, child_id, position) VALUES (?, ?, ?)"
INSERT_WAIT: Final = """INSERT OR REPLACE INTO litequeue_waits (job_id, pending, runs_when, takes, delay, inputs) VALUES (?, ?, ?, ?, ?, ?)"""


def insert(connection: sqlite3.Connection, graph: Graph, now: int) -> range:
    """Inside the caller's transaction; the ids, in the order of the jobs. Raises JobNotFound for a parent that is gone.

    Of parents that are final it is told at once: then it may run in this transaction, or be cancelled.
    """
    if not graph.jobs:
        return range(0)
    outside = sorted({-edge.parent for edge in graph.edges if edge.parent < 0})
    if outside:
        ids = {"ids": json.dumps(outside)}
        missing = connection.execute(MISSING, ids).fetchone()
        if missing is not None:
            raise JobNotFound(f"job {missing[0]} is not there, or no more, so nothing can wait for it; nothing was stored")
        connection.execute(LINK, ids)
    pending = Counter(edge.child for edge in graph.edges)
    parents = {edge.parent for edge in graph.edges}.union(place for place, *_ in graph.callbacks)
    linked, columns = _linked(graph.jobs, parents, pending)
    insertion = Insertion(columns, expire=any(job.expires_at is not None for job in graph.jobs))
    connection.executemany(insertion.sql, starmap(insertion.values, linked))
    (last,) = connection.execute("SELECT last_insert_rowid()").fetchone()
    first = last - len(graph.jobs) + 1  # AUTOINCREMENT under the write lock: nobody's ids can lie between ours
    if any(one.tags is not None for one in columns):
        note(connection, first, last)
    edges = [(-e.parent if e.parent < 0 else first + e.parent, first + e.child, e.position) for e in graph.edges]
    connection.executemany(INSERT_EDGE, edges)
    waits = [(first + w.child, pending[w.child], w.runs_when, w.takes, w.delay, w.inputs) for w in graph.waits]
    connection.executemany(INSERT_WAIT, waits)
    connection.executemany(
        following.INSERT, [(first + place, number, when, text) for number, (place, when, text) in enumerate(graph.callbacks)]
    )
    if outside:
        told = telling.recount(connection, [first + edge.child for edge in graph.edges if edge.parent < 0])
        telling.judge(connection, told, now)
    return range(first, last + 1)


def _linked(
    jobs: Sequence[NewJob], parents: Collection[int], pending: Collection[int]
) -> tuple[list[tuple[NewJob, str, JobColumns]], Collection[JobColumns]]:
    """Each with its state and its columns in the graph; and which columns there are: most have those of the one before them."""
    made: dict[tuple[JobColumns, bool, bool], JobColumns] = {}
    linked = []
    for place, job in enumerate(jobs):
        has_children, has_parents = place in parents, place in pending
        columns = made.get((job.columns, has_children, has_parents))
        if columns is None:
            links = HAS_DEPENDANTS * (has_children or bool(job.columns.links)) + WAITS * has_parents
            columns = made[job.columns, has_children, has_parents] = job.columns._replace(links=links or None)
        linked.append((job, "blocked" if has_parents else job.state, columns))
    return linked, made.values()
