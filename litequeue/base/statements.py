"""What a program may run in a transaction that is ended for it.

Owns that check, and the face of such a transaction. Knows no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from .errors import InvalidArgument

if TYPE_CHECKING:
    import sqlite3

_FIRST: Final = re.compile(r"(?:\s+|--[^\n]*\n?|/\*.*?\*/)*(\w*)", re.DOTALL)
_ENDING: Final = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"})


class Statements:
    """``db`` of ``with app.transaction() as db:``. ``execute`` and ``executemany`` are those of sqlite3."""

    __slots__ = ("_connection", "_cursors")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._cursors: list[sqlite3.Cursor] = []

    def __getattr__(self, name: str) -> Any:
        advice = {"commit": "its block's end commits", "rollback": "an exception rolls back", "executescript": "execute runs one statement", "cursor": "execute gives one"}
        of_job = "; result is of current_job().transaction()" if name == "result" else ""
        raise AttributeError(f"a transaction has execute and executemany, and no {name}{f': {advice[name]}' if name in advice else of_job}")

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Run one statement. Raises sqlite3.Error as sqlite3 does, InvalidArgument for one that begins or ends a transaction."""
        return self._kept(self._at(sql).execute(sql, parameters))

    def executemany(self, sql: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        """Run it with each of the rows."""
        return self._kept(self._at(sql).executemany(sql, rows))

    def _at(self, sql: str) -> sqlite3.Connection:
        if self._connection is None:
            raise InvalidArgument("the transaction is over: its block has ended")
        found = _FIRST.match(sql)
        if found is not None and found[1].upper() in _ENDING:
            raise InvalidArgument(f"the transaction is the block's, whose end commits and whose exception rolls back: leave {found[1]} out")
        return self._connection

    def _kept(self, cursor: sqlite3.Cursor) -> sqlite3.Cursor:
        if getattr(cursor, "description", None) is not None:  # of an app's own connection rows are read already
            self._cursors.append(cursor)
        return cursor

    def _end(self) -> None:
        """One that was not read to its end would keep its snapshot, and so the log from being written anew."""
        self._connection = None
        for cursor in self._cursors:
            cursor.close()
        self._cursors.clear()


class Ending(Statements):
    """``db`` of ``with current_job().transaction() as db:``; ``result`` is what the job comes to."""

    __slots__ = ("result",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.result: Any = None
