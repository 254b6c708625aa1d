"""The codec ``pickle``: what it is given has been signed (``coded``).

Owns under which name a class of ``__main__`` is pickled: that of its file, as tasks are named (``base/homes``), since the worker that loads
the script has it under that, and the program that asks for the result as ``__main__`` again.
"""

from __future__ import annotations

import importlib
import io
import pickle
import sys
from types import FunctionType
from typing import Any, Final

from ..base.homes import home_of

PROTOCOL: Final = 5  # of every Python from 3.8 on; two versions may work on one file
_MAIN: Final = ("__main__", "__mp_main__")


def dumps(value: Any) -> bytes:
    """Raises whatever the value's own code does."""
    data = pickle.dumps(value, PROTOCOL)
    if b"_main__" not in data:
        return data
    buffer = io.BytesIO()
    _Pickler(buffer, PROTOCOL).dump(value)
    return buffer.getvalue()


def loads(data: bytes) -> Any:
    """Runs whatever the pickle says."""
    return _Unpickler(io.BytesIO(data)).load()


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, (type, FunctionType)) and obj.__module__ in _MAIN:
            home = home_of(obj.__module__)
            if home is not None and _within(sys.modules[obj.__module__], obj.__qualname__) is obj:
                return at_home, (home.name, obj.__qualname__)
        return NotImplemented  # of a shell, too, which alone can read it


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return super().find_class(module, name) if module in sys.modules else at_home(module, name)


def at_home(module: str, qualname: str) -> Any:
    """What a module has under that name; the module may be the program's own script."""
    found = sys.modules.get(module)
    if found is None:
        main = home_of("__main__")
        found = sys.modules["__main__"] if main is not None and main.name == module else importlib.import_module(module)
    value = _within(found, qualname)
    if value is None:
        raise AttributeError(f"{module} has no {qualname}")
    return value


def _within(module: Any, qualname: str) -> Any:
    found = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found
