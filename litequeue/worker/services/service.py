"""A thread that calls ``tick`` again and again, and does not die in silence.

``tick() -> seconds until the next``; tests call tick themselves. An exception ends the service and is
handed to ``on_death``, which stops the worker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

NOTHING_SECONDS: Final = 3_600.0  # until the next tick of one who waits to be poked
REFUSED_SECONDS: Final = 0.25  # until the next try of one whom the file refused


class Service:
    """Runs a tick in a daemon thread until stopped."""

    def __init__(
        self, name: str, tick: Callable[[], float], on_death: Callable[[str, BaseException], None]
    ) -> None:
        self._name = name
        self._tick = tick
        self._on_death = on_death
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"litequeue-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._wake.wait(self._tick())
                self._wake.clear()
        except BaseException as error:  # noqa: BLE001 - handed on, and stops the worker
            self._on_death(self._name, error)

    def poke(self) -> None:
        """Let the next tick come at once."""
        self._wake.set()

    @property
    def has_ended(self) -> bool:
        """Whether no tick is under way, and none will be."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Let the current tick finish, and no other begin."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(5.0)
