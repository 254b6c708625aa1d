"""Groups and ACLs. Who else is in a group, and what an ACL allows, does not stand in the mode bits."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from litequeue.base import accounts

from . import forged
from .world import OTHER, OWNER, World, as_user, burst, command, environment

ACL = "system.posix_acl_access"

pytestmark = [pytest.mark.beside, pytest.mark.slow]


@pytest.fixture
def person() -> pwd.struct_passwd:
    """An account of the system's with a group of its own name, in which nobody else is."""
    accounts = pwd.getpwall()
    for user in accounts:
        with contextlib.suppress(KeyError):
            group = grp.getgrgid(user.pw_gid)
            alone = not [other for other in accounts if other.pw_gid == user.pw_gid and other != user]
            if user.pw_uid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name} and alone:
                return user
    pytest.skip("needs an account with a group of its own")


def grant(path: Path, uid: int, permissions: int) -> None:
    """An ACL that lets one more user in. ``setfacl`` need not be there."""
    entries = [(0x01, 7, 0xFFFFFFFF), (0x02, permissions, uid), (0x04, 0, 0xFFFFFFFF), (0x10, permissions, 0xFFFFFFFF), (0x20, 0, 0xFFFFFFFF)]
    try:
        os.setxattr(path, ACL, struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            pytest.skip("this file system has no ACLs")
        raise


# -- groups -------------------------------------------------------------------------------------------------------


def test_an_account_whose_primary_group_it_is_gets_no_command_run(world: World) -> None:
    """In a mount namespace with accounts of the test's own."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs unshare, and leave to make a mount namespace")
    etc = world.folder("etc", uid=0)
    accounts = [f"root:x:0:0::/root:/bin/sh\nanna:x:{OWNER}:{OWNER}::/:/bin/sh\nberta:x:{OTHER}:{OWNER}::/:/bin/sh\n", f"anna:x:{OWNER}:\nroot:x:0:\n"]
    for name, text in zip(("passwd", "group"), accounts, strict=True):
        world.file(etc / name, text, uid=0)
    db = world.queue(world.folder("home", mode=0o775), mode=0o660)
    world.command_job(db, uid=OTHER, gid=OWNER)
    words = command("worker", db, "--burst", "--grace", 1)
    become = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"]
    mounts = f"mount --bind {etc}/passwd /etc/passwd && mount --bind {etc}/group /etc/group && exec \"$@\""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounts, "sh", *become, *words], cwd="/", env=environment(), capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert "is not opened, since" in done.stderr, done.stderr
    assert world.ran() == []


def test_who_is_in_roots_group_gets_no_command_run_as_root(world: World) -> None:
    """As a container that is started with any number has the group 0."""
    db = world.queue(world.folder("srv", uid=0, mode=0o775), uid=0, mode=0o660)
    world.command_job(db, uid=OTHER, gid=0)
    burst(0, db)
    assert world.ran() == []


# -- ACLs ---------------------------------------------------------------------------------------------------------


def test_who_is_let_in_by_an_acl_on_the_file_gets_no_command_run(world: World, person: pwd.struct_passwd) -> None:
    uid, gid = person.pw_uid, person.pw_gid
    folder = world.folder("home", uid=uid, mode=0o775, gid=gid)
    db = world.queue(folder, uid=uid, mode=0o660, gid=gid)
    grant(db, OTHER, 6)
    grant(folder, OTHER, 7)
    world.command_job(db, uid=OTHER)
    burst(uid, db, gid=gid)
    assert world.ran() == []


def test_who_is_let_in_by_an_acl_on_the_directory_of_a_module_does_not_replace_it(world: World, person: pwd.struct_passwd) -> None:
    uid, gid = person.pw_uid, person.pw_gid
    db = world.queue(world.folder("home", uid=uid, mode=0o700, gid=gid), uid=uid, gid=gid)
    folder = world.folder("app", uid=uid, mode=0o775, gid=gid)
    world.tasks(folder, "import colorsys\n", uid=uid)
    grant(folder, OTHER, 7)
    as_user(OTHER, lambda: (folder / "colorsys.py").write_text(world.leaves_mark()))
    world.job(db, folder, uid=uid, gid=gid)
    burst(uid, db, gid=gid)
    assert world.ran() == []


# -- beside a database that its owner's group may write ----------------------------------------------------------------


@pytest.fixture
def db(world: World, person: pwd.struct_passwd) -> Path:
    """An empty one, as a umask of 002 makes it, where each user has a group of his own."""
    uid, gid = person.pw_uid, person.pw_gid
    return world.queue(world.folder("home", uid=uid, mode=0o775, gid=gid), uid=uid, mode=0o664, gid=gid)


def log_with_a_command(world: World, db: Path, person: pwd.struct_passwd, mode: int, gid: int) -> Path:
    """As a program of the owner's leaves it that was killed; of that mode and group."""
    other = world.queue(world.folder("other"))
    world.command_job(other)
    return world.file(Path(f"{db}-wal"), forged.wal(other.read_bytes()), person.pw_uid, mode, gid)


@pytest.mark.parametrize(("mode", "gid"), [(0o666, None), (0o664, OTHER), (0o660, OTHER)])
def test_a_log_that_more_can_write_than_the_database_is_not_played_in(
    world: World, db: Path, person: pwd.struct_passwd, mode: int, gid: int | None
) -> None:
    """That the group may write the database is no leave for everybody, nor for another group."""
    log_with_a_command(world, db, person, mode, person.pw_gid if gid is None else gid)
    done = burst(person.pw_uid, db, gid=person.pw_gid)
    assert f"{db}-wal can be written by others (mode {mode:o}" in done.stderr, done.stderr
    assert world.ran() == []


def test_a_log_that_an_acl_lets_somebody_write_is_not_played_in(world: World, db: Path, person: pwd.struct_passwd) -> None:
    grant(log_with_a_command(world, db, person, 0o664, person.pw_gid), OTHER, 6)
    done = burst(person.pw_uid, db, gid=person.pw_gid)
    assert f"{db}-wal can be written by others (it has an access control list" in done.stderr, done.stderr
    assert world.ran() == []


def test_a_log_of_the_databases_own_mode_is_played_in(world: World, db: Path, person: pwd.struct_passwd) -> None:
    log_with_a_command(world, db, person, 0o664, person.pw_gid)
    done = burst(person.pw_uid, db, gid=person.pw_gid)
    assert world.ran() == [f"ran{person.pw_uid}"], done.stderr


def test_who_can_write_the_database_needs_nothing_that_lies_beside_it(world: World) -> None:
    """A file of a group's with a log of the same group's, and a folder of locks: opened, with nothing run that it names."""
    db = world.queue(world.folder("home"), mode=0o660, gid=OTHER)
    world.file(Path(f"{db}-wal"), b"", OWNER, 0o660, OTHER)
    world.folder("home/db.sqlite-workers", mode=0o770, gid=OTHER)
    world.file(Path(f"{db}-lock"), b"", OWNER, 0o660, OTHER)
    done = burst(OWNER, db)
    assert done.returncode == 0 and "serves" in done.stderr, done.stderr
    world.give(Path(f"{db}-lock"), OWNER, 0o660, OWNER)
    assert f"the lock file {db}-lock can be written by others" in burst(OWNER, db).stderr


# -- accounts that are not in /etc/passwd --------------------------------------------------------------------------------


def account(name: str, uid: int, gid: int) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", uid, gid, "", "/", "/bin/sh"))


@pytest.mark.parametrize(
    ("user", "group", "listed", "said"),
    [
        ("anna", "anna", ["anna", "root"], None),
        ("anna", "anna", ["root"], "who else is in its group anna cannot be told, since the accounts of this host cannot be listed"),
        ("anna", None, ["anna"], f"nothing is known here of its group {OWNER}"),
        (None, "anna", ["root"], f"nothing is known here of uid {OWNER}, or who is in its group"),
        ("anna", "anna", ["anna", "berta"], "berta is in its group anna"),
        ("anna", "staff", ["anna"], "others may be in its group staff"),
    ],
)
def test_a_group_of_which_not_all_can_be_told_is_not_its_users_own(
    monkeypatch: pytest.MonkeyPatch, user: str | None, group: str | None, listed: list[str], said: str | None
) -> None:
    """A directory of accounts (LDAP) may tell of one that is asked for, and list none."""
    known = {"anna": account("anna", OWNER, OWNER), "berta": account("berta", OTHER, OWNER), "root": account("root", 0, 0)}
    if user is not None:
        monkeypatch.setattr(pwd, "getpwuid", lambda uid: known[user])
    if group is not None:
        monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((group, "x", gid, [])))
    monkeypatch.setattr(pwd, "getpwall", lambda: [known[name] for name in listed])
    found = accounts._others_in.__wrapped__(OWNER, OWNER, 0)
    assert found is None if said is None else said in str(found), found


# -- what goes on working -----------------------------------------------------------------------------------------------


def test_where_each_user_has_a_group_of_his_own_the_group_may_write(world: World, person: pwd.struct_passwd) -> None:
    """As Debian makes accounts, with a umask of 002."""
    uid, gid = person.pw_uid, person.pw_gid
    db = world.queue(world.folder("home", uid=uid, mode=0o775, gid=gid), uid=uid, mode=0o660, gid=gid)
    folder = world.folder("app", uid=uid, mode=0o775, gid=gid)
    world.give(world.tasks(folder), uid, 0o664, gid)
    world.job(db, folder, uid=uid, gid=gid)
    done = burst(uid, db, gid=gid)
    assert world.ran() == [f"task{uid}"], done.stderr


def test_a_group_that_may_only_read_is_nobody_to_fear(world: World) -> None:
    db = world.queue(world.folder("home", mode=0o750, gid=OTHER), mode=0o640, gid=OTHER)
    world.command_job(db)
    done = burst(OWNER, db)
    assert world.ran() == [f"ran{OWNER}"], done.stderr
