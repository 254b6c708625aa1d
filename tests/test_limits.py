"""Limits, as programs use them: so many at once, so many starts within a time, over all workers; declared, changed, shown, and in errors."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    InvalidArgument,
    InvalidType,
    LimitInfo,
    LiteQueue,
    Snooze,
    chain,
    group,
)
from litequeue.base.clock import SystemClock
from litequeue.base.models import Settled

from .support import (
    FakeClock,
    environment,
    ledger_lines,
    litequeue,
    turn_of,
    wait_until,
    worker_process,
)

pytestmark = pytest.mark.beside


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(SystemClock().now())


@pytest.fixture
def app(db: Path, clock: FakeClock) -> LiteQueue:
    return LiteQueue(db, clock=clock)


def claim(app: LiteQueue, most: int = 100) -> list[int]:
    return [job.id for job in turn_of(app, most).claimed]


def end(app: LiteQueue, *jobs: int) -> list[int]:
    """They succeed; who is claimed then."""
    now = app._client.clock.now()
    done = [Settled(job, 1, now, now, "1", now + 10**12, None) for job in jobs]
    return [job.id for job in turn_of(app, succeeded=done).claimed]


# -- at once -------------------------------------------------------------------------------------------------


def test_so_many_at_once_the_best_first_and_of_each_value_by_itself(app: LiteQueue) -> None:
    t = app.task(max_running=2, limit_key="host:{host}", name="t")(lambda host, n: n)
    jobs = [t.apply_async(("a", n), priority=n == 3 and 5 or 0) for n in range(4)] + [t.delay("b", 1)]
    assert sorted(claim(app)) == [jobs[0].id, jobs[3].id, jobs[4].id]
    assert end(app, jobs[3].id) == [jobs[1].id]
    assert [job.state for job in jobs] == ["running", "running", "blocked", "succeeded", "running"]
    assert jobs[2].why_waiting() == "its limit t:host:a is full, at 2 at once: job 1, job 2"


def test_a_slot_is_given_up_by_every_end_and_every_wait(db: Path) -> None:
    """good_job#378, solid_queue#546, #735, PR#761, PR#689: slots that leak, or are counted twice. procrastinate#1599: a job that waits for its retry keeps its slot."""
    app, order = LiteQueue(db), list[tuple[str, int]]()

    @app.task(max_running=1, retries=1, backoff=0.2, name="t")
    def t(how: str) -> None:
        order.append((how, len(order)))
        if how == "snooze" and ("snooze" not in [each for each, _ in order[:-1]]):
            raise Snooze(0.2)
        if how == "fail" and [each for each, _ in order].count("fail") < 2:
            raise ValueError

    for how in ("fail", "snooze", "last"):
        t.delay(how)
    with app.worker():
        wait_until(lambda: app.stats().states == {"succeeded": 3})
    assert [how for how, _ in order][:3] == ["fail", "snooze", "last"]


def test_many_calls_in_one_job_are_refused_where_each_value_counts_by_itself(app: LiteQueue) -> None:
    t = app.task(max_running=1, limit_key="{host}", name="t")(lambda host: host)
    for act in (t.map, t.starmap, lambda items: t.chunks(items, 2)):
        with pytest.raises(InvalidArgument, match=r"makes all of its calls in one job, and the limit of t counts for each value .*: group\(t\.s\(\.\.\.\)"):
            act(["a", "b"])
    plain = app.task(max_running=1, name="p")(lambda host: host)
    plain.map(["a", "b"]).delay()
    assert app.jobs()[0].limit_key == "p"


def test_a_rate_of_a_shorter_time_holds_from_then_on(app: LiteQueue, clock: FakeClock) -> None:
    t = app.task(rate="10/d", name="t")(lambda n: n)
    t.delay_many((n,) for n in range(30))
    assert len(claim(app)) == 10
    clock.advance(1)
    assert claim(app) == []
    app.limits.set("t", rate="10/s")
    assert claim(app) == []
    clock.advance(1.1)
    assert len(claim(app)) == 10


