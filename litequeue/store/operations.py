"""What users do to jobs and queues that exist: cancel, retry, move, pause; and what time does: prune.

Owns those transactions and their SQL. A worker's own path is in ``jobs`` and ``turn``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from ..base.bell import Address
from ..base.clock import monotonic
from . import history, keys, limits, steps, tags
from .bells import everyone
from .file import Database
from .links import keeping, telling
from .links.revival import counted_anew, revived
from .rules import IN_LINE, KEEP, free_to_run
from .schedules import CLOSE_ALL, REOPEN

_WAITING: Final = "id = :id AND finished_at IS NULL AND lease_expires_at IS NULL"
CANCEL_WAITING: Final = f"""UPDATE litequeue_jobs
SET state = 'cancelled', finished_at = :now, prune_at = :prune_at, cancel_requested_at = :now
WHERE {_WAITING}"""
COUNT_WAITING: Final = history.count_of(_WAITING)

CANCEL_RUNNING: Final = """UPDATE litequeue_jobs
SET cancel_requested_at = coalesce(cancel_requested_at, :now)
WHERE id = :id AND state = 'running'"""

REVIVE: Final = f"""UPDATE litequeue_jobs
SET {free_to_run()}, run_at = {steps.IN_TIME}, failures = 0, interruptions = 0, finished_at = NULL, prune_at = NULL,
    result = NULL, last_error = NULL, cancel_requested_at = NULL, expires_at = NULL,
    reported_at = CASE WHEN reported_at <= created_at THEN reported_at END  -- what itself tells of another stays silent
WHERE id = :id AND finished_at IS NOT NULL AND moved_to IS NULL
    AND NOT (state = 'succeeded' AND task = '{telling.JOIN}')  -- it runs nothing, and some of what it brought together may be gone
    AND NOT (ifnull(links, 0) > 3 AND EXISTS (
    SELECT 1 FROM litequeue_waits WHERE job_id = :id AND cause IS NOT NULL))  -- only what is its cause can be put back"""

HURRY: Final = f"""UPDATE litequeue_jobs SET {free_to_run()}, run_at = min(run_at, {steps.IN_TIME})
WHERE id = :id AND (state = 'scheduled' OR state = 'retrying' OR {IN_LINE})"""
# It had put other work in its place, and runs anew.
PUT_ASIDE: Final = "DELETE FROM litequeue_edges WHERE child_id = (SELECT job_id FROM litequeue_waits WHERE job_id = :id AND replaced)"
ITS_PARENTS: Final = """INSERT OR REPLACE INTO litequeue_edges (parent_id, child_id, position)
SELECT v.value, w.job_id, v.key FROM litequeue_waits AS w
JOIN json_each(CASE WHEN json_valid(w.own_parents) THEN w.own_parents ELSE '[]' END) AS v
WHERE w.job_id = :id AND w.replaced AND v.type = 'integer'"""
AS_IT_WAS: Final = "UPDATE litequeue_waits SET inputs = own_inputs, own_parents = NULL, replaced = 0 WHERE job_id = :id AND replaced"
STATE: Final = "SELECT state, links FROM litequeue_jobs WHERE id = :id"

PAUSE: Final = """INSERT INTO litequeue_queues (name, paused_at) VALUES (:queue, :now)
ON CONFLICT (name) DO UPDATE SET paused_at = coalesce(paused_at, excluded.paused_at)"""
RESUME: Final = "DELETE FROM litequeue_queues WHERE name = :queue"

IS_PAUSED: Final = "SELECT 1 FROM litequeue_queues WHERE name = :queue AND paused_at IS NOT NULL"
# One that runs stays where it was claimed from: what it does there is counted by its queue. One that has ended runs there if it is put back.
MOVE: Final = """UPDATE litequeue_jobs SET queue = :queue
WHERE id IN (SELECT value FROM json_each(:ids)) AND lease_expires_at IS NULL AND queue <> :queue"""
STILL_WAITING: Final = """SELECT json_group_array(id) FROM litequeue_jobs
WHERE id IN (SELECT value FROM json_each(:ids)) AND finished_at IS NULL AND lease_expires_at IS NULL"""
PRUNE_NOW: Final = """UPDATE litequeue_jobs SET prune_at = :now
WHERE id IN (SELECT value FROM json_each(:ids)) AND finished_at IS NOT NULL"""
STILL_THERE: Final = "SELECT count(*) FROM litequeue_jobs WHERE id IN (SELECT value FROM json_each(:ids))"
PURGE_SECONDS: Final = 0.02  # for which one transaction deletes
ANY_PRUNABLE: Final = "SELECT 1 FROM litequeue_jobs WHERE prune_at IS NOT NULL AND prune_at <= :now LIMIT 1"
OLDEST_PRUNABLE: Final = "SELECT prune_at FROM litequeue_jobs WHERE prune_at IS NOT NULL ORDER BY prune_at LIMIT 1"
PRUNABLE: Final = """SELECT json_group_array(id), max(ifnull(links, 0)) FROM (
    SELECT id, links FROM litequeue_jobs WHERE prune_at IS NOT NULL AND prune_at <= :now
    ORDER BY prune_at LIMIT :limit)"""
PRUNE_JOBS: Final = "DELETE FROM litequeue_jobs WHERE id IN (SELECT value FROM json_each(:ids))"
PRUNE_ATTEMPTS: Final = (
    "DELETE FROM litequeue_attempts WHERE job_id IN (SELECT value FROM json_each(:ids))"
)
PRUNE_OUTPUT: Final = "DELETE FROM litequeue_output WHERE job_id IN (SELECT value FROM json_each(:ids))"
PRUNE_USAGE: Final = "DELETE FROM litequeue_usage WHERE job_id IN (SELECT value FROM json_each(:ids))"
PRUNE_PROGRESS: Final = "DELETE FROM litequeue_progress WHERE job_id IN (SELECT value FROM json_each(:ids))"


def cancel(connection: sqlite3.Connection, job_id: int, now: int) -> bool:
    """Cancel a waiting job, ask for it of a running one; whether it was one of these. Inside the caller's transaction."""
    parameters = {"id": job_id, "now": now, "prune_at": now + KEEP}
    history.count(connection, COUNT_WAITING, parameters, "cancelled", now)
    return any(connection.execute(sql, parameters).rowcount for sql in (CANCEL_WAITING, CANCEL_RUNNING))


