"""Telling those who wait of what has ended: the inbox, and what becomes of them.

Owns the statements of a pass, each for a whole set of jobs, and how many are told at once. A pass counts, cancels what wanted
successes and got something else, with all that waited for that, lets go what has nothing left to wait for, and takes what
was told out of the inbox. What was cancelled is itself in the inbox then.

A job that is let go gets its parents' results copied: no retry, rescue or pruning of a parent can change what it is given.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Final, NamedTuple

from ...base.checks import MAX_NAME
from ...base.stored import MAX_BYTES
from .. import history
from ..rules import HAS_COME, KEEP, KEEP_DISCARDED, bounded, waits_elsewhere
from . import following

JOIN: Final = "litequeue.join"  # the task of jobs that only bring others together

# So many parents in one pass, and about so many edges: the write lock is never held for long. A thousand take 10 to 30 ms.
BATCH: Final = 1000
EDGES: Final = 2000
MAX_WHY: Final = 5000  # characters of another job's error

_WAITING: Final = waits_elsewhere("j.")
# Of a parent p: it has ended, and its children know.
IS_TOLD: Final = "(p.finished_at IS NOT NULL AND ifnull(p.links, 0) <> 1 AND ifnull(p.links, 0) <> 5)"
ANY_UNTOLD: Final = "SELECT EXISTS (SELECT 1 FROM litequeue_jobs WHERE (links = 1 OR links = 5) AND finished_at IS NOT NULL)"
# One cell: between rows a thread that computes may keep the GIL for 5 ms.
UNTOLD: Final = """SELECT json_group_array(json_array(p.id, p.bad, p.child_id)) FROM (
    SELECT p.id, p.bad, e.child_id FROM (
        SELECT id, state <> 'succeeded' AS bad FROM litequeue_jobs
        WHERE (links = 1 OR links = 5) AND finished_at IS NOT NULL ORDER BY id LIMIT :limit) AS p
    LEFT JOIN litequeue_edges AS e ON e.parent_id = p.id LIMIT :edges) AS p"""
CHILDREN: Final = """SELECT json_group_array(json_array(id, state <> 'succeeded', child_id))
FROM litequeue_jobs JOIN litequeue_edges ON parent_id = id WHERE id = :id"""
COUNT: Final = f"""UPDATE litequeue_waits SET pending = max({bounded("pending")} - v.ended, 0), upset = {bounded("upset")} + v.bad
FROM (SELECT json_extract(value, '$[0]') AS child, json_extract(value, '$[1]') AS ended, json_extract(value, '$[2]') AS bad
    FROM json_each(:counts)) AS v
WHERE job_id = v.child AND EXISTS (SELECT 1 FROM litequeue_jobs WHERE id = v.child AND {waits_elsewhere()})"""
TOLD: Final = "UPDATE litequeue_jobs SET links = links + 1 WHERE id IN (SELECT value FROM json_each(:told))"
RECOUNT: Final = f"""UPDATE litequeue_waits SET
    pending = {bounded("held")} + (SELECT count(*) FROM litequeue_edges AS e JOIN litequeue_jobs AS p ON p.id = e.parent_id
        WHERE e.child_id = job_id AND NOT {IS_TOLD}),
    upset = (SELECT count(*) FROM litequeue_edges AS e JOIN litequeue_jobs AS p ON p.id = e.parent_id
        WHERE e.child_id = job_id AND {IS_TOLD} AND p.state <> 'succeeded')
WHERE job_id IN (SELECT value FROM json_each(:ids))
    AND EXISTS (SELECT 1 FROM litequeue_jobs WHERE id = job_id AND {waits_elsewhere()})"""

# Who wants successes and will not have them, and on and on; each with the job that is the reason. Those of ``ids`` all, since they are
# judged now or never; below them as many as there is time for: those that are left out are told by the last of these.
DOOMED: Final = f"""WITH RECURSIVE doomed (id, cause) AS (
    SELECT w.job_id, (SELECT ifnull(pw.cause, p.id) FROM litequeue_edges AS e JOIN litequeue_jobs AS p ON p.id = e.parent_id
        LEFT JOIN litequeue_waits AS pw ON pw.job_id = p.id
        WHERE e.child_id = w.job_id AND {IS_TOLD} AND p.state <> 'succeeded'
        ORDER BY e.position LIMIT 1)
    FROM json_each(:ids) AS v JOIN litequeue_waits AS w ON w.job_id = v.value
    JOIN litequeue_jobs AS j ON j.id = w.job_id
    WHERE w.upset > 0 AND w.runs_when = 'success' AND {_WAITING}
    UNION
    SELECT e.child_id, d.cause FROM doomed AS d JOIN litequeue_edges AS e ON e.parent_id = d.id
    JOIN litequeue_waits AS w ON w.job_id = e.child_id AND w.runs_when = 'success'
    JOIN litequeue_jobs AS j ON j.id = e.child_id AND {_WAITING}
    LIMIT :limit)
