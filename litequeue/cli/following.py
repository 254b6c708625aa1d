"""``job --follow``: what a job prints and how far it is, while it runs.

Owns the bar. What is printed goes where the job printed it; the bar is for a terminal alone, on standard error.
"""

from __future__ import annotations

import shutil
import sys
from typing import Any, Final

from ..base.checks import clean
from ..base.records import JobProgress
from ..job import Job
from .outputs import print_pieces, with_gaps
from .printing import complain, put
from .render import amount, duration

PAUSE: Final = 0.2  # seconds between two looks
BAR: Final = 24  # characters


def follow(handle: Job[Any]) -> int:
    """Until the job has ended; 0 if it succeeded."""
    bar = Bar() if sys.stderr.isatty() else None
    last, waits = None, handle.why_waiting()
    if waits:
        complain(f"job {handle.id} waits: {waits}")
    while True:
        ended = handle.wait(PAUSE)
        pieces = handle.output(after=last)
        last, pieces = pieces[-1] if pieces else last, with_gaps(pieces, last)
        if bar is not None and pieces:
            bar.away()
        print_pieces(pieces)
        if bar is not None:
            bar.show(handle.progress())
        if ended:
            if bar is not None:
                bar.leave()
            info = handle.info()
            if info.state == "succeeded":
                return 0
            why = f": {info.last_error}" if info.last_error else ""
            complain(f"job {handle.id} is {info.state}{why}")
            return 1


class Bar:
    """One line that is written over as long as nothing else is printed."""

    def __init__(self) -> None:
        self._shown = ""

    def show(self, progress: JobProgress | None) -> None:
        text = "" if progress is None else line(progress)[: shutil.get_terminal_size().columns - 1]
        if text != self._shown:
            put(f"\r\x1b[K{text}", sys.stderr)
            self._shown = text

    def away(self) -> None:
        if self._shown:
            put("\r\x1b[K", sys.stderr)
            self._shown = ""

    def leave(self) -> None:
        """What it showed last stays there."""
        if self._shown:
            put("\n", sys.stderr)


def line(progress: JobProgress) -> str:
    """How far a job is, with a bar where it knows how far it is to go."""
    words = [amount(progress)]
    if progress.speed is not None:
        words.append(f"{progress.speed:,.3g}/s")
    if progress.left:
        words.append(f"{duration(progress.left)} left")
    if progress.note:
        words.append(clean(progress.note))
    share = progress.share
    return ", ".join(words) if share is None else f"{int(share * 100):3}% {_drawn(share)} {', '.join(words)}"  # 100 when it is


def _drawn(share: float) -> str:
    full, empty = ("█", "░") if (sys.stderr.encoding or "").lower().startswith("utf") else ("#", ".")
    done = int(share * BAR)
    return full * done + empty * (BAR - done)
