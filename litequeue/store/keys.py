"""Unique jobs: which job has which key, and what becomes of an enqueue whose key is taken.

Owns ``litequeue_keys``. Who holds a key is worked out from the job that was made last under it, each time and under the write lock: it is taken
while that job is live, has not started, or for a time. Nothing is given back when a job ends, is killed, retried or deleted, so no key is left
behind, and no job's change of state can violate one. The unique index only says that nobody has two holders.

Measured, CPU time at NORMAL in five paired runs: an enqueue 45 us, with a new key 81, with one that is taken 35; of many at once 3.1 us a job, with keys 12.1.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from ..base.errors import AlreadyEnqueued
from ..base.exact import Enqueued, UniqueKey
from ..base.models import JobColumns, NewJob
from . import history, limits
from .inserting import COLUMNS, insert_job, named
from .rules import EXPIRED, HAS_COME, KEEP, NO_LINE, waits_elsewhere
from .tags import note_anew

_FOREVER: Final = 2**62
# A job that would be swept or dropped before it starts keeps nobody out. With the clock set back, a time ends no later than it would have begun now.
_LIVE: Final = """(j.id IS NOT NULL AND j.finished_at IS NULL AND (k.until = 'finish' OR j.attempt = j.releases)
    AND NOT (j.lease_expires_at IS NULL AND (j.cancel_requested_at IS NOT NULL OR ifnull(j.expires_at, :now + 1) <= :now)))"""
_TAKEN: Final = f"CASE WHEN k.until_at IS NOT NULL THEN k.until_at > :now AND k.until_at <= :latest ELSE {_LIVE} END"
_HOLDER: Final = "litequeue_keys AS k LEFT JOIN litequeue_jobs AS j ON j.id = k.job_id"
_LAPSED: Final = "k.until_at IS NULL AND j.expires_at <= :now AND j.finished_at IS NULL AND j.lease_expires_at IS NULL"
HOLDER: Final = f"""SELECT k.job_id, {_TAKEN}, {_LAPSED}
FROM {_HOLDER} WHERE k.task = :task AND k.key = :key AND k.holds = 1"""
# One that was not started in time, before another has its key: the clock may be set back, and it would be in time again.
EXPIRE: Final = f"UPDATE litequeue_jobs SET {EXPIRED} WHERE id IN (SELECT value FROM json_each(:ids))"
COUNT_LAPSED: Final = history.count_of("id IN (SELECT value FROM json_each(:ids))")
LET_GO: Final = "UPDATE litequeue_keys SET holds = NULL WHERE job_id = :holder"
HOLD: Final = """INSERT INTO litequeue_keys (job_id, task, key, holds, until, until_at) VALUES (:id, :task, :key, 1, :until, :until_at)"""
# What one that has not started is to do, and when; not when it came, and for whom it waits.
_CHANGED: Final = tuple(column for column in ("args", "kwargs", "expires_at", *JobColumns._fields) if column != "links")
_MAY_CHANGE: Final = "finished_at IS NULL AND lease_expires_at IS NULL AND attempt = releases"
_DUE: Final = "min(:run_at, litequeue_jobs.created_at + :most)"
# One that has a slot gives it up, and stands in line anew: its key may be another now.
_STATE = f"""state = CASE WHEN {waits_elsewhere()} THEN 'blocked' WHEN {_DUE} > :now THEN 'scheduled'
        WHEN {{key}} IS NULL THEN 'available' ELSE 'blocked' END,
    holds = CASE WHEN {{key}} IS NULL THEN NULL WHEN {waits_elsewhere()} OR {_DUE} > :now THEN {NO_LINE} ELSE {HAS_COME} END"""
REPLACE: Final = f"""UPDATE litequeue_jobs SET {", ".join(f"{column} = :{column}" for column in _CHANGED)}, run_at = {_DUE},
    {_STATE.format(key=":limit_key")}
