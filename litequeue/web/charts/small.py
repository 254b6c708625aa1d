"""Small charts in a line of text or in a tile: sparklines, meters, and a bar per tick of a schedule.

Owns how a tick is classed, and the sentences that name these charts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ...base.records import TickInfo
from .. import words
from ..html import Markup, el, join
from .geometry import area, runs, spots

TILE: Final = (120.0, 34.0, 4.4)  # width, height, room above
ROW: Final = (108.0, 20.0, 2.6)

# How each kind of tick is said, from bad to good.
_SAID: Final = {"bad": "failed", "miss": "missed", "late": "late", "skip": "skipped", "run": "running", "wait": "waiting", "ok": "well"}


def spark(values: Sequence[float | None], tone: str, shape: tuple[float, float, float] = TILE) -> Markup:
    """A line with its area; the numbers beside it say what it shows. ``tone``: of ok, bad, wait, or "" for the accent."""
    width, height, room = shape
    top = max((value for value in values if value is not None), default=0.0)
    pieces = runs(values, width, height, top, room)
    return el(
        "svg",
        (el("polygon", class_=f"spark-area {tone}".strip(), points=area(piece, height)) for piece in pieces),
        (el("polyline", class_=f"spark-line {tone}".strip(), points=spots(piece)) for piece in pieces),
        viewBox=f"0 0 {width:g} {height:g}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def mini(values: Sequence[float | None], tone: str) -> Markup:
    """One in a row of a table."""
    return el("span", spark(values, tone, ROW), class_="mini") if values else Markup()


def meter(part: float, whole: float, label: str, tone: str = "") -> Markup:
    share = min(max(part / whole, 0.0), 1.0) if whole > 0 else 0.0
    bar = el("svg", el("rect", width=share * 100, height=1), viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true")
    return el("span", bar, class_=f"meter {tone}".strip(), role="img", aria_label=label)


def kind(tick: TickInfo) -> str:
    """full: fired and succeeded; what its job came to counts more than that it was late."""
    if tick.outcome == "missed":
        return "miss"
    if tick.outcome == "skipped":
        return "skip"
    if tick.job_state in ("discarded", "expired", "cancelled", "retrying"):
        return "bad"
    if tick.job_state == "running":
        return "run"
    if tick.job_state in ("available", "scheduled", "blocked"):
        return "wait"
    return "late" if tick.outcome == "late" else "ok"


def ticks(found: Sequence[TickInfo], now: datetime, *, is_tall: bool = False) -> Markup:
    """A bar each, the oldest first; what each was stands in its title."""
    if not found:
        return el("span", "no tick yet", class_="faint")
    kinds = Counter(map(kind, found))
    news = words.listed([f"{kinds[each]} {said}" for each, said in _SAID.items() if kinds[each]])
    bars = (el("i", class_=kind(tick), title=said(tick, now)) for tick in found)
    return el("span", bars, class_="ticks tall" if is_tall else "ticks", role="img", aria_label=f"The last {len(found)} ticks: {news}")


def said(tick: TickInfo, now: datetime) -> str:
    """A tick in one line."""
    job = "" if tick.job_id is None else f", job {tick.job_id:,}{f' {tick.job_state}' if tick.job_state else ''}"
    why = f": {tick.reason}" if tick.reason else ""
    return f"{words.clock(tick.at, now)} {tick.outcome}{job}{why}"


def legend(*entries: tuple[str, str]) -> Markup:
    """Of a chart: class and word of each of its colours."""
    return join(*(el("span", el("span", word), class_=f"key {tone}") for tone, word in entries))
