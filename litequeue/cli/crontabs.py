"""``cron import`` and ``cron export``: a crontab's jobs as schedules of commands, and back; ``cron explain``.

Owns what a crontab's entry becomes, and what of a schedule a crontab can hold. The text is ``crontab``'s.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from .. import cron, crontab
from ..app import LiteQueue
from ..base.checks import clean
from ..base.errors import (
    CannotOpen,
    InvalidArgument,
    LitequeueError,
    PayloadError,
    PayloadTooLarge,
)
from ..base.records import ScheduleInfo
from ..commands.command import NAME as COMMAND
from ..commands.command import check_command
from ..commands.notices import sendmail
from ..crontab import Entry
from ..triggers import Cron, describe, from_spec, spec_of
from . import render
from .calls import command_in, typed
from .jobs import existing
from .notes import note_mail

PATH: Final = "/usr/bin:/bin"  # what cron gives a command
NEW: Final = "new"
UNCHANGED: Final = "unchanged"
CHANGED: Final = "changed"
DIFFERENCES: Final = """\
Of all of them: a tick whose job before still runs is left out (cron starts both; so does schedule update --overlap allow),
one that was missed by at most an hour is made up for (cron never does; nor does --catch-up skip), and commands have the
worker's environment."""


def import_(arguments: argparse.Namespace) -> int:
    """Add a schedule for each job of a crontab; with --dry-run only show what would come of each line."""
    standing = _standing(arguments.db)  # first, so that arguments that are the wrong way round are seen
    found = crontab.parse(_read(arguments.file), system=arguments.system)
    failed = len(found.problems)
    for problem in found.problems:
        print(f"line {problem.line}: not read: {clean(problem.why)}\n    {clean(problem.raw)}", file=sys.stderr)
    plans: list[tuple[Entry, dict[str, Any]]] = []
    for entry in found.entries:
        try:
            plans.append((entry, _schedule_of(entry, arguments)))
        except LitequeueError as error:
            failed += 1
            print(f"line {entry.line}: not imported: {clean(str(error))}\n    {clean(entry.raw)}", file=sys.stderr)
    if not plans and not failed:
        print("litequeue: there is no job in it", file=sys.stderr)
    if arguments.dry_run:
        for entry, options in plans:
            fate = _fate(standing.get(entry.name), options)
            failed += fate == CHANGED and not arguments.replace
            _show(entry, options, fate)
        if plans:
            print(DIFFERENCES)
    else:
        failed += _add(plans, standing, arguments)
    return 1 if failed else 0


def _standing(db: str) -> dict[str, ScheduleInfo]:
    """The schedules that the file has, if there is one."""
    if not os.path.exists(db):
        return {}
    with existing(db) as app:
        return {info.name: info for info in app.schedules.list()}


def _fate(known: ScheduleInfo | None, options: Mapping[str, Any]) -> str:
    """What importing would do to a schedule."""
    if known is None:
        return NEW
    old, new = _command_or_none(known), _command(known, options)
    same = known.task == COMMAND and known.spec == spec_of(options["trigger"]) and old == new
    rest = known.mail_to == options.get("mail_to") and known.jitter == options.get("jitter", 0)
    return UNCHANGED if same and rest else CHANGED


def _command(known: ScheduleInfo, options: Mapping[str, Any]) -> dict[str, Any]:
    """The crontab's command for a schedule that is there: what was added by hand is not the crontab's to take away."""
    old = _command_or_none(known) or {}
    return {**options["kwargs"], **({"backoff": old["backoff"]} if "backoff" in old else {})}


def _command_or_none(info: ScheduleInfo) -> dict[str, Any] | None:
    try:
        return command_in(info)
    except InvalidArgument:
        return None


def _read(file: str) -> str:
    try:
        if file == "-":
            text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
        else:
            with open(file, encoding="utf-8", errors="surrogateescape", newline="") as opened:
                text = opened.read()
    except OSError as error:
        raise CannotOpen(f"{file} cannot be read: {error.strerror}") from None
    if "\0" in text:
        raise InvalidArgument(f"{file} is no crontab: it has NUL bytes. The database comes first: cron import DB FILE")
    return text


