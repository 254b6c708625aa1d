"""What waits, by its task, its call and its time; and what is said where that is not so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import ANY

import pytest

from litequeue import InvalidArgument, InvalidType, LiteQueue, Task
from litequeue.testing import Kit

pytestmark = pytest.mark.beside


@pytest.fixture
def welcome(app: LiteQueue) -> Task[..., Any]:
    @app.task(name="welcome")
    def welcome(email: str, copy_to: str | None = None, *, urgent: bool = False) -> None:
        if email == "nobody":
            raise LookupError(email)

    return welcome


def test_a_call_is_as_expected_by_what_the_function_gets(queue: Kit, welcome: Task[..., Any]) -> None:
    queue.refute_enqueued(welcome)
    welcome.delay("ann@x")
    welcome.delay(email="bob@x", copy_to="books", urgent=True)
    for said in (
        {"args": ("ann@x",)}, {"args": ["ann@x", None]}, {"kwargs": {"email": "ann@x"}}, {"args": ("ann@x",), "kwargs": {"urgent": False}},
        {"args": (ANY, "books"), "kwargs": {"urgent": ANY}}, {"args": ("bob@x",), "kwargs": {"copy_to": "books", "urgent": True}}, {},
    ):  # fmt: skip
        assert queue.assert_enqueued(welcome, **said).task == "welcome"  # type: ignore[arg-type]
        queue.assert_enqueued("welcome", **said)  # type: ignore[arg-type]
    for said in ({"args": ()}, {"args": ("bob@x",)}, {"kwargs": {"email": "carl@x"}}, {"args": ("ann@x", "books")}):
        queue.refute_enqueued(welcome, **said)  # type: ignore[arg-type]
    assert queue.assert_enqueued(welcome, count=2).kwargs == {"email": "bob@x", "copy_to": "books", "urgent": True}
    assert [job.args for job in queue.enqueued(welcome)] == [("ann@x",), ()]
    assert queue.enqueued("other") == [] and len(queue.enqueued()) == 2


def test_values_are_compared_as_they_come_back(app: LiteQueue, queue: Kit) -> None:
    task = app.task(name="t")(lambda value: None)
    for value in (Decimal("1.50"), datetime(2030, 1, 1, tzinfo=UTC), (1, 2), {3}):
        task.delay(value)
        queue.assert_enqueued(task, args=(value,))
    queue.refute_enqueued(task, args=([1, 2],))


def test_its_time_its_queue_its_priority_and_its_state(queue: Kit, welcome: Task[..., Any]) -> None:
    welcome.apply_async(("ann@x",), countdown="1h", queue="mail", priority=7)
    queue.assert_enqueued(welcome, within="1h", queue="mail", priority=7, state="scheduled")
    queue.assert_enqueued(welcome, within=timedelta(hours=2))
    for said in ({"within": "59m"}, {"queue": "default"}, {"priority": 0}, {"state": "available"}):
        queue.refute_enqueued(welcome, **said)  # type: ignore[arg-type]
    queue.advance("2m")
    queue.assert_enqueued(welcome, within="59m")
    (job,) = queue.enqueued(welcome)
    assert timedelta(minutes=57) < job.due_at - queue.now <= timedelta(minutes=58)
    queue.advance("1h")
    queue.refute_enqueued(welcome)
    assert queue.assert_enqueued(welcome, state="succeeded").job.state == "succeeded"


def test_a_failed_assertion_lists_what_there_is_instead(app: LiteQueue, queue: Kit, welcome: Task[..., Any]) -> None:
    other = app.task(name="other")(lambda *args: None)
    with pytest.raises(AssertionError) as raised:
        queue.assert_enqueued(welcome, args=("ann@x",))
    assert str(raised.value) == "no job of welcome called with ('ann@x'). Enqueued, and not run yet: nothing"
    welcome.delay("nobody")
    queue.drain(check=False)
    other.delay(1)
    welcome.apply_async(("bob@x",), {"urgent": True}, countdown="1h30m", queue="mail")
    with pytest.raises(AssertionError) as raised:
        queue.assert_enqueued(welcome, args=("ann@x",), within="1m", queue="mail", priority=3)
    assert str(raised.value).splitlines() == [
        "no job of welcome called with ('ann@x'), due within 1m, in the queue mail, of priority 3. Enqueued, and not run yet:",
        "  welcome('bob@x', urgent=True), job 3, scheduled, due in 90m, in the queue mail",
        "  other(1), job 2, available",
        "Not waiting any more:",
        "  welcome('nobody'), job 1, discarded: LookupError: nobody",
    ]
    with pytest.raises(AssertionError, match=r"^1 job of other, and not 2\. Enqueued"):
        queue.assert_enqueued(other, count=2)
    with pytest.raises(AssertionError, match=r"^1 job of other called with \(1\), and there should be none:\n  other\(1\), job 2, available$"):
        queue.refute_enqueued(other, args=(1,))
    with pytest.raises(AssertionError, match="^2 jobs, and there should be none:"):
        queue.refute_enqueued()
    assert repr(queue.enqueued(other)) == "[<Enqueued other(1), job 2, available>]"


def test_what_is_secret_is_not_shown(app: LiteQueue, queue: Kit) -> None:
    task = app.task(name="log_in", secret="password")(lambda user, password: None)
    task.delay("ann", "battery staple")
    queue.assert_enqueued(task, args=("ann", "battery staple"))
    with pytest.raises(AssertionError, match=r"log_in\('ann', '\*\*\*'\)") as raised:
        queue.assert_enqueued("other")
    assert "staple" not in str(raised.value)


def test_steps_of_workflows_wait_too(app: LiteQueue, queue: Kit) -> None:
    add = app.task(name="add")(lambda x, y: x + y)
    (add.s(1, 2) | add.s(3)).delay()
    queue.assert_enqueued(add, args=(3,), state="blocked")
    queue.assert_enqueued(add, args=(1, 2))


def test_many_are_found_and_few_are_shown(app: LiteQueue, queue: Kit) -> None:
    task = app.task(name="t")(lambda n: None)
    task.delay_many((n,) for n in range(1001))
    assert [job.args for job in queue.enqueued(task)] == [(n,) for n in range(1001)]
    with pytest.raises(AssertionError) as raised:
        queue.assert_enqueued(task, args=(-1,))
    assert len(str(raised.value).splitlines()) == 22


@pytest.mark.parametrize(
    ("said", "kind", "match"),
    [
        ({"arg": (1,)}, InvalidType, "described by args, kwargs, within, queue, priority, state, not by 'arg'"),
        ({"args": "ann@x"}, InvalidType, r"for one argument write \(x,\)"), ({"kwargs": ("a",)}, InvalidType, "kwargs must be a dict"),
        ({"within": "soon"}, InvalidArgument, "within"), ({"state": "done"}, InvalidArgument, "state must be one of"), ({"queue": "a b"}, InvalidArgument, "queue"),
        ({"count": 0}, InvalidArgument, "count must be from 1"),
    ],
)  # fmt: skip
def test_what_no_job_can_be_is_refused(queue: Kit, welcome: Task[..., Any], said: Any, kind: type[Exception], match: str) -> None:
    with pytest.raises(kind, match=match):
        queue.assert_enqueued(welcome, **said)
    with pytest.raises(InvalidType, match="task must be a task"):
        queue.refute_enqueued(print)  # type: ignore[arg-type]
