"""``DB-workers/`` and ``DB-lock``. What is made, written over and deleted there must be nobody else's."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from litequeue.base.lockfolder import hold_for_life
from litequeue.store import Store
from litequeue.store.workers import Registration

from ..support import wait_until
from .world import OTHER, OWNER, World, as_user, burst, command, run, sql, started

pytestmark = pytest.mark.beside

MICROS = 1_000_000
OLD = 3600  # seconds


def now() -> int:
    return int(time.time() * MICROS)


def old(path: Path) -> Path:
    os.utime(path, (time.time() - OLD, time.time() - OLD))
    return path


def register(store: Store, name: str = "w") -> Registration:
    return store.workers.register(name=name, host="h", wake_port=None, queues=None, slots={"thread": 1}, now=now())


@pytest.fixture
def precious(world: World) -> Path:
    """A lock file of another program, in a folder of its own, as old as nobody's who begins just now."""
    folder = world.folder("precious", mode=0o777)
    return old(world.file(folder / "poetry.lock", "precious", mode=0o666))


def housekeeping(uid: int, db: Path, before: Callable[[], None] = lambda: None) -> None:
    """A worker's: it registers, ``before`` happens, it looks for what the dead have left, judges its peers, and signs off."""

    def work() -> None:
        store = Store(str(db))
        with contextlib.suppress(OSError):  # every refusal of ours is one
            mine = register(store)
            before()
            for peer in store.workers.peers(mine.id):
                with store.workers.proven_dead(peer):
                    pass
            store.workers.forget(0, now())
            mine.close()
        store.close()

    as_user(uid, work)


@pytest.mark.parametrize("uid", [OWNER, 0], ids=["the owner", "root"])
def test_a_link_put_in_place_of_the_folder_makes_no_worker_unlink_other_peoples_files(
    world: World, precious: Path, uid: int
) -> None:
    """Root's worker too, on a file of the one who swaps."""
    owner = OTHER if uid == 0 else OWNER
    world.give(precious, uid, 0o600)
    db = world.queue(world.folder("app", uid=owner, mode=0o777), uid=owner)

    def swap() -> None:
        os.rename(f"{db}-workers", f"{db}-gone")
        os.symlink(precious.parent, f"{db}-workers")

    housekeeping(uid, db, swap)
    assert precious.exists()


def test_a_planted_row_makes_no_worker_unlink_other_peoples_files(world: World, precious: Path) -> None:
    world.give(precious, OWNER, 0o600)
    db = world.queue(world.folder("app", mode=0o777))
    row = "INSERT INTO litequeue_workers (name, pid, host, lock_file, slots, started_at, heartbeat_at) VALUES ('x', 1, 'h', ?, '{}', 0, 0)"
    sql(OWNER, db, lambda connection: connection.execute(row, (precious.name,)) and None)
    precious.touch()  # so that its age is not what saves it

    def swap() -> None:
        os.rename(f"{db}-workers", f"{db}-gone")
        os.symlink(precious.parent, f"{db}-workers")

    housekeeping(OWNER, db, swap)
    assert precious.exists()


def test_a_link_in_place_of_the_folder_is_refused(world: World, precious: Path) -> None:
    db = world.queue(world.folder("app"))
    os.symlink(precious.parent, f"{db}-workers")
    housekeeping(OWNER, db)
    assert precious.read_text() == "precious"
    assert list(precious.parent.iterdir()) == [precious]


@pytest.mark.parametrize("name", ["poetry.lock", "Cargo.lock", "0123456789abcdeg.lock", "0123456789abcdef0.lock"])
def test_a_name_that_is_none_of_a_workers_is_not_deleted(world: World, name: str) -> None:
    db = world.queue(world.folder("app"))
    folder = world.folder("app/db.sqlite-workers", mode=0o700)
    file = old(world.file(folder / name, "precious", mode=0o600))
    housekeeping(OWNER, db)
    assert file.exists()


