"""The fixture ``queue``, for pytest: ``from litequeue.testing import queue`` in a conftest.py, or in the tests' own file.

Owns how the fixture knows the app. Imported when its name is asked for, since it imports pytest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .. import known
from ..app import LiteQueue
from .kit import Kit, testing


@pytest.fixture
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    """The queue of a test: see ``litequeue.testing.testing``. Of the app that a fixture ``litequeue_app`` gives, else of the only one."""
    with testing(_given(request) or _the_only(), path=tmp_path / "queue.sqlite") as kit:
        yield kit


def _given(request: pytest.FixtureRequest) -> LiteQueue | None:
    try:
        app: LiteQueue = request.getfixturevalue("litequeue_app")
    except pytest.FixtureLookupError as error:
        if error.argname != "litequeue_app":
            raise
        return None
    return app


def _the_only() -> LiteQueue:
    found: LiteQueue = known.the_app(
        "the fixture queue has the app that a fixture litequeue_app gives, else the only one",
        "a fixture in conftest.py says which, def litequeue_app(): return app; or a test, with testing(app) as queue",
    )
    return found
