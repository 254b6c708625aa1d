"""The step that gives limited jobs their slots: the only one by which one of these becomes available.

Owns who gets one. A slot is the state of a row (``holds``): taken here, and given up by whatever puts the row into another state; the index
over rows that have left theirs, and the one over rows that have come into line, are the inbox, so no path can forget to tell. Each key has
as many slots as its limit says, less those that are taken, and, of a rate, less what has started within its time and what will, being available.

A rate counts starts by slices, each a 32nd of its time, which count until all of them has left the window: then never more than N starts
fall into any window, which a token bucket does not keep (199 of 100, simulated). A worker claims limited jobs for free slots alone, never ahead.
Slices of a time to come (the clock was set back) count as if they were of now.

That a job has come into line is a value of its own row, and not a row of a table of keys that ask: 100,000 that wait before 20,000 others cost
these nothing (0.97 of a drain without), 50,000 jobs of 10,000 keys take 2.6 times as long as without a limit (3.2 with the table, as it was designed), a serial
key 260 us a job instead of 145. What uses no limits pays 2 % of a drain.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from ..limits import NAME_OF
from ..rules import HAS_COME, HAS_SLOT, NO_LINE, STANDS
from .look import look_again
from .state import Turn

# So many rows, and keys that ask, in one turn: the write lock is never held for long.
BATCH: Final = 1000
ASKING: Final = 256

FREED: Final = """SELECT json_group_array(id), json_group_array(DISTINCT limit_key) FROM (
    SELECT id, limit_key FROM litequeue_jobs WHERE holds = 1 AND state <> 'available' AND state <> 'running' ORDER BY id LIMIT :limit)"""
LEAVE: Final = f"UPDATE litequeue_jobs SET holds = {NO_LINE} WHERE id IN (SELECT value FROM json_each(:ids))"
ARRIVED: Final = """SELECT json_group_array(id), json_group_array(DISTINCT limit_key) FROM (
    SELECT id, limit_key FROM litequeue_jobs WHERE holds = 2 ORDER BY id LIMIT :limit)"""
STAND: Final = f"UPDATE litequeue_jobs SET holds = CASE WHEN state = 'blocked' THEN {STANDS} ELSE {NO_LINE} END WHERE id IN (SELECT value FROM json_each(:ids))"
ASKED: Final = """SELECT json_group_array(limit_key) FROM (
    SELECT limit_key FROM litequeue_asking WHERE at <= :now ORDER BY at LIMIT :limit)"""
ASK_ANEW: Final = "UPDATE litequeue_asking SET at = :now, since = 0 WHERE since > :now"
ANSWERED: Final = "DELETE FROM litequeue_asking WHERE limit_key IN (SELECT value FROM json_each(:keys))"
_LIMIT: Final = f"litequeue_limits AS l ON l.name = {NAME_OF.format(key='k.value')}"
FREE: Final = f"""SELECT json_group_array(json_array(k.value, l.max_running, l.rate, l.per,
    (SELECT count(*) FROM litequeue_jobs WHERE limit_key = k.value AND holds = 1),
    CASE WHEN l.rate IS NOT NULL THEN (SELECT count(*) FROM litequeue_jobs WHERE limit_key = k.value AND holds = 1 AND state = 'available') END))
