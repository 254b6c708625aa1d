from __future__ import annotations

import dataclasses
import re
from datetime import timedelta

import pytest

from litequeue.store.pages.parts import Point, Range, Series, Spread, Totals
from litequeue.web.charts import series

from ..samples import NOW
from ..samples import series as sample


def of(*points: Point, range_: Range = "1h") -> Series:
    return Series(range_, 60, points, Totals(wait=Spread(0.1, 1)), Totals())


def point(number: int, succeeded: int = 0, failed: int = 0, discarded: int = 0, **given: object) -> Point:
    return dataclasses.replace(Point(succeeded, failed, discarded, at=NOW - timedelta(minutes=10 - number)), **given)


def test_bars_are_stacked_from_the_bottom_to_a_round_maximum() -> None:
    shown = series.charts(of(point(0, 50, 30, 20), point(1)), NOW)
    assert re.findall(r'<rect class="b-(\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', shown) == [
        ("ok", "1", "74", "298", "74"), ("retry", "1", "29.6", "298", "44.4"), ("bad", "1", "0", "298", "29.6"),
    ]  # fmt: skip
    assert "<title>14:18: 50 succeeded, 30 failed and retried, 20 discarded</title>" in shown
    assert re.findall(r"<span>([\d,]+)</span>", shown)[:3] == ["100", "50", "0"]


def test_where_no_worker_ran_it_is_hatched_and_not_nought() -> None:
    shown = series.charts(of(point(0, 5), point(1, was_served=False), point(2, 5)), NOW)
    assert shown.count('fill="url(#hatch)"') == 2, "in both charts"
    assert shown.count('id="hatch"') == 1
    assert "no worker ran for 1 of 3 pieces" in shown
    assert "no worker ran" in series.table(of(point(0, was_served=False)), NOW)


def test_its_sentence_says_the_news() -> None:
    shown = series.charts(sample(), NOW)
    assert re.search(r'aria-label="Jobs ended a minute over the last hour: 1,\d{3} on average; 74 were discarded, most of them at 14:\d\d"', shown)
    assert re.search(r'aria-label="Wait before start: median 48 ms; 95 % waited up to 1\.5 s at 14:\d\d"', shown)


def test_nothing_at_all_is_a_chart_too() -> None:
    for points in ((), (point(0),)):
        shown = series.charts(of(*points), NOW)
        assert "<span>1</span><span>0</span>" in shown
        assert "no job started" in shown


@pytest.mark.parametrize(("range_", "label"), [("1h", r"\d\d:\d\d"), ("24h", r"\d\d:\d\d"), ("30d", r"\d+ \w{3}")])
def test_five_times_stand_under_the_axis(range_: Range, label: str) -> None:
    shown = series.charts(sample(range_), NOW)
    (axis,) = re.findall(r'<div class="x">(.*?)</div>', shown)
    assert re.fullmatch(f"(<span>{label}</span>){{5}}", axis)


def test_the_table_says_the_same_the_newest_first() -> None:
    shown = series.table(of(point(0, 1, 2, 3, wait=Spread(0.05, 0.2)), point(1, 4)), NOW)
    cells = re.findall(r"<t[dh](?: [^>]*)?>([^<]*)</t", shown.partition("<tbody>")[2])
    assert cells == ["14:19", "4", "0", "0", "", "", "14:18", "1", "2", "3", "50 ms", "200 ms"]
