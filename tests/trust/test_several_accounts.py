"""Several accounts at one queue, and the units that keep a worker up for one of them: what the guide has typed."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..support import ROOT, wait_until
from .world import World, environment, interpreter, run

pytestmark = [pytest.mark.beside, pytest.mark.slow]

GROUP = 54_999  # in which both are


@pytest.fixture
def accounts() -> list[pwd.struct_passwd]:
    """Those of the system's that are not root's."""
    found = [user for user in pwd.getpwall() if user.pw_uid and user.pw_name != "nobody"]
    if len(found) < 2:
        pytest.skip("needs two accounts")
    return found


@pytest.fixture
def account(accounts: list[pwd.struct_passwd]) -> pwd.struct_passwd:
    return accounts[0]


# -- service --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_new", [True, False])
def test_root_is_told_to_print_a_unit_of_the_systems_for_the_file_of_an_account(
    world: World, account: pwd.struct_passwd, is_new: bool
) -> None:
    folder = world.folder("home", uid=account.pw_uid, mode=0o700, gid=account.pw_gid)
    db = folder / "db.sqlite" if is_new else world.queue(folder, uid=account.pw_uid, gid=account.pw_gid)
    done = run(0, "service", db)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"uid {account.pw_uid}'s" in done.stderr and "give --system" in done.stderr
    done = run(0, "service", "--system", db)
    assert done.returncode == 0 and f"\nUser={account.pw_name}\n" in done.stdout, done.stderr
    assert "refuse" not in done.stderr
    done = run(account.pw_uid, "service", db, gid=account.pw_gid)
    assert done.returncode == 0 and "\nUser=" not in done.stdout, done.stderr


@pytest.mark.parametrize("trust", ["owner", "anyone"])
def test_a_user_does_not_choose_the_account_of_the_unit_by_a_link_in_his_folder(
    world: World, account: pwd.struct_passwd, trust: str
) -> None:
    """The worker of that unit imported, as root, what root had it import of the user's."""
    folder = world.folder("home", uid=account.pw_uid, gid=account.pw_gid)
    db, roots = folder / "db.sqlite", world.queue(world.folder("srv", uid=0), uid=0)
    db.symlink_to(roots)
    os.lchown(db, account.pw_uid, account.pw_gid)
    done = run(0, "service", "--system", db, env={"LITEQUEUE_TRUST": trust})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1), done
    assert f"{folder} belongs to uid {account.pw_uid}" in done.stderr and "would run as uid 0" in done.stderr, done.stderr


def test_a_unit_names_the_owner_of_a_file_to_which_roots_folders_and_links_lead(world: World, account: pwd.struct_passwd) -> None:
    """A sticky folder of root's is one as well: a file there is its owner's to exchange, for one of his own."""
    db = world.queue(world.folder("srv", uid=0, mode=0o1777), uid=account.pw_uid, gid=account.pw_gid)
    (world.root / "link").symlink_to(db)
    for path in (db, world.root / "link"):
        done = run(0, "service", "--system", path)
        assert done.returncode == 0 and f"\nUser={account.pw_name}\n" in done.stdout, done


# -- a group ---------------------------------------------------------------------------------------------------------


class Typist:
    """Who types the lines of a part of the guide, with accounts of this system's and a folder of the world's for those in them."""

    def __init__(
        self, world: World, shop: pwd.struct_passwd, web: pwd.struct_passwd, chapter: str = "deploying", part: str = "Several accounts"
    ) -> None:
        text = (ROOT / f"litequeue/guide/{chapter}.md").read_text().partition(f"## {part}\n")[2].partition("\n## ")[0]
        self.lines = re.findall(r"^sudo [^|\n]*", text.replace("\\\n", ""), re.MULTILINE)
        self.folder = world.root / "jobs"
        self.db = self.folder / "db.sqlite"
        self._users = {"shop": shop, "web": web}

    def words(self, line: str) -> tuple[pwd.struct_passwd | None, list[str]]:
        """Who runs it, and what."""
        line = re.sub("/srv/jobs|/var/lib/shop", str(self.folder), line).replace("/opt/shop/bin/python", str(interpreter()))
        line = line.replace("-o shop -g jobs", f"-o {self._users['shop'].pw_uid} -g {GROUP}")
        words = shlex.split(line)[1:]
        return (self._users[words[1]], words[2:]) if words[0] == "-u" else (None, words)

    def type(self, line: str, cwd: Path | str = "/", **more: str) -> subprocess.CompletedProcess[str]:
        user, words = self.words(line)
        return subprocess.run(
            words, cwd=cwd, env={**environment(), **more}, capture_output=True, text=True, timeout=30, check=False, umask=0o022,
            **({} if user is None else as_member(user)),
        )  # fmt: skip

    def set_up(self, **more: str) -> str:
        """All but what makes accounts and environments; the unit."""
        done = None
        for line in self.lines:
            if "sudo -u shop" in line or "install -d" in line or "litequeue service" in line:
                done = self.type(line, **more)
                assert done.returncode == 0, (line, done.stderr)
        assert done is not None
        return done.stdout


