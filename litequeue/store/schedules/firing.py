"""The scheduler's part: which schedules are due, and the transaction that makes each tick once.

Owns that transaction: a schedule's step to its next tick, the tick's row and its job come together or not at all, and a
step counts only while the schedule is as it was when it was worked out. A batch of ticks travels as one JSON parameter,
so that a thousand schedules that fall on the same second cost a handful of statements.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from ...base.bell import Address
from ...base.errors import StoreError
from ...base.models import Fire, NewJob, Past, Planned, Step
from ..bells import everyone
from ..file import Database
from ..notices import insert_notices
from ..rules import HAS_COME, IN_LINE, WAITS, free_to_run, waits_elsewhere
from .history import (
    CLOSE_OF,
    IS_OPEN,
    KEEP_TICKS,
    OLD_TICK,
    OPEN,
    PRUNE_TICKS,
    insert_fired,
    thin,
)

# -- the scheduler's look --------------------------------------------------------------------------

# Or jobs that wait for one another: their schedule may be gone.
EXIST: Final = f"""SELECT EXISTS (SELECT 1 FROM litequeue_schedules)
    OR EXISTS (SELECT 1 FROM litequeue_jobs WHERE {IN_LINE})"""

NEXT_FIRE: Final = """SELECT min(fires_at) FROM litequeue_schedules
WHERE fires_at IS NOT NULL AND paused_at IS NULL AND disabled_at IS NULL AND fires_at > :after"""

_PLANNED = """id, revision, name, trigger, catch_up, grace, jitter, anchor_at, next_tick_at, fires_at"""

DUE: Final = f"""SELECT json_group_array(json_array({_PLANNED})) FROM (
    SELECT {_PLANNED} FROM litequeue_schedules
    WHERE fires_at IS NOT NULL AND paused_at IS NULL AND disabled_at IS NULL AND fires_at <= :now
      AND id NOT IN (SELECT value FROM json_each(:without))
    ORDER BY fires_at LIMIT :limit)"""

# Those that wait for their last job, and when it ended: 0 while it has not. A job that is gone has ended. A tick that made none, since its key was
# taken, is over when that is decided: else its schedule would wait for ever.
AWAITING: Final = f"""SELECT json_group_array(json_array({_PLANNED}, max(ifnull(ended_at, 0), decided_at))) FROM (
    SELECT {_PLANNED}, (
        SELECT CASE WHEN t.job_finished_at IS NOT NULL THEN t.job_finished_at
                    WHEN j.id IS NULL THEN t.decided_at ELSE ifnull(j.finished_at, 0) END
        FROM litequeue_ticks AS t LEFT JOIN litequeue_jobs AS j ON j.id = t.job_id
        WHERE t.schedule_id = s.id AND t.job_id IS NOT NULL ORDER BY t.tick_at DESC LIMIT 1) AS ended_at,
        (SELECT decided_at FROM litequeue_ticks WHERE schedule_id = s.id ORDER BY tick_at DESC LIMIT 1) AS decided_at
    FROM litequeue_schedules AS s WHERE awaiting = 1 AND disabled_at IS NULL)
WHERE ended_at IS NOT 0 AND decided_at IS NOT NULL"""

# The time was later once: the clock has been set back.
LAST_DECIDED: Final = "SELECT max(decided_at) FROM litequeue_ticks"

FORGET_DECIDED: Final = "UPDATE litequeue_ticks SET decided_at = :now WHERE decided_at > :now"

TO_COME: Final = f"""SELECT json_group_array(json_array({_PLANNED})) FROM (
    SELECT {_PLANNED} FROM litequeue_schedules
    WHERE fires_at IS NOT NULL AND paused_at IS NULL AND disabled_at IS NULL AND fires_at > :now
    ORDER BY fires_at)"""

HAS_AWAITING: Final = f"""SELECT
    EXISTS (SELECT 1 FROM litequeue_schedules WHERE awaiting = 1),
    EXISTS (SELECT 1 FROM litequeue_jobs WHERE {IN_LINE})"""

REBOOTED: Final = f"""SELECT json_group_array(json_array({_PLANNED})) FROM litequeue_schedules
WHERE boot IS NOT NULL AND boot <> :boot AND paused_at IS NULL AND disabled_at IS NULL"""

# -- firing ----------------------------------------------------------------------------------------

_STEPS = """(SELECT
    json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS revision,
    json_extract(value, '$[2]') AS seen, json_extract(value, '$[3]') AS next_tick_at,
    json_extract(value, '$[4]') AS fires_at, json_extract(value, '$[5]') AS awaiting,
    json_extract(value, '$[6]') AS boot, json_extract(value, '$[7]') AS fired
    FROM json_each(:steps)) AS v"""

# A step is valid while the schedule is as it was when the step was worked out; so each tick has one winner.
_AS_SEEN = """s.id = v.id AND s.revision = v.revision AND s.next_tick_at IS v.seen
    AND (v.boot IS NULL OR s.boot IS NOT v.boot) AND s.paused_at IS NULL AND s.disabled_at IS NULL"""

WON: Final = f"""SELECT json_group_array(s.id)
FROM {_STEPS} CROSS JOIN litequeue_schedules AS s ON {_AS_SEEN}"""

STEP: Final = f"""UPDATE litequeue_schedules
SET next_tick_at = v.next_tick_at, fires_at = v.fires_at, awaiting = v.awaiting,
    boot = coalesce(v.boot, litequeue_schedules.boot), ticks = ticks + v.fired
