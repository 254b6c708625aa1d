"""The worker's ear: a thread that turns datagrams into looks, and remembers who waits for results.

Owns the list of waiters. One that subscribes is told LOOK at once, since the job may have been settled just
before it was added; and whenever the worker has settled something.

Only those are heard who can read the file; they may be many, and may be other people. So who waits is told in turn, a bounded
number after each turn of the worker's, and looks by himself twice a second as well. And looks of which nothing comes are
paced: after a hundred since something was settled, one in five milliseconds stands for all that were asked for meanwhile. A
worker of one queue beside a busy one finds nothing most of the time, and a worker with all hands full.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from ...base.bell import DONE, LOOK, MORE, TIMES, WAIT, Address, Ear, Heard

SUBSCRIPTION_SECONDS: Final = 5.0  # waiters subscribe again every half second
MAX_WAITERS: Final = 10_000
TOLD_AT_ONCE: Final = 250  # waiters: a millisecond of the coordinator's
LOOKS_AT_ONCE: Final = 100
PACE: Final = 0.005  # seconds from one look to the next, once so many came to nothing


class Listener:
    """Owns the Ear for as long as the worker lives."""

    def __init__(
        self,
        on_look: Callable[[bool], None],  # whether only other workers say so, who have told all that sleep
        on_times: Callable[[], None],
        on_death: Callable[[str, BaseException], None],
        monotonic: Callable[[], float],
    ) -> None:
        self.ear = Ear()
        self._on_look = on_look
        self._on_times = on_times
        self._on_death = on_death
        self._monotonic = monotonic
        self._waiters: dict[Address, float] = {}  # until when
        self._asked: set[bytes] = set()  # LOOK, MORE or TIMES, and not done yet
        self._in_vain = 0  # looks since something was settled
        self._next_look = 0.0  # not before
        self._stopping = False
        self._thread = threading.Thread(target=self._listen, name="litequeue-ear", daemon=True)

    def start(self, token: bytes) -> None:
        """Hear what carries the worker's token; what has come since the ear was made is not lost."""
        self.ear.listen_for(token)
        if self.ear.port is not None:
            self._thread.start()

    def _listen(self) -> None:
        try:
            while not self._stopping:
                heard = self.ear.hear(max(self._next_look - self._monotonic(), 0.0) if self._asked else 3600.0)
                if heard is not None:
                    self._take(heard)
                if self._asked and (self._in_vain < LOOKS_AT_ONCE or self._monotonic() >= self._next_look):
                    self._look()
        except BaseException as error:  # noqa: BLE001 - handed on, and stops the worker
            self._on_death("listener", error)

    def _take(self, heard: Heard) -> None:
        byte, sender = heard
        if byte == WAIT:
            if len(self._waiters) < MAX_WAITERS or sender in self._waiters:
                self._waiters[sender] = self._monotonic() + SUBSCRIPTION_SECONDS
            self.ear.tell(LOOK, (sender,))
        elif byte == DONE:
            self._waiters.pop(sender, None)
        else:
            self._asked.add(byte)

    def _look(self) -> None:
        self._in_vain += 1
        self._next_look = self._monotonic() + PACE
        if TIMES in self._asked:
            self._on_times()
        if self._asked != {TIMES}:
            self._on_look(self._asked <= {TIMES, MORE})
        self._asked.clear()

    def settled(self) -> None:
        """Tell those who wait for a result to look, first those who were not told for the longest time."""
        self._in_vain = 0
        if self._waiters:
            now = self._monotonic()
            for waiter in list(self._waiters)[:TOLD_AT_ONCE]:
                until = self._waiters.pop(waiter, 0.0)  # the listener's thread may have done so
                if until >= now:
                    self._waiters[waiter] = until
                    self.ear.tell(LOOK, (waiter,))

    def stop(self) -> None:
        self._stopping = True
        if self.ear.port is not None:
            self.ear.tell(LOOK, ((self.ear.port, self.ear.token),))
            if self._thread.is_alive():
                self._thread.join(5.0)
        self.ear.close()
