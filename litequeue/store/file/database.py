"""Connections and transactions: when the SQLite file is opened, and what for.

Owns the pool of connections, BEGIN IMMEDIATE ... COMMIT under the write gate, checkpoints, the translation of sqlite3's errors, and what happens at a
fork. Knows nothing of jobs.

A connection is used by one thread at a time: the two writing ones (one per durability) belong to whoever holds the gate, reading ones are checked out
of a list. After a fork the child forgets them all without closing any (measured: a child's COMMIT on an inherited connection reported success and the
row was gone; closing it would drop the parent's locks), and opens its own.

Never opens the database, ``-wal`` or ``-shm`` but through sqlite3: closing any other descriptor of them drops SQLite's POSIX locks in the whole
process (measured: a committed row vanished and integrity_check said ok).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any, Final

from ...base import errors, forkguard
from ...base.as_owner import User, acting_as
from ...base.clock import SystemClock
from ...base.softguard import shielded
from ..schema import ledger
from ..schema.foreign import foreign, refuse_foreign
from .connections import (
    Connection,
    goes_by_no_path,
    open_connection,
    sync_as_user,
    to_wal,
)
from .files import ensure_file, refuse_unsafe, why_not_writable
from .handles import Handles
from .joined import Joined, Open, joined
from .mark import refuse_strays
from .sqlerrors import evidence_kept, translate, translated
from .wal import Wal, copy
from .write import Write, close_quietly

PATIENCE: Final = 30.0  # seconds to wait for the write lock

# Connections inherited over a fork: kept referenced for ever, since closing one would harm the parent.
_parked: list[object] = []


class Database:
    """One SQLite file in WAL mode. Safe to use from any thread, and after a fork."""

    def __init__(
        self, path: str, *, create: bool = True, adopt: bool = True, durability: str = "full", trust: str | None = None, patience: float = PATIENCE
    ) -> None:
        """``create`` a missing file, ``adopt`` one of another app by adding our tables, or refuse. ``trust``: see ``files``."""
        if sqlite3.sqlite_version_info < (3, 37):
            raise errors.CannotOpen(f"SQLite 3.37 is needed; here is {sqlite3.sqlite_version}")
        self.given_path = path
        self.path = os.path.realpath(path)
        self.patience = patience
        self._create = create
        self._adopt = adopt
        self._durability = durability
        self._trust = trust
        self.user: User | None = None  # whom root is to act as, where it opens or makes files there
        self._handles: Handles | None = None
        self._opening = threading.Lock()
        self.wal = Wal(self.path)

    # -- opening -----------------------------------------------------------------------------

    def open(self) -> None:
        """Open the file now rather than at its first use; raises what that would raise."""
        self.held()

    def held(self) -> Handles:
        """What this process holds open of the file; opens it if need be."""
        handles = self._handles
        if handles is not None and handles.pid == os.getpid():
            return handles
        if handles is not None:  # we are a fork's child
            _parked.append(handles)
            self._handles = None
        with shielded, forkguard.inside, self._opening:
            handles = self._handles  # which another thread may close as soon as it is set
            if handles is None:
                handles = self._handles = self._open()
            return handles

    def _open(self) -> Handles:
        # Before all else: SQLite plays a journal in at the first look.
        self.user = refuse_unsafe(self.given_path, self._trust, create=self._create)
        with acting_as(self.user):
            refuse_strays(self.path)
            ensure_file(self.path, self.given_path, create=self._create)
        with translated(self.path):
            handles = Handles(self.path, self.user)
            try:
                self._prepare(handles)
            except BaseException:
                handles.give_back_gate()
                raise
        return handles

    def _prepare(self, handles: Handles) -> None:
        """Check the file and bring its schema up to date; under the gate unless it is current."""
        connection = self._connect(durable=True)
        try:
            with acting_as(self.user):  # each look goes by paths that is not in WAL mode yet
                is_ready = self._is_ready(connection)
            if not is_ready:
                # The switch to WAL ignores the busy timeout, so it too needs the gate.
                turn = handles.enter(self.patience)
                try:
                    with acting_as(self.user):
                        self._bring_up(connection, handles)
                finally:
                    turn.leave()
            handles.writers[True] = connection
        except BaseException as error:
            with acting_as(self.user), evidence_kept(self.path, error):
                connection.close()
            raise

    def _is_ready(self, connection: Connection) -> bool:
        found = self._look(connection)
        if found.version >= ledger.CURRENT:
            # A copy by VACUUM INTO is not. Who may not write there can read it all the same.
            return goes_by_no_path(connection) or self.user is None and why_not_writable(self.path) is not None
        if not self._adopt and not ledger.is_empty(connection) and found.version == 0:
            raise errors.NotAQueue(
                f"{self.given_path} is a SQLite database without litequeue's tables; "
                "check the path (`litequeue init` adds the tables, as does LiteQueue(path) in the app's own code)"
            )
        if not self._create and found.version == 0:
            raise errors.NotAQueue(f"{self.given_path} has no litequeue tables: nothing was ever enqueued there")
        return False

    def _bring_up(self, connection: Connection, handles: Handles) -> None:
        handles.identity.verify_file()  # a restore may have had the gate, and the log would be another file's
        to_wal(connection, self.given_path)
        connection.execute("BEGIN IMMEDIATE")
        handles.mark()
        self._look(connection)
        if ledger.migrate(connection, SystemClock().now()):
            handles.announce(self.given_path)
        connection.execute("COMMIT")

    def _look(self, connection: sqlite3.Connection) -> ledger.Found:
        """What a file says of itself, if it is one that we can work on, and can trust to run nothing as we do."""
        strange = foreign(connection)
        if ledger.META in strange:
            refuse_foreign(strange, self.given_path)
        found = ledger.look(connection)
        ledger.refuse_newer(found, self.given_path)  # first: what is newer may be unknown here
        refuse_foreign(strange, self.given_path)
        return found

    def _connect(self, *, durable: bool, read_only: bool = False, patience: float | None = None) -> Connection:
        synced, patience = durable and self._durability == "full", self.patience if patience is None else patience
        return open_connection(self.path, self.user, patience=patience, synced=synced, read_only=read_only)

    # -- transactions --------------------------------------------------------------------------

    def write(self, *, durable: bool, on: Connection | None = None, patience: float | None = None) -> Write | Joined:
        """``with db.write(durable=...) as connection``: BEGIN IMMEDIATE under the gate, then COMMIT.
        ``durable`` syncs the commit to the device (unless durability="normal"). Raises QueueBusy, StorageFull
        or another StoreError; then nothing was stored. ``on`` names a side connection to write with, ``patience`` seconds instead of the usual.
        Where the program holds a transaction open here, it is a part of that."""
        if (found := joined(self.path)) is not None:
            return Joined(found)
        return Write(self, durable, on, patience)

    def joined(self) -> Open | None:
        """The transaction that a write would join."""
        return joined(self.path)

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for single SELECTs. Fetch all of each: an open cursor blocks checkpoints."""
        found = joined(self.path, writes=False)
        handles = self.held()
        with shielded, forkguard.inside, translated(self.path):
            if found is not None:
                yield found.connection
                return
            try:
                connection = handles.idle_readers.pop()
            except IndexError:
                connection = self._another(handles, durable=False, read_only=True)
            try:
                yield connection
            finally:
                handles.idle_readers.append(connection)

    def one(self, sql: str, parameters: Any = ()) -> Any:
        """The first row of a SELECT, or None. The hot read, without read()'s generator."""
        with shielded:
            handles = self.held()
            if (found := joined(self.path, writes=False)) is not None:
                return found.connection.execute(sql, parameters).fetchone()
            try:
                connection = handles.idle_readers.pop()
            except IndexError:
                with self.read() as connection:
                    return connection.execute(sql, parameters).fetchone()
            forkguard.enter()
            try:
                return connection.execute(sql, parameters).fetchone()
            except sqlite3.Error as error:
                raise translate(error, self.path) from error
            finally:
                forkguard.leave()
                handles.idle_readers.append(connection)

    @contextlib.contextmanager
    def side_connection(self) -> Iterator[Connection]:
        """A durable writing connection of the caller's own, for TEMP tables; where the program has a transaction open, that one's."""
        if (found := joined(self.path)) is not None:
            with translated(self.path):
                yield found.connection
            return
        handles = self.held()
        with forkguard.inside, translated(self.path), contextlib.closing(self._another(handles, durable=True)) as connection:
            yield connection

    def writer(self, handles: Handles, durable: bool, on: Connection | None = None) -> Connection:
        """For who holds the gate; ``on``: a side connection."""
        connection = on or handles.writers.get(durable)
        if connection is None:
            connection = handles.writers[durable] = self._another(handles, durable=durable)
        if connection.to_sync:
            sync_as_user(connection)
        return connection

    def guard(self, handles: Handles) -> Connection:
        """What keeps others from writing during a checkpoint, or waits for none of them; for who holds the gate."""
        guard = handles.writers.get(None)
        if guard is None:
            guard = handles.writers[None] = self._another(handles, durable=False, patience=0)
        return guard

    def _another(self, handles: Handles, *, durable: bool, read_only: bool = False, patience: float | None = None) -> Connection:
        """One more connection to the file that is open, and to no other.

        Opened on a file that took its place, SQLite would find nobody at the new one's -shm, which has the old one's
        name, and cut it short under the mappings of those that are open: SIGBUS (seen of a worker, at a restore).
        """
        handles.identity.verify()
        connection = self._connect(durable=durable, read_only=read_only, patience=patience)
        if self.user is not None and not goes_by_no_path(connection):
            connection.close()
            raise errors.StoreError(f"{self.path}: somebody has taken it out of WAL mode while it was in use")
        return connection

    def data_version(self) -> int:
        """A number that changes whenever any other connection has committed.
        Raises SchemaTooNew where newer code has migrated the file to what this one cannot work on, NotAQueue where somebody
        has put SQL of his own into it."""
        handles = self.held()
        handles.identity.verify()
        with forkguard.inside, handles.watching:
            try:
                watcher = handles.watcher
                if watcher is None:
                    watcher = handles.watcher = self._another(handles, durable=False, read_only=True)
                number = int(watcher.execute("PRAGMA data_version").fetchone()[0])
                if number != handles.data_version:
                    self._look(watcher)
                    handles.data_version = number
                return number
            except sqlite3.Error as error:
                raise translate(error, self.path) from error

    # -- checkpoints -----------------------------------------------------------------------------

    def checkpoint(self) -> tuple[int, int, int]:
        """A passive checkpoint now: (whether it was in the way, frames in the log, frames copied)."""
        handles = self.held()
        with shielded, forkguard.inside, translated(self.path):
            turn = handles.enter(self.patience)
            try:
                connection = self.writer(handles, False)
                found = copy(connection, self.guard(handles))
            finally:
                turn.leave()
        return found or (1, 0, 0)

    def tend_wal(self) -> None:
        """Maintenance's turn at a WAL that a reader kept long."""
        if self.wal.is_long():
            with self.write(durable=False) as connection:
                self.wal.make_due()
                connection.execute("SELECT 1").fetchone()

    # -- closing ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every connection of this process; the next use opens anew.

        One that another thread is using (an embedded worker's) is closed when that lets go of it: under a running statement that crashes the process.
        """
        handles, self._handles = self._handles, None
        if handles is None or handles.pid != os.getpid():
            return
        # The gate before the fork guard, as a write takes them.
        with shielded, handles.against_threads(self.patience) as alone, forkguard.inside:
            handles.watcher = None
            while handles.idle_readers:
                close_quietly(handles.idle_readers.pop())
            if not alone:
                _parked.append(handles)
                return
            handles.closed = True  # seen by those who wait for the gate
            # The last connection of all checkpoints as it closes, without the file's lock: it does so under
            # SQLite's exclusive one, when nobody else has the file open, so no commit can overlap.
            for connection in handles.writers.values():
                close_quietly(connection)
            handles.give_back_gate()
