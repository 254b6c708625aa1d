"""Texts that are made of a call's arguments: the keys of unique jobs, and of those whose limit counts for each value by itself.

Owns how a key is written, and what of a task's signature that takes: no more than is recorded for who enqueues by name. Pure; of equal calls
in any process the text is the same, whatever order sets and dicts had there.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from inspect import Parameter, Signature
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from ..base import keyspec
from ..base.errors import InvalidArgument
from ..base.exact import UniqueKey
from ..options.jobs import CONFLICT
from ..payload import Codec

MOST: Final = 200  # characters of a key; of a longer one the beginning, and a digest of all
_PLAIN: Final = (int, float, bool, type(None), UUID, date, datetime, Decimal)
_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_NAMED: Final = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class Unique(NamedTuple):
    """How a task's jobs are unique; times in microseconds."""

    maker: KeyMaker | None  # None: only where an enqueue gives a key
    until: str | int
    on_conflict: str
    debounce: int | None = None
    max_wait: int | None = None

    def key(self, text: str) -> UniqueKey:
        return UniqueKey(text, *self[1:])

    def as_json(self) -> dict[str, Any]:
        return {**self._asdict(), "maker": None if self.maker is None else self.maker.as_json()}


class LimitKeys(NamedTuple):
    """The keys of a task's jobs for its limit."""

    name: str
    maker: KeyMaker

    def key(self, args: Sequence[Any], kwargs: Mapping[str, Any], codec: Codec) -> str:
        return f"{self.name}:{self.maker.key(args, kwargs, codec)}"

    def as_json(self) -> list[Any]:
        return [self.name, self.maker.as_json()]


class KeyMaker(NamedTuple):
    """How the key of a call is made: text and arguments in turn, or all of the arguments."""

    literals: tuple[str, ...]  # one more than there are names
    names: tuple[str, ...]
    plain: bool  # a pattern: texts stand as they are; else as JSON, so that two calls never come to one key
    positional: tuple[str, ...]  # the function's parameters by place
    named: tuple[str, ...]  # and those that may be given by name
    defaults: Mapping[str, str]  # JSON
    hidden: frozenset[str] = frozenset()  # of these a digest

    def key(self, args: Sequence[Any], kwargs: Mapping[str, Any], codec: Codec) -> str:
        """Of a call. Raises PayloadError for a value that cannot be stored."""
        given = dict(zip(self.positional, args, strict=False))
        extra = {name: value for name, value in kwargs.items() if name not in self.named}
        given |= {name: value for name, value in kwargs.items() if name in self.named}
        bound = {**extra, "*": args[len(self.positional) :], "**": extra, **given}
        found = [self.literals[0]]
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            if name in bound:
                text = self._written(bound[name], codec)
            else:
                text = self.defaults.get(name, "")
                if self.plain and text:
                    text = self._written(codec.decode(text), codec)
            found += [_digest(text) if name in self.hidden else text, literal]
        text = "".join(found)
        return text if len(text) <= MOST else f"{text[:60]}... {_digest(text)}"

    def _written(self, value: Any, codec: Codec) -> str:
        if self.plain:
            if isinstance(value, enum.Enum):
                value = value.value
            if type(value) is str and value.isprintable():
                return value
            if type(value) in _PLAIN:
                return str(value)
        return canonical(codec.encode(value, "the key of a job"))

    def as_json(self) -> dict[str, Any]:
        """As it is recorded with the task's options."""
        return {**self._asdict(), "hidden": sorted(self.hidden)}


def key_maker(
    task: str, signature: Signature, spec: Literal[True] | str | Sequence[str], what: str, codec: Codec, hidden: Iterable[str] = ()
) -> KeyMaker:
    """``spec``: True for all arguments, names of some, or a pattern with names, or numbers, in braces. Raises InvalidArgument for a name that the
    task does not take; ``what`` is the option's name."""
    parameters = signature.parameters
    positional = tuple(p.name for p in parameters.values() if p.kind in _POSITIONAL)
    named = tuple(p.name for p in parameters.values() if p.kind in _NAMED)
    rest = next((p.name for p in parameters.values() if p.kind is p.VAR_POSITIONAL), None)
    others = next((p.name for p in parameters.values() if p.kind is p.VAR_KEYWORD), None)

    def place(name: str) -> str:
        if name.isdecimal() and int(name) < len(positional):
            return positional[int(name)]
        if name in positional or name in named:
            return name
        if name in (rest, others) and name:
            return "*" if name == rest else "**"
        if others is not None and name.isidentifier():
            return name
        known = ", ".join(parameters) or "none"
        raise InvalidArgument(f"{what} names {name!r:.60}, which is no argument of {task}; its arguments are: {known}")

    if isinstance(spec, str):
        literals, names = keyspec.pattern(spec, what)
        if not names and (spec in parameters or spec in named):
            raise InvalidArgument(f'{what}={spec!r} is one key for all jobs, whatever their {spec} is: ("{spec}",) or "{{{spec}}}"')
    else:
        chosen = tuple(parameters) if spec is True else tuple(spec)
        literals = tuple(f"{' ' * bool(n)}{name}=" for n, name in enumerate(chosen)) + ("",)
        names = chosen
    defaults = {}
    for name, parameter in parameters.items():
        if parameter.default is not parameter.empty:
            try:
                defaults[name] = canonical(codec.encode(parameter.default, name))
            except (TypeError, ValueError):  # a mark for "not given", as code has them: its absence says it
                continue
    return KeyMaker(literals, tuple(map(place, names)), isinstance(spec, str), positional, named, defaults, frozenset(hidden))


