"""Whom to tell that there is work: everyone who has a bell, or one of those who sleep.

Owns the column ``listening`` of the workers' rows. A worker that goes to sleep with room for more says so in the transaction in
which it has seen that there is nothing for it: 2 if it runs nothing, 1 beside calls that run. Whoever brings a job takes one of
them, and sets it to 0 in the transaction of the job: it is awake from now on, and will look. So nobody is told twice, and no job
comes between a worker's look and its sleep. A worker that is awake, or has its hands full, has 0, and looks by itself as soon as
it can.

One that is idle is told alone. Where none is, all that sleep beside calls are: what runs there in a thread may hold the GIL, and
they may not hear for as long. Who was told alone and has no room for all of it passes the word on to all that sleep and could
(``turn/listen``), and these do not; two that both have no room would wake each other for ever.

Who is the only one does not say whether it listens, since that is written for each job, thrice; nor does older code. They are told of
everything, as all were: with 4 workers and 16 producers on 2 cores, each job took the workers 1,000 us together then, and 400 so.

Nothing depends on it. A datagram may be lost, and who is told be dead or stopped: then the others find the job by themselves, as
they look every half second.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from ..base.bell import TOKEN_BYTES, Address
from .file.connections import Connection

AWAKE: Final = 0
BESIDE_CALLS: Final = 1
IDLE: Final = 2

# The token is the random part of the lock's name; bytes, since a planted name need not be UTF-8.
_ADDRESS: Final = f"wake_port, CAST(substr(lock_file, 1, {TOKEN_BYTES}) AS BLOB)"
_HEARS: Final = "stopped_at IS NULL AND wake_port IS NOT NULL"
ADDRESSES: Final = f"SELECT {_ADDRESS} FROM litequeue_workers WHERE {_HEARS}"

# CASE, since a planted text may not be JSON, and AND need not ask that first.
_ASLEEP: Final = f"""SELECT id, listening, {_ADDRESS} FROM litequeue_workers
WHERE {_HEARS} AND (listening > 0 OR listening IS NULL) AND leaving_at IS NULL
    AND CASE WHEN queues IS NULL OR NOT json_valid(queues) THEN 1
        ELSE EXISTS (SELECT 1 FROM json_each(queues) WHERE value {{queue}}) END
    AND CASE WHEN NOT json_valid(slots) THEN 1
        ELSE EXISTS (SELECT 1 FROM json_each(slots) WHERE key {{pool}} AND value > 0) END
    AND {{more}}
ORDER BY listening DESC, id"""
FOR_JOB: Final = _ASLEEP.format(
    queue="= :queue",
    pool="= :pool",
    more="""CASE WHEN unknown_tasks = '{}' OR NOT json_valid(unknown_tasks) THEN 1
        ELSE NOT EXISTS (SELECT 1 FROM json_each(unknown_tasks) WHERE key = :task) END""",
)
BESIDES: Final = _ASLEEP.format(
    queue="IN (SELECT value FROM json_each(:queues)) OR :queues IS NULL",
    pool="IN (SELECT value FROM json_each(:pools)) OR :pools IS NULL",
    more="id <> :worker AND listening > 0",
)
TOLD: Final = f"""UPDATE litequeue_workers SET listening = {AWAKE}
WHERE listening > 0 AND id IN (SELECT value FROM json_each(:workers))"""
LISTEN: Final = "UPDATE litequeue_workers SET listening = :listening WHERE id = :worker"


def everyone(connection: sqlite3.Connection) -> list[Address]:
    """Whom to tell once the caller's transaction is committed: every worker that runs, and hears."""
    return connection.execute(ADDRESSES).fetchall()


def one_for(connection: sqlite3.Connection, queue: str, task: str, pool: str) -> list[Address]:
    """Whom to tell once the caller's transaction is committed, which has brought such a job: as few as will do."""
    if not isinstance(connection, Connection):  # the app's own
        return []  # nobody knows when it is committed: those who are told then are all of them
    asleep = connection.execute(FOR_JOB, {"queue": queue, "task": task, "pool": pool}).fetchall()
    if not asleep:
        return []
    idle = [row for row in asleep if row[1] == IDLE]
    return _told(connection, idle[:1] + [row for row in asleep if row[1] is None or not idle])


def others_for(
    connection: sqlite3.Connection, worker: int, queues: Sequence[str] | None = None, pools: Sequence[str] | None = None
) -> list[Address]:
    """Whom a worker is to tell that there is more of those queues, for those pools, than it has room for; None: of any."""
    asked = {
        "worker": worker,
        "queues": None if queues is None else json.dumps(queues),
        "pools": None if pools is None else json.dumps(pools),
    }
    asleep = connection.execute(BESIDES, asked).fetchall()
    return _told(connection, asleep) if asleep else []


def listen(connection: sqlite3.Connection, worker: int, listening: int | None) -> None:
    """Say whether a worker sleeps from now on, in the transaction in which it has looked."""
    connection.execute(LISTEN, {"worker": worker, "listening": listening})


def _told(connection: sqlite3.Connection, rows: list[tuple[int, int | None, int, bytes]]) -> list[Address]:
    listened = [worker for worker, listening, *_ in rows if listening is not None]
    if listened:
        connection.execute(TOLD, {"workers": json.dumps(listened)})
    return [(port, token) for *_, port, token in rows]
