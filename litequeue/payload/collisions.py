"""What a stored set or dict may cost to build: somebody may have planted one of which all items have one hash.

Owns that limit, and the room that is left for what is compressed in the same value. Python hashes an int by its remainder by 2**61 - 1, and tuples, UUIDs and decimals by such remainders, so that
anybody can write items that collide; each is then compared with all before it, in C, while no other thread runs and no
signal is handled (measured: 36 s of a mebibyte, and without end where sets are within sets). What people store has few: -1
and -2 have one hash, so a grid of 15**4 points has 16,448 pairs that collide.

Counted over a whole stored value, since the cost multiplies where one is in the other: with as many pairs as here it is at
most half a second at any depth. Strings and bytes do not count, as their hashes differ from process to process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from ..base.errors import PayloadCorrupt
from ..base.stored import MAX_INFLATED

HASHED: Final = frozenset({"$set", "$frozenset", "$dict"})
MAX_PAIRS: Final = 50_000
SHORT: Final = 4_096  # characters of a text that cannot hold enough to matter: 200 ints


class Collisions:
    """Counts the pairs that collide, over one stored value."""

    def __init__(self) -> None:
        self._left = MAX_PAIRS
        self.room = MAX_INFLATED  # characters

    def count(self, items: Iterable[Any]) -> None:
        """Those of one set's items, or a dict's keys, before it is built. Raises PayloadCorrupt if they are too many."""
        hashes = list(map(hash, items))
        if len(set(hashes)) < len(hashes):
            self._left -= sum(alike * (alike - 1) // 2 for alike in Counter(hashes).values())
            if self._left < 0:
                raise PayloadCorrupt(
                    f"the stored value is not read: over {MAX_PAIRS:,} pairs of its sets' items, or of its dicts' keys, have the "
                    "same hash, and would be compared with each other. Numbers that are multiples of 2**61 - 1 do; pass them as text"
                )
