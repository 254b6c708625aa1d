"""Jobs in the file: enqueue, and a worker's turn of settle, promote, expire and claim.

Owns the transactions; the SQL is in queries.py, the decisions (what an outcome means) in the worker. No user
code, encoding or logging happens inside a transaction. Every change of a state that users ask for
(cancel, revive) is in operations.py.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from ..base.models import (
    Adoption,
    ClaimedJob,
    Lease,
    LostJob,
    NewJob,
    Printed,
    Rescued,
    Settled,
    TaskOrigin,
    Unsettled,
)
from . import queries
from .file.database import Database

DAY: Final = 86_400 * 1_000_000
KEEP: Final = DAY  # of jobs that were cancelled or expired
KEEP_DISCARDED: Final = 30 * DAY
MAX_INTERRUPTIONS: Final = 3
# So many are promoted or expired in one turn: the write lock is never held for long.
BATCH: Final = 1000
KEEP_OUTPUT: Final = 64 << 10  # characters of the beginning, and as many of the end, of each stream
TRIM_EVERY: Final = 16  # pieces
SHORT_WAIT: Final = 0.2  # seconds for the write lock


class Waiting(NamedTuple):
    """A queue that is not paused, and whether it has available jobs for each pool."""

    queue: str
    thread: int
    process: int
    async_: int

    def has(self, pool: str) -> int:
        return self.async_ if pool == "async" else self.process if pool == "process" else self.thread


class Look(NamedTuple):
    """What there is to do, as one cheap SELECT tells it."""

    waiting: tuple[Waiting, ...]
    next_due: int | None  # microseconds
    next_expiry: int | None
    cancelled: tuple[int, ...]  # ids of this worker's running jobs that somebody cancelled
    sweep: bool  # waiting jobs with a cancel request


class Demand(NamedTuple):
    """What a worker can take: how many jobs for each pool, and from where."""

    limits: dict[str, int]
    room: int | None = None  # for all pools together
    queues: tuple[str, ...] | None = None  # None: all
    unknown: str | None = None  # JSON array of tasks without code here
    below: int = MAX_INTERRUPTIONS  # only jobs with fewer interruptions
    accept: Callable[[ClaimedJob], bool] = lambda _: True  # asked before a job is leased; quick and pure


class Turn(NamedTuple):
    """What came of a turn."""

    claimed: list[ClaimedJob]
    refused: list[ClaimedJob]  # not accepted, and left as they were
    lost: set[Lease]  # settled by us, but no longer ours: the results were dropped
    look: Look


class Jobs:
    """The jobs table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- enqueue ---------------------------------------------------------------------------

    def enqueue(
        self, job: NewJob, origin: TaskOrigin | None = None
    ) -> tuple[int, list[int]]:
        """Store one job durably; its id, and the ports of the workers to wake."""
        with self._database.write(durable=True) as connection:
            if origin is not None:
                record_origin(connection, origin, job.created_at)
            job_id = connection.execute(queries.INSERT_JOB, job).lastrowid
            ports = ports_to_wake(connection)
        assert job_id is not None
        return job_id, ports

    def enqueue_many(
        self,
        template: NewJob,
        payloads: Iterable[tuple[str, str]],
        origin: TaskOrigin | None = None,
    ) -> tuple[range, list[int]]:
        """Store one job per (args, kwargs), all or none; their ids, which are consecutive.

        The payloads are consumed into a TEMP table first: user code runs outside the write
        transaction, and a million jobs need no memory here. Moving them is one statement.
        Measured: 2.5 to 4 us a row in all, against 7 us for executemany into the table itself.
        """
        with self._database.side_connection() as connection:
            connection.execute(queries.STAGE_CREATE)
            connection.execute("BEGIN")
            connection.executemany(queries.STAGE_INSERT, payloads)
            connection.execute("COMMIT")
            with self._database.write(durable=True, on=connection):
                if origin is not None:
                    record_origin(connection, origin, template.created_at)
                moved = connection.execute(queries.STAGE_MOVE, template._asdict())
                count = moved.rowcount
                (last,) = connection.execute("SELECT last_insert_rowid()").fetchone()
                ports = ports_to_wake(connection)
        if count == 0:
            return range(0), []
        # AUTOINCREMENT under the write lock: nobody's ids can lie between ours.
        return range(last - count + 1, last + 1), ports

    def origin(self, task: str) -> TaskOrigin | None:
        """Where a producer said that this task's code is."""
        row = self._database.one(queries.TASK_ORIGIN, {"task": task})
        return None if row is None else TaskOrigin(*row)

    # -- the worker's turn ---------------------------------------------------------------------

    def look(self, worker: int) -> Look:
        """The same look without a transaction: for a worker that others may have been faster than."""
        return _look(self._database.one(queries.LOOK, {"worker": worker}))

    def turn(
        self,
        worker: int,
        now: int,
        lease_until: int,
        *,
        succeeded: Sequence[Settled] = (),
        others: Sequence[Unsettled] = (),
        adoptions: Sequence[Adoption] = (),
        printed: Sequence[Printed] = (),
        demand: Demand | None = None,
    ) -> Turn:
        """Settle what ended, put due jobs where they can be claimed, and claim; one transaction."""
        unsettled = _rows(others)
        adopted = _rows(adoptions)
        pieces = _rows(printed)
        lost: set[Lease] = set()
        claimed: list[ClaimedJob] = []
        refused: list[ClaimedJob] = []
        with self._database.write(durable=False) as connection:
            if succeeded:
                lost |= _settle_succeeded(connection, succeeded)
            if others:
                lost |= _missing(connection, others, unsettled)
                if any(row.error_type is not None for row in others):
                    connection.execute(queries.RECORD_ATTEMPTS, {"rows": unsettled})
                connection.execute(queries.SETTLE_OTHER, {"rows": unsettled})
            if printed:
                connection.execute(queries.PRINT, {"rows": pieces})
                for row in printed:
                    if row.number % TRIM_EVERY == 0:
                        connection.execute(queries.TRIM_OUTPUT, {**row._asdict(), "keep": KEEP_OUTPUT})
            if adoptions:
                connection.execute(queries.ADOPT, {"rows": adopted})
            look = _look(connection.execute(queries.LOOK, {"worker": worker}).fetchone())
            waiting = look.waiting
            if look.sweep:
                connection.execute(queries.CANCEL_REQUESTED, {"now": now, "prune_at": now + KEEP})
            if look.next_expiry is not None and look.next_expiry <= now:
                gone = connection.execute(
                    queries.EXPIRE, {"now": now, "prune_at": now + KEEP, "limit": BATCH}
                ).rowcount
                if gone == BATCH:  # there may be more: none of those is claimed
                    demand = None
            if look.next_due is not None and look.next_due <= now:
                connection.execute(queries.PROMOTE, {"now": now, "limit": BATCH})
                waiting = _waiting(connection.execute(queries.WAITING).fetchone()[0])
            if waiting and demand is not None:
                for pool, limit in demand.limits.items():
                    if demand.room is not None:
                        limit = min(limit, demand.room - len(claimed))
                    if limit > 0:
                        for job in _claimable(connection, waiting, pool, limit, demand):
                            (claimed if demand.accept(job) else refused).append(job)
                if claimed:
                    _lease(connection, worker, now, lease_until, claimed)
        return Turn(claimed, refused, lost, look)

    # -- leases --------------------------------------------------------------------------------

    def extend(self, worker: int, now: int, lease_until: int) -> set[Lease]:
        """Renew all the worker's leases; which ones it still holds."""
        with self._database.write(durable=False) as connection:
            connection.execute(queries.BEAT, {"worker": worker, "now": now})
            connection.execute(queries.EXTEND, {"worker": worker, "lease": lease_until})
            (text,) = connection.execute(queries.HELD_BY_WORKER, {"worker": worker}).fetchone()
        return {Lease(*row) for row in json.loads(text)}

    def make_durable(self, worker: int, now: int) -> None:
        """Sync everything committed so far: before an at-most-once job starts, its claim must stay.

        A commit at synchronous=FULL syncs the earlier ones of the log too; it has to write something.
        """
        with self._database.write(durable=True) as connection:
            connection.execute(queries.BEAT, {"worker": worker, "now": now})

    def rescue_worker(self, worker: int, name: str, now: int) -> Rescued:
        """Put back the jobs of a dead worker, and close its row."""
        with self._database.write(durable=False) as connection:
            rescued = _rescue(
                connection,
                (queries.LOSING_OF_WORKER, queries.RECORD_RESCUE_WORKER, queries.RESCUE_WORKER),
                now,
                f"worker {name} died",
                {"worker": worker},
            )
            connection.execute(queries.STOPPED, {"worker": worker, "now": now})
        return rescued

    def release_worker(self, worker: int, now: int) -> Rescued:
        """The same for a worker that had announced that it was leaving: nothing is charged."""
        with self._database.write(durable=False) as connection:
            lost = _losing(connection, queries.LOSING_RELEASED, {"worker": worker})
            count = connection.execute(
                queries.RELEASE_WORKER,
                {"worker": worker, "now": now, "prune_at": now + KEEP_DISCARDED},
            ).rowcount
            connection.execute(queries.STOPPED, {"worker": worker, "now": now})
        return Rescued(count - len(lost), lost)

    def lapsed_workers(self, me: int, now: int) -> set[int]:
        """The other workers of which a lease has run out."""
        return set(json.loads(self._database.one(queries.LAPSED_WORKERS, {"me": me, "now": now})[0]))

    def rescue_lapsed(self, worker: int, before: int, now: int) -> Rescued:
        """Put back a worker's jobs whose leases ran out ``before``: it is frozen.

        None, if the write lock had to be waited for: its heartbeat may have had to wait as well.
        """
        asked = time.monotonic()
        with self._database.write(durable=False) as connection:
            if time.monotonic() - asked > SHORT_WAIT:
                return Rescued(0, ())
            return _rescue(
                connection,
                (queries.LOSING_LAPSED, queries.RECORD_RESCUE_LAPSED, queries.RESCUE_LAPSED),
                now,
                "the lease ran out",
                {"worker": worker, "before": before},
            )


