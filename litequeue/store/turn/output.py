"""The step that keeps what running jobs print: of each stream the beginning and the end.

Owns the bound on what is kept.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from .state import Turn

KEEP_OUTPUT: Final = 64 << 10  # characters of the beginning, and as many of the end, of each stream
TRIM_EVERY: Final = 16  # pieces

# What a running job prints, in pieces.
PRINT: Final = """INSERT INTO litequeue_output (job_id, attempt, number, stream, at, text)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
    json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(:rows) WHERE true
ON CONFLICT DO NOTHING"""

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
        connection.execute(PRINT, {"rows": turn.printed_rows})
        # A number may be left out, as a sign that something was: two next to each other are not.
        for job_id, execution in {row[:2] for row in turn.printed if row.number % TRIM_EVERY < 2 <= row.number}:
            connection.execute(TRIM_OUTPUT, {"job_id": job_id, "execution": execution, "keep": KEEP_OUTPUT})
