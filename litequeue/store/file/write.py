"""One write transaction: BEGIN IMMEDIATE under the gate, and COMMIT, or nothing.

Owns the order in which the locks are taken and given back: the shield against soft timeouts, the gate, the fork guard,
SQLite's own. Who writes what is the caller's.
"""

from __future__ import annotations

import contextlib
import sqlite3
from types import TracebackType
from typing import Protocol

from ...base import forkguard
from ...base.softguard import shielded
from . import gate
from .connections import Connection, waiting
from .handles import Handles, Turn
from .sqlerrors import translate
from .wal import Wal


class _Database(Protocol):
    """What a transaction needs of its database."""

    path: str
    given_path: str
    patience: float
    wal: Wal

    def guard(self, handles: Handles) -> Connection: ...

    def held(self) -> Handles: ...
    def writer(self, handles: Handles, durable: bool, on: Connection | None) -> Connection: ...


def close_quietly(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):
        connection.close()


class Write:
    """One write transaction. A class, since contextlib's generator costs 1.5 us more per enqueue.

    A signal's handler may raise anywhere, and in the first line of ``__exit__`` too: then what this object held is let go of by its turn.
    """

    __slots__ = ("_before", "_connection", "_database", "_durable", "_guard", "_handles", "_is_counted", "_on", "_patience", "_turn")

    def __init__(self, database: _Database, durable: bool, on: Connection | None, patience: float | None = None) -> None:
        self._database = database
        self._durable = durable
        self._on = on
        self._patience = patience
        self._connection: sqlite3.Connection | None = None
        self._guard: Connection | None = None
        self._is_counted = False
        self._turn: Turn | None = None  # while the write lock is ours

    def __enter__(self) -> sqlite3.Connection:
        database = self._database
        shielded.__enter__()  # until __exit__: a SoftTimeout in between would leave the gate shut
        try:
            while True:
                handles = self._handles = database.held()
                try:
                    self._turn = handles.enter(database.patience if self._patience is None else self._patience)
                except gate.GateClosed:
                    continue
                if not handles.closed:
                    break
                self._turn.leave()
            self._is_counted = True
            forkguard.enter()
            connection = self._connection = database.writer(handles, self._durable, self._on)
            handles.identity.verify()
            self._before = connection.total_changes
            if self._patience is None:
                connection.execute("BEGIN IMMEDIATE")
            else:  # of who writes without the gate
                with waiting(connection, self._patience):
                    connection.execute("BEGIN IMMEDIATE")
            if not handles.marked:
                handles.mark()
            if handles.checked is not handles.identity.news:
                handles.check_schema(connection, database.given_path)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connection, database = self._connection, self._database
        try:
            if error is None and connection is not None:
                try:
                    connection.execute("COMMIT")
                except sqlite3.Error as failed:
                    raise translate(failed, database.path) from failed
                database.wal.after_commit(connection, connection.total_changes - self._before, self._checkpoint_guard)
            elif isinstance(error, sqlite3.Error):  # with the gate: the connection is whose that is
                self._roll_back()
                raise translate(error, database.path, connection) from error
        finally:
            try:
                self._leave()
            except BaseException:
                self._leave()  # a signal's handler has cut it short; what is done is not done again
                raise
            finally:
                shielded.__exit__()

    def keep(self) -> None:
        """It stays open while a program's code runs: who writes in this thread meanwhile, and does not join it, has not found it left behind."""
        self._handles.is_kept = True

    def _checkpoint_guard(self) -> Connection:
        self._guard = self._database.guard(self._handles)
        return self._guard

    def _leave(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._roll_back()
        if self._guard is not None and self._guard.in_transaction and self._turn is not None and self._turn.is_ours():
            self._guard.execute("ROLLBACK")  # a signal's handler has cut a checkpoint short
        if self._is_counted:
            self._is_counted = False
            forkguard.leave()
        if self._turn is not None:
            self._handles.is_kept = False
            self._turn.leave()
            self._turn = None

    def _roll_back(self) -> None:
        """If it is not committed. A connection that cannot even do that is not trusted with another write."""
        connection = self._connection
        if connection is None or not connection.in_transaction or self._turn is None or not self._turn.is_ours():
            return  # or it is in the middle of another's by now
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._handles.writers.pop(self._durable, None)
            close_quietly(connection)  # perhaps the only one: then the files beside the database go too
            self._handles.distrust()
