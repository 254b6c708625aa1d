"""Logs and terminals. What somebody has planted in a row, in a table of his own too, drives no terminal and forges no line."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

import pytest

from litequeue.cli import render
from litequeue.pools import logs

from .world import OWNER, World, burst, run, sql

EVIL = "\x1b]0;owned\x07\x1b[2J\r\nevil\u202e\x9b31m"
TABLES = ("jobs", "attempts", "tasks", "workers", "queues", "schedules", "ticks", "output")

pytestmark = pytest.mark.beside


def assert_harmless(text: str) -> None:
    assert all(c.isprintable() or c in "\n\t" for c in text), ascii(text)[-1500:]
    assert not any(line.startswith("evil") for line in text.splitlines()), ascii(text)[-1500:]


def without_checks(connection: sqlite3.Connection) -> None:
    """Tables of the same names and columns that hold anything."""
    connection.execute("DROP VIEW IF EXISTS litequeue_jobs_readable")
    connection.execute("DROP TRIGGER litequeue_events_heard")  # it names the tables that are replaced
    for table in TABLES:
        connection.execute("DROP VIEW IF EXISTS litequeue_enqueue")  # no view may name what is renamed
        connection.execute(f"ALTER TABLE litequeue_{table} RENAME TO old_{table}")
        connection.execute(f"CREATE TABLE litequeue_{table} AS SELECT * FROM old_{table}")
        connection.execute(f"DROP TABLE old_{table}")


def plant_everywhere(connection: sqlite3.Connection) -> None:
    """Every text of every row is evil, but for the JSON that is read."""
    for table in TABLES:
        for _, column, kind, *_ in connection.execute(f"PRAGMA table_info(litequeue_{table})").fetchall():
            if kind == "TEXT" and column not in ("trigger", "slots", "queues", "unknown_tasks", "options", "kwargs", "args"):
                connection.execute(f"UPDATE litequeue_{table} SET {column} = ?", (EVIL,))
    connection.execute("UPDATE litequeue_attempts SET attempt = ?", (EVIL,))


@pytest.fixture
def planted(world: World) -> Path:
    db = world.queue(world.folder("home"))
    for words in (("enqueue", "t"), ("pause", "q"), ("schedule", "s")):
        if words[0] == "schedule":
            done = run(OWNER, "schedule", "add", db, "s", "--cron", "0 3 * * *", "--", "true")
        else:
            done = run(OWNER, words[0], db, *words[1:])
        assert done.returncode == 0, done.stderr
    attempt = "INSERT INTO litequeue_attempts VALUES (1, 1, 'failed', NULL, 1, 1, 'E', 'm', 't', NULL)"
    task = "INSERT INTO litequeue_tasks VALUES ('t', 'm', 'f', '/', '{}', 0)"
    worker = "INSERT INTO litequeue_workers (name, pid, host, lock_file, slots, started_at, heartbeat_at) VALUES ('w', 1, 'h', 'l', '{}', 0, 0)"
    output = "INSERT INTO litequeue_output (job_id, attempt, number, stream, at, text) VALUES (1, 1, 1, 'stdout', 0, 'x')"

    def plant(connection: sqlite3.Connection) -> None:
        for line in (attempt, task, worker, output):
            connection.execute(line)
        without_checks(connection)
        plant_everywhere(connection)

    sql(OWNER, db, plant)
    return db


COMMANDS = [("jobs",), ("job", "1"), ("stats",), ("tasks",), ("schedules",), ("ticks", "s"), ("cron", "export"), ("doctor",), ("enqueue", "t")]


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_no_command_prints_what_was_planted_in_tables_without_our_checks_as_it_is(planted: Path, words: tuple[str, ...]) -> None:
    at = 2 if words[0] == "cron" else 1
    done = run(OWNER, *words[:at], planted, *words[at:])
    assert_harmless(done.stdout)
    assert_harmless(done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("column", ["name", "mail_to", "task", "disabled_why"])
def test_an_exported_crontab_holds_nothing_of_a_planted_schedule_as_it_is(world: World, column: str) -> None:
    db = world.queue(world.folder("home"))
    assert run(OWNER, "schedule", "add", db, "s", "--cron", "0 3 L * *", "--", "true").returncode == 0
    also = ", disabled_at = 1" if column == "disabled_why" else ""
    sql(OWNER, db, lambda c: c.execute(f"UPDATE litequeue_schedules SET {column} = ?{also}", (EVIL,)) and None)
    done = run(OWNER, "cron", "export", db, "--exact")
    assert_harmless(done.stdout)
    assert_harmless(done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("column", ["module", "qualname", "directory"])
def test_the_log_of_a_worker_holds_nothing_of_a_planted_module_as_it_is(world: World, column: str) -> None:
    db = world.queue(world.folder("home"))
    folder = world.folder("app")
    world.tasks(folder)
    world.job(db, folder)
    sql(OWNER, db, lambda connection: connection.execute(f"UPDATE litequeue_tasks SET {column} = ?", (EVIL,)) and None)
    done = burst(OWNER, db)
    assert_harmless(done.stderr)


@pytest.mark.slow
def test_the_log_of_a_worker_holds_nothing_of_a_modules_error_as_it_is(world: World) -> None:
    db = world.queue(world.folder("home"))
    folder = world.folder("app")
    world.tasks(folder, f"raise ValueError({EVIL!r})\n")
    world.job(db, folder)
    done = burst(OWNER, db)
    assert "ValueError" in done.stderr
    assert_harmless(done.stderr)


def lines_of(level: int = logging.WARNING, formatter: logging.Formatter | None = None) -> str:
    try:
        raise ValueError(EVIL)
    except ValueError as error:
        trace = (type(error), error, error.__traceback__)
    record = logging.LogRecord("litequeue.worker", level, __file__, 0, "the task %s", (EVIL,), trace)
    return (formatter or logs.Plain("%(asctime)s %(levelname)s %(message)s")).format(record)


@pytest.mark.parametrize("formatter", [logs.Plain("%(message)s"), logs.OfTasks("%(name)s: %(message)s")], ids=["own", "tasks"])
def test_the_formatter_itself_cleans_what_is_logged(formatter: logging.Formatter) -> None:
    assert_harmless(lines_of(formatter=formatter))


def test_the_printer_of_tables_cleans_their_heads_too(capsys: pytest.CaptureFixture[str]) -> None:
    render.print_table(("ID", EVIL), [("1", EVIL)])
    out = capsys.readouterr().out
    assert_harmless(out)
    assert len(out.splitlines()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["q\x9b31m", "q\u202ez"])
@pytest.mark.parametrize("kind", ["systemd", "launchd"])
def test_no_unit_is_printed_for_a_folder_whose_name_drives_a_terminal(world: World, name: str, kind: str) -> None:
    """Root asks for one, and reads it there; a user may have named the folder."""
    db = world.queue(world.folder(name, uid=0), uid=0)
    done = run(0, "service", "--system", db, *["--launchd"] * (kind == "launchd"), env={"PYTHONUTF8": "1"})
    assert (done.returncode, done.stdout) == (2, "") and "rename it" in done.stderr, done
    assert_harmless(done.stderr)


@pytest.mark.slow
def test_a_note_to_a_unit_is_cleaned_as_any_other_word(world: World) -> None:
    """It names a folder to which a link of root's leads."""
    db = world.queue(world.folder("q\x9b31m\u202ez", uid=0, mode=0o777), uid=0)
    (world.root / "link").symlink_to(db.parent)
    done = run(0, "service", "--system", world.root / "link" / db.name, env={"PYTHONUTF8": "1"})
    assert done.returncode == 0 and "note: the worker would refuse this file" in done.stderr, done
    assert_harmless(done.stdout + done.stderr)


# -- what goes on working ----------------------------------------------------------------------------------------


def test_a_traceback_stays_readable_in_a_log() -> None:
    text = lines_of()
    assert "\n" in text.strip() and "Traceback (most recent call last):\n" in text


def test_text_in_any_language_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    render.print_table(("ID", "Größe"), [("1", "报告 🎉")])
    assert "报告 🎉" in capsys.readouterr().out
    record = logging.LogRecord("litequeue.worker", logging.INFO, __file__, 0, "Übersicht %s", ("报告",), None)
    assert "Übersicht 报告" in logs.Plain("%(message)s").format(record)


@pytest.mark.slow
def test_a_unit_is_printed_for_a_folder_with_a_name_in_any_language(world: World) -> None:
    db = world.queue(world.folder("Aufträge 报告", uid=0), uid=0)
    done = run(0, "service", "--user", db, env={"PYTHONUTF8": "1"})
    assert done.returncode == 0 and f"up for {db}\n" in done.stdout, done
