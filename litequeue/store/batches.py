"""Batches: workflows to which jobs are added one by one, with jobs that wait for all of them.

Owns how one begins, and its end; who may join it is in ``links/joining``. Those that wait are ordinary children of every member, and of one parent more that
is no job: as long as the batch is open, ``held`` counts for it. The first of them runs nothing, and is the end of the
whole: what that comes to are the members' results, in their order.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from ..base.bell import Address
from ..base.models import NewJob, TaskOrigin
from .bells import everyone
from .file import Database
from .inserting import insert_job
from .links import telling
from .links.joining import GIVEN_UP, children_of
from .operations import cancel
from .origins import record_origin
from .rules import WAITS, bounded, waits_elsewhere


class Child(NamedTuple):
    """A job that waits for all members."""

    job: NewJob
    runs_when: str
    takes: bool  # the batch's id before its own arguments
    delay: int | None = None  # microseconds, from when it may run
    expires: int | None = None  # microseconds, within which it may run then


OPEN: Final = "INSERT INTO litequeue_flows (gathers, open, created_at) VALUES (1, 1, :now)"
WAIT: Final = """INSERT OR REPLACE INTO litequeue_waits (job_id, pending, held, runs_when, delay, expires)
VALUES (:id, 1, 1, :runs_when, :delay, :expires)"""
HAS: Final = "UPDATE litequeue_flows SET end_id = :end, children = :children WHERE id = :flow"
CLOSE: Final = "UPDATE litequeue_flows SET open = 0 WHERE id = :flow"
GIVE_UP: Final = f"UPDATE litequeue_flows SET open = {GIVEN_UP} WHERE id = :flow"
RELEASE: Final = f"""UPDATE litequeue_waits SET held = 0, pending = max({bounded("pending")} - {bounded("held")}, 0)
WHERE job_id IN (SELECT value FROM json_each(:children))
    AND EXISTS (SELECT 1 FROM litequeue_jobs WHERE id = job_id AND {waits_elsewhere()})"""
RELEASE_REST: Final = "UPDATE litequeue_waits SET held = 0 WHERE job_id IN (SELECT value FROM json_each(:children))"


class Batches:
    """The batches of one file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, children: Sequence[Child], origins: Sequence[TaskOrigin], now: int) -> int:
        """Store an open batch with those that wait for its members, of which the first is its end; its id."""
        with self._database.write(durable=True) as connection:
            for origin in origins:
                record_origin(connection, origin, now)
            flow = connection.execute(OPEN, {"now": now}).lastrowid
            assert flow is not None
            ids = [self._insert(connection, child, flow) for child in children]
            connection.execute(HAS, {"end": ids[0], "children": json.dumps(ids), "flow": flow})
            return flow

    @staticmethod
    def _insert(connection: sqlite3.Connection, child: Child, flow: int) -> int:
        job = child.job
        rest = job.args[1:-1]
        args = f"[{flow}{rest and ','}{rest}]" if child.takes else job.args
        columns = job.columns._replace(links=(job.columns.links or 0) | WAITS)
        found = insert_job(connection, job._replace(args=args, state="blocked", columns=columns))
        connection.execute(WAIT, {"id": found, "runs_when": child.runs_when, "delay": child.delay, "expires": child.expires})
        return found

    def seal(self, flow: int, now: int) -> list[Address]:
        """Nobody joins any more, but by a member: whom to wake."""
        with self._database.write(durable=True) as connection:
            is_open, ids = children_of(connection, flow)
            if is_open:
                children = json.dumps(ids)
                for sql in (CLOSE, RELEASE, RELEASE_REST):
                    connection.execute(sql, {"flow": flow, "children": children})
                telling.judge(connection, children, now)
            return everyone(connection)

    def abandon(self, flow: int, now: int) -> None:
        """Cancel those that wait, since the batch is not whole, and close it."""
        with self._database.write(durable=True) as connection:
            _, ids = children_of(connection, flow)
            for job in ids:
                cancel(connection, job, now)
            asked = {"flow": flow, "children": json.dumps(ids)}
            for sql in (GIVE_UP, RELEASE_REST):
                connection.execute(sql, asked)
