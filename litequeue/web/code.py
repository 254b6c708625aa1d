"""Texts of machines as people read them: JSON with its parts told apart, tracebacks with one's own lines in front, what a job printed.

Owns what of a long text is shown, and what of a traceback is the library's. The whole texts have addresses of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ..base.masking import MASK
from ..base.records import OutputPiece, value_of
from ..base.stored import nesting
from .html import Child, Markup, el, join

MOST_JSON: Final = 4096  # characters
INDENTED: Final = 24  # levels: beyond that the indents would be most of it
_STEP: Final = "  "
_SHORT: Final = 12  # entries of a list that stays in a line, or characters of each
MOST_LINES: Final = 200  # of an output, its last

_TOKEN: Final = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*|true|false|null|NaN|-?Infinity)|([{}])')
_FRAME: Final = re.compile(r'\s*File "(?P<path>[^"\n]*)", line \d+')
# The standard library, what is installed, what has no file, and what of litequeue calls a task.
_LIBRARY: Final = re.compile(
    r"[/\\]lib(?:64)?[/\\]python\d|[/\\](?:site|dist)-packages[/\\]|^<frozen |[/\\]Lib[/\\]\w+\.py|(?:^|[/\\])litequeue[/\\](?:pools|worker|tasks|commands|payload|base)[/\\]"
)
_CARETS: Final = re.compile(r"\s*[\^~]+\s*")
_LEVEL: Final = re.compile(r"\b(?:(ERROR|CRITICAL|FATAL)|(WARN(?:ING)?))\b")
_LEVEL_WITHIN: Final = 60  # characters of a line, where a log has its level


def json_code(text: str) -> tuple[Markup, bool]:
    """Stored JSON, indented; and whether it was cut."""
    found = value_of(text)
    if nesting(text) > INDENTED:
        whole = json.dumps(found, ensure_ascii=False)
    else:
        whole = "".join(_until_enough(_indented(found, "\n")))
    return _tokens(whole[:MOST_JSON]), len(whole) > MOST_JSON


def _indented(found: Any, line: str) -> Iterator[str]:
    """Piece by piece, so that of a long one only the beginning is made. A list of a few numbers and short texts stays in one line."""
    if isinstance(found, (dict, list)) and found and not _is_short(found):
        first, last = "{}" if isinstance(found, dict) else "[]"
        entries = found.items() if isinstance(found, dict) else ((None, each) for each in found)
        yield first
        for number, (key, each) in enumerate(entries):
            yield ("," if number else "") + line + _STEP + ("" if key is None else f"{json.dumps(key, ensure_ascii=False)}: ")
            yield from _indented(each, line + _STEP)
        yield line + last
    else:
        yield json.dumps(found, ensure_ascii=False)


def _is_short(found: Any) -> bool:
    return isinstance(found, list) and len(found) <= _SHORT and all(isinstance(each, (int, float, type(None))) or isinstance(each, str) and len(each) < _SHORT for each in found)


def _until_enough(pieces: Iterable[str]) -> Iterator[str]:
    length = 0
    for piece in pieces:
        yield piece
        length += len(piece)
        if length > MOST_JSON:
            return


def _tokens(text: str) -> Markup:
    parts: list[Child] = []
    at = 0
    for match in _TOKEN.finditer(text):
        parts.append(text[at : match.start()])
        string, colon, number, brace = match.groups()
        if string is None:
            parts.append(el("span", number or brace, class_="n0" if number else "p"))
        elif colon is None and string == f'"{MASK}"':
            parts.append(el("span", "secret, not shown", class_="p"))
        else:
            parts += (el("span", string, class_="s" if colon is None else "k"), colon)
        at = match.end()
    return join(*parts, text[at:])


class _Part(NamedTuple):
    """Some lines of a traceback: a frame, or what stands around the frames."""

    lines: list[str]
    is_frame: bool
    is_library: bool


def traceback(text: str) -> tuple[Markup, bool]:
    """With the library's frames dimmed, most of them left out, and the last own line lit; and whether anything is left out."""
    parts = _parts(text.rstrip("\n").split("\n"))
    own = [number for number, part in enumerate(parts) if part.is_frame and not part.is_library]
    lit = own[-1] if own else None
    found: list[Child] = []
    is_short = False
    for group in _grouped(parts):
        first = group[0]
        if not parts[first].is_library:
            found += [_shown(parts[number], number == lit) for number in group]
            continue
        kept = group if len(group) < 3 else group[:1]
        found += [_shown(parts[number], False) for number in kept]
        if len(kept) < len(group):
            is_short = True
            found.append(el("span", f"    … {len(group) - 1} more frames of the library\n", class_="lib"))
    return join(*found), is_short or any(_CARETS.fullmatch(line) for part in parts for line in part.lines)


def _parts(lines: Iterable[str]) -> list[_Part]:
    parts: list[_Part] = []
    for line in lines:
        match = _FRAME.match(line)
        if match is not None:
            parts.append(_Part([line], True, _LIBRARY.search(match["path"]) is not None))
        elif parts and (not parts[-1].is_frame or line.startswith("    ")):
            parts[-1].lines.append(line)
        else:
            parts.append(_Part([line], False, False))
    return parts


def _grouped(parts: Sequence[_Part]) -> list[list[int]]:
    """Frames of the library that follow each other are one."""
    groups: list[list[int]] = []
    for number, part in enumerate(parts):
        if part.is_library and groups and parts[groups[-1][0]].is_library:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _shown(part: _Part, is_lit: bool) -> Markup:
    lines = [line for line in part.lines if not _CARETS.fullmatch(line)]
    if not part.is_frame:
        return join(*(el("span", f"{line}\n", class_="lib" if _is_around(line) else "err") for line in lines))
    if is_lit and len(lines) > 1:
        # A block is a line by itself: no newline behind it.
        return join(el("span", f"{lines[0]}\n", class_="own"), el("span", lines[1], class_="own hit"), *(el("span", f"{line}\n", class_="own") for line in lines[2:]))
    return el("span", "\n".join(lines) + "\n", class_="lib" if part.is_library else "own")


def _is_around(line: str) -> bool:
    return not line.strip() or line.startswith(("Traceback (", "The above exception", "During handling"))


def output(pieces: Sequence[OutputPiece]) -> tuple[Markup, int, bool]:
    """What an attempt printed, each line with its time; how many lines, and whether only the last are shown."""
    lines = [(piece, line) for piece in pieces if piece.stream != "usage" for line in piece.text.rstrip("\n").split("\n")]
    shown = lines[-MOST_LINES:]
    return join(*(_line(piece, line) for piece, line in shown)), len(lines), len(shown) < len(lines)


def _line(piece: OutputPiece, line: str) -> Markup:
    local = piece.at.astimezone()
    stamp = f"{local:%H:%M:%S}.{local.microsecond // 1000:03}"
    return join(el("span", stamp, class_="t"), "  ", el("span", line, class_=_tone(line)), "\n")


def _tone(line: str) -> str | None:
    match = _LEVEL.search(line, 0, _LEVEL_WITHIN)
    return None if match is None else "e" if match[1] else "w"
