"""Schedules under kills and a clock that is set: each tick once, whoever dies and whatever the clock does."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from litequeue import Every, LiteQueue, errors
from litequeue.clock import SystemClock
from litequeue.store import Store
from litequeue.worker.config import WorkerConfig
from litequeue.worker.declaring import Declarer
from litequeue.worker.discovery import Catalogue
from litequeue.worker.scheduler import Scheduler

from .. import faults
from ..support import (
    FakeClock,
    environment,
    ledger_lines,
    litequeue,
    wait_until,
    worker_process,
)
from . import ticking
from .test_kill_sweeps import contents

SECOND = 1_000_000
HOUR = 3600
TAKE_OVER_SECONDS = 2.0

pytestmark = pytest.mark.slow


class Tick(NamedTuple):
    """A row of the history with what the jobs' table knows of it."""

    at: int
    outcome: str
    decided: int
    job: int | None


class File:
    """A queue, read from outside as anybody could."""

    def __init__(self, db: Path, ledger: Path) -> None:
        self.db = db
        self.ledger = ledger

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.db, timeout=10)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def ticks(self, name: str) -> list[Tick]:
        sql = """SELECT tick_at, outcome, decided_at, job_id FROM litequeue_ticks JOIN litequeue_schedules AS s
        ON s.id = schedule_id WHERE name = ? ORDER BY tick_at"""
        return [Tick(*row) for row in self.rows(sql, name)]

    def fired(self, name: str) -> list[Tick]:
        return [tick for tick in self.ticks(name) if tick.job is not None]

    def assert_each_once(self, *names: str) -> None:
        """One job for each tick that fired, and none besides."""
        for name in names:
            jobs = self.rows(
                "SELECT scheduled_for, j.id FROM litequeue_jobs AS j JOIN litequeue_schedules AS s"
                " ON s.id = schedule_id WHERE name = ?", name,
            )  # fmt: skip
            assert sorted(jobs) == [(tick.at, tick.job) for tick in self.fired(name)], name

    def runs(self, name: str) -> list[tuple[float, float]]:
        """When each run of its jobs began and ended, on the clock that nobody sets."""
        begun: dict[str, float] = {}
        found = []
        for what, schedule, _, job, at in (line.split() for line in ledger_lines(self.ledger)):
            if schedule == name and what == "start":
                begun[job] = float(at)
            elif schedule == name:
                found.append((begun[job], float(at)))
        return found


@pytest.fixture
def file(db: Path, tmp_path: Path) -> Iterator[File]:
    ticking.app._client.bind(str(db))
    yield File(db, tmp_path / "ledger")
    ticking.app.close()


def add(file: File, name: str, lasts: float = 0.0, **options: Any) -> None:
    if "cron" in options:
        options.setdefault("timezone", "UTC")
    ticking.app.schedules.add(name, ticking.tick, args=[str(file.ledger), name, lasts], **options)


def on_grid(ticks: list[Tick], period: int) -> bool:
    return all(b.at - a.at == period for a, b in itertools.pairwise(ticks))


# -- kills ------------------------------------------------------------------------------------------------


def kill_whoever_fires(file: File, folder: Path, every: float, ticks: int, kills: tuple[int, ...]) -> list[float]:
    """Three workers, and the one that fired at certain ticks is killed and replaced. The gaps after the kills."""
    add(file, "s", every=every, overlap="allow", catch_up="all", grace="1h")
    gaps = []
    with contextlib.ExitStack() as workers:
        logs: dict[Path, subprocess.Popen[str]] = {}

        def start() -> None:
            log = folder / f"worker-{len(logs)}.log"
            stream = workers.enter_context(log.open("w"))
            logs[log] = workers.enter_context(worker_process(file.db, wait=False, stdout=stream, stderr=stream))

        def who_fired() -> dict[Path, int]:
            return {log: log.read_text().count(" fired ") for log in logs}

        for _ in range(3):
            start()
        for kill in kills:
            wait_until(lambda nth=kill: len(file.fired("s")) >= nth - 1, ticks * every + 20)
            before, seen = who_fired(), len(file.fired("s"))
            (log, *_) = wait_until(lambda b=before: [x for x, n in who_fired().items() if n > b[x]], every * 4 + 5)
            logs[log].kill()
            killed = time.time()
            wait_until(lambda n=seen: len(file.fired("s")) > n + 1, 10)
            after = [tick for tick in file.fired("s") if tick.decided / SECOND > killed]
            gaps.append(after[0].decided / SECOND - max(killed, after[0].at / SECOND))
            start()
        wait_until(lambda: len(file.fired("s")) >= ticks, ticks * every + 20)
        wait_until(lambda: len({run[0] for run in file.runs("s")}) >= ticks)
    assert on_grid(file.ticks("s"), round(every * SECOND))
    assert len({tick.job for tick in file.ticks("s")}) == len(file.ticks("s")) >= ticks
    file.assert_each_once("s")
    assert sum(process.returncode == -signal.SIGKILL for process in logs.values()) >= len(kills)
    return gaps


