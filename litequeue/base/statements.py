"""What a program may run in a transaction that is ended for it.

Owns that check, and the face of such a transaction. Knows no file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from . import forkguard
from .errors import InvalidArgument, StoreError

if TYPE_CHECKING:
    import sqlite3

_FIRST: Final = re.compile(r"(?:[\s;\ufeff]+|--[^\n]*\n?|/\*.*?\*/)*(\w*)", re.DOTALL)
_ENDING: Final = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"})
_STAYING: Final = frozenset({"PRAGMA", "ATTACH", "DETACH", "VACUUM"})


class Fetched:
    """What a statement came to, read to its end: none that is open keeps others from being run, or the log from being written anew."""

    __slots__ = ("_rows", "description", "lastrowid", "rowcount")

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._rows = iter(cursor.fetchall())
        self.description = cursor.description
        self.rowcount = cursor.rowcount
        self.lastrowid = cursor.lastrowid

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchmany(self, size: int = 1) -> list[Any]:
        return list(islice(self._rows, size))

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


class Statements:
    """``db`` of ``with app.transaction() as db:``. ``execute`` and ``executemany`` are those of sqlite3, and what they give is read to its end."""

    __slots__ = ("_connection", "_pid")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._pid = os.getpid()

    def __getattr__(self, name: str) -> Any:
        advice = {"commit": "its block's end commits", "rollback": "an exception rolls back", "executescript": "execute runs one statement", "cursor": "execute gives one"}
        of_job = "; result is of current_job().transaction()" if name == "result" else ""
        raise AttributeError(f"a transaction has execute and executemany, and no {name}{f': {advice[name]}' if name in advice else of_job}")

    def execute(self, sql: str, parameters: Any = ()) -> Fetched:
        """Run one statement. Raises sqlite3.Error as sqlite3 does, InvalidArgument for one that begins or ends a transaction, or would stay set on
        litequeue's own connection, StoreError where SQLite itself has ended the transaction."""
        with forkguard.inside:
            found = self._at(sql).execute(sql, parameters)
            return found if isinstance(found, Fetched) else Fetched(found)

    def executemany(self, sql: str, rows: Iterable[Any]) -> None:
        """Run it with each of the rows. Raises as ``execute``."""
        with forkguard.inside:
            self._at(sql).executemany(sql, rows)

    def _at(self, sql: str) -> sqlite3.Connection:
        if self._connection is None:
            raise InvalidArgument("the transaction is over: its block has ended")
        found = _FIRST.match(sql)
        word = "" if found is None else found[1].upper()
        if word in _ENDING:
            raise InvalidArgument(f"the transaction is the block's, whose end commits and whose exception rolls back: leave {word} out")
        if word in _STAYING:
            raise InvalidArgument(f"{word} is for a connection of your own, with app.using(connection): here it would stay set on litequeue's, or do nothing")
        if self._pid != os.getpid():
            raise forked("")
        if not self._connection.in_transaction:
            raise ended("")
        return self._connection

    def _end(self) -> None:
        self._connection = None


def ended(path: str) -> StoreError:
    """Of a transaction that SQLite has ended inside of its block: what came after would be stored by itself."""
    where = f"{path}: " if path else ""
    return StoreError(
        f"{where}the transaction was ended inside of its block, by SQLite (a statement with OR ROLLBACK, a trigger's RAISE(ROLLBACK), a full disk) or by a "
        "COMMIT: the block's end commits, and an exception rolls back. Nothing more of it is stored"
    )


def forked(path: str) -> StoreError:
    """Of a transaction that a fork's child has found open."""
    where = f"{path}: " if path else ""
    return StoreError(
        f"{where}this process was forked inside of a transaction of its parent's, and SQLite takes that for its own here, for ever: fork before it or "
        "after it, or start the process anew (spawn)"
    )


class Ending(Statements):
    """``db`` of ``with current_job().transaction() as db:``; ``result`` is what the job comes to."""

    __slots__ = ("result",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.result: Any = None