FROM {_STEPS}
WHERE litequeue_schedules.id = v.id AND v.id IN (SELECT value FROM json_each(:won))"""

# The schedules of which a job has not ended.
BUSY: Final = f"""SELECT json_group_array(v.value) FROM json_each(:schedules) AS v WHERE EXISTS (
    SELECT 1 FROM litequeue_ticks AS t {OPEN} CROSS JOIN litequeue_jobs AS j ON j.id = t.job_id
    WHERE t.schedule_id = v.value AND {IS_OPEN} AND j.finished_at IS NULL)"""

# Ticks that were decided already: the clock was set back since, or people did.
TAKEN: Final = """SELECT json_group_array(json_array(t.schedule_id, t.tick_at))
FROM json_each(:ticks) AS v CROSS JOIN litequeue_ticks AS t
    ON t.schedule_id = json_extract(v.value, '$[0]') AND t.tick_at = json_extract(v.value, '$[1]')"""

OVERLAPS: Final = """SELECT json_group_array(json_array(id, overlap, catch_up)) FROM litequeue_schedules
WHERE id IN (SELECT value FROM json_each(:schedules))"""

# A blocked job of a schedule goes when none before it is left. One that waits for what took its place has not ended.
UNBLOCK: Final = f"""UPDATE litequeue_jobs SET {free_to_run()}, run_at = :now
WHERE {waits_elsewhere()} AND id IN (
    SELECT min(id) FROM litequeue_jobs WHERE {IN_LINE} GROUP BY schedule_id)
  AND NOT EXISTS (
    SELECT 1 FROM litequeue_ticks AS t {OPEN} CROSS JOIN litequeue_jobs AS j ON j.id = t.job_id
    WHERE t.schedule_id = litequeue_jobs.schedule_id AND {IS_OPEN}
      AND j.finished_at IS NULL AND (j.state <> 'blocked' OR ifnull(j.links, 0) >= {WAITS} OR j.holds >= {HAS_COME}))"""

LISTENERS: Final = "SELECT on_failure, mail_to, queue FROM litequeue_schedules WHERE id = :id"

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
    past: list[tuple[str, Past]]  # schedule, and a tick of it that is not fired
    addresses: list[Address]


class Ticks:
    """What schedulers ask and do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def exist(self) -> bool:
        """Whether there is anything for a scheduler to do, now or later."""
        return bool(self._database.one(EXIST)[0])

    def next_fire(self, after: int = -(2**62)) -> int | None:
        """When the next tick fires, of those that fire after a moment."""
        row = self._database.one(NEXT_FIRE, {"after": after})
        found: int | None = row[0]
        return found

    def due(self, now: int, limit: int, without: Iterable[int] = ()) -> list[Planned]:
        """The schedules whose tick has come, the longest due first."""
        return self._planned(DUE, {"now": now, "limit": limit, "without": json.dumps(list(without))})

    def last_decided(self) -> int | None:
        """When a tick was last decided."""
        row = self._database.one(LAST_DECIDED)
        found: int | None = row[0]
        return found

    def to_come(self, now: int) -> list[Planned]:
        """The schedules whose next tick is yet to come."""
        return self._planned(TO_COME, {"now": now})

    def forget_future(self, now: int) -> None:
        """Let no tick have been decided later than now."""
        with self._database.write(durable=False) as connection:
            connection.execute(FORGET_DECIDED, {"now": now})

    def rebooted(self, boot: str) -> list[Planned]:
        """The schedules that fire once per boot, and have not in this one."""
        return self._planned(REBOOTED, {"boot": boot})

    def _planned(self, query: str, parameters: dict[str, Any]) -> list[Planned]:
        (text,) = self._database.one(query, parameters)
        return [Planned(*row) for row in json.loads(text)]

    def ended(self) -> list[tuple[Planned, int]]:
        """The schedules that waited for a job to end, and when it did."""
        (text,) = self._database.one(AWAITING)
        return [(Planned(*row[:-1]), row[-1]) for row in json.loads(text)]

    def waits_for_jobs(self) -> tuple[bool, bool]:
        """Whether a schedule awaits the end of a job, and whether jobs wait for one another."""
        awaiting, blocked = self._database.one(HAS_AWAITING)
        return bool(awaiting), bool(blocked)

    def unblock(self, now: int) -> tuple[int, list[Address]]:
        """Let jobs go whose predecessors have ended. How many, and whom to wake."""
        with self._database.write(durable=False) as connection:
            count = connection.execute(UNBLOCK, {"now": now}).rowcount
            return count, everyone(connection) if count else []

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
        connection.execute(CLOSE_OF, {"schedules": schedules})
        jobs, rows = _decide(connection, mine, schedules)
        fired = insert_fired(connection, jobs, rows, now)
        thin(connection, schedules, max((len(step.fire) for step in mine), default=1))
        told = self._tell(connection, mine, tell, now)
        addresses = everyone(connection) if fired or told else []
        names = {step.id: step.name for step in mine}
        past = [(names[row[0]], Past(*row[1:5])) for row in rows]
        return Fires([Fired(names[id_], tick, job) for id_, tick, job in fired], past, addresses)

    @staticmethod
    def _win(connection: sqlite3.Connection, steps: Sequence[Step]) -> set[int]:
        text = json.dumps([
            (s.id, s.revision, s.seen, s.next_tick_at, s.fires_at, int(s.awaiting), s.boot, len(s.fire))
            for s in steps
        ])  # fmt: skip
        (won,) = connection.execute(WON, {"steps": text}).fetchone()
        if won != "[]":
            connection.execute(STEP, {"steps": text, "won": won})
        return set(json.loads(won))


    @staticmethod
    def _tell(connection: sqlite3.Connection, steps: Sequence[Step], tell: Tell, now: int) -> bool:
        told = False
        for step in steps:
            missed = [past for past in step.past if past.outcome == "missed"]
            if missed:
                row = connection.execute(LISTENERS, {"id": step.id}).fetchone()
                jobs = tell(step.name, missed, *row)
                insert_notices(connection, jobs, now)
                told |= bool(jobs)
        return told

    def prune(self, now: int, limit: int) -> int:
        """Forget up to ``limit`` of the ticks that are older than any needs to be. How many."""
        parameters = {"before": now - KEEP_TICKS, "limit": limit}
        if self._database.one(OLD_TICK, parameters) is None:
            return 0
        with self._database.write(durable=False) as connection:
            return connection.execute(PRUNE_TICKS, parameters).rowcount


def _decide(
    connection: sqlite3.Connection, steps: Sequence[Step], schedules: str
) -> tuple[list[Fire], list[list[Any]]]:
    """The jobs to insert, and the rows of ticks that are not fired."""
    from ...triggers.firing import (
        overlapping,  # time zones and cron, which who fires has, and who looks whether there are schedules need not
    )

    (text,) = connection.execute(BUSY, {"schedules": schedules}).fetchone()
    busy: set[int] = set(json.loads(text))
    (text,) = connection.execute(OVERLAPS, {"schedules": schedules}).fetchone()
    rules = {id_: (overlap, catch_up) for id_, overlap, catch_up in json.loads(text)}
    ticks = json.dumps([(step.id, due.tick) for step in steps for due in step.fire])
    (text,) = connection.execute(TAKEN, {"ticks": ticks}).fetchone()
    taken = {(id_, tick) for id_, tick in json.loads(text)}
    jobs, past = overlapping(steps, busy, rules, taken)
    return jobs, [[id_, p.tick, p.through, p.outcome, p.reason, None] for id_, p in past]
