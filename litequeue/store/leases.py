"""Leases: renewed by their worker, and what becomes of the jobs when the worker dies, leaves or lets them run out.

Owns the renewal, the rescue and the release. Who is dead is judged elsewhere: by the locks in ``workers``, by the clock in
the worker's ``maintenance``.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from typing import Any, Final

from ..base.clock import monotonic
from ..base.history import of_end
from ..base.models import Lease, LostJob, Rescued
from . import history
from .file import Database
from .rules import DUE, KEEP_DISCARDED, MAX_INTERRUPTIONS, free_to_run
from .workers import BEAT, STOPPED

SHORT_WAIT: Final = 0.2  # seconds for the write lock

EXTEND: Final = """UPDATE litequeue_jobs SET lease_expires_at = :lease
WHERE state = 'running' AND worker_id = :worker"""

HELD_BY_WORKER: Final = """SELECT json_group_array(json_array(id, attempt)) FROM litequeue_jobs
WHERE state = 'running' AND worker_id = :worker"""

_INTERRUPTED = f"""INSERT INTO litequeue_attempts
    (job_id, attempt, outcome, worker_id, due_at, started_at, finished_at, error_type, error_message)
SELECT id, attempt - releases, 'interrupted', worker_id, {DUE}, started_at, :now, 'Interrupted', :why
FROM litequeue_jobs WHERE state = 'running' AND {{which}}
ON CONFLICT DO NOTHING"""

# The third worker that dies under a job convicts it; an at-most-once job is lost at the first.
_DOOMED = "(at_most_once OR interruptions + 1 >= :limit)"
_FATE = """CASE
        WHEN at_most_once THEN 'Lost: ' || :why || '; it runs at most once'
        WHEN interruptions + 1 >= :limit
            THEN 'Interrupted: ' || (interruptions + 1) || ' workers died while it ran; it is the likely cause'
        ELSE 'Interrupted: ' || :why END"""
_RESCUE = f"""UPDATE litequeue_jobs SET
    {free_to_run(_DOOMED, "'discarded'")},
    finished_at = CASE WHEN {_DOOMED} THEN :now END,
    prune_at = CASE WHEN {_DOOMED} THEN :prune_at END,
    lease_expires_at = NULL, interruptions = interruptions + 1, last_error = {_FATE},
    expires_at = CASE WHEN {_DOOMED} THEN expires_at END  -- it was started in time
WHERE state = 'running' AND {{which}}"""
_SCHEDULE = "(SELECT name FROM litequeue_schedules AS s WHERE s.id = schedule_id)"
# Asked just before: which jobs it is about to discard. A BLOB, since a planted name need not be UTF-8.
_LOSING = f"""SELECT CAST(json_group_array(json_array(id, task, attempt - releases, {_FATE}, {_SCHEDULE}, queue)) AS BLOB)
FROM litequeue_jobs WHERE state = 'running' AND {_DOOMED} AND {{which}}"""

_OF_WORKER = "worker_id = :worker"
_LAPSED = "worker_id = :worker AND lease_expires_at <= :before"

RECORD_RESCUE_WORKER: Final = _INTERRUPTED.format(which=_OF_WORKER)
RESCUE_WORKER: Final = _RESCUE.format(which=_OF_WORKER)
LOSING_OF_WORKER: Final = _LOSING.format(which=_OF_WORKER)
RECORD_RESCUE_LAPSED: Final = _INTERRUPTED.format(which=_LAPSED)
RESCUE_LAPSED: Final = _RESCUE.format(which=_LAPSED)
LOSING_LAPSED: Final = _LOSING.format(which=_LAPSED)

LAPSED_WORKERS: Final = """SELECT json_group_array(worker_id) FROM (
    SELECT DISTINCT worker_id FROM litequeue_jobs
    WHERE state = 'running' AND lease_expires_at <= :now AND worker_id <> :me)"""


def given_back(lost: str, which: str) -> str:
    """As SQL: what runs is given back, and no interruption is charged. An at-most-once job had started, and does not start again, as ``lost`` says."""
    return f"""UPDATE litequeue_jobs SET
    {free_to_run("at_most_once", "'discarded'")},
    finished_at = CASE WHEN at_most_once THEN :now END,
    prune_at = CASE WHEN at_most_once THEN :prune_at END,
    last_error = CASE WHEN at_most_once THEN {lost} ELSE last_error END,
    expires_at = CASE WHEN at_most_once THEN expires_at END,
    lease_expires_at = NULL