def _schedule_of(entry: Entry, arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of ``app.schedules.add`` for an entry."""
    me, my_home = _me()
    home = entry.env.get("HOME") or my_home
    environment = {"PATH": PATH, **entry.env, "SHELL": entry.shell}
    if entry.user is None or entry.user == me:
        if entry.shell == crontab.SHELL:
            call = check_command(command=entry.command, cwd=home, env=environment, stdin=entry.stdin)
        else:
            call = check_command([entry.shell, "-c", entry.command], cwd=home, env=environment, stdin=entry.stdin)
    elif os.geteuid() != 0:
        raise InvalidArgument(f"it runs as {entry.user}, and only root's worker can run commands as another user")
    else:
        call = _as_user(entry, environment)
    options: dict[str, Any] = {
        "trigger": Cron(entry.when, arguments.timezone if entry.timezone is None else entry.timezone),
        "kwargs": call,
    }
    if entry.random_delay:
        options["jitter"] = entry.random_delay * 60
    mail_to = arguments.mail_to or (_owner(entry) if entry.mail_to is None else entry.mail_to)
    if mail_to:
        options["mail_to"] = mail_to
    return options


def _me() -> tuple[str, str]:
    """The user and the home directory."""
    import pwd  # not on every system

    try:
        user = pwd.getpwuid(os.geteuid())
    except KeyError:
        return str(os.geteuid()), os.path.expanduser("~")
    return user.pw_name, user.pw_dir


def _home_of(user: str) -> str:
    import pwd

    try:
        return pwd.getpwnam(user).pw_dir
    except KeyError:
        raise InvalidArgument(f"it runs as {user}, and there is no such user here") from None


def _owner(entry: Entry) -> str | None:
    """Whom cron mails where no MAILTO says: the owner, if the host can send mail at all."""
    if sendmail() is None:
        return None
    return entry.user or _me()[0]


def _as_user(entry: Entry, environment: dict[str, str]) -> dict[str, Any]:
    assert entry.user is not None
    home = _home_of(entry.user)
    argv = ["su", "-s", entry.shell, entry.user, "-c", entry.command]
    return check_command(argv, cwd=entry.env.get("HOME") or home, env=environment, stdin=entry.stdin)


def _add(
    plans: list[tuple[Entry, dict[str, Any]]], standing: Mapping[str, ScheduleInfo], arguments: argparse.Namespace
) -> int:
    failed, mail_to = 0, None
    with LiteQueue(arguments.db) as app:
        for entry, options in plans:
            known = standing.get(entry.name)
            if known is not None and _fate(known, options) == UNCHANGED:
                print(f"{entry.name}: unchanged")
                continue
            try:
                if arguments.replace and known is not None and known.task == COMMAND and known.declared_in is None:
                    changed = {"mail_to": None, "jitter": 0, **options, "kwargs": _command(known, options)}
                    info = app.schedules.update(entry.name, **changed)  # retries and the like stay
                else:
                    info = app.schedules.add(entry.name, COMMAND, **options, replace=arguments.replace)
            except (InvalidArgument, PayloadError, PayloadTooLarge) as error:
                failed += 1
                print(f"line {entry.line}: not imported: {clean(typed(error))}\n    {clean(entry.raw)}", file=sys.stderr)
                continue
            mail_to = mail_to or info.mail_to
            print(f"{info.name}: {clean(info.trigger)}; next {render.when(info.next_tick) or 'at the next boot'}")
    note_mail(mail_to)
    return failed


def _show(entry: Entry, options: dict[str, Any], fate: str) -> None:
    trigger: Cron = options["trigger"]
    print(f"line {entry.line}: {clean(entry.raw)}")
    print(f"    schedule {entry.name}: {clean(describe(trigger))}")
    if fate != NEW:
        more = "" if fate == UNCHANGED else "; --replace changes the one that is there"
        print(f"    there is one of this name already: {fate}{more}")
    print(f"    command  {clean(entry.command)}" + (" (with standard input)" if entry.stdin else ""))
    for tick in _next_three(trigger):
        print(f"    next     {tick}")
    if "mail_to" in options:
        print(f"    failures mailed to {clean(options['mail_to'])}{'' if sendmail() else ', once this host has a sendmail'}")
    else:
        print(f"    failures mailed to nobody{'' if entry.mail_to == '' else ': this host has no sendmail'}")
    for note in entry.notes:
        print(f"    note     {clean(note)}")


def _next_three(trigger: Cron) -> Iterator[str]:
    if trigger.is_reboot:
        yield "at the next boot"
        return
    moment: datetime | None = datetime.now(UTC)
    for _ in range(3):
        moment = None if moment is None else trigger.next_after(moment)
        if moment is not None:
            yield moment.strftime("%a %Y-%m-%d %H:%M:%S %Z")


def export(arguments: argparse.Namespace) -> int:
    """Write the schedules of commands as a crontab; the rest as comments that say why not."""
    with existing(arguments.db) as app:
        found = app.schedules.list()
    entries: list[Entry] = []
    others: list[str] = []
    left_out: list[str] = []
    for info in found:
        try:
            entry = _entry_of(info)
            crontab.render([entry])  # a line of its own may be too much for a crontab
            entries.append(entry)
            left_out += [f"# {info.name}: {beyond}"] if (beyond := _beyond_cron(info)) else []
        except InvalidArgument as error:
            others.append(f"# {info.name}: {error}")
    if any(entry.user for entry in entries):
        # One crontab has one format.
        print("# With a user in each line, as in /etc/crontab.")
        entries = [entry if entry.user else replace(entry, user=_me()[0]) for entry in entries]
    refused = [entry.name for entry in entries if crontab.beyond_debian(entry.when)]
    if refused:
        print(f"# Debian's cron refuses the times of {', '.join(refused)}, and with them the whole of this.")
    if any(entry.random_delay for entry in entries):
        print("# Debian's cron ignores RANDOM_DELAY.")
    if any(entry.timezone for entry in entries):
        print("# Debian's cron ignores CRON_TZ, and runs all of this in the host's zone.")
    if left_out:
        print("# Left out, since cron has nothing like it:\n" + "\n".join(clean(line) for line in left_out) + "\n")
    if others:
        print("# Not in a crontab's power:\n" + "\n".join(clean(line) for line in others) + "\n")
    # A crontab can only set a variable to nothing again, which for TZ is another zone: who has least comes first.
    entries.sort(key=lambda entry: (len(entry.env), sorted(entry.env.items())))
    sys.stdout.flush()
    sys.stdout.buffer.write(crontab.render(entries).encode("utf-8", "surrogateescape"))
    return 0


def _entry_of(info: ScheduleInfo) -> Entry:
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
    environment: dict[str, str] = dict(call.get("env") or {})
    shell = environment.pop("SHELL", crontab.SHELL)
    if environment.get("PATH") == PATH:
        del environment["PATH"]
    command, user = _line_of(call, shell)
    home = _me()[1] if user is None else _home_of(user)
    where = call.get("cwd")
    if where is not None and where != (environment.get("HOME") or home):
        command = f"cd {shlex.quote(where)} || exit; {command}"  # which may be a list
    zone = None if trigger.is_reboot or trigger.timezone == Cron("* * * * *").timezone else trigger.timezone
    # MAILTO is set even to nobody, or cron would mail the owner; and -n would be a word of the command to Debian's.
    return Entry(
        when=trigger.expr, command=command, name=info.name, stdin=call.get("stdin"), user=user, shell=shell,
        timezone=zone, mail_to=info.mail_to or "", random_delay=_delay(info.jitter), env=environment,
        enabled=info.state == "active",
    )  # fmt: skip


def _beyond_cron(info: ScheduleInfo) -> str:
    """What a schedule has that its line in a crontab has not."""
    spans = {"timeout": info.timeout, "expires": info.expires}
    found = [f"--{name} {render.duration(span)}" for name, span in spans.items() if span is not None]
    found += [f"--retries {info.retries}"] if info.retries else []
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


def _line_of(call: dict[str, Any], shell: str) -> tuple[str, str | None]:
    """The command as a line for the shell, and the user that it runs as."""
    argv = call.get("argv")
    if argv is None:
        return str(call["command"]), None
    if argv[:3] == ["su", "-s", shell] and argv[4:5] == ["-c"] and len(argv) == 6:
        return argv[5], argv[3]
    if argv[:2] == [shell, "-c"] and len(argv) == 3:
        return argv[2], None
    return shlex.join(argv), None


def explain(arguments: argparse.Namespace) -> int:
    """Say an expression in English, with its next ticks."""
    trigger = Cron(arguments.expr, arguments.timezone, seconds=arguments.seconds)
    print(cron.explain(arguments.expr, seconds=arguments.seconds))
    if trigger.is_reboot:
        return 0
    start = datetime.now(UTC)
    for tick in cron.preview(arguments.expr, trigger.timezone, start, arguments.count, seconds=arguments.seconds):
        note = f"  ({tick.note})" if tick.note else ""
        print(tick.at.strftime("%a %Y-%m-%d %H:%M:%S %Z") + note)
    return 0
