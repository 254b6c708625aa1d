"""Planning, discovery, maintenance, heartbeat, services and the journal, each by itself."""

from __future__ import annotations

import grp
import logging
import os
import pwd
import sys
import threading
from pathlib import Path

import pytest

from litequeue import LiteQueue, UnknownTask
from litequeue.base.checks import clean
from litequeue.base.models import TaskOrigin
from litequeue.base.trust import why_untrusted
from litequeue.store import Store
from litequeue.store.turn import Demand
from litequeue.worker.discovery import Catalogue
from litequeue.worker.inbox import Held, Inbox
from litequeue.worker.lacking import RETRY_SECONDS
from litequeue.worker.planning import Plan
from litequeue.worker.services.heartbeat import Heartbeat
from litequeue.worker.services.maintenance import (
    ALONE_SECONDS,
    CHORE_SECONDS,
    PRUNE_AGAIN,
    PRUNE_MOMENT,
    PRUNE_PAUSE,
    PRUNE_PAUSE_BEHIND,
    Maintenance,
)
from litequeue.worker.services.service import Service

from ..support import FakeClock, new_job, wait_until

pytestmark = pytest.mark.beside

LEASE = 60_000_000


# -- planning -------------------------------------------------------------------------------------


def test_an_untried_pool_takes_one_job_a_slot(clock: FakeClock) -> None:
    plan = Plan({"thread": 4, "process": 0, "async": 9}, clock)
    assert plan.limits({}, None) == {"thread": 4, "async": 9}
    plan.dispatched("thread", 3)
    assert plan.limits({}, None) == {"thread": 1, "async": 9}
    assert plan.limits({}, 2) == {"thread": 1, "async": 2}


def test_quick_jobs_are_taken_ahead_for_about_50_ms(clock: FakeClock) -> None:
    plan = Plan({"thread": 4}, clock)
    plan.dispatched("thread", 4)
    plan.ended("thread", 4, 4 * 0.001)
    assert plan.limits({}, None) == {"thread": 200}
    plan.ended("thread", 200, 200 * 10.0)  # long ones after all
    plan.dispatched("thread", 200)
    assert plan.limits({}, None) == {"thread": 4}


def test_what_waits_too_long_is_given_back_and_not_taken_again(clock: FakeClock) -> None:
    plan = Plan({"thread": 2}, clock)
    plan.dispatched("thread", 2)
    plan.ended("thread", 2, 0.000_02)
    plan.dispatched("thread", 100)
    assert not plan.is_stalled("thread", 98)
    clock.advance(0.2)
    assert plan.is_stalled("thread", 98)
    plan.given_back("thread", 98)
    assert plan.limits({}, None) == {"thread": 0}
    plan.ended("thread", 1, 3.0)
    assert plan.limits({}, None) == {"thread": 1}


def test_what_would_wait_too_long_is_given_back_as_soon_as_jobs_are_seen_to_be_long(clock: FakeClock) -> None:
    plan = Plan({"thread": 4}, clock)
    plan.dispatched("thread", 4)
    plan.ended("thread", 4, 4 * 0.000_05)
    plan.dispatched("thread", 1000)
    assert plan.surplus("thread", 996) == 0
    plan.ended("thread", 4, 4 * 0.01)
    surplus = plan.surplus("thread", 992)
    assert 850 < surplus < 950
    plan.given_back("thread", surplus)
    assert plan.surplus("thread", 992 - surplus) == 0
    assert plan.limits({}, None) == {"thread": 0}
    for _ in range(20):
        plan.ended("thread", 4, 4 * 0.01)
    assert plan.surplus("thread", 20) == 0
    assert plan.surplus("thread", 45) == 25  # 100 ms of work, and then 50


# -- discovery --------------------------------------------------------------------------------------


def catalogue(path: Path, origin: TaskOrigin | None, clock: FakeClock) -> Catalogue:
    return Catalogue({}, path=str(path), origin=lambda task: origin, monotonic=clock.monotonic)


def write_module(folder: Path, name: str, body: str) -> None:
    (folder / f"{name}.py").write_text(body)


@pytest.fixture
def forget_modules() -> object:
    before, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
    sys.path[:] = path


def test_only_what_a_module_registers_under_that_name_is_found(
    db: Path, tmp_path: Path, clock: FakeClock, forget_modules: object
) -> None:
    db.touch(0o600)
    body = "from litequeue import LiteQueue\napp = LiteQueue('x.sqlite')\n@app.task\ndef f(): ...\ndef g(): ...\n"
    write_module(tmp_path, "found_module", body)
    good = TaskOrigin("found_module.f", "found_module", "f", str(tmp_path), "{}")
    code = catalogue(db, good, clock).find("found_module.f")
    assert code.name == "found_module.f"
    assert code.bind.__self__.path == str(db)  # type: ignore[attr-defined]
    for task, qualname in (("found_module.g", "g"), ("other", "f"), ("found_module.x", "x")):
        with pytest.raises(UnknownTask, match="is not a task named"):
            catalogue(db, TaskOrigin(task, "found_module", qualname, str(tmp_path), "{}"), clock).find(task)


