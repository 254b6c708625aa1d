"""Tests marked ``beside`` run first, a few at once, each in a forked copy of pytest: most of them wait, and one
waits no shorter alone.

Owns the forks, and bringing home what they report: a marked test is as any other, with its fixtures, its parameters,
its name and its end. Not to be marked: a test whose limit of time a busy neighbour could break, or whose module's
fixtures are dear, since each fork makes them anew.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import signal
import tempfile
import time
import traceback
from collections import deque
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol  # private, but others are built on it

from .prepared import litequeue

# More than there are CPUs, since most of them wait; few enough to strain nobody's limits of time.
AT_ONCE = (os.cpu_count() or 1) + 1


class Forks:
    """Runs tests in forks, in their order; ``reports`` waits for those of one."""

    def __init__(self, items: list[pytest.Item]) -> None:
        self._waiting = deque(items)
        self._running: dict[int, pytest.Item] = {}
        self._done: dict[str, list[pytest.TestReport]] = {}
        self._compiled: object = None
        self._folder = Path(tempfile.mkdtemp(prefix="litequeue-beside-"))

    def reports(self, item: pytest.Item) -> list[pytest.TestReport]:
        if self._compiled is None:
            # The modules by one process, whose start takes five times as long, not by all of the first few; and what
            # runs the command line is then one for all.
            self._compiled = litequeue("worker", self._folder / "db", "--burst", "--import", "tests.sample")
        while item.nodeid not in self._done:
            while self._waiting and len(self._running) < AT_ONCE:
                self._start(self._waiting.popleft())
            self._look()
            time.sleep(0.005)
        return self._done.pop(item.nodeid)

    def _start(self, item: pytest.Item) -> None:
        item.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # one for all, not one a fork
        pid = os.fork()
        if pid == 0:
            try:
                os.setpgid(0, 0)  # so that ``stop`` finds what the test started
                reports = pickle.dumps(_run(item))
                (self._folder / f"{os.getpid()}").write_bytes(reports)
                os._exit(0)
            except BaseException:  # noqa: BLE001 - a child of a fork must not go on as a second pytest
                (self._folder / f"{os.getpid()}").write_text(traceback.format_exc())
                os._exit(1)
        self._running[pid] = item

    def _look(self) -> None:
        for pid, item in list(self._running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            del self._running[pid]
            left = self._folder / f"{pid}"
            said = left.read_bytes() if left.exists() else b""
            if status:
                why = f"its fork ended with {os.waitstatus_to_exitcode(status)}\n{said.decode(errors='replace')}"
                self._done[item.nodeid] = [_death(item, why)]
            else:
                back = item.config.hook.pytest_report_from_serializable
                self._done[item.nodeid] = [back(config=item.config, data=data) for data in pickle.loads(said)]

    def stop(self) -> None:
        """Leave nothing behind, should the session end early."""
        for pid in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        shutil.rmtree(self._folder, ignore_errors=True)


def _run(item: pytest.Item) -> list[object]:
    """In the fork: the test with its fixtures, and all that it reported, fit to be sent."""
    capture = item.config.pluginmanager.getplugin("capturemanager")
    if capture is not None:  # the file in which output is caught is one and the same in all forks
        capture.stop_global_capturing()
        capture.start_global_capturing()
    reports = runtestprotocol(item, log=False)
    send = item.config.hook.pytest_report_to_serializable
    return [send(config=item.config, report=report) for report in reports]


def _death(item: pytest.Item, why: str) -> pytest.TestReport:
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")


_forks = pytest.StashKey[Forks]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """First, so that they are forked from a process in which no fixture and no thread lives yet."""
    beside = [item for item in items if item.get_closest_marker("beside")]
    if len(beside) > 1 and hasattr(os, "fork") and not config.getoption("usepdb"):
        items[:] = beside + [item for item in items if not item.get_closest_marker("beside")]
        config.stash[_forks] = Forks(beside)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    forks = item.config.stash.get(_forks, None)
    if forks is None or not item.get_closest_marker("beside"):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in forks.reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    forks = session.config.stash.get(_forks, None)
    if forks is not None:
        forks.stop()
