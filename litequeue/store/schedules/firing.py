"""Schedules and their ticks in the file.

Owns the transaction that makes each tick once: a schedule's step to its next tick, the tick's row and its job
come together or not at all, and a step counts only while the schedule is as it was when it was worked out. Which
ticks are due is decided in ``firing``; what users call is ``schedules.py`` of the package.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from ..base.errors import StoreError
from ..base.models import NewJob, Past, Planned, Step, TaskOrigin
from . import schedule_queries as queries
from .file.database import Database
from .jobs import ports_to_wake, record_origin
from .notices import insert_notices

KEEP_TICKS: Final = 90 * 86_400 * 1_000_000
KEEP_OF_EACH: Final = 10_000  # ticks of one schedule
THIN_EVERY: Final = 1_000


# (schedule, missed ticks, its on_failure, its mail_to, its queue) -> jobs
Tell = Callable[[str, Sequence[Past], str | None, str | None, str], list[NewJob]]


class NoJob(StoreError):
    """A schedule of a batch has a row of which no job can be made: somebody planted it."""


class Fired(NamedTuple):
    """A tick that became a job."""

    schedule: str
    tick: int
    job: int


class Fires(NamedTuple):
    """What came of a batch of steps."""

    fired: list[Fired]
    past: list[tuple[str, int, str, str]]  # schedule, tick, outcome, reason
    ports: list[int]


class Stored(NamedTuple):
    """A schedule's row as it stands."""

    values: dict[str, Any]
    id: int
    revision: int
    paused_at: int | None
    disabled_at: int | None
    awaiting: int


