"""Crontabs at the command line: what is imported, what is only shown, what is written back, and at which ticks."""

from __future__ import annotations

import json
import logging
import os
import pwd
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from litequeue import Cron, LiteQueue, ScheduleNotFound, crontab
from litequeue.base.records import ScheduleInfo
from litequeue.commands.command import check_command
from litequeue.schedules.face import Batch
from litequeue.store import Store
from litequeue.triggers import from_spec
from litequeue.worker.config import WorkerConfig
from litequeue.worker.discovery import Catalogue
from litequeue.worker.services.declaring import Declarer
from litequeue.worker.services.scheduler import Scheduler

from ..faults import cli_with
from ..support import ROOT, FakeClock
from .conftest import Cli

pytestmark = pytest.mark.beside

REAL = ROOT / "tests" / "data" / "crontab.txt"
SYSTEM = ROOT / "tests" / "data" / "crontab-system.txt"
ME = pwd.getpwuid(os.geteuid())


@pytest.fixture
def no_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litequeue.commands.notices.SENDMAIL", "/no/such/sendmail")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert not any(os.path.exists(f"{folder}/sendmail") for folder in ("/usr/bin", "/bin"))


def schedules(db: Path) -> dict[str, ScheduleInfo]:
    with LiteQueue(db) as app:
        return {info.name: info for info in app.schedules.list()}


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# -- the month -----------------------------------------------------------------------------------------------

MARCH = datetime(2026, 3, 1, tzinfo=ZoneInfo("Europe/Berlin"))  # New York's clocks change on the 8th, Berlin's on the 29th
APRIL = datetime(2026, 4, 1, tzinfo=ZoneInfo("Europe/Berlin"))


def ticks_of(trigger: Any) -> list[datetime]:
    """Its ticks of the month, by themselves."""
    found = []
    moment = trigger.next_after(MARCH - timedelta(microseconds=1))
    while moment is not None and moment < APRIL:
        found.append(moment.astimezone(UTC))
        moment = trigger.next_after(moment)
    return found


def live_through(db: Path, clock: FakeClock) -> None:
    """Let a scheduler fire from tick to tick for a day, and then with leaps of six hours, as a laptop's might."""
    with closing(Store(str(db))) as store, closing(sqlite3.connect(db, isolation_level=None)) as work:
        catalogue = Catalogue({}, path=str(db), origin=None, monotonic=clock.monotonic)
        declarer = Declarer(store, catalogue, clock, None)
        scheduler = Scheduler(store, clock, None, declarer, WorkerConfig(), lambda fires: None)
        end = int(APRIL.timestamp()) * 1_000_000 - 1
        by_ticks = int((MARCH + timedelta(days=1)).timestamp()) * 1_000_000
        while clock.wall < end:
            seconds = scheduler.tick()
            work.execute(
                "UPDATE litequeue_jobs SET state = 'succeeded', finished_at = :now, prune_at = :now"
                " WHERE state = 'available' OR state = 'blocked'", {"now": clock.wall}
            )  # fmt: skip
            step = seconds if clock.wall < by_ticks else 6 * 3600
            clock.advance(min(max(step, 0.000_001), (end - clock.wall) / 1e6))
            clock.wall = min(clock.wall, end)
        scheduler.tick()


@pytest.mark.slow
def test_a_real_crontab_is_lived_through_for_a_month_and_comes_back_without_a_difference_in_ticks(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_mail: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "litequeue.worker")  # thousands of ticks are late
    clock = FakeClock(int(MARCH.timestamp()) * 1_000_000)
    monkeypatch.setattr("litequeue.app.SystemClock", lambda: clock)
    db, again, text = tmp_path / "db", tmp_path / "again", REAL.read_text()
    done = cli("cron", "import", db, REAL)
    assert done.code == 1  # for the two lines that cron would not read either
    assert [line.split(":")[0] for line in done.err.splitlines() if ": not imported: " in line] == ["line 53", "line 54"]
    entries = {entry.name: entry for entry in crontab.parse(text).entries}
    assert len(entries) >= 30
    assert schedules(db).keys() == entries.keys()
    for entry in entries.values():
        said = cli("cron", "explain", entry.when, "--timezone", entry.timezone or "Europe/Berlin")
        assert said.code == 0 and said.out.count("\n") == (1 if entry.when == "@reboot" else 6), entry
    expected = {name: ticks_of(Cron(entry.when, entry.timezone)) for name, entry in entries.items()}
    assert sum(map(len, expected.values())) > 20_000

    live_through(db, clock)
    with closing(sqlite3.connect(db)) as looker:
        lived: dict[str, list[datetime]] = {name: [] for name in entries}
        rows = looker.execute(
            "SELECT s.name, t.tick_at, t.outcome, t.through_at FROM litequeue_schedules AS s"
            " JOIN litequeue_ticks AS t ON t.schedule_id = s.id ORDER BY t.tick_at"
        ).fetchall()
    for name, tick, outcome, through in rows:
        assert through is None
        at = datetime.fromtimestamp(tick / 1e6, UTC)
        lived[name].append(at)
        assert outcome == "fired" or at >= MARCH + timedelta(days=1)
    assert lived == expected

    exported = cli("cron", "export", db, "--exact")
    assert (exported.code, exported.err) == (0, "")
    assert cli("cron", "import", again, "-", given=exported.out.encode()).code == 0
    assert {name: ticks_of(from_spec(info.spec)) for name, info in schedules(again).items()} == expected
    before, after = schedules(db), schedules(again)

    def all_but_the_origin(found: dict[str, ScheduleInfo]) -> dict[str, Any]:  # the one is of the file, the other of a pipe
        calls = {name: {**json.loads(info.kwargs), "crontab": None} for name, info in found.items()}
        return {n: (i.spec, calls[n], i.mail_to, i.jitter) for n, i in found.items()}

    assert all_but_the_origin(before) == all_but_the_origin(after)


