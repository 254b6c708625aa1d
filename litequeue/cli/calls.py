"""The words of a command line as a call: of a task, or of the task that runs commands."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from ..command import check_command
from ..errors import InvalidArgument, LitequeueError


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
        return json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"{word!r}: {text!r} is not JSON ({error})") from None


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def command_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The words after ``--`` as the arguments of the task that runs commands."""
    if not arguments.words:
        raise InvalidArgument("give the command after --, as in: -- pg_dump -Fc mydb")
    environment = dict(_pair(text) for text in arguments.env or ())
    options: dict[str, Any] = {"cwd": _directory(arguments.cwd), "env": environment or None, "user_env": arguments.user_env}
    if arguments.shell:
        return check_command(command=" ".join(arguments.words), **options)
    return check_command(arguments.words, **options)


def refuse_command_options(arguments: argparse.Namespace, why: str) -> None:
    """Where no command is given, what is said about it would be lost without a word."""
    for option in ("cwd", "env", "user_env", "shell"):
        if getattr(arguments, option):
            raise InvalidArgument(f"--{option.replace('_', '-')} goes with a command: {why}")


def typed(error: LitequeueError) -> str:
    """What an error says, with options as they are typed here."""
    return str(error).replace("replace=True", "--replace")


def _directory(given: str | None) -> str:
    if given is not None:
        return given
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise InvalidArgument("the directory that you are in is gone: say where the command runs with --cwd DIR") from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidArgument(f"--env {text!r:.100}: write NAME=VALUE")
    return name, value
