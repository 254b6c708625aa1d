"""Rounds of looks: each message is made once, by whomever and whatever dies meanwhile; and who has it."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.alerts.telling import served, task_columns
from litequeue.alerts.watching import Watching
from litequeue.base.models import JobColumns
from litequeue.base.records import WorkerInfo
from litequeue.store import alerts as table
from litequeue.store.rules import QUEUE_OF_ALERTS

from ..faults import hog_of_the_gate
from ..older import rows
from ..support import FakeClock, environment, wait_until, worker_process
from .conftest import Site

pytestmark = pytest.mark.beside

DAY = 86_400


# -- once ------------------------------------------------------------------------------------------------------


def test_of_two_that_look_at_the_same_moment_one_tells(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add("no-worker")
    site.add("disk <1024T", "b")
    other, conclude = Watching(site.store, site.clock), site.store.alerts.conclude
    told: list[str] = []

    def meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(site.store.alerts, "conclude", conclude)
        told.extend(other.look().told)
        return conclude(*args)

    monkeypatch.setattr(site.store.alerts, "conclude", meanwhile)
    assert site.look() == [] and len(told) == 2
    assert len(site.events()) == len(site.app.alerts.history()) == 2
    assert site.look(3) == []


def test_who_comes_a_moment_later_finds_that_somebody_has_looked(site: Site) -> None:
    site.add("no-worker")
    assert site.store.notices.is_look_due(site.clock.now())
    assert Watching(site.store, site.clock).look().looked_at == 1
    for seconds, is_due in ((0, False), (24, False), (1, True)):
        site.clock.advance(seconds)
        assert site.store.notices.is_look_due(site.clock.now()) == is_due
        assert Watching(site.store, site.clock).look().looked_at == is_due


def test_what_was_changed_while_somebody_looked_is_left_as_it_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """He paused it, or had it watch something else: of what was seen before that nobody is told."""
    site.add("no-worker")
    conclude = site.store.alerts.conclude

    def meanwhile(*args: Any) -> Any:
        site.app.alerts.pause("a")
        return conclude(*args)

    monkeypatch.setattr(site.store.alerts, "conclude", meanwhile)
    assert site.look() == [] and site.events() == [] and site.state() == "paused"


KILLED = """
import os, signal, sys
from litequeue import LiteQueue
from litequeue.store import alerts, notices

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

where = sys.argv[2]
if where == "between":  # the state is written, and the message is not
    alerts.insert_notices = die
elif where == "before":
    alerts.Alerts.conclude = die
app = LiteQueue(sys.argv[1])
app.alerts.check()
if where == "after":
    die()
