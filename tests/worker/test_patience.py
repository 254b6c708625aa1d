"""How long a worker waits for the write lock."""

from __future__ import annotations

import math

from litequeue.worker.patience import SHORTEST, Patience


def test_it_waits_as_long_as_anybody_but_no_longer_than_until_a_call_has_used_up_its_time() -> None:
    timeouts = [math.inf]
    patience = Patience(30.0, lambda: timeouts[0], lambda: 100.0)
    assert patience.now() is None
    timeouts[0] = 102.0
    assert patience.now() == 2.0
    timeouts[0] = 99.0
    assert patience.now() == SHORTEST


def test_for_what_is_only_counted_it_waits_a_moment() -> None:
    """A call may have begun of whose timeout nobody here has heard: else it came once the lock was had."""
    assert Patience(30.0, lambda: math.inf, lambda: 100.0).now(for_jobs=False) == SHORTEST