WHERE state = 'running' AND {which}"""


# A worker that shut down in good order while calls ran on.
_SHUT_DOWN = "'Lost: the worker was shut down; it runs at most once'"
RELEASE_WORKER: Final = given_back(_SHUT_DOWN, _OF_WORKER)
_AGAIN = "state = 'running' AND NOT {doomed} AND {which}"
AGAIN_OF_WORKER: Final = history.count_of(_AGAIN.format(doomed=_DOOMED, which=_OF_WORKER))
AGAIN_LAPSED: Final = history.count_of(_AGAIN.format(doomed=_DOOMED, which=_LAPSED))
AGAIN_RELEASED: Final = history.count_of(_AGAIN.format(doomed="at_most_once", which=_OF_WORKER))
LOSING_RELEASED: Final = f"""SELECT CAST(json_group_array(json_array(id, task, attempt - releases, {_SHUT_DOWN}, {_SCHEDULE}, queue)) AS BLOB)
FROM litequeue_jobs WHERE state = 'running' AND at_most_once AND worker_id = :worker"""


class Leases:
    """The leases of the jobs that run."""

    def __init__(self, database: Database) -> None:
        self._database = database


    def extend(self, worker: int, now: int, lease_until: int) -> set[Lease]:
        """Renew all the worker's leases; which ones it still holds."""
        with self._database.write(durable=False) as connection:
            connection.execute(BEAT, {"worker": worker, "now": now})
            connection.execute(EXTEND, {"worker": worker, "lease": lease_until})
            (text,) = connection.execute(HELD_BY_WORKER, {"worker": worker}).fetchone()
        return {Lease(*row) for row in json.loads(text)}

    def make_durable(self, worker: int, now: int, patience: float | None = None) -> None:
        """Sync everything committed so far: before an at-most-once job starts, its claim must stay.

        A commit at synchronous=FULL syncs the earlier ones of the log too; it has to write something.
        """
        with self._database.write(durable=True, patience=patience) as connection:
            connection.execute(BEAT, {"worker": worker, "now": now})

    def rescue_worker(self, worker: int, name: str, now: int, keep: int = KEEP_DISCARDED) -> Rescued:
        """Put back the jobs of a dead worker, and close its row. ``keep``: microseconds, of those that it discards."""
        with self._database.write(durable=False) as connection:
            rescued = _rescue(
                connection,
                (LOSING_OF_WORKER, AGAIN_OF_WORKER, RECORD_RESCUE_WORKER, RESCUE_WORKER),
                now,
                f"worker {name} died",
                {"worker": worker, "prune_at": now + keep},
            )
            connection.execute(STOPPED, {"worker": worker, "now": now})
        return rescued

    def release_worker(self, worker: int, now: int, keep: int = KEEP_DISCARDED) -> Rescued:
        """The same for a worker that had announced that it was leaving: nothing is charged."""
        with self._database.write(durable=False) as connection:
            lost = _losing(connection, LOSING_RELEASED, {"worker": worker}, now)
            history.count(connection, AGAIN_RELEASED, {"worker": worker}, "released", now)
            count = connection.execute(
                RELEASE_WORKER,
                {"worker": worker, "now": now, "prune_at": now + keep},
            ).rowcount
            connection.execute(STOPPED, {"worker": worker, "now": now})
        return Rescued(count - len(lost), lost)

    def lapsed_workers(self, me: int, now: int) -> set[int]:
        """The other workers of which a lease has run out."""
        return set(json.loads(self._database.one(LAPSED_WORKERS, {"me": me, "now": now})[0]))

    def rescue_lapsed(self, worker: int, before: int, now: int, keep: int = KEEP_DISCARDED) -> Rescued:
        """Put back a worker's jobs whose leases ran out ``before``: it is frozen.

        None, if the write lock had to be waited for: its heartbeat may have had to wait as well.
        """
        asked = monotonic()
        with self._database.write(durable=False) as connection:
            if monotonic() - asked > SHORT_WAIT:
                return Rescued(0, ())
            return _rescue(
                connection,
                (LOSING_LAPSED, AGAIN_LAPSED, RECORD_RESCUE_LAPSED, RESCUE_LAPSED),
                now,
                "the lease ran out",
                {"worker": worker, "before": before, "prune_at": now + keep},
            )


def _rescue(
    connection: sqlite3.Connection,
    sql: tuple[str, str, str, str],  # what it loses, how many of what run again, the record of the attempts, the rescue
    now: int,
    why: str,
    which: dict[str, int],
) -> Rescued:
    parameters = {
        **which,
        "now": now,
        "why": why,
        "limit": MAX_INTERRUPTIONS,
    }
    losing, again, record, rescue = sql
    lost = _losing(connection, losing, parameters, now)
    history.count(connection, again, parameters, "interrupted", now)
    connection.execute(record, parameters)
    return Rescued(connection.execute(rescue, parameters).rowcount - len(lost), lost)


def _losing(connection: sqlite3.Connection, sql: str, parameters: dict[str, Any], now: int) -> tuple[LostJob, ...]:
    """Those that it is about to discard, which are counted."""
    (blob,) = connection.execute(sql, parameters).fetchone()
    lost = tuple(map(LostJob._make, json.loads(blob.decode("utf-8", "surrogateescape"))))
    counts = Counter((job.task, job.queue) for job in lost)
    history.add(connection, [of_end(now, task, queue, "discarded", many) for (task, queue), many in counts.items()])
    return lost
