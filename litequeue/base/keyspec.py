"""What a key is made of, as somebody says it: all of a call's arguments, some of them, or a pattern with their names in braces.

Owns that check, and how a pattern is taken apart. Which arguments there are, and what they come to, is ``tasks/keys``'s.
"""

from __future__ import annotations

import string
from typing import Any

from .errors import InvalidArgument, InvalidType


def pattern(text: str, what: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The text around its names, and these. Raises InvalidArgument for what is none."""
    try:
        pieces = list(string.Formatter().parse(text))
    except ValueError as error:
        raise InvalidArgument(f"{what} is no pattern, {error}: {text!r:.100}") from None
    literals, names = [""], []
    for literal, name, form, conversion in pieces:
        literals[-1] += literal
        if name is None:
            continue
        if form or conversion or not (name.isidentifier() or name.isdecimal()):
            raise InvalidArgument(
                f"{what} takes arguments by their names or numbers alone, as in \"user:{{user_id}}\", with no attribute, !r or :format: {text!r:.100}"
            )
        names.append(name)
        literals.append("")
    if not text.strip():
        raise InvalidArgument(f"{what} must not be empty")
    return tuple(literals), tuple(names)


def check(value: Any, name: str) -> Any:
    """True, False, a pattern, or names of arguments."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        pattern(value, name)
        return value
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item.isidentifier() for item in value):
        raise InvalidType(f'{name} must be True, names of arguments as in ("user_id",), or a pattern as in "user:{{user_id}}", not {value!r:.100}')
    if not value:
        raise InvalidArgument(f"{name} must name at least one argument; True is for all of them")
    return tuple(value)
