"""The bridge to Django's tasks: enqueued in this process, run by ``manage.py litequeue worker``, with the queue in the site's own database.

Those that django-tasks-db has for its worker are here as behaviour, by the same names where there is one.
"""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue, PayloadTooLarge

from ..support import litequeue, wait_until, worker_process
from . import django_site, peer

if peer("django").VERSION < (6,):
    peer("django_tasks")
pytestmark = [
    pytest.mark.beside(whole=True),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:django"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:asgiref"),
]


DJANGOS = {"priority": 0, "queue_name": "default", "backend": "default", "run_after": None}  # what its own decorator says of a task


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project, with its tables, and Django set up for it in this process."""
    folder = django_site.write(tmp_path_factory.mktemp("site"))
    os.symlink("site.sqlite3", folder / "link.sqlite3")
    django_site.set_up(folder)
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", run_syncdb=True, verbosity=0)
    yield folder
    connections.close_all()
    for app in list(sys.modules["litequeue.django.places"]._apps.values()):
        app.close()
    sys.path.remove(str(folder))
    del os.environ["DJANGO_SETTINGS_MODULE"]


@pytest.fixture(scope="module")
def worker(site: Path) -> Iterator[Path]:
    """One for all of the file; its log."""
    with (site / "log").open("w") as log, run_worker(site, "--queues", "default,told", "--threads", "4", stdout=log):
        yield site / "log"


@contextlib.contextmanager
def run_worker(site: Path, *flags: str, **popen: Any) -> Iterator[subprocess.Popen[str]]:
    with django_site.worker(site, site / "site.sqlite3", *flags, **popen) as process:
        yield process
        if process.poll() is None:
            process.terminate()
            process.wait(20)


@pytest.fixture
def tasks(site: Path) -> Any:
    from shop import tasks

    return tasks


@pytest.fixture
def backends(site: Path) -> Any:
    from litequeue.django.api import task_backends

    return task_backends


@pytest.fixture
def orders(site: Path) -> Iterator[Any]:
    from shop.models import Order

    yield Order.objects
    Order.objects.all().delete()


@pytest.fixture
def queue(backends: Any) -> LiteQueue:
    found: LiteQueue = backends["default"].app
    return found


def ended(result: Any, seconds: float = 20) -> Any:
    """The result, once its job is final."""

    def look() -> bool:
        result.refresh()
        return bool(result.is_finished)

    wait_until(look, seconds, f"the end of {result.id}")
    return result


def burst(site: Path, *words: str) -> str:
    done = django_site.manage(site, "litequeue", "worker", "--burst", *words)
    assert done.returncode == 0, done.stderr
    return done.stderr


def state(result: Any) -> str:
    result.refresh()
    return str(result.status.value)


# -- what it does ------------------------------------------------------------------------------------------


def test_a_task_runs_in_a_thread_a_process_or_the_event_loop_and_knows_its_context(worker: Path, tasks: Any, orders: Any) -> None:
    results = [tasks.in_a_thread.enqueue("a"), tasks.in_a_process.enqueue("b"), tasks.in_a_loop.enqueue("c")]
    assert [result.status.value for result in results] == ["READY"] * 3
    thread, process, loop = (ended(result) for result in results)
    assert thread.return_value == ["a", 1, thread.id, "RUNNING"]
    name, parent, *context = process.return_value
    assert (name, context) == ("b", [1, process.id]) and parent != os.getpid()
    assert loop.return_value == ["c", 1, loop.id]
    assert {order.name for order in orders.all()} == {"b", "c"}
    for result in (thread, process, loop):
        assert result.enqueued_at <= result.started_at == result.last_attempted_at <= result.finished_at
        assert (result.attempts, len(result.worker_ids), result.errors, result.backend) == (1, 1, [], "default")


def test_arguments_and_results_are_as_json_gives_them_back(worker: Path, tasks: Any, queue: LiteQueue) -> None:
    result = ended(tasks.given.enqueue((1, 2.5), b"bytes", None, nested={"a": [True], 7: "seven"}))
    assert result.args == [[1, 2.5], "bytes", None] and result.kwargs == {"nested": {"a": [True], "7": "seven"}}
    assert result.return_value == [result.args, result.kwargs]
    assert queue.job(result.id.partition("-")[0]).info().args == '[[1,2.5],"bytes",null]'
    before = len(queue.jobs())
    with pytest.raises(TypeError, match="Unsupported type"):
        tasks.given.enqueue(uuid.uuid4())
    with pytest.raises(TypeError, match="missing a required argument: 'y'"):
        tasks.add.enqueue(1)
    assert len(queue.jobs()) == before


def test_a_failure_has_its_class_and_its_traceback_and_can_be_caught_again(worker: Path, tasks: Any) -> None:
    for result, kind, words in (
        (tasks.fails.enqueue("no"), ValueError, "ValueError: no\n"), (tasks.leaves.enqueue(), SystemExit, "SystemExit: enough\n"),
        (tasks.interrupted.enqueue(), KeyboardInterrupt, "KeyboardInterrupt: ^C\n"),
    ):  # fmt: skip
        ended(result)
        assert (result.status.value, result.attempts) == ("FAILED", 1)
        (error,) = result.errors
        assert error.exception_class is kind and error.traceback.endswith(words)
        assert "litequeue" not in error.traceback
        with pytest.raises(ValueError, match="Task failed"):
            result.return_value  # noqa: B018


def test_a_result_that_is_no_json_fails_its_task_which_is_not_run_again(worker: Path, tasks: Any, orders: Any, backends: Any) -> None:
    from litequeue.django.codes import DjangoCode
    from litequeue.django.running import NotJson

    result = ended(tasks.returns_an_object.enqueue())
    assert (result.status.value, result.errors[0].exception_class) == ("FAILED", TypeError)
    assert "Unsupported type: <class 'object'>" in result.errors[0].traceback
    assert orders.count() == 1
    result = ended(tasks.large.enqueue())
    assert (result.status.value, result.errors[0].exception_class) == ("FAILED", PayloadTooLarge)
    assert orders.count() == 2
    code = backends["default"].ours(tasks.twice).__litequeue_code__
    assert isinstance(code, DjangoCode) and code.retries_on(TypeError())
    assert not code.retries_on(NotJson()) and not code.retries_on(PayloadTooLarge())


def test_a_task_that_is_tried_again_has_an_error_and_a_worker_for_each_attempt(worker: Path, tasks: Any) -> None:
    result = ended(tasks.twice.enqueue())
    assert result.return_value == ["builtins.LookupError"]
    assert (result.attempts, len(result.worker_ids), len(result.errors)) == (2, 2, 1)
    assert result.started_at < result.last_attempted_at


def test_a_worker_runs_what_is_due_by_priority_of_its_queues_and_no_more_than_it_may(site: Path, tasks: Any) -> None:
    from django.utils import timezone

    def on(task: Any, **how: Any) -> Any:
        return task.using(queue_name="first", **how).enqueue(1, 2)

    now = timezone.now()
    low, high = on(tasks.add, priority=-2), on(tasks.add, priority=10)
    past = on(tasks.add, priority=20, run_after=now - timedelta(hours=2))
    future, urgent = on(tasks.add, run_after=now + timedelta(hours=10)), on(tasks.add, priority=100, run_after=now + timedelta(hours=10))
    other = tasks.add.using(queue_name="second").enqueue(1, 2)
    assert future.task.run_after == now + timedelta(hours=10)
    burst(site, "--queues", "first", "--max-jobs", "2", "--threads", "1", "--name", "two")
    assert [state(result) for result in (past, high, low, future, urgent, other)] == ["SUCCESSFUL"] * 2 + ["READY"] * 4
    assert past.started_at <= high.started_at and past.worker_ids == ["two"]
    burst(site, "--queues", "first")
    assert [state(result) for result in (low, future, urgent, other)] == ["SUCCESSFUL"] + ["READY"] * 3
    burst(site, "--queues", "second")
    assert state(other) == "SUCCESSFUL"
    assert (future.task.priority, urgent.task.priority, urgent.task.queue_name, urgent.task.run_after) == (0, 100, "first", now + timedelta(hours=10))


def test_several_workers_have_a_supervisor_which_runs_this_command_again(site: Path, tasks: Any) -> None:
    results = [tasks.add.using(queue_name="fleet").enqueue(number, 1) for number in range(20)]
    said = burst(site, "--queues", "fleet", "--workers", "2", "--name", "site")
    assert [state(result) for result in results] == ["SUCCESSFUL"] * 20
    assert {name for result in results for name in result.worker_ids} <= {"site-1", "site-2"}
    assert "worker site-1 is up" in said


def test_signals_are_sent_where_things_happen_and_of_an_end_only_once(worker: Path, tasks: Any, orders: Any) -> None:
    from litequeue.django.api import task_enqueued, task_finished, task_started

    heard: list[tuple[str, str]] = []

    def hear(name: str) -> Callable[..., None]:
        return lambda sender, task_result, **_: heard.append((name, task_result.id))

    kept = [hear(name) for name in ("enqueued", "started", "finished")]
    signals = (task_enqueued, task_started, task_finished)
    for sent, receiver in zip(signals, kept, strict=True):
        sent.connect(receiver)
    try:
        results = [ended(task.using(queue_name="told").enqueue(*args)) for task, args in ((tasks.twice, ()), (tasks.fails, ("no",)), (tasks.in_a_loop, ("x",)))]
        assert heard == [("enqueued", result.id) for result in results]
        twice, fails, loop = (result.id for result in results)
        told = {
            f"LiteQueueBackend {twice} RUNNING 1", f"LiteQueueBackend {twice} RUNNING 2", f"LiteQueueBackend {twice} SUCCESSFUL 2",
            f"LiteQueueBackend {fails} RUNNING 1", f"LiteQueueBackend {fails} FAILED 1",
            f"LiteQueueBackend {loop} RUNNING 1", f"LiteQueueBackend {loop} SUCCESSFUL 1",
        }  # fmt: skip
        wait_until(lambda: orders.exclude(name="x").count() == len(told), what="all are told")
        assert {order.name for order in orders.exclude(name="x")} == told
    finally:
        for sent, receiver in zip(signals, kept, strict=True):
            sent.disconnect(receiver)


def test_connections_are_closed_around_each_job(worker: Path, tasks: Any) -> None:
    """CONN_MAX_AGE is 0. There are four threads, so some of eight jobs run where one ran before."""
    assert [ended(result).return_value for result in [tasks.connected.enqueue() for _ in range(8)]] == [True] * 8


def test_a_coroutine_keeps_its_connection_while_others_end(worker: Path, tasks: Any, orders: Any) -> None:
    long = tasks.connected_in_a_loop.enqueue()
    for name in "abc":
        ended(tasks.in_a_loop.enqueue(name))
    assert ended(long).return_value is True


# -- transactions ----------------------------------------------------------------------------------------------


def test_row_and_job_are_there_together_or_not_at_all(worker: Path, tasks: Any, orders: Any) -> None:
    from django.db import transaction

    from litequeue.django.api import TaskResultDoesNotExist

    with transaction.atomic():
        order = orders.create(name="a")
        result = tasks.ship.enqueue(order.id)
        assert tasks.ship.get_result(result.id) == result, "it is there in this transaction"
        with contextlib.suppress(KeyError), transaction.atomic():
            inner = tasks.ship.enqueue(order.id)
            raise KeyError
        time.sleep(0.1)
        assert state(result) == "READY"
    assert ended(result).return_value == "a"
    orders.get(state="shipped")
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        orders.create(name="b")
        lost = tasks.ship.enqueue(1)
        raise ZeroDivisionError
    assert not orders.filter(name="b").exists()
    for gone in (inner, lost):
        with pytest.raises(TaskResultDoesNotExist):
            gone.refresh()


def test_an_id_of_what_was_rolled_back_is_nobody_elses(worker: Path, tasks: Any) -> None:
    from django.db import transaction

    from litequeue.django.api import TaskResultDoesNotExist

    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        lost = tasks.add.enqueue(1, 1)
        raise ZeroDivisionError
    after = tasks.add.enqueue(2, 2)
    assert after.id.partition("-")[0] == lost.id.partition("-")[0] and after.id != lost.id
    with pytest.raises(TaskResultDoesNotExist):
        lost.refresh()
    assert ended(after).return_value == 4


def test_ids_cannot_be_guessed_and_outlive_a_change_of_the_key(worker: Path, tasks: Any, backends: Any) -> None:
    from django.test import override_settings

    from litequeue.django.api import TaskResultDoesNotExist

    result = tasks.add.enqueue(1, 2)
    number, digest = result.id.split("-")
    assert len(digest) == 8
    for wrong in ("123", number, f"{number}-00000000", f"{number}-", f"0{result.id}", f"{result.id}\n", "9" * 19 + "-00000000", "", 5, None):
        with pytest.raises(TaskResultDoesNotExist):
            backends["default"].get_result(wrong)
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=["a key of the site's"]):
        assert tasks.add.get_result(result.id).id == result.id
    with override_settings(SECRET_KEY="another"), pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(result.id)


def test_workers_are_rung_once_for_all_that_a_block_enqueues(site: Path, tasks: Any, queue: LiteQueue) -> None:
    from django.db import connection, transaction

    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        for _ in range(5):
            tasks.add.enqueue(1, 2)
        assert [act[1] for act in connection.run_on_commit] == [queue.ring]
        with contextlib.suppress(KeyError), transaction.atomic():
            tasks.add.enqueue(1, 2)
            raise KeyError
        assert [act[1] for act in connection.run_on_commit] == [queue.ring], "and not only by what was rolled back"
        raise ZeroDivisionError


def test_a_path_that_leads_to_a_database_of_djangos_joins_its_transactions(site: Path, tasks: Any, orders: Any, backends: Any) -> None:
    from django.db import transaction

    from litequeue.django.api import TaskResultDoesNotExist

    assert backends["linked"].place.alias == "default"
    assert backends["own"].place.alias is None
    begin = time.monotonic()
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        orders.create(name="c")
        lost = tasks.add.using(backend="linked").enqueue(1, 2)
        stays = tasks.add.using(backend="own").enqueue(3, 4)
        raise ZeroDivisionError
    assert time.monotonic() - begin < 5, "with a connection of its own it waits for itself, 30 s"
    with pytest.raises(TaskResultDoesNotExist):
        lost.refresh()
    assert state(stays) == "READY", "a file of its own knows nothing of the transaction"
    done = django_site.manage(site, "litequeue", "--backend", "own", "worker", "--burst")
    assert done.returncode == 0 and state(stays) == "SUCCESSFUL", done.stderr
    assert (stays.return_value, stays.backend) == (7, "own")


def test_without_autocommit_a_job_goes_with_the_next_commit(site: Path, tasks: Any) -> None:
    from django.db import transaction

    from litequeue.django.api import TaskResultDoesNotExist

    transaction.set_autocommit(False)
    try:
        lost = tasks.add.using(queue_name="none").enqueue(1, 2)
        transaction.rollback()
        kept = tasks.add.using(queue_name="none").enqueue(1, 2)
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    with pytest.raises(TaskResultDoesNotExist):
        lost.refresh()
    assert state(kept) == "READY"


def test_a_transaction_that_is_broken_takes_no_job(site: Path, tasks: Any, orders: Any, queue: LiteQueue) -> None:
    from django.db import IntegrityError, transaction

    before = len(queue.jobs(limit=1000))
    with pytest.raises(transaction.TransactionManagementError), transaction.atomic():
        with contextlib.suppress(IntegrityError):
            orders.create(name=None)
        transaction.set_rollback(True)
        tasks.add.enqueue(1, 2)
    assert len(queue.jobs(limit=1000)) == before


def test_one_that_had_read_before_another_wrote_is_told_how_to_begin(site: Path, tasks: Any) -> None:
    from django.db import connections, transaction

    from litequeue import QueueBusy

    with pytest.raises(QueueBusy, match='DATABASES\\[\'deferred\'\\]."OPTIONS"..?"transaction_mode". = "IMMEDIATE"'), transaction.atomic("deferred"):
        with connections["deferred"].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM shop_order")
        tasks.add.using(queue_name="none").enqueue(1, 2)
        tasks.add.using(backend="deferred").enqueue(1, 2)
    connections["deferred"].close()


def test_tables_are_never_made_in_a_requests_transaction(site: Path, tasks: Any, backends: Any) -> None:
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import call_command
    from django.db import connections, transaction

    task = tasks.add.using(backend="bare")
    with pytest.raises(ImproperlyConfigured, match=r"has no tables of the queue's yet: python manage.py migrate makes them"), transaction.atomic("bare"):
        task.enqueue(1, 2)
    call_command("migrate", database="bare", run_syncdb=True, verbosity=0)
    with transaction.atomic("bare"):
        result = task.enqueue(1, 2)
    assert state(result) == "READY"
    connections["bare"].close()


def test_three_hundred_requests_beside_a_busy_worker_meet_no_locked_database(worker: Path, site: Path, tasks: Any, orders: Any, queue: LiteQueue) -> None:
    """Four threads, each with a connection and a backend of its own, and a worker that writes to the same file for each job."""
    from django.db import connections
    from django.test import Client

    said: list[Any] = []
    backends_seen = set[int]()

    def shop(number: int) -> None:
        try:
            client = Client()
            for turn in range(75):
                said.append(client.get("/buy", {"name": f"{number}-{turn}"}).status_code)
            backends_seen.add(id(tasks.ship.get_backend()))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is counted
            said.append(error)
        finally:
            connections.close_all()

    for turn in range(200):  # so that it is busy
        tasks.given.enqueue(turn)
    threads = [threading.Thread(target=shop, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert collections.Counter(said) == {200: 300}
    assert len(backends_seen) == 4
    wait_until(lambda: orders.filter(state="shipped").count() == 300, 60, "each was shipped once")
    wait_until(lambda: len(queue.jobs(task="shop.tasks.ship", state="succeeded", limit=1000)) >= 300, what="and has succeeded")
    assert "locked" not in worker.read_text() and "Busy" not in worker.read_text()


# -- what dies --------------------------------------------------------------------------------------------------


def test_a_killed_workers_task_runs_again_and_shows_both_workers(site: Path, tasks: Any) -> None:
    file = site / "pids"
    result = tasks.hangs.using(queue_name="killed").enqueue(str(file))
    with run_worker(site, "--queues", "killed", "--name", "first") as first:
        wait_until(lambda: file.exists() and file.read_text(), what="it has begun")
        assert state(result) == "RUNNING"
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        with file.open("a") as out:
            out.write("killed once\n")
        with run_worker(site, "--queues", "killed", "--name", "second"):
            assert ended(result).return_value == "at last"
    assert (result.attempts, result.worker_ids) == (2, ["first", "second"])
    assert [error.exception_class_path for error in result.errors] == ["litequeue.WorkerFailed"]
    assert "Interrupted" in result.errors[0].traceback and result.errors[0].exception_class


def test_what_was_cancelled_or_has_expired_has_failed_and_says_so(site: Path, tasks: Any, queue: LiteQueue) -> None:
    import litequeue

    waiting = tasks.add.using(queue_name="none").enqueue(1, 2)
    queue.job(waiting.id.partition("-")[0]).cancel()
    waiting.refresh()
    assert (waiting.status.value, waiting.attempts) == ("FAILED", 0)
    assert waiting.errors[0].exception_class is litequeue.JobCancelled


# -- which code runs ---------------------------------------------------------------------------------------------


def test_a_name_runs_only_if_it_is_a_task_of_djangos_of_this_queue(worker: Path, site: Path, tasks: Any, queue: LiteQueue) -> None:
    names = ("os.getcwd", "shop.tasks.no_task", "shop.tasks.another_name", "not.there.at_all", "shop.tasks.missing", "shop")
    jobs = [queue.enqueue(name) for name in names]
    log = wait_until(lambda: worker.read_text() if all(f"job {job.id} {name} stays queued" in worker.read_text() for job, name in zip(jobs, names, strict=True)) else "", 30)
    assert {job.state for job in jobs} == {"available"}
    for words in ("os.getcwd is builtin_function_or_method, and no task of Django's", "shop.tasks.another_name is the task shop.tasks.add",
                  "not.there.at_all cannot be imported: No module named 'not'"):  # fmt: skip
        assert words in log, words
    for job in jobs:
        job.cancel()
    by_name = queue.enqueue("shop.tasks.add", 20, 22)
    assert by_name.get(timeout=20) == 42


def test_a_task_of_another_backend_runs_here_only_if_it_was_enqueued_for_one_of_these(worker: Path, tasks: Any, queue: LiteQueue) -> None:
    from litequeue.django.api import task_backends

    refused = queue.enqueue("shop.tasks.never_here")
    wait_until(lambda: "the task shop.tasks.never_here is of the backend 'dummy', which has not its queue in" in worker.read_text())
    assert refused.state == "available" and refused.cancel()
    result = ended(tasks.elsewhere.using(backend="default").enqueue())
    assert (result.return_value, result.backend) == ("not elsewhere", "default")
    linked = ended(tasks.add.using(backend="linked").enqueue(1, 2))
    assert (linked.return_value, linked.backend, linked.task.get_backend()) == (3, "linked", task_backends["linked"])


def test_a_task_that_is_gone_from_the_code_is_said_of_its_result(site: Path, tasks: Any, backends: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from litequeue.django.api import InvalidTask

    result = tasks.add.using(queue_name="none").enqueue(1, 2)
    monkeypatch.delattr(tasks, "add")
    with pytest.raises(InvalidTask, match=r"job \d+: the task shop\.tasks\.add cannot be imported"):
        backends["default"].get_result(result.id)


def test_a_plain_worker_says_which_one_runs_djangos_tasks_and_leaves_its_schedules(site: Path, tasks: Any) -> None:
    task = tasks.add.using(queue_name="plain")
    result = task.enqueue(1, 2)
    done = litequeue("worker", site / "site.sqlite3", "--burst", "--queues", "plain", cwd=site)
    assert done.returncode == 0
    assert "shop.tasks.add is run by another worker than this: python manage.py litequeue worker (the settings are site_settings)" in done.stderr
    assert state(result) == "READY"


SCHEDULED = """
from site_settings import *
TASKS |= {"default": {"BACKEND": BACKEND, "OPTIONS": {"path": BASE_DIR / "scheduled.sqlite3", "schedules": {
    "often": {"task": "shop.tasks.add", "args": [20, 22], "every": "100ms", "priority": 5},
    "nightly": {"task": "shop.tasks.given", "kwargs": {"a": 1}, "cron": "0 3 * * *", "timezone": "Europe/Berlin"},
}}}}
"""


def test_schedules_of_the_settings_fire_and_are_gone_with_them(site: Path) -> None:
    (site / "scheduled.py").write_text(SCHEDULED)
    path = site / "scheduled.sqlite3"
    with LiteQueue(path) as app:
        app.stats()
        with run_worker_of(site, "scheduled", path):
            job = wait_until(lambda: app.jobs(state="succeeded", task="shop.tasks.add"), what="a tick")[0]
        assert (job.result, job.priority, job.schedule) == ("42", 5, "often")
        schedules = {info.name: info for info in app.schedules.list()}
        assert [(name, info.state) for name, info in schedules.items()] == [("nightly", "active"), ("often", "active")]
        assert "Europe/Berlin" in schedules["nightly"].trigger
        plain = litequeue("worker", path, "--burst", cwd=site)
        assert "they are declared in Django's settings (TASKS), which python manage.py litequeue worker reads" in plain.stderr
        assert {info.state for info in app.schedules.list()} == {"active"}
        (site / "scheduled.py").write_text(SCHEDULED.replace('"nightly": {', '"daily": {'))
        done = django_site.manage(site, "litequeue", "--settings=scheduled", "worker", "--burst")
        assert done.returncode == 0, done.stderr
        assert {info.name: info.state for info in app.schedules.list()} == {"often": "active", "daily": "active", "nightly": "disabled"}


@contextlib.contextmanager
def run_worker_of(site: Path, settings: str, path: Path) -> Iterator[None]:
    with django_site.worker(site, path, before=("--settings", settings)) as process:
        yield
        process.terminate()
        assert process.wait(20) == 0


# -- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"databse": "default"}, r"there is no 'databse'; there are database, path, defaults, tasks, schedules"),
        ({"database": "default", "path": "x"}, "not both"),
        ({"defaults": {"retrys": 3}}, "defaults has no option 'retrys'"),
        ({"defaults": {"queue": "mail"}}, "Django has a word of its own for that"),
        ({"defaults": {"retries": -1}}, "defaults: retries must be"),
        ({"defaults": 5}, "defaults must be a dict"),
        ({"tasks": {"shop.tasks.add": {"timeout": "soon"}}}, r"tasks\['shop.tasks.add'\]: timeout"),
        ({"tasks": []}, "tasks must be a dict"),
        ({"schedules": []}, "schedules must be a dict"),
    ],
)
def test_options_that_cannot_be_are_refused_as_the_settings_are_read(site: Path, options: dict[str, Any], said: str) -> None:
    from litequeue.django import LiteQueueBackend
    from litequeue.django.api import InvalidTaskBackend

    with pytest.raises(InvalidTaskBackend, match=said):
        LiteQueueBackend("x", {"OPTIONS": options})


def test_where_no_queue_can_be_is_said(site: Path, tasks: Any, backends: Any) -> None:
    from django.core.exceptions import ImproperlyConfigured
    from django.test import override_settings

    with pytest.raises(ImproperlyConfigured, match=r"'memory' is in memory, where no worker finds it. In tests give it a file"):
        tasks.add.using(backend="memory").enqueue(1, 2)
    with override_settings(TASKS={"default": {"BACKEND": "litequeue.django.LiteQueueBackend", "OPTIONS": {"database": "nowhere"}}}):
        with pytest.raises(ImproperlyConfigured, match="no database 'nowhere' in DATABASES; it has 'default'"):
            tasks.add.enqueue(1, 2)
        assert [message.id for message in backends["default"].check()] == ["litequeue.E002"]


def test_the_checks_name_what_of_a_database_makes_requests_fail(site: Path, backends: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from litequeue.django import LiteQueueBackend, checks

    def ids(alias: str) -> list[str]:
        return [message.id for message in backends[alias].check()]

    assert ids("default") == ids("own") == ids("memory") == []
    found = list(backends["deferred"].check())
    assert [message.id for message in found][-1] == "litequeue.W002" and "transaction_mode" in found[-1].hint
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 46, 1))
    first, second = backends["deferred"].check()
    assert (first.id, second.id) == ("litequeue.W001", "litequeue.W002")
    assert first.hint == 'DATABASES[\'deferred\']["OPTIONS"]["init_command"] = "PRAGMA wal_autocheckpoint=0"'
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert ids("deferred") == ["litequeue.W002"]
    wrong = LiteQueueBackend("default", {"OPTIONS": {"schedules": {"a": {"task": "shop.tasks.no_task", "every": "1h"}, "b": {"every": "1h"}, "c": 5,
                                                             "d": {"task": "shop.tasks.add", "every": "1h"}}}})  # fmt: skip
    messages = {message.msg.partition(": ")[2]: message.id for message in wrong.check()}
    assert set(messages.values()) == {"litequeue.E003"}
    assert [words.partition(":")[0] for words in messages] == ["schedules['a']", "schedules['b']", "schedules['c']", "schedules['d']"]
    monkeypatch.setattr(checks.apps, "is_installed", lambda name: False)
    assert ids("own") == ["litequeue.E001"]


def test_a_task_takes_options_of_ours_where_djangos_decorator_lets_it(site: Path, backends: Any, tasks: Any) -> None:
    from litequeue.django.api import InvalidTask
    from litequeue.django.codes import LiteQueueTask

    def make(**options: Any) -> Any:  # as the decorator does, from Django 6.1 on
        return LiteQueueTask(func=tasks.no_task, **{**DJANGOS, **options})

    made = make(retries=3, timeout="5m", unique=True, tags=["a"])
    assert made.using(priority=7).retries == 3
    code = backends["default"].ours(made).__litequeue_code__
    assert (code.columns.max_attempts, code.columns.timeout, code.template.unique is not None) == (4, 300_000_000, True)
    with pytest.raises(InvalidTask, match=r"shop\.tasks\.no_task: retries must be"):
        make(retries=-1)
    with pytest.raises(InvalidTask, match="at_most_once"):
        make(retries=3, at_most_once=True)


def test_the_default_that_is_unique_gives_the_job_that_there_is(site: Path, tasks: Any) -> None:
    from litequeue.django.codes import LiteQueueTask

    task = LiteQueueTask(func=tasks.add.func, **{**DJANGOS, "unique": True, "queue_name": "none"})
    assert task.enqueue(7, 8).id == task.enqueue(7, 8).id != task.enqueue(7, 9).id


# -- the command ---------------------------------------------------------------------------------------------------


def test_the_command_has_all_that_the_command_line_has(site: Path, tasks: Any) -> None:
    result = tasks.add.using(queue_name="none").enqueue(1, 2)
    number = result.id.partition("-")[0]
    jobs = django_site.manage(site, "litequeue", "jobs", "--queue", "none", "--limit", "1", "--settings", "site_settings")
    assert (jobs.returncode, jobs.stdout.split()[8:10]) == (0, [number, "available"]) or number in jobs.stdout, jobs.stderr
    one = django_site.manage(site, "litequeue", "job", number)
    assert one.returncode == 0 and '{"django.backend": "default"}' in one.stdout, one.stderr
    wrong = django_site.manage(site, "litequeue", "job", "999999")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    typed = django_site.manage(site, "litequeue", "worker", "--thread", "4")
    assert typed.returncode == 2 and typed.stderr.startswith("manage.py: litequeue worker: unrecognized arguments"), typed.stderr
    unit = django_site.manage(site, "litequeue", "service", "--", "--threads", "3").stdout
    assert f"ExecStart={sys.executable} {site}/manage.py litequeue --settings site_settings --backend default worker --noreload --grace 30 --threads 3\n" in unit
    assert f"WorkingDirectory={site}\n" in unit
    memory = django_site.manage(site, "litequeue", "--backend", "memory", "jobs")
    assert memory.returncode == 1 and memory.stderr.startswith("CommandError: the database 'memory' is in memory"), memory.stderr
    unknown = django_site.manage(site, "litequeue", "--backend", "dummy", "jobs")
    assert unknown.returncode == 1 and "TASKS has no backend of litequeue named 'dummy'" in unknown.stderr, unknown.stderr


def test_a_worker_of_an_executable_manage_py_runs_alone_and_beside_the_program_that_follows_it(site: Path, queue: LiteQueue) -> None:
    manage, told = site / "manage.py", site / "told"
    manage.write_text(f"#!{sys.executable}\n{django_site.MANAGE}")
    manage.chmod(0o755)  # as startproject makes it
    with run_worker(site, "--queues", "alone", "--name", "alone", start_new_session=True) as process:
        try:
            assert [worker.pid for worker in queue.stats().workers if worker.name.startswith("alone")] == [process.pid], "no parent, and so no program"
            process.terminate()
            assert process.wait(20) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    done = django_site.manage(site, "litequeue", "worker", "--queues", "alone", "--", sys.executable, "-c", f"open({str(told)!r}, 'w').write('beside'); raise SystemExit(7)")
    assert (done.returncode, told.read_text()) == (7, "beside"), done.stderr
    manage.chmod(0o644)
    burst(site, "--queues", "alone")


def test_with_debug_a_worker_is_started_anew_when_code_has_changed(site: Path) -> None:
    (site / "debugging.py").write_text('from site_settings import *\nDEBUG = True\nTASKS |= {"default": {"BACKEND": BACKEND, "OPTIONS": {"path": BASE_DIR / "debug.sqlite3"}}}\n'
                                       'INSTALLED_APPS += ["moody"]\n')  # fmt: skip
    (site / "moody").mkdir()
    (site / "moody" / "__init__.py").write_text("")
    code = "import sys\ntry:\n    from django.tasks import task\nexcept ImportError:\n    from django_tasks import task\n\n@task\ndef mood():\n    return 'old'\n"
    (site / "moody" / "tasks.py").write_text(code)
    path = site / "debug.sqlite3"
    with LiteQueue(path) as app:
        app.stats()
        program = (sys.executable, "manage.py", "litequeue", "--settings", "debugging")
        with worker_process(path, program=program, cwd=site, env=django_site.environment(), wait=False, start_new_session=True) as process:
            try:
                assert app.enqueue("moody.tasks.mood").get(timeout=30) == "old"
                before = {worker.pid for worker in app.stats().workers}

                def is_anew() -> bool:
                    # Django looks once a second, and a file that it has not seen before is not changed.
                    (site / "moody" / "tasks.py").write_text(code.replace("'old'", "'new one'"))
                    time.sleep(0.05)
                    return bool({worker.pid for worker in app.stats().workers} - before)

                wait_until(is_anew, 20, "another worker")
                assert app.enqueue("moody.tasks.mood").get(timeout=30) == "new one"
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(20)
        assert not [job for job in app.jobs() if job.interruptions]


def test_importing_litequeue_loads_nothing_of_it() -> None:
    code = "import sys, litequeue, litequeue.django; print([name for name in sys.modules if name.split('.')[0] in ('django', 'asgiref', 'django_tasks') or name == 'litequeue.django.backend'])"
    done = subprocess.run([sys.executable, "-c", code], env=django_site.environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
