"""The suite's own marks, read from its syntax trees: the part without the slow tests answers about everything, soon. And that
it passes however it is started."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .support import ROOT, environment, parsed

pytestmark = pytest.mark.beside

TESTS = Path(__file__).parent
FILES = sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py"))

# Files in which nothing is quick, and where something quick is about the same.
WHOLLY_SLOW = {
    "crash/test_backup.py": "backup/test_making.py",
    "crash/test_backup_kills.py": "backup/test_restoring.py",
    "crash/test_chaos.py": "crash/test_sigkill.py",
    "crash/test_clock.py": "worker/services/test_scheduler.py",
    "crash/test_container.py": "crash/test_signals.py",
    "crash/test_day.py": "cli/fleet/test_plan.py",
    "crash/test_executors.py": "futures/test_executor.py",
    "crash/test_failing_device.py": "crash/test_locks_and_space.py",
    "crash/test_hostile_links.py": "workflow/test_callbacks.py",
    "crash/test_left_behind.py": "worker/test_embedded.py",
    "crash/test_many_processes.py": "store/file/test_database.py",
    "crash/test_pool_children.py": "pools/test_contract.py",
    "crash/test_power_cut.py": "store/file/test_database.py",
    "crash/test_schedule_clocks.py": "worker/services/test_scheduler.py",
    "crash/test_signals_of_children.py": "crash/test_signals.py",
    "crash/test_task_code.py": "pools/test_contract.py",
    "crash/test_task_output.py": "pools/test_contract.py",
    "pools/test_spawning.py": "pools/test_contract.py",
    "pools/test_without_private_names.py": "pools/test_contract.py",
    "peers/test_django.py": "worker/services/test_declaring.py",
    **dict.fromkeys((f"peers/celery/test_{name}.py" for name in ("guide", "moving", "rabbitmq", "same_tasks", "workers")), "peers/celery/test_exporting.py"),
    **dict.fromkeys((f"peers/test_django_{name}.py" for name in ("guide", "own", "tasks", "testing")), "worker/test_importing.py"),
    "peers/test_compat_celery.py": "compat/test_celery.py",
    "peers/test_servers.py": "worker/test_embedded.py",
    "peers/test_greenlets.py": "tasks/test_naming.py",
    "peers/test_pyinstaller.py": "worker/test_embedded.py",
    "pools/test_error_names.py": "pools/test_contract.py",
    "store/test_history_model.py": "store/test_levels.py",
    "store/test_transitions.py": "store/test_jobs.py",
    "test_examples.py": "test_readme.py",
    "trust/test_containers.py": "base/test_trust.py",
    "trust/test_datagrams.py": "worker/test_parts.py",
    "trust/test_groups.py": "worker/test_parts.py",
    "trust/test_several_accounts.py": "cli/test_service.py",
    "trust/test_identity.py": "trust/test_workers_folder.py",
    "trust/test_roots_commands.py": "cli/test_crontab.py",
    "trust/test_roots_look.py": "store/file/test_mark.py",
    "trust/test_system_crontab.py": "cli/test_crontab.py",
    "trust/test_working_directory.py": "cli/test_service.py",
    "web/test_browser.py": "web/pages/test_pages.py",
    "web/test_in_a_browser.py": "web/pages/test_pages.py",
    "worker/test_late_programs.py": "worker/test_embedded.py",
    "worker/test_logging.py": "base/test_log.py",
    "worker/test_process_code.py": "pools/test_contract.py",
}
NAP = 0.5  # seconds
NEIGHBOURLY = {"beside": 2.0, "paired": 1.0}  # seconds that the neighbours of a test may cost it


class Marked(NamedTuple):
    """A test function, with its marks and those of its file."""

    function: ast.FunctionDef | ast.AsyncFunctionDef
    marks: set[str]


def marks(*nodes: ast.AST) -> set[str]:
    """The marks that stand in decorators and in ``pytestmark``; not those of single parameters."""
    found = set()
    for node in nodes:
        for part in [*node.elts] if isinstance(node, ast.List) else [node]:
            text = ast.unparse(part)
            if text.startswith("pytest.mark."):
                found.add(text.split(".")[2].partition("(")[0])
    return found


@functools.cache
def tree(file: str) -> ast.Module:
    return parsed(TESTS / file)


@functools.cache
def found_in(file: str) -> list[Marked]:
    own = [node.value for node in tree(file).body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"]
    return [
        Marked(node, marks(*own, *node.decorator_list))
        for node in tree(file).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


@functools.cache
def constants(file: str) -> dict[str, float]:
    """The numbers that the file names."""
    return {
        ast.unparse(node.targets[0]): float(node.value.value)
        for node in tree(file).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, int | float)
    }


def number(node: ast.AST, file: str) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    return constants(file).get(ast.unparse(node))


def naps(test: Marked, file: str) -> Iterator[float]:
    for node in ast.walk(test.function):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep":
            seconds = number(node.args[0], file)
            if seconds is not None:
                yield seconds


CLOCKS = ("monotonic()", "perf_counter()")


def limits(test: Marked, file: str) -> Iterator[float]:
    """The seconds within which something has to have happened, by the clock on the wall."""
    nodes = list(ast.walk(test.function))
    taken = {  # names of how long something took
        ast.unparse(node.targets[0])
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and ast.unparse(node.value).startswith(
            tuple(f"time.{clock}" for clock in CLOCKS))
    }  # fmt: skip
    for node in nodes:
        if isinstance(node, ast.Compare) and isinstance(node.ops[-1], ast.Lt | ast.LtE):
            left = ast.unparse(node.left)
            seconds = number(node.comparators[-1], file)
            if seconds is not None and (left in taken or any(clock in left for clock in CLOCKS)):
                yield seconds


def test_each_file_has_a_quick_test_or_is_known_to_have_none() -> None:
    without = {file for file in FILES if found_in(file) and all("slow" in test.marks for test in found_in(file))}
    assert without == set(WHOLLY_SLOW)
    for stand_in in WHOLLY_SLOW.values():
        assert stand_in in FILES and stand_in not in without


def test_who_sleeps_is_slow() -> None:
    for file in FILES:
        for test in found_in(file):
            assert "slow" in test.marks or max(naps(test, file), default=0.0) < NAP, (file, test.function.name)


def test_who_is_in_a_hurry_has_no_busy_neighbours() -> None:
    for file in FILES:
        for test in found_in(file):
            for mark in test.marks & NEIGHBOURLY.keys():
                cost = NEIGHBOURLY[mark]
                assert min(limits(test, file), default=cost) >= cost, (file, test.function.name)


@pytest.mark.filterwarnings("ignore:of a test beside others:UserWarning")
def test_a_test_beside_others_has_its_own_filters_of_warnings() -> None:
    warnings.warn("of a test beside others", stacklevel=1)


def test_and_not_those_of_others() -> None:
    with pytest.raises(UserWarning):
        warnings.warn("of a test beside others", stacklevel=1)


# What is sensitive to what a process inherits.
SENSITIVE = (
    "crash/test_signals.py::test_an_idle_worker_leaves_within_a_second[SIGINT]",
    "cli/test_cli.py::test_a_database_that_was_forgotten_is_asked_for",
    "schedules/test_schedules.py::test_an_update_keeps_the_next_tick_unless_the_time_is_another",
    "test_architecture.py::test_a_command_imports_nothing_that_it_does_not_need",
)


@pytest.mark.slow
def test_it_passes_in_the_background_of_somebody_with_settings_of_his_own(tmp_path: Path) -> None:
    """As ``nohup pytest &`` in a script: without a terminal, an input, and the signals that a terminal sends."""
    settings = {"LITEQUEUE_DB": str(tmp_path / "own.sqlite"), "TZ": "Asia/Kolkata", "LANG": "C", "PYTHONUTF8": "0"}
    environ = {name: value for name, value in (environment() | settings).items() if name != "HOME"}
    words = ["sh", "-c", "trap '' INT QUIT HUP; umask 077; exec \"$@\" <&-", "sh", sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*words, f"--basetemp={tmp_path / 'its'}", *(f"tests/{name}" for name in SENSITIVE)],  # or it closes ours to others
        cwd=ROOT, env=environ, start_new_session=True, stdout=subprocess.PIPE, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "own.sqlite").exists()
