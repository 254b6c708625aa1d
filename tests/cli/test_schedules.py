"""Schedules at the command line: added, changed, shown, run, and refused where they could not be meant."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.base.records import ScheduleInfo
from litequeue.cli import main
from litequeue.cli.schedules import NO_WORKER
from litequeue.commands import notices
from litequeue.commands.notices import sendmail
from litequeue.store import Store
from litequeue.worker.config import WorkerConfig
from litequeue.worker.discovery import Catalogue
from litequeue.worker.services.declaring import Declarer
from litequeue.worker.services.scheduler import Scheduler

from ..support import FakeClock, worker_process
from .conftest import Cli

pytestmark = pytest.mark.beside


def schedule(db: Path, name: str = "s") -> ScheduleInfo:
    with LiteQueue(db) as app:
        return app.schedules.get(name)


def kwargs(db: Path, name: str = "s") -> Any:
    return json.loads(schedule(db, name).kwargs)


# -- adding --------------------------------------------------------------------------------------------------


def test_a_command_is_added_with_all_that_was_said_of_it(cli: Cli, db: Path, tmp_path: Path) -> None:
    done = cli(
        "schedule", "add", db, "s", "--cron", "30 2 * * *", "--timezone", "Asia/Tokyo", "--catch-up", "all", "--grace", "2h",
        "--overlap", "queue", "--jitter", "30s", "--on-failure", "notify", "--mail-to", "ops@x", "--mail-to", "root,ops@x", "--queue", "q", "--priority",
        "3", "--retries", "2", "--timeout", "1h", "--expires", "1d", "--cwd", tmp_path, "--env", "A=1", "--", "pg_dump", "--", "-Fc",
    )  # fmt: skip
    assert done.code == 0
    assert ("no sendmail" in done.err) == (sendmail() is None)
    assert done.out.startswith("schedule s: at 02:30 every day (Asia/Tokyo); next ")
    info = schedule(db)
    assert json.loads(info.spec) == {"cron": "30 2 * * *", "timezone": "Asia/Tokyo"}
    assert (info.catch_up, info.grace, info.overlap, info.jitter) == ("all", 7200, "queue", 30)
    assert (info.on_failure, info.mail_to, info.queue) == ("notify", "ops@x, root", "q")
    assert json.loads(info.kwargs) == {"argv": ["pg_dump", "--", "-Fc"], "cwd": str(tmp_path), "env": {"A": "1"}}
    assert cli("schedule", "run", db, "s").out == "1\n"
    with LiteQueue(db) as app:
        job = app.job(1).info()
        assert (job.priority, job.max_attempts, job.timeout, job.queue) == (3, 3, 3600, "q")
        assert job.expires_at is not None and job.expires_at - job.created_at == timedelta(days=1)


def test_it_runs_where_it_was_typed(cli: Cli, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    cli("schedule", "add", db, "s", "--every", "1h", "--", "true")
    assert kwargs(db)["cwd"] == str(tmp_path / "here")
    cli("schedule", "add", db, "t", "--every", "1h", "--cwd", "..", "--", "true")
    assert kwargs(db, "t")["cwd"] == str(tmp_path)


def test_a_task_an_interval_one_time_and_a_boot(cli: Cli, db: Path) -> None:
    assert cli("schedule", "add", db, "t", "--every", "90s", "--task", "tasks.f", "--", "1", "k=v").code == 0
    info = schedule(db, "t")
    assert (info.task, json.loads(info.args), json.loads(info.kwargs)) == ("tasks.f", [1], {"k": "v"})
    assert cli("schedule", "add", db, "o", "--at", "2099-12-24 18:00", "--", "true").code == 0
    assert json.loads(schedule(db, "o").spec) == {"at": "2099-12-24T17:00:00Z"}
    assert cli("schedule", "add", db, "z", "--at", "2099-12-24T18:00+03:00", "--", "true").code == 0
    assert json.loads(schedule(db, "z").spec) == {"at": "2099-12-24T15:00:00Z"}
    assert cli("schedule", "add", db, "b", "--cron", "@reboot", "--", "true").code == 0
    assert cli("schedule", "add", db, "x", "--cron", "*/5 * * * * *", "--seconds", "--", "true").code == 0
    assert schedule(db, "x").next_tick is not None


def test_a_name_that_is_taken_is_refused_unless_replaced(cli: Cli, db: Path) -> None:
    cli("schedule", "add", db, "s", "--every", "1h", "--", "one")
    done = cli("schedule", "add", db, "s", "--every", "1h", "--", "two")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "already" in done.err and "--replace" in done.err
    assert kwargs(db)["argv"] == ["one"]
    assert cli("schedule", "add", db, "s", "--every", "1h", "--replace", "--", "two").code == 0
    assert kwargs(db)["argv"] == ["two"]
    assert cli("schedule", "list", db) == cli("schedules", db)
    assert json.loads(cli("schedule", "list", db, "--json").out)[0]["name"] == "s"


ADD = ("schedule", "add", "DB", "new")
HOURLY = ("--every", "1h")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((*ADD, *HOURLY), 2, "give the command after --"),
        ((*ADD, *HOURLY, "--"), 2, "give the command after --"),
        ((*ADD, *HOURLY, "true"), 2, "unrecognized arguments: true; a command with its own options, or a task's arguments, go after --"),
        ((*ADD, *HOURLY, "ls", "-l"), 2, "unrecognized arguments: ls -l; a command with its own options, or a task's arguments, go after --"),
        ((*ADD, "--cron", "30", "2", "*", "*", "*", "--", "true"), 2, "a cron expression between quotes"),
        ((*ADD, "--cron", "@every 5m", "--", "true"), 2, "or --every 5m"),
        ((*ADD, *HOURLY, "--task", "t", "--backoff", "1m"), 2, "--backoff goes with a command"),
        ((*ADD, "--", "true"), 2, "give one of --cron, --every and --at"),
        ((*ADD, "--cron", "0 1 * * *", *HOURLY, "--", "true"), 2, "--cron and --every cannot go together"),
        ((*ADD, *HOURLY, "--at", "2099-01-01", "--", "true"), 2, "--every and --at cannot go together"),
        ((*ADD, *HOURLY, "--timezone", "UTC", "--", "true"), 2, "--timezone and --seconds go with --cron, not with --every"),
        ((*ADD, "--at", "2099-01-01", "--seconds", "--", "true"), 2, "go with --cron, not with --at"),
        ((*ADD, "--cron", "0 1 * * *", "--timezone", "Europe/Berlln", "--", "true"), 2, "did you mean Europe/Berlin"),
        ((*ADD, "--cron", "0 0 1 * * *", "--", "true"), 2, "seconds"),
        ((*ADD, "--cron", "0 1 * *", "--", "true"), 2, "5"),
        ((*ADD, "--cron", "0 1 31 2 *", "--", "true"), 2, "never"),
        ((*ADD, "--cron", "0 25 * * *", "--", "true"), 2, "0 to 23"),
        ((*ADD, "--every", "soon", "--", "true"), 2, "1h30m"),
        ((*ADD, "--every", "0s", "--", "true"), 2, "1ms"),
        ((*ADD, "--at", "tomorrow", "--", "true"), 2, "--at 'tomorrow' is no date and time: write it as 2026-12-24 18:00"),
        ((*ADD, "--at", "0001-01-01", "--", "true"), 2, "--at '0001-01-01' is no date and time: write it as"),
        ((*ADD, "--at", "2026-02-30", "--", "true"), 2, "--at '2026-02-30' is no date and time"),
        ((*ADD, "--at", "2001-01-01", "--", "true"), 2, "is over"),
        ((*ADD, *HOURLY, "--env", "A", "--", "true"), 2, "write NAME=VALUE"),
        ((*ADD, *HOURLY, "--task", "t", "--env", "A=1"), 2, "--env goes with a command"),
        ((*ADD, *HOURLY, "--task", "t", "--shell", "--", "1"), 2, "--shell goes with a command"),
        ((*ADD, *HOURLY, "--task", "a b"), 2, "task's name"),
        ((*ADD, *HOURLY, "--overlap", "never", "--", "true"), 2, "'skip', 'queue', 'allow'"),
        ((*ADD, *HOURLY, "--catch-up", "some", "--", "true"), 2, "'latest', 'skip', 'all'"),
        ((*ADD, *HOURLY, "--jitter", "1h", "--", "true"), 2, "shorter than the period"),
        ((*ADD, *HOURLY, "--timeout", "x", "--", "true"), 2, "timeout"),
        ((*ADD, *HOURLY, "--mail-to", "a\nb", "--", "true"), 2, "--mail-to must be one line"),
        ((*ADD, *HOURLY, "--mail-to", "jörg@x", "--", "true"), 2, "--mail-to must be a mail address or the name of a user"),
        (("schedule", "add", "DB", "a b", *HOURLY, "--", "true"), 2, "name"),
        (("schedule", "update", "DB", "s"), 2, "say what to change"),
        (("schedule", "update", "DB", "s", "--shell"), 2, "give the command after --"),
        (("schedule", "update", "DB", "s", "--cwd", ""), 2, "cwd is empty"),
        (("schedule", "update", "DB", "s", "--backoff", "1m,soon"), 2, "--backoff: 'soon'"),
        (("schedule", "update", "DB", "s", "--task", "other"), 2, "runs another task"),
        (("schedule", "update", "DB", "s", "--cron", "@daily", "--every", "1h"), 2, "cannot go together"),
        (("schedule", "update", "DB", "gone", "--retries", "1"), 1, "no schedule named gone"),
        (("schedule", "remove", "DB", "gone"), 1, "no schedule named gone"),
        (("schedule", "pause", "DB", "gone"), 1, "no schedule named gone"),
        (("schedule", "resume", "DB", "gone"), 1, "no schedule named gone"),
        (("schedule", "run", "DB", "gone"), 1, "no schedule named gone"),
        (("ticks", "DB", "gone"), 1, "no schedule named gone"),
        (("ticks", "DB", "s", "--limit", "0"), 2, "limit"),
        (("ticks", "DB", "s", "--before", "noon"), 2, "--before 'noon' is no date and time: write it as"),
        (("schedules", "NONE"), 4, "no such file"),
        (("ticks", "NONE", "s"), 4, "no such file"),
        (("schedule", "run", "NONE", "s"), 4, "no such file"),
        (("schedule", "stop", "DB", "s"), 2, "add, update, remove, pause, resume, run, list"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line_and_changes_nothing(
    cli: Cli, with_a_schedule: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    before = schedule(with_a_schedule)
    none = with_a_schedule.with_name("none")
    done = cli(*(str(with_a_schedule) if word == "DB" else str(none) if word == "NONE" else word for word in words))
    assert done.code == code
    text = done.err.replace("'add', 'update'", "add, update").replace("', '", ", ") if "stop" in words else done.err
    assert says.replace("'", "") in text.replace("'", "")
    last = done.err.strip().rpartition("\n")[2]
    assert last.startswith(("litequeue: ", "litequeue schedule")) and (code == 2 or done.err.count("\n") == 1)
    with LiteQueue(with_a_schedule) as app:
        assert app.schedules.list() == [before]
        assert app.jobs() == []
    assert not none.exists()


@pytest.fixture(scope="module")
def with_a_schedule(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for all the mistakes, since none is to change it."""
    db = tmp_path_factory.mktemp("mistakes") / "db.sqlite"
    assert main(["schedule", "add", str(db), "s", *HOURLY, "--", "true"]) == 0
    return db


