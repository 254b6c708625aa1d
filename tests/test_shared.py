"""Tasks that are made without an app: whose they are, and what a worker makes of them."""

from __future__ import annotations

import dataclasses
import gc
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from litequeue import (
    InvalidArgument,
    InvalidType,
    LiteQueue,
    NotBound,
    chain,
    current_job,
    known,
    shared,
    shared_task,
)

from .prepared import litequeue
from .support import environment, worker_process

pytestmark = pytest.mark.beside


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that has no app yet, and no shared task."""
    for name, value in (("_apps", []), ("shared", {}), ("serving", None)):
        monkeypatch.setattr(known, name, value)
    monkeypatch.setattr(shared, "_codes", {})


@dataclasses.dataclass
class Size:
    width: int


@pytest.fixture
def thumbs() -> ModuleType:
    """A package's module."""
    module = ModuleType("thumbs")

    @shared_task(name="thumbs.tidy")
    def tidy(result: Any) -> str:
        return "tidied"

    @shared_task(name="thumbs.resize", retries=2, on_success=tidy.s())
    def resize(path: str, width: int = 100) -> str:
        return f"{path} {width}"

    module.resize, module.tidy, module.again = resize, tidy, resize  # type: ignore[attr-defined]
    return module


@pytest.fixture
def another(tmp_path: Path) -> Iterator[LiteQueue]:
    with LiteQueue(tmp_path / "another") as app:
        yield app


def test_it_is_checked_where_it_is_made_and_can_be_called_there(thumbs: Any) -> None:
    assert (thumbs.resize("cat.png"), thumbs.resize.name) == ("cat.png 100", "thumbs.resize")
    assert repr(chain(thumbs.resize.s("cat.png"), thumbs.tidy.s())) == "thumbs.resize.s('cat.png') | thumbs.tidy.s()"
    with pytest.raises(InvalidType, match="@shared_task has no option 'retrys'"):
        shared_task(retrys=1)  # type: ignore[call-arg]
    with pytest.raises(InvalidArgument, match="retries"):
        shared_task(retries=-1, name="t")(print)
    with pytest.raises(InvalidArgument, match=r"already a task named 'thumbs\.resize'"):
        shared_task(name="thumbs.resize")(print)
    with pytest.raises(InvalidType, match="is a task already"):
        shared_task(thumbs.resize)


def test_without_an_app_it_says_so(thumbs: Any) -> None:
    for use in (lambda: thumbs.resize.delay("cat.png"), lambda: chain(thumbs.resize.s("cat.png")).delay(), lambda: thumbs.tidy.apply_async((1,))):
        with pytest.raises(NotBound, match=r"thumbs\.\w+ is a shared task, which nobody has adopted, and this process has no app"):
            use()


def test_the_only_app_of_a_process_has_it(thumbs: Any, app: LiteQueue) -> None:
    job = thumbs.resize.delay("cat.png")
    assert (job.info().max_attempts, app.job(job.id)) == (3, job)
    with app.worker(threads=1):
        assert job.get(timeout=10) == "cat.png 100"
        assert (thumbs.resize.s("dog.png") | thumbs.tidy.s()).delay().get(timeout=10) == "tidied"
    assert {info.state for info in app.jobs()} == {"succeeded"}


def test_the_worker_of_the_only_app_runs_what_others_have_enqueued(thumbs: Any, app: LiteQueue) -> None:
    job = app.enqueue("thumbs.resize", "cat.png")
    with app.worker(threads=1):
        assert job.get(timeout=10) == "cat.png 100"


def test_types_and_functions_of_its_app_are_its_own_too(app: LiteQueue) -> None:
    seen: list[str] = []

    @shared_task(name="wider", unique=("size",))
    def wider(size: Size) -> Size:
        return Size(size.width + 1)

    app.register_type(Size)
    app.before_run(lambda job: seen.append(job.task))
    job = wider.delay(Size(4))
    assert not wider.delay(Size(4)).is_new
    with app.worker(threads=1):
        assert job.get(timeout=10) == Size(5)
    assert seen == ["wider"]


def test_of_several_apps_it_is_the_ones_that_adopts_it(thumbs: Any, app: LiteQueue, another: LiteQueue) -> None:
    with pytest.raises(NotBound, match=rf"2 apps, <LiteQueue {app.path}> and <LiteQueue {another.path}>: app\.adopt\(\.\.\.\) .* app\.enqueue\(resize, \.\.\.\)"):
        thumbs.resize.delay("cat.png")
    assert another.enqueue(thumbs.resize, "cat.png").info().max_attempts == 3, "which says whose it is this time"
    app.adopt(thumbs)
    assert thumbs.resize.delay("dog.png") == app.job(1)
    assert thumbs.tidy.delay(1) == app.job(2)
    another.adopt(thumbs.resize)  # as the next test's factory does
    assert thumbs.resize.delay("dog.png") == another.job(2)
    assert thumbs.tidy.delay(1) == app.job(3)


def test_an_app_that_has_another_task_of_that_name_does_not_run_it_in_its_place(thumbs: Any, app: LiteQueue, another: LiteQueue) -> None:
    app.task(name="thumbs.resize")(print)
    for use in (lambda: app.enqueue(thumbs.resize, "cat.png"), lambda: app.adopt(thumbs)):
        with pytest.raises(InvalidArgument, match=r"already a task named 'thumbs\.resize'"):
            use()
    assert app.jobs() == []


