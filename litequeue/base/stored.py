"""Reading JSON that stands in the file, within limits: anybody who can write the file may have planted it.

Owns how long and how deeply nested it may be: just what litequeue itself writes at most. Up to 3.12 Python's recursion limit
stopped what is nested deeply; since 3.13 a few hundred kilobytes of brackets are read, and shown with an indent they take
gigabytes. So whoever reads stored JSON, or shows it, asks here. And how JSON is stored compressed (the codec ``json+zlib``), and
what a codec wrote that is not JSON looks like (``payload/coded``): base64 under one tag, which is read there and shown here by its size.
"""

from __future__ import annotations

import binascii
import contextlib
import json
from itertools import accumulate
from typing import Any, Final, TypeVar

T = TypeVar("T")

MAX_BYTES: Final = 1 << 20  # of a call's arguments, or of a result
MAX_DEPTH: Final = 200  # of a value as users see it; json.loads and our own walk stay far from Python's recursion limit
MAX_NESTING: Final = 3 * (MAX_DEPTH + 2)  # of its JSON: a tag puts up to three brackets around each level

ZLIB: Final = "json+zlib"  # the codec
CODEC: Final = "$codec"  # the tag of what a codec wrote: {"$codec": [name, base64, ...]}
MAX_INFLATED: Final = 8 * MAX_BYTES  # of one stored value, with all that is compressed in it; most JSON shrinks to a third, or a half
_COMPRESSED: Final = f'{{"{CODEC}":["{ZLIB}","'
_LEVEL: Final = 1  # of zlib: 6 makes it a tenth smaller and takes 1.2 to 7 times as long (65 KB: 0.4 or 1.2 ms)

_BRACKETS: Final = b'[]{}"'
_OTHERS: Final = bytes(set(range(256)) - set(_BRACKETS))
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes: one up, one down


def beyond(text: str, most: int = MAX_BYTES) -> str | None:
    """What of a stored text is more than litequeue writes, in words; None if it may be read. ``most``: characters."""
    if len(text) > most:
        return f"it has {len(text):,} characters, and at most {most:,} are stored"
    if text.count("[") + text.count("{") > MAX_NESTING:
        brackets = _brackets(text)
        levels = 0 if _is_flat(brackets) else _nesting(brackets)
        if levels > MAX_NESTING:
            return f"it is nested {levels:,} levels deep, and at most {MAX_NESTING} are stored"
    return None


def shown(text: str) -> str:
    """A stored text as people are shown it: itself, or in few words why not."""
    try:
        found = plain(text)
    except ValueError as error:
        return f"<not shown: {error}>"
    why = beyond(found)
    if why is not None:
        return f"<not shown: {why}>" if found is text else f"<{ZLIB}, {len(found):,} bytes>"
    with contextlib.suppress(ValueError, RecursionError):
        if f'"{CODEC}"' in found:
            value = json.loads(found, object_hook=_in_words)
            return value if isinstance(value, str) and found[:1] == "{" else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if "\\u" in found:  # JSON's way to write what is not ASCII, which people would have to decode
            return json.dumps(json.loads(found), ensure_ascii=False, separators=(",", ":"))
    return found


def loads(text: str, most: int = MAX_BYTES) -> Any:
    """``json.loads`` of a stored text. Raises ValueError for what is no JSON, and for what is beyond the limits."""
    found = plain(text)
    why = beyond(found, most if found is text else MAX_INFLATED)
    if why is not None:
        raise ValueError(why)
    try:
        return json.loads(found)
    except RecursionError:  # called from deep inside something
        raise ValueError("it is nested too deeply to be read here") from None


def loads_as(text: str | None, kind: type[T]) -> T:
    """Stored JSON of this kind, or an empty one where nothing is stored, or somebody planted something else."""
    try:
        value = None if text is None else loads(text)
    except ValueError:
        return kind()
    return value if isinstance(value, kind) else kind()


def plain(text: str) -> str:
    """The JSON that was stored compressed; any other text as it is. Raises ValueError for what was never written so."""
    if not text.startswith(_COMPRESSED):
        return text
    why = beyond(text)
    if why is not None:
        raise ValueError(why)
    return inflated(text[len(_COMPRESSED) :].removesuffix('"]}'))


def compressed(text: str) -> str:
    """JSON as it is stored compressed."""
    import zlib

    data = binascii.b2a_base64(zlib.compress(text.encode("ascii"), _LEVEL), newline=False).decode("ascii")
    return f'{_COMPRESSED}{data}"]}}'


def inflated(data: str, most: int = MAX_INFLATED) -> str:
    """What was compressed, and is in base64 now. Raises ValueError for what is damaged, and for what would be longer than ``most``."""
    import zlib

    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(binascii.a2b_base64(data, strict_mode=True), max(most, 0) + 1)
    except zlib.error as error:
        raise ValueError(f"it is not compressed as {ZLIB} is: {error}") from None
    if len(raw) > most:
        raise ValueError(f"it inflates to more than {MAX_INFLATED:,} characters, with what is compressed beside it")
    if not stream.eof:
        raise ValueError(f"it is not all of what was compressed as {ZLIB}")
    return raw.decode("ascii")


def _in_words(found: dict[str, Any]) -> Any:
    """A tag of a codec as what it holds."""
    body = found.get(CODEC) if len(found) == 1 else None
    if not (isinstance(body, list) and len(body) > 1 and isinstance(body[0], str) and isinstance(body[1], str)):
        return found
    name, data, *_ = body
    return f"<{name:.40}, {len(data) // 4 * 3 - data.count('=', -2):,} bytes>"


def nesting(text: str) -> int:
    """How many brackets of a JSON text are open at once at most."""
    return _nesting(_brackets(text))


def _brackets(text: str) -> bytes:
    """The brackets of a JSON text that are in none of its strings."""
    if "\\" in text:  # an escaped quote ends no string
        text = text.replace("\\\\", "").replace('\\"', "")
    marks = text.encode("utf-8", "surrogatepass").translate(None, _OTHERS).replace(b'""', b"")
    return b"".join(marks.split(b'"')[::2])  # what is between two quotes is in a string


def _is_flat(brackets: bytes) -> bool:
    """Whether there is so little left without the innermost pairs that it cannot be nested deeply: a quick look, which
    spares most texts the count. Each turn takes away two levels at most."""
    for turn in range(1, 4):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(brackets) + 2 * turn <= MAX_NESTING:
            return True
    return False


def _nesting(brackets: bytes) -> int:
    return max(accumulate(memoryview(brackets.translate(_STEPS)).cast("b")), default=0)
