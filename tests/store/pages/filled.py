"""A file with jobs, history and more at random, and what a page shows of it read in a plain way."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from litequeue.base.history import BUCKETS, ENDS, Counted
from litequeue.store import Store, history
from litequeue.store.pages.parts import RANGES, Range

from ..searching.test_finding import NOW, QUEUES, TASKS, fill, rows_of

__all__ = ["MICROS", "NOW", "QUEUES", "TASKS", "counted", "execute", "fill", "pieces_of", "rows_of", "sums_of", "within"]

MICROS = 1_000_000


def execute(store: Store, sql: str, rows: Iterable[Any] = ((),)) -> None:
    with store.database.write(durable=False) as connection:
        for row in rows:
            connection.execute(sql, row)


def counted(store: Store, rng: random.Random, many: int, seconds: int) -> list[Counted]:
    """So many, of the last so many seconds before NOW."""
    rows = []
    for _ in range(many):
        runs = [0] * BUCKETS
        ends = [rng.randrange(5) * (rng.random() < 0.6) for _ in ENDS]
        for _ in range(sum(ends[:3])):
            runs[rng.randrange(BUCKETS)] += 1
        waits = rng.sample(runs, BUCKETS)
        rows.append(Counted(NOW - rng.randrange(seconds * MICROS), rng.choice(TASKS), rng.choice(QUEUES), tuple(ends), sum(runs), 7, tuple(runs), tuple(waits)))
    with store.database.write(durable=False) as connection:
        history.add(connection, rows)
    return rows


def pieces_of(range_: Range) -> list[tuple[int, int]]:
    """From when to when each is."""
    many, span = RANGES[range_]
    last = NOW - NOW % (span * MICROS)
    return [(last - back * span * MICROS, last - (back - 1) * span * MICROS) for back in reversed(range(many))]


def within(rows: Iterable[Counted], since: int, until: int, **names: str) -> list[Counted]:
    return [row for row in rows if since <= row.at < until and all(getattr(row, key) == name for key, name in names.items())]


def sums_of(rows: Iterable[Counted]) -> dict[str, int]:
    rows = list(rows)
    return {end: sum(row.ends[place] for row in rows) for place, end in enumerate(ENDS)}
