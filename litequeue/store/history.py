"""What came of jobs, counted by spans of time, and how much there was to do.

Owns how counts are added, and how both tables are read; how much there is to do is written by ``levels``. Who counts is ``worker/tally`` for the attempts that a
worker ran, and else whoever ends jobs by a statement of his own, who says so in his transaction (``count``).

A row takes 3.5 us, in statements of eight (5.1 one by one): twenty pairs of task and queue, in four spans, 0.3 ms a second.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..base.checks import is_utf8
from ..base.history import BUCKETS, ENDS, EVER, SPANS, Counted, begin, of_end

_RUNS: Final = tuple(f"run_{number}" for number in range(BUCKETS))
_WAITS: Final = tuple(f"wait_{number}" for number in range(BUCKETS))
_COLUMNS: Final = (*ENDS, "run_us", "wait_us", *_RUNS, *_WAITS)
_KEY: Final = ("span", "at", "task", "queue")
_SIZES: Final = (8, 1)


def _adding(size: int) -> str:
    row = f"({', '.join('?' * len(_KEY + _COLUMNS))})"
    return f"""INSERT INTO litequeue_metrics ({", ".join(_KEY + _COLUMNS)})
VALUES {", ".join([row] * size)}
ON CONFLICT DO UPDATE SET {", ".join(f"{column} = {column} + excluded.{column}" for column in _COLUMNS)}"""


ADD: Final = {size: _adding(size) for size in _SIZES}
# Of jobs that a statement is about to end.
_COUNT: Final = """SELECT json_group_array(json_array(task, queue, n)) FROM (
    SELECT task, queue, count(*) AS n FROM litequeue_jobs WHERE {which} GROUP BY task, queue)"""
MOST_EVER: Final = 200
PAIRS: Final = "SELECT count(*) FROM litequeue_metrics WHERE span = 0"
IS_PAIR: Final = "SELECT 1 FROM litequeue_metrics WHERE span = 0 AND at = 0 AND task = ? AND queue = ?"
FORGET: Final = "DELETE FROM litequeue_metrics WHERE span = ? AND at = ? AND task = ? AND queue = ?"
# Of these jobs, those that are final.
FINAL_OF: Final = """SELECT json_group_array(json_array(task, queue, state, n)) FROM (
    SELECT task, queue, state, count(*) AS n FROM litequeue_jobs
    WHERE id IN (SELECT value FROM json_each(:ids)) AND finished_at IS NOT NULL GROUP BY task, queue, state)"""

# No sum of what somebody has planted is too large to be an integer.
_SUM: Final = ", ".join(f"CAST(total({column}) AS INTEGER)" for column in _COLUMNS)
SUMS: Final = f"""SELECT at, {_SUM} FROM litequeue_metrics
WHERE span = :span AND at >= :since AND at < :until GROUP BY at"""
SUMS_OF_TASK: Final = f"""SELECT at, {_SUM} FROM litequeue_metrics
WHERE span = :span AND at >= :since AND at < :until AND task = :name GROUP BY at"""
SUMS_OF_QUEUE: Final = f"""SELECT at, {_SUM} FROM litequeue_metrics
WHERE span = :span AND at >= :since AND at < :until AND queue = :name GROUP BY at"""
BY_TASK: Final = f"""SELECT task, at, {_SUM} FROM litequeue_metrics
WHERE span = :span AND at >= :since AND at < :until GROUP BY at, task"""  # as they lie: sorted by the task it takes twice as long
BY_QUEUE: Final = f"""SELECT queue, at, {_SUM} FROM litequeue_metrics
WHERE span = :span AND at >= :since AND at < :until GROUP BY queue, at"""
BY_BOTH: Final = f"""SELECT task, queue, {_SUM} FROM litequeue_metrics
WHERE span = :span AND at >= :since AND at < :until GROUP BY task, queue"""
# The columns that are asked for alone, in an eighth of the time.
_ATTEMPTS: Final = """SELECT CAST(total(succeeded) AS INTEGER), CAST(total(failed) AS INTEGER), CAST(total(discarded) AS INTEGER) FROM litequeue_metrics
WHERE span = :span AND at >= :since AND at < :until"""
ATTEMPTS: Final = _ATTEMPTS
ATTEMPTS_OF_TASK: Final = f"{_ATTEMPTS} AND task = :name"
ATTEMPTS_OF_QUEUE: Final = f"{_ATTEMPTS} AND queue = :name"
LEVELS: Final = """SELECT at, CAST(total(available) AS INTEGER), CAST(total(delayed) AS INTEGER), CAST(total(running) AS INTEGER), max(oldest_us) FROM litequeue_gauges
WHERE span = :span AND at >= :since AND at < :until GROUP BY at"""
LEVELS_OF_QUEUE: Final = """SELECT at, available, delayed, running, oldest_us FROM litequeue_gauges
WHERE span = :span AND at >= :since AND at < :until AND queue = :name ORDER BY at"""


class Sums(NamedTuple):
    """What came of jobs in a span, or in several together."""

    at: int  # when it began, microseconds
    ends: tuple[int, ...] = (0,) * len(ENDS)
    run_us: int = 0
    wait_us: int = 0
    runs: tuple[int, ...] = (0,) * BUCKETS
    waits: tuple[int, ...] = (0,) * BUCKETS

    def count(self, end: str) -> int:
        return self.ends[ENDS.index(end)]


class Level(NamedTuple):
    """How much there was to do when somebody looked; of a longer span than a minute the most."""

    at: int
    available: int  # 10,001: more than 10,000
    delayed: int
    running: int
    oldest_us: int


# -- writing ----------------------------------------------------------------------------------------------


def add(connection: sqlite3.Connection, rows: Iterable[Counted]) -> None:
    """To each span in which they lie, in the caller's transaction."""
    is_full = connection.execute(PAIRS).fetchone()[0] >= MOST_EVER
    values = [
        (span, begin(row.at, span), *_pair(connection, row, is_full and span == EVER), *row.ends, row.run_us, row.wait_us, *row.runs, *row.waits) for row in rows for span in SPANS
    ]
    start = 0
    for size in _SIZES:
        while len(values) - start >= size:
            _add(connection, size, values[start : start + size])
            start += size


