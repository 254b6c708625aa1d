"""The step that keeps what running jobs print: of each stream the beginning and the end.

Owns the bound on what is kept, and the order over all jobs in which it was written (``store/printed``).
"""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from .state import Turn

KEEP_OUTPUT: Final = 64 << 10  # characters of the beginning, and as many of the end, of each stream
TRIM_EVERY: Final = 16  # pieces
FOLLOWED: Final = 100_000  # pieces of all jobs, the last: 2 MB

# What a running job prints, in pieces.
PRINT: Final = """INSERT INTO litequeue_output (job_id, attempt, number, stream, at, text)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
    json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING"""

# Before the pieces themselves: one that is there already was told of when it came.
IN_ORDER: Final = """INSERT INTO litequeue_printed (job_id, attempt, number)
SELECT json_extract(value, '$[0]') AS job, json_extract(value, '$[1]') AS execution, json_extract(value, '$[2]') AS piece
FROM json_each(:keys) WHERE NOT EXISTS (
    SELECT 1 FROM litequeue_output WHERE job_id = json_extract(value, '$[0]') AND attempt = json_extract(value, '$[1]') AND number = json_extract(value, '$[2]'))
ORDER BY key"""
FORGET_OLD: Final = "DELETE FROM litequeue_printed WHERE seq <= (SELECT max(seq) FROM litequeue_printed) - :most"  # never the last, which the next counts on from

TRIM_OUTPUT: Final = """DELETE FROM litequeue_output
WHERE job_id = :job_id AND attempt = :execution AND number IN (
    SELECT number FROM (
        SELECT number, sum(length(text)) OVER (PARTITION BY stream ORDER BY number) AS from_start,
            sum(length(text)) OVER (PARTITION BY stream ORDER BY number DESC) AS from_end
        FROM litequeue_output WHERE job_id = :job_id AND attempt = :execution)
    WHERE from_start > :keep AND from_end > :keep)"""


def keep_output(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that the ends of these attempts come no earlier than their output: a job that is final shows all of it."""
    if turn.printed:
        connection.execute(IN_ORDER, {"keys": json.dumps([row[:3] for row in turn.printed])})
        connection.execute(FORGET_OLD, {"most": FOLLOWED})
        connection.execute(PRINT, {"rows": turn.printed_rows})
        # A number may be left out, as a sign that something was: two next to each other are not.
        for job_id, execution in {row[:2] for row in turn.printed if row.number % TRIM_EVERY < 2 <= row.number}:
            connection.execute(TRIM_OUTPUT, {"job_id": job_id, "execution": execution, "keep": KEEP_OUTPUT})
