"""Moving jobs to another queue, and deleting what has ended before its time: counted first, and written down."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue, chain
from litequeue.acting import meant
from litequeue.base.accounts import own_name
from litequeue.base.errors import InvalidArgument
from litequeue.base.search import written

from ..older import rows
from .conftest import Cli, Terminal

pytestmark = pytest.mark.beside

DAY = 86_400 * 1_000_000


def queues(db: Path) -> Counter[tuple[str, str]]:
    return Counter(rows(db, "SELECT queue, state FROM litequeue_jobs"))


def actions(db: Path) -> list[tuple[Any, ...]]:
    return rows(db, "SELECT who, what, target, count FROM litequeue_actions ORDER BY id")


@pytest.fixture
def filled(db: Path) -> Path:
    """In "slow" two that wait, one of them for later, one that succeeded and one that was discarded a while ago."""
    with LiteQueue(db) as app:

        @app.task(name="good", queue="slow")
        def good() -> int:
            return 1

        @app.task(name="bad", queue="slow")
        def bad() -> None:
            raise ValueError("no")

        good.delay()
        bad.delay()
        app.run_worker(burst=True)
        good.delay()
        good.apply_async(countdown=3600)
    return db


# -- move ------------------------------------------------------------------------------------------------


def test_what_waits_is_moved_counted_first_and_written_down(cli: Cli, filled: Path) -> None:
    asked = cli("move", filled, "--to", "fast", "queue:slow")
    assert (asked.code, asked.out) == (
        1, "2 jobs with queue:slow state:available,blocked,retrying,scheduled: nothing was done; --yes does it, to move them\n"
    )  # fmt: skip
    assert cli("move", filled, "queue:slow", "--to", "fast", "--dry-run").code == 0
    assert queues(filled)["fast", "available"] == 0
    assert cli("move", filled, "queue:slow", "--to", "fast", "--yes") == (0, "2 jobs moved\n", "")
    assert queues(filled) == {("fast", "available"): 1, ("fast", "scheduled"): 1, ("slow", "succeeded"): 1, ("slow", "discarded"): 1}
    assert actions(filled) == [(f"{own_name()} (cli)", "move to fast", "queue:slow state:available,blocked,retrying,scheduled", 2)]
    with LiteQueue(filled) as app:
        app.task(name="good")(lambda: 1)
        app.run_worker(burst=True, queues=["fast"])
    assert queues(filled)["fast", "succeeded"] == 1, "a worker of that queue runs it"


def test_what_has_ended_is_moved_where_its_state_or_its_id_is_named_and_runs_there_again(cli: Cli, filled: Path) -> None:
    assert cli("move", filled, "state:discarded", "--to", "fast", "--yes").out == "1 job moved\n"
    assert cli("move", filled, "1", "--to", "fast", "--yes").out == "1 job moved\n"
    assert cli("move", filled, "1", "--to", "fast", "--yes") == (1, "0 jobs moved; 1 was left as it was\n", "")
    cli("retry", filled, "2")
    assert queues(filled)["fast", "available"] == 1


def test_on_a_terminal_it_says_where_to(cli: Cli, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    said = cli("move", filled, "task:good", "--to", "fast")
    assert said.out == "move 2 jobs with task:good state:available,blocked,retrying,scheduled to fast? [y/N] 2 jobs moved\n"


def test_what_runs_stays_in_its_queue(cli: Cli, filled: Path) -> None:
    rows(filled, "UPDATE litequeue_jobs SET state = 'running', worker_id = 1, attempt = 1, lease_expires_at = 9000000000000000 WHERE id = 3")
    assert cli("move", filled, "queue:slow", "state:running,scheduled", "--to", "fast", "--yes").out == "1 job moved; 1 was left as it was\n"
    assert queues(filled)["slow", "running"] == 1


@pytest.mark.parametrize("pausing", ["from", "to"])
def test_a_limited_job_leaves_its_slot_as_it_comes_into_a_paused_queue_and_stands_in_line_as_it_leaves_one(cli: Cli, db: Path, pausing: str) -> None:
    ran = []
    with LiteQueue(db) as app:

        @app.task(name="one", max_running=1)
        def one(name: str) -> None:
            ran.append(name)

        if pausing == "from":
            app.pause("slow")
        one.apply_async(("first",), queue="slow")
        app.run_worker(burst=True, queues=["nothing"])  # gives the slot, and runs none
        if pausing == "to":
            app.pause("fast")
        cli("move", db, "queue:slow", "--to", "fast", "--yes")
        one.delay("second")
        app.run_worker(burst=True)
    assert ran == (["second"] if pausing == "to" else ["first", "second"])


def test_who_moves_into_a_paused_queue_is_told(cli: Cli, filled: Path) -> None:
    cli("pause", filled, "fast")
    said = cli("move", filled, "3", "--to", "fast", "--yes")
    assert (said.code, said.err) == (0, f"litequeue: queue fast is paused: they wait there until litequeue resume {filled} fast\n")


def test_a_workflow_that_is_moved_goes_on(cli: Cli, db: Path) -> None:
    ran = []
    with LiteQueue(db) as app:

        once = app.task(name="once", unique=True)(lambda: None)
        held = once.delay()

        @app.task(name="add")
        def add(*terms: int) -> int:
            ran.append(terms)
            return sum(terms)

        flow = chain(add.s(1, 2), add.s(3), add.s(4)).delay()
        assert cli("move", db, f"flow:{flow.id}", "--to", "fast", "--yes").out == "3 jobs moved\n"
        cli("move", db, held.id, "--to", "fast", "--yes")
        assert once.delay().id == held.id, "it has its key as before"
        app.run_worker(burst=True, queues=["fast"])
        assert flow.get(timeout=5) == 10
    assert ran == [(1, 2), (3, 3), (6, 4)] and cli("doctor", db, "--full").code == 0


def test_a_worker_that_sleeps_is_woken_by_what_is_moved_to_its_queue(filled: Path, cli: Cli) -> None:
    with LiteQueue(filled) as app:
        app.task(name="good")(lambda: 1)
        with app.worker(queues=["fast"], threads=1):
            cli("move", filled, "3", "--to", "fast", "--yes")
            assert app.job(3).get(timeout=10) == 1


# -- prune -----------------------------------------------------------------------------------------------


def test_what_ended_long_ago_is_deleted_and_what_waits_never(cli: Cli, filled: Path) -> None:
    rows(filled, f"UPDATE litequeue_jobs SET finished_at = finished_at - {8 * DAY} WHERE state = 'discarded'")
    asked = cli("prune", filled, "--older", "7d", "--dry-run")
    assert asked == (0, "1 job with ended:>=1w state:cancelled,discarded,expired,succeeded: nothing was done\n", "")
    assert cli("prune", filled, "--older", "7d", "--yes") == (0, "1 job deleted\n", "")
    assert cli("prune", filled, "task:good", "--yes") == (0, "1 job deleted\n", "")
    assert queues(filled) == {("slow", "available"): 1, ("slow", "scheduled"): 1}
    assert [row[1:] for row in actions(filled)] == [
        ("prune", "ended:>=1w state:cancelled,discarded,expired,succeeded", 1), ("prune", "task:good state:cancelled,discarded,expired,succeeded", 1),
    ]  # fmt: skip


def test_a_search_and_an_age_are_both_meant(cli: Cli, filled: Path) -> None:
    rows(filled, f"UPDATE litequeue_jobs SET finished_at = finished_at - {8 * DAY} WHERE finished_at IS NOT NULL")
    assert cli("prune", filled, "state:discarded", "--older", "1w", "--yes").out == "1 job deleted\n"
    assert cli("jobs", filled, "ended:>1w").out.count("succeeded") == 1 and cli("jobs", filled, "ended:<1w", "--json").out == "[]\n"


def test_what_has_been_put_back_meanwhile_is_left_alone(filled: Path) -> None:
    with LiteQueue(filled) as app:
        store, now = app._client.store, app._client.clock.now()
        app.job(2).retry()
        assert store.operations.purge([1, 2, 3], now, only_final=True)[0] == 1
    assert queues(filled) == {("slow", "available"): 2, ("slow", "scheduled"): 1}


def test_what_others_of_its_workflow_need_is_kept(cli: Cli, db: Path) -> None:
    with LiteQueue(db) as app:
        app.task(name="ok")(lambda *_: 1)
        first = app.send_task("ok")
        app.run_worker(burst=True)
        app.send_task("ok", after=first, queue="later")
        assert cli("prune", db, "task:ok", "--yes") == (1, "0 jobs deleted; 1 was left as it was\n", "")
        app.run_worker(burst=True)
    assert cli("prune", db, "task:ok", "--yes").out == "2 jobs deleted\n"


# -- what is refused ---------------------------------------------------------------------------------------


def test_what_is_meant_of_states() -> None:
    assert written(meant("move", "task:x")) == "task:x state:available,blocked,retrying,scheduled"
    assert written(meant("prune", "state:expired", older=DAY)) == "state:expired ended:>=1d"
    assert written(meant("prune", "-state:succeeded")) == "-state:succeeded state:cancelled,discarded,expired,succeeded"
    with pytest.raises(InvalidArgument, match="state:available has not: purge"):
        meant("prune", "state:available,expired")


def test_wrong_words_are_one_line(cli: Cli, filled: Path) -> None:
    for words, text in (
        (("move", filled, "task:x"), "--to"), (("move", filled, "--to", "a b\n", "task:x"), "--to"), (("move", filled, "--to", "fast"), "required"),
        (("prune", filled), "or --older 7d"), (("prune", filled, "--older", "soon"), "--older"), (("prune", filled, "--older", "0"), "--older"),
        (("prune", filled, "state:running"), "purge cancels what waits"), (("prune", filled, "3", "--older", "1d"), "named by their ids"),
        (("move", filled, "3", "task:x", "--to", "fast"), "name jobs by their ids"),
    ):  # fmt: skip
        code, out, err = cli(*words)
        assert (code, out, err.count("\n")) == (2, "", 1) and text in err, err
    assert cli("prune", filled, "3", "--yes") == (0, "there is no job with id:3 state:cancelled,discarded,expired,succeeded\n", "")
