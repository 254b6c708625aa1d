"""The step that keeps how far running jobs say that they are.

Owns that the last word is that of the last attempt.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from .state import Turn

# Of jobs that are still there.
SAY: Final = """INSERT INTO litequeue_progress (job_id, attempt, at, said, meta)
SELECT j.id, json_extract(v.value, '$[1]'), json_extract(v.value, '$[2]'), json_extract(v.value, '$[3]'), json_extract(v.value, '$[4]')
FROM json_each(:rows) AS v JOIN litequeue_jobs AS j ON j.id = json_extract(v.value, '$[0]') WHERE true
ON CONFLICT (job_id) DO UPDATE SET attempt = excluded.attempt, at = excluded.at, said = excluded.said, meta = excluded.meta
WHERE excluded.attempt >= litequeue_progress.attempt"""


def keep_progress(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume nothing."""
    if turn.said:
        connection.execute(SAY, {"rows": json.dumps(list(turn.said.values()))})
