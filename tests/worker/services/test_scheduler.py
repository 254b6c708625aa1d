"""Each tick once, and what becomes of those that could not be on time."""

from __future__ import annotations

import itertools
import json
import logging
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from litequeue import At, Cron, Every, LiteQueue
from litequeue.base.records import TickInfo
from litequeue.store import Store
from litequeue.worker.config import WorkerConfig
from litequeue.worker.discovery import Catalogue
from litequeue.worker.services.declaring import Declarer
from litequeue.worker.services.scheduler import AWAIT_SECONDS, Scheduler

from ...support import FakeClock

SECOND = 1_000_000
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Clockwork:
    """A file, its app and schedulers, on one clock that only the test moves. It is just past noon."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock(int(NOON.timestamp()) * SECOND + 1)
        self.app = LiteQueue(path / "db.sqlite", clock=self.clock)
        self.store = Store(str(path / "db.sqlite"))

    def scheduler(self, boot: str | None = None) -> Scheduler:
        catalogue = Catalogue({}, path=self.store.path, origin=None, monotonic=self.clock.monotonic)
        declarer = Declarer(self.store, catalogue, self.clock, boot)
        return Scheduler(self.store, self.clock, boot, declarer, WorkerConfig(), lambda fires: None)

    def add(self, name: str = "s", **options: Any) -> None:
        if "cron" in options:
            options.setdefault("timezone", "UTC")
        self.app.schedules.add(name, "tasks.f", **options)

    def jobs(self) -> list[int]:
        return [info.id for info in self.app.jobs(limit=1000)][::-1]

    def ticks(self, name: str = "s") -> list[TickInfo]:
        return self.app.schedules.ticks(name, limit=1000)[::-1]

    def outcomes(self) -> list[str]:
        return [f"{tick.at:%H:%M} {tick.outcome}" for tick in self.ticks()]

    def end(self, *jobs: int) -> None:
        for job in jobs:
            assert self.app.job(job).cancel()

    def close(self) -> None:
        self.app.close()
        self.store.close()


@pytest.fixture
def clockwork(tmp_path: Path) -> Iterator[Clockwork]:
    clockwork = Clockwork(tmp_path)
    yield clockwork
    clockwork.close()


def test_a_tick_makes_one_job_that_knows_it_and_the_scheduler_sleeps_until_the_next(clockwork: Clockwork) -> None:
    clockwork.add(cron="*/15 * * * *")
    scheduler = clockwork.scheduler()
    assert scheduler.tick() == pytest.approx(900, abs=0.01)
    assert clockwork.jobs() == []
    clockwork.clock.advance(900)
    assert scheduler.tick() == pytest.approx(900, abs=0.01)
    (job,) = clockwork.jobs()
    info = clockwork.app.job(job).info()
    assert (info.schedule, info.scheduled_for, info.state) == ("s", NOON + timedelta(minutes=15), "available")
    assert clockwork.outcomes() == ["12:15 fired"]


def test_the_log_says_which_job_a_tick_became_and_what_became_of_the_others(
    clockwork: Clockwork, caplog: pytest.LogCaptureFixture
) -> None:
    clockwork.add("backup", cron="30 * * * *", grace="90m")
    clockwork.clock.advance(2.75 * 3600)
    with caplog.at_level(logging.INFO, "litequeue.worker"):
        clockwork.scheduler().tick()
    assert [(record.levelname, record.getMessage().partition(":00+00:00 ")) for record in caplog.records] == [
        ("WARNING", ("schedule backup: tick 2026-03-02 12:30", ":00+00:00 ", "missed: nobody fired it within its grace of 90m")),
        ("INFO", ("schedule backup: tick 2026-03-02 13:30", ":00+00:00 ", "skipped: a later tick stands for it")),
        ("INFO", ("schedule backup: tick 2026-03-02 14:30", ":00+00:00 ", "is job 1")),
    ]


@pytest.mark.parametrize(
    ("away", "said"),
    [
        (60.5, ["59 ticks from {12:00:01} to {12:00:59}, each missed: nobody fired it within its grace of 1s", "tick {12:01:00} is job 1"]),
        (600.5, [
            "ticks from {12:00:01} to {12:08:20} missed: more than 100 ticks passed while nobody fired them",
            "99 ticks from {12:08:21} to {12:09:59}, each missed: nobody fired it within its grace of 1s",
            "tick {12:10:00} is job 1",
        ]),
    ],
)  # fmt: skip
def test_ticks_that_were_missed_one_after_another_are_one_line(
    clockwork: Clockwork, caplog: pytest.LogCaptureFixture, away: float, said: list[str]
) -> None:
    clockwork.add("beat", cron="* * * * * *", seconds=True, grace="1s")
    clockwork.clock.advance(away)
    with caplog.at_level(logging.INFO, "litequeue.worker"):
        clockwork.scheduler().tick()
    said = [re.sub("{(.*?)}", r"2026-03-02 \1+00:00", line) for line in said]
    assert [record.getMessage() for record in caplog.records] == [f"schedule beat: {line}" for line in said]


@pytest.mark.slow
def test_ten_schedulers_that_race_for_a_tick_make_one_job(clockwork: Clockwork) -> None:
    clockwork.add(every="1s")
    schedulers = [clockwork.scheduler() for _ in range(10)]
    for _ in range(20):
        clockwork.clock.advance(1)
        threads = [threading.Thread(target=scheduler.tick) for scheduler in schedulers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        clockwork.end(clockwork.jobs()[-1])
    assert len(clockwork.jobs()) == 20
    assert len({tick.at for tick in clockwork.ticks()}) == 20


@pytest.mark.parametrize(
    ("catch_up", "expected"),
    [
        ("latest", ["12:30 missed", "13:30 missed", "14:30 late"]),
        ("skip", ["12:30 missed", "13:30 missed", "14:30 skipped"]),
    ],
)
def test_after_three_hours_without_a_worker_the_policy_decides(
    clockwork: Clockwork, catch_up: str, expected: list[str]
) -> None:
    clockwork.add(cron="30 * * * *", catch_up=catch_up)
    clockwork.clock.advance(3 * 3600)
    assert clockwork.scheduler().tick() == pytest.approx(1800, abs=0.01)
    assert clockwork.outcomes() == expected
    assert len(clockwork.jobs()) == sum("late" in line for line in expected)


def test_all_catches_up_every_tick_within_grace_one_after_another(clockwork: Clockwork) -> None:
    clockwork.add(cron="30 * * * *", catch_up="all", grace="1d")
    clockwork.clock.advance(3 * 3600)
    scheduler = clockwork.scheduler()
    scheduler.tick()
    assert clockwork.outcomes() == ["12:30 late", "13:30 late", "14:30 late"]
    assert [clockwork.app.job(job).state for job in clockwork.jobs()] == ["available", "blocked", "blocked"]
    clockwork.end(1)
    assert scheduler.tick() <= AWAIT_SECONDS
    assert [clockwork.app.job(job).state for job in clockwork.jobs()] == ["cancelled", "available", "blocked"]
    clockwork.end(2)
    scheduler.tick()
    clockwork.end(3)
    assert scheduler.tick() > AWAIT_SECONDS


def test_ten_years_forward_are_no_storm(clockwork: Clockwork) -> None:
    for catch_up in ("latest", "all", "skip"):
        clockwork.add(catch_up, cron="* * * * *", catch_up=catch_up)
        clockwork.add(f"{catch_up}-interval", every="1s", catch_up=catch_up)
    clockwork.clock.wall += 10 * 366 * 86_400 * SECOND
    begin = time.perf_counter()
    clockwork.scheduler().tick()
    assert time.perf_counter() - begin < 5.0
    jobs = [clockwork.app.job(job).info().schedule for job in clockwork.jobs()]
    assert jobs.count("latest") == 1
    assert jobs.count("latest-interval") == 1
    assert jobs.count("all") <= 61
    assert jobs.count("skip") <= 1
    first = clockwork.ticks("latest")[0]
    assert first.outcome == "missed"
    assert first.through is not None
    assert first.through - first.at > timedelta(days=3650)


def test_a_clock_set_back_repeats_no_tick(clockwork: Clockwork) -> None:
    clockwork.add(cron="*/10 * * * *", overlap="allow")
    scheduler = clockwork.scheduler()
    for _ in range(6):
        clockwork.clock.advance(600)
        scheduler.tick()
    clockwork.clock.wall -= 3600 * SECOND
    for _ in range(12):
        clockwork.clock.advance(600)
        scheduler.tick()
    ticks = [tick.at for tick in clockwork.ticks()]
    assert len(ticks) == len(set(ticks)) == 12
    assert all(b - a == timedelta(minutes=10) for a, b in itertools.pairwise(ticks))


def test_an_overlap_is_skipped_and_says_so(clockwork: Clockwork) -> None:
    clockwork.add(every="10m")
    scheduler = clockwork.scheduler()
    for _ in range(3):
        clockwork.clock.advance(600)
        scheduler.tick()
    assert clockwork.outcomes() == ["12:10 fired", "12:20 skipped", "12:30 skipped"]
    assert "had not ended" in (clockwork.ticks()[1].reason or "")
    clockwork.end(1)
    clockwork.clock.advance(600)
    scheduler.tick()
    assert clockwork.outcomes()[-1] == "12:40 fired"


def test_queued_overlaps_run_one_after_another_and_allowed_ones_together(clockwork: Clockwork) -> None:
    clockwork.add("queued", every="10m", overlap="queue")
    clockwork.add("allowed", every="10m", overlap="allow")
    scheduler = clockwork.scheduler()
    for _ in range(3):
        clockwork.clock.advance(600)
        scheduler.tick()
    states: dict[str, list[str]] = {"queued": [], "allowed": []}
    for info in clockwork.app.jobs()[::-1]:
        states[info.schedule or ""].append(info.state)
    assert states == {"queued": ["available", "blocked", "blocked"], "allowed": ["available"] * 3}
    clockwork.end(next(info.id for info in clockwork.app.jobs()[::-1] if info.schedule == "queued"))
    scheduler.tick()
    queued = [info.state for info in clockwork.app.jobs()[::-1] if info.schedule == "queued"]
    assert queued == ["cancelled", "available", "blocked"]


def test_an_interval_after_the_finish_counts_from_the_end_of_its_job(clockwork: Clockwork) -> None:
    clockwork.add(trigger=Every("10m", after="finish"))
    scheduler = clockwork.scheduler()
    clockwork.clock.advance(600)
    assert scheduler.tick() <= AWAIT_SECONDS
    assert clockwork.app.schedules.get("s").state == "running"
    clockwork.clock.advance(3600)
    scheduler.tick()
    assert len(clockwork.jobs()) == 1
    clockwork.end(1)
    assert scheduler.tick() == pytest.approx(600, abs=0.01)
    clockwork.clock.advance(600)
    scheduler.tick()
    assert clockwork.outcomes() == ["12:10 fired", "13:20 fired"]


def test_an_interval_after_the_finish_goes_on_from_a_tick_that_made_no_job(clockwork: Clockwork) -> None:
    @clockwork.app.task(name="tasks.unique", unique=True)
    def unique() -> None: ...

    clockwork.app.schedules.add("s", unique, trigger=Every("10m", after="finish"))
    scheduler = clockwork.scheduler()
    other = unique.delay()  # it has the key
    for _ in range(2):
        clockwork.clock.advance(600)
        scheduler.tick()
    other.cancel()
    clockwork.clock.advance(600)
    scheduler.tick()
    assert clockwork.outcomes() == ["12:10 skipped", "12:20 skipped", "12:30 fired"]
    clockwork.clock.advance(600)
    scheduler.tick()
    assert clockwork.app.schedules.get("s").state == "running"
    clockwork.end(clockwork.jobs()[-1])
    assert scheduler.tick() == pytest.approx(600, abs=0.01)


def test_a_million_seconds_do_not_drift(clockwork: Clockwork) -> None:
    clockwork.add(every="1s", overlap="allow")
    scheduler = clockwork.scheduler()
    for _ in range(50):
        clockwork.clock.advance(1.013)  # always a little late
        scheduler.tick()
    ticks = [tick.at.timestamp() for tick in clockwork.ticks()]
    assert all((at - ticks[0]) % 1.0 == pytest.approx(0, abs=1e-6) for at in ticks)


def test_a_single_tick_comes_once_and_the_schedule_is_done(clockwork: Clockwork) -> None:
    clockwork.add(trigger=At(NOON + timedelta(hours=1)))
    scheduler = clockwork.scheduler()
    clockwork.clock.advance(3600)
    assert scheduler.tick() > 1000
    assert clockwork.outcomes() == ["13:00 fired"]
    assert clockwork.app.schedules.get("s").state == "done"


def test_reboot_fires_once_in_each_boot_but_not_in_that_of_its_registration(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("litequeue.schedules.face.boot_id", lambda: "first")
    clockwork.add(cron="@reboot")
    clockwork.scheduler("first").tick()
    assert clockwork.jobs() == []
    for boot in ("second", "second", "third"):
        clockwork.clock.advance(60)
        clockwork.scheduler(boot).tick()
        if clockwork.app.job(clockwork.jobs()[-1]).state == "available":
            clockwork.end(clockwork.jobs()[-1])
    assert len(clockwork.jobs()) == 2


def test_jitter_fires_later_by_as_much_for_everybody_and_before_the_next_tick(clockwork: Clockwork) -> None:
    clockwork.add(every="1m", jitter="59s", overlap="allow")
    scheduler = clockwork.scheduler()
    fired = []
    for _ in range(10):
        seconds = scheduler.tick()
        clockwork.clock.advance(seconds)
        scheduler.tick()
        fired.append(clockwork.clock.now())
    ticks = clockwork.ticks()
    assert [tick.outcome for tick in ticks] == ["fired"] * 10
    delays = [(at - int(tick.at.timestamp() * SECOND)) / SECOND for at, tick in zip(fired, ticks, strict=True)]
    assert all(0 <= delay < 60 for delay in delays)
    assert len({round(delay, 3) for delay in delays}) > 5


def test_a_schedule_that_cannot_be_worked_out_is_disabled_and_the_others_go_on(clockwork: Clockwork) -> None:
    clockwork.add("bad", every="1m")
    clockwork.add("good", every="1m")
    with closing(sqlite3.connect(clockwork.store.path)) as planted, planted:
        planted.execute("UPDATE litequeue_schedules SET trigger = '{\"cron\": \"61 * * * *\"}' WHERE name = 'bad'")
    clockwork.clock.advance(60)
    assert clockwork.scheduler().tick() == pytest.approx(60, abs=0.01)
    bad = clockwork.app.schedules.get("bad")
    assert bad.state == "disabled"
    assert "61" in (bad.why or "")
    assert clockwork.app.job(clockwork.jobs()[0]).info().schedule == "good"


@pytest.mark.slow
def test_ten_thousand_schedules_cost_an_idle_scheduler_nothing_and_a_thousand_fire_at_once(clockwork: Clockwork) -> None:
    values = _values(clockwork, "0 3 * * *")
    with clockwork.store.database.write(durable=False) as connection:
        from litequeue.store.schedules import table

        for number in range(10_000):
            row = {**values, "name": f"s{number}", "paused_at": None, "now": clockwork.clock.now()}
            if number < 1000:
                row.update(trigger='{"cron": "0 13 * * *", "timezone": "UTC"}')
                row.update(next_tick_at=values["anchor_at"] - 1 + 3600 * SECOND)
                row.update(fires_at=row["next_tick_at"])
            connection.execute(table.INSERT, row)
    scheduler = clockwork.scheduler()
    idle = min(_seconds(scheduler.tick) for _ in range(20))
    clockwork.clock.advance(3600)
    busy = _seconds(scheduler.tick)
    assert len(clockwork.app.jobs(limit=10_000)) == 1000
    assert idle < 0.002
    assert busy < 0.4  # a quiet machine: see the README; this bound is for a busy one


def _values(clockwork: Clockwork, expr: str) -> dict[str, Any]:
    clockwork.add("template", trigger=Cron(expr, "UTC"))
    known = clockwork.store.schedules.stored("template")
    assert known is not None
    return known.values


def _seconds(function: Any) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def test_pausing_stops_ticks_and_resuming_does_not_make_up_for_them(clockwork: Clockwork) -> None:
    clockwork.add(cron="*/10 * * * *", overlap="allow")
    scheduler = clockwork.scheduler()
    clockwork.app.schedules.pause("s")
    clockwork.clock.advance(3600)
    assert scheduler.tick() > 3000
    assert clockwork.jobs() == []
    clockwork.app.schedules.resume("s")
    assert scheduler.tick() == pytest.approx(600, abs=0.01)
    assert clockwork.jobs() == []


def test_the_history_outlives_the_jobs_and_is_bounded(clockwork: Clockwork) -> None:
    clockwork.add(every="10m", overlap="allow")
    scheduler = clockwork.scheduler()
    clockwork.clock.advance(600)
    scheduler.tick()
    clockwork.end(1)
    clockwork.clock.advance(86_400 * 2)
    assert clockwork.store.operations.prune(clockwork.clock.now(), 1) == 1
    (tick,) = clockwork.ticks()
    assert (tick.job_id, tick.job_state) == (1, "cancelled")
    clockwork.clock.advance(86_400 * 90)
    clockwork.store.ticks.prune(clockwork.clock.now(), 100)
    assert clockwork.ticks() == []


def test_a_clock_that_was_ten_years_ahead_silences_no_schedule_and_repeats_no_tick(clockwork: Clockwork) -> None:
    clockwork.add(cron="*/10 * * * *", overlap="allow")
    scheduler = clockwork.scheduler()
    clockwork.clock.advance(600)
    scheduler.tick()
    ahead = 10 * 366 * 86_400 * SECOND
    clockwork.clock.wall += ahead
    scheduler.tick()
    clockwork.clock.wall -= ahead
    assert scheduler.tick() == pytest.approx(600, abs=0.01)
    for _ in range(3):
        clockwork.clock.advance(600)
        scheduler.tick()
    near = [f"{tick.at:%H:%M} {tick.outcome}" for tick in clockwork.ticks() if tick.at.year == 2026 and tick.job_id]
    assert near == ["12:10 fired", "12:30 fired", "12:40 fired"]  # 12:20 was missed when the clock was ahead
    assert len(clockwork.jobs()) == 4


def test_a_tick_that_was_decided_once_makes_no_second_job(clockwork: Clockwork) -> None:
    clockwork.add(cron="*/10 * * * *", overlap="allow")
    scheduler = clockwork.scheduler()
    clockwork.clock.advance(600)
    scheduler.tick()
    clockwork.clock.wall -= 600 * SECOND
    clockwork.app.schedules.pause("s")
    clockwork.app.schedules.resume("s")  # counted from now, which is before the tick
    clockwork.clock.advance(600)
    scheduler.tick()
    assert clockwork.outcomes() == ["12:10 fired"]
    assert len(clockwork.jobs()) == 1


def test_removing_a_schedule_lets_its_queued_jobs_go_on_one_after_another(clockwork: Clockwork) -> None:
    clockwork.add(every="10m", overlap="queue")
    scheduler = clockwork.scheduler()
    for _ in range(3):
        clockwork.clock.advance(600)
        scheduler.tick()
    clockwork.app.schedules.remove("s")
    scheduler.tick()
    assert [clockwork.app.job(job).state for job in clockwork.jobs()] == ["available", "blocked", "blocked"]
    clockwork.end(1)
    scheduler.tick()
    assert [clockwork.app.job(job).state for job in clockwork.jobs()] == ["cancelled", "available", "blocked"]


# -- a job that does not end -----------------------------------------------------------------------------------


def run(clockwork: Clockwork, *jobs: int) -> None:
    """As a worker's thread would that never comes back."""
    with clockwork.store.database.write(durable=False) as connection:
        for job in jobs:
            connection.execute("UPDATE litequeue_jobs SET state = 'running', worker_id = 1, lease_expires_at = 0 WHERE id = ?", (job,))