def test_a_shared_limit_holds_for_all_of_its_tasks(app: LiteQueue) -> None:
    app.limit("db", max_running=3)
    one, other = (app.task(limit="db", name=name)(lambda n: n) for name in ("one", "other"))
    one.delay_many((n,) for n in range(5))
    other.delay_many((n,) for n in range(5))
    assert len(claim(app)) == 3 == len(turn_of(app).claimed) + 3
    assert [info.keys[0].running for info in app.limits] == [3]


def test_a_worker_claims_limited_jobs_for_free_slots_alone(app: LiteQueue) -> None:
    limited, free = app.task(max_running=10, name="l")(lambda n: n), app.task(name="f")(lambda n: n)
    limited.delay_many((n,) for n in range(10))
    free.delay_many((n,) for n in range(10))
    found = turn_of(app, 20, free={"thread": 3}).claimed
    assert [job.task for job in found] == ["l"] * 3 + ["f"] * 10


def test_a_limit_for_what_waits_already_and_for_what_was_enqueued_by_name(db: Path) -> None:
    LiteQueue(db).send_task("t", (1,))
    app, now, most = LiteQueue(db), [0], [0]
    lock = threading.Lock()
    app.send_task("t", (2,))

    @app.task(max_running=1, limit_key=("n",), name="t")
    def t(n: int) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1

    for _ in range(3):
        app.send_task("t", (1,))
    with app.worker(burst=True) as worker:
        worker.join()
    assert app.stats().states == {"succeeded": 5} and most[0] <= 2
    assert {count.key for count in app._client.store.limits.counts(0)} == set()


def test_steps_whose_arguments_are_results_ask_for_the_key_of_these(db: Path) -> None:
    app, running, most = LiteQueue(db), defaultdict[str, int](int), defaultdict[str, int](int)
    lock = threading.Lock()

    @app.task(name="host")
    def host(n: int) -> str:
        return f"h{n % 2}"

    @app.task(max_running=1, limit_key="{host}", name="t")
    def t(host: str) -> str:
        with lock:
            running[host] += 1
            most[host] = max(most[host], running[host])
        time.sleep(0.01)
        with lock:
            running[host] -= 1
        return host

    flow = group(chain(host.s(n), t.s()) for n in range(8)).delay()
    host.apply_async((1,), on_success=t)
    with app.worker(burst=True) as worker:
        worker.join()
    assert flow.get() == ["h0", "h1"] * 4 and most == {"h0": 1, "h1": 1}


def test_a_paused_queue_keeps_no_slots_from_others(app: LiteQueue) -> None:
    app.limit("db", max_running=1)
    one, other = (app.task(limit="db", queue=name, name=name)(lambda: 0) for name in ("one", "other"))
    first, second = one.delay(), other.delay()
    turn_of(app, 0)
    assert first.state == "available"
    app.pause("one")
    assert claim(app) == [second.id] and first.why_waiting() == "its queue is paused"
    app.resume("one")
    assert claim(app) == [] and end(app, second.id) == [first.id]


def test_a_child_in_line_is_left_alone_when_its_parent_is_put_back_and_fails(app: LiteQueue) -> None:
    t = app.task(max_running=1, name="t")(lambda: 0)
    holder = t.delay()
    claim(app)
    parent = app.task(name="p")(lambda: 0).delay()
    child = t.apply_async(after=parent)
    claim(app)
    end(app, parent.id)
    assert child.state == "blocked" and "its limit t is full" in (child.why_waiting() or "")
    parent.retry()
    parent.cancel()
    turn_of(app)
    assert (parent.state, child.state) == ("cancelled", "blocked")
    assert end(app, holder.id) == [child.id]


def test_a_worker_that_starts_looks_at_all_lines_and_the_doctor_at_who_has_no_slot(db: Path) -> None:
    app = LiteQueue(db)
    t = app.task(max_running=1, name="t")(lambda n: n)
    holder, second = t.delay(1), t.delay(2)
    turn_of(app, 0)
    assert (holder.state, second.state) == ("available", "blocked")
    with app.transaction() as rows:
        rows.execute("DELETE FROM litequeue_jobs WHERE id = ?", (holder.id,))  # by whoever
    with app.worker(burst=True) as worker:
        worker.join()
    assert second.state == "succeeded" and second.info().limit_key == "t"
    assert "limit         t\n" in litequeue("job", db, second.id).stdout
    third = t.delay(3)
    with app.transaction() as rows:
        rows.execute("UPDATE litequeue_jobs SET state = 'available' WHERE id = ?", (third.id,))
    assert f"job {third.id} runs, or may, without a slot of its limit" in litequeue("doctor", db).stdout


