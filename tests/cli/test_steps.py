"""``emit``, ``retry --from-start``, and the steps that ``job`` shows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from litequeue import EventTimeout, JobFailed, LiteQueue, current_job

from ..support import wait_until
from .conftest import Cli

pytestmark = pytest.mark.beside

app = LiteQueue("unbound.sqlite")
ran: list[str] = []


@app.task
def order(number: int) -> object:
    job = current_job()
    job.step("charge", lambda: ran.append("charge") or {"paid": number})
    found = job.wait_for(f"delivered:{number}")
    if len(ran) < 2:
        ran.append("fail")
        raise ValueError("broken")
    return found


@pytest.fixture
def working(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    ran.clear()
    with app.worker():
        yield app
    app.close()


def test_an_event_is_emitted_and_a_job_goes_on_that_shows_its_steps(working: LiteQueue, db: Path, cli: Cli) -> None:
    job = order.delay(17)
    wait_until(lambda: job.state == "scheduled")
    shown = cli("job", db, job.id).out
    assert "waits         it waits for the event 'delivered:17'\n" in shown
    assert 'step charge, attempt 1, ' in shown and '= {"paid":17}' in shown.replace(" ", "").replace("={", "= {")
    assert ": waits\n" in shown
    said = cli("emit", db, "delivered:17", "--json", '{"at": "noon"}')
    assert (said.code, said.out, said.err) == (0, "event delivered:17 is stored\n", "")
    with pytest.raises(JobFailed):
        job.get(timeout=30)
    assert cli("emit", db, "delivered:17").out == (
        "event delivered:17 was there already, and its first payload stays; --replace puts this one in its place\n"
    )
    assert cli("retry", db, job.id).code == 0
    assert job.get(timeout=30) == {"at": "noon"} and ran.count("charge") == 1
    found = json.loads(cli("job", db, job.id, "--json").out)["steps"]
    assert [(step["name"], step["value"]) for step in found] == [
        ("charge", '{"paid":17}'), ("wait_for:delivered:17", '{"at":"noon"}'),
    ]  # fmt: skip


def test_a_job_can_be_put_back_to_its_start(working: LiteQueue, db: Path, cli: Cli) -> None:
    working.emit("delivered:3")
    job = order.delay(3)
    with pytest.raises(JobFailed):
        job.get(timeout=30)
    assert cli("retry", db, job.id, "--from-start").code == 0
    assert job.get(timeout=30) is None and ran.count("charge") == 2


def test_what_cannot_be_emitted_is_said_in_a_line(working: LiteQueue, db: Path, cli: Cli) -> None:
    order.delay(1)
    for words, said in (
        (("a", "--json", "{"), "is not JSON"), (("a\nb",), "event"), (("a", "--keep", "soon"), "keep"), (("x" * 201,), "200 characters"),
    ):  # fmt: skip
        result = cli("emit", db, *words)
        assert result.code == 2 and said in result.err and result.err.count("\n") == 1, result
    assert "no such file" in cli("emit", db.parent / "other.sqlite", "a").err


def test_an_event_that_is_no_json_is_named_and_can_be_replaced(working: LiteQueue, db: Path, cli: Cli) -> None:
    """Neither retry nor another event mended it."""
    ran.append("one failure is enough")
    working.emit("another")
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("INSERT INTO litequeue_events (name, payload) VALUES ('delivered:5', 'hello')")
    job = order.delay(5)
    with pytest.raises(JobFailed, match="as the event 'delivered:5' is no payload"):
        job.get(timeout=30)
    assert cli("emit", db, "delivered:5", "--json", "1", "--replace").out == "event delivered:5 is stored\n"
    assert cli("retry", db, job.id, "--from-start").code == 0
    assert job.get(timeout=30) == 1


def test_events_that_are_kept_and_that_are_waited_for_are_listed(working: LiteQueue, db: Path, cli: Cli) -> None:
    job = order.delay(1)
    working.emit("a", {"by": "ann"})
    wait_until(lambda: job.state == "scheduled")
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("INSERT INTO litequeue_events (name, payload) VALUES ('b', CAST(x'ff' AS TEXT))")
    shown = cli("events", db).out.splitlines()
    assert [line.split()[0] for line in shown] == ["EVENT", "a", "b", "delivered:1"]
    assert shown[1].endswith('{"by":"ann"}') and "not yet" in shown[3] and shown[3].endswith("1 job")
    assert cli("events", db, "--limit", "1").out.endswith("more: --after a\n")
    assert cli("events", db, "--after", "b").out.splitlines()[1].startswith("delivered:1")
    found = json.loads(cli("events", db, "--json").out)
    assert [(event["name"], event["payload"], event["jobs_waiting"]) for event in found] == [
        ("a", {"by": "ann"}, 0), ("b", "\ufffd", 0), ("delivered:1", None, 1),
    ]  # fmt: skip


def test_of_several_waits_the_last_is_the_one_that_goes_on(working: LiteQueue, db: Path, cli: Cli) -> None:
    job = sleeps_and_waits.delay()
    wait_until(lambda: job.state == "scheduled" and "event" in str(job.why_waiting()))
    shown = cli("job", db, job.id).out
    assert shown.count(": waited until ") == 1 and ": waits until " in shown.split("step wait_for")[1]


@app.task
def sleeps_and_waits() -> None:
    current_job().sleep(0.01)
    current_job().wait_for("never", timeout="1h")


def test_a_wait_that_is_over_is_told_as_one(working: LiteQueue, db: Path, cli: Cli) -> None:
    """A job that had ended still waited, by its own words."""
    job = patient.delay()
    assert job.get(timeout=30) == ["no", ("b", 2)]
    shown = cli("job", db, job.id).out
    assert "step sleep, attempt 1, " in shown and ": waited until " in shown and "waits" not in shown
    assert "step two, attempt " in shown and "= 2, of the event b\n" in shown


@app.task
def patient() -> list[object]:
    job = current_job()
    job.sleep(0.01)
    try:
        job.wait_for("never", timeout=0.01)
    except EventTimeout:
        app.emit("b", 2)
    return ["no", job.wait_for(["a", "b"], name="two")]
