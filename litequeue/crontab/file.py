"""Crontabs as values: ``parse`` reads the text of one, ``render`` writes one back.

Owns what lines mean together: which settings are in force for a job, and what to call it. The syntax of a line
is ``lines``'s, the meaning of the time fields the room ``cron``'s. The rules are those of Debian's cron, with
cronie's CRON_TZ, RANDOM_DELAY and ``-n``. Reads no file, no clock and no zone data, and runs nothing. What a
job loses here is in the entry's ``notes``.

Three things that cron does for a command are its runner's to do: it starts in ``env["HOME"]`` (or the user's
home, which then is its HOME), with no PATH set it has ``/usr/bin:/bin``, and its LOGNAME is the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from ..base.checks import is_name
from ..base.errors import InvalidArgument
from . import debian, lines, names

SHELL: Final = "/bin/sh"
_OWN: Final = ("CRON_TZ", "SHELL", "MAILTO", "RANDOM_DELAY", "LOGNAME", "USER")
DEBIAN_LINE: Final = 998  # bytes of a command, with its input, for which Debian's crontab has room
MAX_DELAY: Final = 24 * 60  # cronie's limit of RANDOM_DELAY, in minutes
# One command, all of its output redirected: there is nothing to mail.
_SILENT: Final = re.compile(r"[^;|&\n]*?(?:>>?\s*[^\s;|&>]+\s+2>&1|&>>?\s*[^\s;|&>]+)\s*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One job of a crontab, with what the settings above it said. Equal to another whatever their lines."""

    when: str  # five fields with single spaces between them, or an @macro
    command: str  # for the shell: what stands before the first bare %, and \% as %
    name: str  # valid for a schedule, and unique in its crontab
    stdin: str | None = None  # what stands after the first bare %
    user: str | None = None  # in the system's format
    timezone: str | None = None  # CRON_TZ; None is the host's
    shell: str = SHELL
    mail_to: str | None = None  # MAILTO; None is the owner, "" nobody
    mail_when: Literal["output", "failure"] = "output"  # cronie's -n: failure
    random_delay: int = 0  # RANDOM_DELAY: minutes at most
    env: dict[str, str] = field(default_factory=dict)  # every other setting, for the command's environment
    enabled: bool = True  # a job that is commented out is no entry; render() comments one out
    line: int = field(default=0, compare=False)
    raw: str = field(default="", compare=False)

    @property
    def notes(self) -> tuple[str, ...]:
        """What cannot be kept exactly, in words."""
        return tuple(_notes(self))

    @property
    def otherwise(self) -> tuple[str, ...]:
        """Those that say what Debian's cron did with the line where litequeue does something else."""
        return (*_otherwise(self), *_longer(self))


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that could not be read, why, and what to write instead."""

    line: int
    raw: str
    why: str


@dataclass(frozen=True, slots=True)
class Crontab:
    """What ``parse`` found, each in the order of the lines."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    remarks: tuple[Problem, ...] = ()  # lines that are read here, and for which Debian's crontab refuses the file


@dataclass(slots=True)
class _Settings:
    """What the environment lines have set so far; also what render() has written so far."""

    timezone: str | None = None
    shell: str = SHELL
    mail_to: str | None = None
    random_delay: int = 0
    env: dict[str, str] = field(default_factory=dict)

    def set(self, name: str, value: str) -> None:
        if name == "CRON_TZ":
            self.timezone = value or None
        elif name == "SHELL":
            self.shell = value or SHELL
        elif name == "MAILTO":
            self.mail_to = value
        elif name == "RANDOM_DELAY":
            if not (value.isascii() and value.isdigit() and len(value) <= 4 and int(value) <= MAX_DELAY):
                raise InvalidArgument(f"RANDOM_DELAY must be 0 to {MAX_DELAY} minutes, not {value!r:.60}")
            self.random_delay = int(value)
        elif name not in ("LOGNAME", "USER"):  # cron sets these two itself, over what the crontab says
            self.env[name] = value

    def entry(self, job: lines.Job, name: str, line: int, raw: str) -> Entry:
        """A job where these settings are in force."""
        return Entry(
            **job._asdict(), name=name, timezone=self.timezone, shell=self.shell, mail_to=self.mail_to,
            random_delay=self.random_delay, env=dict(self.env), line=line, raw=raw,
        )  # fmt: skip


