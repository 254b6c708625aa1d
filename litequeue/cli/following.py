"""``job --follow``: what a job prints and how far it is, while it runs.

Owns the bar. What is printed goes where the job printed it; the bar is for a terminal alone, on standard error.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from ..base.checks import clean
from ..base.records import JobProgress, OutputPiece, as_dict
from ..job import Job
from .printing import complain, hand_on, put
from .render import LEFT_OUT, amount, duration, print_json, print_output

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


def print_pieces(pieces: Iterable[OutputPiece]) -> None:
    """What was printed and logged, each to where it was."""
    for piece in pieces:
        if piece.stream != "usage":
            hand_on(piece.text, sys.stdout if piece.stream == "stdout" else sys.stderr)


def with_gaps(pieces: Sequence[OutputPiece], before: OutputPiece | None = None) -> list[OutputPiece]:
    """The same, and where some is missing a line that says so; ``before``: the one that was known already."""
    found = []
    for piece in pieces:
        number = before.number if before is not None and before.attempt == piece.attempt else 0
        if piece.number > number + 1:
            found.append(replace(piece, text=LEFT_OUT))
        found.append(piece)
        before = piece
    return found


def print_log(pieces: Sequence[OutputPiece], as_json: bool) -> None:
    """``--log``: all of it on standard output; of several attempts, which is whose."""
    if as_json:
        print_json([as_dict(piece) for piece in pieces])
    elif len({piece.attempt for piece in pieces}) > 1:
        print_output(pieces)
    else:
        for piece in with_gaps(pieces):
            if piece.stream != "usage":
                hand_on(piece.text, sys.stdout)


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
