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
