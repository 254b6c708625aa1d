from __future__ import annotations

import random
from datetime import timedelta

import pytest

from litequeue import Backoff, InvalidArgument, InvalidType
from litequeue.base import backoff

pytestmark = pytest.mark.beside


def test_the_ceiling_doubles_up_to_the_cap_and_never_overflows() -> None:
    plain = Backoff(base=1, factor=2, cap=600, jitter=False)
    rng = random.Random(1)
    assert [plain.delay(n, rng) for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert plain.delay(11, rng) == 600
    assert plain.delay(1_000_000, rng) == 600


def test_full_jitter_is_uniform_below_the_ceiling() -> None:
    rng = random.Random(7)
    delays = [Backoff().delay(4, rng) for _ in range(2000)]
    assert 0 <= min(delays) < 0.1 and 7.9 < max(delays) <= 8
    assert 3.8 < sum(delays) / len(delays) < 4.2


def test_every_form_of_backoff_gives_a_delay() -> None:
    rng = random.Random(1)
    error = ValueError()
    assert backoff.delay_micros(2.5, 9, error, rng) == 2_500_000
    assert backoff.delay_micros(timedelta(seconds=1), 9, error, rng) == 1_000_000
    delays = backoff.check([1, 5, 30])
    assert [backoff.delay_micros(delays, n, error, rng) // 1_000_000 for n in (1, 2, 3, 9)] == [1, 5, 30, 30]
    assert backoff.delay_micros(lambda attempt, e: attempt if e is error else 0, 3, error, rng) == 3_000_000


def test_a_length_of_time_is_said_as_everywhere() -> None:
    rng, error = random.Random(1), ValueError()
    assert backoff.delay_micros(backoff.check("1m30s"), 9, error, rng) == 90_000_000
    delays = backoff.check(["10s", timedelta(minutes=1), 600])
    assert [backoff.delay_micros(delays, n, error, rng) // 1_000_000 for n in (1, 2, 3, 9)] == [10, 60, 600, 600]
    assert backoff.delay_micros(lambda attempt, e: "2h", 1, error, rng) == 7_200_000_000
    spread = Backoff(base="1s", cap=timedelta(minutes=10), jitter=False)
    assert spread == Backoff(base=1, cap=600, jitter=False)
    assert [spread.delay(n, rng) for n in (1, 2, 50)] == [1, 2, 600]


@pytest.mark.parametrize("value", [-1, float("nan"), [], [1, -1], True, "fast", None, object()])
def test_a_wrong_backoff_is_refused_when_it_is_written(value: object) -> None:
    with pytest.raises((InvalidArgument, InvalidType), match="backoff"):
        backoff.check(value)


def test_wrong_numbers_in_backoff_are_refused() -> None:
    for wrong in ({"base": -1}, {"factor": 0.5}, {"cap": float("inf")}, {"cap": "ever"}):
        with pytest.raises(ValueError, match="Backoff"):
            Backoff(**wrong)