# -- import --------------------------------------------------------------------------------------------------

MIXED = """\
MAILTO=ops@example.org
# nightly
30 2 * * * pg_dump shop
61 * * * * broken
0 4 * * * cat%one%two
CRON_TZ=No/Where
0 5 * * * nowhere
CRON_TZ=America/New_York
0 6 * * * new-york
"""


def test_a_dry_run_shows_each_line_and_changes_nothing(cli: Cli, tmp_path: Path) -> None:
    db = tmp_path / "db"
    done = cli("cron", "import", db, write(tmp_path / "crontab", MIXED), "--dry-run")
    assert done.code == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "crontab"]
    blocks = done.out.split("line ")[1:]
    assert [block.partition(":")[0] for block in blocks] == ["3", "5", "9"]
    nightly = blocks[0].splitlines()
    assert nightly[0] == "3: 30 2 * * * pg_dump shop"
    assert nightly[1].split() == ["schedule", "nightly:", "at", "02:30", "every", "day", "(Europe/Berlin)"]
    coming = [line.split() for line in nightly if line.startswith("    next")]
    assert [(words[3], words[4] in ("CET", "CEST")) for words in coming] == [("02:30:00", True)] * 3
    assert next(words[3:] for words in map(str.split, blocks[2].splitlines()) if words[0] == "next")[1] in ("EST", "EDT")
    assert "mails all output" in blocks[0] and "mailed to ops@example.org" in blocks[0]
    assert "with standard input" in blocks[1]
    assert "CRON_TZ" in blocks[2]
    assert "line 4: not imported: " in done.err and "61" in done.err
    assert "line 7: not imported: " in done.err and "No/Where" in done.err


def test_a_dry_run_of_reboot_says_when_that_is(cli: Cli, tmp_path: Path) -> None:
    done = cli("cron", "import", tmp_path / "db", "-", "--dry-run", given=b"@reboot warm-cache\n")
    assert done.code == 0 and "at the next boot" in done.out


def test_what_can_be_read_is_imported_and_the_rest_is_told_by_line(cli: Cli, tmp_path: Path) -> None:
    db = tmp_path / "db"
    done = cli("cron", "import", db, write(tmp_path / "crontab", MIXED))
    assert done.code == 1
    assert [line.split(":")[0] for line in done.err.splitlines() if line.startswith("line")] == ["line 4", "line 7"]
    found = schedules(db)
    assert found.keys() == {"nightly", "cat", "new-york"}
    call = json.loads(found["cat"].kwargs)
    assert (call["command"], call["stdin"], call["cwd"]) == ("cat", "one\ntwo\n", ME.pw_dir)
    assert call["env"] == {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "HOME": ME.pw_dir, "LOGNAME": ME.pw_name}
    assert json.loads(found["new-york"].spec) == {"cron": "0 6 * * *", "timezone": "America/New_York"}
    assert json.loads(found["cat"].spec)["timezone"] == "Europe/Berlin"
    assert {info.mail_to for info in found.values()} == {"ops@example.org"}


@pytest.mark.slow
def test_importing_again_leaves_alone_what_is_there_and_with_replace_changes_what_differs(cli: Cli, tmp_path: Path) -> None:
    db, lines = tmp_path / "db", b"# a\n0 1 * * * one\n# b\n0 2 * * * two\n"
    assert cli("cron", "import", db, "-", given=lines).code == 0
    assert cli("schedule", "update", db, "b", "--retries", "3", "--backoff", "1m", "--on-failure", "tell").code == 0
    before, changed = schedules(db), lines.replace(b"0 2 * * * two", b"0 3 * * * other")
    done = cli("cron", "import", db, "-", given=lines)
    assert (done.code, done.out, done.err) == (0, "a: unchanged\nb: unchanged\n", "")
    shown = cli("cron", "import", db, "-", "--dry-run", given=changed)
    assert shown.code == 1  # as it would be without --dry-run
    assert "already: unchanged\n" in shown.out
    assert "already: changed in its time and its command; --replace changes that one\n" in shown.out
    done = cli("cron", "import", db, "-", given=changed)
    assert done.code == 1
    assert done.err.splitlines()[0] == (
        "line 4: not imported: the schedule b that is there differs in its time and its command: --replace changes that one"
    )
    assert schedules(db) == before
    assert cli("cron", "import", db, "-", "--replace", "--dry-run", given=changed).code == 0
    assert schedules(db) == before
    done = cli("cron", "import", db, "-", "--replace", given=changed)
    assert (done.code, done.err) == (0, "")
    after = schedules(db)
    assert [json.loads(info.kwargs)["command"] for info in after.values()] == ["one", "other"]
    assert (after["b"].trigger, after["b"].retries, after["b"].on_failure) == ("at 03:00 every day (Europe/Berlin)", 3, "tell")
    assert json.loads(after["b"].kwargs)["backoff"] == [60]
    assert after["a"] == before["a"]


def test_arguments_the_wrong_way_round_and_a_crontab_without_a_job_are_met(cli: Cli, tmp_path: Path) -> None:
    cli("schedule", "add", tmp_path / "db", "s", "--every", "1h", "--", "true")
    text = write(tmp_path / "crontab", "0 1 * * * one\n")
    done = cli("cron", "import", text, tmp_path / "db")
    assert done.code == 4 and "crontab" in done.err and done.err.count("\n") == 1
    done = cli("cron", "import", tmp_path / "new", tmp_path / "db")
    assert done.code == 2 and "The database comes first: cron import DB FILE" in done.err
    assert text.read_text() == "0 1 * * * one\n" and not (tmp_path / "new").exists()
    done = cli("cron", "import", tmp_path / "new", "-", given=b"# nothing\n")
    assert (done.code, done.err) == (0, "litequeue: there is no job in it\n")


