"""The last step: lease the best jobs that there is room for.

Owns the claim's order (priority, then age) and the lease. Which jobs this worker accepts is asked of the worker.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import Any, Final

from ...base.models import ClaimedJob
from .fill import record_starts
from .state import Demand, Turn

# The best jobs of each of some queues, for one pool, in the order of their index, as one JSON text. Nothing is sorted here; the
# form for all queues at once, with a CTE and a sorter, took 4.5 us a row, this one 3.2, and a third of its time for a single job in a
# worker that has just woken. One statement, since between two a thread that computes may keep the GIL for 5 ms.
_JOB = """json_array(
    id, attempt + 1, releases, task, args, kwargs, queue, pool, priority, failures, interruptions,
    max_attempts, timeout, soft_timeout, at_most_once, run_at, created_at,
    json(CASE WHEN failures > 0 OR interruptions > 0 THEN (
        SELECT json_group_array(json_array(attempt, error_type, error_message)) FROM
            (SELECT attempt, error_type, error_message FROM litequeue_attempts
             WHERE job_id = best.id ORDER BY attempt)) END),
    scheduled_for,
    CASE WHEN schedule_id IS NOT NULL THEN (SELECT name FROM litequeue_schedules WHERE id = best.schedule_id) END,
    CASE WHEN links > 3 THEN (SELECT inputs FROM litequeue_waits WHERE job_id = best.id) END{limit_key})"""
_CLAIM = f"""SELECT CAST('[' || group_concat((SELECT json_group_array({_JOB})
FROM (
    SELECT * FROM litequeue_jobs
    WHERE state = 'available' AND queue = named.value AND pool = :pool AND interruptions < :below {{known}}
    ORDER BY priority DESC, run_at, id LIMIT :limit OFFSET :offset
) AS best), ',') || ']' AS BLOB)
FROM json_each(:queues) AS named"""

CLAIM: Final = _CLAIM.format(known="", limit_key=", NULL")
# For a worker that has met tasks that it has no code for: they stay for one that does.
_KNOWN = "AND task NOT IN (SELECT value FROM json_each(:unknown))"
CLAIM_KNOWN: Final = _CLAIM.format(known=_KNOWN, limit_key=", NULL")
# Where limited jobs have slots. To ask it of each job cost 2 % of a drain.
CLAIM_LIMITED: Final = _CLAIM.format(known="", limit_key=", limit_key")
CLAIM_LIMITED_KNOWN: Final = _CLAIM.format(known=_KNOWN, limit_key=", limit_key")
# One that is named, as it would be claimed, and its state; whatever that is.
NAMED: Final = f"""SELECT CAST({_JOB.format(limit_key=", limit_key")} AS BLOB), state FROM litequeue_jobs AS best WHERE id = :id"""

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
            jobs: Iterable[ClaimedJob] = _that_fit(connection, turn, pool, limit, demand)
            if turn.look.limited:
                jobs = _not_ahead(jobs, turn, len(turn.claimed) + (limit if demand.free is None else demand.free.get(pool, 0)))
            for job in jobs:
                (turn.claimed if demand.accept(job) else turn.refused).append(job)
    if turn.claimed:
        lease(connection, turn)


def _not_ahead(jobs: Iterable[ClaimedJob], turn: Turn, most: int) -> Iterator[ClaimedJob]:
    """Without limited ones once so many are claimed: ahead of its turn such a job would hold a slot, and count as a start, while it waits here."""
    return (job for job in jobs if job.limit_key is None or len(turn.claimed) < most)


def _that_fit(connection: sqlite3.Connection, turn: Turn, pool: str, limit: int, demand: Demand) -> list[ClaimedJob]:
    """So many, or the fewer that go into one text, which is at most 1 GB: a thousand jobs may have arguments of 1 MiB each."""
    while True:
        try:
            return _claimable(connection, turn, pool, limit, demand)
        except sqlite3.DataError:
            if limit == 1:
                raise
            limit = max(limit // 8, 1)


def _claimable(
    connection: sqlite3.Connection, turn: Turn, pool: str, limit: int, demand: Demand
) -> list[ClaimedJob]:
    """The pool's best jobs of all the queues, by priority and then by age."""
    sql = CLAIM_LIMITED if turn.look.limited else CLAIM
    parameters: dict[str, Any] = {"pool": pool, "below": demand.below}
    if demand.unknown is not None:
        sql = CLAIM_LIMITED_KNOWN if turn.look.limited else CLAIM_KNOWN
        parameters["unknown"] = demand.unknown
    queues = [queue.queue for queue in turn.waiting if queue.has(pool)]
    if not queues:
        return []
    share = -(-limit // len(queues))

    def ask(queues: list[str], many: int, offset: int) -> list[list[ClaimedJob]]:
        parameters.update(queues=json.dumps(queues), limit=many, offset=offset)
        (blob,) = connection.execute(sql, parameters).fetchone()
        return [list(map(ClaimedJob._make, rows)) for rows in json.loads(blob.decode("utf-8", "surrogateescape"))]

    found = ask(queues, share, 0)
    if len(found) == 1:
        return found[0]

    def best(jobs: list[ClaimedJob]) -> Iterator[ClaimedJob]:
        """A queue's, and more as they are asked for: mostly each has its share of the best of all."""
        many, offset = share, 0
        while jobs:
            yield from jobs
            if len(jobs) < many:
                return
            offset += many
            many *= 2
            (jobs,) = ask([jobs[0].queue], many, offset)

    return list(islice(merge(*map(best, found), key=_rank), limit))


def _rank(job: ClaimedJob) -> tuple[int, int, int]:
    return -job.priority, job.run_at, job.id


def lease(connection: sqlite3.Connection, turn: Turn) -> None:
    ids = json.dumps([job.id for job in turn.claimed])
    if turn.look.limited and any(job.limit_key is not None for job in turn.claimed):
        record_starts(connection, turn, ids)
    connection.execute(LEASE, {"worker": turn.worker, "lease": turn.lease_until, "now": turn.now, "ids": ids})
