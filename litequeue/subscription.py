"""Hearing from the workers of a file that jobs were settled, for handles that wait.

Owns the ear and how long to trust it: a datagram may be lost, and a worker may come later. Looks at no job: whoever is woken
looks for himself.
"""

from __future__ import annotations

import contextlib
import time
from typing import Self

from .base.bell import DONE, LOOK, WAIT, Address, Ear
from .base.clock import monotonic
from .client import Client

SLOW_LOOK = 0.5  # seconds; catches lost datagrams, and workers that came later
SLOW_LOOK_DEAF = 0.05  # where no socket can be had, or no worker is there yet that could tell us


class Subscription:
    """An ear that the workers tell of settled jobs, for as long as the block lasts."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ear = Ear()
        self._addresses: list[Address] = []

    def renew(self) -> float:
        """Subscribe with every worker there is now; in how many seconds to do it again."""
        self._addresses = self._client.store.workers.addresses()
        self._ear.tell(WAIT, self._addresses, self._ear.token)
        heard_by_somebody = self._ear.port is not None and self._addresses
        return SLOW_LOOK if heard_by_somebody else SLOW_LOOK_DEAF

    def wake(self) -> None:
        """End ``hear``, once. From any thread."""
        if self._ear.port is not None:
            self._ear.tell(LOOK, [(self._ear.port, self._ear.token)])

    def hear(self, seconds: float) -> None:
        if self._ear.port is None:
            time.sleep(seconds)
        else:
            deadline = monotonic() + seconds
            while seconds > 0 and self._ear.hear(seconds) is None:  # nobody else wakes us
                seconds = deadline - monotonic()

    def gather(self, seconds: float) -> None:
        """Give more so long to come, and hear all that has, for who looks for many at once."""
        time.sleep(seconds)
        while self._ear.hear(0.0) is not None:
            pass

    async def hear_async(self, seconds: float) -> None:
        """Wait for a byte, at most so long. A future and a timer, and nothing that cancels: ``wait_for`` of Python 3.11 takes
        the caller's own cancellation for its timeout's when both come at once, and the caller waits on (measured: in 39
        of 50 waiters under ``asyncio.timeout``)."""
        import asyncio  # 40 ms that only those pay who await

        loop = asyncio.get_running_loop()
        heard = loop.create_future()

        def wake() -> None:
            if not heard.done():
                heard.set_result(None)

        def listen() -> None:
            if self._ear.hear(0.0) is not None:
                wake()

        timer = loop.call_later(seconds, wake)
        try:
            with contextlib.ExitStack() as stack:
                if self._ear.socket is not None:
                    try:
                        loop.add_reader(self._ear.socket, listen)
                        stack.callback(loop.remove_reader, self._ear.socket)
                    except NotImplementedError:  # Windows' default loop has none
                        timer.cancel()
                        timer = loop.call_later(min(seconds, SLOW_LOOK_DEAF), wake)
                await heard
        finally:
            timer.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ear.tell(DONE, self._addresses, self._ear.token)
        self._ear.close()
