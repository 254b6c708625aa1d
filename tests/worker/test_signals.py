"""Signals to a worker's process: it is left in time, whatever its main thread is in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from litequeue.worker.signals import StopSignals

from ..support import environment, wait_until

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
PROGRAM = f"""
import sqlite3, sys
from litequeue.worker.signals import StopSignals
signals = StopSignals(lambda now: print("now" if now else "stop", flush=True), deadlines=(float(sys.argv[1]), float(sys.argv[2])))
with signals.installed():
    print("ready", flush=True)
    sqlite3.connect(":memory:").execute({ENDLESS!r}).fetchone()
"""


@pytest.fixture
def stuck(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A program that has these deadlines, and whose main thread never comes back to Python."""
    words = [sys.executable, "-P", "-c", PROGRAM, *map(str, request.param)]
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.slow
@pytest.mark.parametrize("stuck", [(0.1, 60.0)], indirect=True)
def test_a_process_is_left_at_its_deadline_while_sqlite_has_the_main_thread(stuck: subprocess.Popen[str]) -> None:
    stuck.send_signal(signal.SIGTERM)
    assert said(stuck) == "stop\n"
    assert stuck.wait(10) == 0


@pytest.mark.slow
@pytest.mark.parametrize("stuck", [(60.0, 0.1)], indirect=True)
def test_the_second_signal_brings_the_deadline_nearer(stuck: subprocess.Popen[str]) -> None:
    stuck.send_signal(signal.SIGTERM)
    assert said(stuck) == "stop\n"
    stuck.send_signal(signal.SIGINT)
    assert said(stuck) == "now\n"
    assert stuck.wait(10) == 130


@pytest.mark.slow
@pytest.mark.parametrize("stuck", [(60.0, 60.0)], indirect=True)
def test_the_third_signal_is_the_last(stuck: subprocess.Popen[str]) -> None:
    for expected in ("stop\n", "now\n"):
        stuck.send_signal(signal.SIGTERM)
        assert said(stuck) == expected
    stuck.send_signal(signal.SIGTERM)
    assert stuck.wait(10) == 128 + signal.SIGTERM


def test_everything_is_put_back_as_it_was() -> None:
    before, reader = signal.getsignal(signal.SIGTERM), os.pipe()
    os.set_blocking(reader[1], False)
    signal.set_wakeup_fd(reader[1], warn_on_full_buffer=False)
    try:
        with StopSignals(lambda now: None, deadlines=(60.0, 60.0)).installed():
            assert signal.getsignal(signal.SIGTERM) is not before
            threads = {thread.name for thread in threading.enumerate()}
            assert "litequeue-signals" in threads
        assert signal.getsignal(signal.SIGTERM) is before
        assert signal.set_wakeup_fd(-1) == reader[1]
        assert "litequeue-signals" not in {thread.name for thread in threading.enumerate()}
    finally:
        signal.set_wakeup_fd(-1)
        for end in reader:
            os.close(end)


FORKS = """
import os, signal
from litequeue.worker.signals import StopSignals
with StopSignals(lambda now: print("stop", flush=True), deadlines=(60.0, 60.0)).installed():
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(7))
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    print("the child has ended", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.slow
@pytest.mark.beside
def test_a_signal_to_a_child_of_a_fork_is_the_childs_alone() -> None:
    done = subprocess.run([sys.executable, "-P", "-c", FORKS], env=environment(), capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "the child has ended\nstop\n"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> tuple[StopSignals, list[bool]]:
    """Signals that force nothing, and how the worker was stopped."""
    monkeypatch.setattr(StopSignals, "_leave_after", lambda self, which: None)
    stops: list[bool] = []
    return StopSignals(stops.append, deadlines=(60.0, 60.0)), stops


@pytest.mark.parametrize("asks_first", [True, False])
def test_who_is_asked_and_told_is_told_once(asked: tuple[StopSignals, list[bool]], asks_first: bool) -> None:
    """A parent asks, and whoever stops the whole group sends a signal: in whatever order, that is one stop, and a second signal is the second."""
    signals, stops = asked
    ways = [lambda: signals.ask(now=False), lambda: os.kill(os.getpid(), signal.SIGTERM)]
    with signals.installed():
        for way in ways if asks_first else reversed(ways):
            way()
            wait_until(lambda: stops == [False])
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: stops == [False, True])
        assert signals.ask(now=True)
    assert stops == [False, True] and signals.exit_code == 130


def test_who_is_asked_to_end_now_is_not_asked_first(asked: tuple[StopSignals, list[bool]]) -> None:
    signals, stops = asked
    assert not signals.ask(now=True), "nobody is there yet"
    with signals.installed():
        assert signals.ask(now=True)
        wait_until(lambda: stops == [False, True])
    assert signals.exit_code == 143
    assert not signals.ask(now=True), "nobody is there any more"


def test_a_signal_to_a_process_that_has_stopped_and_is_about_to_end_is_not_its_exit_code() -> None:
    """As where the supervisor has told it first, and then systemd tells the whole group."""
    code = """import os, signal
from litequeue.worker.signals import StopSignals
signals = StopSignals(lambda now: None, deadlines=(60, 60))
with signals.installed():
    assert signals.ask(now=False)
    while not signals._level:
        pass
os.kill(os.getpid(), signal.SIGTERM)
raise SystemExit(signals.exit_code)"""
    assert subprocess.run([sys.executable, "-c", code], env=environment(), check=False, timeout=30).returncode == 0
