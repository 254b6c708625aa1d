"""Questions about the file's health that nobody else asks: integrity, the WAL, what is odd in the rows.

Owns their SQL and probes; each stands alone, so that one which fails on a damaged file leaves the others. Changes
nothing but what any worker's housekeeping does (a passive checkpoint). What an answer means is the doctor's.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from ..base.checks import is_utf8
from ..base.clock import monotonic
from ..base.counts import AtLeast
from ..base.errors import LitequeueError, QueueBusy, at_fault
from . import counting
from .file import Database
from .file.lock_holder import readers, why_held_up
from .file.sqlerrors import damaged, is_unforeseen
from .links import invariants
from .schema.ledger import used_up
from .searching.sources import ALL_GROUPS, MOST_GROUPS
from .workers import Workers, is_process, process_state

BYTES: Final = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
SMALL_BYTES: Final = 16 << 20  # are checked in 30 ms
INTEGRITY: Final = "PRAGMA integrity_check(10)"
QUICK_CHECK: Final = "PRAGMA quick_check(10)"
LIVE_WORKERS: Final = """SELECT id, pid, lock_file, leaving_at IS NOT NULL, heartbeat_at
FROM litequeue_workers WHERE stopped_at IS NULL"""
HOLDER: Final = """SELECT w.pid, w.lock_file, w.leaving_at IS NOT NULL, w.heartbeat_at
FROM litequeue_jobs AS j LEFT JOIN litequeue_workers AS w ON w.id = j.worker_id AND w.stopped_at IS NULL
WHERE j.id = :id AND j.state = 'running'"""
HELD_BY_WORKERS: Final = """SELECT worker_id, count(*), count(CASE WHEN lease_expires_at < :now THEN 1 END), max(lease_expires_at)
FROM litequeue_jobs WHERE state = 'running' GROUP BY worker_id"""
LOOKED_AT: Final = 2_000  # rows, of what there may be a million of
# Of one queue, pool and priority, of those that are next: by task how many, and the oldest.
AVAILABLE_BY_TASK: Final = """SELECT min(id), task, count(*), min(run_at) FROM (
    SELECT id, task, run_at FROM litequeue_jobs WHERE state = 'available' AND queue = :queue AND pool = :pool AND priority = :priority
    ORDER BY run_at, id LIMIT :most) GROUP BY task"""
NEWEST: Final = """SELECT max(stamp) FROM (
    SELECT max(heartbeat_at) AS stamp FROM litequeue_workers
    UNION ALL
    SELECT max(created_at) FROM (SELECT created_at FROM litequeue_jobs ORDER BY id DESC LIMIT 100))"""
SCHEDULES: Final = """SELECT count(*), count(paused_at),
    count(CASE WHEN fires_at IS NOT NULL AND paused_at IS NULL AND disabled_at IS NULL THEN 1 END),
    count(CASE WHEN fires_at < :before AND paused_at IS NULL AND disabled_at IS NULL THEN 1 END),
    min(CASE WHEN fires_at < :before AND paused_at IS NULL AND disabled_at IS NULL THEN fires_at END)
FROM litequeue_schedules"""
# A job that tells of a failure is ticked off as it is made.
UNTOLD: Final = """SELECT count(*), max(id) FROM (
    SELECT * FROM (SELECT id, reported_at, created_at FROM litequeue_jobs INDEXED BY litequeue_jobs_ended
        WHERE state = 'discarded' AND finished_at IS NOT NULL AND state <> 'succeeded' ORDER BY finished_at DESC LIMIT :most)
    UNION ALL SELECT * FROM (SELECT id, reported_at, created_at FROM litequeue_jobs INDEXED BY litequeue_jobs_retrying
        WHERE state = 'retrying' ORDER BY run_at LIMIT :most))
