"""The chapter for people who come from elsewhere: each row of its tables is tried, in the words of its right column."""

from __future__ import annotations

import inspect
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from litequeue import (
    Backoff,
    Discard,
    JobCancelled,
    LiteQueue,
    Retry,
    chain,
    chord,
    current_job,
    group,
    shared_task,
)
from litequeue.cli import main
from litequeue.testing import testing

from .support import ROOT, wait_until

pytestmark = pytest.mark.beside

CHAPTER = (ROOT / "litequeue/guide/coming.md").read_text()


def rows() -> dict[str, str]:
    """Of all tables: the left cell, and the right one."""
    found: dict[str, str] = {}
    for line in CHAPTER.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and not line.startswith("|---") and cells[1] != "here":
            assert len(cells) == 2 and cells[0] not in found, line
            found[cells[0]] = cells[1]
    return found


class Here:
    """A queue to try a row on."""

    def __init__(self, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.db, self._capsys = db, capsys
        self.app = LiteQueue(db)

    def type(self, line: str) -> str:
        """What a command prints; it ends well."""
        words = re.findall(r'"[^"]*"|\S+', line)
        assert main([word.strip('"').replace("db.sqlite", str(self.db)) for word in words]) == 0, line
        return self._capsys.readouterr().out

    def run(self) -> None:
        """All that is due, as a worker does."""
        with self.app.worker(burst=True, threads=2) as worker:
            worker.join(20)


TRIES: dict[str, Callable[[Here], None]] = {}


def tries(row: str) -> Callable[[Callable[[Here], None]], None]:
    def enter(function: Callable[[Here], None]) -> None:
        assert row not in TRIES
        TRIES[row] = function

    return enter


@pytest.fixture
def here(db: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    found = Here(db, capsys)
    yield found
    found.app.close()


def test_every_row_is_tried_and_no_other() -> None:
    assert list(rows()) == list(TRIES)


@pytest.mark.parametrize("row", TRIES)
def test_a_row_is_so(here: Here, row: str) -> None:
    said = inspect.getsource(TRIES[row])
    for span in re.findall(r"`([^`]+)`", rows().get(row, "")):
        for word in re.findall(r"[A-Za-z_]\w+", span.replace("db.sqlite", "")):
            assert word in said, f"the try says nothing of {word}, which the row does"
    TRIES[row](here)


# -- Celery ------------------------------------------------------------------------------------------------------------


@tries('`Celery("proj", broker=..., backend=...)`')
def _(here: Here) -> None:
    assert LiteQueue("db.sqlite").path.endswith("/db.sqlite")


@tries("`autoretry_for=(E,)`, `dont_autoretry_for=(F,)`, `max_retries=5`")
def _(here: Here) -> None:
    @here.app.task(retry_on=OSError, give_up_on=FileNotFoundError, retries=5, backoff=0)
    def fails(kind: str) -> None:
        runs.append(kind)
        raise {"again": OSError, "never": FileNotFoundError, "other": ValueError}[kind]

    runs: list[str] = []
    for kind in ("again", "never", "other"):
        fails.delay(kind)
    here.run()
    assert [runs.count(kind) for kind in ("again", "never", "other")] == [6, 1, 1]


@tries("`retry_backoff=True`, `retry_backoff_max=600`, `retry_jitter=True`")
def _(here: Here) -> None:
    import random

    here.app.task(name="t", retries=3, backoff=Backoff(base=1, cap=600))(len)
    delays = [Backoff(base=1, cap=600).delay(12, random.Random(n)) for n in range(200)]
    assert 500 < max(delays) <= 600 and min(delays) < 100


def fail() -> None:
    raise ValueError


def waits(here: Here) -> float:
    """Until the only job's next attempt."""
    here.run()
    info = here.app.job(1).info()
    return round((info.run_at - datetime.now(UTC)).total_seconds() / 10) * 10


@tries("`default_retry_delay=180`")
def _(here: Here) -> None:
    here.app.task(name="t", retries=1, backoff="3m")(fail).delay()
    assert waits(here) == 180


@tries("`self.retry(countdown=60)`")
def _(here: Here) -> None:
    @here.app.task(name="t", retries=1)
    def again() -> None:
        raise Retry(delay=60)

    again.delay()
    assert waits(here) == 60


@tries("`self.request.id`, `self.request.retries`")
def _(here: Here) -> None:
    @here.app.task(name="t", retries=1, backoff=0)
    def tell() -> list[int]:
        if current_job().attempt == 1:
            raise ValueError
        return [current_job().id, current_job().attempt - 1]

    job = tell.delay()
    here.run()
    assert job.get(timeout=5) == [job.id, 1]


@tries("`self.update_state(state=..., meta=...)`")
def _(here: Here) -> None:
    @here.app.task(name="t")
    def long(total: int) -> None:
        done = 3
        current_job().progress(done, total)
        current_job().meta["page"] = 7

    job = long.delay(4)
    here.run()
    progress = job.progress()
    assert progress is not None and (progress.done, progress.total, job.meta) == (3, 4, {"page": 7})


@tries("`raise Reject(...)`, `raise Ignore()`")
def _(here: Here) -> None:
    @here.app.task(name="t", retries=5)
    def end(how: str) -> None:
        if how == "reject":
            raise Discard("why")
        raise JobCancelled("why")

    jobs = [end.delay("reject"), end.delay("ignore")]
    here.run()
    assert [job.state for job in jobs] == ["discarded", "cancelled"]


@tries("`soft_time_limit=`, `time_limit=`")
def _(here: Here) -> None:
    task = here.app.task(soft_timeout=1, timeout=2, pool="process")(fail)
    info = task.delay().info()
    assert (info.timeout, info.pool) == (2.0, "process")


@tries("`acks_late=False` (the default)")
def _(here: Here) -> None:
    assert not here.app.task(name="t")(len).__litequeue_code__.columns.at_most_once
    assert here.app.task(name="u", at_most_once=True)(len).__litequeue_code__.columns.at_most_once


@tries("`ignore_result=True`, `result_expires`")
def _(here: Here) -> None:
    assert here.app.task(name="t", result_ttl="1h")(len).__litequeue_code__.result_ttl == 3_600_000_000


@tries('`rate_limit="100/m"`, per worker')
def _(here: Here) -> None:
    here.app.task(name="t", rate="100/m")(len).delay("x")
    here.run()
    assert here.app.limits.list()[0].rate == "100/m"


@tries("`base=` with `on_failure`")
def _(here: Here) -> None:
    told: list[str] = []

    class Hooks:
        def ended(self, job: Any, outcome: Any) -> None:
            told.append(f"hooks {outcome.state}")

    app, hooks = here.app, Hooks()
    app.use(hooks)
    tell = app.task(name="tell")(lambda job: told.append(f"on_failure {job['task']}"))

    @app.on_discarded
    def any_of_them(job: Any) -> None:
        told.append(f"on_discarded {job['task']}")

    app.task(name="t", on_failure=tell)(fail).delay()
    here.run()
    assert {"on_failure t", "on_discarded t", "hooks discarded"} <= set(told)


@tries("signals")
def _(here: Here) -> None:
    told: list[str] = []
    app = here.app

    class Hooks:
        def ended(self, job: Any, outcome: Any) -> None:
            told.append("use")

    hooks = Hooks()
    app.before_run(lambda job: told.append("before_run"))
    app.after_run(lambda job, error: told.append("after_run"))
    app.on("succeeded")(lambda job: told.append("succeeded"))
    app.use(hooks)
    app.task(name="t")(lambda: None).delay()
    here.run()
    wait_until(lambda: set(told) == {"before_run", "after_run", "succeeded", "use"})


@tries("`apply_async(countdown=, eta=, expires=, queue=, priority=)`")
def _(here: Here) -> None:
    order: list[int] = []
    task = here.app.task(name="t")(order.append)
    info = task.apply_async((1,), countdown=60, expires=90, queue="mail", priority=3).info()
    assert (info.queue, info.priority, info.state) == ("mail", 3, "scheduled")
    assert task.apply_async((2,), eta=datetime(2099, 1, 1, tzinfo=UTC)).info().run_at.year == 2099
    for priority in (0, 9):
        task.apply_async((priority,), priority=priority)
    with here.app.worker(burst=True, threads=1) as worker:
        worker.join(20)
    assert order == [9, 0]


@tries("`link=`, `link_error=`")
def _(here: Here) -> None:
    told: list[Any] = []
    tell = here.app.task(name="tell")(told.append)
    here.app.task(name="t")(len).apply_async(("abc",), on_success=tell.s())
    here.app.task(name="u")(fail).apply_async((), on_failure=tell.s())
    here.run()
    assert 3 in told and any(isinstance(said, dict) and said["task"] == "u" for said in told)


@tries("`AsyncResult(id)`")
def _(here: Here) -> None:
    job, app = here.app.task(name="t")(len).delay("x"), here.app
    assert app.job(job.id) == app.job(str(job.id)) == job


@tries("`result.ready()`, `.successful()`, `.result`")
def _(here: Here) -> None:
    job = here.app.task(name="t")(len).delay("abc")
    assert not job.done()
    here.run()
    assert job.done() and job.state == "succeeded" and job.get(timeout=0) == 3


@tries("`result.revoke(terminate=True)`")
def _(here: Here) -> None:
    job = here.app.task(name="t")(len).delay("abc")
    assert job.cancel() and job.state == "cancelled"


@tries("`chain`, `group`, `chord`, `.s()`, `.si()`")
def _(here: Here) -> None:
    add, total = here.app.task(name="add")(lambda x, y: x + y), here.app.task(name="total")(sum)
    flows = [chain(add.s(1, 2), add.s(3)).delay(), group(add.s(1, 1), add.si(2, 2)).delay(), chord([add.s(1, 1), add.s(2, 2)], total.s()).delay()]
    here.run()
    assert [flow.get(timeout=5) for flow in flows] == [6, [2, 4], 6]


@tries("`@shared_task`")
def _(here: Here) -> None:
    module, app = ModuleType("coming"), here.app

    @shared_task(name="coming.t")
    def t(x: str) -> int:
        return len(x)

    module.t = t  # type: ignore[attr-defined]
    app.adopt(module)
    job = t.delay("abc")
    here.run()
    assert job.get(timeout=5) == 3


@tries('`app.send_task("proj.add", (1, 2))`')
def _(here: Here) -> None:
    app = here.app
    job = app.send_task("proj.add", (1, 2))
    app.task(name="proj.add")(lambda x, y: x + y)
    here.run()
    assert job.get(timeout=5) == 3


@tries("`task_routes`, `task_default_queue`")
def _(here: Here) -> None:
    assert here.app.task(name="t", queue="mail")(len).delay("x").info().queue == "mail"


@tries("`transaction.on_commit(task.delay)`")
def _(here: Here) -> None:
    app = here.app
    task = app.task(name="t")(len)
    task.delay("first")
    connection = sqlite3.connect(here.db)
    try:
        for arg, end in (("x", connection.rollback), ("y", connection.commit)):
            connection.execute("BEGIN IMMEDIATE")
            with app.using(connection):
                task.delay(arg)
            end()
    finally:
        connection.close()
    assert sorted(info.args for info in app.jobs()) == ['["first"]', '["y"]']


def in_a_test(here: Here) -> None:
    """With litequeue.testing."""
    task = here.app.task(name="t")(len)
    with testing(here.app) as queue:
        job = task.delay("abc")
        queue.drain()
        assert (queue.run(task, "ab"), job.get()) == (2, 3)
        queue.inline = True
        assert task.delay("abcd").get() == 4


TRIES["`task_always_eager`, `task.apply()`"] = in_a_test


def scheduled(here: Here, declare: Callable[[Any], Any]) -> str:
    """When a declared schedule fires, in words."""
    declare(here.app.task(name="t")(lambda: None))
    with testing(here.app) as queue:
        queue.advance("1s")
        (info,) = here.app.schedules.list()
        return info.trigger


@tries("`crontab(hour=7, minute=0)` in the beat schedule")
def _(here: Here) -> None:
    app = here.app
    assert scheduled(here, app.cron("0 7 * * *", timezone="Europe/Berlin")) == "at 07:00 every day (Europe/Berlin)"


@tries("`timedelta(minutes=5)` in the beat schedule")
def _(here: Here) -> None:
    app = here.app
    assert scheduled(here, app.every("5m")) == "every 5 minutes"


@tries("`django_celery_beat`")
def _(here: Here) -> None:
    app, name, task = here.app, "daily", here.app.task(name="t")(lambda: None)
    assert app.schedules.add(name, task, cron="0 7 * * *").trigger.startswith("at 07:00 every day")


def worker_of(here: Here, line: str) -> Any:
    """The settings of a worker that is started like this."""
    from litequeue.cli.grammar import build
    from litequeue.cli.worker.command import config_of

    words = line.replace("db.sqlite", str(here.db)).split()
    arguments = build().parse_args(words)
    return config_of(arguments), arguments.imports


@tries("`celery -A proj worker -c 4 -Q mail`")
def _(here: Here) -> None:
    config, imports = worker_of(here, "worker db.sqlite --import proj --threads 4 --queues mail")
    assert (config.threads, tuple(config.queues), imports) == (4, ("mail",), ["proj"])


@tries("`celery beat`")
def _(here: Here) -> None:
    here.app.schedules.add("nightly", here.app.task(name="t")(lambda: None), cron="0 7 * * *")
    assert "nightly" in here.type("schedules db.sqlite")


@tries("`celery purge`")
def _(here: Here) -> None:
    here.app.task(name="t")(len).delay("x")
    here.type("purge db.sqlite state:available --yes")
    assert here.app.jobs() == []


@tries("`celery inspect active`, `celery status`")
def _(here: Here) -> None:
    seen: list[str] = []
    here.app.task(name="proj.look")(lambda: seen.append(here.type("jobs db.sqlite state:running") + here.type("stats db.sqlite"))).delay()
    here.run()
    assert "proj.look" in seen[0] and "2 thread 2 process" in seen[0]


@tries("`celery control rate_limit`")
def _(here: Here) -> None:
    here.app.stats()
    here.type("limit db.sqlite NAME --rate 100/m")
    assert here.app.limits.list()[0].rate == "100/m"


@tries("flower, `celery events`")
def _(here: Here) -> None:
    here.app.task(name="t")(len).delay("x")
    assert "litequeue_" in here.type("metrics db.sqlite")
    from litequeue.cli.grammar import build

    assert build().parse_args(["web", str(here.db)]).db == str(here.db)


# -- Huey ----------------------------------------------------------------------------------------------------------------


@tries("`add(1, 2)` enqueues")
def _(here: Here) -> None:
    add = here.app.task(name="add")(lambda x, y: x + y)
    assert add(1, 2) == 3 and here.app.jobs() == []
    assert add.delay(1, 2).id == 1


@tries("a result is read once, and None is none")
def _(here: Here) -> None:
    job = here.app.task(name="t")(lambda: None).delay()
    here.run()
    assert [job.get(timeout=0), job.get(timeout=0)] == [None, None]


@tries('`@huey.periodic_task(crontab(minute="*/5"))`')
def _(here: Here) -> None:
    app = here.app

    @app.cron("*/5 * * * *")
    @app.task
    def often() -> None: ...

    assert [new.name for new in app._declared.values()] == [often.name]


@tries("`retries=3, retry_delay=5`")
def _(here: Here) -> None:
    here.app.task(name="t", retries=3, backoff=5)(fail).delay()
    here.run()
    info = here.app.job(1).info()
    assert info.max_attempts == 4 and timedelta(0) < info.run_at - datetime.now(UTC) <= timedelta(seconds=5)


@tries("`add.schedule((1, 2), delay=60)`")
def _(here: Here) -> None:
    add = here.app.task(name="add")(lambda x, y: x + y)
    info = add.apply_async((1, 2), countdown=60).info()
    assert info.run_at - info.created_at == timedelta(minutes=1)


@tries("`result.revoke()`")
def _(here: Here) -> None:
    job = here.app.task(name="t")(len).delay("abc")
    assert job.cancel() and job.state == "cancelled"


@tries('`@huey.lock_task("name")`')
def _(here: Here) -> None:
    running: list[int] = []
    most: list[int] = []

    @here.app.task(name="t", max_running=1)
    def one() -> None:
        running.append(1)
        most.append(len(running))
        running.pop()

    one.delay_many([()] * 5)
    here.run()
    assert most == [1] * 5


@tries('`huey.lock_task("name")` as a block')
def _(here: Here) -> None:
    app = here.app
    with app.lock("name"), pytest.raises(Exception, match="name"), app.lock("name", timeout=0):
        raise AssertionError


@tries("`@huey.task(context=True)`")
def _(here: Here) -> None:
    job = here.app.task(name="t")(lambda: current_job().id).delay()
    here.run()
    assert job.get(timeout=5) == job.id


@tries("`add.s(1, 2).then(mul, 3)`")
def _(here: Here) -> None:
    add, mul = here.app.task(name="add")(lambda x, y: x + y), here.app.task(name="mul")(lambda x, y: x * y)
    flow = chain(add.s(1, 2), mul.s(3)).delay()
    here.run()
    assert flow.get(timeout=5) == 9


@tries("`@huey.pre_execute()`, `@huey.post_execute()`")
def _(here: Here) -> None:
    told: list[str] = []
    app = here.app
    app.before_run(lambda job: told.append("before"))
    app.after_run(lambda job, error: told.append("after"))
    app.task(name="t")(lambda: told.append("task")).delay()
    here.run()
    assert told == ["before", "task", "after"]


TRIES["`immediate=True`"] = in_a_test


@tries("`huey_consumer my.huey -w 4 -k process`")
def _(here: Here) -> None:
    config, imports = worker_of(here, "worker db.sqlite --import my --threads 4")
    assert (config.threads, imports) == (4, ["my"])
    assert here.app.task(pool="process")(fail).delay().info().pool == "process"


# -- RQ ------------------------------------------------------------------------------------------------------------------


@tries("`q.enqueue(f, 1, 2)`")
def _(here: Here) -> None:
    app = here.app

    @app.task
    def f(x: int, y: int) -> int:
        return x + y

    job = f.delay(1, 2)
    here.run()
    assert job.get(timeout=5) == 3


@tries("`q.enqueue_in(timedelta(minutes=1), f)`, `q.enqueue_at(t, f)`")
def _(here: Here) -> None:
    f, t = here.app.task(name="f")(lambda: None), datetime(2099, 1, 1, tzinfo=UTC)
    info = f.apply_async(countdown="1m").info()
    assert info.run_at - info.created_at == timedelta(minutes=1)
    assert f.apply_async(eta=t).info().run_at == t


@tries('`Queue("mail")`')
def _(here: Here) -> None:
    assert here.app.task(name="t", queue="mail")(len).delay("x").info().queue == "mail"


@tries("`Retry(max=3, interval=[10, 60])`")
def _(here: Here) -> None:
    here.app.task(name="t", retries=3, backoff=[10, 60])(fail).delay()
    assert waits(here) == 10 and here.app.job(1).info().max_attempts == 4


@tries('`job_timeout="5m"`, `result_ttl`, `ttl`')
def _(here: Here) -> None:
    task = here.app.task(name="t", timeout="5m", result_ttl="1d", expires="1h")(len)
    info = task.delay("x").info()
    assert info.timeout == 300.0 and info.expires_at is not None and info.expires_at - info.created_at == timedelta(hours=1)


@tries("`depends_on=job`")
def _(here: Here) -> None:
    task = here.app.task(name="t")(len)
    job = task.delay("x")
    assert task.apply_async(("y",), after=job).state == "blocked"


@tries("`at_front=True`")
def _(here: Here) -> None:
    order: list[int] = []
    task = here.app.task(name="t")(order.append)
    task.delay(0)
    task.apply_async((1,), priority=1)
    with here.app.worker(burst=True, threads=1) as worker:
        worker.join(20)
    assert order == [1, 0]


@tries("`get_current_job()`, `job.meta`, `job.save_meta()`")
def _(here: Here) -> None:
    @here.app.task(name="t")
    def note() -> None:
        current_job().meta["n"] = 1

    job = note.delay()
    here.run()
    assert job.meta == {"n": 1}


@tries("`job.get_status()`, `job.return_value()`")
def _(here: Here) -> None:
    job = here.app.task(name="t")(len).delay("abc")
    here.run()
    assert (job.state, job.get(timeout=0)) == ("succeeded", 3)


@tries("`FailedJobRegistry`, `rq requeue`")
def _(here: Here) -> None:
    app = here.app
    job = app.task(name="t")(fail).delay()
    here.run()
    assert [info.id for info in app.jobs("state:discarded")] == [job.id]
    assert job.retry() and job.state == "available"


TRIES["`is_async=False`"] = in_a_test


@tries("`rq worker high low`")
def _(here: Here) -> None:
    config, _ = worker_of(here, "worker db.sqlite --queues high,low")
    assert tuple(config.queues) == ("high", "low")
    assert here.app.task(name="t", priority=5)(len).delay("x").info().priority == 5


@tries("`rq info`")
def _(here: Here) -> None:
    here.app.task(name="t")(len).delay("x")
    assert "available" in here.type("stats db.sqlite")


# -- APScheduler and schedule --------------------------------------------------------------------------------------------


@tries('`add_job(f, "interval", minutes=5)`')
def _(here: Here) -> None:
    app, f = here.app, here.app.task(name="f")(lambda: None)
    assert app.schedules.add("f", f, every="5m").trigger == "every 5 minutes"


@tries('`add_job(f, "cron", hour=7)`')
def _(here: Here) -> None:
    app, f = here.app, here.app.task(name="f")(lambda: None)
    assert app.schedules.add("f", f, cron="0 7 * * *").trigger.startswith("at 07:00 every day")


@tries('`add_job(f, "date", run_date=t)`')
def _(here: Here) -> None:
    app, f, t = here.app, here.app.task(name="f")(lambda: None), datetime(2099, 1, 1, tzinfo=UTC)
    assert app.schedules.add("f", f, at=t).next_tick == f.apply_async(eta=t).info().run_at == t


def added(here: Here, **options: Any) -> Any:
    return here.app.schedules.add("f", here.app.task(name="f")(lambda: None), every="5m", **options)


@tries("`replace_existing=True`")
def _(here: Here) -> None:
    added(here)
    with pytest.raises(ValueError, match="replace=True"):
        added(here)
    added(here, replace=True)


@tries("`coalesce=True`, `misfire_grace_time=60`")
def _(here: Here) -> None:
    info = added(here, catch_up="latest", grace=60)
    assert (info.catch_up, info.grace) == ("latest", 60.0)


@tries("`max_instances=1`")
def _(here: Here) -> None:
    assert added(here, overlap="skip").overlap == "skip"


@tries("`jitter=30`")
def _(here: Here) -> None:
    assert added(here, jitter=30).jitter == 30.0


@tries("`pause_job`, `resume_job`, `remove_job`, `get_jobs`")
def _(here: Here) -> None:
    added(here)
    app = here.app
    app.schedules.pause("f")
    assert [info.state for info in app.schedules.list()] == ["paused"]
    app.schedules.resume("f")
    assert [info.state for info in app.schedules.list()] == ["active"]
    app.schedules.remove("f")
    assert app.schedules.list() == []


@tries("`reschedule_job`")
def _(here: Here) -> None:
    added(here)
    app = here.app
    assert app.schedules.update("f", every="10m").trigger == "every 10 minutes"


@tries('`executor="processpool"`')
def _(here: Here) -> None:
    assert here.app.task(pool="process")(fail).delay().info().pool == "process"


@tries("`BackgroundScheduler().start()`")
def _(here: Here) -> None:
    app = here.app
    job = app.task(name="t")(len).delay("abc")
    with app.worker():
        assert job.get(timeout=10) == 3


@tries('`every().day.at("10:30").do(f)`')
def _(here: Here) -> None:
    app = here.app
    assert scheduled(here, app.cron("30 10 * * *", timezone="Europe/Berlin")) == "at 10:30 every day (Europe/Berlin)"


@tries("`every(10).minutes.do(f)`")
def _(here: Here) -> None:
    app = here.app
    assert scheduled(here, app.every("10m")) == "every 10 minutes"


@tries("`while True: run_pending()`")
def _(here: Here) -> None:
    config, imports = worker_of(here, "worker db.sqlite")
    assert config.threads is None or config.threads >= 4
    assert not imports


# -- cron ----------------------------------------------------------------------------------------------------------------


@tries("a whole crontab")
def _(here: Here) -> None:
    FILE = here.db.with_name("crontab")
    FILE.write_text("30 2 * * * echo backup\n")
    here.type(f"cron import db.sqlite {FILE}")
    assert len(here.app.schedules.list()) == 1


@tries("a line of one")
def _(here: Here) -> None:
    here.type('schedule add db.sqlite NAME --cron "30 2 * * *" -- backup --all')
    assert here.app.schedules.get("NAME").trigger.startswith("at 02:30 every day")


def a_command(here: Here, options: str) -> Any:
    here.type(f"schedule add db.sqlite x --every 1h {options} -- true" if "--cron" not in options and "--timezone" not in options else
              f'schedule add db.sqlite x {options} -- true')  # fmt: skip
    return here.app.schedules.get("x")


@tries("`CRON_TZ=Europe/Berlin`")
def _(here: Here) -> None:
    assert "Europe/Berlin" in a_command(here, "--cron @daily --timezone Europe/Berlin").trigger


@tries("`MAILTO=ann@x`")
def _(here: Here) -> None:
    assert a_command(here, "--mail-to ann@x").mail_to == "ann@x"


@tries("`flock -n`, so that it never runs twice")
def _(here: Here) -> None:
    assert a_command(here, "--overlap skip").overlap == "skip"


@tries("`timeout 1h`")
def _(here: Here) -> None:
    assert a_command(here, "--timeout 1h").timeout == 3600.0


@tries("`>> log 2>&1`")
def _(here: Here) -> None:
    here.app.stats()
    ID = here.type("enqueue db.sqlite --command -- echo hello").strip()
    here.run()
    assert "hello" in here.type(f"job db.sqlite {ID} --log")


@tries("`run-parts`, `@reboot`, `@daily`")
def _(here: Here) -> None:
    assert a_command(here, "--cron @daily").trigger.startswith("at 00:00 every day")
    here.type("schedule remove db.sqlite x")
    assert "boot" in a_command(here, "--cron @reboot").trigger


@tries("`at 18:00`")
def _(here: Here) -> None:
    here.app.stats()
    ID = here.type('enqueue db.sqlite --eta "2099-12-24 18:00" --command -- ls').strip()
    assert here.app.job(int(ID)).info().run_at.year == 2099
