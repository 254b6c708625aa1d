"""How long what has ended is kept: as the worker says under which it did, or its task."""

from __future__ import annotations

from pathlib import Path

import pytest

from litequeue import InvalidArgument, LiteQueue, chain, current_job
from litequeue.base.checks import DAY
from litequeue.base.clock import SystemClock
from litequeue.options.workers import WorkerOptions
from litequeue.pools.call import context_of
from litequeue.store import Store
from litequeue.worker.config import WorkerConfig
from litequeue.worker.dispatch import USUAL, Keeping, call_of
from litequeue.worker.inbox import Inbox
from litequeue.worker.services.maintenance import Maintenance

from ..older import rows

pytestmark = pytest.mark.beside

WORKER: WorkerOptions = {"threads": 1, "keep_succeeded": "2h", "keep_discarded": "90d", "burst": True}
HOUR = DAY // 24


def kept(db: Path) -> dict[str, float]:
    """By task, the hours from its end until it is deleted."""
    return {task: round((prune_at - finished_at) / HOUR, 2) for task, prune_at, finished_at in rows(db, "SELECT task, prune_at, finished_at FROM litequeue_jobs")}


def test_a_job_is_kept_as_its_worker_says_unless_its_task_does(db: Path) -> None:
    with LiteQueue(db) as app:
        app.task(name="plain")(lambda: 1)
        app.task(name="own", result_ttl="1h")(lambda: 1)

        @app.task(name="bad")
        def bad() -> None:
            raise ValueError

        @app.task(name="acknowledged")
        def acknowledged() -> None:
            with current_job().transaction():
                pass

        for name in ("plain", "own", "bad", "acknowledged"):
            app.send_task(name)
        app.run_worker(**WORKER)
        assert kept(db) == {"plain": 2, "own": 1, "bad": 90 * 24, "acknowledged": 2}
        for job in app.jobs():
            job_ = app.job(job.id)
            job_.retry()
        app.run_worker(burst=True, threads=1)
    assert kept(db) == {"plain": 24, "own": 1, "bad": 30 * 24, "acknowledged": 24}, "another worker, another time"


def test_what_was_cancelled_for_the_sake_of_a_job_is_kept_as_long_as_that(db: Path) -> None:
    with LiteQueue(db) as app:

        @app.task(name="bad")
        def bad() -> None:
            raise ValueError

        chain(bad.si(), bad.si()).delay()
        app.run_worker(**WORKER)
    found = rows(db, "SELECT state, prune_at FROM litequeue_jobs ORDER BY id")
    assert [state for state, _ in found] == ["discarded", "cancelled"] and found[0][1] == found[1][1]


def test_what_a_dead_worker_loses_is_kept_as_the_one_says_that_finds_it(db: Path) -> None:
    store = Store(str(db))
    now = SystemClock().now()
    ends = (
        lambda: store.leases.rescue_worker(7, "w", now, 5 * DAY), lambda: store.leases.release_worker(7, now, 5 * DAY),
        lambda: store.leases.rescue_lapsed(7, now, now, 5 * DAY),
        lambda: Maintenance(store, 7, SystemClock(), 60_000_000, Inbox(), 5 * DAY).give_up_own_jobs("w"),
    )  # fmt: skip
    with LiteQueue(db) as app:
        for end in ends:
            app.send_task("t", at_most_once=True)
            rows(db, "UPDATE litequeue_jobs SET state = 'running', worker_id = 7, attempt = 1, lease_expires_at = 9 WHERE state = 'available'")
            end()
            assert kept(db) == {"t": 5 * 24}


def test_a_process_is_told_how_long(app: LiteQueue) -> None:
    code = app.task(name="t")(print).__litequeue_code__
    from litequeue.base.models import ClaimedJob
    from litequeue.pools import child

    job = ClaimedJob(7, 2, 0, "t", "[]", "{}", "q", "process", 0, 0, 0, 1, None, None, 0, 0, 0, None)
    call = call_of(job, code, "", 0.0, keeping=Keeping(True, 5, 6))
    assert child.wire(call)[-1] == 5 and context_of(call, SystemClock())._keep_succeeded == 5


def test_what_is_usual_is_said_once_and_what_is_no_time_refused() -> None:
    assert WorkerConfig().keeping == USUAL
    assert WorkerConfig(keep_succeeded=0).keeping.succeeded == 0
    for option in ("keep_succeeded", "keep_discarded"):
        with pytest.raises(InvalidArgument, match=option):
            WorkerConfig(**{option: "soon"})
