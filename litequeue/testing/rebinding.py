"""An app on a file of a test's own, and back.

Owns what of the app's client is another meanwhile. Its tasks, types and functions are the same, and so is the code that enqueues.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ..base.bell import LOOK, Address
from ..client import Client
from .clock import VirtualClock

_OTHERS: Final = ("path", "durability", "clock", "ring", "before_a_wait", "is_held", "_is_judged")


@contextmanager
def rebound(client: Client, path: str, clock: VirtualClock, on_ring: Callable[[], None], on_wait: Callable[[int], None]) -> Iterator[None]:
    """``on_wait`` is called with the id of a job whose end somebody is about to wait for; ``on_ring`` whenever workers would be woken: after a commit that may have made work. An ``app.bind`` in the block is for afterwards."""

    def ring(addresses: Collection[Address], byte: bytes = LOOK) -> None:
        Client.ring(client, addresses, byte)
        opened = client._opened()
        if opened is None:
            on_ring()
        elif opened.is_ours:
            opened.after.append(on_ring)

    own = vars(client)
    before: dict[str, Any] = {name: own[name] for name in _OTHERS if name in own}
    client.close()
    try:
        client._go_to(path)
        own.update(durability="normal", clock=clock, ring=ring, before_a_wait=on_wait, is_held=True)
        yield
    finally:
        client.close()
        for name in _OTHERS:
            own.pop(name, None)
        own.update(before)
