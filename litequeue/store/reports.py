"""Reading for people and programs: one job, lists, counts, workers. Changes nothing.

Each method is one or a few single SELECTs, fetched whole, so that none keeps a snapshot open.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ..base.checks import MICROS, aware
from ..base.errors import JobNotFound
from ..base.masking import recorded
from ..base.stored import loads_as
from . import counting
from .file import Database
from .rules import FOREVER

if TYPE_CHECKING:  # see records for why
    from ..base.records import (
        AttemptInfo,
        JobInfo,
        Stats,
        WorkerInfo,
    )


_ALL = -1  # as a limit, to SQLite
_WORKER_NAME = "(SELECT name FROM litequeue_workers AS w WHERE w.id = {table}.worker_id)"
# By the last attempt.
_USED = "(SELECT {column} FROM litequeue_usage AS a WHERE a.job_id = litequeue_jobs.id AND a.attempt = litequeue_jobs.attempt - releases)"

JOB_COLUMNS: Final = f"""litequeue_jobs.id, task, queue, state, pool, priority, args, kwargs, attempt - releases, failures,
    interruptions, max_attempts, timeout, at_most_once, {_WORKER_NAME.format(table="litequeue_jobs")},
    created_at, run_at, started_at, finished_at, expires_at, lease_expires_at, cancel_requested_at,
    result, last_error, (SELECT name FROM litequeue_schedules AS s WHERE s.id = schedule_id), scheduled_for,
    limit_key, tags, headers, (SELECT key FROM litequeue_keys AS u WHERE u.job_id = litequeue_jobs.id),
    {_USED.format(column="cpu_time")}, {_USED.format(column="max_rss")},
    (SELECT options FROM litequeue_tasks AS o WHERE o.name = task)"""

RESULT: Final = "SELECT state, result, last_error FROM litequeue_jobs WHERE id = :id"
BORN: Final = "SELECT created_at FROM litequeue_jobs WHERE id = :id"
STATE: Final = "SELECT state FROM litequeue_jobs WHERE id = :id"
JOB: Final = f"SELECT {JOB_COLUMNS} FROM litequeue_jobs WHERE id = :id"
ATTEMPTS: Final = f"""SELECT litequeue_attempts.attempt, outcome, {_WORKER_NAME.format(table="litequeue_attempts")},
    started_at, finished_at, error_type, error_message, traceback, cpu_time, max_rss