def told(clockwork: Clockwork) -> list[dict[str, Any]]:
    commands = [info for info in clockwork.app.jobs(task="litequeue.command", limit=100)]
    return [json.loads(json.loads(info.kwargs)["stdin"]) for info in reversed(commands)]


@pytest.mark.parametrize(
    ("options", "hours"),
    [
        ({"cron": "*/10 * * * *"}, 1), ({"cron": "0 */2 * * *"}, 6), ({"every": "10m"}, 1),
        ({"trigger": Every("10m", after="finish")}, 1), ({"cron": "*/10 * * * *", "overlap": "queue"}, 1),
    ],
    ids=str,
)  # fmt: skip
def test_people_are_told_once_of_a_job_that_keeps_its_schedule_from_going_on(
    clockwork: Clockwork, options: dict[str, Any], hours: int
) -> None:
    clockwork.add(**options, on_failure="tell")
    one, another = clockwork.scheduler(), clockwork.scheduler()
    clockwork.clock.advance(7200 if hours > 1 else 600)
    one.tick()
    tick = clockwork.ticks()[-1].at
    run(clockwork, *clockwork.jobs())
    for passed in range(0, hours * 60, 20):
        assert told(clockwork) == [], passed
        clockwork.clock.advance(1200)
        one.tick()
        another.tick()
    for _ in range(5):
        clockwork.clock.advance(1200)
        one.tick()
        another.tick()
    (event,) = told(clockwork)
    assert (event["event"], event["schedule"], event["since"]) == ("stuck", "s", tick.isoformat())
    assert "its job did not end" in str(next(found for found in clockwork.ticks() if found.at == tick).reason)