def test_a_dry_run_says_what_is_other_than_with_cron(cli: Cli, tmp_path: Path) -> None:
    said = cli("cron", "import", tmp_path / "db", "-", "--dry-run", given=b"0 1 * * * one\n").out
    assert said.count("--overlap allow") == said.count("--catch-up skip") == said.count("the\nworker's environment") == 1


def test_a_zone_and_an_address_for_all_that_name_none(cli: Cli, tmp_path: Path) -> None:
    lines = b"0 1 * * * a\nCRON_TZ=UTC\nMAILTO=x\n0 2 * * * b\n"
    done = cli("cron", "import", tmp_path / "db", "-", "--timezone", "Asia/Tokyo", "--mail-to", "me@x", given=lines)
    assert done.code == 0
    found = schedules(tmp_path / "db")
    assert json.loads(found["a"].spec)["timezone"] == "Asia/Tokyo"
    assert json.loads(found["b"].spec)["timezone"] == "UTC"
    assert {info.mail_to for info in found.values()} == {"me@x"}


@pytest.mark.parametrize("able", [True, False])
def test_without_a_mailto_failures_go_to_the_owner_as_crons_do_where_mail_can_be_sent(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_mail: None, able: bool
) -> None:
    if able:
        (tmp_path / "sendmail").touch(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    lines = b'0 1 * * * a\nMAILTO=""\n0 2 * * * b\n'
    shown = cli("cron", "import", tmp_path / "db", "-", "--dry-run", given=lines).out
    assert shown.count("mailed to nobody") == (1 if able else 2)
    cli("cron", "import", tmp_path / "db", "-", given=lines)
    found = schedules(tmp_path / "db")
    assert (found["a"].mail_to, found["b"].mail_to) == (ME.pw_name if able else None, None)


def test_bytes_that_are_no_utf_8_reach_the_command_as_they_are(cli: Cli, tmp_path: Path) -> None:
    db, line = tmp_path / "db", b"0 1 * * * echo caf\xe9 \xff\n"
    assert cli("cron", "import", db, "-", given=line).code == 0
    with LiteQueue(db) as app:
        (info,) = app.schedules.list()
        job = app.schedules.run_now(info.name)
        with app.worker(threads=0, processes=0, burst=True) as worker:
            worker.join(20)
        assert "".join(p.text for p in job.output() if p.stream == "stdout") == "caf\\xe9 \\xff\n"


def test_the_lines_of_a_system_crontab_are_their_users_if_root_imports_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = b"SHELL=/bin/bash\n# mine\n0 1 * * * root echo 1\n# theirs\n0 2 * * * nobody echo $HOME\n0 3 * * * no-such-user x\n"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    done = cli("cron", "import", tmp_path / "db", "-", "--system", given=lines)
    assert done.code == 1
    assert "line 6: not imported: it runs as no-such-user, and there is no such user here" in done.err
    mine, theirs = (json.loads(schedules(tmp_path / "db")[name].kwargs) for name in ("mine", "theirs"))
    assert (mine["argv"], mine["user"]) == (["/bin/bash", "-c", "echo 1"], "root")
    assert (theirs["argv"], theirs["user"]) == (["/bin/bash", "-c", "echo $HOME"], "nobody")
    assert theirs["cwd"] == theirs["env"]["HOME"] == pwd.getpwnam("nobody").pw_dir
    (first, second) = crontab.parse(cli("cron", "export", tmp_path / "db").out, system=True).entries
    assert {first.user: first.command, second.user: second.command} == {"root": "echo 1", "nobody": "echo $HOME"}
    assert cli("cron", "import", tmp_path / "db", "-", "--system", given=lines).out == "mine: unchanged\ntheirs: unchanged\n"
    other = lines.replace(b"* nobody", b"* root")
    done = cli("cron", "import", tmp_path / "db", "-", "--system", given=other)
    assert "the schedule theirs that is there differs in whom it runs as and its environment: --replace changes" in done.err


def test_what_was_imported_through_su_is_the_users_without_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's worker looked su up in the crontab's PATH."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    lines = b"PATH=/opt/bin:/bin\nHOME=/tmp\n# a\n0 1 * * * nobody echo 1\nSHELL=/bin/bash\nHOME=\n# b\n0 2 * * * nobody echo 2\n"
    assert cli("cron", "import", tmp_path / "db", "-", "--system", given=lines).code == 0
    argvs = {"a": ["su", "-p", "-s", "/bin/sh", "nobody", "-c", "echo 1"], "b": ["su", "-s", "/bin/bash", "nobody", "-c", "echo 2"]}
    with LiteQueue(tmp_path / "db") as app:
        for name, info in schedules(tmp_path / "db").items():
            call = {key: value for key, value in json.loads(info.kwargs).items() if key not in ("command", "user")}
            call["env"] |= {"USER": "nobody"} if name == "a" else {}
            app.schedules.update(name, kwargs=call | {"argv": argvs[name]})
    calls = [json.loads(info.kwargs) for info in schedules(tmp_path / "db").values()]
    assert [call["argv"] for call in calls] == list(argvs.values())
    assert [check_command(**call)["user"] for call in calls] == ["nobody", "nobody"]  # as it is run
    assert cli("cron", "import", tmp_path / "db", "-", "--system", given=lines).out == "a: unchanged\nb: unchanged\n"
    found = crontab.parse(cli("cron", "export", tmp_path / "db").out, system=True).entries
    assert {(entry.name, entry.user, entry.command) for entry in found} == {("a", "nobody", "echo 1"), ("b", "nobody", "echo 2")}
    by_hand = {"argv": argvs["a"]}
    assert check_command(**by_hand) == by_hand


def test_a_system_crontab_with_two_names_is_refused_and_ones_own_is_taken_as_it_is(cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path / "crontab", f"0 1 * * * {ME.pw_name}\n")
    os.link(file, tmp_path / "other")
    done = cli("cron", "import", tmp_path / "db", file, "--system")
    why = "has 2 names (hard links): copy it to one of its own, and cron would not take it either"
    assert done.code == 2 and done.err.startswith(f"litequeue: {file} {why}") and done.err.count("\n") == 1
    assert not (tmp_path / "db").exists()
    file.chmod(0o666)  # whoever gives his own says what is in it, as with "crontab FILE"
    assert cli("cron", "import", tmp_path / "db", file).code == 0


def test_a_pipe_is_no_system_crontab_and_holds_nobody_up(cli: Cli, tmp_path: Path) -> None:
    db, pipe = tmp_path / "db.sqlite", tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    reader, writer = os.pipe()
    with closing(open(reader)), closing(open(writer, "w")) as written:  # as a shell's <(...) is
        written.write("0 1 * * * root true\n")
        for file in (pipe, f"/dev/fd/{reader}"):
            done = cli("cron", "import", db, file, "--system")
            assert (done.code, done.err.count("\n")) == (2, 1)
            assert f"{file} is no regular file, and cron would not take it either" in done.err
    assert not db.exists()


def test_a_pipe_that_is_given_on_purpose_is_a_users_crontab(cli: Cli, tmp_path: Path) -> None:
    db, pipe = tmp_path / "db.sqlite", tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    reader, writer = os.pipe()
    with closing(open(reader)):
        os.write(writer, b"0 1 * * * a\n")
        os.close(writer)
        assert cli("cron", "import", db, f"/dev/fd/{reader}").code == 0
    late = threading.Thread(target=pipe.write_text, args=("0 2 * * * b\n",))
    late.start()
    assert cli("cron", "import", db, pipe).code == 0
    late.join()
    assert schedules(db).keys() == {"a", "b"}


def test_a_system_crontab_is_refused_for_others_unless_root_imports_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(os, "geteuid", lambda: nobody.pw_uid)
    lines = b"# mine\n0 1 * * * nobody id\n# roots\n0 2 * * * root id\n"
    done = cli("cron", "import", tmp_path / "db", "-", "--system", given=lines)
    assert done.code == 1
    assert "line 4: not imported: it runs as root, and only root" in done.err
    found = schedules(tmp_path / "db")
    assert found.keys() == {"mine"}
    assert json.loads(found["mine"].kwargs)["command"] == "id"


def printed_by_a_run(app: LiteQueue, schedule: str) -> str:
    """What the job of a schedule prints, run now."""
    job = app.schedules.run_now(schedule)
    with app.worker(threads=0, processes=0, burst=True) as worker:
        worker.join(20)
    return "".join(p.text for p in job.output() if p.stream == "stdout")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_line_of_another_user_runs_as_that_user(cli: Cli, tmp_path: Path) -> None:
    line = b"SHELL=/bin/sh\nGREETING=hello\n0 2 * * * nobody id -un; echo $GREETING; cat%from standard input\n"
    assert cli("cron", "import", tmp_path / "db", "-", "--system", given=line).code == 0
    with LiteQueue(tmp_path / "db") as app:
        (info,) = app.schedules.list()
        app.schedules.update(info.name, kwargs={**json.loads(info.kwargs), "cwd": "/"})  # its home need not be there
        assert printed_by_a_run(app, info.name) == "nobody\nhello\nfrom standard input\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_a_line_of_another_user_has_the_home_that_the_crontab_sets(cli: Cli, tmp_path: Path) -> None:
    line = b"HOME=/tmp\n0 2 * * * nobody id -un; echo $HOME $LOGNAME $USER $PATH $SHELL; pwd\n"
    assert cli("cron", "import", tmp_path / "db", "-", "--system", given=line).code == 0
    with LiteQueue(tmp_path / "db") as app:
        (info,) = app.schedules.list()
        said = printed_by_a_run(app, info.name)
    assert said == "nobody\n/tmp nobody nobody /usr/bin:/bin /bin/sh\n/tmp\n"
    (entry,) = crontab.parse(cli("cron", "export", tmp_path / "db").out, system=True).entries
    assert (entry.user, entry.env) == ("nobody", {"HOME": "/tmp"}) and entry.command.startswith("id -un;")


def test_a_command_finds_what_cron_would_have_set(cli: Cli, tmp_path: Path) -> None:
    line = b"HOME=/tmp\n0 2 * * * echo $HOME $LOGNAME $PATH; pwd\nHOME=\n0 3 * * * echo $HOME\n"
    assert cli("cron", "import", tmp_path / "db", "-", given=line).code == 0
    first, second = (json.loads(info.kwargs) for info in schedules(tmp_path / "db").values())
    assert (first["cwd"], first["env"]["HOME"], first["env"]["LOGNAME"]) == ("/tmp", "/tmp", ME.pw_name)
    assert (second["cwd"], second["env"]["HOME"]) == (ME.pw_dir, ME.pw_dir)


def test_a_command_that_begins_with_a_user_of_this_host_may_be_of_a_system_crontab(cli: Cli, tmp_path: Path) -> None:
    lines = b"0 1 * * * nobody /srv/run\n0 2 * * * no-such-user /srv/run\n"
    said = "the command begins with nobody, a user of this host: if this is a system crontab, use --system"
    assert cli("cron", "import", tmp_path / "db", "-", "--dry-run", given=lines).out.count(said) == 1
    assert cli("cron", "import", tmp_path / "db", "-", given=lines).err == f"line 1: note: {said}\n"
    root = b"0 1 * * * root /srv/run\n"
    for words, where in ((["--dry-run"], "out"), ([], "err")):
        done = cli("cron", "import", tmp_path / "root", "-", *words, given=root)
        assert getattr(done, where).count("is this a system crontab, with a user in each line? Use --system") == 1, done
    assert "use --system" not in cli("cron", "import", tmp_path / "new", "-", "--system", given=lines[:26]).err


def test_after_mailto_with_nothing_behind_it_failures_go_to_nobody(cli: Cli, tmp_path: Path) -> None:
    done = cli("cron", "import", tmp_path / "db", "-", given=b"MAILTO=ann\n0 1 * * * a\nMAILTO=\n0 2 * * * b\n")
    assert done.code == 0
    assert "line 3: note: MAILTO is set to nothing, for which Debian's crontab wants MAILTO=\"\"" in done.err
    assert {name: info.mail_to for name, info in schedules(tmp_path / "db").items()} == {"a": "ann", "b": None}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("import", "DB", "no/such/file"), 4, "no/such/file cannot be read: No such file"),
        (("import", "DB", "."), 4, "Is a directory"),
        (("export", "DB"), 4, "no such file"),
        (("explain", "61 * * * *"), 2, "minute"),
        (("explain", "0 0 0 * * *"), 2, "seconds"),
        (("explain", "0 0 30 2 *"), 2, "never"),
        (("explain", "0 0 * * *", "--timezone", "Europe/Berlln"), 2, "Europe/Berlln"),
        (("explain", "0 0 * * *", "--count", "-1"), 2, "-1"),
    ],
)
def test_a_wrong_word_is_one_line(cli: Cli, tmp_path: Path, words: tuple[str, ...], code: int, says: str) -> None:
    done = cli("cron", *(str(tmp_path / "db") if word == "DB" else word for word in words))
    assert done.code == code
    assert done.err.startswith("litequeue: ") and done.err.count("\n") == 1
    assert says in done.err
    assert not (tmp_path / "db").exists()


