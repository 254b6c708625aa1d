"""The standard types that the codec stores as tagged values: one encoder and one decoder each.

A fixed table; nothing that stored text names is looked up anywhere else.
"""

from __future__ import annotations

import binascii
import importlib
import math
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from ..base.errors import PayloadCorrupt
from .zones import unzone, zone_of


def _moment(kind: str) -> Callable[[Any, str], Any]:
    def encode(value: Any, where: str) -> Any:
        fold, zone = zone_of(value, where)
        return {f"${kind}": [value.replace(tzinfo=None, fold=0).isoformat(), fold, zone]}

    return encode


def _unmoment(cls: Any) -> Callable[[Any], Any]:
    def decode(body: Any) -> Any:
        naive, fold, zone = body
        return cls.fromisoformat(naive).replace(tzinfo=unzone(zone), fold=fold)

    return decode


# Classes of modules that are not imported here: whoever has an instance has imported its module, so that
# looking in sys.modules is enough, and `import litequeue` is 15 ms cheaper.
_LATE: Final = {
    "pathlib": ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
    "decimal": ("Decimal",),
    "uuid": ("UUID",),
}


def late_encoder(kind: type) -> Callable[[Any, str], Any] | None:
    for module, names in _LATE.items():
        if kind.__name__ in names and getattr(sys.modules.get(module), kind.__name__, None) is kind:
            return _path if module == "pathlib" else _text
    if kind.__module__ == "freezegun.api":
        return _FAKES.get(kind.__name__)
    return None


def _path(value: Any, where: str) -> Any:
    return {"$path": [type(value).__name__, str(value)]}


def _text(value: Any, where: str) -> Any:
    return {f"${type(value).__name__.lower()}": str(value)}


def _unlate(module: str, name: str, text: str) -> Any:
    if name not in _LATE[module]:
        raise PayloadCorrupt(f"the stored value names the unknown class {name!r:.100}")
    return getattr(importlib.import_module(module), name)(text)


_FLOATS: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def _complex(value: complex, where: str) -> Any:
    return {"$complex": [repr(value.real), repr(value.imag)]}


def _base64(value: bytes | bytearray) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")  # without ``base64``, which is a millisecond to import


ENCODERS: Final[dict[type, Callable[[Any, str], Any]]] = {
    bytes: lambda v, w: {"$bytes": _base64(v)},
    bytearray: lambda v, w: {"$bytearray": _base64(v)},
    datetime: _moment("datetime"),
    time: _moment("time"),
    date: lambda v, w: {"$date": v.isoformat()},
    timedelta: lambda v, w: {"$timedelta": [v.days, v.seconds, v.microseconds]},
    complex: _complex,
}

DECODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "$tuple": tuple,
    "$set": set,
    "$frozenset": frozenset,
    "$dict": dict,
    "$str": lambda body: bytes.fromhex(body).decode("utf-8", "surrogatepass"),
    "$int": lambda body: int(body, 16),
    "$float": lambda body: _FLOATS[body],
    "$bytes": lambda body: binascii.a2b_base64(body, strict_mode=True),
    "$bytearray": lambda body: bytearray(binascii.a2b_base64(body, strict_mode=True)),
    "$datetime": _unmoment(datetime),
    "$time": _unmoment(time),
    "$date": date.fromisoformat,
    "$timedelta": lambda body: timedelta(*body),
    "$decimal": lambda body: _unlate("decimal", "Decimal", body),
    "$uuid": lambda body: _unlate("uuid", "UUID", body),
    "$complex": lambda body: complex(float(body[0]), float(body[1])),
    "$path": lambda body: _unlate("pathlib", *body),
}

# What freezegun puts in place of two of them while a test has stopped the clock: carried as what they stand for.
_FAKES: Final[dict[str, Callable[[Any, str], Any]]] = {"FakeDatetime": ENCODERS[datetime], "FakeDate": ENCODERS[date]}

# How a subclass becomes the plain class: a line that keeps all that the plain one can hold.
CONVERSIONS: Final[dict[type, str]] = {
    datetime: "datetime.combine(x.date(), x.time(), x.tzinfo)",
    date: "date(x.year, x.month, x.day)",
    time: "time(x.hour, x.minute, x.second, x.microsecond, x.tzinfo, fold=x.fold)",
    timedelta: "timedelta(seconds=x.total_seconds())",
}


def conversion(kind: type) -> str | None:
    """What makes a plain value of a number or an array of numpy, pandas and the like; None for other types."""
    if kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_"):
        return "bool(x)"
    import numbers  # where numpy enters its types; only an error needs it

    if kind.__module__ not in sys.stdlib_module_names:  # float(x) of a Fraction would be another number
        for base, word in ((numbers.Integral, "int"), (numbers.Real, "float"), (numbers.Complex, "complex")):
            if issubclass(kind, base):
                return f"{word}(x)"
    return "x.tolist()" if callable(getattr(kind, "tolist", None)) else None
