"""The app of a test is on the test's file, whatever it was on before, and back on that after the test, however that ends."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    CannotOpen,
    InvalidArgument,
    InvalidType,
    LiteQueue,
    NotBound,
    known,
    shared_task,
)
from litequeue.base.clock import SystemClock
from litequeue.testing import testing

from ..support import FakeClock

pytestmark = pytest.mark.beside


def test_the_app_is_back_on_its_own_file_after_the_test(app: LiteQueue, db: Path) -> None:
    own = app.enqueue("own")
    client = app._client
    before = dict(vars(client))
    with testing(app) as queue:
        assert (app.stats().states, app.path != str(db), queue.app) == ({}, True, app)
        app.enqueue("the.tests")
        assert client._store is not None and client._store.database._durability == "normal"
        path = app.path
    assert (app.path, vars(client).keys(), client.clock) == (str(db), before.keys(), before["clock"])
    assert [info.task for info in app.jobs()] == ["own"] and own.state == "available"
    assert not os.path.exists(path) and not os.path.exists(os.path.dirname(path))
    with testing(app):
        assert app.jobs() == [], "each test has a file of its own"


def test_also_after_a_test_that_fails(app: LiteQueue, db: Path) -> None:
    app.task(name="t")(lambda: None).delay()
    for error in (AssertionError, KeyboardInterrupt):
        with pytest.raises(error), testing(app) as queue:
            app.enqueue("t")
            queue.drain()
            raise error
        assert app.path == str(db) and app.stats().states["available"] == 1
    assert app._client.hooks.after == []


def test_inside_of_one_another_each_has_its_own(app: LiteQueue, db: Path) -> None:
    task = app.task(name="t")(lambda: None)
    with testing(app) as outer:
        task.delay()
        outer.advance("1h", run=False)
        with testing(app) as inner:
            assert (inner.drain(), outer.now <= inner.now) == (0, True)
            inner.inline = True
            assert task.delay().state == "succeeded"
        assert (outer.drain(), task.delay().state) == (1, "available")
    assert app.path == str(db) and not db.exists()


def test_an_app_without_a_path_has_the_tests_and_none_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "serving", None)
    app = LiteQueue()
    with testing(app) as queue:
        assert queue.run(app.task(name="t")(lambda: 4)) == 4
    with pytest.raises(NotBound):
        app.stats()


def test_a_factory_that_binds_the_app_in_a_test_binds_it_for_afterwards(tmp_path: Path) -> None:
    app = LiteQueue(lambda: pytest.fail("the test's file is the test's"))
    with testing(app):
        mine = app.path
        app.bind(tmp_path / "production.sqlite")
        app.enqueue("t")
        assert app.path == mine
        with pytest.raises(InvalidType):
            app.bind(5)  # type: ignore[arg-type]
    assert app.path == str(tmp_path / "production.sqlite") and not os.path.exists(app.path)
    app.enqueue("t")
    with testing(app):
        app.bind(tmp_path / "elsewhere.sqlite")
    assert app.path == str(tmp_path / "production.sqlite"), "it was in use before"
    app.close()


def test_the_clock_is_the_apps_own(db: Path, clock: FakeClock) -> None:
    with LiteQueue(db, clock=clock) as app, testing(app) as queue:
        job = app.task(name="t")(lambda: None).apply_async(countdown=60)
        assert queue.now.timestamp() == clock.wall / 1_000_000
        clock.advance(60)
        assert (queue.drain(), job.state) == (1, "succeeded")
        queue.advance(60)
        assert queue.now.timestamp() == clock.wall / 1_000_000 + 60
    assert type(LiteQueue(db)._client.clock) is SystemClock


def test_a_worker_of_the_app_beside_it_works_on_the_tests_file(app: LiteQueue) -> None:
    with testing(app) as queue:
        task = app.task(name="t")(lambda: 4)
        later = task.apply_async(countdown="1h")
        queue.advance("2h", run=False)
        with app.worker(threads=1):
            assert (task.delay().get(timeout=10), later.get(timeout=10)) == (4, 4)


def test_shared_tasks_are_the_apps(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_apps", []), ("shared", {}), ("serving", None)):
        monkeypatch.setattr(known, name, value)
    known.note_app(app)
    task = shared_task(name="shared")(lambda: 4)
    with testing() as queue:
        app.enqueue("shared")
        assert (queue.drain(), queue.run(task)) == (1, 4)
    with pytest.raises(NotBound, match=r"which nobody has adopted, and this process has 2 apps"):
        known.note_app(LiteQueue("other"))
        other = LiteQueue("another")
        shared_task(name="another")(print).delay()
    del other


def test_the_only_app_of_a_process_is_found_and_of_several_one_is_to_be_named(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "_apps", [])
    with pytest.raises(NotBound, match=r"testing\(\) has the only app, and this process has no app"), testing():
        pass
    known.note_app(app)
    with testing() as queue:
        assert queue.app is app
    another = LiteQueue("another")
    with pytest.raises(NotBound, match=rf"2 apps, {app!r} and {another!r}: testing\(app\) says which"), testing():
        pass


def test_the_file_may_be_said_and_must_not_be_there(app: LiteQueue, tmp_path: Path) -> None:
    with testing(app, path=tmp_path / "mine"):
        app.enqueue("t")
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o600, "and stays, to be looked at"
    wrongs: list[tuple[Any, type[Exception], str]] = [
        (tmp_path / "mine", InvalidArgument, "is there already"), (tmp_path / "no" / "such", CannotOpen, "cannot create .*No such file"),
        (5, InvalidType, "must be a path"), (":memory:", InvalidArgument, "file on disk"),
    ]  # fmt: skip
    for path, kind, said in wrongs:
        with pytest.raises(kind, match=said), testing(app, path=path):
            pass
    with pytest.raises(InvalidType, match=r"testing\(\) takes an app, made by LiteQueue\(\.\.\.\), not str"), testing("app"):  # type: ignore[arg-type]
        pass


def test_a_test_that_uses_no_queue_costs_next_to_nothing(app: LiteQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with testing(app):
        assert app._client._store is None
    assert list(tmp_path.iterdir()) == []