def test_a_line_that_differs_from_what_another_made_is_told_how_it_gets_a_name_of_its_own(cli: Cli, tmp_path: Path) -> None:
    db = tmp_path / "db"
    cli("schedule", "add", db, "by-hand", "--cron", "0 1 * * *", "--", "one")
    cli("schedule", "add", db, "task", "--cron", "0 1 * * *", "--task", "shop.report")
    lines = b"# by-hand\n0 1 * * * one\n# task\n0 1 * * * one\n"
    done = cli("cron", "import", db, "-", given=lines)
    rename = "--replace changes that one, which this crontab has not made; a comment above the line gives this job another name"
    assert [line for line in done.err.splitlines() if "not imported" in line] == [
        f"line 2: not imported: the schedule by-hand that is there differs in its command and its environment: {rename}",
        f"line 4: not imported: the schedule task that is there differs in what it runs: {rename}",
    ]
    assert cli("cron", "import", db, "-", "--replace", given=lines).code == 0
    with closing(sqlite3.connect(db)) as planted, planted:
        planted.execute("UPDATE litequeue_schedules SET module = 'shop' WHERE name = 'task'")
    for more in ([], ["--replace"]):
        done = cli("cron", "import", db, "-", *more, given=lines)
        assert "in what it runs: shop declares that one; a comment above the line gives" in done.err
        assert cli("cron", "import", db, "-", "--dry-run", *more, given=lines).code == 1


