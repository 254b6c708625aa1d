"""Ticks of unique jobs: one whose key is taken makes no job.

Owns the key that a schedule's row keeps for the job of each of its ticks, as JSON, and which ticks of a firing it keeps out. Whose a key is, is
for ``keys`` to say.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from ...base import stored
from ...base.exact import UniqueKey
from ...base.models import Fire
from .. import keys

KEYS: Final = """SELECT id, task, unique_key FROM litequeue_schedules
WHERE unique_key IS NOT NULL AND id IN (SELECT value FROM json_each(:schedules))"""


class Keyed(NamedTuple):
    """What of a firing may become jobs."""

    jobs: Sequence[Fire]
    rows: list[list[Any]]  # of ticks that are skipped
    keys: dict[int, tuple[str, UniqueKey]]  # by schedule: the task, and the key of its job


def kept_out(connection: sqlite3.Connection, jobs: Sequence[Fire], now: int) -> Keyed:
    """Of jobs that are about to be made in this transaction. Where two of them have one key, the first is made."""
    rows = connection.execute(KEYS, {"schedules": json.dumps([job[0] for job in jobs])}).fetchall()
    found = {schedule: (task, key) for schedule, task, text in rows if (key := _read(text)) is not None}
    if not found:
        return Keyed(jobs, [], {})
    made: list[Fire] = []
    skipped: list[list[Any]] = []
    mine: set[tuple[str, str]] = set()
    for job in jobs:
        if job[0] in found:
            task, key = found[job[0]]
            holder = None if (task, key.text) in mine else keys.taken(connection, task, key, now)
            if holder is not None or (task, key.text) in mine:
                who = "another job of this moment" if holder is None else f"job {holder}"
                skipped.append([job[0], job[1], None, "skipped", f"{who} has its key {key.text}", None])
                continue
            mine.add((task, key.text))
        made.append(job)
    return Keyed(made, skipped, found)


def of_schedule(connection: sqlite3.Connection, schedule: int, now: int) -> int | None:
    """The job that keeps out the next one of a schedule."""
    for _, task, text in connection.execute(KEYS, {"schedules": json.dumps([schedule])}).fetchall():
        key = _read(text)
        return None if key is None else keys.taken(connection, task, key, now)
    return None


def _read(text: object) -> UniqueKey | None:
    """None for what somebody has planted."""
    try:
        found = stored.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if not isinstance(found, list) or len(found) != 2 or not isinstance(found[0], str):
        return None
    until = found[1]
    fits = until in ("finish", "start") or type(until) is int and 0 < until < 2**53
    return UniqueKey(found[0], until) if fits else None
