"""One job that calls its task for each of many items, one after the other.

Owns the mark that makes a job one of those, the check of its items, and the loops that call. The mark is a keyword that no
function can have, so that such a job is a job of its task like others: found, run, retried and shown by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from ..base.errors import InvalidArgument, InvalidType, JobCancelled, SignatureMismatch
from ..base.models import EACH
from .code import TaskCode
from .context import JobContext

MAP: Final = "map"  # each item is the argument
STARMAP: Final = "starmap"  # each item is the list of arguments


def check_items(code: TaskCode, args: Sequence[Any], kwargs: Mapping[str, Any], *, takes: bool) -> None:
    """Raise SignatureMismatch or InvalidType for an item with which the task could not be called. Items that are yet to come, as
    the result of another job that it ``takes``, are met when they are there."""
    if not args and not takes:
        raise InvalidType(f"{code.name}.{kwargs[EACH]}() goes through one list of items: give it one, or put what makes it before it in a chain")
    for position, item in enumerate(args[0] if args else ()):
        try:
            code.check_call(_arguments(item, kwargs[EACH]), {})
        except (SignatureMismatch, InvalidType) as error:
            raise type(error)(f"{code.name}.{kwargs[EACH]}: item {position}: {error}") from None


def call_each(context: JobContext, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The results, in order. Raises JobCancelled between two items once somebody has asked for that."""
    results = []
    for item in _items(args):
        _go_on(context)
        results.append(function(*_arguments(item, kwargs[EACH])))
    return results


async def await_each(
    context: JobContext, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Any]:
    return [await function(*_arguments(item, kwargs[EACH])) for item in _items(args)]


def _items(args: Sequence[Any]) -> Sequence[Any]:
    if len(args) != 1 or not isinstance(args[0], (list, tuple)):
        given = type(args[0]).__name__ if len(args) == 1 else f"{len(args)} arguments"
        raise InvalidType(f"map and starmap go through one list of items, not {given}: {', '.join(map(repr, args)):.100}")
    return args[0]


def _arguments(item: Any, how: str) -> Sequence[Any]:
    if how == MAP:
        return (item,)
    if how != STARMAP:
        raise InvalidArgument(f"a job is to be called by {MAP} or {STARMAP}, not {how!r:.100}")
    if not isinstance(item, Iterable) or isinstance(item, (str, bytes, Mapping)):
        raise InvalidType(f"it must be a tuple or list of arguments, not {type(item).__name__}; for one argument write (x,), or use map")
    return tuple(item)


def _go_on(context: JobContext) -> None:
    if context.cancelled:
        raise JobCancelled(f"job {context.id} was cancelled between two items")
