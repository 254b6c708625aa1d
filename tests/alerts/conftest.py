"""A file with alerts, looked at by the test's clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.alerts.watching import Watching

from ..older import rows
from ..support import FakeClock


class Site:
    """The file, and who looks at it."""

    def __init__(self, app: LiteQueue, clock: FakeClock) -> None:
        self.app, self.clock, self.store = app, clock, app._client.store
        self.watching = Watching(self.store, clock)

    def add(self, when: str, name: str = "a", **options: Any) -> None:
        self.app.alerts.add(name, when=when, **{"for_": 0, "run": "tell", **options})

    def look(self, count: int = 1, seconds: float = 30) -> list[str]:
        """So many looks, one after the other; what was told."""
        found = []
        for _ in range(count):
            self.clock.advance(seconds)
            found += self.watching.look().told
        return found

    def state(self, name: str = "a") -> str:
        return self.app.alerts.get(name).state

    def sql(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        return rows(Path(self.store.path), text, *values)

    def events(self) -> list[dict[str, Any]]:
        """What commands are to be given."""
        return [json.loads(json.loads(kwargs)["stdin"]) for (kwargs,) in self.sql("SELECT kwargs FROM litequeue_jobs WHERE kwargs LIKE '{%\"stdin\":%' ORDER BY id")]


@pytest.fixture
def site(db: Path, clock: FakeClock) -> Iterator[Site]:
    with LiteQueue(db, clock=clock) as app:
        app.stats()
        yield Site(app, clock)
