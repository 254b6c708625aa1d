"""Limits: how many jobs of one key may run at once, and start within a time; declared by code, changed by people.

Owns ``litequeue_limits``, and which keys are asked after a change. Who gets a slot is decided in ``turn/fill``; a slot is nothing but the state of
a row, so none can leak or be counted twice.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Final, NamedTuple

from ..base.bell import Address
from ..base.checks import is_utf8
from ..base.exact import Limit
from .bells import everyone
from .file import Database
from .rules import HAS_COME, HAS_SLOT

# What people have said holds until code says something else than before.
DECLARE: Final = """INSERT INTO litequeue_limits (name, max_running, rate, per, declared) VALUES (:name, :max_running, :rate, :per, :declared)
ON CONFLICT (name) DO UPDATE SET max_running = excluded.max_running, rate = excluded.rate, per = excluded.per, declared = excluded.declared
WHERE declared IS NOT excluded.declared"""
SET: Final = """INSERT INTO litequeue_limits (name, max_running, rate, per) VALUES (:name, :max_running, :rate, :per)
ON CONFLICT (name) DO UPDATE SET max_running = excluded.max_running, rate = excluded.rate, per = excluded.per"""
# What code declares stays as said, so that the same declaration does not bring it back.
REMOVE: Final = """UPDATE litequeue_limits SET max_running = NULL, rate = NULL, per = NULL
WHERE name = :name AND (max_running IS NOT NULL OR rate IS NOT NULL)"""
FORGET: Final = "DELETE FROM litequeue_limits WHERE name = :name AND declared IS NULL"
FIND: Final = "SELECT name, max_running, rate, per FROM litequeue_limits WHERE name = :name AND (max_running IS NOT NULL OR rate IS NOT NULL)"
ALL: Final = "SELECT name, max_running, rate, per FROM litequeue_limits WHERE max_running IS NOT NULL OR rate IS NOT NULL ORDER BY name"
_OF: Final = "limit_key >= :name AND limit_key < :name || ';' AND (limit_key = :name OR limit_key > :name || ':')"
# Of a limit that has changed: who has a slot and does not run yet comes into line again, and each key is looked at.
PUT_BACK: Final = f"""UPDATE litequeue_jobs SET state = 'blocked', holds = {HAS_COME}
WHERE state = 'available' AND holds = {HAS_SLOT} AND {_OF}"""
ASK: Final = f"""INSERT INTO litequeue_asking (limit_key, at)
SELECT DISTINCT limit_key, 0 FROM litequeue_jobs WHERE holds > 1 AND state = 'blocked' AND {_OF}
ON CONFLICT (limit_key) DO UPDATE SET at = 0"""
ASK_OF: Final = f"""INSERT INTO litequeue_asking (limit_key, at)
SELECT DISTINCT limit_key, 0 FROM litequeue_jobs WHERE id IN (SELECT value FROM json_each(:ids)) AND holds >= {HAS_SLOT}
ON CONFLICT (limit_key) DO UPDATE SET at = 0"""
# Of all that stand in line: where somebody has deleted rows that had slots, nothing else tells.
ASK_ALL: Final = """INSERT INTO litequeue_asking (limit_key, at)
SELECT DISTINCT limit_key, 0 FROM litequeue_jobs INDEXED BY litequeue_jobs_line WHERE holds > 1 AND state = 'blocked'
ON CONFLICT (limit_key) DO UPDATE SET at = 0"""
# A paused queue keeps no slots from others.
LEAVE: Final = f"UPDATE litequeue_jobs SET state = 'blocked', holds = {HAS_COME} WHERE state = 'available' AND holds = {HAS_SLOT} AND queue = :queue"
ASK_QUEUE: Final = """INSERT INTO litequeue_asking (limit_key, at)
SELECT DISTINCT limit_key, 0 FROM litequeue_jobs INDEXED BY litequeue_jobs_line WHERE holds > 1 AND state = 'blocked' AND queue = :queue
ON CONFLICT (limit_key) DO UPDATE SET at = 0"""
# Of a rate whose time has become shorter: what started within it counts as if it were of now, or a slice of a day's rate would hold one of seconds up.
RESLICE: Final = f"""INSERT INTO litequeue_starts (limit_key, began, width, n)
SELECT limit_key, :now / :width * :width, :width, sum(n) FROM litequeue_starts
WHERE {_OF} AND width > :width AND began + width + :per > :now GROUP BY limit_key
ON CONFLICT (limit_key, began) DO UPDATE SET n = n + excluded.n, width = excluded.width"""
DROP_WIDE: Final = f"DELETE FROM litequeue_starts WHERE {_OF} AND width > :width"
# Of one that somebody has changed by other means.
LINE_UP: Final = f"""UPDATE litequeue_jobs SET state = 'blocked', holds = {HAS_COME}
WHERE id = :id AND state = 'available' AND limit_key IS NOT NULL AND holds IS NOT {HAS_SLOT}"""
IN_LINE: Final = "SELECT 1 FROM litequeue_jobs WHERE id = :id AND holds > 1 AND state = 'blocked'"

NAME_OF: Final = "CASE instr({key}, ':') WHEN 0 THEN {key} ELSE substr({key}, 1, instr({key}, ':') - 1) END"
_KEYS: Final = """SELECT limit_key FROM litequeue_jobs WHERE holds = 1
UNION SELECT limit_key FROM litequeue_jobs INDEXED BY litequeue_jobs_line WHERE holds > 1 AND state = 'blocked'
UNION SELECT limit_key FROM litequeue_starts"""
COUNTS: Final = f"""SELECT k.limit_key,
    (SELECT count(*) FROM litequeue_jobs WHERE limit_key = k.limit_key AND holds = 1 AND state = 'running'),
    (SELECT count(*) FROM litequeue_jobs WHERE limit_key = k.limit_key AND holds = 1 AND state = 'available'),
    (SELECT count(*) FROM litequeue_jobs WHERE limit_key = k.limit_key AND holds > 1 AND state = 'blocked'),
    (SELECT ifnull(sum(n), 0) FROM litequeue_starts AS s JOIN litequeue_limits AS l ON l.name = {NAME_OF.format(key="k.limit_key")}
        WHERE s.limit_key = k.limit_key AND began + width + l.per > :now),
    (SELECT at FROM litequeue_asking WHERE limit_key = k.limit_key)
