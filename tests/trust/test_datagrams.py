"""Datagrams. Any user of the host can send one to a worker; it must cost the worker next to nothing."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from litequeue import LiteQueue
from litequeue.base.bell import LOOK, TIMES, WAIT
from litequeue.store.file import Database

from ..support import wait_until
from .world import OTHER, OWNER, World, as_user, command, python, sql, started

HOST = "127.0.0.1"
SECONDS = 1.5  # of a flood
RATE = 4000
FORGED = 9000  # waiters


class Served(NamedTuple):
    db: Path
    pid: int
    port: int


@pytest.fixture
def served(world: World) -> Iterator[Served]:
    """A queue that a worker serves."""
    db = world.queue(world.folder("home", mode=0o700))
    world.tasks(world.folder("app"))
    with started(OWNER, command("worker", db, "--log-level", "error", "--grace", 1, "--import", world.root / "app/tasks.py")) as worker:
        port = wait_until(lambda: port_of(db), what="the worker is up")
        yield Served(db, worker.pid, port)


def port_of(db: Path) -> int | None:
    row = sql(OWNER, db, lambda connection: connection.execute("SELECT wake_port FROM litequeue_workers").fetchone())
    return None if row is None else row[0]


def flood(port: int, byte: bytes) -> None:
    begin, sent = time.monotonic(), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        while (now := time.monotonic() - begin) < SECONDS:
            for _ in range(int(now * RATE) - sent):
                sock.sendto(byte, (HOST, port))
                sent += 1
            time.sleep(0.001)


@pytest.mark.slow
@pytest.mark.beside
def test_a_waiter_that_cannot_know_the_file_is_told_nothing(served: Served) -> None:
    def ask() -> int:
        heard = 0
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(20)]
            for sock in socks:
                sock.sendto(WAIT, (HOST, served.port))
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                for sock in select.select(socks, [], [], 0.05)[0]:
                    heard += len(sock.recv(16))
        return heard

    assert as_user(OTHER, ask) == 0


@pytest.mark.slow
@pytest.mark.parametrize("byte", [LOOK, TIMES, b"x"])
def test_forged_looks_that_find_nothing_are_paced(world: World, db: Path, byte: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    with LiteQueue(db) as app, app.worker(threads=1, processes=0):
        port, _ = wait_until(lambda: app._client.store.workers.addresses(), what="the worker is up")[0]
        for name in ("one", "read", "write"):
            count(monkeypatch, name, asked)
        as_user(OTHER, lambda: flood(port, byte))
        looks = len(asked)
    assert looks < 100 * SECONDS


def count(monkeypatch: pytest.MonkeyPatch, name: str, asked: list[str]) -> None:
    """Each use of the file by this process."""
    real = getattr(Database, name)

    def counted(self: Database, *args: Any, **kwargs: Any) -> Any:
        asked.append(name)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Database, name, counted)


ROUND_TRIPS = """
import sys, time
sys.path.insert(0, {app!r})
import tasks
tasks.app._client.bind({db!r})
tasks.f.delay().get(timeout=20)
begin = time.monotonic()
for _ in range(30):
    tasks.f.delay().get(timeout=20)
print(time.monotonic() - begin)
"""


def round_trips(world: World, served: Served) -> float:
    done = python(OWNER, ROUND_TRIPS.format(app=str(world.root / "app"), db=str(served.db)))
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.slow
def test_forged_waiters_do_not_slow_a_queue_down(world: World, served: Served) -> None:
    def forge() -> None:
        for _ in range(FORGED):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(WAIT, (HOST, served.port))

    before = round_trips(world, served)
    as_user(OTHER, forge)
    assert round_trips(world, served) < 6 * before


# -- what goes on working ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_who_waits_for_a_result_is_woken(world: World, served: Served) -> None:
    """Thirty results in far less than the half second that each would take by looking."""
    assert round_trips(world, served) < 5.0