@pytest.mark.parametrize("kind", ["another's", "with two links"])
def test_a_lock_that_is_not_a_workers_own_is_not_deleted(world: World, kind: str) -> None:
    db = world.queue(world.folder("app"))
    folder = world.folder("app/db.sqlite-workers", mode=0o700)
    file = old(world.file(folder / "0123456789abcdef.lock", "precious", OTHER if kind == "another's" else OWNER, 0o666))
    if kind == "with two links":
        os.link(file, world.folder("precious") / "file")
    housekeeping(OWNER, db)
    assert file.exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["another's", "open to others"])
def test_nobody_who_made_the_folder_first_swaps_a_live_workers_lock_file(world: World, kind: str) -> None:
    """Its peers would believe it dead, and run its jobs a second time while they run."""
    db = world.queue(world.folder("app"))
    folder = world.folder("app/db.sqlite-workers", OTHER if kind == "another's" else OWNER, 0o777)

    left = world.file(folder / "fedcba9876543210.lock", "", mode=0o600)  # by a worker that was killed

    def swap() -> None:
        (live,) = set(folder.iterdir()) - {left}
        os.rename(left, live)

    def judge() -> bool:
        store = Store(str(db))
        (peer,) = store.workers.peers(0)
        with store.workers.proven_dead(peer) as dead:
            found = dead
        store.close()
        return found

    with started(OWNER, command("worker", db, "--grace", 1)) as worker:
        wait_until(lambda: worker.poll() is not None or has_a_worker(db), what="it is up, or refuses")
        if worker.poll() is None:
            as_user(OTHER, swap)
            assert not as_user(OWNER, judge)


def has_a_worker(db: Path) -> bool:
    return sql(OWNER, db, lambda connection: connection.execute("SELECT count(*) FROM litequeue_workers").fetchone()[0] == 1)


# -- DB-lock -------------------------------------------------------------------------------------------------------------


def test_a_hard_link_to_something_precious_is_not_written_over(world: World) -> None:
    home = world.folder("home")
    file = world.file(home / "thesis.txt", "precious " * 100, mode=0o600)
    db = world.queue(world.folder("app"))
    os.link(file, f"{db}-lock")
    run(OWNER, "enqueue", db, "t")
    assert file.read_text() == "precious " * 100


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["another's", "open to others"])
def test_a_lock_file_that_others_can_hold_is_not_taken(world: World, kind: str) -> None:
    """They would hold up every write for as long as they like, and change what it says of the files."""
    db = world.queue(world.folder("app"))
    lock = world.file(Path(f"{db}-lock"), "", OTHER if kind == "another's" else OWNER, 0o666)
    done = run(OWNER, "enqueue", db, "t")
    assert done.returncode == 4
    assert lock.read_bytes() == b""
    assert f"{lock} " in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_root_does_not_take_a_lock_file_of_a_third_user(world: World) -> None:
    db = world.queue(world.folder("app"))
    lock = world.file(Path(f"{db}-lock"), "", OTHER, 0o600)
    assert run(0, "enqueue", db, "t").returncode == 4
    assert lock.read_bytes() == b""
    lock.unlink()
    assert run(0, "enqueue", db, "t").returncode == 0
    assert lock.stat().st_uid == OWNER


def test_a_link_in_place_of_the_lock_is_refused(world: World) -> None:
    file = world.file(world.folder("home") / "thesis.txt", "precious " * 100, mode=0o600)
    db = world.queue(world.folder("app"))
    os.symlink(file, f"{db}-lock")
    assert run(OWNER, "enqueue", db, "t").returncode == 4
    assert file.read_text() == "precious " * 100


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["-lock", "-workers"])
def test_a_pipe_in_place_of_what_is_opened_holds_nobody_up(world: World, suffix: str) -> None:
    db = world.queue(world.folder("app"))
    world.command_job(db)
    os.mkfifo(f"{db}{suffix}", 0o666)
    os.chown(f"{db}{suffix}", OWNER, OWNER)
    done = burst(OWNER, db)
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr


# -- what goes on working ------------------------------------------------------------------------------------------------


def test_what_a_dead_worker_left_is_deleted(world: World) -> None:
    db = world.queue(world.folder("app"))
    folder = world.folder("app/db.sqlite-workers", mode=0o700)
    left = [old(world.file(folder / f"0123456789abcdef{more}.lock", "", mode=0o600)) for more in ("", "-1234")]
    housekeeping(OWNER, db)
    assert not any(file.exists() for file in left)


