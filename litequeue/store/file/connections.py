"""One connection: how it is opened, and closed.

Owns the PRAGMAs, how long it waits for others, and that SQLite makes, opens and deletes its files as whom root is to act as there (``as_owner``). It does so at
the first look, in ``open_connection``, at its first sync, when the last one of all closes, and when the journal mode changes; in
between a connection in WAL mode has them open, and goes by no path. Any other mode makes a journal at each write.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator

from ...base.as_owner import User, acting_as, keeper
from ...base.errors import CannotOpen
from .files import uri_if_read_only
from .sqlerrors import evidence_kept, translated


class Connection(sqlite3.Connection):
    """Closes itself with its app, as before Python 3.13, which warns of it: then an app that nobody closed failed the
    tests of its users under ``-W error``. Nothing is lost by that, since each transaction ends within its ``with``."""

    user: User | None = None
    immutable = False  # on a disk that nobody writes to
    to_sync = False  # a log of a user's, which it has not synced yet
    keep: Callable[[object], object] | None = None  # for ever, where there is a user

    def close(self) -> None:
        with acting_as(self.user):
            super().close()

    def __del__(self) -> None:
        try:  # not suppress(): as the program ends, the names of this module may be gone already
            if self.user is not None and sys.is_finalizing():
                raise RuntimeError("what it takes to act as that user may be gone too")
            self.close()
        except BaseException as error:
            # Else sqlite3 closes it as root, and SQLite unlinks -wal and -shm by their path, wherever that leads by now. Left open, all
            # is as after a kill.
            if self.keep is not None:
                self.keep(self)
            if not isinstance(error, Exception):  # those say that it was never opened, or that the program ends
                raise


@contextlib.contextmanager
def waiting(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """In the block it waits for so long where another one writes, or reads what is to be cut."""
    (usual,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout = {usual}")


def open_connection(path: str, user: User | None, *, patience: float, synced: bool, read_only: bool = False) -> Connection:
    """To the file, with -wal and -shm open as well if it is in WAL mode."""
    with acting_as(user), translated(path):
        keep = keeper() if user is not None else None
        uri = uri_if_read_only(path)
        connection = sqlite3.connect(
            uri or path,
            uri=uri is not None,
            timeout=patience,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=Connection,
        )
        connection.user, connection.keep, connection.to_sync = user, keep, user is not None
        connection.immutable = uri is not None and "immutable=1" in uri
        connection.text_factory = _text
        try:
            for pragma in (
                f"synchronous = {'FULL' if synced else 'NORMAL'}",  # reads the schema
                "fullfsync = ON",
                "wal_autocheckpoint = 0",
                "trusted_schema = OFF",
                "cell_size_check = ON",
                "mmap_size = 0",
            ):
                connection.execute(f"PRAGMA {pragma}")
            if read_only:
                connection.execute("PRAGMA query_only = ON")
        except BaseException as error:
            with evidence_kept(path, error):
                connection.close()
            raise
    return connection


def goes_by_no_path(connection: Connection) -> bool:
    """Whether all that it reads and writes is open."""
    return connection.immutable or bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal")


def sync_as_user(connection: Connection) -> None:
    """Under the gate, before its first write: SQLite opens the log's folder by its path as a connection first syncs the log, which
    without this was as root, in some commit or checkpoint."""
    (level,) = connection.execute("PRAGMA synchronous").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")  # this may wait
    try:
        with acting_as(connection.user):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version = {version}")  # writes it, the same as it is
            connection.execute("COMMIT")
        connection.to_sync = False
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute(f"PRAGMA synchronous = {level}")


def to_wal(connection: Connection, path: str) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise CannotOpen(f"{path}: SQLite cannot use WAL here (it answers {mode!r}); the file must be on a local disk")
    connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # opens the log's index


def _text(stored: bytes) -> str:
    """Text that somebody planted may be no UTF-8, and must not stop those who look."""
    return stored.decode("utf-8", "surrogateescape")