FROM litequeue_attempts LEFT JOIN litequeue_usage USING (job_id, attempt) WHERE job_id = :id ORDER BY attempt DESC LIMIT :most"""
LAST_FAILURE: Final = """SELECT error_type, error_message, traceback FROM litequeue_attempts
WHERE job_id = :id ORDER BY attempt DESC LIMIT 1"""

JOBS: Final = f"""SELECT {JOB_COLUMNS} FROM json_each(:ids) AS v CROSS JOIN litequeue_jobs ON litequeue_jobs.id = v.value
ORDER BY v.key"""
# Each by its own index: who has finished a million does not count those.
STILL_TO_DO: Final = """SELECT queue, state, count(*) FROM litequeue_jobs WHERE state = 'available' GROUP BY queue
UNION ALL SELECT queue, state, count(*) FROM litequeue_jobs WHERE state = 'scheduled' OR state = 'retrying' GROUP BY queue, state
UNION ALL SELECT queue, state, count(*) FROM litequeue_jobs WHERE state = 'blocked' GROUP BY queue"""
WITHOUT_CODE: Final = """SELECT queue, task, count(*) FROM litequeue_jobs
WHERE state = 'available' AND task IN (SELECT value FROM json_each(:unknown)) GROUP BY queue, task ORDER BY min(id)"""
UNUSED: Final = """SELECT NOT EXISTS (SELECT 1 FROM litequeue_tasks) AND NOT EXISTS (SELECT 1 FROM litequeue_jobs)
    AND NOT EXISTS (SELECT 1 FROM litequeue_schedules)"""
PAUSED: Final = "SELECT name FROM litequeue_queues WHERE paused_at IS NOT NULL ORDER BY name"
NEXT_DUE: Final = (
    f"SELECT min(run_at) FROM litequeue_jobs WHERE (state = 'scheduled' OR state = 'retrying') AND run_at < {FOREVER}"
)
WORKER_COLUMNS: Final = "id, name, pid, host, queues, slots, started_at, heartbeat_at, stopped_at, unknown_tasks"
WORKERS: Final = f"SELECT {WORKER_COLUMNS} FROM litequeue_workers WHERE :all OR stopped_at IS NULL ORDER BY id"
# By worker and pool: jobs that run on past their timeout, which only threads can. A moment is for whoever ends them.
STUCK: Final = """SELECT worker_id, pool, count(*) FROM litequeue_jobs
WHERE state = 'running' AND started_at + timeout < :now - 2000000 GROUP BY worker_id, pool"""


# What is none of ours, too: who asks for it is told.
ENDED: Final = """SELECT v.value, j.id IS NULL FROM json_each(:ids) AS v LEFT JOIN litequeue_jobs AS j ON j.id = v.value
WHERE j.id IS NULL OR j.finished_at IS NOT NULL ORDER BY j.finished_at, v.value"""


class Reports:
    """Read-only views of the file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def result(self, job_id: int) -> tuple[str, str | None, str | None] | None:
        """(state, result, last_error) of a job."""
        row: tuple[str, str | None, str | None] | None = self._database.one(RESULT, {"id": job_id})
        return row

    def state(self, job_id: int) -> str | None:
        row = self._database.one(STATE, {"id": job_id})
        return None if row is None else row[0]

    def born(self, job_id: int) -> int | None:
        """When it was enqueued, in microseconds."""
        row = self._database.one(BORN, {"id": job_id})
        return None if row is None else row[0]

    def key_holder(self, job_id: int, now: int) -> int | None:
        """The job that has the key that this one was made under, if that is another."""
        from .keys import holder_for

        with self._database.read() as connection:
            return holder_for(connection, job_id, now)

    def last_failure(self, job_id: int) -> tuple[str, str, str] | None:
        """(type, message, traceback) of the latest attempt that failed."""
        row: tuple[str, str, str] | None = self._database.one(LAST_FAILURE, {"id": job_id})
        return row

    def job(self, job_id: int, attempts: int = _ALL) -> JobInfo | None:
        """``attempts``: of so many, the last, what went wrong in them."""
        _import_records()
        with self._database.read() as connection:
            row = connection.execute(JOB, {"id": job_id}).fetchone()
            if row is None:
                return None
            return job_of(row, _attempts(connection, job_id, attempts))

    def ended(self, jobs: Sequence[int]) -> list[int]:
        """Which of these jobs are final, what ended first first. Raises JobNotFound for one that is not there."""
        with self._database.read() as connection:
            rows = connection.execute(ENDED, {"ids": json.dumps(jobs)}).fetchall()
        for job, is_gone in rows:
            if is_gone:
                raise JobNotFound(f"there is no job {job} in {self._database.path}: it never was, or it was pruned")
        return [job for job, _ in rows]

    def paused(self) -> tuple[str, ...]:
        """The queues from which nobody claims."""
        with self._database.read() as connection:
            return tuple(name for (name,) in connection.execute(PAUSED).fetchall())

    def is_unused(self) -> bool:
        """Whether nobody has ever enqueued or scheduled anything here, or it is all pruned and nobody says where code is."""
        with self._database.read() as connection:
            return bool(connection.execute(UNUSED).fetchone()[0])

    def still_to_do(self) -> list[tuple[str, str, int]]:
        """Of each queue and waiting state, how many jobs."""
        with self._database.read() as connection:
            return connection.execute(STILL_TO_DO).fetchall()

    def without_code(self, unknown: str) -> list[tuple[str, str, int]]:
        """Of each queue and of these tasks (a JSON array), how many available jobs."""
        with self._database.read() as connection:
            return connection.execute(WITHOUT_CODE, {"unknown": unknown}).fetchall()

    def stats(self, now: int | None = None) -> Stats:
        """``now``: as for ``workers``."""
        _import_records()
        from ..base.records import Stats

        with self._database.read() as connection:
            states, queues = counting.count(connection)
            since = counting.oldest(connection)
            (due,) = connection.execute(NEXT_DUE).fetchone()
        return Stats(
            states=states,
            queues=queues,
            paused=self.paused(),
            workers=tuple(self.workers(now)),
            oldest_available=_time(min(since.values(), default=None)),
            next_due=_time(due),
        )

    def workers(self, now: int | None = None, *, stopped: bool = False) -> list[WorkerInfo]:
        """Those that run, or all; ``now`` in microseconds: with what is stuck in them then."""
        _import_records()
        stuck: dict[int, dict[str, int]] = {}
        with self._database.read() as connection:
            rows = connection.execute(WORKERS, {"all": stopped}).fetchall()
            for worker, pool, count in () if now is None else connection.execute(STUCK, {"now": now}).fetchall():
                stuck.setdefault(worker, {})[pool] = count
        return [worker_of(row, stuck.get(row[0], {})) for row in rows]


