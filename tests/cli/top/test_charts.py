"""Bars, sparklines, columns."""

from __future__ import annotations

import random

from litequeue.cli.top.charts import bar, columns, spark, squeezed
from litequeue.cli.top.paint import ASCII, UNICODE
from litequeue.cli.top.text import Line, line_width


def said(line: Line) -> str:
    return "".join(each.text for each in line)


def test_a_bar_is_never_full_or_empty_that_is_not() -> None:
    assert said(bar(0, 10, 5, UNICODE)) == "░░░░░" and said(bar(10, 10, 5, UNICODE)) == "█████"
    assert said(bar(1, 10_000, 5, UNICODE)) == "█░░░░" and said(bar(9_999, 10_000, 5, UNICODE)) == "████░"
    assert said(bar(3, 0, 5, UNICODE)) == "░░░░░" and said(bar(99, 10, 5, ASCII)) == "#####" and said(bar(1, 2, 1, ASCII)) in "#."


def test_a_sparkline_tells_nothing_from_not_known_and_a_little_from_nothing() -> None:
    assert said(spark([None, 0, 1, 100], 4, UNICODE)) == " ▁▂█"
    assert said(spark([], 3, UNICODE)) == "   " and said(spark([0, 0], 2, UNICODE)) == "▁▁"
    assert said(spark([1, 9, 2, None], 2, UNICODE)) == "█▂", "of those that share a column the largest"


def test_a_spark_is_as_wide_as_it_is_told_however_many_there_are() -> None:
    rng = random.Random(2)
    for _ in range(500):
        values = [rng.choice((None, 0.0, rng.random() * 100)) for _ in range(rng.randrange(120))]
        room = rng.randrange(80)
        assert line_width(spark(values, room, UNICODE)) == room
        assert len(squeezed(values, room)) == min(len(values), room)
        known = [value for value in values if value is not None]
        if room and known:
            assert max(value for value in squeezed(values, room) if value is not None) == max(known), "no peak is lost"


def test_columns_are_stacked_from_the_ground_each_part_in_its_colour() -> None:
    drawn = columns([(8, 0, 0), (4, 4, 0), None, (0, 0, 1), (0, 0, 0)], ("ok", "warn", "bad"), 8, 2, UNICODE)
    assert [said(line) for line in drawn] == ["██   ", "██.▂ "]
    assert [[(each.text, each.style) for each in line] for line in drawn] == [
        [("█", "ok"), ("█", "warn"), (" ", "dim"), ("  ", "")], [("██", "ok"), (".", "dim"), ("▂", "bad"), (" ", "")],
    ]  # fmt: skip


def test_what_there_is_at_all_is_seen() -> None:
    (line,) = columns([(1_000_000, 0, 1)], ("ok", "warn", "bad"), 1_000_000, 1, UNICODE)
    assert said(line) == "█"
    *_, ground = columns([(0, 0, 1)], ("ok", "warn", "bad"), 1_000_000, 5, UNICODE)
    assert [(each.text, each.style) for each in ground] == [("▁", "bad")]
