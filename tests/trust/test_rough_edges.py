"""What misleads. Odd values, advice that is built of them, and files of other people's that are used without a word."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shlex
import sqlite3
import time
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.cli import crontab_plans
from litequeue.crontab import parse
from litequeue.crontab.names import unique
from litequeue.triggers import Cron

from ..prepared import litequeue
from .world import OTHER, OWNER, World, python, run


def change(db: Path, statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(db)) as connection, connection:
        connection.execute(statement, values)


@pytest.fixture
def queue(db: Path) -> Path:
    with LiteQueue(db) as app:
        app.enqueue("t")
    return db


# -- values --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("value", ["abc", "", "1e3", "9" * 5000])
@pytest.mark.parametrize("key", ["schema_version", "min_reader"])
def test_a_version_that_is_no_number_is_said_in_one_line(queue: Path, key: str, value: str) -> None:
    change(queue, "UPDATE litequeue_meta SET value = ? WHERE key = ?", value, key)
    for words in (("stats", queue), ("enqueue", queue, "t"), ("doctor", queue)):
        done = litequeue(*words)
        assert done.returncode != 0, words
        assert "Traceback" not in done.stderr, words


@pytest.mark.beside
@pytest.mark.parametrize("value", ["1e999", "-1e999"])
@pytest.mark.parametrize("command", ["job", "jobs"])
def test_what_is_printed_as_json_is_json(queue: Path, value: str, command: str) -> None:
    """Which has no Infinity and no NaN."""
    change(queue, "UPDATE litequeue_jobs SET args = ?", f"[{value}]")
    done = litequeue(command, queue, *["1"][: command == "job"], "--json")
    json.loads(done.stdout, parse_constant=refuse)


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


# -- advice --------------------------------------------------------------------------------------------------------------


@pytest.mark.beside
@pytest.mark.parametrize("pid", [-1, 0])
def test_the_doctor_never_advises_to_kill_what_no_worker_can_be(queue: Path, pid: int) -> None:
    """``kill -9 -1`` is all that one has, and 0 is the shell's whole group."""
    change(
        queue,
        "INSERT INTO litequeue_workers (name, pid, host, lock_file, slots, started_at, heartbeat_at) VALUES ('w', ?, 'h', 'x.lock', '{}', 0, 0)",
        pid,
    )
    change(queue, "UPDATE litequeue_jobs SET state = 'running', worker_id = 1, lease_expires_at = 1, attempt = 1, started_at = 1")
    said = litequeue("doctor", queue).stdout
    assert f"kill -9 {pid})" not in said and f"kill -CONT {pid})" not in said, said


@pytest.mark.beside
@pytest.mark.parametrize("name", ["two words.db", "$(touch owned).db", "a;b.db", "it's.db"])
def test_a_command_that_the_doctor_advises_means_the_file_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    db = tmp_path / name
    with LiteQueue(db) as app:
        app.enqueue("t")
    db.chmod(0o644)
    said = litequeue("doctor", db).stdout
    for begin in ("chmod go= ", "python -m litequeue worker "):
        lines = [line.partition(begin)[2] for line in said.splitlines() if begin in line]
        assert lines, said
        words = shlex.shlex(lines[0], posix=True, punctuation_chars=True)
        words.whitespace_split = True
        assert next(words) == str(db), lines


# -- time ----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_many_like_names_are_numbered_in_no_time() -> None:
    taken: set[str] = set()
    begin = time.monotonic()
    names = [unique("job", taken) for _ in range(2000)]
    took = time.monotonic() - begin
    assert names[:3] == ["job", "job-2", "job-3"] and len(set(names)) == 2000
    assert took < 0.1


@pytest.mark.slow
def test_a_long_crontab_is_matched_with_as_many_schedules_in_no_time(db: Path) -> None:
    """After an edit of all its lines, none of which has the name that it had."""
    count = 400
    crontab = parse("".join(f"{n % 60} {n // 60 % 24} * * * curl https://example.org/{n}\n" for n in range(count)), system=False)
    wanted = [(entry, {"trigger": Cron(entry.when), "kwargs": {"command": f"{entry.command} -s"}}) for entry in crontab.entries]
    with LiteQueue(db) as app:
        one = app.schedules.add("one", "litequeue.command", trigger=Cron("* * * * *"), kwargs={"command": "x"})
    standing = {f"old-{n}": dataclasses.replace(one, name=f"old-{n}", kwargs=json.dumps({"command": f"wget {n}"})) for n in range(count)}
    begin = time.monotonic()
    plans = crontab_plans.match(wanted, standing)
    took = time.monotonic() - begin
    assert [plan.fate for plan in plans] == [crontab_plans.NEW] * count
    assert took < 0.15


# -- other people's files --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("who", ["root", "one who was let in"])
def test_whoever_enqueues_into_another_users_file_hears_of_it(world: World, who: str) -> None:
    """His arguments are read there, and what he waits for comes from there."""
    db = world.queue(world.folder("home", mode=0o777), mode=0o666)
    code = f"from litequeue import LiteQueue\nLiteQueue({str(db)!r}).enqueue('t', 'a secret')"
    done = python(0 if who == "root" else OTHER, code, env={"LITEQUEUE_TRUST": "anyone"})
    assert done.returncode == 0, done.stderr
    assert str(db) in done.stderr
    assert "belongs" in done.stderr or str(OWNER) in done.stderr


@pytest.mark.slow
@pytest.mark.beside
def test_whoever_enqueues_into_his_own_file_hears_nothing(world: World) -> None:
    db = world.queue(world.folder("home"))
    done = python(OWNER, f"from litequeue import LiteQueue\nLiteQueue({str(db)!r}).enqueue('t', 'a secret')")
    assert (done.returncode, done.stderr) == (0, "")
    done = run(OWNER, "enqueue", db, "t")
    assert (done.returncode, done.stderr) == (0, "")
