"""A copy of a file: what is other in it than in the original, so that it is a queue of its own.

Owns those changes, made in the copy before anybody else sees it: what ran in the original may run here, workers are none, and schedules are paused if it
is to be a test's. What it says of itself then is read by ``marks``. How the file is made is in ``file/draft``, how one comes to the
place of another in ``file/swap``.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import Final, NamedTuple

from ..base.errors import InvalidArgument, NotAQueue
from . import history
from .actions import RECORD
from .alerts import AFRESH, NEXT
from .file import Database
from .file.draft import Draft
from .leases import given_back
from .marks import COPY, PAUSED, Copy, mark
from .rules import KEEP_DISCARDED
from .schedules.table import PAUSED_AT
from .schema import ledger
from .schema.foreign import foreign, refuse_foreign

_RUNNING: Final = "worker_id IS NOT NULL"  # as all that runs has one
_IN_THE_COPY: Final = "'Lost: it ran as the copy was made, and runs at most once'"
_SINCE: Final = "'Lost: it may have run since the copy was made, and runs at most once'"
GIVE_BACK: Final = given_back(_IN_THE_COPY, _RUNNING)
RELEASED: Final = history.count_of(f"state = 'running' AND NOT at_most_once AND {_RUNNING}")
LOST: Final = history.count_of(f"state = 'running' AND at_most_once AND {_RUNNING}")
# Their rows stay for a day, as of any that stopped: they say who ran what.
STOP_WORKERS: Final = "UPDATE litequeue_workers SET stopped_at = :now, wake_port = NULL, listening = NULL WHERE stopped_at IS NULL"
PAUSE_ALL: Final = "UPDATE litequeue_schedules SET paused_at = :now, revision = revision + 1, updated_at = :now WHERE paused_at IS NULL"
PAUSE_ALERTS: Final = f"UPDATE litequeue_alerts SET {AFRESH}, paused_at = :now, {NEXT} WHERE paused_at IS NULL"
WATCH_AGAIN: Final = f"UPDATE litequeue_alerts SET {AFRESH}, paused_at = NULL, {NEXT} WHERE paused_at = {PAUSED_AT}"
# The original tells of these.
TELL_NOBODY: Final = "UPDATE litequeue_jobs SET reported_at = :now WHERE state = 'discarded' AND reported_at IS NULL"

PUT: Final = "INSERT INTO litequeue_meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
FORGET: Final = "DELETE FROM litequeue_meta WHERE key = :key"
PAUSED_BY_COPY: Final = f"SELECT name FROM litequeue_schedules WHERE paused_at = {PAUSED_AT} ORDER BY name"
COUNT_WAITING: Final = "SELECT count(*) FROM litequeue_jobs WHERE finished_at IS NULL"

# Of what waits in a copy, what the file has got further with since, or has deleted: it runs once more.
ATTACH: Final = "ATTACH DATABASE :uri AS copied"
DETACH: Final = "DETACH DATABASE copied"
_AGAIN = """FROM copied.litequeue_jobs AS c LEFT JOIN main.litequeue_jobs AS o ON o.id = c.id AND o.created_at = c.created_at
WHERE c.finished_at IS NULL AND (o.id IS NULL OR o.finished_at IS NOT NULL OR o.lease_expires_at IS NOT NULL
    OR o.attempt - o.releases > c.attempt - c.releases)"""
_COUNT_AGAIN = f"SELECT count(*) {_AGAIN} AND NOT c.at_most_once"
_ONCE_AGAIN = f"SELECT json_group_array(c.id) {_AGAIN} AND c.at_most_once"
ONCE_AND_DUE: Final = """SELECT json_group_array(id) FROM litequeue_jobs
WHERE at_most_once AND finished_at IS NULL AND lease_expires_at IS NULL AND run_at <= :now"""
_OF_THESE = "id IN (SELECT value FROM json_each(:ids)) AND at_most_once AND finished_at IS NULL AND lease_expires_at IS NULL"
LOSE: Final = f"""UPDATE litequeue_jobs SET state = 'discarded', finished_at = :now, prune_at = :prune_at, last_error = {_SINCE}
WHERE {_OF_THESE}"""
LOSING: Final = history.count_of(_OF_THESE)


class Since(NamedTuple):
    """What a file has done with the jobs that wait in an earlier copy of it."""

    again: int  # will run once more
    once: str  # would, and run at most once: JSON


class Copies:
    """One file's face for it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fill(self, draft: Draft) -> None:
        """All of the file into a draft. Raises the store's errors, InvalidArgument inside of a transaction."""
        if self._database.joined() is not None:
            raise InvalidArgument("a transaction is open here, and a copy would hold what it may yet undo: make it after the block")
        with self._database.read() as connection:
            draft.fill(connection, self._database.path)

    def paused_by_copy(self) -> list[str]:
        """The schedules that are paused since the copy was made, and not before."""
        with self._database.read() as connection:
            return [name for (name,) in connection.execute(PAUSED_BY_COPY).fetchall()]

    def go_live(self) -> None:
        """It is a copy no more that is to fire nothing: its alerts are watched as before; schedules that are paused stay so until they are resumed."""
        with self._database.write(durable=True) as connection:
            connection.execute(WATCH_AGAIN)
            connection.execute(FORGET, {"key": PAUSED})
            connection.execute(FORGET, {"key": COPY})


