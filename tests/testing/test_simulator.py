"""What a simulation is told and tells; that it is right is held against the store in ``test_against_the_store``, and here over a year."""

from __future__ import annotations

import importlib.util
import itertools
import logging
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from litequeue import (
    Every,
    InvalidArgument,
    InvalidType,
    LiteQueue,
    ScheduleNotFound,
    Snooze,
    chain,
    group,
)
from litequeue.base.checks import MICROS
from litequeue.testing import Attempt, Simulation, simulate

from ..support import ROOT, FakeClock, environment
from .real import Real, assert_equal

pytestmark = pytest.mark.beside

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YEAR = datetime(2026, 1, 1, tzinfo=BERLIN)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def never(*args: object) -> None:
    raise AssertionError("a simulation runs no task")


@pytest.fixture
def paper(tmp_path: Path) -> LiteQueue:
    """An app whose file is not there."""
    return LiteQueue(tmp_path / "nowhere" / "db.sqlite", clock=FakeClock(round(NOON.timestamp()) * MICROS))


def outcomes(run: Simulation, name: str) -> list[str]:
    return [f"{tick.at:%H:%M} {tick.outcome}" for tick in run.ticks(name)]


# -- a year ------------------------------------------------------------------------------------------------------------


def classic_three(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LiteQueue:
    """The example's app, on a file of this test."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    spec = importlib.util.spec_from_file_location("classic_three", ROOT / "examples" / "classic_three.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "classic_three", module)
    spec.loader.exec_module(module)
    app = module.app
    assert isinstance(app, LiteQueue)
    return app


BACKUP, REPORT, CLEAN_UP = "classic_three.backup_database", "classic_three.monthly_report", "classic_three.weekly_clean_up"


@pytest.mark.slow
def test_a_year_of_the_classic_three_is_what_the_scheduler_makes_of_it(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tick for tick, over both changes of the clocks: with retries, timeouts, runs that are too long, two times when the host is off, and a pause."""
    logging.disable()
    app = classic_three(memory, monkeypatch)
    clock = FakeClock(round(NEW_YEAR.timestamp()) * MICROS)
    app._client.clock = clock
    said: dict[str, Any] = {
        "seed": 7, "takes": {BACKUP: ("5m", "80m"), REPORT: "26h", CLEAN_UP: "2m"}, "fails": {BACKUP: 0.2, CLEAN_UP: 0.5},
        "down": [(datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)), (datetime(2026, 8, 1, 7, 30, tzinfo=UTC), datetime(2026, 8, 3, 9, tzinfo=UTC))],
        "paused": {CLEAN_UP: [(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))]},
    }  # fmt: skip
    run = simulate(app, start=NEW_YEAR, **said)
    real = Real(app, clock, **said)
    try:
        real.run(run.end)
        assert_equal(run, real, [BACKUP, REPORT, CLEAN_UP])
    finally:
        real.close()
        app.close()
        logging.disable(logging.NOTSET)
    assert run.schedules == [BACKUP, REPORT, CLEAN_UP]
    assert Counter(tick.outcome for tick in run.ticks(BACKUP)) == {"fired": 362, "late": 1, "missed": 2}
    assert len(run.ticks(REPORT)) == 12
    assert len(run.ticks(CLEAN_UP)) == 47  # without five Sundays in May
    local = Counter(f"{tick.at.astimezone(BERLIN):%H:%M}" for tick in run.ticks(BACKUP))
    assert local == {"03:00": 365}