SELECT json_group_array(json_array(id, cause)) FROM (SELECT id, min(cause) AS cause FROM doomed GROUP BY id)"""
CAUSES: Final = """UPDATE litequeue_waits SET cause = v.cause
FROM (SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS cause FROM json_each(:doomed)) AS v
WHERE job_id = v.id"""
CANCEL: Final = f"""UPDATE litequeue_jobs SET state = 'cancelled', finished_at = :now, prune_at = ifnull(v.prune_at, :prune_at), last_error = v.why
FROM (SELECT json_extract(d.value, '$[0]') AS id, CASE WHEN c.id IS NULL THEN 'none of the jobs that it waited for has failed'
        ELSE 'job ' || c.id || ' (' || substr(c.task, 1, {MAX_NAME}) || '), which it needed, ' || CASE c.state WHEN 'expired' THEN 'has expired'
            ELSE 'was ' || c.state END END AS why, CASE WHEN c.state = 'discarded' THEN c.prune_at END AS prune_at  -- it comes back with that
    FROM json_each(:doomed) AS d LEFT JOIN litequeue_jobs AS c ON c.id = json_extract(d.value, '$[1]')) AS v
WHERE litequeue_jobs.id = v.id AND {waits_elsewhere()}"""
COUNT_DOOMED: Final = history.count_of(f"id IN (SELECT json_extract(value, '$[0]') FROM json_each(:doomed)) AND {waits_elsewhere()}")
# What wanted a failure, and there was none.
NEEDLESS: Final = f"""SELECT json_group_array(json_array(w.job_id, NULL)) FROM json_each(:ids) AS v
JOIN litequeue_waits AS w ON w.job_id = v.value JOIN litequeue_jobs AS j ON j.id = w.job_id
WHERE w.pending = 0 AND w.upset = 0 AND w.runs_when = 'failed' AND {_WAITING}"""
FREE: Final = f"""SELECT json_group_array(w.job_id) FROM json_each(:ids) AS v
JOIN litequeue_waits AS w ON w.job_id = v.value JOIN litequeue_jobs AS j ON j.id = w.job_id
WHERE w.pending = 0 AND {_WAITING}"""
_PARENTS: Final = "litequeue_edges AS e JOIN litequeue_jobs AS p ON p.id = e.parent_id WHERE e.child_id = job_id"
_BYTES: Final = "length(CAST({} AS BLOB))"  # of a text length() counts up to a NUL
_ALL_BYTES: Final = f"(SELECT total(1 + ifnull({_BYTES.format('p.result')}, 4)) + 1 FROM {_PARENTS})"
# In the order of the edges, by their index. None where one of them succeeded with what could not be stored; and where they are too much,
# which is not put together first: of a thousand results SQLite may refuse that, and with it the whole turn.
INPUTS: Final = f"""UPDATE litequeue_waits SET inputs = CASE takes
    WHEN 'one' THEN (SELECT CASE WHEN p.state = 'succeeded' THEN p.result ELSE 'null' END FROM {_PARENTS} ORDER BY e.position LIMIT 1)
    WHEN 'all' THEN CASE WHEN {_ALL_BYTES} <= {MAX_BYTES} THEN (
        SELECT CASE WHEN total(state = 'succeeded' AND result IS NULL) = 0
            THEN '[' || ifnull(group_concat(ifnull(result, 'null')), '') || ']' END FROM (
        SELECT p.state, p.result FROM {_PARENTS} ORDER BY e.position)) END END
WHERE job_id IN (SELECT value FROM json_each(:ids)) AND takes IS NOT NULL"""
# A join runs nothing, and what was replaced not again: what it was given is what it comes to, and is kept as long as what that came of.
RELEASE: Final = f"""UPDATE litequeue_jobs SET
    state = CASE WHEN w.why IS NOT NULL THEN 'discarded' WHEN task = '{JOIN}' OR w.replaced THEN 'succeeded'
        WHEN run_at > :now OR w.delay > 0 THEN 'scheduled' WHEN limit_key IS NULL THEN 'available' ELSE 'blocked' END,
    holds = CASE WHEN limit_key IS NULL OR w.why IS NOT NULL OR w.replaced OR run_at > :now OR w.delay > 0 THEN holds ELSE {HAS_COME} END,
    run_at = CASE WHEN w.delay > 0 THEN max(run_at, :now + w.delay) ELSE run_at END,
    expires_at = CASE WHEN w.expires > 0 THEN :now + w.delay + w.expires ELSE expires_at END,
    finished_at = CASE WHEN w.why IS NOT NULL OR task = '{JOIN}' OR w.replaced THEN :now END,
    prune_at = CASE WHEN w.why IS NOT NULL THEN :prune_at WHEN task = '{JOIN}' OR w.replaced
        THEN max(:prune_join_at, :now + w.keep, ifnull((SELECT max(p.prune_at) FROM {_PARENTS}), 0)) END,
    result = CASE WHEN (task = '{JOIN}' OR w.replaced) AND w.why IS NULL THEN ifnull(w.inputs, 'null') END,
    last_error = ifnull(w.why, last_error)
