"""``cron import --system``. A line of another user's is his from the first instruction on, and nothing of root's reaches it."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.commands.command import check_command

from ..support import wait_until
from .world import OTHER, World, as_user, burst, command, run, started

pytestmark = [pytest.mark.beside, pytest.mark.slow]

USER = "nobody"


@pytest.fixture(autouse=True)
def account() -> int:
    try:
        return pwd.getpwnam(USER).pw_uid
    except KeyError:
        pytest.skip(f"needs the account {USER}")


@pytest.fixture
def db(world: World) -> Path:
    return world.root / "root" / "db.sqlite"


def imported(world: World, db: Path, text: str, uid: int = 0, mode: int = 0o644) -> str:
    """Import the crontab as root; what was said."""
    if not db.parent.exists():
        world.folder("root", uid=0, mode=0o700)
    crontab = world.file(db.parent / "crontab", text, uid, mode)
    done = run(0, "cron", "import", db, crontab, "--system", "--mail-to", "root")
    return done.stdout + done.stderr


def run_once(db: Path, name: str, **env: str) -> str:
    made = run(0, "schedule", "run", db, name)
    assert made.returncode == 0, made.stderr
    done = burst(0, db, **env)
    return done.stdout + done.stderr


def line(world: World, command: str, *settings: str) -> str:
    """A crontab with one job of the user's; HOME, since his own need not be there."""
    return "\n".join([f"HOME={world.root}", *settings, "# theirs", f"0 2 * * * {USER} {command}", ""])


def test_the_account_that_a_line_runs_as_is_listed_with_it(world: World, db: Path) -> None:
    imported(world, db, line(world, "backup --all"))
    assert run(0, "schedules", db).stdout.splitlines()[1].endswith(f"  as {USER}: backup --all")


def test_no_program_of_a_directory_in_the_crontabs_path_runs_as_root(world: World, db: Path, account: int) -> None:
    bin_ = world.folder("home/bin", uid=OTHER)
    for name in ("su", "sh", "setpriv", "runuser", "env", "python3"):
        world.file(bin_ / name, f"#!/bin/sh\n{world.command(name)}\n", OTHER, 0o755)
    imported(world, db, line(world, world.command(), f"PATH={bin_}:/usr/bin:/bin"))
    run_once(db, "theirs")
    assert [mark for mark in world.ran() if not mark.endswith(str(account))] == []


def test_the_crontabs_settings_for_the_loader_reach_no_process_of_roots(world: World, db: Path, account: int) -> None:
    """LD_PRELOAD would be the same; this one needs no compiler to be seen."""
    imported(world, db, line(world, "exec /bin/true", "LD_DEBUG=files", f"LD_DEBUG_OUTPUT={world.marks}/loaded"))
    run_once(db, "theirs")
    assert {file.stat().st_uid for file in world.marks.iterdir()} <= {account}


def test_nothing_of_roots_environment_reaches_the_users_command(world: World, db: Path) -> None:
    found = world.marks / "environment"
    imported(world, db, line(world, f"env > {found}"))
    said = run_once(db, "theirs", ROOTS_PASSWORD="secret", AWS_SECRET_ACCESS_KEY="secret")
    assert found.exists(), said
    names = {pair.partition("=")[0] for pair in found.read_text().splitlines()}
    assert not names & {"ROOTS_PASSWORD", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "PYTHONUNBUFFERED"}


@pytest.mark.parametrize(("uid", "mode"), [(OTHER, 0o644), (0, 0o666), (0, 0o664)], ids=["another's", "open to all", "of a group"])
def test_a_crontab_that_is_not_roots_alone_is_refused_as_cron_does(world: World, db: Path, uid: int, mode: int) -> None:
    text = f"0 2 * * * root {world.command()}\n"
    folder = world.folder("root", uid=0, mode=0o700)
    crontab = world.file(folder / "crontab", text, uid, mode, gid=OTHER)
    done = run(0, "cron", "import", db, crontab, "--system")
    assert done.returncode != 0
    assert not db.exists() or run(0, "schedules", db, "--json").stdout.strip() in ("", "[]")
    assert "Traceback" not in done.stderr


