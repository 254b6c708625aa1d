"""Celery's app over ours: its broker, settings, routes, schedules and workflows, and what is not carried."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from litequeue import (
    Every,
    InvalidArgument,
    InvalidType,
    LiteQueue,
    NotBound,
    SignatureMismatch,
    UnknownTask,
)
from litequeue.compat import celery
from litequeue.compat.celery import (
    Celery,
    Task,
    chain,
    chord,
    crontab,
    group,
    shared_task,
    signature,
)
from litequeue.compat.refused import ARGUMENTS, NAMES, SETTINGS
from litequeue.testing import testing

from ..support import environment, litequeue, worker_process
from .conftest import worked

pytestmark = pytest.mark.beside

# -- the broker ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broker", ["{db}", "sqlite:///{db}", "sqla+sqlite:///{db}"])
def test_a_broker_is_the_path_of_a_file(db: Path, broker: str) -> None:
    with Celery("proj", broker=broker.format(db=db)) as app:
        assert (app.path, isinstance(app, LiteQueue), app.main) == (str(db), True, "proj")
    assert Celery("proj", broker="sqlite:///db.sqlite").path == str(Path("db.sqlite").absolute())


def test_a_path_may_come_from_the_settings_or_the_environment(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Celery("proj")
    add = app.task(name="add")(len)
    with pytest.raises(NotBound, match='broker="db.sqlite"'):
        add.delay("x")
    monkeypatch.setenv("CELERY_BROKER_URL", str(db))
    assert add.delay("x").id == "1"
    app.close()
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://localhost:6379/0")
    with pytest.raises(InvalidArgument, match=r"CELERY_BROKER_URL=db\.sqlite"):
        Celery("proj").stats()
    late = Celery("proj")
    late.conf.broker_url = f"sqlite:///{db}"
    with late:
        assert late.send_task("add", ("y",)).id == "2"


@pytest.mark.parametrize("url", ["redis://localhost:6379/0", "amqp://guest:battery@localhost//", "pyamqp://guest@localhost//", "sqs://", "memory://"])
def test_a_real_broker_is_refused_with_what_to_write(url: str) -> None:
    for use in (lambda: Celery("proj", broker=url), lambda: Celery("proj").conf.update(broker_url=url), lambda: Celery("proj").conf.update(BROKER_URL=url)):
        with pytest.raises(InvalidArgument, match=r'write the path of a file instead, broker="db\.sqlite"') as caught:
            use()
        assert "battery" not in str(caught.value)


def test_arguments_that_are_not_carried_name_the_way(db: Path) -> None:
    for name in ARGUMENTS:
        with pytest.raises(InvalidType, match=rf"Celery\(\) of litequeue takes no {name}: {re.escape(ARGUMENTS[name][:20])}"):
            Celery("proj", broker=str(db), **{name: "x"})
    with pytest.raises(InvalidType, match="takes no nonsense; settings go into"):
        Celery("proj", nonsense=1)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_that_is_not_carried_is_an_import_error_that_says_the_way(name: str) -> None:
    with pytest.raises(ImportError, match=rf"does not carry {name}; here: .+") as caught:
        getattr(celery, name)
    assert NAMES[name] in str(caught.value)
    assert not hasattr(celery, "nothing_like_it")


# -- settings ------------------------------------------------------------------------------------------------------


def test_settings_say_what_tasks_leave_open_also_after_them(app: Celery) -> None:
    plain = app.task(name="proj.plain")(len)
    own = app.task(name="proj.own", queue="own", time_limit=5)(len)
    shared = shared_task(name="proj.shared")(len)
    app.conf.update(task_default_queue="all", task_time_limit=60, task_soft_time_limit=4, result_expires=30)
    info: Callable[[Task], Any] = lambda task: task.delay("x").handle.info()
    assert [(info(task).queue, info(task).timeout) for task in (plain, own, shared)] == [("all", 60.0), ("own", 5.0), ("all", 60.0)]
    assert [task.__litequeue_code__.result_ttl for task in (plain, shared)] == [30_000_000] * 2
    app.conf.task_routes = {"proj.sh*": {"queue": "feeds"}, "proj.own": "not"}
    assert [info(task).queue for task in (plain, own, shared)] == ["all", "own", "feeds"]
    assert (app.send_task("proj.shows").handle.info().queue, app.send_task("proj.shared", ("x",)).handle.info().queue) == ("feeds", "feeds")
    assert plain.s("x").apply_async(queue="now").handle.info().queue == "now"
    with testing(app):
        app.conf.task_ignore_result = True
        assert plain("abc") == 3


@pytest.mark.parametrize(("routes", "queue"), [
    ({"a.b": {"queue": "q"}}, "q"), ({"a.*": "q"}, "q"), ([("a.*", {"queue": "q"})], "q"), (([("a.*", {"queue": "q"})],), "q"), ([(("x", "y"), ("a.*", "q"))], "q"), ([[]], None), (({"x": "y"}, {"a.b": "q"}), "q"), ([(re.compile("a.."), "q")], "q"),
    ({"a": "q"}, None), ({}, None),
])  # fmt: skip
def test_a_route_has_any_of_celerys_forms(routes: Any, queue: str | None) -> None:
    app = Celery("proj")
    app.conf.task_routes = routes
    assert app.conf.queue_of("a.b") == queue


def test_a_route_that_is_a_function_or_says_more_than_a_queue_is_refused() -> None:
    app = Celery("proj")
    for wrong in ([lambda name: "q"], [[lambda name: "q"]], {"a": {"queue": "q", "exchange": "e"}}, {"a": {"routing_key": "q"}}):
        with pytest.raises(InvalidType, match="task_routes"):
            app.conf.task_routes = wrong


def test_settings_that_say_nothing_here_are_named_once() -> None:
    app = Celery("proj")
    with pytest.warns(UserWarning, match=r"does not look at these settings of Celery: accept_content, result_backend \(results are in the queue's file\), worker_concurrency") as caught:
        app.conf.update(accept_content=["json"], result_backend="redis://", worker_concurrency=4, timezone="Europe/Oslo")
    assert len(caught) == 1 and caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app.conf.update(accept_content=["json"])
        app.conf.update(SECRET_KEY="k", MAIL_SERVER="m", DEBUG=True)  # Flask's whole config, as many give it
    assert app.conf.timezone == app.conf["timezone"] == "Europe/Oslo" and app.conf.enable_utc is True
    with pytest.raises(AttributeError):
        _ = app.conf.nothing_like_it
    assert all(SETTINGS.values())


def test_settings_come_from_a_module_an_object_or_djangos_with_a_namespace(monkeypatch: pytest.MonkeyPatch, db: Path) -> None:
    module = SimpleNamespace(timezone="Asia/Tokyo", CELERY_DEFAULT_QUEUE="old", CELERYBEAT_SCHEDULE={"a": {}}, timedelta=timedelta, sys=sys)
    monkeypatch.setitem(sys.modules, "proj_settings", module)  # type: ignore[arg-type]
    app = Celery("proj")
    app.config_from_object("proj_settings")
    assert (app.conf.timezone, app.conf.task_default_queue, app.conf.beat_schedule) == ("Asia/Tokyo", "old", {"a": {}})
    module.settings = SimpleNamespace(CELERY_TIMEZONE="Africa/Accra", CELERY_TASK_TIME_LIMIT=9, CELERY_BROKER_URL=str(db), TIMEZONE="no")
    app.config_from_object("proj_settings:settings", namespace="CELERY")
    assert (app.conf.timezone, app.conf.task_time_limit, app.conf.task_default_queue, app.path) == ("Africa/Accra", 9, "old", str(db))
    app.config_from_object({"timezone": "UTC"})
    assert Celery("proj", config_source={"task_default_queue": "q"}).conf.task_default_queue == "q"
    lazy = Celery("proj")
    lazy.config_from_object("no_such_module_yet")  # read when it is needed
    with pytest.raises(ModuleNotFoundError):
        _ = lazy.conf
    assert Celery("proj", task_time_limit=3).conf.task_time_limit == 3


def test_eager_mode_is_refused_and_names_the_kit() -> None:
    app = Celery("proj")
    app.conf.task_always_eager = False
    for use in (lambda: app.conf.update(task_always_eager=True), lambda: app.conf.update(CELERY_ALWAYS_EAGER=True)):
        with pytest.raises(InvalidArgument, match="litequeue.testing, whose queue.inline = True"):
            use()


# -- schedules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "expression"), [
    ({}, "* * * * *"), ({"minute": 0}, "0 * * * *"), ({"minute": "*/15"}, "*/15 * * * *"), ({"minute": 0, "hour": "*/3,8-17"}, "0 */3,8-17 * * *"),
    ({"hour": 7, "minute": 30, "day_of_week": 1}, "30 7 * * 1"), ({"minute": [30, 0]}, "0,30 * * * *"), ({"minute": range(0, 60, 20)}, "0,20,40 * * * *"),
    ({"minute": 0, "hour": 0, "day_of_week": "Monday, thursday"}, "0 0 * * Mon,thu"), ({"minute": 0, "hour": 0, "day_of_month": "1", "month_of_year": "*/3"}, "0 0 1 */3 *"),
    ({"minute": 0, "hour": 0, "day_of_week": "fri-mon"}, "0 0 * * fri-mon"), ({"minute": 0, "hour": 0, "month_of_year": "november"}, "0 0 * nov *"),
])  # fmt: skip
def test_a_crontab_is_an_expression(given: dict[str, Any], expression: str) -> None:
    assert crontab(**given).expression == expression
    assert expression in repr(crontab(**given))


def test_a_crontab_that_means_something_else_in_cron_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="mon#1"):
        crontab(minute=0, hour=0, day_of_month="1-7", day_of_week="mon")
    with pytest.raises(InvalidArgument, match="0 to 59"):
        crontab(minute=60)
    with pytest.raises(InvalidType, match=r"crontab takes no nowfun here: .*queue\.advance"):
        crontab(minute=0, nowfun=datetime.now)
    assert crontab(minute=0, app=Celery("proj")).expression == "0 * * * *"
    assert crontab(minute=0, day_of_month="*/2", day_of_week="mon").expression == "0 * */2 * mon", "which cron takes for both, too"


def test_the_beat_schedule_becomes_schedules(app: Celery) -> None:
    ran: list[Any] = []
    app.task(name="proj.add")(lambda *args, **kwargs: ran.append((args, kwargs)))
    app.conf.timezone = "Europe/Berlin"
    app.conf.beat_schedule = {
        "add every 30 s": {"task": "proj.add", "schedule": 30.0, "args": (16, 16)},
        "nightly": {"task": "proj.add", "schedule": crontab(minute=30, hour=2), "kwargs": {"x": 1}, "options": {"queue": "night", "expires": 60}},
        "hourly": {"task": "proj.add", "schedule": timedelta(hours=1)},
        "ours": {"task": "proj.add", "schedule": Every("2h")},
    }
    with testing(app) as queue:
        queue.advance("1h")
        assert ran.count(((16, 16), {})) == 120 and ran.count(((), {})) == 1
        found = {info.name: info for info in app.schedules.list()}
    assert set(found) == {"add-every-30-s", "nightly", "hourly", "ours"}
    assert found["nightly"].trigger == "at 02:30 every day (Europe/Berlin)"
    assert (found["nightly"].queue, found["nightly"].overlap) == ("night", "allow")


def test_entries_of_any_name_become_schedules_of_their_own(app: Celery) -> None:
    app.task(name="t")(lambda: None)
    names = ["täglich", "töglich", "每日报告", "每周报告", 1, "🎉", "🎂", "a b", "a.b"]
    app.conf.beat_schedule = {name: {"task": "t", "schedule": 60} for name in names}
    with testing(app) as queue:
        queue.advance("1m")
        found = {info.name for info in app.schedules.list()}
    assert {"täglich", "töglich", "每日报告", "每周报告", "1", "a-b", "a.b"} < found and len(found) == len(names)
    assert [bool(re.fullmatch("t-[0-9a-f]{8}", name)) for name in found].count(True) == 2
    app.worker().stop()  # a second look at them finds none twice


def test_entries_whose_names_come_out_alike_are_refused_with_both(app: Celery) -> None:
    app.task(name="t")(lambda: None)
    for first, second in (("a b", "a-b"), (1, "1"), ("x" * 200 + "y", "x" * 200 + "z")):
        app.conf.beat_schedule = {name: {"task": "t", "schedule": 60} for name in (first, second)}
        with pytest.raises(InvalidArgument, match=f"{first!r:.200} and {second!r:.200} would both be the schedule .*another name"):
            app.worker()
    app.conf.beat_schedule = {"a b": None}
    with pytest.raises(InvalidType, match="'a b' is {'task'"):
        app.worker()
    app.schedule(Every(60), name="hourly")(app.task(name="native")(lambda: None))
    app.conf.beat_schedule = {"hourly": {"task": "t", "schedule": 60}}
    with pytest.raises(InvalidArgument, match=r"an @app\.schedule has that name"):
        app.worker()


def test_an_entry_that_cannot_be_is_told_as_a_worker_starts(app: Celery) -> None:
    app.task(name="t")(lambda x: x)
    app.task(name="builtin")(len)
    for entry, said in (
        ({"task": "gone", "schedule": 1.0}, "nothing here has"), ({"task": "t", "schedule": "5m"}, "a schedule is crontab"), ({"task": "t", "schedule": 1.0, "cron": 1}, "has cron"),
        ({"task": "t", "schedule": 1.0}, "argument"), ({"task": "builtin", "schedule": 1.0}, "not in a module"),
    ):  # fmt: skip
        app.conf.beat_schedule = {"e": entry}
        with pytest.raises((InvalidArgument, InvalidType, SignatureMismatch), match=said):
            app.worker()


def test_periodic_tasks_are_added_as_a_worker_starts(app: Celery) -> None:
    said: list[str] = []
    say = app.task(name="say")(lambda word: said.append(word))

    @app.on_after_configure.connect
    def set_up(sender: Celery, **_: Any) -> None:
        sender.add_periodic_task(10.0, say.s("hello"), name="add every 10")
        sender.add_periodic_task(crontab(minute=0), say.s("hour").set(queue="slow"))

    @app.on_after_finalize.connect()
    def set_up_more(sender: Celery, **_: Any) -> None:
        sender.add_periodic_task(timedelta(minutes=5), say, args=("five",))

    with testing(app) as queue:
        queue.advance("10m")
        assert sorted(info.name for info in app.schedules.list()) == ["Task-say", "add-every-10", "say.s-hour-.set-queue-slow"]
    assert said.count("hello") == 60 and said.count("five") == 2


# -- workflows -----------------------------------------------------------------------------------------------------


@pytest.fixture
def calc(app: Celery) -> Iterator[SimpleNamespace]:
    def add(x: int, y: int) -> int:
        return x + y

    def boom(*_: Any) -> None:
        raise ValueError("boom")

    tasks = {"add": app.task(name="add")(add), "mul": app.task(name="mul")(lambda x, y: x * y), "tsum": app.task(name="tsum")(sum), "boom": app.task(name="boom")(boom)}
    yield SimpleNamespace(**tasks)


def test_workflows_in_celerys_words(app: Celery, calc: SimpleNamespace) -> None:
    add, mul, tsum = calc.add, calc.mul, calc.tsum
    flows = [
        (chain(add.s(2, 2), mul.s(8))(), 32), (chain(add.s(2, 2), mul.s(8)).apply_async(), 32), ((add.s(2, 2) | mul.s(8) | add.s(1)).delay(), 33),
        (chain(add.s(1), mul.s(2)).delay(3), 8), (chain(add.s(4, 4) | mul.s(2), add.si(1, 1))(), 2),
        (group(add.s(i, i) for i in range(3))(), [0, 2, 4]), (group([add.s(1, 1), add.s(2, 2)]).apply_async(), [2, 4]), (group(add.s(1), add.s(2)).delay(10), [11, 12]),
        (chord([add.s(i, i) for i in range(3)])(tsum.s()), 6), (chord((add.s(i, i) for i in range(3)), tsum.s()).apply_async(), 6), ((group(add.s(i, i) for i in range(3)) | tsum.s())(), 6),
        (add.chunks(zip(range(4), range(4), strict=True), 2)(), [[0, 2], [4, 6]]),
    ]  # fmt: skip
    worked(app)
    assert [flow.get(timeout=1) for flow, _ in flows] == [value for _, value in flows]
    ids = [flow.id for flow, _ in flows]
    assert all(found.startswith("flow:") for found in ids)
    flow = app.AsyncResult(ids[5])
    assert (flow.state, flow.ready(), flow.successful(), flow.result, flow.join(), flow.completed_count()) == ("SUCCESS", True, True, [0, 2, 4], [0, 2, 4], 3)
    assert [child.get() for child in flow.children] == [0, 2, 4] and app.GroupResult(ids[5]) == flow


def test_a_signature_is_a_job_by_itself_and_can_be_called_and_changed(app: Celery, calc: SimpleNamespace) -> None:
    call = calc.add.signature((2, 2), countdown=100)
    assert call() == 4 and calc.add.s(2)(3) == 5
    assert call.apply_async().handle.info().state == "scheduled"
    assert call.set(countdown=None, queue="mail") is call
    result = call.delay()
    assert result.id == "2" and result.handle.info().queue == "mail"
    partial = calc.add.s(2)
    results = [partial.delay(4), partial.clone((1,)).delay(), signature(calc.add, (1, 2)).delay(), app.signature("add", args=(5, 5)).delay(), calc.add.si(1, 1).delay(7, 7)]
    worked(app)
    assert [result.get() for result in results] == [6, 3, 3, 10, 2]
    assert partial.set(immutable=True).immutable is True
    with pytest.raises(UnknownTask, match="it has add, boom, mul, tsum"):
        app.signature("nothing")
    with pytest.raises(InvalidType, match="signature takes a task"):
        signature("add")
    text = chain(calc.add.s(1, 2), calc.mul.s(3)).to_json()
    assert len(app.signature(text).parts) == 2


def test_a_step_that_fails_is_the_workflows_failure(app: Celery, calc: SimpleNamespace) -> None:
    app.conf.task_ignore_result = True
    flow = chain(calc.add.s(1, 2), calc.mul.s(2), calc.boom.s())()
    chained = chain(calc.add.s(1, 2), calc.mul.s(2))()
    alone = calc.add.delay(1, 2)
    worked(app)
    with pytest.raises(ValueError, match="boom"):
        flow.get(timeout=1)
    assert (flow.state, flow.failed()) == ("FAILURE", True)
    assert chained.get(timeout=1) == 6 and alone.get() is None, "a result that is ignored goes on to the next step all the same"

    failed = [chain(calc.boom.s(3), calc.add.s(1))(), group(calc.add.s(1, 1), calc.boom.s())(), chord([calc.add.s(1, 1), calc.boom.s()], calc.tsum.s()).apply_async()]
    worked(app)
    for one in failed:
        assert one.ready() and isinstance(one.result, ValueError)
        assert (one.state, one.failed(), one.successful()) == ("FAILURE", True, False), one.handle.jobs()

    waiting = chain(calc.add.s(1, 2), calc.mul.s(2)).apply_async(countdown=100)
    app.control.revoke(waiting.id)
    assert {child.state for child in waiting.children} == {"REVOKED"}
    assert (waiting.state, waiting.failed()) == ("REVOKED", False)


def test_a_task_can_be_replaced_by_a_workflow(app: Celery, calc: SimpleNamespace) -> None:
    @app.task(bind=True, name="fan")
    def fan(self: Task, n: int) -> None:
        self.replace(group(calc.add.s(i, 1) for i in range(n)) | calc.tsum.s())

    result = fan.delay(3)
    worked(app)
    assert result.get(timeout=5) == 6


# -- the worker ----------------------------------------------------------------------------------------------------

PROJECT = {
    "proj/__init__.py": "from .celery import app as celery_app\n",
    "proj/celery.py": """