@pytest.mark.slow
def test_six_weeks_with_every_rule_are_what_the_scheduler_makes_of_them(memory: Path) -> None:
    clock = FakeClock(round(datetime(2026, 2, 20, tzinfo=UTC).timestamp()) * MICROS)
    start = datetime(2026, 2, 20, tzinfo=UTC)
    rules: dict[str, dict[str, Any]] = {
        "left_out": {"cron": "0 */6 * * *", "overlap": "skip", "catch_up": "all", "grace": "1d"},
        "in_line": {"cron": "30 2,14 * * *", "overlap": "queue", "grace": "10m", "jitter": "30m"},
        "at_once": {"every": "7h", "overlap": "allow", "catch_up": "skip", "jitter": "2h"},
    }
    with LiteQueue(memory / "db.sqlite", clock=clock) as app:
        long = app.task(name="long", retries=2, backoff=[600, "2h"])(never)
        for name, options in rules.items():
            app.schedules.add(name, long, **({"timezone": "America/New_York"} if "cron" in options else {}), **options)
        said: dict[str, Any] = {"seed": 3, "takes": ("1h", "9h"), "fails": 0.3, "slots": 2, "down": [(start + timedelta(days=n), start + timedelta(days=n, hours=20)) for n in (3, 30)]}
        run = simulate(app, start=start, days=42, **said)
        real = Real(app, clock, **said)
        real.run(run.end)
        assert_equal(run, real, rules)
        real.close()
    assert {outcome for name in rules for outcome in (tick.outcome for tick in run.ticks(name))} == {"fired", "late", "skipped", "missed"}


@pytest.mark.slow
def test_a_year_of_an_hourly_schedule_with_its_retries_is_thought_through_in_a_second(paper: LiteQueue) -> None:
    """0.6 s here; twice as much is let pass, for a machine that has other things to do."""
    paper.cron("0 * * * *", BERLIN, name="sync")(paper.task(name="sync", retries=3)(never))
    took = []
    for _ in range(2):
        begin = time.process_time()
        run = simulate(paper, start=NEW_YEAR, takes={"sync": "20m"}, fails={"sync": 0.1})
        took.append(time.process_time() - begin)
    assert min(took) < 1.2, took
    assert len(run.ticks("sync")) == 8760
    assert len(run.jobs) < len(run.attempts) < 1.2 * len(run.jobs)


# -- what it is told ---------------------------------------------------------------------------------------------------


def test_the_same_comes_to_the_same_and_another_seed_to_something_else(paper: LiteQueue) -> None:
    paper.every("1h", name="s")(paper.task(name="t", retries=2)(never))
    runs = [simulate(paper, start=NOON, days=5, seed=seed, takes=("1s", "90m"), fails=0.5) for seed in (1, 1, 2)]
    assert runs[0].attempts == runs[1].attempts != runs[2].attempts
    assert runs[0].ticks("s") == runs[1].ticks("s")


def test_what_is_changed_leaves_all_else_as_it_was(paper: LiteQueue) -> None:
    """So that two simulations can be compared: one more schedule, or another backoff, throws no other dice for the rest."""
    first = paper.task(name="first", retries=1, backoff=60)(never)
    paper.every("1h", name="a")(first)
    before = simulate(paper, start=NOON, days=5, takes=("1s", "20m"), fails=0.3)
    paper.every("17m", name="b")(paper.task(name="second", retries=9)(never))
    after = simulate(paper, start=NOON, days=5, takes=("1s", "20m"), fails=0.3)
    assert [tick.finished_at for tick in before.ticks("a")] == [tick.finished_at for tick in after.ticks("a")]


def test_a_run_that_is_too_long_skips_the_next_tick_and_one_that_ends_with_it_too(paper: LiteQueue) -> None:
    paper.cron("0 * * * *", "UTC", name="s")(paper.task(name="t")(never))
    for takes, expected in (("59m", "fired"), ("1h", "skipped"), ("2h", "skipped")):
        run = simulate(paper, start=NOON, days=0.2, takes={"s": takes})
        assert outcomes(run, "s")[:3] == ["12:00 fired", f"13:00 {expected}", "14:00 fired" if takes != "2h" else "14:00 skipped"]


def test_a_host_that_is_off_for_two_days_misses_what_its_grace_does_not_cover(paper: LiteQueue) -> None:
    paper.cron("30 3 * * *", "UTC", name="s", grace="10h")(paper.task(name="t")(never))
    paper.cron("@reboot", name="boot")(paper.task(name="b")(never))
    run = simulate(paper, start=NOON, days=4, down=[(NOON, NOON + timedelta(days=2))])
    assert outcomes(run, "s") == ["03:30 missed", "03:30 late", "03:30 fired", "03:30 fired"]
    assert run.ticks("s")[1].reason == "no worker ran from 2026-03-02 12:00:00+00:00 to 2026-03-04 12:00:00+00:00"
    assert [tick.at for tick in run.ticks("boot")] == [NOON + timedelta(days=2)]


