"""``doctor`` says of workflows what waits for nothing that is to come, and what it advises mends that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from litequeue import LiteQueue
from litequeue.store import Store, inspection
from litequeue.store.links.invariants import RULES
from litequeue.store.rules import DAY, FOREVER

from ..faults import Victim, die, run_victim
from ..older import rows
from ..store.links.driven import Hand, step
from ..support import FakeClock
from .conftest import Cli, Said

pytestmark = pytest.mark.beside

WELL = "all that waits for jobs or events will be told of them"


@pytest.fixture
def hand(db: Path, clock: FakeClock) -> Iterator[Hand]:
    store = Store(str(db))
    yield Hand(store, clock)
    store.close()


def said(cli: Cli, db: Path, *flags: str) -> list[tuple[str, str]]:
    """The lines of this check, as level and text."""
    found = json.loads(cli("doctor", db, "--json", *flags).out)
    return [(line["level"], line["text"]) for line in found if line["check"] == "workflows"]


class Change(NamedTuple):
    """Of rows, by other means: what the doctor says then, and of which job."""

    rule: str
    sql: str
    job: int
    left: str | None = None  # its state in the end, where what was lost cannot be had again


CHANGES = [
    Change("counts the wrong number of parents", "UPDATE litequeue_waits SET pending = 7 WHERE job_id = 3", 3),
    Change("counts the wrong number of failures", "UPDATE litequeue_waits SET upset = 1, runs_when = 'ended' WHERE job_id = 3", 3),
    Change("waits for nothing", "UPDATE litequeue_waits SET pending = 0 WHERE job_id = 3", 3),
    Change("waits in vain", "UPDATE litequeue_waits SET upset = 1 WHERE job_id = 3", 3),
    Change("waits, and nobody knows how", "DELETE FROM litequeue_waits WHERE job_id = 3", 3, "cancelled"),
    Change(
        "waits for an event, and nobody knows which",
        f"UPDATE litequeue_jobs SET state = 'scheduled', run_at = {FOREVER} WHERE id = 5", 5,
    ),
    Change(
        "waits for an event that has happened",
        f"""UPDATE litequeue_jobs SET state = 'scheduled', run_at = {FOREVER} WHERE id = 5;
        INSERT INTO litequeue_events (name, payload) VALUES ('paid', '1');
        INSERT INTO litequeue_steps (job_id, name, attempt, at) VALUES (5, 'wait', 1, 1);
        INSERT INTO litequeue_listeners (name, job_id, step) VALUES ('paid', 5, 'wait')""", 5,
    ),
    Change("runs, or may, without a slot of its limit", "UPDATE litequeue_jobs SET state = 'available', limit_key = 'a' WHERE id = 1", 1),
    Change("has told others and has not ended", "UPDATE litequeue_jobs SET links = 2 WHERE id = 1", 1),
    Change("waits for a job that is gone", "DELETE FROM litequeue_jobs WHERE id = 2", 3, "cancelled"),
]  # fmt: skip


def test_there_is_a_change_for_each_rule() -> None:
    assert [change.rule for change in CHANGES] == list(RULES)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.rule)
def test_what_waits_as_it_never_should_is_told_and_the_advice_mends_it(cli: Cli, hand: Hand, change: Change) -> None:
    """1 and 2 before 3, and 4 after it; 5 alone."""
    hand.insert(step("a"), step("b"), step("c", "a", "b"), step("d", "c"), step("e"))
    db = Path(hand.store.path)
    assert said(cli, db) == [("ok", WELL)]
    for statement in change.sql.split(";"):
        rows(db, statement)
    told = said(cli, db)
    begins = f"job {change.job} {change.rule}: somebody has changed its rows, or litequeue did wrong; "
    (line,) = [text for level, text in told if level == "wrong" and text.startswith(begins)]
    assert said(cli, db, "--full") == told
    _, _, advice = line.partition("python -m litequeue ")
    assert cli("doctor", db).code == 1
    _follow(cli, advice)
    assert said(cli, db) == [("ok", WELL)]
    hand.come_to_an_end()
    ends = dict(hand.rows("SELECT id, state FROM litequeue_jobs"))
    assert ends.pop(change.job) == (change.left or "succeeded")
    if change.left is not None:
        assert ends.pop(4) == "cancelled", "it needed that"
    assert set(ends.values()) == {"succeeded"}


def _follow(cli: Cli, advice: str) -> Said:
    done = cli(*advice.split())
    assert done.code in (0, 1) and done.err == "", done  # 1: it waits on, as it should
    return done


def test_many_that_wait_are_looked_at_when_that_is_asked_for(cli: Cli, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "FEW_WAITS", 2)
    hand.insert(step("a"), step("b", "a"), step("c", "b"))
    db = Path(hand.store.path)
    rows(db, "UPDATE litequeue_waits SET pending = 0 WHERE job_id = 2")
    assert [(level, "--full" in text) for level, text in said(cli, db)] == [("ok", True)]
    assert {level for level, _ in said(cli, db, "--full")} == {"wrong"}
    rows(db, "UPDATE litequeue_waits SET pending = 1 WHERE job_id = 2")
    assert said(cli, db, "--full") == [("ok", WELL)]


def test_a_batch_whose_producer_was_killed_in_its_block_is_told_a_day_later(cli: Cli, db: Path) -> None:
    def produce(_: Victim) -> None:
        with LiteQueue(db) as app, app.batch():
            app.enqueue("tests.task")
            die()

    assert run_victim(produce).killed
    assert said(cli, db) == [("ok", WELL)], "it may be filled still"
    rows(db, "UPDATE litequeue_flows SET created_at = created_at - ?", 2 * DAY)
    ((level, text),) = said(cli, db)
    assert level == "wrong" and cli("doctor", db).code == 1
    assert text.startswith("batch 1 has been open for 2.0 days, ") and text.endswith("close it: app.batch(1).close()")
    with LiteQueue(db) as app:
        app.batch(1).cancel()
        assert [level for level, _ in said(cli, db)] == ["wrong"], "who cancels it has not closed it"
        app._client.store.batches.seal(1, FakeClock().now())
    assert said(cli, db) == [("ok", WELL)]
