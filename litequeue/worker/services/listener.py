"""The worker's ear: a thread that turns datagrams into looks, and remembers who waits for results.

Owns the list of waiters. One that subscribes is told LOOK at once, since the job may have been settled just
before it was added; and whenever the worker has settled something.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...base.bell import DONE, LOOK, TIMES, WAIT, Ear

SUBSCRIPTION_SECONDS = 5.0  # waiters subscribe again every half second
MAX_WAITERS = 10_000


class Listener:
    """Owns the Ear for as long as the worker lives."""

    def __init__(
        self,
        on_look: Callable[[], None],
        on_times: Callable[[], None],
        on_death: Callable[[str, BaseException], None],
        monotonic: Callable[[], float],
    ) -> None:
        self.ear = Ear()
        self._on_look = on_look
        self._on_times = on_times
        self._on_death = on_death
        self._monotonic = monotonic
        self._waiters: dict[int, float] = {}  # port -> until when
        self._stopping = False
        self._thread = threading.Thread(target=self._listen, name="litequeue-ear", daemon=True)

    def start(self) -> None:
        if self.ear.port is not None:
            self._thread.start()

    def _listen(self) -> None:
        try:
            while not self._stopping:
                heard = self.ear.hear(3600.0)
                if heard is None:
                    continue
                byte, (_, port) = heard
                if byte == WAIT:
                    if len(self._waiters) < MAX_WAITERS or port in self._waiters:
                        self._waiters[port] = self._monotonic() + SUBSCRIPTION_SECONDS
                    self.ear.tell(LOOK, (port,))
                elif byte == DONE:
                    self._waiters.pop(port, None)
                elif byte == TIMES:
                    self._on_times()
                else:
                    self._on_look()
        except BaseException as error:  # noqa: BLE001 - handed on, and stops the worker
            self._on_death("listener", error)

    def settled(self) -> None:
        """Tell everybody who waits for a result to look."""
        if self._waiters:
            now = self._monotonic()
            for port, until in list(self._waiters.items()):
                if until < now:
                    self._waiters.pop(port, None)
                else:
                    self.ear.tell(LOOK, (port,))

    def stop(self) -> None:
        self._stopping = True
        if self.ear.port is not None:
            self.ear.tell(LOOK, (self.ear.port,))
            if self._thread.is_alive():
                self._thread.join(5.0)
        self.ear.close()
