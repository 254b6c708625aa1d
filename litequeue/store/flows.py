"""Flows in the file: jobs that were stored together and wait for each other, under one id.

Owns the tables of flows, the transaction that stores one, and what is read and done by its id. How its jobs wait is in ``links``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ..base.bell import Address
from ..base.errors import JobNotFound
from ..base.exact import Enqueued, UniqueKey
from ..base.models import Membership, NewJob, TaskOrigin
from .bells import everyone
from .file import Database
from .links import graph, telling
from .links.graph import Edge, Graph, Wait
from .links.joining import FLOW_OF_JOB, INSERT_RANGE, RANGES, join
from .operations import cancel, revive
from .origins import record_origin

PORTION: Final = 500  # jobs that are cancelled or put back in one transaction: 5 to 20 ms

INSERT_FLOW: Final = "INSERT INTO litequeue_flows (end_id, gathers, created_at, batch_id) VALUES (?, ?, ?, ?)"
FLOW: Final = "SELECT end_id, gathers FROM litequeue_flows WHERE id = :id"
_JOBS: Final = f"{RANGES} CROSS JOIN litequeue_jobs AS j ON j.id BETWEEN r.first_id AND r.last_id WHERE true"
PROGRESS: Final = f"""SELECT ifnull(sum(j.state = 'succeeded'), 0), count(*), ifnull(sum(j.state = 'discarded' OR j.state = 'expired'), 0),
    ifnull(sum(j.finished_at IS NOT NULL), 0)
FROM {_JOBS} AND j.task <> '{telling.JOIN}'"""
IDS: Final = f"SELECT j.id FROM {_JOBS} AND j.task <> '{telling.JOIN}' ORDER BY j.id"
UNFINISHED: Final = f"""SELECT j.id, j.task FROM {_JOBS} AND j.finished_at IS NULL AND NOT (j.state = 'running' AND j.cancel_requested_at IS NOT NULL)
ORDER BY j.id DESC LIMIT :limit"""
FAILED: Final = f"""SELECT j.id FROM {_JOBS} AND j.id > :after AND j.finished_at IS NOT NULL AND j.state <> 'succeeded'
    AND NOT EXISTS (SELECT 1 FROM litequeue_waits AS w WHERE w.job_id = j.id AND w.cause IS NOT NULL) ORDER BY j.id LIMIT :limit"""
ENDED: Final = f"SELECT j.id FROM {_JOBS} AND j.task <> '{telling.JOIN}' AND j.finished_at IS NOT NULL ORDER BY j.finished_at, j.id"
MEMBERS: Final = f"""SELECT j.id, j.task, j.state, j.run_at, j.started_at, j.finished_at, j.last_error,
    (SELECT json_group_array(parent_id) FROM (SELECT parent_id FROM litequeue_edges WHERE child_id = j.id ORDER BY position))
FROM {_JOBS} ORDER BY j.id"""
CAUSE: Final = "SELECT cause FROM litequeue_waits WHERE job_id = :id"
AWAITED: Final = f"""SELECT p.id, p.task, p.state FROM litequeue_edges AS e JOIN litequeue_jobs AS p ON p.id = e.parent_id
WHERE e.child_id = :id AND NOT {telling.IS_TOLD} ORDER BY e.position LIMIT :most"""
IS_GROUP: Final = f"""SELECT 1 FROM litequeue_jobs AS j JOIN litequeue_waits AS w ON w.job_id = j.id
WHERE j.id = :id AND j.task = '{telling.JOIN}' AND w.takes IS NULL"""
# Of the end of a group that nobody followed when it was stored, what the group came to.
PARENT_RESULTS: Final = f"""SELECT e.parent_id, p.state, CASE WHEN p.task = '{telling.JOIN}' AND p.state = 'succeeded'
        AND EXISTS (SELECT 1 FROM litequeue_waits WHERE job_id = p.id AND takes IS NULL)
    THEN (SELECT '[' || ifnull(group_concat(ifnull(result, 'null')), '') || ']' FROM (
        SELECT m.result FROM litequeue_edges AS o JOIN litequeue_jobs AS m ON m.id = o.parent_id
        WHERE o.child_id = p.id ORDER BY o.position)) ELSE p.result END
