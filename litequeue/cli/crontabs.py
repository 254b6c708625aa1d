"""``cron import``: a crontab's jobs as schedules of commands; and ``cron explain``.

Owns what a crontab's entry becomes. The text is the room ``crontab``'s, the way back ``crontab_export``'s.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from .. import cron, crontab
from ..app import LiteQueue
from ..base.errors import (
    CannotOpen,
    InvalidArgument,
    LitequeueError,
    PayloadError,
    PayloadTooLarge,
)
from ..base.records import ScheduleInfo
from ..base.trust import cure, why_not_roots_word, why_untrusted, without_waiting
from ..commands.account import PATH, account_of, why_not_as
from ..commands.command import NAME as COMMAND
from ..commands.command import check_command
from ..commands.notices import sendmail
from ..crontab import Crontab, Entry
from ..schedules.face import Batch
from ..triggers import Cron, describe
from . import crontab_plans, render
from .calls import typed, with_secrets
from .crontab_plans import NEW, UNCHANGED, Plan
from .jobs import existing
from .notes import note_closed, note_mail
from .printing import complain, put, say

OF_CRON: Final = ("HOME", "LOGNAME", "PATH", "SHELL")  # which a command has without a setting
DIFFERENCES: Final = """\
Of all of them: a tick whose job before still runs is left out (cron starts both; so does schedule update --overlap allow),
one that was missed by at most an hour is made up for (cron never does; nor does --catch-up skip), a job under which its
worker crashes runs again (cron never does; nor does import with --at-most-once), and commands have the
worker's environment, but for those of a system crontab."""


def import_(arguments: argparse.Namespace) -> int:
    """Add a schedule for each job of a crontab; with --dry-run only show what would come of each line."""
    standing = _standing(arguments.db)  # first, so that arguments that are the wrong way round are seen
    source = crontab_plans.source_of(arguments.file, arguments.system)
    found = crontab.parse(_read(arguments.file, arguments.system), system=arguments.system)
    secret = sorted({*_marked(arguments.secret_env or (), found), *crontab_plans.secrets_of(standing.values())})
    wanted: list[tuple[Entry, dict[str, Any]]] = []
    refused = {problem.line: (problem.why, problem.raw) for problem in found.problems}
    for entry in found.entries:
        try:
            options = _schedule_of(entry, arguments)
            options["kwargs"] = with_secrets({**options["kwargs"], "crontab": source}, secret)
            wanted.append((entry, options))
        except LitequeueError as error:
            refused[entry.line] = f"{error}{crontab.verdict(entry.when)}", entry.raw
    failed = len(refused)
    remarks = {remark.line: remark.why for remark in found.remarks}
    for number in sorted({*refused, *remarks}):
        if number in refused:  # of which a remark would say what is done with it
            _refuse(number, *refused[number])
        else:
            say(f"line {number}: note: {remarks[number]}", to=sys.stderr)
    if not wanted and not failed:
        complain("there is no job in it")
    note_closed(arguments.db, (options["kwargs"]["cwd"] for entry, options in wanted if entry.user is None))
    plans = crontab_plans.match(wanted, standing)
    why_kept = "not every line could be read" if failed else "there is no job in it" if not wanted else ""
    if plans and arguments.dry_run:
        for plan in plans:
            failed += plan.advice(arguments.replace) is not None
            _show(plan, arguments.replace)
        put(f"{DIFFERENCES}\n")
    gone, others = crontab_plans.gone(plans, standing, source)
    if plans and not arguments.dry_run:
        failed += _import(plans, gone if arguments.prune and not why_kept else (), arguments)
    failed += _tell_gone(gone, arguments, why_kept)
    for other, names in others.items():
        say(f"left alone, since imported from {other}: {', '.join(names)}")
    return 1 if failed else 0


def _refuse(number: int, why: str, line: str) -> None:
    say(f"line {number}: not imported: {why}", to=sys.stderr)
    say(f"    {line}", to=sys.stderr)


def _tell_gone(gone: list[str], arguments: argparse.Namespace, why_kept: str) -> int:
    """Of what was imported from this crontab and is no longer in it; how many should have been removed and were not."""
    for name in gone:
        if not arguments.prune:
            say(f"{name}: no longer in the crontab, and left as it is; --prune removes it")
        elif why_kept:  # what is gone may stand in such a line, and an empty crontab may be one that could not be listed
            say(f"{name}: no longer in the crontab, and left as it is: {why_kept}")
        elif arguments.dry_run:
            say(f"{name}: no longer in the crontab; it would be removed")
        else:
            say(f"{name}: no longer in the crontab; removed")
    return len(gone) if arguments.prune and why_kept else 0


