"""What a line says of a job: which fields there are, and how each value is written as JSON and read back.

Owns the form, which other programs read: fields are added, never renamed. Times are ISO 8601 in UTC, to the microsecond; lengths of time seconds; JSON that the
file keeps as text is that JSON where it is written in the same way again, and else the text itself (``args_text``), since a signature counts its letters.
What is as a new job has it is left out, but for the arguments.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from ...base import checks, stored
from ...base.checks import MICROS
from ...base.errors import InvalidArgument

MOST: Final = 2**62  # of any number that comes in
MOST_TEXT: Final = 64 << 20  # characters of one
AS_TEXT: Final = "_text"  # behind the name of what is JSON, and not as it would be written again
REQUIRED: Final = object()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(NamedTuple):
    """How a value is written, and read: which raises InvalidArgument."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


class Field(NamedTuple):
    """A field of a line, under the name of its column."""

    name: str
    kind: Kind
    usual: Any = None  # what is not said


class Table(NamedTuple):
    """What another table keeps of a job: a list of objects."""

    name: str
    fields: tuple[Field, ...]
    order: str
    many: bool = True  # else one object


def _as_it_is(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidArgument(f"must be a text, not {value!r:.60}")
    if len(value) > MOST_TEXT:
        raise InvalidArgument(f"has {len(value):,} characters, and may have {MOST_TEXT:,}")
    if not checks.is_utf8(value):
        raise InvalidArgument(f"has half a character in it, which no UTF-8 has: {value!r:.60}")
    return value


def _name(value: Any) -> str:
    text = _text(value)
    if not checks.is_name(text):
        raise InvalidArgument(f"must be a name, of 200 characters without spaces, not {value!r:.60}")
    return text


def _whole(value: Any) -> int:
    if type(value) is not int or abs(value) > MOST:
        raise InvalidArgument(f"must be a whole number, not {value!r:.60}")
    found: int = value
    return found


def _count(value: Any) -> int:
    found = _whole(value)
    if found < 0:
        raise InvalidArgument(f"must be 0 or more, not {value!r:.60}")
    return found


def _write_time(micros: int) -> str | int:
    try:
        return (_EPOCH + timedelta(microseconds=micros)).isoformat()
    except OverflowError:  # somebody has planted it
        return micros


def _time(value: Any) -> int:
    if type(value) is int:
        return int(_whole(value))
    try:
        found = datetime.fromisoformat(value)
        offset = found.utcoffset()
    except (TypeError, ValueError):
        raise InvalidArgument(f"must be a time, such as 2026-12-24T18:00:00+00:00, not {value!r:.60}") from None
    if offset is None:
        raise InvalidArgument(f"must say its time zone, such as +00:00: {value!r:.60}")
    return (found - _EPOCH) // timedelta(microseconds=1)


def _write_span(micros: int) -> int | float:
    return micros // MICROS if micros % MICROS == 0 else micros / MICROS


def _span(value: Any) -> int:
    if type(value) not in (int, float) or not 0 <= value <= checks.MAX_SECONDS:
        raise InvalidArgument(f"must be a length of time in seconds, not {value!r:.60}")
    micros: int = round(value * MICROS)
    return micros


TEXT: Final = Kind(_as_it_is, _text)
NAME: Final = Kind(_as_it_is, _name)
WHOLE: Final = Kind(_as_it_is, _whole)
COUNT: Final = Kind(_as_it_is, _count)
TIME: Final = Kind(_write_time, _time)
SPAN: Final = Kind(_write_span, _span)

# By name: how the JSON of the column is written, and what it must be.
JSONS: Final[dict[str, tuple[tuple[str, str], type]]] = {
    "args": ((",", ":"), list), "kwargs": ((",", ":"), dict), "result": ((",", ":"), object), "tags": ((", ", ": "), list), "headers": ((", ", ": "), dict),
}  # fmt: skip


def write_json(name: str, text: str) -> tuple[str, Any]:
    """The field of it, and its value."""
    try:
        if stored.beyond(text, MOST_TEXT) is None:
            value = json.loads(text)
            if json.dumps(value, separators=JSONS[name][0], allow_nan=False) == text:
                return name, value
    except (ValueError, RecursionError):
        pass
    return name + AS_TEXT, text


def read_json(name: str, value: Any, *, is_text: bool) -> str:
    """The column's text. Raises InvalidArgument."""
    separators, kind = JSONS[name]
    text = _text(value) if is_text else json.dumps(value, separators=separators)
    why = stored.beyond(text)
    if why is not None:
        raise InvalidArgument(f"is too much: {why}")
    try:
        found = json.loads(text) if is_text else value
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"is no JSON: {error}") from None
    if not isinstance(found, kind) and not (kind is not object and stored.CODEC in text):
        raise InvalidArgument(f"must be {'a list' if kind is list else 'an object'}, not {text:.60}")
    return text