def test_people_are_told_of_a_job_that_waits_for_ever_but_not_of_one_that_had_nobody_to_run_it(clockwork: Clockwork) -> None:
    """600 ticks were skipped for a job without code, and nobody was told."""
    clockwork.add(every="10m", on_failure="tell")
    one = clockwork.scheduler()
    clockwork.clock.advance(600)
    one.tick()
    clockwork.clock.advance(12 * 3600)  # a night in which no worker ran
    another = clockwork.scheduler()
    another.tick()
    assert [event["event"] for event in told(clockwork)] == ["missed"]
    for _ in range(9):
        clockwork.clock.advance(1200)
        another.tick()
    assert [event["event"] for event in told(clockwork)].count("stuck") == 1


def test_jobs_that_may_overlap_or_hold_up_nothing_are_no_news(clockwork: Clockwork) -> None:
    clockwork.add("a", every="10m", overlap="allow", on_failure="tell")
    clockwork.add("b", at=NOON + timedelta(minutes=10), on_failure="tell")
    clockwork.add("c", every="10m", on_failure="tell")
    scheduler = clockwork.scheduler()
    clockwork.clock.advance(600)
    scheduler.tick()
    ran = {clockwork.app.job(job).info().schedule: job for job in clockwork.jobs()}
    run(clockwork, ran["a"], ran["b"])
    for _ in range(20):
        clockwork.clock.advance(1200)
        scheduler.tick()
        clockwork.end(*(job for job in clockwork.jobs() if clockwork.app.job(job).info().schedule == "c" and clockwork.app.job(job).state == "available"))
    assert told(clockwork) == []


