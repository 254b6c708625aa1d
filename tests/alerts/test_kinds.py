"""Each kind of condition on a real file: what lets it fire, and what is the end of that."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from litequeue import LiteQueue
from litequeue.base.alertkinds import LONGEST_OF_TICKS
from litequeue.base.checks import MICROS
from litequeue.base.history import of_end
from litequeue.base.models import Settled
from litequeue.store import Store, history
from litequeue.store.inspection import Inspection
from litequeue.store.notices import insert_notices
from litequeue.store.rules import QUEUE_OF_ALERTS
from litequeue.store.schedules.history import KEEP_OF_EACH, KEEP_TICKS
from litequeue.store.watched import LAST_SUCCESS, Watched
from litequeue.store.workers import Registration
from litequeue.worker.config import WorkerConfig
from litequeue.worker.discovery import Catalogue
from litequeue.worker.services.clockwork import Clockwork

from ..support import FakeClock, new_job, turn_of
from .conftest import Site

pytestmark = pytest.mark.beside

HOUR = 3600


def fires(site: Site) -> str:
    """It does at the next look, and stays so; what was told."""
    (text,) = site.look(3)
    assert site.state() == "firing"
    return text


def clears(site: Site) -> str:
    assert site.look() == [], "one good look is none"
    (text,) = site.look()
    assert site.state() == "ok" and site.look(3) == []
    return text


def is_fine(site: Site) -> None:
    assert site.look(3) == [] and site.state() == "ok"


def job(site: Site, **fields: Any) -> int:
    return site.store.jobs.enqueue(new_job(run_at=site.clock.now(), created_at=site.clock.now(), **fields))[0]


def claim(site: Site, **demand: Any) -> None:
    turn_of(site.app, **demand)


def ended(site: Site, end: str, count: int, task: str = "t", queue: str = "q") -> None:
    with site.store.database.write(durable=False) as connection:
        history.add(connection, [of_end(site.clock.now(), task, queue, end, count)])


# -- jobs ----------------------------------------------------------------------------------------------------


def test_the_oldest_job_of_a_queue_waits_for_too_long_until_somebody_takes_it(site: Site) -> None:
    site.add("oldest queue=mail >5m")
    job(site, queue="other")
    site.clock.advance(400)
    is_fine(site)
    job(site, queue="mail")
    is_fine(site)
    site.clock.advance(300)
    assert fires(site) == "alert a: mail's oldest job waits over 5 minutes (it has waited for 7 min)"
    claim(site, queues=("mail",))
    assert clears(site) == "alert a is over, after 90.0 s: mail's oldest job waits over 5 minutes; now none waits"


def test_the_oldest_of_all_queues_and_one_that_is_due_later_does_not_wait_yet(site: Site) -> None:
    site.add("oldest >5m")
    site.store.jobs.enqueue(new_job(state="scheduled", run_at=site.clock.now() + 9 * HOUR * 1_000_000, created_at=site.clock.now()))
    site.clock.advance(HOUR)
    is_fine(site)
    job(site, queue="any", priority=-5)
    site.clock.advance(301)
    fires(site)


def test_many_jobs_wait_until_they_do_not(site: Site) -> None:
    site.add("waiting queue=mail >2")
    for queue in ("mail", "mail", "other"):
        job(site, queue=queue)
    is_fine(site)
    job(site, queue="mail")
    assert fires(site) == "alert a: over 2 jobs in mail wait (3 wait)"
    turn_of(site.app, 1, queues=("mail",))
    assert clears(site).endswith("now 2 wait")


def test_of_all_queues_too_and_no_more_than_are_asked_for_are_counted(site: Site) -> None:
    site.add("waiting >3")
    site.store.jobs.enqueue_many(new_job(), [("[]", "{}")] * 10_500)
    assert fires(site) == "alert a: over 3 jobs wait (10,000+ wait)"


def test_jobs_are_discarded_until_an_hour_has_gone_without(site: Site) -> None:
    site.add("discarded task=shop.pay >10 in 1h")
    ended(site, "discarded", 99, task="other")
    ended(site, "discarded", 6, task="shop.pay")
    ended(site, "failed", 99, task="shop.pay")
    is_fine(site)
    site.clock.advance(HOUR / 2)
    ended(site, "discarded", 5, task="shop.pay")
    assert fires(site) == "alert a: over 10 jobs of shop.pay were discarded within 1 hour (11 were)"
    site.clock.advance(HOUR / 2)
    assert clears(site).endswith("now 5 were")


@pytest.mark.parametrize(("within", "later"), [("2h", 2.1 * HOUR), ("3d", 73 * HOUR), ("30d", 32 * 24 * HOUR)])
def test_what_ended_is_counted_by_spans_that_are_kept_for_as_long_as_is_asked(site: Site, within: str, later: float) -> None:
    """Those of a minute are kept for eight hours only: what is older is pruned meanwhile, and seen all the same."""
    site.add(f"discarded >0 in {within}", remind=None)
    ended(site, "discarded", 1)
    site.clock.advance(later * 0.9)
    site.store.levels.prune(site.clock.now())
    fires(site)
    site.clock.advance(later * 0.2)
    site.store.levels.prune(site.clock.now())
    clears(site)


def test_too_large_a_part_of_the_attempts_fails_and_of_too_few_nobody_knows(site: Site) -> None:
    site.add("failed-ratio >20% in 15m min 50")
    is_fine(site)
    ended(site, "failed", 9)
    ended(site, "discarded", 1)
    is_fine(site)
    ended(site, "succeeded", 40)
    is_fine(site)
    ended(site, "failed", 3)
    assert fires(site) == "alert a: over 20% of the attempts failed within 15 minutes, of at least 50 (24.5% of 53 attempts)"
    ended(site, "succeeded", 100)
    assert clears(site).endswith("now 8.5% of 153 attempts")


def test_by_queue_too(site: Site) -> None:
    site.add("failed-ratio queue=mail >50% in 1h")
    ended(site, "failed", 9, queue="other")
    ended(site, "succeeded", 9, queue="mail")
    is_fine(site)
    ended(site, "failed", 10, queue="mail")
    fires(site)


# -- workers -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def registered(site: Site, queues: tuple[str, ...] | None = None) -> Iterator[Registration]:
    found = site.store.workers.register(name="w", host="h", wake_port=None, queues=queues, slots={"async": 9}, now=site.clock.now())
    try:
        yield found
    finally:
        site.store.workers.stopped(found.id, site.clock.now())
        found.close()


def test_no_worker_serves_the_file_until_one_comes(site: Site) -> None:
    site.add("no-worker")
    assert fires(site) == "alert a: no worker serves the file (none does)"
    with registered(site):
        assert clears(site).endswith("now 1 worker does")
    fires(site)


def test_who_only_tells_of_alerts_is_no_worker(site: Site) -> None:
    site.add("no-worker")
    with registered(site, (QUEUE_OF_ALERTS,)):
        fires(site)


def test_a_worker_is_frozen_until_it_beats_again(site: Site) -> None:
    site.add("worker-frozen")
    with registered(site) as worker:
        is_fine(site)
        site.clock.advance(200)
        assert fires(site) == "alert a: a worker is frozen (w)"
        site.sql("UPDATE litequeue_workers SET heartbeat_at = ?", site.clock.now() + 60_000_000)
        assert clears(site).endswith("now none is")
        assert worker.id == 1


def test_a_worker_that_is_stopped_is_frozen_at_once_and_is_none_that_serves(site: Site) -> None:
    site.add("worker-frozen")
    site.add("no-worker", "b")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    try:
        with registered(site):
            site.sql("UPDATE litequeue_workers SET pid = ?", process.pid)
            is_fine(site)
            process.send_signal(signal.SIGSTOP)
            deadline = iter(range(1000))
            while not next(iter(Inspection(site.store.database).conditions(0).values())).stopped:
                next(deadline)
            assert len(site.look()) == 2 and site.state() == site.state("b") == "firing"
            process.send_signal(signal.SIGCONT)
            while next(iter(Inspection(site.store.database).conditions(0).values())).stopped:
                next(deadline)
            site.sql("UPDATE litequeue_workers SET heartbeat_at = ?", site.clock.now())
            assert len(site.look(2)) == 2 and site.state() == site.state("b") == "ok"
    finally:
        process.kill()
        process.wait()


# -- schedules -----------------------------------------------------------------------------------------------


def tick(site: Site) -> None:
    """As a worker's clock."""
    catalogue = Catalogue({}, path=site.store.path, origin=None, monotonic=lambda: 0.0)
    Clockwork(site.store, catalogue, site.clock, WorkerConfig(), lambda fires: None).tick()