WHERE id = :holder AND {_MAY_CHANGE}"""
HOLDER_FOR: Final = f"""SELECT k.job_id, {_TAKEN}, {_LAPSED} FROM litequeue_keys AS mine
LEFT JOIN litequeue_keys AS k ON k.task = mine.task AND k.key = mine.key AND k.holds = 1
LEFT JOIN litequeue_jobs AS j ON j.id = k.job_id WHERE mine.job_id = :id"""
TAKE_BACK: Final = "UPDATE litequeue_keys SET holds = 1 WHERE job_id = :id"

ANY: Final = "SELECT EXISTS (SELECT 1 FROM litequeue_keys)"
# A time outlives its job.
PRUNE: Final = """DELETE FROM litequeue_keys
WHERE job_id IN (SELECT value FROM json_each(:ids)) AND NOT (holds IS 1 AND until_at IS NOT NULL AND until_at > :now)"""
OUTLIVE: Final = "UPDATE litequeue_keys SET until = 'gone' WHERE job_id IN (SELECT value FROM json_each(:ids))"
PRUNE_GONE: Final = """DELETE FROM litequeue_keys WHERE job_id IN (
    SELECT job_id FROM litequeue_keys WHERE until = 'gone' AND until_at <= :now ORDER BY until_at LIMIT 1000)"""


def insert(connection: sqlite3.Connection, job: NewJob, key: UniqueKey) -> tuple[Enqueued, bool]:
    """Inside the caller's transaction: store the job, or give the one that has its key; and whether there is work that was not there. Raises
    AlreadyEnqueued."""
    found, is_changed = holder(connection, job, key)
    if found is not None:
        return Enqueued(found, False), is_changed
    job_id = insert_job(connection, job)
    hold(connection, job.task, key, job_id, job.created_at)
    return Enqueued(job_id, True), True


def holder(connection: sqlite3.Connection, job: NewJob, key: UniqueKey) -> tuple[int | None, bool]:
    """The job that keeps this one out, and whether it was changed in its place; None where none does: then the key is free to be held. Raises
    AlreadyEnqueued."""
    found = taken(connection, job.task, key, job.created_at)
    if found is None or key.on_conflict == "return":
        return found, False
    if key.on_conflict == "raise":
        raise AlreadyEnqueued(f"{taken_by(job.task, key.text, found)}; nothing was stored", found)
    if _replace(connection, job, key, found):
        return found, True
    connection.execute(LET_GO, {"holder": found})
    return None, False


def taken(connection: sqlite3.Connection, task: str, key: UniqueKey, now: int) -> int | None:
    """The job that has the key; None where none has: then the key is free to be held."""
    row = connection.execute(HOLDER, _asked(task, key, now)).fetchone()
    if row is None:
        return None
    if row[1]:
        return int(row[0])
    _let_go(connection, row, now)
    return None


def _let_go(connection: sqlite3.Connection, row: tuple[int | None, int, int], now: int) -> None:
    holder, _, has_lapsed = row
    if has_lapsed:
        _expire(connection, f"[{holder}]", now)
    connection.execute(LET_GO, {"holder": holder})


def _expire(connection: sqlite3.Connection, ids: str, now: int) -> None:
    history.count(connection, COUNT_LAPSED, {"ids": ids}, "expired", now)
    connection.execute(EXPIRE, {"ids": ids, "now": now, "prune_at": now + KEEP})


def hold(connection: sqlite3.Connection, task: str, key: UniqueKey, job_id: int, now: int) -> None:
    """It has the key from now on. May assume that this was found free."""
    connection.execute(HOLD, {**_asked(task, key, now), "id": job_id})


def taken_by(task: str, key: str, holder: int) -> str:
    return f"{task}: its key {key} is taken by job {holder}"


def _asked(task: str, key: UniqueKey, now: int) -> dict[str, Any]:
    timed = isinstance(key.until, int)
    until_at = now + key.until if isinstance(key.until, int) else None
    return {
        "task": task, "key": key.text, "now": now, "until": "time" if timed else key.until, "until_at": until_at,
        "latest": _FOREVER if until_at is None else until_at,
    }  # fmt: skip


def _replace(connection: sqlite3.Connection, job: NewJob, key: UniqueKey, holder: int) -> bool:
    most = _FOREVER if key.max_wait is None else key.max_wait
    limits.ask_of(connection, f"[{holder}]")
    row = {**named(job), "holder": holder, "now": job.created_at, "most": most}
    is_replaced = connection.execute(REPLACE, row).rowcount > 0
    if is_replaced:
        note_anew(connection, f"[{holder}]", job.columns.tags)
    return is_replaced


def holder_for(connection: sqlite3.Connection, job: int, now: int) -> int | None:
    """The job that has the key that this one was made under, if that is another."""
    row = connection.execute(HOLDER_FOR, {"id": job, "now": now, "latest": _FOREVER}).fetchone()
    return int(row[0]) if row is not None and row[0] != job and row[1] else None


def revived(connection: sqlite3.Connection, job: int, now: int) -> None:
    """In the transaction in which this job is put back: it has its key again, or, where another has that by now, runs without."""
    row = connection.execute(HOLDER_FOR, {"id": job, "now": now, "latest": _FOREVER}).fetchone()
    if row is None or row[0] == job or row[1]:
        return
    _let_go(connection, row, now)
    connection.execute(TAKE_BACK, {"id": job})


def prune(connection: sqlite3.Connection, ids: str, now: int) -> None:
    """In the transaction that deletes these jobs (JSON). A time outlives its job."""
    for sql in (PRUNE, OUTLIVE, PRUNE_GONE):
        connection.execute(sql, {"ids": ids, "now": now})


# -- many at once ------------------------------------------------------------------------------------

# Of each key the call that counts: the first, or, where each replaces the one before, the last.
PICK_CREATE: Final = "CREATE TEMP TABLE IF NOT EXISTS litequeue_picked (key TEXT PRIMARY KEY, first INTEGER, place INTEGER, job_id INTEGER, is_new INTEGER) WITHOUT ROWID"
PICK_EMPTY: Final = "DELETE FROM temp.litequeue_picked"
PICK: Final = """INSERT INTO temp.litequeue_picked (key, first, place)
SELECT key, min(rowid), CASE WHEN :last THEN max(rowid) ELSE min(rowid) END FROM temp.litequeue_stage GROUP BY key"""
TWICE: Final = """SELECT s.rowid - 1, p.first - 1, p.key FROM temp.litequeue_stage AS s JOIN temp.litequeue_picked AS p ON p.key = s.key
WHERE s.rowid > p.first ORDER BY s.rowid LIMIT 1"""
HOLDERS: Final = f"""UPDATE temp.litequeue_picked SET job_id = k.job_id FROM {_HOLDER}
WHERE k.task = :task AND k.key = litequeue_picked.key AND k.holds = 1 AND {_TAKEN}"""
LAPSED: Final = f"""SELECT json_group_array(j.id) FROM temp.litequeue_picked AS p
CROSS JOIN litequeue_keys AS k ON k.task = :task AND k.key = p.key AND k.holds = 1
CROSS JOIN litequeue_jobs AS j ON j.id = k.job_id AND {_LAPSED}"""
STARTED: Final = f"""UPDATE temp.litequeue_picked SET job_id = NULL
WHERE job_id NOT IN (SELECT id FROM litequeue_jobs WHERE id IN (SELECT job_id FROM temp.litequeue_picked) AND {_MAY_CHANGE})"""
REPLACED: Final = "SELECT json_group_array(job_id) FROM temp.litequeue_picked WHERE job_id IS NOT NULL"
REFUSED: Final = "SELECT place - 1, key, job_id FROM temp.litequeue_picked WHERE job_id IS NOT NULL ORDER BY place LIMIT 1"
REPLACE_MANY: Final = f"""UPDATE litequeue_jobs SET args = v.args, kwargs = v.kwargs,
    {", ".join(f"{column} = :{column}" for column in _CHANGED if column not in ("args", "kwargs", "limit_key"))}, run_at = {_DUE},
    {_STATE.format(key="ifnull(v.limit_key, :limit_key)")}, limit_key = ifnull(v.limit_key, :limit_key)
