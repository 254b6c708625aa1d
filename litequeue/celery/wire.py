"""Messages and results on the wire: kombu's serializer "litequeue".

Owns that what our codec keeps exactly comes back equal over a broker too. What it does not know, and kombu's JSON does, goes as that.
One serializer for all apps of a process, since kombu finds it by its name alone.
"""

from __future__ import annotations

from collections import ChainMap
from typing import Any, Final

from celery.canvas import Signature
from kombu.serialization import register
from kombu.utils import json as kombus

from ..base.errors import PayloadCorrupt, PayloadError
from ..base.stored import beyond
from ..payload import Codec
from ..payload.collisions import Collisions

NAME: Final = "litequeue"
CONTENT_TYPE: Final = "application/x-litequeue"
MOST: Final = 64 << 20  # characters of a message: the results of a group are many times what one may be
_KOMBU: Final = "$kombu"


class Quiet:
    """Around a result of which Celery cannot make a line for its log: Python makes no text of an int of over 4300 digits, and Celery's worker takes that for a failure of the job."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "(a result with very large numbers)"


class Wire(Codec):
    """What the codecs of exported apps know, together, and what kombu knows."""

    def __init__(self) -> None:
        super().__init__()
        self._apps: list[Codec] = []

    def add(self, codec: Codec) -> None:
        """The types of one more app: those that it registers later, too."""
        if codec not in self._apps:
            self._apps.append(codec)
            self._by_class = ChainMap(*(known._by_class for known in self._apps))  # type: ignore[assignment]
            self._by_name = ChainMap(*(known._by_name for known in self._apps))  # type: ignore[assignment]

    def dumps(self, body: Any) -> str:
        return self.encode(body, "the message", MOST)

    def loads(self, data: bytes | str) -> Any:
        text = data if isinstance(data, str) else bytes(data).decode("utf-8")
        why = beyond(text, MOST)
        if why is not None:
            raise PayloadCorrupt(f"the message is not read: {why}")
        return self._decode_counting(text, Collisions(), None)

    def _tagged(self, value: Any, where: str, depth: int) -> Any:
        if isinstance(value, Quiet):
            value = value.value
        elif isinstance(value, Signature):  # a dict, with what the codec keeps inside
            value = dict(value)
        try:
            return super()._tagged(value, where, depth)
        except PayloadError:
            if type(value) in (dict, list, tuple, set, frozenset):  # it is something inside
                raise
            try:
                return {_KOMBU: kombus.dumps(value)}
            except (TypeError, ValueError):
                pass
            raise

    def _untag(self, found: dict[str, Any], collisions: Collisions | None = None, coded: Any = None) -> Any:
        if len(found) == 1 and _KOMBU in found:
            return kombus.loads(found[_KOMBU])
        return super()._untag(found, collisions, coded)


wire: Final = Wire()
register(NAME, wire.dumps, wire.loads, CONTENT_TYPE, "utf-8")
