"""Commands that root leaves in a user's queue: said at once where that user's worker could not start them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .world import OWNER, World, command, environment, run

pytestmark = [pytest.mark.beside, pytest.mark.slow]

NOTE = f"is uid {OWNER}'s, whose worker can neither enter"


@pytest.fixture
def home(world: World) -> Path:
    return world.folder("home")


def imported(db: Path, text: str, *more: str) -> str:
    done = subprocess.run(
        command("cron", "import", db, "-", *more), input=text, cwd="/", env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done
    return done.stderr


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_root_who_imports_his_crontab_into_a_users_queue_is_told_once(world: World, home: Path, more: tuple[str, ...]) -> None:
    closed = world.folder("closed", uid=0, mode=0o700)
    said = imported(world.queue(home), f"HOME={closed}\n0 1 * * * one\n0 2 * * * two\n", *more)
    assert said.count(NOTE) == 1 and f"{closed} nor use root's environment: do this as that user" in said


@pytest.mark.parametrize("words", [("schedule", "add", "s", "--every", "1h"), ("enqueue", "--command")])
def test_root_who_leaves_a_command_where_the_user_cannot_enter_is_told(world: World, home: Path, words: tuple[str, ...]) -> None:
    closed, db = world.folder("closed", uid=0, mode=0o700), world.queue(home)
    first = 2 if words[0] == "schedule" else 1
    done = run(0, *words[:first], db, *words[first:], "--", "true", cwd=closed)
    assert done.returncode == 0 and done.stderr.count(NOTE) == 1, done


# -- of which there is nothing to say --------------------------------------------------------------------------


def test_a_folder_that_the_user_can_enter_and_a_queue_of_roots_are_taken_without_a_word(world: World, home: Path) -> None:
    closed, theirs = world.folder("closed", uid=0, mode=0o700), world.queue(home)
    mine = world.queue(world.folder("srv", uid=0), uid=0)
    private = world.folder("home/private", mode=0o700)
    for db, cwd in ((theirs, private), (theirs, world.root), (mine, closed)):
        assert NOTE not in imported(db, f"HOME={cwd}\n0 1 * * * one\n", "--replace")
        assert NOTE not in run(0, "schedule", "add", db, "s", "--every", "1h", "--replace", "--", "true", cwd=cwd).stderr


@pytest.mark.parametrize("name", ["gone/db", "loop"])
@pytest.mark.parametrize(
    "words", [("schedule", "add", "s", "--every", "1h", "--", "true"), ("enqueue", "--command", "--", "true"), ("cron", "import", "ct")]
)
def test_a_way_that_leads_to_no_folder_is_told_in_one_line(world: World, words: tuple[str, ...], name: str) -> None:
    """Who asks whose the queue is cannot find that out."""
    folder = world.folder("srv", uid=0)
    (folder / "loop").symlink_to(folder / "loop")
    world.file(folder / "ct", "* * * * * true\n", uid=0)
    first = 1 if words[0] == "enqueue" else 2
    done = run(0, *words[:first], folder / name, *words[first:], cwd=folder)
    assert done.returncode == 4 and done.stderr.count("\n") == 1, done
    assert done.stderr.startswith("litequeue: ") and str(folder / name) in done.stderr, done


def test_a_unit_for_a_way_that_leads_in_a_circle_is_refused_in_one_line(world: World) -> None:
    folder = world.folder("srv", uid=0)
    (folder / "loop").symlink_to(folder / "loop")
    done = run(0, "service", folder / "loop", "--system")
    assert done.returncode == 4 and done.stderr.count("\n") == 1, done
