"""What all generators draw from: values of each kind that SQLite stores, and ways to spoil a text."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

CONTROL = "\x1b[31m\r\n\0\x9b\u202e"
PIECES = (
    "", " ", "\t", "\n", "\0", "\r", "\x1b[2J", "\ud800", "\u00a0", "\u202e", "\u0663", "0", "-1", "60", "9" * 30, "9" * 5000,
    "1e999", "NaN", "*", "*/0", "-", ",", ",,", "/", "L", "W", "#", "?", "@", "%", "\\", "'", '"', "`", "[", "]", "{", "}", "(",
    ")", "[" * 700, "{\"$set\":" * 300, "$", ":", ";", "--", "/*", "*/", "null", "true", "$type", "\\ud800", "%s", "é", "日本",
)  # fmt: skip


def text(random: Random, base: str, others: Sequence[str] = PIECES, most: int = 4) -> str:
    """A text with a few of its parts deleted, doubled, moved, or replaced."""
    for _ in range(random.randint(1, most)):
        begin, end = sorted(random.randint(0, len(base)) for _ in range(2))
        end = min(end, begin + random.choice((1, 1, 3, 20, 1000)))
        part = base[begin:end]
        piece = random.choice((*PIECES, *others[:200]))
        new = random.choice(("", part * 2, part[::-1], part.swapcase(), piece, piece, part + piece, random.choice(others)))
        base = base[:begin] + new + base[end:]
    return base


def noise(random: Random, most: int) -> bytes:
    return random.randbytes(random.randint(0, most))
