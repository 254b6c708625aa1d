"""What is said of one option, and what follows from it for a call.

Owns the form of a list of options: a TypedDict whose fields are ``Annotated[type, Option(...)]``. The type is for type
checkers, the rest for the checks, the command line and the guide.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..base.errors import InvalidType


def as_it_is(value: Any) -> Any:
    return value


class Kind(NamedTuple):
    """A kind of value: its check, and how it is typed on a command line."""

    check: Callable[[Any, str], Any]  # (value, name of the option) -> the clean value; raises naming the option
    metavar: str | None = None  # on the command line; None: a flag, which is followed by nothing
    parse: Callable[[str], Any] = str  # what is typed there, as code would give it; raises ValueError
    choices: tuple[str, ...] = ()
    joined: str = ""  # what lies between several of them, if the command line may give it several times


class Option(NamedTuple):
    """One option."""

    kind: Kind
    meaning: str  # what it does, in one clause: for --help and for the guide
    default: Any = None  # as somebody would give it; None: there is none
    said: str = ""  # the default in words, where its value does not say it
    column: str = ""  # of litequeue_jobs, if each job keeps it
    stored: Callable[[Any], Any] = as_it_is  # from the clean value to the column's


@functools.cache
def options_of(fields: type) -> dict[str, Option]:
    """The options of a list, by name, in its order."""
    return {name: hint.__metadata__[0] for name, hint in fields.__annotations__.items()}


def refuse_unknown(fields: type, given: Iterable[str], whose: str, also: str = "") -> None:
    """Raise InvalidType for a name that the list has not; ``also``: what is taken besides."""
    known = options_of(fields)
    for name in given:
        if name not in known:
            from .habits import said_here  # where somebody has it from elsewhere

            raise InvalidType(f"{whose} has no option {name!r}{said_here(name)}; it has {also}{', '.join(known)}")


def checked(fields: type, given: Mapping[str, Any], whose: str) -> dict[str, Any]:
    """The clean values of those that are given. Raises InvalidType for a name that the list has not, and what the
    checks raise."""
    refuse_unknown(fields, given, whose)
    known = options_of(fields)
    return {name: known[name].kind.check(value, name) for name, value in given.items() if value is not None}


def complete(fields: type, given: Mapping[str, Any], whose: str) -> dict[str, Any]:
    """The clean values of all, with the defaults; raises as ``checked``."""
    defaults = {name: option.default for name, option in options_of(fields).items()}
    return {**dict.fromkeys(defaults), **checked(fields, defaults, whose), **checked(fields, given, whose)}


def stored(fields: type, clean: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a job that keep these clean values."""
    known = options_of(fields)
    return {
        known[name].column: None if value is None else known[name].stored(value)
        for name, value in clean.items() if known[name].column
    }  # fmt: skip
