"""The first steps: what became of the calls that ended.

Owns the fence: a result counts only while its attempt is the one that runs. What an outcome means for a job was decided
in the worker (``worker/settling``).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from ...base.models import Lease, Settled
from ..rules import DUE, free_to_run
from ..steps import AFTER_ITS_WAITS
from .state import Turn

# The fence: (id, attempt) and still running. A row that does not match was taken from us.
_FENCE = "litequeue_jobs.id = v.id AND litequeue_jobs.attempt = v.attempt AND litequeue_jobs.state = 'running'"

# Successes come by the hundred, as VALUES in statements of a few fixed sizes, the last one filled up with
# NULLs, which match nothing: 6.7 us a row with 64 at a time, 10.5 us as one JSON parameter, 11.1 us one
# by one; 7.2 us with 32 or 256.
SETTLE_SIZES: Final = (1, 8, 64)


def _succeeding(size: int) -> str:
    """The statement that settles so many successes; the parameters are the fields of ``Settled``."""
    rows = ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * size)
    return f"""UPDATE litequeue_jobs
SET state = 'succeeded', lease_expires_at = NULL, started_at = v.started_at,
    finished_at = v.finished_at, result = v.result, prune_at = v.prune_at, last_error = v.note
FROM (SELECT
    column1 AS id, column2 AS attempt, column3 AS started_at, column4 AS finished_at,
    column5 AS result, column6 AS prune_at, column7 AS note
    FROM (VALUES {rows})) AS v
WHERE {_FENCE}"""


SETTLE_SUCCEEDED: Final = {size: _succeeding(size) for size in SETTLE_SIZES}

# Which rows of a SETTLE_SUCCEEDED did not match: asked after one whose count came out short.
NOT_SETTLED: Final = """SELECT json_group_array(json_array(v.id, v.attempt)) FROM (
    SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS attempt,
           json_extract(value, '$[2]') AS finished_at
    FROM json_each(:rows)) AS v
WHERE NOT EXISTS (SELECT 1 FROM litequeue_jobs AS j
    WHERE j.id = v.id AND j.attempt = v.attempt AND j.state = 'succeeded'
      AND j.finished_at = v.finished_at)"""

_UNSETTLED = """(SELECT
    json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS attempt,
    json_extract(value, '$[2]') AS state, json_extract(value, '$[3]') AS started_at,
    json_extract(value, '$[4]') AS finished_at, json_extract(value, '$[5]') AS run_at,
    json_extract(value, '$[6]') AS prune_at, json_extract(value, '$[7]') AS failed,
    json_extract(value, '$[8]') AS error_type, json_extract(value, '$[9]') AS error_message,
    json_extract(value, '$[10]') AS traceback, json_extract(value, '$[11]') AS ended_at,
    json_extract(value, '$[12]') AS unstarted
    FROM json_each(:rows)) AS v"""

# Before SETTLE_OTHER, while the fence still matches.
RECORD_ATTEMPTS: Final = f"""INSERT INTO litequeue_attempts
    (job_id, attempt, outcome, worker_id, due_at, started_at, finished_at, error_type, error_message, traceback)
SELECT v.id, v.attempt - litequeue_jobs.releases,
       CASE v.state WHEN 'retrying' THEN 'failed' WHEN 'available' THEN 'interrupted'
                    WHEN 'cancelled' THEN 'cancelled'
                    ELSE CASE WHEN v.failed THEN 'failed' ELSE 'discarded' END END,
       litequeue_jobs.worker_id, {DUE}, v.started_at, v.ended_at, v.error_type,
       coalesce(v.error_message, ''), coalesce(v.traceback, '')