def succeed(site: Site) -> None:
    turn = turn_of(site.app)
    now = site.clock.now()
    turn_of(site.app, 0, succeeded=[Settled(job.id, job.attempt, now, now, "1", now + 10**13, None) for job in turn.claimed])


def test_a_schedule_is_late_until_its_tick_fires(site: Site) -> None:
    site.app.schedules.add("nightly", "t", every="1h")
    site.add("schedule nightly late")
    is_fine(site)
    site.clock.advance(HOUR)
    assert fires(site) == "alert a: schedule nightly is late (its tick is 2 min late)"
    tick(site)
    assert clears(site).endswith("now it is not")
    site.app.schedules.pause("nightly")
    site.clock.advance(9 * HOUR)
    is_fine(site)


def test_a_schedule_that_is_disabled_or_gone_is_as_bad(site: Site) -> None:
    site.add("schedule nightly late")
    assert fires(site) == "alert a: schedule nightly is late (there is no schedule nightly)"
    site.app.schedules.add("nightly", "t", every="1h")
    clears(site)
    site.sql("UPDATE litequeue_schedules SET disabled_at = 1, disabled_why = 'no code'")
    assert fires(site).endswith("(it is disabled)")


def test_a_schedule_has_missed_its_tick_until_one_comes_or_somebody_runs_it(site: Site) -> None:
    site.app.schedules.add("nightly", "t", every="1d", grace="1h", overlap="allow")
    site.add("schedule nightly missed")
    is_fine(site)
    site.clock.advance(26 * HOUR)
    is_fine(site)
    tick(site)
    assert fires(site).startswith("alert a: schedule nightly has missed its last tick (its last tick, 2.")
    site.app.schedules.run_now("nightly")
    assert clears(site).endswith("manual")
    site.clock.advance(24 * HOUR)
    tick(site)
    fires(site)
    site.clock.advance(22 * HOUR)
    tick(site)
    assert clears(site).endswith("late")


