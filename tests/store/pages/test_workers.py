"""Workers as they are: what they hold, what is busy, and what can be told of them."""

from __future__ import annotations

import json
import os
import random
import socket
from collections import Counter

import pytest

from litequeue.base.checks import aware
from litequeue.store import Store
from litequeue.store.pages import workers
from litequeue.store.rules import DAY
from litequeue.store.workers import resident

from .filled import MICROS, NOW, counted, execute, fill, rows_of

pytestmark = pytest.mark.beside

WORKER = """INSERT INTO litequeue_workers (name, pid, host, lock_file, slots, started_at, heartbeat_at, stopped_at, unknown_tasks, queues)
VALUES (?, ?, ?, 'x', ?, ?, ?, ?, ?, ?)"""


def worker(name: str = "w", pid: int = 1, host: str = "h", slots: str = '{"thread": 4}', started: int = NOW - 600 * MICROS, stopped: int | None = None) -> tuple[object, ...]:
    return name, pid, host, slots, started, NOW - MICROS, stopped, "{}", None


def test_no_slot_is_busy_twice_and_the_longest_jobs_come_first(store: Store) -> None:
    fill(store, random.Random(5), 600)
    execute(store, "UPDATE litequeue_workers SET slots = ?", [(json.dumps({"thread": 3, "process": 50, "async": 0}),)])
    rows = [row for row in rows_of(store) if row["state"] == "running"]
    found = store.pages.workers(NOW)
    assert [row.info.name for row in found.live] == ["web-1", "web-2"] and not found.stopped
    for row in found.live:
        mine = [job for job in rows if job["worker_id"] == row.info.id]
        pools = Counter(job["pool"] for job in mine)
        assert pools["thread"] > 3 and row.busy == {"thread": 3, "process": pools["process"]}
        order = sorted(mine, key=lambda job: (job["started_at"], job["id"]))
        assert [(job.id, job.task, job.at) for job in row.runs] == [(job["id"], job["task"], aware(job["started_at"])) for job in order[: workers.RUNS]]


def test_one_has_what_it_runs_and_what_it_ended_last(store: Store) -> None:
    fill(store, random.Random(5), 600)
    rows = rows_of(store)
    found = store.pages.worker(2, NOW)
    assert found is not None and found.row.info.name == "web-2"
    running = sorted((job for job in rows if job["state"] == "running" and job["worker_id"] == 2), key=lambda job: (job["started_at"], job["id"]))
    assert [info.id for info in found.running] == [job["id"] for job in running[: workers.ON_A_PAGE]]
    most = max(job["id"] for job in running)
    ended = sorted((job for job in rows if job["finished_at"] and job["worker_id"] == 2 and job["id"] <= most), key=lambda job: (-job["finished_at"], -job["id"]))
    assert [info.id for info in found.last] == [job["id"] for job in ended[: workers.ON_A_PAGE]] and ended
    assert store.pages.worker(3, NOW) is None


def test_those_that_stopped_are_shown_for_a_day(store: Store) -> None:
    execute(store, WORKER, [worker("lives"), worker("gone", stopped=NOW - 60 * MICROS), worker("long gone", stopped=NOW - DAY - 1)])
    found = store.pages.workers(NOW)
    assert [row.info.name for row in found.live] == ["lives"] and [row.info.name for row in found.stopped] == ["gone"]
    page = store.pages.worker(2, NOW)
    assert page is not None and (page.row.note, page.row.busy, page.row.rate, page.running) == ("", {}, None, ())


def test_the_note_is_that_of_stats_and_the_memory_that_of_a_process_of_this_host(store: Store) -> None:
    now = store.reports.state(1) or NOW
    registered = store.workers.register(name="here", host=socket.gethostname(), wake_port=None, queues=None, slots={"thread": 1}, now=now)
    execute(store, WORKER, [worker("elsewhere", pid=os.getpid())])
    here, elsewhere = store.pages.workers(now).live
    assert here.note == "" and here.memory_bytes is not None and here.memory_bytes > 1_000_000
    assert elsewhere.note == "its lock file is gone" and elsewhere.memory_bytes is None
    (later, _) = store.pages.workers(now + 3600 * MICROS).live
    assert later.note == "no beat for 3600 s"
    registered.close()
    assert resident(2**30) is None


def test_one_that_was_alone_has_the_rate_of_the_file(store: Store) -> None:
    counted(store, random.Random(1), 300, 300)
    execute(store, WORKER, [worker(), worker("came later", started=NOW)])
    rate = sum(row.rate or 0 for row in store.pages.queues(NOW).rows)
    assert rate > 0 and [row.rate for row in store.pages.workers(NOW).live] == [rate, None]
    execute(store, WORKER, [worker("beside it")])
    assert {row.rate for row in store.pages.workers(NOW).live} == {None}


@pytest.mark.parametrize("slots", ["[]", "{", '{"thread": -5}', '{"thread": "x", "process": 1e999}', '{"thread": 99999999999999999999}', "\0", "[" * 100_000])
def test_a_row_that_is_planted_breaks_nothing(store: Store, slots: str) -> None:
    execute(store, WORKER, [("\0" * 1000, -1, "x" * 100_000, slots, -(2**63), 2**63 - 1, None, '{"t": {"a": 1}}', "[1, null]")])
    execute(store, "INSERT INTO litequeue_jobs (task, state, attempt, worker_id, lease_expires_at, started_at) VALUES ('t', 'running', 1, 1, 1, NULL)")
    (row,) = store.pages.workers(NOW).live
    assert all(0 <= many <= 1 for many in row.busy.values())
    page = store.pages.worker(1, NOW)
    assert page is not None and [info.id for info in page.running] == [1]
    store.pages.overview("1h", NOW)
    store.pages.task("t", "1h", NOW)
