"""The kinds of values that options take: how each is checked, and how it is typed on a command line.

Owns these pairs. The checks themselves are ``base``'s; a kind that one option alone has is made beside that option.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from ..base import backoff, checks, keyspec
from ..base.errors import InvalidArgument, InvalidType
from .option import Kind, as_it_is

CALLBACK: Final = "__litequeue_callback__"  # what is called once a job has ended says by it what it comes to
GRAPH: Final = "__litequeue_graph__"  # a shape says by it which jobs it comes to
ENDS: Final = "__litequeue_ends__"  # what a handle tells the jobs by whose end is its own

MAX_TAGS: Final = 20
MAX_HEADERS: Final = 8 << 10  # bytes, as JSON
LEAST_SIZE: Final = 32 << 20  # less has no process that has imported litequeue and a little more
MOST_SIZE: Final = 1 << 50

Span = str | float | timedelta  # "1h30m", seconds, or a timedelta
Exceptions = type[BaseException] | tuple[type[BaseException], ...]


def integer(low: int, high: int) -> Kind:
    return Kind(lambda value, name: checks.integer(value, name, low, high), "N", lambda text: integer_typed(text, low, high))


def one_of(*choices: str) -> Kind:
    return Kind(lambda value, name: checks.one_of(value, name, choices), "|".join(choices), choices=choices)


def line(metavar: str) -> Kind:
    """A line of text."""
    return Kind(checks.line, metavar)


def anything(metavar: str | None = "VALUE", parse: Callable[[str], Any] = str) -> Kind:
    """What somebody else checks, who knows more."""
    return Kind(lambda value, name: value, metavar, parse)


def integer_typed(text: str, low: int, high: int) -> int:
    """A number as it is typed. Raises InvalidArgument, for whoever puts the name before it."""
    try:
        found = int(text)
    except ValueError:
        found = low - 1
    if not low <= found <= high:
        raise InvalidArgument(f"must be a whole number from {low} to {high}, not {text!r:.60}")
    return found


def moment_typed(text: str) -> datetime:
    """A time as people write it; without a zone it is the host's own."""
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is not None else found.astimezone()
    except (ValueError, OverflowError):
        raise InvalidArgument(
            f"{text!r:.60} is no date and time: write it as 2026-12-24 18:00, with +01:00 for another zone"
        ) from None


def _deadline_typed(text: str) -> str | datetime:
    return moment_typed(text) if "-" in text or ":" in text else text


def _deadline(value: Any, name: str) -> Any:
    """A span from now, in microseconds, or a moment, as an aware datetime: what the two have in common is a clock's."""
    if isinstance(value, datetime):
        return checks.aware(checks.moment(value, name))
    return checks.span(value, name, zero=False)


def _names(value: Any, name: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, Iterable):
        raise InvalidType(f"{name} must be a list of names, not {type(value).__name__}: {value!r:.100}")
    names = tuple(checks.name(item, name) for item in value)
    if not names:
        raise InvalidArgument(f"{name} must name at least one; leave it out for all")
    return names


def _codecs(value: Any, name: str) -> tuple[str, ...]:
    """Which there are is known where a task is made."""
    given = value if isinstance(value, (list, tuple)) else (value,)
    if not given:
        raise InvalidArgument(f"{name} must name at least one; leave it out for JSON")
    return tuple(dict.fromkeys(checks.line(item, name) for item in given))


def _tags(value: Any, name: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(_names(value, name)))
    if len(found) > MAX_TAGS:
        raise InvalidArgument(f"{name} are {len(found)}, and a job may have {MAX_TAGS}")
    return found


def _headers(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidType(f"{name} must be a dict of values by names, not {type(value).__name__}: {value!r:.100}")
    for key, item in value.items():
        if not isinstance(key, str):
            raise InvalidType(f"{name} has texts as its names, not {type(key).__name__}: {key!r:.60}")
        if type(item) not in (str, int, float, bool, type(None)) or type(item) is float and not math.isfinite(item):
            raise InvalidType(f"{name}[{key!r:.60}] must be a text, a number, a bool or None, not {type(item).__name__}: {item!r:.60}")
    found = dict(value)
    size = len(json.dumps(found))
    if size > MAX_HEADERS:
        raise InvalidArgument(f"{name} take {size:,} bytes, and may take {MAX_HEADERS:,}: they are for what observers need")
    return found


def _object_typed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"{text!r:.100} is no JSON ({error}); such as '{{\"request\": \"r-17\"}}'") from None


def _addresses(value: Any, name: str) -> str:
    """Addresses as a mail's header has them, and names of this host's users, as cron's MAILTO does."""
    if isinstance(value, (list, tuple)) and all(isinstance(address, str) for address in value):
        value = ", ".join(value)
    text = checks.line(value, name)
    addresses = [checks.address(address.strip(), name) for address in text.split(",")]
    return ", ".join(dict.fromkeys(addresses))