def test_killing_whichever_worker_fired_loses_no_tick_of_sixty_and_doubles_none(file: File, tmp_path: Path) -> None:
    gaps = kill_whoever_fires(file, tmp_path, 0.1, 60, (5, 15, 25))
    assert max(gaps) <= TAKE_OVER_SECONDS, gaps


class Clockwork:
    """A scheduler without its worker, on a clock that stands."""

    def __init__(self, db: Path, now: int) -> None:
        self.clock = FakeClock(now)
        self.store = Store(str(db))
        self.store.database.patience = 0.5  # nobody is alive to wait for
        catalogue = Catalogue({}, path=self.store.path, origin=None, monotonic=self.clock.monotonic)
        declarer = Declarer(self.store, catalogue, self.clock, None)
        config = WorkerConfig(on_failure="true")
        self.scheduler = Scheduler(self.store, self.clock, None, declarer, config, lambda fires: None)


def all_kinds(db: Path) -> int:
    """A file with a due schedule of every kind, and one that missed a tick; the time at which they are."""
    clock = FakeClock()
    with LiteQueue(db, clock=clock) as app:
        for overlap in ("skip", "queue", "allow"):
            app.schedules.add(overlap, "tasks.f", every="1m", overlap=overlap)
        app.schedules.add("finish", "tasks.f", trigger=Every("1m", after="finish"))
        clock.advance(60)
        first = Clockwork(db, clock.now())
        first.scheduler.tick()
        first.store.close()
        app.schedules.add("missed", "tasks.f", every="10s")
        app.schedules.add("all", "tasks.f", every="20s", catch_up="all", grace="1h")
        clock.advance(65)
        return clock.now()


def test_a_scheduler_killed_at_any_statement_has_fired_all_or_nothing_and_the_next_one_makes_it_whole(
    tmp_path: Path,
) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    now = all_kinds(origin / "db")
    before = contents(Path(shutil.copytree(origin, tmp_path / "before")) / "db")

    def fire(victim: faults.Victim, db: Path) -> None:
        clockwork = Clockwork(db, now)
        clockwork.store.reports.state(1)  # the opening has a sweep of its own
        victim.arm()
        clockwork.scheduler.tick()
        victim.say("done")

    def attempt(folder: str, nth: int, when: faults.When) -> tuple[Path, faults.End]:
        db = Path(shutil.copytree(origin, tmp_path / folder)) / "db"
        return db, faults.run_victim(lambda victim: fire(victim, db), nth, when)

    db, whole = attempt("whole", 0, "before")
    after = contents(db)
    assert whole.statements >= 15
    assert len(after["litequeue_jobs"]) - len(before["litequeue_jobs"]) >= 7
    for nth, when in itertools.product(range(1, whole.statements + 1), ("before", "after")):
        db, end = attempt(f"{when} {nth}", nth, when)
        where = f"killed {when} statement {nth} of {whole.statements}"
        assert end.killed, where
        found = contents(Path(shutil.copytree(db.parent, tmp_path / "post mortem")) / "db")
        assert found in (before, after), where
        survivor = Clockwork(db, now)
        survivor.scheduler.tick()
        survivor.store.close()
        assert contents(db) == after, where
        shutil.rmtree(db.parent)
        shutil.rmtree(tmp_path / "post mortem")


def test_ten_schedulers_in_ten_processes_fire_each_tick_once(db: Path, tmp_path: Path) -> None:
    names = [f"s{n}" for n in range(4)]
    with LiteQueue(db) as app:
        for name in names:
            app.schedules.add(name, "tasks.f", every="20ms", overlap="allow", catch_up="all", grace="1h")
    end = time.monotonic() + 2.5
    children = [os.fork() for _ in range(10) if os.getpid() == PARENT]
    if 0 in children:
        race(db, end)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 10
    file = File(db, tmp_path)
    file.assert_each_once(*names)
    for name in names:
        ticks = file.ticks(name)
        assert len(ticks) > 60
        assert on_grid(ticks, 20_000)
        assert all(tick.outcome in ("fired", "late") for tick in ticks)