def _rows(values: Sequence[tuple[object, ...]]) -> str:
    return json.dumps(values)


def ports_to_wake(connection: sqlite3.Connection) -> list[int]:
    return [port for (port,) in connection.execute(queries.WAKE_PORTS).fetchall() if port]


def record_origin(connection: sqlite3.Connection, origin: TaskOrigin, now: int) -> None:
    connection.execute(
        queries.RECORD_TASK,
        {
            "task": origin.task,
            "module": origin.module,
            "qualname": origin.qualname,
            "directory": origin.directory,
            "options": origin.options,
            "now": now,
        },
    )


def _waiting(text: str) -> tuple[Waiting, ...]:
    if text == "[]":
        return ()
    # A planted name that is no UTF-8 cannot be asked for: its jobs stay where they are.
    return tuple(w for w in map(Waiting._make, json.loads(text)) if w.queue.isascii() or _is_text(w.queue))


def _is_text(name: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in name)


def _look(row: tuple[str, int | None, int | None, str]) -> Look:
    waiting, next_due, next_expiry, text = row
    if text == "[]":
        return Look(_waiting(waiting), next_due, next_expiry, (), False)
    asked = json.loads(text)
    running = tuple(job for job, mine in asked if mine)
    return Look(_waiting(waiting), next_due, next_expiry, running, len(running) < len(asked))


