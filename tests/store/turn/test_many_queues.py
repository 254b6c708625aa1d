"""More queues with jobs than one look sees, and the best of all jobs of those that it sees."""

from __future__ import annotations

import random

import pytest

from litequeue.base.models import ClaimedJob
from litequeue.store import Store
from litequeue.store.turn import Demand, Look, look

from ...support import new_job

pytestmark = pytest.mark.beside


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "MOST", 2)


def seen(found: Look) -> list[str]:
    return [waiting.queue for waiting in found.waiting]


def looks(store: Store, queues: tuple[str, ...] | None = None) -> list[list[str]]:
    """What a round of looks sees, from the first window to the last."""
    windows, begin = [], b""
    while True:
        found = store.jobs.look(1, Demand({"thread": 9}, queues=queues, begin=begin))
        windows.append(seen(found))
        if found.rest is None:
            return windows
        begin = found.rest


def fill(store: Store, *queues: str) -> None:
    for queue in queues:
        store.jobs.enqueue(new_job(queue=queue))


@pytest.mark.usefixtures("two_at_once")
def test_a_look_sees_so_many_queues_and_says_where_to_go_on(store: Store) -> None:
    assert looks(store) == [[]]
    fill(store, "b", "a", "ü", "a b", "c")
    assert looks(store) == [["a", "a b"], ["b", "c"], ["ü"]]
    fill(store, "z")
    assert looks(store) == [["a", "a b"], ["b", "c"], ["z", "ü"], []]


@pytest.mark.usefixtures("two_at_once")
def test_a_worker_of_some_queues_sees_those_at_once_however_many_others_there_are(store: Store) -> None:
    fill(store, "b", "a", "c", "d", "e")
    assert looks(store, ("e", "a", "b", "x")) == [["e", "a", "b"]]
    assert looks(store, ("x",)) == [[]]


@pytest.mark.usefixtures("two_at_once")
def test_paused_queues_are_passed_over(store: Store) -> None:
    fill(store, "a", "b", "c")
    store.operations.pause("a", 1)
    store.operations.pause("b", 1)
    assert looks(store) == [[], ["c"]]


@pytest.mark.usefixtures("two_at_once")
def test_a_name_that_cannot_be_asked_for_ends_no_round(store: Store) -> None:
    fill(store, "a", "d")
    with store.database.write(durable=False) as connection:
        connection.execute("UPDATE litequeue_jobs SET queue = CAST(x'63ff' AS TEXT) WHERE queue = 'd'")
    fill(store, "b", "z")
    assert looks(store) == [["a", "b"], ["z"], []]


@pytest.mark.usefixtures("two_at_once")
def test_a_turn_without_room_does_not_ask_who_waits(store: Store) -> None:
    fill(store, "a", "b", "c")
    assert len(seen(store.jobs.look(1, None))) <= 1


def test_the_best_of_all_queues_come_first_by_priority_and_then_by_age(store: Store) -> None:
    """Each queue is asked for its share, and for more where it has more of the best."""
    rng = random.Random(4)
    for _ in range(25):
        with store.database.write(durable=False) as connection:
            connection.execute("DELETE FROM litequeue_jobs")
            for _ in range(rng.randrange(120)):
                queue, priority = rng.choice("aaaaaabcde"), rng.choice([0, 0, 0, 1, 5])
                connection.execute(
                    "INSERT INTO litequeue_jobs (queue, task, priority, run_at, created_at) VALUES (?, 't', ?, ?, 1)",
                    (queue, priority, rng.randrange(40)),
                )
            rows = connection.execute("SELECT id FROM litequeue_jobs ORDER BY priority DESC, run_at, id").fetchall()
        limit = rng.randrange(1, 60)
        turn = store.jobs.turn(1, 100, 200, demand=Demand({"thread": limit}))
        claimed: list[ClaimedJob] = turn.claimed
        assert [job.id for job in claimed] == [id_ for (id_,) in rows[:limit]]
