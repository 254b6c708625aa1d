"""A job's description as JSON, for who is told of its failure: not too long and not too deep to be handed on.

Owns what is left out of one that is: its parts, the longest-winded first, each named in ``left_out``. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from . import stored

MOST: Final = 200_000  # characters of a job as JSON; within a job's own limit, however it is quoted there
PRINTED: Final = 20_000  # characters of a command's output that a mail shows as they are
DEEP: Final = stored.MAX_DEPTH - 10  # as a part of a call
LONG: Final = 1_000  # characters of one text that are kept when all else is left out


def abridged(job: Mapping[str, Any]) -> dict[str, Any]:
    """The job as plain JSON, not too long and not too deep."""
    attempts = [dict(attempt) for attempt in job["attempts"]]
    short, left_out = {**job, "attempts": attempts}, list[str]()
    for part, leave_out in _LEAVE_OUT.items():
        found = _plain(short)
        if found is not None:
            return found | ({"left_out": left_out} if left_out else {})
        leave_out(short)
        left_out.append(part)
    found = {key: value[:LONG] if isinstance(value, str) else value for key, value in short.items()}
    return (_plain(found) or {"id": job["id"]}) | {"left_out": left_out}


def as_argument(found: Any) -> Any:
    """The JSON of a call's argument that comes out as this: what looks like a tag of ``payload`` in it is kept from being read as one."""
    if isinstance(found, list):
        return list(map(as_argument, found))
    if not isinstance(found, dict):
        return found
    items = [[key, as_argument(value)] for key, value in found.items()]
    return {"$dict": items} if len(items) == 1 and items[0][0].startswith("$") else dict(items)


def _plain(job: dict[str, Any]) -> dict[str, Any] | None:
    """As it comes out of JSON; None if it is too long or too deep."""
    try:
        text = json.dumps(job, default=lambda value: value.isoformat(), allow_nan=False)
        if len(text) > MOST or stored.nesting(text) > DEEP:
            return None
        found: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found


def _without_early_output(job: dict[str, Any]) -> None:
    kept, total = [], 0
    for piece in reversed(job.get("output", ())):
        total += len(piece["text"])
        if total <= PRINTED:
            kept.append(piece)
    job["output"] = kept[::-1]


def _without_old_tracebacks(job: dict[str, Any]) -> None:
    for attempt in job["attempts"][:-1]:
        attempt["traceback"] = ""


def _without_call(job: dict[str, Any]) -> None:
    job.update(args=None, kwargs=None, result=None)


def _without_attempts(job: dict[str, Any]) -> None:
    job["attempts"] = []


_LEAVE_OUT: Final = {
    "all but the end of the output": _without_early_output,
    "the tracebacks of earlier attempts": _without_old_tracebacks,
    "args, kwargs and result": _without_call,
    "attempts": _without_attempts,
}
