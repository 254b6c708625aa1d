"""Callbacks, batches and replaced jobs, driven at random among jobs that wait for jobs: after every transaction, of which one in ten is rolled
back, the file is as it should be, and in the end nothing waits.

By hand, for many seeds: ``python -m tests.store.links.test_growing_model 0 1000``.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from litequeue.store import Store, batches, operations
from litequeue.store.links import following, joining, revival, telling
from litequeue.store.rules import bounded
from litequeue.store.turn import replace

from ...support import FakeClock
from ..modelling import caught, run_and_print
from .driven import rolled_back
from .growing import Growing

pytestmark = pytest.mark.beside


def run(store: Store, clock: FakeClock, seed: int, deeds: int = 90) -> Counter[str]:
    """What happened, and how often. In every other run more is due at once than is made in one pass."""
    most, following.MOST = following.MOST, 3 if seed % 2 else following.MOST  # type: ignore[misc]
    try:
        model = Growing(store, clock, random.Random(seed))
        often: list[tuple[Callable[[], None], float]] = [
            (model.insert, 1), (model.enqueue, 2), (model.enqueue_some, 2), (model.begin, 1), (model.seal, 1), (model.abandon, 0.2),
            (model.turn, 10), (model.cancel, 1), (model.revive, 4), (model.expire, 0.5), (model.prune, 1), (model.die, 0.5), (model.late, 1),
            (model.cancel_a_flow, 0.3), (model.retry_a_flow, 1), (model.count_anew, 1), (model.call_off, 1),
        ]  # fmt: skip
        choices, weights = zip(*often, strict=True)
        with rolled_back(store, model.rng, 0.1):
            for deed in model.rng.choices(choices, weights, k=deeds):
                model.do(deed)
                clock.advance(model.rng.choice([0.01, 0.2]))
        model.come_to_an_end()
        return model.happened
    finally:
        following.MOST = most  # type: ignore[misc]


@pytest.mark.parametrize("seed", range(8))
def test_who_is_to_be_called_is_called_batches_end_with_their_members_and_jobs_with_what_took_their_place(
    memory: Path, clock: FakeClock, seed: int
) -> None:
    store = Store(str(memory / "db.sqlite"))
    run(store, clock, seed)
    store.close()


# -- the variants that it must catch ---------------------------------------------------------------

Patch = pytest.MonkeyPatch


def changed(patch: Patch, module: object, name: str, *changes: tuple[str, str]) -> None:
    sql = getattr(module, name)
    for old, new in changes:
        assert old in sql, old
        sql = sql.replace(old, new)
    patch.setattr(module, name, sql)


def calling_at_every_end(patch: Patch) -> None:
    changed(patch, following, "DUE", ("AND c.runs_when = CASE", "AND c.runs_when <> CASE"))


def calling_also_whom_the_task_names(patch: Patch) -> None:
    changed(patch, following, "DUE", ("AND NOT EXISTS", "AND NULL IS NOT EXISTS"))


def calling_nobody_whom_the_task_names(patch: Patch) -> None:
    changed(patch, following, "DUE", ("instr(t.options, '\"callbacks\"')", "instr(t.options, 'no such option')"))


def forgetting_whom_a_pass_has_no_time_for(patch: Patch) -> None:
    changed(patch, following, "DUE", ("LIMIT :most", "LIMIT :most - 1"))


def giving_callbacks_nothing(patch: Patch) -> None:
    changed(patch, following, "GIVE", ("WHEN :takes", "WHEN NOT :takes"))


def cancelling_a_callback_for_what_it_is_called_for(patch: Patch) -> None:
    changed(patch, following, "GIVE", ("'ended'", "'success'"))


def joining_without_being_counted(patch: Patch) -> None:
    changed(patch, joining, "COUNT", (" + :last - :first + 1", " + 0 * (:last - :first)"))


def joining_without_having_to_tell(patch: Patch) -> None:
    changed(patch, joining, "LINK", ("| 1", "| 0"))


def joining_one_of_those_that_wait_alone(patch: Patch) -> None:
    changed(patch, joining, "EDGES", ("json_each(:children) AS c", "(SELECT value FROM json_each(:children) LIMIT 1) AS c"))


def joining_as_whoever_has_run_once(patch: Patch) -> None:
    changed(patch, joining, "IS_MEMBER", ("AND j.attempt = :attempt AND j.state = 'running'", "AND :attempt > 0"))


def joining_as_whoever_runs(patch: Patch) -> None:
    changed(patch, joining, "IS_MEMBER", ("AND e.child_id = :end", "OR j.id = :id AND j.attempt = :attempt AND j.state = 'running' OR :end IS NULL"),
            ("JOIN litequeue_edges", "LEFT JOIN litequeue_edges"))  # fmt: skip


def sealing_without_letting_go(patch: Patch) -> None:
    changed(patch, batches, "RELEASE", (f" - {bounded('held')}", ""))


def sealing_for_those_alone_that_wait_now(patch: Patch) -> None:
    """And not for those that are cancelled, and may be put back."""
    changed(patch, batches, "RELEASE_REST", ("held = 0", "held = held"))


def sealing_and_staying_open(patch: Patch) -> None:
    changed(patch, batches, "CLOSE", ("open = 0", "open = 1"))


def counting_anew_as_if_it_was_sealed(patch: Patch) -> None:
    changed(patch, telling, "RECOUNT", (f"{bounded('held')} + (SELECT", "(SELECT"))


def replacing_without_the_fence(patch: Patch) -> None:
    changed(patch, replace, "IS_OURS", ("AND attempt = :attempt AND state = 'blocked' AND lease_expires_at IS NULL", "AND :attempt > 0"))


def replacing_what_is_cancelled(patch: Patch) -> None:
    changed(patch, replace, "IS_OURS", ("AND cancel_requested_at IS NULL", ""))


def replacing_and_waiting_on_for_the_first_parents(patch: Patch) -> None:
    changed(patch, replace, "FORGET", ("child_id = :id", "child_id = -:id"))


def replacing_by_what_need_not_tell(patch: Patch) -> None:
    changed(patch, replace, "LINK", ("ifnull(links, 0) | 1 END", "links END"))


def replacing_and_forgetting_what_it_was_given(patch: Patch) -> None:
    changed(patch, replace, "WAIT", ("CASE WHEN replaced THEN own_inputs ELSE inputs END", "NULL"))


def beginning_anew_with_what_took_its_place(patch: Patch) -> None:
    changed(patch, operations, "AS_IT_WAS", ("inputs = own_inputs, ", ""))


def beginning_anew_as_a_child_of_what_took_its_place(patch: Patch) -> None:
    patch.setattr(operations, "ITS_PARENTS", "SELECT :id")


def beginning_anew_what_was_cancelled_while_it_waited(patch: Patch) -> None:
    changed(patch, revival, "LINKED", ("AND replaced", "AND replaced > 1"))


VARIANTS = [
    calling_at_every_end, calling_also_whom_the_task_names, calling_nobody_whom_the_task_names, forgetting_whom_a_pass_has_no_time_for,
    giving_callbacks_nothing, cancelling_a_callback_for_what_it_is_called_for, joining_without_being_counted, joining_without_having_to_tell,
    joining_one_of_those_that_wait_alone, joining_as_whoever_has_run_once, joining_as_whoever_runs, sealing_without_letting_go,
    sealing_for_those_alone_that_wait_now, sealing_and_staying_open, counting_anew_as_if_it_was_sealed, replacing_without_the_fence,
    replacing_what_is_cancelled, replacing_and_waiting_on_for_the_first_parents, replacing_by_what_need_not_tell,
    replacing_and_forgetting_what_it_was_given, beginning_anew_with_what_took_its_place, beginning_anew_what_was_cancelled_while_it_waited,
    beginning_anew_as_a_child_of_what_took_its_place,
]  # fmt: skip


FIRST = (1, 4, 8, 10, 14)  # seeds with which most of them were caught


@pytest.mark.slow
@pytest.mark.parametrize("broken", VARIANTS)
def test_the_model_catches_it(broken: Callable[[Patch], None], memory: Path, monkeypatch: Patch) -> None:
    broken(monkeypatch)
    assert caught(run, memory, (*FIRST, *range(100))) != -1


if __name__ == "__main__":
    run_and_print(run, range(*map(int, sys.argv[1:])))
