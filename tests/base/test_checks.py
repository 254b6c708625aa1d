from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from litequeue import InvalidArgument, InvalidType
from litequeue.base import checks

pytestmark = pytest.mark.beside


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 1e300, 2**70, -0.5, timedelta(-1)])
def test_a_number_that_is_no_duration_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match="countdown"):
        checks.micros(value, "countdown")


@pytest.mark.parametrize("value", [True, "1", None, Decimal(1), 1j, [1]])
def test_a_type_that_is_no_duration_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="countdown"):
        checks.micros(value, "countdown")


def test_durations_become_whole_microseconds() -> None:
    assert checks.micros(1.5, "x") == 1_500_000
    assert checks.micros(timedelta(seconds=2), "x") == 2_000_000
    assert checks.micros(0, "x") == 0
    assert checks.micros(1e-9, "timeout", zero=False) == 1
    with pytest.raises(InvalidArgument):
        checks.micros(0, "timeout", zero=False)
    with pytest.raises(InvalidArgument):
        checks.micros(timedelta.max, "timeout")


def test_a_naive_datetime_is_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidArgument, match=r"time zone.*timezone\.utc"):
        checks.moment(datetime(2026, 1, 1), "eta")


def test_moments_are_exact_at_the_ends_of_time() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=5)))
    assert checks.aware(checks.moment(moment, "eta")) == moment
    for extreme in (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))):
        with pytest.raises(InvalidArgument, match="eta"):
            checks.moment(extreme, "eta")


@pytest.mark.parametrize(
    "value", ["", "a b", "x" * 201, "a\0b", "\ud800", "a/b", "x'; DROP TABLE jobs;--", "a\n", "%", "*"]
)
def test_a_name_with_strange_characters_is_refused(value: str) -> None:
    with pytest.raises(InvalidArgument, match="queue"):
        checks.name(value, "queue")


def test_an_error_about_a_huge_number_does_not_fail_itself() -> None:
    with pytest.raises(InvalidArgument, match="bits"):
        checks.integer(10**5000, "priority", 0, 10)
    with pytest.raises(InvalidType):
        checks.integer(True, "retries", 0, 10)
