"""Arguments and results as JSON text that comes back exactly as it went in, or is refused.

Owns the format. Plain JSON values are stored as plain JSON. Anything else is a *tagged* value: an object
with one key that starts with ``$``, such as ``{"$tuple": [1, 2]}``; a plain dict that looks like one is
stored as ``{"$dict": [[key, value], ...]}``, which is also the form for keys that are no strings. Never
unpickles, imports or evaluates anything that the text names: a tag picks a decoder from a fixed table, or
from the types that the app registered.

The fast path costs ``json.dumps`` plus a look at each container's set of types (``set(map(type, x))`` runs
in C): 1.2 times json.dumps for a list of 1000 ints, 1.4 for 100 small dicts.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from typing import Any, Final, NoReturn

from ..base.errors import InvalidArgument, InvalidType, PayloadCorrupt, PayloadTooLarge
from ..base.homes import home_of
from ..base.stored import MAX_BYTES, MAX_DEPTH, beyond
from .collisions import HASHED, SHORT, Collisions
from .plain import encode_plain as _encode_plain
from .refusal import refuse
from .types import DECODERS, ENCODERS, late_encoder

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_CONTAINERS: Final = frozenset({list, dict})
_BIG_INT_BITS: Final = 12_000  # Python refuses to print or parse ints over 4300 digits


def _is_plain(value: Any) -> bool:
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
        if seen > MAX_BYTES:  # each takes two bytes and more; this also ends [x, x] inside itself
            raise PayloadTooLarge(f"the value holds over {MAX_BYTES:,} items; store it elsewhere")
        level = below
    return False


class Codec:
    """Encodes and decodes; knows the standard types and those that were registered."""

    def __init__(self) -> None:
        self._by_class: dict[type, tuple[str, Callable[[Any, str], Any]]] = {}
        self._by_name: dict[str, Callable[[Any], Any]] = {}
        self._decode_tagged = json.JSONDecoder(
            object_hook=self._untag, parse_constant=_no_constant
        ).decode

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
        if not isinstance(cls, type):
            raise InvalidType(f"register_type needs a class, not {cls!r:.100}")
        if cls in ENCODERS or late_encoder(cls) or cls in _SCALARS or cls in (list, dict):
            raise InvalidArgument(f"{cls.__name__} is built in and cannot be registered again")
        if (encode is None) != (decode is None):
            raise InvalidArgument("register_type needs both encode and decode, or neither")
        if encode is None or decode is None:
            from .derived import derived  # most programs register nothing

            encoder, decode = derived(cls)
        else:
            encoder = _without_place(encode)
        key = name or f"{_home(cls)}.{cls.__qualname__}"
        known = self._by_name.get(key)
        if known is not None and self._by_class.get(cls, ("",))[0] != key:
            raise InvalidArgument(f"another class is registered as {key!r}; give this one a name=")
        self._by_class[cls] = (key, encoder)
        self._by_name[key] = decode

    # -- encoding --------------------------------------------------------------------------

    def encode(self, value: Any, what: str = "value", limit: int = MAX_BYTES) -> str:
        """``value`` as JSON text. Raises PayloadError naming the place, or PayloadTooLarge."""
        text = self._encode(value, what)
        if len(text) > limit:
            raise PayloadTooLarge(
                f"{what} takes {len(text):,} bytes when stored; the limit is {limit:,}. "
                "Store the data elsewhere and pass its path or key"
            )
        return text

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

    def _encode(self, value: Any, what: str) -> str:
        if _is_plain(value):
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

    def decode(self, text: str) -> Any:
        """The value behind ``text``. Raises PayloadCorrupt for anything that encode() never wrote."""
        why = beyond(text)
        if why is not None:
            raise PayloadCorrupt(f"the stored value is not read: {why}")
        try:
            if '"$' not in text:
                return _decode_plain(text)
            return self._decode_tagged(text) if len(text) <= SHORT else self._decode_counting(text)
        except PayloadCorrupt:
            raise
        except RecursionError:
            raise PayloadCorrupt("the stored value is nested too deeply") from None
        except Exception as error:
            raise PayloadCorrupt(
                f"the stored value cannot be decoded: {type(error).__name__}: {error!s:.200}"
            ) from error

    def _decode_counting(self, text: str) -> Any:
        hook = functools.partial(self._untag, collisions=Collisions())
        return json.JSONDecoder(object_hook=hook, parse_constant=_no_constant).decode(text)

    def _untag(self, found: dict[str, Any], collisions: Collisions | None = None) -> Any:
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
            raise PayloadCorrupt(f"the stored value has the unknown tag {tag!r:.100}")
        if collisions is not None and tag in HASHED:
            collisions.count(body if tag != "$dict" else (key for key, _ in body))
        return decoder(body)


def _without_place(encode: Callable[[Any], Any]) -> Callable[[Any, str], Any]:
    """A user's encoder, which is not told the place that errors name."""
    return lambda value, where: encode(value)


def _home(cls: type) -> str:
    """What a class's name begins with, in every process: as the names of tasks do (``base/homes``)."""
    home = home_of(cls.__module__)
    if home is None:
        raise InvalidArgument(
            f"{cls.__qualname__} is made in a shell or a notebook, and has no name that another process would know: give it "
            "a name="
        )
    return home.name


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
