"""How much memory a worker has, and what is to be done where that is more than it may have.

Owns the look and the decision. What leaks gives nothing back but by its end: a process of the pool ends between two jobs, and the worker itself when its
supervisor lets it. Nothing that has hardly grown since it began is ended: the next one would be as big at once, and one job a process for ever is slower
than any leak. (A fresh worker has 30 MB; what allocators keep and give back again is some percent of it.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from ...pools.watched import Size

LOOK_SECONDS: Final = 5.0
ROOM: Final = 1.2  # times the size at the beginning


class Verdict(NamedTuple):
    """``renew``: these processes, between two jobs; ``leave``: the worker is the one; ``is_hopeless``: it is too much, and nothing has grown."""

    total: int
    renew: frozenset[int] = frozenset()
    leave: bool = False
    is_hopeless: bool = False


def judge(limit: int, own: int, fresh: int, pool: Sequence[Size]) -> Verdict:
    """``own``: bytes of the worker itself; ``fresh``: as it was up. No more is ended than is needed, the processes first."""
    total = left = own + sum(process.now for process in pool)
    renew = set[int]()
    for process in sorted(pool, key=lambda process: process.fresh - process.now):
        if left > limit and 0 < process.fresh * ROOM <= process.now:
            renew.add(process.pid)
            left -= process.now - process.fresh
    if left <= limit:
        return Verdict(total, frozenset(renew))
    if own >= fresh * ROOM:
        return Verdict(total, leave=True)
    return Verdict(total, frozenset(renew), is_hopeless=not renew)
