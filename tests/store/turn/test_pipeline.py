"""The list of a turn's steps: what each may assume is written down, and a step with nothing to do costs no statement."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from litequeue.store import Store
from litequeue.store.turn import Demand, Turn, pipeline

from ...support import FakeClock, new_job

pytestmark = pytest.mark.beside


@pytest.mark.parametrize("step", pipeline.STEPS, ids=lambda step: step.__name__)
def test_each_step_says_what_it_may_assume(step: pipeline.Step) -> None:
    assert "may assume" in (inspect.getdoc(step) or "").lower()
    assert step.__module__.startswith("litequeue.store.turn."), "its SQL is beside it"


def test_what_has_ended_is_settled_before_the_look_and_the_claim_comes_before_the_word_of_what_is_left() -> None:
    names = [step.__name__ for step in pipeline.STEPS]
    assert names.index("settle_others") < names.index("look") < names.index("promote")
    assert names[-2:] == ["claim", "listen"]


def test_a_turn_that_finds_nothing_only_looks(store: Store, clock: FakeClock) -> None:
    with store.database.write(durable=False) as connection:
        said: list[str] = []
        connection.set_trace_callback(said.append)
        try:
            turn = Turn(1, clock.now(), clock.now(), demand=Demand({"thread": 4}))
            for step in pipeline.STEPS:
                step(connection, turn)
        finally:
            connection.set_trace_callback(None)
    assert len(said) == 1 and said[0].startswith("SELECT"), said


def test_a_step_that_was_cut_short_closes_the_turn_to_claims(store: Store, clock: FakeClock, monkeypatch: Any) -> None:
    monkeypatch.setattr("litequeue.store.turn.expire.BATCH", 2)
    for _ in range(3):
        store.jobs.enqueue(new_job(created_at=clock.now(), run_at=clock.now(), expires_at=clock.now() + 1))
    clock.advance(1)
    store.jobs.enqueue(new_job(created_at=clock.now(), run_at=clock.now()))
    demand = Demand({"thread": 4})
    first, second = (store.jobs.turn(1, clock.now(), clock.now() + 10**6, demand=demand) for _ in range(2))
    assert (first.closed, first.claimed) == (True, [])
    assert (second.closed, [job.id for job in second.claimed]) == (False, [4])