# -- changing ------------------------------------------------------------------------------------------------


def test_an_update_changes_what_was_said_and_keeps_the_rest(cli: Cli, db: Path) -> None:
    cli("schedule", "add", db, "s", "--every", "1h", "--retries", "1", "--mail-to", "a@b", "--env", "A=1", "--", "one")
    before = schedule(db)
    assert cli("schedule", "update", db, "s", "--timeout", "5m", "--overlap", "allow").code == 0
    after = schedule(db)
    assert (after.next_tick, after.kwargs, after.mail_to) == (before.next_tick, before.kwargs, "a@b")
    assert after.overlap == "allow"
    assert cli("schedule", "update", db, "s", "--every", "2h", "--", "two").code == 0
    assert (kwargs(db)["argv"], schedule(db).trigger) == (["two"], "every 2 hours")
    job = int(cli("schedule", "run", db, "s").out)
    with LiteQueue(db) as app:
        info = app.job(job).info()
        assert (info.max_attempts, info.timeout) == (2, 300)


def test_an_expression_in_several_words_is_met_with_a_hint(cli: Cli) -> None:
    done = cli("cron", "explain", "0", "4", "*", "*", "*")
    assert done.code == 2
    assert "unrecognized arguments: 4 * * *; write the expression between quotes" in done.err


