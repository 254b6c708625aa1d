"""What an app has of locks. Owns nothing: a part of ``LiteQueue`` that its programs pay for when they use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .client import Client

if TYPE_CHECKING:
    from .lock import Lock
    from .options.kinds import Span


class Locks:
    """A base of the app."""

    _client: Client

    def lock(self, name: str, timeout: Span | None = None) -> Lock:
        """``with app.lock("reports"):``, one holder of a name at a time, among all threads, coroutines and processes of this host that work on the
        file; ``async with`` in a coroutine. Waits at most ``timeout`` (None: for ever; 0: not at all), then raises LockTimeout. The kernel drops it
        when its process ends, however that does. Raises WouldDeadlock where who wants it has it, or waits in a circle within this
        process. For what is no limit of jobs."""
        from .lock import Lock

        return Lock(self._client, name, timeout)