def _standing(db: str) -> dict[str, ScheduleInfo]:
    """The schedules that the file has, if there is one."""
    if not os.path.exists(db):
        return {}
    with existing(db) as app:
        return {info.name: info for info in app.schedules.list()}


def _read(file: str, system: bool) -> str:
    """The text of a crontab. That of a user is whatever he says it is, as for ``crontab FILE``, and so is what he hands over by a
    pipe. In one of the system the lines say whose they are: that must be nobody's word but root's, as for cron."""
    why = None
    try:
        if file == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(file, "rb", opener=without_waiting if system else None) as opened:
                why = why_not_roots_word(os.fstat(opened.fileno())) if system else None
                if system and why is None and (way := why_untrusted(file)) is not None:  # the way to it, or what it leads to
                    raise InvalidArgument(f"{way}: nothing of {file} is imported with --system; {cure(way)}")
                data = opened.read() if why is None else b""
    except OSError as error:
        raise CannotOpen(f"{file} cannot be read: {error.strerror}") from None
    if why is not None:
        raise InvalidArgument(f"{file} {why}, and cron would not take it either: nothing of it is imported with --system")
    text = data.decode("utf-8", "surrogateescape")
    if "\0" in text:
        raise InvalidArgument(f"{file} is no crontab: it has NUL bytes. The database comes first: cron import DB FILE")
    return text