def test_a_schedule_has_not_succeeded_until_it_does(site: Site) -> None:
    site.app.schedules.add("nightly", "t", every="1d")
    site.add("schedule nightly no-success 26h")
    site.clock.advance(25 * HOUR)
    is_fine(site)
    site.clock.advance(HOUR)
    assert "it has not since it was made, 26.0 h ago" in fires(site)
    site.app.schedules.run_now("nightly")
    assert site.look(2) == [], "its job has not run yet"
    succeed(site)
    assert clears(site).endswith("now it did 60.0 s ago")
    site.clock.advance(26 * HOUR)
    assert "(it did 26" in fires(site)


def ticked(site: Site, state: str, count: int, first: int) -> None:
    """So many ticks, one a second, whose jobs ended so."""
    site.sql(
        f"""WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})
        INSERT INTO litequeue_ticks (schedule_id, tick_at, decided_at, outcome, job_id, job_state, job_finished_at)
        SELECT (SELECT id FROM litequeue_schedules), {first} + i * 1000000, {first} + i * 1000000, 'fired', 1, '{state}', {first} + i * 1000000 FROM n"""
    )


def test_a_success_behind_many_failures_is_seen(site: Site) -> None:
    site.app.schedules.add("often", "t", every="1d")
    site.clock.advance(4 * HOUR)
    ticked(site, "succeeded", 1, site.clock.now())
    ticked(site, "discarded", 2_000, site.clock.now() + MICROS)
    site.clock.advance(2_000)
    site.add("schedule often no-success 1h")
    is_fine(site)
    site.clock.advance(HOUR)
    assert "(it did 95 min ago)" in fires(site)


