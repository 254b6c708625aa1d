"""What an app has of limits. Owns nothing: a part of ``LiteQueue`` that its programs pay for when they use it.

A declaration is memory only; who enqueues or runs a task of the limit writes it to the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .client import Client

if TYPE_CHECKING:
    from .limit import Limits


class LimitsOfApp:
    """A base of the app."""

    _client: Client

    def limit(self, name: str, *, max_running: int | None = None, rate: str | None = None) -> None:
        """Declare a limit for the tasks that say ``limit=name``: how many of their jobs may run at once, and how many may start within a
        time (``"100/m"``), over all workers; of each ``limit_key`` by itself. What is changed at run time holds until a declaration says something
        else than the last one did. Raises InvalidArgument where nothing is said, or not as it is written."""
        from .limit import declared

        self._client.declare_limit(declared(name, {"max_running": max_running, "rate": rate}))

    @property
    def limits(self) -> Limits:
        """The limits of the file: ``list``, ``set``, ``remove``."""
        from .limit import Limits

        return Limits(self._client)
