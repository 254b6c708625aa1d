"""Callbacks: jobs that are made once another has succeeded, or was discarded, in the transaction that tells of it.

Owns the table of those of single jobs, and their making; those of a task are in what its producers recorded of its options, and count
where the job has none of its own for that end. They fire at each end: again, where the job was put back and has ended again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ...base import stored
from ...base.checks import is_name, is_utf8
from ...base.models import JobColumns, NewJob
from ..inserting import inherit_headers, insert_job
from ..reports import described
from ..rules import LONGEST, WAITS

# Of one's JSON: a call has MAX_BYTES at most, and as text in a text takes twice as many.
_LENGTH: Final = 2 * stored.MAX_BYTES + (64 << 10)
MOST: Final = 200  # in one pass: one is stored in 30 us, and one of a failure, which is described, in 150

INSERT: Final = "INSERT OR REPLACE INTO litequeue_callbacks (job_id, number, runs_when, job) VALUES (?, ?, ?, ?)"
FORGET: Final = "DELETE FROM litequeue_callbacks WHERE job_id IN (SELECT value FROM json_each(:ids))"
_WHEN: Final = "CASE p.state WHEN 'succeeded' THEN 'success' WHEN 'discarded' THEN 'failed' END"
_TOLD: Final = "json_each(:told) AS v CROSS JOIN litequeue_jobs AS p ON p.id = v.value"
# CASE, since a planted text may not be JSON, and AND need not ask that first.
DUE: Final = f"""SELECT p.id, p.state, c.job FROM {_TOLD}
CROSS JOIN litequeue_callbacks AS c ON c.job_id = p.id AND c.runs_when = {_WHEN}
UNION ALL
SELECT p.id, p.state, json_extract(c.value, '$[1]') FROM {_TOLD}
CROSS JOIN litequeue_tasks AS t ON t.name = p.task AND instr(t.options, '"callbacks"')
CROSS JOIN json_each(CASE WHEN json_valid(t.options) THEN t.options ELSE '{{}}' END, '$.callbacks') AS c
WHERE json_extract(CASE WHEN c.type = 'array' THEN c.value ELSE '[]' END, '$[0]') = {_WHEN}
    AND NOT EXISTS (SELECT 1 FROM litequeue_callbacks WHERE job_id = p.id AND runs_when = {_WHEN})
ORDER BY 1 LIMIT :most"""
LINK: Final = "UPDATE litequeue_jobs SET links = :links WHERE id = :id"
# However that one has ended, and with what it is given now: also where it is cancelled, and put back. The result from table to table: a
# planted one may be no UTF-8.
GIVE: Final = """INSERT OR REPLACE INTO litequeue_waits (job_id, pending, runs_when, inputs) VALUES (:id, 0, 'ended', CASE WHEN :takes
    THEN ifnull(:inputs, (SELECT ifnull(result, 'null') FROM litequeue_jobs WHERE id = :parent)) END)"""
EDGE: Final = "INSERT OR REPLACE INTO litequeue_edges (parent_id, child_id, position) VALUES (:parent, :id, 0)"


def keep(connection: sqlite3.Connection, job: int, callbacks: Iterable[tuple[str, str]]) -> None:
    """Store the callbacks, each as when and JSON, of a job that is being enqueued."""
    connection.executemany(INSERT, [(job, number, when, text) for number, (when, text) in enumerate(callbacks)])


def due(connection: sqlite3.Connection, told: Sequence[int]) -> list[tuple[int, str, object]]:
    """What is to be made for those that have ended, at most ``MOST``, in their order."""
    return connection.execute(DUE, {"told": json.dumps(told), "most": MOST}).fetchall()


def make(connection: sqlite3.Connection, parent: int, state: str, text: object, now: int) -> list[int]:
    """One callback; its id. What is planted, and is none, makes nothing."""
    found = job_of(text, now)
    if found is None:
        return []
    takes, new = found
    job = insert_job(connection, new)
    made: dict[str, object] = {"id": job, "parent": parent, "links": WAITS, "takes": takes, "inputs": None}
    if takes and state != "succeeded":
        made["inputs"] = described(connection, parent)
    for sql in (LINK, GIVE, EDGE):
        connection.execute(sql, made)
    inherit_headers(connection, parent, job, job)
    return [job]


_POOLS: Final = ("thread", "process", "async")
# What may be said of the job, and what it is where that is not said.
_TEXTS: Final = ("tags", "headers", "limit_key")  # that may be, or not
_SAID: Final[dict[str, Any]] = {"task": "", "args": "[]", "kwargs": "{}", "delay": 0, "expires": None, **JobColumns()._asdict()}


def job_of(text: object, now: int) -> tuple[bool, NewJob] | None:
    """Of the JSON of a callback: whether it takes what its parent came to, and itself; None for what is not as ``workflow/called_back`` writes it."""
    try:
        found = stored.loads(text, _LENGTH) if isinstance(text, str) else None
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    said = {name: found.get(name, usual) for name, usual in _SAID.items()}
    if not all(value is None and name in _TEXTS or _fits(value, "" if name in _TEXTS else _SAID[name]) for name, value in said.items()):
        return None
    task, args, kwargs, delay, expires, *columns = said.values()
    new = NewJob(
        task, args, kwargs, "scheduled" if delay > 0 else "available", now + max(delay, 0), now,
        None if expires is None else now + expires, JobColumns._make(columns),
    )  # fmt: skip
    if not (is_name(task) and is_name(new.columns.queue) and new.columns.pool in _POOLS):
        return None
    return bool(found.get("takes")), new


def _fits(value: object, usual: object) -> bool:
    """Whether a column takes it that has this one."""
    if isinstance(usual, str):
        return isinstance(value, str) and is_utf8(value)
    return usual is None and value is None or isinstance(value, int) and abs(value) <= LONGEST
