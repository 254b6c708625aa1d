"""What is decided of a schedule whose tick has come: pure, so that every case can be put in a table."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from litequeue import At, Cron, Every
from litequeue.base.checks import aware
from litequeue.base.models import Planned, Step
from litequeue.triggers import Trigger, spec_of
from litequeue.triggers.firing import MOST, at_boot, bound, first, go_on_from, plan

pytestmark = pytest.mark.beside

S = 1_000_000
MINUTE, HOUR = 60 * S, 3600 * S
NOON = int(datetime(2026, 3, 2, 12, 0, tzinfo=UTC).timestamp()) * S
HOURLY = Cron("0 * * * *", "UTC")


def row(tick: int = NOON, **fields: Any) -> Planned:
    defaults: dict[str, Any] = {
        "id": 1, "revision": 7, "name": "s", "trigger": spec_of(HOURLY), "catch_up": "latest", "grace": HOUR,
        "jitter": 0, "anchor_at": NOON, "next_tick_at": tick, "fires_at": tick,
    }  # fmt: skip
    return Planned(**{**defaults, **fields})


def said(step: Step) -> list[str]:
    """What becomes of each tick, in hours and minutes from noon."""
    lines = [(due.tick, due.outcome) for due in step.fire] + [(past.tick, past.outcome) for past in step.past]
    return [f"{(tick - NOON) // HOUR}:{(tick - NOON) % HOUR // MINUTE:02} {outcome}" for tick, outcome in sorted(lines)]


@pytest.mark.parametrize(
    ("catch_up", "grace", "late", "expected"),
    [
        # On time, within a second of it, and just past that, whatever the policy.
        *[(policy, grace, late, ["0:00 fired"]) for policy in ("latest", "skip", "all")
          for grace in (0, HOUR) for late in (0, 1, S)],
        # Late: what is left of the policy is a question of the grace.
        ("latest", HOUR, S + 1, ["0:00 late"]),
        ("skip", HOUR, S + 1, ["0:00 late"]),
        ("skip", HOUR, MINUTE, ["0:00 late"]),
        ("skip", HOUR, MINUTE + 1, ["0:00 skipped"]),
        ("skip", 5 * S, 5 * S + 1, ["0:00 missed"]),
        ("all", HOUR, S + 1, ["0:00 late"]),
        ("latest", 0, S + 1, ["0:00 missed"]),
        ("skip", 0, S + 1, ["0:00 missed"]),
        ("all", 0, S + 1, ["0:00 missed"]),
        # At the end of the grace, and past it. Another tick has come by then.
        ("latest", HOUR, HOUR, ["0:00 skipped", "1:00 fired"]),
        ("all", HOUR, HOUR, ["0:00 late", "1:00 fired"]),
        ("skip", HOUR, HOUR, ["0:00 skipped", "1:00 fired"]),
        ("latest", HOUR, HOUR + 1, ["0:00 missed", "1:00 fired"]),
        ("all", HOUR, HOUR + 1, ["0:00 missed", "1:00 fired"]),
        # Hours later.
        ("latest", HOUR, 3 * HOUR + 30 * MINUTE, ["0:00 missed", "1:00 missed", "2:00 missed", "3:00 late"]),
        ("latest", 24 * HOUR, 2 * HOUR + MINUTE, ["0:00 skipped", "1:00 skipped", "2:00 late"]),
        ("all", 24 * HOUR, 2 * HOUR + MINUTE, ["0:00 late", "1:00 late", "2:00 late"]),
        ("all", HOUR, 2 * HOUR + MINUTE, ["0:00 missed", "1:00 missed", "2:00 late"]),
        ("skip", 24 * HOUR, 2 * HOUR + 2 * MINUTE, ["0:00 skipped", "1:00 skipped", "2:00 skipped"]),
        ("latest", 0, 2 * HOUR + 2 * S, ["0:00 missed", "1:00 missed", "2:00 missed"]),
    ],
)  # fmt: skip
def test_catch_up_and_grace_decide_over_late_ticks(catch_up: str, grace: int, late: int, expected: list[str]) -> None:
    step = plan(row(catch_up=catch_up, grace=grace), HOURLY, NOON + late)
    assert said(step) == expected
    assert step.next_tick_at == step.fires_at == NOON + (late // HOUR + 1) * HOUR
    assert (step.id, step.revision, step.seen, step.awaiting, step.boot) == (1, 7, NOON, False, None)


@pytest.mark.slow
def test_every_tick_that_has_come_is_accounted_for_exactly_once() -> None:
    for catch_up, late in itertools.product(("latest", "skip", "all"), range(0, 12 * HOUR, 7 * MINUTE + 13 * S)):
        step = plan(row(catch_up=catch_up), HOURLY, NOON + late)
        ticks = [due.tick for due in step.fire] + [past.tick for past in step.past]
        assert sorted(ticks) == [NOON + n * HOUR for n in range(late // HOUR + 1)], (catch_up, late)
        assert all(past.reason for past in step.past)


@pytest.mark.parametrize("trigger", [Cron("* * * * *", "UTC"), Every("1m", anchor=aware(NOON))])
@pytest.mark.parametrize("count", [MOST - 1, MOST, MOST + 1, MOST + 2, 10_000])
def test_at_most_a_hundred_are_shown_one_by_one_and_the_rest_is_one_range(trigger: Trigger, count: int) -> None:
    step = plan(row(catch_up="all", grace=365 * 24 * HOUR), trigger, NOON + (count - 1) * MINUTE)
    if count <= MOST:
        assert [due.tick for due in step.fire] == [NOON + n * MINUTE for n in range(count)]
        assert step.past == ()
        return
    (past,) = step.past
    assert (past.tick, past.outcome) == (NOON, "missed")
    fired = [due.tick for due in step.fire]
    assert len(fired) == MOST
    # Nothing between the range and the rest, nothing in both.
    through = past.tick if past.through is None else past.through
    assert [through, *fired] == [NOON + n * MINUTE for n in range(count - MOST - 1, count)]
    assert str(MOST) in past.reason


def test_after_ten_years_the_plan_is_quick_and_its_range_ends_where_the_rest_begins() -> None:
    every = Every("1s", anchor=aware(NOON))
    now = NOON + 10 * 366 * 86_400 * S
    step = plan(row(grace=S), every, now)
    gap = step.past[0]
    assert gap.tick == NOON
    assert gap.through == now - MOST * S
    assert step.next_tick_at == now + S
    assert [due.tick for due in step.fire] == [now]


# -- the time --------------------------------------------------------------------------------------


def test_a_clock_set_back_between_reading_and_planning_changes_nothing() -> None:
    """Else the ticks of the hour before, which were fired, would come again."""
    for trigger in (HOURLY, Every("1h", after="finish")):
        step = plan(row(fires_at=NOON + 5 * S), trigger, NOON - 2 * HOUR)
        assert (step.fire, step.past) == ((), ())
        assert (step.seen, step.next_tick_at, step.fires_at) == (NOON, NOON, NOON + 5 * S)


def test_a_tick_that_is_exactly_now_is_the_first_one() -> None:
    for trigger in (HOURLY, Every("1h", anchor=aware(NOON)), At(aware(NOON)), Every("1h", anchor="epoch")):
        assert first(trigger, "s", 0, NOON) == (NOON, NOON)
    assert first(HOURLY, "s", 0, NOON + 1) == (NOON + HOUR, NOON + HOUR)
    assert first(At(aware(NOON)), "s", 0, NOON + 1) == (None, None)


def test_a_single_tick_is_fired_once_late_or_missed_and_has_no_next() -> None:
    at = At(aware(NOON))
    for late, outcome in ((0, "fired"), (HOUR, "late"), (HOUR + 1, "missed")):
        step = plan(row(), at, NOON + late)
        assert said(step) == [f"0:00 {outcome}"]
        assert (step.next_tick_at, step.fires_at) == (None, None)


def test_an_interval_after_the_finish_awaits_its_job_unless_none_was_made() -> None:
    every = bound(Every("10m", after="finish"), NOON - 10 * MINUTE)
    step = plan(row(grace=10 * MINUTE), every, NOON + 5 * MINUTE)
    assert (said(step), step.awaiting, step.next_tick_at, step.fires_at) == (["0:00 late"], True, None, None)
    missed = plan(row(grace=10 * MINUTE), every, NOON + HOUR)
    assert (said(missed), missed.awaiting) == (["0:00 missed"], False)
    assert missed.next_tick_at == NOON + HOUR + 10 * MINUTE
    ended = go_on_from(row(None, fires_at=None), every, NOON + 7 * MINUTE)  # type: ignore[arg-type]
    assert (ended.next_tick_at, ended.fires_at, ended.awaiting) == (NOON + 17 * MINUTE,) * 2 + (False,)


def test_a_boot_is_one_tick_at_the_moment_of_noticing_it() -> None:
    step = at_boot(row(None, fires_at=None), "boot-2", NOON + 5)  # type: ignore[arg-type]
    assert [due.tick for due in step.fire] == [NOON + 5]
    assert (step.boot, step.next_tick_at, step.past) == ("boot-2", None, ())


# -- jitter -----------------------------------------------------------------------------------------


def test_jitter_is_within_its_bound_always_the_same_and_spread_out() -> None:
    delays = []
    for n in range(500):
        tick, fires = first(HOURLY, "s", 10 * MINUTE, NOON + n * HOUR)
        assert (tick, fires) == first(HOURLY, "s", 10 * MINUTE, NOON + n * HOUR)
        assert tick is not None
        assert fires is not None
        delays.append(fires - tick)
    assert 0 <= min(delays) < MINUTE
    assert 9 * MINUTE < max(delays) <= 10 * MINUTE
    assert len(set(delays)) > 490
    assert first(HOURLY, "s", 10 * MINUTE, NOON) != first(HOURLY, "another", 10 * MINUTE, NOON)


@pytest.mark.parametrize("trigger", [Cron("*/5 * * * *", "UTC"), Every("5m", anchor=aware(NOON))])
def test_jitter_ends_before_the_next_tick(trigger: Trigger) -> None:
    for n in range(300):
        tick, fires = first(trigger, "s", HOUR, NOON + n * 5 * MINUTE)
        assert tick is not None
        assert fires is not None
        assert tick <= fires < tick + 5 * MINUTE


def test_a_jittered_tick_is_late_by_the_time_at_which_it_was_to_fire() -> None:
    fires = NOON + 30 * MINUTE
    assert said(plan(row(fires_at=fires, jitter=59 * MINUTE), HOURLY, fires + S)) == ["0:00 fired"]
    assert said(plan(row(fires_at=fires, jitter=59 * MINUTE, grace=0), HOURLY, fires + S + 1)) == ["0:00 missed"]


def test_a_tick_whose_jitter_is_not_over_is_left_for_its_moment() -> None:
    tick, fires = first(HOURLY, "s", 59 * MINUTE, NOON + HOUR)
    assert tick == NOON + HOUR
    assert fires is not None
    assert fires > tick + S
    step = plan(row(jitter=59 * MINUTE, grace=3 * HOUR), HOURLY, fires - 1)
    assert said(step) == ["0:00 late"]
    assert (step.next_tick_at, step.fires_at) == (tick, fires)
    step = plan(row(jitter=59 * MINUTE, grace=3 * HOUR), HOURLY, fires)
    assert said(step) == ["0:00 skipped", "1:00 fired" if fires - tick <= S else "1:00 late"]


# -- a user's own -------------------------------------------------------------------------------------


class Gap:
    """Ticks at 12:00, 12:10 and 15:00, and none after that."""

    def next_after(self, moment: datetime) -> datetime | None:
        ticks = [aware(NOON + n * MINUTE) for n in (0, 10, 180)]
        return next((tick for tick in ticks if tick > moment), None)


class Doubled(Every):
    """A subclass is the user's own: what it overrides counts."""

    def next_after(self, moment: datetime) -> datetime | None:
        return moment + timedelta(microseconds=2 * self.micros)


def test_a_triggers_own_next_after_is_all_that_is_asked() -> None:
    step = plan(row(catch_up="all"), Gap(), NOON + 12 * MINUTE)
    assert said(step) == ["0:00 late", "0:10 late"]
    assert step.next_tick_at == NOON + 3 * HOUR
    assert plan(row(NOON + 3 * HOUR), Gap(), NOON + 3 * HOUR).next_tick_at is None


def test_a_subclass_of_an_interval_keeps_what_it_overrides() -> None:
    assert bound(Doubled("10m"), NOON) == Doubled("10m")
    assert type(bound(Doubled("10m"), NOON)) is Doubled
    assert first(bound(Doubled("10m"), NOON), "s", 0, NOON) == (NOON + 20 * MINUTE,) * 2