def _classes(value: Any, name: str) -> tuple[type[BaseException], ...]:
    classes = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            raise InvalidType(f"{name} must be an exception class or a tuple of them, not {cls!r:.100}")
    return classes


def _callback(value: Any, name: str) -> Any:
    """A task, a signature, or the name of a task."""
    if isinstance(value, str):
        return checks.name(value, name)
    if isinstance(value, type) or not hasattr(type(value), CALLBACK):
        raise InvalidType(f"{name} must be a task, a signature (task.s(...)), or the name of a task, not {type(value).__name__}: {value!r:.100}")
    return value


def _jobs(value: Any, name: str) -> tuple[Any, ...]:
    """Handles, and ids, of jobs and flows. What each stands for is found where there is a file to ask."""
    if isinstance(value, (int, str)) or hasattr(type(value), ENDS):
        value = (value,)
    if not isinstance(value, Iterable):
        raise InvalidType(f"{name} must be a job, a flow, or a list of them, not {type(value).__name__}: {value!r:.100}")
    found = tuple(value)
    for item in found:
        digits = str(item).removeprefix("flow:") if isinstance(item, str) else str(item)
        is_id = type(item) in (int, str) and digits.isascii() and digits.isdigit() and 0 < int(digits[:20]) < 2**63
        if not is_id and not hasattr(type(item), ENDS):
            raise InvalidType(f"{name} takes jobs and flows, the ids of jobs, and flow:ID, not {item!r:.100}")
    return found


def _unique_once(value: Any, name: str) -> str | bool:
    """Of one enqueue: False, or the key itself."""
    if value is True:
        raise InvalidArgument(f"{name} of an enqueue is a key, a text, or False for none; that all jobs of a task have one is said with it: @app.task({name}=True)")
    if value is not False and not isinstance(value, str):
        raise InvalidType(f"{name} of an enqueue is a key, a text, or False for none, not {type(value).__name__}: {value!r:.60}")
    return False if value is False else checks.utf8_line(value, name)


def _until(value: Any, name: str) -> str | int:
    if value in ("finish", "start"):
        return str(value)
    try:
        return int(checks.span(value, name, zero=False))
    except (InvalidArgument, InvalidType) as error:
        raise type(error)(f'{name} is "finish", "start" or a length of time: {error}') from None


def _rate(value: Any, name: str) -> tuple[int, int]:
    if not isinstance(value, str):
        raise InvalidType(f"{name} must be a text such as '100/m', not {type(value).__name__}: {value!r:.60}")
    from ..base import durations  # for the few that have one

    try:
        return durations.rate(value)
    except InvalidArgument as error:
        raise InvalidArgument(f"{name}: {error}") from None


def _size(value: Any, name: str) -> int:
    found: Any = checks.whole(value)
    if isinstance(value, str):
        from ..base import sizes  # for the few that have one

        try:
            found = sizes.parse(value)
        except InvalidArgument as error:
            raise InvalidArgument(f"{name}: {error}") from None
    elif isinstance(found, bool) or not isinstance(found, int):
        raise InvalidType(f"{name} must be a size, such as '512M', or a number of bytes, not {type(value).__name__}: {value!r:.60}")
    if not LEAST_SIZE <= found <= MOST_SIZE:
        meant = f"; for megabytes write '{found}M'" if str(value) == str(found) and 0 < found < 1 << 20 else ""
        raise InvalidArgument(f"{name} must be from {LEAST_SIZE >> 20}M to {MOST_SIZE >> 40}T, not {value!r:.60}{meant}")
    return int(found)


FLAG: Final = Kind(checks.flag, None, as_it_is)
NAME: Final = Kind(checks.name, "NAME")
ADDRESSES: Final = Kind(_addresses, "ADDRESS", joined=", ")
NAMES: Final = Kind(_names, "A,B", lambda text: text.split(","))
HEADERS: Final = Kind(_headers, "JSON", _object_typed)
CODECS: Final = Kind(_codecs)
TAGS: Final = Kind(_tags, "A,B", lambda text: text.split(","))
SPAN: Final = Kind(checks.span, "SPAN")  # clean: microseconds
LENGTH: Final = Kind(lambda value, name: checks.span(value, name, zero=False), "SPAN")  # the same, but not zero
MOMENT: Final = Kind(lambda value, name: checks.aware(checks.moment(value, name)), "TIME", moment_typed)
DEADLINE: Final = Kind(_deadline, "SPAN|TIME", _deadline_typed)
CLASSES: Final = Kind(_classes)
CALLBACKS: Final = Kind(_callback, "TASK")
JOBS: Final = Kind(_jobs, "ID,ID", lambda text: text.split(","))
BACKOFF: Final = Kind(lambda value, name: backoff.check(value))
KEY_SPEC: Final = Kind(keyspec.check)
KEY: Final = Kind(_unique_once, "KEY|no", lambda text: False if text == "no" else text)
UNTIL: Final = Kind(_until)
RATE: Final = Kind(_rate, "N/SPAN")
SIZE: Final = Kind(_size, "SIZE")  # clean: bytes