PARENT = os.getpid()


def race(db: Path, end: float) -> None:
    """What a child does, and ends."""
    try:
        store, clock = Store(str(db)), SystemClock()
        catalogue = Catalogue({}, path=store.path, origin=None, monotonic=clock.monotonic)
        fired: list[Any] = []
        scheduler = Scheduler(
            store, clock, None, Declarer(store, catalogue, clock, None), WorkerConfig(), lambda fires: fired.append(1)
        )
        while time.monotonic() < end:
            time.sleep(min(scheduler.tick(), 0.02))
        os._exit(0 if fired else 1)  # one that never won proves nothing
    except BaseException:  # noqa: BLE001 - a child of a fork must not go on as a second pytest
        os._exit(2)


# -- a clock that is set ----------------------------------------------------------------------------------


@contextlib.contextmanager
def shifted_workers(file: File, count: int, *flags: object) -> Iterator[tuple[Path, list[subprocess.Popen[str]]]]:
    """Workers whose wall clock is off by the seconds in a file."""
    clock = file.db.parent / "clock"
    with contextlib.ExitStack() as stack:
        fault = f"shift_clock({str(clock)!r})"
        yield clock, [
            stack.enter_context(faults.faulty_worker(file.db, fault, "--log-level", "error", *flags))
            for _ in range(count)
        ]


@pytest.mark.parametrize("hours", [1, 10 * 365 * 24, -1], ids=["an hour on", "ten years on", "an hour back"])
def test_a_clock_that_is_set_brings_no_storm_repeats_no_tick_and_is_noticed_within_a_second(
    file: File, hours: int
) -> None:
    names = ("interval", "cron")
    add(file, "interval", every="500ms", overlap="allow")
    add(file, "cron", cron="* * * * * *", seconds=True, overlap="allow", catch_up="all", grace="5s")
    add(file, "hourly", cron="0 * * * *")
    with shifted_workers(file, 2) as (clock, _):
        wait_until(lambda: all(len(file.fired(name)) >= 2 for name in names))
        count = {name: len(file.fired(name)) for name in names}
        clock.write_text(str(hours * HOUR))
        began, edge = time.monotonic(), int((time.time() + hours * HOUR) * SECOND)
        if hours > 0:
            # Each goes on in the new time.
            wait_until(lambda: all(file.fired(name)[-1].at > edge for name in names))
            assert time.monotonic() - began < 2.5  # half a second until it is seen, a second until the next tick
            wait_until(lambda: len(file.fired("hourly")) == 1)
        job = ticking.now.delay()
        assert job.get(timeout=5) - began < 5
        time.sleep(max(began + 1.5 - time.monotonic(), 0))  # time for a storm, or for ticks that come again
        more = {name: len(file.fired(name)) - count[name] for name in names}
        seconds = time.monotonic() - began
        assert more["interval"] <= 2 * seconds + 4, more
        assert more["cron"] <= seconds + 9, more  # five of them caught up
        if hours < 0:
            assert sum(more.values()) <= 3  # those between the count and the setting
            clock.write_text("0")
            wait_until(lambda: all(len(file.fired(name)) > count[name] + more[name] for name in names))
        assert len(file.fired("hourly")) <= 1
    file.assert_each_once(*names, "hourly")


def test_a_suspended_machine_makes_up_for_one_tick_of_each_schedule(file: File) -> None:
    add(file, "interval", every="1h")
    add(file, "cron", cron="0 * * * *", grace="2h")
    add(file, "short", every="500ms", overlap="allow")
    with shifted_workers(file, 2) as (clock, workers), contextlib.ExitStack() as asleep:
        wait_until(lambda: len(file.fired("short")) >= 2)
        # Not asleep with the lock in its hand, for the sake of the test's own reading:
        with ticking.app._client.store.database.write(durable=False):
            for worker in workers:
                asleep.enter_context(faults.stopped(worker.pid))
        clock.write_text(str(8 * HOUR))
        slept = len(file.fired("short"))
        asleep.close()
        woke = time.monotonic()
        wait_until(lambda: len(file.fired("interval")) == len(file.fired("cron")) == 1)
        wait_until(lambda: len(file.fired("short")) > slept)
        assert time.monotonic() - woke < 2.5
        time.sleep(1.0)  # time for more
        assert len(file.fired("interval")) == len(file.fired("cron")) == 1
        assert len(file.fired("short")) - slept <= 2 * (time.monotonic() - woke) + 3
        assert len(file.ticks("interval")) == 8  # each of the others is accounted for
    file.assert_each_once("interval", "cron", "short")


