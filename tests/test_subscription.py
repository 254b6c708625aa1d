"""Waiting for a word from the workers: theirs counts, and nobody else's."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base.bell import LOOK, Bell
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