FROM litequeue_edges AS e LEFT JOIN litequeue_jobs AS p ON p.id = e.parent_id WHERE e.child_id = :id ORDER BY e.position"""
PARENTS: Final = "SELECT parent_id FROM litequeue_edges WHERE child_id = :id ORDER BY position"


class Member(NamedTuple):
    """A job of a flow, as a picture of that needs it; times in microseconds."""

    id: int
    task: str
    state: str
    run_at: int
    started_at: int | None
    finished_at: int | None
    last_error: str | None
    parents: tuple[int, ...]  # that it waits, or waited, for; in their order


class Progress(NamedTuple):
    """How far a flow is. ``done`` counts what succeeded, ``failed`` what was discarded or has expired, ``ended`` these and what
    was cancelled."""

    done: int
    total: int
    failed: int
    ended: int


class Flows:
    """The flows of one file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enqueue(
        self, jobs: Graph, end: int | None, gathers: bool, origins: Iterable[TaskOrigin], now: int, batch: Membership | None = None
    ) -> tuple[int, list[Address]]:
        """Store all of its jobs, or none: the flow's id, and whom to wake. ``end``: the place of the job whose end is its own;
        ``gathers``: what it comes to is the results of all that that job waits for; ``batch``: of which it is a member."""
        with self._database.write(durable=True) as connection:
            for origin in origins:
                record_origin(connection, origin, now)
            ids = graph.insert(connection, jobs, now)
            end_id = None if end is None else ids[end]
            flow = connection.execute(INSERT_FLOW, (end_id, gathers, now, None if batch is None else batch.flow)).lastrowid
            assert flow is not None
            if ids:
                connection.execute(INSERT_RANGE, (ids[0], ids[-1], flow))
            if batch is not None and end_id is not None:
                join(connection, batch, end_id, end_id, whole=False)
            return flow, everyone(connection)

    def enqueue_one(
        self, job: NewJob, parents: Sequence[int], delay: int | None, callbacks: Sequence[tuple[str, str]], origin: TaskOrigin | None,
        batch: Membership | None, key: UniqueKey | None = None,
    ) -> tuple[Enqueued, list[Address]]:  # fmt: skip
        """Store one job that waits for others, has callbacks (when, JSON), or joins a batch: its id, and whom to wake. ``delay``: microseconds from when
        it may run. Where another has its ``key``, that one as it is, which joins no batch. Raises AlreadyEnqueued."""
        edges = [Edge(-parent, 0, position) for position, parent in enumerate(parents)]
        alone = Graph([job], edges, [Wait(0, delay=delay)] if edges else [], [(0, *callback) for callback in callbacks])
        with self._database.write(durable=True) as connection:
            if origin is not None:
                record_origin(connection, origin, job.created_at)
            if key is not None:
                from . import keys

                holder, is_changed = keys.holder(connection, job, key)
                if holder is not None:
                    return Enqueued(holder, False), everyone(connection) if is_changed else []
            (job_id,) = graph.insert(connection, alone, job.created_at)
            if key is not None:
                keys.hold(connection, job.task, key, job_id, job.created_at)
            if batch is not None:
                join(connection, batch, job_id, job_id)
            return Enqueued(job_id, True), everyone(connection)

    def ends(self, flow: int) -> list[int]:
        """The job whose end is its own, if there is one. Raises JobNotFound."""
        found = self.find(flow)
        if found is None:
            raise JobNotFound(f"there is no flow {flow} in {self._database.path}")
        return [] if found[0] is None else [found[0]]

    def of_job(self, job: int) -> int | None:
        """The flow that a job was stored with."""
        row = self._database.one(FLOW_OF_JOB, {"id": job})
        return None if row is None else row[0]

    def ended(self, flow: int) -> list[int]:
        """Those of its jobs that have ended, in this order."""
        with self._database.read() as connection:
            return [job for (job,) in connection.execute(ENDED, {"flow": flow}).fetchall()]

    def members(self, flow: int) -> list[Member]:
        """All of its jobs, in the order in which they were stored, those that only bring others together too."""
        with self._database.read() as connection:
            rows = connection.execute(MEMBERS, {"flow": flow}).fetchall()
        found = (Member._make((*row, tuple(json.loads(parents)))) for *row, parents in rows)
        return list({member.id: member for member in found}.values())  # planted ranges may have one twice

    def find(self, flow: int) -> tuple[int | None, bool] | None:
        """The job whose end is its own, and whether it gathers; None for no such flow."""
        row = self._database.one(FLOW, {"id": flow})
        return None if row is None else (row[0], bool(row[1]))

    def progress(self, flow: int) -> Progress:
        return Progress(*self._database.one(PROGRESS, {"flow": flow}))

    def jobs(self, flow: int) -> list[int]:
        """The ids of its jobs, in the order in which they were stored; not of those that only bring others together."""
        with self._database.read() as connection:
            return [job for (job,) in connection.execute(IDS, {"flow": flow}).fetchall()]

    def cause(self, job: int) -> int | None:
        """The job for whose sake this one was cancelled."""
        row = self._database.one(CAUSE, {"id": job})
        return None if row is None else row[0]

    def parents(self, job: int) -> list[int]:
        """The ids of the jobs that it waits, or waited, for, in their order."""
        with self._database.read() as connection:
            return [parent for (parent,) in connection.execute(PARENTS, {"id": job}).fetchall()]

    def members_of_group(self, job: int) -> list[int] | None:
        """The jobs whose results a job that only brings others together stands for; None for any other job."""
        if self._database.one(IS_GROUP, {"id": job}) is None:
            return None
        return self.parents(job)

    def parent_results(self, job: int) -> list[str | None]:
        """What those came to, JSON. Raises JobNotFound for one that is gone."""
        with self._database.read() as connection:
            found = connection.execute(PARENT_RESULTS, {"id": job}).fetchall()
        for parent, state, _ in found:
            if state is None:
                raise JobNotFound(f"job {parent}, for which job {job} waited, is not there any more")
        return [result for _, _, result in found]

    def awaited(self, job: int, most: int) -> list[tuple[int, str, str]]:
        """The jobs that it still waits for, as id, task and state; so many at most."""
        with self._database.read() as connection:
            return connection.execute(AWAITED, {"id": job, "most": most}).fetchall()

    def cancel(self, flow: int, now: int) -> tuple[int, list[Address]]:
        """Cancel all that has not ended, from the last, in portions: how many, and whom to wake. Also what comes in meanwhile."""
        count, found = 0, PORTION
        while found == PORTION:
            with self._database.write(durable=True) as connection:
                jobs = connection.execute(UNFINISHED, {"flow": flow, "limit": PORTION}).fetchall()
                found = len(jobs)
                count += sum(cancel(connection, job, now) and task != telling.JOIN for job, task in jobs)
                addresses = everyone(connection)
        return count, addresses

    def retry(self, flow: int, now: int) -> tuple[int, list[Address]]:
        """Put back what failed or was cancelled by itself, in portions; what was cancelled for its sake waits again. How many, and whom
        to wake."""
        count, last, found = 0, 0, PORTION
        while found == PORTION:
            with self._database.write(durable=True) as connection:
                jobs = [job for (job,) in connection.execute(FAILED, {"flow": flow, "after": last, "limit": PORTION}).fetchall()]
                found, last = len(jobs), max(jobs, default=last)
                revive(connection, jobs, now)
                count += found
                addresses = everyone(connection)
        return count, addresses
