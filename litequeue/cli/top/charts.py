"""Bars, sparklines and columns of characters.

Owns how a number becomes the eighths of a cell. Pure. What is not known is a gap, never a 0; what is there at all is seen, however small.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

from .paint import Signs
from .text import Line, Piece


def bar(part: float, whole: float, room: int, signs: Signs, style: str = "accent") -> Line:
    """How much of a whole. A little is one cell, and all but all is not all."""
    share = min(max(part / whole, 0.0), 1.0) if whole > 0 else 0.0
    full = round(share * room)
    if 0 < share < 1 and room > 1:
        full = min(max(full, 1), room - 1)
    return Piece(signs.full * full, style), Piece(signs.empty * (room - full), "dim")


def spark(values: Sequence[float | None], room: int, signs: Signs, style: str = "accent") -> Line:
    """The values in so many columns: where there are more of them than columns, the largest of those that share one."""
    found = squeezed(values, room)
    most = max((value for value in found if value is not None), default=0.0)
    levels = len(signs.blocks) - 1
    text = "".join(_block(value, most, levels, signs) for value in found)
    return (Piece(text, style), Piece(" " * (room - len(found)))) if len(found) < room else (Piece(text, style),)


def _block(value: float | None, most: float, levels: int, signs: Signs) -> str:
    if value is None:
        return " "
    return signs.blocks[max(round(value / most * levels), 2)] if value > 0 and most > 0 else signs.blocks[1]


def squeezed(values: Sequence[float | None], room: int) -> list[float | None]:
    """At most so many, each the largest of its neighbours; None where none of them is known."""
    if len(values) <= room or room <= 0:
        return list(values)[:max(room, 0)]
    edges = [round(number * len(values) / room) for number in range(room + 1)]
    parts = (values[start:end] for start, end in pairwise(edges))
    return [max((value for value in part if value is not None), default=None) for part in parts]


def columns(stacks: Sequence[Sequence[float] | None], styles: Sequence[str], most: float, height: int, signs: Signs) -> list[Line]:
    """Stacked columns, each value of a stack in its style from the ground up; None: nobody knows, which is dotted on the ground."""
    levels = len(signs.blocks) - 1
    filled = [None if stack is None else _filled(stack, most, height * levels) for stack in stacks]
    rows: list[Line] = []
    for row in range(height - 1, -1, -1):
        drawn = [Piece("." if row == 0 else " ", "dim") if each is None else _cell(each, row * levels, styles, signs) for each in filled]
        rows.append(tuple(Piece("".join(each.text for each in run), style) for style, run in groupby(drawn, key=lambda each: each.style)))
    return rows


def _filled(stack: Sequence[float], most: float, eighths: int) -> list[int]:
    """Up to where each of a stack reaches; what there is at all has an eighth."""
    ends, at, total = [], 0, 0.0
    for value in stack:
        total += max(value, 0.0)
        at = max(round(total / most * eighths) if most > 0 else 0, at + (value > 0))
        ends.append(min(at, eighths))
    return ends


def _cell(ends: Sequence[int], ground: int, styles: Sequence[str], signs: Signs) -> Piece:
    """A cell has one colour: that of what fills most of it."""
    levels = len(signs.blocks) - 1
    shares, below = [], ground
    for end in ends:
        top = min(max(end, below), ground + levels)
        shares.append(top - below)
        below = top
    filled = sum(shares)
    if not filled:
        return Piece(" ")
    return Piece(signs.blocks[filled], styles[max(range(len(shares)), key=lambda place: (shares[place], place))])
