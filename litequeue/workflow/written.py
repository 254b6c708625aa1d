"""Shapes as JSON text, and back: for who keeps one in a file, a table or a setting until it is wanted.

Owns the format: a list in which each shape comes after its parts, so that one may be nested deeper than Python recurses. Nothing that
the text names is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..base.errors import InvalidArgument, InvalidType, LitequeueError, UnknownTask
from ..payload import Codec
from .compiling import CALL, Part

VERSION: Final = 1


def to_json(shape: Part) -> str:
    """Raises PayloadError for an argument that cannot be stored."""
    written: list[Any] = []
    codec = Codec()
    stack: list[tuple[Any, bool]] = [(shape, False)]
    while stack:
        part, parts_are_written = stack.pop()
        if part.how == CALL:
            codec = part._client.codec
            written.append([CALL, *part._said()])
        elif parts_are_written:
            written.append([part.how, len(part.parts)])
        else:
            stack.append((part, True))
            stack += [(member, False) for member in reversed(part.parts)]
    return codec.encode({"litequeue": VERSION, "shape": written}, "the workflow")


def from_json(text: str, codec: Codec, call: Callable[..., Any], kinds: Mapping[str, Callable[[list[Any]], Any]]) -> Any:
    """``call`` makes a signature of what is written of one, and ``kinds`` a shape of its parts. Raises InvalidArgument for what
    ``to_json`` did not write, and the UnknownTask of ``call``."""
    if not isinstance(text, str):
        raise InvalidType(f"a workflow is read from a text, not {type(text).__name__}: {text!r:.100}")
    try:
        found = codec.decode(text)
        if found["litequeue"] != VERSION:
            raise InvalidArgument(f"it is written in version {found['litequeue']!r:.20}, and this litequeue reads {VERSION}")
        read: list[Any] = []
        for kind, *rest in found["shape"]:
            if kind == CALL:
                read.append(call(*rest))
            else:
                (count,) = rest
                start = len(read) - count
                if not 0 <= start <= len(read):
                    raise ValueError("a shape has more parts than there are")
                read[start:] = [kinds[kind](read[start:])]
        (shape,) = read
    except UnknownTask:
        raise
    except (LitequeueError, ValueError, TypeError, KeyError) as error:
        raise InvalidArgument(f"{text!r:.60} is no workflow as to_json writes it: {error}") from None
    return shape
