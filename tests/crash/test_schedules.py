"""Schedules under kills, long absences and planted rows: each tick once, whoever dies."""

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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import Every, LiteQueue
from litequeue.base.clock import SystemClock
from litequeue.store import Store
from litequeue.worker.config import WorkerConfig
from litequeue.worker.discovery import Catalogue
from litequeue.worker.services.declaring import Declarer
from litequeue.worker.services.scheduler import Scheduler

from .. import faults, prepared
from ..support import (
    FakeClock,
    environment,
    ledger_lines,
    litequeue,
    registered,
    wait_until,
    worker_process,
)
from . import ticking
from .scheduled import HOUR, SECOND, File, on_grid, scheduled_file
from .test_kill_sweeps import contents

TAKE_OVER_SECONDS = 2.0


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    with scheduled_file(tmp_path) as file:
        yield file


# -- kills ------------------------------------------------------------------------------------------------


def kill_whoever_fires(file: File, folder: Path, every: float, ticks: int, kills: tuple[int, ...]) -> list[float]:
    """Three workers, and the one that fired at certain ticks is killed and replaced. The gaps after the kills."""
    gaps = []
    with contextlib.ExitStack() as workers:
        logs: dict[Path, prepared.Process] = {}

        def start() -> None:
            log = folder / f"worker-{len(logs)}.log"
            stream = workers.enter_context(log.open("w"))
            logs[log] = workers.enter_context(prepared.worker_process(file.db, wait=False, stdout=stream))

        def who_fired() -> dict[Path, int]:
            return {log: log.read_text().count(" is job ") for log in logs}

        for _ in range(3):
            start()
        wait_until(lambda: all(registered(file.db, worker.pid) for worker in logs.values()), 40, "the workers register")
        file.add("s", every=every, overlap="allow", catch_up="all", grace="1h")  # only now: no more than 100 are caught up
        for kill in kills:
            wait_until(lambda nth=kill: len(file.fired("s")) >= nth - 1, ticks * every + 20)
            before = who_fired()
            (log, *_) = wait_until(lambda b=before: [x for x, n in who_fired().items() if n > b[x]], every * 4 + 5)
            logs[log].kill()
            killed = time.time()
            after = wait_until(lambda k=killed: [t for t in file.fired("s") if t.decided / SECOND > k], 10)
            gaps.append(after[0].decided / SECOND - max(killed, after[0].at / SECOND))
            start()
        wait_until(lambda: len(file.fired("s")) >= ticks, ticks * every + 20)
        wait_until(lambda: len({run[0] for run in file.runs("s")}) >= ticks)
    assert on_grid(file.ticks("s"), round(every * SECOND))
    assert len({tick.job for tick in file.ticks("s")}) == len(file.ticks("s")) >= ticks
    file.assert_each_once("s")
    assert sum(process.returncode == -signal.SIGKILL for process in logs.values()) >= len(kills)
    return gaps


@pytest.mark.slow
@pytest.mark.paired
def test_killing_whichever_worker_fired_loses_no_tick_of_sixty_and_doubles_none(file: File, tmp_path: Path) -> None:
    gaps = kill_whoever_fires(file, tmp_path, 0.05, 60, (5, 15, 25))
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


@pytest.mark.slow
@pytest.mark.beside
def test_a_scheduler_killed_at_any_statement_has_fired_all_or_nothing_and_the_next_one_makes_it_whole(
    memory: Path,
) -> None:
    origin = memory / "origin"
    origin.mkdir()
    now = all_kinds(origin / "db")
    before = contents(Path(shutil.copytree(origin, memory / "before")) / "db")

    def fire(victim: faults.Victim, db: Path) -> None:
        clockwork = Clockwork(db, now)
        clockwork.store.reports.state(1)  # the opening has a sweep of its own
        victim.arm()
        clockwork.scheduler.tick()
        victim.say("done")

    def attempt(folder: str, nth: int, when: faults.When) -> tuple[Path, faults.End]:
        db = Path(shutil.copytree(origin, memory / folder)) / "db"
        return db, faults.run_victim(lambda victim: fire(victim, db), nth, when)

    db, whole = attempt("whole", 0, "before")
    after = contents(db)
    assert len(whole.statements) >= 15
    assert len(after["litequeue_jobs"]) - len(before["litequeue_jobs"]) >= 7
    for nth, when in faults.kill_points(whole.statements):
        db, end = attempt(f"{when} {nth}", nth, when)
        where = f"killed {when} statement {nth} of {len(whole.statements)}"
        assert end.killed, where
        found = contents(Path(shutil.copytree(db.parent, memory / "post mortem")) / "db")
        assert found in (before, after), where
        survivor = Clockwork(db, now)
        survivor.scheduler.tick()
        survivor.store.close()
        assert contents(db) == after, where
        shutil.rmtree(db.parent)
        shutil.rmtree(memory / "post mortem")


