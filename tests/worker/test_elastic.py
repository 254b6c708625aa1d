"""Slots within a range: the decision by itself, what goes into it, and a few workers that have it."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from litequeue import InvalidArgument, InvalidType, LiteQueue, QueueBusy
from litequeue.store import Store
from litequeue.web import wsgi
from litequeue.worker import elastic
from litequeue.worker.config import WorkerConfig
from litequeue.worker.elastic import Elastic, Range, has_processor_left
from litequeue.worker.inbox import Inbox
from litequeue.worker.patience import Patience
from litequeue.worker.pooling import Pools

from ..prepared import litequeue
from ..support import FakeClock, environment, new_job, wait_until

pytestmark = pytest.mark.beside


# -- what is taken for a range ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"threads": (32, 2)}, InvalidArgument, "threads must go from the least to the most, not from 32 to 2"),
        ({"threads": (0, 0)}, InvalidArgument, "threads from 0 to 0 is no slots at all: give 0"),
        ({"threads": (0, 4)}, InvalidArgument, "threads must have a least of 1 or more"),
        ({"async_": (0, 4)}, InvalidArgument, "async_ must have a least of 1 or more"),
        ({"threads": (-1, 4)}, InvalidArgument, "threads, the least, must be from 0 to 1000, not -1"),
        ({"threads": (1, 1001)}, InvalidArgument, "threads, the most, must be from 0 to 1000, not 1001"),
        ({"threads": (2,)}, InvalidArgument, "threads must be the least and the most"),
        ({"threads": (2, None)}, InvalidType, "threads, the most, must be an integer"),
        ({"threads": (2.0, 4)}, InvalidType, "threads, the least, must be an integer"),
        ({"threads": (True, 4)}, InvalidType, "threads, the least, must be an integer"),
        ({"threads": "2:32"}, InvalidType, r"or a tuple of the least and the most such as \(2, 32\), not str: '2:32'"),
        ({"threads": [2, 32]}, InvalidType, "not list"),
    ],
)
def test_what_is_no_range_is_refused(given: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        WorkerConfig(**given)


def test_a_range_begins_with_its_least_and_processes_are_there_on_demand() -> None:
    config = WorkerConfig(threads=(2, 32), processes=(0, 4), async_=(10, 1000))
    assert config.slots == {"thread": 2, "process": 4, "async": 10} and config.moves
    assert config.said_slots == "2 to 32 thread, 0 to 4 process, 10 to 1000 async"
    assert WorkerConfig(threads=(3, 3)).slots["thread"] == 3
    assert not WorkerConfig(threads=4, processes=(1, 4)).moves, "its processes are the pool's own matter"


# -- the decision -----------------------------------------------------------------------------------------


def test_slots_double_at_most_each_second_up_to_the_most() -> None:
    slots = Range(2, 20)
    sizes = []
    for tenth in range(60):
        slots.used(tenth / 10, slots.slots)
        slots.grow(tenth / 10)
        sizes.append(slots.slots)
    assert [sizes.index(size) for size in (4, 8, 16, 20)] == [0, 10, 20, 30] and sizes[-1] == 20
    assert not slots.may_grow(20)


def test_slots_come_down_to_the_most_that_were_used_in_a_minute() -> None:
    slots = Range(2, 32)
    for second in range(5):
        slots.grow(float(second))
    assert slots.slots == 32
    slots.used(10.0, 9)
    slots.used(62.9, 3)
    assert slots.slots == 32, "it has a minute, to be used"
    slots.used(63.1, 3)
    assert slots.slots == 9
    slots.used(70.1, 3)
    assert slots.slots == 9, "not more often than each ten seconds"
    slots.used(73.2, 3)
    assert slots.slots == 3
    slots.used(200.0, 0)
    assert slots.slots == 2, "never below the least"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_slots_stay_in_their_range_double_at_most_and_leave_what_is_used(seed: int) -> None:
    rng = random.Random(seed)
    least = rng.randint(1, 5)
    slots = Range(least, least * rng.randint(1, 40))
    now, grown, used_at = 0.0, -1e9, list[tuple[float, int]]()
    shown = set()
    for _ in range(3000):
        now += rng.choice((0.01, 0.2, 0.5, 1.0, rng.uniform(0, 30)))
        used = rng.choice((0, slots.slots, rng.randint(0, slots.slots)))
        used_at.append((now, used))
        before = slots.slots
        if slots.may_grow(used) and rng.random() < 0.7:
            slots.grow(now)
            if slots.slots > before:
                assert slots.slots <= 2 * before and now - grown >= 1.0
                grown = now
        after_growth = slots.slots
        slots.used(now, used)
        assert slots.least <= slots.slots <= slots.most
        assert slots.slots >= min(max(n for at, n in used_at if at >= now - 60), after_growth) >= used or used > slots.slots
        assert slots.slots >= used, "what runs is never more than there are slots for"
        shown.add(slots.slots < after_growth)
    assert shown == {True, False} or slots.least == slots.most


def test_there_is_processor_left_below_a_core_and_where_the_gil_is_let_go() -> None:
    assert has_processor_left(0.1, 2, True) and has_processor_left(0.89, 1, True)
    assert not has_processor_left(0.95, 8, True), "threads that hold the GIL share one core"
    assert has_processor_left(2.0, 8, True), "these do not hold it"
    assert not has_processor_left(7.5, 8, True)
    assert has_processor_left(0.95, 8, False) and not has_processor_left(7.5, 8, False)


# -- what goes into it --------------------------------------------------------------------------------------


class Rig:
    """One worker's ranges over a real file, with the time, the processor and the pools in hand."""

    def __init__(self, store: Store, clock: FakeClock, **options: Any) -> None:
        config = WorkerConfig(**{"threads": (2, 32), "processes": 0, "async_": 0, **options})
        self.registration = store.workers.register(
            name="w", host="h", wake_port=None, queues=config.queues, slots=config.slots, ranges=config.ranges, now=clock.now()
        )
        self.store, self.clock, self.cpu = store, clock, 0.0
        self.asked = list[float]()
        self.pools = Pools(config, Inbox(), clock, random.Random(0))
        patience = Patience(1.0, lambda: float("inf"), clock.monotonic)
        self.elastic = Elastic(self.registration.id, store, config, self.pools, clock, patience, self.asked.append, lambda: self.cpu)
        self.plan = self.elastic.plan

    def enqueue(self, count: int = 1, **fields: Any) -> None:
        for _ in range(count):
            self.store.jobs.enqueue(new_job(created_at=self.clock.now(), run_at=self.clock.now(), **fields))

    def passes(self, seconds: float, cores: float = 0.0, unknown: str | None = None) -> int:
        """Slots after a look at the end of that time."""
        self.clock.advance(seconds)
        self.cpu += seconds * cores
        self.elastic.look(unknown)
        (row,) = self.store.reports.workers(None)
        return row.slots["thread"]

    def close(self) -> None:
        self.pools.stop()
        self.registration.close()


