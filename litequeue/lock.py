"""``app.lock("name")``: one holder at a time among all processes that work on the file, for what is no limit of jobs.

Owns the waiting: in short looks, ever rarer, so that a cancel, a stopping worker and an event loop get their turn. Who has which is ``base/namedlocks``'.
"""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from .base import checks, namedlocks
from .base.as_owner import acting_as
from .base.clock import monotonic
from .base.errors import LockTimeout, WouldDeadlock
from .base.filelock import FileLock
from .base.namedlocks import NamedLocks, Owner
from .base.softguard import shielded
from .client import Client
from .tasks.context import running_job
from .tasks.durable import check_name

if TYPE_CHECKING:
    from .options.kinds import Span

FIRST_LOOK: Final = 0.001  # seconds until the second; each twice as long
LAST_LOOK: Final = 0.05


class Lock:
    """``with app.lock("reports", timeout="10s"):``, and ``async with``. Can be entered again and again, by several at once."""

    __slots__ = ("_client", "_named", "_owners", "_patience", "name")

    def __init__(self, client: Client, name: str, timeout: Span | None) -> None:
        self._client = client
        self.name = check_name(name, "lock(name)")
        self._patience = checks.patience(timeout)
        self._owners: list[Owner] = []
        self._named: NamedLocks | None = None  # from the first time on

    def __enter__(self) -> Self:
        locks, owner, deadline, pause = self._locks(), _owner(), self._deadline(), FIRST_LOOK
        try:
            while not self._try(locks, owner):
                if owner.task:
                    raise WouldDeadlock(f"lock {self.name!r} is had, and waiting for it would block the event loop: async with app.lock(...)")
                time.sleep(self._next_look(locks, deadline, pause))
                pause *= 2
        finally:
            locks.give_up(owner)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._let_go(_owner())

    async def __aenter__(self) -> Self:
        from asyncio import sleep

        locks, owner, deadline, pause = self._locks(), _owner(), self._deadline(), FIRST_LOOK
        try:
            while not self._try(locks, owner):
                await sleep(self._next_look(locks, deadline, pause))
                pause *= 2
        finally:
            locks.give_up(owner)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._let_go(_owner())

    def __del__(self) -> None:
        for owner in getattr(self, "_owners", ()):  # an exception came between its beginning and its block
            self._locks().release(self.name, owner)

    def _try(self, locks: NamedLocks, owner: Owner) -> bool:
        with shielded:  # a SoftTimeout in between would leave it had by nobody
            had = locks.try_acquire(self.name, owner)
            if had:
                self._owners.append(owner)
            return had

    def _let_go(self, owner: Owner) -> None:
        with shielded:
            self._locks().release(self.name, owner)
            if owner in self._owners:
                self._owners.remove(owner)

    def _deadline(self) -> float | None:
        return None if self._patience is None else monotonic() + self._patience

    def _next_look(self, locks: NamedLocks, deadline: float | None, pause: float) -> float:
        """In how many seconds. Raises LockTimeout, and in a task what ends its waiting."""
        context = running_job()
        if context is not None:
            context._give_up_waiting(blocking=True)
        left = LAST_LOOK if deadline is None else deadline - monotonic()
        if left <= 0:
            raise LockTimeout(f"lock {self.name!r} did not come within {self._patience:g} s: it is had {locks.holder(self.name)}")
        return min(pause, LAST_LOOK, left)

    def _locks(self) -> NamedLocks:
        if self._named is None:
            database = self._client.store.database
            database.open()

            def opened(path: str) -> FileLock:
                with acting_as(database.user):
                    return FileLock(path, owner=os.stat(database.path))

            self._named = namedlocks.of(database.path, opened)
        return self._named

    def __repr__(self) -> str:
        return f"<Lock {self.name!r}>"


def _owner() -> Owner:
    from threading import get_ident

    asyncio = sys.modules.get("asyncio")  # who has not imported it runs no loop
    task = None
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no loop runs in this thread
            task = None
    return Owner(get_ident(), 0 if task is None else id(task))
