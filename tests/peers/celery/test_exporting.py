"""What ``export`` asks of a Celery app, and refuses and warns of before anything is sent."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from litequeue import Backoff, LiteQueue, NotBound
from litequeue.base.errors import CannotOpen, InvalidArgument, InvalidType
from tests.peers import peer
from tests.peers.celery.servers import run
from tests.support import ROOT, environment

peer("celery")
pytestmark = pytest.mark.beside

from celery import Celery

from litequeue.celery import NotCarried, export
from litequeue.celery.bookkeeping import Bookkeeping
from litequeue.celery.carried import Broker, message_options
from litequeue.tasks import Template

REDIS, RABBIT = Broker.of("redis", {}), Broker.of("amqp", {})


@pytest.fixture
def celery() -> Iterator[Celery]:
    app = Celery("t", broker="memory://", backend="cache+memory://", set_as_current=False)
    yield app
    app.close()


@pytest.fixture
def app() -> LiteQueue:
    return LiteQueue("never.sqlite")


def test_the_package_loads_nothing_of_it() -> None:
    code = "import sys, litequeue; print([name for name in sys.modules if name.startswith(('celery', 'kombu', 'litequeue.celery', 'litequeue.compat', 'litequeue.django'))])"
    done = run(ROOT, environment(), "-c", code)
    assert done.stdout == "[]\n", done.stderr


def test_a_celery_app_gets_our_serializer_and_keeps_what_its_owner_has_said(app: LiteQueue, celery: Celery) -> None:
    celery.conf.accept_content, celery.conf.worker_prefetch_multiplier, celery.conf.task_default_priority = ["json", "yaml"], 8, 2
    celery.conf.result_accept_content = ["json"]
    export(app, celery)
    conf = celery.conf
    assert (conf.accept_content, conf.result_accept_content, conf.result_serializer) == (["json", "yaml", "litequeue"], ["json", "litequeue"], "litequeue")
    assert (conf.worker_prefetch_multiplier, conf.task_default_priority) == (8, 2)
    export(LiteQueue("another.sqlite"), celery)
    assert conf.accept_content.count("litequeue") == 1


def test_who_has_said_nothing_gets_defaults_for_priorities(app: LiteQueue) -> None:
    celery = Celery("t", broker="redis://127.0.0.1:1/0", set_as_current=False)
    export(app, celery)
    assert (celery.conf.worker_prefetch_multiplier, celery.conf.task_default_priority) == (1, 6)


def test_it_opens_no_file_and_connects_to_nothing(app: LiteQueue, tmp_path: Any) -> None:
    celery = Celery("t", broker="redis://127.0.0.1:1/0", backend="redis://127.0.0.1:1/1", set_as_current=False)
    app = LiteQueue(tmp_path / "db.sqlite")
    app.task(name="t")(lambda: None)
    export(app, celery)
    assert celery.conf.accept_content and list(tmp_path.iterdir()) == []


def test_an_app_without_a_path_needs_none_any_more(celery: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LITEQUEUE_DB", raising=False)
    app = LiteQueue()
    task = app.task(name="t")(lambda: None)
    export(app, celery)
    assert task.delay().state == "available"
    with pytest.raises(NotBound, match="a job of a number is one in a file, and this app had none"):
        app.job(17)


def test_a_task_that_is_made_later_goes_too(app: LiteQueue, celery: Celery) -> None:
    assert export(app, celery) == {}
    task = app.task(name="late", timeout="10s")(lambda: None)
    task.delay()
    assert celery.tasks["late"].soft_time_limit == 10


def test_without_sending_the_app_stays_as_it_is(celery: Celery, tmp_path: Any) -> None:
    with LiteQueue(tmp_path / "db.sqlite") as app:
        task = app.task(name="t")(lambda: None)
        assert list(export(app, celery, send=False)) == ["t"]
        assert task.delay().id == 1 and app.stats().states["available"] == 1


@pytest.mark.parametrize(("first", "second", "words"), [
    ("app", None, "export takes a LiteQueue app and a Celery app, not str"), (None, "celery", "the second is str: 'celery'"),
])  # fmt: skip
def test_what_is_no_app_is_refused(first: Any, second: Any, words: str, app: LiteQueue, celery: Celery) -> None:
    with pytest.raises(InvalidType, match=words):
        export(first or app, second or celery)


def test_an_app_sends_to_one_celery_app_and_a_name_is_one_tasks(app: LiteQueue, celery: Celery) -> None:
    app.task(name="t")(lambda: None)
    export(app, celery)
    export(app, celery)
    with pytest.raises(InvalidArgument, match="this app was exported to another Celery app, 't', and sends there"):
        export(app, Celery("second", broker="memory://", set_as_current=False))
    other = LiteQueue("other.sqlite")
    other.task(name="t")(lambda: 1)
    with pytest.raises(InvalidArgument, match="two apps that are exported to one Celery app have a task 't'"):
        export(other, celery)


def test_what_celery_has_no_counterpart_for_is_warned_of_once_for_each_option(app: LiteQueue, celery: Celery) -> None:
    def nothing(x: int = 0) -> None: ...

    app.register_codec("own", repr, eval)
    told = app.task(name="told")(nothing)
    app.task(name="a", unique=True, tags=["x"], max_running=2)(nothing)
    app.task(name="b", unique=True, result_ttl="1h", output="drop", on_success=told)(nothing)
    app.task(name="c", pool="process", memory="1G", codec="own")(json.dumps)
    app.on_discarded(told)
    app.task(name="plain", retries=3, backoff=Backoff(base=2), timeout=5, secret="x", priority=1, queue="q", expires="1h", at_most_once=False)(nothing)
    with pytest.warns(NotCarried) as caught:
        export(app, celery)
    said = sorted(str(warning.message).partition(" does")[0] for warning in caught)
    assert said == [
        "@app.on_discarded of the app", "codec of c", "max_running, rate or limit of a", "memory, cpu_time or nice of c", "on_success or on_failure of b", "output of b",
        "result_ttl (result_expires is the Celery app's) of b", "tags of a", "unique of a, b",
    ]  # fmt: skip
    assert {warning.filename for warning in caught} == {__file__}, "where the app is exported"


def test_tags_of_an_enqueue_are_warned_of_too(app: LiteQueue, celery: Celery) -> None:
    task = app.task(name="t")(lambda: None)
    export(app, celery)
    with pytest.warns(NotCarried, match="tags of a job of t say nothing on Celery"):
        task.apply_async(tags=["import"])


def test_what_is_carried_is_not_warned_of(app: LiteQueue, celery: Celery) -> None:
    app.task(name="plain", retries=3, timeout=5, secret="x", queue="q", expires="1h", headers={"a": 1})(lambda x: None)
    app.every("1h", name="hourly")(app.task(name="t")(lambda: None))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export(app, celery)


@pytest.mark.parametrize(("priority", "redis", "rabbit"), [(-1_000_000, 9, 0), (-1, 9, 3), (0, 6, 4), (1, 3, 5), (2, 0, 6), (1_000_000, 0, 9)])
def test_priorities_keep_their_order_as_far_as_the_broker_has_steps(priority: int, redis: int, rabbit: int) -> None:
    assert (REDIS.rank(priority), RABBIT.rank(priority)) == (redis, rabbit)


@pytest.mark.parametrize(("options", "visibility"), [({}, 3600), ({"visibility_timeout": 43_200}, 43_200)])
def test_a_job_that_redis_would_hand_out_again_while_it_waits_is_refused(options: Any, visibility: int) -> None:
    broker, task = Broker.of("redis", options), Template.of("t", None)
    good = message_options(broker, task, {"countdown": visibility - 60}, 0)
    assert good["eta"].timestamp() == visibility - 60
    with pytest.raises(InvalidArgument, match=rf'after its visibility_timeout of {visibility} s. Raise broker_transport_options\["visibility_timeout"\], or leave such jobs in the file'):
        message_options(broker, task, {"countdown": visibility - 59}, 0)
    assert message_options(RABBIT, task, {"countdown": "30d"}, 0)["eta"].timestamp() == 30 * 86_400


def test_bookkeeping_travels_as_it_is_and_keeps_the_last_errors() -> None:
    book = Bookkeeping(max_attempts=3, created_at=1, headers='{"a": 1}', moved=True)
    for number in range(12):
        book = book.after_a_failure("ValueError", f"{number}" * 1000)
    book = book.after_a_snooze()
    assert Bookkeeping.of(book.as_headers())._replace(errors=()) == book._replace(errors=())
    assert (book.failures, book.executions, len(book.errors), len(book.errors[-1][2])) == (12, 13, 10, 500)
    assert Bookkeeping.of(None) == Bookkeeping.of({"litequeue": "planted"}) == Bookkeeping()


def test_a_handle_without_a_result_backend_says_what_is_missing(app: LiteQueue) -> None:
    celery = Celery("t", broker="memory://", set_as_current=False)
    task = app.task(name="t")(lambda: None)
    export(app, celery)
    job = task.delay()
    with pytest.raises(CannotOpen, match="the Celery app has no result backend"):
        job.get(timeout=1)
    assert repr(job).endswith(" in Celery>") and isinstance(job.id, str)
