"""What housekeeping may delete of jobs that wait for jobs, and what has to stay.

Owns that judgement. A job of whose end somebody is yet to be told stays, and so does one whose child waits still, since it will be
given its result, or runs, and may read it; and one of which a child has ended without having run, or waiting for what took its
place, as long as that is there: it can be put back, and waits again then. Its time is put off, so that it does not stand in the way of what may go.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from ..rules import KEEP
from . import following, telling

# What a group or a batch came to is asked for by who waited for its members: their join stays with these, of whom the first has all of them.
HOLD: Final = f"""UPDATE litequeue_jobs SET prune_at = :later
WHERE id IN (SELECT value FROM json_each(:ids)) AND links > 0 AND (links = 1 OR links = 5 OR EXISTS (
    SELECT 1 FROM litequeue_edges AS e JOIN litequeue_jobs AS c ON c.id = e.child_id
    WHERE e.parent_id = litequeue_jobs.id AND (c.finished_at IS NULL
        OR c.state <> 'succeeded' AND (c.attempt = c.releases
            OR EXISTS (SELECT 1 FROM litequeue_waits AS w WHERE w.job_id = c.id AND w.replaced))))
    OR task = '{telling.JOIN}' AND EXISTS (
        SELECT 1 FROM litequeue_edges AS e JOIN litequeue_jobs AS c ON c.id = e.child_id AND c.finished_at IS NULL
        WHERE e.parent_id = (SELECT parent_id FROM litequeue_edges WHERE child_id = litequeue_jobs.id ORDER BY position LIMIT 1)))"""
REST: Final = """SELECT json_group_array(id) FROM litequeue_jobs
WHERE id IN (SELECT value FROM json_each(:ids)) AND prune_at <= :now"""
# Those to its parents. Those to its children stay as long as these: that one of the results is gone is seen by its edge.
FORGET_EDGES: Final = """DELETE FROM litequeue_edges WHERE (parent_id, child_id) IN (
    SELECT e.parent_id, e.child_id FROM json_each(:ids) AS v JOIN litequeue_edges AS e ON e.child_id = v.value)"""
FORGET_WAITS: Final = "DELETE FROM litequeue_waits WHERE job_id IN (SELECT value FROM json_each(:ids))"
# Of workflows of which no job is left.
FORGET_RANGES: Final = """DELETE FROM litequeue_flow_jobs
WHERE first_id IN (SELECT DISTINCT (SELECT max(first_id) FROM litequeue_flow_jobs WHERE first_id <= v.value) FROM json_each(:ids) AS v)
    AND NOT EXISTS (SELECT 1 FROM litequeue_jobs WHERE id BETWEEN first_id AND last_id)
RETURNING flow_id"""
FORGET_FLOWS: Final = """DELETE FROM litequeue_flows WHERE id IN (SELECT value FROM json_each(:flows))
    AND NOT EXISTS (SELECT 1 FROM litequeue_flow_jobs WHERE flow_id = litequeue_flows.id)"""
# Of batches without members their end is the last job.
FORGET_EMPTY: Final = """DELETE FROM litequeue_flows WHERE open >= 0 AND end_id IN (SELECT value FROM json_each(:ids))
    AND NOT EXISTS (SELECT 1 FROM litequeue_flow_jobs WHERE flow_id = litequeue_flows.id)"""
ANY_FLOWS: Final = "SELECT EXISTS (SELECT 1 FROM litequeue_flows)"


def prunable(connection: sqlite3.Connection, ids: str, now: int) -> str:
    """Those of the jobs (JSON) that may go, with what was kept of whom they waited for; the others are put off by a day."""
    connection.execute(HOLD, {"ids": ids, "later": now + KEEP})
    (rest,) = connection.execute(REST, {"ids": ids, "now": now}).fetchone()
    for sql in (FORGET_EDGES, FORGET_WAITS, following.FORGET):
        connection.execute(sql, {"ids": rest})
    return str(rest)


def forget_flows(connection: sqlite3.Connection, ids: str) -> None:
    """Once these jobs (JSON) are deleted."""
    flows = sorted({flow for (flow,) in connection.execute(FORGET_RANGES, {"ids": ids}).fetchall()})
    if flows:
        connection.execute(FORGET_FLOWS, {"flows": json.dumps(flows)})
    connection.execute(FORGET_EMPTY, {"ids": ids})
