"""Jobs that leave the file for another system: taken under a lease as a worker takes them, and final here once they are there.

Owns which jobs may go. What belongs together stays: a job that others wait for, or that is to be called back; one that remembers steps; one that waits for anything. How a job is handed over
is its taker's: if that dies between handing it over and ``settle``, the job is taken once more, under the same id.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from ..base.models import Unsettled
from .file import Database
from .rules import KEEP
from .turn import Turn, look, pipeline
from .turn.claim import LEASE

CAME_SINCE: Final = "that came since"
_MAY_GO: Final = """links IS NULL AND id NOT IN (SELECT job_id FROM litequeue_steps)
    AND (at_most_once = 0 OR task IN (SELECT value FROM json_each(:once)))"""
# Of one round, in memory, so that what stays is passed over once.
CANDIDATES: Final = "SELECT id FROM litequeue_jobs INDEXED BY litequeue_jobs_available WHERE state = 'available' ORDER BY id"
MOVABLE: Final = f"""SELECT id, attempt + 1, releases, task, args, kwargs, queue, priority, failures, max_attempts, timeout, soft_timeout, at_most_once, created_at, expires_at, headers,
    (SELECT json_group_array(json_array(attempt, error_type, error_message)) FROM litequeue_attempts WHERE job_id = j.id),
    (SELECT name FROM litequeue_schedules WHERE id = schedule_id)
FROM litequeue_jobs AS j
WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'available' AND queue NOT IN (SELECT name FROM litequeue_queues WHERE paused_at IS NOT NULL)
    AND task IN (SELECT value FROM json_each(:tasks)) AND {_MAY_GO}
ORDER BY id"""
MARK: Final = """UPDATE litequeue_jobs SET moved_to = json_extract(v.value, '$[2]') FROM json_each(:rows) AS v
WHERE litequeue_jobs.id = json_extract(v.value, '$[0]') AND attempt = json_extract(v.value, '$[1]') AND state = 'running'"""
STILL_FREE: Final = "SELECT 1 FROM litequeue_jobs WHERE id = :id AND attempt = :attempt AND state = 'available'"
ASKED: Final = "SELECT id FROM litequeue_jobs WHERE id IN (SELECT value FROM json_each(:ids)) AND cancel_requested_at IS NOT NULL"
MOVED_TO: Final = "SELECT moved_to FROM litequeue_jobs WHERE id = :id"
WHY_HERE: Final = f"""SELECT CASE
    WHEN queue IN (SELECT name FROM litequeue_queues WHERE paused_at IS NOT NULL) THEN 'in a paused queue'
    WHEN task NOT IN (SELECT value FROM json_each(:tasks)) THEN 'of a task that the Celery app does not know: ' || task
    WHEN NOT ({_MAY_GO}) THEN 'with callbacks, steps or a workflow, or to run at most once where its task does not say so'
    ELSE '{CAME_SINCE}' END AS why, count(*)
