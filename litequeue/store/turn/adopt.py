"""The step that gives jobs the options of their task, where they were enqueued without.

What is missing was found by the worker (``worker/admission``).
"""

from __future__ import annotations

import sqlite3
from typing import Final

from ..links import following
from ..rules import HAS_COME, HAS_DEPENDANTS
from .state import Turn

# A job that was enqueued without its task's options gets them, before anybody claims it.
ADOPT: Final = f"""UPDATE litequeue_jobs
SET pool = v.pool, max_attempts = v.max_attempts, at_most_once = v.at_most_once, limit_key = ifnull(litequeue_jobs.limit_key, v.limit_key),
    state = CASE WHEN litequeue_jobs.limit_key IS NULL AND v.limit_key IS NOT NULL THEN 'blocked' ELSE state END,
    holds = CASE WHEN litequeue_jobs.limit_key IS NULL AND v.limit_key IS NOT NULL THEN {HAS_COME} ELSE holds END
FROM (SELECT
    json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS pool,
    json_extract(value, '$[2]') AS max_attempts, json_extract(value, '$[3]') AS at_most_once, json_extract(value, '$[5]') AS limit_key
    FROM json_each(:rows)) AS v
WHERE litequeue_jobs.id = v.id AND litequeue_jobs.state = 'available'"""


# Whom it tells of its end; where it has been claimed since, whoever did has said so.
LINK: Final = f"""UPDATE litequeue_jobs SET links = ifnull(links, 0) | {HAS_DEPENDANTS}
WHERE id = :id AND state = 'available'"""


def adopt(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that these jobs were refused by the turn before; whoever has claimed one since had its options too. Before
    the look, which asks for available jobs by their pool."""
    if not turn.adoptions:
        return
    # Whom it tells first, while the job is available still.
    for row in turn.adoptions:
        if row.callbacks and connection.execute(LINK, {"id": row.id}).rowcount:
            following.keep(connection, row.id, row.callbacks)
    connection.execute(ADOPT, {"rows": turn.adopted_rows})
