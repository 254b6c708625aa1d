"""What a job printed and logged, as it is shown.

Owns where it goes, and what is said of what is missing. While the job runs: ``following``.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from ..base.checks import clean_lines
from ..base.records import OutputPiece, as_dict
from ..base.stored import loads
from .printing import hand_on, put, say
from .render import duration, print_json, used

LEFT_OUT: Final = "\n[... more than can be kept was left out here ...]\n"


def print_pieces(pieces: Iterable[OutputPiece]) -> None:
    """What was printed and logged, each to where it was."""
    for piece in pieces:
        if piece.stream != "usage":
            hand_on(piece.text, sys.stdout if piece.stream == "stdout" else sys.stderr)


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


def print_output(pieces: Sequence[OutputPiece], most: int | None = None) -> None:
    """What a job's attempts printed and logged, each with what it used; of each so many lines of the end at most."""
    for attempt, found in itertools.groupby(pieces, key=lambda piece: piece.attempt):
        say()
        say(f"output of attempt {attempt}")
        text = ""
        for piece in with_gaps(found):
            if piece.stream == "usage":
                text += ("" if text.endswith("\n") or not text else "\n") + f"[{_usage(piece.text)}]\n"
            else:
                text += piece.text
        lines = text.rstrip("\n").split("\n")
        if most is not None and len(lines) > most + 1:
            put(f"    [{len(lines) - most:,} lines before these: --log]\n")
            lines = lines[-most:]
        for line in lines:
            put(f"    {clean_lines(line)}\n")


def _usage(text: str) -> str:
    try:
        found = loads(text)
        code = found.get("exit_code")
        words = [f"exit code {code}" if code is not None else "killed"]
        if found.get("seconds") is not None:
            words.append(duration(found["seconds"]))
        words += used(found.get("max_rss_bytes"), found.get("cpu_seconds"))
    except (ValueError, TypeError, KeyError, AttributeError):  # planted by somebody
        return "what it used cannot be read"
    return ", ".join(words)


def with_gaps(pieces: Iterable[OutputPiece], before: OutputPiece | None = None) -> list[OutputPiece]:
    """The same, and where some is missing a line that says so; ``before``: the one that was known already."""
    found = []
    for piece in pieces:
        if piece.stream != "usage":
            number = before.number if before is not None and before.attempt == piece.attempt else 0
            if piece.number > number + 1:
                found.append(replace(piece, text=LEFT_OUT))
            before = piece
        found.append(piece)
    return found
