"""Counts that stop somewhere: who looks at a million jobs wants to know that there are many, and now.

Owns the number that says of itself that there are more.
"""

from __future__ import annotations

from collections.abc import Iterable


class AtLeast(int):
    """So many, and perhaps more: an ``int`` that is shown as ``10,000+``."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{int(self):,}+"

    def __repr__(self) -> str:
        return f"AtLeast({int(self)})"


def total(counts: Iterable[int]) -> int:
    """Of several; at least so many if one of them is."""
    counts = list(counts)
    found = sum(map(int, counts))
    return AtLeast(found) if any(isinstance(count, AtLeast) for count in counts) else found


def capped(count: int, most: int) -> int:
    """A count that was stopped behind ``most``."""
    return count if count <= most else AtLeast(most)