def test_a_link_to_a_crontab_of_another_user_is_refused(world: World, db: Path) -> None:
    folder = world.folder("root", uid=0, mode=0o700)
    theirs = world.file(world.folder("home", uid=OTHER) / "crontab", f"0 2 * * * root {world.command()}\n", OTHER)
    os.symlink(theirs, folder / "crontab")
    done = run(0, "cron", "import", db, folder / "crontab", "--system")
    assert done.returncode != 0


@pytest.mark.parametrize("ends", ["by its timeout", "with its worker"])
def test_a_command_that_its_user_stops_before_it_is_the_command_ends_as_any(world: World, db: Path, account: int, ends: str) -> None:
    """Its supervisor, root's, waited for that without end."""
    timeout = 2 if ends == "by its timeout" else 60
    # Long enough to be met while it looks for its program, and is the user's already.
    path = "/nowhere:" * 12_000 + "/bin"
    world.folder("root", uid=0, mode=0o700)
    app = LiteQueue(str(db))
    job = app.send_task("litequeue.command", (), check_command(["true"], env={"PATH": path}, cwd="/", user=USER), timeout=timeout, retries=0)
    with started(0, command("worker", db, "--grace", 1)) as worker:
        (pid,) = wait_until(lambda: becoming(account, worker.pid), what="the command's process is the user's")
        try:
            as_user(account, lambda: os.kill(pid, signal.SIGSTOP))
            wait_until(lambda: stat_of(pid) == "T", what="it is stopped")
            assert becoming(account, worker.pid) == [pid]
            if ends == "by its timeout":
                assert job.wait(10) and "Timeout" in str(job.info().last_error)
            else:
                worker.kill()
            wait_until(lambda: stat_of(pid) is None, what="it is gone")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    app.close()


def becoming(uid: int, worker: int) -> list[int]:
    """The user's processes that still are the program of a worker's supervisor."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"Uid:\t{uid}\t" in (folder / "status").read_text() and b"supervisor.py" in (said := (folder / "cmdline").read_bytes()):
                found += [int(folder.name)] * said.endswith(b"\0%d\0" % worker)
    return found


def stat_of(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


# -- what goes on working ----------------------------------------------------------------------------------------


def test_a_line_of_another_user_runs_as_him_with_what_cron_would_have_set(world: World, db: Path, account: int) -> None:
    found = world.marks / "environment"
    imported(world, db, line(world, f"(id -u; id -G; pwd; env) > {found}", "GREETING=hello world"))
    said = run_once(db, "theirs")
    assert found.exists(), said
    uid, groups, where, *pairs = found.read_text().splitlines()
    assert (uid, where) == (str(account), str(world.root))
    assert "0" not in groups.split()
    env = dict(pair.split("=", 1) for pair in pairs)
    assert env["GREETING"] == "hello world"
    assert (env["HOME"], env["LOGNAME"], env["SHELL"], env["PATH"]) == (str(world.root), USER, "/bin/sh", "/usr/bin:/bin")
    assert env["LITEQUEUE_JOB_ID"] == "1"


def test_a_line_of_roots_runs_as_root(world: World, db: Path) -> None:
    imported(world, db, f"# mine\n0 2 * * * root {world.command()}\n")
    said = run_once(db, "mine")
    assert world.ran() == ["ran0"], said


def test_a_link_in_a_users_folder_is_no_crontab_of_roots(world: World) -> None:
    """What it leads to may be root's, and say what the user likes: a file of /proc, say."""
    db = world.queue(world.folder("var", uid=0), uid=0)
    crontab = world.file(world.folder("etc", uid=0) / "crontab", "* * * * * root true\n", uid=0)
    link = world.folder("home", uid=OTHER) / "crontab"
    as_user(OTHER, lambda: link.symlink_to(crontab))
    done = run(0, "cron", "import", "--system", db, link)
    assert done.returncode == 2 and "belongs to another user" in done.stderr, done
    done = run(0, "cron", "import", "--system", db, crontab)
    assert "1 imported" in done.stdout or done.returncode == 0, done
