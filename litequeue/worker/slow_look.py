"""When the worker looks at the file without having been told to.

Owns the slow look, which catches lost datagrams, rows written by plain SQL and a clock that was set, and the time
at which a waiting job becomes due. Reads SQLite's data version and the clocks, and nothing else.
"""

from __future__ import annotations

from ..base.checks import MICROS
from ..base.clock import Clock
from ..store.file.database import Database

SLOW_LOOK = 0.5  # seconds


class Watch:
    """For the coordinator's thread."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._wake_at = 0.0  # monotonic: when something becomes due
        self._slow_look_at = 0.0
        self._offset = 0.0  # of the wall clock from the monotonic one
        self._data_version = -1

    def due(self) -> float:
        """When to look next; monotonic."""
        return min(self._slow_look_at, self._wake_at or self._slow_look_at)

    def expect(self, due: int | None, now: int, mono: float) -> None:
        """Something becomes due at ``due``, or nothing does. ``now`` and ``mono``: one moment on both clocks."""
        self._wake_at = 0.0 if due is None else mono + max(due - now, 0) / MICROS

    def look_at(self, at: float) -> None:
        """Look no later than that; monotonic."""
        self._slow_look_at = min(self._slow_look_at, at)

    def look(self) -> tuple[bool, bool]:
        """Whether there may be something to do; and whether others committed something, or the clock was set."""
        now = self._clock.monotonic()
        self._slow_look_at = now + SLOW_LOOK
        version, offset = self._database.data_version(), self._clock.now() / MICROS - now
        stepped = abs(offset - self._offset) > 1.0  # since the last that was told, so that small steps add up
        if stepped:
            self._offset = offset
        news = version != self._data_version or stepped
        self._data_version = version
        return news or bool(self._wake_at and now >= self._wake_at), news
