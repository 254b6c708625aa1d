"""What the keys do to jobs, queues and schedules, and what is said of it."""

from __future__ import annotations

from litequeue import LiteQueue
from litequeue.base.accounts import own_name
from litequeue.cli.top.doing import do
from litequeue.cli.top.state import Deed


def rows(app: LiteQueue) -> list[tuple[str, str, str, int]]:
    return [(action.who, action.what, action.target, action.jobs) for action in app._client.store.actions.last(50)]


def test_jobs_are_run_again_and_cancelled(app: LiteQueue) -> None:
    task = app.task(name="t")(lambda: None)
    first, second = task.delay(), task.delay()
    assert do(app, Deed("cancel", "jobs", (first.id,))) == "job 1 cancelled, or about to be" and first.state == "cancelled"
    assert do(app, Deed("cancel", "jobs", (first.id,))) == "job 1 was not changed"
    assert do(app, Deed("retry", "jobs", (first.id,))) == "job 1 put back" and first.state == "available"
    assert do(app, Deed("cancel", "jobs", (first.id, second.id))) == "2 jobs cancelled, or about to be"
    assert do(app, Deed("retry", "jobs", (first.id, second.id, 99))) == "2 jobs put back"
    assert do(app, Deed("retry", "jobs", (98, 99))) == "none of 2 jobs was changed"
    assert rows(app)[-1] == (f"{own_name()} (top)", "cancel", "id:1", 1)


def test_queues_and_schedules(app: LiteQueue) -> None:
    app.task(name="t", queue="mail")(lambda: None).delay()
    assert do(app, Deed("pause", "queue", ("mail",))) == "queue mail is paused" and app.stats().paused == ("mail",)
    assert do(app, Deed("resume", "queue", ("mail",))) == "queue mail is not paused any more" and app.stats().paused == ()
    app.schedules.add("nightly", task="t", every="1h")
    assert do(app, Deed("pause", "schedule", ("nightly",))) == "schedule nightly is paused" and app.schedules.get("nightly").state == "paused"
    assert do(app, Deed("resume", "schedule", ("nightly",))) == "schedule nightly is not paused any more"
    assert do(app, Deed("run", "schedule", ("nightly",))) == "schedule nightly runs now, as job 2"
    assert [row[1:] for row in rows(app)] == [("run", "schedule nightly", 1), ("resume", "schedule nightly", 0), ("pause", "schedule nightly", 0), ("resume", "queue mail", 0), ("pause", "queue mail", 0)]


def test_what_is_gone_is_said_and_leaves_no_row(app: LiteQueue) -> None:
    assert "there is no schedule" in do(app, Deed("run", "schedule", ("gone",))) and "there is no schedule" in do(app, Deed("pause", "schedule", ("gone",)))
    assert rows(app) == []
