"""What it takes to register a class: its name in the file, and what encodes and decodes it.

Owns those checks, and the name: that of the class where it is at home (``base/homes``), as of a task.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.errors import InvalidArgument, InvalidType
from ..base.homes import home_of
from .types import ENCODERS, late_encoder

_BUILT_IN = frozenset({str, int, float, bool, type(None), list, dict})


def registered(
    cls: type, encode: Callable[[Any], Any] | None, decode: Callable[[Any], Any] | None, name: str | None
) -> tuple[str, Callable[[Any, str], Any], Callable[[Any], Any]]:
    """(name, encoder, decoder). Raises InvalidType or InvalidArgument."""
    if not isinstance(cls, type):
        raise InvalidType(f"register_type needs a class, not {cls!r:.100}")
    if cls in ENCODERS or late_encoder(cls) or cls in _BUILT_IN:
        raise InvalidArgument(f"{cls.__name__} is built in and cannot be registered again")
    if (encode is None) != (decode is None):
        raise InvalidArgument("register_type needs both encode and decode, or neither")
    if encode is None or decode is None:
        from .derived import derived

        encoder, decode = derived(cls)
    else:
        encoder = _without_place(encode)
    return name or f"{_home(cls)}.{cls.__qualname__}", encoder, decode


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
