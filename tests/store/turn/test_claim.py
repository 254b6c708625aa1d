"""How many jobs one claim takes."""

from __future__ import annotations

import sqlite3

import pytest

from litequeue.store import Store
from litequeue.store.turn import Demand

from ...support import new_job

pytestmark = pytest.mark.beside


def test_a_claim_takes_fewer_jobs_where_all_are_more_than_one_text_can_hold(store: Store) -> None:
    """A thousand jobs with arguments of a MiB are more than SQLite takes; here it is told to take less."""
    for _ in range(20):
        store.jobs.enqueue(new_job(args=f'["{"x" * 500_000}"]'))
    claimed: list[int] = []
    with store.database.write(durable=False) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2_000_000)
    for _ in range(20):
        turn = store.jobs.turn(1, 10**15, 10**15 + 1, demand=Demand({"thread": 20}))
        assert len(turn.claimed) in (2, 1)
        claimed += [job.id for job in turn.claimed]
        if len(claimed) == 20:
            break
    assert claimed == list(range(1, 21))