def test_an_update_of_a_command_keeps_what_is_not_said_of_it(cli: Cli, db: Path, tmp_path: Path) -> None:
    where = ("--cwd", tmp_path, "--env", "A=1", "--env", "B=2", "--backoff", "1m,5m")
    cli("schedule", "add", db, "s", *HOURLY, *where, "--", "ls", "-l")
    kept = {"cwd": str(tmp_path), "env": {"A": "1", "B": "2"}, "backoff": [60, 300]}
    assert cli("schedule", "update", db, "s", "--", "ls", "-a").code == 0
    assert kwargs(db) == {"argv": ["ls", "-a"], **kept}
    assert cli("schedule", "update", db, "s", "--shell", "--", "ls | wc").code == 0
    assert kwargs(db) == {"command": "ls | wc", **kept}
    assert cli("schedule", "update", db, "s", "--env", "B=3", "--backoff", "9s", "--user-env").code == 0
    changed = {"env": {"A": "1", "B": "3"}, "backoff": [9], "user_env": True}
    assert kwargs(db) == {"command": "ls | wc", **kept, **changed}
    assert cli("schedule", "update", db, "s", "--cwd", "/").code == 0
    assert kwargs(db) == {"command": "ls | wc", **kept, **changed, "cwd": "/"}


@pytest.mark.slow
def test_what_may_be_wrong_with_a_command_is_noted_when_it_is_written(cli: Cli, db: Path, tmp_path: Path) -> None:
    (tmp_path / "there").touch(mode=0o755)
    for words, doubt in (
        (("--", "true"), None),
        (("--cwd", tmp_path, "--", "./there"), None),
        (("--cwd", tmp_path, "--", "./gone"), "'./gone' is no command that can be found here"),
        (("--", "no-such-command"), "'no-such-command' is no command that can be found here"),
        (("--", "ls -l | wc"), "for the shell to read it as one line, give --shell"),
        (("--shell", "--", "no-such-command"), None),
        (("--user-env", "--", "no-such-command"), None),
        (("--env", f"PATH={tmp_path}", "--", "there"), None),
        (("--env", f"PATH={tmp_path}", "--", "true"), "'true' is no command that can be found here"),
        (("--cwd", tmp_path / "new", "--", "true"), f"there is no directory {tmp_path}/new"),
    ):
        for said in (
            cli("schedule", "add", db, "s", *HOURLY, "--replace", *words),
            cli("schedule", "update", db, "s", *words),
            cli("enqueue", db, "--command", *words),
        ):
            assert said.code == 0  # it may come to be before its time
            assert said.err == "" if doubt is None else doubt in said.err, (words, said)