def test_after_three_hours_without_a_worker_a_real_one_does_as_each_policy_says(file: File) -> None:
    past = FakeClock(time.time_ns() // 1000 - (3 * HOUR + 600) * SECOND)
    with LiteQueue(file.db, clock=past) as app:
        for policy in ("latest", "skip", "all"):
            grace = "1d" if policy == "all" else None
            args = [str(file.ledger), policy]
            app.schedules.add(policy, ticking.tick, args=args, every="1h", catch_up=policy, grace=grace)
    with worker_process(file.db):
        wait_until(lambda: len(file.runs("all")) == 3)
        wait_until(lambda: len(file.runs("latest")) == 1)
    assert {name: len(file.fired(name)) for name in ("latest", "skip", "all")} == {"latest": 1, "skip": 0, "all": 3}
    assert all(len(file.ticks(name)) == 3 for name in ("latest", "skip", "all"))
    runs = sorted(file.runs("all"))
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(runs))


def test_tasks_longer_than_their_period_do_not_move_the_grid_and_overlap_as_they_were_told(file: File) -> None:
    period = 100_000
    for overlap in ("skip", "queue", "allow"):
        add(file, overlap, 0.23, every=period / SECOND, overlap=overlap, catch_up="all", grace="1h")
    with worker_process(file.db, "--threads", "8", "--log-level", "error"):
        wait_until(lambda: len(file.ticks("skip")) >= 40, 20)
        wait_until(lambda: len(file.ticks("allow")) >= 40, 20)
        for name in ("skip", "queue", "allow"):
            ticking.app.schedules.pause(name)
        wait_until(lambda: len(file.runs("allow")) == len(file.fired("allow")), 20)
        queued = len(file.runs("queue"))
    for name in ("skip", "queue", "allow"):
        assert on_grid(file.ticks(name), period), name
        file.assert_each_once(name)
        # The first came while the worker was starting.
        late = [(tick.decided - tick.at) / SECOND for tick in file.ticks(name)[20:]]
        assert max(late) < 1.0, max(late)
    overlaps = {
        name: any(second[0] < first[1] for first, second in itertools.pairwise(sorted(file.runs(name))))
        for name in ("skip", "queue", "allow")
    }
    assert overlaps == {"skip": False, "queue": False, "allow": True}
    outcomes = Counter(tick.outcome for tick in file.ticks("skip"))
    assert outcomes["skipped"] > outcomes["fired"] > 10
    assert all(tick.job is not None for tick in (*file.ticks("queue"), *file.ticks("allow")))
    assert queued > 10


