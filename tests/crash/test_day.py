"""A day in the life of a queue, in three minutes: a fleet under load, and all that befalls one within a year.

Jobs come all the time; meanwhile the workers are replaced one after another, one is killed and one freezes, a queue is paused and forgotten,
the file is copied and the copy runs on the side, and the disk is full for a minute. Then nothing was lost, nothing ran twice but what a dead worker had begun,
and nobody was shown a page of traceback.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from litequeue.base.errors import PASSING

from .. import faults
from ..support import (
    PROGRAM,
    children_of,
    environment,
    ledger_lines,
    litequeue,
    wait_until,
)
from . import day
from .logged import stop

pytestmark = [pytest.mark.slow, pytest.mark.beside]

WORKERS = 4
LEASE = 40  # seconds; the frozen worker is looked at by alerts before it is given up
FULL_SECONDS = 60
RECORDED = ("crunched", "did")


class Producer:
    """Enqueues one job after another, from the thread of its own; an enqueue that was refused is tried again."""

    def __init__(self) -> None:
        self.acked: dict[int, str] = {}  # by job
        self.refused = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        number = 0
        while not self._stop.wait(0.03):
            number += 1
            task = day.crunch if number % 8 == 0 else day.work
            while True:
                try:
                    self.acked[task.delay(f"k{number}").id] = f"k{number}"
                    break
                except PASSING:
                    self.refused += 1
                    if self._stop.wait(0.2):
                        return


class Ran(NamedTuple):
    """What a ledger says of each key."""

    began: collections.Counter[str]
    ended: collections.Counter[str]


def ran(ledger: Path) -> Ran:
    lines = [line.split() for line in ledger_lines(ledger)]
    return Ran(*(collections.Counter(key for said, key in lines if said == word) for word in ("start", "end")))


@contextlib.contextmanager
def running(words: list[object], folder: Path, name: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs on, with its output in ``name.out`` and ``name.err``."""
    with open(folder / f"{name}.out", "w") as out, open(folder / f"{name}.err", "w") as err:
        process = subprocess.Popen(
            [*PROGRAM, *map(str, words)], text=True, env={**environment(), **environ}, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)


def said(folder: Path, name: str) -> str:
    return (folder / name).read_text()


def command(*words: object) -> str:
    """What a command prints that does as it is told."""
    done = litequeue(*words)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout


def ask(db: Path, sql: str, *values: object) -> list[Any]:
    with contextlib.closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql, values).fetchall()


def told(folder: Path) -> list[tuple[str, str]]:
    """Of each alert, in order."""
    path = folder / "alerts.log"
    return [(news["alert"], news["what"]) for news in map(json.loads, path.read_text().splitlines())] if path.exists() else []


def progress(ledger: Path) -> Callable[[], bool]:
    """Whether more has ended since."""
    before = len(ledger_lines(ledger))
    return lambda: len(ledger_lines(ledger)) > before + 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[faults.SmallDisk]:
    signal.alarm(420)  # the day is longer than other tests
    with faults.small_disk(tmp_path / "disk", "64m") as disk:
        day.app._client.bind(str(disk.path / "db"))
        yield disk
        day.app.close()


def test_a_day_in_the_life_of_a_fleet(disk: faults.SmallDisk, tmp_path: Path) -> None:
    db, ledger, beside = disk.path / "db", tmp_path / "ledger", tmp_path / "beside"
    beside.mkdir(mode=0o700)
    day.work.delay("k0").cancel()  # makes the file
    command("alert", "add", db, "frozen", "--when", "worker-frozen", "--for", "0", "--run", f"cat >> {tmp_path}/alerts.log")
    command("alert", "add", db, "forgotten", "--when", "waiting queue=reports >2", "--for", "0", "--run", f"cat >> {tmp_path}/alerts.log")
    flags = ["--threads", 2, "--processes", 1, "--lease", LEASE, "--grace", 10, "--name", "day", "--import", "tests.crash.day"]
    with (
        running(["worker", db, "--workers", WORKERS, *flags], tmp_path, "fleet", DAY_LEDGER=str(ledger)) as fleet,
        running(["logs", db, "-f", "--json"], tmp_path, "logs") as logs,
    ):
        workers = wait_until(lambda: whole(fleet), 30, "the fleet is up")
        with Producer() as producer:
            wait_until(progress(ledger), what="jobs run")
            replaced_one_after_another(fleet, workers)
            killed_and_replaced(fleet)
            frozen = whole(fleet)[0]
            os.kill(frozen, signal.SIGSTOP)
            command("pause", db, "reports")
            reports = [day.work.apply_async((f"report{number}",), queue="reports") for number in range(5)]
            wait_until(lambda: {("frozen", "firing"), ("forgotten", "firing")} <= set(told(tmp_path)), 50, "two alerts fire")
            command("backup", db, beside / "copy")
            wait_until(lambda: frozen not in children_of(fleet.pid) and len(whole(fleet)) == WORKERS, 60, "the frozen one is replaced")
            command("resume", db, "reports")
            done = the_copy_runs_on_the_side(beside, tmp_path)
            wait_until(lambda: {("frozen", "over"), ("forgotten", "over")} <= set(told(tmp_path)), 90, "both are over")
            disk.fill()
            wait_until(lambda: producer.refused, what="an enqueue finds no room")
            time.sleep(FULL_SECONDS)
            assert fleet.poll() is None and logs.poll() is None
            disk.free()
            wait_until(progress(ledger), 30, "jobs run again")
        keys = {**producer.acked, **{job.id: f"report{number}" for number, job in enumerate(reports)}}
        wait_until(lambda: not ask(db, "SELECT 1 FROM litequeue_jobs WHERE finished_at IS NULL"), 60, "all is done")
        wait_until(lambda: f"did {list(keys.values())[-6]}" in said(tmp_path, "logs.out"), what="who follows has seen the last")
        assert {line.split()[1] for line in litequeue("doctor", db).stdout.splitlines() if line.startswith("wrong")} <= {"disk"}, "which is small"
        stop(logs, 10, signal.SIGINT)
        stop(fleet, 30)
    assert fleet.returncode == 0
    assert_nothing_lost_and_nothing_twice(db, keys, ran(ledger))
    assert_all_was_followed(tmp_path, keys, ran(ledger))
    assert collections.Counter(told(tmp_path)) == collections.Counter((name, what) for name in ("frozen", "forgotten") for what in ("firing", "over"))
    assert done > 0
    for name in ("fleet.err", "fleet.out", "logs.err"):
        assert "Traceback" not in said(tmp_path, name), name