FROM (SELECT p.job_id, s.args, s.kwargs, s.limit_key FROM temp.litequeue_picked AS p JOIN temp.litequeue_stage AS s ON s.rowid = p.place
    WHERE p.job_id IS NOT NULL) AS v
WHERE litequeue_jobs.id = v.job_id"""
_KEPT: Final = {"limit_key": "ifnull(s.limit_key, :limit_key)"}
MOVE: Final = f"""INSERT INTO litequeue_jobs ({", ".join(COLUMNS)})
SELECT {", ".join(f"s.{column}" if column in ("args", "kwargs") else _KEPT.get(column, f":{column}") for column in COLUMNS)}
FROM temp.litequeue_picked AS p JOIN temp.litequeue_stage AS s ON s.rowid = p.place WHERE p.job_id IS NULL ORDER BY p.first"""
NUMBER: Final = """UPDATE temp.litequeue_picked SET is_new = 1, job_id = :last - v.behind
FROM (SELECT key, row_number() OVER (ORDER BY first DESC) - 1 AS behind FROM temp.litequeue_picked WHERE job_id IS NULL) AS v
WHERE litequeue_picked.key = v.key"""
LET_ALL_GO: Final = """UPDATE litequeue_keys SET holds = NULL
WHERE task = :task AND holds = 1 AND key IN (SELECT key FROM temp.litequeue_picked WHERE is_new = 1)"""
HOLD_ALL: Final = """INSERT INTO litequeue_keys (job_id, task, key, holds, until, until_at)
SELECT job_id, :task, key, 1, :until, :until_at FROM temp.litequeue_picked WHERE is_new = 1 ORDER BY job_id"""
IDS: Final = """SELECT p.job_id, p.is_new IS 1 AND p.first = s.rowid
FROM temp.litequeue_stage AS s JOIN temp.litequeue_picked AS p ON p.key = s.key ORDER BY s.rowid"""


def pick(connection: sqlite3.Connection, key: UniqueKey) -> None:
    """Before the write lock is taken, once all calls are in the stage."""
    connection.execute(PICK_CREATE)
    connection.execute(PICK_EMPTY)
    connection.execute(PICK, {"last": key.on_conflict == "replace"})


def move(connection: sqlite3.Connection, template: NewJob, key: UniqueKey) -> tuple[int, int]:
    """As ``insert`` of one call after the other, for all of the stage: how many jobs were made, and the last of them. Raises AlreadyEnqueued."""
    asked = _asked(template.task, key, template.created_at)
    if key.on_conflict == "raise":
        twice = connection.execute(TWICE).fetchone()
        if twice is not None:
            raise AlreadyEnqueued(f"delay_many: item {twice[0]} has the key of item {twice[1]}, {twice[2]}; nothing was stored", 0)
    (ids,) = connection.execute(LAPSED, asked).fetchone()
    if ids != "[]":
        _expire(connection, ids, template.created_at)
    connection.execute(HOLDERS, asked)
    refused = connection.execute(REFUSED).fetchone() if key.on_conflict == "raise" else None
    if refused is not None:
        place, text, holder = refused
        raise AlreadyEnqueued(f"delay_many: item {place}: {taken_by(template.task, text, holder)}; nothing was stored", holder)
    row = {**named(template), "now": template.created_at}
    if key.on_conflict == "replace":
        connection.execute(STARTED)
        (replaced,) = connection.execute(REPLACED).fetchone()
        limits.ask_of(connection, replaced)
        connection.execute(REPLACE_MANY, {**row, "most": _FOREVER if key.max_wait is None else key.max_wait})
        note_anew(connection, replaced, template.columns.tags)
    count = connection.execute(MOVE, row).rowcount
    (last,) = connection.execute("SELECT last_insert_rowid()").fetchone()
    connection.execute(NUMBER, {"last": last})
    connection.execute(LET_ALL_GO, asked)
    connection.execute(HOLD_ALL, asked)
    return count, last


def ids(connection: sqlite3.Connection) -> tuple[list[int], list[bool]]:
    """Of each call of the stage, in their order, its job, and whether it has made that."""
    found = connection.execute(IDS).fetchall()
    return [job for job, _ in found], [bool(is_new) for _, is_new in found]