"""


@pytest.mark.parametrize(("where", "so_far"), [("before", 0), ("between", 0), ("after", 1)])
def test_who_is_killed_as_he_looks_has_told_all_or_nothing_and_it_is_told_once(app: LiteQueue, db: Path, where: str, so_far: int) -> None:
    app.alerts.add("a", when="no-worker", for_=0, run="tell")
    done = subprocess.run([sys.executable, "-c", KILLED, str(db), where], env=environment(), timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(app.jobs())) == so_far == len(app.alerts.history())
    app._client.clock = clock = FakeClock(app._client.clock.now())
    for _ in range(3):
        clock.advance(30)
        app.alerts.check()
    assert len(list(app.jobs())) == len(app.alerts.history()) == 1


def test_a_file_that_takes_no_writes_is_as_if_nobody_had_looked(site: Site, db: Path) -> None:
    from litequeue import QueueBusy

    site.add("no-worker")
    site.store.database.patience = 0.05
    with hog_of_the_gate(db), pytest.raises(QueueBusy):
        site.look()
    assert site.state() == "ok"
    assert len(site.look(3)) == 1


# -- when ------------------------------------------------------------------------------------------------------


def test_where_nothing_is_watched_nothing_is_written(site: Site) -> None:
    version = site.store.database.data_version()
    assert site.look(3) == [] and not site.store.notices.is_look_due(site.clock.now())
    assert site.store.database.data_version() == version


def test_a_clock_that_was_ahead_for_a_moment_delays_no_look(site: Site) -> None:
    site.add("no-worker", for_="1m")
    site.clock.wall += 10 * 366 * DAY * 1_000_000
    site.look()
    site.clock.wall -= 10 * 366 * DAY * 1_000_000
    assert len(site.look(3)) == 1


def test_it_is_looked_at_for_as_long_as_is_said_before_anybody_is_told(site: Site) -> None:
    site.add("no-worker", for_="2m")
    assert site.look(4) == [] and site.state() == "pending"
    assert len(site.look()) == 1


def test_while_it_is_paused_nobody_looks_and_afterwards_it_is_new(site: Site) -> None:
    site.add("no-worker")
    site.look()
    site.app.alerts.pause("a")
    assert site.look(9) == [] and site.state() == "paused" and site.store.alerts.firing() == []
    site.app.alerts.resume("a")
    assert site.state() == "ok"
    (text,) = site.look()
    assert text == "alert a: no worker serves the file (none does)", "and not the second time within an hour"


def test_one_that_watches_the_same_goes_on_as_it_stands_and_another_is_new(site: Site) -> None:
    site.add("no-worker")
    site.look()
    site.add("no-worker", replace=True, run="another")
    assert site.state() == "firing" and site.look(3) == []
    site.add("disk <1024T", replace=True, run="another")
    assert site.state() == "ok" and len(site.look()) == 1
    assert [event["condition"] for event in site.events()] == ["no-worker", "disk <1024T"]


def test_what_comes_and_goes_is_counted_in_its_line(site: Site) -> None:
    site.add("disk <1024T")
    site.look()
    for times in (2, 3):
        site.sql("UPDATE litequeue_alerts SET state = 'ok', over_at = ?", site.clock.now())
        (text,) = site.look()
        assert text.startswith(f"alert a again, the {times}{'nd' if times == 2 else 'rd'} time since 22:13 UTC: the disk has less than")
    assert [event["times"] for event in site.events()] == [1, 2, 3]


def test_reminders_say_for_how_long(site: Site) -> None:
    site.add("disk <1024T", remind="1h")
    texts = site.look(2 * 60 + 2)
    assert [text.split(":")[0] for text in texts] == ["alert a", "alert a, for 60 min so far"]
    assert [event["what"] for event in site.events()] == ["firing", "reminder"] and site.events()[1]["seconds"] == 3600


# -- who has it ------------------------------------------------------------------------------------------------


def test_a_command_is_given_the_news_as_one_line_of_json(site: Site, db: Path) -> None:
    site.add("no-worker", run="notify --all")
    site.look()
    (event,) = site.events()
    at = event.pop("at")
    assert event == {
        "event": "alert", "alert": "a", "what": "firing", "condition": "no-worker", "meaning": "no worker serves the file", "seen": "none does",
        "since": at, "seconds": 0.0, "times": 1, "database": str(db),
    }  # fmt: skip
    ((kwargs, queue),) = site.sql("SELECT kwargs, queue FROM litequeue_jobs")
    assert json.loads(kwargs)["command"] == "notify --all" and json.loads(kwargs)["stdin"].count("\n") == 1 and queue == QUEUE_OF_ALERTS


def test_a_mail_says_it_in_its_subject(site: Site) -> None:
    site.add("oldest queue=mail >5m", run=None, mail_to="ops@example.org")
    site.app.alerts.test("a")
    ((kwargs,),) = site.sql("SELECT kwargs FROM litequeue_jobs")
    head, _, body = json.loads(kwargs)["stdin"].partition("\n\n")
    assert "To: ops@example.org" in head and "alert a, a test: mail's oldest job waits over" in head.replace("\n ", " ")
    assert '"what": "test"' in body


def test_a_task_is_called_with_it_in_its_own_queue_where_somebody_serves_that(site: Site) -> None:
    @site.app.task(name="ops.page", queue="ops", priority=7, retries=4)
    def page(news: dict[str, Any]) -> None:
        assert news["alert"]

    site.add("no-worker", run=None, task=page)
    site.look()
    sql = "SELECT task, queue, priority, json_extract(args, '$[0].what'), reported_at IS NOT NULL FROM litequeue_jobs"
    assert site.sql(sql) == [("ops.page", QUEUE_OF_ALERTS, 7, "firing", 1)], "nobody serves any, and of its own failure nobody is told"
    assert site.sql("SELECT name FROM litequeue_tasks") == [("ops.page",)], "so that a worker finds its code"


def worker(queues: tuple[str, ...] | None, **slots: int) -> WorkerInfo:
    return WorkerInfo(1, "w", 1, "h", queues, slots or {"thread": 1, "async": 1}, None, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("wanted", "workers", "queue"), [
    ("ops", [], QUEUE_OF_ALERTS),
    ("ops", [worker(None)], "ops"),
    ("ops", [worker(("mail",)), worker(("web", "ops"))], "ops"),
    ("ops", [worker(("mail", "web"))], "mail"),
    ("ops", [worker(None, process=3)], QUEUE_OF_ALERTS),
    ("ops", [worker(("a/b", "ok"))], "ok"),
])  # fmt: skip
def test_what_tells_lies_in_a_queue_that_somebody_serves(wanted: str, workers: list[WorkerInfo], queue: str) -> None:
    assert served(wanted, "async", workers) == queue


def test_a_paused_queue_is_served_by_nobody_but_who_pauses_that_of_alerts_wants_silence() -> None:
    workers = [worker(("mail", "other"))]
    assert served(QUEUE_OF_ALERTS, "async", workers, ("mail",)) == "other"
    assert served("mail", "async", workers, ("mail",)) == "other"
    assert served("mail", "async", workers, ("mail", "other")) == QUEUE_OF_ALERTS
    assert served(QUEUE_OF_ALERTS, "async", [worker(None)], (QUEUE_OF_ALERTS,)) == QUEUE_OF_ALERTS


@pytest.mark.parametrize("job", [None, "", "[]", "{", '{"queue": 5, "pool": "x", "priority": "high"}', '{"queue": "a b", "pool": null, "priority": 9999999999999}'])
def test_options_of_a_task_that_somebody_has_planted_are_the_defaults(job: str | None) -> None:
    assert task_columns(job) == JobColumns()


def test_a_planted_command_and_address_keep_nobody_else_from_being_told(site: Site) -> None:
    site.add("no-worker", run="good", mail_to="ann")
    site.sql("UPDATE litequeue_alerts SET mail_to = ?", 'a@[,<@,", =?utf-8?q?x=0A?=,ann')
    assert len(site.look()) == 1
    told = [json.loads(kwargs) for (kwargs,) in site.sql("SELECT kwargs FROM litequeue_jobs")]
    assert [call.get("command") or call["stdin"].splitlines()[0] for call in told] == ["good", "To: ann"]


# -- what was told ---------------------------------------------------------------------------------------------


def test_what_was_told_is_kept_for_ninety_days_also_of_what_is_watched_no_more(site: Site) -> None:
    site.add("disk <1024T")
    site.look()
    site.app.alerts.remove("a")
    site.add("no-worker", "b")
    site.clock.advance(80 * DAY)
    site.look()
    assert [(event.alert, event.event) for event in site.app.alerts.history()] == [("b", "firing"), ("a", "firing")]
    site.clock.advance(11 * DAY)
    site.app.alerts.test("b")
    assert [(event.alert, event.event) for event in site.app.alerts.history()] == [("b", "test"), ("b", "firing")]
    assert table.KEPT == 90 * DAY * 1_000_000


# -- a worker --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_looks_and_tells_and_two_of_them_once(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    app.alerts.add("full", when="disk <1024T", for_=0, run=f"cat >> {told}")
    with worker_process(db, "--threads", 1, "--processes", 0):
        wait_until(lambda: told.exists() and told.read_text().endswith("\n"), 40, "a worker looks as it starts, and tells")
        rows(db, "UPDATE litequeue_alerts SET next_check_at = 0")
        with worker_process(db, "--threads", 1, "--processes", 0):
            wait_until(lambda: rows(db, "SELECT revision > 1 FROM litequeue_alerts") == [(1,)], 40, "another looks again")
    (line,) = told.read_text().splitlines()
    assert json.loads(line)["alert"] == "full" and len(app.alerts.history()) == 1


def test_a_worker_that_serves_other_queues_tells_all_the_same(app: LiteQueue, tmp_path: Path) -> None:
    app.alerts.add("full", when="disk <1024T", for_=0, run=f"cat > {tmp_path / 'told'}")
    app.run_worker(burst=True, queues=("mail",), threads=1, processes=0)
    assert json.loads((tmp_path / "told").read_text())["alert"] == "full"


def test_who_only_tells_fires_no_tick_and_leaves_what_was_discarded_to_workers_that_know_whom_to_tell(app: LiteQueue) -> None:
    app.schedules.add("s", "t", every="1s")
    app.enqueue("x")
    with app._client.store.database.write(durable=False) as connection:
        connection.execute("UPDATE litequeue_jobs SET state = 'discarded', finished_at = 1, prune_at = ?", (2**62,))
        connection.execute("UPDATE litequeue_schedules SET next_tick_at = 1, fires_at = 1")
    app.run_worker(burst=True, queues=(QUEUE_OF_ALERTS,))
    assert app.schedules.ticks("s") == [] and len(app._client.store.notices.unreported(9)) == 1
    app.run_worker(burst=True, queues=("other",), on_failure="tell")
    assert len(app.schedules.ticks("s")) > 0 and app._client.store.notices.unreported(9) == []


# -- planted rows ----------------------------------------------------------------------------------------------

PLANTED = {
    "integers": ("hold", "keep", "remind", "created_at", "paused_at", "revision", "next_check_at", "checked_at", "since", "good_since", "told_at", "over_at", "times", "first_at"),
    "texts": ("name", "condition", "run", "mail_to", "task", "job", "shown"),
}


@pytest.mark.parametrize("seed", range(5))
def test_whatever_a_row_holds_who_looks_goes_on_and_the_others_are_looked_at(site: Site, seed: int) -> None:
    """A worker's housekeeping ends with what it does not catch, and the worker with that."""
    rng = random.Random(seed)
    for round_ in range(40):
        site.sql("DELETE FROM litequeue_alerts")
        site.sql("DELETE FROM litequeue_jobs")
        site.add("no-worker", "planted", mail_to="ann", task="t", remind="1s")
        site.add("no-worker", "mine")
        site.sql("UPDATE litequeue_alerts SET state = ? WHERE name = 'planted'", rng.choice(("ok", "pending", "firing")))
        for column in rng.sample(PLANTED["integers"], 4):
            value = rng.choice((-(2**63), -1, 0, 1, site.clock.now(), 2**62, 2**63 - 1))
            site.sql(f"UPDATE litequeue_alerts SET {column} = ? WHERE name = 'planted'", value)
        column = rng.choice(PLANTED["texts"])
        value = rng.choice(("''", "'x y'", "CAST(x'ff' AS TEXT)", "'[' || CAST(x'00' AS TEXT)", "'{\"queue\": \"\ud7ff\", \"priority\": 1e999}'", "printf('%.*c', 100000, 'x')"))
        site.sql(f"UPDATE litequeue_alerts SET {column} = {value} WHERE name = 'planted'")
        told = site.look(2)
        assert any(text.startswith("alert mine:") for text in told), (round_, told)
        site.app.alerts.list()
        site.store.alerts.firing()
