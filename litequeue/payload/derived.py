"""How Enum classes, dataclasses and those of attrs are stored without an encode and decode of their own.

Owns what of them is carried: an Enum's member by its name, a Flag by its number, of a dataclass, and of attrs', the fields. Whatever an
instance has besides would be lost without a word, so it is refused: what the class alone shows where it is registered, the
rest where a value is stored.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
from collections.abc import Callable
from types import BuiltinFunctionType, MemberDescriptorType
from typing import Any, Final

from ..base.errors import InvalidArgument, PayloadCorrupt
from .refusal import refuse

Encoder = Callable[[Any, str], Any]
Decoder = Callable[[Any], Any]

_get: Final = object.__getattribute__  # what is stored, and not what a __getattribute__ of the class makes of it
_LEFT_OUT: Final = "__orig_class__"  # typing's own note on a value made by Box[int](...), which no equality looks at


def derived(cls: type) -> tuple[Encoder, Decoder]:
    """An encoder and a decoder for a class that brings none. Raises InvalidArgument where both must be given."""
    if issubclass(cls, enum.Flag):
        return _flag(cls)
    if issubclass(cls, enum.Enum):
        return _enum(cls)
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else getattr(cls, "__attrs_attrs__", None)
    if fields is not None:
        return _of_fields(cls, tuple(field.name for field in fields))
    raise InvalidArgument(
        f"register_type({cls.__name__}) needs encode and decode: only Enum classes, dataclasses and those of attrs "
        "do without"
    )


def _enum(cls: type[enum.Enum]) -> tuple[Encoder, Decoder]:
    members = cls.__members__

    def encode(member: Any, where: str) -> Any:
        # The name, and not the value, which may be anything; an alias is the very member that it stands for.
        name = member._name_
        if members.get(name) is not member:
            refuse(
                where,
                f"this {cls.__name__} is none of the class's members, so its name {name!r:.60} would not lead back to it; "
                f"call app.register_type({cls.__name__}, encode, decode)",
            )
        return name

    def decode(name: Any) -> Any:
        if name not in members:
            raise PayloadCorrupt(f"the stored value is {cls.__name__}.{name!s:.100}, which the class here does not have")
        return members[name]

    return encode, decode


def _flag(cls: type[enum.Flag]) -> tuple[Encoder, Decoder]:
    def encode(member: Any, where: str) -> Any:
        value = member._value_
        try:
            back = cls(value)
        except Exception:  # noqa: BLE001 - the class's own code
            back = None
        if type(value) is not int or type(back) is not cls or back._value_ != value:
            refuse(
                where,
                f"this {cls.__name__} would not come back from its value {value!r:.60}; "
                f"call app.register_type({cls.__name__}, encode, decode)",
            )
        return value

    return encode, cls


def _of_fields(cls: type, names: tuple[str, ...]) -> tuple[Encoder, Decoder]:
    _check_class(cls)
    wanted = frozenset(names)
    slots = _slots_beyond(cls, wanted)

    def encode(value: Any, where: str) -> Any:
        found: dict[str, Any] = {}
        for name in names:
            try:
                found[name] = _get(value, name)
            except AttributeError:
                refuse(where, f"the field {name} of this {cls.__name__} is not set; set it first, or {_way_out(cls)}")
        beyond = [name for name in getattr(value, "__dict__", ()) if name not in wanted and not _made_anew(cls, name)]
        beyond += [name for name, slot in slots if _is_set(slot, value)]
        if beyond:
            refuse(
                where,
                f"this {cls.__name__} has attributes that are no fields of it and would not come back: "
                f"{', '.join(map(str, beyond)):.200}; make them fields, or {_way_out(cls)}",
            )
        return found

    def decode(stored: Any) -> Any:
        if type(stored) is not dict or stored.keys() != wanted:
            has = ", ".join(map(str, stored)) if type(stored) is dict else type(stored).__name__
            raise PayloadCorrupt(
                f"the stored {cls.__name__} has {has or 'no fields':.300}; the class here has {', '.join(names) or 'no fields':.300}"
            )
        # Not through __init__: what __post_init__ had made of the fields is what was stored.
        value: Any = object.__new__(cls)
        for name in names:
            object.__setattr__(value, name, stored[name])
        return value

    return encode, decode


def _way_out(cls: type) -> str:
    return f"call app.register_type({cls.__name__}, encode, decode)"


def _check_class(cls: type) -> None:
    """Refuse a dataclass that could not be put together from its fields again."""
    if inspect.isabstract(cls):
        raise InvalidArgument(f"register_type({cls.__name__}): the class is abstract and has no instances; register those below it")
    # A type in C that makes its instances itself keeps something in them: a dict its items, an exception its args.
    base = next((base for base in cls.__mro__[:-1] if type(vars(base).get("__new__")) is BuiltinFunctionType), None)
    if base is not None:
        raise InvalidArgument(
            f"register_type({cls.__name__}) needs encode and decode: it derives from {base.__name__}, whose own content is in "
            "none of its fields"
        )


def _slots_beyond(cls: type, fields: frozenset[str]) -> list[tuple[str, MemberDescriptorType]]:
    """The slots that hold no field: those that a base declares, or that are written down beside the fields."""
    return [
        (name, slot)
        for base in cls.__mro__
        for name, slot in vars(base).items()
        if type(slot) is MemberDescriptorType and (name not in fields or _found(cls, name) is not slot)
    ]


def _found(cls: type, name: str) -> Any:
    return inspect.getattr_static(cls, name, None)


def _is_set(slot: MemberDescriptorType, value: Any) -> bool:
    try:
        slot.__get__(value, type(value))
    except AttributeError:
        return False
    return True


def _made_anew(cls: type, name: str) -> bool:
    """Whether an attribute may be left out, since the class makes it again from the fields when it is asked for."""
    return name == _LEFT_OUT or isinstance(_found(cls, name), functools.cached_property)