WHERE reported_at = created_at"""
DISABLED: Final = """SELECT name, disabled_why FROM litequeue_schedules
WHERE disabled_at IS NOT NULL ORDER BY name LIMIT 20"""
FEW_WAITS: Final = 1_000  # what a row says is compared with what is so in 4 us
WAITS: Final = "SELECT count(*) FROM (SELECT 1 FROM litequeue_waits LIMIT :most)"
JOBS: Final = "SELECT count(*) FROM (SELECT 1 FROM litequeue_jobs LIMIT :most)"
OPEN_BATCHES: Final = "SELECT id, created_at FROM litequeue_flows WHERE open = 1 AND created_at < :before ORDER BY id LIMIT 20"


class Wal(NamedTuple):
    """The write-ahead log: its size, and how far a passive checkpoint came."""

    bytes: int
    frames: int
    copied: int


class Condition(NamedTuple):
    """How a worker is that has not signed off, and what it holds. Times in microseconds."""

    pid: int
    dead: bool | None  # by its lock; None where its lock file is gone, or refused
    leaving: bool  # it had announced that it was shutting down
    stopped: bool | None  # suspended (SIGSTOP); None where that cannot be told
    beat_at: int
    held: int = 0  # jobs
    lapsed: int = 0  # of them, whose lease has run out
    lease_until: int | None = None  # the last of its leases
    is_process: bool = True  # the pid is one's here
    refused: str | None = None  # what is the matter with its lock file, where that is there
    kept_by: int | None = None  # another user, who alone can look at it


class ScheduleHealth(NamedTuple):
    """How the schedules are, all together."""

    total: int
    disabled: list[tuple[str, str]]  # (name, why); at most 20
    paused: int
    coming: int  # that have a next tick
    overdue: int
    overdue_since: int | None  # microseconds


class Waits(NamedTuple):
    """The available jobs of one task that are next in a queue and pool."""

    since: int  # that the oldest of them is due; microseconds
    oldest: int  # its id
    jobs: int  # ``AtLeast``, where not all were looked at


def next_by_task(connection: sqlite3.Connection, groups: Sequence[tuple[str, str, int]], looked_at: int) -> dict[tuple[str, str, str], Waits]:
    """By queue, pool and task, of these queues, pools and priorities; so many jobs are looked at in all."""
    found: dict[tuple[str, str, str], Waits] = {}
    most = looked_at // max(len(groups), 1)
    for queue, pool, priority in groups:
        if not is_utf8(queue):  # planted: SQL cannot be asked for it
            continue
        rows = connection.execute(AVAILABLE_BY_TASK, {"queue": queue, "pool": pool, "priority": priority, "most": most}).fetchall()
        is_cut = sum(count for _, _, count, _ in rows) == most
        for id_, task, count, since in rows:
            before = found.get((queue, pool, task), Waits(since, id_, 0))
            both = before.jobs + count
            count = AtLeast(both) if is_cut or isinstance(before.jobs, AtLeast) else both
            found[queue, pool, task] = Waits(*min(before[:2], (since, id_)), count)
    return found


class Inspection:
    """One file's answers. Raises the store's errors."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._workers = Workers(database)

    def is_large(self) -> bool:
        """Whether the file is too large to be read whole by who only wants a look."""
        return int(self._database.one(BYTES)[0]) > SMALL_BYTES

    def damage(self, *, full: bool) -> list[str]:
        """What SQLite's own check finds, reading the whole file: the tables' structure, and if ``full`` each index entry too; and ids that are used up."""
        with self._database.read() as connection:
            rows = connection.execute(INTEGRITY if full else QUICK_CHECK).fetchall()
            damage = [text for (text,) in rows if text != "ok"]
            if not damage and (why := used_up(connection, self._database.path)) is not None:
                damage.append(why)
        return damage

    def lock_wait(self) -> float:
        """Seconds until the write lock was had. Raises QueueBusy naming its holder."""
        began = monotonic()
        with self._database.write(durable=False) as connection:
            connection.execute("SELECT 1").fetchone()
        return monotonic() - began

    def wal(self) -> Wal | None:
        """None where a lock was not to be had that it takes."""
        with contextlib.suppress(QueueBusy):
            busy, frames, copied = self._database.checkpoint()
            if not busy:
                return Wal(self._database.wal.size(), frames, copied)
        return None

    def held_up(self) -> str | None:
        """By whom those who write or make checkpoints are, who only reads."""
        return why_held_up(self._database.path)

    def readers(self) -> list[tuple[int, int | None]]:
        """The processes that keep the log from being written anew, and whose they are; other users' first."""
        return readers(self._database.path)

    def conditions(self, now: int) -> dict[int, Condition]:
        """By worker, of those that have not signed off."""
        with self._database.read() as connection:
            rows = connection.execute(LIVE_WORKERS).fetchall()
            held = connection.execute(HELD_BY_WORKERS, {"now": now}).fetchall()
        leases = {worker: (count, lapsed, until) for worker, count, lapsed, until in held}
        return {id_: self._condition(*row, *leases.get(id_, (0, 0, None))) for id_, *row in rows}

    def refused_locks(self) -> str | None:
        """Why no worker can start, where the folder of their locks is refused."""
        return self._workers.why_refused()

    def locks_kept_by(self) -> int | None:
        """The user who alone can look at the locks, where that is another."""
        return self._workers.kept_by()

    def _condition(self, pid: int, lock_file: str, leaving: int, beat: int, *held: Any) -> Condition:
        state = process_state(pid)
        stopped = None if state is None else state == "T"
        found = Condition(pid, self._workers.is_dead(lock_file), bool(leaving), stopped, beat, *held)
        refused = self._workers.why_refused(lock_file) if found.dead is None else None
        return found._replace(is_process=is_process(pid), refused=refused, kept_by=self.locks_kept_by() if refused else None)

    def holder(self, job_id: int) -> tuple[bool, Condition | None]:
        """Whether a job runs, and how its worker is; None for one that is not there any more."""
        row = self._database.one(HOLDER, {"id": job_id})
        if row is None:
            return False, None
        return True, None if row[0] is None else self._condition(*row)

    def orphaned(self, now: int) -> int:
        """How many leases of workers that are not there have run out."""
        with self._database.read() as connection:
            live = {row[0] for row in connection.execute(LIVE_WORKERS).fetchall()}
            held = connection.execute(HELD_BY_WORKERS, {"now": now}).fetchall()
        return sum(lapsed for worker, _, lapsed, _ in held if worker not in live)

    def waiting(self) -> list[tuple[int, int]]:
        """Of each queue, pool and task with available jobs: the oldest one's id, and how many there are among those that are next."""
        with self._database.read() as connection:
            found = next_by_task(connection, connection.execute(ALL_GROUPS, {"most": MOST_GROUPS}).fetchall(), LOOKED_AT)
        return [(oldest, count) for _, oldest, count in sorted(found.values())[:MOST_GROUPS]]

    def newest(self) -> int | None:
        """The latest time that anybody wrote as his present: microseconds."""
        stamp: int | None = self._database.one(NEWEST)[0]
        return stamp

    def untold(self) -> tuple[int, int | None]:
        """How many jobs that were to tell somebody of a failure failed themselves, and the last of them; of the newest thousands that failed."""
        count, last = self._database.one(UNTOLD, {"most": LOOKED_AT})
        return count, last

    def waits_oddly(self, *, full: bool) -> list[tuple[int, str]] | None:
        """The jobs that wait for others, or for events, as they never should, with what is the matter; None where it would take long, and
        ``full`` is not asked for."""
        with self._database.read() as connection:
            if not full:
                for sql, most in ((WAITS, FEW_WAITS), (JOBS, counting.SMALL)):
                    if connection.execute(sql, {"most": most}).fetchone()[0] >= most:
                        return None
            return invariants.odd(connection)

    def open_batches(self, before: int) -> list[tuple[int, int]]:
        """Those that have been open since before then, as id and since when; at most 20."""
        with self._database.read() as connection:
            return connection.execute(OPEN_BATCHES, {"before": before}).fetchall()

    def schedules(self, overdue_before: int) -> ScheduleHealth:
        with self._database.read() as connection:
            row = connection.execute(SCHEDULES, {"before": overdue_before}).fetchone()
            disabled = connection.execute(DISABLED).fetchall()
        count, paused, coming, overdue, since = row
        return ScheduleHealth(count, disabled, paused, coming, overdue, since)


@contextlib.contextmanager
def damage_told(database: Database) -> Iterator[None]:
    """Raise DatabaseCorrupt for an error inside that nobody foresaw, if the file is damaged.

    A value of another type than its column has comes up anywhere in what reads it, and SQLite refuses to write its row anew. To
    look at each of them would cost every read; SQLite's check, which reads the whole file, is made when something has failed.
    """
    try:
        yield
    except Exception as error:
        if not is_unforeseen(at_fault(error)):
            raise
        found: list[str] = []
        with contextlib.suppress(LitequeueError):
            found = Inspection(database).damage(full=False)
        if not found:
            raise
        raise damaged(database.path, found[0]) from error
