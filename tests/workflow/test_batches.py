"""Batches: jobs that are enqueued one by one, and what is called once all of them have ended."""

from __future__ import annotations

import contextvars
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    BatchClosed,
    InvalidArgument,
    InvalidType,
    JobFailed,
    JobNotFound,
    LiteQueue,
    ResultNotStored,
    WouldDeadlock,
    chord,
    current_job,
    group,
)
from litequeue.base.models import Lease, Membership
from litequeue.cli import main
from litequeue.store import Store
from litequeue.store.batches import Child
from litequeue.store.links import invariants
from litequeue.store.links.telling import JOIN

from ..store.links.driven import Hand
from ..support import FakeClock, new_job, wait_until

pytestmark = pytest.mark.beside

app = LiteQueue("unbound.sqlite")
told: list[Any] = []
broken: set[int] = set()


@app.task
def row(n: int) -> int:
    if n in broken:
        raise ValueError(f"row {n}")
    return n


@app.task
def summed(numbers: list[int]) -> int:
    return sum(numbers)


@app.task
def more(n: int) -> int:
    with app.batch(current_job().parents[0] if n < 0 else batch_of(current_job().id)):
        for one in range(n):
            row.delay(one)
    return n


def batch_of(job: int) -> int:
    found = app.job(job).flow
    assert found is not None
    return int(found.id)


@app.task
def good(batch: int) -> None:
    told.append(("success", batch))


@app.task
def bad(batch: int) -> None:
    told.append(("failure", batch))


@app.task
def end(batch: int, word: str = "end") -> None:
    told.append((word, batch))


@app.task
def alone() -> None:
    told.append("alone")


