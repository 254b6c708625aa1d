"""The code that a worker imports. Each part of the way to a module can be another user's, or let him in."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from litequeue import UnknownTask
from litequeue.tasks import checked
from litequeue.tasks.modules import load

from ..support import wait_until
from .world import (
    OTHER,
    OWNER,
    World,
    as_user,
    burst,
    command,
    installed,
    python,
    sql,
    started,
)

pytestmark = pytest.mark.beside

SHADOWED = "colorsys"  # a small module of the standard library that nobody has imported yet


@pytest.fixture
def db(world: World) -> Path:
    return world.queue(world.folder("home", mode=0o700))


def plant(path: Path, content: str) -> None:
    """By the other user."""

    def write() -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)

    as_user(OTHER, write)


def states(db: Path) -> list[str]:
    return sql(OWNER, db, lambda connection: [state for (state,) in connection.execute("SELECT state FROM litequeue_jobs")])


# -- (a) nothing found, and zips ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_zip_that_another_user_put_where_the_recorded_directory_was_is_not_imported(world: World, db: Path) -> None:
    shared = world.folder("shared", uid=0, mode=0o1777)
    world.job(db, shared / "app")  # which was removed since

    def put() -> None:
        with zipfile.ZipFile(shared / "app", "w") as file:
            file.writestr("tasks.py", world.leaves_mark())

    as_user(OTHER, put)
    burst(OWNER, db)
    assert world.ran() == []


def into_a_zip_of_others(path: Path, name: str, code: str) -> None:
    def put() -> None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(name, code)

    as_user(OTHER, put)


@pytest.mark.slow
def test_a_zip_that_others_can_write_is_not_imported(world: World, db: Path) -> None:
    folder = world.folder("app")
    path = world.file(folder / "app.zip", b"", mode=0o666)
    world.job(db, path)
    into_a_zip_of_others(path, "tasks.py", world.leaves_mark())
    burst(OWNER, db)
    assert world.ran() == []


@pytest.mark.slow
def test_a_namespace_package_of_another_user_is_not_imported(world: World, db: Path) -> None:
    """``shop/`` without an __init__.py is a package too."""
    shared = world.folder("shared", uid=0, mode=0o1777)
    world.job(db, shared, "shop.tasks")
    plant(shared / "shop/tasks.py", world.leaves_mark() + world.task_module())
    burst(OWNER, db)
    assert world.ran() == []


# -- (b) the entry of sys.path ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_nothing_is_imported_from_beside_a_package_where_others_can_write(world: World, db: Path) -> None:
    """Their directory is first on sys.path, and so they are the standard library."""
    shared = world.folder("shared", uid=0, mode=0o777)
    package = world.folder("shared/shop")
    world.file(package / "__init__.py", "")
    world.tasks(package, f"import {SHADOWED}\n")
    world.job(db, shared, "shop.tasks")
    plant(shared / f"{SHADOWED}.py", world.leaves_mark())
    burst(OWNER, db)
    assert world.ran() == []


# -- (c) siblings -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_sibling_of_a_module_in_a_sticky_directory_stands_in_for_the_standard_library(world: World, db: Path) -> None:
    shared = world.folder("shared", uid=0, mode=0o1777)
    world.tasks(shared, f"import {SHADOWED}\n")
    world.job(db, shared)
    plant(shared / f"{SHADOWED}.py", world.leaves_mark())
    burst(OWNER, db)
    assert world.ran() == []


@pytest.mark.slow
def test_a_sibling_that_others_can_write_is_not_imported_along_with_its_module(world: World, db: Path) -> None:
    folder = world.folder("app")
    world.tasks(folder, "import helpers\n")
    world.file(folder / "helpers.py", "", mode=0o666)
    world.job(db, folder)
    plant(folder / "helpers.py", world.leaves_mark())
    burst(OWNER, db)
    assert world.ran() == []


# -- (d) bytecode ---------------------------------------------------------------------------------------------------


def plant_bytecode(world: World, source: Path) -> None:
    """By the other user, of the age and size of the source, which Python then does not read."""
    code = (
        "import importlib.util, importlib._bootstrap_external as external, os\n"
        f"source = {str(source)!r}\nfound = os.stat(source)\n"
        f"code = compile({world.leaves_mark() + world.task_module()!r}, source, 'exec')\n"
        "path = importlib.util.cache_from_source(source)\n"
        "os.makedirs(os.path.dirname(path), exist_ok=True)\n"
        "with open(path, 'wb') as file:\n"
        "    file.write(external._code_to_timestamp_pyc(code, int(found.st_mtime), found.st_size))\n"
        "os.chmod(path, 0o644)\n"
    )
    done = python(OTHER, code)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how", ["one that others can write", "one that another made"])
def test_bytecode_of_another_user_does_not_win_over_the_source(world: World, db: Path, how: str) -> None:
    if how == "one that others can write":
        folder = world.folder("app")
        world.folder("app/__pycache__", mode=0o777)
    else:
        folder = world.folder("app", uid=0, mode=0o1777)
    source = world.tasks(folder)
    world.job(db, folder)
    plant_bytecode(world, source)
    burst(OWNER, db)
    assert f"ran{OWNER}" not in world.ran()


@pytest.mark.slow
def test_bytecode_of_ones_own_does_not_stand_in_for_a_source_that_others_can_write(world: World, db: Path) -> None:
    """It is of the source's age and size, until somebody edits that."""
    folder = world.folder("app")
    source = world.tasks(folder)
    assert python(OWNER, f"import py_compile; py_compile.compile({str(source)!r})").returncode == 0
    source.chmod(0o666)
    world.job(db, folder)
    done = burst(OWNER, db)
    assert world.ran() == []
    assert f"{source} can be written by others (mode 666)" in done.stderr, done.stderr