def parse(text: str, *, system: bool = False) -> Crontab:
    """Read a crontab; with ``system``, one whose sixth field is a user (/etc/crontab, /etc/cron.d).

    A line that cannot be read becomes a Problem, and the others are read all the same.
    """
    settings, taken, comment = _Settings(), set[str](), ""
    entries, problems, remarks = [], [], []
    for number, ended in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        raw = ended.rstrip("\r")
        line = raw.lstrip(lines.BLANKS)
        if line.startswith("#"):
            comment = line
            continue
        above, comment = comment, ""
        if not line:
            continue
        try:
            setting = lines.setting(line)
            if setting is not None:
                settings.set(*setting)
                if lines.is_bare(line):
                    name = setting[0]
                    remarks.append(Problem(number, raw, f'{name} is set to nothing, for which Debian\'s crontab wants {name}=""'))
                continue
            job = lines.read(line, system)
            comment_name = "" if lines.commented_out(above) else names.from_comment(above)
            name = names.unique(comment_name or names.from_command(job.command), taken)
            entries.append(settings.entry(job, name, number, raw))
            if line.startswith("-"):
                remarks.append(Problem(number, raw, "Debian's crontab refuses a time that begins with a hyphen; litequeue runs it"))
        except InvalidArgument as error:
            problems.append(Problem(number, raw, str(error) + _instead(line)))
    return Crontab(tuple(entries), tuple(problems), tuple(remarks))


# -- what is lost --------------------------------------------------------------------------------------


def beyond_debian(when: str) -> list[str]:
    """The fields of a time that Debian's cron refuses, and with them the whole crontab."""
    return [one.text for one in debian.read(when) if one.values is None]


def _instead(line: str) -> str:
    """What Debian's cron does with a job's line that is not read here; "" if it refuses it as well."""
    when, rest = lines.time_of(line)
    return debian.verdict(when) if rest and not rest.startswith("*") else ""


def _otherwise(entry: Entry) -> Iterator[str]:
    if odd := beyond_debian(entry.when):
        yield f"Debian's cron refuses {', '.join(odd)} in a time, and never ran this line; litequeue does"
    else:
        fields = debian.read(entry.when)
        for one in fields:
            if not one.plain:
                end = ", and never ran this line" if debian.never(fields) else ""
                yield f"Debian's cron takes {one.text} ({one.name}) for {one.said}{end}; litequeue for what it says"
    if "\\\\" in entry.command:
        yield "Debian's cron makes two backslashes one; litequeue leaves both to the shell"


def _longer(entry: Entry) -> Iterator[str]:
    if len(lines.uncut(entry.command, entry.stdin).encode("utf-8", "surrogateescape")) > DEBIAN_LINE:
        yield (
            f"Debian's crontab refuses a command of more than {DEBIAN_LINE} characters, and with it the whole file; "
            "litequeue takes all of this one"
        )


def for_debian(entry: Entry) -> Entry:
    """The same job in terms that Debian's cron reads alike. Raises InvalidArgument that says why there are none."""
    when = debian.terms(entry.when)
    if when is None:
        raise InvalidArgument(f"it has nothing like {entry.when}")
    rewritten = replace(entry, when=when)
    if why := rewritten.otherwise:
        raise InvalidArgument(why[0])
    return rewritten