FROM litequeue_jobs INDEXED BY litequeue_jobs_available WHERE state = 'available' GROUP BY why ORDER BY why LIMIT 20"""
FILE_ID: Final = "SELECT value FROM litequeue_meta WHERE key = 'file_id'"
NAME_FILE: Final = "INSERT INTO litequeue_meta (key, value) VALUES ('file_id', :value) ON CONFLICT DO NOTHING"


class Leaving(NamedTuple):
    """A job that is leased to be handed over; times in microseconds."""

    id: int
    attempt: int
    releases: int
    task: str
    args: str
    kwargs: str
    queue: str
    priority: int
    failures: int
    max_attempts: int | None
    timeout: int | None
    soft_timeout: int | None
    at_most_once: int
    created_at: int
    expires_at: int | None
    headers: str | None
    errors: str | None  # JSON
    schedule: str | None


class Moving:
    """The file, as who empties it sees it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def file_id(self) -> str:
        """What tells the jobs of this file from those of others, at random, and then always."""
        with self._database.write(durable=True) as connection:
            connection.execute(NAME_FILE, {"value": secrets.token_hex(8)})
            return str(connection.execute(FILE_ID).fetchone()[0])

    def candidates(self, worker: int, now: int) -> list[int]:
        """The jobs that are free to run, with what has become so by now."""
        seen = look.read(self._database.one(*look.asked(look.LOOK, look.LOOK_NAMED, worker, None)))
        if seen.sweep or seen.has_more(now) or any(at <= now for at in seen.due()):  # who finds nothing writes nothing
            with self._database.write(durable=False) as connection:
                _turn(connection, worker, now, ())
        with self._database.read() as connection:
            return [job for (job,) in connection.execute(CANDIDATES).fetchall()]

    def take(self, worker: int, now: int, lease_until: int, ids: Sequence[int], tasks: Collection[str], once: Collection[str]) -> list[Leaving]:
        """Those of these jobs that may go, leased; but for what runs at most once, which a lease that is broken off would make a lost one: ``take_for_good``. ``once``:
        the tasks that say themselves that they run at most once."""
        names = {"tasks": json.dumps(sorted(tasks)), "once": json.dumps(sorted(once)), "ids": json.dumps(ids)}
        with self._database.write(durable=False) as connection:
            found = [Leaving(*row) for row in connection.execute(MOVABLE, names).fetchall()]
            taken = json.dumps([job.id for job in found if not job.at_most_once])
            connection.execute(LEASE, {"worker": worker, "lease": lease_until, "now": now, "ids": taken})
        return found

    def take_for_good(self, worker: int, now: int, job: Leaving, new: str, where: str) -> bool:
        """One that runs at most once: its end here, before it is handed over. False if it is not free any more."""
        with self._database.write(durable=True) as connection:
            if connection.execute(STILL_FREE, {"id": job.id, "attempt": job.attempt - 1}).fetchone() is None:
                return False
            connection.execute(LEASE, {"worker": worker, "lease": now, "now": now, "ids": json.dumps([job.id])})
            connection.execute(MARK, {"rows": json.dumps([(job.id, job.attempt, new)])})
            _turn(connection, worker, now, [_end(job, now, f"to {where} as {new}")])
        return True

    def settle(self, worker: int, now: int, moved: Sequence[tuple[Leaving, str]], where: str) -> tuple[set[int], set[int]]:
        """Their ends here: cancelled, each with the id that it has there. Which of them were somebody else's by now, and which somebody has asked to cancel."""
        rows = [_end(job, now, f"to {where} as {new}") for job, new in moved]
        with self._database.write(durable=True) as connection:
            asked = connection.execute(ASKED, {"ids": json.dumps([job.id for job, _ in moved])}).fetchall()
            connection.execute(MARK, {"rows": json.dumps([(job.id, job.attempt, new) for job, new in moved])})
            turn = _turn(connection, worker, now, rows)
        return {lease.id for lease in turn.lost}, {job for (job,) in asked}

    def give_back(self, worker: int, now: int, jobs: Sequence[Leaving]) -> None:
        """As if they had never been taken."""
        rows = [Unsettled(job.id, job.attempt, "available", None, None, None, None, 0, None, None, None, now, 1) for job in jobs]
        with self._database.write(durable=False) as connection:
            _turn(connection, worker, now, rows)

    def still_here(self, tasks: Collection[str], once: Collection[str]) -> list[tuple[str, int]]:
        """The jobs that are free to run, by why they stay."""
        names = {"tasks": json.dumps(sorted(tasks)), "once": json.dumps(sorted(once))}
        with self._database.read() as connection:
            return [(str(why), count) for why, count in connection.execute(WHY_HERE, names).fetchall()]

    def moved_to(self, job_id: int) -> str | None:
        """Under which id another system has a job."""
        row = self._database.one(MOVED_TO, {"id": job_id})
        return None if row is None else row[0]


def _turn(connection: sqlite3.Connection, worker: int, now: int, others: Sequence[Unsettled]) -> Turn:
    """A worker's turn that claims nothing: settles, lets come what is due, drops what is too late, tells who waits."""
    turn = Turn(worker, now, now, others=others)
    for step in pipeline.STEPS:
        step(connection, turn)
    return turn


def _end(job: Leaving, now: int, why: str) -> Unsettled:
    return Unsettled(job.id, job.attempt, "cancelled", None, now, None, now + KEEP, 0, "Moved", why, "", now, 0)
