"""Apps that are made without a path: who says it, until when it may change, and what a worker makes of them."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    InvalidArgument,
    InvalidType,
    Job,
    LiteQueue,
    LitequeueError,
    NotBound,
    chain,
    known,
)

from .prepared import litequeue, worker_process
from .support import environment

pytestmark = pytest.mark.beside


@pytest.fixture(autouse=True)
def nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process bind apps as a worker does."""
    monkeypatch.setattr(known, "serving", None)


@pytest.fixture
def late() -> Iterator[LiteQueue]:
    with LiteQueue() as app:
        yield app


def double(x: int = 1) -> int:
    return 2 * x


def test_all_can_be_declared_before_the_file_is_known(late: LiteQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[int] = []
    app = LiteQueue(lambda: asked.append(1) or tmp_path / "db.sqlite")  # type: ignore[func-returns-value]
    for made in (late, app):
        task = made.task(on_failure=made.task(name="told")(print), max_running=1, name="double")(double)
        made.every("1h", name="s")(task)
        made.limit("l", max_running=2)
        made.on("succeeded")(print)
        made.on_discarded(made.task(name="discarded")(print))
        assert repr(chain(task.s(1), task.s())) == "double.s(1) | double.s()"
        assert repr(made) == "<LiteQueue without a path yet>"
    assert (asked, list(tmp_path.iterdir())) == ([], [])


@pytest.mark.parametrize(
    "use",
    [
        lambda app, task: task.delay(1), lambda app, task: app.path, lambda app, task: app.stats(), lambda app, task: app.worker(),
        lambda app, task: app.job(1).state, lambda app, task: (task.s(1) | task.s()).delay(), lambda app, task: app.schedules.list(),
        lambda app, task: task.delay_many([(1,)]), lambda app, task: app.lock("l").__enter__(), lambda app, task: pickle.dumps(app.job(1)),
    ],
)  # fmt: skip
def test_whoever_uses_an_app_without_a_file_is_told_how_to_bind_it(late: LiteQueue, use: Callable[[LiteQueue, Any], object]) -> None:
    task = late.task(name="double")(double)
    with pytest.raises(NotBound, match=r"app\.bind\(path\).*LiteQueue\(path\).*LITEQUEUE_DB.*a worker binds") as raised:
        use(late, task)
    assert isinstance(raised.value, LitequeueError) and isinstance(raised.value, RuntimeError)


def test_it_works_on_the_file_that_it_was_bound_to(late: LiteQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = late.task(name="double")(double)
    late.bind(tmp_path / "first")
    monkeypatch.chdir(tmp_path)
    late.bind("db.sqlite")  # said again: the last counts, made absolute there and then
    monkeypatch.chdir("/")
    job = task.delay(4)
    assert (late.path, repr(late)) == (str(tmp_path / "db.sqlite"), f"<LiteQueue {tmp_path / 'db.sqlite'}>")
    assert not (tmp_path / "first").exists()
    with late.worker():
        assert job.get(timeout=10) == 8
    assert pickle.loads(pickle.dumps(job)) == copy.copy(job) == job
    assert Job[int](pickle.loads(pickle.dumps(job))._client, job.id).get(timeout=0) == 8


def test_one_that_is_in_use_is_bound_to_another_file_once_it_is_closed(late: LiteQueue, tmp_path: Path) -> None:
    late.bind(tmp_path / "one")
    late.enqueue("t")
    late.bind(tmp_path / "one")
    os.symlink(tmp_path / "one", tmp_path / "alias")
    late.bind(tmp_path / "alias")  # the same
    with pytest.raises(InvalidArgument, match=r"bound to .*one, .*app\.close\(\).*two files at once are two apps"):
        late.bind(tmp_path / "two")
    assert late.stats().states["available"] == 1
    late.close()
    late.bind(tmp_path / "two")
    assert (sum(late.stats().states.values()), late.path) == (0, str(tmp_path / "two"))


def test_one_that_is_closed_and_used_again_stays_where_it_was(late: LiteQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITEQUEUE_DB", str(tmp_path / "one"))
    late.enqueue("t")
    late.close()
    monkeypatch.setenv("LITEQUEUE_DB", str(tmp_path / "two"))
    assert late.stats().states["available"] == 1


@pytest.mark.parametrize("wrong", [None, 5, b"db", "", ":memory:", "file:db"])
def test_what_is_no_path_is_refused_whoever_says_it(late: LiteQueue, wrong: Any) -> None:
    with pytest.raises((InvalidType, InvalidArgument)):
        late.bind(wrong)
    with pytest.raises((InvalidType, InvalidArgument)), LiteQueue(lambda: wrong) as app:
        app.stats()
    if wrong is None:
        with pytest.raises(InvalidType):  # os.environ.get() of what is not there
            LiteQueue(wrong)


def test_an_app_with_a_path_is_not_bound(app: LiteQueue) -> None:
    with pytest.raises(InvalidArgument, match=r"works on .*db\.sqlite.*without a path, LiteQueue\(\)"):
        app.bind("other.sqlite")


def test_a_function_is_asked_at_the_first_use_and_again_where_it_failed(tmp_path: Path) -> None:
    settings: dict[str, Path] = {}
    asked: list[int] = []

    def path() -> Path:
        asked.append(1)
        return settings["QUEUE"]

    with LiteQueue(path, durability="normal") as app:
        for _ in range(2):
            with pytest.raises(KeyError, match="QUEUE"):
                app.stats()
        settings["QUEUE"] = tmp_path / "db.sqlite"
        app.enqueue("t")
        app.enqueue("t")
        assert (len(asked), app.path) == (3, str(tmp_path / "db.sqlite"))


def test_who_says_it_counts_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITEQUEUE_DB", str(tmp_path / "environment"))
    assert LiteQueue().path == str(tmp_path / "environment")
    monkeypatch.setattr(known, "serving", str(tmp_path / "served"))
    assert LiteQueue().path == str(tmp_path / "served")
    asked = LiteQueue(lambda: str(tmp_path / "function"))
    assert asked.path == str(tmp_path / "function")
    asked.bind(tmp_path / "bound")
    assert asked.path == str(tmp_path / "bound")
    asked._client.bind(str(tmp_path / "worker"))
    asked.bind(tmp_path / "elsewhere")
    assert asked.path == str(tmp_path / "worker"), "what a task enqueues belongs into its worker's file"
    assert list(tmp_path.iterdir()) == []


def test_threads_that_are_first_at_once_come_to_one_file(tmp_path: Path) -> None:
    with LiteQueue(lambda: tmp_path / "db.sqlite") as app:
        threads = [threading.Thread(target=app.enqueue, args=("t",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert app.stats().states["available"] == 8


def test_schedules_of_an_app_that_is_bound_later_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(
        "from litequeue import LiteQueue\nmine, theirs = LiteQueue(), LiteQueue()\n"
        "@mine.every('1h', name='mine')\n@mine.task\ndef m(): ...\n@theirs.every('1h', name='theirs')\n@theirs.task\ndef t(): ...\n"
        "if __name__ == '__main__':\n    mine.bind('db.sqlite')\n    mine.run_worker(burst=True)\n    print([info.name for info in mine.schedules.list()])\n"
    )
    done = subprocess.run([sys.executable, "two.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "['mine']\n", done.stderr


# -- workers -----------------------------------------------------------------------------------------------


FACTORY = """
from litequeue import LiteQueue, current_job
queue = LiteQueue()
other = LiteQueue()                                  # without tasks of its own
def create_app(path):
    queue.bind(path)
    return queue
@queue.every("1h", run_immediately=True)
@queue.task
def hello():
    create_app("elsewhere.sqlite")                   # as a task does that wants the web framework's context
    queue.enqueue("later")
    other.enqueue("theirs")
    return queue.path
@queue.task(pool="process")
def computed():
    other.enqueue("of.a.process")
    return other.path
"""


def test_a_worker_binds_the_apps_of_its_modules_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(FACTORY)
    done = litequeue("worker", "db.sqlite", "--import", "shop", "--burst", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with LiteQueue(tmp_path / "db.sqlite") as app:
        (hello,) = app.jobs(task="shop.hello")
        assert (hello.state, hello.result, hello.schedule) == ("succeeded", f'"{tmp_path / "db.sqlite"}"', "shop.hello")
        assert {info.task for info in app.jobs(state="available")} == {"later", "theirs"}
    assert not (tmp_path / "elsewhere.sqlite").exists()


@pytest.mark.slow
def test_so_does_one_that_finds_them_by_their_jobs_and_its_processes(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(FACTORY)
    code = "import shop\nshop.create_app('db.sqlite')\nshop.hello.delay()\nshop.computed.delay()"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), timeout=30, check=True)
    with LiteQueue(tmp_path / "db.sqlite") as app, worker_process(tmp_path / "db.sqlite", cwd="/"):
        assert {app.job(job).get(timeout=20) for job in (1, 2)} == {app.path}
        assert {info.task for info in app.jobs(state="available")} == {"later", "theirs", "of.a.process"}
    assert not (tmp_path / "elsewhere.sqlite").exists()


def test_a_worker_whose_app_is_trusted_with_anyone_is_that_too(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("from litequeue import LiteQueue\nqueue = LiteQueue(trust='anyone')\n@queue.task\ndef f(): ...\n")
    folder = tmp_path / "open"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    done = litequeue("worker", folder / "db.sqlite", "--import", "shop", "--burst", cwd=tmp_path)
    assert (done.returncode, "are trusted" in done.stderr) == (0, True), done.stderr