FROM (SELECT job_id, {bounded("ifnull(delay, 0)")} AS delay, {bounded("expires")} AS expires, {bounded("ifnull(keep, 0)")} AS keep,
    inputs, replaced, CASE
    WHEN size > {MAX_BYTES} THEN 'PayloadTooLarge: the results of the jobs that it waited for take '
        || size || ' bytes, and {MAX_BYTES} is the limit: use .si(), and read them with current_job().parent_results()'
    WHEN takes IS NOT NULL AND inputs IS NULL THEN 'ResultNotStored: ' || ifnull('what job ' || (
        SELECT p.id || ' (' || substr(p.task, 1, {MAX_NAME}) || ') came to, which it takes, ' || ifnull(substr(p.last_error, 1, {MAX_WHY}), 'was not stored')
        FROM {_PARENTS} AND p.state = 'succeeded' AND p.result IS NULL ORDER BY e.position LIMIT 1),
        'the jobs whose results it takes are not there')
    END AS why
    FROM (SELECT *, CASE WHEN inputs IS NULL AND takes = 'all' THEN CAST({_ALL_BYTES} AS INTEGER) ELSE {_BYTES.format("inputs")} END AS size
        FROM litequeue_waits WHERE job_id IN (SELECT value FROM json_each(:ids)))) AS w
WHERE id = w.job_id AND {waits_elsewhere()}"""


class Told(NamedTuple):
    """What a pass has left."""

    more: bool  # there is something in the inbox: more than one pass's share, or what was cancelled in this one
    freed: list[int]  # the jobs that were let go or made


def tell(connection: sqlite3.Connection, now: int, keep_discarded: int = KEEP_DISCARDED) -> Told:
    """One pass over the inbox, inside the caller's transaction. ``keep_discarded``: microseconds, of what cannot be given what it waited for."""
    (text,) = connection.execute(UNTOLD, {"limit": BATCH, "edges": EDGES}).fetchone()
    found = json.loads(text)
    if not found:  # what had expired, or was swept, had nobody waiting for it
        return Told(False, [])
    if len(found) == EDGES:  # of the last one there may be more
        last = found[-1][0]
        whole = [row for row in found if row[0] != last]
        found = whole or json.loads(connection.execute(CHILDREN, {"id": last}).fetchone()[0])
    told = sorted({parent for parent, *_ in found})
    made = following.due(connection, told)
    if len(made) >= following.MOST:  # the others' turn comes in the next pass; of one job there are a few at most
        told = [parent for parent in told if parent < made[-1][0]] or [made[-1][0]]
        found = [row for row in found if row[0] in set(told)]
    called = [job for callback in made if callback[0] <= told[-1] for job in following.make(connection, *callback, now)]
    counts: dict[int, list[int]] = {}
    for _, bad, child in found:
        if child is not None:
            count = counts.setdefault(child, [child, 0, 0])
            count[1] += 1
            count[2] += bad
    connection.execute(COUNT, {"counts": json.dumps(list(counts.values()))})
    connection.execute(TOLD, {"told": json.dumps(told)})
    freed = judge(connection, json.dumps(list(counts)), now, keep_discarded)
    return Told(bool(connection.execute(ANY_UNTOLD).fetchone()[0]), json.loads(freed) + called)


def recount(connection: sqlite3.Connection, jobs: Collection[int]) -> str:
    """Count anew for those of them that are blocked, from what their parents are. Their ids as JSON."""
    ids = json.dumps(sorted(set(jobs)))
    connection.execute(RECOUNT, {"ids": ids})
    return ids


def judge(connection: sqlite3.Connection, ids: str, now: int, keep_discarded: int = KEEP_DISCARDED) -> str:
    """Cancel or let go those of them (JSON) for whom that is decided now; which were let go."""
    times = {"now": now, "prune_at": now + keep_discarded}
    ends = {**times, "prune_join_at": now + KEEP}
    (doomed,) = connection.execute(DOOMED, {"ids": ids, "limit": len(json.loads(ids)) + BATCH}).fetchone()
    (needless,) = connection.execute(NEEDLESS, {"ids": ids}).fetchone()
    for rows in (doomed, needless):
        if rows != "[]":
            connection.execute(CAUSES, {"doomed": rows})
            history.count(connection, COUNT_DOOMED, {"doomed": rows}, "cancelled", now)
            connection.execute(CANCEL, {"doomed": rows, **times})
    (free,) = connection.execute(FREE, {"ids": ids}).fetchone()
    if free != "[]":
        connection.execute(INPUTS, {"ids": free})
        connection.execute(RELEASE, {"ids": free, **ends})
        history.count_final(connection, free, now)  # a join runs nothing, and some inputs are too large
    return str(free)
