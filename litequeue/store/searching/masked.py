"""Terms that are asked of the masked call: about arguments (``args.user.id:123``), and of jobs with secrets about errors.

Owns how a path goes into a call, and that a search does not tell by what it finds what a secret argument is. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from ...base import stored
from ...base.masking import COMMAND, recorded
from ...base.search import WORD, Query, Term, Text

# Of a job in SQL: its task may have secrets, so that its errors are looked at here.
MAY_HAVE_SECRETS: Final = f"""(task = '{COMMAND}'
    OR EXISTS (SELECT 1 FROM litequeue_tasks AS o WHERE o.name = task AND instr(o.options, '"secret"') > 0))"""
OPTIONS: Final = "(SELECT options FROM litequeue_tasks AS o WHERE o.name = task)"


class Call(NamedTuple):
    """What of a row these terms are about."""

    task: str
    args: str
    kwargs: str
    last_error: str | None
    options: str | None


def is_position(part: str) -> bool:
    """Whether that part of a path is a place in a list."""
    return part.isascii() and part.isdigit()


def terms(query: Query) -> list[Term]:
    return [term for term in query.terms if term.key.startswith("args.") or term.key in (WORD, "error")]


def hold(asked: Sequence[Term], call: Call) -> bool:
    """Whether all of them do, as far as SQL has not said so. Nothing is found in what cannot be read."""
    secret = recorded(call.task, call.options)
    args, kwargs = (call.args, call.kwargs) if secret is None else secret.call(call.args, call.kwargs)
    error = call.last_error or ""
    if secret is not None:
        error = secret.hider(call.args, call.kwargs)(error)
    for term in asked:
        if term.key.startswith("args."):
            found = _at(args, kwargs, term.key.split(".")[1:])
            holds = found is not None and any(_is(found, value) for value in term.values if isinstance(value, Text))
        elif secret is None:
            continue
        else:
            texts = (call.task, error) if term.key == WORD else (error,)
            holds = any(_is_in(text, value) for text in texts for value in term.values if isinstance(value, Text))
        if holds is term.is_not:
            return False
    return True


def _at(args: str, kwargs: str, path: Sequence[str]) -> str | None:
    """What is there, as people write it; None where nothing is."""
    try:
        value: Any = stored.loads(args if is_position(path[0]) else kwargs)
    except (ValueError, RecursionError):
        return None
    for name in path:
        if isinstance(value, list) and is_position(name) and len(name) < 10 and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is(text: str, value: Text) -> bool:
    return text.startswith(value.text) if value.is_prefix else text == value.text


def _is_in(text: str, value: Text) -> bool:
    return text.startswith(value.text) if value.is_prefix else value.text.lower() in text.lower()