def _settle_succeeded(connection: sqlite3.Connection, values: Sequence[Settled]) -> set[Lease]:
    """Settle them; which leases were not found. The usual answer, none, costs no second query."""
    found, most = 0, queries.SETTLE_SIZES[-1]
    for start in range(0, len(values), most):
        rows = values[start : start + most]
        size = next(size for size in queries.SETTLE_SIZES if size >= len(rows))
        fields = [field for row in rows for field in row]
        fields += [None] * (size * len(Settled._fields) - len(fields))
        found += connection.execute(queries.SETTLE_SUCCEEDED[size], fields).rowcount
    if found == len(values):
        return set()
    # Those that matched are final with our attempt's number now, so "still running" cannot tell: ask
    # for the rows that are not as we wrote them.
    marks = json.dumps([(row.id, row.attempt, row.finished_at) for row in values])
    (text,) = connection.execute(queries.NOT_SETTLED, {"rows": marks}).fetchone()
    return {Lease(*row) for row in json.loads(text)}


def _missing(
    connection: sqlite3.Connection, values: Sequence[Unsettled], rows: str
) -> set[Lease]:
    (text,) = connection.execute(queries.HELD, {"rows": rows}).fetchone()
    held = {Lease(*row) for row in json.loads(text)}
    return {Lease(v.id, v.attempt) for v in values} - held


def _claimable(
    connection: sqlite3.Connection, waiting: Iterable[Waiting], pool: str, limit: int, demand: Demand
) -> list[ClaimedJob]:
    """The pool's best jobs of all the queues, by priority and then by age."""
    sql = queries.CLAIM
    parameters: dict[str, Any] = {"pool": pool, "limit": limit, "below": demand.below}
    if demand.unknown is not None:
        sql = queries.CLAIM_KNOWN
        parameters["unknown"] = demand.unknown
    found: list[list[ClaimedJob]] = []
    for queue in waiting:
        if queue.has(pool) and (demand.queues is None or queue.queue in demand.queues):
            (blob,) = connection.execute(sql, {**parameters, "queue": queue.queue}).fetchone()
            rows = json.loads(blob.decode("utf-8", "surrogateescape"))
            found.append(list(map(ClaimedJob._make, rows)))
    if len(found) == 1:
        return found[0]
    return sorted(chain(*found), key=lambda job: (-job.priority, job.run_at, job.id))[:limit]


def _lease(
    connection: sqlite3.Connection, worker: int, now: int, lease_until: int, jobs: list[ClaimedJob]
) -> None:
    ids = json.dumps([job.id for job in jobs])
    connection.execute(
        queries.LEASE, {"worker": worker, "lease": lease_until, "now": now, "ids": ids}
    )


def _rescue(
    connection: sqlite3.Connection,
    sql: tuple[str, str, str],  # what it loses, the record of the attempts, the rescue
    now: int,
    why: str,
    which: dict[str, int],
) -> Rescued:
    parameters = {
        **which,
        "now": now,
        "why": why,
        "limit": MAX_INTERRUPTIONS,
        "prune_at": now + KEEP_DISCARDED,
    }
    losing, record, rescue = sql
    lost = _losing(connection, losing, parameters)
    connection.execute(record, parameters)
    return Rescued(connection.execute(rescue, parameters).rowcount - len(lost), lost)


def _losing(connection: sqlite3.Connection, sql: str, parameters: dict[str, Any]) -> tuple[LostJob, ...]:
    (blob,) = connection.execute(sql, parameters).fetchone()
    return tuple(map(LostJob._make, json.loads(blob.decode("utf-8", "surrogateescape"))))
