"""CPython's own tests of executors, from the interpreter's ``test`` package, with an executor of ours in the place of a thread pool.

The generic ones are run as they are. In the scripts that some of them run the import of the standard library's executor is replaced.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.futures.executor import Executor

from ..support import ROOT

pytestmark = pytest.mark.beside

SUITES = ("ExecutorTest", "WaitTests", "AsCompletedTests", "ExecutorShutdownTest", "ThreadPoolShutdownTest", "ThreadPoolExecutorTest", "ThreadPoolWaitTests")
MODULES = ("executor", "test_wait", "test_as_completed", "test_shutdown", "test_thread_pool", "util")
# Of the thread pool's own suites, too, what speaks of nothing but executors; here is why the rest does not apply.
NOT_OURS = {
    "test_no_stale_references": "submits the method of a live object, of which a job can know nothing",
    "test_free_reference": "returns live objects; that a map holds no result is in tests/futures",
    "test_pending_calls_race": "submits a closure",
    "test_map_submits_without_iteration": "submits a closure; in tests/futures there is a map, too, whose results nobody takes",
    "test_executor_map_current_future_cancel": "submits closures; the same is in tests/futures",
    "test_saturation": "submits a closure, and counts the pool's threads by a private name",
    "test_hang_global_shutdown_lock": "hands the executor itself to its calls, which no process could be given",
    "test_threads_terminate": "submits a closure, and joins the pool's threads by a private name",
    "test_default_workers": "asks a private name for a number that app.worker has otherwise",
    "test_idle_thread_reuse": "counts the pool's threads by a private name",
    "test_thread_names_assigned": "names the pool's threads, which are a worker's here, with its name",
    "test_thread_names_default": "the same",
    "test_context_manager_shutdown": "makes a ThreadPoolExecutor, and joins its threads by a private name",
    "test_del_shutdown": "the same; in tests/futures an executor is dropped with calls to come",
    "test_shutdown_no_wait": "the same; in tests/futures shutdown does not wait",
}
if sys.version_info < (3, 13):
    NOT_OURS["test_cancel_futures_wait_false"] = "took for granted, until gh-116682, that a call has begun when submit returns"
SLEEPERS = ("test_map_timeout", "test_first_", "test_20369", "test_duplicate_futures", "test_future_times_out", "test_interpreter_", "test_submit_after_interpreter",
            "test_hang_", "test_cancel_futures", "test_timeout")  # fmt: skip


def cpythons() -> dict[str, Any]:
    """The suites of this Python by name; up to 3.12.0 they are in one file."""
    found: dict[str, Any] = {}
    try:
        package = importlib.import_module("test.test_concurrent_futures")
        modules = [package] if not hasattr(package, "__path__") else [importlib.import_module(f"{package.__name__}.{name}") for name in MODULES]
    except (ImportError, unittest.SkipTest):
        return {}
    for module in modules:
        found |= {name: getattr(module, name) for name in SUITES if hasattr(module, name)}
    return found


def cases() -> Iterator[Any]:
    """Each test once, of the first suite that has it."""
    seen = set[str]()
    suites = cpythons()
    for suite in SUITES:
        for name in sorted(vars(suites.get(suite, object))):
            if name.startswith("test_") and name not in seen:
                seen.add(name)
                if name not in NOT_OURS:
                    yield pytest.param(suites[suite], name, id=f"{suite}.{name}", marks=[pytest.mark.slow] if name.startswith(SLEEPERS) else [])


ALL = list(cases())
needs_them = pytest.mark.skipif(not ALL, reason="this Python comes without test.test_concurrent_futures (Debian has it in libpython3.X-testsuite)")


class Ours(unittest.TestCase):
    worker_count = 5
    executor_type: Callable[..., Executor]

    def setUp(self) -> None:
        self.executor = self.executor_type(max_workers=self.worker_count)

    def tearDown(self) -> None:
        self.executor.shutdown(wait=True)


@needs_them
@pytest.mark.parametrize(("suite", "name"), ALL)
def test_cpythons_own_tests_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite: Any, name: str) -> None:
    module: Any = sys.modules[suite.__module__]
    if hasattr(module, "assert_python_ok"):
        monkeypatch.setattr(module, "assert_python_ok", with_ours(module.assert_python_ok, tmp_path / "script"))

    def executor_type(max_workers: int | None = None) -> Executor:
        return LiteQueue(Path(tempfile.mkdtemp(dir=tmp_path)) / "db").executor(max_workers)

    own = {key: value for key, value in vars(suite).items() if not key.startswith("__")}
    case = type(suite.__name__, (Ours,), {**own, "executor_type": staticmethod(executor_type)})
    result = unittest.TestResult()
    case(name).run(result)
    assert not result.failures + result.errors, "\n".join(text for _, text in result.failures + result.errors)
    for _, why in result.skipped:
        pytest.skip(why)


def with_ours(assert_python_ok: Callable[..., Any], path: Path) -> Callable[..., Any]:
    def run(option: str, script: str) -> Any:
        head = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom litequeue import LiteQueue\n"
        for name in ("executor_type", "ThreadPoolExecutor"):
            script = script.replace(f"from concurrent.futures import {name}\n", f"{name} = LiteQueue({str(path)!r}).executor\n")
        return assert_python_ok(option, head + script)

    return run


@needs_them
def test_each_that_is_left_out_is_one_of_theirs() -> None:
    theirs = {name for suite in cpythons().values() for name in vars(suite)}
    late = {"test_executor_map_current_future_cancel", "test_default_workers", "test_pending_calls_race"}
    assert NOT_OURS.keys() - theirs <= late
    assert len(ALL) > 25