def test_an_import_may_ask_that_nothing_runs_again_after_a_crash(cli: Cli, tmp_path: Path) -> None:
    db, lines = tmp_path / "db", b"# a\n0 1 * * * one\n# b\n0 2 * * * two\n"
    said = cli("cron", "import", db, "-", "--dry-run", given=lines).out
    assert "crashes runs again" in said and "--at-most-once" in said
    assert cli("cron", "import", db, "-", given=lines).code == 0
    assert [info.at_most_once for info in schedules(db).values()] == [False, False]
    assert cli("cron", "import", db, "-", "--at-most-once", "--replace", given=lines).code == 0
    assert [info.at_most_once for info in schedules(db).values()] == [True, True]
    assert cli("cron", "import", db, "-", given=lines).out == "a: unchanged\nb: unchanged\n"  # which is not asked to undo it
    with LiteQueue(db) as app:
        job = app.schedules.run_now("a").info()
        assert (job.at_most_once, job.max_attempts) == (True, 1)
    assert "# a: --at-most-once\n" in cli("cron", "export", db).out


def test_an_import_may_be_paused_until_cron_has_let_go(cli: Cli, tmp_path: Path) -> None:
    db, lines = tmp_path / "db", b"# a\n0 1 * * * one\n# b\n@reboot two\n"
    done = cli("cron", "import", db, "-", "--paused", given=lines)
    assert (done.code, done.out) == (0, "a: at 01:00 every day (Europe/Berlin); paused\nb: at every boot; paused\n")
    assert {info.state for info in schedules(db).values()} == {"paused"}
    assert cli("schedule", "resume", db, "--all").out.count("\n") == 2
    assert {info.state for info in schedules(db).values()} == {"active"}
    assert cli("cron", "import", db, "-", "--paused", given=lines).out == "a: unchanged\nb: unchanged\n"
    assert cli("schedule", "resume", db, "--all").out == ""
    assert cli("schedule", "resume", db).code == 2
    both = cli("schedule", "resume", db, "a", "--all")
    assert both.code == 2 and "not both 'a' and --all" in both.err