def _add(connection: sqlite3.Connection, size: int, rows: Sequence[tuple[Any, ...]]) -> None:
    values = [value for row in rows for value in row]
    try:
        connection.execute(ADD[size], values)
    except sqlite3.IntegrityError:  # a number that somebody has planted, and that nothing can be added to
        for row in rows:
            connection.execute(FORGET, row[: len(_KEY)])
        connection.execute(ADD[size], values)


def _pair(connection: sqlite3.Connection, row: Counted, is_full: bool) -> tuple[str, str]:
    """Its task and queue. Of all time so many pairs are counted by name, those that came first: who reads counters wants none to fall out, or to be one of others."""
    pair = _text(row.task), _text(row.queue)
    return ("", "") if is_full and connection.execute(IS_PAIR, pair).fetchone() is None else pair


def _text(name: str) -> str:
    """A planted name need not be one."""
    return name if is_utf8(name) else ""


def count_of(which: str) -> str:
    """As SQL: how many of which task and queue a statement is about to end that says ``WHERE {which}``."""
    return _COUNT.format(which=which)


def count(connection: sqlite3.Connection, sql: str, parameters: Mapping[str, Any], end: str, now: int) -> None:
    """Add those that ``sql`` finds, which is of ``count_of``; before they end, in the same transaction."""
    (text,) = connection.execute(sql, parameters).fetchone()
    if text != "[]":
        add(connection, [of_end(now, task, queue, end, many) for task, queue, many in json.loads(text)])


def count_final(connection: sqlite3.Connection, ids: str, now: int) -> None:
    """Add those of a JSON array of jobs, none of which was final before this transaction, that are now."""
    (text,) = connection.execute(FINAL_OF, {"ids": ids}).fetchone()
    if text != "[]":
        add(connection, [of_end(now, task, queue, state, many) for task, queue, state, many in json.loads(text)])


# -- reading ----------------------------------------------------------------------------------------------


def sums(connection: sqlite3.Connection, span: int, since: int, until: int, *, task: str | None = None, queue: str | None = None) -> list[Sums]:
    """By the spans that began in this time and had something, the oldest first; microseconds."""
    sql = SUMS_OF_TASK if task is not None else SUMS_OF_QUEUE if queue is not None else SUMS
    name = task if task is not None else queue
    return [_sums(row) for row in connection.execute(sql, {"span": span, "since": since, "until": until, "name": name}).fetchall()]


def attempts(
    connection: sqlite3.Connection, span: int, since: int, until: int, *, task: str | None = None, queue: str | None = None
) -> tuple[int, int, int]:
    """How many succeeded, how many failed and are tried again, and how many jobs were discarded, in the spans that began in this time."""
    sql = ATTEMPTS_OF_TASK if task is not None else ATTEMPTS_OF_QUEUE if queue is not None else ATTEMPTS
    name = task if task is not None else queue
    found: tuple[int, int, int] = connection.execute(sql, {"span": span, "since": since, "until": until, "name": name}).fetchone()
    return found


def sums_by(connection: sqlite3.Connection, by: str, span: int, since: int, until: int) -> dict[str, list[Sums]]:
    """The same of each ``task``, or of each ``queue``. The name '' stands for those that were too many to be counted by name."""
    found: dict[str, list[Sums]] = {}
    for name, *row in connection.execute(BY_TASK if by == "task" else BY_QUEUE, {"span": span, "since": since, "until": until}).fetchall():
        found.setdefault(name, []).append(_sums(row))
    return found


def ever(connection: sqlite3.Connection) -> dict[tuple[str, str], Sums]:
    """Of each task and queue, since anybody counts."""
    rows = connection.execute(BY_BOTH, {"span": EVER, "since": 0, "until": 1}).fetchall()
    return {(task, queue): _sums((0, *row)) for task, queue, *row in rows}


def levels(connection: sqlite3.Connection, span: int, since: int, until: int, *, queue: str | None = None) -> list[Level]:
    """How much there was to do, by spans; of those in which nobody looked, or found nothing, none."""
    sql = LEVELS if queue is None else LEVELS_OF_QUEUE
    rows = connection.execute(sql, {"span": span, "since": since, "until": until, "name": queue}).fetchall()
    return [Level(*row) for row in rows]


def _sums(row: Iterable[Any]) -> Sums:
    at, *rest = row
    ends, rest = tuple(rest[: len(ENDS)]), rest[len(ENDS) :]
    return Sums(at, ends, rest[0], rest[1], tuple(rest[2 : 2 + BUCKETS]), tuple(rest[2 + BUCKETS :]))
