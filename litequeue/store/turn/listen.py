"""The very last step: say whether this worker sleeps from now on, and to whom it leaves what it has no room for.

Owns the judgement of what a turn has left; whom that concerns, and the column, are ``bells``'s.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from typing import Final

from .. import bells
from .state import Turn

LEFT: Final = """SELECT EXISTS (SELECT 1 FROM litequeue_jobs
WHERE state = 'available' AND queue IN (SELECT value FROM json_each(:queues)) AND pool IN (SELECT value FROM json_each(:pools))
    AND task NOT IN (SELECT value FROM json_each(:unknown)))"""

# Of what was let go in this turn, what it has not claimed itself: it may be of a queue that it does not serve.
FREED: Final = """SELECT json_group_array(DISTINCT queue), json_group_array(DISTINCT pool) FROM litequeue_jobs
WHERE id IN (SELECT value FROM json_each(:freed)) AND state = 'available'"""


def listen(connection: sqlite3.Connection, turn: Turn) -> None:
    """May assume that nothing else is claimed, settled or let go in this turn."""
    if turn.running is None:
        _say(connection, turn, None)
        return
    demand = turn.demand
    looks_again = turn.closed or turn.look.rest is not None
    if looks_again or demand is None or len(turn.claimed) + len(turn.refused) >= demand.most:
        listening = bells.AWAKE  # or full; what ends makes room, and its turn looks
    else:
        listening = bells.BESIDE_CALLS if turn.running or turn.claimed else bells.IDLE
    _say(connection, turn, listening)
    if turn.freed:
        queues, pools = map(json.loads, connection.execute(FREED, {"freed": json.dumps(turn.freed)}).fetchone())
        if queues:
            turn.to_tell += bells.others_for(connection, turn.worker, queues, pools)
    if turn.passes_on:
        _pass_on(connection, turn)


def _say(connection: sqlite3.Connection, turn: Turn, listening: int | None) -> None:
    if turn.look.listening != listening:
        bells.listen(connection, turn.worker, listening)


def _pass_on(connection: sqlite3.Connection, turn: Turn) -> None:
    demand = turn.demand
    if turn.refused or any(row.state == "available" for row in turn.others):
        turn.to_tell += bells.others_for(connection, turn.worker)
        return
    if demand is None or not turn.waiting:
        return
    taken = Counter(job.pool for job in turn.claimed)
    room = demand.room is None or len(turn.claimed) < demand.room
    pools = [pool for pool in ("thread", "process", "async") if taken[pool] >= demand.limits.get(pool, 0) or not room]
    queues = [queue.queue for queue in turn.waiting if any(queue.has(pool) for pool in pools)]
    if queues:
        left = {"queues": json.dumps(queues), "pools": json.dumps(pools), "unknown": demand.unknown or "[]"}
        if connection.execute(LEFT, left).fetchone()[0]:
            turn.to_tell += bells.others_for(connection, turn.worker, queues, pools)