# -- export --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_no_crontab_can_hold_stands_there_as_a_comment_with_the_reason(cli: Cli, tmp_path: Path) -> None:
    db = tmp_path / "db"
    for words in (
        ("often", "--every", "90s", "--", "true"),
        ("once", "--at", "2099-01-01", "--", "true"),
        ("precise", "--cron", "5 * * * * *", "--seconds", "--", "true"),
        ("task", "--cron", "0 1 * * *", "--task", "tasks.f"),
        ("profile", "--cron", "0 1 * * *", "--user-env", "--", "true"),
        ("lines", "--cron", "0 1 * * *", "--", "printf", "a\nb"),
        ("lazy", "--cron", "0 1 1 * *", "--jitter", "3d", "--", "true"),
        ("kept", "--cron", "0 1 * * *", "--cwd", "/srv/a b", "--", "printf", "%s", "it's"),
        ("off", "--cron", "0 2 * * *", "--paused", "--cwd", ME.pw_dir, "--", "true"),
    ):  # fmt: skip
        assert cli("schedule", "add", db, *words).code == 0
    with closing(sqlite3.connect(db)) as planted, planted:
        planted.execute("INSERT INTO litequeue_schedules (name, trigger, task, kwargs, grace, anchor_at, created_at, updated_at)"
                        " SELECT 'planted', trigger, task, '{\"env\": 7}', 0, 0, 0, 0 FROM litequeue_schedules WHERE name = 'kept'")
    done = cli("cron", "export", db)
    assert (done.code, done.err) == (0, "")
    reasons = {line.split(":")[0]: line for line in done.out.splitlines() if line.startswith("# ") and ": " in line}
    for name in ("often", "once", "precise", "task", "profile", "lines", "lazy", "planted"):
        assert f"# {name}" in reasons, name
    (kept,) = crontab.parse(done.out).entries
    assert (kept.name, kept.when, kept.command) == ("kept", "0 1 * * *", "cd '/srv/a b' || exit; printf %s 'it'\"'\"'s'")
    assert "\n# 0 2 * * * true\n" in done.out
    assert kept.mail_to == ""


@pytest.mark.slow
def test_what_cron_has_nothing_like_is_left_out_with_a_word(cli: Cli, tmp_path: Path) -> None:
    db = tmp_path / "db"
    more = ("--timeout", "90s", "--retries", "2", "--backoff", "1m", "--overlap", "queue", "--catch-up", "all", "--expires", "3d", "--queue", "night")
    cli("schedule", "add", db, "much", "--cron", "0 1 * * *", *more, "--on-failure", "tell me", "--", "true")
    cli("schedule", "add", db, "little", "--cron", "0 2 * * *", "--cwd", tmp_path, "--shell", "--", "a; b # c")
    cli("schedule", "add", db, "last", "--cron", "0 9 LW * *", "--jitter", "90s", "--", "true")
    text = cli("cron", "export", db, "--exact").out
    (said,) = (line for line in text.splitlines() if line.startswith("# much: "))
    assert said == (
        "# much: --timeout 90.0 s, --expires 3.0 days, --retries 2, --backoff, --overlap queue, --queue night, "
        "--catch-up all, --on-failure 'tell me'"
    )
    assert "# Debian's cron ignores RANDOM_DELAY.\n" in text
    assert "# Debian's cron refuses the times of last, and with them the whole of this.\n" in text
    little, much = (entry for entry in crontab.parse(text).entries if entry.name != "last")
    assert (little.name, much.name) == ("little", "much")
    # The directory is that of the whole line, and without it nothing runs.
    assert little.command == f"cd {tmp_path} || exit; a; b # c"


@pytest.mark.slow
def test_debians_cron_is_given_terms_that_it_reads_alike_or_a_comment(cli: Cli, tmp_path: Path) -> None:
    db = tmp_path / "db"
    times = {"steps": "5/10 1/2 * jan/3 *", "wrapped": "0 0 * nov-feb fri-mon", "any": "0 0 ? * ?", "third": "0 0 * * fri#3",
             "last": "0 9 LW * *", "plain": "*/5 8-18/2 1,15 mar-may mon-fri"}  # fmt: skip
    for name, when in times.items():
        assert cli("schedule", "add", db, name, "--cron", when, "--", "true").code == 0
    assert cli("schedule", "add", db, "slashes", "--cron", "0 1 * * *", "--shell", "--", r"echo a\\b").code == 0
    assert cli("schedule", "add", db, "long", "--cron", "0 1 * * *", "--shell", "--", "echo " + "x" * 994).code == 0
    text = cli("cron", "export", db).out
    found = {entry.name: entry.when for entry in crontab.parse(text).entries}
    assert found == {
        "steps": "5-59/10 1-23/2 * 1-12/3 *", "wrapped": "0 0 * 1,2,11,12 0,1,5,6", "any": "0 0 * * *", "plain": times["plain"],
    }  # fmt: skip
    assert "\n# last: it has nothing like 0 9 LW * *\n" in text and "\n# third: it has nothing like 0 0 * * fri#3\n" in text
    assert "\n# slashes: Debian's cron makes two backslashes one" in text and "\n# long: Debian's crontab refuses" in text
    for name, when in found.items():
        assert ticks_of(Cron(when)) == ticks_of(Cron(times[name])), name
    exact = {entry.name: entry.when for entry in crontab.parse(cli("cron", "export", db, "--exact").out).entries}
    assert {name: exact[name] for name in times} == times


def test_an_import_says_what_debians_cron_did_with_a_line(cli: Cli, tmp_path: Path) -> None:
    lines = (
        b"5/10 * * * * a\n0 0 * * fri#2 b\n0 0 * * fri-mon c\n0 0 1 * fri-mon d\n0 0 * * * echo a\\\\b\n43-40 * * * * e\n"
        b"5+ 3 * * * f\n0 0 * * * " + b"x" * 999 + b"\n0 0 * * mon-fri g\n"
    )
    said = [
        "line 1: note: Debian's cron refuses 5/10 in a time, and never ran this line; litequeue does",
        "line 2: note: Debian's cron takes fri#2 (day of week) for 5; litequeue for what it says",
        "line 3: note: Debian's cron takes fri-mon (day of week) for none, and never ran this line; litequeue for what it says",
        "line 4: note: Debian's cron takes fri-mon (day of week) for none; litequeue for what it says",
        "line 5: note: Debian's cron makes two backslashes one; litequeue leaves both to the shell",
        "line 8: note: Debian's crontab refuses a command of more than 998 characters",
    ]
    done = cli("cron", "import", tmp_path / "db", "-", given=lines)
    assert done.code == 1
    notes = [line for line in done.err.splitlines() if ": note: " in line]
    assert len(notes) == len(said) and all(map(str.startswith, notes, said)), notes
    assert "line 6: not imported: " in done.err and "; Debian's cron takes it, and never runs it" in done.err
    assert "line 7: not imported: " in done.err and "; Debian's cron takes it for '5 3 * * *'" in done.err
    shown = cli("cron", "import", tmp_path / "new", "-", "--dry-run", given=lines).out
    assert all(line.partition(": note: ")[2] in shown for line in said)


