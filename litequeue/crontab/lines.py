"""One line of a crontab: what it says by itself, with no regard to the others.

Owns the syntax of a line, both ways: environment settings, the time fields' place (their meaning is ``cron``'s),
the user field, ``%``. Every refusal is an InvalidArgument that says what to write instead.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from ..base.errors import InvalidArgument

MACROS: Final = ("@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
BLANKS: Final = " \t"
_SPACE: Final = " \t\n\v\f\r"  # C's isspace()
_NUMBERS: Final = "[0-9*/,-]+"
_MONTHS: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAYS: Final = "sun|mon|tue|wed|thu|fri|sat"
_FIELDS: Final = tuple(
    (name, re.compile(shape, re.IGNORECASE | re.ASCII), allowed)
    for name, shape, allowed in (
        ("minute", f"(?!-){_NUMBERS}", "0-59"),  # one hyphen before it is no part of it
        ("hour", _NUMBERS, "0-23"),
        ("day of month", "[0-9*/,LW?-]+", "1-31, L"),
        ("month", f"(?:[0-9*/,-]|{_MONTHS})+", "1-12, jan-dec"),
        ("day of week", f"(?:[0-9*/,L#?-]|{_DAYS})+", "0-7, sun-sat"),
    )
)
_SETTING: Final = re.compile(
    r"""(?:"([^"=]*)"|'([^'=]*)'|([^\s="'][^\s=]*))\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'].*|))""",
    re.ASCII | re.DOTALL,
)
_MEANT_AS_SETTING: Final = re.compile(r"""["']?[A-Za-z_]\w*["']?\s*=""", re.ASCII)
_COMMENTED_SETTING: Final = re.compile(r"[A-Z_][A-Z0-9_]*\s*=", re.ASCII)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAIL_OPTION: Final = re.compile(r"-n[ \t]+([^ \t].*)", re.DOTALL)


class Job(NamedTuple):
    """What the line of a job says by itself."""

    when: str
    user: str | None
    mail_when: Literal["output", "failure"]
    command: str
    stdin: str | None


def setting(line: str) -> tuple[str, str] | None:
    """The name and value of an environment line; None if it is none. Nothing in it is expanded.

    An empty value needs no quotes here: Debian's crontab refuses ``MAILTO=``, but who writes it means nobody, and a
    setting that is passed over leaves the one above it in force.
    """
    if "\0" in line:
        raise InvalidArgument("the line has a NUL character, where cron would end it: remove it")
    found = _SETTING.fullmatch(line.rstrip(_SPACE))
    if found is None:
        if _MEANT_AS_SETTING.match(line):
            raise InvalidArgument(
                "the setting's quotes do not match: write NAME=value, or NAME='value'; "
                'nothing at all is NAME=""'
            )
        return None
    name, value = (next((g for g in part if g is not None), "") for part in (found.groups()[:3], found.groups()[3:]))
    if not _VARIABLE.fullmatch(name):
        raise InvalidArgument(
            f"{name!r:.60} is no name of a variable: use letters, digits and underscores, not first a digit"
        )
    return name, value


def is_bare(line: str) -> bool:
    """Whether a setting has nothing after its =, and no quotes."""
    return line.rstrip(_SPACE).endswith("=") and line.count("=") == 1


def assignment(name: str, value: str) -> str | None:
    """The line that ``setting`` reads as this name and value; None where there is none."""
    if not _VARIABLE.fullmatch(name) or {"\n", "\0"} & set(value):
        return None
    if value and value[0] not in _SPACE + "\"'" and value[-1] not in _SPACE:
        return f"{name}={value}"
    return next((f"{name}={quote}{value}{quote}" for quote in "\"'" if quote not in value), None)


def read(line: str, system: bool) -> Job:
    """What one job's line says, with no regard to the lines above it."""
    when, user, rest = _split(line, system)
    option = _MAIL_OPTION.fullmatch(rest)
    command, stdin = _cut(option[1] if option else rest)
    if not command.strip(_SPACE):
        raise InvalidArgument("there is no command before the %, which begins its standard input")
    return Job(when, user, "failure" if option else "output", command, stdin)


def _split(line: str, system: bool) -> tuple[str, str | None, str]:
    """The time, the user (in the system's format) and the rest of a job's line."""
    # SUSE's and cronie's leading hyphen keeps the run out of syslog. There is none here to keep it out of.
    line = line[1:].lstrip(BLANKS) if line.startswith("-") else line
    count = 1 if line.startswith("@") else len(_FIELDS)
    words = re.split(r"[ \t]+", line, maxsplit=count + system)
    when = words[:count]
    if count == 1:
        if when[0] not in MACROS:
            raise InvalidArgument(f"{when[0]!r:.60} is not known: use {', '.join(MACROS)}, or five fields")
    else:
        _check_fields(when)
    user, rest = (words[count] if system and len(words) > count else None), words[count + system :]
    if (user or "".join(rest)).startswith("*"):
        raise InvalidArgument("there is a sixth time field: cron has five, minute first, and no seconds")
    if not rest or not rest[0]:
        wanted = "a user and a command" if system else "a command"
        raise InvalidArgument(f"{wanted} must follow the time, as in: {' '.join(when)} {'root ' * system}command")
    return " ".join(when), user, rest[0]


def time_of(line: str) -> tuple[str, str]:
    """What should be the five time fields of a line, with single spaces between them, and the rest of it; both unchecked."""
    words = re.split(r"[ \t]+", line, maxsplit=len(_FIELDS))
    return " ".join(words[: len(_FIELDS)]), "".join(words[len(_FIELDS) :])


def _check_fields(words: list[str]) -> None:
    """Whether they look like time fields: what they come to is for ``cron`` to say."""
    for word, (name, shape, allowed) in zip(words, _FIELDS, strict=False):
        if "~" in word:
            raise InvalidArgument(
                f"{name} {word!r:.60}: cronie picks one at random whenever it starts; write the one you want"
            )
        if not shape.fullmatch(word):
            raise InvalidArgument(
                f"{name} {word!r:.60} is not allowed: use {allowed}, *, lists (1,2), ranges (1-5) and steps (*/2)"
            )
    if len(words) < len(_FIELDS):
        raise InvalidArgument(
            f"only {len(words)} of the five time fields are there: minute, hour, day of month, month, day of week"
        )


def commented_out(comment: str) -> bool:
    """Whether a comment is a job or a setting that somebody switched off, and so names nothing."""
    text = comment.lstrip("#").lstrip(BLANKS)
    try:
        return bool(_COMMENTED_SETTING.match(text) or _split(text, False))
    except InvalidArgument:
        return False


def _cut(text: str) -> tuple[str, str | None]:
    """The command and its standard input.

    In a command a backslash takes the next character with it, so that the % of ``\\\\%`` cuts. In the standard
    input it does so only to a %. Cron ends what it writes there with a newline.
    """
    kept: list[str] = []
    escaped = False
    for position, char in enumerate(text):
        if escaped:
            if char == "%":
                kept.pop()
            kept.append(char)
            escaped = False
        elif char == "%":
            stdin = re.sub(r"\\?%", lambda found: "%" if len(found[0]) == 2 else "\n", text[position + 1 :])
            return "".join(kept), stdin + "\n" if stdin and not stdin.endswith("\n") else stdin
        else:
            kept.append(char)
            escaped = char == "\\"
    return "".join(kept), None


def uncut(command: str, stdin: str | None) -> str:
    """The two as a crontab has them: the way back from ``read``, for those that a crontab can hold."""
    text = command.replace("%", r"\%")
    if stdin is None:
        return text
    # Cron adds the last newline itself, but only to text that has none at its end.
    if len(stdin) > 1 and stdin[-1] == "\n" and stdin[-2] not in "\r\n":
        stdin = stdin[:-1]
    return text + "%" + stdin.replace("%", r"\%").replace("\n", "%")
