"""The grammar of the commands about schedules, crontabs and commands as jobs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final

from ...options.schedules import ScheduleOptions
from .parser import (
    Parser,
    add_options,
    instead_of,
    integer,
    json_option,
    lazily,
    take_database,
)

LISTING: Final = "List the schedules, with their last and next ticks."


def add_to(commands: Any, command: Callable[..., None]) -> None:
    """The commands about schedules. ``command`` adds one with a DB."""
    summary = "Add, change or run a schedule."
    schedule: Parser = commands.add_parser("schedule", help=summary, description=summary, allow_abbrev=False)
    schedule.fill = _schedule
    command("schedules", "schedules:schedules", LISTING, json_option)
    command("ticks", "schedules:ticks", "Show what became of a schedule's ticks, newest first.", _ticks)
    summary = "Read and write crontabs, and explain their expressions."
    cron: Parser = commands.add_parser("cron", help=summary, description=summary, allow_abbrev=False)
    cron.fill = _cron


def _schedule(sub: Parser) -> None:
    actions = sub.add_subparsers(metavar="ACTION", required=True)

    def action(name: str, target: str, summary: str, fill: Callable[[Parser], None]) -> None:
        made: Parser = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        take_database(made)
        made.set_defaults(run=lazily(f"schedules:{target}"))
        made.fill = fill

    summary = "Run a command, or a task, at times: schedule add DB NAME --cron '30 2 * * *' -- pg_dump mydb"
    action("add", "add", summary, _new_schedule)
    action("update", "update", "Change options of a schedule; what is not given stays. --on-failure, --mail-to, --timeout or --expires '' removes it.", _schedule_options)
    action("remove", "remove", "Remove a schedule and its history.", _name)
    action("pause", "pause", "Let no tick fire until resume.", _name_or_all("every schedule that has ticks to come"))
    action("resume", "resume", "Undo pause; the next tick is the next one from now.", _name_or_all("every schedule that is paused"))
    action("run", "run", "Make a job of it now, and print the job's id.", _name)
    action("list", "schedules", LISTING, json_option)


def _name(sub: Parser) -> None:
    sub.add_argument("name", metavar="NAME", help="the schedule's")


def _name_or_all(which: str) -> Callable[[Parser], None]:
    def fill(sub: Parser) -> None:
        name = sub.add_argument("name", metavar="NAME", help="the schedule's")
        sub.add_argument("--all", action=instead_of(name), help=which)

    return fill


def _new_schedule(sub: Parser) -> None:
    _schedule_options(sub)
    sub.add_argument("--paused", action="store_true", help="let no tick fire until resume")
    sub.add_argument("--replace", action="store_true", help="take the place of one of this name")


def _ticks(sub: Parser) -> None:
    _name(sub)
    sub.add_argument("--limit", type=integer(1, 10_000), default=20, metavar="N", help="default 20")
    sub.add_argument("--before", metavar="TIME", help="the next page: ticks before this time")
    json_option(sub)


def _cron(cron: Parser) -> None:
    actions = cron.add_subparsers(metavar="ACTION", required=True)

    def action(name: str, target: str, summary: str) -> Parser:
        made: Parser = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        made.set_defaults(run=lazily(target))
        return made

    sub = action("import", "crontabs:import_", "Add a schedule for each job of a crontab.")
    take_database(sub)
    sub.takes_file = True
    sub.add_argument("file", metavar="FILE", help="a crontab; - is the standard input, as in: crontab -l | ... -")
    sub.add_argument("--system", action="store_true", help="with a user in each line, as /etc/crontab has")
    sub.add_argument("--dry-run", action="store_true", help="show what would come of each line; change nothing")
    sub.add_argument("--replace", action="store_true", help="take the place of schedules of the same names")
    sub.add_argument("--prune", action="store_true", help="remove what was imported from FILE and is no longer in it")
    sub.add_argument("--paused", action="store_true", help="let none of them fire until schedule resume")
    sub.add_argument("--at-most-once", action="store_true", help="let no job run again after a crash of its worker")
    sub.add_argument("--timezone", metavar="ZONE", help="where no CRON_TZ says; default the host's")
    sub.add_argument("--mail-to", metavar="ADDRESS", action="append", help="mail failures there, whatever MAILTO says")
    sub.add_argument("--secret-env", metavar="NAME", action="append", help="show this setting of FILE as *** (repeatable)")
    sub = action("export", "crontab_export:export", "Write the schedules of commands as a crontab.")
    take_database(sub)
    sub.add_argument("--exact", action="store_true", help="for an import by litequeue: also what Debian's cron does not read alike")
    sub.add_argument("--with-secrets", action="store_true", help="also what commands have by --secret-env")
    sub = action("explain", "crontabs:explain", "Say an expression in English, with its next ticks.")
    sub.add_argument("expr", metavar="EXPR", help="such as '*/5 9-17 * * mon-fri'")
    sub.add_argument("--timezone", metavar="ZONE", help="default the host's")
    sub.add_argument("--seconds", action="store_true", help="six fields, seconds first")
    sub.hint = "write the expression between quotes"
    sub.add_argument("--count", type=integer(0, 10_000), default=5, metavar="N", help="of ticks to show; default 5")


def _schedule_options(sub: Parser) -> None:
    _name(sub)
    add = sub.add_argument
    add_options(sub, ScheduleOptions, without=("trigger", "args", "kwargs"))
    add("--task", metavar="TASK", help="run this task; what follows -- are its arguments")
    add_command_options(sub)
    sub.rest = "words"
    sub.hint = "a command with its own options, or a task's arguments, go after --, and a cron expression between quotes"


def add_command_options(sub: argparse.ArgumentParser) -> None:
    add = sub.add_argument
    add("--cwd", metavar="DIR", help="where the command runs; default here")
    add("--env", metavar="NAME=VALUE", action="append", help="for the command (repeatable)")
    add("--secret-env", metavar="NAME[=VALUE]", action="append", help="the same, shown as ***; without =VALUE, what NAME is here (repeatable)")
    add("--user-env", action="store_true", help="start the command from the user's login shell, with its profile")
    add("--shell", action="store_true", help="the command is one text for /bin/sh")
    add("--backoff", metavar="SPANS", help="before a retry of the command, such as 1m or 10s,1m,10m (the last repeats)")
    sub.set_defaults(words=[])
