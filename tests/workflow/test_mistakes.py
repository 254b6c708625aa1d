"""What people try first with signatures, flows and batches, and what they are told."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    InvalidArgument,
    InvalidType,
    JobCancelled,
    JobFailed,
    LiteQueue,
    LitequeueError,
    SignatureMismatch,
    chain,
    group,
)

pytestmark = pytest.mark.beside

app = LiteQueue("unbound.sqlite")


@app.task
def one(x: int = 0) -> int:
    return x


@app.task
def none() -> str:
    return "none"


@app.task(retries=0)
def odd(x: int) -> int:
    if x % 2 == 0:
        raise ValueError(f"{x} is even")
    return x


@pytest.fixture
def bound(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    yield app
    app.close()


@pytest.mark.parametrize("wrong, kind, said", [
    (lambda: (one.s(1) | none.s()).delay(), SignatureMismatch, r"its first argument is the result of what comes before it: write \.si\("),
    (lambda: one.apply_async((1,), on_success=none), SignatureMismatch, r"what the job that it is called for came to: write \.si\("),
    (lambda: one.s(1) | one, InvalidType, r"write task\.s\("), (lambda: one | one.s(1), InvalidType, r"write task\.s\("),
    (lambda: one.s(1) | print, InvalidType, r"write task\.s\("), (lambda: one.s(1) | one.delay(2), InvalidType, "is enqueued already"),
    (lambda: one.s(1) | [one.s(), one.s()], InvalidType, r"write group\("), (lambda: [one.s(), one.s()] | one.s(1), InvalidType, r"write group\("),
    (lambda: chain(one.s(1), group(one.s()).delay()), InvalidType, "is enqueued already"),
    (lambda: one.map().delay(), InvalidType, r"one\.map\(\) goes through one list of items"),
    (lambda: one.s(1).set(foo=1), InvalidType, "it has on_parent_failure, "),
    (lambda: (one.s(1) | one.s()).delay(5), InvalidType, r"give them to its steps"),
    (lambda: pickle.dumps(one.s(1)), InvalidType, r"to_json\(\)"), (lambda: one.delay(one.s(1)), LitequeueError, r"to_json\(\)"),
    (lambda: app.flow("flow:one"), InvalidType, "flow_id"), (lambda: app.flow(0), InvalidArgument, "flow_id"),
])  # fmt: skip
def test_it_is_refused_at_once_and_says_what_to_write(bound: LiteQueue, wrong: Callable[[], Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        wrong()


def test_what_people_expect_of_a_signature_it_does(bound: LiteQueue) -> None:
    signature = one.s(1)
    assert copy.copy(signature) == copy.deepcopy(signature) == signature
    flow = one.s().delay(4)
    assert app.flow(str(flow.id)).id == app.flow(f"flow:{flow.id}").id == flow.id
    assert app.jobs()[0].args == "[4]"


def test_a_list_that_is_none_is_shown_as_what_it_is(bound: LiteQueue) -> None:
    flow = (one.s(5) | one.map()).delay()
    with bound.worker(burst=True) as worker:
        worker.join()
    with pytest.raises(JobFailed, match="through one list of items, not int: 5"):
        flow.get(timeout=0)


def test_results_of_a_chain_name_the_step_that_failed(bound: LiteQueue) -> None:
    flow = (odd.s(2) | odd.s()).delay()
    with bound.worker(burst=True) as worker:
        worker.join()
    with pytest.raises(JobFailed, match="2 is even") as failed:
        flow.results()
    assert failed.value.step == odd.name


def test_jobs_that_only_bring_others_together_are_no_ones_concern(bound: LiteQueue) -> None:
    assert group(one.s(1), one.s(2)).delay().cancel() == 2
    with pytest.raises(ZeroDivisionError), app.batch() as batch:
        one.delay(1)
        1 / 0  # noqa: B018
    with pytest.raises(JobCancelled, match=f"flow {batch.id} was cancelled"):
        batch.get(timeout=0)
