from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from litequeue import InvalidArgument, InvalidType
from litequeue.base import checks

pytestmark = pytest.mark.beside


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 1e300, 2**70, -0.5, timedelta(-1)])
def test_a_number_that_is_no_duration_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match="countdown"):
        checks.span(value, "countdown")


@pytest.mark.parametrize("value", [True, None, Decimal(1), 1j, [1]])
def test_a_type_that_is_no_duration_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="countdown"):
        checks.span(value, "countdown")


def test_durations_become_whole_microseconds() -> None:
    assert checks.span(1.5, "x") == 1_500_000
    assert checks.span(timedelta(seconds=2), "x") == 2_000_000
    assert checks.span("1m30s", "x") == 90_000_000
    assert checks.span("1.5", "x") == 1_500_000
    assert checks.span(0, "x") == 0
    assert checks.span(1e-9, "timeout", zero=False) == 1
    with pytest.raises(InvalidArgument):
        checks.span(0, "timeout", zero=False)
    with pytest.raises(InvalidArgument):
        checks.span(timedelta.max, "timeout")


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


class Contrary(datetime):
    """As pendulum's: its arithmetic answers with something else."""

    def __sub__(self, other: object) -> Any:
        return "an interval"

    __rsub__ = __add__ = __radd__ = __sub__


def test_a_moment_is_worked_out_without_the_arithmetic_of_a_subclass() -> None:
    plain = datetime(2026, 10, 25, 2, 30, 1, 5, tzinfo=ZoneInfo("Europe/Berlin"))
    for fold in (0, 1):
        value = Contrary(2026, 10, 25, 2, 30, 1, 5, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold)
        assert checks.moment(value, "eta") == checks.moment(plain.replace(fold=fold), "eta")
        assert type(checks.aware(checks.moment(value, "eta"))) is datetime
    for edge in (datetime.min, datetime.max):
        with pytest.raises(InvalidArgument, match="1870 to 2370"):
            checks.moment(edge.replace(tzinfo=timezone(timedelta(hours=-23))), "eta")


class Whole:
    """As numpy's integers: no int, but as good as one."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __index__(self) -> int:
        if not isinstance(self.value, int):
            raise TypeError("only integers")
        return self.value


def test_what_is_as_good_as_an_integer_is_one() -> None:
    assert type(checks.integer(Whole(5), "priority", 0, 9)) is int
    assert checks.span(Whole(2), "timeout") == 2_000_000
    for wrong in (Whole("x"), type("bool_", (Whole,), {})(1)):
        for check in (checks.span, lambda value, what: checks.integer(value, what, 0, 9)):
            with pytest.raises(InvalidType, match="retries must be"):
                check(wrong, "retries")
