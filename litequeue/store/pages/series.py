"""What came of jobs over time, as charts show it: from the sums and levels of the history, and from who served meanwhile.

Owns which pieces a range has, and what nobody can know. How history is kept is ``store/history``'s.

Measured with 16 pairs of task and queue: 3 ms an hour, 4.5 ms a day, and with as many as are ever kept apart, a hundred, 8 and 14 ms; so the range
before is read without its times (which cost as much again).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ...base.checks import MICROS, aware
from ...base.history import BUCKETS, DAY, MINUTE, QUARTER, begin, percentile
from .. import history
from ..history import Level, Sums
from .parts import RANGES, Histogram, Point, Range, Series, Spread, Totals

BEAT_LATE: Final = 20 * MICROS  # a worker shows itself every ten seconds
MOST_WORKERS: Final = 2_000  # the last that came; the rest has stopped long ago

_SHOWN: Final = ("succeeded", "failed", "discarded", "cancelled", "expired")  # as of ``Totals``
_SUMMED: Final = ", ".join(f"CAST(total({end}) AS INTEGER)" for end in _SHOWN)
_WITHIN: Final = "FROM litequeue_metrics WHERE span = :span AND at >= :since AND at < :until"
ENDS_IN: Final = f"SELECT {_SUMMED} {_WITHIN}"
ENDS_IN_OF_TASK: Final = f"{ENDS_IN} AND task = :name"
ENDS_IN_OF_QUEUE: Final = f"{ENDS_IN} AND queue = :name"
ENDS_BY_TASK: Final = f"SELECT task, at, {_SUMMED} {_WITHIN} GROUP BY task, at"
ENDS_BY_QUEUE: Final = f"SELECT queue, at, {_SUMMED} {_WITHIN} GROUP BY queue, at"
SUCCEEDED: Final = f"SELECT CAST(total(succeeded) AS INTEGER) {_WITHIN}"
SERVED: Final = """SELECT id, started_at, ifnull(stopped_at, heartbeat_at + :late) FROM litequeue_workers WHERE id IN (
    SELECT * FROM (SELECT id FROM litequeue_workers ORDER BY id DESC LIMIT :most)
    UNION SELECT * FROM (SELECT id FROM litequeue_workers WHERE stopped_at IS NULL ORDER BY id LIMIT :most))"""


class Pieces(NamedTuple):
    """When each piece of a range begins; microseconds."""

    span: int  # seconds
    since: int  # of the first
    many: int

    @property
    def until(self) -> int:
        return self.since + self.many * self.span * MICROS

    @property
    def begins(self) -> range:
        return range(self.since, self.until, self.span * MICROS)

    def within(self, span: int | None = None) -> dict[str, int]:
        """As the queries take it."""
        return {"span": self.span if span is None else span, "since": self.since, "until": self.until}

    def place(self, at: int) -> int:
        """Of a moment: in which piece it lies, or the nearest."""
        return min(max((at - self.since) // (self.span * MICROS), 0), self.many - 1)


class Ends(NamedTuple):
    """What came of jobs in one piece, or in all, in the order of the columns."""

    succeeded: int = 0
    failed: int = 0
    discarded: int = 0
    cancelled: int = 0
    expired: int = 0

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Ends:
        """None of them below nothing, whatever somebody has planted."""
        return cls._make(_counts(numbers))

    @property
    def ended(self) -> int:
        return self.succeeded + self.discarded + self.cancelled + self.expired

    @property
    def failed_share(self) -> float | None:
        return Totals(*self).failed_share

    def __add__(self, other: tuple[int, ...]) -> Ends:  # type: ignore[override]
        return Ends._make(mine + its for mine, its in zip(self, other, strict=True))


def pieces(range_: Range, now: int) -> Pieces:
    """The last of them is the one that runs."""
    count, span = RANGES[range_]
    return Pieces(span, begin(now, span) - (count - 1) * span * MICROS, count)


def series(
    connection: sqlite3.Connection, range_: Range, now: int, *, task: str | None = None, queue: str | None = None, live: Level | None = None
) -> Series:
    """Of all jobs, or of those of a task or a queue. ``live``: how much there is to do now, which nobody may have written down yet."""
    found = pieces(range_, now)
    sums = {each.at: each for each in history.sums(connection, found.span, found.since, found.until, task=task, queue=queue)}
    levels: dict[int, Level] = {}
    if task is None:
        levels = {each.at: each for each in history.levels(connection, found.span, found.since, found.until, queue=queue)}
        if live is not None and found.begins[-1] not in levels:
            levels[found.begins[-1]] = live
    served = served_spans(connection)
    points = tuple(_point(at, found.span, sums.get(at), levels.get(at), served, has_levels=task is None) for at in found.begins)
    return Series(range_, found.span, points, totals(sums.values()), _before(connection, found, task, queue))


def _before(connection: sqlite3.Connection, found: Pieces, task: str | None, queue: str | None) -> Totals:
    sql = ENDS_IN_OF_TASK if task is not None else ENDS_IN_OF_QUEUE if queue is not None else ENDS_IN
    name = task if task is not None else queue
    since = found.since - found.many * found.span * MICROS
    row = connection.execute(sql, {"span": found.span, "since": since, "until": found.since, "name": name}).fetchone()
    return Totals(*Ends.of(row))


def _point(at: int, span: int, sums: Sums | None, level: Level | None, served: Sequence[tuple[int, int, int]], *, has_levels: bool) -> Point:
    ends = Ends() if sums is None else Ends.of(sums.count(end) for end in _SHOWN)
    until = at + span * MICROS
    was_served = any(map(bool, () if sums is None else sums.ends)) or any(began < until and ended >= at for _, began, ended in served)
    if level is None and was_served and has_levels:
        level = Level(at, 0, 0, 0, 0)
    return Point(
        *ends, at=aware(at), was_served=was_served,
        wait=None if sums is None else spread(sums.waits), run=None if sums is None else spread(sums.runs),
        waiting=None if level is None else level.available, running=None if level is None else level.running,
        oldest=None if level is None else level.oldest_us / MICROS,
    )  # fmt: skip


def served_spans(connection: sqlite3.Connection) -> list[tuple[int, int, int]]:
    """The ids of workers, and from when to when workers ran, as far as their rows go back: those that stopped are kept for a day."""
    return connection.execute(SERVED, {"late": BEAT_LATE, "most": MOST_WORKERS}).fetchall()


def totals(sums: Iterable[Sums]) -> Totals:
    """Of several spans together."""
    sums = list(sums)
    ends = Ends.of(sum(each.count(end) for each in sums) for end in _SHOWN)
    return Totals(*ends, spread(added(each.waits for each in sums)), spread(added(each.runs for each in sums)))


def ended(sums: Iterable[Sums], found: Pieces) -> tuple[int, ...]:
    """By piece."""
    counts = [0] * found.many
    for each in sums:
        counts[found.place(each.at)] += Ends.of(each.count(end) for end in _SHOWN).ended
    return tuple(counts)


def added(buckets: Iterable[Sequence[int]]) -> tuple[int, ...]:
    return tuple(map(sum, zip((0,) * BUCKETS, *buckets, strict=True)))


def spread(buckets: Sequence[int]) -> Spread | None:
    buckets = _counts(buckets)
    median, p95 = percentile(buckets, 0.5), percentile(buckets, 0.95)
    return None if median is None or p95 is None else Spread(median, p95)


def _counts(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(max(number, 0) for number in numbers)


# -- by name ----------------------------------------------------------------------------------------------


def ends_by(connection: sqlite3.Connection, by: str, found: Pieces) -> dict[str, list[Ends]]:
    """Of each ``task``, or of each ``queue``, by piece; not of those that were too many to be counted by name."""
    by_name: dict[str, list[Ends]] = {}
    for name, at, *ends in connection.execute(ENDS_BY_TASK if by == "task" else ENDS_BY_QUEUE, found.within()).fetchall():
        if name:
            by_name.setdefault(name, [Ends()] * found.many)[found.place(at)] = Ends.of(ends)
    return by_name


class Rates(NamedTuple):
    """How many ended in the last whole minute, by name."""

    counts: dict[str, float]
    others: float | None  # of what was not counted; None where nobody served, and nobody knows

    def of(self, name: str) -> float | None:
        return self.counts.get(name, self.others)


def rates(connection: sqlite3.Connection, by: str, now: int) -> Rates:
    """Of each ``task``, or of each ``queue``."""
    minute = begin(now, MINUTE)
    last = Pieces(MINUTE, minute - MINUTE * MICROS, 1)
    counts = {name: float(ends.ended) for name, (ends,) in ends_by(connection, by, last).items()}
    return Rates(counts, 0.0 if counts or served_by(connection, now) else None)


def served_by(connection: sqlite3.Connection, now: int) -> list[int]:
    """The workers that ran in the last whole minute."""
    minute = begin(now, MINUTE)
    return [worker for worker, began, ended in served_spans(connection) if began < minute and ended >= minute - MINUTE * MICROS]


def total(ends: Iterable[Ends]) -> Ends:
    found = Ends()
    for each in ends:
        found += each
    return found


def succeeded_in_a_day(connection: sqlite3.Connection, now: int) -> int:
    until = begin(now, QUARTER) + QUARTER * MICROS
    (count,) = connection.execute(SUCCEEDED, {"span": QUARTER, "since": until - DAY * MICROS, "until": until}).fetchone()
    return max(int(count), 0)


def histograms_in_a_day(connection: sqlite3.Connection, task: str, now: int) -> tuple[Histogram, Histogram]:
    """How long the attempts of a task ran, and how long they waited."""
    until = begin(now, QUARTER) + QUARTER * MICROS
    sums = history.sums(connection, QUARTER, until - DAY * MICROS, until, task=task)
    runs, waits = (_counts(added(buckets)) for buckets in ((each.runs for each in sums), (each.waits for each in sums)))
    return Histogram(runs, spread(runs)), Histogram(waits, spread(waits))
