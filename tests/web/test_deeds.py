"""What is posted: done to the jobs that are meant, counted first where a search means them, and written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.web import deeds
from litequeue.web.embedded import EmbeddedWeb

from ..older import rows
from .conftest import Browser, Got, hidden_of

pytestmark = pytest.mark.beside


class Visitor(Browser):
    """Takes the form's token from a page with forms."""

    @property
    def form_token(self) -> str:
        return hidden_of(self.ask("/jobs").text)["form_token"]


@pytest.fixture
def site(app: LiteQueue) -> Iterator[EmbeddedWeb]:
    @app.task(name="fails", retries=0)
    def fails(kind: str) -> None:
        raise ValueError(kind)

    for number in range(6):
        fails.delay("odd" if number % 2 else "even")
    app.run_worker(burst=True)
    fails.apply_async(args=("x",), queue="mail", countdown=3600)
    app.schedules.add("nightly", "fails", args=("x",), every="1h")
    with EmbeddedWeb(app._client, {"port": 0, "allow_actions": True}) as web:
        yield web


@pytest.fixture
def visitor(site: EmbeddedWeb) -> Visitor:
    browser = Visitor(site.port)
    browser.login(site)
    return browser


def states(db: Path) -> Counter[str]:
    return Counter(state for (state,) in rows(db, "SELECT state FROM litequeue_jobs"))


def actions(db: Path) -> list[tuple[Any, ...]]:
    return rows(db, "SELECT who, what, target, count FROM litequeue_actions ORDER BY id")


def confirmed(visitor: Visitor, asked: Got) -> Got:
    """Press the button of a page that asks."""
    return visitor.ask("/jobs/act", form=hidden_of(asked.text))


def test_single_jobs_are_changed_at_once(visitor: Visitor, db: Path) -> None:
    got = visitor.post("/jobs/act", op="retry", id=1, back=1)
    assert (got.status, got.headers["location"]) == (303, "../jobs/1")
    assert visitor.post("/jobs/act", op="cancel", id=[1, 7], q="state:available").headers["location"] == "../jobs?q=state%3Aavailable"
    assert states(db) == {"discarded": 5, "cancelled": 2}
    assert actions(db) == [("127.0.0.1 (web)", "retry", "id:1", 1), ("127.0.0.1 (web)", "cancel", "id:1,7", 2)]


def test_what_was_not_to_be_done_to_some_of_the_selected_jobs_is_said(visitor: Visitor, db: Path) -> None:
    some = visitor.post("/jobs/act", op="cancel", id=[1, 7, 999])  # 1 has ended
    assert some.status == 200 and "1 job cancelled" in some.text and "of 3 jobs that you have selected" in some.text
    assert states(db) == {"discarded": 6, "cancelled": 1} and actions(db)[0][3] == 1


def test_what_waits_in_a_queue_is_moved_once_somebody_has_seen_how_much(visitor: Visitor, db: Path) -> None:
    form = hidden_of(visitor.ask("/queues/mail").text)
    assert (form["all"], form["q"]) == (["move"], ["queue:mail"])
    asked = visitor.post("/jobs/act", all="move", q="queue:mail", to="post")
    assert asked.status == 200 and "Move 1 job to another queue?" in asked.text and "<b>" in asked.text and " --to post " in asked.text
    assert rows(db, "SELECT count(*) FROM litequeue_jobs WHERE queue = 'post'") == [(0,)]
    assert "1 job moved" in confirmed(visitor, asked).text
    assert rows(db, "SELECT state FROM litequeue_jobs WHERE queue = 'post'") == [("scheduled",)]
    assert actions(db)[-1][1:3] == ("move to post", "queue:mail state:available,blocked,retrying,scheduled")
    for to in ("", "a b"):
        refused = visitor.post("/jobs/act", all="move", q="queue:mail", to=to)
        assert refused.status == 400 and "the queue to move to" in refused.text
    assert visitor.post("/jobs/act", all="prune", q="queue:mail").status == 400


def test_what_a_search_means_is_counted_first_and_then_done(visitor: Visitor, db: Path) -> None:
    asked = visitor.post("/jobs/act", all="retry", q="error:odd")
    assert asked.status == 200 and "Run 3 jobs again?" in asked.text and states(db)["discarded"] == 6 and actions(db) == []
    done = confirmed(visitor, asked)
    assert "3 jobs" in done.text and states(db)["available"] == 3
    assert actions(db) == [("127.0.0.1 (web)", "retry", "error:odd state:discarded", 3)]