def refuse_unfit(connection: sqlite3.Connection, path: str) -> None:
    """Raise NotAQueue or SchemaTooNew for what no worker would open; before anything is written there."""
    strange = foreign(connection)
    if ledger.META in strange:
        refuse_foreign(strange, path)
    found = ledger.look(connection)
    if found.version == 0:
        raise NotAQueue(f"{path} is a SQLite database without litequeue's tables")
    ledger.refuse_newer(found, path)
    refuse_foreign(strange, path)


def make_own(connection: sqlite3.Connection, copy: Copy, *, paused: bool) -> None:
    """Let what was copied be a queue of its own; in a transaction of it."""
    ledger.migrate(connection, copy.at)
    parameters = {"now": copy.at, "prune_at": copy.at + KEEP_DISCARDED}
    history.count(connection, RELEASED, parameters, "released", copy.at)
    history.count(connection, LOST, parameters, "discarded", copy.at)
    connection.execute(GIVE_BACK, parameters)
    connection.execute(STOP_WORKERS, parameters)
    connection.execute(PUT, {"key": COPY, "value": json.dumps(copy._asdict())})
    if paused:
        at = mark(connection).paused_at or copy.at  # one moment, by which it is known what this has paused: also of a copy of such a copy
        connection.execute(PAUSE_ALL, {"now": at})
        connection.execute(PAUSE_ALERTS, {"now": at})
        connection.execute(TELL_NOBODY, parameters)
        connection.execute(PUT, {"key": PAUSED, "value": str(at)})


def make_live(connection: sqlite3.Connection, lost: str | None, now: int, who: str, what: str) -> tuple[int, int]:
    """The same of a copy that comes to the place of a queue. ``lost``: its at-most-once jobs that may have run since, JSON; None: all that are due.
    How many of these it loses, and how many jobs it has to run."""
    connection.execute(FORGET, {"key": COPY})
    if lost is None:
        (lost,) = connection.execute(ONCE_AND_DUE, {"now": now}).fetchone()
    parameters = {"ids": lost, "now": now, "prune_at": now + KEEP_DISCARDED}
    history.count(connection, LOSING, parameters, "discarded", now)
    count = connection.execute(LOSE, parameters).rowcount
    connection.execute(RECORD, {"at": now, "who": who, "what": "restore", "target": what, "jobs": 0})
    return count, connection.execute(COUNT_WAITING).fetchone()[0]


def since(connection: sqlite3.Connection, uri: str) -> Since | None:
    """Of the file that this is a connection to, compared with a copy that nobody has open. None where it is damaged."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute(ATTACH, {"uri": uri})
        try:
            (again,) = connection.execute(_COUNT_AGAIN).fetchone()
            (once,) = connection.execute(_ONCE_AGAIN).fetchone()
            return Since(again, once)
        finally:
            connection.execute(DETACH)
    return None