def test_it_stays_with_the_app_that_was_the_only_one_at_its_first_use_until_that_is_gone(thumbs: Any, tmp_path: Path) -> None:
    first = LiteQueue(tmp_path / "first")
    thumbs.resize.delay("cat.png")
    with LiteQueue(tmp_path / "second") as second:
        thumbs.resize.delay("cat.png")
        assert first.stats().states["available"] == 2
        first.close()
        del first
        gc.collect()
        assert thumbs.resize.delay("cat.png") == second.job(1)


def test_one_that_was_adopted_has_its_app_for_good(thumbs: Any, db: Path) -> None:
    LiteQueue(db).adopt(thumbs)
    gc.collect()
    assert thumbs.resize.delay("cat.png").state == "available"
    thumbs.resize._client.close()


def test_what_cannot_be_adopted_is_named(thumbs: Any, app: LiteQueue) -> None:
    own = app.task(name="own")(print)
    for wrong, said in ((own, "<Task own>"), (dataclasses, "module dataclasses, which has none"), ("thumbs", "'thumbs'")):
        with pytest.raises(InvalidType, match=f"app.adopt takes tasks that @shared_task has made.*not.*{said}"):
            app.adopt(wrong)  # type: ignore[arg-type]
    app.task(name="thumbs.tidy")(print)
    with pytest.raises(InvalidArgument, match=r"already a task named 'thumbs\.tidy'"):
        app.adopt(thumbs)


@shared_task
def at_the_top_level() -> int:
    return current_job().id


def test_it_is_pickled_by_its_name_as_a_function_is() -> None:
    assert pickle.loads(pickle.dumps(at_the_top_level)) is at_the_top_level


# -- workers -----------------------------------------------------------------------------------------------


THUMBS = """
from litequeue import shared_task
@shared_task
def resize(path):
    return tidy.delay(path).id
@shared_task(pool="process")
def tidy(path):
    return resize.name
"""


def test_a_worker_runs_those_of_a_package_without_any_app(tmp_path: Path) -> None:
    (tmp_path / "thumbs.py").write_text(THUMBS)
    with LiteQueue(tmp_path / "db.sqlite") as app:
        job = app.enqueue("thumbs.resize", "cat.png")
        done = litequeue("worker", "db.sqlite", "--import", "thumbs", "--burst", cwd=tmp_path)
        assert app.job(job.get(timeout=0)).get(timeout=0) == "thumbs.resize", done.stderr


@pytest.mark.slow
def test_so_does_one_that_finds_them_by_their_jobs(tmp_path: Path) -> None:
    """And there one enqueues another, which the worker has not met."""
    (tmp_path / "thumbs.py").write_text(THUMBS)
    code = "import thumbs, litequeue\napp = litequeue.LiteQueue('db.sqlite')\nthumbs.resize.delay('cat.png')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), timeout=30, check=True)
    with LiteQueue(tmp_path / "db.sqlite") as app, worker_process(tmp_path / "db.sqlite", cwd="/"):
        assert app.job(app.job(1).get(timeout=20)).get(timeout=20) == "thumbs.resize"


SHOP = """
import dataclasses
from litequeue import LiteQueue
import thumbs
queue = LiteQueue()
@dataclasses.dataclass
class Path:
    text: str
queue.register_type(Path)
if __name__ == "__main__":
    queue.bind("db.sqlite")
    thumbs.resize.delay(Path("cat.png"))
"""


@pytest.mark.slow
def test_a_worker_of_the_app_finds_them_beside_its_types(tmp_path: Path) -> None:
    (tmp_path / "thumbs.py").write_text(THUMBS)
    (tmp_path / "shop.py").write_text(SHOP)
    subprocess.run([sys.executable, "shop.py"], cwd=tmp_path, env=environment(), timeout=30, check=True)
    with LiteQueue(tmp_path / "db.sqlite") as app, worker_process(tmp_path / "db.sqlite", "--import", "shop", cwd=tmp_path):
        assert app.job(app.job(1).get(timeout=20)).get(timeout=20) == "thumbs.resize"


def test_a_shared_task_has_a_codec_that_needs_no_app(tmp_path: Path) -> None:
    packed = shared_task(codec="json+zlib", name="packed")(len)
    app = LiteQueue(tmp_path / "db.sqlite")
    app.adopt(packed)
    with app, app.worker(burst=True) as worker:
        job = packed.delay("x" * 20_000)
        worker.join(20)
        assert job.get() == 20_000 and "$codec" in job.info().args
    with pytest.raises(InvalidArgument, match="a shared task has codec='json' or 'json\\+zlib'"):
        shared_task(codec="pickle", name="pickled")(len)


@pytest.mark.slow
def test_a_script_with_shared_tasks_has_process_tasks_too(tmp_path: Path) -> None:
    """The pool's process has the script twice: as the main module, and by its name."""
    (tmp_path / "tasks.py").write_text("""
from litequeue import LiteQueue, shared_task
app = LiteQueue("db.sqlite")
@shared_task
def resize(x): return x
@shared_task(pool="process")
def crop(x): return x
@app.task(pool="process")
def draw(x): return x
if __name__ == "__main__":
    with app.worker(processes=1):
        print(draw.delay(1).get(timeout=20), resize.delay(2).get(timeout=20), crop.delay(3).get(timeout=20))
""")
    done = subprocess.run([sys.executable, "tasks.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "1 2 3\n", done.stderr


def test_of_two_apps_the_one_that_enqueues_a_free_task_runs_it(tmp_path: Path) -> None:
    with LiteQueue(tmp_path / "a.sqlite") as a, LiteQueue(tmp_path / "b.sqlite"):
        free = shared_task(name="free")(len)
        job = a.enqueue(free, "abc")
        with a.worker(burst=True) as worker:
            worker.join(20)
        assert job.get() == 3
