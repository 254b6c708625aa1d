"""The flows, and one of them as a graph.

Owns how many of their jobs are read: of a flow on the list five hundred, of one by itself five thousand; where that is not all, what is counted is ``AtLeast``. Jobs
that only bring others together are nodes of the graph, and not counted.

Measured: a list of 25 flows of 500 jobs or more 9 ms, a flow of 5,000 jobs 10, and 19 more to lay it out.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ...base.checks import aware
from ...base.counts import AtLeast
from ..file import Database
from ..links.telling import JOIN
from . import layers
from .parts import MOST_NODES, FlowNode, FlowRow
from .records import FlowPage, FlowsPage
from .secret_errors import masked_errors

ON_A_PAGE: Final = 25
COUNTED: Final = 500  # jobs of each on the list
MOST_READ: Final = 5_000  # of one
MOST_EDGES: Final = 10_000
MOST_RANGES: Final = 1_000
MOST_ERROR: Final = 300  # characters

LIST: Final = "SELECT id, end_id, created_at FROM litequeue_flows WHERE id < :before ORDER BY id DESC LIMIT :most"
FLOW: Final = "SELECT id, end_id, created_at FROM litequeue_flows WHERE id = :id"
# A batch's, and those of the flows that are its members.
RANGES: Final = """SELECT json_group_array(json_array(first_id, last_id)) FROM (
    SELECT first_id, last_id FROM litequeue_flow_jobs WHERE flow_id = :flow
    UNION SELECT * FROM (SELECT m.first_id, m.last_id FROM (SELECT id FROM litequeue_flows WHERE batch_id = :flow AND batch_id > 0 LIMIT :most) AS f
        CROSS JOIN litequeue_flow_jobs AS m ON m.flow_id = f.id LIMIT :most) LIMIT :most)"""
_JOBS: Final = """json_each(:ranges) AS r CROSS JOIN litequeue_jobs AS j
    ON j.id BETWEEN json_extract(r.value, '$[0]') AND json_extract(r.value, '$[1]')"""
COUNTS: Final = f"""SELECT count(*), count(CASE WHEN task <> '{JOIN}' THEN 1 END), count(CASE WHEN task <> '{JOIN}' AND state = 'succeeded' THEN 1 END),
    count(CASE WHEN task <> '{JOIN}' AND (state = 'discarded' OR state = 'expired') THEN 1 END), count(finished_at), max(finished_at),
    max(CASE WHEN task <> '{JOIN}' THEN id END)
FROM (SELECT j.id, j.task, j.state, j.finished_at FROM {_JOBS} LIMIT :most)"""
TASK_OF: Final = f"SELECT task FROM litequeue_jobs WHERE id = :id AND task <> '{JOIN}'"
MEMBERS: Final = f"""SELECT j.id, j.task, j.state, j.started_at, j.finished_at, substr(j.last_error, 1, {MOST_ERROR})
FROM {_JOBS} LIMIT :most"""
EDGES: Final = """SELECT e.parent_id, e.child_id FROM json_each(:ranges) AS r
CROSS JOIN litequeue_edges AS e ON e.child_id BETWEEN json_extract(r.value, '$[0]') AND json_extract(r.value, '$[1]') LIMIT :most"""


class Flow(NamedTuple):
    """A flow's row."""

    id: int
    end: int | None  # the job whose end is its own
    created_at: int  # microseconds


class FlowPages:
    """Pages of one file's flows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, before: int | None) -> FlowsPage:
        with self._database.read() as connection:
            found = connection.execute(LIST, {"before": 2**63 - 1 if before is None else before, "most": ON_A_PAGE + 1}).fetchall()
            rows = tuple(_row(connection, Flow(*row), _ranges(connection, row[0]), COUNTED) for row in found[:ON_A_PAGE])
        return FlowsPage(rows, rows[-1].id if len(found) > ON_A_PAGE else None)

    def one(self, flow: int) -> FlowPage | None:
        """None where there is no such flow."""
        with self._database.read() as connection:
            found = connection.execute(FLOW, {"id": flow}).fetchone()
            if found is None:
                return None
            ranges = _ranges(connection, flow)
            row = _row(connection, Flow(*found), ranges, MOST_READ)
            members = {row[0]: row for row in connection.execute(MEMBERS, {"ranges": ranges, "most": MOST_READ}).fetchall()}
            edges = connection.execute(EDGES, {"ranges": ranges, "most": MOST_EDGES}).fetchall()
            is_small = len(members) <= MOST_NODES
            errors = masked_errors(connection, [id_ for id_, *_, error in members.values() if error is not None]) if is_small else {}
        edges = [(parent, child) for parent, child in edges if parent in members and child in members]
        layer = layers.layers(list(members), edges)
        nodes = tuple(_node(row, layer[row[0]], errors) for row in sorted(members.values()))
        if is_small:
            return FlowPage(row, nodes, tuple(edges), ())
        return FlowPage(row, (), (), layers.groups(nodes))


def _node(row: tuple[Any, ...], layer: int, errors: Mapping[int, str]) -> FlowNode:
    id_, task, state, started, finished, error = row
    started, finished = (None if at is None else aware(at) for at in (started, finished))
    return FlowNode(id_, task, state, layer, started, finished, None if error is None else errors.get(id_, error)[:MOST_ERROR])


def _ranges(connection: sqlite3.Connection, flow: int) -> str:
    (text,) = connection.execute(RANGES, {"flow": flow, "most": MOST_RANGES}).fetchone()
    return str(text)


def _row(connection: sqlite3.Connection, flow: Flow, ranges: str, most: int) -> FlowRow:
    read, total, done, failed, ended, last_end, last = connection.execute(COUNTS, {"ranges": ranges, "most": most}).fetchone()
    task = None
    for id_ in (flow.end, last):
        task = task or (None if id_ is None else connection.execute(TASK_OF, {"id": id_}).fetchone())
    if read >= most and not _is_all(ranges, most):
        total, done, failed = map(AtLeast, (total, done, failed))
        ended = None
    ended_at = aware(last_end) if read and ended == read else None
    return FlowRow(flow.id, "" if task is None else task[0], aware(flow.created_at), ended_at, done, failed, total)


def _is_all(ranges: str, most: int) -> bool:
    """Whether no more than so many jobs can lie in them."""
    return bool(sum(max(last - first + 1, 0) for first, last in json.loads(ranges)) <= most)
