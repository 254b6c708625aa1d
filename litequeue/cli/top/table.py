"""Tables: columns that line up, in whatever room there is.

Owns which columns are left out where there is little of it, and who takes what is left. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from .paint import Signs
from .text import Line, Piece, line_width, padded

GAP: Final = 2


class Column(NamedTuple):
    """``drop``: those with the largest are left out first; 0: never. ``grows``: takes what is left, cut down to ``least`` before a column is left out."""

    head: str
    right: bool = False
    drop: int = 0
    grows: bool = False
    least: int = 6


Row = Sequence[Line]


def text(value: str | None, style: str = "") -> Line:
    return () if not value else (Piece(value, style),)


def table(
    columns: Sequence[Column], rows: Sequence[Row], room: int, signs: Signs, *, chosen: int | None = None, marked: Sequence[int] = (), gutter: bool = True, seen: range | None = None
) -> list[Line]:  # fmt: skip
    """The head and a line a row. ``chosen`` and ``marked``: places of rows; ``seen``: those of which lines are made, while the columns are as wide as all of them ask for."""
    side = 2 if gutter and room > 4 else 0
    widths = _widths(columns, rows, room - side)
    lines = [_line([(Piece(column.head, "dim"),) for column in columns], columns, widths, room, signs, (Piece(" " * side),) if side else ())]
    for place in range(len(rows)) if seen is None else seen:
        row = rows[place]
        left = (Piece(signs.cursor if place == chosen else " ", "key"), Piece(signs.mark if place in marked else " ", "warn")) if side else ()
        line = _line(row, columns, widths, room, signs, left)
        lines.append(_whole(line) if place == chosen and gutter else line)
    return lines


def _whole(line: Line) -> Line:
    """One bar from side to side, in which no colour is hard to read."""
    return (Piece("".join(each.text for each in line), "chosen"),)


def _line(row: Row, columns: Sequence[Column], widths: Sequence[int | None], room: int, signs: Signs, left: Line) -> Line:
    found: list[Piece] = list(left)
    is_first = True
    for cell, column, width in zip(row, columns, widths, strict=True):
        if width is None:
            continue
        if not is_first:
            found.append(Piece(" " * GAP))
        is_first = False
        found += padded(cell, width, right=column.right, more=signs.more)
    return padded(found, max(room, 0), more=signs.more)


def _widths(columns: Sequence[Column], rows: Sequence[Row], room: int) -> list[int | None]:
    natural = [max(len(column.head), *(line_width(row[place]) for row in rows), 0) for place, column in enumerate(columns)]
    kept = [place for place in range(len(columns)) if natural[place] > len(columns[place].head) or not rows or any(row[place] for row in rows)]
    least = {place: min(natural[place], max(columns[place].least, len(columns[place].head))) if columns[place].grows else natural[place] for place in kept}
    while kept and sum(least[place] for place in kept) + GAP * (len(kept) - 1) > room:
        worst = max(kept, key=lambda place: columns[place].drop)
        if not columns[worst].drop:
            break
        kept.remove(worst)
    left = room - sum(least[place] for place in kept) - GAP * max(len(kept) - 1, 0)
    widths: dict[int, int] = {place: least[place] for place in kept}
    for place in kept:
        if columns[place].grows and left > 0:
            more = min(left, natural[place] - widths[place])
            widths[place] += more
            left -= more
    return [widths.get(place) for place in range(len(columns))]
