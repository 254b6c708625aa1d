"""``alert check`` as a child, for those who live on while no worker does: they look at what is watched, and have it told.

Owns that there is one such child at a time, and that it is what this program is. A child, since telling may load a task's code, and run for a while; its
interpreter takes 0.15 s of a processor. It ends by itself, and not by the Ctrl-C that ends its parent.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from ..base.errors import LitequeueError
from .exits import NOT_AS_ASKED, OK, TRY_LATER
from .printing import complain

if TYPE_CHECKING:
    from ..store import Store

EVERY: Final = 10.0  # seconds between two questions whether anybody looks; who has not the file open looks each 30
LATE: Final = 7_000_000  # microseconds: a worker is at it by then, and no child is started for nothing
RESTS: Final = 60  # times that none is started, after one that was refused: who may only read the file is told so each ten minutes
PACKAGES: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Nothing in the environment, which the commands that tell would have too; and nothing from the directory in which this happens to stand.
_CODE: Final = "import sys; sys.path.append(sys.argv.pop(1)); from litequeue.cli import main; raise SystemExit(main())"


class Looking:
    """Of one file."""

    def __init__(self, path: str) -> None:
        self._words = [sys.executable, "-P", "-c", _CODE, PACKAGES, "alert", "check", path]
        self._child: subprocess.Popen[bytes] | None = None
        self._rests = 0

    def look(self) -> None:
        """Start one, unless the last one is still at it."""
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return
            self._rests = 0 if code in (OK, NOT_AS_ASKED, TRY_LATER) or self._rests > RESTS else self._rests + 1
            if self._rests:
                return
        try:
            self._child = subprocess.Popen(self._words, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
        except OSError as error:
            self._child = None
            complain(f"nobody looks at the alerts: {error}")

    def look_if_due(self, store: Store, now: int) -> None:
        """The same where somebody has the file open, and so can ask whether nobody has looked for 32 seconds."""
        try:
            is_due = store.notices.is_look_due(now, LATE)
        except LitequeueError:  # the page says what is the matter
            return
        if is_due:
            self.look()

    def reaped(self, pid: int, code: int) -> None:
        """By who waits for all children of this process: how one of them ended, if it was this."""
        if self._child is not None and self._child.pid == pid:
            self._child.returncode = code

    def leave(self, seconds: float) -> None:
        """Give the last one a moment to end."""
        if self._child is not None:
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                self._child.returncode = 0  # it goes on alone, and nobody complains that it does
