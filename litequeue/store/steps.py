"""What jobs remember of how far they came, and the events that they wait for.

Owns the tables of steps and events, and the writing of a step: durable before it returns, and only while the attempt that did it is the one
that runs. By whoever did it, in his thread or process, and not by the worker's coordinator: 8 threads that store 50 each took 305 to
420 us a step, and 270 to 370 where those that came at once were written together. How a job comes to wait is
in ``turn/suspend``, how it is woken in a trigger of the schema, so that plain SQL wakes it too.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ..base.bell import Address
from ..base.clock import SystemClock
from .bells import everyone
from .file import Database
from .rules import FOREVER

FIND: Final = "SELECT value, until, event FROM litequeue_steps WHERE job_id = :job AND name = :name"
AWAITED: Final = "SELECT name FROM litequeue_listeners WHERE job_id = :job ORDER BY name"
# The fence: as of a result, only what the running attempt did counts.
KEEP: Final = """INSERT INTO litequeue_steps (job_id, name, value, attempt, at)
SELECT id, :name, :value, :attempt, :at FROM litequeue_jobs WHERE id = :job AND attempt = :attempt AND state = 'running'
ON CONFLICT (job_id, name) DO UPDATE SET value = excluded.value, until = NULL, attempt = excluded.attempt, at = excluded.at"""
# It has come further: its workers' ends before this are no sign any more that it kills them.
ACQUIT: Final = "UPDATE litequeue_jobs SET interruptions = 0 WHERE id = :job AND interruptions > 0"
FORGET: Final = "DELETE FROM litequeue_steps WHERE job_id = :job"
FORGET_WAITING: Final = """DELETE FROM litequeue_steps WHERE job_id = (
    SELECT id FROM litequeue_jobs WHERE id = :id AND finished_at IS NULL AND lease_expires_at IS NULL)"""
# Of a job that is to run now: not before the end of a sleep, or of a wait in vain, that it has behind it, by whatever clock. That these
# are over is seen by run_at alone; at just their end, by whether it has run since.
_BEHIND = "SELECT max(until) FROM litequeue_steps AS s WHERE job_id = litequeue_jobs.id AND value IS NULL AND until {} litequeue_jobs.run_at"
IN_TIME: Final = f"""max(:now, ifnull(({_BEHIND.format("<")}), 0),
    ifnull(({_BEHIND.format("=")} AND s.attempt < litequeue_jobs.attempt), 0))"""
# The same for one that has run; not their very end, by which one is known that is in its wait.
AFTER_ITS_WAITS: Final = f"ifnull(min(({_BEHIND.format('<=')}), {FOREVER}) + 1, 0)"
# Its time is over, and housekeeping has not come to it.
RENEW: Final = "DELETE FROM litequeue_events WHERE name = :name AND prune_at <= :at"
EMIT: Final = """INSERT INTO litequeue_events (name, payload, at, prune_at) VALUES (:name, :payload, :at, :prune_at)
ON CONFLICT (name) DO NOTHING"""
ANY: Final = "SELECT EXISTS (SELECT 1 FROM litequeue_steps) OR EXISTS (SELECT 1 FROM litequeue_listeners)"
PRUNE_STEPS: Final = "DELETE FROM litequeue_steps WHERE job_id IN (SELECT value FROM json_each(:ids))"
PRUNE_LISTENERS: Final = "DELETE FROM litequeue_listeners WHERE job_id IN (SELECT value FROM json_each(:ids))"
# A payload that somebody has stored by SQL may be no UTF-8, or of any length.
EVENTS: Final = """SELECT hex(n.name), hex(substr(e.payload, 1, :most)), e.at, e.prune_at, (
        SELECT count(*) FROM litequeue_listeners AS l JOIN litequeue_jobs AS j ON j.id = l.job_id
        WHERE l.name = n.name AND j.state = 'scheduled')
FROM (SELECT name FROM litequeue_events WHERE name > :after UNION SELECT name FROM litequeue_listeners WHERE name > :after
    ORDER BY 1 LIMIT :limit) AS n LEFT JOIN litequeue_events AS e ON e.name = n.name"""
PRUNABLE: Final = "SELECT 1 FROM litequeue_events WHERE prune_at <= :now LIMIT 1"
PRUNE_EVENTS: Final = "DELETE FROM litequeue_events WHERE name IN (SELECT name FROM litequeue_events WHERE prune_at <= :now LIMIT 1000)"


class Event(NamedTuple):
    """What has happened, or what jobs wait for; moments in microseconds, None of one that has not come."""

    name: str
    payload: str  # JSON, its beginning
    at: int | None
    prune_at: int | None
    waiting: int  # jobs


class Steps:
    """The steps and events of one file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, job: int, name: str) -> tuple[str | None, int | None, str | None] | None:
        """A step's value, until when it sleeps or waits, and the event that ended that; None for none of that name."""
        row: tuple[str | None, int | None, str | None] | None = self._database.one(FIND, {"job": job, "name": name})
        return row

    def awaited(self, job: int) -> list[str]:
        """The events that a job waits for."""
        with self._database.read() as connection:
            return [name for (name,) in connection.execute(AWAITED, {"job": job}).fetchall()]

    def keep(self, job: int, attempt: int, name: str, value: str) -> bool:
        """Store a step. False if the attempt is not the one that runs: then nothing is stored."""
        row = {"job": job, "attempt": attempt, "name": name, "value": value, "at": SystemClock().now()}
        with self._database.write(durable=True) as connection:
            stored = connection.execute(KEEP, row).rowcount > 0
            if stored:
                connection.execute(ACQUIT, row)
            return stored

    def emit(self, name: str, payload: str, at: int, prune_at: int, *, replace: bool = False) -> tuple[bool, list[Address]]:
        """Store an event, and let those go on who wait for it. Whether it is the first of its name, or is to ``replace`` that, and whom
        to wake."""
        with self._database.write(durable=True) as connection:
            connection.execute(RENEW, {"name": name, "at": FOREVER if replace else at})
            first = connection.execute(EMIT, {"name": name, "payload": payload, "at": at, "prune_at": prune_at}).rowcount > 0
            return first, everyone(connection)

    def events(self, after: str, limit: int, most: int) -> list[Event]:
        """Those that have come, and those that jobs wait for, by their names, behind one; of each payload ``most`` characters."""
        with self._database.read() as connection:
            rows = connection.execute(EVENTS, {"after": after, "limit": limit, "most": most}).fetchall()
        return [Event(_text(name), _text(payload), *rest) for name, payload, *rest in rows]

    def prune(self, now: int) -> None:
        """Delete the events whose time has come, at most a thousand of them."""
        if self._database.one(PRUNABLE, {"now": now}) is not None:
            with self._database.write(durable=False) as connection:
                connection.execute(PRUNE_EVENTS, {"now": now})


def _text(digits: str) -> str:
    return bytes.fromhex(digits).decode("utf-8", "replace")
