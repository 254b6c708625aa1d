"""What holds of jobs that wait, for jobs, events or slots, after every transaction, as SQL that finds what does not.

Owns the list. For the tests, which ask it all the time, and for who looks after a file.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from ..rules import FOREVER, HAS_SLOT, waits_elsewhere
from .telling import IS_TOLD

_PARENTS: Final = "litequeue_edges AS e JOIN litequeue_jobs AS p ON p.id = e.parent_id WHERE e.child_id = w.job_id"
_WAITING: Final = f"""litequeue_waits AS w JOIN litequeue_jobs AS j ON j.id = w.job_id
WHERE {waits_elsewhere("j.")} AND (j.links = 4 OR j.links = 5 OR j.links = 6)"""

RULES: Final[dict[str, str]] = {
    "counts the wrong number of parents": f"""SELECT w.job_id FROM {_WAITING}
        AND w.pending <> w.held + (SELECT count(*) FROM {_PARENTS} AND NOT {IS_TOLD})""",
    "counts the wrong number of failures": f"""SELECT w.job_id FROM {_WAITING}
        AND w.upset <> (SELECT count(*) FROM {_PARENTS} AND {IS_TOLD} AND p.state <> 'succeeded')""",
    "waits for nothing": f"SELECT w.job_id FROM {_WAITING} AND w.pending = 0",
    "waits in vain": f"SELECT w.job_id FROM {_WAITING} AND w.upset > 0 AND w.runs_when = 'success'",
    "waits, and nobody knows how": f"""SELECT j.id FROM litequeue_jobs AS j WHERE {waits_elsewhere("j.")} AND j.schedule_id IS NULL
        AND NOT EXISTS (SELECT 1 FROM litequeue_waits WHERE job_id = j.id)""",
    "waits for an event, and nobody knows which": f"""SELECT id FROM litequeue_jobs AS j WHERE state = 'scheduled' AND run_at = {FOREVER}
        AND NOT EXISTS (SELECT 1 FROM litequeue_listeners WHERE job_id = j.id)""",
    "waits for an event that has happened": f"""SELECT l.job_id FROM litequeue_listeners AS l
        JOIN litequeue_steps AS s ON s.job_id = l.job_id AND s.name = l.step JOIN litequeue_jobs AS j ON j.id = l.job_id
        WHERE EXISTS (SELECT 1 FROM litequeue_events WHERE name = l.name) AND s.value IS NULL
            AND j.state = 'scheduled' AND j.run_at = ifnull(s.until, {FOREVER})""",
    "runs, or may, without a slot of its limit": f"""SELECT id FROM litequeue_jobs
        WHERE (state = 'available' OR state = 'running') AND limit_key IS NOT NULL AND holds IS NOT {HAS_SLOT}""",
    "has told others and has not ended": "SELECT id FROM litequeue_jobs WHERE (links = 2 OR links = 6) AND finished_at IS NULL",
    "waits for a job that is gone": f"""SELECT w.job_id FROM {_WAITING} AND EXISTS (SELECT 1 FROM litequeue_edges AS e
        WHERE e.child_id = w.job_id AND NOT EXISTS (SELECT 1 FROM litequeue_jobs WHERE id = e.parent_id))""",
}


def odd(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """What does not hold, as a job and the rule that it breaks; at most one for each rule."""
    found = []
    for rule, sql in RULES.items():
        row = connection.execute(f"{sql} LIMIT 1").fetchone()
        if row is not None:
            found.append((row[0], rule))
    return found


def broken(connection: sqlite3.Connection) -> list[str]:
    """The same in words."""
    return [f"job {job} {rule}" for job, rule in odd(connection)]