def test_schedules_ask_their_tasks_limit(app: LiteQueue) -> None:
    t = app.task(max_running=1, limit_key="{n}", name="t")(lambda n: n)
    app.schedules.add("s", t, every="1h", args=(5,))
    jobs = [app.schedules.run_now("s") for _ in range(3)]
    assert claim(app) == [jobs[0].id] and "its limit t:5 is full" in (jobs[1].why_waiting() or "")
    app.schedules.update("s", priority=3)
    assert "its limit t:5" in (app.schedules.run_now("s").why_waiting() or "")


# -- within a time -------------------------------------------------------------------------------------------


def test_never_more_starts_than_the_rate_in_any_window_and_the_slots_come_again(app: LiteQueue, clock: FakeClock) -> None:
    """celery#8119, PR#10291: its rate_limit is per worker, and holds up other tasks."""
    t, other = app.task(rate="10/m", name="t")(lambda n: n), app.task(name="o")(lambda n: n)
    t.delay_many((n,) for n in range(40))
    other.delay(1)
    starts: list[float] = []
    others = 0
    for _ in range(700):
        for job in turn_of(app).claimed:
            if job.task == "t":
                starts.append(clock.monotonic())
            others += job.task == "o"
        clock.advance(0.5)
    assert others == 1 and len(starts) == 40
    for begin in starts:
        assert sum(begin <= at < begin + 60 for at in starts) <= 10
    assert starts[-1] - starts[0] < 3 * 60 * 34 / 32, "and no fewer than the slices cost"


def test_retries_count_as_starts_and_a_set_back_clock_lets_nobody_start_too_early(app: LiteQueue, clock: FakeClock) -> None:
    t = app.task(rate="3/m", retries=9, name="t")(lambda n: n)
    for n in range(5):
        t.delay(n)
    first = turn_of(app).claimed
    assert len(first) == 3
    app._client.store.leases.rescue_worker(1, "w", clock.now())
    assert claim(app) == []
    clock.wall -= 3600 * 1_000_000
    assert claim(app) == []
    for _ in range(59):
        clock.advance(1)
        assert claim(app) == []
    clock.advance(5)
    assert len(claim(app)) == 3


def test_it_says_when_the_next_may_start(app: LiteQueue, clock: FakeClock) -> None:
    t = app.task(rate="1/m", name="t")(lambda n: n)
    t.delay(1)
    job = t.delay(2)
    assert (job.why_waiting() or "").startswith("no worker serves this file: ")
    claim(app)
    (info,) = app.limits
    assert info == LimitInfo("t", None, "1/m", info.keys) and info.keys[0].next_at is not None
    assert 60 <= info.keys[0].next_at.timestamp() - clock.now() / 1e6 <= 62
    assert job.why_waiting() == f"its limit t lets 1/m start, and 1 have; the next may start at {info.keys[0].next_at.astimezone():%H:%M:%S}"


# -- declared and changed ------------------------------------------------------------------------------------


