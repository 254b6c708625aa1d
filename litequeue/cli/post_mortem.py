"""``run --pdb``: a failure in the debugger, and what is to be made of it.

Owns the debugger and the question after it. Whatever ends them early gives the job back: a signal, or a terminal that is gone.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..base.checks import clean_lines
from ..base.outcomes import Failed, Outcome, Timed
from ..base.states import FINAL
from ..pools.base import Call
from ..pools.here import Stopped
from .entry import open_standard_streams
from .printing import complain, put, say

if TYPE_CHECKING:
    from ..base.models import ClaimedJob

_OURS: Final = ("litequeue.pools", "litequeue.tasks.hooks", "litequeue.compat", "litequeue.django", "litequeue.celery", "contextlib")


def looked_at(call: Call, timed: Timed, error: BaseException | None, is_stopping: Callable[[], bool], *, job: ClaimedJob, was: str, back: Outcome | None) -> Timed:
    """A failure, in the debugger; and then what is to be made of it."""
    if not isinstance(timed.outcome, Failed) or error is None:
        return timed
    given_back = timed if back is None or call.job.at_most_once else timed._replace(outcome=back)
    open_standard_streams()
    try:
        sys.stdout.flush()
        put(clean_lines(timed.outcome.traceback), sys.stderr)
        with contextlib.suppress(KeyboardInterrupt):
            _post_mortem(error, is_stopping)
        if back is None:
            return timed
        if call.job.at_most_once:
            complain(f"job {job.id} runs at most once, so the failure is recorded")
            return timed
        if was in FINAL:
            complain(f"job {job.id} was {was}: given back it is available, and the next worker runs it")
        return timed if _is_to_be_recorded() else given_back
    except (Stopped, OSError):  # the terminal is gone, with a signal or without one
        return given_back


def _is_to_be_recorded() -> bool:
    while True:
        try:
            said = input("record the failure, or give the job back? [r/B] ").strip().lower()
        except (EOFError, KeyboardInterrupt):
            say()
            return False
        if said in ("", "b", "back", "g", "give", "n", "no"):
            return False
        if said in ("r", "record", "y", "yes"):
            return True


def _post_mortem(error: BaseException, is_stopping: Callable[[], bool]) -> None:
    """Where it was raised; ``up`` goes to who called that. Since Python 3.13 its causes can be looked at, too."""
    import pdb  # noqa: T100 - that is what it is for

    class Debugger(pdb.Pdb):
        """It takes all that a statement raises for the statement's own, also what a signal's handler raises there."""

        def precmd(self, line: str) -> str:
            if is_stopping():
                raise Stopped
            return super().precmd(line)

        def postcmd(self, stop: bool, line: str) -> bool:
            if is_stopping():
                raise Stopped
            return super().postcmd(stop, line)

    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        frames = frames.tb_next
    shown: Any = error.with_traceback(frames) if sys.version_info >= (3, 13) else frames
    debugger = Debugger()
    debugger.reset()
    debugger.interaction(None, shown)