@pytest.fixture
def rig(db: Path, clock: FakeClock) -> Any:
    store = Store(str(db))
    made: list[Rig] = []

    def make(**options: Any) -> Rig:
        made.append(Rig(store, clock, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
    store.close()


def test_it_grows_where_all_slots_are_busy_jobs_wait_and_there_is_processor_left(rig: Any, clock: FakeClock) -> None:
    one = rig()
    one.enqueue(5)
    one.plan.dispatched("thread", 2)
    assert one.asked == [pytest.approx(clock.monotonic() + 0.2)], "judged as soon as that can be"
    assert one.passes(0.1) == 2, "no job has waited for long"
    assert one.passes(0.15) == 4 and one.plan.limits({}, None) == {"thread": 2}
    one.plan.dispatched("thread", 2)
    assert one.passes(0.9) == 4, "not twice in a second"
    assert one.passes(0.1) == 8


def test_it_does_not_grow_while_a_slot_is_free_or_the_processor_is_used_up_or_nothing_waits(rig: Any) -> None:
    one = rig()
    one.enqueue(5)
    one.plan.dispatched("thread", 1)
    assert [one.passes(0.5) for _ in range(4)] == [2, 2, 2, 2]
    one.plan.dispatched("thread", 1)
    assert [one.passes(0.5, cores=0.95) for _ in range(4)] == [2, 2, 2, 2]
    assert one.passes(0.5, cores=0.3) == 4
    for job in range(1, 6):
        one.store.operations.cancel(job, one.clock.now())
    one.plan.dispatched("thread", 2)
    assert [one.passes(0.5) for _ in range(4)] == [4, 4, 4, 4]


def test_the_processor_is_measured_from_when_all_slots_were_busy(rig: Any) -> None:
    """A worker that has idled for a while has used next to nothing of that while."""
    one = rig()
    one.passes(10.0)
    one.enqueue(5)
    one.plan.dispatched("thread", 2)
    assert one.passes(0.25, cores=1.0) == 2


@pytest.mark.parametrize(
    ("fields", "options", "unknown"),
    [
        ({"queue": "other"}, {"queues": ["mail"]}, None),
        ({"pool": "process"}, {}, None),
        ({"queue": "paused"}, {}, None),
        ({"task": "lacking"}, {}, json.dumps(["lacking"])),
    ],
    ids=["another queue", "another pool", "a paused queue", "no code"],
)
def test_jobs_that_it_could_not_run_make_it_grow_in_no_way(rig: Any, fields: dict[str, Any], options: dict[str, Any], unknown: str | None) -> None:
    one = rig(**options)
    one.store.operations.pause("paused", one.clock.now())
    one.enqueue(5, **fields)
    one.plan.dispatched("thread", 2)
    assert [one.passes(0.5, unknown=unknown) for _ in range(3)] == [2, 2, 2]


def test_a_job_behind_newer_ones_that_are_more_urgent_counts(rig: Any) -> None:
    one = rig()
    one.enqueue()
    one.plan.dispatched("thread", 2)
    one.clock.advance(0.3)
    one.enqueue(3, priority=9)
    assert one.passes(0.0) == 4


def test_a_call_that_waits_for_another_job_has_lent_its_slot(rig: Any) -> None:
    one = rig()
    one.enqueue(5)
    pool = one.pools.get("thread")
    with pool.wait_rule(True, False):
        one.plan.dispatched("thread", 2)
        assert [one.passes(0.5) for _ in range(3)] == [2, 2, 2], "one of the two is free"
        one.plan.dispatched("thread", 1)
        assert one.passes(0.5) == 4
        assert pool.slots == 5


def test_after_a_quiet_minute_the_row_says_the_least_again_and_the_range_all_along(rig: Any, clock: FakeClock) -> None:
    one = rig(processes=(1, 3))
    one.enqueue(5)
    one.plan.dispatched("thread", 2)
    assert one.passes(0.3) == 4
    one.plan.ended("thread", 2, 0.2)
    assert [one.passes(30.0) for _ in range(3)] == [4, 4, 2]
    (row,) = one.store.reports.workers(None)
    assert row.elastic == {"thread": (2, 32), "process": (1, 3)} and row.slots == {"thread": 2, "process": 3, "async": 0}
    assert one.pools.get("thread").size == 2 or one.plan.limits({}, None)["thread"] == 2


def test_a_row_that_cannot_be_written_is_written_later(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = rig()
    one.enqueue(5)
    one.plan.dispatched("thread", 2)

    def refuse(*_: object) -> None:
        raise QueueBusy("busy")

    with monkeypatch.context() as patch:
        patch.setattr(one.store.workers, "resized", refuse)
        assert one.passes(0.3) == 2
        assert one.plan.limits({}, None) == {"thread": 2}, "it has grown all the same"
    assert one.passes(0.5) == 4


def test_a_pool_that_starts_nothing_more_does_not_grow(rig: Any) -> None:
    one = rig()
    one.enqueue(5)
    one.plan.dispatched("thread", 2)
    one.plan.close("thread")
    assert [one.passes(0.5) for _ in range(3)] == [2, 2, 2] and one.plan.limits({}, None) == {}


def test_what_somebody_has_planted_as_a_range_is_none(rig: Any, app: LiteQueue) -> None:
    one = rig()
    for planted in ('{"thread": 1, "elastic": 5}', '{"elastic": {"thread": [1, "x"], "async": 3, "process": [1, 2]}}', "[]", '{"elastic": {"thread": [1]}}'):
        with one.store.database.write(durable=False) as connection:
            connection.execute("UPDATE litequeue_workers SET slots = ?", (planted,))
        (row,) = one.store.reports.workers(None)
        assert row.range_of("thread") == ""


def test_stats_the_page_and_the_metrics_show_what_the_slots_are_now(rig: Any, app: LiteQueue) -> None:
    one = rig(processes=(1, 3), async_=7)
    one.enqueue(5)
    one.plan.dispatched("thread", 2)
    one.passes(0.3)
    assert "4 thread (2:32) 3 process (1:3) 7 async" in litequeue("stats", app.path).stdout
    (told,) = json.loads(litequeue("stats", app.path, "--json").stdout)["workers"]
    assert told["slots"] == {"thread": 4, "process": 3, "async": 7} and told["elastic"] == {"thread": [2, 32], "process": [1, 3]}
    assert 'litequeue_slots{pool="thread"} 4' in litequeue("metrics", app.path).stdout
    asked: dict[str, Any] = {"PATH_INFO": f"/workers/{one.registration.id}"}
    setup_testing_defaults(asked)
    page = b"".join(wsgi(app, login=False)(asked, lambda *_: None)).decode()
    assert re.search(r"0 of 4<span[^>]*> \(2:32\)</span>", page) and "0 of 7</td>" in page


# -- workers ------------------------------------------------------------------------------------------------


def slots_of(app: LiteQueue) -> int:
    (worker,) = app.stats().workers
    return worker.slots["thread"]


def test_a_worker_whose_slots_are_fixed_has_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "fixed.py").write_text(
        "import sys\nfrom litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n@app.task\ndef one(): return 1\n"
        "if __name__ == '__main__':\n    job = one.delay()\n    app.run_worker(burst=True, threads=2, processes=(0, 2))\n"
        "    print(job.get(timeout=5), 'litequeue.worker.elastic' in sys.modules)\n"
    )
    words = [sys.executable, "fixed.py"]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "1 False\n", done.stderr


@pytest.mark.slow
def test_a_burst_of_jobs_that_sleep_grows_and_is_done_sooner_and_the_threads_end(app: LiteQueue) -> None:
    import threading

    @app.task(name="nap")
    def nap() -> None:
        time.sleep(0.05)

    def seconds(threads: Any) -> float:
        with app.worker(threads=threads):
            began = time.monotonic()
            jobs = nap.delay_many(() for _ in range(160))
            for job in jobs:
                job.wait(timeout=30)
            found.append(slots_of(app))
            return time.monotonic() - began

    found: list[int] = []
    assert seconds(4) > 1.25 * seconds((4, 32))
    assert found[0] == 4 and found[1] >= 8
    wait_until(lambda: sum(thread.name.startswith("litequeue_") for thread in threading.enumerate()) == 0)


@pytest.mark.slow
def test_threads_that_compute_do_not_grow(app: LiteQueue) -> None:
    @app.task(name="spin")
    def spin() -> None:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            sum(range(1000))

    with app.worker(threads=(2, 32)):
        spin.delay_many(() for _ in range(100))
        wait_until(lambda: app.stats().states.get("succeeded", 0) > 4)
        began, cpu = time.monotonic(), time.process_time()
        most = 0
        while time.monotonic() - began < 2.0:
            most = max(most, slots_of(app))
            time.sleep(0.1)
        cores = (time.process_time() - cpu) / (time.monotonic() - began)
        app.pause("default")
    if cores < elastic.CORE:
        pytest.skip(f"other processes left it {cores:.2f} of a core")
    assert most == 2
