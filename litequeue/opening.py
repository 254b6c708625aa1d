"""The file of an app: opened at its first use (never at import), bound to another, closed; whose workers are rung after a commit.

Owns that. A base of ``client.Client``, which enqueues there.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

from . import known
from .base import checks
from .base.bell import LOOK, Address, Bell
from .base.clock import Clock
from .base.errors import InvalidArgument, WouldDeadlock
from .base.softguard import shielded
from .base.trust import TRUSTED
from .given import LATER, database_path
from .payload import Codec
from .tasks import Hooks

if TYPE_CHECKING:
    from .store import Store
    from .store.file.joined import Open


class Opening:
    """One file as an app sees it, without what is enqueued there."""

    path: str

    def __init__(self, path: object, *, durability: str, trust: str | None = None, clock: Clock) -> None:
        self._is_judged = True  # whose the file is needs not be said, or was
        if path is not LATER:
            self._go_to(database_path(path))
        self.durability = checks.one_of(durability, "durability", ("full", "normal"))
        self.trust = None if trust is None else checks.one_of(trust, "trust", TRUSTED)
        self.clock = clock
        self.codec = Codec()
        self._bell = Bell()
        self._store: Store | None = None
        self._recorded: set[str] = set()
        self.hooks = Hooks()

    @property
    def bound(self) -> str | None:
        """The path, if it is known already."""
        return self.__dict__.get("path")

    def _go_to(self, path: str) -> None:
        self.path = path
        self._is_judged = False
        known.note(path, self)

    @property
    def store(self) -> Store:
        """The store; the file is opened, and created if need be, when it is first used."""
        # No lock, which a fork could copy while it is taken: a Store opens nothing until it is used, so two may well be made.
        store = self._store
        if store is None:
            with shielded:
                # SQLite and ours: a third of what importing the package would cost.
                from .store import Store

            store = self._store = Store(self.path, durability=self.durability, trust=self.trust)
        return store

    def bind(self, path: str) -> None:
        """Work on the file that the worker serves.

        A worker in another directory imports the module that said ``LiteQueue("db.sqlite")``: what its
        tasks enqueue belongs into the worker's file, not into one beside wherever the worker stands.
        """
        known.serving = path
        if self.bound is None or os.path.realpath(self.bound) != os.path.realpath(path):
            self.close()
            self._go_to(path)

    def rebind(self, path: object) -> None:
        """``app.bind``. Raises InvalidArgument."""
        raise InvalidArgument(f"this app works on {self.path}, as it was made: bind() is for one that is made without a path, LiteQueue()")

    def close(self) -> None:
        store, self._store = self._store, None
        self._recorded.clear()
        if store is not None:
            store.close()
        self._bell.close()

    def ring(self, addresses: Collection[Address], byte: bytes = LOOK) -> None:
        if not addresses:  # as most enqueues beside a busy worker
            return
        opened = self._opened()
        if opened is None:
            self._bell.ring(addresses, byte)
        else:
            opened.after.append(lambda: self._bell.ring(addresses, byte))

    def _opened(self) -> Open | None:
        """The transaction that a program has open here."""
        return self.store.database.joined()

    def born(self, job_id: int) -> int | None:
        """When a job was enqueued that a program's open transaction has made; None outside of one."""
        return None if self._opened() is None else self.store.reports.born(job_id)

    def before_a_wait(self, job_id: int) -> None:
        """Of somebody for the end of this job, which has not come, however long that takes. In a test it is asked who else could bring it."""

    def refuse_in_a_transaction(self, what: str) -> None:
        """Raises WouldDeadlock where a program has a transaction open, which is not there for workers before it is committed."""
        if self._opened() is not None:
            raise WouldDeadlock(f"{what} inside of a transaction would wait for jobs that are not there for workers before that is committed: wait after the block")
