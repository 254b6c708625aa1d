"""Counts that stop: exact where the file is small, and never too high where it is not."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from litequeue.base.counts import AtLeast, capped, total
from litequeue.store import Store, counting

from .searching.test_finding import fill, rows_of

pytestmark = pytest.mark.beside


@pytest.fixture
def store(db: Path, request: pytest.FixtureRequest) -> Store:
    store = Store(str(db))
    fill(store, random.Random(11), 600)
    request.addfinalizer(store.close)
    return store


def test_a_small_file_is_counted_whole(store: Store) -> None:
    rows = rows_of(store)
    found = store.reports.stats()
    assert found.states == Counter(row["state"] for row in rows)
    assert {(queue, state): count for queue, counts in found.queues.items() for state, count in counts.items()} == Counter(
        (row["queue"], row["state"]) for row in rows
    )
    assert not any(isinstance(count, AtLeast) for count in found.states.values())


@pytest.mark.parametrize(("small", "most"), [(50, 10_000), (50, 20), (5, 3), (100, 57)])
def test_of_a_large_one_no_count_is_too_high_and_one_that_is_too_low_says_so(
    store: Store, small: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "SMALL", small)
    monkeypatch.setattr(counting, "MOST", most)
    rows = rows_of(store)
    by_state, by_queue = Counter(row["state"] for row in rows), Counter((row["queue"], row["state"]) for row in rows)
    found = store.reports.stats()
    for state, count in found.states.items():
        assert count <= by_state[state] and (isinstance(count, AtLeast) or count == by_state[state]), state
        assert isinstance(count, AtLeast) == (by_state[state] > most or state == "succeeded"), state
    assert found.states.keys() == by_state.keys()
    for queue, counts in found.queues.items():
        for state, count in counts.items():
            assert count <= by_queue[queue, state] and (isinstance(count, AtLeast) or count == by_queue[queue, state]), (queue, state)
        assert counts["available"] == min(by_queue[queue, "available"], most)


def test_the_oldest_is_told_by_queue(store: Store) -> None:
    rows = [row for row in rows_of(store) if row["state"] == "available"]
    with store.database.read() as connection:
        found = counting.oldest(connection)
    assert found == {
        queue: min(max(row["run_at"], row["created_at"]) for row in rows if row["queue"] == queue) for queue in {row["queue"] for row in rows}
    }
    assert store.reports.stats().oldest_available is not None


def test_numbers_say_that_there_may_be_more() -> None:
    assert (str(capped(10, 10)), str(capped(11, 10))) == ("10", "10+")
    assert f"{capped(20_000, 10_000)} jobs" == "10,000+ jobs"
    assert str(total([1, AtLeast(2_000)])) == "2,001+" and str(total([1, 2])) == "3"