def test_an_empty_text_takes_an_option_away(cli: Cli, db: Path) -> None:
    more = ("--on-failure", "tell", "--mail-to", "a@b", "--timeout", "1h", "--expires", "1h", "--retries", "1")
    cli("schedule", "add", db, "s", *HOURLY, *more, "--", "true")
    assert cli("schedule", "update", db, "s", "--on-failure", "", "--mail-to", "", "--timeout", "", "--expires", "").code == 0
    info = schedule(db)
    assert (info.on_failure, info.mail_to, info.timeout, info.expires, info.retries) == (None, None, None, None, 1)


def test_lists_show_what_is_run_and_that_nobody_runs_it(cli: Cli, db: Path) -> None:
    cli("schedule", "add", db, "c", *HOURLY, "--", "ls", "-l", "a b")
    cli("schedule", "add", db, "t", *HOURLY, "--task", "tasks.f")
    cli("enqueue", db, "--command", "--shell", "--", "sleep 1; true")
    done = cli("schedules", db)
    assert [line.rpartition("  ")[2] for line in done.out.splitlines()] == ["RUNS", "ls -l 'a b'", "tasks.f"]
    assert done.err == f"{NO_WORKER}\n"
    assert "litequeue.command (sleep)" in cli("jobs", db).out
    cli("schedule", "run", db, "c")
    assert "(by hand)" in cli("schedules", db).out


