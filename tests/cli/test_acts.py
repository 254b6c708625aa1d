"""Retry, cancel and purge by a search: counted first, done in batches, and written down."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue, chain
from litequeue.acting import Acting, meant
from litequeue.base.accounts import own_name
from litequeue.base.errors import InvalidArgument
from litequeue.base.search import parse, written
from litequeue.store.searching import Searching

from ..older import rows
from .conftest import Cli, Terminal

pytestmark = pytest.mark.beside


@pytest.fixture
def failed(db: Path) -> Path:
    """Twelve jobs that were discarded, by two errors; three that wait, and two that succeeded."""
    with LiteQueue(db) as app:

        @app.task(name="fails", retries=0)
        def fails(kind: str) -> None:
            raise {"time": TimeoutError, "value": ValueError}[kind]("no")

        @app.task(name="good")
        def good() -> int:
            return 1

        for kind in ["time"] * 8 + ["value"] * 4:
            fails.delay(kind)
        good.delay_many([(), ()])
        app.run_worker(burst=True)
        good.apply_async(countdown=3600)
        good.apply_async(countdown=3600, queue="mail")
        app.send_task("nobody.has", queue="mail")
    return db


def states(db: Path) -> Counter[str]:
    return Counter(state for (state,) in rows(db, "SELECT state FROM litequeue_jobs"))


def actions(db: Path) -> list[tuple[Any, ...]]:
    return rows(db, "SELECT who, what, target, count FROM litequeue_actions ORDER BY id")


def test_what_failed_in_one_way_runs_again_and_that_is_written_down(cli: Cli, failed: Path) -> None:
    asked = cli("retry", failed, "error:Timeout*")
    assert (asked.code, asked.out) == (1, "8 jobs with error:Timeout* state:discarded: nothing was done; --yes does it, to retry them\n")
    assert cli("retry", failed, "error:Timeout*", "--dry-run") == (0, "8 jobs with error:Timeout* state:discarded: nothing was done\n", "")
    assert states(failed)["discarded"] == 12 and actions(failed) == []
    assert cli("retry", failed, "error:Timeout*", "--yes") == (0, "8 jobs put back\n", "")
    assert states(failed) == {"available": 9, "discarded": 4, "scheduled": 2, "succeeded": 2}
    assert actions(failed) == [(f"{own_name()} (cli)", "retry", "error:Timeout* state:discarded", 8)]
    assert cli("retry", failed, "error:Timeout*", "--yes").err == "litequeue: there is no job with error:Timeout* state:discarded\n"


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 4), ("yes\n", 0, 4), ("\n", 1, 12), ("n\n", 1, 12), ("", 1, 12)])
def test_on_a_terminal_it_asks(cli: Cli, failed: Path, answer: str, code: int, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    said = cli("retry", failed, "error:Timeout")
    assert said.code == code and said.out.startswith("retry 8 jobs with error:Timeout state:discarded? [y/N] ")
    assert states(failed)["discarded"] == left


def test_cancel_takes_what_has_not_ended_and_purge_what_does_not_run(cli: Cli, failed: Path) -> None:
    assert cli("cancel", failed, "queue:mail", "--yes").out == "2 jobs cancelled, or about to be\n"
    assert states(failed)["cancelled"] == 2
    assert cli("purge", failed, "task:good", "state:scheduled", "--yes").out == "1 job deleted\n"
    assert cli("purge", failed, "error:value", "--yes").out == "4 jobs deleted\n"
    assert states(failed) == {"discarded": 8, "succeeded": 2, "cancelled": 2}
    assert cli("purge", failed, "1", "2", "--yes").out == "2 jobs deleted\n"
    assert [(what, target, count) for _, what, target, count in actions(failed)][-1] == ("purge", 'id:1,2 state:available,blocked,retrying,scheduled,cancelled,discarded,expired,succeeded', 2)
    assert states(failed)["discarded"] == 6


def test_what_runs_is_not_purged(cli: Cli, db: Path) -> None:
    with LiteQueue(db) as app:
        app.enqueue("t")
        rows(db, "UPDATE litequeue_jobs SET state = 'running', worker_id = 1, attempt = 1, lease_expires_at = 9000000000000000")
        assert cli("purge", db, "task:t", "--yes").code == 1
        assert cli("purge", db, "task:t", "state:running", "--yes") == (1, "0 jobs deleted; 1 was left as it was\n", "")
    assert states(db) == {"running": 1}


def test_ids_and_words_are_not_mixed_and_nothing_is_never_meant(cli: Cli, failed: Path) -> None:
    for words, text in (
        (("retry", failed, "1", "error:x"), "name jobs by their ids, or say a search"), (("cancel", failed, " "), "cancel which jobs? Say it as in"),
        (("cancel", failed, "task:x", "-y"), "--yes does it"), (("purge", failed, "-5"), "write it -"), (("purge", failed, "1", "task:x"), "name jobs by their ids"),
    ):  # fmt: skip
        code, out, err = cli(*words)
        assert (code, out, err.count("\n")) == (2, "", 1) and text in err, err


def test_single_jobs_queues_and_schedules_leave_rows_too(cli: Cli, failed: Path) -> None:
    with LiteQueue(failed) as app:
        app.schedules.add("nightly", "good", every="1h")
    for words in (("retry", "1"), ("cancel", "1"), ("cancel", "1"), ("pause", "mail"), ("resume", "mail")):
        cli(words[0], failed, *words[1:])
    for word in ("pause", "resume", "run"):
        assert cli("schedule", word, failed, "nightly").code == 0
    assert [row[1:] for row in actions(failed)] == [
        ("retry", "job 1", 1), ("cancel", "job 1", 1), ("pause", "queue mail", 0), ("resume", "queue mail", 0),
        ("pause", "schedule nightly", 0), ("resume", "schedule nightly", 0), ("run", "schedule nightly", 1),
    ]  # fmt: skip


def test_it_stops_where_many_more_are_meant_than_were_counted(failed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litequeue.store.searching.finding.BATCH", 5)
    with LiteQueue(failed) as app:
        actor = Acting(app._client, "ann (web)")
        found = list(actor.act("retry", meant("retry", "task:fails"), expected=0))
        assert [(progress.changed, bool(progress.stopped)) for progress in found] == [(5, False), (10, False), (10, True)]
        assert app._client.store.actions.last(1)[0].jobs == 10
    assert states(failed)["discarded"] == 2


def test_what_is_usual_is_meant_unless_states_are_named() -> None:
    assert written(meant("retry", "task:x")) == "task:x state:discarded"
    assert meant("retry", "state:expired") == parse("state:expired") and meant("retry", "17") == parse("17")
    assert written(meant("cancel", "-state:running")).startswith("-state:running state:available")
    with pytest.raises(InvalidArgument):
        meant("purge", "")


def test_a_list_by_a_search_goes_on_where_it_was_cut(cli: Cli, failed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cli("jobs", failed, "state:discarded", "--limit", "5")
    place = first.out.splitlines()[-1].removeprefix("more: --before ")
    more = cli("jobs", failed, "state:discarded", "--before", place)
    assert len(first.out.splitlines()) == 7 and len(more.out.splitlines()) == 8
    assert cli("jobs", failed, "task:fails", "error:value").out.count("ValueError") == 4
    monkeypatch.setattr("litequeue.store.searching.finding.SMALLEST", 2)
    monkeypatch.setattr("litequeue.store.searching.finding.LARGEST", 2)
    find = Searching.find
    monkeypatch.setattr(find, "__kwdefaults__", {**find.__kwdefaults__, "seconds": 0.0})
    cut = cli("jobs", failed, "task:good")
    assert cut.err == "litequeue: looked at 2 jobs, and found 1; to go on: --before 16\n", cut


def test_purge_says_how_many_are_gone_and_takes_a_workflow_whole(cli: Cli, db: Path) -> None:
    with LiteQueue(db) as app:

        @app.task(name="ok")
        def ok(*_: Any) -> int:
            return 1

        chain(ok.s(1), ok.s(), ok.s()).delay()
        kept = cli("purge", db, "1", "--yes")
        assert (kept.code, kept.out) == (0, "0 jobs deleted; 1 was cancelled, and is kept as long as a job that comes of it\n"), "others came of it, that are there"
        assert states(db) == {"cancelled": 3} and actions(db)[-1][3] == 1
        again = cli("purge", db, "1", "--yes")
        assert (again.code, again.out) == (1, "0 jobs deleted; 1 was left as it was\n") and actions(db)[-1][3] == 0
        assert cli("purge", db, "task:ok", "--yes").out == "3 jobs deleted\n"
    assert rows(db, "SELECT count(*) FROM litequeue_jobs") == [(0,)] and cli("doctor", db, "--full").code == 0


def test_a_key_that_has_lapsed_is_counted_as_an_expired_job(db: Path) -> None:
    with LiteQueue(db) as app:

        @app.task(name="once", unique=True)
        def once(x: int) -> None: ...

        once.apply_async((1,), expires=1)
        rows(db, "UPDATE litequeue_jobs SET expires_at = 1")
        assert once.delay(1).is_new
    assert rows(db, "SELECT expired FROM litequeue_metrics WHERE span = 0") == [(1,)]
