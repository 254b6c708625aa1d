"""Waking other processes: datagrams on the loopback interface, of one byte and a token.

Owns the sockets and the meanings of the byte: ``LOOK`` ("look at the file again"), ``MORE`` (the same, from a worker that has no
room for what there is: not to be passed on), ``TIMES`` ("look at the schedules"), ``WAIT`` ("tell me LOOK whenever a job was
settled") and ``DONE`` ("no longer"). A datagram may be lost or doubled, so it never means more than "look"; whoever waits looks by itself every half second too.

Any user of the host can send one to any port. So each ear has a *token*, random bytes that all it hears must begin with,
behind the byte; anything else is dropped. A worker's is the name of its lock file, which stands in its row and on a file in
a folder that is closed to others: who can read the database can wake its workers, and nobody else. (No column of its own,
for which a schema would have had to change: the name is as random, made anew by each worker, and kept as close.) One who
waits tells his own, made anew, with ``WAIT``, and the answers carry that.

Measured here: 4 us to send, with the token or without; 65 us to wake another process, no cost while idle.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from . import forkguard
from .softguard import shielded

if TYPE_CHECKING:
    from .loopback import Loopback

LOOK: Final = b"!"
MORE: Final = b"+"
TIMES: Final = b"@"
WAIT: Final = b"?"
DONE: Final = b"."
HOST: Final = "127.0.0.1"
TOKEN_BYTES: Final = 16  # hexadecimal digits

_ATTACH_FILTER: Final = 26  # Linux's SO_ATTACH_FILTER
_LOAD, _SAME, _END = 0x20, 0x15, 0x06

Address = tuple[int, bytes]  # the port of an ear, and its token


class Heard(NamedTuple):
    """A datagram that had the token: its byte, and who may be answered."""

    byte: bytes
    sender: Address


class Ear:
    """A socket that hears what carries its token. ``port`` is None where there is no loopback to bind."""

    def __init__(self) -> None:
        self.port: int | None = None
        self.token = os.urandom(TOKEN_BYTES // 2).hex().encode()
        self._socket: Loopback | None = None
        with shielded, forkguard.inside:
            from .loopback import Loopback

        with contextlib.suppress(OSError):
            self._socket = Loopback(HOST)
            self.port = self._socket.getsockname()[1]

    def listen_for(self, token: bytes) -> None:
        """Hear what carries this token from now on, and not the ear's own."""
        self.token = token
        if self._socket is not None and sys.platform == "linux":
            with contextlib.suppress(OSError):  # then we read them all ourselves
                _drop_others(self._socket, token)

    @property
    def socket(self) -> Loopback | None:
        return self._socket

    def hear(self, timeout: float) -> Heard | None:
        """The next datagram; None after ``timeout`` seconds (0 does not block), or at once for one without the token."""
        if self._socket is None:
            return None
        try:
            self._socket.settimeout(timeout)
            data, (_, port) = self._socket.recvfrom(1 + 2 * TOKEN_BYTES)
        except OSError:  # nothing came; or closed under us, one that is too long or an ICMP error of an earlier send (Windows)
            return None
        if data[1 : 1 + TOKEN_BYTES] != self.token:
            return None
        return Heard(data[:1], (port, data[1 + TOKEN_BYTES :]))

    def tell(self, byte: bytes, addresses: Iterable[Address], more: bytes = b"") -> None:
        """Send a byte to each address; failures do not matter, since a datagram may be lost anyway."""
        if self._socket is not None:
            for port, token in addresses:
                with contextlib.suppress(OSError, OverflowError):
                    self._socket.sendto(byte + token + more, (HOST, port))

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


def _drop_others(sock: Loopback, token: bytes) -> None:
    """Have the kernel drop what has not the token: those of a flood would fill the socket's buffer, and ours be lost (measured:
    under 200,000 a second one wake-up in fifty took half a second). A filter of ten instructions (socket(7)), on the
    datagram with its UDP header of eight bytes: each quarter of the token is compared, and whoever differs goes to the end."""
    import array
    import socket
    import struct

    words = struct.unpack(">4I", token)
    steps = [(_END, 0, 0, 0xFFFF), (_END, 0, 0, 0)]  # how much is let in
    for quarter in (3, 2, 1, 0):
        steps[:0] = [(_LOAD, 0, 0, 9 + 4 * quarter), (_SAME, 0, len(steps) - 1, words[quarter])]
    code = array.array("B", b"".join(struct.pack("HBBI", *step) for step in steps))
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(steps), code.buffer_info()[0]))


class Bell:
    """A sending socket, opened at the first ring and kept. Not shared across a fork's two sides:
    a datagram socket may be, since each send stands alone."""

    def __init__(self) -> None:
        self._socket: Loopback | None = None

    def ring(self, addresses: Iterable[Address], byte: bytes = LOOK) -> None:
        for port, token in addresses:
            try:
                if self._socket is None:
                    self._socket = self._opened()
                self._socket.sendto(byte + token, (HOST, port))
            except (OSError, OverflowError):  # no such port
                continue

    @staticmethod
    def _opened() -> Loopback:
        with shielded, forkguard.inside:
            from .loopback import Loopback

        sock = Loopback(HOST)
        sock.take_nothing_in()
        sock.setblocking(False)
        return sock

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
