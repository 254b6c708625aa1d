"""Folders and files of others in a good project, that have the names of modules of Python's.

A project comes before Python's own modules on the path, as in its user's program. What others can write there must stand in for
none of them, and stop nobody: neither in the worker nor in a process of its pool, which imports much before it runs anything.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from litequeue.tasks import checked

from ..support import wait_until
from . import world as worlds
from .test_code import claimed, plant, states
from .world import OTHER, OWNER, World, as_user, burst, command, installed, started

pytestmark = pytest.mark.beside


@pytest.fixture(autouse=True)
def every_process_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """And imports Python's own modules by itself, from wherever it finds them."""
    monkeypatch.setattr(worlds, "forking", False)


@pytest.fixture
def db(world: World) -> Path:
    return world.queue(world.folder("home", mode=0o700))


def of_others(world: World, folder: Path, name: str) -> None:
    """A package that another user has written."""
    world.folder(f"{folder.relative_to(world.root)}/{name}", mode=0o777)
    plant(folder / name / "__init__.py", world.leaves_mark() + "raise ImportError\n")


def process_task(world: World, folder: Path, body: str, before: str = "") -> None:
    world.file(
        folder / "tasks.py",
        f"{before}\nfrom litequeue import LiteQueue\napp = LiteQueue('x.sqlite')\n@app.task(pool='process')\ndef f():\n    {body}\n",
    )


# -- the processes of a pool -----------------------------------------------------------------------------------------