from litequeue.compat.celery import Celery, crontab
app = Celery("proj", broker="db.sqlite", include=["proj.more"])
app.conf.update(timezone="UTC", beat_schedule={"often": {"task": "proj.mail.tasks.send", "schedule": 0.2, "args": ("beat",)}})
app.autodiscover_tasks(["proj.mail", "proj.without"])
@app.task(bind=True)
def debug(self):
    return self.name
""",
    "proj/more.py": "from proj.celery import app\n@app.task\ndef more(): return 1\n",
    "proj/without/__init__.py": "",
    "proj/mail/__init__.py": "",
    "proj/mail/tasks.py": """
from litequeue.compat.celery import shared_task
@shared_task(bind=True, ignore_result=False)
def send(self, to):
    return f"{self.request.task} {to}"
@shared_task(pool="process")
def crunch(n):
    return n * 2
""",
}


@pytest.mark.slow
def test_the_worker_of_the_command_line_runs_a_project(tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    with LiteQueue(tmp_path / "db.sqlite") as queue:
        jobs = [queue.enqueue("proj.mail.tasks.send", "ann"), queue.enqueue("proj.celery.debug"), queue.enqueue("proj.more.more"), queue.enqueue("proj.mail.tasks.crunch", 21)]
        with worker_process(tmp_path / "db.sqlite", "--import", "proj.celery", cwd=tmp_path):
            assert [job.get(timeout=20) for job in jobs] == ["proj.mail.tasks.send ann", "proj.celery.debug", 1, 42]
            while not (ran := [job for job in queue.jobs(task="proj.mail.tasks.send") if job.args == '["beat"]' and job.state == "succeeded"]):
                jobs[0].wait_for_news(0.1)
        assert ran[0].result == '"proj.mail.tasks.send beat"'
    listed = litequeue("schedules", "db.sqlite", cwd=tmp_path).stdout
    assert re.search(r"often +active", listed), listed


@pytest.mark.slow
@pytest.mark.parametrize("is_package", [False, True])
def test_a_worker_that_was_told_of_no_module_leaves_the_beat_schedule_as_it_is(tmp_path: Path, is_package: bool) -> None:
    """It loaded the module for its jobs, found no schedules in it, and disabled those of the other worker."""
    text = """
