"""How much there is to do, written down once a minute by one worker; and the end of what is old of the history.

Owns that a minute is looked at once, and that nothing is written where there is nothing to do: an idle worker's file stays as it is.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from ..base.checks import MICROS
from ..base.counts import AtLeast
from ..base.history import EVER, KEPT, MINUTE, SPANS, begin
from . import counting
from .file import Database

MOST: Final = 10_001

DELAYED_BY_QUEUE: Final = """SELECT queue, count(*) FROM (SELECT queue FROM litequeue_jobs INDEXED BY litequeue_jobs_due
WHERE state = 'scheduled' OR state = 'retrying' LIMIT :most) GROUP BY queue"""
LOOKED_AT: Final = "SELECT EXISTS (SELECT 1 FROM litequeue_gauges WHERE span = :span AND at = :at)"
KEEP: Final = """INSERT INTO litequeue_gauges (span, at, queue, available, delayed, running, oldest_us, last_id)
VALUES (:span, :at, :queue, :available, :delayed, :running, :oldest_us, :last_id)
ON CONFLICT DO UPDATE SET available = max(available, excluded.available), delayed = max(delayed, excluded.delayed),
    running = max(running, excluded.running), oldest_us = max(oldest_us, excluded.oldest_us), last_id = max(last_id, excluded.last_id)"""
PRUNE_METRICS: Final = "DELETE FROM litequeue_metrics WHERE span = :span AND at < :before"
PRUNE_GAUGES: Final = "DELETE FROM litequeue_gauges WHERE span = :span AND at < :before"
PRUNE_ACTIONS: Final = "DELETE FROM litequeue_actions WHERE at < :before"
OLD: Final = """SELECT EXISTS (SELECT 1 FROM litequeue_metrics WHERE span = :span AND at < :before)
OR EXISTS (SELECT 1 FROM litequeue_gauges WHERE span = :span AND at < :before)"""
OLD_ACTIONS: Final = "SELECT EXISTS (SELECT 1 FROM litequeue_actions WHERE at < :before)"
ACTIONS_KEPT: Final = 90 * 86_400 * MICROS

_NOTHING: Final = {"available": 0, "delayed": 0, "running": 0, "oldest_us": 0}


class Levels:
    """One file's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, now: int) -> bool:
        """Write down how much there is to do, if nobody has in this minute; whether anything was written."""
        minute = begin(now, MINUTE)
        with self._database.read() as connection:
            if connection.execute(LOOKED_AT, {"span": MINUTE, "at": minute}).fetchone()[0]:
                return False
            found = _found(connection, now)
            last_id = counting.last_id(connection)
        if not found:
            return False
        with self._database.write(durable=False) as connection:
            if connection.execute(LOOKED_AT, {"span": MINUTE, "at": minute}).fetchone()[0]:
                return False
            for queue, levels in found.items():
                for span in SPANS:
                    if span != EVER:
                        connection.execute(KEEP, {"span": span, "at": begin(now, span), "queue": queue, "last_id": last_id, **levels})
        return True

    def prune(self, now: int) -> None:
        """Delete what is beyond its time of the history, and of what people did."""
        old = {"before": now - ACTIONS_KEPT}
        spans = [{"span": span, "before": now - seconds * MICROS} for span, seconds in KEPT.items()]
        with self._database.read() as connection:
            is_due = connection.execute(OLD_ACTIONS, old).fetchone()[0] or any(connection.execute(OLD, span).fetchone()[0] for span in spans)
        if is_due:
            with self._database.write(durable=False) as connection:
                connection.execute(PRUNE_ACTIONS, old)
                for span in spans:
                    connection.execute(PRUNE_METRICS, span)
                    connection.execute(PRUNE_GAUGES, span)


def _found(connection: sqlite3.Connection, now: int) -> dict[str, dict[str, int]]:
    """By queue, of those that have anything; a count that was stopped is one more than where."""
    found: dict[str, dict[str, int]] = {}
    for column, counts in (
        ("available", {queue: min(int(count) + isinstance(count, AtLeast), MOST) for queue, count in counting.available(connection).items()}),
        ("delayed", dict(connection.execute(DELAYED_BY_QUEUE, {"most": MOST}).fetchall())),
        ("running", dict(connection.execute(counting.RUNNING_BY_QUEUE, {"most": MOST}).fetchall())),
        ("oldest_us", {queue: max(now - since, 0) for queue, since in counting.oldest(connection).items()}),
    ):
        for queue, number in counts.items():
            found.setdefault(queue, dict(_NOTHING))[column] = number
    return found
