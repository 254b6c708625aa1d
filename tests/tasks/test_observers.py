"""``app.use``: what an observer sees of enqueues, runs and ends, and that it changes nothing of them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    Discard,
    InvalidArgument,
    InvalidType,
    JobFailed,
    LiteQueue,
    Replace,
    Retry,
    Snooze,
    chain,
    current_job,
    group,
    is_failure,
)
from litequeue.cli import main
from litequeue.tasks.context import WaitEnded

from ..support import worker_process

pytestmark = pytest.mark.beside


class Watch:
    """Notes all that it sees, under its name."""

    def __init__(self, name: str = "w", told: list[Any] | None = None) -> None:
        self.name = name
        self.told: list[Any] = [] if told is None else told

    @contextlib.contextmanager
    def enqueue(self, sent: Any) -> Iterator[None]:
        self.told.append((self.name, "enqueue", sent.task, sent.queue, sent.count))
        sent.headers[self.name] = len(sent.headers)
        try:
            yield
        finally:
            self.told.append((self.name, "enqueued", sent.id))

    @contextlib.contextmanager
    def run(self, job: Any) -> Iterator[None]:
        assert current_job() is job
        self.told.append((self.name, "run", job.id, job.headers))
        try:
            yield
        except BaseException as error:
            self.told.append((self.name, "raised", type(error).__name__, is_failure(error), job.will_retry(error)))
            raise
        self.told.append((self.name, "ran", job.id))

    def ended(self, job: Any, outcome: Any) -> None:
        self.told.append((self.name, "ended", job.id, outcome.state, outcome.error_type, outcome.will_retry))

    def stopping(self) -> None:
        self.told.append((self.name, "stopping"))


def run_all(app: LiteQueue, **options: Any) -> None:
    with app.worker(burst=True, **options) as worker:
        worker.join(20)


def test_an_observer_sees_an_enqueue_a_run_and_an_end_and_two_of_them_nest(app: LiteQueue) -> None:
    told: list[Any] = []
    for name in ("a", "b"):
        app.use(Watch(name, told))
    job = app.task(name="t")(lambda: 7).apply_async(queue="mail", headers={"from": "me"})
    run_all(app)
    carried = {"from": "me", "a": 1, "b": 2}
    assert told == [
        ("a", "enqueue", "t", "mail", 1), ("b", "enqueue", "t", "mail", 1), ("b", "enqueued", job.id), ("a", "enqueued", job.id),
        ("a", "run", job.id, carried), ("b", "run", job.id, carried), ("b", "ran", job.id), ("a", "ran", job.id),
        ("a", "ended", job.id, "succeeded", None, False), ("b", "ended", job.id, "succeeded", None, False),
        ("a", "stopping"), ("b", "stopping"),
    ]  # fmt: skip
    assert json.loads(job.info().headers or "") == carried and job.get() == 7


@pytest.mark.parametrize(
    ("error", "seen", "end"),
    [
        (ValueError("no"), ("ValueError", True, True), ("retrying", "ValueError", True)),
        (Retry(delay=60), ("Retry", False, True), ("retrying", "litequeue.Retry", True)),
        (Snooze(60), ("Snooze", False, False), ("scheduled", None, False)),
        (Discard("no"), ("Discard", False, False), ("discarded", None, False)),
        (KeyError("no"), ("KeyError", True, False), ("discarded", "KeyError", False)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
@pytest.mark.parametrize("pool", ["thread", "async"])
def test_it_sees_what_a_task_raises_as_it_is(app: LiteQueue, error: Exception, seen: tuple[Any, ...], end: tuple[Any, ...], pool: str) -> None:
    watch = app.use(Watch())

    def fails() -> None:
        raise error

    async def fails_too() -> None:
        raise error

    job = app.task(name="t", retries=1, backoff=60, give_up_on=KeyError)(fails if pool == "thread" else fails_too).delay()
    run_all(app)
    assert watch.told[3:5] == [("w", "raised", *seen), ("w", "ended", job.id, *end)]


def test_the_last_failure_is_told_apart(app: LiteQueue) -> None:
    watch = app.use(Watch())

    @app.task(name="t", retries=1, backoff=0)
    def fails() -> None:
        raise ValueError

    with app.worker():
        assert fails.delay().wait(timeout=20)
    assert [told[2:] for told in watch.told if told[1] == "raised"] == [("ValueError", True, True), ("ValueError", True, False)]
    assert [told[3:] for told in watch.told if told[1] == "ended"] == [("retrying", "ValueError", True), ("discarded", "ValueError", False)]


@pytest.mark.slow
def test_a_timeout_is_the_end_that_is_told(app: LiteQueue) -> None:
    watch = app.use(Watch())

    @app.task(name="slow", timeout=0.1)
    def slow() -> None:
        while True:
            pass

    @app.task(name="slow-too", timeout=0.1)
    async def slow_too() -> None:
        await asyncio.sleep(60)

    with app.worker():
        for task in (slow, slow_too):
            assert task.delay().wait(timeout=20)
    assert [told[3:] for told in watch.told if told[1] == "ended"] == [("discarded", "TaskTimeout", False)] * 2


class Broken:
    """Raises wherever it can."""

    @contextlib.contextmanager
    def enqueue(self, sent: Any) -> Iterator[None]:
        sent.headers["odd"] = object()
        yield
        raise OSError("after the enqueue")

    def run(self, job: Any) -> Any:
        raise OSError("before the run")

    def ended(self, job: Any, outcome: Any) -> None:
        raise OSError("after the end")

    def stopping(self) -> None:
        raise OSError("at the stop")


def test_what_a_hook_raises_is_logged_and_changes_nothing(app: LiteQueue, caplog: pytest.LogCaptureFixture) -> None:
    app.use(Broken())
    watch = app.use(Watch())
    task = app.task(name="t")(lambda: 7)
    job = task.apply_async(headers={"from": "me"})
    run_all(app)
    assert job.get() == 7 and json.loads(job.info().headers or "") == {"from": "me", "w": 1}
    assert [told[1] for told in watch.told] == ["enqueue", "enqueued", "run", "ran", "ended", "stopping"]
    text = caplog.text
    for where in ("the headers as Broken has filled them['odd'] must be", "enqueue of", "before the run", "after the end", "at the stop"):
        assert where in text, where


class Exits:
    """Each way out of a hook that is no Exception."""

    def __init__(self, how: BaseException) -> None:
        self.how = how

    @contextlib.contextmanager
    def run(self, job: Any) -> Iterator[None]:
        yield
        raise self.how

    @property
    def ended(self) -> Any:
        raise self.how


@pytest.mark.parametrize("pool", ["thread", "async"])
def test_no_way_out_of_a_hook_costs_the_job_its_end_or_others_theirs(app: LiteQueue, pool: str) -> None:
    watch = app.use(Watch())
    for how in (SystemExit(3), KeyError("x"), asyncio.CancelledError(), pytest.fail.Exception("no")):
        with contextlib.suppress(BaseException):
            app._client.hooks.observers.append(Exits(how))

    async def fine_too() -> int:
        return 7

    task = app.task(name="t")((lambda: 7) if pool == "thread" else fine_too)
    with app.worker(threads=1):
        assert [task.delay().get(timeout=20) for _ in range(2)] == [7, 7]
    assert [told[1] for told in watch.told if told[1] in ("ran", "ended")] == ["ran", "ended"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_soft_timeout_in_a_hook_leaves_those_that_were_entered(app: LiteQueue, where: str) -> None:
    watch = app.use(Watch())

    class Slow:
        @contextlib.contextmanager
        def run(self, job: Any) -> Iterator[None]:
            deadline = time.monotonic() + 10
            while where == "before" and time.monotonic() < deadline:
                pass
            yield
            while time.monotonic() < deadline:
                pass

    app.use(Slow())
    with app.worker():
        assert app.task(name="t", soft_timeout=0.1)(lambda: 7).delay().wait(timeout=20)
    assert [told[1:3] for told in watch.told if told[1] == "raised"] == [("raised", "SoftTimeout")]


def test_each_step_of_a_workflow_keeps_its_own_headers_beside_what_a_hook_adds(app: LiteQueue) -> None:
    app.use(Watch())
    a = app.task(name="a", headers={"team": "a"})(lambda *_: 0)
    b = app.task(name="b", headers={"team": "b"})(lambda *_: 0)
    chain(a.s(), b.s(), b.s().set(headers={"own": 1})).delay()
    found = {info.id: json.loads(info.headers or "") for info in app.jobs()}
    assert [found[id_] for id_ in sorted(found)] == [{"team": "a", "w": 0}, {"team": "b", "w": 0}, {"own": 1, "w": 0}]


def test_what_a_job_leads_to_has_its_headers(app: LiteQueue) -> None:
    after = app.task(name="after")(lambda *_: 0)
    own = app.task(name="own", headers={"b": 2})(lambda *_: 0)

    @app.task(name="replaces")
    def replaces() -> None:
        raise Replace(after.si() | own.si())

    app.task(name="t", on_success=after)(lambda: 0).apply_async(headers={"a": 1})
    replaces.apply_async(headers={"a": 1})
    run_all(app)
    found = [(info.task, info.headers) for info in app.jobs(limit=100) if info.task in ("after", "own")]
    assert sorted(found, key=repr) == [("after", '{"a": 1}'), ("after", '{"a": 1}'), ("own", '{"b": 2}')]


def test_a_hooks_wrong_header_costs_others_none_of_theirs_and_planted_ones_end_nothing(app: LiteQueue, db: Path) -> None:
    app.use(Watch())
    app.use(Broken())
    app.use(Watch("z"))
    assert json.loads(app.enqueue("t").info().headers or "") == {"w": 0, "z": 1}
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("INSERT INTO litequeue_tasks (name, module, qualname, directory, options, recorded_at) VALUES ('u', 'm', 'u', '/', ?, 1)",
                           ('{"headers": "{bad"}',))  # fmt: skip
    assert json.loads(app.enqueue("u").info().headers or "") == {"w": 0, "z": 1}


def test_an_enqueue_that_fails_is_seen_and_raised(app: LiteQueue) -> None:
    seen: list[BaseException] = []

    class Sees:
        @contextlib.contextmanager
        def enqueue(self, sent: Any) -> Iterator[None]:
            try:
                yield
            except Exception as error:
                seen.append(error)
                raise

    app.use(Sees())
    with pytest.raises(InvalidType) as caught:
        app.task(name="t")(lambda: 0).apply_async(queue=7)  # type: ignore[arg-type]
    assert seen == [caught.value] and app.jobs() == []


def test_every_way_of_enqueueing_is_seen_and_carries_headers(app: LiteQueue) -> None:
    watch = app.use(Watch())
    t = app.task(name="t")(lambda *_: 0)
    t.delay_many([(1,), (2,)])
    t.delay_many((n,) for n in range(2))
    app.send_task("elsewhere", queue="other")
    chain(t.s(1), t.s()).delay()
    group([t.s(1), t.s(2)]).apply_async(queue="wide")
    asyncio.run(t.adelay())  # type: ignore[arg-type]
    assert [told[2:] for told in watch.told if told[1] == "enqueue"] == [
        ("t", "default", 2), ("t", "default", None), ("elsewhere", "other", 1), ("t", "default", 2), ("t", "wide", 2), ("t", "default", 1),
    ]  # fmt: skip
    assert {info.headers for info in app.jobs() if info.task != "litequeue.join"} == {'{"w": 0}'}


def test_a_retry_a_revived_job_and_the_jobs_of_a_schedule_keep_their_headers(app: LiteQueue) -> None:
    found: list[Any] = []

    @app.task(name="t", retries=1, backoff=0)
    def fails() -> None:
        job = current_job()
        found.append((job.headers, job.schedule))
        raise ValueError

    job = fails.apply_async(headers={"a": 1})
    with app.worker(name="mine"):
        job.wait(timeout=20)
        job.retry()
        job.wait(timeout=20)
        app.schedules.add("s", "t", every="1h", headers={"b": None}, retries=0)
        app.schedules.run_now("s").wait(timeout=20)
    assert found[-1] == ({"b": None}, "s") and len(found) >= 4 and all(each == ({"a": 1}, None) for each in found[:-1])


def test_a_task_says_headers_and_an_enqueue_others_and_replacing_takes_the_new_ones(app: LiteQueue) -> None:
    t = app.task(name="t", headers={"team": "ops"}, unique=True, on_conflict="replace")(lambda: 0)
    job = t.delay()
    assert job.info().headers == '{"team": "ops"}'
    assert t.apply_async(headers={"x": 2}).id == job.id and job.info().headers == '{"x": 2}'
    assert app.send_task("u").info().headers is None


def test_a_job_knows_where_it_is(app: LiteQueue) -> None:
    @app.task(name="t")
    def where() -> list[Any]:
        job = current_job()
        return [job.worker, job.headers, job.schedule, job.due_at == job.created_at]

    job = where.delay()
    with app.worker(name="mine"):
        assert job.get(timeout=20) == ["mine", {}, None, True]


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ([], InvalidType, "headers must be a dict of values by names, not list: []"),
        ({1: 2}, InvalidType, "headers has texts as its names, not int: 1"),
        ({"a": [1]}, InvalidType, "headers['a'] must be a text, a number, a bool or None, not list: [1]"),
        ({"a": float("nan")}, InvalidType, "headers['a'] must be a text, a number, a bool or None, not float: nan"),
        ({"a": "x" * 8192}, InvalidArgument, "headers take 8,201 bytes, and may take 8,192: they are for what observers need"),
    ],
)
def test_headers_that_are_none_are_refused(app: LiteQueue, given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        app.task(name="t")(lambda: 0).apply_async(headers=given)
    assert str(caught.value) == text and app.jobs() == []


class NotAManager:
    def run(self, job: Any) -> Iterator[None]:
        yield


class Async:
    async def ended(self, job: Any, outcome: Any) -> None: ...


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (Watch, InvalidType, "app.use takes an object: app.use(Watch()), and not the class"),
        (object(), InvalidArgument, "app.use takes an object with one of enqueue, run, ended, stopping, and <object object at"),
        (NotAManager(), InvalidType, "must be a context manager: decorate it with @contextlib.contextmanager"),
        (Async(), InvalidType, "must be a plain function, which is called in tasks of all pools"),
    ],
)
def test_what_is_no_observer_is_refused(app: LiteQueue, given: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text.replace("(", r"\(").replace(")", r"\)")):
        app.use(given)


def test_what_ends_a_task_from_outside_is_no_failure() -> None:
    assert is_failure(ValueError()) and is_failure(SystemExit()) and is_failure(KeyboardInterrupt())
    assert is_failure(concurrent.futures.CancelledError())
    assert not any(map(is_failure, (Retry(), Snooze(1), Discard(), asyncio.CancelledError(), GeneratorExit(), WaitEnded())))


SITE = """
import contextlib
from litequeue import LiteQueue, current_job

