"""What to do about a value of a type that cannot be stored: in words, and where it takes one line, that line.

Owns these words. Goes by what a type says of itself, and imports none of the libraries that it knows; asked where a value was refused, and
never else.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from .types import CONVERSIONS, conversion

INSTEAD: Final = "__litequeue_instead__"  # a class of ours, of which no instance can be stored, says what to pass

_CONNECTION: Final = "it belongs to this process: pass where it leads, and connect in the task"
_FILE: Final = "it is open in this process alone: pass its path, and open that in the task; of one in memory x.getvalue()"
_LOCK: Final = "it is a lock of this process: one that all processes know is with app.lock(NAME)"
_FUNCTION: Final = "nothing of it but its name could be stored: pass what it comes to, or have the task find it by a name"
_ITERATOR: Final = "its items come once, and in this process: convert it with list(x)"

# What to do instead, by the type's full name or that of one that it derives from.
_OTHERWISE: Final = {
    "django.db.models.base.Model": "it is a row that may be another by then: pass its key (x.pk), and get it in the task",
    "django.db.models.query.QuerySet": 'it asks the database: pass the keys, list(x.values_list("pk", flat=True))',
    "sqlalchemy.engine.row.Row": "convert it with tuple(x), or dict(x._mapping)",
    "sqlite3.Row": "convert it with dict(x)",
    "sqlite3.Connection": _CONNECTION, "_socket.socket": _CONNECTION, "sqlalchemy.orm.session.Session": _CONNECTION,
    "sqlalchemy.engine.base.Connection": _CONNECTION, "sqlalchemy.engine.base.Engine": _CONNECTION,
    "_io._IOBase": _FILE, "tempfile._TemporaryFileWrapper": _FILE,
    "_thread.lock": _LOCK, "_thread.RLock": _LOCK, "threading.Condition": _LOCK, "threading.Semaphore": _LOCK,
    "multiprocessing.synchronize.SemLock": _LOCK, "asyncio.locks.Lock": _LOCK,
    "builtins.function": _FUNCTION, "builtins.builtin_function_or_method": _FUNCTION, "builtins.method": _FUNCTION,
    "functools.partial": _FUNCTION, "builtins.type": "pass its name", "builtins.module": "pass its name",
    "builtins.coroutine": "nobody has awaited it: await it, and pass what it comes to",
    "builtins.async_generator": "its items come once, and in this process: [item async for item in x]",
    "builtins.memoryview": "convert it with bytes(x)",
    "builtins.BaseException": "convert it with str(x)",
}  # fmt: skip

# What register_type takes, by the type's full name.
_LINES: Final = {
    "numpy.ndarray": "numpy.ndarray, lambda x: [x.dtype.str, x.tolist()], lambda x: numpy.array(x[1], x[0])",
    "pandas.DataFrame": 'pandas.DataFrame, lambda x: x.to_dict("tight"), lambda x: pandas.DataFrame.from_dict(x, "tight")',
    "fractions.Fraction": "fractions.Fraction, str, fractions.Fraction",
    "zoneinfo.ZoneInfo": "zoneinfo.ZoneInfo, str, zoneinfo.ZoneInfo",
    "re.Pattern": "re.Pattern, lambda x: [x.pattern, x.flags], lambda x: re.compile(*x)",
    **{f"ipaddress.{name}": f"ipaddress.{name}, str, ipaddress.{name}"
       for name in ("IPv4Address", "IPv6Address", "IPv4Network", "IPv6Network", "IPv4Interface", "IPv6Interface")},
}  # fmt: skip

_PLAIN: Final = (dict, list, tuple, str, int, float, set, bytes)
_ABSTRACT: Final = ((Mapping, "dict(x)"), (AbstractSet, "set(x)"), (Sequence, "list(x)"), (Collection, "list(x)"))


def hint(kind: type) -> str:
    """Why a value of that type cannot be stored, and what to do."""
    shown = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    instead = next((vars(base)[INSTEAD] for base in kind.__mro__ if INSTEAD in vars(base)), None)
    if instead is None:
        instead = next((_OTHERWISE[name] for name in map(_full_name, kind.__mro__) if name in _OTHERWISE), None)
    if instead is None and hasattr(kind, "__mapper__"):  # of SQLAlchemy's ORM
        instead = "it is a row that may be another by then: pass its key, and get it in the task"
    if instead is None and issubclass(kind, Iterator):
        instead = _ITERATOR
    if instead is not None:
        return f"it is a {shown}; {instead}"
    line = _line(kind)
    converted, why = _converted(kind)
    if line is None and not converted:
        return f"its type {shown} is not supported; pass an id or a path instead, or call app.register_type({kind.__name__}, encode, decode)"
    way = f"convert it with {converted}, or " if converted else ""
    if line is None and kind.__module__ == "builtins":
        return f"its type {shown} {why}; convert it with {converted}"
    if line is None:
        return f"its type {shown} {why}; {way}call app.register_type({kind.__name__}, encode, decode)"
    return f"its type {shown} {why}; {way}register it once, beside the app: app.register_type({line})"


def _line(kind: type) -> str | None:
    """What to hand to register_type."""
    name = kind.__name__
    if issubclass(kind, enum.Enum) or dataclasses.is_dataclass(kind) or hasattr(kind, "__attrs_attrs__"):
        return name
    if hasattr(kind, "model_dump") and hasattr(kind, "model_validate"):  # pydantic's
        reads = f"{name}.model_validate"
        if getattr(kind, "model_config", {}).get("strict"):  # then only what comes as JSON may be a text of a time
            reads = f"lambda x: {reads}_json(json.dumps(x))"
        return f'{name}, lambda x: x.model_dump(mode="json", by_alias=True), {reads}'
    if issubclass(kind, tuple) and hasattr(kind, "_make"):
        return f"{name}, list, {name}._make"
    return _LINES.get(_full_name(kind))


def _converted(kind: type) -> tuple[str, str]:
    """What makes another value of it that can be stored, if anything does; and why it is not stored as it is."""
    if issubclass(kind, enum.Enum) or dataclasses.is_dataclass(kind):
        return "", "is not registered"
    for base in _PLAIN:
        if issubclass(kind, base):
            return f"{base.__name__}(...)", f"would come back as a plain {base.__name__}"
    for plain, words in CONVERSIONS.items():
        if issubclass(kind, plain):
            return words, f"would come back as a plain {plain.__name__}"
    written = conversion(kind)
    if written is None and _full_name(kind) not in _LINES and not hasattr(kind, "model_dump"):
        written = next((words for base, words in _ABSTRACT if issubclass(kind, base)), None)
    return written or "", "is not supported" if _line(kind) is None or written else "is not registered"


def _full_name(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
