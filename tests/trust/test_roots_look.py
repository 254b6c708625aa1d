"""Root at a user's file. Nothing is left beside it that its owner cannot use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .world import OWNER, World, burst, run

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
