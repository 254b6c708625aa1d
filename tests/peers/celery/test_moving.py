"""``celery-migrate``: what goes, what stays and why, and that nothing is lost on the way, whoever is killed."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import wait_until

from .servers import celery_worker, ended, env_of, lines_of, python, run, shop

pytestmark = pytest.mark.slow

JOBS, KILLS, ONCE = 3_000, 20, 40
MIGRATE = ("-m", "litequeue", "celery-migrate", "db.sqlite", "-A", "celeryapp")
START = "import sys, time, tasks\nfrom litequeue import *\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shop(tmp_path / "shop")


@pytest.fixture
def env(redis: int) -> dict[str, str]:
    return env_of(redis, 6, SCHEDULES="no", PYTHONWARNINGS="ignore:codec of tasks.coded")


@pytest.fixture(scope="module")
def followers(redis: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder where Celery's worker of these tests writes what it has run."""
    folder = shop(tmp_path_factory.mktemp("worker"))
    with celery_worker(folder, env_of(redis, 6, SCHEDULES="no"), "-c", "2"):
        yield folder


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(folder / "db.sqlite")) as connection:
        return connection.execute(sql).fetchall()


def test_what_is_free_to_run_goes_and_what_stays_says_why(folder: Path, env: dict[str, str], followers: Path) -> None:
    python(folder, env, START + """
tasks.add.apply_async((1, 2), headers={"trace": "1"})
tasks.flaky.delay(); tasks.once.delay("moved"); tasks.add.apply_async((1, 2), queue="default", priority=7, retries=9)
tasks.add.apply_async((1, 2), countdown="1h")
chain(tasks.add.s(1, 2), tasks.add.s(3)).delay()
tasks.app.enqueue("nowhere.task"); tasks.add.apply_async((1, 2), queue="mail"); tasks.app.pause("mail")
tasks.add.apply_async((1, 2), at_most_once=True)
""")
    done = run(folder, env, *MIGRATE)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "moved 4 jobs to Celery; 6 jobs stay: 1 blocked, 1 scheduled, 1 in a paused queue, 1 of a task that the Celery app does not know: nowhere.task, "
        "2 with callbacks, steps or a workflow, or to run at most once where its task does not say so; --follow moves those that are due later\n"
    )
    code = """
jobs = [tasks.app.job(n) for n in (1, 2, 3, 4)]
print([job.get(timeout=20) for job in jobs])
print(jobs[0].state, jobs[0].done(), jobs[0].wait(timeout=1))
"""
    for send in ("yes", "no"):
        told = python(folder, {**env, "SEND": send}, "import celeryapp\n" + START + code)
        assert told == "[3, (3, 1, [(1, 'ValueError', 'not at 1'), (2, 'ValueError', 'not at 2')]), 'moved', 3]\nsucceeded True True\n"
    told = python(folder, env, START + "job = tasks.app.job(1)\nprint(job.state, job.info().state)\ntry: job.get()\nexcept JobCancelled as error: print(error)")
    assert told.startswith("cancelled cancelled\njob 1 was cancelled; it was moved to Celery as lq-"), told
    assert lines_of(followers / "once") == ["moved"]
    refused = run(folder, env, "-m", "litequeue", "retry", "db.sqlite", "1")
    assert refused.returncode == 2 and "where it has run or will: it cannot be run again here" in refused.stderr
    every = run(folder, env, "-m", "litequeue", "retry", "db.sqlite", "state:cancelled", "--yes")
    assert every.stdout == "0 jobs put back; 4 were left as they were\n"
    assert rows(folder, "SELECT count(*) FROM litequeue_jobs WHERE moved_to IS NOT NULL AND state <> 'cancelled'") == [(0,)]
    again = run(folder, env, *MIGRATE)
    assert again.stdout.startswith("moved 0 jobs to Celery; 6 jobs stay")


