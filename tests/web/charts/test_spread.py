from __future__ import annotations

import re

import pytest

from litequeue.store.pages.parts import BUCKETS, Histogram
from litequeue.web.charts import spread


@pytest.mark.parametrize(("seconds", "number"), [(0, 0), (0.001, 0), (0.0011, 1), (0.5, 6), (1, 6), (28, 9), (3600, 13), (3601, 14), (1e9, 14)])
def test_each_time_has_its_bar(seconds: float, number: int) -> None:
    assert spread.bucket(seconds) == number
    assert number == len(BUCKETS) or seconds <= BUCKETS[number]


def test_heights_go_by_the_square_root() -> None:
    counts = (100, 0, 25, *[0] * 12)
    shown = spread.histogram(Histogram(counts, None), None, "Run times")
    assert re.findall(r'x="([\d.]+)" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', shown) == [("0.6", "0", "84"), ("20.6", "42", "42")]
    assert "<title>up to 1 ms: 100</title>" in shown and "<title>3 ms to 10 ms: 25</title>" in shown
    assert 'aria-label="Run times: most often up to 1 ms"' in shown


def test_what_is_looked_at_stands_out_even_where_nothing_else_is() -> None:
    shown = spread.histogram(Histogram((9, *[0] * 14), None), 28.0, "Run times", is_bad=True)
    assert 'class="here bad"' in shown and "this one took 28.0 s" in shown
    assert 'class="here"' in spread.histogram(Histogram((9, *[0] * 14), None), 28.0, "Run times")


def test_of_nothing_it_says_so() -> None:
    assert 'aria-label="Run times: none yet"' in spread.histogram(Histogram((0,) * 15, None), None, "Run times")