def test_a_change_at_run_time_holds_until_the_code_says_something_else(db: Path, clock: FakeClock) -> None:
    def program(**limit: Any) -> LiteQueue:
        app = LiteQueue(db, clock=clock)
        app.limit("mailer", **limit)
        app.task(limit="mailer", name="t")(lambda: 0).delay()
        return app

    app = program(max_running=1, rate="100/m")
    program(max_running=1, rate="100/m")
    assert len(claim(app)) == 1
    app.limits.set("mailer", max_running=2)
    assert app.limits.get("mailer").max_running == 2 and app.limits.get("mailer").rate == "100/m"
    assert len(claim(app)) == 1
    program(max_running=1, rate="100/m")
    assert app.limits.get("mailer").max_running == 2
    program(max_running=3)
    found = app.limits.get("mailer")
    assert (found.max_running, found.rate) == (3, None)
    app.limits.remove("mailer")
    assert len(claim(app)) == 2 and list(app.limits) == []
    program(max_running=3)
    assert list(app.limits) == [] and len(claim(app)) == 1, "what people took away is not brought back by what the code has said before"
    program(max_running=4)
    assert app.limits.get("mailer").max_running == 4
    with pytest.raises(InvalidArgument, match="there is no limit other"):
        app.limits.remove("other")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_running": 0}, "max_running must be"),
        ({"rate": "5"}, "rate: '5' is no rate: a whole number from 1, a stroke, and s, m, h, d or a length"),
        ({"rate": "5/ms"}, "is no rate"), ({"rate": "0/s"}, "is no rate"), ({"rate": 5}, "rate must be a text such as '100/m', not int"),
        ({"limit": "x", "max_running": 5}, "what the limit x allows is said once"),
        ({"limit_key": "{n}"}, "limit_key goes with max_running, rate or limit"),
        ({"max_running": 1, "limit_key": "{m}"}, "limit_key names 'm', which is no argument of t; its arguments are: n"),
        ({"limit": "a:b"}, "a limit's name has no colon"),
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused_with_the_task(app: LiteQueue, options: dict[str, Any], says: str) -> None:
    with pytest.raises((InvalidArgument, InvalidType), match=says):
        app.task(name="t", **options)(lambda n: n)


def test_a_limit_that_nobody_declared_is_refused_with_the_first_enqueue(app: LiteQueue, db: Path) -> None:
    t = app.task(limit="mailer", name="t")(lambda: 0)
    with pytest.raises(InvalidArgument, match=r"t asks the limit 'mailer', which nobody has declared: app.limit\('mailer', max_running=...\), or"):
        t.delay()
    with pytest.raises(InvalidArgument, match="say max_running or rate"):
        app.limit("mailer")
    with pytest.raises(InvalidArgument, match="a limit's name has no colon"):
        app.limit("a:b", max_running=1)
    with pytest.raises(InvalidArgument, match="there is no limit mailer in .*; there are: none"):
        app.limits.get("mailer")
    with pytest.raises(InvalidType, match="a limit has no option 'max'; it has max_running, rate"):
        app.limits.set("mailer", max=3)
    assert app.jobs() == []
    app.limits.set("mailer", max_running=1)
    assert t.delay().id == 1