FROM ({_KEYS}) AS k WHERE :name IS NULL OR k.limit_key = :name OR k.limit_key > :name || ':' AND k.limit_key < :name || ';'
ORDER BY 4 DESC, 1 LIMIT :most"""
OF_JOB: Final = "SELECT limit_key FROM litequeue_jobs WHERE id = :id AND holds > 1 AND state = 'blocked'"
HOLDERS: Final = "SELECT id, state FROM litequeue_jobs WHERE limit_key = :key AND holds = 1 AND (state = 'running' OR state = 'available') ORDER BY id LIMIT 3"


class Count(NamedTuple):
    """How a key stands."""

    key: str
    running: int
    available: int  # have a slot, and wait for a worker
    waiting: int  # in line
    started: int  # within the time that its rate speaks of
    asks_at: int | None  # when it is looked at again


class Limits:
    """The limits of one file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: str) -> Limit | None:
        row = self._database.one(FIND, {"name": name})
        return None if row is None else Limit._make(row)

    def all(self) -> list[Limit]:
        with self._database.read() as connection:
            return [Limit._make(row) for row in connection.execute(ALL).fetchall()]

    def set(self, limit: Limit, now: int) -> list[Address]:
        """What people say; whom to wake."""
        with self._database.write(durable=True) as connection:
            connection.execute(SET, limit._asdict())
            _changed(connection, limit, now)
            return everyone(connection)

    def remove(self, name: str) -> tuple[bool, list[Address]]:
        """Let jobs of that limit run without; whether there was one, and whom to wake."""
        with self._database.write(durable=True) as connection:
            found = connection.execute(REMOVE, {"name": name}).rowcount > 0
            connection.execute(FORGET, {"name": name})
            _changed(connection, Limit(name), 0)
            return found, everyone(connection)

    def counts(self, now: int, name: str | None = None, most: int = 1000) -> list[Count]:
        """Of the keys that have jobs, or had some lately, those in whose line most stand first."""
        with self._database.read() as connection:
            return [Count._make(row) for row in connection.execute(COUNTS, {"now": now, "name": name, "most": most}).fetchall()]

    def is_in_line(self, job: int) -> bool:
        return self._database.one(IN_LINE, {"id": job}) is not None

    def holdup(self, job: int, now: int) -> tuple[Limit | None, Count, list[tuple[int, str]]] | None:
        """Of a job that stands in line: its limit, how its key stands, and who has slots, as id and state."""
        row = self._database.one(OF_JOB, {"id": job})
        if row is None or row[0] is None or not is_utf8(row[0]):  # planted: nobody can be asked for it
            return None
        key = row[0]
        with self._database.read() as connection:
            holders = connection.execute(HOLDERS, {"key": key}).fetchall()
        found = [count for count in self.counts(now, key) if count.key == key]
        count = found[0] if found else Count(key, 0, 0, 1, 0, None)
        return self.find(key.partition(":")[0]), count, holders


def declare(connection: sqlite3.Connection, limit: Limit, now: int) -> bool:
    """Inside the caller's transaction; whether that has changed anything."""
    declared = json.dumps(limit[1:])
    changed = connection.execute(DECLARE, {**limit._asdict(), "declared": declared}).rowcount > 0
    if changed:
        _changed(connection, limit, now)
    return changed


def _changed(connection: sqlite3.Connection, limit: Limit, now: int) -> None:
    asked = {"name": limit.name, "now": now, "per": limit.per, "width": (limit.per or 0) // 32}
    for sql in (RESLICE, DROP_WIDE) if limit.per and now else ():
        connection.execute(sql, asked)
    for sql in (PUT_BACK, ASK):
        connection.execute(sql, asked)


def ask_of(connection: sqlite3.Connection, ids: str) -> None:
    """Before these jobs (JSON) lose their place, or their key, other than by a state of which the inbox tells."""
    connection.execute(ASK_OF, {"ids": ids})


def ask_all(connection: sqlite3.Connection) -> None:
    """In the transaction in which a worker comes."""
    connection.execute(ASK_ALL)


def paused(connection: sqlite3.Connection, queue: str) -> None:
    """In the transaction that pauses a queue."""
    connection.execute(LEAVE, {"queue": queue})


def resumed(connection: sqlite3.Connection, queue: str) -> None:
    """In the transaction that resumes it."""
    connection.execute(ASK_QUEUE, {"queue": queue})
