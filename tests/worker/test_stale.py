"""A worker inside a program whose code is no longer that of the files, or that has started another in its place."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from litequeue import InvalidArgument, LiteQueue, ResultTimeout
from litequeue.base.models import ClaimedJob
from litequeue.task import Task
from litequeue.worker import staleness
from litequeue.worker.admission import Admission

from ..support import environment, wait_until

pytestmark = pytest.mark.beside

SHOP = """
from litequeue import LiteQueue
app = LiteQueue({db!r})

@app.task
def price():
    return {price!r}

@app.task(pool="process")
def slow_price():
    return {price!r}
"""


class Shop:
    """A module of tasks in a file that the test edits."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "shop_of_test_stale.py"
        self.db = directory / "db.sqlite"
        self.edit("old")

    def edit(self, price: str) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(SHOP.format(db=str(self.db), price=price))
        os.replace(new, self.file)  # as editors do

    def load(self) -> ModuleType:
        return importlib.import_module(self.file.stem)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.syspath_prepend(str(tmp_path))
    shop = Shop(tmp_path)
    yield shop
    module = sys.modules.pop(shop.file.stem, None)
    if module is not None:
        module.app.close()


# -- the file was changed ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_after_an_edit_no_job_runs_the_code_from_before_it(shop: Shop) -> None:
    """A web framework's reloader: the parent keeps its worker, and a child has the code of now (8 of 12 jobs were old)."""
    old = shop.load()
    with old.app.worker(threads=2):
        assert old.price.delay().get(timeout=10) == "old"
        shop.edit("newer")
        program = f"import {shop.file.stem} as shop; w = shop.app.worker(threads=1).start(); input(); w.stop()"
        child = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, cwd=shop.file.parent, env=environment(), text=True
        )
        try:
            jobs = [old.price.delay() for _ in range(12)]
            assert [job.get(timeout=20) for job in jobs] == ["newer"] * 12
        finally:
            child.communicate("\n", timeout=20)
        assert child.returncode == 0


