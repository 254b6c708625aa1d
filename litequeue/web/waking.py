"""What ends the wait of a thread that waits for sockets.

Owns the pair of sockets that it takes. As a pipe would be, but that one cannot be waited for on Windows.
"""

from __future__ import annotations

import contextlib
import socket


class Waker:
    """For a selector. ``wake`` may be called in any thread, and as often as one likes."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        return self._reader.fileno()

    def wake(self) -> None:
        with contextlib.suppress(OSError):  # full, so it is awake; or closed, so nobody waits
            self._writer.send(b"!")

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while len(self._reader.recv(4096)) == 4096:
                pass

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
