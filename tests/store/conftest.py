"""What several files of these tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue.store import Store

from ..support import FakeClock
from .links.driven import Hand


@pytest.fixture
def hand(memory: Path, clock: FakeClock) -> Iterator[Hand]:
    """A worker's turns by hand, on a file in memory."""
    store = Store(str(memory / "db"))
    yield Hand(store, clock)
    store.close()