def test_who_waits_for_such_a_job_is_told_why_it_does_not_start(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    module = shop.load()
    with module.app.worker(threads=1):
        shop.edit("newer")
        job = module.price.delay()
        why = f"{shop.file.name} was changed after its program had imported it"
        wait_until(lambda: why in str(job.why_waiting()))
        with pytest.raises(ResultTimeout, match="restart"):
            job.get(timeout=0.05)
    assert sum(why in record.getMessage() for record in caplog.records) == 2, "once for each of the two tasks"


def test_it_is_said_when_the_file_changes_and_not_only_when_a_job_comes(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    module = shop.load()
    module.app.stats()
    with module.app.worker(threads=1):
        shop.edit("newer")
        wait_until(lambda: "was changed after" in caplog.text, what="it is logged")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["touched", "changed back", "gone for a moment"])
def test_code_that_is_as_it_was_runs(shop: Shop, how: str) -> None:
    module = shop.load()
    with module.app.worker(threads=1):
        if how == "changed back":
            shop.edit("newer")
            job = module.price.delay()
            wait_until(lambda: "was changed" in str(job.why_waiting()))
            shop.edit("old")
        else:
            os.utime(shop.file, (1, 1))
            if how == "gone for a moment":
                shop.file.rename(shop.file.with_suffix(".away"))
            job = module.price.delay()
        assert job.get(timeout=10) == "old"


def test_a_module_that_is_loaded_anew_runs_its_new_code(shop: Shop) -> None:
    module = shop.load()
    with module.app.worker(threads=1):
        assert module.price.delay().get(timeout=10) == "old"
        shop.edit("newer")
        job = module.price.delay()
        wait_until(lambda: "was changed" in str(job.why_waiting()))
    sys.path_importer_cache.clear()
    module.app.close()
    module = importlib.reload(module)
    with module.app.worker(threads=1):
        assert job.get(timeout=10) == "newer"


def test_a_notebook_that_reloads_the_module_of_its_tasks_goes_on_with_the_new_code(shop: Shop) -> None:
    """The app lives elsewhere, as its worker does; only the tasks' module is executed anew."""
    app = LiteQueue(shop.db)
    tasks = shop.file.with_name("tasks_of_test_stale.py")
    text = "from __main__ import app_of_test_stale as app\n@app.task(name='price')\ndef price(): return {!r}\n"
    tasks.write_text(text.format("old"))
    main = sys.modules["__main__"]
    main.app_of_test_stale = app  # type: ignore[attr-defined]
    try:
        module = importlib.import_module(tasks.stem)
        with app.worker(threads=1):
            assert module.price.delay().get(timeout=10) == "old"
            tasks.write_text(text.format("newer"))
            importlib.reload(module)
            assert module.price.delay().get(timeout=10) == "newer"
    finally:
        del main.app_of_test_stale
        sys.modules.pop(tasks.stem, None)
        app.close()


def test_a_worker_may_be_told_to_run_what_it_has(shop: Shop) -> None:
    module = shop.load()
    with module.app.worker(threads=1, stale="run"):
        shop.edit("newer")
        assert module.price.delay().get(timeout=10) == "old"
    with pytest.raises(InvalidArgument, match="stale must be one of wait, run, not 'no'"):
        module.app.worker(stale="no")


def test_a_command_is_started_anew_by_whoever_changes_the_code_and_watches_no_file(shop: Shop) -> None:
    module = shop.load()
    shop.edit("newer")
    job = module.price.delay()
    assert module.app.run_worker(burst=True) == 0
    assert job.get(timeout=1) == "old"


def test_a_worker_that_is_started_after_the_edit_does_not_run_the_old_code_either(shop: Shop) -> None:
    """What a notebook's user does when he reads the warning."""
    module = shop.load()
    with module.app.worker(threads=1):
        shop.edit("newer")
    with module.app.worker(threads=1):
        job = module.price.delay()
        wait_until(lambda: "was changed" in str(job.why_waiting()))


def test_an_edit_between_the_import_and_the_first_worker_counts(shop: Shop) -> None:
    module = shop.load()
    shop.edit("newer")
    with module.app.worker(threads=1):
        job = module.price.delay()
        wait_until(lambda: "was changed" in str(job.why_waiting()))


def test_only_what_was_executed_anew_is_current(shop: Shop) -> None:
    """A reload that fails half-way, and a function that makes its task once more."""
    shop.file.write_text(f"""
from litequeue import LiteQueue
app = globals().get("app") or LiteQueue({str(shop.db)!r})
@app.task
def one(): return "old"
def make():
    @app.task(name="made")
    def made(): return "old"
make()
@app.task
def other(): return "old"
""")
    module = shop.load()
    with module.app.worker(threads=1):
        text = shop.file.read_text().replace("old", "newer").replace("make()\n", "raise ValueError\n")
        shop.file.write_text(text)
        thread = threading.Thread(target=module.make)
        thread.start()
        thread.join()
        with pytest.raises(ValueError):
            importlib.reload(module)
        assert module.app.send_task(f"{shop.file.stem}.one").get(timeout=10) == "newer"
        for name in (f"{shop.file.stem}.other", "made"):
            job = module.app.send_task(name)
            wait_until(lambda job=job: "was changed" in str(job.why_waiting()))  # type: ignore[misc]


def test_an_edit_of_the_same_size_with_the_old_time_is_one(shop: Shop) -> None:
    module = shop.load()
    with module.app.worker(threads=1):
        assert module.price.delay().get(timeout=10) == "old"
        before = shop.file.stat()
        shop.file.write_text(shop.file.read_text().replace("old", "new"))
        os.utime(shop.file, ns=(before.st_atime_ns, before.st_mtime_ns))
        job = module.price.delay()
        wait_until(lambda: "was changed" in str(job.why_waiting()))


def test_an_edit_while_the_worker_waits_for_its_turn_to_write_is_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as that takes, the program of after the edit may enqueue."""

    def accepts(self: Admission, job: ClaimedJob) -> bool:
        if waited:
            shop.edit("new")
            waited.pop()
            time.sleep(10 * staleness.PAUSE_FILE)
        return original(self, job)

    original, waited = Admission.accepts, [True]
    module = shop.load()
    monkeypatch.setattr(Admission, "accepts", accepts)
    with module.app.worker(threads=1):
        job = module.price.delay()
        wait_until(lambda: "was changed" in str(job.why_waiting()))
        assert job.info().attempt == 0


def test_what_is_no_file_any_more_holds_nobody_up(shop: Shop) -> None:
    module = shop.load()
    with module.app.worker(threads=1):
        shop.file.unlink()
        os.mkfifo(shop.file)
        assert module.price.delay().get(timeout=10) == "old"


def test_a_module_with_a_relative_path_is_looked_for_where_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(shop.file.parent)
    spec = importlib.util.spec_from_file_location(shop.file.stem, shop.file.name)
    assert spec is not None and spec.loader is not None
    module = sys.modules[shop.file.stem] = importlib.util.module_from_spec(spec)
    module.__file__ = shop.file.name
    spec.loader.exec_module(module)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / shop.file.name).write_text("another")
    monkeypatch.chdir(elsewhere)
    with module.app.worker(threads=1):
        assert module.price.delay().get(timeout=10) == "old"


# -- another worker in its place -------------------------------------------------------------------------------


def test_running_a_notebook_again_leaves_no_worker_of_the_first_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """34 of 40 jobs ran the first cell's code."""

    def run_all(price: str) -> tuple[LiteQueue, list[object]]:
        app = LiteQueue(tmp_path / "db.sqlite")
        task = app.task(name="price")(lambda: price)
        worker = app.worker(threads=4).start()
        return app, [worker, *(job.get(timeout=10) for job in [task.delay() for _ in range(40)])]

    first, (old, *prices) = run_all("old")
    assert set(prices) == {"old"}
    second, (new, *prices) = run_all("newer")
    assert set(prices) == {"newer"}
    assert old.join(5) and not new.join(0)  # type: ignore[attr-defined]
    assert "one of another app with the same tasks was started in this program" in caplog.text
    for worker, app in ((old, first), (new, second)):
        worker.stop()  # type: ignore[attr-defined]
        app.close()


def test_the_first_finishes_what_it_runs(tmp_path: Path) -> None:
    started, gate = threading.Event(), threading.Event()

    def make() -> tuple[LiteQueue, Task[[], bool]]:
        app = LiteQueue(tmp_path / "db.sqlite")

        def wait() -> bool:
            started.set()
            return gate.wait(10)

        return app, app.task(name="t")(wait)

    (one, task), (two, _) = make(), make()
    with one, two:
        job = task.delay()
        with one.worker(threads=1) as first:
            started.wait(10)
            with two.worker(threads=1):
                assert not first.join(0.05)
                gate.set()
                assert job.get(timeout=10) and job.info().attempt == 1
                assert first.join(5)


def test_other_workers_stand_beside_each_other(app: LiteQueue, db: Path, tmp_path: Path) -> None:
    """Of one app, of an app with other tasks, of another file."""
    task = app.task(name="t")(lambda: 1)
    with LiteQueue(db) as others, LiteQueue(tmp_path / "elsewhere.sqlite") as elsewhere:
        other = others.task(name="u")(lambda: 2)
        elsewhere.task(name="t")(lambda: 3)
        with app.worker(threads=1) as first, others.worker(threads=1), elsewhere.worker(threads=1):
            with app.worker(threads=1):
                assert (task.delay().get(timeout=10), other.delay().get(timeout=10)) == (1, 2)
            assert not first.join(0)
            assert task.delay().get(timeout=10) == 1


@pytest.mark.parametrize("own", ["name", "queues"])
def test_workers_with_names_or_queues_of_their_own_stand_beside_each_other(tmp_path: Path, own: str, caplog: pytest.LogCaptureFixture) -> None:
    with LiteQueue(tmp_path / "db.sqlite") as one, LiteQueue(tmp_path / "db.sqlite") as two:
        for app in (one, two):
            app.task(name="t")(lambda: 1)
        with one.worker(threads=1, **{own: "a"}) as first, two.worker(threads=1, **{own: "b"}):  # type: ignore[typeddict-item]
            assert not first.join(0.1)
    assert "one of another app" not in caplog.text


def test_of_many_that_start_at_once_one_is_left(tmp_path: Path) -> None:
    apps = [LiteQueue(tmp_path / "db.sqlite") for _ in range(6)]
    barrier = threading.Barrier(len(apps))
    workers = []

    def start(app: LiteQueue) -> None:
        app.task(name="t")(lambda: 1)
        worker = app.worker(threads=1)
        barrier.wait()
        workers.append(worker.start())

    threads = [threading.Thread(target=start, args=(app,)) for app in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: sum(worker.join(0) for worker in workers) == len(apps) - 1)
    assert apps[0].send_task("t").get(timeout=10) == 1
    for worker in workers:
        worker.stop()
    for app in apps:
        app.close()


def test_a_worker_whose_thread_cannot_start_leaves_nothing_to_stop(app: LiteQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = app.worker(threads=1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
        with pytest.raises(RuntimeError):
            worker.start()
    worker.stop()


def test_a_worker_that_has_ended_is_replaced_without_a_word(app: LiteQueue, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with app.worker(threads=1):
            pass
    assert "another app" not in caplog.text
