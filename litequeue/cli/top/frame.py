"""A whole screen, from a state, what is shown and the room for it: as many lines as there are rows, none wider than there are columns. Pure.

Owns what stands above and below of a view, and which part of what is too long is seen.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from ...base.search import KEYS as TERMS
from ...store.pages.records import (
    JobPage,
    JobsPage,
    Overview,
    QueuesPage,
    SchedulesPage,
    WorkersPage,
)
from ...web import words
from .detail import job
from .keys import KEYS
from .lists import Listed, jobs, queues, schedules, workers
from .overview import overview
from .paint import Signs
from .state import VIEWS, Shown, State
from .text import Line, Piece, apart, fitted, line_width, padded, wrapped

LOW: Final = 8  # rows, below which only what is shown is shown
HINTS: Final = {
    "overview": "1-5 views  / search  d hour, day, month  ! unlock",
    "jobs": "/ search  Enter open  r again  c cancel  x mark  n older",
    "queues": "Enter its jobs  P pause or resume",
    "workers": "Enter what it runs",
    "schedules": "Enter its jobs  r run now  P pause or resume",
    "job": "Esc back  r again  c cancel",
}


class Room(NamedTuple):
    """``height`` None: as many lines as it takes, and no keys."""

    width: int
    height: int | None
    signs: Signs
    path: str  # of the file


def frame(state: State, shown: Shown, room: Room) -> list[Line]:
    if room.height is None:
        return [fitted(line, room.width, room.signs.more) for line in (_top(state, shown, room), (), *_body(state, shown, room, None).lines)]
    if room.width < 1 or room.height < 1:
        return []
    has_edges = room.height >= 3
    above = [_top(state, shown, room)] if has_edges else []
    above += [()] if room.height > LOW else []
    below = [_bottom(state, shown, room)] if has_edges else []
    height = room.height - len(above) - len(below)
    body = _body(state, shown, room, height)
    lines = body.lines if body.is_fixed else _seen(body.lines, state.scroll, height)
    lines = lines[:height] + [()] * max(height - len(lines), 0)
    return [padded(line, room.width, more=room.signs.more) for line in (*above, *lines, *below)]


def rows_seen(room: Room) -> int:
    """How far a page is turned."""
    return max((room.height or 24) - 6, 1)


def _seen(lines: Sequence[Line], scroll: int, height: int) -> list[Line]:
    first = min(scroll, max(len(lines) - height, 0))
    return list(lines[first : first + height])


def last_scroll(state: State, shown: Shown, room: Room) -> int:
    """Beyond which scrolling shows nothing more: what a state is held to, lest the way back be longer than the way there."""
    if room.height is None:
        return 0
    body = _body(state, shown, room, room.height)
    edges = (room.height >= 3) * 2 + (room.height > LOW)
    return 0 if body.is_fixed else max(len(body.lines) - (room.height - edges), 0)


# -- above and below -------------------------------------------------------------------------------------


def _top(state: State, shown: Shown, room: Room) -> Line:
    name = shortened(os.path.basename(room.path), max(room.width // 5, 8), room.signs)
    clock = (Piece(words.clock(shown.now, shown.now), "dim"),)
    if room.height is None:
        return apart((Piece(room.path, "bold"), Piece(f"  {state.view}")), clock, room.width)
    tabs: list[Piece] = [Piece(f" {name} ", "bold")]
    is_wide = room.width >= len(name) + 2 + sum(len(view) + 4 for view in VIEWS) + 10
    for number, view in enumerate(VIEWS, 1):
        is_here = view == state.view
        tabs.append(Piece(f" {number} {view} " if is_wide or is_here else f" {number} ", "tab" if is_here else "dim"))
    return apart(tabs, clock, room.width)


def shortened(text: str, most: int, signs: Signs) -> str:
    return "".join(each.text for each in fitted((Piece(text),), most, signs.more))


def _bottom(state: State, shown: Shown, room: Room) -> Line:
    if state.question is not None:
        return _asking((Piece(state.question.text, "bold"),), (Piece(" y/N ", "key"),), room)
    if state.typed is not None:
        typed = (Piece("/", "key"), Piece(_end_of(state.typed, room.width - 3)), Piece(" ", "tab"))
        why = state.wrong or ("" if state.typed else f"{', '.join(TERMS)}")
        return apart(typed, (Piece(shortened(why, max(room.width - len(state.typed) - 6, 0), room.signs), "bad" if state.wrong else "dim"),), room.width)
    flags = (
        *((Piece("paused", "warn bold"), Piece("  ")) if state.is_paused else ()),
        Piece("unlocked", "bad bold") if state.may_act else Piece("read-only", "dim"),
        Piece(f"  {state.interval:g} s ", "dim"),
    )
    said = shown.trouble or state.message
    if said:
        left: Line = (Piece(f" {said}", "bad" if shown.trouble else "bold"),)
        return _asking(left, flags, room)
    if state.goes:
        return apart((Piece(" g: o overview  j jobs  q queues  w workers  s schedules", "bold"),), flags, room.width)
    hint = "any key goes back" if state.is_help else HINTS["job" if state.job is not None else state.view]
    return apart(_hints(hint.split("  "), room.width - line_width(flags) - 2), flags, room.width)


def _hints(found: Sequence[str], room: int) -> Line:
    """As many as there is room for, and those two that lead to all others."""
    last = (Piece(" ?", "key"), Piece(" keys  ", "dim"), Piece("q", "key"), Piece(" leave", "dim"))
    line: list[Piece] = []
    for each in found:
        key, _, what = each.partition(" ")
        its = (Piece(f" {key}", "key"), Piece(f" {what} ", "dim"))
        if line_width((*line, *its, *last)) > room:
            break
        line += its
    return (*line, *last)


def _asking(left: Line, right: Line, room: Room) -> Line:
    """What is said is cut, and not what stands at its end."""
    end = line_width(right)
    return apart(fitted(left, max(room.width - end - 2, 8), room.signs.more), right, room.width)


def _end_of(text: str, most: int) -> str:
    return text if len(text) <= most else text[len(text) - max(most, 0) :]


# -- what is shown ---------------------------------------------------------------------------------------


def _body(state: State, shown: Shown, room: Room, height: int | None) -> Listed:
    page = shown.page
    if state.is_help:
        return Listed(_help(room))
    if state.job is not None:
        if isinstance(page, JobPage):
            return Listed(job(page, shown.now, room.width, room.signs))
        return Listed([(Piece(f" There is no job {state.job:,} in this file: it never was, or it was pruned." if not shown.trouble else ""),)])
    if isinstance(page, Overview):
        return Listed(overview(page, shown.now, room.width, height, room.signs))
    if isinstance(page, JobsPage):
        return jobs(state, page, shown.now, room.width, height, room.signs)
    if isinstance(page, QueuesPage):
        return queues(state, page, shown.now, room.width, height, room.signs)
    if isinstance(page, WorkersPage):
        return workers(state, page, shown.now, room.width, height, room.signs)
    if isinstance(page, SchedulesPage):
        return schedules(state, page, shown.now, room.width, height, room.signs)
    return Listed([])


def _help(room: Room) -> list[Line]:
    wide = max(len(keys) for keys, _ in KEYS)
    lines: list[Line] = [(Piece(" Keys", "head"),), ()]
    for keys, what in KEYS:
        if room.width > wide + 24:
            for number, text in enumerate(wrapped(what, room.width - wide - 4, 3)):
                lines.append((Piece(f" {keys if not number else '':<{wide}}", "key"), Piece(f"  {text}")))
        else:
            lines += [(Piece(f" {keys}", "key"),), *((Piece(f"   {text}"),) for text in wrapped(what, room.width - 4, 4))]
    return lines
