"""Waiting for a word from the workers: theirs counts, and nobody else's."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base.bell import HOST, LOOK, Bell
from litequeue.subscription import Subscription


@pytest.mark.parametrize("way", ["hear", "hear_async"])
def test_who_waits_is_woken_by_those_alone_whom_he_told_his_token(db: Path, way: str) -> None:
    def wait(subscription: Subscription, seconds: float) -> float:
        begin = time.monotonic()
        if way == "hear":
            subscription.hear(seconds)
        else:
            asyncio.run(subscription.hear_async(seconds))
        return time.monotonic() - begin

    bell = Bell()
    with LiteQueue(db) as app, Subscription(app._client) as subscription:
        ear = subscription._ear
        assert ear.port is not None
        for token in (b"", b"x" * 16):
            bell.ring([(ear.port, token)])
        assert wait(subscription, 0.1) >= 0.09
        bell.ring([(ear.port, b"")])
        bell.ring([(ear.port, ear.token)], LOOK)
        assert wait(subscription, 10.0) < 5.0
        later = threading.Timer(0.05, lambda: bell.ring([(ear.port or 0, ear.token)]))
        later.start()
        assert wait(subscription, 10.0) < 5.0
        later.join()
    bell.close()


def test_who_rings_can_be_reached_from_this_host_alone_and_keeps_nothing_of_what_comes(db: Path) -> None:
    """It was bound to all interfaces by its first datagram, and 200 kB of whoever sends there stayed with it."""
    bell = Bell()
    bell.ring([(9, b"x" * 16)])
    assert bell._socket is not None
    host, port = bell._socket.getsockname()
    assert host == HOST
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(100):
            sock.sendto(b"x" * 1000, (host, port))
    if sys.platform == "linux":
        lines = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()]
        assert [int(line[4].partition(":")[2], 16) < 4096 for line in lines if line[1].endswith(f":{port:04X}")] == [True]
    bell.close()