def test_os_system_is_not_a_task(db: Path, clock: FakeClock) -> None:
    db.touch(0o600)
    for module, qualname in (("os", "system"), ("builtins", "eval"), ("subprocess", "Popen")):
        origin = TaskOrigin(f"{module}:{qualname}", module, qualname, "/", "{}")
        with pytest.raises(UnknownTask):
            catalogue(db, origin, clock).find(f"{module}:{qualname}")


@pytest.mark.parametrize("loosen", ["file", "group", "folder", "owner", "module", "its folder"])
def test_nothing_is_imported_for_a_file_that_others_can_write(
    tmp_path: Path, clock: FakeClock, loosen: str
) -> None:
    folder = tmp_path / "sub"
    folder.mkdir(0o700)
    db = folder / "db"
    db.touch(0o600)
    canary = tmp_path / "canary"
    code = tmp_path / "code"
    code.mkdir(0o700)
    write_module(code, "evil_module", f"open({str(canary)!r}, 'w')")
    (code / "evil_module.py").chmod(0o600)
    if loosen == "file":
        db.chmod(0o602)
    elif loosen == "module":
        (code / "evil_module.py").chmod(0o666)
    elif loosen == "its folder":
        code.chmod(0o777)
    elif loosen == "group":
        db.chmod(0o660)
        try:
            os.chown(db, -1, 12345)
        except PermissionError:
            pytest.skip("only root can give a file to a group")
    elif loosen == "folder":
        folder.chmod(0o777)
    else:
        try:
            os.chown(db, 12345, -1)
        except PermissionError:
            pytest.skip("only root can give a file away")
    origin = TaskOrigin("evil_module.f", "evil_module", "f", str(code), "{}")
    with pytest.raises(UnknownTask, match="--import"):
        catalogue(db, origin, clock).find("evil_module.f")
    assert not canary.exists()


def test_a_group_of_ones_own_is_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    file.chmod(0o664)
    user = pwd.getpwuid(os.getuid()).pw_name
    own = grp.getgrgid(os.getgid())
    members = {*own.gr_mem, *(account.pw_name for account in pwd.getpwall() if account.pw_gid == own.gr_gid)}
    expected = os.getuid() != 0 and own.gr_name == user and members <= {user}
    assert (why_untrusted(str(file)) is None) == expected


def test_a_lambda_and_a_nested_function_are_found_by_their_names(
    db: Path, tmp_path: Path, clock: FakeClock, forget_modules: object
) -> None:
    db.touch(0o600)
    body = """
from litequeue import LiteQueue
app = LiteQueue("x.sqlite")
short = app.task(name="short")(lambda x: x)
def make():
    @app.task
    def inner(): ...
make()
"""
    write_module(tmp_path, "found_module", body)
    for task, qualname in (("short", "<lambda>"), ("found_module.make.inner", "make.<locals>.inner")):
        origin = TaskOrigin(task, "found_module", qualname, str(tmp_path), "{}")
        assert catalogue(db, origin, clock).find(task).name == task


def test_a_module_that_waits_while_it_is_imported_is_told_about_main(
    db: Path, tmp_path: Path, clock: FakeClock, forget_modules: object
) -> None:
    db.touch(0o600)
    write_module(tmp_path, "found_module", "from litequeue import ResultTimeout\nraise ResultTimeout('late')")
    origin = TaskOrigin("found_module.f", "found_module", "f", str(tmp_path), "{}")
    with pytest.raises(UnknownTask, match="__main__"):
        catalogue(db, origin, clock).find("found_module.f")


def test_a_broken_module_is_tried_again_after_a_while(
    db: Path, tmp_path: Path, clock: FakeClock, forget_modules: object
) -> None:
    db.touch(0o600)
    write_module(tmp_path, "broken_module", "raise SystemExit(3)")
    origin = TaskOrigin("broken_module.f", "broken_module", "f", str(tmp_path), "{}")
    found = catalogue(db, origin, clock)
    with pytest.raises(UnknownTask, match="SystemExit"):
        found.find("broken_module.f")
    assert list(found.unknown()) == ["broken_module.f"]
    assert not found.tend()
    clock.advance(RETRY_SECONDS + 1)
    assert found.tend()
    assert found.unknown_json() is None


