"""One task, many calls: what ``delay_many`` enqueues.

Owns the reading of its items, one after the other, and what its errors say of them. How they are stored is in ``store/jobs``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any

from .base.errors import (
    InvalidArgument,
    InvalidType,
    PayloadError,
    PayloadTooLarge,
    SignatureMismatch,
)
from .client import Client
from .options import EnqueueOptions
from .tasks import TaskCode

_NO_KWARGS: Mapping[str, Any] = {}


def enqueue_many(
    client: Client, code: TaskCode, calls: Iterable[Any], options: EnqueueOptions | None
) -> tuple[Sequence[int], Sequence[bool] | None]:
    """Store one job per call, all or none, in one transaction: their ids, and which are new, if not all."""
    enqueue = client.enqueues_many or _enqueue_many
    if client.hooks.observers:
        count = len(calls) if isinstance(calls, Sized) else None
        return client.observed(code.template, count, options, lambda said: enqueue(client, code, calls, said))
    found: tuple[Sequence[int], Sequence[bool] | None] = enqueue(client, code, calls, options)
    return found


def _enqueue_many(
    client: Client, code: TaskCode, calls: Iterable[Any], options: EnqueueOptions | None
) -> tuple[Sequence[int], Sequence[bool] | None]:
    said: dict[str, Any] = dict(options or {})
    if said.pop("after", None) is not None:
        raise InvalidArgument("delay_many takes no after: group(task.s(...) for ...).apply_async(after=...) is the same for many")
    key = None
    if code.template.unique is not None or "unique" in said:
        from .unique import pattern_of

        key, said = pattern_of(code.template, said)
        if key is not None and key.text:
            raise InvalidArgument("delay_many takes no key, which all of its jobs would have: unique=False, or enqueue them one by one")
    callbacks = client.callbacks_of(said, code.template.writes)
    pattern = client.new_job(code.template, ("", ""), said)
    if callbacks:
        pattern = pattern._replace(columns=pattern.columns._replace(links=1))
    payloads = _payloads(client, code, calls, key is not None)
    limited = code.template.limited
    if limited is not None:  # each has its own
        pattern = pattern._replace(columns=pattern.columns._replace(limit_key=limited.name))
    ids, is_new, addresses = client.store.jobs.enqueue_many(pattern, payloads, client.origin_of(code), callbacks, client.batch(), key, limited is not None)
    client.recorded((code.name,))
    client.ring(addresses)
    return ids, is_new


def _payloads(client: Client, code: TaskCode, calls: Iterable[Any], is_keyed: bool) -> Iterator[tuple[str, ...]]:
    """(args, kwargs), and the keys that there are to be: of unique jobs, and of their limit."""
    limited, unique = code.template.limited, code.template.unique
    maker = unique.maker if is_keyed and unique is not None else None
    position = 0
    try:
        for position, item in enumerate(calls):
            args, kwargs = _call(item)
            code.check_call(args, kwargs)
            texts: tuple[str, ...] = code.codec.encode_call(code.name, args, kwargs)
            if maker is not None:
                texts = *texts, maker.key(args, kwargs, client.codec)
            yield texts if limited is None else (*texts, limited.key(args, kwargs, client.codec))
    except (InvalidType, SignatureMismatch, PayloadError, PayloadTooLarge) as error:
        said = code.with_name(error) if isinstance(error, PayloadError) else error
        raise type(error)(f"delay_many: item {position}: {said}") from error.__cause__


def checked_calls(client: Client, code: TaskCode, calls: Iterable[Any]) -> list[tuple[tuple[Any, ...], Mapping[str, Any]]]:
    """All of them as arguments, once each has been found good: for who does not store them."""
    items = list(calls)
    for _ in _payloads(client, code, items, False):
        pass
    return [_call(item) for item in items]


def _call(item: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if type(item) is tuple:
        return item, _NO_KWARGS
    if type(item) is dict:
        if not all(isinstance(key, str) for key in item):
            raise InvalidType("it has a keyword that is no string")
        return (), item
    raise InvalidType(
        f"it must be a tuple of arguments or a dict of keyword arguments, not {type(item).__name__}; for one argument write (x,)"
    )
