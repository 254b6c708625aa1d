"""What a worker sees of a process of its pool."""

from __future__ import annotations

import os
import sys

import pytest

from litequeue.pools.watched import Watched

pytestmark = pytest.mark.beside

@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing can be told")
def test_what_was_used_is_as_it_was_looked_at_last() -> None:
    watched = Watched(os.getpid)
    watched.begins()
    assert watched.used is None
    watched.look()
    found = watched.used
    assert found is not None and found.cpu_seconds < 1 and (found.max_rss or 0) > 10 << 20
    watched.begins()
    assert watched.used is None