def started(unit: str, user: pwd.struct_passwd, *flags: str) -> subprocess.Popen[str]:
    """As systemd does it."""
    command, place = (re.findall(f"^{name}=(.*)", unit, re.MULTILINE)[0] for name in ("ExecStart", "WorkingDirectory"))
    set_there = dict(word.split("=", 1) for line in re.findall("^Environment=(.*)", unit, re.MULTILINE) for word in shlex.split(line))
    return subprocess.Popen(
        [*shlex.split(command), *flags], cwd=place, env={"PATH": os.defpath, **set_there}, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, **as_member(user),
    )  # fmt: skip


def as_member(user: pwd.struct_passwd) -> dict[str, Any]:
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [GROUP]}


def test_one_account_of_a_group_runs_the_workers_and_another_enqueues_as_the_guide_has_it(
    world: World, accounts: list[pwd.struct_passwd]
) -> None:
    shop, web = accounts[:2]
    typist = Typist(world, shop, web)
    unit = typist.set_up()
    assert f"\nUser={shop.pw_name}\n" in unit
    (enqueues,) = (line for line in typist.lines if " -u web " in line)
    worker = started(unit, shop)
    try:
        wait_until(lambda: list(Path(f"{typist.db}-workers").iterdir()) != [] or worker.poll() is not None, what="the worker has started")
        at_home = world.folder("web's", uid=web.pw_uid, mode=0o700, gid=web.pw_gid)
        done = typist.type(enqueues, cwd=at_home)
        assert f"uid={shop.pw_uid}" in done.stdout and "note:" not in done.stderr, done.stderr
        done = typist.type(enqueues.replace("--cwd / ", ""), cwd=at_home)
        assert f"is uid {shop.pw_uid}'s, whose worker cannot enter {at_home}: name a directory that it can enter with --cwd" in done.stderr
        assert "Permission denied" in done.stderr, "as the note says"
        done = typist.type(enqueues.replace("--cwd / ", ""), cwd=world.folder("open", uid=web.pw_uid, mode=0o711))
        assert done.returncode == 0 and "note:" not in done.stderr, "and none where it can"
        _, doctor = typist.words(enqueues)
        doctor[doctor.index("enqueue"):] = ["doctor", str(typist.db)]
        checked = subprocess.run(
            doctor, cwd="/", env=environment(), capture_output=True, text=True, timeout=30, check=False, **as_member(shop),
        )  # fmt: skip
        assert checked.returncode == 0 and "its group can read and write it" in checked.stdout, checked.stdout
        assert "chmod" not in checked.stdout  # as the chapter has it
        theirs = run(web.pw_uid, "doctor", typist.db, env={"LITEQUEUE_TRUST": "anyone"}, gid=web.pw_gid, groups=[GROUP])
        assert theirs.returncode == 0, theirs.stdout
        assert "seems to live: its last beat was" in theirs.stdout and f"is for uid {shop.pw_uid} to see" in theirs.stdout
        assert "note     workers      no worker of yours starts, since cannot open the folder" in theirs.stdout
        theirs = run(web.pw_uid, "stats", typist.db, env={"LITEQUEUE_TRUST": "anyone"}, gid=web.pw_gid, groups=[GROUP])
        assert f"its lock is for uid {shop.pw_uid} to see" in theirs.stdout and "refused" not in theirs.stdout, theirs.stdout
    finally:
        worker.kill()
        worker.communicate()
    # What was left by the one who was killed, and made by the other, is for both.
    done = typist.type(enqueues.replace("--wait 10s ", ""))
    assert done.returncode == 0, done.stderr


def test_without_the_modes_of_the_chapter_the_group_is_not_let_in(world: World, accounts: list[pwd.struct_passwd]) -> None:
    typist = Typist(world, accounts[0], accounts[1])
    typist.lines = [line for line in typist.lines if " chmod " not in line]
    typist.set_up()
    (enqueues,) = (line for line in typist.lines if " -u web " in line)
    done = typist.type(enqueues)
    assert done.returncode == 4 and "mode 600" in done.stderr


def test_a_worker_of_another_account_of_the_group_is_refused(world: World, accounts: list[pwd.struct_passwd]) -> None:
    shop, web = accounts[:2]
    typist = Typist(world, shop, web)
    typist.set_up()
    done = run(web.pw_uid, "worker", typist.db, "--burst", env={"LITEQUEUE_TRUST": "anyone"}, gid=web.pw_gid, groups=[GROUP])
    assert done.returncode == 4 and f"{typist.db}-workers belongs to uid {shop.pw_uid}" in done.stderr, done.stderr


# -- a service account -------------------------------------------------------------------------------------------------


def test_a_service_account_is_made_as_the_guide_has_it(world: World, accounts: list[pwd.struct_passwd]) -> None:
    shop, web = accounts[:2]
    typist = Typist(world, shop, web, "security", "As a service account")
    world.folder("jobs", uid=shop.pw_uid, mode=0o700, gid=shop.pw_gid)
    world.file(world.folder("lib/shop", uid=0) / "__init__.py", "", uid=0)
    world.tasks(world.root / "lib/shop", uid=0)
    unit = typist.set_up(PYTHONPATH=os.pathsep.join([str(world.root / "lib"), environment()["PYTHONPATH"]]))
    assert f"\nUser={shop.pw_name}\n" in unit
    worker = started(unit, shop, "--burst")
    _, said = worker.communicate(timeout=30)
    assert worker.returncode == 0 and f"serves {typist.db}" in said, said