# -- (e) directories above ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("how", ["a link", "another directory"])
def test_nobody_who_can_write_a_directory_above_chooses_which_of_the_owners_modules_is_imported(
    world: World, db: Path, how: str
) -> None:
    shared = world.folder("shared", uid=0, mode=0o777)
    world.tasks(world.folder("shared/app"))
    where = world.folder("shared/experiments") if how == "another directory" else world.folder("experiments")
    world.tasks(where, world.leaves_mark())
    world.job(db, shared / "app")

    def swap() -> None:
        os.rename(shared / "app", shared / "gone")
        if how == "a link":
            os.symlink(where, shared / "app")
        else:
            os.rename(where, shared / "app")

    as_user(OTHER, swap)
    burst(OWNER, db)
    assert world.ran() == []


# -- (f) what a failed import leaves -------------------------------------------------------------------------------------


@pytest.fixture
def sys_path() -> Iterator[None]:
    before = sys.path.copy()
    yield
    sys.path[:] = before


def test_an_import_that_fails_leaves_sys_path_as_it_was(world: World, sys_path: None) -> None:
    before = sys.path.copy()
    folder = world.folder("app")
    with pytest.raises(UnknownTask):
        load("nothing_of_this_name", str(folder))
    world.file(folder / "fails_at_once.py", "1 / 0")
    with pytest.raises(UnknownTask):
        load("fails_at_once", str(folder))
    assert sys.path == before


@pytest.mark.slow
def test_a_worker_does_not_find_its_own_late_imports_where_an_import_has_failed(world: World, db: Path) -> None:
    """The recorded directory was removed, and another user has made it again."""
    shared = world.folder("shared", uid=0, mode=0o1777)
    world.job(db, shared / "app", "not_there")
    world.command_job(db, "sleep 0.1")
    for name in ("asyncio", "subprocess", "selectors"):
        plant(shared / "app" / f"{name}.py", world.leaves_mark())
    burst(OWNER, db)
    assert world.ran() == []


# -- (g) the processes of a pool ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_process_of_a_pool_does_not_import_what_others_could_write_since_the_worker_has_checked(world: World, db: Path) -> None:
    folder = world.folder("app")
    pycache = world.folder("app/__pycache__")
    source = world.file(
        folder / "tasks.py",
        f"from litequeue import LiteQueue\nimport os\napp = LiteQueue('x.sqlite')\n@app.task(pool='process')\ndef f():\n"
        f"    {world.leaves_mark('task')}    os._exit(3)\n",
    )
    world.job(db, folder, pool="process")
    with started(OWNER, command("worker", db, "--processes", 1, "--grace", 1), env={"PYTHONDONTWRITEBYTECODE": "1"}):
        wait_until(lambda: states(db) == ["discarded"], what="the first process is used up")
        pycache.chmod(0o777)
        plant_bytecode(world, source)
        world.job(db, folder, pool="process")
        wait_until(lambda: claimed(db) == 2, what="a worker has tried the second job")
        wait_until(lambda: states(db)[1] != "running", what="it is decided")
    assert f"ran{OWNER}" not in world.ran()


def claimed(db: Path) -> int:
    """How many jobs a worker has begun with."""
    return sql(OWNER, db, lambda connection: int(connection.execute("SELECT count(*) FROM litequeue_jobs WHERE attempt > 0").fetchone()[0]))


