"""Celery's decorators, in the forms in which public projects write them, and what their jobs do."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    InvalidArgument,
    InvalidType,
    JobFailed,
    JobNotFound,
    NotInATask,
    SignatureMismatch,
    current_job,
)
from litequeue.compat.celery import (
    AsyncResult,
    Celery,
    Ignore,
    MaxRetriesExceededError,
    Reject,
    Retry,
    SoftTimeLimitExceeded,
    Task,
    TaskRevokedError,
    get_task_logger,
    shared_task,
)
from litequeue.testing import testing

from ..support import wait_until
from .conftest import worked


def ours(task: Task) -> dict[str, Any]:
    """What a task of theirs is in our words."""
    code = task.__litequeue_code__
    columns = code.columns
    return {
        "retries": (columns.max_attempts or 1) - 1, "retry_on": code.retry_on, "give_up_on": [cls for cls in code.give_up_on if cls is not SoftTimeLimitExceeded],
        "backoff": code._backoff, "timeout": columns.timeout, "soft_timeout": columns.soft_timeout, "queue": columns.queue, "priority": columns.priority,
        "expires": code.template.expires, "name": code.name,
    }  # fmt: skip


def shaped(base: float, cap: float = 600, jitter: bool = True) -> Any:
    from litequeue import Backoff

    return Backoff(base=base, cap=cap, jitter=jitter)


pytestmark = pytest.mark.beside

PLAIN = {"retries": 3, "retry_on": (), "give_up_on": [], "backoff": 180, "timeout": None, "soft_timeout": None, "queue": "default", "priority": 0, "expires": None}
E, SECOND = (ConnectionError, TimeoutError), 1_000_000

# As they stand in public projects: the options, whether the function has a self, and what differs from a plain task.
FORMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"bind": True}, {}),
    ({"name": "mail.send"}, {"name": "mail.send"}),
    ({"queue": "mail"}, {"queue": "mail"}),
    ({"ignore_result": True}, {}),
    ({"bind": True, "max_retries": 5}, {"retries": 5}),
    ({"bind": True, "max_retries": None}, {"retries": 1_000_000}),
    ({"bind": True, "max_retries": 0}, {"retries": 0}),
    ({"bind": True, "default_retry_delay": 30 * 60}, {"backoff": 1800}),
    ({"bind": True, "max_retries": 3, "default_retry_delay": 60}, {"backoff": 60}),
    ({"autoretry_for": (Exception,)}, {"retry_on": (Exception,)}),
    ({"autoretry_for": E, "retry_backoff": True}, {"retry_on": E, "backoff": shaped(1)}),
    ({"autoretry_for": E, "retry_backoff": 5}, {"retry_on": E, "backoff": shaped(5)}),
    ({"autoretry_for": E, "retry_backoff": True, "retry_backoff_max": 700}, {"retry_on": E, "backoff": shaped(1, 700)}),
    ({"autoretry_for": E, "retry_backoff": True, "retry_jitter": False}, {"retry_on": E, "backoff": shaped(1, jitter=False)}),
    ({"autoretry_for": E, "retry_kwargs": {"max_retries": 5}}, {"retry_on": E, "retries": 5}),
    ({"autoretry_for": E, "retry_kwargs": {"max_retries": 7, "countdown": 5}}, {"retry_on": E, "retries": 7, "backoff": 5}),
    ({"bind": True, "autoretry_for": (Exception,), "retry_backoff": True, "retry_kwargs": {"max_retries": 2}, "max_retries": 5},
     {"retry_on": (Exception,), "backoff": shaped(1), "retries": 2}),
    ({"autoretry_for": E, "retry_kwargs": {"max_retries": 2}}, {"retry_on": E, "retries": 2}),
    ({"autoretry_for": E, "retry_kwargs": {"max_retries": None, "countdown": None}}, {"retry_on": E}),
    ({"autoretry_for": E, "retry_kwargs": None, "max_retries": None}, {"retry_on": E, "retries": 1_000_000}),
    ({"autoretry_for": [OSError], "dont_autoretry_for": (FileNotFoundError,), "retry_backoff": 2}, {"retry_on": (OSError,), "give_up_on": [FileNotFoundError], "backoff": shaped(2)}),
    ({"soft_time_limit": 60}, {"soft_timeout": 60 * SECOND}),
    ({"time_limit": 120, "soft_time_limit": 100}, {"timeout": 120 * SECOND, "soft_timeout": 100 * SECOND}),
    ({"acks_late": True}, {}),
    ({"acks_late": False}, {}),
    ({"acks_late": True, "reject_on_worker_lost": True, "queue": "slow"}, {"queue": "slow"}),
    ({"throws": (KeyError,)}, {}),
    ({"expires": 300}, {"expires": 300 * SECOND}),
    ({"track_started": True, "bind": True, "name": "reports.build"}, {"name": "reports.build"}),
    ({"priority": 9, "queue": "high"}, {"priority": 9, "queue": "high"}),
    ({"bind": True, "name": "sync", "autoretry_for": (Exception,), "max_retries": 5, "retry_backoff": 30, "retry_backoff_max": 3600, "retry_jitter": True, "acks_late": True,
      "ignore_result": True, "time_limit": 900}, {"name": "sync", "retry_on": (Exception,), "retries": 5, "backoff": shaped(30, 3600), "timeout": 900 * SECOND}),
    ({"base": Task, "bind": True}, {}),
    ({"unique": True, "retries": 9}, {"retries": 9}),  # our own options work, too
]  # fmt: skip


@pytest.mark.parametrize("is_shared", [False, True], ids=["app", "shared"])
@pytest.mark.parametrize(("options", "differs"), FORMS, ids=lambda value: ",".join(value) or "plain")
def test_a_form_of_the_decorator_is_what_it_says_in_our_words(app: Celery, is_shared: bool, options: dict[str, Any], differs: dict[str, Any]) -> None:
    def with_self(self: Task, x: int, y: int = 1) -> tuple[int, str]:
        assert self is task
        return x + y, self.name

    def without(x: int, y: int = 1) -> tuple[int, str]:
        return x + y, task.name

    decorate = shared_task if is_shared else app.task
    task = decorate(**options)(with_self if options.get("bind") else without)
    found = ours(task)
    assert found.pop("name") == differs.get("name", found.get("name", task.name))
    assert found == {**PLAIN, **{key: value for key, value in differs.items() if key != "name"}}
    assert task(1) == (2, task.name), "called, it runs here"
    result = task.delay(1, y=2)
    with pytest.raises(SignatureMismatch):
        task.delay()
    worked(app)
    assert result.get(timeout=1) == (None if options.get("ignore_result") else (3, task.name))
    assert (result.state, result.ready(), result.successful(), result.failed()) == ("SUCCESS", True, True, False)


def test_a_bare_decorator_and_the_name_that_a_task_has(app: Celery) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    @shared_task
    def mul(x: int, y: int) -> int:
        return x * y

    assert (add.name, app.tasks[add.name]) == (f"{__name__}.test_a_bare_decorator_and_the_name_that_a_task_has.add", add)
    assert (add.run(2, 3), mul.run(2, 3)) == (5, 6)
    results = [add.delay(2, 3), mul.apply_async((2, 3)), app.send_task(add.name, (3, 3)), add.apply_async(kwargs={"x": 1, "y": 1})]
    worked(app)
    assert [result.get(timeout=1) for result in results] == [5, 6, 6, 2]


# -- retries ---------------------------------------------------------------------------------------------------


def test_self_retry_runs_the_job_again_after_its_delay_until_no_retries_are_left(app: Celery) -> None:
    seen: list[Any] = []

    @app.task(bind=True, max_retries=2, default_retry_delay=60)
    def fetch(self: Task, url: str) -> None:
        seen.append((self.request.retries, self.request.id, self.request.args, self.request.task))
        try:
            raise ConnectionError(f"no {url}")
        except ConnectionError as error:
            raise self.retry(exc=error) from error

    with testing(app) as queue:
        result = fetch.delay("here")
        queue.drain(check=False)
        assert result.state == "RETRY" and "ConnectionError: no here" in str(result.result)
        for _ in range(2):
            before = len(seen)
            queue.advance(seconds=50, check=False)
            assert len(seen) == before
            queue.advance(seconds=10, check=False)
            assert len(seen) == before + 1
        assert result.state == "FAILURE" and isinstance(result.result, ConnectionError)
        with pytest.raises(ConnectionError, match="no here") as caught:
            result.get()
        assert any("in fetch" in note for note in caught.value.__notes__)
        assert "_perform" not in str(result.traceback) and "in fetch" in str(result.traceback)
        assert isinstance(result.get(propagate=False), ConnectionError)
    assert seen == [(n, result.id, ("here",), fetch.name) for n in range(3)]


def test_the_ways_to_retry(app: Celery) -> None:
    said: list[str] = []

    @app.task(bind=True, max_retries=1)
    def again(self: Task, how: str) -> str:
        if self.request.retries:
            if how == "limit":
                self.retry()
            return how
        if how == "eta":
            self.retry(eta=datetime.now(UTC) + timedelta(seconds=0.01))
        if how == "returned":
            raise self.retry(countdown=0, throw=False)
        if how == "fewer":
            self.retry(countdown=0, max_retries=0)
        if how in ("more", "args"):
            try:
                self.retry(**{"more": {"max_retries": 5}, "args": {"args": (1,)}}[how])  # type: ignore[arg-type]
            except (InvalidArgument, InvalidType) as error:
                said.append(str(error))
                return how
        again.retry(countdown=0)  # by the task's own name, as it was written before bind
        return "never"

    results = {how: again.delay(how) for how in ("eta", "returned", "plain", "limit", "fewer", "more", "args")}
    with app.worker(threads=1):
        for result in results.values():
            result.wait(timeout=10, propagate=False)
    assert [results[how].get() for how in ("eta", "returned", "plain", "more", "args")] == ["eta", "returned", "plain", "more", "args"]
    for how in ("limit", "fewer"):
        with pytest.raises(JobFailed, match="MaxRetriesExceededError"):
            results[how].get()
    assert "say it there, @app.task(max_retries=5)" in said[0] and "enqueue another" in said[1]
    with pytest.raises(MaxRetriesExceededError):
        again.retry()  # of a call that is no job
    with pytest.raises(KeyError):
        again.retry(exc=KeyError("k"))
    assert Retry.__name__ == "Retry"


def test_a_retry_or_a_call_in_the_past_is_one_now(app: Celery) -> None:
    @app.task(bind=True)
    def late(self: Task) -> int:
        if self.request.retries == 0:
            self.retry(countdown=-5)
        return self.request.retries

    results = [late.delay(), late.apply_async(countdown=-5)]
    with app.worker(threads=1):
        assert [result.get(timeout=10) for result in results] == [1, 1]


def test_retry_kwargs_decide_how_often_an_error_runs_a_job_again(app: Celery) -> None:
    runs: list[str] = []

    @app.task(bind=True, autoretry_for=(ConnectionError,), retry_kwargs={"max_retries": 2, "countdown": 0})
    def flaky(self: Task, kind: str) -> None:
        runs.append(kind)
        if kind == "by hand":
            self.retry(countdown=0, exc=KeyError("last"))
        raise ConnectionError

    results = [flaky.delay("auto"), flaky.delay("by hand")]
    with app.worker(threads=1):
        for result in results:
            result.wait(timeout=10, propagate=False)
    assert [runs.count(kind) for kind in ("auto", "by hand")] == [3, 3]
    assert isinstance(results[1].result, KeyError), "what it says, not that no retries are left for a Retry"
    more = app.task(name="more", autoretry_for=(OSError,), retry_kwargs={"max_retries": 7})(len)
    assert (flaky.max_retries, more.max_retries) == (2, 3)
    assert app.task(name="ever", max_retries=None)(len).max_retries is None


def test_an_error_that_no_retry_is_for_ends_the_job_at_once(app: Celery) -> None:
    runs: list[str] = []

    @app.task(autoretry_for=(ConnectionError,), default_retry_delay=0, max_retries=2)
    def flaky(kind: str) -> None:
        runs.append(kind)
        raise {"auto": ConnectionError, "other": ValueError, "soft": SoftTimeLimitExceeded}[kind]

    results = [flaky.delay(kind) for kind in ("auto", "other", "soft")]
    with app.worker(threads=1):
        for result in results:
            result.wait(timeout=10, propagate=False)
    assert [runs.count(kind) for kind in ("auto", "other", "soft")] == [3, 1, 1]


# -- what a running job says and asks ---------------------------------------------------------------------------


def test_a_job_says_its_state_and_its_progress(app: Celery) -> None:
    seen: list[Any] = []

    @app.task(bind=True, track_started=True)
    def long_task(self: Task) -> dict[str, int]:
        job = app.AsyncResult(self.request.id).handle
        self.update_state(state="PROGRESS", meta={"current": 1, "total": 4})
        wait_until(lambda: job.meta, what="the file has it")
        result = app.AsyncResult(self.request.id)
        seen.append((result.state, result.info, job.progress().done, result.ready(), result.status))
        return {"current": 4, "total": 4}

    result = long_task.apply_async()
    assert (result.state, result.info, result.ready()) == ("PENDING", None, False)
    worked(app)
    assert seen == [("PROGRESS", {"current": 1, "total": 4}, 1, False, "PROGRESS")]
    assert (result.state, result.info) == ("SUCCESS", {"current": 4, "total": 4})
    with pytest.raises(NotInATask):
        long_task.update_state(state="PROGRESS")


def test_started_is_a_state_of_tasks_that_say_so(app: Celery) -> None:
    states: list[str] = []

    def look(self: Task) -> None:
        job = current_job()
        job.meta["more"] = 1
        wait_until(lambda: app.job(job.id).meta, what="the file has it")
        states.append(app.AsyncResult(self.request.id).state)

    app.task(bind=True, track_started=True, name="tracked")(look).delay()
    app.task(bind=True, name="quiet")(look).delay()
    worked(app)
    assert sorted(states) == ["PENDING", "STARTED"]


def test_the_request_of_a_running_job(app: Celery) -> None:
    @app.task(bind=True, queue="mail")
    def ask(self: Task, x: int, y: int = 0) -> list[Any]:
        request = self.request
        return [request.id, request.retries, request.args, request.kwargs, request.task, request.delivery_info, request.called_directly, request.hostname, request.is_eager, len(repr(request)) > 20]

    result = ask.delay(1, y=2)
    with app.worker(burst=True, name="here") as worker:
        worker.join(20)
    assert result.get() == [result.id, 0, (1,), {"y": 2}, ask.name, {"routing_key": "mail"}, False, "here", False, True]
    assert ask(1)[:2] == [None, 0] and ask(1)[6] is True
    assert isinstance(result.id, str) and str(result) == result.id == result.task_id


def test_a_task_ends_its_job_by_what_it_raises(app: Celery) -> None:
    @app.task(bind=True)
    def end(self: Task, how: str) -> str:
        if how == "ignore":
            raise Ignore
        if how == "custom":
            self.update_state(state="MY_FAILURE", meta={"why": "so"})
            raise Ignore
        if how == "reject":
            raise Reject("no", requeue=False)
        if how == "requeue" and current_job().attempt == 1:
            raise Reject("later", requeue=True)
        return how

    results = {how: end.delay(how) for how in ("ignore", "custom", "reject", "requeue")}
    with app.worker(threads=1):
        for result in results.values():
            result.wait(timeout=10, propagate=False)
    assert {how: result.state for how, result in results.items()} == {"ignore": "REVOKED", "custom": "MY_FAILURE", "reject": "FAILURE", "requeue": "SUCCESS"}
    with pytest.raises(TaskRevokedError):
        results["ignore"].get()
    with pytest.raises(JobFailed, match="Discard: no"):
        results["reject"].get()


def test_a_time_limit_is_an_exception_in_the_task(app: Celery) -> None:
    @app.task(soft_time_limit=0.05)
    def slow() -> str:
        try:
            wait_until(lambda: False)
        except SoftTimeLimitExceeded:
            return "cleaned up"

    result = slow.delay()
    worked(app)
    assert result.get() == "cleaned up"


def test_a_class_of_tasks_has_a_call_around_the_function_and_options_of_its_own(app: Celery) -> None:
    calls: list[str] = []

    class Context(Task):
        autoretry_for = (OSError,)
        max_retries = 7
        _connection: list[int] | None = None

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            calls.append(self.name)
            return self.run(*args, **kwargs)

        @property
        def connection(self) -> list[int]:
            if self._connection is None:
                self._connection = [1]
            return self._connection

    @app.task(base=Context, bind=True, name="counted")
    def counted(self: Context, x: int) -> list[int]:
        return [x, *self.connection]

    result = counted.delay(2)
    worked(app)
    assert (result.get(), calls) == ([2, 1], ["counted"])
    assert (ours(counted)["retries"], ours(counted)["retry_on"], counted.max_retries) == (7, (OSError,), 7)
    with pytest.raises(InvalidType, match=r"Bad\.on_failure is not called here: @app\.on_discarded"):
        type("Bad", (Task,), {"on_failure": lambda *_: None})
    with pytest.raises(InvalidArgument, match=r"already a task named 'counted', .*counted \(line \d+ of .*test_tasks\.py\)"):
        app.task(name="counted")(lambda: None)
    with pytest.raises(InvalidType, match="base is a subclass"):
        app.task(base=dict)(print)


def test_the_class_of_an_app_is_that_of_its_tasks_and_of_shared_ones(db: Path) -> None:
    calls: list[str] = []

    @shared_task(name="early")
    def early() -> int:
        return 1

    class Flask(Task):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            calls.append(self.name)
            return self.run(*args, **kwargs)

    with Celery("proj", broker=str(db), task_cls=Flask) as app:
        late = app.task(name="late")(lambda: 2)
        assert [early.delay().id, late.delay().id] == ["1", "2"]
        worked(app)
        assert sorted(calls) == ["early", "late"]
    with Celery("proj", broker=str(db), task_cls=type("Says", (Flask,), {"max_retries": 9})) as app:
        assert app.task(name="own")(lambda: 3).max_retries == 9
        with pytest.raises(InvalidType, match="after is a shared task.*which says max_retries"):
            shared_task(name="after")(lambda: 4).delay()


def test_our_own_names_of_retries_hold_for_self_retry_too(app: Celery) -> None:
    assert app.task(name="t", retries=9)(len).max_retries == 9


# -- calls --------------------------------------------------------------------------------------------------------


def test_the_options_of_an_enqueue(app: Celery) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        return x + y

    seen: list[Any] = []
    told = app.task(name="told")(seen.append)
    info: Callable[..., Any] = lambda **options: add.apply_async((1, 2), **options).handle.info()
    assert info(countdown=60).run_at - info(countdown=60).created_at < timedelta(seconds=61)
    assert info(eta=datetime(2099, 1, 1)).run_at == info(eta=datetime(2099, 1, 1, tzinfo=UTC)).run_at == datetime(2099, 1, 1, tzinfo=UTC)
    assert info(expires=datetime(2099, 1, 1)).expires_at == datetime(2099, 1, 1, tzinfo=UTC)
    assert (info(queue="mail").queue, info(priority=3).priority, info(time_limit=9).timeout, info(time_limit=9, soft_time_limit=8).timeout) == ("mail", 3, 9.0, 9.0)
    add.apply_async((2, 3), link=told.s())
    add.apply_async((4, 5), link=[told.s()])
    with pytest.raises(InvalidArgument, match="into a group"):
        add.apply_async((4, 5), link=[told.s(), told.s()])
    with app.worker(threads=1):
        wait_until(lambda: len(seen) == 2)
    assert seen == [5, 9]


@pytest.mark.parametrize(("option", "here"), [
    ("task_id", "unique='KEY'"), ("link_error", "on_failure"), ("serializer", "codec"), ("exchange", "queue"), ("routing_key", "queue"), ("retry_policy", "there is no broker"),
    ("compression", "json\\+zlib"),
])  # fmt: skip
def test_an_option_of_an_enqueue_that_is_not_carried_raises_with_the_way_here(app: Celery, option: str, here: str) -> None:
    add = app.task(name="add")(len)
    with pytest.raises(InvalidType, match=f"{option} is .*{here}"):
        add.apply_async(("x",), **{option: 1})
    assert app.jobs() == []


@pytest.mark.parametrize(("option", "here"), [
    ("rate_limit", "rate='100/m'"), ("acks_on_failure_or_timeout", r"app\.job\(id\)\.retry\(\)"), ("serializer", "codec"), ("pydantic", "register_type"),
    ("send_events", "in the file"), ("typing", "checked at each enqueue"), ("store_errors_even_if_ignored", "always kept"),
])  # fmt: skip
def test_an_option_of_a_task_that_is_not_carried_raises_with_the_way_here(app: Celery, option: str, here: str) -> None:
    for decorate in (app.task, shared_task):
        with pytest.raises(InvalidType, match=f"{option} is .*{here}"):
            decorate(**{option: 1})(len)


def test_what_else_of_a_task_is_not_carried_says_the_way(app: Celery) -> None:
    add = app.task(name="add")(len)
    with pytest.raises(InvalidArgument, match=r"queue\.run\(task, \.\.\.\)"):
        add.apply((1,))
    with pytest.raises(InvalidType, match="retry_kwargs takes max_retries and countdown"):
        app.task(autoretry_for=(OSError,), retry_kwargs={"jitter": 1})(len)
    with pytest.raises(InvalidType, match="is a task already"):
        app.task(add)
    with pytest.raises(InvalidType, match="LiteQueue's own @app.task"):

        @app.task
        async def fetch() -> None: ...

    with pytest.raises(InvalidArgument, match="leave one of them out"):
        app.task(name="quiet", ignore_result=True)(len).apply_async(("x",), link=add.s())


def test_delay_on_commit_enqueues_once_django_has_committed(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import ModuleType, SimpleNamespace

    waiting: list[Callable[[], Any]] = []
    fake = ModuleType("django.db")
    fake.transaction = SimpleNamespace(on_commit=waiting.append)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "django", ModuleType("django"))
    monkeypatch.setitem(sys.modules, "django.db", fake)
    app.task(name="add")(len).delay_on_commit("abc")
    assert app.jobs() == []
    waiting.pop()()
    assert [job.task for job in app.jobs()] == ["add"]


def test_loggers_have_the_names_that_they_are_given() -> None:
    assert get_task_logger("proj.tasks") is logging.getLogger("proj.tasks")


# -- handles ------------------------------------------------------------------------------------------------------


def test_a_handle_is_made_of_an_id(app: Celery) -> None:
    add = app.task(name="add")(lambda x, y: x + y)
    result = add.delay(1, 2)
    worked(app)
    for found in (AsyncResult(result.id), app.AsyncResult(result.id), add.AsyncResult(result.id), AsyncResult("1")):
        assert found == result and hash(found) == hash(result) and (found.get(), found.result, found.info, found.traceback) == (3, 3, 3, None)
    gone = AsyncResult("4711")
    assert (gone.state, gone.ready(), gone.result, gone.successful()) == ("PENDING", False, None, False)
    for id in ("2d1ae7ef-32ba-4ce6-8bb0-0d60f4e2f4a4", "flow:x"):
        theirs = AsyncResult(id)
        assert (theirs.id, theirs.state, theirs.ready(), theirs.result, theirs.failed(), theirs.traceback, theirs.children) == (id, "PENDING", False, None, False, None, [])
        assert theirs == AsyncResult(id) != gone and theirs.completed_count() == 0
        with pytest.raises(JobNotFound, match=f"no job '{id}': an id is a number here"):
            theirs.get(timeout=0)
    with pytest.raises(InvalidType, match="job_id must be an integer"):
        AsyncResult(None)
    with pytest.raises(InvalidArgument, match="lends it its slot"):
        result.get(disable_sync_subtasks=True)
    with pytest.raises(AttributeError, match=r"has no attribute 'parent'; here: result\.children"):
        _ = result.parent  # type: ignore[attr-defined]


def test_revoke_cancels_what_waits_and_with_terminate_what_runs(app: Celery) -> None:
    @app.task(bind=True)
    def slow(self: Task) -> None:
        running.append(self.request.id)
        wait_until(lambda: current_job().cancelled)
        raise TaskRevokedError

    running: list[str] = []
    results = [slow.apply_async(countdown=1000), slow.apply_async(countdown=1000), slow.delay()]
    app.control.revoke(results[0].id)
    app.control.revoke([results[1].id])
    with app.worker(threads=1):
        wait_until(lambda: running)
        results[2].revoke()
        assert results[2].state == "PENDING"
        results[2].revoke(terminate=True)
        results[2].wait(timeout=10, propagate=False)
    assert [result.state for result in results] == ["REVOKED"] * 3
    for unknown in ("4711", "flow:4711", "2d1ae7ef-32ba-4ce6-8bb0-0d60f4e2f4a4", ["4711", "4712"]):
        app.control.revoke(unknown, terminate=True, signal="SIGKILL", destination=["here"])
    waiting = slow.apply_async(countdown=1000)
    with pytest.raises(InvalidArgument, match=r"signal='SIGUSR1'.*soft_time_limit"):
        waiting.revoke(signal="SIGUSR1")
    with pytest.raises(InvalidType, match="revoke takes terminate, not how"):
        app.control.revoke(waiting.id, how=1)
    assert waiting.state == "PENDING"
    waiting.revoke(terminate=True, signal=signal.SIGTERM, wait=False)
    assert waiting.state == "REVOKED"
    with pytest.raises(AttributeError, match=r"app\.control\.rate_limit is not carried; here: app\.pause"):
        app.control.rate_limit("t", "1/m")
