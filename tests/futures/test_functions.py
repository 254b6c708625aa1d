"""Which functions an executor takes, and what it says of the others."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from litequeue import InvalidArgument, InvalidType, LiteQueue
from litequeue.base.models import TaskOrigin
from litequeue.futures.functions import again, code_of

from ..support import ROOT
from . import calls

pytestmark = pytest.mark.beside


@pytest.fixture
def code(app: LiteQueue) -> Iterator[Callable[..., Any]]:
    yield functools.partial(code_of, app._client, app._tasks, pool="thread")


def test_what_its_module_has_under_its_name_is_a_task_of_that_name(app: LiteQueue, code: Callable[..., Any]) -> None:
    taken = [calls.add, calls.doubled, calls.cached, calls.Thing.static, calls.Thing.made, calls.later, pow, int, Fraction]
    found = {code(function).name: code(function) for function in taken}
    here = "tests.futures.calls"
    assert list(found) == [f"{here}.add", f"{here}.doubled", f"{here}.cached", f"{here}.Thing.static", f"{here}.Thing.made", f"{here}.later",
                           "builtins.pow", "builtins.int", "fractions.Fraction"]  # fmt: skip
    assert app._tasks.keys() == found.keys()
    assert [found[name].function(3) for name in found if name.startswith(here) and "later" not in name] == [3, 6, 4, -3, "Thing 3"]
    assert found["builtins.pow"].function(2, 3) == 8 and found["builtins.int"].function("7", base=8) == 7
    assert {name: code.columns.max_attempts for name, code in found.items()} == dict.fromkeys(found, 1), "an exception is told at once"
    assert found[f"{here}.later"].columns.pool == "async"


def test_a_task_is_taken_as_it_is_also_by_its_function(app: LiteQueue, code: Callable[..., Any]) -> None:
    task = app.task(retries=3)(calls.add)
    assert code(task) is code(calls.add) is task.__litequeue_code__
    assert task.__litequeue_code__.found_by is None


@pytest.mark.parametrize(("function", "why"), [
    (lambda: 1, r"<lambda> of tests\.futures\.test_functions cannot be found again .*: write it with def at the top level"),
    (functools.partial(calls.add, 1), r"a functools\.partial has no name .*: submit its function with the arguments"),
    (calls.Thing().method, r"Thing\.method is bound to an object, which a worker does not have"),
    (calls.numbers, "numbers is a generator: calling it runs nothing"),
    (calls.first, r"calls\.shadowed is another object than this function, .*: submit tests\.futures\.calls\.shadowed"),
    (calls.doubled.__wrapped__, r"calls\.doubled is another object than this function"),  # type: ignore[attr-defined]
    ([].append, r"tasks, and functions at the top level of a module, not <built-in method append"),
    ("calls.add", r"not 'calls\.add'"),
    (None, "not None"),
    ([], r"not \[\]"),
], ids=str)  # fmt: skip
def test_what_has_no_name_of_its_own_is_refused_with_what_to_do(app: LiteQueue, code: Callable[..., Any], function: Any, why: str) -> None:
    def inner() -> None:
        pass

    with pytest.raises(InvalidType, match=why) as caught:
        code(function)
    assert isinstance(caught.value, TypeError)
    with pytest.raises(InvalidType, match=r"<locals>\.inner of .* cannot be found again"):
        code(inner)
    assert not app._tasks


def test_of_a_shell_and_of_another_app_they_are_refused(app: LiteQueue, code: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = types.ModuleType("__console__")
    shell.f = types.FunctionType((lambda: None).__code__, {}, "f")
    shell.f.__module__, shell.f.__qualname__ = "__console__", "f"
    monkeypatch.setitem(sys.modules, "__console__", shell)
    with pytest.raises(InvalidArgument, match=r"f is made in a shell or a notebook, .*: submit a task, made with @app\.task\(name=\.\.\.\)"):
        code(shell.f)
    with LiteQueue(tmp_path / "other") as other, pytest.raises(InvalidArgument, match=r"calls\.add is a task of another app"):
        code(other.task(calls.add))


def test_two_executors_of_an_app_run_a_function_in_the_same_pool(app: LiteQueue) -> None:
    first = code_of(app._client, app._tasks, calls.add, "thread")
    assert code_of(app._client, app._tasks, calls.add, "thread") is first
    with pytest.raises(InvalidArgument, match=r"another executor of this app runs tests\.futures\.calls\.add in its pool 'thread', and this one would in 'process'"):
        code_of(app._client, app._tasks, calls.add, "process")


def test_a_process_finds_it_by_its_name_for_the_app_of_the_file(app: LiteQueue) -> None:
    origin = TaskOrigin("tests.futures.calls.add", "tests.futures.calls", "add", str(ROOT), "{}")
    found = again(app.path, origin)
    assert found.function is calls.add and found.codec is app._client.codec and found.hooks is app._client.hooks
