"""A coordinator that something holds up is noticed, and its process left."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.cli import main
from litequeue.doctor import work
from litequeue.store import waiting
from litequeue.worker.coordinator import Coordinator
from litequeue.worker.services import watchdog
from litequeue.worker.services.watchdog import LOOK_SECONDS, LOOKS, SECONDS, Watchdog

from ... import sample
from ...support import FakeClock, wait_until, worker_process

pytestmark = pytest.mark.beside


def look(dog: Watchdog, clock: FakeClock) -> None:
    clock.advance(LOOK_SECONDS)
    dog.look()


def test_it_barks_once_when_nothing_has_moved_for_long_and_at_several_looks(clock: FakeClock) -> None:
    barks: list[int] = []
    moved = clock.monotonic()
    dog = Watchdog(lambda: moved, threading.get_ident(), clock, lambda: barks.append(1))
    for _ in range(5):
        look(dog, clock)
    assert not barks, "it has only just begun"
    clock.advance(SECONDS + 1)
    look(dog, clock)
    assert barks == [1]
    for _ in range(5):
        look(dog, clock)
    assert barks == [1]


def test_a_process_that_was_suspended_is_given_time_to_move(clock: FakeClock) -> None:
    barks: list[int] = []
    at = [clock.monotonic()]
    dog = Watchdog(lambda: at[0], threading.get_ident(), clock, lambda: barks.append(1))
    look(dog, clock)
    clock.advance(10 * SECONDS)
    for _ in range(LOOKS - 1):
        look(dog, clock)
    at[0] = clock.monotonic()
    for _ in range(LOOKS + 1):
        look(dog, clock)
    assert not barks


@pytest.mark.slow
def test_a_worker_process_that_does_not_move_is_left_and_its_jobs_run_elsewhere(sample_app: LiteQueue, db: Path) -> None:
    script = (
        "import sys, time\nfrom litequeue.worker import coordinator\nfrom litequeue.worker.services import watchdog\n"
        "watchdog.SECONDS, watchdog.LOOK_SECONDS = 0.5, 0.1\n"
        "take_in = coordinator.Coordinator._take_in\n"
        "coordinator.Coordinator._take_in = lambda self, ended: time.sleep(600) if self.calls else take_in(self, ended)\n"
        "from litequeue.cli import main\nsys.exit(main())"
    )
    job = sample.add.delay(2, 3)
    with worker_process(db, "--lease", "1", wait=False, program=(sys.executable, "-c", script)) as worker:
        assert worker.wait(20) == 1
        assert worker.stdout is not None
        said = worker.stdout.read()
        assert "the worker has not moved for" in said
    with worker_process(db):
        wait_until(lambda: job.state == "succeeded", 20)
        assert job.get(timeout=1) == 5


@pytest.mark.slow
def test_one_inside_a_program_gives_up_its_jobs_until_it_moves_again(
    sample_app: LiteQueue, db: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its program cannot be left. It said so in the log alone: the job stayed where it was, and doctor found all well."""
    monkeypatch.setattr(watchdog, "SECONDS", 0.5)
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(waiting, "QUIET", 0.7)
    monkeypatch.setattr(work, "SILENT", 1.5)
    gate = threading.Event()
    take_in = Coordinator._take_in

    def held(self: Coordinator, ended: list[Any]) -> None:
        if self.calls and not gate.is_set():
            gate.wait(30)
        take_in(self, ended)

    monkeypatch.setattr(Coordinator, "_take_in", held)
    job = sample.add.delay(2, 3)
    with sample_app.worker(lease=1, name="inside"):
        wait_until(lambda: job.state == "available" and job.info().interruptions == 1, 20)
        wait_until(lambda: any(line.startswith("wrong") and "is late" in line for line in doctor(db, capsys)), 20)
        with worker_process(db, "--threads", 1):
            assert job.get(timeout=20) == 5
        gate.set()
        wait_until(lambda: not any("is late" in line for line in doctor(db, capsys)), 20)
        assert sample.add.delay(2, 4).get(timeout=20) == 6
    assert job.info().attempt == 2


def doctor(db: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    main(["doctor", str(db)])
    return capsys.readouterr().out.splitlines()
