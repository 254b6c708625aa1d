"""What a terminal sends for the keys: from bytes to the words that ``keys`` knows. Pure.

Owns these sequences. A sequence that nobody knows is no key, and neither is what a terminal says of itself.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_SEQUENCE: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[A-Za-z]|\[\[[A-E])")
_BEGUN: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|O|\[\[)?")
_NAMES: Final = {
    b"A": "up", b"B": "down", b"C": "right", b"D": "left", b"H": "home", b"F": "end", b"Z": "backtab",
    b"1~": "home", b"7~": "home", b"4~": "end", b"8~": "end", b"5~": "pgup", b"6~": "pgdn", b"3~": "backspace",
}  # fmt: skip
_SINGLE: Final = {
    0x03: "ctrl-c", 0x04: "ctrl-d", 0x08: "backspace", 0x09: "tab", 0x0A: "enter", 0x0C: "ctrl-l", 0x0D: "enter", 0x15: "ctrl-u", 0x17: "ctrl-w", 0x20: "space", 0x7F: "backspace",
}  # fmt: skip


class Read(NamedTuple):
    """The keys, and what may be the beginning of another one."""

    keys: list[str]
    rest: bytes


def decode(data: bytes, *, is_all: bool = False) -> Read:
    """``is_all``: nothing came for a while, so that an escape by itself is the key."""
    keys: list[str] = []
    while data:
        if data[0] == 0x1B:
            found = _SEQUENCE.match(data)
            if found:
                name = _named(found.group())
                keys += [name] if name else []
                data = data[found.end() :]
                continue
            begun = _BEGUN.match(data)
            assert begun is not None
            if begun.end() == len(data) and not is_all:
                return Read(keys, data)
            keys.append("esc")
            data = data[1:] if begun.end() < len(data) or len(data) == 1 else b""
            continue
        if data[0] < 0x20 or data[0] == 0x7F or data[0] == 0x20:
            name = _SINGLE.get(data[0], "")
            keys += [name] if name else []
            data = data[1:]
            continue
        size, here = _size(data[0]), 1
        while here < min(size, len(data)) and 0x80 <= data[here] < 0xC0:
            here += 1
        if here < size and here == len(data) and not is_all:
            return Read(keys, data)
        keys += [each for each in data[:here].decode("utf-8", "ignore") if each.isprintable()]
        data = data[here:]
    return Read(keys, b"")


def _named(sequence: bytes) -> str:
    last = sequence[2:]
    if sequence[1:2] == b"[" and re.fullmatch(rb"1;\d+[A-HZ]", last):  # with Shift, Alt or Ctrl
        last = last[-1:]
    return _NAMES.get(last, "")


def _size(first: int) -> int:
    """Of a character in UTF-8, in bytes."""
    return 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
