"""What a service manager is told: systemd's protocol of notifications, a datagram to the socket that ``NOTIFY_SOCKET`` names.

Owns the environment that says so, which is for this process and for none that it starts, and the words. Where nobody listens all of it is nothing. A
message that cannot be sent is lost: nothing here may hold up a worker.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Final

from ..base.clock import monotonic

if TYPE_CHECKING:
    from ..worker.worker import Worker

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
ALIVE: Final = "WATCHDOG=1"
SOCKET: Final = "NOTIFY_SOCKET"
WATCHDOG: Final = ("WATCHDOG_USEC", "WATCHDOG_PID")
A_TIME: Final = 3  # messages in each span of the watchdog's; systemd advises two


class Manager:
    """Who is to be told. ``interval``: seconds between two signs of life; None: none is wanted."""

    def __init__(self, address: str | None, interval: float | None = None) -> None:
        self._address = address
        self.interval = interval if address else None

    def __bool__(self) -> bool:
        return bool(self._address)

    def tell(self, *lines: str) -> None:
        """From any thread. Text of ours has no line ends."""
        if not self._address:
            return
        import socket  # for those who have a manager

        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)
            to.sendto("\n".join(lines).encode(errors="replace"), address)


def manager() -> Manager:
    """As the environment has it, which has it no more."""
    address = os.environ.pop(SOCKET, None)
    span, pid = (os.environ.pop(name, None) for name in WATCHDOG)
    if address is None or address[:1] not in ("@", "/"):
        return Manager(None)
    is_ours = pid is None or pid == str(os.getpid())
    return Manager(address, int(span) / 1_000_000 / A_TIME if is_ours and span is not None and span.isdecimal() and int(span) else None)


def tell_of(worker: Worker, to: Manager) -> None:
    """Before the worker runs: tell that it is up once it is, and then that it moves, each time that its own thread has answered."""
    if to:
        threading.Thread(target=_tell_of, args=(worker, to), name="litequeue-notify", daemon=True).start()


def _tell_of(worker: Worker, to: Manager) -> None:
    worker.withdraw(()).get()
    to.tell(READY, f"STATUS=worker {worker.name} is up")
    pause = threading.Event()
    while to.interval is not None:
        until = monotonic() + to.interval
        worker.withdraw(()).get()
        to.tell(ALIVE)
        pause.wait(max(until - monotonic(), 0))