def test_a_process_begins_with_no_directory_that_only_a_database_has_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By whatever name it is on the path."""
    (tmp_path / "link").symlink_to(tmp_path / "app")
    app = f"{tmp_path}/app"
    monkeypatch.setattr(checked, "_roots", {app})
    monkeypatch.setattr(checked, "_BEFORE", frozenset({f"{app}/venv", "/usr/lib"}))
    path = [app, f"{app}/vendor", f"{tmp_path}/link", f"{tmp_path}/else/../app", f"{app}/venv", "/usr/lib", f"{tmp_path}/apple", ""]
    assert checked.unchecked(path) == [f"{app}/venv", "/usr/lib", f"{tmp_path}/apple", ""]


PUTS_VENDOR_ON_THE_PATH = "import os, sys\nsys.path.insert(0, os.path.dirname(__file__) + '/vendor')"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "before"), [("app", ""), ("app/vendor", PUTS_VENDOR_ON_THE_PATH)], ids=["beside the module", "where it looks too"]
)
def test_a_process_of_the_pool_runs_nothing_of_others_as_it_starts(world: World, db: Path, where: str, before: str) -> None:
    folder = world.folder("app")
    process_task(world, folder, "pass", before=before)
    of_others(world, folder if where == "app" else world.folder(where), "json")
    world.job(db, folder, pool="process")
    done = burst(OWNER, db, "--processes", 1)
    assert world.ran() == [], done.stderr
    assert states(db) == ["succeeded"], done.stderr


@pytest.mark.slow
def test_a_module_of_ones_own_wins_over_pythons_in_the_worker_and_in_its_processes(world: World, db: Path) -> None:
    """As it does in the program that enqueued."""
    for pool in ("thread", "process"):
        folder = world.folder(pool)
        world.file(folder / "statistics.py", "OURS = 1\n")
        module = f"in_a_{pool}"
        world.file(folder / f"{module}.py", f"import statistics\nassert statistics.OURS\n{world.task_module(pool)}")
        world.job(db, folder, module, pool=pool)
        done = burst(OWNER, db, "--processes", 1)
        assert states(db)[-1] == "succeeded", done.stderr
    assert "passed over" not in done.stderr


@pytest.mark.slow
def test_a_task_in_a_process_imports_late_from_its_own_project_and_from_that_of_another(world: World, db: Path) -> None:
    """Both are on the path of the worker."""
    other = world.folder("other")
    world.tasks(other, name="first.py")
    world.file(other / "theirs.py", "X = 1\n")
    world.job(db, other, "first")
    done = burst(OWNER, db)
    folder = world.folder("app")
    world.file(folder / "late.py", "X = 1\n")
    process_task(world, folder, "import late, theirs; assert late.X == theirs.X == 1")
    world.job(db, other, "first")
    world.job(db, folder, pool="process")
    done = burst(OWNER, db, "--processes", 1, "--threads", 1)
    assert states(db) == ["succeeded"] * 3, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["thread", "process"])
def test_the_processes_that_a_task_starts_itself_find_its_project(world: World, db: Path, pool: str) -> None:
    folder = world.folder("app")
    world.file(folder / "helpers.py", "def double(x):\n    return 2 * x\n")
    process_task(
        world, folder,
        "import helpers, multiprocessing as m\n    with m.get_context('spawn').Pool(1) as pool:\n"
        "        assert pool.map(helpers.double, [21]) == [42]",
    )  # fmt: skip
    if pool == "thread":
        source = folder / "tasks.py"
        world.file(source, source.read_text().replace("'process'", "'thread'"))
    world.job(db, folder, pool=pool)
    done = burst(OWNER, db, "--processes", 1)
    assert states(db) == ["succeeded"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("where", [".", "venv/lib"])
def test_a_project_in_which_litequeue_itself_is_installed_has_processes(world: World, db: Path, where: str) -> None:
    """They could not start without that directory."""
    folder = world.folder("app")
    if where != ".":
        world.give(world.folder(f"app/{where}").parent, OWNER, 0o755)
    shutil.copytree(f"{installed()}/litequeue", folder / where / "litequeue")
    process_task(world, folder, "pass")
    world.job(db, folder, pool="process")
    done = burst(OWNER, db, "--processes", 1, PYTHONPATH=str(folder / where))
    assert states(db) == ["succeeded"], done.stderr


# -- the worker ------------------------------------------------------------------------------------------------------


def test_only_a_name_that_python_has_too_is_passed_over(tmp_path: Path) -> None:
    for name in ("colorsys", "helpers"):
        (tmp_path / f"{name}.py").write_text("")
    tmp_path.chmod(0o777)
    finder = checked.Finder(str(tmp_path))
    assert finder.find_spec("colorsys") is None
    for name in ("helpers", "shop.colorsys"):
        with pytest.raises(checked.Refused, match="can be written by others"):
            finder.find_spec(name)


@pytest.mark.slow
def test_what_others_can_write_under_the_name_of_a_module_of_pythons_stops_no_worker(world: World, db: Path) -> None:
    """The worker imports asyncio for its first command, and multiprocessing for its first process, after it has imported a task."""
    folder = world.folder("app")
    world.tasks(folder)
    world.file(folder / "other.py", world.task_module("process"))
    for name in ("asyncio", "multiprocessing"):
        of_others(world, folder, name)
    world.job(db, folder)
    with started(OWNER, command("worker", db, "--max-jobs", 3, "--processes", 1, "--grace", 1)) as worker:
        wait_until(lambda: states(db) == ["succeeded"], what="the task is imported")
        world.command_job(db)
        wait_until(lambda: claimed(db) == 2, what="the command is begun")
        world.job(db, folder, "other", pool="process")
        said, _ = worker.communicate(timeout=20)
    assert states(db) == ["succeeded"] * 3, said
    assert world.ran() == [f"ran{OWNER}", f"task{OWNER}"], said
    assert "Traceback" not in said
    warnings = [line for line in said.splitlines() if "WARNING" in line]
    assert len(warnings) == 2 and f"{folder}/asyncio can be written by others" in said, said


@pytest.mark.slow
def test_an_import_of_pythons_own_comes_past_a_zip_of_others(world: World, db: Path) -> None:
    """The whole import failed, whatever was looked for, for as long as the zip was on the path."""
    folder = world.folder("app")
    world.tasks(folder, "import os, sys\nsys.path.insert(0, os.path.dirname(__file__) + '/vendor.zip')\nimport colorsys\n")
    path = world.file(folder / "vendor.zip", b"", mode=0o666)

    def put() -> None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("colorsys.py", world.leaves_mark())

    as_user(OTHER, put)
    world.job(db, folder)
    done = burst(OWNER, db)
    assert states(db) == ["succeeded"], done.stderr
    assert world.ran() == [f"task{OWNER}"]


@pytest.mark.slow
def test_a_module_of_a_task_is_refused_whatever_its_name(world: World, db: Path) -> None:
    """It is not looked for elsewhere."""
    folder = world.folder("app")
    world.tasks(folder, name="colorsys.py", mode=0o666)
    world.job(db, folder, "colorsys")
    done = burst(OWNER, db)
    assert states(db) == ["available"]
    assert f"{folder}/colorsys.py can be written by others" in done.stderr, done.stderr