RACERS = 10


@pytest.mark.slow
def test_ten_schedulers_in_ten_processes_fire_each_tick_once(db: Path, tmp_path: Path) -> None:
    names = [f"s{n}" for n in range(4)]
    with LiteQueue(db) as app:
        for name in names:
            app.schedules.add(name, "tasks.f", every="20ms", overlap="allow", catch_up="all", grace="1h")
    winners = tmp_path / "winners"
    winners.touch()
    children = [os.fork() for _ in range(RACERS) if os.getpid() == PARENT]
    if 0 in children:
        race(db, winners)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * RACERS
    with scheduled_file(tmp_path) as file:
        file.assert_each_once(*names)
        for name in names:
            ticks = file.ticks(name)
            assert len(ticks) > 60
            assert on_grid(ticks, 20_000)
            assert all(tick.outcome in ("fired", "late") for tick in ticks)


PARENT = os.getpid()


def decided(store: Store) -> int:
    """How many ticks the schedule with the fewest has had; all have some as soon as anybody has won."""
    with store.database.read() as connection:
        sql = "SELECT min(n) FROM (SELECT count(*) AS n FROM litequeue_ticks GROUP BY schedule_id)"
        return int(connection.execute(sql).fetchone()[0])


def race(db: Path, winners: Path) -> None:
    """What a child does, and ends: it races until everybody has won a tick, and there were more than 60 of each."""
    try:
        store, clock = Store(str(db)), SystemClock()
        catalogue = Catalogue({}, path=store.path, origin=None, monotonic=clock.monotonic)
        fired: list[Any] = []
        scheduler = Scheduler(
            store, clock, None, Declarer(store, catalogue, clock, None), WorkerConfig(), lambda fires: fired.append(1)
        )
        began, won = time.monotonic(), False
        while winners.stat().st_size < RACERS or decided(store) <= 60:
            time.sleep(min(scheduler.tick(), 0.02))
            if fired and not won:
                won = True
                with winners.open("a") as file:
                    file.write("x")
            if time.monotonic() - began > 60:
                os._exit(1)  # one that never won proves nothing
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a child of a fork must not go on as a second pytest
        os._exit(2)


# -- long absences, and long tasks ----------------------------------------------------------------------------


@pytest.mark.beside
def test_after_three_hours_without_a_worker_a_real_one_does_as_each_policy_says(file: File) -> None:
    past = FakeClock(time.time_ns() // 1000 - (3 * HOUR + 600) * SECOND)
    with LiteQueue(file.db, clock=past) as app:
        for policy in ("latest", "skip", "all"):
            grace = "1d" if policy == "all" else None
            args = [str(file.ledger), policy]
            app.schedules.add(policy, ticking.tick, args=args, every="1h", catch_up=policy, grace=grace)
    with prepared.worker_process(file.db):
        wait_until(lambda: len(file.runs("all")) == 3)
        wait_until(lambda: len(file.runs("latest")) == 1)
    assert {name: len(file.fired(name)) for name in ("latest", "skip", "all")} == {"latest": 1, "skip": 0, "all": 3}
    assert all(len(file.ticks(name)) == 3 for name in ("latest", "skip", "all"))
    runs = sorted(file.runs("all"))
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(runs))


