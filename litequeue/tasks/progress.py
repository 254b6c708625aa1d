"""How far a running job says that it is, and what else it wants to show.

Owns what was said last, and that it is handed on at most twice a second however often something is said, from a thread that looks for what is new: the
task pays for an assignment. What is said before the job ends is handed on with its end. Storing it is the worker's.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from operator import length_hint
from typing import Any, Final, TypeVar

from ..base.clock import monotonic
from ..base.errors import InvalidArgument, InvalidType, PayloadTooLarge
from ..base.softguard import shielded
from ..payload import Codec

T = TypeVar("T")

PAUSE: Final = 0.5  # seconds between two looks for what is new
FIRST: Final = 0.05  # before the first, which is what people wait for
LONGEST: Final = 200  # characters of a note; what is longer is cut
MOST: Final = 16 << 10  # characters of all that is shown

Tell = Callable[[str | None, str | None], None]  # (said, meta), as they are stored; quick, never raises


class Progress:
    """One attempt's."""

    __slots__ = ("_began", "_done", "_is_new", "_note", "_since", "_tell", "_total", "meta")

    def __init__(self, tell: Tell, codec: Codec) -> None:
        self._tell = tell
        self._is_new = False
        self._done: float | None = None
        self._total: float | None = None
        self._note: str | None = None
        self._began = self._since = 0.0  # the first that was said, and when
        self.meta = Meta(self, codec)
        _ticker.look_at(self)

    def say(self, done: float, total: float | None, note: str | None) -> None:
        """Raises InvalidType or InvalidArgument for what is no amount, or no text."""
        _number(done, "done")
        if total is not None:
            _number(total, "total")
        if note is not None and not isinstance(note, str):
            raise InvalidType(f"note must be a text, not {type(note).__name__}: {note!r:.60}")
        if self._done is None:
            self._began, self._since = done, monotonic()
        self._done, self._total, self._note = done, total, note
        self._is_new = True

    def track(self, rows: Iterable[T], total: float | None, note: str | None) -> Iterator[T]:
        """The rows, and how many of them are done."""
        if total is None:
            total = length_hint(rows) or None
        done = -1
        for done, row in enumerate(rows):
            self.say(done, total, note)
            yield row
        self.say(done + 1, total, note)

    def news(self) -> None:
        """For ``meta``."""
        self._is_new = True

    def hand_on(self) -> None:
        """What is new, if anything is."""
        if self._is_new:
            self._is_new = False
            self._tell(self._said(), self.meta.text())

    def end(self) -> None:
        """Nothing more is said."""
        _ticker.look_away(self)
        self.hand_on()

    def _said(self) -> str | None:
        done = self._done
        if done is None:
            return None
        seconds = monotonic() - self._since
        speed = (done - self._began) / seconds if seconds > 0 and done > self._began else None
        note = None if self._note is None else self._note.encode("utf-8", "backslashreplace").decode()[:LONGEST]
        return json.dumps([done, self._total, note, speed])


class Meta(MutableMapping[str, Any]):
    """``current_job().meta``: small values by names, as JSON. Raises PayloadError for a value that is none, and PayloadTooLarge."""

    def __init__(self, progress: Progress, codec: Codec) -> None:
        self._progress = progress
        self._codec = codec
        self._texts: dict[str, str] = {}

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise InvalidType(f"meta has texts as its names, not {type(name).__name__}: {name!r:.60}")
        text = self._codec.encode(value, f"meta[{name!r}]")
        texts = {**self._texts, name: text}
        size = sum(len(name) + len(text) for name, text in texts.items())
        if size > MOST:
            raise PayloadTooLarge(f"meta[{name!r}]: all of meta would take {size:,} characters, and may take {MOST:,}: it is for what people are shown")
        self._texts = texts  # in the place of the other, which may be written down at this moment
        self._progress.news()

    def __getitem__(self, name: str) -> Any:
        return self._codec.decode(self._texts[name])

    def __delitem__(self, name: str) -> None:
        texts = dict(self._texts)
        del texts[name]
        self._texts = texts
        self._progress.news()

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"meta({dict(self)!r})"

    def text(self) -> str | None:
        texts = self._texts
        return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items()) + "}" if texts else None


def _number(value: Any, name: str) -> None:
    if type(value) is int or type(value) is float and math.isfinite(value):
        if value >= 0:
            return
        raise InvalidArgument(f"{name} must not be less than zero: {value!r:.60}")
    raise InvalidType(f"{name} must be a number, not {type(value).__name__}: {value!r:.60}")


class _Ticker:
    """The thread that looks for what is new, while anybody may say something."""

    def __init__(self) -> None:
        self._watched: set[Progress] = set()
        self._lock = threading.Lock()  # also while something is handed on: none comes after the end of its job
        self._thread: threading.Thread | None = None

    def look_at(self, progress: Progress) -> None:
        with shielded, self._lock:
            self._watched.add(progress)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="litequeue-progress", daemon=True)
                self._thread.start()

    def look_away(self, progress: Progress) -> None:
        with self._lock:
            self._watched.discard(progress)

    def _run(self) -> None:
        time.sleep(FIRST)
        while True:
            with self._lock:
                if not self._watched:
                    self._thread = None
                    return
                for progress in self._watched:
                    progress.hand_on()
            time.sleep(PAUSE)


_ticker = _Ticker()


def _after_in_child() -> None:
    """The thread is not there, and who goes on is no job."""
    global _ticker
    _ticker = _Ticker()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_in_child)
