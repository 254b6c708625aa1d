"""What a worker's log says of jobs that end, are dropped or are lost, and of a file that refuses it for long."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.base.errors import QueueBusy, StorageFull
from litequeue.base.models import ClaimedJob, Lease, Settled, Unsettled
from litequeue.base.outcomes import Failed, NotStarted, Succeeded, Timed
from litequeue.pools.base import Call
from litequeue.pools.json_lines import JsonFormatter
from litequeue.store import Store
from litequeue.store.turn import Demand
from litequeue.worker import journal
from litequeue.worker.inbox import Inbox
from litequeue.worker.journal import Endings
from litequeue.worker.repeated_warning import Complaint
from litequeue.worker.services.heartbeat import Heartbeat
from litequeue.worker.services.maintenance import Maintenance

from ..support import FakeClock, new_job

pytestmark = pytest.mark.beside

LEASE = 60_000_000


def call(app: LiteQueue, job_id: int) -> Call:
    task = app.task(lambda: None, name=f"t{job_id}")
    job = ClaimedJob(job_id, 1, 0, f"t{job_id}", "[]", "{}", "q", "thread", 0, 0, 0, 1, None, None, 0, 0, 0, None)
    return Call(job, task._code, 1, None, None, "")


def success(job_id: int) -> Settled:
    return Settled(job_id, 1, 5, 6, "8", 9, None)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_an_end_is_logged_once_it_is_written_and_a_dropped_one_is_not_said_to_have_succeeded(
    app: LiteQueue, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    endings = Endings(clock.monotonic)
    for job_id in (1, 2):
        endings.add(call(app, job_id), Timed(Succeeded("8"), 5, 0.5), success(job_id))
    assert lines(caplog) == []
    endings.written({Lease(2, 1)})
    assert lines(caplog) == [
        "job 1 t1: succeeded in 0.500 s",
        "job 2 t2: attempt 1 had lost its lease; its result, after 0.500 s, was dropped",
    ]
    endings.written(set())
    assert len(lines(caplog)) == 2


def test_results_that_are_given_up_are_counted_with_the_reason(app: LiteQueue, clock: FakeClock) -> None:
    endings = Endings(clock.monotonic)
    endings.add(call(app, 1), Timed(NotStarted(), 0, 0.0), success(1))
    assert endings.given_up() is None
    for job_id in (7, 8):
        endings.add(call(app, job_id), Timed(Succeeded("8"), 5, 0.5), success(job_id))
    endings.refused(StorageFull("/q: no room left on the device"))
    text = endings.given_up()
    assert text is not None and text.startswith("the results of 2 jobs (7, 8) could not be written and are given up: /q: no room")
    endings.written(set())
    assert endings.given_up() is None


def test_a_warning_that_persists_comes_every_ten_seconds_with_its_count_and_then_its_end(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    complaint = Complaint(clock.monotonic)
    complaint.over("never said")
    for _ in range(100):
        complaint.again(StorageFull("full"), "full")
        clock.advance(0.25)
    assert lines(caplog) == ["full", "full (41 times in 10 s so far)", "full (81 times in 20 s so far)"]
    complaint.again(QueueBusy("busy"), "busy")  # another one is said at once
    complaint.over("it goes on")
    complaint.over("it goes on")
    assert lines(caplog)[3:] == ["busy (101 times in 25 s so far)", "it goes on, after it was refused 101 times in 25 s"]


def test_heartbeat_and_housekeeping_do_not_repeat_themselves(
    store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)

    def full(*_: Any) -> Any:
        raise StorageFull("no room")

    heart, house = Heartbeat(store, 1, clock, LEASE, Inbox()), Maintenance(store, 1, clock, LEASE, Inbox())
    heart.tick()  # registering was the first beat
    with monkeypatch.context() as broken:
        broken.setattr(store.leases, "extend", full)
        broken.setattr(store.operations, "prune", full)
        for _ in range(20):
            heart.tick()
            house.tick()
            clock.advance(1)
    heart.tick()
    house.tick()
    said = lines(caplog)
    assert sum("heartbeat could not be written" in line for line in said) == 2
    assert sum("housekeeping has to wait" in line for line in said) == 2
    assert said[-2:] == [
        "the heartbeat is written, after it was refused 20 times in 19 s",
        "housekeeping goes on, after it was refused 20 times in 19 s",
    ]


@pytest.mark.slow
def test_a_line_names_the_schedule_that_a_job_came_of(app: LiteQueue, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "litequeue")
    for name, word in (("nightly", "true"), ("failing", "false"), ("once", "true")):
        app.schedules.add(name, "litequeue.command", every="1h", kwargs={"argv": [word]}, at_most_once=name == "once")
    app.enqueue("litequeue.command", ["true"])
    for name in ("nightly", "failing"):
        app.schedules.run_now(name)
    with app.worker(burst=True) as worker:
        assert worker.join(20)
    for line in ("1 litequeue.command: succeeded", "2 litequeue.command (nightly): attempt 1 starts",
                 "2 litequeue.command (nightly): succeeded", "3 litequeue.command (failing): attempt 1 discarded"):  # fmt: skip
        assert sum(said.startswith(f"job {line}") for said in lines(caplog)) == 1, line
    record = next(record for record in caplog.records if "(nightly): succeeded" in record.getMessage())
    assert record.__dict__["schedule"] == "nightly"
    assert '"schedule": "nightly"' in JsonFormatter().format(record)
    app.schedules.run_now("once")
    store.jobs.turn(99, 1, 1 + LEASE, demand=Demand({"async": 1}))
    journal.lost(store.leases.rescue_worker(99, "w", 2).lost)
    assert lines(caplog)[-1].startswith("job 4 litequeue.command (once): attempt 1 discarded (Lost: ")


@pytest.mark.parametrize("how", ["died", "left", "let its leases run out"])
def test_a_rescue_tells_what_runs_again_from_what_is_lost_and_names_the_worker(
    store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    caplog.set_level(logging.INFO)
    registration = store.workers.register(name="anna", host="h", wake_port=None, queues=None, slots={}, now=clock.now())
    registration.close()
    for once in (0, 1, 0):
        store.jobs.enqueue(new_job(at_most_once=once, task=f"task{once}"))
    store.jobs.turn(registration.id, clock.now(), clock.now() + LEASE, demand=Demand({"thread": 9}))
    if how == "left":
        store.workers.leave(registration.id, clock.now())
    if how != "let its leases run out":
        monkeypatch.setattr(store.workers, "proven_dead", proven)
    reaper = Maintenance(store, 99, clock, LEASE, Inbox())
    for _ in range(40):
        reaper.tick()
        clock.advance(2)
    said = [line for line in lines(caplog) if "worker anna" in line or line.startswith("job")]
    verb = "has left" if how == "left" else how
    assert said[0] == f"worker anna {verb}; 2 of its jobs are available again, 1 are lost"
    assert said[1].startswith("job 2 task1: attempt 1 discarded (Lost: ") and "at most once" in said[1]
    assert len(said) == 2
    record = next(r for r in caplog.records if r.getMessage() == said[1])
    assert (record.levelname, record.__dict__["job_id"], record.__dict__["task"]) == ("ERROR", 2, "task1")


@contextlib.contextmanager
def proven(peer: object) -> Iterator[bool]:
    yield True


def test_the_third_death_is_logged_as_the_loss_of_the_job(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job())
    for round_ in (1, 2, 3):
        store.jobs.turn(1, clock.now(), clock.now() + LEASE, demand=Demand({"thread": 1}))
        rescued = store.leases.rescue_worker(1, "w", clock.now())
        assert (rescued.again, len(rescued.lost)) == ((1, 0) if round_ < 3 else (0, 1))
    info = store.reports.job(1)
    assert info is not None and rescued.lost[0] == (1, "tests.task", 3, info.last_error, None, "default")
    assert "3 workers died" in rescued.lost[0].why


def test_a_rescue_outlives_a_planted_name_that_is_no_text(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    store.jobs.enqueue(new_job(at_most_once=1))
    with store.database.write(durable=False) as connection:
        connection.execute("UPDATE litequeue_jobs SET task = CAST(x'ff41' AS TEXT)")
    store.jobs.turn(1, clock.now(), clock.now() + LEASE, demand=Demand({"thread": 1}))
    assert store.leases.rescue_worker(1, "w", clock.now()).lost[0].task == "\udcffA"


# -- tracebacks ------------------------------------------------------------------------------------------------

RETRIED, DISCARDED = "retrying", "discarded"


def failure(state: str, traceback: str = "Traceback (most recent call last):\nValueError: no\n") -> Unsettled:
    return Unsettled(1, 1, state, 5, None, 10_000_005, None, 1, "ValueError", "no", traceback, 6, 0)


def shown(app: LiteQueue, clock: FakeClock, caplog: pytest.LogCaptureFixture, row: Unsettled) -> logging.LogRecord:
    caplog.clear()
    endings = Endings(clock.monotonic)
    endings.add(call(app, 1), Timed(Failed("ValueError", "no", row.traceback or "", None), 5, 0.5), row)
    endings.written(set())
    (record,) = caplog.records
    return record


def test_the_traceback_of_the_last_attempt_is_below_its_line_and_at_debug_that_of_each(
    app: LiteQueue, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plain = logging.Formatter("%(levelname)s %(message)s")
    last = shown(app, clock, caplog, failure(DISCARDED))
    assert plain.format(last) == "ERROR job 1 t1: attempt 1 discarded (ValueError: no)\nTraceback (most recent call last):\nValueError: no"
    assert json.loads(JsonFormatter().format(last))["traceback"] == "Traceback (most recent call last):\nValueError: no"
    retried = shown(app, clock, caplog, failure(RETRIED))
    assert retried.levelname == "WARNING" and "Traceback" not in plain.format(retried)
    assert "traceback" not in json.loads(JsonFormatter().format(retried))
    caplog.set_level(logging.DEBUG)
    assert "\nTraceback" in plain.format(shown(app, clock, caplog, failure(RETRIED)))


def test_a_traceback_in_the_log_is_bounded_with_both_ends_and_drives_no_terminal(app: LiteQueue, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    found = shown(app, clock, caplog, failure(DISCARDED, "first\n" + "x" * 60_000 + "\x1b[2J\nlast\n")).exc_text
    assert found is not None and len(found) < journal.MOST_TRACEBACK + 100
    assert found.startswith("first\n") and found.endswith("\\x1b[2J\nlast") and "characters left out" in found


def test_an_attempt_without_a_traceback_has_none_in_the_log(app: LiteQueue, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    assert shown(app, clock, caplog, failure(DISCARDED, "")).exc_text is None
