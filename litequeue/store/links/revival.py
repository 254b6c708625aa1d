"""Putting back a job for which others wait, or were cancelled: they wait for it again.

Owns which of those that were cancelled are blocked again: all that were for its sake, and for theirs. Those that another failure keeps
from running are judged like all that wait, and so cancelled again in the same transaction, for that. What has run is left
alone. Counts are taken anew from what the parents are, and not by one more or less: that went wrong in five of the first six
random runs.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Final

from .. import limits
from ..rules import WAITS
from . import telling

LINKS: Final = "SELECT ifnull(links, 0) FROM litequeue_jobs WHERE id = :id AND finished_at IS NULL"
LINKED: Final = """SELECT id, links, attempt > releases AND NOT EXISTS (
    SELECT 1 FROM litequeue_waits WHERE job_id = id AND replaced)
FROM litequeue_jobs WHERE id IN (SELECT value FROM json_each(:ids)) AND links > 0"""
UNTELL: Final = """UPDATE litequeue_jobs SET links = links - 1
WHERE id IN (SELECT value FROM json_each(:ids)) AND (links = 2 OR links = 6)"""
BELOW: Final = """WITH RECURSIVE below (id) AS (
    SELECT value FROM json_each(:ids)
    UNION
    SELECT e.child_id FROM below AS b JOIN litequeue_edges AS e ON e.parent_id = b.id
    JOIN litequeue_waits AS w ON w.job_id = e.child_id AND w.cause IS NOT NULL
    JOIN litequeue_jobs AS j ON j.id = e.child_id AND j.state = 'cancelled')
SELECT json_group_array(id) FROM below WHERE id NOT IN (SELECT value FROM json_each(:ids))"""
BLOCK: Final = """UPDATE litequeue_jobs SET state = 'blocked', holds = CASE WHEN limit_key IS NOT NULL THEN 0 END, finished_at = NULL, prune_at = NULL, last_error = NULL
WHERE id IN (SELECT value FROM json_each(:ids))"""
FORGET_CAUSE: Final = "UPDATE litequeue_waits SET cause = NULL WHERE job_id IN (SELECT value FROM json_each(:ids))"
CHILDREN: Final = "SELECT DISTINCT child_id FROM litequeue_edges WHERE parent_id IN (SELECT value FROM json_each(:ids))"


def revived(connection: sqlite3.Connection, jobs: Collection[int], now: int) -> None:
    """In the transaction in which these final jobs have been put back. All at once: of ten thousand members of a group each by itself would
    count the other parents of what follows them, 28 s in one transaction."""
    found = connection.execute(LINKED, {"ids": json.dumps(list(jobs))}).fetchall()
    if not found:
        return
    back = [job for job, *_ in found]
    (text,) = connection.execute(BELOW, {"ids": json.dumps(back)}).fetchone()
    again: list[int] = json.loads(text)
    again += (job for job, links, runs_on in found if links >= WAITS and not runs_on)  # cancelled while they waited: they wait on
    ids = json.dumps([*back, *again])
    connection.execute(UNTELL, {"ids": ids})
    limits.ask_of(connection, json.dumps(again))
    connection.execute(BLOCK, {"ids": json.dumps(again)})
    connection.execute(FORGET_CAUSE, {"ids": json.dumps(again)})
    children = [child for (child,) in connection.execute(CHILDREN, {"ids": ids}).fetchall()]
    telling.judge(connection, telling.recount(connection, {*again, *children}), now)


def counted_anew(connection: sqlite3.Connection, job: int, now: int) -> None:
    """What a job that has not ended counts, and what is counted of it: where somebody has changed that by other means, it waits for ever."""
    row = connection.execute(LINKS, {"id": job}).fetchone()
    if row is None or not row[0]:
        return
    ids = json.dumps([job])
    connection.execute(UNTELL, {"ids": ids})
    children = [child for (child,) in connection.execute(CHILDREN, {"ids": ids}).fetchall()]
    telling.judge(connection, telling.recount(connection, {job, *children}), now)
