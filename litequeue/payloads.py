"""What an app says of what its arguments and results may be, and how they are written. Owns nothing: a part of ``LiteQueue`` that its programs
pay for when they use it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .client import Client


class Payloads:
    """A base of the app."""

    _client: Client

    def register_type(
        self, cls: type, encode: Callable[[Any], Any] | None = None, decode: Callable[[Any], Any] | None = None, *,
        name: str | None = None,
    ) -> None:  # fmt: skip
        """Allow instances of a class in arguments and results.

        ``encode`` turns one into storable values, ``decode`` back; Enum classes, dataclasses and those of attrs do without.
        Workers must register it too, which they do if the tasks' module does.
        """
        self._client.codec.register(cls, encode, decode, name)

    def register_codec(self, name: str, encode: Callable[[Any], bytes], decode: Callable[[bytes], Any], *, signed: bool = False) -> None:
        """Let tasks say ``codec=name``: ``encode`` makes bytes of a list of arguments, a dict of keyword arguments or a result, ``decode``
        the same of them. ``signed``: as a pickle is, for a ``decode`` that could run what the bytes say. Raises InvalidArgument or
        InvalidType."""
        self._others().register(name, encode, decode, signed=signed)

    def sign_with(self, *keys: str | os.PathLike[str]) -> None:
        """The files of the keys by which is signed what ``codec="pickle"`` writes, by their whole paths or from ``~`` on: the first signs, and
        what any of them has signed is read. ``python -m litequeue signing-key FILE`` makes one. They are read when they are first
        needed; CannotOpen is raised then for one that others could read, write or exchange."""
        self._others().keys.name(keys)

    def _others(self) -> Any:
        from .payload.coded import others_of

        return others_of(self._client.codec)
