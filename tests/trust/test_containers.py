"""Containers. Users are numbers without accounts there, and folders belong to whom the host, or a cluster, gave them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from .world import OTHER, OWNER, World, command, environment, python, run

pytestmark = pytest.mark.beside


class Place(NamedTuple):
    """Who runs there, and whose the folders are."""

    uid: int
    gid: int
    groups: Sequence[int]
    folder: tuple[int, int, int]  # owner, group, mode

    def run(self, *words: object, **env: str) -> subprocess.CompletedProcess[str]:
        return run(self.uid, *words, env={"HOME": "/", **env}, gid=self.gid, groups=self.groups)

    def python(self, code: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
        code = f"import sys; sys.path.insert(0, {str(cwd)!r}); {code}"
        return python(self.uid, code, cwd=cwd, env={"HOME": "/", **env}, gid=self.gid, groups=self.groups)

    def make(self, world: World, name: str) -> Path:
        owner, gid, mode = self.folder
        return world.folder(name, uid=owner, mode=mode, gid=gid)


A_NUMBER = Place(OWNER, OWNER, (), (OWNER, OWNER, 0o755))  # docker run --user $(id -u):$(id -g) -v $PWD:/data
AS_ROOT = Place(0, 0, (), (0, 0, 0o755))  # docker run -v volume:/data
OWN = {"a number": A_NUMBER, "root": AS_ROOT}


def named(places: dict[str, Place]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", places.values(), ids=places)


def produce(world: World, place: Place, **env: str) -> Path:
    """The database, with a task's job and a command's; both were enqueued there."""
    db = place.make(world, "data") / "db.sqlite"
    assert place.run("init", db, **env).returncode == 0
    enqueue(world, place, db, place.make(world, "app"), **env)
    return db


def enqueue(world: World, place: Place, db: Path, app: Path, **env: str) -> None:
    module = world.task_module().replace("'x.sqlite'", repr(str(db)))
    world.file(app / "tasks.py", f"{module}@app.task(pool='process')\ndef g():\n    {world.leaves_mark('process')}", place.uid, 0o644, place.gid)
    done = place.python("import tasks; tasks.f.delay(); tasks.g.delay()", app, **env)
    assert done.returncode == 0, done.stderr
    done = place.run("enqueue", db, "litequeue.command", f"command={world.command()}", **env)
    assert done.returncode == 0, done.stderr


def all_ran(place: Place) -> list[str]:
    return [f"{name}{place.uid}" for name in ("process", "ran", "task")]


def burst(place: Place, db: Path, *flags: object, **env: str) -> str:
    return place.run("worker", db, "--burst", "--grace", 1, *flags, **env).stderr


# -- what works without a word ------------------------------------------------------------------------------------------


@pytest.mark.slow
@named(OWN)
def test_everything_runs_where_the_folder_is_whose_the_process_is(world: World, place: Place) -> None:
    db = produce(world, place)
    said = burst(place, db)
    assert world.ran() == all_ran(place), said
    assert "trust" not in said.lower() and "WARNING" not in said


@pytest.mark.slow
def test_a_number_without_an_account_has_every_command(world: World) -> None:
    place = A_NUMBER
    db = produce(world, place)
    for words in (
        ("jobs", db), ("stats", db), ("tasks", db), ("doctor", db), ("service", "--user", db), ("cron", "export", db),
    ):  # fmt: skip
        done = place.run(*words)
        assert done.returncode == 0 and "Traceback" not in done.stderr, (words, done.stdout, done.stderr)


@pytest.mark.parametrize("who", ["the number", "root"])
def test_a_service_for_a_number_without_an_account_is_refused_with_words(world: World, who: str) -> None:
    """For root it was a unit that ran a worker as root on that user's file."""
    db = world.folder("data") / "db.sqlite"
    if who == "root":
        world.queue(db.parent)
    done = (AS_ROOT if who == "root" else A_NUMBER).run("service", "--system", db)
    assert done.returncode == 2 and f"uid {OWNER}" in done.stderr and "no account" in done.stderr, done


@pytest.mark.slow
def test_a_command_that_wants_the_environment_of_who_has_no_account_fails_with_words(world: World) -> None:
    db = world.queue(world.folder("data"))
    assert A_NUMBER.run("enqueue", db, "--command", "--user-env", "--retries", 0, "--", "true").returncode == 0
    said = burst(A_NUMBER, db)
    assert f"uid {OWNER} has no account" in said and "KeyError" not in said, said


# -- user namespaces --------------------------------------------------------------------------------------------------------


def in_a_namespace(words: list[str], *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    """One that has a number for root alone."""
    unshare = ["unshare", "--user", *flags]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs unshare, and leave to make a user namespace")
    return subprocess.run([*unshare, *words], cwd="/", env=environment(**env), capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.slow
def test_who_has_no_number_himself_takes_no_file_of_others_for_his_own(world: World) -> None:
    """All files, and he, are shown as the same number's."""
    db = world.queue(world.folder("data", uid=0), uid=0)
    world.tasks(folder := world.folder("others", uid=OTHER), uid=OTHER)
    world.job(db, folder, uid=0)
    done = in_a_namespace(command("worker", db, "--burst", "--grace", 1))
    assert world.ran() == [], done.stderr
    assert "belongs to uid 65534" in done.stderr, done.stderr


@pytest.mark.slow
def test_roots_own_file_runs_in_a_user_namespace(world: World) -> None:
    db = world.queue(world.folder("data", uid=0), uid=0)
    world.command_job(db, uid=0)
    done = in_a_namespace(command("worker", db, "--burst", "--grace", 1), "--map-root-user")
    assert world.ran() == ["ran0"], done.stderr


# -- systemd ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_dynamic_users_state_directory_is_good(world: World) -> None:
    """/var/lib/shop leads to /var/lib/private/shop, above which the unit sees a folder of root's that it may pass."""
    world.folder("var/lib/private", uid=0)
    state = world.folder("var/lib/private/shop", mode=0o700)
    link = world.root / "var/lib/shop"
    link.symlink_to("private/shop")
    with contextlib.suppress(OSError):
        os.chown(link, 0, 0, follow_symlinks=False)
    db = world.queue(state)
    world.command_job(db)
    said = burst(A_NUMBER, link / "db.sqlite")
    assert world.ran() == [f"ran{OWNER}"], said
