"""What a running call says to the worker's process, on a pipe: it is read there before the call has ended, and forgotten here.

Owns that the pipe is the bound: what it has no room for is not taken, and waits where it is said. (In the file of the notes it would stay until the batch
has ended, which may take days.) A record that went in only in part is whole for the reader once the rest has followed; what a call leaves of one is to be
said in another way.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from typing import Final

HEAD: Final = struct.Struct("=HI")  # what the record is about, and the length of what follows
ROOM: Final = 1 << 20  # bytes, where the system gives as much


def open_pipe() -> tuple[int, int]:
    """Its ends, to read and to write; neither waits."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, ROOM)  # Linux
    return reader, writer


class Writer:
    """From any thread. None waits for another: what comes while one is at it is not taken."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._rest = self._record = b""

    def send(self, about: int, body: bytes) -> bool:
        """Whether it was taken."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._rest and not self._push():
                return False
            self._rest = self._record = HEAD.pack(about, len(body)) + body
            before = len(self._rest)
            if self._push() or len(self._rest) < before:
                return True
            self._rest = b""
            return False
        finally:
            self._lock.release()

    def _push(self) -> bool:
        """As much as there is room for; whether that was all."""
        with contextlib.suppress(BlockingIOError):
            self._rest = self._rest[os.write(self._fd, self._rest) :]
        return not self._rest

    def leave(self) -> bytes:
        """The record of which only a part was read, if there is one. The reader starts anew."""
        record, self._rest = self._record if self._rest else b"", b""
        return record


class Reader:
    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._data = b""

    def read(self) -> list[tuple[int, bytes]]:
        """The records that are there by now."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._fd, ROOM):
                self._data += piece
        records, offset = split(self._data)
        self._data = self._data[offset:]
        return records

    def start_anew(self) -> None:
        """Who wrote will write no more of what was not read whole."""
        self._data = b""


def split(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Its records, and where they end."""
    records, offset = [], 0
    while offset + HEAD.size <= len(data):
        about, length = HEAD.unpack_from(data, offset)
        body = data[offset + HEAD.size : offset + HEAD.size + length]
        if len(body) < length:
            break  # killed in the middle of a write, or in the middle of one
        records.append((about, body))
        offset += HEAD.size + length
    return records, offset