def test_a_task_of_which_nobody_has_said_where_it_is_is_found_as_soon_as_somebody_does(
    db: Path, tmp_path: Path, clock: FakeClock, forget_modules: object
) -> None:
    """Its jobs waited for half a minute, and all that explains why said that nobody had."""
    db.touch(0o600)
    write_module(tmp_path, "late_module", "from litequeue import LiteQueue\napp = LiteQueue('q')\n@app.task\ndef f(): pass\n@app.task\ndef g(): pass")
    said: dict[str, TaskOrigin] = {}
    found = Catalogue({}, path=str(db), origin=said.get, monotonic=clock.monotonic)
    with pytest.raises(UnknownTask, match="no producer said"):
        found.find("late_module.f")
    assert not found.tend() and found.unknown()
    said["late_module.f"] = TaskOrigin("late_module.f", "late_module", "f", str(tmp_path), "{}")
    assert found.tend()
    assert found.unknown() == {} and found.find("late_module.f").name == "late_module.f"
    assert found.find("late_module.g").name == "late_module.g"  # beside it, and loaded


# -- maintenance and heartbeat ---------------------------------------------------------------------------


def register(store: Store, clock: FakeClock) -> int:
    """A worker's row whose lock file was lost: only its leases tell of it."""
    registration = store.workers.register(
        name="frozen", host="h", wake_port=None, queues=None, slots={}, now=clock.now()
    )
    registration.close()
    return registration.id


def test_a_task_that_the_program_registers_later_is_claimed_at_once(app: LiteQueue) -> None:
    """Its jobs of an earlier run had been met before, and would have been left alone for half a minute."""
    job = app.send_task("later", (1,))
    with app.worker(threads=1):
        wait_until(lambda: any("later" in worker.unknown_tasks for worker in app.stats().workers))
        app.task(name="later")(abs)
        assert app.send_task("later", (-2,)).get(timeout=10) == 2
        assert job.get(timeout=10) == 1


def test_a_lapsed_lease_counts_only_for_a_reaper_that_was_awake(store: Store, clock: FakeClock) -> None:
    frozen = register(store, clock)
    store.jobs.enqueue(new_job())
    store.jobs.turn(frozen, clock.now(), clock.now() + LEASE, demand=Demand({"thread": 1}))
    reaper = Maintenance(store, 99, clock, LEASE, Inbox())
    reaper.tick()
    clock.advance(8 * 3600)  # a suspend: everything looks lapsed
    reaper.tick()
    assert store.reports.state(1) == "running"
    for _ in range(28):  # awake for nearly a lease
        clock.advance(2)
        reaper.tick()
    assert store.reports.state(1) == "running"
    for _ in range(10):  # one look sees it lapsed, the next believes it
        clock.advance(2)
        reaper.tick()
    assert store.reports.state(1) == "available"


def test_a_step_of_the_wall_clock_robs_nobody(store: Store, clock: FakeClock) -> None:
    live = register(store, clock)
    store.jobs.enqueue(new_job())
    store.jobs.turn(live, clock.now(), clock.now() + LEASE, demand=Demand({"thread": 1}))
    reaper = Maintenance(store, 99, clock, LEASE, Inbox())
    for _ in range(60):
        clock.advance(2)
        store.leases.extend(live, clock.now(), clock.now() + LEASE)
        reaper.tick()
    clock.wall += 10 * 365 * 86400 * 1_000_000
    for _ in range(20):
        clock.advance(2)
        reaper.tick()
    assert store.reports.state(1) == "running"


@pytest.mark.parametrize(("late", "factor"), [(1, PRUNE_PAUSE), (3600, PRUNE_PAUSE_BEHIND)], ids=["keeping up", "far behind"])
def test_what_is_old_is_pruned_moment_after_moment_and_then_it_is_looked_for_now_and_then(
    store: Store, clock: FakeClock, late: int, factor: int
) -> None:
    count = 40_000
    store.jobs.enqueue_many(new_job(), (("[]", "{}") for _ in range(count)))
    with store.database.write(durable=False) as connection:
        connection.execute("UPDATE litequeue_jobs SET state = 'succeeded', finished_at = 1, prune_at = ? - ?", (clock.now(), late * 1_000_000))
    housekeeping = Maintenance(store, 99, clock, LEASE, Inbox())
    left = [count]
    while left[-1]:
        pause = housekeeping.tick()
        left.append(store.database.one("SELECT count(*) FROM litequeue_jobs")[0])
        assert left[-1] < left[-2]
        if left[-1]:
            assert factor * PRUNE_MOMENT == pytest.approx(pause)  # of the clock, which stands still in a tick
        clock.advance(pause)
    assert len(left) > 2, "all at once: nobody else could write for as long"
    assert housekeeping.tick() == pytest.approx(ALONE_SECONDS, abs=1)


