"""Who is leased: suspects alone, and not at the price of everybody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litequeue import LiteQueue
from litequeue.base.models import ClaimedJob
from litequeue.store import Store
from litequeue.store.rules import MAX_INTERRUPTIONS
from litequeue.store.turn import Demand
from litequeue.worker.admission import HOLD, REST, Admission
from litequeue.worker.discovery import Catalogue

from ..support import FakeClock, new_job

SECOND = 1_000_000


class Worker:
    """The rounds of a coordinator with one free slot at a time, and nothing else."""

    def __init__(self, app: LiteQueue, store: Store, clock: FakeClock) -> None:
        @app.task(name="tests.task")
        def task() -> None: ...

        catalogue = Catalogue({task.name: task._code}, path=app.path, origin=None, monotonic=clock.monotonic)
        self.calls: dict[Any, ClaimedJob] = {}
        self.admission = Admission(catalogue, self.calls)
        self.store, self.clock = store, clock

    def round(self) -> list[int]:
        if self.admission.closed:
            return []
        below = self.admission.begin(self.clock.monotonic())
        demand = Demand({"thread": 1}, below=below, accept=self.admission.accepts)
        now = self.clock.now()
        turn = self.store.jobs.turn(1, now, now + 60 * SECOND, demand=demand)
        self.admission.end(turn.refused)
        for job in turn.claimed:
            self.calls[job.id, job.attempt] = job
        return [job.id for job in turn.claimed]


def suspect(store: Store) -> int:
    job_id, _ = store.jobs.enqueue(new_job(max_attempts=9))
    with store.database.write(durable=False) as connection:
        connection.execute(
            "UPDATE litequeue_jobs SET attempt = :count, interruptions = :count WHERE id = :id",
            {"count": MAX_INTERRUPTIONS - 1, "id": job_id},
        )
    return job_id


def test_a_suspect_is_taken_by_an_empty_worker_and_then_nobody(app: LiteQueue, db: Path, clock: FakeClock) -> None:
    store = app._client.store
    worker, accused = Worker(app, store, clock), suspect(store)
    store.jobs.enqueue(new_job())
    assert worker.round() == [accused]
    assert worker.round() == []
    worker.calls.clear()
    assert worker.round() == [accused + 1]


def test_a_busy_worker_takes_nothing_else_for_a_while_and_then_does(
    app: LiteQueue, db: Path, clock: FakeClock
) -> None:
    store = app._client.store
    worker = Worker(app, store, clock)
    stuck, _ = store.jobs.enqueue(new_job())
    assert worker.round() == [stuck]  # and it runs for ever
    accused = suspect(store)
    later = [store.jobs.enqueue(new_job())[0] for _ in range(3)]
    assert worker.round() == []
    clock.advance(HOLD - 1)
    assert worker.round() == []
    clock.advance(2)
    assert worker.round() == later[:1]
    clock.advance(REST - 10)
    assert worker.round() == later[1:2]
    clock.advance(10)
    assert worker.round() == []  # once more it tries to become empty
    worker.calls.clear()
    assert worker.round() == [accused]


def test_when_another_worker_has_taken_the_suspect_all_goes_on(app: LiteQueue, db: Path, clock: FakeClock) -> None:
    store = app._client.store
    worker = Worker(app, store, clock)
    first, _ = store.jobs.enqueue(new_job())
    assert worker.round() == [first]
    accused = suspect(store)
    later, _ = store.jobs.enqueue(new_job())
    assert worker.round() == []
    store.operations.cancel(accused, clock.now())
    assert worker.round() == []  # sees that it is gone
    assert worker.round() == [later]
