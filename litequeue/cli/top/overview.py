"""The overview: whether all is well, five numbers, what ended, and what there is now. Pure.

Owns the order of things on it, which is that of the page; and what stands beside what where it is wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ...store.pages.parts import Point, Series
from ...store.pages.records import Overview
from ...web import words
from ...web.charts.geometry import ceiling
from ...web.charts.series import BEFORE, PER, RANGES
from ...web.pages import reasons
from ...web.pages.overview import oldest, per_minute, sentence
from . import lists
from .charts import bar, columns, spark
from .paint import Signs, state
from .table import Column, table, text
from .text import Line, Piece, fitted, line_width, padded, wrapped

BESIDE: Final = 118  # columns, from which on there are two of panels
LATE: Final = 60.0  # seconds that a job is due, from which on that stands out
TALL: Final = 34  # rows, from which on there is a chart, whatever has to be scrolled to
LOWEST: Final = 5  # rows of it
HIGHEST: Final = 14
FEW: Final = 4  # rows of each panel
MANY: Final = 6
_ORDER: Final = ("available", "running", "scheduled", "retrying", "blocked")
_STACK: Final = ("ok", "warn", "bad")
_LABEL: Final = 12
_VALUE: Final = 15
_NOTE: Final = 26


def overview(view: Overview, now: datetime, width: int, height: int | None, signs: Signs) -> list[Line]:
    above = [*_health(view, now, width, signs), (), *_numbers(view, now, width, signs), ()]
    below = [*_states(view, now, width, signs), (), *_panels(view, now, width, MANY if height is None or height >= TALL else FEW, signs)]
    left = LOWEST if height is None else height - len(above) - len(below) - 3  # with its head, its axis and a line between
    if height is not None and height < TALL and left < LOWEST:
        return above + below
    return [*above, *_chart(view.series, width, min(max(left, LOWEST), HIGHEST), signs), (), *below]


def _panels(view: Overview, now: datetime, width: int, most: int, signs: Signs) -> list[Line]:
    if width < BESIDE:
        return _stacked([*_left(view, now, width - 1, most, signs), *_right(view, now, width - 1, most, signs)])
    half = (width - 3) // 2
    return _beside(_stacked(_left(view, now, half - 1, most, signs)), _stacked(_right(view, now, width - half - 4, most, signs)), half, signs)


def _health(view: Overview, now: datetime, width: int, signs: Signs) -> list[Line]:
    tone, sign = ("warn", signs.look) if view.reasons else ("ok", signs.well)
    lines: list[Line] = []
    for number, part in enumerate(wrapped(sentence(view, now), max(width - 3, 8), 3, signs.more)):
        lines.append((Piece(" " if number else f" {sign} ", f"{tone} bold"), Piece(f"  {part}" if number else part, "bold")))
    for reason in view.reasons[: reasons.MOST]:
        lines += [(Piece(f"   {'- ' if not number else '  '}{part}"),) for number, part in enumerate(wrapped(reasons.clause(reason, now).text, max(width - 6, 8), 2, signs.more))]
    more = len(view.reasons) - reasons.MOST
    return [*lines, (Piece(f"     and {more} more", "dim"),)] if more > 0 else lines


# -- numbers ---------------------------------------------------------------------------------------------


def _numbers(view: Overview, now: datetime, width: int, signs: Signs) -> list[Line]:
    points = view.series.points
    room = min(width - _LABEL - _VALUE - _NOTE - 6, len(points))
    totals, before = view.series.totals, view.series.before
    over = RANGES[view.series.range]
    waits = totals.wait
    available = next((each.jobs for each in view.states if each.state == "available"), None)
    since = oldest(view)
    due = 0.0 if since is None else words.since(since, now)
    busy = bar(view.busy, view.slots, max(min(room, 24), 1), signs, "busy") if view.slots else ()
    share = totals.failed_share
    rows: list[tuple[str, str, str, Line, Line]] = [
        ("Throughput", words.rate(per_minute(view.series)), "jobs/min", _line_of([p.ended if p.was_served else None for p in points], room, signs, "ok"), text(f"{words.number(totals.ended)} in {over}", "dim")),
        ("Wait", *_took(None if waits is None else waits.median), _line_of([None if p.wait is None else p.wait.p95 for p in points], room, signs, "accent"), text(None if waits is None else f"95 % within {words.took(waits.p95)}", "dim")),
        ("Failed", "" if share is None else words.percent(share).removesuffix(" %"), "" if share is None else "%", _line_of([p.failed_share if p.was_served else None for p in points], room, signs, "bad"), _change(share, before.failed_share, view.series, signs)),
        ("Waiting", "0" if available is None else words.count(available), "jobs", _line_of([p.waiting for p in points], room, signs, "accent"), text(None if since is None else f"oldest due for {words.age(due)}", "bad" if due > LATE else "dim")),
        ("Busy slots", words.number(view.busy), f"of {words.number(view.slots)}", busy, text(words_of_workers(view), "dim")),
    ]  # fmt: skip
    return [_number(*row, width=width, room=room, signs=signs) for row in rows]


def words_of_workers(view: Overview) -> str:
    return f"{len(view.workers)} worker{'' if len(view.workers) == 1 else 's'}"


def _number(label: str, value: str, unit: str, drawn: Line, note: Line, *, width: int, room: int, signs: Signs) -> Line:
    value_line = padded((Piece(value or "-", "bold"), Piece(f" {unit}".rstrip(), "dim")), _VALUE, more=signs.more)
    first = (Piece(f" {label:<{_LABEL - 1}}", "dim"), *value_line)
    if room >= 8:
        first = (*first, *padded(drawn, room), Piece("  "))
    return fitted((*first, *note), width, signs.more)


def _took(seconds: float | None) -> tuple[str, str]:
    shown, _, unit = ("", "", "") if seconds is None else words.took(seconds).partition(" ")
    return shown, f"{unit} median" if unit else ""


def _line_of(values: Sequence[float | None], room: int, signs: Signs, style: str) -> Line:
    return spark(values, room, signs, style) if room >= 8 else ()


def _change(share: float | None, before: float | None, series: Series, signs: Signs) -> Line:
    if share is None or before is None:
        return ()
    was, past = words.percent(before), BEFORE[series.range]
    if words.percent(share) == was:
        return text(f"as {past}", "dim")
    return (Piece(f"{signs.up if share > before else signs.down} from {was}", "bad" if share > before else "ok"), Piece(f" {past}", "dim"))


# -- what ended ------------------------------------------------------------------------------------------


def _chart(series: Series, width: int, height: int, signs: Signs) -> list[Line]:
    stacks: list[tuple[float, ...] | None] = [(point.succeeded, point.failed, point.discarded) if point.was_served else None for point in series.points]
    side = 8
    stacks = _gathered(stacks, width - side - 1)
    wide = max(min((width - side - 1) // max(len(stacks), 1), 3), 1)
    most = ceiling(max((sum(stack) for stack in stacks if stack is not None), default=0))
    drawn = columns([stack for stack in stacks for _ in range(wide)], _STACK, most, height, signs)
    keys = (Piece(f" Ended {PER[series.range]}", "head"), Piece("  "), *_key("succeeded", "ok", signs), *_key("failed, retried", "warn", signs), *_key("discarded", "bad", signs))
    lines: list[Line] = [keys]
    for number, line in enumerate(drawn):
        label = words.short(int(most)) if number == 0 else "0" if number == height - 1 else ""
        lines.append((Piece(f"{label:>{side - 1}} ", "dim"), *line))
    first, last = (_at(point, series) for point in (series.points[0], series.points[-1]))
    axis = len(stacks) * wide - len(first) - len(last)
    return [*lines, (Piece(f"{'':>{side}}{first}{' ' * max(axis, 1)}{last}", "dim"),)]


def _at(point: Point, series: Series) -> str:
    local = point.at.astimezone()
    return words.date(local, point.at) if series.range == "30d" else f"{local:%H:%M}"


def _gathered(stacks: list[tuple[float, ...] | None], room: int) -> list[tuple[float, ...] | None]:
    """As many as there is room for, neighbours added up."""
    size = -(-len(stacks) // max(room, 1))
    if size <= 1:
        return stacks
    found: list[tuple[float, ...] | None] = []
    for start in range(0, len(stacks), size):
        known = [stack for stack in stacks[start : start + size] if stack is not None]
        found.append(tuple(map(sum, zip(*known, strict=True))) if known else None)
    return found


def _key(word: str, style: str, signs: Signs) -> Line:
    return Piece(signs.full, style), Piece(f" {word}  ", "dim")


# -- what there is ---------------------------------------------------------------------------------------


def _states(view: Overview, now: datetime, width: int, signs: Signs) -> list[Line]:
    """As many on a line as there is room for."""
    lines: list[Line] = []
    at: list[Piece] = []
    for each in sorted(view.states, key=lambda each: _ORDER.index(each.state)):
        its = [Piece(" "), state(each.state, signs), Piece(f" {words.count(each.jobs)}", "bold" if each.jobs.number else "dim"), Piece("   ")]
        if at and line_width((*at, *its)) > width:
            lines.append(tuple(at))
            at = []
        at += its
    ended = [Piece(" "), state("succeeded", signs), Piece(f" {words.number(view.succeeded_day)}", "bold"), Piece(" in 24 h", "dim")]
    if at and line_width((*at, *ended)) > width:
        lines.append(tuple(at))
        at = []
    return [*lines, (*at, *ended)]


def _left(view: Overview, now: datetime, width: int, most: int, signs: Signs) -> list[list[Line]]:
    found = [_panel(lists.queue_table(view.queues[:most], now, width, signs), len(view.queues) - most, signs) if view.queues else []]
    if view.failures:
        rows = [
            (text(group.task), text(f"{group.error_type}: {group.message}" if group.error_type else group.message, "bad"), text(words.number(group.jobs)), text(words.ago(group.last, now), "dim"))
            for group in view.failures[:most]
        ]
        drawn = table((Column("Failures, by task", grows=True, least=14), Column("error", grows=True, least=12, drop=2), Column("jobs", right=True), Column("last", right=True, drop=3)), rows, width, signs, gutter=False)
        found.append(_panel(drawn, view.failure_groups.number - most, signs))
    return found


def _right(view: Overview, now: datetime, width: int, most: int, signs: Signs) -> list[list[Line]]:
    found = [_panel(lists.worker_table(view.workers[:most], now, width, signs), len(view.workers) - most, signs)] if view.workers else []
    if view.schedules:
        found.append(_panel(lists.schedule_table(view.schedules[:most], now, width, signs), 0, signs))
    if view.actions:
        rows = [(text(f"{each.what} {each.target}"), text(words.jobs(each.jobs) if each.jobs else None, "dim"), text(f"by {each.who}", "dim"), text(words.ago(each.at, now), "dim")) for each in view.actions[: most // 2]]
        found.append(table((Column("Done", grows=True, least=12), Column("", right=True, drop=2), Column("", drop=3, grows=True), Column("", right=True, drop=4)), rows, width, signs, gutter=False))
    return found


def _panel(lines: list[Line], more: int, signs: Signs) -> list[Line]:
    """The head of a table says what it is a table of."""
    return [*lines, (Piece(f"{signs.more} {more} more", "dim"),)] if more > 0 else lines


def _stacked(panels: list[list[Line]]) -> list[Line]:
    lines: list[Line] = []
    for panel in filter(None, panels):
        lines += [*([()] if lines else []), *((Piece(" "), *line) for line in panel)]
    return lines


def _beside(left: list[Line], right: list[Line], half: int, signs: Signs) -> list[Line]:
    high = max(len(left), len(right))
    pairs = zip(left + [()] * (high - len(left)), right + [()] * (high - len(right)), strict=True)
    return [(*padded(one, half, more=signs.more), Piece("   "), *other) for one, other in pairs]