def test_one_that_follows_is_the_clock_and_moves_what_comes_when_it_is_due(folder: Path, env: dict[str, str], followers: Path) -> None:
    (followers / "ticks").unlink(missing_ok=True)
    begun = time.time()
    python(folder, env, START + 'tasks.note.apply_async(("later",), countdown=1)')
    with ended(subprocess.Popen([sys.executable, *MIGRATE, "--follow"], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)) as mover:
        wait_until(lambda: "later" in lines_of(followers / "notes"), 20)
        assert time.time() - begun > 1
        python(folder, env, START + 'tasks.note.delay("comes")')
        wait_until(lambda: "comes" in lines_of(followers / "notes") and len(lines_of(followers / "ticks")) >= 2, 20)
        mover.send_signal(signal.SIGTERM)
        out, err = mover.communicate(timeout=20)
    assert mover.returncode == 0 and out.startswith("moved "), err
    assert set(lines_of(followers / "ticks")) == {"ticking Decimal('1.50')"}
    (fired,), (kept,) = rows(folder, "SELECT count(*) FROM litequeue_jobs WHERE schedule_id IS NOT NULL"), rows(folder, "SELECT count(*) FROM litequeue_ticks WHERE outcome = 'fired'")
    assert fired == kept and fired[0] == len(lines_of(followers / "ticks"))


def test_without_its_broker_nothing_is_lost_and_one_line_says_so(folder: Path, env: dict[str, str]) -> None:
    python(folder, env, START + "tasks.add.delay(1, 2); tasks.once.delay(1)")
    gone = {**env, "BROKER": "redis://127.0.0.1:1/0"}
    done = run(folder, gone, *MIGRATE)
    assert done.returncode == 4 and done.stderr.startswith("litequeue: Celery's broker or its results cannot be had, and what was not sent stays: ") and "\n" not in done.stderr.strip(), done.stderr
    assert rows(folder, "SELECT state, attempt - releases FROM litequeue_jobs") == [("available", 0)] * 2


def test_what_cannot_be_sent_stays_and_holds_nobody_up(folder: Path, env: dict[str, str], followers: Path) -> None:
    python(folder, env, START + "tasks.coded.delay({1: object}); tasks.note.delay('behind'); tasks.once.apply_async((1,), at_most_once=True)")
    done = run(folder, env, *MIGRATE)
    assert done.stdout == "moved 2 jobs to Celery; 1 job stays: 1 that cannot be sent, as the log says\n", done.stderr
    assert "job 1 tasks.coded stays: " in done.stderr
    wait_until(lambda: "behind" in lines_of(followers / "notes"), 20)


@pytest.mark.parametrize("when", ["apply_async", "settle"])
def test_who_is_killed_holds_nothing_of_what_may_run_only_once(folder: Path, env: dict[str, str], when: str) -> None:
    """At its first word to the broker, and after it."""
    python(folder, env, START + "tasks.once.delay_many([(n,) for n in range(3)]); tasks.add.delay_many([(n, n) for n in range(3)])")
    (folder / "killed.py").write_text(f"""
import os, sys
import litequeue.celery.task as task, litequeue.store.moving as moving
def kill(*args, **named): os.kill(os.getpid(), 9)
if "{when}" == "apply_async": task.Exported.apply_async = kill
else: moving.Moving.settle = kill
from litequeue.cli import main
main(["celery-migrate", "db.sqlite", "-A", "celeryapp"])
""")
    assert run(folder, env, "killed.py").returncode == -signal.SIGKILL
    python(folder, env, "import tasks; tasks.app.enqueue('nobody'); tasks.app.run_worker(burst=True, queues=['none'])")  # puts back what a dead one held
    states = Counter(state for state, in rows(folder, "SELECT state FROM litequeue_jobs WHERE task <> 'nobody'"))
    gone = 1 if when == "apply_async" else 3  # which were written down as moved, and may be lost
    assert states == {"available": 6 - gone, "cancelled": gone}
    assert rows(folder, "SELECT count(*) FROM litequeue_jobs WHERE interruptions > 0") == [(0,)]