def test_it_stops_where_the_match_has_grown(visitor: Visitor, db: Path) -> None:
    asked = visitor.post("/jobs/act", all="cancel", q="task:fails state:scheduled")
    add_rows(db, 40)
    done = confirmed(visitor, asked)
    assert "It stopped" in done.text and "counted" in done.text and states(db)["scheduled"] == 41


def add_rows(db: Path, count: int) -> None:
    rows(db, f"""INSERT INTO litequeue_jobs (task, state, args, run_at) SELECT 'fails', 'scheduled', '["x"]', 9000000000000000
            FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)""")


def test_to_delete_asks_even_of_single_jobs(visitor: Visitor, db: Path) -> None:
    asked = visitor.post("/jobs/act", op="purge", id=[2, 3])
    assert "Delete 2 jobs for good?" in asked.text and states(db)["discarded"] == 6
    assert "2 jobs deleted" in confirmed(visitor, asked).text and states(db)["discarded"] == 4


def test_what_is_cancelled_and_kept_since_others_come_of_it_is_said(visitor: Visitor, db: Path, app: LiteQueue) -> None:
    first = app.send_task("fails", ["x"])
    app.send_task("fails", ["x"], after=first)
    done = confirmed(visitor, visitor.post("/jobs/act", op="purge", id=[first.id]))
    assert "0 jobs deleted" in done.text and "1 job was cancelled, and is kept as long as a job that comes of it." in done.text
    assert "The others are gone" not in done.text
    assert actions(db)[-1][3] == 1
    assert states(db)["cancelled"] == 2


def test_a_form_that_means_nothing_is_refused(visitor: Visitor, db: Path) -> None:
    for form in ({"op": "explode", "id": 1}, {"op": "retry"}, {"all": "purge", "q": ""}, {"op": "retry", "id": "x"}, {"all": "retry", "q": "stat:x"}, {"op": "retry", "id": list(range(1, 502))}):
        got = visitor.post("/jobs/act", **form)
        assert got.status == 400, form
    assert states(db) == {"discarded": 6, "scheduled": 1} and actions(db) == []


def test_one_request_goes_on_for_so_long_and_says_that_there_is_more(visitor: Visitor, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deeds, "SECONDS", -1.0)
    monkeypatch.setattr("litequeue.store.searching.finding.BATCH", 2)
    done = confirmed(visitor, visitor.post("/jobs/act", all="retry", q="task:fails"))
    assert "It stopped" in done.text and states(db)["available"] == 2 and actions(db)[0][3] == 2


def test_queues_and_schedules(visitor: Visitor, db: Path, app: LiteQueue) -> None:
    assert visitor.post("/queues/mail/pause").headers["location"] == "../../queues/mail"
    assert app.stats().paused == ("mail",)
    assert visitor.post("/queues/mail/resume").headers["location"] == "../../queues/mail" and app.stats().paused == ()
    assert visitor.post("/schedules/nightly/pause").headers["location"] == "../../schedules/nightly"
    assert app.schedules.get("nightly").state == "paused"
    assert visitor.post("/schedules/nightly/resume").status == 303 and app.schedules.get("nightly").state == "active"
    assert visitor.post("/schedules/nightly/run").status == 303 and states(db)["available"] == 1
    assert visitor.post("/schedules/never/run").status == 404
    assert [row[1:] for row in actions(db)] == [
        ("pause", "queue mail", 0), ("resume", "queue mail", 0), ("pause", "schedule nightly", 0), ("resume", "schedule nightly", 0), ("run", "schedule nightly", 1),
    ]  # fmt: skip
    assert "schedule nightly" in visitor.ask("/").text, "the overview shows what was done"


def test_a_queue_that_had_nothing_but_its_pause_leads_to_the_others(visitor: Visitor) -> None:
    visitor.post("/queues/unused/pause")
    assert visitor.ask("/queues/unused").status == 200
    assert visitor.post("/queues/unused/resume").headers["location"] == "../../queues" and visitor.ask("/queues/unused").status == 404


def test_without_leave_to_act_there_is_no_such_address(app: LiteQueue, db: Path) -> None:
    app.enqueue("t")
    with EmbeddedWeb(app._client, {"port": 0}) as web:
        browser = Browser(web.port).login(web)
        for path in ("/jobs/act", "/queues/mail/pause", "/schedules/nightly/run"):
            assert browser.ask(path, form={"op": "cancel", "id": 1, "form_token": "x"}).status in (403, 405)
        assert "<form method=\"post\"" not in browser.ask("/jobs/1").text
    assert states(db) == {"available": 1}
