"""What other libraries hand to us, with the libraries themselves. A test is skipped where its library is not installed."""

from __future__ import annotations

from typing import Any

import pytest


def peer(name: str) -> Any:
    """A library that users bring along, or the test's skip with the reason."""
    return pytest.importorskip(name, reason=f"{name.partition('.')[0]} is not installed; .ci/run installs it", exc_type=ImportError)