def test_of_a_line_that_is_not_imported_only_that_is_said(cli: Cli, tmp_path: Path) -> None:
    done = cli("cron", "import", tmp_path / "db", "-", given=b"-99 * * * * a\n-- 3 * * * b\n-5 * * * * c\n")
    assert [line[:40] for line in done.err.splitlines() if not line.startswith("    ")] == [
        "line 1: not imported: cron expression '9", "line 2: not imported: minute '-' is not ", "line 3: note: Debian's crontab refuses a",
    ]  # fmt: skip
    assert done.code == 1 and done.out.startswith("c: ")


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_what_is_not_imported_and_what_is_noted_comes_in_the_order_of_the_lines(cli: Cli, tmp_path: Path, more: tuple[str, ...]) -> None:
    cli("cron", "import", tmp_path / "db", "-", given=b"# a\n0 1 * * * one\n")
    lines = b"A=\n-5 * * * * c\n0 0 31 2 * d\n61 * * * * e\n* * 30 2 * f\n5/10 1 * * * g\n# a\n0 1 * * * other\n"
    done = cli("cron", "import", tmp_path / "db", "-", *more, given=lines)
    said = [line.split(": ")[:2] for line in done.err.splitlines() if not line.startswith("    ")]
    told = [["line 1", "note"], ["line 2", "note"], ["line 3", "not imported"], ["line 4", "not imported"], ["line 5", "not imported"]]
    assert said == told + ([] if more else [["line 6", "note"], ["line 8", "not imported"]]), "else it is with the others' ticks"


def test_who_would_be_mailed_is_said_once_where_no_mail_can_be_sent(cli: Cli, tmp_path: Path, no_mail: None) -> None:
    lines = b"MAILTO=ops@example.org\n0 1 * * * one\n0 2 * * * two\n"
    done = cli("cron", "import", tmp_path / "db", "-", given=lines)
    assert done.code == 0 and done.err.count("no sendmail") == 1
    shown = cli("cron", "import", tmp_path / "db", "-", "--dry-run", given=lines).out
    assert "failures mailed to ops@example.org, once this host has a sendmail" in shown
    nobody = cli("cron", "import", tmp_path / "new", "-", given=b"0 1 * * * one\n")
    assert (nobody.code, nobody.err) == (0, "")
    shown = cli("cron", "import", tmp_path / "new", "-", "--dry-run", given=b"0 1 * * * one\n").out
    assert "failures mailed to nobody: this host has no sendmail" in shown


def test_the_way_back_to_debians_cron_has_no_option_that_it_would_run_as_a_word(cli: Cli, tmp_path: Path) -> None:
    assert cli("cron", "import", tmp_path / "db", "-", given=b"MAILTO=ops\n0 1 * * * backup\n").code == 0
    assert "\n0 1 * * * backup\n" in cli("cron", "export", tmp_path / "db").out


