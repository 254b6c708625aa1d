"""The overview and what is around every page, held against the rows."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from litequeue.base.checks import aware
from litequeue.base.history import BUCKETS, ENDS, Counted
from litequeue.base.version import VERSION
from litequeue.store import Store, history
from litequeue.store.pages import overview
from litequeue.store.pages.parts import ActionRow, Count, LiveState, Reason

from .filled import MICROS, NOW, QUEUES, TASKS, counted, execute, fill, rows_of
from .test_failures import discard

pytestmark = pytest.mark.beside


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store, random.Random(31), 500)
    execute(store, "UPDATE litequeue_workers SET slots = '{\"thread\": 5, \"process\": 2}'")
    return store


def test_states_are_counted_each_with_its_one_time(filled: Store) -> None:
    rows = rows_of(filled)
    states = Counter(row["state"] for row in rows)
    first = {
        "available": min(max(row["run_at"], row["created_at"]) for row in rows if row["state"] == "available"),
        "running": min(row["started_at"] for row in rows if row["state"] == "running"),
        **{state: min(row["run_at"] for row in rows if row["state"] == state) for state in ("scheduled", "retrying")},
    }  # fmt: skip
    found = filled.pages.overview("1h", NOW)
    assert found.states == tuple(
        LiveState(state, Count(states[state]), None if state == "blocked" else aware(first[state])) for state in ("blocked", "scheduled", "available", "running", "retrying")
    )
    assert found.slots == 14 and found.busy == sum(sum(row.busy.values()) for row in found.workers) > 0
    assert found.queues == filled.pages.queues(NOW).rows and found.series.points[-1].waiting == states["available"]


def test_a_file_without_anything_has_nothing_to_say(store: Store) -> None:
    found = store.pages.overview("30d", NOW)
    assert [state.jobs for state in found.states] == [Count(0)] * 5 and {state.at for state in found.states} == {None}
    assert (found.slots, found.busy, found.failures, found.queues, found.workers, found.schedules, found.reasons, found.actions, found.succeeded_day) == (0, 0, (), (), (), (), (), (), 0)
    frame = store.pages.frame(NOW)
    assert (frame.jobs, frame.queues, frame.tasks, frame.workers, frame.schedules, frame.flows, frame.failures) == (0, 0, 0, 0, 0, 0, Count(0))


def test_of_failures_the_largest_groups_are_shown_and_all_counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [chr(97 + n // 20) + chr(97 + n % 20) + "word" for n in range(12)]
    discard(store, *(("t", f"E: {words[n]}", NOW) for n in range(12) for _ in range(n + 1)))
    found = store.pages.overview("1h", NOW)
    assert [group.jobs for group in found.failures] == [12, 11, 10, 9, 8, 7] and found.failure_groups == Count(12)
    assert store.pages.frame(NOW).failures == Count(12)
    monkeypatch.setattr(overview, "FEW_FAILURES", 20)
    assert store.pages.frame(NOW).failures.is_capped and store.pages.overview("1h", NOW).failure_groups.is_capped


def test_what_is_around_every_page(filled: Store) -> None:
    counted(filled, random.Random(1), 50, 3600)
    execute(filled, "INSERT INTO litequeue_tasks VALUES ('recorded', 'm', 'q', 'd', '{}', 1)")
    frame = filled.pages.frame(NOW)
    assert (frame.now, frame.path, frame.version, frame.jobs) == (aware(NOW), filled.path, VERSION, 500)
    assert frame.file_bytes == os.stat(filled.path).st_size and frame.log_bytes == os.stat(filled.path + "-wal").st_size
    assert (frame.queue_names, frame.queues) == (tuple(sorted(QUEUES)), 3) and (frame.task_names, frame.tasks) == (tuple(sorted({*TASKS, "recorded"})), 5)
    assert (frame.workers, frame.schedules, frame.flows) == (2, 1, 1)


def ended(store: Store, succeeded: int, discarded: int) -> None:
    """In the last minute."""
    ends = tuple({"succeeded": succeeded, "discarded": discarded}.get(end, 0) for end in ENDS)
    with store.database.write(durable=False) as connection:
        history.add(connection, [Counted(NOW - 5 * MICROS, "t", "q", ends, 0, 0, (0,) * BUCKETS, (0,) * BUCKETS)])


def test_what_ended_well_is_no_reason_to_look(store: Store) -> None:
    """Whatever had ended was called discarded once."""
    ended(store, 500, 20)
    assert store.pages.reasons(NOW) == ()
    ended(store, 0, 30)
    assert store.pages.reasons(NOW) == (Reason("failures", jobs=50),)


def test_what_people_did_last_comes_first(store: Store) -> None:
    execute(store, "INSERT INTO litequeue_actions (at, who, what, target, count) VALUES (?, 'me', 'retry', ?, 3)", [(NOW - 5 * number, f"job {number}") for number in range(20)])
    found = store.pages.overview("1h", NOW).actions
    assert found[0] == ActionRow(aware(NOW), "me", "retry", "job 0", 3) and [action.target for action in found] == [f"job {n}" for n in range(6)]


def test_reasons_are_read_from_the_file(filled: Store) -> None:
    execute(filled, "UPDATE litequeue_workers SET stopped_at = 5")
    filled.operations.pause("mail", NOW - 5)
    execute(filled, "UPDATE litequeue_schedules SET next_tick_at = ?, fires_at = ?", [(NOW - 61 * MICROS, NOW - 61 * MICROS)])
    execute(filled, "UPDATE litequeue_jobs SET reported_at = created_at WHERE state = 'discarded'")
    rows = rows_of(filled)
    found = {reason.kind: reason for reason in filled.pages.overview("1h", NOW, disk_free=7).reasons}
    assert found == {reason.kind: reason for reason in filled.pages.reasons(NOW, disk_free=7)} and list(found) == ["disk", "no-worker", "late", "untold", "paused"]
    assert found["no-worker"].jobs == sum(row["state"] == "available" for row in rows) and found["disk"].jobs == 7
    assert (found["late"].name, found["late"].since) == ("nightly", aware(NOW - 61 * MICROS))
    assert found["paused"].jobs == sum(row["state"] == "available" and row["queue"] == "mail" for row in rows) and found["paused"].since == aware(NOW - 5)
    discarded = [row["id"] for row in rows if row["state"] == "discarded"]
    assert (found["untold"].jobs, found["untold"].id) == (len(discarded), max(discarded))


def test_a_schedule_whose_last_tick_nobody_fired_is_a_reason_until_one_is_fired(filled: Store) -> None:
    tick = "INSERT INTO litequeue_ticks (schedule_id, tick_at, decided_at, outcome, reason) VALUES (1, ?, 1, ?, 'beyond its grace')"
    execute(filled, tick, [(NOW - 9, "fired"), (NOW - 7, "missed")])
    missed = [reason for reason in filled.pages.reasons(NOW) if reason.kind == "missed"]
    assert [(reason.name, reason.since, reason.text) for reason in missed] == [("nightly", aware(NOW - 7), "beyond its grace")]
    execute(filled, "UPDATE litequeue_schedules SET paused_at = 1")
    assert [reason for reason in filled.pages.reasons(NOW) if reason.kind == "missed"] == []
    execute(filled, "UPDATE litequeue_schedules SET paused_at = NULL")
    execute(filled, tick, [(NOW - 5, "late")])
    assert [reason for reason in filled.pages.reasons(NOW) if reason.kind == "missed"] == []


def test_a_task_without_code_is_a_reason_where_its_jobs_wait(filled: Store) -> None:
    execute(filled, "UPDATE litequeue_workers SET unknown_tasks = '{\"shop.pay\": \"no module named shop\", \"other\": \"x\"}', slots = '{\"thread\": 1, \"process\": 1, \"async\": 1}'")
    waits = sum(row["state"] == "available" and row["task"] == "shop.pay" for row in rows_of(filled))
    (reason,) = [reason for reason in filled.pages.reasons(NOW) if reason.kind == "no-code"]
    assert (reason.name, reason.jobs, reason.text) == ("shop.pay", waits, "no module named shop") and waits


def test_a_queue_whose_name_somebody_has_planted_keeps_no_task_without_code_from_being_said(filled: Store) -> None:
    execute(filled, "UPDATE litequeue_workers SET unknown_tasks = '{\"shop.pay\": \"no module named shop\"}', slots = '{\"thread\": 1, \"process\": 1, \"async\": 1}'")
    execute(filled, "UPDATE litequeue_jobs SET queue = CAST(x'ff' AS TEXT) WHERE id = (SELECT max(id) FROM litequeue_jobs WHERE state = 'available')")
    assert [reason.name for reason in filled.pages.reasons(NOW) if reason.kind == "no-code"] == ["shop.pay"]