def test_the_arguments_of_a_schedules_task_change_when_it_is_named(cli: Cli, db: Path) -> None:
    cli("schedule", "add", db, "t", *HOURLY, "--task", "tasks.f", "--", "1")
    done = cli("schedule", "update", db, "t", "--", "2")
    assert done.code == 2 and "for other arguments give --task tasks.f as well" in done.err
    assert cli("schedule", "update", db, "t", "--task", "tasks.f", "--", "2").code == 0
    assert json.loads(schedule(db, "t").args) == [2]


def test_another_expression_stays_in_the_schedules_zone(cli: Cli, db: Path) -> None:
    cli("schedule", "add", db, "s", "--cron", "0 3 * * *", "--timezone", "Asia/Tokyo", "--", "true")
    assert cli("schedule", "update", db, "s", "--cron", "0 4 * * *").code == 0
    assert json.loads(schedule(db).spec) == {"cron": "0 4 * * *", "timezone": "Asia/Tokyo"}


def test_pause_resume_and_remove(cli: Cli, db: Path) -> None:
    cli("schedule", "add", db, "s", "--every", "1h", "--paused", "--", "true")
    assert schedule(db).state == "paused"
    assert cli("schedule", "resume", db, "s").out.startswith("schedule s: every hour; next ")
    assert cli("schedule", "pause", db, "s").out == "schedule s is paused\n"
    assert schedule(db).state == "paused"
    assert cli("schedule", "remove", db, "s").out == "schedule s is removed\n"
    assert cli("schedules", db, "--json").out == "[]\n"


def test_all_are_paused_and_resumed_at_once(cli: Cli, db: Path) -> None:
    for name in ("a", "b"):
        cli("schedule", "add", db, name, "--every", "1h", "--", "true")
    cli("schedule", "add", db, "already", "--every", "1h", "--paused", "--", "true")
    assert cli("schedule", "pause", db, "--all").out == "schedule a is paused\nschedule b is paused\n"
    assert {schedule(db, name).state for name in ("a", "b", "already")} == {"paused"}
    none = cli("schedule", "pause", db, "--all")
    assert (none.code, none.out, none.err) == (0, "", "litequeue: no schedule is active or running\n")
    assert cli("schedule", "resume", db, "--all").out.count("every hour; next ") == 3
    none = cli("schedule", "resume", db, "--all")
    assert (none.code, none.out, none.err) == (0, "", "litequeue: no schedule is paused\n")
    both = cli("schedule", "pause", db, "--all", "a")
    assert both.code == 2 and "give a NAME or --all" in both.err
    neither = cli("schedule", "pause", db)
    assert neither.code == 2 and "required: NAME" in neither.err


def test_a_note_about_several_schedules_comes_once(cli: Cli, db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "sendmail", lambda: None)
    for name in ("a", "b"):
        cli("schedule", "add", db, name, "--every", "1h", "--mail-to", "ops", "--paused", "--", "true")
    assert cli("schedule", "resume", db, "--all").err == f"{notices.NO_MAIL}\n"


# -- looking -------------------------------------------------------------------------------------------------


