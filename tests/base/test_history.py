"""Spans, buckets, and what is read from them."""

from __future__ import annotations

import math
import random

import pytest

from litequeue.base.history import (
    BOUNDS,
    BUCKETS,
    DAY,
    EVER,
    MINUTE,
    QUARTER,
    begin,
    of_end,
    percentile,
)

NOW = 1_750_000_123_456_789


def test_a_span_begins_at_a_multiple_of_its_length() -> None:
    assert begin(NOW, MINUTE) == NOW - NOW % 60_000_000
    assert begin(NOW, QUARTER) % 900_000_000 == 0 and 0 <= NOW - begin(NOW, DAY) < DAY * 10**6
    assert begin(NOW, EVER) == 0


def test_of_an_end_one_is_counted_and_no_time() -> None:
    row = of_end(NOW, "t", "q", "expired", 3)
    assert row.ends == (0, 0, 0, 0, 3, 0, 0, 0) and sum(row.runs) == row.run_us == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_percentile_lies_in_the_bucket_of_the_time_that_it_stands_for(seed: int) -> None:
    rng = random.Random(seed)
    times = sorted(10 ** rng.uniform(-3.9, 3.5) for _ in range(rng.choice((1, 2, 10, 1000))))
    buckets = [0] * BUCKETS
    for time in times:
        buckets[next((n for n, bound in enumerate(BOUNDS) if time * 1e6 <= bound), len(BOUNDS))] += 1
    for share in (0.01, 0.5, 0.95, 1.0):
        time = times[max(math.ceil(share * len(times)) - 1, 0)]
        bound = next(n for n, bound in enumerate(BOUNDS) if time * 1e6 <= bound)
        found = percentile(buckets, share)
        assert found is not None and (BOUNDS[bound - 1] if bound else 0) / 1e6 <= found <= BOUNDS[bound] / 1e6 * 1.0000001, (share, time)
    assert percentile(buckets, 0.5) <= percentile(buckets, 0.95)  # type: ignore[operator]


def test_of_nothing_there_is_none_and_beyond_the_last_bound_it_is_that() -> None:
    assert percentile([0] * BUCKETS, 0.5) is None
    assert percentile([0] * (BUCKETS - 1) + [5], 0.5) == 3600.0
