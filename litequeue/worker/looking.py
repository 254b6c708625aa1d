"""Whether there may be something to claim, and where among the queues to look for it.

Owns the round that a worker makes where more queues have jobs than one look sees (``store/turn/look``): window after window in the
order of their names, to the last, and once more from the first if there was news meanwhile. Where one look sees them all, which is
nearly everywhere, each turn is a round. Must not ask the file; it is told what a look saw.
"""

from __future__ import annotations


class Looking:
    """``yes``: there may be something. ``begin``: where the next look begins. ``passes_on``: others are to be told of what is left."""

    __slots__ = ("_again", "begin", "passes_on", "yes")

    def __init__(self) -> None:
        self.yes = True
        self.passes_on = True
        self.begin = b""
        self._again = False

    def news(self, there_is: bool = True, *, passed_on: bool = False) -> None:
        """Something may be anywhere, before where the round is, too. ``passed_on``: all that sleep have been told of it."""
        if there_is:
            self.yes = True
            self.passes_on = self.passes_on or not passed_on
            self._again = self._again or bool(self.begin)

    def no(self) -> None:
        """This worker could take nothing now, wherever it is. The round goes on when it can."""
        self.yes = self.passes_on = False

    def saw(self, rest: bytes | None, left: bool = False) -> None:
        """A turn has taken what it could of what a look saw. ``rest``: where its window ends, None at the last queue; ``left``: there
        may be more in it."""
        self._again = self._again or left
        self.begin = rest or b""
        self.passes_on = False  # who was asleep is awake now, or has nothing to do with it
        self.yes = bool(self.begin) or self._again
        if not self.begin:
            self._again = False
