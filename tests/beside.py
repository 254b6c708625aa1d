"""Tests marked ``beside`` run first, a few at once, each in a forked copy of pytest: most of them wait, be it for a
process that they started, and one waits no shorter alone. The quick ones of a file share one fork, and so do all of a file
that is marked ``beside(whole=True)``, since its fixtures are dear.

Owns the forks, and bringing home what they report: a marked test is as any other, with its fixtures, its parameters,
its name and its end. Not to be marked: a test whose limit of time a busy neighbour could break.

Then come those marked ``paired``, as many at once as there are CPUs: tests that mostly wait too, with limits of a second
or so, which one neighbour that waits as well does not break. All others have the machine to themselves.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
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
from _pytest.warnings import catch_warnings_for_item  # private too

from .prepared import litequeue

CPUS = os.cpu_count() or 1
# Of the first, more than there are CPUs, since most of them wait; few enough to strain nobody's limits of time.
AT_ONCE = {"beside": CPUS + 2, "paired": CPUS}


class Forks:
    """Runs batches of tests in forks, in their order; ``reports`` waits for those of one test."""

    def __init__(self, batches: list[list[pytest.Item]], at_once: int) -> None:
        self._waiting = deque(batches)
        self._at_once = at_once
        self._running: dict[int, list[pytest.Item]] = {}
        self._done: dict[str, list[pytest.TestReport]] = {}
        self._compiled: object = None
        self._folder = Path(tempfile.mkdtemp(prefix="litequeue-beside-"))

    def reports(self, item: pytest.Item) -> list[pytest.TestReport]:
        if self._compiled is None:
            # The modules by one process, whose start takes five times as long, not by all of the first few; and what
            # runs the command line is then one for all.
            self._compiled = litequeue("worker", self._folder / "db", "--burst", "--import", "tests.sample")
        while item.nodeid not in self._done:
            while self._waiting and len(self._running) < self._at_once:
                self._start(self._waiting.popleft())
            self._look()
            time.sleep(0.005)
        return self._done.pop(item.nodeid)

    def _start(self, batch: list[pytest.Item]) -> None:
        batch[0].config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # one for all, not one a fork
        pid = os.fork()
        if pid == 0:
            try:
                os.setpgid(0, 0)  # so that ``stop`` finds what the test started
                _run(batch, self._folder / f"{os.getpid()}")
                os._exit(0)
            except BaseException:  # noqa: BLE001 - a child of a fork must not go on as a second pytest
                (self._folder / f"{os.getpid()}.error").write_text(traceback.format_exc())
                os._exit(1)
        self._running[pid] = batch

    def _look(self) -> None:
        for pid, batch in list(self._running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            del self._running[pid]
            for item, said in zip(batch, _said(self._folder / f"{pid}"), strict=False):
                back = item.config.hook.pytest_report_from_serializable
                self._done[item.nodeid] = [back(config=item.config, data=data) for data in said]
            left = [item for item in batch if item.nodeid not in self._done]
            if left:
                error = self._folder / f"{pid}.error"
                why = error.read_text() if error.exists() else ""
                self._done[left[0].nodeid] = [_death(left[0], f"its fork ended with {os.waitstatus_to_exitcode(status)}\n{why}")]
                if left[1:]:
                    self._waiting.appendleft(left[1:])

    def stop(self) -> None:
        """Leave nothing behind, should the session end early."""
        for pid in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        shutil.rmtree(self._folder, ignore_errors=True)


def _run(batch: list[pytest.Item], told: Path) -> None:
    """In the fork: the tests with their fixtures, and all that each reported, fit to be sent."""
    capture = batch[0].config.pluginmanager.getplugin("capturemanager")
    if capture is not None:  # the file in which output is caught is one and the same in all forks
        capture.stop_global_capturing()
        capture.start_global_capturing()
    with told.open("ab") as file:
        for item, following in itertools.zip_longest(batch, batch[1:]):
            # Else those of whichever test this was forked from would hold.
            with catch_warnings_for_item(config=item.config, ihook=item.ihook, when="runtest", item=item):
                reports = runtestprotocol(item, log=False, nextitem=following)
            send = item.config.hook.pytest_report_to_serializable
            pickle.dump([send(config=item.config, report=report) for report in reports], file)
            file.flush()


def _said(told: Path) -> list[list[object]]:
    """What the tests of a fork reported, as far as it came."""
    found = []
    with contextlib.suppress(FileNotFoundError, EOFError, pickle.UnpicklingError), told.open("rb") as file:
        while True:
            found.append(pickle.load(file))
    return found


def _death(item: pytest.Item, why: str) -> pytest.TestReport:
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")


def _batches(items: list[pytest.Item]) -> list[list[pytest.Item]]:
    """The files that stay whole, each slow one by itself, and then the quick ones by their files, those with the most first."""
    slow: list[list[pytest.Item]] = []
    whole: dict[Path, list[pytest.Item]] = {}
    quick: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if any(mark.kwargs.get("whole") for mark in item.iter_markers("beside")):
            whole.setdefault(item.path, []).append(item)
        elif item.get_closest_marker("slow"):
            slow.append([item])
        else:
            quick.setdefault(item.path, []).append(item)
    return [*whole.values(), *slow, *sorted(quick.values(), key=len, reverse=True)]


_forks = pytest.StashKey[dict[str, Forks]]()


def _mark(item: pytest.Item) -> str:
    return next((mark for mark in AT_ONCE if item.get_closest_marker(mark)), "")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """First, so that they are forked from a process in which no fixture and no thread lives yet."""
    if not hasattr(os, "fork") or config.getoption("usepdb"):
        return
    forks, first = config.stash.setdefault(_forks, {}), []
    for mark, at_once in AT_ONCE.items():
        marked = [item for item in items if _mark(item) == mark]
        if len(marked) > 1:
            batches = _batches(marked)
            first += itertools.chain(*batches)
            forks[mark] = Forks(batches, at_once)
    items[:] = [*first, *(item for item in items if _mark(item) not in forks)]
    if forks:
        gc.freeze()  # or each fork's collections would go through all that pytest has made until here, and copy it


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    forks = item.config.stash.get(_forks, {}).get(_mark(item))
    if forks is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in forks.reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    for forks in session.config.stash.get(_forks, {}).values():
        forks.stop()