def unique_of(task: str, signature: Signature, clean: Mapping[str, Any], given: Mapping[str, Any], codec: Codec) -> Unique | None:
    """Of a task's options, clean and as they were given. Raises InvalidArgument for what contradicts each other."""
    debounce, max_wait, spec = clean["debounce"], clean["max_wait"], clean["unique"]
    said = [name for name in ("unique_until", "on_conflict") if given.get(name) is not None]
    if debounce is None:
        if max_wait is not None:
            raise InvalidArgument("max_wait goes with debounce: how long that may put a job off")
        if not (spec or said):
            return None
    elif said or given.get("unique") is False:
        raise InvalidArgument(f"debounce says itself what becomes of a second enqueue: leave {' and '.join(said) or 'unique'} out")
    elif max_wait is not None and max_wait < debounce:
        raise InvalidArgument("max_wait must not be shorter than debounce, which each job waits")
    maker = None
    if spec or debounce is not None:
        maker = key_maker(task, signature, spec or True, "unique", codec, clean["secret"] or ())
    if debounce is not None:
        return Unique(maker, "start", "replace", debounce, max_wait)
    return Unique(maker, clean["unique_until"], clean["on_conflict"])


def recorded_unique(found: Any) -> Unique | None:
    """Out of ``Unique.as_json``; None for what somebody else has planted."""
    if not isinstance(found, dict) or set(found) != set(Unique._fields):
        return None
    maker = None if found["maker"] is None else recorded_maker(found["maker"])
    times = [found[name] for name in ("debounce", "max_wait") if found[name] is not None]
    times += [found["until"]] if found["until"] not in ("finish", "start") else []
    if maker is None and found["maker"] is not None or found["on_conflict"] not in CONFLICT:
        return None
    if not all(type(time) is int and 0 < time < 2**53 for time in times):
        return None
    return Unique(maker, found["until"], found["on_conflict"], found["debounce"], found["max_wait"])


def recorded_limit_keys(found: Any) -> LimitKeys | None:
    """Out of ``LimitKeys.as_json``; None for what somebody else has planted."""
    if not isinstance(found, list) or len(found) != 2 or not isinstance(found[0], str):
        return None
    maker = recorded_maker(found[1])
    return None if maker is None else LimitKeys(found[0], maker)


def recorded_maker(found: Any) -> KeyMaker | None:
    """Out of ``KeyMaker.as_json``; None for what somebody else has planted."""

    def texts(value: Any) -> bool:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)

    if not isinstance(found, dict) or set(found) != set(KeyMaker._fields):
        return None
    lists = [found[name] for name in ("literals", "names", "positional", "named", "hidden")]
    if not all(map(texts, lists)) or len(found["literals"]) != len(found["names"]) + 1:
        return None
    if not isinstance(found["defaults"], dict) or not texts(list(found["defaults"].values())):
        return None
    literals, names, positional, named, hidden = map(tuple, lists)
    return KeyMaker(literals, names, bool(found["plain"]), positional, named, found["defaults"], frozenset(hidden))


def canonical(text: str) -> str:
    """JSON of one form, whatever order dicts and sets had."""
    if text[:1] not in "[{":
        return text
    return json.dumps(_sorted(json.loads(text)), sort_keys=True, separators=(",", ":"))


def _sorted(value: Any) -> Any:
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    if isinstance(value, dict):
        found = {key: _sorted(item) for key, item in value.items()}
        for tag in ("$set", "$frozenset", "$dict"):
            if len(found) == 1 and isinstance(found.get(tag), list):
                return {tag: sorted(found[tag], key=json.dumps)}
        return found
    return value


def _digest(text: str) -> str:
    import hashlib  # a millisecond, for the few keys that need one

    return "#" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