def revive(connection: sqlite3.Connection, jobs: Iterable[int], now: int, *, from_start: bool = False) -> list[int]:
    """Put final jobs back, with what was cancelled for their sake; which of them were final. Each goes on behind its last step, if it had not
    succeeded and is not to begin anew. Inside the caller's transaction."""
    back = []
    for job in jobs:
        parameters = {"id": job, "now": now, "job": job}
        row = connection.execute(STATE, parameters).fetchone()
        if not connection.execute(REVIVE, parameters).rowcount:
            continue
        if from_start or row[0] != "cancelled":  # one that was cancelled while others were to take its place waits for those again
            for sql in (PUT_ASIDE, ITS_PARENTS, AS_IT_WAS):
                connection.execute(sql, parameters)
        if from_start or row[0] == "succeeded":
            connection.execute(steps.FORGET, parameters)
        connection.execute(REOPEN, parameters)
        keys.revived(connection, job, now)
        back.append(job)
    revived(connection, back, now)
    return back


def hurried(connection: sqlite3.Connection, job: int, now: int, *, from_start: bool) -> int:
    """A waiting one runs now, or counts anew what it waits for; 1 if it was to run later."""
    parameters = {"id": job, "now": now}
    if from_start:
        connection.execute(steps.FORGET_WAITING, parameters)
    found = connection.execute(HURRY, parameters).rowcount
    connection.execute(limits.LINE_UP, parameters)
    counted_anew(connection, job, now)
    return found


