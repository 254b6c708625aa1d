"""A short fuzz run is part of the suite: as many cases of each kind as take a few seconds, the same ones each time. And its
judges see what they are there to see."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from litequeue import LitequeueError

from ..fuzz import oracle
from ..fuzz.__main__ import KINDS, run

SEED = 11
CASES = {"rows": 5, "schemas": 9, "crontabs": 7, "expressions": 600, "payloads": 500, "datagrams": 300, "requests": 1500}


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("kind", KINDS)
def test_a_few_seconds_of_each_kind_of_fuzz_find_nothing(kind: str) -> None:
    faults = [fault for number in range(CASES[kind]) if (fault := run(kind, SEED, number))]
    assert not faults, "\n".join(faults)


def test_a_fault_says_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(made: float, _: Path) -> None:
        raise oracle.Fault("it was broken")

    monkeypatch.setitem(KINDS, "rows", SimpleNamespace(make=Random.random, judge=judge))
    said = run("rows", SEED, 3)
    assert said is not None and said == run("rows", SEED, 3) != run("rows", SEED, 4)
    assert "--kind rows --seed 11 --case 3" in said and "input: 0." in said and "it was broken" in said


def _bare() -> None:
    raise LitequeueError


@pytest.mark.parametrize("call", [lambda: 1 / 0, lambda: None + 1, _bare])  # type: ignore[operator]
def test_an_error_of_another_family_is_a_fault(call: Callable[[], Any]) -> None:
    with pytest.raises(oracle.Fault):
        oracle.family(call)


def test_what_does_not_end_is_a_fault() -> None:
    with pytest.raises(oracle.Fault, match="not done within"), oracle.within(0.05):
        sum(0 for _ in itertools.count())
