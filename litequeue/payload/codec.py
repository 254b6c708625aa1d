"""Arguments and results as JSON text that comes back exactly as it went in, or is refused.

Owns the format. Plain JSON values are stored as plain JSON. Anything else is a *tagged* value: an object
with one key that starts with ``$``, such as ``{"$tuple": [1, 2]}``; a plain dict that looks like one is
stored as ``{"$dict": [[key, value], ...]}``, which is also the form for keys that are no strings. Never
unpickles, imports or evaluates anything that the text names: a tag picks a decoder from a fixed table, or
from the types that the app registered. What other codecs wrote (``coded``) is refused, but for JSON that was compressed.

The fast path costs ``json.dumps`` plus a look at each container's set of types (``set(map(type, x))`` runs
in C): 1.2 times json.dumps for a list of 1000 ints, 1.4 for 100 small dicts.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

from ..base.errors import (
    CannotOpen,
    InvalidArgument,
    PayloadCorrupt,
    PayloadTooLarge,
    UnknownTask,
)
from ..base.stored import (
    CODEC,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_INFLATED,
    ZLIB,
    beyond,
    inflated,
)
from .collisions import HASHED, SHORT, Collisions
from .plain import encode_plain as _encode_plain
from .refusal import not_here, refuse, too_large
from .types import DECODERS, ENCODERS, late_encoder

Opener = Callable[[Any], Any]  # of what stands behind the tag of a codec: the value

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_CONTAINERS: Final = frozenset({list, dict})
_BIG_INT_BITS: Final = 12_000  # Python refuses to print or parse ints over 4300 digits


def _is_plain(value: Any, limit: int = MAX_BYTES) -> bool:
    """Whether json.dumps keeps ``value`` exactly, NaN, huge ints and surrogates aside.

    Goes level by level, so that the types of a whole level are looked at by one call in C.
    """
    if type(value) in _SCALARS or (type(value) is list and _SCALARS.issuperset(map(type, value))):
        return True
    level = [value]
    seen = 0
    for _ in range(MAX_DEPTH):
        kinds = set(map(type, level)) - _SCALARS
        if not kinds:
            return True
        if not kinds <= _CONTAINERS:
            return False
        below: list[Any] = []
        keys: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                keys += item
                below += item.values()
                if len(item) == 1 and str(keys[-1])[:1] == "$":
                    return False
            elif kind is list:
                below += item
        if keys and set(map(type, keys)) != {str}:
            return False
        seen += len(below)
        if seen > limit:  # each takes two bytes and more; this also ends [x, x] inside itself
            raise PayloadTooLarge(f"the value holds over {limit:,} items; store it elsewhere")
        level = below
    return False


class Codec:
    """Encodes and decodes; knows the standard types and those that were registered. Of an app, and of its tasks that ask for no other."""

    writes: str | None = None  # the codec of calls and results, where that is not JSON
    reads: frozenset[str] = frozenset()  # those by which they may have been written, beside JSON

    def __init__(self) -> None:
        self._by_class: dict[type, tuple[str, Callable[[Any, str], Any]]] = {}
        self._by_name: dict[str, Callable[[Any], Any]] = {}
        self._decode_tagged = json.JSONDecoder(object_hook=self._untag, parse_constant=_no_constant).decode
        self.others: Any = None  # ``coded.Others``, once the app has any

    # -- registering -----------------------------------------------------------------------

    def register(
        self,
        cls: type,
        encode: Callable[[Any], Any] | None = None,
        decode: Callable[[Any], Any] | None = None,
        name: str | None = None,
    ) -> None:
        """Teach the codec a class. ``encode`` turns an instance into storable values, ``decode`` back.

        Both may be left out for Enum classes and dataclasses. Raises InvalidType or InvalidArgument.
        """
        from .registering import registered  # most programs register nothing

        key, encoder, decoder = registered(cls, encode, decode, name)
        known = self._by_name.get(key)
        if known is not None and self._by_class.get(cls, ("",))[0] != key:
            raise InvalidArgument(f"another class is registered as {key!r}; give this one a name=")
        self._by_class[cls] = (key, encoder)
        self._by_name[key] = decoder

    # -- encoding --------------------------------------------------------------------------

    def encode(self, value: Any, what: str = "value", limit: int = MAX_BYTES) -> str:
        """``value`` as JSON text. Raises PayloadError naming the place, or PayloadTooLarge."""
        text = self._encode(value, what, limit)
        if len(text) > limit:
            raise too_large(len(text), f"{what} takes", limit)
        return text

    encode_result = encode

    def encode_plain(self, value: Any) -> str | None:
        """The hot path of ``encode``: None where the value needs more than a look at its types."""
        if type(value) is list and _SCALARS.issuperset(map(type, value)):
            try:
                text = _encode_plain(value)
            except ValueError:
                return None
            if "\\ud" not in text and len(text) <= MAX_BYTES:
                return text
        return None

    def encode_call(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, str]:
        """A call's arguments as stored. Raises PayloadError naming the argument, or PayloadTooLarge."""
        if not kwargs:
            text = self.encode_plain(list(args))
            if text is not None:
                return text, "{}"
        encoded = self.encode(list(args), f"{name}: args") if args else "[]"
        named = self.encode(dict(kwargs), f"{name}: kwargs") if kwargs else "{}"
        if len(encoded) + len(named) > MAX_BYTES:
            raise too_large(len(encoded) + len(named), f"{name}: the arguments take")
        return encoded, named

    encode_ahead = encode_call  # before there is a job: of a schedule, a callback

    def encode_step(self, value: Any, key: str) -> str:
        return self.encode(value, f"the result of step {key!r}")

    def _encode(self, value: Any, what: str, limit: int) -> str:
        if _is_plain(value, limit):
            try:
                text = _encode_plain(value)
            except (ValueError, RecursionError):  # NaN, infinity, an int of over 4300 digits
                pass
            else:
                # Two lone surrogates in a row come back from JSON as one character.
                if "\\ud" not in text or json.loads(text) == value:
                    return text
        try:
            return _encode_plain(self._tagged(value, what, 0))
        except RecursionError:
            refuse(what, "it is nested too deeply")

    def _tagged(self, value: Any, where: str, depth: int) -> Any:
        kind = type(value)
        if depth > MAX_DEPTH:
            refuse(where, f"it is nested more than {MAX_DEPTH} levels deep, or contains itself")
        depth += 1
        if kind is list:
            return [self._tagged(v, f"{where}[{i}]", depth) for i, v in enumerate(value)]
        if kind is dict:
            plain_keys = all(type(k) is str and _joins_back(k) for k in value)
            if plain_keys and not (len(value) == 1 and next(iter(value))[:1] == "$"):
                return {k: self._tagged(v, f"{where}[{k!r:.40}]", depth) for k, v in value.items()}
            return {
                "$dict": [
                    [
                        self._tagged(k, f"key {k!r:.40} of {where}", depth),
                        self._tagged(v, f"{where}[{k!r:.40}]", depth),
                    ]
                    for k, v in value.items()
                ]
            }
        if kind in (tuple, set, frozenset):
            items = [self._tagged(v, f"{where}[{i}]", depth) for i, v in enumerate(value)]
            return {f"${kind.__name__}": items}
        if kind is str:
            if _joins_back(value):
                return value
            return {"$str": value.encode("utf-8", "surrogatepass").hex()}
        if kind is int:
            return {"$int": hex(value)} if value.bit_length() > _BIG_INT_BITS else value
        if kind is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if kind is bool or value is None:
            return value
        encoder = ENCODERS.get(kind) or late_encoder(kind)
        if encoder is not None:
            return encoder(value, where)
        registered = self._by_class.get(kind)
        if registered is not None:
            name, encode = registered
            return {"$type": [name, self._tagged(encode(value, where), where, depth)]}
        from .ways import hint  # what is stored needs none

        refuse(where, hint(kind))

    # -- decoding --------------------------------------------------------------------------

    def check_ready(self) -> None:
        """Raises CannotOpen where what it takes to read and to write is not there: a key."""

    def decode(self, text: str, coded: Opener | None = None) -> Any:
        """The value behind ``text``. Raises PayloadCorrupt for anything that encode() never wrote. ``coded``: what opens the values in it
        that other codecs wrote."""
        why = beyond(text)
        if why is not None:
            raise PayloadCorrupt(f"the stored value is not read: {why}")
        try:
            if '"$' not in text:
                return _decode_plain(text)
            return self._decode_tagged(text) if coded is None and len(text) <= SHORT else self._decode_counting(text, Collisions(), coded)
        except (PayloadCorrupt, UnknownTask, CannotOpen):  # the last two of what other codecs wrote
            raise
        except RecursionError:
            raise PayloadCorrupt("the stored value is nested too deeply") from None
        except MemoryError:  # of a task that may have only so much
            raise
        except Exception as error:
            raise PayloadCorrupt(f"the stored value cannot be decoded: {type(error).__name__}: {error!s:.200}") from error

    def decode_call(self, args: str, kwargs: str, inputs: str | None = None) -> tuple[list[Any], dict[str, Any]]:
        """The arguments, anew for each attempt; ``inputs``: what other jobs came to, if it takes that. Raises PayloadCorrupt."""
        positional = [] if args == "[]" else self.decode(args)
        named = {} if kwargs == "{}" else self.decode(kwargs)
        if inputs is not None and type(positional) is list:
            positional = [self.decode(inputs), *positional]
        if type(positional) is not list or type(named) is not dict:
            raise PayloadCorrupt("the stored arguments are not a JSON array and object")
        return positional, named

    def decode_step(self, text: str, key: str) -> Any:
        return self.decode(text)

    def decode_result(self, text: str) -> Any:
        """What a job came to, for who asks for it: of a task with another codec, too, if its code is here. Raises PayloadCorrupt, or
        UnknownTask where that is not."""
        if f'"{CODEC}"' not in text:
            return self.decode(text)
        return self.decode(text, not_here if self.others is None else self.others.open_result)

    def _decode_counting(self, text: str, collisions: Collisions, coded: Opener | None) -> Any:
        hook = functools.partial(self._untag, collisions=collisions, coded=coded)
        return json.JSONDecoder(object_hook=hook, parse_constant=_no_constant).decode(text)

    def _untag(self, found: dict[str, Any], collisions: Collisions | None = None, coded: Opener | None = None) -> Any:
        if len(found) != 1:
            return found
        ((tag, body),) = found.items()
        if tag[:1] != "$":
            return found
        if tag == "$type":
            name, inner = body
            decode = self._by_name.get(name)
            if decode is None:
                raise PayloadCorrupt(
                    f"the stored value is of the type {name!r:.200}, which is not registered here; "
                    "call app.register_type for it before the worker starts"
                )
            return decode(inner)
        decoder = DECODERS.get(tag)
        if decoder is None:
            if tag == CODEC:
                return self._open(body, collisions or Collisions(), coded)
            raise PayloadCorrupt(f"the stored value has the unknown tag {tag!r:.100}")
        if collisions is not None and tag in HASHED:
            collisions.count(body if tag != "$dict" else (key for key, _ in body))
        return decoder(body)

    def _open(self, body: Any, costs: Collisions, coded: Opener | None) -> Any:
        """What a codec wrote: compressed JSON, for whoever reads JSON; anything else only for who says that it is to be read there."""
        name, data = body[:2]
        if name == ZLIB:
            text = inflated(data, costs.room)
            costs.room -= len(text)
            why = beyond(text, MAX_INFLATED)
            if why is not None:
                raise PayloadCorrupt(f"the stored value is not read: {why}")
            return self._decode_counting(text, costs, None) if '"$' in text else _decode_plain(text)
        if coded is None:
            raise PayloadCorrupt(f'the stored value was written by the codec {name!r:.100}, which is not read here; a task that is to, says so: codec=("json", {name!r:.100})')
        return coded(body)


def _joins_back(text: str) -> bool:
    """Whether JSON gives the string back: two lone surrogates in a row would join to one char."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return bool(json.loads(_encode_plain(text)) == text)
    return True


def _no_constant(word: str) -> NoReturn:
    raise PayloadCorrupt(f"the stored value has a bare {word}, which litequeue never writes")


# json.loads with options makes a decoder for each call, which costs more than decoding a short text.
_decode_plain = json.JSONDecoder(parse_constant=_no_constant).decode
