"""Reading JSON that stands in the file, within limits: anybody who can write the file may have planted it.

Owns how long and how deeply nested it may be: just what litequeue itself writes at most. Up to 3.12 Python's recursion limit
stopped what is nested deeply; since 3.13 a few hundred kilobytes of brackets are read, and shown with an indent they take
gigabytes. So whoever reads stored JSON, or shows it, asks here.
"""

from __future__ import annotations

import contextlib
import json
from itertools import accumulate
from typing import Any, Final

MAX_BYTES: Final = 1 << 20  # of a call's arguments, or of a result
MAX_DEPTH: Final = 200  # of a value as users see it; json.loads and our own walk stay far from Python's recursion limit
MAX_NESTING: Final = 3 * (MAX_DEPTH + 2)  # of its JSON: a tag puts up to three brackets around each level

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
    why = beyond(text)
    if why is not None:
        return f"<not shown: {why}>"
    if "\\u" in text:  # JSON's way to write what is not ASCII, which people would have to decode
        with contextlib.suppress(ValueError, RecursionError):
            return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
    return text


def loads(text: str, most: int = MAX_BYTES) -> Any:
    """``json.loads`` of a stored text. Raises ValueError for what is no JSON, and for what is beyond the limits."""
    why = beyond(text, most)
    if why is not None:
        raise ValueError(why)
    try:
        return json.loads(text)
    except RecursionError:  # called from deep inside something
        raise ValueError("it is nested too deeply to be read here") from None


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