def test_a_late_tick_says_when_no_worker_ran(clockwork: Clockwork) -> None:
    def worker(start: float, end: float | None, beat: float) -> None:
        micros = [None if at is None else int((NOON.timestamp() + at) * SECOND) for at in (start, end, beat)]
        with clockwork.store.database.write(durable=False) as connection:
            connection.execute(
                "INSERT INTO litequeue_workers (name, pid, host, lock_file, slots, started_at, stopped_at, heartbeat_at)"
                " VALUES ('w', 1, 'h', 'l', '{}', ?, ?, ?)",
                micros,
            )

    clockwork.add(cron="*/10 * * * *", catch_up="all", grace="1d")
    worker(-3600, 120, 110)
    worker(1500, None, 1500)
    clockwork.clock.advance(1500)  # 12:25, and the ticks of 12:10 and 12:20 are due
    clockwork.scheduler().tick()
    for _ in range(3):
        clockwork.clock.advance(600)
        with clockwork.store.database.write(durable=False) as connection:
            connection.execute("UPDATE litequeue_workers SET heartbeat_at = ? WHERE id = 2", (clockwork.clock.now(),))
        clockwork.clock.advance(5)
        clockwork.scheduler().tick()
    found = {f"{tick.at:%H:%M}": (tick.outcome, tick.reason) for tick in clockwork.ticks()}
    assert found["12:10"] == found["12:20"] == ("late", "no worker ran from 2026-03-02 12:02:00+00:00 to 2026-03-02 12:25:00+00:00")
    assert found["12:30"] == ("late", None), "a worker ran, and was busy"
