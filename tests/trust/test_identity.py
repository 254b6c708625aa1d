"""Which file is judged. A path can lead elsewhere by the time that it is judged; what is open cannot."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ..support import wait_until
from . import forged
from .world import OTHER, OWNER, World, as_user, burst, command, run, sql, started

pytestmark = pytest.mark.beside


def registered(db: Path, uid: int) -> bool:
    return sql(uid, db, lambda connection: connection.execute("SELECT count(*) FROM litequeue_workers").fetchone()[0] == 1)


@pytest.mark.slow
def test_roots_worker_on_a_users_file_does_not_run_his_code_as_root_once_he_has_swapped_the_directory_for_a_link(world: World) -> None:
    """For one of root's, which has a file of that name, and whose time of change his own has been given."""
    etc = world.folder("etc", uid=0)
    world.file(etc / "passwd", "root's", uid=0)
    home = world.folder("home", uid=OTHER)
    mine = home / "q"
    as_user(OTHER, mine.mkdir)
    db = world.queue(mine, uid=OTHER, name="passwd")
    stamp = etc.stat().st_mtime_ns

    def swap() -> None:
        os.utime(mine, ns=(stamp, stamp))
        time.sleep(1.5)  # in which the worker looks, and looks again
        os.utime(mine, ns=(stamp, stamp))
        os.rename(mine, home / "away")
        os.symlink(etc, mine)

    with started(0, command("worker", db, "--grace", 1)) as worker:
        wait_until(lambda: registered(db, 0), what="the worker is up")
        as_user(OTHER, swap)
        # Where the rows come from is still there, under another name.
        plant_job(world, home / "away/passwd")
        wait_until(lambda: worker.poll() is not None or has_been_tried(home / "away/passwd"), what="the worker has met the job")
    assert world.ran() == []


def plant_job(world: World, db: Path) -> None:
    world.command_job(db, uid=OTHER)


def has_been_tried(db: Path) -> bool:
    asks = "SELECT count(*) FROM litequeue_jobs WHERE state IN ('succeeded', 'discarded')"
    tells = "SELECT unknown_tasks FROM litequeue_workers"
    return sql(
        OTHER, db, lambda connection: connection.execute(asks).fetchone()[0] == 1 or connection.execute(tells).fetchone()[0] != "{}"
    )


@pytest.mark.slow
def test_a_queue_that_is_named_by_a_link_is_judged_by_where_it_lies(world: World) -> None:
    shared = world.folder("shared", mode=0o777)
    db = world.queue(shared)
    others = world.queue(world.folder("others", uid=OTHER), uid=OTHER)
    world.command_job(others, uid=OTHER)
    log = forged.journal(others.read_bytes())

    def plant() -> None:
        (shared / "db.sqlite-journal").write_bytes(log)
        (shared / "db.sqlite-journal").chmod(0o666)

    as_user(OTHER, plant)
    link = world.folder("home") / "db.sqlite"
    os.symlink(db, link)
    before = db.read_bytes()
    burst(OWNER, link)
    assert world.ran() == []
    assert db.read_bytes() == before


@pytest.mark.slow
def test_the_worker_and_the_doctor_say_the_same_of_a_link(world: World) -> None:
    db = world.queue(world.folder("shared", mode=0o777))
    link = world.folder("home") / "db.sqlite"
    os.symlink(db, link)
    folder = world.folder("code")
    world.tasks(folder)
    world.job(db, folder)
    said = run(OWNER, "doctor", link).stdout
    burst(OWNER, link)
    assert world.ran() == [] and "is not opened, since" in said


@pytest.mark.slow
def test_a_file_of_another_user_that_took_the_place_of_ones_own_is_not_served(world: World) -> None:
    """A worker that is started on it, and one that was there before."""
    shared = world.folder("shared", mode=0o777)
    db = world.queue(shared)
    theirs = world.queue(world.folder("others", uid=OTHER), uid=OTHER, mode=0o666)
    world.command_job(theirs, uid=OTHER)
    with started(OWNER, command("worker", db, "--grace", 1)) as worker:
        wait_until(lambda: registered(db, OWNER) or worker.poll() is not None, what="the worker is up, or refuses")

        def swap() -> None:
            os.rename(db, shared / "gone")
            os.rename(theirs, db)

        os.rename(theirs, shared / "theirs")
        theirs = shared / "theirs"
        as_user(OTHER, swap)
        wait_until(lambda: worker.poll() is not None, what="the worker leaves")
    burst(OWNER, db)
    assert world.ran() == []


# -- what goes on working ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_queue_that_is_named_by_a_link_runs(world: World) -> None:
    db = world.queue(world.folder("data", mode=0o700))
    link = world.folder("home") / "db.sqlite"
    os.symlink(db, link)
    world.command_job(db)
    done = burst(OWNER, link)
    assert world.ran() == [f"ran{OWNER}"], done.stderr
    assert list(link.parent.iterdir()) == [link]


@pytest.mark.slow
def test_a_queue_below_a_link_of_roots_runs(world: World) -> None:
    """As /var/run leads to /run, or /home to /usr/home."""
    db = world.queue(world.folder("usr/home/me", mode=0o700))
    os.symlink(world.root / "usr/home", world.root / "home")
    world.command_job(db)
    done = burst(OWNER, world.root / "home/me/db.sqlite")
    assert world.ran() == [f"ran{OWNER}"], done.stderr
