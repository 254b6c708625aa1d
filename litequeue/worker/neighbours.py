"""What the coordinator asks of the rest of the worker, and tells it.

Owns the names, and nothing behind them: who serves them is decided where the worker is put together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..base.bell import Address


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What the rest of the worker wants to hear, and the one thing it is asked."""

    on_settled: Callable[[], None]
    tell_more: Callable[[Sequence[Address]], None]  # to those who sleep: there is more than we have room for
    on_news: Callable[[], None]  # there may be work: somebody committed something, a peer may have come
    on_change: Callable[[], None]  # the same, told at most twice a second; or a schedule's job has ended
    has_peers: Callable[[], bool]
