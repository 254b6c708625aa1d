"""Words by which people find jobs.

Owns the table of them, which says no more than the jobs' own rows do, in another order. Whoever inserts jobs with tags, or changes those of one, says so here,
inside his transaction; a job without any costs nothing.
"""

from __future__ import annotations

import sqlite3
from typing import Final

# Of what somebody else has planted, what is a word.
_OF_JOBS: Final = """INSERT OR IGNORE INTO litequeue_tags (tag, job_id)
SELECT v.value, j.id FROM litequeue_jobs AS j JOIN json_each(CASE WHEN json_valid(j.tags) THEN j.tags ELSE '[]' END) AS v
WHERE {which} AND j.tags IS NOT NULL AND v.type = 'text'"""
NOTE: Final = _OF_JOBS.format(which="j.id BETWEEN :first AND :last")
NOTE_THESE: Final = _OF_JOBS.format(which="j.id IN (SELECT value FROM json_each(:ids))")
FORGET: Final = "DELETE FROM litequeue_tags WHERE job_id IN (SELECT value FROM json_each(:ids))"
ANY: Final = "SELECT EXISTS (SELECT 1 FROM litequeue_tags)"


def note(connection: sqlite3.Connection, first: int, last: int) -> None:
    """Of these jobs, which are new."""
    connection.execute(NOTE, {"first": first, "last": last})


def note_anew(connection: sqlite3.Connection, jobs: str, tags: str | None) -> None:
    """Of these jobs, a JSON array of ids, which may have had others, and have these now."""
    if tags is not None or connection.execute(ANY).fetchone()[0]:
        connection.execute(FORGET, {"ids": jobs})
        connection.execute(NOTE_THESE, {"ids": jobs})
