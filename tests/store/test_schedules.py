"""What people and code do to schedules, each one transaction that is void if the row is not as it was read."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from litequeue.base.models import Due, Step, TaskOrigin
from litequeue.store import Store
from litequeue.store.schedules import COLUMNS, Change, Stored

from ..support import wait_until

pytestmark = pytest.mark.beside

NOW = 1_700_000_000_000_000
HOUR = 3_600_000_000
ORIGIN = TaskOrigin("m.f", "m", "f", "/d", "{}")


def values(**fields: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = dict.fromkeys(COLUMNS)
    defaults.update(
        name="s", trigger='{"every": "1h"}', task="m.f", args="[]", kwargs="{}", queue="default", pool="thread",
        priority=0, at_most_once=0, catch_up="latest", grace=HOUR, overlap="skip", jitter=0, anchor_at=NOW,
        next_tick_at=NOW + HOUR, fires_at=NOW + HOUR,
    )  # fmt: skip
    return {**defaults, **fields}


def known(store: Store, name: str = "s") -> Stored:
    found = store.schedules.stored(name)
    assert found is not None
    return found


def add(store: Store, values: dict[str, Any], origin: TaskOrigin | None = None, *, paused: bool = False) -> bool:
    void, _ = store.schedules.write([Change(values, NOW, None, origin, paused=paused)])
    return not void


def change(store: Store, known: Stored, values: dict[str, Any], origin: TaskOrigin | None = None, *, retime: bool = True) -> bool:
    void, _ = store.schedules.write([Change(values, NOW, known, origin, retime)])
    return not void


def fire(store: Store, *, awaiting: bool = False) -> int:
    """Let the next tick come; its job."""
    row = known(store)
    tick = row.values["next_tick_at"]
    following = None if awaiting else tick + HOUR
    step = Step(row.id, "s", row.revision, tick, following, following, awaiting, None, (Due(tick, "fired"),), ())
    (fired,) = store.ticks.fire([step], tick, lambda *_: []).fired
    return fired.job


@pytest.fixture
def added(store: Store) -> Iterator[Store]:
    assert add(store, values())
    yield store


def test_a_name_is_taken_once(added: Store) -> None:
    before = known(added)
    assert not add(added, values(priority=5), ORIGIN)
    assert known(added) == before
    assert added.jobs.origin("m.f") is None


def test_adding_and_changing_record_where_the_code_is(store: Store) -> None:
    """Else a worker that has to find the code of a renamed module never does."""
    add(store, values(), ORIGIN, paused=True)
    assert store.jobs.origin("m.f") == ORIGIN
    assert known(store).paused_at == NOW
    moved = TaskOrigin("n.f", "n", "f", "/d", "{}")
    assert change(store, known(store), values(task="n.f"), moved, retime=False)
    assert store.jobs.origin("n.f") == moved


def test_a_change_is_void_once_somebody_else_made_one(added: Store) -> None:
    seen = known(added)
    assert change(added, seen, values(priority=1), retime=False)
    assert not change(added, seen, values(priority=2))
    assert known(added).values["priority"] == 1
    seen = known(added)
    added.schedules.write([], ["s"])
    assert not change(added, seen, values(priority=3))
    add(added, values())
    assert not change(added, seen, values(priority=3))  # it is another one


def test_a_tick_that_fires_while_a_new_time_is_worked_out_does_not_come_again(added: Store) -> None:
    seen = known(added)
    fire(added)
    assert not change(added, seen, values(jitter=1))
    assert known(added).values["next_tick_at"] == NOW + 2 * HOUR
    # What leaves the time alone may go on.
    assert change(added, seen, values(priority=9), retime=False)
    row = known(added).values
    assert (row["priority"], row["next_tick_at"], row["fires_at"]) == (9, NOW + 2 * HOUR, NOW + 2 * HOUR)


def test_a_new_time_enables_and_other_changes_do_not(added: Store) -> None:
    added.schedules.disable(known(added), "why", NOW)
    change(added, known(added), values(priority=1), retime=False)
    assert known(added).disabled_at == NOW
    change(added, known(added), values(next_tick_at=5, fires_at=6))
    row = known(added)
    assert (row.disabled_at, row.values["next_tick_at"], row.values["fires_at"]) == (None, 5, 6)


def test_what_is_worked_out_before_a_pause_is_void_and_resuming_is_as_well(added: Store) -> None:
    row = known(added)
    added.schedules.pause("s", NOW)
    step = Step(row.id, "s", row.revision, NOW + HOUR, 1, 1, False, None, (Due(NOW + HOUR, "fired"),), ())
    assert added.ticks.fire([step], NOW + HOUR, lambda *_: []).fired == []
    seen = known(added)
    added.schedules.pause("s", NOW + 5)
    assert known(added).paused_at == NOW
    assert added.schedules.resume(seen, 7, 7, NOW) is None  # not as it was
    assert known(added).paused_at == NOW
    assert added.schedules.resume(known(added), 7, 8, NOW) == []
    assert (known(added).values["next_tick_at"], known(added).values["fires_at"]) == (7, 8)


def test_resuming_waits_on_for_a_job_that_runs_and_for_none_that_has_ended(added: Store) -> None:
    """The next tick of such a schedule counts from the end of its job; but not from one while it was paused."""
    job = fire(added, awaiting=True)
    assert known(added).awaiting == 1
    added.schedules.pause("s", NOW + HOUR)
    added.schedules.resume(known(added), NOW + 9 * HOUR, NOW + 9 * HOUR, NOW + 8 * HOUR)
    assert (known(added).awaiting, known(added).values["next_tick_at"]) == (1, None)
    added.schedules.pause("s", NOW + 2 * HOUR)
    added.operations.cancel(job, NOW + 2 * HOUR)
    added.schedules.resume(known(added), NOW + 9 * HOUR, NOW + 9 * HOUR, NOW + 8 * HOUR)
    assert (known(added).awaiting, known(added).values["next_tick_at"]) == (0, NOW + 9 * HOUR)
    assert added.ticks.ended() == []


def test_run_now_makes_one_job_and_one_row_for_each_call_also_beside_a_tick(added: Store) -> None:
    job = fire(added)
    made = [added.schedules.run_now("s", NOW + HOUR) for _ in range(3)]
    jobs = [job, *(found[0].id for found in made if found is not None)]
    assert jobs == [1, 2, 3, 4]
    rows = added.schedules.ticks("s", None, 10)
    assert [(row[0] - NOW - HOUR, row[3], row[5]) for row in rows[::-1]] == [
        (0, "fired", 1), (1, "manual", 2), (2, "manual", 3), (3, "manual", 4),
    ]  # fmt: skip


def test_run_now_of_what_was_just_removed_makes_no_job_and_names_no_other(added: Store) -> None:
    assert added.schedules.run_now("s", NOW) is not None
    added.schedules.write([], ["s"])
    assert added.schedules.run_now("s", NOW) is None
    assert added.reports.stats().states == {"available": 1}
    assert added.schedules.ticks("s", None, 10) == []


def test_withdrawing_disables_what_a_module_has_no_more_and_nothing_else(store: Store) -> None:
    for name, module, directory in (("a", "m", "/d"), ("b", "m", "/d"), ("c", "m", "/e"), ("d", "n", "/d"), ("e", None, None)):
        add(store, values(name=name, module=module, directory=directory))
    assert sorted(store.schedules.declaring()) == [("m", "/d"), ("m", "/e"), ("n", "/d")]
    assert store.schedules.withdraw("m", "/d", ["a", "b"], "gone", NOW) == []
    assert store.schedules.withdraw("m", "/d", ["b"], "gone", NOW) == ["a"]
    assert store.schedules.withdraw("m", "/d", ["b"], "gone again", NOW + 1) == []
    assert [name for name in "abcde" if known(store, name).disabled_at is not None] == ["a"]
    assert store.schedules.withdraw("m", "/d", [], "gone", NOW) == ["b"]
    assert ("m", "/d") in store.schedules.declaring()  # they may come back


def test_removing_leaves_the_jobs_and_no_history_but_of_those_that_have_not_ended(added: Store, db: Path) -> None:
    fire(added)
    added.operations.cancel(1, NOW)
    added.schedules.run_now("s", NOW)
    added.schedules.write([], ["s"])
    added.schedules.write([], ["s"])  # by another one, who was slower
    with closing(sqlite3.connect(db)) as connection, connection:
        counts = [connection.execute(f"SELECT count(*) FROM litequeue_{t}").fetchone()[0] for t in ("ticks", "jobs")]
        assert connection.execute("SELECT job_id FROM litequeue_ticks").fetchall() == [(2,)]
    assert counts == [1, 2]


@pytest.mark.slow
def test_adders_changers_pausers_and_the_clockwork_race_and_every_tick_has_one_job(added: Store, db: Path) -> None:
    stop, errors = threading.Event(), []

    def again(act: Any) -> None:
        own = Store(str(db))
        try:
            while not stop.wait(0.001):  # a moment for the others, or a tick may never find its row unchanged
                act(own)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        finally:
            own.close()

    def amend(own: Store) -> None:
        row = known(own)
        tick = row.values["next_tick_at"]
        change(own, row, {**row.values, "jitter": 1 - row.values["jitter"], "next_tick_at": tick})

    def pause(own: Store) -> None:
        own.schedules.pause("s", NOW)
        row = known(own)
        own.schedules.resume(row, row.values["next_tick_at"], row.values["fires_at"], NOW)

    def tick(own: Store) -> None:
        row = known(own)
        at = row.values["next_tick_at"]
        step = Step(row.id, "s", row.revision, at, at + HOUR, at + HOUR, False, None, (Due(at, "fired"),), ())
        own.ticks.fire([step], at, lambda *_: [])

    change(added, known(added), values(overlap="allow"))
    threads = [threading.Thread(target=again, args=(act,)) for act in (amend, amend, pause, tick, tick)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: errors or added.database.one("SELECT count(*) FROM litequeue_jobs")[0] >= 30, 60)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors
    with closing(sqlite3.connect(db)) as connection, connection:
        jobs = [row[0] for row in connection.execute("SELECT scheduled_for FROM litequeue_jobs ORDER BY id")]
    assert all(b - a == HOUR for a, b in itertools.pairwise(jobs))