JOB: Final[tuple[Field, ...]] = (
    Field("task", NAME, REQUIRED), Field("queue", NAME, "default"), Field("state", TEXT, "available"), Field("pool", TEXT, "thread"),
    Field("priority", WHOLE, 0), Field("created_at", TIME), Field("run_at", TIME), Field("started_at", TIME), Field("finished_at", TIME),
    Field("attempt", COUNT, 0), Field("releases", COUNT, 0), Field("failures", COUNT, 0), Field("interruptions", COUNT, 0), Field("max_attempts", COUNT),
    Field("timeout", SPAN), Field("soft_timeout", SPAN), Field("at_most_once", COUNT, 0), Field("expires_at", TIME), Field("cancel_requested_at", TIME),
    Field("prune_at", TIME), Field("last_error", TEXT), Field("limit_key", TEXT), Field("scheduled_for", TIME), Field("reported_at", TIME), Field("moved_to", TEXT),
)  # fmt: skip
TABLES: Final[dict[str, Table]] = {
    "errors": Table("litequeue_attempts", (
        Field("attempt", COUNT, REQUIRED), Field("outcome", TEXT, REQUIRED), Field("due_at", TIME), Field("started_at", TIME), Field("finished_at", TIME),
        Field("error_type", TEXT, REQUIRED), Field("error_message", TEXT, ""), Field("traceback", TEXT, ""),
    ), "attempt"),
    "steps": Table("litequeue_steps", (
        Field("name", TEXT, REQUIRED), Field("value", TEXT), Field("until", TIME), Field("event", TEXT), Field("attempt", COUNT, REQUIRED), Field("at", TIME, REQUIRED),
    ), "name"),
    "awaits": Table("litequeue_listeners", (Field("name", TEXT, REQUIRED), Field("step", TEXT, REQUIRED)), "name"),
    "callbacks": Table("litequeue_callbacks", (Field("number", COUNT, REQUIRED), Field("runs_when", TEXT, REQUIRED), Field("job", TEXT, REQUIRED)), "number"),
    "key": Table("litequeue_keys", (Field("key", TEXT, REQUIRED), Field("holds", COUNT), Field("until", TEXT, "finish"), Field("until_at", TIME)), "key", many=False),
    "progress": Table("litequeue_progress", (Field("attempt", COUNT, REQUIRED), Field("at", TIME, REQUIRED), Field("said", TEXT), Field("meta", TEXT)), "at", many=False),
    "usage": Table("litequeue_usage", (Field("attempt", COUNT, REQUIRED), Field("cpu_time", SPAN, REQUIRED), Field("max_rss", COUNT)), "attempt"),
    "output": Table("litequeue_output", (
        Field("attempt", COUNT, REQUIRED), Field("number", COUNT, REQUIRED), Field("stream", TEXT, REQUIRED), Field("at", TIME, REQUIRED), Field("text", TEXT, REQUIRED),
    ), "attempt, number"),
}  # fmt: skip
# What is said beside: where it was made, ran and stood. Only the schedule is looked for where it comes to.
BESIDE: Final = ("id", "schedule", "worker", "flow", "has_callbacks", "in_workflow", "waits_for", "needed_by", "inputs")
NAMES: Final = frozenset({*BESIDE, *(field.name for field in JOB), *JSONS, *(name + AS_TEXT for name in JSONS), *TABLES})
