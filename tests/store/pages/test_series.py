"""Series of times, held against the counts that they are of."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from litequeue.base.checks import aware
from litequeue.base.history import BUCKETS, Counted, percentile
from litequeue.store import Store
from litequeue.store.history import Level
from litequeue.store.pages import series
from litequeue.store.pages.parts import Range, Spread, Totals

from .filled import (
    MICROS,
    NOW,
    QUEUES,
    TASKS,
    counted,
    execute,
    pieces_of,
    sums_of,
    within,
)

pytestmark = pytest.mark.beside

SHOWN = ("succeeded", "failed", "discarded", "cancelled", "expired")
SECONDS: dict[Range, int] = {"1h": 3 * 3600, "24h": 3 * 86_400, "30d": 90 * 86_400}
WORKER = "INSERT INTO litequeue_workers (name, pid, host, lock_file, slots, started_at, heartbeat_at, stopped_at) VALUES ('w', 1, 'h', 'l', '{}', ?, ?, ?)"


def spread_of(rows: list[Counted], what: str) -> Spread | None:
    buckets = [sum(getattr(row, what)[place] for row in rows) for place in range(BUCKETS)]
    median, p95 = percentile(buckets, 0.5), percentile(buckets, 0.95)
    return None if median is None or p95 is None else Spread(median, p95)


def ends_of(found: Totals) -> dict[str, int]:
    return {end: getattr(found, end) for end in SHOWN}


def plain(rows: list[Counted]) -> dict[str, int]:
    found = sums_of(rows)
    return {end: found[end] for end in SHOWN}


@pytest.fixture(params=["1h", "24h", "30d"])
def history(store: Store, request: pytest.FixtureRequest) -> Iterator[tuple[Range, list[Counted]]]:
    yield request.param, counted(store, random.Random(5), 300, SECONDS[request.param])


@pytest.mark.parametrize("names", [{}, {"task": TASKS[0]}, {"queue": QUEUES[1]}])
def test_each_piece_and_the_whole_are_what_was_counted_in_them(store: Store, history: tuple[Range, list[Counted]], names: dict[str, str]) -> None:
    range_, rows = history
    with store.database.read() as connection:
        found = series.series(connection, range_, NOW, **names)  # type: ignore[arg-type]
    pieces = pieces_of(range_)
    assert [point.at for point in found.points] == [aware(since) for since, _ in pieces]
    for point, (since, until) in zip(found.points, pieces, strict=True):
        mine = within(rows, since, until, **names)
        assert ends_of(point) == plain(mine)
        assert point.wait == (spread_of(mine, "waits") if mine else None) and point.run == (spread_of(mine, "runs") if mine else None)
        assert point.was_served == any(any(row.ends) for row in mine)
    since, until = pieces[0][0], pieces[-1][1]
    mine = within(rows, since, until, **names)
    assert ends_of(found.totals) == plain(mine) and found.totals.wait == spread_of(mine, "waits") and found.totals.run == spread_of(mine, "runs")
    assert ends_of(found.before) == plain(within(rows, since - (until - since), since, **names))


@pytest.mark.parametrize("by", ["task", "queue"])
def test_by_name_they_are_what_was_counted_of_it(store: Store, history: tuple[Range, list[Counted]], by: str) -> None:
    range_, rows = history
    with store.database.read() as connection:
        found = series.ends_by(connection, by, series.pieces(range_, NOW))
        rates = series.rates(connection, by, NOW)
    pieces = pieces_of(range_)
    shown = within(rows, pieces[0][0], pieces[-1][1])
    assert found.keys() == {getattr(row, by) for row in shown}
    for name, ends in found.items():
        assert [each._asdict() for each in ends] == [plain(within(rows, *piece, **{by: name})) for piece in pieces]
    minute = NOW - NOW % (60 * MICROS)
    last = within(rows, minute - 60 * MICROS, minute)
    assert {name: rate for name, rate in rates.counts.items() if rate} == {
        name: float(ended) for name in {getattr(row, by) for row in last} if (ended := sum(count for end, count in plain(within(last, 0, NOW, **{by: name})).items() if end != "failed"))
    }  # fmt: skip
    assert rates.of("nobody's") == (0.0 if last else None)


def test_levels_are_those_written_else_none_where_nobody_looked_and_nothing_where_somebody_would_have(store: Store) -> None:
    minutes = [since for since, _ in pieces_of("1h")]
    gauge = "INSERT INTO litequeue_gauges VALUES (60, ?, ?, ?, 1, ?, ?, 9)"
    execute(store, gauge, [(minutes[10], "a", 3, 1, 5 * MICROS), (minutes[10], "b", 4, 2, 7 * MICROS)])
    execute(store, WORKER, [(minutes[20] + 1, minutes[22], minutes[22] + 5)])
    with store.database.read() as connection:
        found = series.series(connection, "1h", NOW, live=Level(NOW, 8, 0, 2, 3 * MICROS))
        of_a = series.series(connection, "1h", NOW, queue="a")
        of_task = series.series(connection, "1h", NOW, task="t")
    levels = [(point.waiting, point.running, point.oldest) for point in found.points]
    assert levels[10] == (7, 3, 7.0) and levels[20:23] == [(0, 0, 0.0)] * 3 and levels[-1] == (8, 2, 3.0)
    assert [level for place, level in enumerate(levels) if place not in (10, 20, 21, 22, 59)] == [(None, None, None)] * 55
    assert [place for place, point in enumerate(found.points) if point.was_served] == [20, 21, 22]
    assert (of_a.points[10].waiting, of_a.points[10].oldest, of_a.points[-1].waiting) == (3, 5.0, None)
    assert {point.waiting for point in of_task.points} == {None}, "nobody counts by task how much there is"


def test_a_worker_that_lives_serves_till_now_and_one_that_died_till_its_last_beat(store: Store) -> None:
    minutes = [since for since, _ in pieces_of("1h")]
    execute(store, WORKER, [(minutes[50] + 1, minutes[52], None), (minutes[57], NOW - 9 * MICROS, None)])
    with store.database.read() as connection:
        found = series.series(connection, "1h", NOW)
        assert series.served_by(connection, NOW) == [2]
    assert [place for place, point in enumerate(found.points) if point.was_served] == [50, 51, 52, 57, 58, 59]


def test_what_is_planted_in_the_history_is_no_more_than_nonsense(store: Store) -> None:
    minute = NOW - NOW % (60 * MICROS)
    planted = f"INSERT INTO litequeue_metrics (span, at, task, queue, succeeded, failed, run_3, wait_2, run_us) VALUES (60, {minute}, ?, 'q', ?, ?, ?, ?, ?)"
    most = 2**63 - 1
    execute(store, planted, [("a", most, -5, most, -9, most), ("b", most, -(2**63), most, 4, most), ("\0", 1, 1, 1, 1, 1)])
    execute(store, "INSERT INTO litequeue_gauges VALUES (60, ?, ?, ?, ?, ?, ?, 9)", [(minute, name, most, most, most, most) for name in "ab"])
    with store.database.read() as connection:
        found = series.series(connection, "1h", NOW)
        assert series.ends_by(connection, "task", series.pieces("1h", NOW))["\0"][-1].succeeded == 1
    assert found.totals.failed == 0 and found.totals.succeeded >= most - 2000 and found.points[-1].waiting is not None


def test_runs_and_waits_of_a_task_are_those_of_a_day(store: Store) -> None:
    rows = counted(store, random.Random(3), 200, 2 * 86_400)
    with store.database.read() as connection:
        runs, waits = series.histograms_in_a_day(connection, TASKS[0], NOW)
        day = series.succeeded_in_a_day(connection, NOW)
    until = NOW - NOW % (900 * MICROS) + 900 * MICROS
    mine = within(rows, until - 86_400 * MICROS, until, task=TASKS[0])
    assert list(runs.counts) == [sum(row.runs[place] for row in mine) for place in range(BUCKETS)] and runs.spread == spread_of(mine, "runs")
    assert list(waits.counts) == [sum(row.waits[place] for row in mine) for place in range(BUCKETS)] and waits.total == sum(waits.counts)
    assert day == sums_of(within(rows, until - 86_400 * MICROS, until))["succeeded"]