# -- what goes on working -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_module_of_ones_own_is_imported_with_its_siblings_and_its_bytecode(world: World, db: Path) -> None:
    folder = world.folder("app")
    world.tasks(folder, "import helpers\nassert helpers.X == 1\n")
    world.file(folder / "helpers.py", "X = 1\n")
    for _ in range(2):  # the second time from the bytecode that the first has written
        world.job(db, folder)
        done = burst(OWNER, db)
        assert states(db)[-1] == "succeeded", done.stderr
    assert (folder / "__pycache__").stat().st_uid == OWNER


@pytest.mark.slow
def test_a_package_of_ones_own_is_imported(world: World, db: Path) -> None:
    package = world.folder("app/shop/work")
    for folder in (package.parent, package):
        world.give(world.file(folder / "__init__.py", ""), OWNER, 0o644)
        world.give(folder, OWNER, 0o755)
    world.tasks(package, "from . import deep\nfrom .. import work\n")
    world.file(package / "deep.py", "")
    world.job(db, package.parent.parent, "shop.work.tasks")
    done = burst(OWNER, db)
    assert states(db) == ["succeeded"], done.stderr


@pytest.mark.slow
def test_a_zip_of_ones_own_is_imported(world: World, db: Path) -> None:
    folder = world.folder("app")
    with zipfile.ZipFile(folder / "app.zip", "w") as file:
        file.writestr("tasks.py", world.task_module())
    world.give(folder / "app.zip", OWNER, 0o644)
    world.job(db, folder / "app.zip")
    done = burst(OWNER, db)
    assert states(db) == ["succeeded"], done.stderr


@pytest.mark.slow
def test_code_of_roots_is_imported(world: World, db: Path) -> None:
    """As what is installed for all."""
    folder = world.folder("usr/lib/app", uid=0)
    world.tasks(folder, uid=0)
    world.job(db, folder)
    done = burst(OWNER, db)
    assert states(db) == ["succeeded"], done.stderr


@pytest.mark.slow
def test_a_link_to_the_release_of_today_is_followed(world: World, db: Path) -> None:
    """``current`` is judged by what it leads to."""
    srv = world.folder("srv")
    world.tasks(world.folder("srv/releases/42"))
    world.give(srv / "releases", OWNER, 0o755)
    os.symlink("releases/42", srv / "current")
    world.job(db, srv / "current")
    done = burst(OWNER, db)
    assert states(db) == ["succeeded"], done.stderr


@pytest.mark.slow
def test_a_link_to_where_others_can_write_is_judged_by_that(world: World, db: Path) -> None:
    world.tasks(world.folder("shared", mode=0o777))
    os.symlink(world.root / "shared", world.folder("srv") / "current")
    world.job(db, world.root / "srv/current")
    burst(OWNER, db)
    assert world.ran() == []


@pytest.mark.slow
def test_a_script_with_a_name_that_no_import_can_say_is_imported(world: World, db: Path) -> None:
    folder = world.folder("app")
    world.tasks(folder, name="send-mail.py")
    world.job(db, folder, "./send-mail.py")
    sql(OWNER, db, lambda c: c.execute("UPDATE litequeue_tasks SET name = 'send-mail.f'") and None)
    sql(OWNER, db, lambda c: c.execute("UPDATE litequeue_jobs SET task = 'send-mail.f'") and None)
    done = burst(OWNER, db)
    assert states(db) == ["succeeded"], done.stderr


@pytest.mark.slow
def test_a_task_of_ones_own_runs_in_a_process(world: World, db: Path) -> None:
    folder = world.folder("app")
    world.file(folder / "tasks.py", world.task_module("process"))
    world.job(db, folder, pool="process")
    done = burst(OWNER, db, "--processes", 1)
    assert states(db) == ["succeeded"], done.stderr


@pytest.mark.slow
def test_a_module_of_a_virtual_environment_is_imported(world: World, db: Path) -> None:
    """With a package of its site-packages, which it imports from elsewhere on its path."""
    site = world.folder("venv/lib/site-packages")
    for folder in (site.parent, site.parent.parent):
        world.give(folder, OWNER, 0o755)
    world.file(site / "library.py", "X = 1\n")
    folder = world.folder("app")
    world.tasks(folder, "import library\n")
    world.job(db, folder)
    done = burst(OWNER, db, PYTHONPATH=os.pathsep.join([str(site), installed()]))
    assert states(db) == ["succeeded"], done.stderr