from litequeue.compat.celery import Celery, shared_task
app = Celery("proj", broker="db.sqlite"{include})
app.conf.beat_schedule = {{"hourly": {{"task": "{module}.send", "schedule": 3600.0}}}}
"""
    task = "@shared_task\ndef send(): return 1\n"
    if is_package:
        (tmp_path / "proj").mkdir()
        (tmp_path / "proj/__init__.py").write_text("from .celery import app\n")
        (tmp_path / "proj/celery.py").write_text(text.format(include=', include=["proj.tasks"]', module="proj.tasks"))
        (tmp_path / "proj/tasks.py").write_text(f"from litequeue.compat.celery import shared_task\n{task}")
    else:
        (tmp_path / "proj.py").write_text(text.format(include="", module="proj") + task)
    tasks = "proj.tasks" if is_package else "proj"
    told = litequeue("worker", "db.sqlite", "--burst", "--import", "proj.celery" if is_package else "proj", cwd=tmp_path)
    assert "schedule hourly is new" in told.stderr, told.stderr
    enqueued = run_python(f"import {tasks} as t; t.send.delay()", tmp_path)
    assert enqueued == ""
    other = litequeue("worker", "db.sqlite", "--burst", cwd=tmp_path)
    assert "disabled" not in other.stderr and "succeeded" in other.stderr, other.stderr
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert [(info.name, info.state) for info in app.schedules.list()] == [("hourly", "active")]


def run_python(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def test_who_does_not_import_it_does_not_load_it() -> None:
    code = "import sys, litequeue, litequeue.cli, litequeue.testing; print(*[name for name in sys.modules if 'compat' in name or 'habits' in name])"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_the_time_of_an_eta_without_a_zone_is_the_apps(app: Celery) -> None:
    app.conf.timezone = "Asia/Tokyo"
    add = app.task(name="add")(len)
    assert add.apply_async(("x",), eta=datetime(2099, 1, 1, 9)).handle.info().run_at == datetime(2099, 1, 1, tzinfo=UTC)
    app.conf.update(timezone=None, enable_utc=False)
    assert add.apply_async(("x",), eta=datetime(2099, 1, 1, 9)).handle.info().run_at == datetime(2099, 1, 1, 9).astimezone()


def test_the_kit_for_tests_runs_its_tasks(app: Celery) -> None:
    @app.task(bind=True, name="greet")
    def greet(self: Task, name: str) -> str:
        return f"{self.request.id} {name}"

    with testing(app) as queue:
        assert queue.run(greet, "ann") == "1 ann"
        greet.delay("bob")
        queue.assert_enqueued(greet, args=("bob",))
        queue.inline = True
        assert greet.delay("eve").get() == "3 eve"
