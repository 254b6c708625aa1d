"""What a worker sees of a process of its pool."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from litequeue.base.outcomes import CpuSpent, Died, Failed, Succeeded, Usage
from litequeue.pools import bounded
from litequeue.pools.watched import NOT, ONCE_CHANGED, WELL, Watched
from litequeue.tasks.bounds import Bounds

pytestmark = pytest.mark.beside

NICE, NICER, BIG = Bounds(None, None, 5), Bounds(None, None, 6), Bounds(400 << 20, None, None)


def of(bounds: Bounds | None) -> Any:
    return SimpleNamespace(code=SimpleNamespace(bounds=bounds))


def test_what_is_nice_is_for_calls_that_are_as_nice() -> None:
    watched = Watched(os.getpid)
    assert [watched.fits(bounds) for bounds in (None, NICE, NICER, BIG)] == [WELL, ONCE_CHANGED, ONCE_CHANGED, WELL]
    watched.begins(of(None))
    assert watched.fits(NICE) == ONCE_CHANGED
    watched.begins(of(NICE))
    assert [watched.fits(bounds) for bounds in (None, NICE, NICER, BIG)] == [NOT, WELL, NOT, NOT]


def test_what_has_run_out_of_memory_is_for_nobody() -> None:
    watched = Watched(os.getpid)
    for outcome in (Succeeded("1"), Failed("MemoryError", "", "", None), CpuSpent(1.0)):
        watched.ended(outcome)
        assert watched.fits(None) == WELL
    watched.ended(Failed("MemoryExceeded", "", "", None))
    watched.ended(Succeeded("1"))
    assert [watched.fits(bounds) for bounds in (None, NICE, BIG)] == [NOT, NOT, NOT]


def test_what_has_grown_by_a_quarter_of_the_bound_is_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50 << 20]
    monkeypatch.setattr(bounded, "memory_of", lambda pid: (now[0], now[0]))
    watched = Watched(lambda: 1)
    watched.begins(of(BIG))
    now[0] = 150 << 20
    assert watched.fits(BIG) == WELL
    now[0] += 1
    assert [watched.fits(bounds) for bounds in (BIG, None, NICE)] == [NOT, WELL, ONCE_CHANGED]
    watched.begins(of(None))
    assert watched.fits(BIG) == NOT, "it is as fresh as it was at first"
    assert Watched(lambda: None).fits(BIG) == WELL


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing can be told")
def test_what_was_used_is_as_it_was_looked_at_last() -> None:
    watched = Watched(os.getpid)
    watched.begins(of(None))
    assert watched.used(Died("x")) is None
    watched.look()
    found = watched.used(Died("x"))
    assert found is not None and found.cpu_seconds < 1 and (found.max_rss or 0) > 10 << 20
    assert watched.used(CpuSpent(60.0)) == Usage(60.0, found.max_rss), "all of it, whatever it was at the last look"
    watched.begins(of(None))
    assert watched.used(Died("x")) is None
