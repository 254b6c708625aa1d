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

GROUP = 54_400  # of a volume
ANYONE = {"LITEQUEUE_TRUST": "anyone"}

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


ROOT_ON_A_BIND_MOUNT = Place(0, 0, (), (OWNER, OWNER, 0o755))  # docker run -v $PWD:/data
A_NUMBER = Place(OWNER, OWNER, (), (OWNER, OWNER, 0o755))  # docker run --user $(id -u):$(id -g) -v $PWD:/data
FS_GROUP = Place(OWNER, OWNER, (GROUP,), (0, GROUP, 0o2775))  # Kubernetes' fsGroup
RANDOM_NUMBER = Place(1_000_650_000, 0, (), (0, 0, 0o775))  # OpenShift
AS_ROOT = Place(0, 0, (), (0, 0, 0o755))  # docker run -v volume:/data
SHARED = {"root on a user's bind mount": ROOT_ON_A_BIND_MOUNT, "fsGroup": FS_GROUP, "a random number": RANDOM_NUMBER}
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


@pytest.mark.slow
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


# -- what is refused with what to do, which then works ----------------------------------------------------------------------


@pytest.mark.slow
@named(SHARED)
def test_a_new_file_where_others_can_write_is_refused_with_a_word_that_works(world: World, place: Place) -> None:
    folder = place.make(world, "data")
    refused = place.run("init", folder / "db.sqlite")
    assert refused.returncode == 4 and "LITEQUEUE_TRUST=anyone for a command" in refused.stderr, refused
    assert list(folder.iterdir()) == []
    assert place.run("init", folder / "db.sqlite", **ANYONE).returncode == 0


@pytest.mark.slow
@named(SHARED)
def test_who_trusts_anyone_has_tasks_and_commands_run(world: World, place: Place) -> None:
    db = produce(world, place, **ANYONE)
    said = burst(place, db, **ANYONE)
    assert world.ran() == all_ran(place), said
    assert "WARNING" not in said and "are trusted" in said
    doctor = place.run("doctor", db, **ANYONE)
    assert doctor.returncode == 0, doctor.stdout
    assert "LITEQUEUE_TRUST=anyone says that this is meant" in doctor.stdout


@pytest.mark.slow
@named(SHARED)
def test_who_trusts_anyone_in_code_has_tasks_and_commands_run(world: World, place: Place) -> None:
    db = produce(world, place, **ANYONE)
    app = db.parent.parent / "app"
    code = f"from litequeue import LiteQueue\napp = LiteQueue({str(db)!r}, trust='anyone')\n"
    world.file(app / "mine.py", f"{code}@app.task\ndef h():\n    {world.leaves_mark('mine')}", place.uid, 0o644, place.gid)
    done = place.python("import mine; mine.h.delay(); print(mine.app.run_worker(burst=True, grace=1))", app)
    assert done.stdout == "0\n", done.stderr
    assert world.ran() == [f"mine{place.uid}", f"ran{place.uid}"], done.stderr


@pytest.mark.slow
@named(SHARED)
def test_a_worker_whose_app_trusts_anyone_does_so_too(world: World, place: Place) -> None:
    db = produce(world, place, **ANYONE)
    app = world.folder("code", uid=place.uid, gid=place.gid)
    code = f"from litequeue import LiteQueue\napp = LiteQueue({str(db)!r}, trust='anyone')\n@app.task\ndef h(): pass\n"
    world.file(app / "mine.py", code, place.uid, 0o644, place.gid)
    said = burst(place, db, "--import", "mine", PYTHONPATH=f"{environment()['PYTHONPATH']}:{app}")
    assert world.ran() == [f"ran{place.uid}"], said


@pytest.mark.slow
@named(SHARED)
def test_a_module_beside_a_worker_that_trusts_anyone_is_imported(world: World, place: Place) -> None:
    db = produce(world, place, **ANYONE)
    app = place.make(world, "data/app")
    enqueue(world, place, db, app, **ANYONE)
    words = ("worker", db, "--burst", "--grace", 1, "--import", "tasks")
    flags = {"cwd": app, "gid": place.gid, "groups": place.groups}
    refused = run(place.uid, *words, **flags)
    assert "not looked for in the working directory" in refused.stderr and "LITEQUEUE_TRUST=anyone" in refused.stderr, refused.stderr
    assert world.ran() == []
    done = run(place.uid, *words, env=ANYONE, **flags)
    assert world.ran() == all_ran(place), done.stderr


@pytest.mark.slow
def test_a_worker_of_roots_on_a_users_file_says_in_one_line_that_it_runs_nothing_and_what_to_do(world: World) -> None:
    place, as_user = ROOT_ON_A_BIND_MOUNT, A_NUMBER
    db = produce(world, as_user)
    said = burst(place, db)
    assert world.ran() == []
    lines = [line for line in said.splitlines() if "belongs to another user" in line]
    assert len(lines) == 1 and f"--user {OWNER}:{OWNER}" in lines[0] and "LITEQUEUE_TRUST=anyone" in lines[0], said
    doctor = place.run("doctor", db)
    assert doctor.returncode == 0, "the owner's worker would run them"
    assert f"{db.parent} belongs to another user (uid {OWNER}; work as that one, in a container with --user {OWNER}:{OWNER})" in doctor.stdout
    burst(as_user, db)  # as the line says
    assert world.ran() == all_ran(as_user)


