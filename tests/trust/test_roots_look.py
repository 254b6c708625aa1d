"""Root at a user's file. Nothing is left beside it that its owner cannot use."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .world import OWNER, World, burst, environment, interpreter, run, started

pytestmark = [pytest.mark.beside, pytest.mark.slow]

LOOKS = [("stats",), ("jobs",), ("job", "1"), ("tasks",), ("schedules",), ("doctor",), ("cron", "export")]
CHANGES = [("enqueue", "t"), ("pause", "q"), ("cancel", "1"), ("retry", "1"), ("worker", "--burst")]


@pytest.mark.parametrize("words", LOOKS + CHANGES, ids=lambda words: words[0])
def test_root_does_not_lock_the_owner_out_of_his_own_file(world: World, words: tuple[str, ...]) -> None:
    db = world.queue(world.folder("home"))
    world.command_job(db)
    at = 2 if words[0] == "cron" else 1
    run(0, *words[:at], db, *words[at:])
    assert {path.name: path.stat().st_uid for path in db.parent.iterdir()} == dict.fromkeys(os.listdir(db.parent), OWNER)
    done = run(OWNER, "enqueue", db, "t")
    assert done.returncode == 0, done.stderr
    done = burst(OWNER, db)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", LOOKS, ids=lambda words: words[0])
def test_root_may_look_at_a_users_file(world: World, words: tuple[str, ...]) -> None:
    db = world.queue(world.folder("home"))
    world.command_job(db)
    at = 2 if words[0] == "cron" else 1
    done = run(0, *words[:at], db, *words[at:])
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert world.ran() == []


def test_root_may_look_while_the_owners_worker_serves_the_file(world: World) -> None:
    db = world.queue(world.folder("home"))
    assert run(OWNER, "enqueue", db, "t").returncode == 0
    assert run(0, "stats", db).returncode == 0
    assert run(OWNER, "enqueue", db, "t").stdout == "2\n"
    assert Path(f"{db}-lock").stat().st_uid == OWNER


@pytest.mark.parametrize("words", LOOKS + CHANGES, ids=lambda words: words[0])
def test_root_who_mistypes_a_name_is_told_so_and_nothing_of_trust(world: World, words: tuple[str, ...]) -> None:
    """Whatever may be made where there is nothing is refused as ever."""
    home = world.folder("home")
    at = 2 if words[0] == "cron" else 1
    done = run(0, *words[:at], home / "nope.sqlite", *words[at:])
    if words[0] == "worker":
        assert f"is not opened, since {home} belongs to another user" in done.stderr
    else:
        assert f"{home}/nope.sqlite: there is no such file" in done.stdout + done.stderr, done
        assert "LITEQUEUE_TRUST" not in done.stdout + done.stderr
    assert done.returncode != 0 and list(home.iterdir()) == []


HOLDS_A_LEASE = """
import fcntl, os, signal, sys, time
def being_broken(*_):
    print("broken", flush=True)
    time.sleep(3)  # the kernel waits 45 s
    os._exit(0)
signal.signal(signal.SIGIO, being_broken)
fcntl.fcntl(os.open(sys.argv[1], os.O_RDWR), fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("leased", flush=True)
while True: time.sleep(1)
"""
WRITES_TO_BOTH = """
import sys, threading
from litequeue import LiteQueue
def write(path):
    LiteQueue(path).enqueue("t")
    print(path, flush=True)
threading.Thread(target=write, args=[sys.argv[1]]).start()
sys.stdin.readline()
write(sys.argv[2])
"""


def test_a_lease_on_a_users_lock_file_holds_up_nobody_at_another_queue(world: World) -> None:
    """Root's open of it waits for that user; none of the locks that all threads of root's take is held meanwhile."""
    his, roots = world.queue(world.folder("home")), world.queue(world.folder("srv", uid=0), uid=0)
    assert run(OWNER, "enqueue", his, "t").returncode == 0
    with started(OWNER, [str(interpreter()), "-c", HOLDS_A_LEASE, f"{his}-lock"]) as user:
        assert user.stdout is not None and user.stdout.readline() == "leased\n"
        words = [str(interpreter()), "-P", "-c", WRITES_TO_BOTH, str(his), str(roots)]
        with subprocess.Popen(words, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as root:
            assert root.stdin is not None and root.stdout is not None
            assert user.stdout.readline() == "broken\n"
            root.stdin.write("now\n")
            root.stdin.flush()
            assert root.stdout.readline() == f"{roots}\n" and user.poll() is None
            user.kill()
            assert root.stdout.readline() == f"{his}\n"
