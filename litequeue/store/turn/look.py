"""The step that looks at what there is to do, as one cheap SELECT tells it.

Owns that SELECT, and the reading of its row. The steps after it act only on what it found: a turn that finds nothing
writes nothing.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from ...base.checks import is_utf8
from .state import Demand, Look, Turn, Waiting

# So many queues in one look. Those of a window are served by priority and age; where more have jobs, one window after another.
# A look takes 0.4 ms then; with all of 10,000 queues in one, it took 50 ms, and a claim 360, under the write lock.
MOST: Final = 64

# The queues with available jobs, found by hopping along the index: a few seeks a queue, however many rows.
_ALL: Final = """WITH RECURSIVE queues (name, n) AS (
    SELECT (SELECT min(queue) FROM litequeue_jobs WHERE state = 'available' AND queue >= CAST(:begin AS TEXT)), 1
    UNION ALL
    SELECT (SELECT min(queue) FROM litequeue_jobs WHERE state = 'available' AND queue > queues.name), n + 1
    FROM queues WHERE queues.name IS NOT NULL AND n < :most
)"""
_NAMED: Final = "WITH queues (name, n) AS (SELECT value, 0 FROM json_each(:queues))"
# The name at which the window ends, where it is full; and of each queue that nobody paused, for which pools it has jobs.
_WAITING: Final = """{queues}
SELECT json_array(max(CASE WHEN n = :most THEN name END), json_group_array(json_array(name,
    EXISTS (SELECT 1 FROM litequeue_jobs
            WHERE state = 'available' AND queue = queues.name AND pool = 'thread'),
    EXISTS (SELECT 1 FROM litequeue_jobs
            WHERE state = 'available' AND queue = queues.name AND pool = 'process'),
    EXISTS (SELECT 1 FROM litequeue_jobs
            WHERE state = 'available' AND queue = queues.name AND pool = 'async')))
    FILTER (WHERE name IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM litequeue_queues WHERE name = queues.name AND paused_at IS NOT NULL)))
FROM queues"""
WAITING: Final = _WAITING.format(queues=_ALL)
WAITING_NAMED: Final = _WAITING.format(queues=_NAMED)

# One row that says what there is to do: a turn that finds nothing writes nothing.
_LOOK: Final = """SELECT
    ({waiting}),
    (SELECT min(run_at) FROM litequeue_jobs WHERE state = 'scheduled' OR state = 'retrying'),
    (SELECT min(expires_at) FROM litequeue_jobs
     WHERE expires_at IS NOT NULL AND finished_at IS NULL AND lease_expires_at IS NULL),
    (SELECT json_group_array(json_array(id, state = 'running' AND worker_id = :worker))
     FROM litequeue_jobs WHERE cancel_requested_at IS NOT NULL AND finished_at IS NULL
       AND (worker_id = :worker OR state <> 'running')),
    (SELECT listening FROM litequeue_workers WHERE id = :worker),
    EXISTS (SELECT 1 FROM litequeue_jobs WHERE (links = 1 OR links = 5) AND finished_at IS NOT NULL),
    CASE WHEN EXISTS (SELECT 1 FROM litequeue_jobs WHERE holds = 2) THEN 1 ELSE 0 END
        + CASE WHEN EXISTS (SELECT 1 FROM litequeue_jobs WHERE holds = 1) THEN 2
            + EXISTS (SELECT 1 FROM litequeue_jobs WHERE holds = 1 AND state <> 'available' AND state <> 'running') ELSE 0 END,
    (SELECT min(at) FROM litequeue_asking), (SELECT max(since) FROM litequeue_asking)"""


LOOK: Final = _LOOK.format(waiting=WAITING)
LOOK_NAMED: Final = _LOOK.format(waiting=WAITING_NAMED)


def look(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that all that ended has been settled: what an end set free is seen here."""
    turn.look = read(connection.execute(*asked(LOOK, LOOK_NAMED, turn.worker, turn.demand)).fetchone())
    turn.waiting = turn.look.waiting


def look_again(connection: sqlite3.Connection, turn: Turn) -> None:
    """Ask anew which queues have jobs: for a step that has changed it."""
    (text,) = connection.execute(*asked(WAITING, WAITING_NAMED, turn.worker, turn.demand)).fetchone()
    turn.waiting, rest = waiting_queues(text)
    turn.look = turn.look._replace(rest=rest)


def asked(of_all: str, of_named: str, worker: int, demand: Demand | None) -> tuple[str, dict[str, Any]]:
    """The statement for the queues that a worker serves, and its parameters."""
    if demand is None:  # no room: it need not know who waits
        return of_all, {"worker": worker, "begin": b"", "most": 1}
    if demand.queues is None:
        return of_all, {"worker": worker, "begin": demand.begin, "most": MOST}
    return of_named, {"worker": worker, "queues": json.dumps(demand.queues), "most": MOST}


def read(row: tuple[str, int | None, int | None, str, int | None, int, int, int | None, int | None]) -> Look:
    """The row of ``LOOK`` as a value."""
    window, next_due, next_expiry, text, listening, untold, limited, asks_at, asked_at = row
    waiting, rest = waiting_queues(window)
    if text == "[]":
        return Look(waiting, rest, next_due, next_expiry, (), False, listening, bool(untold), limited & 1 > 0 or limited > 3, limited > 1, asks_at, asked_at)
    cancels = json.loads(text)
    running = tuple(job for job, mine in cancels if mine)
    return Look(waiting, rest, next_due, next_expiry, running, len(running) < len(cancels), listening, bool(untold), limited & 1 > 0 or limited > 3, limited > 1, asks_at, asked_at)


def waiting_queues(text: str) -> tuple[tuple[Waiting, ...], bytes | None]:
    """The cell of ``WAITING`` as values: the queues, and where the next window begins, if there is one."""
    if text == "[null,[]]":  # mostly; to parse it took a tenth of a turn that finds nothing
        return (), None
    last, found = json.loads(text)
    # Just behind that name. As bytes: a planted one that is no UTF-8 can be passed over, and not asked for.
    rest = None if last is None else last.encode("utf-8", "surrogateescape") + b"\0"
    return tuple(w for w in map(Waiting._make, found) if any(w[1:]) and _can_be_named(w.queue)), rest


def _can_be_named(queue: str) -> bool:
    """In JSON, and then in SQL. The jobs of a planted queue with another name stay where they are."""
    return "\0" not in queue and is_utf8(queue)