FROM {_UNSETTLED} JOIN litequeue_jobs ON {_FENCE}
WHERE v.error_type IS NOT NULL
ON CONFLICT DO NOTHING"""

SETTLE_OTHER: Final = f"""UPDATE litequeue_jobs
SET {free_to_run("v.state <> 'available'", "v.state")}, lease_expires_at = NULL, releases = releases + v.unstarted,
    started_at = CASE WHEN v.unstarted THEN NULL ELSE coalesce(v.started_at, litequeue_jobs.started_at) END,
    worker_id = CASE WHEN v.unstarted THEN NULL ELSE worker_id END,
    finished_at = v.finished_at, run_at = CASE WHEN v.run_at IS NULL THEN litequeue_jobs.run_at ELSE max(v.run_at, {AFTER_ITS_WAITS}) END,
    expires_at = CASE WHEN v.unstarted OR v.finished_at IS NOT NULL THEN expires_at END,  -- it was started in time
    prune_at = v.prune_at, failures = failures + v.failed,
    last_error = CASE WHEN v.error_type IS NULL THEN last_error
                      WHEN coalesce(v.error_message, '') = '' THEN v.error_type
                      ELSE v.error_type || ': ' || v.error_message END
FROM {_UNSETTLED}
WHERE {_FENCE}"""

# Which of (id, attempt) rows are still held.
HELD: Final = f"""SELECT json_group_array(json_array(v.id, v.attempt)) FROM (
    SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS attempt
    FROM json_each(:rows)) AS v
JOIN litequeue_jobs ON {_FENCE}"""

# Of those that are not: what the job itself has ended, in its own transaction, and then died.
# Of rows that did not match and are not lost: what the job has ended itself before us, as we would have; how long it is kept was worked out anew.
ACKNOWLEDGED: Final = """SELECT json_group_array(json_array(j.id, j.attempt)) FROM json_each(:rows) AS v
JOIN litequeue_jobs AS j ON j.id = json_extract(v.value, '$[0]') AND j.attempt = json_extract(v.value, '$[1]') AND j.state = 'succeeded'
    AND j.finished_at = json_extract(v.value, '$[2]') AND j.prune_at <> json_extract(v.value, '$[3]')"""
ENDED_ITSELF: Final = """SELECT json_group_array(json_array(j.id, j.attempt)) FROM json_each(:rows) AS v
JOIN litequeue_jobs AS j ON j.id = json_extract(v.value, '$[0]') AND j.attempt = json_extract(v.value, '$[1]') AND j.state = 'succeeded'"""


def settle_succeeded(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume nothing: it comes first, and most of what a turn writes are these. The usual answer, that all of them
    were still ours, costs no second query."""
    if turn.succeeded and not _all_found(connection, turn.succeeded):
        # Those that matched are final with our attempt's number now, so "still running" cannot tell: ask
        # for the rows that are not as we wrote them.
        marks = json.dumps([(row.id, row.attempt, row.finished_at, row.prune_at) for row in turn.succeeded])
        turn.lost |= _leases(connection, NOT_SETTLED, {"rows": marks})
        turn.acknowledged = _leases(connection, ACKNOWLEDGED, {"rows": marks})


def _all_found(connection: sqlite3.Connection, values: Sequence[Settled]) -> bool:
    found, most = 0, SETTLE_SIZES[-1]
    for start in range(0, len(values), most):
        rows = values[start : start + most]
        size = next(size for size in SETTLE_SIZES if size >= len(rows))
        fields = [field for row in rows for field in row]
        fields += [None] * (size * len(Settled._fields) - len(fields))
        found += connection.execute(SETTLE_SUCCEEDED[size], fields).rowcount
    return found == len(values)


def settle_others(connection: sqlite3.Connection, turn: Turn) -> None:
    """Failures, snoozes, releases, cancels. May assume that no row of it is among the successes: a call ends once."""
    if not turn.others:
        return
    rows = {"rows": turn.unsettled_rows}
    not_held = {Lease(row.id, row.attempt) for row in turn.others} - _leases(connection, HELD, rows)
    if not_held:
        turn.ended_themselves = _leases(connection, ENDED_ITSELF, rows)
        turn.lost |= not_held - turn.ended_themselves
    if any(row.error_type is not None for row in turn.others):
        connection.execute(RECORD_ATTEMPTS, rows)  # before the fence falls
    connection.execute(SETTLE_OTHER, rows)


def _leases(connection: sqlite3.Connection, sql: str, rows: Mapping[str, str]) -> set[Lease]:
    (text,) = connection.execute(sql, rows).fetchone()
    return {Lease(*row) for row in json.loads(text)}
