"""Words by which people find jobs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from litequeue import InvalidArgument, InvalidType, LiteQueue, chain, group
from litequeue.cli import main

from .support import turn_of

pytestmark = pytest.mark.beside


@pytest.fixture
def t(app: LiteQueue) -> Any:
    return app.task(name="t", tags=["usual"])(lambda n=0: n)


def found(app: LiteQueue, tag: str, **more: Any) -> list[int]:
    return [info.id for info in app.jobs(tag=tag, **more)]


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection, connection:
        return connection.execute(sql).fetchall()


def agrees(db: Path) -> bool:
    """Whether the table of tags says what the jobs' own rows do."""
    of_jobs = rows(db, "SELECT v.value, j.id FROM litequeue_jobs AS j, json_each(j.tags) AS v WHERE j.tags IS NOT NULL ORDER BY 1, 2")
    return of_jobs == rows(db, "SELECT tag, job_id FROM litequeue_tags ORDER BY tag, job_id")


def test_jobs_are_found_by_them_however_they_were_enqueued(app: LiteQueue, t: Any, db: Path) -> None:
    t.delay()
    t.apply_async(tags=["import", "csv"])
    t.delay_many([(1,), (2,)], tags="many")
    chain(t.si(1), t.si(2).set(tags=["step"])).delay()
    app.send_task("t", (1,), tags=["by-name"])
    app.send_task("unknown", tags=["by-name"])
    with app.batch() as batch:
        t.apply_async(tags=["in-a-batch"])
    group([t.s(1).set(tags=["member"]), t.s(2)]).delay()
    names = {"usual", "import", "csv", "many", "step", "by-name", "in-a-batch", "member"}
    ids = {name: found(app, name) for name in names}
    assert {name: len(ids[name]) for name in names} == {
        "usual": 3, "import": 1, "csv": 1, "many": 2, "step": 1, "by-name": 2, "in-a-batch": 1, "member": 1,
    }  # fmt: skip
    assert ids["import"] == ids["csv"] and app.job(ids["csv"][0]).info().tags == ("import", "csv")
    assert ids["many"] == sorted(ids["many"], reverse=True) and found(app, "many", before=ids["many"][0]) == ids["many"][1:]
    assert found(app, "by-name", task="unknown") == ids["by-name"][:1] and found(app, "by-name", state="running") == []
    assert found(app, "nobody") == [] and batch is not None and agrees(db)


def test_a_job_that_is_replaced_has_those_of_its_successor_only(app: LiteQueue, db: Path) -> None:
    u = app.task(name="u", unique=("n",), on_conflict="replace", tags="first")(lambda n, m: None)
    one = u.delay(1, 1)
    assert u.apply_async((1, 2), tags=["second"]) == one and (found(app, "first"), found(app, "second")) == ([], [one.id])
    two, again = u.delay_many([(2, 1), (1, 3)], tags=["third"])
    assert again == one and found(app, "third") == [two.id, one.id] and found(app, "second") == [] and agrees(db)
    plain = app.task(name="plain", unique=("n",), on_conflict="replace")(lambda n: None)
    job = plain.apply_async((1,), tags=["mine"])
    assert plain.delay(1) == job and found(app, "mine") == [] and agrees(db)


def test_each_ticks_job_has_those_of_its_schedule_and_a_callback_those_of_its_task(app: LiteQueue, t: Any, db: Path) -> None:
    app.schedules.add("nightly", task=t, every="1h", tags=["report", "nightly"])
    job = app.schedules.run_now("nightly")
    assert found(app, "nightly") == [job.id]
    app.schedules.update("nightly", tags=["weekly"])
    later = app.schedules.run_now("nightly")
    assert found(app, "weekly") == [later.id]
    called = app.task(name="called", tags=["called-back"])(lambda result: None)
    t.apply_async(tags=["parent"], on_success=called)
    with app.worker(burst=True) as worker:
        worker.join()
    assert len(found(app, "called-back", state="succeeded")) == 1 and agrees(db)


def test_they_go_with_their_job_and_with_a_transaction(app: LiteQueue, t: Any, db: Path) -> None:
    with pytest.raises(ZeroDivisionError), app.transaction():
        t.delay()
        1 / 0  # noqa: B018
    job = t.delay()
    assert rows(db, "SELECT tag, job_id FROM litequeue_tags") == [("usual", job.id)]
    job.cancel()
    app._client.store.operations.prune(10**17, 1.0)
    assert rows(db, "SELECT count(*) FROM litequeue_tags") == [(0,)]


@pytest.mark.parametrize(
    ("tags", "error", "text"),
    [
        (5, InvalidType, "tags must be a list of names, not int: 5"),
        ([], InvalidArgument, "tags must name at least one"),
        (["a", ""], InvalidArgument, "tags"),
        ([1], InvalidType, "tags"),
        ([f"tag-{n}" for n in range(21)], InvalidArgument, "tags are 21, and a job may have 20"),
    ],
)
def test_what_is_no_tag_is_refused_before_anything_is_stored(app: LiteQueue, t: Any, tags: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        t.apply_async(tags=tags)
    assert app.jobs() == []
    assert t.apply_async(tags=["a", "b", "a"]).info().tags == ("a", "b")


def test_the_command_line_takes_and_shows_them(app: LiteQueue, t: Any, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app.stats()
    assert main(["enqueue", str(db), "t", "--tags", "import,csv"]) == 0
    job = capsys.readouterr().out.strip()
    assert main(["jobs", str(db), "--tag", "csv"]) == 0 and f"\n{job}  " in capsys.readouterr().out
    assert main(["job", str(db), job]) == 0 and "\ntags          import, csv\n" in capsys.readouterr().out
    assert main(["jobs", str(db), "--tag", "nobody"]) == 0 and "there is no job with tag:nobody" in capsys.readouterr().err
    assert app.jobs(flow=1, tag="csv") == [] and [info.id for info in app.jobs("tag:csv", task="t")] == [int(job)]


@pytest.mark.parametrize("text", ["", "nope", "5", "{}", '{"a": "b"}', "[1, null]", '["\\ud800"]', '["' + "x" * 1_000_000 + '"]', "[" * 5000])
def test_tags_that_somebody_else_planted_hold_nobody_up(app: LiteQueue, t: Any, db: Path, text: str) -> None:
    app.schedules.add("planted", task=t, every="1h")
    job = t.delay()
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE litequeue_jobs SET tags = ?", (text,))
        connection.execute("UPDATE litequeue_schedules SET tags = ?", (text,))
    made = app.schedules.run_now("planted")
    assert all(isinstance(tag, str) for info in app.jobs() for tag in info.tags)
    assert main(["job", str(db), str(made.id)]) == 0 and main(["jobs", str(db), "--json"]) == 0
    assert {claimed.id for claimed in turn_of(app, 5).claimed} == {job.id, made.id}
