"""The step that puts jobs to sleep, or to wait for events.

Owns what is stored of a wait, and that one whose event has happened already does not begin: both under the write lock, so no event
falls between the two. The job's own row was written with the other ends (``settle_others``).
"""

from __future__ import annotations

import sqlite3
from typing import Final

from ..rules import free_to_run
from ..steps import IN_TIME
from .state import Turn

_ROWS = """(SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS attempt, json_extract(value, '$[2]') AS step,
    json_extract(value, '$[3]') AS until, json_extract(value, '$[4]') AS names FROM json_each(:rows)) AS v
JOIN litequeue_jobs AS j ON j.id = v.id AND j.attempt = v.attempt AND j.state = 'scheduled'"""
HELD: Final = f"SELECT json_group_array(v.id) FROM {_ROWS}"
FORGET: Final = f"DELETE FROM litequeue_listeners WHERE job_id IN (SELECT v.id FROM {_ROWS})"
# What was woken before its time goes on waiting as long as it was to. Until when is in the job's row, too: that is later where the clock
# was set back to before the end of a wait that the job has behind it.
KEEP: Final = f"""INSERT INTO litequeue_steps (job_id, name, until, attempt, at)
SELECT v.id, v.step, CASE WHEN v.until IS NOT NULL THEN j.run_at END, v.attempt, :now FROM {_ROWS} WHERE true
ON CONFLICT (job_id, name) DO UPDATE SET until = excluded.until, attempt = excluded.attempt WHERE value IS NULL"""
LISTEN: Final = f"""INSERT INTO litequeue_listeners (name, job_id, step)
SELECT n.value, v.id, v.step FROM {_ROWS} JOIN json_each(v.names) AS n WHERE true ON CONFLICT DO NOTHING"""
# As after a step: it has come further than where its workers ended.
ACQUIT: Final = "UPDATE litequeue_jobs SET interruptions = 0 WHERE id IN (SELECT value FROM json_each(:ids)) AND interruptions > 0"
HAPPENED: Final = """SELECT json_group_array(value) FROM json_each(:ids) WHERE EXISTS (
    SELECT 1 FROM litequeue_listeners AS l JOIN litequeue_events AS e ON e.name = l.name WHERE l.job_id = value)"""
# Of several events that have happened, the first. From table to table: a payload that somebody has stored by SQL may be no UTF-8.
GIVE: Final = """UPDATE litequeue_steps SET at = :now, (value, event) = (
    SELECT e.payload, e.name FROM litequeue_listeners AS l JOIN litequeue_events AS e ON e.name = l.name
    WHERE l.job_id = litequeue_steps.job_id ORDER BY e.at, e.name LIMIT 1)
WHERE (job_id, name) IN (SELECT job_id, step FROM litequeue_listeners WHERE job_id IN (SELECT value FROM json_each(:happened)))"""
WAKE: Final = f"""UPDATE litequeue_jobs SET {free_to_run()}, run_at = min(run_at, {IN_TIME})
WHERE id IN (SELECT value FROM json_each(:happened)) AND state = 'scheduled'"""
DEAF: Final = "DELETE FROM litequeue_listeners WHERE job_id IN (SELECT value FROM json_each(:happened))"


def suspend(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that the rows of those that sleep or wait say so, where they were still ours."""
    if not turn.suspended:
        return
    parameters = {"rows": turn.suspended_rows, "now": turn.now}
    for sql in (FORGET, KEEP, LISTEN):
        connection.execute(sql, parameters)
    (ids,) = connection.execute(HELD, parameters).fetchone()  # of a worker that was frozen, some are others' by now
    connection.execute(ACQUIT, {"ids": ids})
    (happened,) = connection.execute(HAPPENED, {"ids": ids}).fetchone()
    if happened != "[]":
        for sql in (GIVE, WAKE, DEAF):
            connection.execute(sql, {"happened": happened, "now": turn.now})