@pytest.fixture
def bound(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    told.clear()
    broken.clear()
    yield app
    with closing(sqlite3.connect(db)) as connection:
        assert invariants.broken(connection) == []
    app.close()


@pytest.fixture
def hand(store: Store, clock: FakeClock) -> Iterator[Hand]:
    yield Hand(store, clock)


@pytest.fixture
def working(bound: LiteQueue) -> Iterator[LiteQueue]:
    with bound.worker(threads=4):
        yield bound


def test_what_is_called_once_all_have_succeeded(working: LiteQueue) -> None:
    with working.batch(on_success=good.s(), on_failure=bad, on_end=end.s("over")) as batch:
        for n in range(5):
            row.delay(n)
        row.delay_many([(n,) for n in range(5, 8)])
        assert batch.state == "blocked" and not batch.wait(timeout=0.1)
        wait_until(lambda: batch.progress().done == 8)
        assert not batch.done()  # it may grow
        with pytest.raises(WouldDeadlock):
            batch.get()
    assert batch.get(timeout=30) == list(range(8))
    wait_until(lambda: len(told) == 2)
    assert sorted(told) == [("over", batch.id), ("success", batch.id)]
    assert batch.progress() == (8, 8, 0, 8) and batch.state == "succeeded" and batch.done()
    assert [job.get() for job in working.flow(batch.id).jobs()] == list(range(8))


def test_what_is_called_once_one_has_failed_and_all_have_ended(working: LiteQueue) -> None:
    """sidekiq#1697, #6981: a batch is not complete while others run; #6126, #5068: while one is retried."""
    broken.add(2)
    with working.batch(on_success=good, on_failure=bad, on_end=end) as batch:
        for n in range(4):
            row.apply_async((n,), retries=n % 2)
        held = row.apply_async((7,), countdown=600)
    wait_until(lambda: batch.progress().ended == 4)
    assert told == []
    held.retry()
    wait_until(lambda: len(told) == 2)
    assert sorted(told) == [("end", batch.id), ("failure", batch.id)]
    with pytest.raises(JobFailed, match="row 2"):
        batch.get(timeout=30)


def test_success_comes_though_late_and_the_others_do_not_come_again(working: LiteQueue) -> None:
    """good_job#1450, #832: a discarded member is put back, and succeeds."""
    broken.add(1)
    with working.batch(on_success=good, on_failure=bad, on_end=end) as batch:
        row.delay_many([(0,), (1,), (2,)])
    wait_until(lambda: len(told) == 2)
    broken.clear()
    assert batch.retry() == 1
    wait_until(lambda: len(told) == 3)
    assert told[2] == ("success", batch.id)
    assert batch.get(timeout=30) == [0, 1, 2]


def test_an_empty_batch_has_succeeded(working: LiteQueue) -> None:
    with working.batch(on_success=good, on_failure=bad, on_end=alone.si()) as batch:
        pass
    wait_until(lambda: len(told) == 2)
    assert {("success", batch.id), "alone"} == set(told) and batch.get(timeout=30) == []


def test_a_running_member_adds_others_and_nobody_else_does(working: LiteQueue) -> None:
    """sidekiq#3130: jobs that are added to a batch that has ended."""
    with working.batch(on_success=good) as batch:
        more.delay(3)
        row.delay(9)
    batch.wait(timeout=30)
    wait_until(lambda: told == [("success", batch.id)])
    assert batch.progress().total == 5
    assert sorted(batch.get(timeout=30)) == [0, 1, 2, 3, 9]
    with pytest.raises(BatchClosed, match="nothing was stored"), working.batch(batch.id):
        row.delay(1)
    with pytest.raises(BatchClosed), working.batch(batch.id):
        row.delay_many([(1,), (2,)])
    with pytest.raises(JobNotFound), working.batch(77):
        row.delay(1)
    assert batch.progress().total == 5


def test_an_open_batch_may_be_filled_from_elsewhere(working: LiteQueue) -> None:
    with working.batch(on_success=good) as batch:
        with working.batch(batch.id):
            row.delay(1)
        row.delay(2)
        assert told == []
    assert batch.get(timeout=30) == [1, 2]


def test_an_exception_that_leaves_the_block_cancels_all_of_it(bound: LiteQueue) -> None:
    with pytest.raises(ZeroDivisionError), bound.batch(on_success=good, on_failure=bad, on_end=end) as batch:
        row.delay(1)
        row.delay(1 // 0)
    assert batch.state == "cancelled" and batch.done()
    with bound.worker(burst=True) as worker:
        worker.stop()
    assert told == [] and bound.stats().states == {"cancelled": 5}


def test_an_exception_that_leaves_the_block_cancels_the_steps_of_workflows_in_it(bound: LiteQueue) -> None:
    with pytest.raises(ZeroDivisionError), bound.batch(on_failure=bad) as batch:
        flow = (row.s(1) | row.si(2) | row.si(3)).delay()
        row.delay(1 // 0)
    with bound.worker(burst=True) as worker:
        worker.stop()
    assert {job.state for job in flow.jobs()} == {"cancelled"}
    assert batch.jobs() == flow.jobs() and told == []


def test_a_batch_is_cancelled_and_put_back_with_the_steps_of_its_workflows(bound: LiteQueue) -> None:
    with bound.batch(on_success=good) as batch:
        row.delay(0)
        flow = chord([row.s(1), row.s(2)], summed.s()).delay()
    other = (row.s(7) | row.s()).delay()
    assert batch.progress().total == 4 and len(batch.jobs()) == 4
    assert batch.cancel() >= 4
    with bound.worker(burst=True) as worker:
        worker.join()
    assert batch.done() and flow.done() and flow.state == "cancelled"
    assert other.get(timeout=0) == 7
    batch.retry()
    with bound.worker(burst=True) as worker:
        worker.join()
    assert batch.get(timeout=0) == [0, 3] and told == [("success", batch.id)]
    assert flow.progress().done == 3 and batch.progress().done == 4


def test_the_jobs_of_a_batch_are_listed_with_the_steps_of_its_workflows(bound: LiteQueue, capsys: pytest.CaptureFixture[str]) -> None:
    with bound.batch() as batch:
        row.delay(1)
        (row.s(1) | row.s()).delay()
    assert main(["jobs", bound.path, f"flow:{batch.id}"]) == 0
    assert capsys.readouterr().out.count("test_batches.row") == 3
    assert main(["flow", bound.path, str(batch.id)]) == 0
    assert capsys.readouterr().out.count("test_batches.row") == 3


def test_a_batch_whose_program_is_gone_is_closed_from_elsewhere(working: LiteQueue) -> None:
    def begin() -> int:
        batch = working.batch(on_success=good).__enter__()
        row.delay(1)
        return batch.id

    batch = working.batch(contextvars.copy_context().run(begin))
    wait_until(lambda: batch.progress().done == 1)
    assert batch.state == "blocked"
    batch.close()
    assert batch.get(timeout=30) == [1]
    wait_until(lambda: told == [("success", batch.id)])
    batch.close()  # again: nothing
    with pytest.raises(BatchClosed), batch:
        row.delay(2)
    with pytest.raises(JobNotFound, match="there is no batch 99"):
        working.batch(99).close()


def test_a_workflow_in_the_block_counts_by_its_steps_and_other_files_not_at_all(working: LiteQueue, tmp_path: Path) -> None:
    with LiteQueue(tmp_path / "other.sqlite") as other, working.batch(on_success=good) as batch:
        flow = group(row.s(n) for n in range(3)).delay()
        other.enqueue("somebody.elses")
        row.apply_async((5,), after=flow)
    assert batch.get(timeout=30) == [[0, 1, 2], 5]
    wait_until(lambda: told == [("success", batch.id)])
    assert flow.get(timeout=30) == [0, 1, 2]
    row.delay(1).get(timeout=30)  # behind the block: no member
    assert batch.progress().total == 4


def test_what_cannot_be_called_is_refused_before_anything_is_stored(bound: LiteQueue) -> None:
    for wrong, error in ((7, InvalidType), ("tests.name", InvalidArgument), (row.s() | row.s(), InvalidType)):
        with pytest.raises(error):
            bound.batch(on_success=wrong)
    with pytest.raises(InvalidType, match="on_success, on_failure, on_end"):
        bound.batch(on_sucess=good)
    with pytest.raises(InvalidArgument, match="where it begins"):
        bound.batch(3, on_success=good)
    with pytest.raises(InvalidArgument, match="callbacks of its own"):
        bound.batch(on_success=good.s().set(on_failure=bad))
    assert bound.jobs() == []
    row.delay(1)


def test_a_batch_of_very_many_is_stored_and_ends(working: LiteQueue) -> None:
    with working.batch(on_end=end) as batch:
        row.delay_many([(n,) for n in range(3_000)])
    wait_until(lambda: told == [("end", batch.id)], 30)
    assert batch.progress().done == 3_000


# -- as it comes to its end ------------------------------------------------------------------------------------


@app.task
def long_text(n: int) -> str:
    return str(n) * 300_000


@app.task
def unstorable(n: int) -> object:
    return open


def test_a_batch_of_which_all_members_succeeded_has_succeeded_whatever_they_came_to(working: LiteQueue) -> None:
    """Its end brought their results together, and was discarded where these were more than a job may be given."""
    with app.batch(on_success=good) as batch:
        long_text.delay_many((n,) for n in range(5))
    with app.batch() as other:
        unstorable.delay(1)
    assert [len(text) for text in batch.get(timeout=30)] == [300_000] * 5
    assert row.apply_async((7,), after=[batch, other]).get(timeout=30) == 7
    assert (batch.state, other.state) == ("succeeded", "succeeded")
    with pytest.raises(ResultNotStored):
        other.get(timeout=30)


def test_what_it_came_to_is_there_as_long_as_somebody_waits_who_was_called_for_it(hand: Hand) -> None:
    """Its end was pruned after a day, and results() of the batch was the list of nothing."""
    batches, now = hand.store.batches, hand.clock.now()
    job = new_job(state="blocked", created_at=now, run_at=now)
    flow = batches.begin([Child(job._replace(task=JOIN), "success", False), Child(job, "success", True)], [], now)
    ids, *_ = hand.store.jobs.enqueue_many(new_job(created_at=now, run_at=now), [("[1]", "{}"), ("[2]", "{}")], None, (), Membership(flow, None))
    batches.seal(flow, now)
    assert hand.claim() == list(ids)
    hand.end(*ids)
    (end, child) = hand.store.flows.ends(flow) + [2]
    assert (hand.state(end), hand.state(child)) == ("succeeded", "available")
    for days in (2, 3):
        hand.clock.advance(days * 86_400)
        hand.store.operations.prune(hand.clock.now(), 60)
        assert hand.store.flows.parents(end) == list(ids)
    assert hand.come_to_an_end() == [child]
    hand.clock.advance(40 * 86_400)
    hand.store.operations.prune(hand.clock.now(), 60)
    assert hand.rows("SELECT id FROM litequeue_jobs") == hand.rows("SELECT id FROM litequeue_flows") == []


def test_a_batch_without_members_leaves_nothing_behind(hand: Hand) -> None:
    now = hand.clock.now()
    job = new_job(state="blocked", created_at=now, run_at=now, task=JOIN)
    flow = hand.store.batches.begin([Child(job, "success", False)], [], now)
    hand.store.batches.seal(flow, now)
    hand.clock.advance(2 * 86_400)
    hand.store.operations.prune(hand.clock.now(), 60)
    assert hand.rows("SELECT id FROM litequeue_jobs") == hand.rows("SELECT id FROM litequeue_flows") == []


def test_results_that_are_gone_are_no_empty_list(bound: LiteQueue) -> None:
    with app.batch() as batch:
        row.delay(1)
    with bound.worker(burst=True) as worker:
        worker.join()
    assert batch.get() == [1]
    with closing(sqlite3.connect(bound.path)) as connection, connection:
        connection.execute("DELETE FROM litequeue_jobs WHERE task = 'litequeue.join'")
        connection.execute("DELETE FROM litequeue_edges")
    with pytest.raises(JobNotFound):
        batch.results()
    assert batch.done()


def test_when_a_callback_may_run_and_until_when_counts_from_when_the_members_have_ended(bound: LiteQueue) -> None:
    soon, gone = good.s().set(countdown=60, expires="2m"), end.s().set(expires="1m")
    at = datetime.now(UTC) + timedelta(hours=1)
    with app.batch(on_end=end.s("fixed").set(expires=at)):
        row.delay(1)
    with app.batch(on_success=soon, on_end=gone) as batch:
        row.delay(1)
    assert [job.expires_at for job in app.jobs() if job.state == "blocked" and job.task != "litequeue.join"] == [None, None, at]
    with closing(sqlite3.connect(bound.path)) as connection, connection:  # an hour goes by
        connection.execute("UPDATE litequeue_jobs SET created_at = created_at - 3600000000, run_at = run_at - 3600000000")
    before = datetime.now(UTC)
    with bound.worker():
        assert batch.get(timeout=30) == [1]
        wait_until(lambda: ("end", batch.id) in told)
    (scheduled,) = [job for job in app.jobs() if job.state == "scheduled"]
    assert scheduled.task.endswith(".good") and scheduled.expires_at is not None
    assert timedelta(seconds=59) < scheduled.run_at - before < timedelta(seconds=90)
    assert scheduled.expires_at - scheduled.run_at == timedelta(minutes=2)


def test_a_member_cannot_wait_for_its_own_batch(bound: LiteQueue) -> None:
    """It waited for ever, and nothing told."""
    with app.batch() as batch:
        row.delay(1)
        for wrong in (lambda: row.apply_async((2,), after=[batch]), lambda: (row.s(2) | row.s()).apply_async(after=[f"flow:{batch.id}"])):
            with pytest.raises(WouldDeadlock, match=f"batch {batch.id}"):
                wrong()
    assert len(batch.jobs()) == 1
    assert row.apply_async((2,), after=[batch]).state == "blocked"


def test_a_batch_whose_block_is_never_entered_is_nowhere(bound: LiteQueue) -> None:
    """It lay open in the file, and what it was to call waited for ever."""
    batch = app.batch(on_end=end)
    assert "not begun" in repr(batch)
    with pytest.raises(InvalidArgument, match="with app.batch"):
        batch.id  # noqa: B018
    with pytest.raises(InvalidArgument, match="with app.batch"):
        batch.close()
    assert bound.jobs() == []
    with batch:
        row.delay(1)
    assert batch.id == 1 and len(batch.jobs()) == 1


def test_as_completed_gives_what_joins_meanwhile_too(working: LiteQueue) -> None:
    with app.batch() as batch:
        more.delay(4)
    assert len({job.id for job in batch.as_completed(timeout=30)}) == 5


def test_of_a_batch_that_was_given_up_nobody_adds_to_it(bound: LiteQueue) -> None:
    with pytest.raises(ZeroDivisionError), app.batch() as batch:
        more.delay(3)
        with closing(sqlite3.connect(bound.path)) as connection, connection:  # it runs already
            connection.execute("UPDATE litequeue_jobs SET state = 'running', attempt = 1, worker_id = 1, lease_expires_at = 1 WHERE task LIKE '%more'")
        1 / 0  # noqa: B018
    with closing(sqlite3.connect(bound.path)) as connection:
        ((member, attempt),) = connection.execute("SELECT id, attempt FROM litequeue_jobs WHERE task LIKE '%more'").fetchall()
        with pytest.raises(BatchClosed):
            bound._client.store.jobs.enqueue_many(new_job(), [("[1]", "{}")], None, (), Membership(batch.id, Lease(member, attempt)))
        assert connection.execute("SELECT count(*) FROM litequeue_jobs WHERE task LIKE '%row'").fetchone() == (0,)