def _notes(entry: Entry) -> Iterator[str]:
    """Of what the entry says alone, so that a crontab that was written back has the same."""
    if entry.when == "@reboot":
        yield "cron runs @reboot when its daemon starts; litequeue when a worker first starts after a boot"
    yield from _otherwise(entry)
    if entry.timezone is not None:
        yield "Debian's cron ignores CRON_TZ and runs this in the host's zone; litequeue heeds it, as cronie does"
    if entry.random_delay:
        yield "cronie draws one RANDOM_DELAY for as long as it runs; a jitter is drawn for each tick"
    if entry.user is None and entry.command.split(maxsplit=1)[:1] == ["root"]:
        yield "the command begins with root: is this a system crontab, with a user in each line? Use --system"
    if entry.mail_to != "" and entry.mail_when == "output" and not _SILENT.fullmatch(entry.command):
        yield f"cron mails all output to {entry.mail_to or 'the owner'}; litequeue would mail failures only"
    if "MAILFROM" in entry.env:
        yield "MAILFROM is only a variable of the command here; litequeue's mails come from the worker's user"
    yield from _longer(entry)


# -- writing -------------------------------------------------------------------------------------------


def render(entries: Iterable[Entry]) -> str:
    """A crontab with these entries, which ``parse`` reads back as they are.

    In the system's format if they have users. A crontab can change a variable but not unset it: where an
    entry lacks one that an earlier entry has, it is set to nothing; and entries without a ``mail_to`` come
    first. What no crontab can say raises InvalidArgument with the entry's name.
    """
    # A stable sort: what parse() returned is in this order already.
    ordered = sorted(entries, key=lambda entry: entry.mail_to is not None)
    if len({entry.user is None for entry in ordered}) > 1:
        raise InvalidArgument("some entries have a user and some have none: a crontab has one format")
    written, text = _Settings(), ["# Written by litequeue."]
    for entry in ordered:
        changed = [_assignment(entry, *pair) for pair in _changes(written, entry)]
        # The name stands right above its job, where parse() looks for it.
        text += ["", *changed, *([""] if changed else []), f"# {entry.name}", _line(entry)]
    return "\n".join(text) + "\n"


def _changes(written: _Settings, entry: Entry) -> Iterator[tuple[str, str]]:
    """The settings that must change before this entry; notes them as written."""
    own: list[tuple[str, str | None, str]] = [
        ("CRON_TZ", written.timezone or "", entry.timezone or ""),
        ("SHELL", written.shell, entry.shell),
        ("RANDOM_DELAY", str(written.random_delay), str(entry.random_delay)),
    ]
    if entry.mail_to is not None:
        own.append(("MAILTO", written.mail_to, entry.mail_to))
    own += [(name, written.env.get(name), value) for name, value in entry.env.items()]
    own += [(name, value, "") for name, value in written.env.items() if name not in entry.env]
    for name, old, new in own:
        if name in entry.env and name in _OWN:
            raise InvalidArgument(f"{entry.name!r:.200}: {name} is not for env: it has a field of its own")
        if old != new:
            written.set(name, new)
            yield name, new


def _assignment(entry: Entry, name: str, value: str) -> str:
    line = lines.assignment(name, value)
    if line is None:
        raise InvalidArgument(
            f"{entry.name!r:.200}: the variable {name!r:.60} with the value {value!r:.60} cannot stand in a crontab: "
            "no newline, no NUL, and not both kinds of quotes in a value that needs them"
        )
    return line


def _line(entry: Entry) -> str:
    option = "-n " if entry.mail_when == "failure" else ""
    line = " ".join(filter(None, (entry.when, entry.user, option + lines.uncut(entry.command, entry.stdin))))
    stdin = entry.stdin + "\n" if entry.stdin and not entry.stdin.endswith("\n") else entry.stdin
    same = lines.Job(entry.when, entry.user, entry.mail_when, entry.command, stdin)
    try:
        # Read it back rather than list what a line cannot hold.
        good = "\n" not in line and not line.endswith("\r") and lines.setting(line) is None and is_name(entry.name)
        if good and lines.read(line, entry.user is not None) == same:
            return line if entry.enabled else f"# {line}"
        why = "a job is one line, a backslash before % is never kept, and its name is one of a schedule"
    except InvalidArgument as error:
        why = str(error)
    raise InvalidArgument(
        f"{entry.name!r:.200}: {entry.command!r:.200} at {entry.when!r:.60} cannot stand in a crontab: {why}"
    )
