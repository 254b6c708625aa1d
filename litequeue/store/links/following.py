"""Callbacks: jobs that are made once another has succeeded, or was discarded, in the transaction that tells of it.

Owns the table of those of single jobs, and their making; those of a task are in what its producers recorded of its options, and count
where the job has none of its own for that end. They fire at each end: again, where the job was put back and has ended again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ...base.models import JobColumns, NewJob
from ..inserting import insert_job
from ..reports import described
from ..rules import WAITS

MOST: Final = 200  # in one pass: one is stored in 30 us, and one of a failure, which is described, in 150

INSERT: Final = "INSERT INTO litequeue_callbacks (job_id, number, runs_when, job) VALUES (?, ?, ?, ?)"
FORGET: Final = "DELETE FROM litequeue_callbacks WHERE job_id IN (SELECT value FROM json_each(:ids))"
_WHEN: Final = "CASE p.state WHEN 'succeeded' THEN 'success' WHEN 'discarded' THEN 'failed' END"
_TOLD: Final = "json_each(:told) AS v CROSS JOIN litequeue_jobs AS p ON p.id = v.value"
# CASE, since a planted text may not be JSON, and AND need not ask that first.
DUE: Final = f"""SELECT p.id, p.state, p.result, c.job FROM {_TOLD}
CROSS JOIN litequeue_callbacks AS c ON c.job_id = p.id AND c.runs_when = {_WHEN}
UNION ALL
SELECT p.id, p.state, p.result, json_extract(c.value, '$[1]') FROM {_TOLD}
CROSS JOIN litequeue_tasks AS t ON t.name = p.task AND instr(t.options, '"callbacks"')
CROSS JOIN json_each(CASE WHEN json_valid(t.options) THEN t.options ELSE '{{}}' END, '$.callbacks') AS c
WHERE json_extract(CASE WHEN c.type = 'array' THEN c.value ELSE '[]' END, '$[0]') = {_WHEN}
    AND NOT EXISTS (SELECT 1 FROM litequeue_callbacks WHERE job_id = p.id AND runs_when = {_WHEN})
ORDER BY 1 LIMIT :most"""
LINK: Final = "UPDATE litequeue_jobs SET links = :links WHERE id = :id"
# However that one has ended, and with what it is given now: also where it is cancelled, and put back.
GIVE: Final = "INSERT INTO litequeue_waits (job_id, pending, runs_when, inputs) VALUES (:id, 0, 'ended', :inputs)"
EDGE: Final = "INSERT INTO litequeue_edges (parent_id, child_id, position) VALUES (:parent, :id, 0)"


def keep(connection: sqlite3.Connection, job: int, callbacks: Iterable[tuple[str, str]]) -> None:
    """Store the callbacks, each as when and JSON, of a job that is being enqueued."""
    connection.executemany(INSERT, [(job, number, when, text) for number, (when, text) in enumerate(callbacks)])


def due(connection: sqlite3.Connection, told: Sequence[int]) -> list[tuple[int, str, str | None, str]]:
    """What is to be made for those that have ended, at most ``MOST``, in their order."""
    return connection.execute(DUE, {"told": json.dumps(told), "most": MOST}).fetchall()


def make(connection: sqlite3.Connection, parent: int, state: str, result: str | None, text: str, now: int) -> None:
    """One callback. What is planted, and is none, makes nothing."""
    job = _job(text, now)
    if job is None:
        return
    said, new = job
    made = insert_job(connection, new)
    inputs = None
    if said.get("takes"):
        inputs = (result or "null") if state == "succeeded" else described(connection, parent)
    connection.execute(LINK, {"id": made, "links": WAITS})
    connection.execute(GIVE, {"id": made, "inputs": inputs})
    connection.execute(EDGE, {"id": made, "parent": parent})


def _job(text: str, now: int) -> tuple[dict[str, Any], NewJob] | None:
    try:
        said = json.loads(text)
        columns = JobColumns(**{name: said[name] for name in JobColumns._fields if name in said})
        delay, expires = int(said.get("delay") or 0), said.get("expires")
        texts = [said["task"], said.get("args", "[]"), said.get("kwargs", "{}")]
        kinds = JobColumns()._asdict()
        if not all(isinstance(value, str) for value in texts) or any(
            not isinstance(value, str if isinstance(kinds[name], str) else int | None) for name, value in columns._asdict().items()
        ):
            return None
        expires_at = None if expires is None else now + int(expires)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    state = "scheduled" if delay > 0 else "available"
    return said, NewJob._make((*texts, state, now + max(delay, 0), now, expires_at, columns))
