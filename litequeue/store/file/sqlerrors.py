"""sqlite3's errors as litequeue's own, each with the path in it; and that a damaged file is left as it is."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator

from ...base import errors
from ..schema.ledger import used_up
from . import mark
from .files import log_size, why_not_writable
from .lock_holder import holder, why_held_up


def translate(error: sqlite3.Error, path: str, connection: sqlite3.Connection | None = None) -> errors.LitequeueError:
    """The fitting error; anything unforeseen is a StoreError with SQLite's words. ``connection``: where it came from, rolled back."""
    code = _code(error)
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY_SNAPSHOT:
        return errors.QueueBusy(
            f"{path}: this transaction has read before another one wrote, and can write nothing any more: roll it back, and begin it with BEGIN IMMEDIATE. "
            "Nothing was stored"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return errors.QueueBusy(f"{path}: {_who_is_busy(path)}")
    if code == sqlite3.SQLITE_FULL:
        with contextlib.suppress(sqlite3.Error):
            if connection is not None and (why := used_up(connection, path)) is not None:
                return errors.DatabaseCorrupt(f"{path}: {why}. Nothing was stored")
        return errors.StorageFull(f"{path}: no room left on the device. Nothing was stored")
    if code == sqlite3.SQLITE_INTERRUPT:
        return errors.StoreError(f"{path}: a statement was ended that held up a stop. Nothing of it was stored")
    if code == sqlite3.SQLITE_IOERR:
        return errors.StorageFailed(f"{path}: the device refused a read or write ({error})")
    if code == sqlite3.SQLITE_NOTADB and mark.was_set_up(path):
        return errors.DatabaseCorrupt(
            f"{path} is damaged: it was in use as a queue, and its beginning is no SQLite database's any more; it was "
            "left as it is. Restore a backup, or salvage what can be read with `sqlite3 FILE .recover`"
        )
    if code == sqlite3.SQLITE_NOTADB:
        return errors.NotAQueue(f"{path} is not a SQLite database; it was left as it is")
    if code == sqlite3.SQLITE_CORRUPT:
        return damaged(path, error)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        why = why_not_writable(path)
        return errors.CannotOpen(f"{path} cannot be opened for writing: {error}{f': {why}' if why else ''}")
    return errors.StoreError(f"{path}: SQLite reports: {error}")


def is_unforeseen(error: BaseException) -> bool:
    """Whether it is none of the family, or one in SQLite's words. An error of the system comes of no value in a file."""
    in_its_words = type(error) is errors.StoreError and _code(error.__cause__) != sqlite3.SQLITE_INTERRUPT
    return in_its_words or not isinstance(error, (errors.LitequeueError, OSError, MemoryError))


def damaged(path: str, why: object) -> errors.DatabaseCorrupt:
    return errors.DatabaseCorrupt(
        f"{path} is damaged ({why}); it was left as it is. Restore a backup, or salvage what "
        "can be read with `sqlite3 FILE .recover`"
    )


def _who_is_busy(path: str) -> str:
    """Nobody of litequeue's: they queue at the gate."""
    pid = holder(path)
    if pid == os.getpid():
        return (
            "this process itself held SQLite's write lock for too long, in an open transaction of its own connection to the "
            "file. Nothing was stored; commit or roll that back before you enqueue, which is a transaction of its own"
        )
    why = why_held_up(path)
    if why is not None:
        return f"{why}. Nothing was stored"
    if pid == os.getppid():
        return (
            f"process {pid}, which started this one, held SQLite's write lock for too long. Nothing was stored; try again. If it had a transaction open as this one was "
            "forked, SQLite takes that for its own here, for ever: fork before it or after it, or start the process anew (spawn)"
        )
    who = "another program" if pid is None else f"process {pid}, another program,"
    return f"{who} held SQLite's write lock for too long (one that does not use litequeue). Nothing was stored; try again"


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error


def _code(error: BaseException | None) -> int:
    """SQLite's primary code; 0 of any other error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextlib.contextmanager
def evidence_kept(path: str, error: BaseException) -> Iterator[None]:
    """Close a connection inside the block that failed to open; if for damage, so that the log stays beside the file.

    The last one that closes copies the log into the file and deletes it (measured: also where SQLite had just refused
    the file as no database). It does not while another is open, and one that may only read never does.
    """
    with contextlib.ExitStack() as stack:
        if _code(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT) and log_size(path):
            with contextlib.suppress(sqlite3.Error):
                reader = stack.enter_context(contextlib.closing(_reader(path)))
                reader.execute("SELECT 1 FROM sqlite_master").fetchone()  # locks the file, even if it then fails
        yield


def _reader(path: str) -> sqlite3.Connection:
    from urllib.parse import quote  # 4 ms that hardly anybody needs

    return sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=0)
