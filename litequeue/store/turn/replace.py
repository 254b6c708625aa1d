"""The step that puts other jobs in the place of one that has asked for it.

Owns what that means: the job waits for the end of those, and ends with it, without running again. Who waits for the job, its place among others,
and its handle stay as they are.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from ...base.models import JobColumns, NewJob
from ..inserting import inherit_headers
from ..links import graph
from ..links.graph import Edge, Graph, Wait
from ..links.joining import FLOW_OF_JOB, INSERT_RANGE
from ..rules import HAS_DEPENDANTS, WAITS
from .state import Turn

# Of one whose cancel has come meanwhile, nothing does: it is swept in this turn.
IS_OURS: Final = """SELECT 1 FROM litequeue_jobs
WHERE id = :id AND attempt = :attempt AND state = 'blocked' AND lease_expires_at IS NULL AND cancel_requested_at IS NULL"""
FORGET: Final = "DELETE FROM litequeue_edges WHERE child_id = :id"  # it has what it needed of these
EDGE: Final = "INSERT OR REPLACE INTO litequeue_edges (parent_id, child_id, position) VALUES (:end, :id, 0)"
# What it was given itself, and by whom, is for when it is put back.
WAIT: Final = """INSERT INTO litequeue_waits (job_id, pending, takes, replaced, keep) VALUES (:id, 1, 'one', 1, :keep)
ON CONFLICT (job_id) DO UPDATE SET own_inputs = CASE WHEN replaced THEN own_inputs ELSE inputs END,
    own_parents = CASE WHEN replaced THEN own_parents ELSE (
        SELECT json_group_array(parent_id) FROM (SELECT parent_id FROM litequeue_edges WHERE child_id = :id ORDER BY position)) END,
    inputs = NULL, pending = 1, upset = 0, runs_when = 'success', takes = 'one', delay = NULL, expires = NULL, cause = NULL, replaced = 1,
    keep = excluded.keep"""
LINK: Final = f"""UPDATE litequeue_jobs SET links = CASE WHEN id = :id THEN ifnull(links, 0) | {WAITS}
    ELSE ifnull(links, 0) | {HAS_DEPENDANTS} END WHERE id = :id OR id = :end"""


def replace(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that the rows of those that are replaced say ``blocked``, where they were still ours."""
    for job, attempt, (jobs, edges, waits, callbacks, end), keep in turn.replaced:
        if connection.execute(IS_OURS, {"id": job, "attempt": attempt}).fetchone() is None:
            continue
        new = [NewJob._make((*fields, JobColumns._make(columns))) for *fields, columns in jobs]
        made = Graph(new, [Edge._make(edge) for edge in edges], [Wait._make(wait) for wait in waits], callbacks)
        ids = graph.insert(connection, made, turn.now)
        inherit_headers(connection, job, ids[0], ids[-1])
        turn.freed += ids
        asked = {"id": job, "end": ids[end], "keep": keep}
        for sql in (WAIT, FORGET, EDGE, LINK):
            connection.execute(sql, asked)
        flow = connection.execute(FLOW_OF_JOB, asked).fetchone()
        if flow is not None:
            connection.execute(INSERT_RANGE, (ids[0], ids[-1], flow[0]))
