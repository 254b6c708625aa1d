"""A transaction that a program holds open, and what joins it: each write of this context to that file, in a savepoint of its own.

Owns which transaction that is, by context and thread, and what is to be done once it is committed. An error undoes what it has cut short, and not
what the program did before; nothing here commits, but ``Transaction``, whose connection is ours.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextvars import ContextVar, Token
from threading import get_ident
from types import TracebackType
from typing import Any, Final

from ...base import forkguard
from ...base.clock import monotonic
from ...base.errors import QueueBusy, WouldDeadlock
from ...base.log import Log
from ...base.softguard import shielded
from .sqlerrors import translate
from .write import Write

log = Log("litequeue.store")

LONG: Final = 1.0  # seconds, from which on it is said how long nobody else could write


class Open:
    """A transaction of a program: its connection, and whose it is."""

    def __init__(self, path: str, connection: Any, *, is_ours: bool) -> None:
        self.path = path
        self.connection = connection
        self.is_ours = is_ours
        self.thread = get_ident()
        self.pid = os.getpid()
        self.is_over = False
        self.after: list[Callable[[], object]] = []  # once it is committed
        self.outer = _open.get()
        self._token: Token[Open | None] | None = None

    def begin(self) -> None:
        self._token = _open.set(self)

    @property
    def is_parents(self) -> bool:
        """In a fork's child, which must not touch it: a COMMIT of its own would succeed, and tear the log."""
        return self.pid != os.getpid()

    def end(self) -> None:
        self.is_over = True
        if self._token is not None:
            token, self._token = self._token, None
            try:
                _open.reset(token)
            except ValueError:  # it ends in another context than it began in
                _open.set(self.outer)


_open: ContextVar[Open | None] = ContextVar("litequeue_transaction", default=None)


def joined(path: str, *, writes: bool = True) -> Open | None:
    """The transaction that a write to this file joins, or a read. In another thread than its own, which has the lock, a read joins none, and a
    write raises WouldDeadlock."""
    found = _open.get()
    while found is not None and (found.is_over or found.path != path):
        found = found.outer
    if path in forkguard.left_open or found is not None and found.is_parents:
        from ...base.statements import forked

        raise forked(path)
    if found is not None and found.thread != get_ident():
        if not writes:
            return None
        raise WouldDeadlock(
            f"{path}: this context has a transaction open, and this is another thread than the transaction's: it would wait for that, and that for it. "
            "Enqueue in the block itself, with delay() and not adelay(), or after it"
        )
    return found


class Joined:
    """What a write is inside of such a transaction."""

    __slots__ = ("_open",)

    def __init__(self, open_: Open) -> None:
        self._open = open_

    def __enter__(self) -> Any:
        shielded.__enter__()
        forkguard.enter()
        try:
            if self._open.is_ours and not self._open.connection.in_transaction:
                # Of our own transactions alone, whose module has loaded it.
                from ...base.statements import ended

                raise ended(self._open.path)
            self._open.connection.execute("SAVEPOINT litequeue")
        except BaseException as error:
            self._leave()
            if isinstance(error, sqlite3.Error):
                if "SQL statements in progress" in str(error):
                    raise QueueBusy(
                        f"{self._open.path}: a statement of this connection that writes is not read to its end: .fetchall() the rows of its RETURNING "
                        "before you enqueue. Nothing was stored"
                    ) from error
                raise translate(error, self._open.path) from error
            raise
        return self._open.connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        connection = self._open.connection
        if self._open.is_parents:
            self._leave()
            return _leave_to_parent(self._open.path, error)
        try:
            if error is not None and connection.in_transaction:  # a full disk ends it all
                connection.execute("ROLLBACK TO litequeue")
            if connection.in_transaction:
                connection.execute("RELEASE litequeue")
        except sqlite3.Error as failed:
            raise translate(failed, self._open.path) from failed
        finally:
            self._leave()
        if isinstance(error, sqlite3.Error):
            raise translate(error, self._open.path) from error

    def _leave(self) -> None:
        forkguard.leave()
        shielded.__exit__()


class Nested(Joined):
    """The same around a program's code: in between a soft timeout may come, and a fork of this thread's."""

    __slots__ = ()

    def __enter__(self) -> Any:
        connection = super().__enter__()
        forkguard.leave()
        try:
            shielded.__exit__()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        shielded.__enter__()
        forkguard.enter()
        is_theirs = isinstance(error, sqlite3.Error)  # and stays as it is
        super().__exit__(_RollBack if is_theirs else kind, _RollBack() if is_theirs else error, traceback)


def _leave_to_parent(path: str, error: BaseException | None) -> None:
    """What ends a block in a fork's child stays as it is; where that is its end, StoreError."""
    if error is None:
        from ...base.statements import forked

        raise forked(path)


class _RollBack(Exception):
    """Given to the write in the place of whatever a program's block raised, which stays as it is."""


class Transaction:
    """A write transaction for a program: ``connection`` is ours, with the lock, until the block ends."""

    def __init__(self, database: Any) -> None:
        self._write = Write(database, True, None)
        self._path: str = database.path
        self._open: Open | None = None
        self._began = 0.0

    def __enter__(self) -> Open:
        connection = self._write.__enter__()
        self._began = monotonic()
        self._open = Open(self._path, connection, is_ours=True)
        try:
            self._open.begin()
            self._write.keep()
            forkguard.begin(self._path, connection)
            # In the block a soft timeout may come, and a fork of this thread's: between two statements both do no harm.
            forkguard.leave()
            shielded.__exit__()  # it may have been waiting for this
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self._open

    @property
    def is_parents(self) -> bool:
        """As of the ``Open``."""
        return self._open is not None and self._open.is_parents

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        open_ = self._open
        assert open_ is not None
        open_.end()
        if open_.is_parents:
            return _leave_to_parent(self._path, error)
        shielded.__enter__()
        forkguard.enter()
        forkguard.end(self._path)
        is_ended = not open_.connection.in_transaction
        if error is None and not is_ended:
            self._write.__exit__(None, None, None)
        else:
            self._write.__exit__(_RollBack, _RollBack(), None)
        held = monotonic() - self._began
        if held > LONG:
            log.warning("%s: a transaction was held open for %.1f s, in which nobody else could write", self._path, held)
        if error is None and is_ended:
            from ...base.statements import ended

            raise ended(self._path)
        if error is None:
            for act in open_.after:
                act()
