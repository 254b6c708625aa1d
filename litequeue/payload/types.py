"""The standard types that the codec stores as tagged values: one encoder and one decoder each.

A fixed table; nothing that stored text names is looked up anywhere else.
"""

from __future__ import annotations

import base64
import importlib
import math
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any, Final, NoReturn

from ..base.errors import PayloadCorrupt, PayloadError


def refuse(where: str, why: str) -> NoReturn:
    """Raise the PayloadError for the value at that place."""
    if len(where) > 200:  # deep inside a value that contains itself
        where = f"{where[:100]}...{where[-60:]}"
    raise PayloadError(f"{where} cannot be stored: {why}")



def _zone(zone: tzinfo | None, where: str) -> Any:
    if zone is None:
        return None
    if type(zone) is timezone:
        offset = zone.utcoffset(None)
        named = None if zone.tzname(None) == timezone(offset).tzname(None) else zone.tzname(None)
        return [offset // timedelta(microseconds=1), named]
    key = getattr(zone, "key", None)
    if isinstance(key, str) and type(zone) is sys.modules["zoneinfo"].ZoneInfo:
        return key
    refuse(where, f"its time zone is a {type(zone).__name__}; use zoneinfo.ZoneInfo or datetime.timezone")


def _unzone(stored: Any) -> tzinfo | None:
    if stored is None:
        return None
    if isinstance(stored, str):
        from zoneinfo import ZoneInfo

        return ZoneInfo(stored)
    offset = timedelta(microseconds=stored[0])
    if stored[1] is not None:
        return timezone(offset, stored[1])
    return timezone(offset) if offset else UTC


def _moment(kind: str) -> Callable[[Any, str], Any]:
    def encode(value: Any, where: str) -> Any:
        naive = value.replace(tzinfo=None, fold=0).isoformat()
        return {f"${kind}": [naive, value.fold, _zone(value.tzinfo, where)]}

    return encode


def _unmoment(cls: Any) -> Callable[[Any], Any]:
    def decode(body: Any) -> Any:
        naive, fold, zone = body
        return cls.fromisoformat(naive).replace(tzinfo=_unzone(zone), fold=fold)

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


ENCODERS: Final[dict[type, Callable[[Any, str], Any]]] = {
    bytes: lambda v, w: {"$bytes": base64.b64encode(v).decode("ascii")},
    bytearray: lambda v, w: {"$bytearray": base64.b64encode(v).decode("ascii")},
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
    "$bytes": lambda body: base64.b64decode(body, validate=True),
    "$bytearray": lambda body: bytearray(base64.b64decode(body, validate=True)),
    "$datetime": _unmoment(datetime),
    "$time": _unmoment(time),
    "$date": date.fromisoformat,
    "$timedelta": lambda body: timedelta(*body),
    "$decimal": lambda body: _unlate("decimal", "Decimal", body),
    "$uuid": lambda body: _unlate("uuid", "UUID", body),
    "$complex": lambda body: complex(float(body[0]), float(body[1])),
    "$path": lambda body: _unlate("pathlib", *body),
}
