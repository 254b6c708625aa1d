"""Whom an enqueue and a worker tell that there is work."""

from __future__ import annotations

from pathlib import Path

import pytest

from litequeue.store import Store, bells

from ..older import rows
from ..support import new_job

pytestmark = pytest.mark.beside

SLOTS = {"thread": 2, "process": 0, "async": 9}


@pytest.fixture
def told(store: Store, db: Path) -> Told:
    return Told(store, db)


class Told:
    """Workers of a file by their ports, and who of them is told."""

    def __init__(self, store: Store, db: Path) -> None:
        self.store = store
        self.db = db

    def worker(self, port: int, listening: int | None, **columns: object) -> None:
        self.store.workers.register(name="w", host="h", wake_port=port, queues=None, slots=SLOTS, now=1).close()
        values = {"listening": listening, **columns}
        changes = ", ".join(f"{name} = ?" for name in values)
        rows(self.db, f"UPDATE litequeue_workers SET {changes} WHERE wake_port = ?", *values.values(), port)

    def of(self, **job: object) -> list[int]:
        _, addresses = self.store.jobs.enqueue(new_job(**job))
        return [port for port, _ in addresses]

    def of_more(self, *words: list[str]) -> list[int]:
        with self.store.database.write(durable=False) as connection:
            return [port for port, _ in bells.others_for(connection, 1, *words)]


def test_one_that_is_idle_is_told_alone_and_once(told: Told) -> None:
    told.worker(1, bells.AWAKE)
    told.worker(2, bells.BESIDE_CALLS)
    told.worker(3, bells.IDLE)
    told.worker(4, bells.IDLE)
    assert [told.of() for _ in range(4)] == [[3], [4], [2], []]


def test_where_none_is_idle_all_that_sleep_beside_calls_are_told(told: Told) -> None:
    for port in (1, 2, 3):
        told.worker(port, bells.BESIDE_CALLS)
    assert [told.of(), told.of()] == [[1, 2, 3], []]


def test_who_does_not_say_whether_he_listens_is_told_of_everything(told: Told) -> None:
    told.worker(1, None)
    told.worker(2, bells.IDLE)
    assert [told.of(), told.of()] == [[2, 1], [1]]
    assert told.of_more() == []


def test_who_cannot_run_it_is_not_told(told: Told) -> None:
    told.worker(1, bells.IDLE, queues='["mail", "other"]')
    told.worker(2, bells.IDLE, unknown_tasks='{"tests.task": "no code"}')
    told.worker(3, bells.IDLE, slots='{"thread": 0, "process": 2}')
    told.worker(4, bells.IDLE, leaving_at=1)
    told.worker(5, bells.IDLE, stopped_at=1)
    assert told.of() == []
    assert told.of(pool="process", queue="x", task="t") == [3]
    assert told.of(queue="mail", task="t") == [1]
    assert told.of(queue="x", task="t") == [2]


def test_what_somebody_has_planted_in_a_row_keeps_no_job_out(told: Told) -> None:
    told.worker(1, bells.IDLE, queues="no JSON", slots="{", unknown_tasks="[")
    told.worker(2, 7, queues="7", slots="[1]", unknown_tasks="[1]")
    assert told.of() == [1]
    assert told.of() == []  # the other's says that it has no slot
    assert told.store.reports.stats().states == {"available": 2}


def test_all_others_that_sleep_and_could_are_told_of_more(told: Told) -> None:
    told.worker(1, bells.IDLE)  # who says so
    told.worker(2, bells.IDLE)
    told.worker(3, bells.BESIDE_CALLS)
    told.worker(4, bells.IDLE, queues='["mail"]')
    told.worker(5, bells.AWAKE)
    told.worker(6, bells.IDLE, slots='{"process": 1}')
    assert told.of_more(["default"], ["thread"]) == [2, 3]
    assert told.of_more(["default", "mail"], ["thread", "process"]) == [4, 6]
    assert told.of_more() == []
    assert rows(told.db, "SELECT wake_port FROM litequeue_workers WHERE listening > 0") == [(1,)]
