"""Queues as they are now, held against their rows."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from litequeue.base.checks import aware
from litequeue.store import Store, counting
from litequeue.store.pages import queues
from litequeue.store.pages.parts import Count

from .filled import (
    MICROS,
    NOW,
    QUEUES,
    counted,
    execute,
    fill,
    pieces_of,
    rows_of,
    sums_of,
    within,
)

pytestmark = pytest.mark.beside

JOB = "INSERT INTO litequeue_jobs (task, queue, state, run_at, created_at) VALUES ('t', ?, ?, ?, ?)"


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store, random.Random(21), 600)
    store.operations.pause("mail", NOW - 77)
    store.operations.pause("never used", NOW - 5)
    return store


def test_all_of_them_as_their_rows_and_the_history_say(filled: Store) -> None:
    history = counted(filled, random.Random(2), 200, 3600)
    rows, pieces = rows_of(filled), pieces_of("1h")
    assert within(history, *pieces[-2])
    found = {row.name: row for row in filled.pages.queues(NOW).rows}
    assert list(found) == sorted({*QUEUES, "never used"})
    for name, row in found.items():
        states = Counter(job["state"] for job in rows if job["queue"] == name)
        assert (row.waiting, row.delayed, row.running) == (Count(states["available"]), Count(states["scheduled"] + states["retrying"]), states["running"])
        since = min((max(job["run_at"], job["created_at"]) for job in rows if job["queue"] == name and job["state"] == "available"), default=None)
        assert row.oldest == (None if since is None else aware(since))
        mine = [sums_of(within(history, *piece, queue=name)) for piece in pieces]
        assert list(row.ended) == [sums["succeeded"] + sums["discarded"] + sums["cancelled"] + sums["expired"] for sums in mine]
        assert row.rate == row.ended[-2], "a minute in which something was counted"
        failed, ran = (sum(sum(sums[end] for end in ends) for sums in mine) for ends in (("failed", "discarded"), ("succeeded", "failed", "discarded")))
        assert row.failed_share == (failed / ran if ran else None)
    assert (found["mail"].paused_at, found["never used"].paused_at, found["default"].paused_at) == (aware(NOW - 77), aware(NOW - 5), None)


def test_one_is_as_among_all_with_its_tasks_and_what_is_next(filled: Store) -> None:
    counted(filled, random.Random(2), 200, 3600)
    rows = rows_of(filled)
    for expected in filled.pages.queues(NOW).rows:
        found = filled.pages.queue(expected.name, "1h", NOW)
        assert found is not None and found.row == expected
        mine = [job for job in rows if job["queue"] == expected.name and job["state"] == "available"]
        assert dict(found.tasks) == {task: Count(many) for task, many in Counter(job["task"] for job in mine).items()}
        order = sorted(mine, key=lambda job: (-job["priority"], job["run_at"], job["id"]))
        assert [info.id for info in found.next_up] == [job["id"] for job in order[: queues.NEXT_UP]]
        assert found.series.points[-1].waiting == expected.waiting.number and {name for _, name in found.served_by} == {"web-1", "web-2"}


def test_of_many_delayed_jobs_there_may_be_more_of_each(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "MOST_DELAYED", 20)
    monkeypatch.setattr(counting, "MOST", 5)
    found = filled.pages.queues(NOW).rows
    assert sum(row.delayed.number for row in found) == 21 and all(row.delayed.is_capped for row in found if row.delayed.number)
    assert all(row.waiting == Count(5, True) for row in found if row.waiting.number)


def test_a_queue_of_which_nobody_has_heard_is_none(filled: Store) -> None:
    assert filled.pages.queue("nowhere", "1h", NOW) is None and filled.pages.queue("\udcff", "1h", NOW) is None


def test_a_queue_is_known_by_its_history_and_by_what_is_to_come(store: Store) -> None:
    counted(store, random.Random(2), 20, 3600)
    execute(store, JOB, [("later", "scheduled", NOW + 5 * MICROS, NOW)])
    assert {row.name for row in store.pages.queues(NOW).rows} == {*QUEUES, "later"}
    found = store.pages.queue("later", "24h", NOW)
    assert found is not None and found.row.delayed == Count(1) and found.row.waiting == Count(0)
    assert store.pages.queue(QUEUES[0], "30d", NOW) is not None
    execute(store, "UPDATE litequeue_jobs SET state = 'cancelled', run_at = 0, finished_at = 1, prune_at = 2 WHERE queue = 'later'")
    assert store.pages.queue("later", "24h", NOW) is not None, "what has just ended is not counted yet"


def test_names_that_are_planted_are_shown_or_left_out_but_break_nothing(db: Path) -> None:
    store = Store(str(db))
    planted = JOB.replace("('t', ?,", "('t', CAST(? AS TEXT),")
    names = [b"\xff\xfe", b"nul\0nul", b"", b"'; --", "\N{SNOWMAN}".encode(), b"x" * 100_000]
    execute(store, planted, [(name, state, NOW, NOW) for name in names for state in ("available", "scheduled", "retrying")])
    execute(store, "UPDATE litequeue_jobs SET pool = 'async', priority = -(1 << 62) WHERE id % 2")
    found = {row.name: row for row in store.pages.queues(NOW).rows}
    assert set(found) == {name.decode() for name in names[1:]} and all(row.waiting == Count(1) for row in found.values())
    for name in found:
        page = store.pages.queue(name, "1h", NOW)
        assert page is not None and page.row.delayed == Count(2) and len(page.next_up) == 1
    store.pages.overview("1h", NOW)
    assert store.pages.frame(NOW).queues == 5
    store.close()
