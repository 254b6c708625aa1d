"""How much there is to do, minute by minute, and what is kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from litequeue.base.history import DAY, MINUTE, QUARTER, Counted
from litequeue.store import Store, history
from litequeue.store.turn import Demand

from ..support import FakeClock, new_job

pytestmark = pytest.mark.beside

SECOND = 1_000_000
HOUR = 3600 * SECOND


def kept(store: Store) -> list[tuple[Any, ...]]:
    with store.database.read() as connection:
        return connection.execute("SELECT span, queue, available, delayed, running, oldest_us, last_id FROM litequeue_gauges ORDER BY 1, at, 2").fetchall()


def test_a_minute_is_written_once_and_longer_spans_have_their_most(store: Store, clock: FakeClock) -> None:
    now = clock.now() - clock.now() % (DAY * SECOND) + 30 * SECOND
    for queue, state, run_at in (("a", "available", now - 5 * SECOND), ("a", "available", now), ("b", "scheduled", now + HOUR), ("b", "available", now - SECOND)):
        store.jobs.enqueue(new_job(queue=queue, state=state, run_at=run_at, created_at=now - HOUR))
    store.jobs.turn(1, now, now + HOUR, demand=Demand({"thread": 1}, queues=("b",)))
    assert store.levels.keep(now) and not store.levels.keep(now + SECOND)
    rows = [("a", 2, 0, 0, 5 * SECOND, 4), ("b", 0, 1, 1, 0, 4)]
    assert kept(store) == [(span, *row) for span in (MINUTE, QUARTER, DAY) for row in rows]
    store.jobs.turn(1, now, now + HOUR, demand=Demand({"thread": 2}, queues=("a",)))
    assert store.levels.keep(now + 60 * SECOND)
    assert [row for row in kept(store) if row[0] == QUARTER] == [(QUARTER, "a", 2, 0, 2, 5 * SECOND, 4), (QUARTER, "b", 0, 1, 1, 0, 4)]
    assert [row for row in kept(store) if row[0] == MINUTE] == [(MINUTE, *row) for row in (*rows, ("a", 0, 0, 2, 0, 4), ("b", 0, 1, 1, 0, 4))]
    with store.database.read() as connection:
        first, _ = history.levels(connection, MINUTE, 0, 2 * now)
        assert (first.available, first.delayed, first.running, first.oldest_us) == (2, 1, 1, 5 * SECOND)
        assert history.levels(connection, MINUTE, 0, 2 * now, queue="a")[1][1:] == (0, 0, 2, 0)


def test_where_there_is_nothing_to_do_nothing_is_written(store: Store, clock: FakeClock, db: Path) -> None:
    store.jobs.enqueue(new_job())
    store.operations.cancel(1, clock.now())
    before, log = store.database.data_version(), (db.stat().st_size, Path(f"{db}-wal").stat().st_size)
    assert not store.levels.keep(clock.now())
    store.levels.prune(clock.now())
    assert (store.database.data_version(), (db.stat().st_size, Path(f"{db}-wal").stat().st_size)) == (before, log)


def test_each_span_is_kept_for_its_time_and_what_is_of_all_time_for_ever(store: Store, clock: FakeClock) -> None:
    long_ago = clock.now()
    for ago in (0, 9 * HOUR, 9 * 24 * HOUR, 401 * 24 * HOUR):
        with store.database.write(durable=False) as connection:
            history.add(connection, [Counted(clock.now() + 401 * 24 * HOUR - ago, "t", "q", (1, *(0,) * 7))])
    store.levels.prune(long_ago + 401 * 24 * HOUR)
    with store.database.read() as connection:
        found = dict(connection.execute("SELECT span, sum(succeeded) FROM litequeue_metrics GROUP BY span").fetchall())
    assert found == {0: 4, MINUTE: 1, QUARTER: 2, DAY: 3}


def test_a_planted_count_that_nothing_can_be_added_to_makes_room(store: Store) -> None:
    """Else it would end every worker that counts this task."""
    with store.database.write(durable=False) as connection:
        connection.execute("INSERT INTO litequeue_metrics (span, at, task, queue, succeeded) VALUES (0, 0, 't', 'q', 9223372036854775807)")
        history.add(connection, [Counted(0, "t", "q", (3, *(0,) * 7)), Counted(0, "u", "q", (1, *(0,) * 7))])
    with store.database.read() as connection:
        assert {pair: sums.count("succeeded") for pair, sums in history.ever(connection).items()} == {("t", "q"): 3, ("u", "q"): 1}
