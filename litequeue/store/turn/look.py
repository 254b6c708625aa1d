"""The step that looks at what there is to do, as one cheap SELECT tells it.

Owns that SELECT, and the reading of its row. The steps after it act only on what it found: a turn that finds nothing
writes nothing.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from .state import Look, Turn, Waiting

# The queues with available jobs that nobody paused, and for which pools, found by hopping along the index:
# a few seeks a queue, however many rows.
WAITING: Final = """WITH RECURSIVE queues (name) AS (
    SELECT min(queue) FROM litequeue_jobs WHERE state = 'available'
    UNION ALL
    SELECT (SELECT min(queue) FROM litequeue_jobs WHERE state = 'available' AND queue > queues.name)
    FROM queues WHERE queues.name IS NOT NULL
)
SELECT json_group_array(json_array(name,
    EXISTS (SELECT 1 FROM litequeue_jobs
            WHERE state = 'available' AND queue = queues.name AND pool = 'thread'),
    EXISTS (SELECT 1 FROM litequeue_jobs
            WHERE state = 'available' AND queue = queues.name AND pool = 'process'),
    EXISTS (SELECT 1 FROM litequeue_jobs
            WHERE state = 'available' AND queue = queues.name AND pool = 'async')))
FROM queues
WHERE name IS NOT NULL AND name NOT IN (SELECT name FROM litequeue_queues WHERE paused_at IS NOT NULL)"""

# One row that says what there is to do: a turn that finds nothing writes nothing.
LOOK: Final = f"""SELECT
    ({WAITING}),
    (SELECT min(run_at) FROM litequeue_jobs WHERE state = 'scheduled' OR state = 'retrying'),
    (SELECT min(expires_at) FROM litequeue_jobs
     WHERE expires_at IS NOT NULL AND finished_at IS NULL AND lease_expires_at IS NULL),
    (SELECT json_group_array(json_array(id, state = 'running' AND worker_id = :worker))
     FROM litequeue_jobs WHERE cancel_requested_at IS NOT NULL AND finished_at IS NULL
       AND (worker_id = :worker OR state <> 'running'))"""


def look(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that all that ended has been settled: what an end set free is seen here."""
    turn.look = read(connection.execute(LOOK, {"worker": turn.worker}).fetchone())
    turn.waiting = turn.look.waiting


def read(row: tuple[str, int | None, int | None, str]) -> Look:
    """The row of ``LOOK`` as a value."""
    waiting, next_due, next_expiry, text = row
    if text == "[]":
        return Look(waiting_queues(waiting), next_due, next_expiry, (), False)
    asked = json.loads(text)
    running = tuple(job for job, mine in asked if mine)
    return Look(waiting_queues(waiting), next_due, next_expiry, running, len(running) < len(asked))


def waiting_queues(text: str) -> tuple[Waiting, ...]:
    """The cell of ``WAITING`` as values."""
    if text == "[]":
        return ()
    # A planted name that is no UTF-8 cannot be asked for: its jobs stay where they are.
    return tuple(w for w in map(Waiting._make, json.loads(text)) if w.queue.isascii() or _is_text(w.queue))


def _is_text(name: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in name)
