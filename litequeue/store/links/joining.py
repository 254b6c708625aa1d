"""Becoming a member of a batch, in the transaction that stores the jobs.

Owns who may, and what it means: an edge to each job that waits for all members. Others come in while the batch is open; once it is closed, only
what a member adds that runs: as long as it does, none of those can have been let go.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from ...base import stored
from ...base.errors import BatchClosed, JobNotFound
from ...base.models import Membership
from ..rules import HAS_DEPENDANTS, bounded, waits_elsewhere

FLOW_OF_JOB: Final = """SELECT flow_id FROM litequeue_flow_jobs
WHERE first_id = (SELECT max(first_id) FROM litequeue_flow_jobs WHERE first_id <= :id) AND last_id >= :id"""
# Of a flow's jobs; a batch's, and those of the workflows that are its members.
RANGES: Final = """(SELECT first_id, last_id FROM litequeue_flow_jobs WHERE flow_id = :flow
    UNION SELECT m.first_id, m.last_id FROM litequeue_flows AS f CROSS JOIN litequeue_flow_jobs AS m ON m.flow_id = f.id
        WHERE f.batch_id = :flow AND f.batch_id > 0) AS r"""
INSERT_RANGE: Final = "INSERT OR REPLACE INTO litequeue_flow_jobs (first_id, last_id, flow_id) VALUES (?, ?, ?)"
GIVEN_UP: Final = 2  # as ``open``: its block was left by an exception
FIND: Final = "SELECT open, children FROM litequeue_flows WHERE id = :flow"
IS_MEMBER: Final = """SELECT 1 FROM litequeue_jobs AS j JOIN litequeue_edges AS e ON e.parent_id = j.id
WHERE j.id = :id AND j.attempt = :attempt AND j.state = 'running' AND e.child_id = :end"""
EDGES: Final = """INSERT OR REPLACE INTO litequeue_edges (parent_id, child_id, position)
SELECT j.id, c.value, j.id FROM litequeue_jobs AS j CROSS JOIN json_each(:children) AS c WHERE j.id BETWEEN :first AND :last"""
LINK: Final = f"""UPDATE litequeue_jobs SET links = ifnull(links, 0) | {HAS_DEPENDANTS}
WHERE id BETWEEN :first AND :last"""
COUNT: Final = f"""UPDATE litequeue_waits SET pending = {bounded("pending")} + :last - :first + 1
WHERE job_id IN (SELECT value FROM json_each(:children))
    AND EXISTS (SELECT 1 FROM litequeue_jobs WHERE id = job_id AND {waits_elsewhere()})"""
EXTEND: Final = "UPDATE litequeue_flow_jobs SET last_id = :last WHERE flow_id = :flow AND last_id = :first - 1"


def join(connection: sqlite3.Connection, batch: Membership, first: int, last: int, *, whole: bool = True) -> None:
    """Inside the transaction that has stored these jobs. ``whole``: they are its own, and not the end of another workflow. Raises
    BatchClosed or JobNotFound."""
    is_open, ids = children_of(connection, batch.flow)
    by = batch.by if is_open is not None else None  # of one that was given up nothing is wanted any more
    if not is_open and (by is None or not ids or connection.execute(IS_MEMBER, {**by._asdict(), "end": ids[0]}).fetchone() is None):
        raise BatchClosed(f"batch {batch.flow} is closed, and takes jobs of its running members alone: nothing was stored")
    asked = {"flow": batch.flow, "children": json.dumps(ids), "first": first, "last": last}
    for sql in (LINK, EDGES, COUNT):
        connection.execute(sql, asked)
    if whole and not connection.execute(EXTEND, asked).rowcount:
        connection.execute(INSERT_RANGE, (first, last, batch.flow))


def children_of(connection: sqlite3.Connection, flow: int) -> tuple[bool | None, list[int]]:
    """Whether it is open, None for one that was given up, and those that wait for all of its members. Raises JobNotFound."""
    row = connection.execute(FIND, {"flow": flow}).fetchone()
    if row is None or row[1] is None:
        raise JobNotFound(f"there is no batch {flow}")
    return None if row[0] == GIVEN_UP else bool(row[0]), _ids(row[1])


def _ids(text: str) -> list[int]:
    """None, where somebody has planted what is no list of ids."""
    try:
        found = stored.loads(text)
    except ValueError:
        return []
    if not isinstance(found, list) or not all(type(job) is int and 0 < job < 2**63 for job in found):
        return []
    return list(dict.fromkeys(found))