def test_what_runs_when_the_host_goes_off_runs_again_and_is_given_up_at_the_third_time(paper: LiteQueue) -> None:
    paper.every("1d", name="s", run_immediately=True)(paper.task(name="t")(never))
    paper.every("1d", name="once", run_immediately=True)(paper.task(name="o", at_most_once=True)(never))
    run = simulate(paper, start=NOON, days=0.5, takes="2h", down=[(NOON + timedelta(hours=n), NOON + timedelta(hours=n + 1)) for n in (1, 3, 5)])
    ends = {job.schedule: (job.state, job.interruptions, job.attempt) for job in run.jobs}
    assert ends == {"s": ("discarded", 3, 3), "once": ("discarded", 1, 1)}
    assert [attempt.outcome for attempt in run.attempts] == ["interrupted"] * 4


def test_lengths_and_failures_may_be_functions_of_the_attempt(paper: LiteQueue) -> None:
    """An outage of two hours, and a task that asks to run later."""
    seen: list[Attempt] = []

    def outage(attempt: Attempt) -> Any:
        seen.append(attempt)
        if attempt.number == 1 and attempt.job == 1:
            return Snooze("10m")
        return ConnectionError("no answer") if attempt.started_at < NOON + timedelta(hours=2) else None

    paper.every("1d", name="s", run_immediately=True)(paper.task(name="t", retries=5, backoff="30m")(never))
    run = simulate(paper, start=NOON, days=1, takes=lambda attempt: 60 * attempt.number, fails={"t": outage})
    assert [attempt.outcome for attempt in run.attempts] == ["snoozed", "failed", "failed", "failed", "failed", "succeeded"]
    assert run.attempts[1].error == "ConnectionError: no answer"
    assert [attempt.ended_at - attempt.started_at for attempt in run.attempts if attempt.ended_at] == [timedelta(minutes=n) for n in range(1, 7)]
    assert [(attempt.schedule, attempt.number) for attempt in seen] == [("s", n) for n in range(1, 7)]
    assert (run.jobs[0].state, run.jobs[0].failures) == ("succeeded", 4)


def test_a_timeout_ends_an_attempt_and_counts_as_its_failure(paper: LiteQueue) -> None:
    paper.every("1d", name="s", run_immediately=True)(paper.task(name="t", retries=1, backoff=0, timeout="10m")(never))
    run = simulate(paper, start=NOON, days=1, takes="11m")
    assert [(attempt.outcome, attempt.error) for attempt in run.attempts] == [("failed", "TaskTimeout: still running after 600 s")] * 2
    assert run.jobs[0].state == "discarded"


def test_an_apps_own_triggers_and_backoff_functions_are_asked(paper: LiteQueue) -> None:
    class Hours:
        def next_after(self, moment: datetime) -> datetime | None:
            if moment >= NOON + timedelta(hours=3):
                raise OverflowError("no more")
            return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

    paper.schedule(Hours(), name="own")(paper.task(name="t", retries=2, backoff=lambda attempt, error: 60 * attempt)(never))
    run = simulate(paper, start=NOON, days=1, fails=1)
    starts = [attempt.started_at for attempt in run.attempts if attempt.job == 1]
    assert [b - a for a, b in itertools.pairwise(starts)] == [timedelta(minutes=1), timedelta(minutes=2)]
    assert outcomes(run, "own") == ["13:00 fired", "14:00 fired"]
    assert run.left_out == {"own": "OverflowError: no more"}
    late = simulate(paper, start=NOON + timedelta(days=1), days=1)
    assert (late.schedules, late.left_out) == ([], {"own": "OverflowError: no more"})


# -- workflows -----------------------------------------------------------------------------------------------------------