app = LiteQueue({db!r})

class Notes:
    def __init__(self):
        self.seen = []

    @contextlib.contextmanager
    def run(self, job):
        self.seen.append(f"run {{job.headers['a']}}")
        yield
        self.seen.append("ran")

    def ended(self, job, outcome):
        self.seen.append(outcome.state)

    def stopping(self):
        with open({out!r}, "a") as file:
            print(self.seen, file=file)

app.use(Notes())

@app.task(pool="process")
def work(): pass
"""


@pytest.mark.slow
def test_a_process_of_the_pool_has_them_too_and_hears_that_it_ends(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    (tmp_path / "site_seen.py").write_text(SITE.format(db=str(db), out=str(out)))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    import site_seen  # type: ignore[import-not-found]

    with worker_process(db, "--processes", "1", "--import", "site_seen", cwd=tmp_path) as process:
        site_seen.work.apply_async(headers={"a": 5}).get(timeout=20)
        process.terminate()
        assert process.wait(10) == 0
    site_seen.app.close()
    del sys.modules["site_seen"]
    assert sorted(out.read_text().splitlines()) == ["['run 5', 'ran', 'succeeded']", "[]"], "of the child, and of the worker"


def test_job_shows_headers_and_the_command_line_gives_them(app: LiteQueue, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app.stats()  # which makes the file
    assert main(["enqueue", str(db), "t", "--headers", '{"a": "b"}']) == 0
    job = capsys.readouterr().out.strip()
    assert main(["job", str(db), job]) == 0
    assert '\nheaders       {"a": "b"}\n' in capsys.readouterr().out
    assert main(["enqueue", str(db), "t", "--headers", "{a"]) == 2
    assert "'{a' is no JSON (Expecting property name" in capsys.readouterr().err


def test_a_failed_job_says_so_as_ever(app: LiteQueue) -> None:
    app.use(Watch())

    @app.task(name="t")
    def fails() -> None:
        raise ValueError("boom")

    with app.worker(), pytest.raises(JobFailed, match="boom"):
        fails.delay().get(timeout=20)