def test_a_schedule_whose_kept_ticks_all_failed_has_not_succeeded(site: Site) -> None:
    site.app.schedules.add("often", "t", every="1d")
    ticked(site, "discarded", KEEP_OF_EACH, site.clock.now())
    site.clock.advance(27 * HOUR)
    site.add("schedule often no-success 26h")
    assert "(none of its last 10,000 did)" in fires(site)


def test_the_last_success_is_asked_of_the_ticks_by_their_key_and_for_no_longer_than_they_are_kept(site: Site) -> None:
    with site.store.database.read() as connection:
        plan = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + LAST_SUCCESS, {"name": "often", "most": 1})]
    assert "SEARCH litequeue_ticks USING PRIMARY KEY (schedule_id=?)" in plan
    assert not [step for step in plan if "litequeue_" in step and not step.startswith("SEARCH") or "TEMP B-TREE" in step]
    assert LONGEST_OF_TICKS == KEEP_TICKS


# -- the disk ------------------------------------------------------------------------------------------------


class Usage(NamedTuple):
    """Of a disk."""

    free: int


def test_the_disk_is_nearly_full_until_there_is_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add("disk <1G")
    for free, then in ((5 << 30, is_fine), ((1 << 30) - 1, fires), (1 << 30, clears)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: Usage(free))
        then(site)


def test_a_disk_that_cannot_be_asked_is_neither_full_nor_not(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: str) -> Usage:
        raise OSError("it is gone")

    site.add("disk <1024T")
    fires(site)
    monkeypatch.setattr(shutil, "disk_usage", gone)
    assert site.look(9) == [] and site.state() == "firing"
    assert site.app.alerts.get("a").seen == "OSError: it is gone"


def test_the_log_has_grown_until_it_is_small_again(site: Site) -> None:
    site.add("log >500K")
    is_fine(site)
    site.store.jobs.enqueue_many(new_job(), [(f'["{"x" * 10_000}"]', "{}")] * 100)
    assert fires(site).startswith("alert a: the log (-wal) is larger than 500K (it has 1")
    site.app.close()  # which brings it home
    site.__init__(LiteQueue(site.store.path, clock=site.clock), site.clock)  # type: ignore[misc]
    with site.app:
        clears(site)


def test_a_failure_could_not_be_told_until_it_is(site: Site) -> None:
    site.add("untold")
    with site.store.database.write(durable=False) as connection:
        insert_notices(connection, [new_job(created_at=site.clock.now())], site.clock.now())
    is_fine(site)
    site.sql("UPDATE litequeue_jobs SET state = 'discarded', finished_at = ?, prune_at = ? WHERE id = 1", site.clock.now(), site.clock.now() + 10**15)
    assert fires(site) == "alert a: a failure could not be told to somebody who asked (1 failure, the last by job 1)"
    site.app.job(1).retry()
    assert clears(site).endswith("now all were told")


# -- what is no kind -----------------------------------------------------------------------------------------


def test_each_kind_is_fired_and_cleared_above() -> None:
    from litequeue.store.watched import _LOOKS

    source = Path(__file__).read_text()
    assert all(f'site.add("{kind}' in source or f'site.add(f"{kind}' in source for kind in _LOOKS)


@pytest.mark.parametrize("plant", ["sunspots >5", "oldest >", "", "x" * 9000])
def test_a_planted_condition_fires_nothing_and_keeps_no_other_from_being_looked_at(site: Site, plant: str) -> None:
    site.add("no-worker", "planted")
    site.add("no-worker")
    site.sql("UPDATE litequeue_alerts SET condition = ? WHERE name = 'planted'", plant)
    assert len(site.look(3)) == 1 and site.state("planted") == "ok" and site.state() == "firing"


def looks(store: Store, clock: FakeClock) -> Callable[[str], Any]:
    from litequeue.base.alertkinds import parse

    return lambda text: Watched(store.database).look(parse(text), clock.now())


def test_rows_that_no_reader_expects_are_not_known(site: Site) -> None:
    """A queue whose name is no text, say: who looks goes on."""
    job(site)
    site.sql("UPDATE litequeue_jobs SET queue = CAST(x'ff' AS TEXT)")
    found = looks(site.store, site.clock)
    assert found("oldest >1s").is_bad is False and found("waiting >0").is_bad is True