def test_a_workflow_of_a_hundred_jobs_with_four_slots(paper: LiteQueue) -> None:
    fetch, resize, publish = (paper.task(name=name)(never) for name in ("fetch", "resize", "publish"))
    flow = chain(fetch.s(), group(resize.s(n) for n in range(98)), publish.s())
    run = simulate(paper, flow, slots=4, takes="1m", start=NOON)
    assert (run.state, run.took, len(run.jobs)) == ("succeeded", timedelta(minutes=1 + 25 + 1), 100)
    assert [attempt.task for attempt in run.attempts] == ["fetch", *["resize"] * 98, "publish"]
    assert max(Counter(attempt.started_at for attempt in run.attempts).values()) == 4
    assert run.summary().splitlines()[0] == "succeeded after 0:27:00"


def test_a_step_that_fails_cancels_what_needs_it(paper: LiteQueue) -> None:
    one, two, three = (paper.task(name=name, retries=1, backoff=60)(never) for name in ("one", "two", "three"))
    run = simulate(paper, one.s() | two.s() | three.s().set(on_parent_failure="run"), fails={two: 1}, start=NOON)
    assert {job.task: job.state for job in run.jobs} == {"one": "succeeded", "two": "discarded", "three": "succeeded"}
    run = simulate(paper, one.s() | two.s() | three.s(), fails={two: 1}, start=NOON)
    assert (run.state, run.jobs[2].last_error) == ("cancelled", "job 2 (two), which it needed, was discarded")


# -- where it looks ------------------------------------------------------------------------------------------------------


def test_no_file_is_made(paper: LiteQueue) -> None:
    task = paper.task(name="t", on_failure=paper.task(name="told")(never))(never)
    paper.every("1h", name="s")(task)
    simulate(paper, days=1)
    simulate(paper, task.s() | task.s().set(on_success=task))
    assert not Path(paper.path).parent.exists()


def test_without_a_start_the_schedules_of_the_file_go_on_from_where_they_are(memory: Path) -> None:
    clock = FakeClock(round(NOON.timestamp()) * MICROS)
    with LiteQueue(memory / "db.sqlite", clock=clock) as app:
        task = app.task(name="t")(never)
        app.schedules.add("every", task, every="7h")
        app.schedules.add("after", task, trigger=Every("5h", after="finish"))
        app.schedules.add("stopped", task, every="1h", paused=True)
        app.every("3h", name="declared", jitter="10m")(task)
        real = Real(app, clock, takes="10m")
        real.run(NOON + timedelta(days=1))
        clock.advance(3600 * 9)  # nobody ran for a while
        run = simulate(app, days=1, takes="10m")
        before = {name: len(real.ticks(name)) for name in run.schedules}
        real.run(run.end)
        for name in ("every", "after", "declared"):
            there = [(tick.at, tick.decided_at, tick.outcome, tick.finished_at) for tick in real.ticks(name)[before[name] :]]
            assert [(tick.at, tick.decided_at, tick.outcome, tick.finished_at) for tick in run.ticks(name)] == there
        assert run.ticks("stopped") == []
        assert "stopped: 0 ticks (it is paused)" in run.summary()
        real.close()


def test_a_schedule_of_the_file_needs_no_code(memory: Path) -> None:
    with LiteQueue(memory / "db.sqlite") as app:
        app.schedules.add("s", "not.here", cron="0 3 * * *", timezone="UTC", retries=2)
        run = simulate(app, start=NOON, days=2, takes={"s": "5m"}, fails={"not.here": 1}, seed=5)
        assert [(tick.outcome, tick.job_state) for tick in run.ticks("s")] == [("fired", "discarded")] * 2
        assert len(run.attempts) == 6


def test_what_cannot_be_simulated_is_left_out_and_said(memory: Path) -> None:
    with LiteQueue(memory / "db.sqlite") as app:
        task = app.task(name="t")(never)
        app.schedules.add("s", task, cron="0 3 * * *")
        app.schedules.add("broken", task, cron="0 3 * * *")
        known = app._client.store.schedules.stored("broken")
        assert known is not None
        app._client.store.schedules.disable(known, "it broke", 1)
        run = simulate(app, days=1)
        assert (run.schedules, run.left_out) == (["s"], {"broken": "it is disabled"})
        assert run.summary().splitlines()[-1] == "broken: left out, it is disabled"
        with pytest.raises(ScheduleNotFound, match="no schedule named broken was simulated; those are s; it is disabled"):
            run.ticks("broken")