def _schedule_of(entry: Entry, arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of ``app.schedules.add`` for an entry."""
    options: dict[str, Any] = {
        "trigger": Cron(entry.when, arguments.timezone if entry.timezone is None else entry.timezone),
        "kwargs": _call_of(entry),
    }
    if arguments.at_most_once:
        options["at_most_once"] = True
    if entry.random_delay:
        options["jitter"] = entry.random_delay * 60
    mail_to = ", ".join(arguments.mail_to or ()) or (_owner(entry) if entry.mail_to is None else entry.mail_to)
    if mail_to:
        options["mail_to"] = mail_to
    return options


def whoami() -> tuple[str, str]:
    """The user and the home directory."""
    if os.name != "posix":
        raise InvalidArgument("crontabs run on Unix only, and so do the commands in them")
    import pwd

    try:
        user = pwd.getpwuid(os.geteuid())
    except KeyError:
        return str(os.geteuid()), os.path.expanduser("~")
    return user.pw_name, user.pw_dir


def _marked(names: Iterable[str], found: Crontab) -> set[str]:
    """What is to be secret. A name that no line has is mistyped, and what it was meant for would be shown."""
    settings = set[str]().union(*(entry.env for entry in found.entries))
    for name, equals, _ in (given.partition("=") for given in names):
        if equals:
            raise InvalidArgument(f"--secret-env {name!r:.100}=...: write NAME alone, since the crontab has the value")
        if found.entries and name not in settings.union(OF_CRON):
            have = f"it has {', '.join(sorted(settings))}" if settings else "it has none"
            raise InvalidArgument(f"--secret-env {name!r:.100}: no job that can be read has such a setting of the crontab; {have}")
    return set(names)


def _owner(entry: Entry) -> str | None:
    """Whom cron mails where no MAILTO says: the owner, if the host can send mail at all."""
    if sendmail() is None:
        return None
    return entry.user or whoami()[0]


def _call_of(entry: Entry) -> dict[str, Any]:
    """The arguments of the task that runs commands."""
    user, own_home = whoami()
    if entry.user is not None:
        account = account_of(entry.user)
        if (why := why_not_as(account)) is not None:
            raise InvalidArgument(why)
        user, own_home = entry.user, account.pw_dir
    home = entry.env.get("HOME") or own_home
    # What cron sets for a command, beside the crontab's own settings.
    environment = {"PATH": PATH, **entry.env, "HOME": home, "LOGNAME": user, "SHELL": entry.shell}
    words = {"command": entry.command} if entry.shell == crontab.SHELL else {"argv": [entry.shell, "-c", entry.command]}
    return check_command(**words, cwd=home, env=environment, stdin=entry.stdin, user=entry.user)


def _doubts(entry: Entry) -> Iterator[str]:
    """What may be another crontab than it was taken for."""
    word = (entry.command.split(maxsplit=1) or [""])[0]
    if entry.user is None and word == "root":
        yield from (note for note in entry.notes if "--system" in note)  # which a crontab that is written back says too
    elif entry.user is None and _is_user(word):
        yield f"the command begins with {word}, a user of this host: if this is a system crontab, use --system"


def _is_user(word: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(word)
    except (KeyError, ValueError):  # ValueError: no name that could be encoded
        return False
    return True


def _import(plans: list[Plan], gone: Iterable[str], arguments: argparse.Namespace) -> int:
    """Add and change what is to be, and remove what is gone, in one transaction; how many of the jobs were refused."""
    refused: dict[str, str] = {}
    with LiteQueue(arguments.db) as app:
        batch = Batch(app.schedules)
        for plan in plans:
            try:
                _ask(batch, plan, arguments)
            except (InvalidArgument, PayloadError, PayloadTooLarge) as error:
                refused[plan.name] = typed(error)
        for name in gone:
            batch.remove(name)
        batch.write()
        found = {info.name: info for info in app.schedules.list()}
    mail_to = None
    for plan in plans:
        if plan.name in refused:
            _refuse(plan.entry.line, refused[plan.name], plan.entry.raw)
            continue
        if (info := found.get(plan.name)) is None:  # somebody has removed it since
            continue
        if plan.fate == UNCHANGED:
            say(f"{plan.name}: unchanged")
            continue
        for note in (*_doubts(plan.entry), *plan.entry.otherwise):
            say(f"line {plan.entry.line}: note: {note}", to=sys.stderr)
        mail_to = mail_to or info.mail_to
        coming = info.state if info.state != "active" else f"next {render.when(info.next_tick) or 'at the next boot'}"
        say(f"{info.name}: {info.trigger}; {coming}")
    note_mail(mail_to)
    return len(refused)


def _ask(batch: Batch, plan: Plan, arguments: argparse.Namespace) -> None:
    known, options = plan.known, plan.options
    if plan.fate == UNCHANGED:
        return
    if (advice := plan.advice(arguments.replace)) is not None:
        raise InvalidArgument(f"the schedule {plan.name} that is there differs in {plan.differences}: {advice}")
    if known is not None and known.task == COMMAND:
        changed = {"mail_to": None, "jitter": 0, **options, "kwargs": plan.call}
        batch.update(plan.name, **changed)  # retries and the like stay
    else:
        batch.add(plan.name, COMMAND, **options, paused=arguments.paused, replace=arguments.replace)


def _show(plan: Plan, replace: bool) -> None:
    entry, options = plan.entry, plan.options
    trigger: Cron = options["trigger"]
    say(f"line {entry.line}: {entry.raw}")
    say(f"    schedule {plan.name}: {describe(trigger)}")
    if plan.fate != NEW:
        differs = f" in {plan.differences}" if plan.differences else ""
        advice = plan.advice(replace)
        say(f"    there is one of this name already: {plan.fate}{differs}{f'; {advice}' if advice else ''}")
    say(f"    command  {entry.command}" + (" (with standard input)" if entry.stdin else ""))
    for tick in _next_three(trigger):
        say(f"    next     {tick}")
    if "mail_to" in options:
        say(f"    failures mailed to {options['mail_to']}{'' if sendmail() else ', once this host has a sendmail'}")
    else:
        say(f"    failures mailed to nobody{'' if entry.mail_to == '' else ': this host has no sendmail'}")
    for note in dict.fromkeys((*_doubts(entry), *entry.notes)):
        say(f"    note     {note}")


def _next_three(trigger: Cron) -> Iterator[str]:
    if trigger.is_reboot:
        yield "at the next boot"
        return
    moment: datetime | None = datetime.now(UTC)
    for _ in range(3):
        moment = None if moment is None else trigger.next_after(moment)
        if moment is not None:
            yield moment.strftime("%a %Y-%m-%d %H:%M:%S %Z")


def explain(arguments: argparse.Namespace) -> int:
    """Say an expression in English, with its next ticks."""
    trigger = Cron(arguments.expr, arguments.timezone, seconds=arguments.seconds)
    say(cron.explain(arguments.expr, seconds=arguments.seconds))
    if trigger.is_reboot:
        return 0
    start = datetime.now(UTC)
    for tick in cron.preview(arguments.expr, trigger.timezone, start, arguments.count, seconds=arguments.seconds):
        note = f"  ({tick.note})" if tick.note else ""
        say(tick.at.strftime("%a %Y-%m-%d %H:%M:%S %Z") + note)
    return 0
