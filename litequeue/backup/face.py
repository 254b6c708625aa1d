"""What an app has of copies. Owns nothing: a part of ``LiteQueue`` that its programs pay for when they use it."""

from __future__ import annotations

import os

from ..base import checks
from ..client import Client


class Backups:
    """A base of the app."""

    _client: Client

    def backup(self, path: str | os.PathLike[str], *, paused: bool = False, keep: int | None = None) -> str:
        """Copy the file while it is in use, to a file or into a folder; the path of the copy, which is a queue itself.

        ``path``: a file is written or replaced, whole or not at all; in a folder (one that is there, or with a / at the end) the copy has a name with
        the time, and of these ``keep`` stay, the newest; left out, all. In the copy no worker is at work, so what ran here runs there when one starts, and
        at-most-once jobs that ran are discarded. ``paused``: its schedules are paused, so that a test's copy fires no tick.

        Raises InvalidArgument or CannotOpen where it cannot go, StorageFull where there is no room, or another StoreError.
        """
        checks.flag(paused, "paused")
        if keep is not None:
            checks.integer(keep, "keep", 1, 100_000)
        from .making import make

        return make(self._client.store, path, self._client.clock.now(), paused=paused, keep=keep).path
