"""Steps that are worked out beforehand are the ones that would be found when their time has come."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from litequeue import Cron, Every
from litequeue.base.models import Planned, Step
from litequeue.triggers import At, Trigger, spec_of
from litequeue.triggers.firing import bound, first, plan
from litequeue.worker.services import scheduler as module
from litequeue.worker.services.lookahead import Ahead
from litequeue.worker.slow_look import Watch

from ...support import FakeClock
from .test_scheduler import NOON, SECOND, Clockwork

pytestmark = pytest.mark.beside

NOW = int(NOON.timestamp()) * SECOND + 1


@pytest.fixture
def clockwork(tmp_path: Path) -> Iterator[Clockwork]:
    clockwork = Clockwork(tmp_path)
    yield clockwork
    clockwork.close()


TRIGGERS: list[Trigger] = [
    Cron("*/5 * * * *", "UTC"), Cron("* * * * * *", "UTC", seconds=True), Every("1s"), Every("10ms"),
    Every("1m", after="finish"), Every("90s", run_immediately=True), At(NOON.replace(hour=13)),
]  # fmt: skip


@pytest.mark.parametrize("trigger", TRIGGERS, ids=repr)
@pytest.mark.parametrize(("jitter", "catch_up"), [*itertools.product((0, 400_000), ("latest", "skip", "all"))])
def test_a_step_that_is_kept_is_used_only_where_none_other_would_be_found(
    trigger: Trigger, jitter: int, catch_up: str
) -> None:
    known = bound(trigger, NOW)
    tick, fires_at = first(known, "s", jitter, NOW)
    assert tick is not None and fires_at is not None
    row = Planned(1, 0, "s", spec_of(trigger), catch_up, 3600 * SECOND, jitter, NOW, tick, fires_at)
    ahead = Ahead()
    ahead.keep(fires_at, {row: plan(row, known, fires_at)})
    used = 0
    for late in (0, 1, 5_000, 9_999, 10_000, 400_000, 999_999, SECOND, SECOND + 1, 2 * SECOND, 86_400 * SECOND):
        found = ahead.step(row, fires_at + late)
        used += found is not None
        assert found is None or found == plan(row, known, fires_at + late), late
    assert used >= 3
    assert ahead.step(row._replace(revision=1), fires_at) is None


def test_what_comes_next_is_worked_out_once_and_not_again_when_it_is_there(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def counted(row: Planned, trigger: Trigger, now: int) -> Step:
        calls.append(row.name)
        return plan(row, trigger, now)

    monkeypatch.setattr(module, "plan", counted)
    clockwork.add(cron="*/15 * * * *", overlap="allow")
    scheduler = clockwork.scheduler()
    for _ in range(3):
        scheduler.tick()
        scheduler.tick()
    assert calls == ["s"]
    for ticks in (1, 2):
        clockwork.clock.advance(900)
        scheduler.tick()
        assert len(clockwork.jobs()) == ticks
        assert len(calls) == 1 + ticks  # that of the tick after


def test_what_is_changed_after_it_was_worked_out_fires_as_changed(clockwork: Clockwork) -> None:
    clockwork.add("paused", every="10m")
    clockwork.add("updated", every="10m", catch_up="all")
    clockwork.add("removed", every="10m")
    scheduler = clockwork.scheduler()
    scheduler.tick()
    clockwork.app.schedules.pause("paused")
    clockwork.app.schedules.update("updated", every="20m")
    clockwork.app.schedules.remove("removed")
    clockwork.clock.advance(600)
    scheduler.tick()
    assert clockwork.jobs() == []
    clockwork.clock.advance(600)
    scheduler.tick()
    assert [tick.outcome for tick in clockwork.ticks("updated")] == ["fired"]
    assert len(clockwork.jobs()) == 1


@pytest.mark.parametrize(
    "planted",
    ["pool = 'weird'", "expires = 9223372036854775807", "ticks = 9223372036854775807", "anchor_at = 9223372036854775807"],
)
def test_one_planted_row_of_which_no_job_can_be_made_is_disabled_and_takes_none_of_its_batch_along(
    clockwork: Clockwork, planted: str
) -> None:
    for number in range(9):
        clockwork.add(f"s{number}", every="1m")
    with closing(sqlite3.connect(clockwork.store.path)) as connection, connection:
        connection.execute(f"UPDATE litequeue_schedules SET {planted} WHERE name = 's4'")
    scheduler = clockwork.scheduler()
    clockwork.clock.advance(60)
    assert scheduler.tick() == pytest.approx(60, abs=0.01)
    states = {info.name: info.state for info in clockwork.app.schedules.list()}
    assert states == {f"s{number}": "disabled" if number == 4 else "active" for number in range(9)}
    fired = sorted(clockwork.app.job(job).info().schedule or "" for job in clockwork.jobs())
    assert fired == [f"s{number}" for number in range(9) if number != 4]
    assert clockwork.app.schedules.get("s4").why


class StillDatabase:
    """To which nobody commits."""

    def data_version(self) -> int:
        return 1


def test_small_steps_of_the_clock_add_up_to_one_that_is_noticed() -> None:
    clock = FakeClock()
    database: Any = StillDatabase()
    watch = Watch(database, clock)
    watch.look()
    noticed = []
    for _ in range(4):
        clock.advance(0.5)
        clock.wall += 400_000
        noticed.append(watch.look()[1])
    assert noticed == [False, False, True, False]