def test_a_worker_says_that_a_limit_is_declared_nowhere(db: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = LiteQueue(db)
    app.task(limit="mailr", name="t")(lambda: 0)
    app.limits.set("mailer", max_running=1)
    with app.transaction() as rows:
        rows.execute("INSERT INTO litequeue_enqueue (task) VALUES ('t')")
    with app.worker(burst=True) as worker:
        worker.join()
    assert "task t asks the limit mailr, which nobody has declared: its jobs run without" in caplog.text


@pytest.mark.slow
def test_the_command_shows_and_changes_limits(app: LiteQueue, db: Path) -> None:
    app.limit("mailer", max_running=1, rate="100/m")
    t = app.task(limit="mailer", limit_key="{to}", name="t")(lambda to: to)
    for to in ("ann", "ann", "bob"):
        t.delay(to)
    claim(app)
    shown = litequeue("limit", db)
    assert shown.stdout.splitlines() == [
        "KEY         AT ONCE  RATE   RUNNING  WAITING  STARTED  NEXT START",
        "mailer:ann  1        100/m  1        1        1        " + shown.stdout.splitlines()[1][-19:],
        "mailer:bob  1        100/m  1        0        1",
    ]
    assert litequeue("limit", db, "mailer", "--max", "2", "--rate", "none").stdout == "limit mailer: 2 jobs at once\n"
    assert len(claim(app)) == 1
    assert litequeue("limit", db, "mailer", "--rate", "5/s").stdout == "limit mailer: 2 jobs at once, 5/s starts\n"
    assert '"max_running": 2' in litequeue("limit", db, "mailer", "--json").stdout
    assert litequeue("limit", db, "new", "--max", "3").stdout == "limit new is new: 3 jobs at once\n"
    assert litequeue("limit", db, "new", "--remove").returncode == 0
    assert litequeue("limit", db, "mailer", "--remove").stdout == "limit mailer is removed: its jobs run without\n"
    for words, says in (
        (("nobody",), "there is no limit nobody"), (("x", "--rate", "5"), "rate: '5' is no rate"), (("x", "--max", "0"), "--max"),
        (("--max", "2"), "name the limit that is to change"), (("x", "--max", "2", "--remove"), "--remove goes without"),
    ):  # fmt: skip
        ran = litequeue("limit", db, *words)
        assert ran.returncode != 0 and says in ran.stderr and "Traceback" not in ran.stderr
    assert litequeue("limit", db, "x", "--remove").returncode == 2 and "there is no limit" in litequeue("limit", db).stderr


# -- over workers, and through their deaths -----------------------------------------------------------------

SITE = """
import os, time
from litequeue import LiteQueue
app = LiteQueue({db!r})

def note(text):
    with os.fdopen(os.open({ledger!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w") as ledger:
        ledger.write(f"{{time.monotonic()}} {{os.getpid()}} {{text}}\\n")

@app.task(max_running=2, rate="40/s", limit_key="{{key}}", retries=20)
def work(key, n):
    note(f"begin {{key}} {{n}}")
    time.sleep(0.01)
    note(f"end {{key}} {{n}}")
"""


@pytest.mark.slow
def test_workers_that_are_killed_all_the_time_never_run_more_than_the_limit(tmp_path: Path, db: Path) -> None:
    ledger = tmp_path / "ledger"
    (tmp_path / "site_.py").write_text(SITE.format(db=str(db), ledger=str(ledger)))
    sys.path.insert(0, str(tmp_path))
    try:
        import site_  # type: ignore[import-not-found]

        site_.work.delay_many((f"k{n % 2}", n) for n in range(240))
    finally:
        sys.path.remove(str(tmp_path))
    killed: set[int] = set()
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(worker_process(db, cwd=tmp_path)) for _ in range(3)]
        for n in itertools.count():
            wait_until(lambda n=n: len(ledger_lines(ledger)) > 40 * (n + 1) or site_.app.stats().states.get("succeeded") == 240, 30)  # type: ignore[misc]
            if site_.app.stats().states.get("succeeded") == 240:
                break
            victim = workers.pop(0)
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()
            killed.add(victim.pid)
            workers.append(stack.enter_context(worker_process(db, cwd=tmp_path)))
    lines = [line.split() for line in ledger_lines(ledger)]
    alive: dict[str, dict[int, str]] = defaultdict(dict)
    starts: dict[str, list[float]] = defaultdict(list)
    last_of = {int(pid): float(at) for at, pid, *_ in lines}
    for at, pid, what, key, n in lines:
        running = alive[key]
        for other, of in list(running.items()):
            if int(of) in killed and float(at) > last_of[int(of)]:
                del running[other]  # it died since, and ran nothing from then on
        if what == "begin":
            running[int(n)] = pid
            starts[key].append(float(at))
            assert len(running) <= 2, f"{key}: {running} at {at}"
        else:
            running.pop(int(n), None)
    assert killed
    for key, times in starts.items():
        for begin in times:
            assert sum(begin <= at < begin + 0.95 for at in times) <= 40, key


def test_of_two_workers_that_race_for_one_slot_one_gets_it(db: Path) -> None:
    app = LiteQueue(db)
    app.task(max_running=1, name="t")(lambda n: n).delay_many((n,) for n in range(30))
    code = (
        "import sys; from litequeue.store import Store; from litequeue.store.turn import Demand; import time\n"
        "s = Store(sys.argv[1]); now = time.time_ns() // 1000; n = 0\n"
        "for _ in range(200): n += len(s.jobs.turn(int(sys.argv[2]), now, now + 10**9, demand=Demand({'thread': 9})).claimed)\n"
        "print(n)"
    )
    racing = [subprocess.Popen([sys.executable, "-c", code, str(db), str(n)], env=environment(), stdout=subprocess.PIPE) for n in (1, 2, 3)]
    assert sum(int(process.communicate()[0]) for process in racing) == 1