def test_what_was_edited_or_removed_while_no_worker_ran_has_no_ghost_of_its_old_ticks(file: File) -> None:
    past = FakeClock(time.time_ns() // 1000 - 2 * HOUR * SECOND)
    with LiteQueue(file.db, clock=past) as app:
        for name in ("edited", "removed", "kept"):
            app.schedules.add(name, ticking.tick, args=[str(file.ledger), name], every="30m", grace="1d")
    edited = time.time()
    ticking.app.schedules.update("edited", every="300ms")
    ticking.app.schedules.remove("removed")
    with worker_process(file.db):
        wait_until(lambda: len(file.fired("edited")) >= 2)
        wait_until(lambda: file.runs("kept"))
    assert all(tick.at / SECOND > edited for tick in file.ticks("edited"))
    assert len(file.fired("kept")) == 1
    assert not any(line.split()[1] == "removed" for line in ledger_lines(file.ledger))
    assert file.rows("SELECT count(*) FROM litequeue_jobs WHERE schedule_id NOT IN (SELECT id FROM litequeue_schedules)") == [(0,)]


@pytest.mark.parametrize("hours", [1, -1], ids=["forward", "back"])
def test_timeouts_do_not_mind_a_clock_that_is_set(file: File, hours: int) -> None:
    with shifted_workers(file, 1) as (clock, _):
        short, endless = ticking.busy.delay(str(file.ledger), 1.0), ticking.busy.delay(str(file.ledger), 60.0)
        wait_until(lambda: len(ledger_lines(file.ledger)) == 2)
        began = time.monotonic()
        clock.write_text(str(hours * HOUR))
        assert short.get(timeout=10) == "finished"
        with pytest.raises(errors.JobFailed, match="imeout"):
            endless.get(timeout=10)
        assert 1.0 < time.monotonic() - began < 4.0
        assert [job.info().attempt for job in (short, endless)] == [1, 1]


# -- what should not be in the file, and what is not on the machine ------------------------------------------

PLANTED = {
    "cron": "trigger = '{\"cron\": \"61 * * * *\"}'",
    "pool": "pool = 'weird'",
    "deadline": "expires = 9223372036854775807",
    "count": "ticks = 9223372036854775807",
}


def test_schedules_of_which_no_job_can_be_made_are_disabled_by_a_worker_that_goes_on_with_the_others(
    file: File,
) -> None:
    for name in PLANTED:
        add(file, name, every="200ms")
    add(file, "good", every="200ms")
    with contextlib.closing(sqlite3.connect(file.db)) as connection, connection:
        for name, change in PLANTED.items():
            connection.execute(f"UPDATE litequeue_schedules SET {change} WHERE name = ?", (name,))
    with worker_process(file.db) as worker:
        wait_until(lambda: len(file.runs("good")) >= 3)
        shown = {row["name"]: row for row in json.loads(litequeue("schedules", file.db, "--json").stdout)}
        assert worker.poll() is None
    assert {name: row["state"] for name, row in shown.items()} == {**dict.fromkeys(PLANTED, "disabled"), "good": "active"}
    assert all(shown[name]["why"] for name in PLANTED)


FAILING = """
import os, sys
from litequeue.cli import main
from litequeue.store.schedules import Schedules
honest = Schedules.next_fire
def next_fire(*arguments):
    if os.path.exists(sys.argv[2] + ".fault"):
        raise RuntimeError("out of sorts")
    return honest(*arguments)
Schedules.next_fire = next_fire
sys.exit(main())
"""


def test_an_exception_in_the_schedulers_thread_stops_the_worker_loudly_and_the_next_one_goes_on(
    file: File, tmp_path: Path
) -> None:
    add(file, "s", every="200ms", overlap="allow")
    log = tmp_path / "log"
    program = (sys.executable, "-c", FAILING)
    with log.open("w") as stream, worker_process(file.db, program=program, stdout=stream, stderr=stream) as worker:
        wait_until(lambda: file.fired("s"))
        Path(f"{file.db}.fault").touch()
        assert worker.wait(timeout=10) not in (0, -signal.SIGKILL)
    assert "the scheduler died: RuntimeError('out of sorts')" in log.read_text()
    count = len(file.fired("s"))
    with worker_process(file.db):
        wait_until(lambda: len(file.fired("s")) > count + 1)
    file.assert_each_once("s")


def test_without_zone_data_registering_says_what_to_install_and_what_is_stored_is_disabled_with_it(
    file: File,
) -> None:
    add(file, "berlin", cron="* * * * * *", seconds=True, timezone="Europe/Berlin")
    add(file, "utc", cron="* * * * * *", seconds=True)
    bare = {**environment(), "PYTHONTZPATH": ""}
    # As on a machine that does not have the package tzdata either.
    block = "import sys; sys.modules['tzdata'] = None; from litequeue.cli import main; sys.exit(main())"
    program = (sys.executable, "-c", block)
    words = ("schedule", "add", str(file.db), "x", "--cron", "0 3 * * *", "--timezone", "Europe/Rome", "--", "true")
    done = subprocess.run([*program, *words], env=bare, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "tzdata" in done.stderr
    assert "Traceback" not in done.stderr
    with worker_process(file.db, program=program, env=bare) as worker:
        wait_until(lambda: file.runs("utc"))
        assert worker.poll() is None
    info = ticking.app.schedules.get("berlin")
    assert (info.state, file.fired("berlin")) == ("disabled", [])
    assert "tzdata" in (info.why or "")
    assert file.fired("utc")[0].at % SECOND == 0
    assert ticking.app.schedules.get("utc").next_tick is not None
