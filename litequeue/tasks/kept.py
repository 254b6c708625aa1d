"""What a running job prints and logs, on its way to be kept with it.

Owns the bound on what waits in between, whatever the job says and however fast: of each stream the beginning, and of what it says between two looks (``ticking``) the
end. The task pays for an append; lines are put together, and times are put into words, only where they are kept: a job that logs 100,000 lines to a file takes 1.1 of
its time without. How much of it is kept for good is the store's, and who takes part is the pools'.

What is said may be said from a signal's handler or an object's end, in the middle of anything here; and SoftTimeout may end the task at any line. So an append takes no
lock, and what is counted beside it may be a little off until the next look, which counts anew. Handing on is for one thread at a time; who finds another at it leaves it
to that.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from ..base.softguard import shielded
from . import ticking

HEAD: Final = 64 << 10  # characters of the beginning of each stream, of which nothing is dropped
TAIL: Final = 64 << 10  # and of the end, between two looks
PIECE: Final = 8 << 10  # characters that are handed on together, about
AT_ONCE: Final = 50  # lines between two looks that are handed on at once, where nobody could do so after a crash

# (stream, text, whether something is missing before it): whether it was taken; quick, never raises
HandOn = Callable[[str, str, bool], bool]

_Line = tuple[float, str, str, str]  # seconds since the epoch, level, logger, text
_Write = tuple[int, str | _Line]  # its number, by which they are put in order again; what it is


class _Stream:
    __slots__ = ("dropped", "first", "last", "room", "size")

    def __init__(self) -> None:
        self.room = HEAD
        self.first: deque[_Write] = deque()
        self.last: deque[_Write] = deque()
        self.size = 0  # characters of the last
        self.dropped = False  # some, since the last piece

    def add(self, number: int, what: str | _Line, size: int) -> None:
        if self.room > 0:
            self.room -= size or 1
            self.first.append((number, what))
            return
        self.last.append((number, what))
        self.size += size or 1
        while self.size > TAIL and len(self.last) > 1:
            try:
                _, gone = self.last.popleft()
            except IndexError:  # somebody else was at it
                break
            self.size -= _length(gone) or 1
            self.dropped = True

    def take(self) -> list[_Write]:
        """All that waits."""
        taken: list[_Write] = []
        for waiting in (self.first, self.last):
            with contextlib.suppress(IndexError):
                while True:
                    taken.append(waiting.popleft())
        self.size = 0
        return taken


class Kept:
    """One attempt's."""

    __slots__ = ("_at_once", "_hand_on", "_is_prompt", "_numbers", "_over", "_pieces", "_streams", "_taking", "_without_secrets")

    def __init__(self, hand_on: HandOn, without_secrets: Callable[[str], str] | None, *, is_prompt: bool = False) -> None:
        """``is_prompt``: a crash of this process would lose what waits."""
        self._hand_on = hand_on
        self._without_secrets = without_secrets
        self._is_prompt = is_prompt
        self._at_once = AT_ONCE
        self._numbers = itertools.count()
        self._streams: dict[str, _Stream] = {}
        self._over = False
        self._taking = threading.Lock()  # never waited for where the task speaks
        self._pieces: deque[tuple[str, str, bool]] = deque()  # put together, and not taken yet
        ticking.look_at(self)

    def write(self, stream: str, text: str) -> None:
        self._add(stream, text if self._without_secrets is None else self._without_secrets(text))

    def log(self, at: float, level: str, logger: str, text: str) -> None:
        self._add("log", (at, level, logger, text if self._without_secrets is None else self._without_secrets(text)))

    def _add(self, stream: str, what: str | _Line) -> None:
        if self._over:
            return
        size = _length(what)
        if size > HEAD + TAIL:
            what, size = _cut(what), HEAD + TAIL
        (self._streams.get(stream) or self._streams.setdefault(stream, _Stream())).add(next(self._numbers), what, size)
        if self._is_prompt and self._at_once > 0 and (stream == "log" or what[-1:] == "\n"):
            self._at_once -= 1
            with shielded:
                self._give()

    def hand_on(self) -> bool:
        """What has come since, as far as it is taken. Whether there may be more later."""
        self._at_once = AT_ONCE
        self._give()
        return not self._over

    def end(self) -> None:
        """The job is over: what comes now is no more its own."""
        ticking.look_away(self)
        self._over = True
        self._give(wait=1.0)

    # -- for one thread at a time --------------------------------------------------------------------

    def _give(self, wait: float = 0.0) -> None:
        if self._taking.acquire(wait > 0, wait or -1):
            try:
                while True:
                    if not self._pieces and not self._put_together():
                        return
                    if not self._hand_on(*self._pieces[0]):
                        return
                    self._pieces.popleft()
            finally:
                self._taking.release()

    def _put_together(self) -> bool:
        """What waits as pieces, each of one stream, in the order in which it was written. Whether there is any."""
        gaps = set()
        waiting: list[list[tuple[int, str, str | _Line]]] = []
        for name, stream in list(self._streams.items()):
            writes = stream.take()
            if stream.dropped and writes:
                stream.dropped = False
                gaps.add(name)
            if writes:
                waiting.append([(number, name, what) for number, what in writes])
        texts: list[str] = []
        size, before = 0, ""
        # By the numbers alone: what is written is not compared.
        for _, name, what in heapq.merge(*waiting, key=lambda write: write[0]) if len(waiting) > 1 else itertools.chain(*waiting):
            if texts and (name != before or size >= PIECE):
                self._pieces.append((before, _storable("".join(texts)), before in gaps))
                gaps.discard(before)
                texts, size = [], 0
            texts.append(_in_words(what))
            size += len(texts[-1])
            before = name
        if texts:
            self._pieces.append((before, _storable("".join(texts)), before in gaps))
        return bool(texts)


def _length(what: str | _Line) -> int:
    return len(what) if isinstance(what, str) else len(what[3]) + 50


def _cut(what: str | _Line) -> str | _Line:
    text = what if isinstance(what, str) else what[3]
    text = f"{text[:HEAD]}\n[... {len(text) - HEAD - TAIL:,} characters left out ...]\n{text[-TAIL:]}"
    return text if isinstance(what, str) else (*what[:3], text)


def _in_words(what: str | _Line) -> str:
    if isinstance(what, str):
        return what
    at, level, logger, text = what
    try:
        when = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))},{int(at * 1000) % 1000:03}"
    except (TypeError, ValueError, OverflowError, OSError):  # of a record that somebody has made by hand
        when = str(at)[:30]
    return f"{when} {level} {logger}: {text}\n"


def _storable(text: str) -> str:
    # Lone surrogates cannot be stored as UTF-8, and SQLite's functions end a text at a NUL.
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
