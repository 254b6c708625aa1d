"""Fixtures, and the check that no test leaves a thread, a process or a descriptor behind."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.base import log
from litequeue.store import Store

from . import prepared, sample
from .support import FakeClock, children_of

pytest_plugins = ["tests.beside"]


MEMORY = Path("/dev/shm")


def pytest_configure(config: pytest.Config) -> None:
    """The part without the slow tests keeps its files in memory, where there is a place for that: a queue is made in 6 ms there
    and in 28 on this disk, most of it waiting. The whole suite works on the disk.

    Let the many processes that the tests start share compiled modules, also where the environment forbids to
    write them: compiling the package anew took half of each one's start (0.54 s against 0.27 s, measured here)."""
    if config.option.markexpr == "not slow" and os.access(MEMORY, os.W_OK):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    compiled = tempfile.mkdtemp(prefix="litequeue-tests-")
    atexit.register(shutil.rmtree, compiled, ignore_errors=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = compiled
    # Started in the background, or under nohup, we ignore what a terminal sends, and so would all that the tests start.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    # What a user's own commands are to use is not for the tests.
    for name in ("LITEQUEUE_DB", "LITEQUEUE_OWN_ENVIRONMENT", "TZ"):
        os.environ.pop(name, None)
    time.tzset()
    # argparse speaks English whatever the user does; and it looks for no translations, which took it a third of its time.
    os.environ["LANGUAGE"] = "C"
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.collectonly:
        prepared.OURS.begin()  # it compiles the package while the tests are collected: 4 s by itself


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests fork on purpose, to see that it does no harm. As a mark it holds under ``-W error`` too."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"))


class Caught(pytest.LogCaptureFixture):
    """What was logged, litequeue's own lines too, which a thread of theirs writes."""

    @property
    def handler(self) -> Any:
        log.flush(5)
        return super().handler


@pytest.fixture
def caplog(request: pytest.FixtureRequest) -> Iterator[pytest.LogCaptureFixture]:
    log.flush(5)  # the lines of the test before
    caught = Caught(request.node, _ispytest=True)
    yield caught
    log.flush(5)
    caught._finalize()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a kill asks nothing of the device, but hundreds of syncs do."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "db.sqlite"


@pytest.fixture
def app(db: Path) -> Iterator[LiteQueue]:
    """An app on a fresh file; its tasks are closures, for threads and coroutines."""
    with LiteQueue(db) as app:
        yield app


@pytest.fixture
def sample_app(db: Path) -> Iterator[LiteQueue]:
    """The importable tasks of tests/sample.py, on a fresh file."""
    sample.app._client.bind(str(db))
    yield sample.app
    sample.app.close()


@pytest.fixture
def store(db: Path) -> Iterator[Store]:
    store = Store(str(db))
    yield store
    store.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def _threads() -> set[threading.Thread]:
    """But for the one that writes litequeue's log, which lives as long as the process."""
    return {t for t in threading.enumerate() if t is not threading.main_thread() and t.name != "litequeue-log"}


def _helper(pid: int) -> bool:
    """multiprocessing's resource tracker, and what commands are forked from, live as long as who started them."""
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            command = file.read()
            return "resource_tracker" in command or prepared.__name__ in command
    except OSError:
        return True


@pytest.fixture(autouse=True)
def no_test_hangs() -> Iterator[None]:
    """A test that waits for ever fails with a traceback instead."""

    def give_up(number: int, frame: object) -> None:
        raise TimeoutError("the test took more than two minutes")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(120)
    yield
    signal.alarm(0)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    threads = _threads()
    processes = set(children_of(os.getpid()))
    yield
    deadline = time.monotonic() + 3
    while True:
        left: list[object] = [t for t in _threads() - threads if t.is_alive()]
        left += [p for p in set(children_of(os.getpid())) - processes if not _helper(p)]
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    assert not left, f"left behind: {left}"
