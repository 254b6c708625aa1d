"""The life of a job: a lane for each attempt (waited, ran, backed off), all on one axis of time.

Owns where its pieces lie and how a lane is said in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ...store.pages.parts import Lane
from .. import words
from ..html import Markup, el, join, value
from .small import legend

WIDTH: Final = 600.0
HEIGHT: Final = 30.0
LEAST: Final = 3.2  # of a piece, or it would not be seen
MOST_LANES: Final = 30  # the last of them
_LABELS: Final = 5
_BAD: Final = frozenset({"failed", "discarded", "interrupted"})


def keys(lanes: Sequence[Lane], again: datetime | None = None) -> Markup:
    """Of what is to be seen. ``again``: when it is tried again after the last of them, if it is."""
    entries = [("wait", "waited"), ("run", "ran")]
    if len(lanes) > 1 or again is not None:
        entries.append(("retry", "backed off"))
    if any(lane.outcome in _BAD for lane in lanes):
        entries.append(("bad", "failed"))
    if any(lane.outcome == "succeeded" for lane in lanes):
        entries.append(("ok", "succeeded"))
    return legend(*entries)


def life(lanes: Sequence[Lane], begin: datetime, end: datetime, now: datetime, again: datetime | None = None) -> Markup:
    """``begin``: it was enqueued; ``end``: of what is shown; ``again``: when it is tried again after the last attempt, if it is."""
    shown = lanes[-MOST_LANES:]
    if len(shown) < len(lanes):
        begin = shown[0].due_at or shown[0].started_at or begin
    axis = _Axis(begin, max(end, begin))
    after = [*(lane.due_at for lane in shown[1:]), again]
    rows = (
        el(
            "li",
            el("span", f"attempt {lane.attempt}"),
            el("svg", _pieces(lane, following, axis), viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", preserveAspectRatio="none", role="img", aria_label=said(lane, now)),
            el("span", _beside(lane, now), class_="r"),
            class_="lane",
        )
        for lane, following in zip(shown, after, strict=True)
    )
    return el("div", el("ol", rows), el("div", el("span"), el("div", _labels(axis, now)), el("span"), class_="axis", aria_hidden="true"), class_="life")


class _Axis:
    """From one moment to another over the width."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self.begin, self.end = begin, end
        self.seconds = max((end - begin).total_seconds(), 0.001)

    def x(self, moment: datetime) -> float:
        return min(max((moment - self.begin).total_seconds() / self.seconds, 0.0), 1.0) * WIDTH


def _pieces(lane: Lane, following: datetime | None, axis: _Axis) -> Markup:
    middle = HEIGHT / 2
    parts = [el("line", class_="grid-line", x1=0, x2=WIDTH, y1=middle, y2=middle)]
    started = axis.end if lane.started_at is None else lane.started_at
    ended = lane.ended_at or (axis.end if lane.outcome == "running" else started)  # of one that was put aside nobody has written when
    if lane.due_at is not None:
        parts.append(_bar("wait", axis.x(lane.due_at), axis.x(started), 6.0))
    if lane.started_at is not None:
        parts.append(_bar("run", axis.x(started), axis.x(ended), 12.0))
        if lane.outcome in _BAD or lane.outcome == "succeeded":
            x = min(axis.x(ended), WIDTH - LEAST)
            parts.append(_bar("bad" if lane.outcome in _BAD else "ok", x, x + LEAST, 20.0))
    if following is not None and lane.ended_at is not None and axis.x(following) > axis.x(ended) + LEAST:
        parts.append(el("line", class_="seg-back", x1=axis.x(ended) + LEAST, x2=axis.x(following), y1=middle, y2=middle))
    return join(*parts)


def _bar(kind: str, left: float, right: float, height: float) -> Markup:
    width = max(right - left, LEAST)
    return el("rect", class_=f"seg-{kind}", x=min(left, WIDTH - width), y=(HEIGHT - height) / 2, width=width, height=height)


def _beside(lane: Lane, now: datetime) -> Markup:
    took = ran(lane, now)
    said = words.took(took) if took is not None else "waits" if lane.started_at is None else lane.outcome
    return join(said, " · ", value(lane.worker)) if lane.worker else join(said)


def ran(lane: Lane, now: datetime) -> float | None:
    """Seconds; None where it has not started, or nobody knows when it ended."""
    until = now if lane.outcome == "running" else lane.ended_at
    return None if lane.started_at is None or until is None else max((until - lane.started_at).total_seconds(), 0.0)


def waited(lane: Lane, now: datetime) -> float | None:
    """Seconds from when it was due; None where that is not known."""
    return None if lane.due_at is None else max(((lane.started_at or now) - lane.due_at).total_seconds(), 0.0)


def said(lane: Lane, now: datetime) -> str:
    took, wait = ran(lane, now), waited(lane, now)
    parts = [] if wait is None else [f"waited {words.took(wait)}"]
    if took is not None:
        parts.append(f"ran {words.took(took)}" + ("" if lane.outcome == "running" else f" and {lane.outcome}"))
    return f"Attempt {lane.attempt} {words.listed(parts) or lane.outcome}"


def _labels(axis: _Axis, now: datetime) -> list[Markup]:
    inner = [f"+{words.age(axis.seconds * number / (_LABELS - 1))}" for number in range(1, _LABELS - 1)]
    if axis.seconds < 2:
        inner = [f"+{words.took(axis.seconds * number / (_LABELS - 1))}" for number in range(1, _LABELS - 1)]
    texts = (words.clock(axis.begin, now), *inner, words.clock(axis.end, now))
    return [el("span", text, class_="opt" if number % 2 else None) for number, text in enumerate(texts)]
