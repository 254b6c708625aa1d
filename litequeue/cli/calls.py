"""The words of a command line as a call, of a task or of the task that runs commands; and a stored command as words."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..base import stored
from ..base.checks import MICROS, span
from ..base.errors import InvalidArgument, LitequeueError
from ..base.here import GONE, here
from ..commands.command import check_command
from ..options import options_of
from .grammar import flag_of

if TYPE_CHECKING:
    from ..base.records import JobInfo, ScheduleInfo


def parse_call(words: list[str]) -> tuple[list[Any], dict[str, Any]]:
    """The words of a command line as a call: JSON or text, ``key=text``, ``key:=json``."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        raw = key.endswith(":")
        key = key.rstrip(":") if raw else key
        if equals and key.isidentifier():
            if key in kwargs:
                raise InvalidArgument(f"the argument {key} is given twice")
            kwargs[key] = _json(value, word) if raw else value
        elif kwargs:
            raise InvalidArgument(f"{word!r} comes after a key=value; put positional arguments first")
        else:
            args.append(_json_or_text(word))
    return args, kwargs


def _json(text: str, word: str) -> Any:
    try:
        return stored.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"{word!r:.200}: {text!r:.200} is not JSON ({error})") from None


def _json_or_text(text: str) -> Any:
    why = stored.beyond(text)
    if why is not None:
        raise InvalidArgument(f"the argument {text!r:.60} cannot be stored: {why}")
    try:
        return json.loads(text)
    except ValueError:
        return text


def options_given(arguments: argparse.Namespace, fields: type, *, removable: bool = False) -> dict[str, Any]:
    """What is typed of a list of options, as code would give it; an error names the option as it is typed.

    ``removable``: an empty text takes an option away that has no default.
    """
    found: dict[str, Any] = {}
    for name, option in options_of(fields).items():
        value = getattr(arguments, name, None)
        if value is None:
            continue
        if option.kind.joined and isinstance(value, list):
            value = option.kind.joined.join(value)
        if removable and value == "" and option.default is None:
            found[name] = None
            continue
        try:
            found[name] = option.kind.parse(value) if isinstance(value, str) else value
        except InvalidArgument as error:
            raise InvalidArgument(f"{flag_of(name)} {error}") from None
        option.kind.check(found[name], flag_of(name))
    return found


def command_of(arguments: argparse.Namespace, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The words after ``--``, and the options about them, as the arguments of the task that runs commands.

    Of a command that is ``known``, what is not given stays.
    """
    found = dict(known or {})
    if arguments.words:
        found.pop("argv", None)
        found.pop("command", None)
        found |= {"command": " ".join(arguments.words)} if arguments.shell else {"argv": arguments.words}
    elif known is None or arguments.shell:
        raise InvalidArgument("give the command after --, as in: -- pg_dump -Fc mydb")
    if arguments.cwd is not None or known is None:
        found["cwd"] = _directory(arguments.cwd)
    if arguments.env or arguments.secret_env:
        plain, secret = dict(map(_pair, arguments.env or ())), dict(map(_secret_pair, arguments.secret_env or ()))
        found["env"] = _without(found.get("env", {}), secret) | plain
        found["secret_env"] = _without(found.get("secret_env", {}), plain) | secret
    if arguments.user_env:
        found["user_env"] = True
    if arguments.backoff is not None:
        found["backoff"] = [span(part, "--backoff") / MICROS for part in arguments.backoff.split(",")]
    return check_command(**{key: value for key, value in found.items() if value != {}})


def with_secrets(command: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """A command of whose environment these variables, if it has them, are secret."""
    secret = {name: command["env"][name] for name in names if name in command.get("env", {})}
    return {**command, "env": _without(command["env"], secret), "secret_env": secret} if secret else dict(command)


def _without(variables: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name not in names}


def command_in(info: ScheduleInfo | JobInfo) -> dict[str, Any]:
    """The arguments of a stored command, checked: the file may hold anything."""
    try:
        return check_command(**stored.loads(info.kwargs))
    except (LitequeueError, TypeError, ValueError) as error:
        raise InvalidArgument(f"its command cannot be read: {error}") from None


def command_line(command: Mapping[str, Any]) -> str:
    """A command as one would type it."""
    import shlex  # a worker comes by here, and says no command

    return str(command["command"]) if "command" in command else shlex.join(command["argv"])


def refuse_command_options(arguments: argparse.Namespace, why: str) -> None:
    """Where no command is given, what is said about it would be lost without a word."""
    given = about_command(arguments)
    if given is not None:
        raise InvalidArgument(f"{given} goes with a command: {why}")


def about_command(arguments: argparse.Namespace) -> str | None:
    """An option that is given and says something about a command."""
    options = ("cwd", "env", "secret_env", "user_env", "shell", "backoff")
    return next((f"--{option.replace('_', '-')}" for option in options if getattr(arguments, option) not in (None, False)), None)


def typed(error: LitequeueError) -> str:
    """What an error says, with options as they are typed here."""
    return str(error).replace("replace=True", "--replace")


def _directory(given: str | None) -> str:
    if given is not None:
        return given
    found = here()
    if found is None:
        raise InvalidArgument(f"{GONE}: say where the command runs with --cwd DIR")
    return found


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidArgument(f"--env {text!r:.100}: write NAME=VALUE")
    return name, value


def _secret_pair(text: str) -> tuple[str, str]:
    """As ``_pair``; what is in no command line is in nobody's history or list of processes."""
    name, equals, value = text.partition("=")
    if not name:
        raise InvalidArgument("--secret-env: write NAME=VALUE, or NAME for the value that it has here")
    if not equals and name not in os.environ:
        raise InvalidArgument(f"--secret-env {name!r:.100}: there is no such variable here; export it first, or write NAME=VALUE")
    return name, value if equals else os.environ[name]
