"""``doctor --alive`` and ``--quiet``: what a container's health check, and who wants to hear of trouble alone, are told."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base.checks import MICROS
from litequeue.cli.doctor import exit_code
from litequeue.doctor.examining import alive
from litequeue.store import Store
from litequeue.store.workers import Registration

from ..prepared import litequeue, worker_process
from ..support import wait_until

pytestmark = pytest.mark.beside

HOST = "here"


def register(store: Store, host: str = HOST, silent: float = 0.0) -> Registration:
    """A worker of this process that beat last so many seconds ago."""
    now = time.time_ns() // 1000 - int(silent * MICROS)
    return store.workers.register(name=f"w-{host}", host=host, wake_port=None, queues=None, slots={"thread": 1}, now=now)


@pytest.fixture
def store(db: Path) -> Iterator[Store]:
    made = Store(str(db))
    made.database.open()
    yield made
    made.close()


def found(store: Store) -> tuple[int, str]:
    findings = list(alive(store.path, HOST))
    return exit_code(findings), "\n".join(finding.text for finding in findings)


def test_a_worker_that_beats_lives_and_one_without_a_beat_for_two_minutes_does_not(store: Store) -> None:
    assert found(store) == (1, "no worker of this host, here, serves this file")
    for silent, code in ((0.0, 0), (100.0, 0), (130.0, 1)):
        registration = register(store, silent=silent)
        assert found(store)[0] == code, silent
        store.workers.stopped(registration.id, time.time_ns() // 1000)
        registration.close()
    assert found(store)[0] == 1, "it has signed off"


def test_only_workers_of_this_host_count_and_one_that_lives_will_do(store: Store) -> None:
    made = [register(store, "elsewhere")]
    assert found(store) == (1, "no worker of this host, here, serves this file")
    made.append(register(store, silent=500.0))
    code, text = found(store)
    assert code == 1 and text.startswith("w-here (process ") and "is late: its last beat was" in text
    made.append(register(store))
    assert found(store)[0] == 0
    for one in made:
        one.close()


def test_nothing_else_that_is_wrong_with_a_queue_makes_its_worker_dead(db: Path) -> None:
    """A restart would mend none of it, and cost the jobs that run."""
    with LiteQueue(db) as app:
        app.enqueue("no.such.task")
        app.schedules.add("late", "no.such.task", every="1h")
        with app._client.store.database.write(durable=False) as connection:
            connection.execute("UPDATE litequeue_schedules SET fires_at = 1")
            connection.execute("UPDATE litequeue_jobs SET run_at = 1, created_at = 1")
        registration = app._client.store.workers.register(
            name="w", host=socket.gethostname(), wake_port=None, queues=["mail"], slots={"thread": 1}, now=time.time_ns() // 1000
        )  # fmt: skip
        done = litequeue("doctor", db, "--quiet")
        assert done.returncode == 1
        lines = done.stdout.splitlines()
        assert {line.split()[0] for line in lines} == {"wrong"} and {line.split()[1] for line in lines} >= {"jobs", "schedules"}
        done = litequeue("doctor", db, "--alive")
        assert done.returncode == 0 and done.stdout.startswith("ok       workers      w (process ")
        done = litequeue("doctor", db, "--alive", "--quiet")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        registration.close()


def test_a_file_that_cannot_be_used_has_its_own_exit_code(tmp_path: Path, db: Path) -> None:
    done = litequeue("doctor", tmp_path / "none.sqlite", "--alive", "--quiet")
    assert done.returncode == 4 and done.stdout.startswith("unusable open")
    assert not (tmp_path / "none.sqlite").exists()
    with LiteQueue(db) as app:
        app.enqueue("t")
    assert litequeue("doctor", db, "--quiet").stdout == "", "that nobody serves it is no more than a note"
    for flags, says in ((("--quiet", "--json"), "--quiet few"), (("--alive", "--full"), "--alive at one thing")):
        done = litequeue("doctor", db, *flags)
        assert done.returncode == 2 and says in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_file_that_somebody_holds_for_long_has_a_worker_that_lives(store: Store) -> None:
    registration = register(store)
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert found(store)[0] == 0
        assert time.monotonic() - began < 2
    registration.close()


@pytest.mark.slow
def test_a_worker_that_is_frozen_or_killed_does_not_live(db: Path) -> None:
    with worker_process(db) as worker:
        assert litequeue("doctor", db, "--alive", "--quiet").returncode == 0
        os.kill(worker.pid, signal.SIGSTOP)
        done = litequeue("doctor", db, "--alive", "--quiet")
        assert done.returncode == 1 and "is frozen" in done.stdout
        os.kill(worker.pid, signal.SIGCONT)
        wait_until(lambda: litequeue("doctor", db, "--alive", "--quiet").returncode == 0)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(10)
        assert litequeue("doctor", db, "--alive", "--quiet").returncode == 1
