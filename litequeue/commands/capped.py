"""What is kept of a stream that may be longer than anybody can keep: its beginning and its end.

Owns the bounding, and the decoding of what was cut anywhere. Pure: no I/O, no clock. Where a stream is read
and to whom the text goes is not its matter.
"""

from __future__ import annotations

import codecs
from typing import Final

HEAD: Final = 64 << 10
TAIL: Final = 64 << 10
CHUNK: Final = 16 << 10
LAST: Final = 2 << 10


class Capped:
    """Takes bytes as they come, and gives text a chunk at a time; in between at most head + tail bytes wait.

    The first ``head`` bytes are never dropped. Of what comes after, the oldest that nobody has taken is dropped
    when more than ``tail`` bytes wait; a line in the text says how many. Since that happens only while ``tail``
    bytes wait, the last ``tail`` bytes of the stream always come through whole.
    """

    def __init__(self, head: int = HEAD, tail: int = TAIL) -> None:
        self.total = 0
        self._room = head
        self._tail = tail
        self._first = bytearray()
        self._rest = bytearray()
        self._dropped = 0
        self._last = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        self._last = (self._last + data[-LAST:])[-LAST:]
        if self._room:
            self._first += data[: self._room]
            data, self._room = data[self._room :], max(self._room - len(data), 0)
        over = len(self._rest) + len(data) - self._tail
        if over > 0:
            self._dropped += over
            from_rest = min(over, len(self._rest))
            del self._rest[:from_rest]
            data = data[over - from_rest :]
        self._rest += data

    @property
    def waiting(self) -> bool:
        return bool(self._first or self._rest)

    def take(self, most: int = CHUNK) -> str:
        """The next text, from at most so many bytes. What is no UTF-8 appears as ``\\xff``, and so does NUL."""
        source, note = self._first, ""
        if not source:
            source = self._rest
            if self._dropped:
                note = f"{self.finish()}\n[{self._dropped:,} bytes left out]\n"
                self._dropped = 0
        data = bytes(source[:most])
        del source[:most]
        return note + _visible(self._decoder.decode(data))

    def finish(self) -> str:
        """What the bytes before a gap, or before the end, left of a character."""
        return _visible(self._decoder.decode(b"", final=True))

    def last_lines(self, most: int = 5) -> str:
        """The end of all that came, for a message: the last few lines that are not blank."""
        lines = [line for line in _visible(self._last.decode("utf-8", "replace")).splitlines() if line.strip()]
        return "\n".join(line.rstrip() for line in lines[-most:])


def _visible(text: str) -> str:
    return text.replace("\0", "\\x00")  # SQLite's functions end a text at a NUL
