"""A datagram socket on the loopback interface, and on no other.

Owns how one is opened, and that it is closed with whoever holds it. Imported where it is used: the module ``socket`` takes 6 ms, which
a mere import of the package need not cost.
"""

from __future__ import annotations

import socket


class Loopback(socket.socket):
    """Closes itself when nobody holds it any more, without Python's ResourceWarning: an app that nobody closed failed the tests of its
    users under ``-W error``. Here, and not in its holder: of a circle of garbage nobody says who goes first."""

    def __init__(self, host: str) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.bind((host, 0))  # the first sendto of one that is not bound binds it to all interfaces
        except OSError:
            self.close()
            raise

    def take_nothing_in(self) -> None:
        """For one that nobody reads: what comes is thrown away from the second datagram on, as a shutdown for reading does only where
        there is a peer (measured: of 3 MB that were sent there 2 kB stayed, and 212 kB without)."""
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the kernel's own least

    def __del__(self) -> None:
        try:  # not suppress(): as the program ends, the names of this module may be gone already
            self.close()
        except Exception:  # noqa: BLE001, S110 - it was never opened
            pass
