"""Styles and signs: how a state looks, which colour means what, and a line as the bytes of a terminal.

Owns every escape sequence that stands within a line. Colours are the sixteen that the terminal's owner has chosen, so that they can be read on light
and dark alike, and never say anything alone: a state has its word and its sign. With ``NO_COLOR`` what is bold or reversed stays so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from ...base.states import FINAL, STATES
from .text import Line, Piece, cells

_COLOURS: Final = {
    "ok": "32", "warn": "33", "bad": "31", "accent": "34", "busy": "36", "odd": "35",
    "available": "34", "running": "36", "scheduled": "35", "retrying": "33", "blocked": "", "succeeded": "32", "discarded": "31", "cancelled": "", "expired": "33",
}  # fmt: skip
_SHAPES: Final = {"bold": "1", "dim": "2", "head": "1", "tab": "7", "chosen": "7", "key": "1"}
_DIM: Final = frozenset({"cancelled", "blocked"})


class Signs(NamedTuple):
    """What is drawn with; each one column wide."""

    states: dict[str, str]
    blocks: str  # from nothing to full, upwards
    full: str  # of a bar
    empty: str
    cursor: str
    mark: str
    well: str
    look: str
    rule: str
    more: str
    up: str
    down: str


UNICODE: Final = Signs(
    {
        "available": "○", "running": "◐", "scheduled": "◷", "retrying": "↻", "blocked": "◫",
        "succeeded": "✓", "discarded": "✗", "cancelled": "⊘", "expired": "⧗",
    },
    " ▁▂▃▄▅▆▇█", "█", "░", "▸", "✓", "✓", "▲", "─", "…", "↑", "↓",
)  # fmt: skip
ASCII: Final = Signs(
    {"available": "o", "running": ">", "scheduled": "@", "retrying": "~", "blocked": "#", "succeeded": "+", "discarded": "x", "cancelled": "/", "expired": "%"},
    " .:-=+*#@", "#", ".", ">", "*", "+", "!", "-", "~", "^", "v",
)  # fmt: skip


def state(name: str, signs: Signs) -> Piece:
    """Its sign and its word, in its colour."""
    known = name if name in STATES else "available"
    return Piece(f"{signs.states[known]} {cells(name)}", known)


def is_final(name: str) -> bool:
    return name in FINAL


def painted(line: Line, *, colours: bool, shapes: bool) -> str:
    """As a terminal is sent it. ``shapes``: bold, dim and reversed. Every text is cleaned once more: nothing passes that has come by another way."""
    return "".join(_painted(each, colours, shapes) for each in line)


def _painted(each: Piece, colours: bool, shapes: bool) -> str:
    text = cells(each.text)
    codes = [code for code in _codes(each.style.split(), colours, shapes) if code]
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if codes and text else text


def _codes(styles: Iterable[str], colours: bool, shapes: bool) -> Iterable[str]:
    for style in styles:
        if style in _DIM and shapes:
            yield "2"
        elif style in _SHAPES:
            yield _SHAPES[style] if shapes else ""
        elif style in _COLOURS:
            yield _COLOURS[style] if colours else ""