FROM json_each(:keys) AS k LEFT JOIN {_LIMIT}"""
# By key: how many have started in the window, when the first and the last of them leave it, and whether some are of a time to come.
STARTED: Final = f"""SELECT json_group_array(json_array(key, n, first, last, newest > :now)) FROM (
    SELECT k.value AS key, sum(s.n) AS n, min(s.began + s.width + l.per) AS first, max(s.began + s.width + l.per) AS last, max(s.began) AS newest
    FROM json_each(:keys) AS k JOIN {_LIMIT} JOIN litequeue_starts AS s ON s.limit_key = k.value
    WHERE s.began + s.width + l.per > :now GROUP BY k.value)"""
OVER: Final = f"""DELETE FROM litequeue_starts WHERE (limit_key, began) IN (
    SELECT s.limit_key, s.began FROM json_each(:keys) AS k JOIN {_LIMIT} JOIN litequeue_starts AS s ON s.limit_key = k.value
    WHERE s.began + s.width + ifnull(l.per, 0) <= :now)"""
BRING_BACK: Final = """INSERT INTO litequeue_starts (limit_key, began, width, n)
SELECT limit_key, :now / max(width) * max(width), max(width), sum(n) FROM litequeue_starts
WHERE limit_key IN (SELECT value FROM json_each(:keys)) AND began > :now GROUP BY limit_key
ON CONFLICT (limit_key, began) DO UPDATE SET n = n + excluded.n, width = max(width, excluded.width)"""
DROP_FUTURE: Final = "DELETE FROM litequeue_starts WHERE limit_key IN (SELECT value FROM json_each(:keys)) AND began > :now"
# A LIMIT may not be asked of each row, so keys with as many free slots are asked together.
PICK: Final = """SELECT json_group_array(json_array(k.value, json((SELECT json_group_array(id) FROM (
    SELECT id FROM litequeue_jobs WHERE limit_key = k.value AND holds > 1 AND state = 'blocked'
        AND queue NOT IN (SELECT name FROM litequeue_queues WHERE paused_at IS NOT NULL)
    ORDER BY priority DESC, run_at, id LIMIT :free)))))
FROM json_each(:keys) AS k"""
TAKE: Final = f"""UPDATE litequeue_jobs SET state = 'available', holds = {HAS_SLOT}
WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'blocked' AND holds >= {HAS_COME}"""
WAITING: Final = """SELECT json_group_array(value) FROM json_each(:keys) AS k WHERE EXISTS (
    SELECT 1 FROM litequeue_jobs WHERE limit_key = k.value AND holds > 1 AND state = 'blocked')"""
ASK: Final = """INSERT INTO litequeue_asking (limit_key, at, since)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), :now FROM json_each(:rows) WHERE true
ON CONFLICT (limit_key) DO UPDATE SET at = min(at, excluded.at)"""
NEXT: Final = "SELECT min(at), max(since) FROM litequeue_asking"

# What a claim writes of limited jobs that start.
START: Final = f"""INSERT INTO litequeue_starts (limit_key, began, width, n)
SELECT j.limit_key, :now / (l.per / 32) * (l.per / 32), l.per / 32, count(*)
FROM json_each(:ids) AS v CROSS JOIN litequeue_jobs AS j ON j.id = v.value
CROSS JOIN litequeue_limits AS l ON l.name = {NAME_OF.format(key="j.limit_key")}
WHERE l.rate IS NOT NULL GROUP BY j.limit_key
ON CONFLICT (limit_key, began) DO UPDATE SET n = n + excluded.n, width = max(width, excluded.width)"""
# When the first of them leaves the window; a key that asks already does so before.
ASK_AFTER_START: Final = f"""INSERT INTO litequeue_asking (limit_key, at, since)
SELECT DISTINCT j.limit_key, :now / (l.per / 32) * (l.per / 32) + l.per / 32 + l.per, :now
FROM json_each(:ids) AS v CROSS JOIN litequeue_jobs AS j ON j.id = v.value
CROSS JOIN litequeue_limits AS l ON l.name = {NAME_OF.format(key="j.limit_key")}
WHERE l.rate IS NOT NULL ON CONFLICT (limit_key) DO NOTHING"""


def fill(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that what may run now has come into line. Asks anew which queues have jobs, since it changes that."""
    look = turn.look
    if not (look.unfilled or turn.moved or look.asks(turn.now)):
        return
    if look.asked_at is not None and look.asked_at > turn.now:
        connection.execute(ASK_ANEW, {"now": turn.now})
    keys: dict[str, None] = {}
    more = False
    for found, mark in ((FREED, LEAVE), (ARRIVED, STAND)):
        ids, text = connection.execute(found, {"limit": BATCH}).fetchone()
        if ids != "[]":
            connection.execute(mark, {"ids": ids})
            keys.update(dict.fromkeys(json.loads(text)))
            more |= ids.count(",") + 1 == BATCH
    (text,) = connection.execute(ASKED, {"now": turn.now, "limit": ASKING}).fetchone()
    if text != "[]":
        connection.execute(ANSWERED, {"keys": text})
        keys.update(dict.fromkeys(json.loads(text)))
    if keys:
        turn.freed += _give(connection, list(keys), turn.now)
        look_again(connection, turn)
    asks_at, asked_at = connection.execute(NEXT).fetchone()
    turn.look = turn.look._replace(unfilled=more, limited=True, asks_at=asks_at, asked_at=asked_at)