@pytest.mark.slow
@pytest.mark.paired
def test_tasks_longer_than_their_period_do_not_move_the_grid_and_overlap_as_they_were_told(file: File) -> None:
    period, names = 50_000, ("skip", "queue", "allow")
    for overlap in names:
        file.add(overlap, 0.115, every=period / SECOND, overlap=overlap, catch_up="all", grace="1h")
    with prepared.worker_process(file.db, "--threads", "8", "--log-level", "error"):
        wait_until(lambda: all(len(file.ticks(name)) >= 40 and len(file.fired(name)) > 10 for name in names), 20)
        wait_until(lambda: len(file.runs("queue")) > 10)
        for name in names:
            file.app.schedules.pause(name)
        wait_until(lambda: len(file.runs("allow")) == len(file.fired("allow")), 20)
    for name in names:
        assert on_grid(file.ticks(name), period), name
        file.assert_each_once(name)
        # The first came while the worker was starting; and any may be late when the machine is busy elsewhere.
        late = sorted((tick.decided - tick.at) / SECOND for tick in file.ticks(name)[20:])
        assert late[len(late) // 2] < 0.5, late
    overlaps = {
        name: any(second[0] < first[1] for first, second in itertools.pairwise(sorted(file.runs(name))))
        for name in names
    }
    assert overlaps == {"skip": False, "queue": False, "allow": True}
    skipped = [tick for tick in file.ticks("skip") if tick.outcome == "skipped"]
    assert len(skipped) > len(file.fired("skip")) > 10
    assert all(tick.job is not None for tick in (*file.ticks("queue"), *file.ticks("allow")))


@pytest.mark.slow
@pytest.mark.beside
def test_what_was_edited_or_removed_while_no_worker_ran_has_no_ghost_of_its_old_ticks(file: File) -> None:
    past = FakeClock(time.time_ns() // 1000 - 2 * HOUR * SECOND)
    with LiteQueue(file.db, clock=past) as app:
        for name in ("edited", "removed", "kept"):
            app.schedules.add(name, ticking.tick, args=[str(file.ledger), name], every="30m", grace="1d")
    edited = time.time()
    file.app.schedules.update("edited", every="300ms")
    file.app.schedules.remove("removed")
    with prepared.worker_process(file.db):
        wait_until(lambda: len(file.fired("edited")) >= 2)
        wait_until(lambda: file.runs("kept"))
    assert all(tick.at / SECOND > edited for tick in file.ticks("edited"))
    assert len(file.fired("kept")) == 1
    assert not any(line.split()[1] == "removed" for line in ledger_lines(file.ledger))
    assert file.rows("SELECT count(*) FROM litequeue_jobs WHERE schedule_id NOT IN (SELECT id FROM litequeue_schedules)") == [(0,)]


# -- what should not be in the file, and what is not on the machine ------------------------------------------

PLANTED = {
    "cron": "trigger = '{\"cron\": \"61 * * * *\"}'",
    "pool": "pool = 'weird'",
    "deadline": "expires = 9223372036854775807",
    "count": "ticks = 9223372036854775807",
}


@pytest.mark.slow
@pytest.mark.beside
def test_schedules_of_which_no_job_can_be_made_are_disabled_by_a_worker_that_goes_on_with_the_others(
    file: File,
) -> None:
    for name in PLANTED:
        file.add(name, every="200ms")
    file.add("good", every="200ms")
    with contextlib.closing(sqlite3.connect(file.db)) as connection, connection:
        for name, change in PLANTED.items():
            connection.execute(f"UPDATE litequeue_schedules SET {change} WHERE name = ?", (name,))
    with prepared.worker_process(file.db) as worker:
        wait_until(lambda: len(file.runs("good")) >= 3)
        shown = {row["name"]: row for row in json.loads(litequeue("schedules", file.db, "--json").stdout)}
        assert worker.poll() is None
    assert {name: row["state"] for name, row in shown.items()} == {**dict.fromkeys(PLANTED, "disabled"), "good": "active"}
    assert all(shown[name]["why"] for name in PLANTED)


FAILING = """
import os, sys
from litequeue.cli import main
from litequeue.store.schedules import Ticks
honest = Ticks.next_fire
def next_fire(*arguments):
    if os.path.exists(sys.argv[2] + ".fault"):
        raise RuntimeError("out of sorts")
    return honest(*arguments)
Ticks.next_fire = next_fire
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.beside
def test_an_exception_in_the_schedulers_thread_stops_the_worker_loudly_and_the_next_one_goes_on(
    file: File, tmp_path: Path
) -> None:
    file.add("s", every="200ms", overlap="allow")
    log = tmp_path / "log"
    program = (sys.executable, "-c", FAILING)
    with log.open("w") as stream, worker_process(file.db, program=program, stdout=stream, stderr=stream) as worker:
        # Before that, it fires in the thread that starts the worker.
        wait_until(lambda: " serves " in log.read_text() and file.fired("s"))
        Path(f"{file.db}.fault").touch()
        assert worker.wait(timeout=10) not in (0, -signal.SIGKILL)
    assert "the scheduler died: RuntimeError('out of sorts')" in log.read_text()
    count = len(file.fired("s"))
    with prepared.worker_process(file.db):
        wait_until(lambda: len(file.fired("s")) > count + 1)
    file.assert_each_once("s")


@pytest.mark.slow
@pytest.mark.beside
def test_without_zone_data_registering_says_what_to_install_and_what_is_stored_is_disabled_with_it(
    file: File,
) -> None:
    file.add("berlin", cron="* * * * * *", seconds=True, timezone="Europe/Berlin")
    file.add("utc", cron="* * * * * *", seconds=True)
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
    info = file.app.schedules.get("berlin")
    assert (info.state, file.fired("berlin")) == ("disabled", [])
    assert "tzdata" in (info.why or "")
    assert file.fired("utc")[0].at % SECOND == 0
    assert file.app.schedules.get("utc").next_tick is not None
