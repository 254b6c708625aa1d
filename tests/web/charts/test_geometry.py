from __future__ import annotations

import pytest

from litequeue.web.charts import geometry


@pytest.mark.parametrize(("most", "top"), [(0, 1), (-1, 1), (1, 1), (1.01, 2), (2, 2), (2.5, 3), (5, 6), (7, 10), (1400, 2000), (0.0004, 0.0006), (0.3, 0.3), (61, 100), (float("inf"), 1)])
def test_an_axis_ends_at_a_round_number(most: float, top: float) -> None:
    assert geometry.ceiling(most) == pytest.approx(top)


@pytest.mark.parametrize(("most", "top"), [(0, 1), (0.25, 0.3), (45, 60), (60, 60), (61, 120), (700, 1200), (1500, 1800), (3500, 3600), (5000, 7200)])
def test_one_of_time_ends_at_whole_minutes_or_hours(most: float, top: float) -> None:
    assert geometry.ceiling_of_time(most) == pytest.approx(top)


@pytest.mark.parametrize("exponent", range(-6, 9))
def test_and_at_no_less_than_what_is_shown(exponent: int) -> None:
    for step in range(1, 100):
        most = step * 10.0**exponent / 7
        assert most * 0.999999 <= geometry.ceiling(most) <= most * 2.000001, "nor so much more that half of the chart is empty"


def test_gridlines_are_three_or_four_and_whole_where_things_are_counted() -> None:
    assert geometry.marks(2000) == [2000, 1000, 0]
    assert geometry.marks(3000) == [3000, 2000, 1000, 0]
    assert geometry.marks(6) == [6, 4, 2, 0]
    assert geometry.marks(1, whole=True) == [1, 0]
    assert geometry.marks(2, whole=True) == [2, 1, 0]
    assert geometry.marks(10) == [10, 5, 0]


def test_a_line_is_broken_where_nothing_is_known() -> None:
    assert geometry.runs([0, 5, None, 10], 300, 100, 10) == [[(0, 100), (100, 50)], [(250, 0), (300, 0)]], "one alone is a stroke"
    assert geometry.runs([None, None], 300, 100, 10) == []
    assert geometry.runs([4], 300, 100, 0) == [[(0, 100), (150, 100)]], "nothing is as high as nothing"
    assert geometry.runs([20], 300, 100, 10, room=10) == [[(0, 10), (150, 10)]], "and none is higher than the top"


def test_an_area_is_closed_along_the_bottom() -> None:
    assert geometry.area([(0, 5), (10, 2)], 20) == "0.0,20.0 0.0,5.0 10.0,2.0 10.0,20.0"
