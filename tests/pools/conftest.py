"""What the tests of the process pool share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .test_contract import Harness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    """A pool of one process, for the tasks of ``hungry``."""
    from . import hungry  # makes an app, of which no other test is to hear

    hungry.app._client.bind(str(tmp_path / "db.sqlite"))
    made = Harness("process", 1)
    yield made
    made.pool.stop()
    hungry.app.close()