class Schedules:
    """The tables of schedules and ticks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- the scheduler's ---------------------------------------------------------------------------

    def exist(self) -> bool:
        """Whether there is anything for a scheduler to do, now or later."""
        return bool(self._database.one(queries.EXIST)[0])

    def next_fire(self, after: int = -(2**62)) -> int | None:
        """When the next tick fires, of those that fire after a moment."""
        row = self._database.one(queries.NEXT_FIRE, {"after": after})
        found: int | None = row[0]
        return found

    def due(self, now: int, limit: int, without: Iterable[int] = ()) -> list[Planned]:
        """The schedules whose tick has come, the longest due first."""
        return self._planned(queries.DUE, {"now": now, "limit": limit, "without": json.dumps(list(without))})

    def last_decided(self) -> int | None:
        """When a tick was last decided."""
        row = self._database.one(queries.LAST_DECIDED)
        found: int | None = row[0]
        return found

    def to_come(self, now: int) -> list[Planned]:
        """The schedules whose next tick is yet to come."""
        return self._planned(queries.TO_COME, {"now": now})

    def forget_future(self, now: int) -> None:
        """Let no tick have been decided later than now."""
        with self._database.write(durable=False) as connection:
            connection.execute(queries.FORGET_DECIDED, {"now": now})

    def rebooted(self, boot: str) -> list[Planned]:
        """The schedules that fire once per boot, and have not in this one."""
        return self._planned(queries.REBOOTED, {"boot": boot})

    def _planned(self, query: str, parameters: dict[str, Any]) -> list[Planned]:
        (text,) = self._database.one(query, parameters)
        return [Planned(*row) for row in json.loads(text)]

    def ended(self) -> list[tuple[Planned, int]]:
        """The schedules that waited for a job to end, and when it did."""
        (text,) = self._database.one(queries.AWAITING)
        return [(Planned(*row[:-1]), row[-1]) for row in json.loads(text)]

    def waits_for_jobs(self) -> tuple[bool, bool]:
        """Whether a schedule awaits the end of a job, and whether jobs wait for one another."""
        awaiting, blocked = self._database.one(queries.HAS_AWAITING)
        return bool(awaiting), bool(blocked)

    def unblock(self, now: int) -> tuple[int, list[int]]:
        """Let jobs go whose predecessors have ended. How many, and whom to wake."""
        with self._database.write(durable=False) as connection:
            count = connection.execute(queries.UNBLOCK, {"now": now}).rowcount
            return count, ports_to_wake(connection) if count else []

    def fire(self, steps: Sequence[Step], now: int, tell: Tell) -> Fires:
        """Take the steps that are still valid: the next tick, the ticks' rows and their jobs, in one transaction.

        ``tell`` makes the jobs that tell people of ticks that were missed.
        """
        with self._database.write(durable=True) as connection:
            try:
                return self._fire(connection, steps, now, tell)
            except sqlite3.IntegrityError as error:
                raise NoJob(f"no job can be made of it: {error}") from error

    def _fire(self, connection: sqlite3.Connection, steps: Sequence[Step], now: int, tell: Tell) -> Fires:
        won = self._win(connection, steps)
        if not won:
            return Fires([], [], [])
        mine = [step for step in steps if step.id in won]
        schedules = json.dumps([step.id for step in mine if step.fire])
        connection.execute(queries.CLOSE_OF, {"schedules": schedules})
        jobs, rows = self._decide(connection, mine, schedules)
        fired = self._insert(connection, jobs, rows, now)
        self._thin(connection, schedules, max((len(step.fire) for step in mine), default=1))
        told = self._tell(connection, mine, tell, now)
        ports = ports_to_wake(connection) if fired or told else []
        names = {step.id: step.name for step in mine}
        past = [(names[row[0]], row[1], row[3], row[4]) for row in rows]
        return Fires([Fired(names[id_], tick, job) for id_, tick, job in fired], past, ports)

    @staticmethod
    def _win(connection: sqlite3.Connection, steps: Sequence[Step]) -> set[int]:
        text = json.dumps([
            (s.id, s.revision, s.seen, s.next_tick_at, s.fires_at, int(s.awaiting), s.boot, len(s.fire))
            for s in steps
        ])  # fmt: skip
        (won,) = connection.execute(queries.WON, {"steps": text}).fetchone()
        if won != "[]":
            connection.execute(queries.STEP, {"steps": text, "won": won})
        return set(json.loads(won))

    @staticmethod
    def _decide(
        connection: sqlite3.Connection, steps: Sequence[Step], schedules: str
    ) -> tuple[list[tuple[int, int, str, str]], list[list[Any]]]:
        """The jobs to insert, as (schedule, tick, state, outcome), and the rows of ticks that are not fired."""
        (text,) = connection.execute(queries.BUSY, {"schedules": schedules}).fetchone()
        busy: set[int] = set(json.loads(text))
        (text,) = connection.execute(queries.OVERLAPS, {"schedules": schedules}).fetchone()
        rules = {id_: (overlap, catch_up) for id_, overlap, catch_up in json.loads(text)}
        ticks = json.dumps([(step.id, due.tick) for step in steps for due in step.fire])
        (text,) = connection.execute(queries.TAKEN, {"ticks": ticks}).fetchone()
        taken = {(id_, tick) for id_, tick in json.loads(text)}
        jobs: list[tuple[int, int, str, str]] = []
        rows: list[list[Any]] = []
        for step in steps:
            rows += [[step.id, p.tick, p.through, p.outcome, p.reason, None] for p in step.past]
            for due in step.fire:
                overlap, catch_up = rules[step.id]
                if (step.id, due.tick) in taken:
                    continue
                if step.id not in busy or overlap == "allow":
                    jobs.append((step.id, due.tick, "available", due.outcome))
                    busy.add(step.id)
                elif overlap == "queue" or catch_up == "all" and due.outcome == "late":
                    # What was missed is caught up one after another, however an overlap is treated.
                    jobs.append((step.id, due.tick, "blocked", due.outcome))
                else:
                    reason = "the job of an earlier tick had not ended"
                    rows.append([step.id, due.tick, None, "skipped", reason, None])
        return jobs, rows

    @staticmethod
    def _insert(
        connection: sqlite3.Connection, jobs: Sequence[tuple[int, int, str, str]], rows: list[list[Any]], now: int
    ) -> list[tuple[int, int, int]]:
        first = 0
        if jobs:
            text = json.dumps([job[:3] for job in jobs])
            connection.execute(queries.FIRE_JOBS, {"jobs": text, "now": now})
            # AUTOINCREMENT under the write lock: nobody's ids can lie between ours.
            (last,) = connection.execute("SELECT last_insert_rowid()").fetchone()
            first = last - len(jobs) + 1
        fired = [(id_, tick, first + n) for n, (id_, tick, _, _) in enumerate(jobs)]
        outcomes = [job[3] for job in jobs]
        ticks = [[id_, tick, None, outcome, None, job] for (id_, tick, job), outcome in zip(fired, outcomes, strict=True)]
        if ticks or rows:
            connection.execute(queries.RECORD_TICKS, {"ticks": json.dumps(ticks + rows), "now": now})
        return fired

    @staticmethod
    def _thin(connection: sqlite3.Connection, schedules: str, most: int) -> None:
        """Bound the history of a schedule that fires often; ``most``: ticks that any of them has just had."""
        (text,) = connection.execute(
            queries.MUCH_FIRED, {"schedules": schedules, "every": THIN_EVERY, "step": most}
        ).fetchone()
        for id_ in json.loads(text):
            connection.execute(queries.THIN_TICKS, {"id": id_, "keep": KEEP_OF_EACH - 1})

    @staticmethod
    def _tell(connection: sqlite3.Connection, steps: Sequence[Step], tell: Tell, now: int) -> bool:
        told = False
        for step in steps:
            missed = [past for past in step.past if past.outcome == "missed"]
            if missed:
                row = connection.execute(queries.LISTENERS, {"id": step.id}).fetchone()
                jobs = tell(step.name, missed, *row)
                insert_notices(connection, jobs, now)
                told |= bool(jobs)
        return told

    def disable(self, schedule: Planned | Step | Stored, why: str, now: int) -> None:
        """Take a schedule out of service that cannot be worked out."""
        with self._database.write(durable=True) as connection:
            connection.execute(
                queries.DISABLE, {"id": schedule.id, "revision": schedule.revision, "why": why, "now": now}
            )

    def prune(self, now: int, limit: int) -> int:
        """Forget up to ``limit`` of the ticks that are older than any needs to be. How many."""
        parameters = {"before": now - KEEP_TICKS, "limit": limit}
        if self._database.one(queries.OLD_TICK, parameters) is None:
            return 0
        with self._database.write(durable=False) as connection:
            return connection.execute(queries.PRUNE_TICKS, parameters).rowcount

    # -- what people and code do -------------------------------------------------------------------

    def stored(self, name: str) -> Stored | None:
        with self._database.read() as connection:
            return _stored(connection, name)

    def add(
        self, values: dict[str, Any], origin: TaskOrigin | None, paused: bool, now: int
    ) -> list[int] | None:
        """Add a schedule: whom to wake, or None if its name is taken."""
        with self._database.write(durable=True) as connection:
            if _stored(connection, values["name"]) is not None:
                return None
            if origin is not None:
                record_origin(connection, origin, now)
            connection.execute(queries.INSERT, {**values, "paused_at": now if paused else None, "now": now})
            return ports_to_wake(connection)

    def change(
        self, known: Stored, values: dict[str, Any], origin: TaskOrigin | None, now: int, *, retime: bool
    ) -> list[int] | None:
        """Write a schedule's row anew; ``retime``: also its anchor and next tick.

        Whom to wake; None if it is not as it was ``known``: then what was worked out from that is void.
        """
        with self._database.write(durable=True) as connection:
            found = _stored(connection, known.values["name"])
            if found is None or (found.id, found.revision) != (known.id, known.revision):
                return None
            if retime and found.values["next_tick_at"] != known.values["next_tick_at"]:
                return None  # a tick was fired: it must not come again
            if origin is not None:
                record_origin(connection, origin, now)
            connection.execute(queries.REPLACE if retime else queries.AMEND, {**values, "now": now})
            return ports_to_wake(connection)

    def remove(self, name: str) -> bool:
        """Delete a schedule and its history; its jobs stay. Whether there was one."""
        with self._database.write(durable=True) as connection:
            known = _stored(connection, name)
            if known is None:
                return False
            connection.execute(queries.CLOSE_OF, {"schedules": json.dumps([known.id])})
            connection.execute(queries.REMOVE_TICKS, {"id": known.id})
            connection.execute(queries.REMOVE, {"name": name})
            return True

    def pause(self, name: str, now: int) -> bool:
        with self._database.write(durable=True) as connection:
            return connection.execute(queries.PAUSE, {"name": name, "now": now}).rowcount > 0

    def resume(self, known: Stored, next_tick: int | None, fires_at: int | None, now: int) -> list[int] | None:
        """Undo a pause or a disablement; the next tick is counted from now, or from the end of the job that runs.

        Whom to wake; None if it is not as it was ``known``.
        """
        with self._database.write(durable=True) as connection:
            (busy,) = connection.execute(queries.BUSY, {"schedules": json.dumps([known.id])}).fetchone()
            awaiting = bool(known.awaiting) and busy != "[]"
            count = connection.execute(
                queries.RESUME,
                {
                    "name": known.values["name"], "revision": known.revision, "now": now, "awaiting": int(awaiting),
                    "next_tick_at": None if awaiting else next_tick, "fires_at": None if awaiting else fires_at,
                },
            ).rowcount  # fmt: skip
            return ports_to_wake(connection) if count else None

    def run_now(self, name: str, now: int) -> tuple[int, list[int]] | None:
        """Make a job of a schedule now, beside its ticks: its id, and whom to wake. None if there is no such schedule."""
        with self._database.write(durable=True) as connection:
            known = _stored(connection, name)
            if known is None:
                return None
            tick = now
            while self._is_taken(connection, name, tick):
                tick += 1  # two within a microsecond
            fired = self._insert(connection, [(known.id, tick, "available", "manual")], [], now)
            return fired[0][2], ports_to_wake(connection)

    @staticmethod
    def _is_taken(connection: sqlite3.Connection, name: str, tick: int) -> bool:
        rows = connection.execute(queries.TICKS, {"name": name, "before": tick + 1, "limit": 1}).fetchall()
        return bool(rows) and rows[0][0] == tick

    # -- declared in code ----------------------------------------------------------------------------

    def declaring(self) -> list[tuple[str, str]]:
        """The modules, with their directories, that declared schedules of this file; also what they have no more, and may have again."""
        with self._database.read() as connection:
            return [(module, directory) for module, directory in connection.execute(queries.DECLARING).fetchall()]

    def withdraw(self, module: str, directory: str, declared: Iterable[str], why: str, now: int) -> list[str]:
        """Disable what a module declared once and does not declare any more. Which."""
        keep = set(declared)
        where = {"module": module, "directory": directory}
        with self._database.read() as connection:
            rows = connection.execute(queries.DECLARED_BY, where).fetchall()
        if all(name in keep for _, name, _ in rows):
            return []
        with self._database.write(durable=True) as connection:
            rows = connection.execute(queries.DECLARED_BY, where).fetchall()
            gone = [row for row in rows if row[1] not in keep]
            for id_, _, revision in gone:
                connection.execute(queries.DISABLE, {"id": id_, "revision": revision, "why": why, "now": now})
        return [name for _, name, _ in gone]

    # -- reading ---------------------------------------------------------------------------------------

    def rows(self, name: str | None = None) -> list[tuple[Any, ...]]:
        """The rows of LIST, or of SHOW."""
        with self._database.read() as connection:
            if name is None:
                return connection.execute(queries.LIST).fetchall()
            return connection.execute(queries.SHOW, {"name": name}).fetchall()

    def ticks(self, name: str, before: int | None, limit: int) -> list[tuple[Any, ...]]:
        with self._database.read() as connection:
            parameters = {"name": name, "before": before, "limit": limit}
            return connection.execute(queries.TICKS, parameters).fetchall()


def _stored(connection: sqlite3.Connection, name: str) -> Stored | None:
    row = connection.execute(queries.STORED, {"name": name}).fetchone()
    if row is None:
        return None
    count = len(queries.COLUMNS)
    return Stored(dict(zip(queries.COLUMNS, row[:count], strict=True)), *row[count:])