def test_a_job_that_is_cancelled_while_it_is_held_is_revoked_there(folder: Path, env: dict[str, str]) -> None:
    python(folder, env, START + "tasks.add.delay(1, 2)")
    (folder / "cancelled.py").write_text("""
import litequeue.celery.task as task
from litequeue import LiteQueue
plain = task.Exported.apply_async
def publish(*args, **named):
    found = plain(*args, **named)
    print(LiteQueue("db.sqlite").job(1).cancel())
    return found
task.Exported.apply_async = publish
import celery.app.control
celery.app.control.Control.revoke = lambda self, job, **_: print("revoked", job[:3])
from litequeue.cli import main
main(["celery-migrate", "db.sqlite", "-A", "celeryapp"])
""")
    assert run(folder, env, "cancelled.py").stdout == "True\nrevoked lq-\nmoved 1 job to Celery; nothing stays\n"


@pytest.mark.parametrize(("app", "words"), [
    ("nope", "-A nope: ModuleNotFoundError: No module named 'nope'"), ("tasks", "-A tasks is LiteQueue, and no Celery app: name that, as in tasks:celery"),
    ("celeryapp:nope", "-A celeryapp:nope: celeryapp has no nope"), ("bare:celery", "-A bare:celery: no queue's app was exported to it"),
])  # fmt: skip
def test_what_is_no_app_to_move_to_is_told_in_one_line(folder: Path, env: dict[str, str], app: str, words: str) -> None:
    python(folder, env, START + "tasks.add.delay(1, 2)")
    (folder / "bare.py").write_text("from celery import Celery\ncelery = Celery('bare')\n")
    done = run(folder, env, *MIGRATE[:-1], app)
    assert done.returncode != 0 and words in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_who_is_killed_while_moving_loses_nothing(folder: Path, env: dict[str, str], followers: Path) -> None:
    """3,000 jobs, and 20 times kill -9. Only copies that run at the same moment may run twice."""
    rng = random.Random(17)
    (followers / "notes").unlink(missing_ok=True)
    (followers / "once").unlink(missing_ok=True)
    python(folder, env, START + f"tasks.note.delay_many([(n,) for n in range({JOBS})]); tasks.once.delay_many([(n,) for n in range({ONCE})])")

    def moved() -> int:
        return int(str(rows(folder, "SELECT count(*) FROM litequeue_jobs WHERE moved_to IS NOT NULL")[0][0]))

    for _ in range(KILLS):
        goal = moved() + rng.randint(1, JOBS // KILLS)
        with ended(subprocess.Popen([sys.executable, *MIGRATE], cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), signal.SIGKILL) as mover:
            wait_until(lambda goal=goal: moved() >= goal or mover.poll() is not None, 30)
            time.sleep(rng.random() * 0.02)
            assert mover.poll() is None, "it had ended before it was killed"
    done = run(folder, env, *MIGRATE)
    assert done.returncode == 0 and "nothing stays" in done.stdout, (done.stdout, done.stderr)
    wait_until(lambda: len(set(lines_of(followers / "notes"))) == JOBS, 60, "each has run")
    wait_until(lambda: int(python(folder, env, "import celeryapp; print(celeryapp.celery.backend.client.llen('celery') or len(celeryapp.celery.control.inspect().active() or ()) - 1)").strip()) <= 0, 20)
    twice = [number for number, count in Counter(lines_of(followers / "notes")).items() if count > 1]
    assert len(twice) <= 2, f"{len(twice)} were run twice"
    assert max(Counter(lines_of(followers / "once")).values()) == 1, "what may run only once has run twice"
    print(f"{len(twice)} of {JOBS} were run twice; {ONCE - len(lines_of(followers / 'once'))} of {ONCE} that may run only once were not run")
