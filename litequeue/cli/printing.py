"""How a command says anything: the only place that prints what the file or another user may have written.

Owns the cleaning of it, which nobody who says something has to think of, and the one way around it. A test sees to it that
the commands print by no other way.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from ..base.checks import clean, clean_lines


def say(text: object = "", *, to: TextIO | None = None) -> None:
    """A line, whatever stands in it; on standard output, if not elsewhere."""
    put(f"{clean(str(text))}\n", to)


def complain(text: object) -> None:
    """A line on standard error, with who says it."""
    say(f"litequeue: {text}", to=sys.stderr)


def put(text: str, to: TextIO | None = None) -> None:
    """As it is: what is clean already. In one piece, or a line of the log could come between it and the line's end."""
    stream = sys.stdout if to is None else to
    stream.write(text)
    if stream is sys.stderr:
        stream.flush()


def put_nowhere(stream: TextIO) -> None:
    """From now on: what it holds yet would fail again wherever it is flushed, the last time as the interpreter ends."""
    with contextlib.suppress(OSError, ValueError):  # it is no file, or closed
        number = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(number, stream.fileno())
        finally:
            os.close(number)


def hand_on(text: str, to: TextIO) -> None:
    """What a program printed: to a terminal without what could drive it; a file or another program has it as it is."""
    put(clean_lines(text) if to.isatty() else text.encode("utf-8", "backslashreplace").decode(), to)
    to.flush()
