"""What a running job prints and logs, on its way to be kept with it.

Owns the bound on what waits in between, whatever the job says and however fast: of all that it says the beginning, and of what it says between two looks
(``ticking``) the last ``MOST_WAITING`` writes. The task pays for an append; lines are put together, and times are put into words, only where they are
kept: a job that logs 100,000 lines to a file takes 1.11 of its time without. How much of it is kept for good is the store's, and who takes part is the pools'.

Nothing here takes a lock in the task's thread, since SoftTimeout could leave it taken: each append is one step, and what is counted beside it may be a little off.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from . import ticking

HEAD: Final = 64 << 10  # characters of the beginning, of which nothing is dropped
MOST_WAITING: Final = 2_000  # writes after that
LONGEST: Final = 16 << 10  # characters of one write; of a longer one the middle is left out
PIECE: Final = 8 << 10  # characters that are handed on together, about

# (stream, text, whether something is missing before it): whether it was taken; quick, never raises
HandOn = Callable[[str, str, bool], bool]


_Line = tuple[float, str, str, str]  # seconds since the epoch, level, logger, text
_Write = tuple[int, str, str | _Line]  # its number, its stream, what it is


class Kept:
    """One attempt's."""

    __slots__ = ("_ahead", "_expected", "_first", "_hand_on", "_last", "_numbers", "_over", "_piece", "_room", "_without_secrets")

    def __init__(self, hand_on: HandOn, without_secrets: Callable[[str], str] | None) -> None:
        self._hand_on = hand_on
        self._without_secrets = without_secrets
        self._numbers = itertools.count()
        self._room = HEAD
        self._first: deque[_Write] = deque()
        self._last: deque[_Write] = deque(maxlen=MOST_WAITING)
        self._over = False
        # Of who hands on:
        self._ahead: _Write | None = None  # taken from those that wait, for the next piece
        self._expected = 0
        self._piece: tuple[str, str, bool] | None = None  # that was not taken yet
        ticking.look_at(self)

    def write(self, stream: str, text: str) -> None:
        self._add(stream, text if len(text) <= LONGEST else _cut(text))

    def log(self, at: float, level: str, logger: str, text: str) -> None:
        self._add("log", (at, level, logger, text if len(text) <= LONGEST else _cut(text)))

    def _add(self, stream: str, what: str | _Line) -> None:
        if self._room > 0:
            self._room -= len(what if isinstance(what, str) else what[3]) or 1
            self._first.append((next(self._numbers), stream, what))
        elif not self._over:
            self._last.append((next(self._numbers), stream, what))

    # -- for one thread at a time --------------------------------------------------------------------

    def hand_on(self) -> None:
        """What has come since, as far as it is taken."""
        while self._piece is not None or self._put_together():
            if not self._hand_on(*self._piece):  # type: ignore[misc]
                return
            self._piece = None

    def end(self) -> None:
        """The job is over: what comes now is no more its own."""
        ticking.look_away(self)
        self._room, self._over = 0, True
        self.hand_on()

    def _put_together(self) -> bool:
        """The next writes that follow each other in one stream, as the next piece; whether there are any."""
        write = self._next()
        if write is None:
            return False
        number, stream, what = write
        is_after_gap = number != self._expected
        texts = [_in_words(what)]
        size = len(texts[0])
        while size < PIECE:
            self._ahead = write = self._next()
            if write is None or write[:2] != (number + 1, stream):
                break
            number, _, what = write
            texts.append(_in_words(what))
            size += len(texts[-1])
            self._ahead = None
        self._expected = number + 1
        self._piece = stream, self._storable("".join(texts)), is_after_gap
        return True

    def _next(self) -> _Write | None:
        write, self._ahead = self._ahead, None
        if write is not None:
            return write
        try:
            return (self._first or self._last).popleft()
        except IndexError:
            return None

    def _storable(self, text: str) -> str:
        # Lone surrogates cannot be stored as UTF-8, and SQLite's functions end a text at a NUL.
        text = text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
        return text if self._without_secrets is None else self._without_secrets(text)


def _in_words(what: str | _Line) -> str:
    if isinstance(what, str):
        return what
    at, level, logger, text = what
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))},{int(at * 1000) % 1000:03} {level} {logger}: {text}\n"


def _cut(text: str) -> str:
    half = LONGEST // 2
    return f"{text[:half]}\n[... {len(text) - LONGEST:,} characters left out ...]\n{text[-half:]}"
