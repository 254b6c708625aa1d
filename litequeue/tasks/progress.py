"""How far a running job says that it is, and what else it wants to show.

Owns what was said last, and that it is handed on at most twice a second however often something is said (``ticking``): the task pays for an assignment.
What is said before the job ends is handed on with its end. Storing it is the worker's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from operator import length_hint
from typing import Any, Final, TypeVar

from ..base.clock import monotonic
from ..base.errors import InvalidArgument, InvalidType, PayloadTooLarge
from ..payload import Codec
from . import ticking

T = TypeVar("T")

LONGEST: Final = 200  # characters of a note; what is longer is cut
MOST: Final = 16 << 10  # characters of all that is shown

Tell = Callable[[str | None, str | None], bool]  # (said, meta), as they are stored; whether it was taken; quick, never raises


class Progress:
    """One attempt's."""

    __slots__ = ("_began", "_done", "_is_new", "_note", "_over", "_since", "_tell", "_total", "meta")

    def __init__(self, tell: Tell, codec: Codec, *, is_over: bool = False) -> None:
        """``is_over``: the job has ended, and what it says is for itself alone."""
        self._tell = tell
        self._is_new = False
        self._over = is_over
        self._done: float | None = None
        self._total: float | None = None
        self._note: str | None = None
        self._began = self._since = 0.0  # the first that was said, and when
        self.meta = Meta(self, codec)
        if not is_over:
            ticking.look_at(self)

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

    def hand_on(self) -> bool:
        """What is new, if anything is. Whether there may be more later."""
        if self._is_new:
            self._is_new = False
            if not self._tell(self._said(), self.meta.text()):
                self._is_new = True
        return not self._over

    def end(self) -> None:
        """Nothing more is said."""
        ticking.look_away(self)
        self._over = True
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
