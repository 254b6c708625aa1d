"""What time it is for the queue of a test: as the app's clock says, and so much later as the test has let pass.

Owns that difference. The wall clock below follows whoever moves Python's (freezegun, time-machine), the monotonic one nobody.
"""

from __future__ import annotations

from ..base.checks import MICROS
from ..base.clock import Clock


class VirtualClock:
    """A clock that goes on by itself, and can be put forward."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = 0  # microseconds

    def now(self) -> int:
        return self._clock.now() + self._ahead

    def monotonic(self) -> float:
        return self._clock.monotonic() + self._ahead / MICROS

    def go_on_to(self, moment: int) -> None:
        """Be there, unless it is past."""
        self._ahead += max(moment - self.now(), 0)
