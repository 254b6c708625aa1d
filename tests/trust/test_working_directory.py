"""The working directory. ``python -m`` puts it first on sys.path, whoever can write there."""

from __future__ import annotations

import configparser
import os
import plistlib
import shlex
import subprocess
from pathlib import Path

import pytest

from ..support import wait_until
from . import world as worlds
from .world import (
    OTHER,
    OWNER,
    World,
    as_user,
    command,
    environment,
    installed,
    interpreter,
    python,
    run,
    sql,
    started,
)

pytestmark = [pytest.mark.beside, pytest.mark.slow]


@pytest.fixture(autouse=True)
def every_process_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """And imports Python's own modules by itself, from wherever it finds them."""
    monkeypatch.setattr(worlds, "forking", False)


@pytest.fixture
def shared(world: World) -> Path:
    """Where another user has put modules with the names of ours and of the standard library's."""
    folder = world.folder("shared", uid=0, mode=0o1777)

    def plant() -> None:
        for name in ("litequeue", "multiprocessing", "json", "argparse", "colorsys"):
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(world.leaves_mark())

    as_user(OTHER, plant)
    return folder


@pytest.fixture
def db(world: World) -> Path:
    return world.queue(world.folder("home", mode=0o700))


def run_for_a_moment(words: list[str], cwd: Path) -> None:
    """As the owner's service manager would start it."""
    done = subprocess.run(
        [*words, "--burst"], cwd=cwd, env=environment(), user=OWNER, group=OWNER, extra_groups=[], check=False, timeout=30,
        capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr


def test_a_units_worker_imports_nothing_from_where_it_runs(world: World, db: Path, shared: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(run(OWNER, "service", db, "--directory", shared).stdout)
    run_for_a_moment(shlex.split(unit["Service"]["ExecStart"]), Path(unit["Service"]["WorkingDirectory"]))
    assert world.ran() == []


def test_a_property_lists_worker_imports_nothing_from_where_it_runs(world: World, db: Path, shared: Path) -> None:
    text = run(OWNER, "service", db, "--launchd", "--directory", shared).stdout
    found = plistlib.loads(text.encode())
    run_for_a_moment(found["ProgramArguments"], Path(found["WorkingDirectory"]))
    assert world.ran() == []


def test_the_processes_of_a_pool_import_nothing_from_where_their_worker_runs(world: World, db: Path, shared: Path) -> None:
    """Of a worker that was started by the script ``litequeue``, which itself does not."""
    folder = world.folder("app")
    world.file(folder / "tasks.py", world.task_module("process"))
    world.job(db, folder, pool="process")
    script = world.file(world.folder("bin", uid=0) / "litequeue", "from litequeue.cli import main\nif __name__ == '__main__':\n    main()\n", 0, 0o755)
    with started(OWNER, [str(interpreter()), str(script), "worker", str(db), "--processes", "1", "--grace", "1"], cwd=shared):
        wait_until(lambda: world.ran(), what="the job has run, or something else has")
    assert world.ran() == [f"task{OWNER}"]


def test_the_workers_of_demo_and_bench_import_nothing_from_where_they_run(world: World, db: Path, shared: Path) -> None:
    code = f"from litequeue.cli.bench import rig; rig.start_worker({str(db)!r}, '--burst').wait(20)"
    done = python(OWNER, code, cwd=shared)
    assert done.returncode == 0, done.stderr
    assert world.ran() == []


def test_a_module_that_lies_elsewhere_puts_nothing_of_where_the_worker_runs_before_pythons_own(
    world: World, db: Path, shared: Path
) -> None:
    folder = world.folder("app")
    world.tasks(folder, "import colorsys\n")
    world.job(db, folder)
    done = run(OWNER, "worker", db, "--burst", "--import", "tasks", cwd=shared, env={"PYTHONPATH": f"{installed()}:{folder}"})
    assert world.ran() == [f"task{OWNER}"], done.stderr


def test_a_module_of_a_directory_that_is_not_looked_at_can_be_named_by_its_file(world: World, db: Path, shared: Path) -> None:
    world.tasks(shared)
    refused = run(OWNER, "worker", db, "--burst", "--import", "tasks", cwd=shared)
    assert refused.returncode == 2
    assert f", and {shared}, which has a tasks.py, is not looked at: name the file itself, --import ./tasks.py\n" in refused.stderr
    world.job(db, shared)
    done = run(OWNER, "worker", db, "--burst", "--import", "./tasks.py", cwd=shared)
    assert world.ran() == [f"task{OWNER}"], done.stderr


def test_a_commands_supervisor_imports_nothing_from_where_it_runs(world: World, db: Path, shared: Path) -> None:
    world.command_job(db)
    with started(OWNER, [str(interpreter()), "-P", "-m", "litequeue", "worker", str(db), "--burst"], cwd=shared) as worker:
        worker.wait(20)
    assert world.ran() == [f"ran{OWNER}"]


def test_who_trusts_anyone_with_the_database_is_asked_of_other_directories(world: World, db: Path, shared: Path) -> None:
    """And is told what makes that one his own to answer for."""
    folder = world.folder("app")
    world.tasks(folder, "try: import simplejson\nexcept ImportError: pass\n")
    world.job(db, folder)
    as_user(OTHER, lambda: (shared / "simplejson.py").write_text(world.leaves_mark()))
    env = {"LITEQUEUE_TRUST": "anyone", "PYTHONPATH": f"{installed()}:{folder}"}
    done = run(OWNER, "worker", db, "--burst", "--import", "tasks", cwd=shared, env=env)
    assert world.ran() == [f"task{OWNER}"], done.stderr
    assert "modules are not looked for in the working directory" in done.stderr and f"PYTHONPATH={shared}" in done.stderr, done.stderr


# -- what goes on working ----------------------------------------------------------------------------------------


def test_a_units_worker_finds_the_modules_that_it_was_told_of_where_it_runs(world: World, db: Path) -> None:
    folder = world.folder("app")
    world.tasks(folder)
    world.job(db, folder)
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(run(OWNER, "service", db, "--directory", folder, "--", "--import", "tasks").stdout)
    run_for_a_moment(shlex.split(unit["Service"]["ExecStart"]), Path(unit["Service"]["WorkingDirectory"]))
    assert world.ran() == [f"task{OWNER}"]
    assert sql(OWNER, db, lambda c: c.execute("SELECT state FROM litequeue_jobs").fetchone()) == ("succeeded",)


def test_a_worker_that_is_started_by_hand_finds_the_modules_where_one_is(world: World, db: Path) -> None:
    folder = world.folder("app")
    world.tasks(folder)
    world.job(db, folder)
    done = run(OWNER, "worker", db, "--burst", "--import", "tasks", cwd=folder)
    assert world.ran() == [f"task{OWNER}"], done.stderr
    assert os.listdir(folder) != []


@pytest.mark.parametrize("pool", ["thread", "process"])
def test_a_module_that_lies_elsewhere_finds_those_where_its_worker_runs(world: World, db: Path, pool: str) -> None:
    """Settings, say; there is no -P where one types it, and a worker that has it is to find the same."""
    here, folder = world.folder("here"), world.folder("app")
    world.file(here / "settings.py", "")
    world.file(folder / "tasks.py", "import settings\n" + world.task_module(pool))
    world.job(db, folder, pool=pool)
    done = run(OWNER, "worker", db, "--burst", "--import", "tasks", cwd=here, env={"PYTHONPATH": f"{installed()}:{folder}"})
    assert world.ran() == [f"task{OWNER}"], done.stderr


def test_the_processes_of_a_pool_find_the_modules_where_their_worker_runs(world: World, db: Path) -> None:
    folder = world.folder("app")
    world.file(folder / "tasks.py", "import beside\n" + world.task_module("process"))
    world.file(folder / "beside.py", "")
    world.job(db, folder, pool="process")
    done = run(OWNER, "worker", db, "--burst", "--import", "tasks", cwd=folder)
    assert world.ran() == [f"task{OWNER}"], done.stderr
    assert done.stderr.count("Error") == 0


@pytest.mark.parametrize("kind", ["closed itself", "below a closed one", "gone"])
def test_a_worker_runs_where_its_account_cannot_look(world: World, db: Path, kind: str) -> None:
    """Root starts it with sudo -u, from his own folder; or a release was taken away. It does not go there, nor look for modules there."""
    code = world.folder("code")
    world.file(code / "tasks.py", world.task_module(pool="process").replace("x.sqlite", str(db)))
    world.job(db, code, pool="process")
    closed = world.folder("closed", uid=0, mode=0o700)
    (closed / "sub").mkdir()
    cwd = closed if kind == "closed itself" else closed / "sub"
    words = ["rmdir $0; exec \"$@\"" if kind == "gone" else "exec \"$@\"", cwd]
    # The shell is root's: it goes there, and becomes the owner.
    drop = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"]
    done = subprocess.run(
        ["sh", "-c", *words, *drop, *command("worker", db, "--import", "tasks", "--burst")], cwd=cwd, timeout=30, check=False,
        env=environment(PYTHONPATH=f"{installed()}:{code}"), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stderr, done
    assert world.ran() == [f"task{OWNER}"], done.stderr
    assert ("not looked for in the working directory" in done.stderr) == (kind == "below a closed one"), done.stderr