@pytest.mark.slow
def test_what_a_cluster_makes_writable_for_its_group_as_the_volume_is_mounted_again_stays_usable(world: World) -> None:
    """It gives all files to the group, and lets that write them."""
    place = FS_GROUP
    db = produce(world, place, **ANYONE)
    os.makedirs(f"{db}-workers", exist_ok=True)
    os.chown(f"{db}-workers", place.uid, GROUP)
    for path in (db.parent, *db.parent.iterdir()):
        os.chown(path, -1, GROUP)
        path.chmod(path.stat().st_mode & 0o777 | (0o2070 if path.is_dir() else 0o060))
    assert Path(f"{db}-workers").stat().st_mode & 0o070 == 0o070
    said = burst(place, db, **ANYONE)
    assert world.ran() == all_ran(place), said
    assert place.run("doctor", db, **ANYONE).returncode == 0


# -- user namespaces --------------------------------------------------------------------------------------------------------


def in_a_namespace(words: list[str], *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    """One that has a number for root alone."""
    unshare = ["unshare", "--user", *flags]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs unshare, and leave to make a user namespace")
    return subprocess.run([*unshare, *words], cwd="/", env=environment(**env), capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.slow
def test_a_file_of_who_has_no_number_in_a_user_namespace_is_refused_in_words_of_its_own(world: World) -> None:
    folder = world.folder("data", uid=OTHER, mode=0o777)
    db = world.queue(folder, uid=OTHER, mode=0o666)
    world.command_job(db, uid=OTHER)
    done = in_a_namespace(command("worker", db, "--burst", "--grace", 1), "--map-root-user")
    assert world.ran() == []
    assert f"{folder} belongs to uid 65534, which stands for all whom this user namespace has no number for" in done.stderr, done.stderr
    assert "LITEQUEUE_TRUST=anyone" in done.stderr
    in_a_namespace(command("worker", db, "--burst", "--grace", 1), "--map-root-user", **ANYONE)
    assert world.ran() == ["ran0"]


@pytest.mark.slow
def test_who_has_no_number_himself_takes_no_file_of_others_for_his_own(world: World) -> None:
    """All files, and he, are shown as the same number's."""
    db = world.queue(world.folder("data", uid=0), uid=0)
    world.tasks(folder := world.folder("others", uid=OTHER), uid=OTHER)
    world.job(db, folder, uid=0)
    done = in_a_namespace(command("worker", db, "--burst", "--grace", 1))
    assert world.ran() == [], done.stderr
    assert "belongs to uid 65534" in done.stderr, done.stderr


NOBODY = 65_534
MAPPED = """
import ctypes, os, sys
told, tell = os.pipe(); waits, go_on = os.pipe()
pid = os.fork()
if pid == 0:
    if ctypes.CDLL(None).unshare(0x1000_0000):
        os._exit(77)
    os.write(tell, b"."); os.read(waits, 1)
    os.setgroups([]); os.setresgid(*3 * [int(sys.argv[1])]); os.setresuid(*3 * [int(sys.argv[1])])
    os.execv(sys.argv[2], sys.argv[2:])
os.close(tell)
if os.read(told, 1):
    for kind in ("uid", "gid"):
        with open(f"/proc/{pid}/{kind}_map", "w") as file:
            file.write("0 0 1\\n1 200001 65535")  # root as outside: in a container the whole tree is its own root's
    os.write(go_on, b".")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def in_a_containers(uid: int, words: list[str]) -> subprocess.CompletedProcess[str]:
    """A namespace as Podman's and Kubernetes': 65536 numbers, with a nobody of its own among them."""
    done = subprocess.run(
        [words[0], "-c", MAPPED, str(uid), *words], cwd="/", env=environment(), capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode == 77:
        pytest.skip("needs leave to make a user namespace")
    return done


@pytest.mark.slow
@pytest.mark.parametrize("uid", [NOBODY, 1000])
def test_a_namespace_that_has_a_nobody_of_its_own_shows_others_as_that_one_too(world: World, uid: int) -> None:
    """Whoever works as another number there has all as ever."""
    home = world.folder("data", uid=200_000 + uid)
    db = world.queue(home, uid=200_000 + uid)
    by = OTHER if uid == NOBODY else 200_000 + uid
    world.tasks(folder := world.folder("shop", uid=by), uid=by)
    world.job(db, folder, uid=200_000 + uid)
    done = in_a_containers(uid, command("worker", db, "--burst", "--grace", 1))
    assert world.ran() == ([] if uid == NOBODY else [f"task{uid}"]), done.stderr
    assert ("belongs to uid 65534, which stands for all" in done.stderr) == (uid == NOBODY), done.stderr


@pytest.mark.slow
def test_a_group_that_a_namespace_has_no_number_for_is_nobodys_own(world: World) -> None:
    code = "from litequeue.base.accounts import others_in; print(others_in(65534, 65534))"
    done = in_a_containers(1000, [*command()[:2], "-c", code])
    assert "stands for all that this user namespace has no number for" in done.stdout, done
    assert "stands for" not in python(0, code).stdout


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
