"""Tasks and how they did, held against the history and the rows."""

from __future__ import annotations

import json
import random

import pytest

from litequeue.base.checks import aware
from litequeue.store import Store
from litequeue.store.pages import tasks

from .filled import (
    NOW,
    TASKS,
    counted,
    execute,
    fill,
    pieces_of,
    rows_of,
    sums_of,
    within,
)

pytestmark = pytest.mark.beside

ORIGIN = "INSERT INTO litequeue_tasks VALUES (?, ?, 'q', ?, '{}', ?)"
SHOWN = ("succeeded", "failed", "discarded", "cancelled", "expired")


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store, random.Random(8), 500)
    execute(store, ORIGIN, [(TASKS[0], "shop", "/srv", NOW - 5), ("never.called", "", "", NOW)])
    execute(store, "UPDATE litequeue_workers SET unknown_tasks = ? WHERE id = 2", [(json.dumps({TASKS[1]: "no module named shop"}),)])
    return store


@pytest.mark.parametrize("range_", ["1h", "24h"])
def test_all_of_them_as_the_history_says(filled: Store, range_: str) -> None:
    history = counted(filled, random.Random(2), 200, 7200)
    pieces = pieces_of(range_)  # type: ignore[arg-type]
    found = {row.name: row for row in filled.pages.tasks(range_, NOW).rows}  # type: ignore[arg-type]
    assert list(found) == sorted({*TASKS, "never.called"})
    for name, row in found.items():
        sums = sums_of(within(history, pieces[0][0], pieces[-1][1], task=name))
        assert {end: getattr(row.totals, end) for end in SHOWN} == {end: sums[end] for end in SHOWN}
        by_piece = [sums_of(within(history, *piece, task=name)) for piece in pieces]
        assert list(row.ended) == [each["succeeded"] + each["discarded"] + each["cancelled"] + each["expired"] for each in by_piece]
        assert row.lacking == (name == TASKS[1])
    assert (found[TASKS[0]].module, found[TASKS[0]].directory, found[TASKS[0]].recorded_at) == ("shop", "/srv", aware(NOW - 5))
    assert (found["never.called"].module, found[TASKS[2]].module) == (None, None), "a shell, and nobody who has said"


def test_one_is_as_among_all_with_its_last_jobs(filled: Store) -> None:
    counted(filled, random.Random(2), 200, 3600)
    execute(filled, "UPDATE litequeue_schedules SET task = ?", [(TASKS[0],)])
    rows = rows_of(filled)
    for expected in filled.pages.tasks("1h", NOW).rows:
        found = filled.pages.task(expected.name, "1h", NOW)
        assert found is not None and found.row == expected and found.series.totals == expected.totals
        assert [info.id for info in found.last] == sorted((row["id"] for row in rows if row["task"] == expected.name), reverse=True)[: tasks.LAST]
        assert found.lacking == (((2, "web-2", "no module named shop"),) if expected.name == TASKS[1] else ())
        assert found.schedules == (("nightly",) if expected.name == TASKS[0] else ())
        assert all(group.task == expected.name for group in found.failures)


def test_a_task_of_which_nobody_has_heard_is_none(filled: Store) -> None:
    assert filled.pages.task("nowhere", "1h", NOW) is None and filled.pages.task("\udcff", "1h", NOW) is None
    found = filled.pages.task("never.called", "30d", NOW)
    assert found is not None and found.row.totals.ended == 0 and found.run_times.total == 0


def test_a_task_is_known_by_its_history_and_by_its_jobs(store: Store) -> None:
    counted(store, random.Random(2), 20, 10)
    execute(store, "INSERT INTO litequeue_jobs (task) VALUES ('only.jobs')")
    assert {row.name for row in store.pages.tasks("1h", NOW).rows} == set(TASKS)
    assert store.pages.task(TASKS[0], "1h", NOW) is not None and store.pages.task("only.jobs", "1h", NOW) is not None
