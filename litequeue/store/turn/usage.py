"""The step that keeps what attempts have used."""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from .state import Turn

# Of jobs that are still there.
USE: Final = """INSERT INTO litequeue_usage (job_id, attempt, cpu_time, max_rss)
SELECT j.id, json_extract(v.value, '$[1]'), json_extract(v.value, '$[2]'), json_extract(v.value, '$[3]')
FROM json_each(:rows) AS v JOIN litequeue_jobs AS j ON j.id = json_extract(v.value, '$[0]') WHERE true
ON CONFLICT DO NOTHING"""


def keep_usage(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume nothing: of an attempt that had lost its lease it is true as well."""
    if turn.used:
        connection.execute(USE, {"rows": json.dumps(turn.used)})