def test_a_system_crontab_with_several_users_is_written_back_with_its_users(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = SYSTEM.read_text() + "# theirs\n0 2 * * * nobody echo hi\n"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cli("cron", "import", tmp_path / "db", "-", "--system", given=lines.encode()).code == 0
    done = cli("cron", "export", tmp_path / "db")
    assert (done.code, done.err) == (0, "")

    def shown(text: str) -> set[tuple[Any, ...]]:
        return {(e.when, e.user, e.command) for e in crontab.parse(text, system=True).entries}

    assert shown(done.out) == shown(lines)


def test_an_empty_file_is_an_empty_crontab(cli: Cli, tmp_path: Path) -> None:
    assert cli("cron", "import", tmp_path / "db", "-", given=b"").code == 0
    assert crontab.parse(cli("cron", "export", tmp_path / "db").out) == crontab.Crontab((), ())


# -- explain -------------------------------------------------------------------------------------------------


def test_an_expression_is_explained_with_its_next_ticks(cli: Cli) -> None:
    done = cli("cron", "explain", "*/5 9-17 * * mon-fri", "--timezone", "Asia/Tokyo", "--count", "3")
    assert done.code == 0
    words, *ticks = done.out.splitlines()
    assert "Monday" in words and "Friday" in words and "5" in words
    assert len(ticks) == 3 and all(tick.endswith("JST") for tick in ticks)
    assert cli("cron", "explain", "*/10 * * * * *", "--seconds").out.count("\n") == 6
    assert cli("cron", "explain", "@reboot").out.count("\n") == 1


# -- an edited crontab, imported again ------------------------------------------------------------------------

CURLS = b"0 3 * * * curl a\n0 3 * * * curl b\n0 3 * * * curl c\n"


def runs(db: Path) -> list[str]:
    """The commands that stand, each as often as it would run."""
    return sorted(json.loads(info.kwargs)["command"] for info in schedules(db).values())


def test_a_line_that_is_taken_out_gives_its_number_to_no_other_job(cli: Cli, tmp_path: Path) -> None:
    db = tmp_path / "db"
    assert cli("cron", "import", db, "-", given=CURLS).code == 0
    before, edited = schedules(db), CURLS.split(b"\n", 1)[1]
    done = cli("cron", "import", db, "-", "--replace", given=edited)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == ["curl-2: unchanged", "curl-3: unchanged"]
    assert done.out.splitlines()[2:] == ["curl: no longer in the crontab, and left as it is; --prune removes it"]
    assert schedules(db) == before
    shown = cli("cron", "import", db, "-", "--replace", "--prune", "--dry-run", given=edited)
    assert shown.code == 0 and "curl: no longer in the crontab; it would be removed\n" in shown.out
    assert schedules(db) == before
    done = cli("cron", "import", db, "-", "--prune", given=edited)
    assert (done.code, done.err) == (0, "") and "curl: no longer in the crontab; removed\n" in done.out
    assert schedules(db).keys() == {"curl-2", "curl-3"} and runs(db) == ["curl b", "curl c"]


def test_lines_that_are_moved_or_come_in_between_leave_each_job_its_name(cli: Cli, tmp_path: Path) -> None:
    db = tmp_path / "db"
    assert cli("cron", "import", db, "-", given=CURLS).code == 0
    before = schedules(db)
    edited = b"0 3 * * * curl c\n0 3 * * * curl new\n0 3 * * * curl a\n0 3 * * * curl b\n0 3 * * * curl b\n"
    done = cli("cron", "import", db, "-", "--replace", given=edited)
    assert (done.code, done.err) == (0, "")
    after = schedules(db)
    assert {name: after[name] for name in before} == before
    assert runs(db) == ["curl a", "curl b", "curl b", "curl c", "curl new"]  # the crontab has b twice
    assert cli("cron", "import", db, "-", "--replace", given=edited).out.count("unchanged") == 5


def test_a_setting_that_changes_for_all_still_finds_each_job(cli: Cli, tmp_path: Path) -> None:
    db = tmp_path / "db"
    assert cli("cron", "import", db, "-", given=CURLS).code == 0
    edited = b"LANG=C\n" + CURLS.split(b"\n", 1)[1]
    done = cli("cron", "import", db, "-", "--replace", "--prune", given=edited)
    assert (done.code, done.err) == (0, "")
    found = {name: json.loads(info.kwargs) for name, info in schedules(db).items()}
    assert {name: call["command"] for name, call in found.items()} == {"curl-2": "curl b", "curl-3": "curl c"}
    assert {call["env"]["LANG"] for call in found.values()} == {"C"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("last", "is_done"),
    [("UPDATE litequeue_schedules", False), ("INSERT INTO litequeue_schedules", False), ("DELETE FROM litequeue_schedules", False), ("COMMIT", True)],
)
def test_an_import_that_is_killed_has_changed_all_or_nothing(cli: Cli, tmp_path: Path, last: str, is_done: bool) -> None:
    """What is added, changed and removed is one transaction."""
    db, file = tmp_path / "db.sqlite", write(tmp_path / "crontab", "0 1 * * * a\n0 2 * * * b\n0 3 * * * c\n")
    assert cli("cron", "import", db, file).code == 0
    write(file, "0 1 * * * a\n0 5 * * * b\n0 6 * * * d\n0 7 * * * e\n")
    words = ("cron", "import", db, file, "--replace", "--prune")
    program = cli_with(f"kill_at(1, 'after', {last!r})")
    assert subprocess.run([sys.executable, "-c", program, *words], cwd=ROOT, timeout=60, check=False).returncode == -signal.SIGKILL
    left = {name: info.trigger for name, info in schedules(db).items()}
    assert left.keys() == ({"a", "b", "d", "e"} if is_done else {"a", "b", "c"})
    assert ("05:00" in left["b"]) is is_done


def test_a_change_that_somebody_elses_overtakes_is_worked_out_anew(db: Path) -> None:
    with LiteQueue(db) as app:
        app.schedules.add("old", "t", every="1h")
        batch = Batch(app.schedules)
        batch.add("new", "t", every="1h")
        batch.update("old", priority=3)
        app.schedules.update("old", queue="other")
        batch.write()
        assert {info.name: (info.priority, info.queue) for info in app.schedules.list()} == {"new": (0, "default"), "old": (3, "other")}
        again = Batch(app.schedules)
        again.add("one", "t", every="1h")
        again.update("old", priority=4)
        app.schedules.remove("old")
        with pytest.raises(ScheduleNotFound):
            again.write()
        assert [info.name for info in app.schedules.list()] == ["new"]


def test_only_what_came_from_this_crontab_is_gone_from_it(cli: Cli, tmp_path: Path) -> None:
    db, mine, other = tmp_path / "db", tmp_path / "mine", tmp_path / "other"
    assert cli("cron", "import", db, write(mine, "0 1 * * * a\n0 2 * * * b\n")).code == 0
    assert cli("cron", "import", db, write(other, "0 1 * * * c\n")).code == 0
    assert cli("schedule", "add", db, "by-hand", "--cron", "0 1 * * *", "--env", "SHELL=/bin/sh", "--", "d").code == 0
    done = cli("cron", "import", db, write(mine, "0 2 * * * b\n"), "--prune")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"b: unchanged\na: no longer in the crontab; removed\nleft alone, since imported from {other}: c\n"
    assert schedules(db).keys() == {"b", "c", "by-hand"}


def test_nothing_is_pruned_for_a_line_that_cannot_be_read_or_a_crontab_without_a_job(cli: Cli, tmp_path: Path) -> None:
    db = tmp_path / "db"
    assert cli("cron", "import", db, "-", given=b"0 1 * * * a\n0 2 * * * b\n").code == 0
    before = schedules(db)
    done = cli("cron", "import", db, "-", "--prune", given=b"0 1 * * * a\n61 2 * * * b\n")
    assert done.code == 1 and "b: no longer in the crontab, and left as it is: not every line could be read\n" in done.out
    done = cli("cron", "import", db, "-", "--prune", given=b"")  # as of a crontab -l that fails
    assert done.code == 1 and done.out.count("left as it is: there is no job in it") == 2
    assert schedules(db) == before


def test_an_import_that_is_exported_says_nothing_of_where_it_came_from(cli: Cli, tmp_path: Path) -> None:
    assert cli("cron", "import", tmp_path / "db", "-", given=CURLS).code == 0
    text = cli("cron", "export", tmp_path / "db").out
    assert [entry.command for entry in crontab.parse(text).entries] == ["curl a", "curl b", "curl c"]
    assert all(entry.env.keys() <= {"PATH", "HOME", "LOGNAME"} for entry in crontab.parse(text).entries)
