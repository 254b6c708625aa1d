"""Sizes of memory as people write them: ``"512M"``, ``"2G"``.

Owns the grammar of such texts and the way back. Units are of 1024 each, as with systemd, docker and ulimit. Pure; must
not know what a size is used for.
"""

from __future__ import annotations

import re
from typing import Final

from .errors import InvalidArgument

UNITS: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_TEXT: Final = re.compile("([0-9]{1,15}(?:[.][0-9]{1,3})?)([KMGT]?)")


def parse(text: str) -> int:
    """Bytes of a text such as ``512M`` or ``1.5G``; a bare number is bytes. Raises InvalidArgument."""
    match = _TEXT.fullmatch(text.strip().upper())
    if match is None:
        raise InvalidArgument(
            f"{text!r:.60} is no size: write a number and K, M, G or T, which are 1024 of each other, such as '512M' or '1.5G'; "
            "a number alone is bytes"
        )
    return int(float(match[1]) * UNITS.get(match[2], 1))


def render(size: int) -> str:
    """Four digits of it at most, with the unit: ``512M``, ``1.5G``."""
    for unit, scale in reversed(UNITS.items()):
        if size >= scale:
            return f"{size / scale:.4g}{unit}"
    return str(size)
