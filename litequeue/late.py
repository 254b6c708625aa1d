"""An app that was made without a path: where it gets one from, and until when that may change.

Owns the order of who says it: a worker that runs its tasks (or a test), ``app.bind``, the function that the app was made with, the worker
that this process belongs to, the environment. Asked at the first use, so that nothing need be said before what uses the app is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import known
from .base.errors import InvalidArgument, InvalidType, NotBound
from .client import Client
from .given import DATABASE, LATER, database_path


class _Path:
    """Found when it is first asked for, and then an attribute as any other: who has a path from the start does not pay for this."""

    def __get__(self, client: LateClient, owner: object = None) -> str:
        client._go_to(client._find())
        return client.path


class LateClient(Client):
    """The client of such an app."""

    if not TYPE_CHECKING:
        path = _Path()

    def __init__(self, source: Callable[[], object] | None, **options: Any) -> None:
        """``source`` gives the path."""
        super().__init__(LATER, **options)
        self._source = source
        self._said: str | None = None
        self.is_held = False  # by a worker, or a test: what is said otherwise is for afterwards

    def _find(self) -> str:
        if self._said is not None:
            return self._said
        if self._source is not None:
            found = self._source()
            if not isinstance(found, (str, os.PathLike)):
                raise InvalidType(
                    f"the function that LiteQueue(...) was given is to return the path of the database, and {self._source!r:.100} returned "
                    f"{type(found).__name__}: {found!r:.100}"
                )
            return database_path(found)
        if known.serving is not None:
            return known.serving
        if found := os.environ.get(DATABASE):
            return database_path(found)
        raise NotBound(
            "this app has no database yet: app.bind(path) says which, before its first use, or LiteQueue(path), or "
            f"{DATABASE} in the environment; a worker binds the apps of its modules to the database that it serves"
        )

    def bind(self, path: str) -> None:
        self.is_held = True
        super().bind(path)

    def rebind(self, path: object) -> None:
        """Raises InvalidArgument for another file than the one that is in use."""
        said = database_path(path)
        is_other = self.bound is not None and os.path.realpath(self.bound) != os.path.realpath(said)
        if is_other and not self.is_held:
            if self._store is not None:
                raise InvalidArgument(
                    f"this app is bound to {self.path}, where its jobs are and the handles of these look: app.close() ends that, and then it can "
                    f"be bound to {said}; two files at once are two apps"
                )
            del self.path
        self._said = said