def worker_of(row: tuple[Any, ...], stuck: dict[str, int]) -> WorkerInfo:
    """From the columns above."""
    from ..base.records import WorkerInfo

    id_, name, pid, host, queues, slots, started, beat, end, unknown = row
    by_pool = loads_as(slots, dict)
    return WorkerInfo(
        id=id_,
        name=name,
        pid=pid,
        host=host,
        queues=None if queues is None else tuple(map(str, loads_as(queues, list))),
        slots={str(kind): n for kind, n in by_pool.items() if isinstance(n, int)},
        started_at=aware(started),
        heartbeat_at=aware(beat),
        stopped_at=_time(end),
        unknown_tasks={task: str(why) for task, why in loads_as(unknown, dict).items()},
        stuck=stuck,
        elastic=_ranges(by_pool.get("elastic")),
    )


def _ranges(stored: Any) -> dict[str, tuple[int, int]]:
    """Whatever is there."""
    found = stored.items() if isinstance(stored, dict) else ()
    return {str(kind): (given[0], given[1]) for kind, given in found if isinstance(given, list) and [type(n) for n in given] == [int, int]}


def jobs_of(connection: sqlite3.Connection, ids: str) -> list[JobInfo]:
    """Of a JSON array of ids those that are there, in its order."""
    _import_records()
    return [job_of(row) for row in connection.execute(JOBS, {"ids": ids}).fetchall()]


def described(connection: sqlite3.Connection, job_id: int) -> str:
    """A job as JSON, as ``job ID --json`` shows it, abridged, for who is told of its failure; inside the caller's transaction."""
    _import_records()
    from ..base.abridged import abridged, as_argument
    from ..base.records import as_dict

    info = job_of(connection.execute(JOB, {"id": job_id}).fetchone(), _attempts(connection, job_id))
    return json.dumps(as_argument(abridged(as_dict(info))), separators=(",", ":"))


def _import_records() -> None:
    """What rows become, imported with the first: who only waits for a result does without."""
    from ..base import records  # noqa: F401


def _time(stamp: int | None) -> datetime | None:
    return None if stamp is None else aware(stamp)


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / MICROS


def job_of(row: tuple[Any, ...], attempts: tuple[AttemptInfo, ...] = ()) -> JobInfo:
    from ..base.records import JobInfo

    (
        id_, task, queue, state, pool, priority, args, kwargs, attempt, failures, interruptions,
        max_attempts, timeout, at_most_once, worker, created, run, started, finished, expires,
        lease, cancel, result, last_error, schedule, scheduled_for, limit_key, tags, headers, unique_key, cpu_time, max_rss, options,
    ) = row  # fmt: skip
    return JobInfo(
        id=id_,
        task=task,
        queue=queue,
        state=state,
        pool=pool,
        priority=priority,
        args=args,
        kwargs=kwargs,
        attempt=attempt,
        failures=failures,
        interruptions=interruptions,
        max_attempts=max_attempts,
        timeout=_seconds(timeout),
        at_most_once=bool(at_most_once),
        worker=worker,
        created_at=aware(created),
        run_at=aware(run),
        started_at=_time(started),
        finished_at=_time(finished),
        expires_at=_time(expires),
        lease_expires_at=_time(lease),
        cancel_requested_at=_time(cancel),
        result=result,
        last_error=last_error,
        schedule=schedule,
        scheduled_for=_time(scheduled_for),
        limit_key=limit_key,
        tags=tuple(tag for tag in loads_as(tags, list) if isinstance(tag, str)),
        headers=headers,
        unique_key=unique_key,
        cpu_seconds=_seconds(cpu_time),
        max_rss_bytes=max_rss,
        attempts=attempts,
        secret=recorded(task, options),
    )


def _attempts(connection: sqlite3.Connection, job_id: int, most: int = _ALL) -> tuple[AttemptInfo, ...]:
    return tuple(map(_attempt, reversed(connection.execute(ATTEMPTS, {"id": job_id, "most": most}).fetchall())))


def _attempt(row: tuple[Any, ...]) -> AttemptInfo:
    from ..base.records import AttemptInfo

    number, outcome, worker, started, finished, kind, message, traceback, cpu_time, max_rss = row
    return AttemptInfo(number, outcome, worker, _time(started), _time(finished), kind, message, traceback, _seconds(cpu_time), max_rss)