def test_a_worker_that_died_is_proven_dead_and_a_live_one_is_not(world: World) -> None:
    db = world.queue(world.folder("app"))

    def judge() -> tuple[bool, bool]:
        store = Store(str(db))
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                register(Store(str(db)), "the dead")
            os._exit(0)
        os.waitpid(pid, 0)
        (dead,) = store.workers.peers(0)
        mine = register(store, "the living")
        living = next(peer for peer in store.workers.peers(0) if peer.id == mine.id)
        found = []
        for peer in (dead, living):
            with store.workers.proven_dead(peer) as is_dead:
                found.append(is_dead)
        mine.close()
        store.close()
        return found[0], found[1]

    assert as_user(OWNER, judge) == (True, False)
    assert list(Path(f"{db}-workers").iterdir()) == []


def test_what_roots_worker_left_that_was_killed_is_the_owners_to_judge_and_delete(world: World) -> None:
    db = world.queue(world.folder("app"))

    def be_killed() -> None:
        mine = register(Store(str(db)))
        pid = os.fork()  # a process of its pool
        if pid == 0:
            hold_for_life(mine.locks_of_children)
            os._exit(0)
        os.waitpid(pid, 0)

    as_user(0, be_killed)
    folder = Path(f"{db}-workers")
    left = list(folder.iterdir())
    assert len(left) == 2 and {path.stat().st_uid for path in (*left, folder)} == {OWNER}
    housekeeping(OWNER, db)
    assert list(folder.iterdir()) == []


def test_the_folder_and_the_lock_are_made_for_their_owner_alone(world: World) -> None:
    db = world.queue(world.folder("app"))
    housekeeping(OWNER, db)
    for suffix, mode in (("-workers", 0o40700), ("-lock", 0o100600)):
        found = os.stat(f"{db}{suffix}")
        assert (found.st_uid, found.st_mode) == (OWNER, mode)


@pytest.mark.parametrize("mode", [0o600, 0o500, 0])
def test_a_folder_that_its_owner_has_closed_to_himself_is_told_with_what_opens_it(world: World, mode: int) -> None:
    """As by chmod 600 db.sqlite*."""
    db = world.queue(world.folder("app"))
    folder = world.folder("app/db.sqlite-workers", mode=mode)
    refused = burst(OWNER, db).stderr
    cure = f"chmod u+rwx {folder}\n"
    assert f"{folder} belongs to uid {OWNER} with mode {mode:o}, and you are uid {OWNER}: {cure}" in refused, refused
    told = run(OWNER, "doctor", db)
    assert told.returncode == 1 and "no worker starts, since" in told.stdout and cure in told.stdout, told.stdout
    as_user(OWNER, lambda: folder.chmod(0o700))
    assert burst(OWNER, db).returncode == 0
    assert run(OWNER, "doctor", db).returncode == 0


def test_what_was_looked_at_while_it_could_only_be_read_is_told_with_what_opens_it(world: World) -> None:
    """SQLite leaves an index of the file's mode."""
    db = world.queue(world.folder("app"), mode=0o400)
    assert run(OWNER, "jobs", db).returncode == 0
    as_user(OWNER, lambda: db.chmod(0o600))
    index = Path(f"{db}-shm")
    cure = f"{index} belongs to uid {OWNER} with mode 400, and you are uid {OWNER}: chmod u+rw {index}"
    for words in (("enqueue", "t"), ("doctor",)):
        said = run(OWNER, words[0], db, *words[1:])
        assert said.returncode == 4 and cure in said.stdout + said.stderr, said
    as_user(OWNER, lambda: index.chmod(0o600))
    assert run(OWNER, "enqueue", db, "t").returncode == 0


def test_who_may_not_is_told_how_several_accounts_may(world: World) -> None:
    db = world.queue(world.folder("app"))
    said = run(OTHER, "jobs", db, env={"LITEQUEUE_TRUST": "anyone"})
    assert said.returncode == 4 and "work as that one, or see `litequeue help deploying`" in said.stderr, said.stderr