def _give(connection: sqlite3.Connection, keys: list[str], now: int) -> list[int]:
    """The slots that there are of these keys; who has got them."""
    rows = json.loads(connection.execute(FREE, {"keys": json.dumps(keys)}).fetchone()[0])
    rated = [key for key, _, rate, *_ in rows if rate is not None]
    started = _started(connection, rated, now) if rated else {}
    free: dict[int, list[str]] = defaultdict(list)
    left: dict[str, int] = {}  # of the rate
    for key, most, rate, _, held, available in rows:
        slots = BATCH if most is None else min(most - held, BATCH)
        if rate is not None:
            left[key] = rate - started.get(key, (0, 0, 0))[0] - available
            slots = min(slots, left[key])
        if slots > 0:
            free[slots].append(key)
    taken: list[int] = []
    asks: list[tuple[str, int]] = []
    for slots, all_of_them in free.items():
        at_once = max(2 * BATCH // slots, 1)
        for start in range(0, len(all_of_them), at_once):
            some = all_of_them[start : start + at_once]
            if len(taken) >= BATCH:  # the others' turn comes in the next one
                asks += ((key, now) for key in some)
                continue
            for key, ids in json.loads(connection.execute(PICK, {"keys": json.dumps(some), "free": slots}).fetchone()[0]):
                taken += ids
                if key in left:
                    left[key] -= len(ids)
                if len(ids) == BATCH:
                    asks.append((key, now))
    if taken:
        connection.execute(TAKE, {"ids": json.dumps(taken)})
    asks += _asking_later(connection, left, started)
    if asks:
        connection.execute(ASK, {"rows": json.dumps(asks), "now": now})
    return taken


def _started(connection: sqlite3.Connection, keys: list[str], now: int) -> dict[str, tuple[int, int, int]]:
    asked = {"keys": json.dumps(keys), "now": now}
    connection.execute(OVER, asked)
    rows = json.loads(connection.execute(STARTED, asked).fetchone()[0])
    ahead = [row[0] for row in rows if row[4]]
    if ahead:
        for sql in (BRING_BACK, DROP_FUTURE):
            connection.execute(sql, {**asked, "keys": json.dumps(ahead)})
        rows = json.loads(connection.execute(STARTED, asked).fetchone()[0])
    return {key: (n, first, last) for key, n, first, last, _ in rows}


def _asking_later(
    connection: sqlite3.Connection, left: dict[str, int], started: dict[str, tuple[int, int, int]]
) -> Iterable[tuple[str, int]]:
    """Keys whose rate holds somebody back ask when the first start leaves the window; others when the last has, to be forgotten."""
    if not started:
        return
    (text,) = connection.execute(WAITING, {"keys": json.dumps(list(started))}).fetchone()
    waiting = set(json.loads(text))
    for key, (_, first, last) in started.items():
        yield key, first if key in waiting and left.get(key, 0) <= 0 else last


def record_starts(connection: sqlite3.Connection, turn: Turn, ids: str) -> None:
    """Of jobs that have just been claimed, the limited ones."""
    for sql in (START, ASK_AFTER_START):
        connection.execute(sql, {"ids": ids, "now": turn.now})
    asks_at, asked_at = connection.execute(NEXT).fetchone()
    turn.look = turn.look._replace(asks_at=asks_at, asked_at=asked_at)