def live(db: Path, clock: FakeClock, *steps: float) -> None:
    store = Store(str(db))
    catalogue = Catalogue({}, path=str(db), origin=None, monotonic=clock.monotonic)
    scheduler = Scheduler(store, clock, None, Declarer(store, catalogue, clock, None), WorkerConfig(), lambda fires: None)
    for step in steps:
        clock.advance(step)
        scheduler.tick()
    store.close()


def test_the_list_and_the_history_show_what_became_of_the_ticks(
    cli: Cli, db: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.wall = int(datetime(2026, 3, 2, 12, 0, tzinfo=UTC).timestamp()) * 1_000_000 + 1
    monkeypatch.setattr("litequeue.app.SystemClock", lambda: clock)
    cli("schedule", "add", db, "s", "--cron", "0 * * * *", "--timezone", "Asia/Tokyo", "--", "true")
    cli("schedule", "add", db, "off", "--every", "1h", "--paused", "--", "true")
    live(db, clock, 3600, 3600, 6 * 3600)
    rows = cli("schedules", db).out.splitlines()
    assert rows[0].split() == ["NAME", "STATE", "LAST", "TICK", "OUTCOME", "NEXT", "TICK", "DUE", "TRIGGER", "RUNS"]
    assert rows[1].split()[:2] == ["off", "paused"]
    assert rows[2].split()[:2] == ["s", "active"] and "skipped" in rows[2] and "(Asia/Tokyo)" in rows[2]
    (_, shown) = json.loads(cli("schedules", db, "--json").out)
    assert (shown["name"], shown["state"], shown["last_outcome"]) == ("s", "active", "skipped")
    assert shown["next_tick"] == "2026-03-02T21:00:00+00:00"

    history = json.loads(cli("ticks", db, "s", "--json").out)
    assert [tick["at"][11:16] for tick in history] == [f"{hour}:00" for hour in range(20, 12, -1)]
    assert [tick["outcome"] for tick in history] == ["skipped", *["missed"] * 5, "skipped", "fired"]
    assert (history[-1]["job_id"], history[-1]["job_state"]) == (1, "available")
    table = cli("ticks", db, "s", "--limit", "3").out.splitlines()
    assert len(table) == 5 and "missed" in table[3] and "grace of 1h" in table[3]
    before = table[-1].removeprefix("more: --before ").strip("'")
    page = cli("ticks", db, "s", "--limit", "10", "--before", before).out.splitlines()
    assert len(page) == 6 and "fired" in page[-1] and "available" in page[-1]


def test_a_name_that_drives_a_terminal_is_shown_harmless(cli: Cli, db: Path) -> None:
    import sqlite3

    cli("schedule", "add", db, "s", "--every", "1h", "--", "true")
    with sqlite3.connect(db) as planted:
        planted.execute("UPDATE litequeue_schedules SET name = 'a' || char(27) || '[31m' || char(10) || 'b', trigger = char(27)")
    planted.close()
    done = cli("schedules", db)
    assert done.code == 0 and "\x1b" not in done.out and done.out.count("\n") == 2


@pytest.mark.slow
def test_a_schedule_of_a_command_runs_and_its_history_has_the_outcome(cli: Cli, db: Path, tmp_path: Path) -> None:
    cli("schedule", "add", db, "s", "--every", "1h", "--shell", "--", "echo $LITEQUEUE_TICK; exit 3")
    job = cli("schedule", "run", db, "s").out.strip()
    with worker_process(db, "--burst", wait=False) as worker:
        assert worker.wait(20) == 0
    (tick,) = json.loads(cli("ticks", db, "s", "--json").out)
    assert (tick["outcome"], tick["job_id"], tick["job_state"]) == ("manual", int(job), "discarded")
    assert "exit code 3" in tick["error"]
    found = json.loads(cli("job", db, job, "--json").out)
    assert datetime.fromisoformat(found["output"][0]["text"].strip()) == datetime.fromisoformat(tick["at"])
    text = cli("job", db, job).out
    assert "schedule      s, tick " in text
    assert "discarded" in cli("schedules", db).out
