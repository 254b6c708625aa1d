"""What all jobs print, in its order: a follower sees each piece once, whatever becomes of the jobs."""

from __future__ import annotations

import random

import pytest

from litequeue.base.models import Printed
from litequeue.store import Store
from litequeue.store.printed import Piece
from litequeue.store.turn import output

from ..support import FakeClock, new_job

pytestmark = pytest.mark.beside


def piece(job: int, number: int, at: int, *, execution: int = 1, text: str = "x\n", stream: str = "stdout") -> Printed:
    return Printed(job, execution, number, stream, at, text)


def turn(store: Store, clock: FakeClock, *pieces: Printed) -> None:
    store.jobs.turn(1, clock.now(), clock.now() + 60, printed=pieces)


def read(store: Store, place: int, most: int = 7) -> tuple[int, list[Piece]]:
    """All that is new since a place."""
    found: list[Piece] = []
    while True:
        before, (place, pieces) = place, store.printed.after(place, most)
        found += pieces
        if place == before:
            return place, found


@pytest.mark.parametrize("seed", range(30))
def test_a_follower_sees_each_piece_once_and_in_order(store: Store, clock: FakeClock, seed: int) -> None:
    dice = random.Random(seed)
    numbers: dict[tuple[int, int], int] = {}
    written: list[tuple[int, int, int, str]] = []
    seen: list[tuple[int, int, int, str]] = []
    jobs = [store.jobs.enqueue(new_job(created_at=clock.now()))[0] for _ in range(6)]
    gone: set[int] = set()
    place = store.printed.last()
    for step in range(60):
        deed = dice.random()
        if deed < 0.6:
            pieces = []
            for _ in range(dice.randrange(1, 6)):
                key = dice.choice(jobs), dice.randrange(1, 3)
                numbers[key] = numbers.get(key, 0) + 1
                text = f"{step}" * dice.randrange(1, 4)
                pieces.append(piece(key[0], numbers[key], clock.now(), execution=key[1], text=text))
                written.append((*key, numbers[key], text))
            turn(store, clock, *pieces)
        elif deed < 0.7 and written:  # a commit of which nobody knows whether it came, done again
            job, execution, number, text = dice.choice(written)
            if job not in gone:
                turn(store, clock, piece(job, number, clock.now(), execution=execution, text=text))
        elif deed < 0.8 and len(gone) < 4:
            place, found = read(store, place, dice.randrange(1, 9))
            seen += [(one.job, one.attempt, one.number, one.text) for one in found]
            job = dice.choice([job for job in jobs if job not in gone])
            gone.add(job)
            jobs = [other for other in jobs if other != job] or [store.jobs.enqueue(new_job(created_at=clock.now()))[0]]
            store.operations.purge([job], clock.now())
        else:
            place, found = read(store, place, dice.randrange(1, 9))
            seen += [(one.job, one.attempt, one.number, one.text) for one in found]
    seen += [(one.job, one.attempt, one.number, one.text) for one in read(store, place)[1]]
    assert seen == written


def test_the_order_is_bounded_and_goes_on_where_it_was(store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "FOLLOWED", 10)
    for number in range(1, 26):
        turn(store, clock, piece(1, number, clock.now(), text=str(number)))
    assert [one.text for one in read(store, 0)[1]] == [str(number) for number in range(16, 26)]
    last = store.printed.last()
    with store.database.write(durable=True) as connection:
        connection.execute("DELETE FROM litequeue_output")
    turn(store, clock, piece(2, 1, clock.now(), text="new"))
    assert [one.text for one in read(store, last)[1]] == ["new"]


def test_one_looks_back_from_the_end_piece_by_piece(store: Store, clock: FakeClock) -> None:
    assert store.printed.last() == 0 and store.printed.before(1, 5) == (None, [])
    turn(store, clock, *(piece(1, number, clock.now(), text=str(number)) for number in range(1, 13)), piece(1, 13, clock.now(), stream="usage"))
    before: int | None = store.printed.last() + 1
    found: list[str] = []
    while before is not None:
        before, pieces = store.printed.before(before, 5)
        found[:0] = [one.text for one in pieces]
    assert found == [str(number) for number in range(1, 13)], "and what a command used is no text"


def test_a_piece_knows_its_task_and_whether_its_job_runs(store: Store, clock: FakeClock) -> None:
    job, _ = store.jobs.enqueue(new_job(task="tasks.a", created_at=clock.now()))
    turn(store, clock, piece(job, 1, clock.now()), piece(99, 1, clock.now()))
    assert [(one.label, one.is_over) for one in read(store, 0)[1]] == [("tasks.a", True), ("?", True)]


def test_nothing_is_written_of_jobs_that_print_nothing(store: Store, clock: FakeClock) -> None:
    statements: list[str] = []
    with store.database.write(durable=False) as connection:
        connection.set_trace_callback(statements.append)
    turn(store, clock)
    assert statements and not any("litequeue_printed" in statement for statement in statements)
