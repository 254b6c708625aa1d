"""Folders and files of others in a good project, that have the names of modules of Python's.

A project comes before Python's own modules on the path, as in its user's program. What others can write there must stand in for
none of them, and stop nobody: neither in the worker nor in a process of its pool.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from litequeue.tasks import checked

from ..support import wait_until
from .test_code import plant, states
from .world import OTHER, OWNER, World, as_user, burst, command, started

pytestmark = pytest.mark.beside


@pytest.fixture
def db(world: World) -> Path:
    return world.queue(world.folder("home", mode=0o700))


def of_others(world: World, folder: Path, name: str) -> None:
    """A package that another user has written."""
    world.folder(f"{folder.relative_to(world.root)}/{name}", mode=0o777)
    plant(folder / name / "__init__.py", world.leaves_mark() + "raise ImportError\n")


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
    """It imports asyncio for its first command, after it has imported a task."""
    folder = world.folder("app")
    world.tasks(folder)
    of_others(world, folder, "asyncio")
    world.job(db, folder)
    with started(OWNER, command("worker", db, "--max-jobs", 2, "--grace", 1)) as worker:
        wait_until(lambda: states(db) == ["succeeded"], what="the task is imported")
        world.command_job(db)
        said, _ = worker.communicate(timeout=20)
    assert states(db) == ["succeeded"] * 2, said
    assert world.ran() == [f"ran{OWNER}", f"task{OWNER}"], said
    assert "Traceback" not in said
    warnings = [line for line in said.splitlines() if "WARNING" in line]
    assert len(warnings) == 1 and f"{folder}/asyncio can be written by others" in said, said


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
