"""A range of time: how many jobs ended, as stacked bars, and below it on the same axis how long they waited before they started.

Owns both charts, their axes and their table. Where no worker ran there is nothing to know: those pieces are hatched, not 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ...store.pages.parts import Point, Range, Series
from .. import words
from ..html import Markup, el, join
from ..values import as_table, head
from ..values import table as table_of
from .geometry import area, ceiling, ceiling_of_time, gridlines, marks, runs, spots
from .small import legend

WIDTH: Final = 600.0
BARS: Final = 148.0  # heights
BAND: Final = 64.0
LABELS: Final = 5
PER: Final[dict[Range, str]] = {"1h": "a minute", "24h": "in 15 minutes", "30d": "a day"}
RANGES: Final[dict[Range, str]] = {"1h": "the last hour", "24h": "the last 24 hours", "30d": "the last 30 days"}
BEFORE: Final[dict[Range, str]] = {"1h": "the hour before", "24h": "the day before", "30d": "the 30 days before"}
_STACK: Final = (("ok", "succeeded"), ("retry", "failed"), ("bad", "discarded"))
KEYS: Final = (("ok", "succeeded"), ("retry", "failed, retried"), ("bad", "discarded"))
# One pattern for both charts of a page.
_HATCH: Final = el("defs", el("pattern", el("path", class_="hatch-line", d="M0 6 6 0"), id="hatch", width=6, height=6, patternUnits="userSpaceOnUse"))


def keys() -> Markup:
    return legend(*KEYS)


def charts(series: Series, now: datetime) -> Markup:
    """Both, with their axes."""
    points = series.points
    most = ceiling(max((point.succeeded + point.failed + point.discarded for point in points), default=0))
    slow = ceiling_of_time(max((point.wait.p95 for point in points if point.wait is not None), default=0.0))
    lines = marks(most, whole=True)
    return el(
        "div",
        _labels([words.number(mark) for mark in lines]),
        el("svg", _HATCH, gridlines(len(lines), WIDTH, BARS), _bars(series, most, now), **_figure(BARS, _ended_news(series, now))),
        el("div", el("h2", "Wait before start"), el("span", legend(("acc", "median"), ("acc2", "95 %")), class_="right"), class_="cap"),
        _labels([words.bound(slow), "0"]),
        el("svg", gridlines(2, WIDTH, BAND), _unserved(points, BAND), _band(points, slow), class_="low", **_figure(BAND, _wait_news(series, now))),
        el("div", (el("span", label) for label in _times(series, now)), class_="x"),
        class_="chart",
    )


def table(series: Series, now: datetime) -> Markup:
    """The same in numbers, the newest first."""
    rows = (
        el(
            "tr",
            el("th", words.clock(point.at, now, seconds=False), scope="row"),
            (el("td", cell, class_="num") for cell in _cells(point)),
        )
        for point in reversed(series.points)
    )
    top = head("From", *((word, "num") for word in ("Succeeded", "Failed, retried", "Discarded", "Wait, median", "95 %")))
    return as_table(table_of(top, rows))


def _cells(point: Point) -> tuple[str, ...]:
    if not point.was_served:
        return ("no worker ran", "", "", "", "")
    waits = ("", "") if point.wait is None else (words.took(point.wait.median), words.took(point.wait.p95))
    return (*(words.number(getattr(point, name)) for _, name in _STACK), *waits)


def _figure(height: float, news: str) -> dict[str, str]:
    return {"viewBox": f"0 0 {WIDTH:g} {height:g}", "preserveAspectRatio": "none", "role": "img", "aria_label": news}


def _labels(texts: Sequence[str]) -> Markup:
    return el("div", (el("span", text) for text in texts), class_="y", aria_hidden="true")


def _bars(series: Series, most: float, now: datetime) -> Markup:
    step = WIDTH / max(len(series.points), 1)
    return join(*(_bar(point, number * step, step, most, series.range, now) for number, point in enumerate(series.points)))


def _bar(point: Point, left: float, step: float, most: float, span: Range, now: datetime) -> Markup:
    gap = min(step / 10, 1.0)
    if not point.was_served:
        return el("g", el("title", f"{_at(point, span, now)}: no worker ran"), _hatched(left, step, BARS))
    parts, bottom = [], BARS
    for tone, name in _STACK:
        height = getattr(point, name) / most * BARS
        if height > 0:
            bottom -= height
            parts.append(el("rect", class_=f"b-{tone}", x=left + gap, y=bottom, width=step - 2 * gap, height=height))
    said = f"{_at(point, span, now)}: {point.succeeded:,} succeeded, {point.failed:,} failed and retried, {point.discarded:,} discarded"
    return el("g", el("title", said), parts) if parts else Markup()


def _at(point: Point, span: Range, now: datetime) -> str:
    return words.day(point.at, now) if span == "30d" else words.clock(point.at, now, seconds=False)


def _hatched(left: float, width: float, height: float) -> Markup:
    return el("rect", x=left, y=0, width=width, height=height, fill="url(#hatch)")


def _unserved(points: Sequence[Point], height: float) -> Markup:
    step = WIDTH / max(len(points), 1)
    return join(*(_hatched(number * step, step, height) for number, point in enumerate(points) if not point.was_served))


def _band(points: Sequence[Point], slow: float) -> Markup:
    far = runs([None if point.wait is None else point.wait.p95 for point in points], WIDTH, BAND, slow)
    middle = runs([None if point.wait is None else point.wait.median for point in points], WIDTH, BAND, slow)
    return join(
        *(el("polygon", class_="p95", points=area(piece, BAND)) for piece in far),
        *(el("polyline", class_="p50", points=spots(piece)) for piece in middle),
    )


def _times(series: Series, now: datetime) -> list[str]:
    """Under the axis: where a day is shown the times speak for themselves."""
    last = len(series.points) - 1
    shown = series.points if last < LABELS else [series.points[last * number // (LABELS - 1)] for number in range(LABELS)]
    return [words.day(point.at, now) if series.range == "30d" else f"{point.at.astimezone():%H:%M}" for point in shown]


def _ended_news(series: Series, now: datetime) -> str:
    served = [point for point in series.points if point.was_served]
    every = sum(point.succeeded + point.discarded for point in served) / max(len(served), 1)
    news = f"Jobs ended {PER[series.range]} over {RANGES[series.range]}: {words.rate(every)} on average"
    worst = max(served, key=lambda point: point.discarded, default=None)
    if worst is not None and worst.discarded:
        news += f"; {series.totals.discarded:,} were discarded, most of them at {_at(worst, series.range, now)}"
    idle = len(series.points) - len(served)
    return f"{news}; no worker ran for {idle} of {len(series.points)} pieces" if idle else news


def _wait_news(series: Series, now: datetime) -> str:
    found = [(point.wait, point) for point in series.points if point.wait is not None]
    if not found or series.totals.wait is None:
        return f"Wait before start: no job started in {RANGES[series.range]}"
    worst, point = max(found, key=lambda pair: pair[0].p95)
    return (
        f"Wait before start: median {words.took(series.totals.wait.median)}; 95 % waited up to {words.took(worst.p95)} at {_at(point, series.range, now)}"
    )