def whole(fleet: subprocess.Popen[str]) -> list[int]:
    """The workers, once there are as many as there should be and each has registered."""
    db = Path(fleet.args[4])  # type: ignore[index]
    found = children_of(fleet.pid)
    with contextlib.suppress(sqlite3.Error):
        up = {pid for (pid,) in ask(db, "SELECT pid FROM litequeue_workers WHERE stopped_at IS NULL")}
        if len(found) == WORKERS and set(found) <= up:
            return sorted(found)
    return []


def replaced_one_after_another(fleet: subprocess.Popen[str], workers: list[int]) -> None:
    os.kill(fleet.pid, signal.SIGUSR1)
    wait_until(lambda: (now := whole(fleet)) and not set(now) & set(workers), 60, "all were replaced")


def killed_and_replaced(fleet: subprocess.Popen[str]) -> None:
    victim = whole(fleet)[-1]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: (now := whole(fleet)) and victim not in now, 30, "the dead one is replaced")


def the_copy_runs_on_the_side(beside: Path, tmp_path: Path) -> int:
    """It is restored as another queue, where all that had not ended runs once. How many that was."""
    live, ledger = beside / "side", tmp_path / "side ledger"
    command("restore", live, beside / "copy", "--yes")
    (left,) = ask(live, "SELECT count(*) FROM litequeue_jobs WHERE finished_at IS NULL AND queue <> 'reports'")[0]
    assert ask(live, "SELECT count(*) FROM litequeue_jobs WHERE state = 'running'") == [(0,)]
    command("resume", live, "reports")
    with running(["worker", live, "--burst", "--import", "tests.crash.day"], tmp_path, "side", DAY_LEDGER=str(ledger)) as side:
        assert side.wait(60) == 0
    assert "Traceback" not in said(tmp_path, "side.err")
    assert ask(live, "SELECT DISTINCT state FROM litequeue_jobs WHERE state <> 'cancelled'") == [("succeeded",)]
    found = ran(ledger)
    assert set(found.ended.values()) == {1} and found.began == found.ended
    assert left <= found.ended.total() - 5  # what waited, and what ran, and the reports
    return found.ended.total()


def assert_nothing_lost_and_nothing_twice(db: Path, keys: dict[int, str], found: Ran) -> None:
    states = dict(ask(db, "SELECT id, state FROM litequeue_jobs WHERE task LIKE 'tests.crash.day.%' AND state <> 'cancelled'"))
    assert states == dict.fromkeys(keys, "succeeded"), "each job that was acknowledged is there, and no other"
    interrupted = collections.Counter(dict(ask(db, "SELECT job_id, count(*) FROM litequeue_attempts WHERE outcome = 'interrupted' GROUP BY job_id")))
    for job, key in keys.items():
        assert 1 <= found.ended[key] <= found.began[key] <= 1 + interrupted[job], (job, key, found.began[key], found.ended[key], interrupted[job])
    assert interrupted.total() <= 2 * (2 + 1) + 8, "of the killed and of the frozen one alone, what their slots held and a few that waited there"


def assert_all_was_followed(tmp_path: Path, keys: dict[int, str], found: Ran) -> None:
    lines = collections.Counter(json.loads(line)["text"] for line in said(tmp_path, "logs.out").splitlines())
    missed = [key for key in keys.values() if lines[f"did {key}"] == 0]
    assert not missed, missed
    twice = [key for key in keys.values() if lines[f"did {key}"] > found.ended[key]]
    assert not twice, twice
