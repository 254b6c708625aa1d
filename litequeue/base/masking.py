"""What of a call's arguments is secret, and how a call is shown without it: the one place that masks.

Owns what is recorded of a task's secret arguments (``Secrets``) and both ways to leave them out: of the stored call, and of
a text that somebody wrote about it, such as an error. The file keeps the call as it is, since the task needs it. The records
of jobs and schedules have what it takes to be shown masked, by ``masked()``: also where the task's code is not.
"""

from __future__ import annotations

import binascii
import contextlib
import functools
import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from . import stored
from .errors import InvalidArgument
from .models import EACH
from .stored import CODEC

if TYPE_CHECKING:
    from inspect import Signature

MASK: Final = "***"
SHORTEST: Final = 4  # characters of a text that is looked for in others: what is shorter stands in too many words
ENOUGH: Final = 16  # characters of its beginning that give it away, where an error quotes the first hundred
MOST: Final = 1_000  # texts of one call that are looked for
COMMAND: Final = "litequeue.command"  # the task that comes along; nobody has to have recorded its secrets
_UNREADABLE: Final = json.dumps(MASK)


class Secrets(NamedTuple):
    """Which arguments of a task are secret."""

    names: frozenset[str] = frozenset()  # given as keywords
    positions: frozenset[int] = frozenset()
    rest: int | None = None  # those of ``*args``: all from this position on
    others: frozenset[str] | None = None  # those of ``**kwargs``: all keywords but these
    inside: frozenset[str] = frozenset()  # given as keywords: dicts of which the keys are shown

    @classmethod
    def of(cls, task: str, signature: Signature, names: Iterable[str]) -> Secrets:
        """Of a function's parameters. Raises InvalidArgument for a name that it does not take."""
        parameters = signature.parameters.values()
        by_position = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        by_name = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
        found = cls(frozenset(names))
        for name in found.names:
            parameter = signature.parameters.get(name)
            if parameter is None and not takes_any:
                known = ", ".join(signature.parameters) or "none"
                raise InvalidArgument(f"secret names {name!r}, which is no argument of {task}; its arguments are: {known}")
            if parameter is not None and parameter.kind is parameter.VAR_POSITIONAL:
                found = found._replace(rest=len(by_position))
            elif parameter is not None and parameter.kind is parameter.VAR_KEYWORD:
                found = found._replace(others=frozenset(by_name - found.names))
        return found._replace(positions=frozenset(n for n, name in enumerate(by_position) if name in found.names))

    def as_json(self) -> dict[str, Any]:
        """As it is recorded with the task's options."""
        said = {key: sorted(value) if isinstance(value, frozenset) else value for key, value in self._asdict().items()}
        return {key: value for key, value in said.items() if value not in (None, []) or key == "others" and value == []}

    def call(self, args: str, kwargs: str) -> tuple[str, str]:
        """The stored arguments with a mask for each secret one."""
        try:
            positional, named = _read(args, kwargs)
            if not self._take(positional, named):
                return args, kwargs
            return _written(positional), _written(named)
        except (ValueError, RecursionError):  # planted, or of an odd form: nobody can say what in it is secret
            return _UNREADABLE, _UNREADABLE

    def hider(self, args: str, kwargs: str) -> Callable[[str], str]:
        """What takes the texts of these arguments out of another text."""
        try:
            texts = _texts(self._take(*_read(args, kwargs)))
        except ValueError:
            if CODEC in args + kwargs:  # a codec wrote it that the task had before, and nobody here can tell what is in it
                return lambda text: MASK
            return lambda text: text  # no code can have seen them
        if len(texts) > MOST:
            return lambda text: MASK
        return lambda text: functools.reduce(_without, texts, text)

    def _take(self, positional: list[Any], named: dict[str, Any]) -> list[Any]:
        """The secret values; where they were are masks now."""
        if EACH in named:  # the arguments of many calls: all of them
            taken, positional[:] = list(positional), [MASK] * len(positional)
            return taken
        taken = []
        for number, value in enumerate(positional):
            if number in self.positions or self.rest is not None and number >= self.rest:
                taken.append(value)
                positional[number] = MASK
        for name, value in named.items():
            if name in self.inside and isinstance(value, dict):
                taken.append(value)
                named[name] = dict.fromkeys(value, MASK)
            elif name in self.names or name in self.inside or self.others is not None and name not in self.others:
                taken.append(value)
                named[name] = MASK
        return taken


OF_COMMANDS: Final = Secrets(inside=frozenset({"secret_env"}))
_ALL: Final = Secrets(rest=0, others=frozenset())


@functools.lru_cache(maxsize=32)
def recorded(task: str, options: str | None) -> Secrets | None:
    """The secrets of a task by what is recorded of its options; None where it has none."""
    if task == COMMAND:
        return OF_COMMANDS
    if options is None or '"secret"' not in options:
        return None
    try:
        found = stored.loads(options).get("secret")
        return None if found is None else _checked(found)
    except (ValueError, TypeError, AttributeError):  # planted: nobody can say what is secret
        return _ALL


def _checked(found: Any) -> Secrets:
    """What ``as_json`` wrote; raises TypeError for anything else."""
    fields: dict[str, Any] = {}
    for key, value in found.items():
        if key == "rest" and isinstance(value, int):
            fields[key] = value
        elif key != "rest" and isinstance(value, list):
            fields[key] = frozenset(value)
        else:
            raise TypeError(key)
    return Secrets(**fields)


def _read(args: str, kwargs: str) -> tuple[list[Any], dict[str, Any]]:
    positional, named = stored.loads(args), stored.loads(kwargs)
    if not isinstance(positional, list) or not isinstance(named, dict) or "$dict" in named:
        raise ValueError("it is no call, or one with odd keywords")
    return positional, named


def _written(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


# -- looking for them in other texts ---------------------------------------------------------------------


def _texts(values: list[Any]) -> list[str]:
    """All texts in stored values, in each way that somebody may have written them; the longest first."""
    found: set[str] = set()
    left = list(values)
    while left:
        value = left.pop()
        if isinstance(value, dict):
            with contextlib.suppress(ValueError, TypeError, LookupError):  # planted
                left += _inside(value)
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str):
            for text in (value, *value.splitlines()):
                found |= {text, repr(text)[1:-1], json.dumps(text)[1:-1]}
        elif value is not None and not isinstance(value, bool):
            found.add(str(value))
    return sorted((text for text in found if len(text) >= SHORTEST), key=len, reverse=True)


def _inside(value: dict[str, Any]) -> list[Any]:
    """What a dict has, or a tagged value (``payload/codec``), whose tag and class are no secret."""
    tag, body = next(iter(value.items()), ("", ""))
    if tag in ("$bytes", "$bytearray"):
        raw = binascii.a2b_base64(body)
        return [raw.decode("utf-8", "replace"), repr(raw)[2:-1]]
    if tag == "$str":
        return [bytes.fromhex(body).decode("utf-8", "surrogatepass")]
    if tag in ("$type", "$path"):
        return [body[-1]]
    return list(value.values())


def _without(text: str, secret: str) -> str:
    """A text with a mask wherever the secret stands, or a long beginning of it."""
    head, pieces, last = secret[:ENOUGH], [], 0
    while (start := text.find(head, last)) >= 0:
        end = start + len(head)
        while end < len(text) and text[end] == secret[end - start : end - start + 1]:
            end += 1
        pieces += [text[last:start], MASK]
        last = end
    return "".join((*pieces, text[last:]))
