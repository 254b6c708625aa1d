"""The last step: lease the best jobs that there is room for.

Owns the claim's order (priority, then age) and the lease. Which jobs this worker accepts is asked of the worker.
"""

from __future__ import annotations

import json
import sqlite3
from itertools import chain
from typing import Any, Final

from ...base.models import ClaimedJob
from .state import Demand, Turn

# The best jobs of one queue and pool, in the order of their index, as one JSON text. Nothing is sorted; the
# form for all queues at once, with a CTE and a sorter, took 4.5 us a row, this one 3.2, and a third
# of its time for a single job in a worker that has just woken.
_CLAIM = """SELECT CAST(json_group_array(json_array(
    id, attempt + 1, releases, task, args, kwargs, queue, pool, priority, failures, interruptions,
    max_attempts, timeout, soft_timeout, at_most_once, run_at, created_at,
    json(CASE WHEN failures > 0 OR interruptions > 0 THEN (
        SELECT json_group_array(json_array(attempt, error_type, error_message)) FROM
            (SELECT attempt, error_type, error_message FROM litequeue_attempts
             WHERE job_id = best.id ORDER BY attempt)) END),
    scheduled_for,
    CASE WHEN schedule_id IS NOT NULL THEN (SELECT name FROM litequeue_schedules WHERE id = best.schedule_id) END)) AS BLOB)
FROM (
    SELECT * FROM litequeue_jobs
    WHERE state = 'available' AND queue = :queue AND pool = :pool AND interruptions < :below {known}
    ORDER BY priority DESC, run_at, id LIMIT :limit
) AS best"""

CLAIM: Final = _CLAIM.format(known="")
# For a worker that has met tasks that it has no code for: they stay for one that does.
CLAIM_KNOWN: Final = _CLAIM.format(known="AND task NOT IN (SELECT value FROM json_each(:unknown))")

LEASE: Final = """UPDATE litequeue_jobs
SET state = 'running', attempt = attempt + 1, worker_id = :worker, lease_expires_at = :lease,
    started_at = :now
WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'available'"""


def claim(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that every available job may run now, and that ``waiting`` names the queues that have some."""
    demand = turn.demand
    if demand is None or turn.closed or not turn.waiting:
        return
    for pool, limit in demand.limits.items():
        if demand.room is not None:
            limit = min(limit, demand.room - len(turn.claimed))
        if limit > 0:
            for job in _claimable(connection, turn, pool, limit, demand):
                (turn.claimed if demand.accept(job) else turn.refused).append(job)
    if turn.claimed:
        _lease(connection, turn)


def _claimable(
    connection: sqlite3.Connection, turn: Turn, pool: str, limit: int, demand: Demand
) -> list[ClaimedJob]:
    """The pool's best jobs of all the queues, by priority and then by age."""
    sql = CLAIM
    parameters: dict[str, Any] = {"pool": pool, "limit": limit, "below": demand.below}
    if demand.unknown is not None:
        sql = CLAIM_KNOWN
        parameters["unknown"] = demand.unknown
    found: list[list[ClaimedJob]] = []
    for queue in turn.waiting:
        if queue.has(pool) and (demand.queues is None or queue.queue in demand.queues):
            (blob,) = connection.execute(sql, {**parameters, "queue": queue.queue}).fetchone()
            rows = json.loads(blob.decode("utf-8", "surrogateescape"))
            found.append(list(map(ClaimedJob._make, rows)))
    if len(found) == 1:
        return found[0]
    return sorted(chain(*found), key=lambda job: (-job.priority, job.run_at, job.id))[:limit]


def _lease(connection: sqlite3.Connection, turn: Turn) -> None:
    ids = json.dumps([job.id for job in turn.claimed])
    connection.execute(LEASE, {"worker": turn.worker, "lease": turn.lease_until, "now": turn.now, "ids": ids})
