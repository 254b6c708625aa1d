"""``cron export``: schedules of commands as a crontab.

Owns what of a schedule a crontab can hold; what it cannot is said in a comment. The text is the room ``crontab``'s.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from dataclasses import replace
from typing import Any

from .. import crontab
from ..base.errors import (
    InvalidArgument,
)
from ..base.records import ScheduleInfo
from ..commands.account import PATH, account_of
from ..commands.command import NAME as COMMAND
from ..crontab import Entry
from ..triggers import Cron, from_spec
from . import render
from .calls import command_in
from .crontab_plans import secrets_of
from .crontabs import whoami
from .jobs import existing
from .printing import say


def export(arguments: argparse.Namespace) -> int:
    """Write the schedules of commands as a crontab; the rest as comments that say why not."""
    with existing(arguments.db) as app:
        found = app.schedules.list()
    entries: list[Entry] = []
    others: list[str] = []
    left_out: list[str] = []
    secrets: list[str] = []
    hidden = set[str]() if arguments.with_secrets else secrets_of(found)
    for info in found:
        try:
            entry, secret = _entry_of(info, hidden)
            crontab.render([entry])  # a line of its own may be too much for a crontab
            entries.append(entry)
            secrets += [f"# {info.name}: {', '.join(secret)}"] if secret else []
            others += [f"# {info.name}: it is paused, and so commented out"] if info.state == "paused" else []
            left_out += [f"# {info.name}: {beyond}"] if (beyond := _beyond_cron(info)) else []
        except InvalidArgument as error:
            others.append(f"# {info.name}: {error}")
    if any(entry.user for entry in entries):
        # One crontab has one format.
        say("# With a user in each line, as in /etc/crontab.")
        entries = [entry if entry.user else replace(entry, user=whoami()[0]) for entry in entries]
    refused = [entry.name for entry in entries if crontab.beyond_debian(entry.when)]
    if not arguments.exact:
        entries, why_off = _for_debian(entries)
        if why_off:
            say("# Commented out, since Debian's cron would do something else, or refuse the whole of this:")
            _say_each(why_off)
    elif refused:
        say(f"# Debian's cron refuses the times of {', '.join(refused)}, and with them the whole of this.")
    if any(entry.random_delay for entry in entries):
        say("# Debian's cron ignores RANDOM_DELAY.")
    if any(entry.timezone for entry in entries):
        say("# Debian's cron ignores CRON_TZ, and runs all of this in the host's zone.")
    if left_out:
        say("# Left out, since cron has nothing like it:")
        _say_each(left_out)
    if secrets:
        say("# Left out of the environment, since it is secret (--with-secrets writes it):")
        _say_each(secrets)
    if others:
        say("# Not in a crontab's power:")
        _say_each(others)
    # A crontab can only set a variable to nothing again, which for TZ is another zone: who has least comes first.
    entries.sort(key=lambda entry: (len(entry.env), sorted(entry.env.items())))
    sys.stdout.flush()
    sys.stdout.buffer.write(crontab.render(entries).encode("utf-8", "surrogateescape"))
    return 0


def _say_each(lines: list[str]) -> None:
    for line in lines:
        say(line)
    say()


def _for_debian(entries: list[Entry]) -> tuple[list[Entry], list[str]]:
    """The entries in terms that Debian's cron reads as they are meant; where there are none, off, and why."""
    found, why = [], []
    for entry in entries:
        try:
            found.append(crontab.for_debian(entry))
        except InvalidArgument as error:
            found.append(replace(entry, enabled=False))
            why.append(f"# {entry.name}: {error}")
    return found, why


def _entry_of(info: ScheduleInfo, hidden: set[str]) -> tuple[Entry, list[str]]:
    """The schedule as an entry, and which of the hidden variables it lacks."""
    trigger = from_spec(info.spec)
    if not isinstance(trigger, Cron) or trigger.seconds:
        raise InvalidArgument(f"its times are not five fields: {info.trigger}")
    if info.task != COMMAND:
        raise InvalidArgument(f"it runs the task {info.task}, not a command")
    if info.state in ("disabled", "done"):
        raise InvalidArgument(f"it is {info.state}")
    call = command_in(info)
    if "user_env" in call:
        raise InvalidArgument("it runs in the environment of a login shell (--user-env)")
    everything: dict[str, str] = {**call.get("env", {}), **call.get("secret_env", {})}
    environment = {name: value for name, value in everything.items() if name not in hidden}
    shell = environment.pop("SHELL", crontab.SHELL)
    if environment.get("PATH") == PATH:
        del environment["PATH"]
    command, user = _line_of(call, shell), call.get("user")
    home = whoami()[1] if user is None else account_of(user).pw_dir
    for own in ("LOGNAME", "USER"):  # cron's to set
        environment.pop(own, None)
    if environment.get("HOME") == home:
        del environment["HOME"]
    where = call.get("cwd")
    if where is not None and where != (environment.get("HOME") or home):
        command = f"cd {shlex.quote(where)} || exit; {command}"  # which may be a list
    zone = None if trigger.is_reboot or trigger.timezone == Cron("* * * * *").timezone else trigger.timezone
    # MAILTO is set even to nobody, or cron would mail the owner; and -n would be a word of the command to Debian's.
    entry = Entry(
        when=trigger.expr, command=command, name=info.name, stdin=call.get("stdin"), user=user, shell=shell,
        timezone=zone, mail_to=info.mail_to or "", random_delay=_delay(info.jitter), env=environment,
        enabled=info.state == "active",
    )  # fmt: skip
    return entry, sorted(hidden & everything.keys())


def _beyond_cron(info: ScheduleInfo) -> str:
    """What a schedule has that its line in a crontab has not."""
    spans = {"timeout": info.timeout, "expires": info.expires}
    found = [f"--{name} {render.duration(span)}" for name, span in spans.items() if span is not None]
    found += [f"--retries {info.retries}"] if info.retries else []
    found += ["--at-most-once"] if info.at_most_once else []
    found += ["--backoff"] if "backoff" in command_in(info) else []
    found += ["--overlap queue"] if info.overlap == "queue" else []
    found += [f"--queue {info.queue}"] if info.queue != "default" else []
    found += [f"--priority {info.priority}"] if info.priority else []
    found += [f"--catch-up {info.catch_up}"] if info.catch_up != "latest" else []
    found += [f"--on-failure {shlex.quote(info.on_failure)}"] if info.on_failure else []
    return ", ".join(found)


def _delay(jitter: float) -> int:
    minutes = math.ceil(jitter / 60)
    if minutes > crontab.MAX_DELAY:
        raise InvalidArgument(f"its jitter of {render.duration(jitter)} is more than a day")
    return minutes


def _line_of(call: dict[str, Any], shell: str) -> str:
    """The command as a line for the shell."""
    argv = call.get("argv")
    if argv is None:
        return str(call["command"])
    return str(argv[2]) if argv[:2] == [shell, "-c"] and len(argv) == 3 else shlex.join(argv)
