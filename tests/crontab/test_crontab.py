"""Crontabs read and written back, against crontab(5) and the two files in tests/data."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Any

import pytest

from litequeue.base import checks
from litequeue.base.errors import InvalidArgument
from litequeue.crontab import Crontab, Entry, parse, render
from litequeue.crontab.names import from_command, from_comment, unique

from ..support import ROOT

pytestmark = pytest.mark.beside

DATA = ROOT / "tests" / "data"


def one(text: str, *, system: bool = False) -> Entry:
    """The only entry of a text without problems."""
    found = parse(text, system=system)
    assert found.problems == ()
    (entry,) = found.entries
    return entry


def why(text: str, *, system: bool = False) -> str:
    """Why the last line cannot be read."""
    found = parse(text, system=system)
    assert found.entries == ()
    return found.problems[-1].why


# -- two whole files -----------------------------------------------------------------------------------

OPS, NOBODY, ANN = "ops@example.org", "", "ann@example.org"
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
# Line, when, name, command, CRON_TZ, MAILTO.
EXPECTED = [
    (10, "30 2 * * *", "Nightly-database-backup", "pg_dump -Fc shop > /srv/backup/shop-$(date +%F).dump", None, OPS),
    (12, "0 3 * * *", "Old-backups-go-after-a-month", "find /srv/backup -name '*.dump' -mtime +30 -delete", None, OPS),
    (13, "*/5 * * * *", "check-disk", "/usr/local/bin/check-disk --warn 90% >/dev/null 2>&1", None, OPS),
    (14, "*/10 9-17 * * mon-fri", "sync_stock", "cd /srv/shop && nice -n 10 ./bin/sync_stock", None, OPS),
    (15, "15,45 * * * *", "feeds.py", "/usr/bin/flock -n /run/lock/feeds.lock /usr/bin/python3 /srv/shop/feeds.py", None, OPS),
    (16, "0 9 1 * *", "report", '/srv/shop/bin/report --format pdf --to "board@example.org"', None, OPS),
    (18, "0 4 * * *", "new-import", "/srv/shop/bin/new-import", None, OPS),
    (19, "@reboot", "warm-cache", "/srv/shop/bin/warm-cache", None, OPS),
    (20, "@hourly", "rsync", "rsync -a /srv/shop/media/ backup.example.org:/media/", None, OPS),
    (21, "@daily", "certbot", "test -x /usr/bin/certbot && certbot -q renew", None, OPS),
    (25, "@weekly", "weekly-report", "/srv/shop/bin/weekly-report", None, NOBODY),
    (26, "@monthly", "vacuumdb", "sudo -u postgres vacuumdb --all --analyze", None, NOBODY),
    (27, "0 0 13 * 5", "echo", 'echo "Friday, or the 13th"', None, NOBODY),
    (28, "0 0 1-7 * mon", "first-week", "/srv/shop/bin/first-week", None, NOBODY),
    (29, "23 0-20/2 * * *", "every-other-hour", "/srv/shop/bin/every-other-hour", None, NOBODY),
    (30, "5 4 * * sun", "mail", 'mail -s "Weekly" ops@example.org', None, NOBODY),
    (34, "0 8 * * 1-5", "Berlins-opening", "/srv/shop/bin/open", BERLIN, NOBODY),
    (35, "0 18 * * 1-5", "close", "/srv/shop/bin/close", BERLIN, NOBODY),
    (38, "30 9 * * 1-5", "open", "/srv/shop/bin/open", NEW_YORK, NOBODY),
    (42, "0 0 29 2 *", "logger", "logger 'leap day'", None, ANN),
    (43, "59 23 31 dec *", "echo-2", '{ echo "year\'s end"; date; } >> /var/log/year.log', None, ANN),
    (44, "0 12 L * *", "close-month", "/srv/shop/bin/close-month", None, ANN),
    (45, "*/15 * * * *", "quiet", "/srv/shop/bin/quiet", None, ANN),
    (46, "0 6 * jan,jul *", "cron.php", "php /srv/shop/cron.php season", None, ANN),
    (47, "*/20 * * * *", "bash", "bash -c 'echo $((RANDOM % 20))'", None, ANN),
    (48, "7 7 * * 7", "tar", "backup_home=1 /usr/bin/env -u LANG tar czf /srv/home.tgz /home", None, ANN),
    (49, "@midnight", "rotate", "/srv/shop/bin/rotate", None, ANN),
    (50, "0-59/7 * * * sat,sun", "weekend", "/srv/shop/bin/weekend", None, ANN),
    (51, "@yearly", "close-year", "/srv/shop/bin/close-year", None, ANN),
    (52, "*/30 8-18/2 1-15 mar-may *", "spring", "/srv/shop/bin/spring", None, ANN),
]  # fmt: skip


def test_a_real_crontab_is_read_line_by_line() -> None:
    found = parse((DATA / "crontab.txt").read_text())
    read = [(e.line, e.when, e.name, e.command, e.timezone, e.mail_to) for e in found.entries]
    assert read == EXPECTED
    assert {e.shell for e in found.entries} == {"/bin/bash"}
    assert {e.user for e in found.entries} == {None}
    assert [e.line for e in found.entries if e.stdin is not None] == [30]
    assert found.entries[15].stdin == "Dear all,\n\n100% of the jobs ran.\n"
    common = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    for entry in found.entries:  # TZ is the command's alone, and set in line 37
        assert entry.env == (common | {"TZ": "America/New_York"} if entry.line > 37 else common)


def test_what_a_real_crontab_loses_is_said() -> None:
    found = parse((DATA / "crontab.txt").read_text())
    notes = {entry.line: entry.notes for entry in found.entries}
    mail = "cron mails all output to ops@example.org; litequeue would mail failures only"
    assert notes[10] == (mail,)
    assert notes[13] == notes[25] == ()  # all output redirected; MAILTO=""
    assert notes[19] == (
        "cron runs @reboot when its daemon starts; litequeue when a worker first starts after a boot", mail,
    )  # fmt: skip
    assert notes[34] == (
        "Debian's cron ignores CRON_TZ and runs this in the host's zone; litequeue heeds it, as cronie does",
    )
    assert notes[44][0] == "Debian's cron refuses L in a time, and never ran this line; litequeue does"
    assert [(r.line, r.raw) for r in found.remarks] == [
        (39, "CRON_TZ="), (45, "-*/15 * * * * /srv/shop/bin/quiet"),
    ]  # fmt: skip
    assert [(p.line, p.raw) for p in found.problems] == [
        (53, "0 0 * * * *  /srv/shop/bin/six-fields"), (54, "0 5 * * 1-5"),
    ]  # fmt: skip
    assert [p.why for p in found.problems] == [
        "there is a sixth time field: cron has five, minute first, and no seconds",
        "a command must follow the time, as in: 0 5 * * 1-5 command",
    ]


def test_debians_own_system_crontab() -> None:
    found = parse((DATA / "crontab-system.txt").read_text(), system=True)
    assert found.problems == ()
    assert [(e.line, e.when, e.user, e.name, e.command) for e in found.entries] == [
        (19, "17 * * * *", "root", "run-parts", "cd / && run-parts --report /etc/cron.hourly"),
        (20, "25 6 * * *", "root", "run-parts-2", "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }"),
        (21, "47 6 * * 7", "root", "run-parts-3", "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }"),
        (22, "52 6 1 * *", "root", "run-parts-4", "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.monthly; }"),
    ]  # fmt: skip
    assert found.entries[0].notes == ("cron mails all output to the owner; litequeue would mail failures only",)


@pytest.mark.parametrize(("name", "system"), [("crontab.txt", False), ("crontab-system.txt", True)])
def test_what_was_read_can_be_written_and_read_again(name: str, system: bool) -> None:
    entries = parse((DATA / name).read_text(), system=system).entries
    again = parse(render(entries), system=system)
    assert again == Crontab(entries, ())
    assert [e.notes for e in again.entries] == [e.notes for e in entries]
    assert render(again.entries) == render(entries)


def test_a_written_crontab_says_settings_where_they_change() -> None:
    text = "MAILTO=ann\nA='  x'\n0 1 * * * one\n# second\n0 2 * * * two %in\\%put%\nCRON_TZ=UTC\nB=\n@daily -n three\n"
    assert render(parse(text).entries) == (
        "# Written by litequeue.\n"
        '\nMAILTO=ann\nA="  x"\n\n# one\n0 1 * * * one\n'
        "\n# second\n0 2 * * * two %in\\%put\n"
        '\nCRON_TZ=UTC\nB=""\n\n# three\n@daily -n three\n'
    )
    assert render([]) == "# Written by litequeue.\n"


# -- lines ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("V=x", "x"),
        ("V = x y  ", "x y"),
        (" \tV\t=\tx", "x"),
        ('V="  x "', "  x "),
        ("V='x\"y'  ", 'x"y'),
        ('V=""', ""),
        ("V=", ""),
        ("V =  \t", ""),
        ("V='  x '  ", "  x "),
        ("V=a=b#c %d", "a=b#c %d"),
        ("V=$HOME/bin:$PATH", "$HOME/bin:$PATH"),
        ("V=x\"y'z", "x\"y'z"),
        ('"V" = x', "x"),
        ("'V'=x", "x"),
    ],
)
def test_environment_lines(line: str, value: str) -> None:
    assert one(f"{line}\n@daily x\n").env == {"V": value}


@pytest.mark.parametrize("line", ['V="x', "V='x\"", 'V="x" y', "V=''x", 'V="" ""', "V = '"])
def test_an_environment_line_with_broken_quotes_sets_nothing(line: str) -> None:
    found = parse(f"{line}\n@daily x\n")
    assert found.entries[0].env == {}
    assert "quotes do not match" in found.problems[0].why and 'NAME=""' in found.problems[0].why


def test_a_setting_of_nothing_is_in_force_and_is_what_debians_crontab_refuses() -> None:
    found = parse("MAILTO=ann\n@daily a\nMAILTO=\n@daily b\nMAILTO=x\nMAILTO =\t\n@daily c\n")
    assert [entry.mail_to for entry in found.entries] == ["ann", "", ""] and found.problems == ()
    assert [(r.line, r.raw) for r in found.remarks] == [(3, "MAILTO="), (6, "MAILTO =\t")]
    assert found.remarks[0].why == 'MAILTO is set to nothing, for which Debian\'s crontab wants MAILTO=""'


@pytest.mark.parametrize("line", ["A-B=x", "'A B'=x", "é=x"])
def test_a_variable_that_no_shell_could_read_is_a_problem(line: str) -> None:
    assert "no name of a variable" in why(line)


def test_settings_hold_from_their_line_on_and_the_last_one_counts() -> None:
    text = (
        "@daily a\nSHELL=/bin/bash\nMAILTO=x\nRANDOM_DELAY=30\nLOGNAME=root\nUSER=root\nHOME=/srv\n@daily b\n"
        "SHELL=''\nMAILTO=''\nRANDOM_DELAY=0\nHOME=/x\nCRON_TZ=UTC\n@daily c\nCRON_TZ=''\n@daily d\n"
    )
    a, b, c, d = parse(text).entries
    assert parse(text).remarks == ()
    assert (a.shell, a.mail_to, a.random_delay, a.env, a.timezone) == ("/bin/sh", None, 0, {}, None)
    # cron sets LOGNAME and USER itself, whatever the crontab says
    assert (b.shell, b.mail_to, b.random_delay, b.env) == ("/bin/bash", "x", 30, {"HOME": "/srv"})
    assert (c.shell, c.mail_to, c.random_delay, c.env, c.timezone) == ("/bin/sh", "", 0, {"HOME": "/x"}, "UTC")
    assert d.timezone is None
    assert "RANDOM_DELAY" in b.notes[0] and c.notes[0].startswith("Debian's cron ignores CRON_TZ")


@pytest.mark.parametrize("value", ["x", "-1", "1441", "30m", "٣", "9" * 5000])
def test_a_random_delay_is_minutes_of_a_day(value: str) -> None:
    assert "RANDOM_DELAY must be 0 to 1440 minutes" in why(f"RANDOM_DELAY={value}")


@pytest.mark.parametrize(
    ("rest", "command", "stdin"),
    [
        ("cat", "cat", None),
        ("cat%", "cat", ""),
        ("cat%a", "cat", "a\n"),
        ("cat%a%", "cat", "a\n"),
        ("cat%a%%", "cat", "a\n\n"),
        ("cat%%", "cat", "\n"),
        ("cat %a%b c", "cat ", "a\nb c\n"),
        (r"date +\%F", "date +%F", None),
        (r"date +\%F%a\%b%c", "date +%F", "a%b\nc\n"),
        (r"echo a\\b \n", r"echo a\\b \n", None),
        # The second backslash is itself escaped, so that the % cuts; in the input only \% counts.
        (r"echo \\%x", r"echo \\", "x\n"),
        (r"echo \\\%x", r"echo \\%x", None),
        (r"cat%\\%x", "cat", "\\%x\n"),
        (r"cat%a\b\\", "cat", "a\\b\\\\\n"),
        ("echo \\", "echo \\", None),
    ],
)
def test_percent_signs(rest: str, command: str, stdin: str | None) -> None:
    entry = one(f"* * * * * {rest}")
    assert (entry.command, entry.stdin) == (command, stdin)
    assert one(render([entry])) == entry


@pytest.mark.parametrize("macro", ["reboot", "yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"])
def test_macros(macro: str) -> None:
    assert one(f"@{macro}\t  x y").when == f"@{macro}"
    assert one(f" @{macro} bob x", system=True).user == "bob"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("@every 5m x", "'@every' is not known: use @reboot, @yearly"),
        ("@Daily x", "'@Daily' is not known"),
        ("@ x", "'@' is not known"),
        ("@daily", "a command must follow the time, as in: @daily command"),
        ("hello, this is no crontab", "minute 'hello,' is not allowed: use 0-59"),
        ("* x * * * y", "hour 'x' is not allowed: use 0-23"),
        ("* * mon * * y", "day of month 'mon' is not allowed: use 1-31, L"),
        ("* * * mon * y", "month 'mon' is not allowed: use 1-12, jan-dec"),
        ("* * * * monday y", "day of week 'monday' is not allowed: use 0-7, sun-sat"),
        ("* * * *", "only 4 of the five time fields"),
        ("5", "only 1 of the five time fields"),
        ("* * * * *", "a command must follow"),
        ("* * * * * ", "a command must follow"),
        ("* * * * * %x", "no command before the %"),
        ("* * * * * * x", "sixth time field"),
        ("0~30 * * * * x", "minute '0~30': cronie picks one at random"),
        ("* * * * * a\0b", "NUL"),
        ("A=\0", "NUL"),
        ("- ", "minute '' is not allowed"),
        ("-- 3 * * * x", "minute '-' is not allowed: use 0-59"),
        ("--5 3 * * * x", "minute '-5' is not allowed"),
        ("- -5 3 * * * x", "minute '-5' is not allowed"),
        ("\x0b", "minute"),
    ],
)
def test_a_line_that_cannot_be_read_says_why(line: str, says: str) -> None:
    assert says in why(line)
    found = parse(f"{line}\n@daily x\n")  # and stops no other
    assert [e.line for e in found.entries] == [2] and [p.raw for p in found.problems] == [line]


def test_the_system_format_needs_a_user_and_a_command() -> None:
    entry = one("*/5 *  * * * www-data\tphp  /srv/cron.php %in", system=True)
    assert (entry.user, entry.command, entry.stdin, entry.name) == ("www-data", "php  /srv/cron.php ", "in\n", "cron.php")
    for line in ("* * * * * root", "* * * * * root ", "@daily root", "@daily"):
        assert "a user and a command must follow" in why(line, system=True)
    assert "sixth" in why("* * * * * * root x", system=True)
    assert "Use --system" in one("17 * * * * root cd /").notes[0]


def test_options_of_other_crons() -> None:
    assert one("-*/5 * * * * x") == one("*/5 * * * * x") == one("- */5 * * * * x")  # not in syslog: no loss
    entry = one("* * * * * -n  x -n %in")
    assert (entry.command, entry.mail_when, entry.stdin, entry.notes) == ("x -n ", "failure", "in\n", ())
    assert one("* * * * * -nx").command == "-nx"
    assert one("MAILFROM=a\nMAILTO=''\n@daily x").notes[0].startswith("MAILFROM is only a variable")


@pytest.mark.parametrize(
    ("command", "silent"),
    [
        ("x >/dev/null 2>&1", True), ("x >> /var/log/x 2>&1 ", True), ("x &> y", True), ("x a b &>>y", True),
        ("x", False), ("x >/dev/null", False), ("x 2>&1", False), ("x; y >/dev/null 2>&1", False),
        ("x 2>&1 >/dev/null", False), ("x | y > z 2>&1", False),
    ],
)  # fmt: skip
def test_output_that_goes_nowhere_is_no_loss(command: str, silent: bool) -> None:
    assert (one(f"@daily {command}").notes == ()) is silent


def test_strange_text_is_read_like_any_other() -> None:
    found = parse("\ufeff0 1 * * * a\r\nMAILTO=x\r\n\r\n \t \n0 2\t*\t*  * b\u2028c \x85d")
    assert [(e.command, e.raw) for e in found.entries] == [
        ("a", "0 1 * * * a"), ("b\u2028c \x85d", "0 2\t*\t*  * b\u2028c \x85d"),
    ]  # fmt: skip
    assert found.entries[1].mail_to == "x" and found.problems == ()
    assert parse("") == parse("\n\r\n#\n") == Crontab((), ())


def test_long_lines_are_kept_whole() -> None:
    short, long = one("@daily " + "x" * 998), one("@daily " + "x" * 999)
    assert (len(short.command), len(long.command), len(long.name)) == (998, 999, 200)
    assert len(short.notes) == 1 and "998 characters" in long.notes[1]


@pytest.mark.parametrize(
    "line",
    ["x" * 300_000, "@daily " + "> " * 100_000, "@daily " + "sudo -u " * 40_000, "A=" + " " * 300_000, "A" + " " * 300_000 + "b",
     "'" * 300_000, "@daily x" + "\\%" * 100_000, "#" * 300_000 + "\n@daily x", "@daily x>" + "\t" * 300_000 + ";"],
)  # fmt: skip
def test_no_line_takes_long(line: str) -> None:
    started = time.process_time()
    found = parse(line)
    assert [e.notes for e in found.entries] or found.problems or found.remarks
    assert time.process_time() - started < 2


# -- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("above", "name"),
    [
        ("# Nightly backup", "Nightly-backup"),
        ("#nightly.backup:1", "nightly.backup:1"),
        ("  ## --- Backups! (off-site) ---", "Backups-off-site"),
        ("# sauvegarde à 3h", "sauvegarde-à-3h"),
        ("# -----------", "x"),
        ("#", "x"),
        ("# m h  dom mon dow   command", "x"),
        ("# minute hour day", "x"),
        ("# 0 4 * * * /old/job", "x"),
        ("#@daily /old/job", "x"),
        ("#MAILTO=bob", "x"),
        ("# Backups\n", "x"),
        ("# Backups\nA=1", "x"),
        ("# Backups\n# of the shop", "of-the-shop"),
    ],
)
def test_a_job_is_called_as_the_comment_right_above_it(above: str, name: str) -> None:
    assert one(f"{above}\n@daily x").name == name
    assert checks.is_name(name)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/bin/pg_dump -Fc x", "pg_dump"),
        ("A=1 B='x' pg_dump", "pg_dump"),
        ("cd /srv; . ./env && exec nice -n 19 ionice -c2 -n 7 ./run.sh", "run.sh"),
        ("[ -x /usr/bin/x ] && /usr/bin/x", "x"),
        ("if ! pgrep x; then x; fi", "pgrep"),
        ("timeout -k 5 1h sudo -u bob -H /opt/job", "job"),
        ("/usr/bin/python3.11 -u -m shop.feeds", "shop.feeds"),
        ("python3 '/srv/feeds.py' now", "feeds.py"),
        ("perl -e 'print 1'", "perl"),
        ("sh -c 'x'", "sh"),
        ("cd /srv", "cd"),
        ("$HOME/bin/backup", "backup"),
        ('"$HOME/bin/backup"', "backup"),
        ("[ -f x ]", "job"),
        ("{}", "job"),
        ("python3", "python3"),
        ("sudo", "job"),
    ],
)
def test_or_as_its_program(command: str, name: str) -> None:
    assert from_command(command) == name


def test_names_are_unique_and_fit() -> None:
    found = parse("@daily x\n# x-2\n@daily y\n@daily x\n@daily x\n# x\n@daily z")
    assert [e.name for e in found.entries] == ["x", "x-2", "x-3", "x-4", "x-5"]
    taken: set[str] = set()
    assert unique("n" * 200, taken) == "n" * 200
    assert unique("n" * 200, taken) == "n" * 198 + "-2"
    assert from_comment("# " + "word " * 100) == ("word-" * 100)[:200]
    # A job that somebody has switched off is no name for the next.
    for text in ("#0 3 * * * old.sh > /dev/null 2>&1", "# */5 * * * mon-fri /usr/bin/old", "#@daily old", "#30 2 1 jan * x"):
        assert from_comment(text) == "", text
    assert from_comment("# 5 minutes of fame") == "5-minutes-of-fame"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (">/dev/null 2>&1 backup.sh", "backup.sh"),
        ("> /dev/null backup.sh", "backup.sh"),
        ("test -x /a > /dev/null 2>&1 && /a", "a"),
        ("true > /dev/null 2>&1", "true"),
        ("&>/dev/null run.sh", "run.sh"),
        ("run.sh &>> log", "run.sh"),
        ("< /etc/input sort", "sort"),
    ],
)
def test_where_output_goes_is_no_name(command: str, name: str) -> None:
    assert from_command(command) == name


# -- writing -------------------------------------------------------------------------------------------

BASE = Entry(when="@daily", command="x", name="x")


@pytest.mark.parametrize(
    "fields",
    [
        {"command": "a\nb"}, {"command": "a\\%"}, {"command": "a\\", "stdin": "b"}, {"command": ""}, {"command": "a\r"},
        {"command": " a"}, {"command": "-n a"}, {"command": "a\0"}, {"command": "* a"}, {"stdin": "a\\\nb"},
        {"when": "@every 90s"}, {"when": "* * * * * *"}, {"when": "0  * * * *"}, {"when": "0\n1 * * * *"},
        {"name": "a b"}, {"name": "a\n* * * * * evil"}, {"user": "a b"}, {"env": {"A": "x\n* * * * * evil"}},
        {"env": {"A B": "x"}}, {"env": {"A": " '\""}}, {"env": {"CRON_TZ": "UTC"}}, {"env": {"A=b\n": "x"}},
        {"shell": "a\nb"}, {"timezone": "a\nb"}, {"mail_to": "\0"}, {"random_delay": 5000},
    ],
)  # fmt: skip
def test_what_a_crontab_cannot_say_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        render([replace(BASE, **fields)])


def test_one_crontab_has_one_format() -> None:
    with pytest.raises(InvalidArgument, match="one format"):
        render([BASE, replace(BASE, user="root")])


def test_what_a_crontab_cannot_take_back() -> None:
    entries = [
        replace(BASE, name="a", env={"A": "1"}, mail_to="ann", timezone="UTC", shell="/bin/bash", random_delay=5),
        replace(BASE, name="b", env={"B": "2"}),
        replace(BASE, name="c", stdin="no newline"),
    ]
    b, c, a = parse(render(entries)).entries  # an owner's mail cannot be asked for later on
    assert (a, b) == (replace(entries[0], env={"A": "1", "B": ""}), entries[1])
    assert c == replace(entries[2], env={"B": ""}, stdin="no newline\n")


def test_a_job_that_is_off_is_written_as_a_comment() -> None:
    text = render([replace(BASE, enabled=False), replace(BASE, name="y")])
    assert "# x\n# @daily x\n" in text
    assert [e.name for e in parse(text).entries] == ["y"]


# -- any text ------------------------------------------------------------------------------------------

WHEN = ["* * * * *", "*/5  1-3\t* jan mon-fri", "0 0 L * 5L", "@daily", "@reboot", "-1 2 3 4 5", "61 99 * * ?", "@no", "* *"]
WORDS = ["%", "\\", "\\%", "\\\\", " ", "\t", "\r", "'", '"', "#", "=", "x", "-n ", "/bin/y", "&&", ";", "*", "é", "\u2028", "~", "$A"]
NAMES = ["A", "B", "MAILTO", "CRON_TZ", "SHELL", "RANDOM_DELAY", "TZ", "HOME", "LOGNAME", "1", "A B"]


def random_line(rng: random.Random, system: bool) -> str:
    def words() -> str:
        return "".join(rng.choices(WORDS, k=rng.randrange(12)))

    kind = rng.randrange(10)
    if kind < 5:
        user = rng.choice(["root ", "www-data\t", ""]) if system else ""
        return f"{rng.choice(WHEN)} {user}{rng.choice(['', 'cat ', '-n '])}{words()}"
    if kind < 8:
        quote = rng.choice(["", "", "'", '"'])
        return f"{rng.choice(NAMES)}{rng.choice(['=', ' = '])}{quote}{rng.choice(['', '30', 'UTC'])}{words()}{quote}"
    return rng.choice(["", " ", "# " + words(), "# the job", "# @daily old", "#", words()])


@pytest.mark.parametrize("seed", range(100))
def test_any_crontab_comes_back_as_it_was(seed: int) -> None:
    rng = random.Random(seed)
    system = seed % 2 == 1
    text = rng.choice(["\n", "\r\n"]).join(random_line(rng, system) for _ in range(rng.randrange(40)))
    found = parse(text, system=system)
    again = parse(render(found.entries), system=system)
    assert again == Crontab(found.entries, ())
    assert [e.notes for e in again.entries] == [e.notes for e in found.entries]
    names = [e.name for e in found.entries]
    assert len(set(names)) == len(names) and all(map(checks.is_name, names))
    lines = [line.rstrip("\r") for line in text.split("\n")]
    for item in (*found.entries, *found.problems):
        assert item.raw == lines[item.line - 1]
