"""Schedules and their ticks as pages show them."""

from __future__ import annotations

import itertools
import json

import pytest

from litequeue import Cron, Every, LiteQueue
from litequeue.base.checks import aware
from litequeue.store import Store
from litequeue.store.pages import schedules
from litequeue.store.pages.parts import BUCKETS
from litequeue.triggers import spec_of

from .filled import MICROS, NOW, execute

pytestmark = pytest.mark.beside

SCHEDULE = """INSERT INTO litequeue_schedules (name, trigger, task, args, kwargs, grace, jitter, anchor_at, next_tick_at, fires_at, created_at, updated_at, paused_at,
    disabled_at, disabled_why) VALUES (?, ?, ?, '[]', '{}', 60000000, 0, ?, ?, ?, 1, 1, ?, ?, ?)"""
TICK = "INSERT INTO litequeue_ticks (schedule_id, tick_at, decided_at, outcome, job_id) VALUES (?, ?, ?, ?, ?)"
JOB = """INSERT INTO litequeue_jobs (task, kwargs, state, attempt, schedule_id, scheduled_for, created_at, started_at, finished_at, prune_at, last_error)
VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, 9, ?)"""
HOUR = 3600 * MICROS


def add(store: Store, name: str, trigger: str, fires: int | None = None, *, task: str = "t", paused: int | None = None, disabled: str | None = None) -> None:
    execute(store, SCHEDULE, [(name, trigger, task, NOW, fires, fires, paused, None if disabled is None else 1, disabled)])


def test_the_next_ticks_are_the_stored_one_and_what_the_trigger_says_after_that(store: Store) -> None:
    midnight = 1_750_032_000 * MICROS
    add(store, "nightly", spec_of(Cron("30 2 * * *", "Europe/Berlin")), midnight + HOUR // 2)
    found = store.pages.schedule("nightly", NOW)
    assert found is not None and found.row.zone == "Europe/Berlin"
    assert found.next_ticks == tuple(aware(midnight + HOUR // 2 + day * 24 * HOUR) for day in range(5))
    add(store, "off its time", spec_of(Cron("0 * * * *", "UTC")), midnight + 7 * MICROS)
    moved = store.pages.schedule("off its time", NOW)
    assert moved is not None and moved.next_ticks[:2] == (aware(midnight + 7 * MICROS), aware(midnight + HOUR))


@pytest.mark.parametrize(("trigger", "many"), [
    (spec_of(Every("5m", after="finish")), 1), ('{"object": "mine.Trigger"}', 1), ("{", 1), ("\0", 1), (spec_of(Every("1h")), 5),
])  # fmt: skip
def test_where_nobody_can_say_what_comes_after_the_stored_one_nothing_does(store: Store, trigger: str, many: int) -> None:
    add(store, "s", trigger, NOW + HOUR)
    found = store.pages.schedule("s", NOW)
    assert found is not None and len(found.next_ticks) == many and found.row.zone in (None, "UTC")
    add(store, "far", trigger, 2**63 - 1)
    assert store.pages.schedule("far", NOW) is not None


def test_a_schedule_that_does_not_go_on_has_no_next_tick(store: Store) -> None:
    add(store, "paused", spec_of(Every("1h")), NOW + HOUR, paused=NOW)
    add(store, "disabled", spec_of(Every("1h")), NOW + HOUR, disabled="no code")
    for name in ("paused", "disabled"):
        found = store.pages.schedule(name, NOW)
        assert found is not None and found.next_ticks == () and found.row.info.state == name
    assert store.pages.schedule("none", NOW) is None and store.pages.schedule("\udcff", NOW) is None


def test_the_last_ticks_come_the_oldest_first_with_the_run_times_of_their_jobs(store: Store) -> None:
    add(store, "s", spec_of(Every("1h")), NOW + HOUR)
    took = [(number * 37 % 11) * 300_000 for number in range(80)]
    for number, micros in enumerate(took):
        tick = NOW - (80 - number) * HOUR
        execute(store, JOB, [("t", "{}", "succeeded", 1, tick, tick, tick, tick + micros, None)])
        execute(store, TICK, [(1, tick, tick, "fired", number + 1)])
    found = store.pages.schedule("s", NOW)
    assert found is not None and [tick.job_id for tick in found.row.ticks] == list(range(21, 81))
    histogram, seconds = found.run_times, sorted(micros / MICROS for micros in took[20:])
    assert histogram is not None and histogram.total == 60
    bounds = (0.0, *BUCKETS)
    assert histogram.counts[:-1] == tuple(sum((low < each or low == 0) and each <= high for each in seconds) for low, high in itertools.pairwise(bounds))
    assert histogram.spread is not None and (histogram.spread.median, histogram.spread.p95) == (seconds[30], seconds[57])
    (row,) = store.pages.schedules().rows
    assert [tick.job_id for tick in row.ticks] == list(range(81 - schedules.FEW_TICKS, 81))


def test_a_secret_in_the_error_of_a_ticks_job_stays_in_the_file(store: Store) -> None:
    add(store, "s", spec_of(Every("1h")), NOW + HOUR, task="litequeue.command")
    secrets = json.dumps({"secret_env": {"TOKEN": "hunter22"}})
    execute(store, JOB, [("litequeue.command", secrets, "discarded", 1, NOW, NOW, NOW, NOW + 5, "CommandFailed: exit 1: hunter22 is wrong")])
    execute(store, TICK, [(1, NOW, NOW, "fired", 1), (1, NOW - HOUR, NOW, "missed", None)])
    found = store.pages.schedule("s", NOW)
    assert found is not None and [tick.error for tick in found.row.ticks] == [None, "CommandFailed: exit 1: *** is wrong"]
    assert "hunter22" not in repr(store.pages.overview("1h", NOW).schedules) and "hunter22" not in repr(store.pages.schedules())


def test_looking_moves_no_next_run(app: LiteQueue) -> None:
    @app.task
    def work() -> None: ...

    app.schedules.add("s", work, every="1h")
    store = app._client.store
    before = store.schedules.rows("s")
    for _ in range(3):
        page = store.pages.schedule("s", NOW)
        assert page is not None and page.row.info.next_tick == page.next_ticks[0]
    assert store.schedules.rows("s") == before


def test_the_next_few_are_those_that_come_first_and_then_the_others(store: Store) -> None:
    add(store, "b", spec_of(Every("1h")), NOW + 2 * HOUR)
    add(store, "a", spec_of(Every("1h")), NOW, paused=1)
    add(store, "c", spec_of(Every("1h")), NOW + HOUR)
    add(store, "d", spec_of(Every("1h")))
    assert [row.info.name for row in store.pages.overview("1h", NOW).schedules] == ["c", "b", "d", "a"]
    assert [row.info.name for row in store.pages.schedules().rows] == ["a", "b", "c", "d"]