class Operations:
    """Changes that come from people and from housekeeping."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cancel(self, job_id: int, now: int) -> tuple[str | None, bool, list[Address]]:
        """Cancel a waiting job at once, ask for it of a running one.

        Its state now (None: no such job), whether that was of any use, and the workers to wake. A final
        state is left alone.
        """
        with self._database.write(durable=True) as connection:
            done = cancel(connection, job_id, now)
            row = connection.execute(STATE, {"id": job_id}).fetchone()
            if row and row[1] in (1, 5):  # who waits for it sees that at once, where no worker runs, too
                telling.tell(connection, now)
            return (row[0] if row else None), done, everyone(connection)

    def revive(self, job_id: int, now: int, *, from_start: bool = False) -> tuple[str | None, list[Address]]:
        """Put a final job back as if new; let a waiting one run now, or count anew what it waits for. Its state, and whom to wake."""
        with self._database.write(durable=True) as connection:
            parameters = {"id": job_id, "now": now}
            if not revive(connection, [job_id], now, from_start=from_start):
                hurried(connection, job_id, now, from_start=from_start)
            row = connection.execute(STATE, parameters).fetchone()
            return (row[0] if row else None), everyone(connection)

    def cancel_all(self, jobs: Sequence[int], now: int) -> tuple[int, list[Address]]:
        """The same of several, in one transaction: how many it was of any use to, and the workers to wake."""
        with self._database.write(durable=True) as connection:
            count = sum(cancel(connection, job, now) for job in jobs)
            telling.tell(connection, now)
            return count, everyone(connection) if count else []

    def revive_all(self, jobs: Sequence[int], now: int, *, from_start: bool = False) -> tuple[int, list[Address]]:
        """The same of several, in one transaction: how many were put back, or run sooner."""
        with self._database.write(durable=True) as connection:
            back = set(revive(connection, jobs, now, from_start=from_start))
            count = len(back)
            for job in jobs:
                if job not in back:
                    count += hurried(connection, job, now, from_start=from_start)
            return count, everyone(connection) if count else []

    def move(self, jobs: Sequence[int], queue: str) -> tuple[int, list[Address]]:
        """Let several wait in another queue; how many were moved, and whom to wake. Each stays what it is: its place in a workflow, its key and its
        limit are its own, and not its queue's."""
        ids = json.dumps(list(jobs))
        with self._database.write(durable=True) as connection:
            count = connection.execute(MOVE, {"ids": ids, "queue": queue}).rowcount
            if count:
                if connection.execute(IS_PAUSED, {"queue": queue}).fetchone() is not None:
                    limits.paused(connection, queue)  # a paused queue keeps no slots from others
                limits.ask_of(connection, ids)  # those of a paused one were passed over until now
            return count, everyone(connection) if count else []

    def purge(self, jobs: Sequence[int], now: int, *, only_final: bool = False) -> tuple[int, int, list[Address]]:
        """Delete several: what waits is cancelled first, and who waits for that is told; with ``only_final`` it is left alone. So are those that run,
        and those from which others came that are there. How many are gone, how many were cancelled and are there all the same, and whom to wake."""
        ids = json.dumps(list(jobs))
        with self._database.write(durable=True) as connection:
            waiting = [] if only_final else json.loads(connection.execute(STILL_WAITING, {"ids": ids}).fetchone()[0])
            for job in waiting:
                cancel(connection, job, now)
            telling.tell(connection, now)
            (there,) = connection.execute(STILL_THERE, {"ids": ids}).fetchone()
            addresses = everyone(connection) if waiting else []
        left = there
        while True:  # who came of others goes before them
            with self._database.write(durable=True) as connection:
                connection.execute(PRUNE_NOW, {"ids": ids, "now": now})
            while self.prune(now, PURGE_SECONDS):
                pass
            before, (left,) = left, self._database.one(STILL_THERE, {"ids": ids})
            if left in (0, before):
                (kept,) = self._database.one(STILL_THERE, {"ids": json.dumps(waiting)})
                return there - left, kept, addresses

    def pause(self, queue: str, now: int) -> None:
        with self._database.write(durable=True) as connection:
            connection.execute(PAUSE, {"queue": queue, "now": now})
            limits.paused(connection, queue)

    def resume(self, queue: str) -> list[Address]:
        with self._database.write(durable=True) as connection:
            connection.execute(RESUME, {"queue": queue})
            limits.resumed(connection, queue)
            return everyone(connection)

    def oldest_prunable(self) -> int | None:
        """When the time comes, or came, of the job that is to be deleted first."""
        row = self._database.one(OLDEST_PRUNABLE)
        return None if row is None else int(row[0])

    def prune(self, now: int, seconds: float) -> int:
        """Delete final jobs whose time has come, with their attempts and output, for about ``seconds``. How many; 0 once none is left.

        What became of them stays with their ticks. By time and not by number: a row takes 4 us, and one with a megabyte in it
        4 ms, since some SQLites (Debian's) overwrite what they delete. Twice as many each time, so that the clock is looked at
        ten times for a thousand, and the whole takes at most some three times as long.
        """
        if self._database.one(ANY_PRUNABLE, {"now": now}) is None:
            return 0
        count, many = 0, 1
        with self._database.write(durable=False) as connection:
            until = monotonic() + seconds  # not before: where many wait for the lock, each round would be over as it began
            connection.execute(CLOSE_ALL)
            (has_keys,) = connection.execute(keys.ANY).fetchone()
            (has_tags,) = connection.execute(tags.ANY).fetchone()
            (remembers,) = connection.execute(steps.ANY).fetchone()
            (has_flows,) = connection.execute(keeping.ANY_FLOWS).fetchone()
            while True:
                # Asked inside: somebody may have revived one since.
                text, links = connection.execute(PRUNABLE, {"now": now, "limit": many}).fetchone()
                if links:
                    text = keeping.prunable(connection, text, now)
                connection.execute(PRUNE_ATTEMPTS, {"ids": text})
                connection.execute(PRUNE_OUTPUT, {"ids": text})
                connection.execute(PRUNE_PROGRESS, {"ids": text})
                connection.execute(PRUNE_USAGE, {"ids": text})
                if remembers:
                    connection.execute(steps.PRUNE_STEPS, {"ids": text})
                    connection.execute(steps.PRUNE_LISTENERS, {"ids": text})
                if has_tags:
                    connection.execute(tags.FORGET, {"ids": text})
                if has_keys:
                    keys.prune(connection, text, now)
                found = connection.execute(PRUNE_JOBS, {"ids": text}).rowcount
                if has_flows:
                    keeping.forget_flows(connection, text)
                count += found
                if found < many and not links or monotonic() >= until:
                    return count
                many *= 2