# -- mistakes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"start": datetime(2026, 1, 1)}, InvalidArgument, "start must say its time zone"),
        ({"start": "2026-01-01"}, InvalidType, "start must be a datetime, not str"),
        ({"days": 0}, InvalidArgument, "days must be more than 0"),
        ({"days": "7"}, InvalidType, "days must be a number"),
        ({"seed": "x"}, InvalidType, "seed must be an integer"),
        ({"takes": "20 minutes"}, InvalidArgument, "takes: '20 minutes' is no length of time"),
        ({"takes": {"s": ("2h", "1h")}}, InvalidArgument, "takes of s: the least comes first"),
        ({"takes": {"s": ("2h", "1h", "3h")}}, InvalidArgument, "two lengths of time"),
        ({"takes": {"tt": "1h"}}, InvalidArgument, "takes names tt, and no task or schedule here is called that; did you mean t?"),
        ({"takes": {never: "1h"}}, InvalidType, "task must be a task, made by @app.task, or the name of one, not function"),
        ({"fails": 10}, InvalidArgument, "fails must be a share from 0 to 1, not 10: 10 % are 0.1"),
        ({"fails": {"s": "often"}}, InvalidType, "fails of s must be a share from 0 to 1"),
        ({"fails": lambda attempt: 7}, InvalidArgument, "what the function of fails returned must be a share from 0 to 1, not 7"),
        ({"takes": lambda attempt: None}, InvalidType, "what the function of takes returned must be a length of time"),
        ({"slots": 0}, InvalidArgument, "slots must be from 1 to"),
        ({"slots": {"threads": 4}}, InvalidArgument, "a pool of slots must be one of thread, process, async, not 'threads'"),
        ({"down": [NOON]}, InvalidType, "down must be a list of (from, until), and one of them is"),
        ({"down": [(NOON, NOON)]}, InvalidArgument, "down: until comes after from"),
        ({"down": (NOON, NOON + timedelta(1))}, InvalidType, "down must be a list of (from, until), and one of them is"),
        ({"paused": {"x": []}}, InvalidArgument, "paused names 'x', and no schedule here is called that; there are s"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_once(paper: LiteQueue, given: dict[str, Any], error: type[Exception], said: str) -> None:
    paper.every("1h", name="s")(paper.task(name="t")(never))
    with pytest.raises(error) as caught:
        simulate(paper, **{"start": NOON, "days": 1, **given})
    assert said in str(caught.value)


def test_a_wrong_workflow_is_told_at_once(paper: LiteQueue, tmp_path: Path) -> None:
    task = paper.task(name="t")(never)
    other = LiteQueue(tmp_path / "other.sqlite").task(name="o")(never)
    with pytest.raises(InvalidType, match=r"a workflow must be a signature, a chain or a group, not Task: <Task t>; write task.s"):
        simulate(paper, task)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="its tasks belong to .*other.sqlite, and it is simulated for .*db.sqlite"):
        simulate(paper, other.s())
    with pytest.raises(InvalidArgument, match="paused is of schedules"):
        simulate(paper, task.s(), paused={"s": []})


def test_what_would_never_end_is_refused(paper: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litequeue.testing.simulated.jobs.MOST", 1000)
    paper.every("1h", name="s")(paper.task(name="t")(never))
    with pytest.raises(InvalidArgument, match="more than 1,000 things happen until 2026-03-02 13:00:00"):
        simulate(paper, start=NOON, days=1, fails=Snooze(0))


def test_who_does_not_simulate_pays_nothing() -> None:
    code = "import sys, litequeue, litequeue.testing; print(*[name for name in sys.modules if name.startswith('litequeue.testing')])"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["litequeue.testing"]
