"""Text as it stands on a terminal: cells and their width, pieces in a style, lines that are exactly as wide as there is room.

Owns the one way by which text of the file comes onto the screen: ``cells``, which spells out what could drive a terminal or turn its direction, and
knows how wide the rest is. Pure; knows no colours (``paint`` does) and no terminal.

Width is Unicode's (East Asian Width, and nothing for marks that combine), as terminals count it. A terminal that counts an odd character otherwise has one
line askew, no more: each line is drawn by itself, and none goes on in the next.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

MOST_MARKS: Final = 2  # that combine with one character: more climb into other lines
_SELECTORS: Final = dict.fromkeys((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))  # of how the character before looks, by which its width is anybody's guess


class Piece(NamedTuple):
    """Text in one style, a word of ``paint``'s."""

    text: str
    style: str = ""


Line = tuple[Piece, ...]


@lru_cache(maxsize=8192)
def cells(text: str) -> str:
    """As it may stand on a terminal: in one line, nothing that drives it, nothing that turns it round."""
    if text.isascii():
        return text if text.isprintable() else _spelled(text)
    text = unicodedata.normalize("NFC", text.translate(_SELECTORS)) if len(text) < 10_000 else text.translate(_SELECTORS)
    found: list[str] = []
    marks = 0
    for char in text if text.isprintable() else _spelled(text):
        marks = marks + 1 if char_width(char) == 0 else 0
        if marks <= (MOST_MARKS if found else 0):
            found.append(char)
    return "".join(found)


def _spelled(text: str) -> str:
    return "".join(char if char.isprintable() else " " if char in "\n\t" else repr(char)[1:-1] for char in text)


@lru_cache(maxsize=8192)
def char_width(char: str) -> int:
    if char < "\u0300":
        return 1
    if unicodedata.category(char) in ("Mn", "Me") or "\u1160" <= char <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def width(text: str) -> int:
    """In columns, of what ``cells`` has made."""
    return len(text) if text.isascii() else sum(map(char_width, text))


def cut(text: str, room: int, more: str = "…") -> str:
    """As much as there is room for, with a sign that there was more. Never wider than ``room``."""
    text = cells(text)
    if width(text) <= room:
        return text
    left = room - width(more)
    if left < 0:
        return ""
    found: list[str] = []
    for char in text:
        left -= char_width(char)
        if left < 0:
            break
        found.append(char)
    return "".join(found) + more


def line_width(line: Iterable[Piece]) -> int:
    return sum(width(cells(each.text)) for each in line)


def fitted(line: Sequence[Piece], room: int, more: str = "…") -> Line:
    """A line that is no wider than ``room``."""
    line = tuple(Piece(cells(each.text), each.style) for each in line)
    if line_width(line) <= room:
        return line
    found: list[Piece] = []
    for number, each in enumerate(line):
        its = width(each.text)
        rest = line[number + 1 :]
        if its > room or its == room and line_width(rest):
            found.append(Piece(cut(f"{each.text} ", room, more), each.style))
            return tuple(found)
        found.append(each)
        room -= its
    return tuple(found)


def padded(line: Sequence[Piece], room: int, *, right: bool = False, more: str = "…") -> Line:
    """Exactly ``room`` wide; ``right``: what is in it stands at the end."""
    line = fitted(line, room, more)
    gap = Piece(" " * (room - line_width(line)))
    if not gap.text:
        return line
    return (gap, *line) if right else (*line, gap)


def apart(left: Sequence[Piece], right: Sequence[Piece], room: int) -> Line:
    """One at each side; where there is no room for both, only the first."""
    gap = room - line_width(left) - line_width(right)
    return padded(left, room) if gap < 2 else (*left, Piece(" " * gap), *right)


def wrapped(text: str, room: int, most: int, more: str = "…") -> list[str]:
    """In lines of ``room``, at blanks where there are any; of more than ``most`` the last is cut."""
    room = max(room, 1)
    rest = cells(text).rstrip()
    found: list[str] = []
    while rest:
        if len(found) == most - 1 or width(rest) <= room:
            found.append(cut(rest, room, more))
            break
        head = cut(rest, room, "")
        if not head:  # a character of two columns in one
            found.append(more)
            break
        space = head.rfind(" ") if rest[len(head) : len(head) + 1] != " " else len(head)
        head = head[:space] if space > 0 else head
        found.append(head)
        rest = rest[len(head) :].lstrip()
    return found