@pytest.mark.slow
def test_what_is_named_outright_is_imported_wherever_it_lies(world: World, db: Path) -> None:
    shared = world.folder("shared", uid=0, mode=0o1777)
    world.tasks(shared)
    world.job(db, shared)
    done = burst(OWNER, db, "--import", shared / "tasks.py")
    assert states(db) == ["succeeded"], done.stderr


@pytest.mark.slow
def test_what_goes_away_while_it_is_checked_leaves_the_job_for_later(world: World, db: Path) -> None:
    folder = world.folder("app")
    world.tasks(folder)
    world.job(db, folder)
    shutil.rmtree(folder)
    done = burst(OWNER, db)
    assert states(db) == ["available"], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_zip_of_others_that_a_module_puts_on_its_path_is_not_imported_from(world: World, db: Path) -> None:
    """A refusal of a hook's only sent Python on to the next one."""
    folder = world.folder("app")
    path = world.file(folder / "vendor.zip", b"", mode=0o666)
    world.tasks(folder, "import os, sys\nsys.path.insert(0, os.path.dirname(__file__) + '/vendor.zip')\nimport vendored\n")
    world.job(db, folder)
    into_a_zip_of_others(path, "vendored.py", world.leaves_mark())
    burst(OWNER, db)
    assert world.ran() == []


@pytest.mark.slow
@pytest.mark.parametrize("way", ["home/../app/vendor", "link/vendor"])
def test_a_directory_below_is_judged_by_whatever_name_a_module_puts_it_on_its_path(world: World, db: Path, way: str) -> None:
    folder = world.folder("app")
    os.symlink(folder, world.root / "link")
    world.folder("app/vendor", mode=0o777)
    world.tasks(folder, f"import sys\nsys.path.insert(0, '{world.root}/{way}')\nimport vendored\n")
    plant(folder / "vendor/vendored.py", world.leaves_mark())
    world.job(db, folder)
    done = burst(OWNER, db)
    assert world.ran() == []
    assert f"{folder}/vendor can be written by others" in done.stderr, done.stderr


@pytest.mark.slow
def test_a_recorded_directory_is_judged_by_where_the_system_goes(world: World, db: Path) -> None:
    """Up from where the link leads, where another directory of the owner's is that others can write."""
    world.folder("shared", mode=0o777)
    world.folder("shared/below")
    os.symlink(world.root / "shared/below", world.folder("app") / "link")
    world.tasks(world.root / "app")
    plant(world.root / "shared/colorsys.py", world.leaves_mark())
    world.tasks(world.root / "shared", "import colorsys\n", name="tasks.py")
    world.job(db, world.root / "app/link/..")
    done = burst(OWNER, db)
    assert world.ran() == []
    assert f"{world.root}/shared can be written by others" in done.stderr, done.stderr


def test_all_is_below_the_root_of_the_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """``/`` with a separator behind it began no path."""
    monkeypatch.setattr(checked, "_roots", {"/"})
    assert checked._is_below_a_root("/package") and checked._is_below_a_root("/")


@pytest.mark.slow
def test_an_installed_package_is_not_looked_for_where_others_can_write(world: World, db: Path) -> None:
    """The working directory came first where it had a folder of that name, whoever had made it."""
    site = world.folder("site")
    world.tasks(site, f"import {SHADOWED}\n", name="shop.py")
    shared = world.folder("shared", uid=0, mode=0o1777)
    plant(shared / "shop/__init__.py", world.leaves_mark())
    plant(shared / f"{SHADOWED}.py", world.leaves_mark())
    sql(OWNER, db, lambda c: c.execute("INSERT INTO litequeue_jobs (task, max_attempts) VALUES ('shop.f', 1)") and None)
    done = burst(OWNER, db, "--import", "shop", cwd=shared, PYTHONPATH=os.pathsep.join([str(site), installed()]))
    assert world.ran() == [f"task{OWNER}"], done.stderr
    assert "modules are not looked for in the working directory" in done.stderr


@pytest.mark.slow
def test_a_script_that_is_a_link_to_a_pipe_of_somebody_elses_holds_nobody_up(world: World, db: Path) -> None:
    """It was read before it was judged."""
    folder, others = world.folder("app"), world.folder("others", uid=OTHER)
    as_user(OTHER, lambda: os.mkfifo(others / "pipe"))
    (folder / "my-tasks.py").symlink_to(others / "pipe")
    world.job(db, folder, module="./my-tasks.py")
    done = burst(OWNER, db)
    assert "is not imported" in done.stderr and "has taken more than" not in done.stderr, done.stderr
