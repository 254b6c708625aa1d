"""Scales: the round maximum of an axis, its gridlines, and where values come to lie.

Owns the numbers of a chart, in units of its viewBox; y grows downwards. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from ..html import Markup, el, join

Spot = tuple[float, float]
# By the first digit of a maximum, into how many pieces its axis falls: 3 or 4 gridlines.
_PIECES: Final = {1: 2, 2: 2, 3: 3, 6: 3}


def ceiling(most: float) -> float:
    """The smallest of 1, 2, 3, 6 times a power of ten that is no less; 1 for nothing at all."""
    if most <= 0 or not math.isfinite(most):
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(most) + 1e-12)
    return next(digit * power for digit in (1, 2, 3, 6, 10) if most <= digit * power * (1 + 1e-9))


def ceiling_of_time(seconds: float) -> float:
    """The same of a length of time, in whole minutes or hours from there on where it has any."""
    unit = next((unit for unit in (3600.0, 60.0) if seconds > unit), 1.0)
    return ceiling(seconds / unit) * unit


def marks(top: float, *, whole: bool = False) -> list[float]:
    """Where gridlines lie, from the top down to 0. ``whole``: there are no halves of what is counted."""
    digit = round(top / 10.0 ** math.floor(math.log10(top) + 1e-12))
    pieces = _PIECES.get(digit, 2)
    if whole and top < pieces:
        pieces = 1
    return [top * piece / pieces for piece in range(pieces, -1, -1)]


def gridlines(count: int, width: float, height: float) -> Markup:
    """So many, evenly from the top to the bottom."""
    steps = [height * number / (count - 1) for number in range(count)]
    return join(*(el("line", class_="grid-line", x1=0, x2=width, y1=y, y2=y) for y in steps))


def runs(values: Sequence[float | None], width: float, height: float, top: float, room: float = 0.0) -> list[list[Spot]]:
    """The spots of a line, in pieces: it is broken where nothing is known, and a spot alone becomes a stroke. ``top``: the value that lies ``room``
    below the upper edge."""
    step = width / max(len(values) - 1, 1)
    found: list[list[Spot]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            found.append([])
            continue
        share = min(max(value / top, 0.0), 1.0) if top > 0 else 0.0
        found[-1].append((number * step, height - share * (height - room)))
    return [piece if len(piece) > 1 else [(max(piece[0][0] - step / 2, 0.0), piece[0][1]), (min(piece[0][0] + step / 2, width), piece[0][1])] for piece in found if piece]


def spots(points: Iterable[Spot]) -> str:
    """As the attribute ``points``."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def area(piece: Sequence[Spot], height: float) -> str:
    """The same, closed along the bottom."""
    return spots([(piece[0][0], height), *piece, (piece[-1][0], height)])
