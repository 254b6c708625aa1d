from __future__ import annotations

import re

from litequeue.web.charts import small

from ..samples import NOW, ticks


def test_a_sparkline_fills_its_tile_from_the_bottom() -> None:
    shown = small.spark([0, 5, 10], "ok")
    assert 'points="0.0,34.0 60.0,19.2 120.0,4.4"' in shown
    assert 'class="spark-area ok"' in shown and 'aria-hidden="true"' in shown


def test_a_single_point_is_a_stroke_and_nothing_is_no_line() -> None:
    assert '<polyline class="spark-line" points="30.0,4.4 90.0,4.4"/>' in small.spark([None, 3, None], "")
    assert "poly" not in small.spark([], "")
    assert small.mini((), "ok") == ""


def test_a_meter_is_never_more_than_full() -> None:
    for part, whole, width in ((4, 8, "50"), (12, 8, "100"), (1, 0, "0"), (-1, 8, "0")):
        assert f'width="{width}"' in small.meter(part, whole, "x")


def test_each_kind_of_tick() -> None:
    assert [small.kind(tick) for tick in ticks("flbmsr")] == ["ok", "late", "bad", "miss", "skip", "run"]


def test_ticks_are_named_by_their_news() -> None:
    shown = small.ticks(ticks("fffblm"), NOW)
    assert 'aria-label="The last 6 ticks: 1 failed, 1 missed, 1 late and 3 well"' in shown
    assert len(re.findall("<i ", shown)) == 6
    assert 'title="12:28:30 late, job 480,004 succeeded"' in shown
    assert "nobody with its code ran" in shown
    assert "no tick yet" in small.ticks((), NOW)
