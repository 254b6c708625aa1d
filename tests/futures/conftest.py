"""What the tests of executors share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import calls


@pytest.fixture(autouse=True)
def nobody_is_held() -> Iterator[None]:
    calls.go.clear()
    calls.ran.clear()
    yield
    calls.go.set()
