"""Random operations against a trigger that writes down every change of state."""

from __future__ import annotations

import random

import pytest

from litequeue.base.models import Settled, Unsettled
from litequeue.base.states import TRANSITIONS
from litequeue.store import Store
from litequeue.store.turn import Demand

from ..support import FakeClock, new_job

pytestmark = pytest.mark.beside

TRIGGER = """CREATE TRIGGER litequeue_test_moves AFTER UPDATE OF state ON litequeue_jobs
WHEN old.state <> new.state BEGIN INSERT INTO litequeue_test_log VALUES (old.state, new.state); END"""


@pytest.mark.slow
def test_the_store_makes_no_move_that_is_not_in_the_table(store: Store, clock: FakeClock) -> None:
    rng = random.Random(42)
    with store.database.write(durable=False) as connection:
        connection.execute("CREATE TABLE litequeue_test_log (old TEXT, new TEXT)")
        connection.execute(TRIGGER)
    running = []
    second = 1_000_000
    for _ in range(1200):
        now = clock.now()
        act = rng.randrange(10)
        some_id = rng.randrange(1, 40)
        if act == 0 or act == 1:
            expires = rng.choice([None, None, now + 3 * second])
            due = rng.choice([0, 0, 2 * second])
            state = "scheduled" if due else "available"
            store.jobs.enqueue(new_job(state=state, run_at=now + due, expires_at=expires, max_attempts=3,
                                       at_most_once=rng.randrange(2)))  # fmt: skip
        elif act in (2, 3):
            demand = Demand({"thread": rng.randrange(1, 4)})
            running += store.jobs.turn(rng.choice([1, 2]), now, now + 5 * second, demand=demand).claimed
        elif act in (4, 5) and running:
            job = running.pop(rng.randrange(len(running)))
            if rng.random() < 0.4:
                rows = [Settled(job.id, job.attempt, now, now, "1", now + 9 * second, None)]
                store.jobs.turn(1, now, now, succeeded=rows)
            else:
                state = rng.choice(["retrying", "scheduled", "available", "discarded", "cancelled"])
                final = now if state in ("discarded", "cancelled") else None
                row = Unsettled(job.id, job.attempt, state, now, final, now + second, final, 1, "E", "m", "t", now, 0)
                store.jobs.turn(1, now, now, others=[row])
        elif act == 6:
            store.operations.cancel(some_id, now)
        elif act == 7:
            store.operations.revive(some_id, now)
        elif act == 8:
            kind = rng.randrange(4)
            if kind == 0:
                store.leases.rescue_worker(rng.choice([1, 2]), "w", now)
            elif kind == 1:
                store.leases.release_worker(rng.choice([1, 2]), now)
            elif kind == 2:
                store.leases.rescue_lapsed(1, now, now)
            else:
                store.operations.prune(now, rng.choice([0, 1]))
        else:
            clock.advance(rng.random() * 2)
    with store.database.read() as connection:
        moves = set(connection.execute("SELECT DISTINCT old, new FROM litequeue_test_log").fetchall())
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    allowed = {(old, new) for old, targets in TRANSITIONS.items() for new in targets}
    assert moves <= allowed, moves - allowed
    possible = {move for move in allowed if "blocked" not in move}
    assert len(moves) >= len(possible) - 3, f"too little was tried: {possible - moves}"