def test_what_ends_while_somebody_commits_is_pruned_within_a_second_and_by_who_sleeps_now_and_then(store: Store, clock: FakeClock) -> None:
    housekeeping = Maintenance(store, 99, clock, LEASE, Inbox())
    for has_news in (True, False):
        housekeeping.tick()
        clock.advance(PRUNE_MOMENT * 10)
        housekeeping.tick()  # has found nothing
        clock.advance(0.5)
        store.jobs.enqueue(new_job())
        with store.database.write(durable=False) as connection:
            connection.execute("UPDATE litequeue_jobs SET state = 'succeeded', finished_at = 1, prune_at = 1")
        if has_news:
            housekeeping.look_for_peers()
        pause = housekeeping.tick()
        clock.advance(min(pause, PRUNE_AGAIN))
        housekeeping.tick()
        assert store.reports.stats().states.get("succeeded", 0) == (0 if has_news else 1)
    clock.advance(CHORE_SECONDS)
    housekeeping.tick()
    assert store.reports.stats().states.get("succeeded", 0) == 0


def test_the_heartbeat_renews_and_reports_what_is_held(store: Store, clock: FakeClock) -> None:
    inbox = Inbox()
    store.jobs.enqueue(new_job())
    store.jobs.turn(5, clock.now(), clock.now() + LEASE, demand=Demand({"thread": 1}))
    heart = Heartbeat(store, 5, clock, LEASE, inbox)
    assert heart.tick() == 10.0
    clock.advance(10)
    assert heart.tick() == 10.0
    (held,) = inbox.drain(0)
    assert isinstance(held, Held) and {lease.id for lease in held.leases} == {1}
    info = store.reports.job(1)
    assert info is not None and info.lease_expires_at is not None
    assert info.lease_expires_at.timestamp() == (clock.now() + LEASE) / 1_000_000


# -- services and the journal -------------------------------------------------------------------------------


def test_a_service_that_dies_says_so() -> None:
    told = threading.Event()
    died: list[tuple[str, BaseException]] = []

    def tick() -> float:
        raise ZeroDivisionError

    def on_death(name: str, error: BaseException) -> None:
        died.append((name, error))
        told.set()

    service = Service("x", tick, on_death)
    service.start()
    assert told.wait(5)
    assert died[0][0] == "x" and isinstance(died[0][1], ZeroDivisionError)
    service.stop()


def test_a_service_ticks_until_it_is_stopped() -> None:
    ticked = threading.Semaphore(0)
    service = Service("x", lambda: ticked.release() or 0.0, lambda name, error: None)
    service.start()
    for _ in range(5):
        assert ticked.acquire(timeout=5)
    service.stop()


def test_control_characters_do_not_reach_a_log() -> None:
    assert clean("a\r\n\x1b[31mb\u202e") == "a\\r\\n\\x1b[31mb\\u202e"
    assert logging.getLogger("litequeue.jobs").name == "litequeue.jobs"


@pytest.mark.parametrize("queues", [None, ["mail"]])
def test_a_burst_ends_while_jobs_wait_for_their_time_or_their_code_and_says_so(
    app: LiteQueue, caplog: pytest.LogCaptureFixture, queues: list[str] | None
) -> None:
    """It used to end with a plain "stopped", and a cron line of it looked as if nothing was left to do."""
    caplog.set_level(logging.INFO, "litequeue.worker")

    @app.task(name="fails", queue="mail", retries=1, backoff="1h")
    def fails() -> None:
        raise ValueError

    job = fails.delay()
    fails.apply_async(countdown="2h")
    app.send_task("code.elsewhere", queue="mail")
    app.send_task("code.elsewhere")
    app.send_task("code.nowhere", queue="mail")
    with app.worker(threads=1, burst=True, name="w", queues=queues) as worker:
        assert worker.join(10)
    assert job.state == "retrying"
    (line,) = [record.getMessage() for record in caplog.records if "stopped" in record.getMessage()]
    waiting, elsewhere = (2, "1 job") if queues else (3, "2 jobs")
    assert line == (
        f"worker w stopped; for a later one it leaves 1 scheduled, {waiting} available, 1 retrying; "
        f"it cannot run {elsewhere} of code.elsewhere, 1 job of code.nowhere"
    )


def test_jobs_without_code_hide_none_that_can_run(app: LiteQueue) -> None:
    """They filled the one thread's place in the claim, which was short of the other pools' places all the same: the burst ended."""
    for n in range(3):
        app.send_task(f"code.elsewhere{n}")
    job = app.task(name="known")(lambda: None).delay()
    with app.worker(threads=1, burst=True) as worker:
        assert worker.join(10)
    assert job.state == "succeeded"


def test_a_burst_that_has_done_everything_says_nothing_more(app: LiteQueue, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "litequeue.worker")
    app.task(name="t")(print).delay()
    with app.worker(threads=1, burst=True, name="w") as worker:
        assert worker.join(10)
    assert caplog.records[-1].getMessage() == "worker w stopped"
