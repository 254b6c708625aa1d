"""sqlite3's errors as litequeue's own, each with the path in it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from .. import errors


def translate(error: sqlite3.Error, path: str) -> errors.LitequeueError:
    """The fitting error; anything unforeseen is a StoreError with SQLite's words."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return errors.QueueBusy(
            f"{path}: another program held SQLite's write lock for too long (one that does not "
            "use litequeue). Nothing was stored; try again"
        )
    if code == sqlite3.SQLITE_FULL:
        return errors.StorageFull(f"{path}: no room left on the device. Nothing was stored")
    if code == sqlite3.SQLITE_IOERR:
        return errors.StorageFailed(f"{path}: the device refused a read or write ({error})")
    if code == sqlite3.SQLITE_NOTADB:
        return errors.NotAQueue(f"{path} is not a SQLite database; it was left as it is")
    if code == sqlite3.SQLITE_CORRUPT:
        return errors.DatabaseCorrupt(
            f"{path} is damaged ({error}); it was left as it is. Restore a backup, or salvage what "
            "can be read with `sqlite3 FILE .recover`"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return errors.CannotOpen(f"{path} cannot be opened for writing: {error}")
    return errors.StoreError(f"{path}: SQLite reports: {error}")


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error
