"""What a worker and its supervisor say to each other, and where.

Owns the variable that tells a worker of its pipes, and the form of what goes through them: to the supervisor words that end with a NUL, since a path may
hold anything else; to a worker single bytes. A worker is not told by signals: where a manager tells all of a group to stop (systemd's
``KillMode=control-group``), the supervisor's would be taken for a second one, which means at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from ...base.errors import InvalidArgument

ENVIRONMENT: Final = "LITEQUEUE_SUPERVISED"
UP: Final = b"up"  # and its bytes in memory
BIG: Final = b"big"  # the same, of one that would leave
FILE: Final = b"file"  # of a module of it
LEAVE: Final = b"l"  # to a worker, which finishes what it runs
NOW: Final = b"n"
LONGEST: Final = 1 << 16  # bytes of a message


class Pipes(NamedTuple):
    """A worker's ends: one by which it is told to leave, and which ends with the supervisor, and one to tell that; ``files``: whether it wants to know those of modules; ``first``: whether
    there was none before it, so that what is to be said of the file, or of the host, is said once."""

    tie: int
    tell: int
    files: bool
    first: bool


def place(tie: int, tell: int, *, files: bool, first: bool) -> str:
    """What the variable is to say."""
    return f"{tie} {tell} {int(files)} {int(first)}"


def pipes() -> Pipes | None:
    """Of this process, if it has a supervisor; no other finds them after it. Raises InvalidArgument."""
    said = os.environ.pop(ENVIRONMENT, None)
    if said is None:
        return None
    try:
        tie, tell, files, first = map(int, said.split())
        for end in (tie, tell):
            os.set_inheritable(end, False)
    except (ValueError, OSError):
        raise InvalidArgument(f"{ENVIRONMENT} is what a supervisor tells its workers, and {said!r:.60} is from none: unset it") from None
    return Pipes(tie, tell, bool(files), bool(first))


def said(word: bytes, rest: bytes = b"") -> bytes:
    return b"%b %b\0" % (word, rest)


class Reader:
    """The supervisor's side of one pipe."""

    def __init__(self) -> None:
        self._left = b""
        self.has_ended = False

    def take(self, told: int) -> Iterator[tuple[bytes, bytes]]:
        """What is there now, as words with the rest."""
        while not self.has_ended:
            try:
                came = os.read(told, 1 << 16)
            except BlockingIOError:
                break
            self.has_ended = not came
            *whole, self._left = (self._left + came).split(b"\0")
            self._left = self._left[-LONGEST:]
            for message in whole:
                word, _, rest = message.partition(b" ")
                yield word, rest
