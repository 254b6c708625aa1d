"""A connection of the app's own, on which it enqueues in its own transaction.

Owns what is asked of such a connection before it is used, and how statements are run on it whatever the app has set there. Never commits:
where the app's next statement would have begun a transaction, or been one by itself, so does what is done here.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from ...base import forkguard
from ...base.errors import InvalidArgument, InvalidType
from ...base.statements import Fetched
from ..schema import ledger
from .sqlerrors import translated

_FILE: Final = "SELECT file FROM pragma_database_list WHERE name = 'main'"
# Before it a commit that wrapped the log round, while another connection made a checkpoint, could damage the file.
FIXED: Final = (3, 51, 3)
_LEGACY: Final = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, of Python 3.12


class Borrowed:
    """The app's connection, as ours are used."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Any = ()) -> Fetched:
        if sql == "SAVEPOINT litequeue" and not self._connection.in_transaction and self._begins_by_itself():
            self._run("BEGIN")  # as Python would before its next INSERT
        return self._run(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Any]) -> None:
        self._cursor().executemany(sql, rows)

    def _run(self, sql: str, parameters: Any = ()) -> Fetched:
        text_factory, self._connection.text_factory = self._connection.text_factory, str
        try:
            with forkguard.inside:
                return Fetched(self._cursor().execute(sql, parameters))
        finally:
            self._connection.text_factory = text_factory

    def _cursor(self) -> sqlite3.Cursor:
        cursor = sqlite3.Connection.cursor(self._connection, sqlite3.Cursor)  # not what a library has put in their place
        cursor.row_factory = None
        return cursor

    def _begins_by_itself(self) -> bool:
        autocommit = getattr(self._connection, "autocommit", _LEGACY)
        return autocommit == _LEGACY and self._connection.isolation_level is not None

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction


def borrow(connection: object, path: str) -> Borrowed:
    """Raises InvalidType for what is no connection, InvalidArgument for one to another file, or to one without our tables."""
    if not isinstance(connection, sqlite3.Connection):
        raise InvalidType(
            f"using takes a sqlite3.Connection, not {type(connection).__name__}. Of SQLAlchemy that is session.connection().connection.driver_connection, "
            "of Django django.db.connection.connection, once it is open"
        )
    borrowed = Borrowed(connection)
    with translated(path):
        row = borrowed.execute(_FILE).fetchone()
        file = os.fsdecode(row[0]) if row and row[0] else ""
        if not file or os.path.realpath(file) != path:
            raise InvalidArgument(f"that connection's main database is {file or 'in memory'}, and the queue's is {path}: jobs and rows go together in one file alone")
        found = ledger.look(borrowed)  # type: ignore[arg-type]
        ledger.refuse_newer(found, path)
        if found.version < ledger.CURRENT:
            raise InvalidArgument(
                f"{path} has not the tables of this litequeue: open the app before the transaction begins (app.limits.list(), or any enqueue), or "
                f"python -m litequeue init {path}"
            )
        if sqlite3.sqlite_version_info < FIXED:
            borrowed.execute("PRAGMA wal_autocheckpoint = 0")  # workers make them
    return borrowed
