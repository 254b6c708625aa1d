"""Claim, settle, promote, expire: one worker's and two workers' turns on a real file."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from litequeue.base.models import (
    Adoption,
    ClaimedJob,
    Lease,
    Settled,
    TaskOrigin,
    Unsettled,
)
from litequeue.store import Store
from litequeue.store.rules import KEEP_DISCARDED
from litequeue.store.turn import Demand

from ..support import FakeClock, new_job

pytestmark = pytest.mark.beside

SECOND = 1_000_000


def claim(store: Store, clock: FakeClock, *, worker: int = 1, limit: int = 10, **more: Any) -> list[ClaimedJob]:
    demand = Demand({"thread": limit, "process": limit, "async": limit}, **more)
    now = clock.now()
    return store.jobs.turn(worker, now, now + 60 * SECOND, demand=demand).claimed


def success(job: ClaimedJob, clock: FakeClock, result: str = "null") -> Settled:
    now = clock.now()
    return Settled(job.id, job.attempt, now, now, result, now + SECOND, None)


def other(job: ClaimedJob, clock: FakeClock, state: str, **fields: Any) -> Unsettled:
    now = clock.now()
    row = Unsettled(job.id, job.attempt, state, now, None, None, None, 0, None, None, None, now, 0)
    return row._replace(**fields)


def settle(store: Store, clock: FakeClock, *, worker: int = 1, ok: Any = (), others: Any = ()) -> set[Lease]:
    now = clock.now()
    return store.jobs.turn(worker, now, now + 60 * SECOND, succeeded=ok, others=others).lost


def test_ids_rise_and_the_claim_is_first_in_first_out(store: Store, clock: FakeClock) -> None:
    ids = [store.jobs.enqueue(new_job())[0] for _ in range(5)]
    assert ids == sorted(ids)
    assert [job.id for job in claim(store, clock, limit=3)] == ids[:3]
    assert [job.id for job in claim(store, clock, limit=3)] == ids[3:]


def test_higher_priority_first_across_queues(store: Store, clock: FakeClock) -> None:
    for queue, priority in (("b", 0), ("a", 5), ("c", 9), ("a", -1), ("b", 5)):
        store.jobs.enqueue(new_job(queue=queue, priority=priority, args=f"[{priority}]"))
    assert [(j.queue, j.args) for j in claim(store, clock)] == [
        ("c", "[9]"), ("a", "[5]"), ("b", "[5]"), ("b", "[0]"), ("a", "[-1]"),
    ]  # fmt: skip


def test_the_limit_takes_the_best_of_all_queues(store: Store, clock: FakeClock) -> None:
    for n in range(20):
        store.jobs.enqueue(new_job(queue=f"q{n % 5}", priority=n, args=f"[{n}]"))
    assert [job.args for job in claim(store, clock, limit=6)] == [f"[{n}]" for n in (19, 18, 17, 16, 15, 14)]


def test_only_the_named_queues_are_served(store: Store, clock: FakeClock) -> None:
    for queue in ("a", "b", "c"):
        store.jobs.enqueue(new_job(queue=queue))
    assert [j.queue for j in claim(store, clock, queues=("a", "c"))] == ["a", "c"]


def test_a_paused_queue_is_passed_over_until_it_is_resumed(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job(queue="a"))
    store.jobs.enqueue(new_job(queue="b"))
    store.operations.pause("a", clock.now())
    assert [j.queue for j in claim(store, clock)] == ["b"]
    store.operations.resume("a")
    assert [j.queue for j in claim(store, clock)] == ["a"]


def test_tasks_without_code_are_left_for_others(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job(task="strange"))
    store.jobs.enqueue(new_job(task="known"))
    assert [j.task for j in claim(store, clock, unknown=json.dumps(["strange"]))] == ["known"]
    assert [j.task for j in claim(store, clock)] == ["strange"]


def test_each_pool_has_its_own_limit(store: Store, clock: FakeClock) -> None:
    for pool in ("thread", "process", "async", "thread", "process"):
        store.jobs.enqueue(new_job(pool=pool))
    turn = store.jobs.turn(1, clock.now(), clock.now() + SECOND, demand=Demand({"thread": 1, "process": 2, "async": 0}))
    assert sorted(job.pool for job in turn.claimed) == ["process", "process", "thread"]


def test_an_attempt_is_counted_at_the_claim_and_settled_under_its_number(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job())
    (job,) = claim(store, clock)
    assert (job.attempt, job.failures) == (1, 0)
    assert settle(store, clock, ok=[success(job, clock, "8")]) == set()
    assert store.reports.result(job.id) == ("succeeded", "8", None)


def test_a_settle_of_an_attempt_that_is_no_longer_ours_changes_nothing(store: Store, clock: FakeClock) -> None:
    """The fence: a frozen worker's late result must not overwrite the second run's."""
    store.jobs.enqueue(new_job())
    store.jobs.enqueue(new_job())
    frozen, kept = claim(store, clock, worker=1)
    with store.database.write(durable=False) as connection:
        connection.execute("UPDATE litequeue_jobs SET lease_expires_at = 1 WHERE id = ?", (frozen.id,))
    assert store.leases.rescue_lapsed(1, clock.now(), clock.now()) == (1, ())
    (again,) = claim(store, clock, worker=2)
    assert (again.id, again.attempt, again.interruptions) == (frozen.id, 2, 1)
    lost = settle(store, clock, ok=[success(frozen, clock, '"late"'), success(kept, clock, '"fine"')])
    assert lost == {Lease(frozen.id, 1)}
    assert store.reports.state(frozen.id) == "running"
    assert store.reports.result(kept.id) == ("succeeded", '"fine"', None)
    late = other(frozen, clock, "discarded", finished_at=1, prune_at=1, failed=1, error_type="E")
    assert settle(store, clock, others=[late]) == {Lease(frozen.id, 1)}
    assert store.reports.job(frozen.id).state == "running"  # type: ignore[union-attr]
    settle(store, clock, worker=2, ok=[success(again, clock, '"second"')])
    assert store.reports.result(frozen.id) == ("succeeded", '"second"', None)


def test_a_late_ack_is_good_if_nobody_took_the_job(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job())
    (job,) = claim(store, clock)
    clock.advance(3600)
    assert settle(store, clock, ok=[success(job, clock)]) == set()
    assert store.reports.state(job.id) == "succeeded"


def test_a_failure_waits_for_its_time_and_comes_back_with_its_history(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job(max_attempts=3))
    (job,) = claim(store, clock)
    due = clock.now() + 5 * SECOND
    row = other(job, clock, "retrying", run_at=due, failed=1, error_type="ValueError", error_message="boom", traceback="tb")
    settle(store, clock, others=[row])
    assert claim(store, clock) == []
    look = store.jobs.turn(1, clock.now(), 0).look
    assert look.next_due == due
    clock.advance(5)
    (again,) = claim(store, clock)
    assert (again.attempt, again.failures) == (2, 1)
    assert again.errors == [[1, "ValueError", "boom"]]
    info = store.reports.job(job.id)
    assert info is not None
    assert info.last_error == "ValueError: boom"
    assert [(a.attempt, a.outcome, a.traceback) for a in info.attempts] == [(1, "failed", "tb")]


def test_a_future_job_is_promoted_when_it_is_due_even_if_the_clock_was_set_back(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job(state="scheduled", run_at=clock.now() + 60 * SECOND))
    clock.advance(-3600)
    store.jobs.enqueue(new_job(run_at=clock.now() + 3600 * SECOND))  # available: never waits for a clock
    assert len(claim(store, clock)) == 1
    clock.advance(3661)
    assert len(claim(store, clock)) == 1


def test_a_job_past_its_deadline_is_not_started(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job(expires_at=clock.now() + SECOND))
    store.jobs.enqueue(new_job(expires_at=clock.now() + 9 * SECOND))
    clock.advance(2)
    (job,) = claim(store, clock)
    assert job.id == 2
    assert store.reports.state(1) == "expired"
    clock.advance(60)
    assert settle(store, clock, ok=[success(job, clock)]) == set()
    assert store.reports.state(2) == "succeeded"


def fails(store: Store, clock: FakeClock, job: ClaimedJob) -> None:
    settle(store, clock, others=[other(job, clock, "retrying", run_at=clock.now(), failed=1, error_type="E")])


def snoozes(store: Store, clock: FakeClock, job: ClaimedJob) -> None:
    settle(store, clock, others=[other(job, clock, "scheduled", run_at=clock.now())])


def is_broken_off(store: Store, clock: FakeClock, job: ClaimedJob) -> None:
    settle(store, clock, others=[other(job, clock, "available")])


def loses_its_worker(store: Store, clock: FakeClock, job: ClaimedJob) -> None:
    assert store.leases.rescue_worker(1, "w", clock.now()).again == 1


def outlives_its_lease(store: Store, clock: FakeClock, job: ClaimedJob) -> None:
    clock.advance(3600)
    assert store.leases.rescue_lapsed(1, clock.now(), clock.now()).again == 1


def outlasts_its_worker(store: Store, clock: FakeClock, job: ClaimedJob) -> None:
    assert store.leases.release_worker(1, clock.now()).again == 1


@pytest.mark.parametrize("end", [fails, snoozes, is_broken_off, loses_its_worker, outlives_its_lease, outlasts_its_worker])
def test_a_job_that_was_started_in_time_does_not_expire_before_its_next_attempt(
    store: Store, clock: FakeClock, end: Callable[[Store, FakeClock, ClaimedJob], None]
) -> None:
    store.jobs.enqueue(new_job(max_attempts=2, expires_at=clock.now() + SECOND))
    (job,) = claim(store, clock)
    clock.advance(2)
    end(store, clock, job)
    clock.advance(2)
    assert [again.attempt for again in claim(store, clock)] == [2]


def test_a_job_that_was_claimed_in_time_and_not_started_expires(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job(expires_at=clock.now() + SECOND))
    (job,) = claim(store, clock)
    clock.advance(2)
    settle(store, clock, others=[other(job, clock, "available", started_at=None, unstarted=1)])
    assert (claim(store, clock), store.reports.state(job.id)) == ([], "expired")


def test_of_thousands_of_expired_jobs_none_is_claimed(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue_many(new_job(expires_at=clock.now() + SECOND), (("[]", "{}") for _ in range(2500)))
    clock.advance(2)
    assert [len(claim(store, clock, limit=100)) for _ in range(4)] == [0, 0, 0, 0]
    assert store.reports.stats().states == {"expired": 2500}


def test_the_room_bounds_all_pools_together(store: Store, clock: FakeClock) -> None:
    for pool in ("thread", "process", "async"):
        store.jobs.enqueue(new_job(pool=pool))
    assert len(claim(store, clock, room=2)) == 2
    assert len(claim(store, clock, room=1)) == 1


def test_a_cancel_during_the_run_stops_the_retry(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job(max_attempts=5))
    (job,) = claim(store, clock)
    assert store.operations.cancel(job.id, clock.now())[0] == "running"
    assert store.jobs.turn(1, clock.now(), 0).look.cancelled == (job.id,)
    settle(store, clock, others=[other(job, clock, "retrying", run_at=clock.now(), failed=1, error_type="E")])
    assert claim(store, clock) == []
    assert store.reports.state(job.id) == "cancelled"


def test_adopting_fills_in_what_a_producer_did_not_know(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job(max_attempts=None))
    now = clock.now()
    refusing = Demand({"thread": 1}, accept=lambda job: False)
    (job,) = store.jobs.turn(1, now, now, demand=refusing).refused
    store.jobs.turn(1, now, now, adoptions=[Adoption(job.id, "process", 4, 1)])
    (claimed,) = claim(store, clock)
    assert (claimed.pool, claimed.max_attempts, claimed.at_most_once, claimed.attempt) == ("process", 4, 1, 1)


def test_a_refused_job_is_left_exactly_as_it_was(store: Store, clock: FakeClock) -> None:
    job_id, _ = store.jobs.enqueue(new_job())
    before = store.reports.job(job_id)
    now = clock.now()
    turn = store.jobs.turn(1, now, now, demand=Demand({"thread": 9}, accept=lambda job: False))
    assert [job.id for job in turn.refused] == [job_id]
    assert turn.claimed == []
    assert store.reports.job(job_id) == before


def test_a_claim_given_back_unstarted_is_no_execution(store: Store, clock: FakeClock) -> None:
    job_id, _ = store.jobs.enqueue(new_job(max_attempts=9))
    for _ in range(3):
        (job,) = claim(store, clock)
        assert job.execution == 1
        settle(store, clock, others=[other(job, clock, "available", started_at=None, unstarted=1)])
        info = store.reports.job(job_id)
        assert info is not None
        assert (info.attempt, info.started_at, info.worker) == (0, None, None)
    (job,) = claim(store, clock)
    assert (job.attempt, job.execution) == (4, 1)  # the fence rises all the same
    failure = {"run_at": clock.now(), "failed": 1, "error_type": "E", "error_message": "m"}
    settle(store, clock, others=[other(job, clock, "retrying", **failure)])
    (job,) = claim(store, clock)
    assert job.execution == 2
    assert [error[0] for error in job.errors] == [1]


def test_delay_many_is_all_or_nothing_with_consecutive_ids(store: Store) -> None:
    ids, *_ = store.jobs.enqueue_many(new_job(), ((f"[{n}]", "{}") for n in range(1000)))
    assert [store.reports.job(i).args for i in (ids[0], ids[-1])] == ["[0]", "[999]"]  # type: ignore[union-attr]
    assert len(ids) == 1000

    def broken() -> Any:
        yield "[1]", "{}"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.jobs.enqueue_many(new_job(), broken())
    assert store.jobs.enqueue_many(new_job(), ())[0] == range(0)
    assert sum(store.reports.stats().states.values()) == 1000
    assert store.jobs.enqueue(new_job())[0] == ids[-1] + 1


def test_the_origin_of_a_task_is_recorded_and_updated(store: Store) -> None:
    store.jobs.enqueue(new_job(), TaskOrigin("t", "m", "f", "/a", "{}"))
    store.jobs.enqueue(new_job(), TaskOrigin("t", "m", "f", "/b", "{}"))
    assert store.jobs.origin("t") == TaskOrigin("t", "m", "f", "/b", "{}")
    assert store.jobs.origin("u") is None


def test_a_dead_workers_jobs_go_back_and_the_third_death_convicts(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job())
    store.jobs.enqueue(new_job(at_most_once=1))
    claim(store, clock)
    store.leases.rescue_worker(1, "w1", clock.now())
    once = store.reports.job(2)
    assert once is not None and once.state == "discarded" and "at most once" in str(once.last_error)
    for round_ in (2, 3):
        (job,) = claim(store, clock)
        assert (job.attempt, job.interruptions, job.failures) == (round_, round_ - 1, 0)
        store.leases.rescue_worker(1, f"w{round_}", clock.now())
    info = store.reports.job(1)
    assert info is not None
    assert info.state == "discarded" and "3 workers died" in str(info.last_error)
    assert [a.outcome for a in info.attempts] == ["interrupted"] * 3
    assert claim(store, clock) == []


def test_a_worker_that_left_in_good_order_charges_nothing(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job())
    claim(store, clock)
    assert store.leases.release_worker(1, clock.now()) == (1, ())
    (job,) = claim(store, clock)
    assert (job.interruptions, job.failures, job.attempt) == (0, 0, 2)


def test_extending_says_which_leases_are_still_held(store: Store, clock: FakeClock) -> None:
    for _ in range(3):
        store.jobs.enqueue(new_job())
    jobs = claim(store, clock)
    settle(store, clock, ok=[success(jobs[0], clock)])
    held = store.leases.extend(1, clock.now(), clock.now() + 99 * SECOND)
    assert held == {Lease(jobs[1].id, 1), Lease(jobs[2].id, 1)}
    info = store.reports.job(jobs[1].id)
    assert info is not None and info.lease_expires_at is not None


def test_cancel_and_revive(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job(state="scheduled", run_at=clock.now() + SECOND))
    assert store.operations.cancel(1, clock.now())[:2] == ("cancelled", True)
    assert store.operations.cancel(1, clock.now())[:2] == ("cancelled", False)
    assert store.operations.cancel(99, clock.now())[0] is None
    assert store.operations.revive(1, clock.now())[0] == "available"
    (job,) = claim(store, clock)
    settle(store, clock, others=[other(job, clock, "discarded", finished_at=5, prune_at=5, failed=1, error_type="E")])
    assert store.operations.revive(1, clock.now())[0] == "available"
    info = store.reports.job(1)
    assert info is not None
    assert (info.failures, info.attempt, len(info.attempts)) == (0, 1, 1)
    store.jobs.enqueue(new_job(state="scheduled", run_at=clock.now() + SECOND))
    assert store.operations.revive(2, clock.now())[0] == "available"


@pytest.mark.slow
def test_pruning_deletes_what_is_old_for_as_long_as_it_may_and_the_file_levels_off(store: Store, clock: FakeClock) -> None:
    sizes = []
    for _ in range(6):
        store.jobs.enqueue_many(new_job(), (("[1]", "{}") for _ in range(1000)))
        while jobs := claim(store, clock, limit=500):
            settle(store, clock, ok=[success(job, clock) for job in jobs])
        clock.advance(5)
        assert store.operations.prune(clock.now(), 0) == 1
        assert store.operations.prune(clock.now(), 60) == 999
        assert store.operations.prune(clock.now(), 60) == 0
        with store.database.read() as connection:
            sizes.append(connection.execute("PRAGMA page_count").fetchone()[0])
    assert sizes[-1] <= sizes[1] * 1.1
    assert store.reports.stats().states == {}


def test_pruning_spares_what_was_revived_and_takes_the_attempts_along(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job())
    (job,) = claim(store, clock)
    row = other(job, clock, "discarded", finished_at=1, prune_at=clock.now() + KEEP_DISCARDED, failed=1, error_type="E")
    settle(store, clock, others=[row])
    assert store.operations.prune(clock.now(), 1) == 0
    clock.advance(31 * 86400)
    store.operations.revive(job.id, clock.now())
    assert store.operations.prune(clock.now(), 1) == 0
    (job,) = claim(store, clock)
    settle(store, clock, others=[row._replace(attempt=job.attempt, prune_at=clock.now())])
    assert store.operations.prune(clock.now(), 1) == 1
    with store.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM litequeue_attempts").fetchone() == (0,)


def test_rows_written_by_plain_sql_run(store: Store, clock: FakeClock) -> None:
    with store.database.write(durable=True) as connection:
        connection.execute("INSERT INTO litequeue_jobs (task, args) VALUES ('tests.task', '[1]')")
    (job,) = claim(store, clock)
    assert (job.task, job.args, job.max_attempts) == ("tests.task", "[1]", None)


def test_the_file_refuses_impossible_rows(store: Store) -> None:
    import sqlite3

    store.jobs.enqueue(new_job())
    for wrong in (
        "state = 'running'", "state = 'nonsense'", "finished_at = 5", "lease_expires_at = 5",
        "state = 'succeeded'", "pool = 'gpu'", "run_at = NULL", "priority = 'high'",
    ):  # fmt: skip
        with pytest.raises(Exception) as caught, store.database.write(durable=True) as connection:
            connection.execute(f"UPDATE litequeue_jobs SET {wrong}")
        assert isinstance(caught.value.__cause__ or caught.value, sqlite3.IntegrityError), wrong


def test_the_readable_view_shows_times(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job())
    with store.database.read() as connection:
        row = connection.execute("SELECT task, created FROM litequeue_jobs_readable").fetchone()
    assert row == ("tests.task", "2023-11-14 22:13:20.000")


def test_the_time_for_pruning_begins_with_the_write_lock_however_long_that_was_waited_for(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue_many(new_job(), (("[]", "{}") for _ in range(300)))
    with store.database.write(durable=False) as connection:
        connection.execute("UPDATE litequeue_jobs SET state = 'succeeded', finished_at = 1, prune_at = 1")
    gate = store.database.held().gate
    gate.acquire(1)
    timer = threading.Timer(0.3, gate.release)
    timer.start()
    assert store.operations.prune(clock.now(), 0.2) == 300
    timer.join()
