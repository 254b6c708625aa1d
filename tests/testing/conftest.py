"""The fixture under test, of the app of each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.testing import queue

__all__ = ["queue"]


@pytest.fixture
def litequeue_app(app: LiteQueue, db: Path) -> Iterator[LiteQueue]:
    yield app
    assert app.path == str(db) and not db.exists(), "a test's jobs went into the app's own file"
