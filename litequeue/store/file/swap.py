"""Another file in the place of a queue: that nobody uses that one meanwhile, and that either is there whole whenever a process dies.

Owns how it is known that nobody has the file open, and the order of the renames. Who has a connection to it holds a lock for as long as that is open,
in any process and by any program: SQLite's exclusive one, which is held until the new file is there, can be had only where there is none. Of a
damaged file, which SQLite does not lock, Linux says who has it open; elsewhere the workers' own locks alone tell.

The former file is first of all made one without a log, under that lock: no log of it can then be taken for the new one's. It gets a second name,
and then the new one takes its first, in one step. A process that dies between the two leaves the file as it was, which is refused while it has
two names (``files``), and the next restore goes on from there. Of a damaged file the log goes along by its own name, between these two.

A program that opens the file at this very moment waits: for SQLite's lock, and then, since that file is not in WAL mode any more, for the gate, which is
held as well; it then finds that its file is another one (``Database._bring_up``).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from typing import Final

from ...base import errors
from ...base.as_owner import User, acting_as
from ...base.lockfolder import SUFFIX, LockFolder
from ...base.namedlocks import SUFFIX as LOCKS
from ...base.trust import BESIDE
from . import gate, mark
from .connections import waiting
from .draft import Draft, sync_folder
from .identity import LOCK
from .lock_holder import users
from .look import looking
from .sqlerrors import translate

PATIENCE: Final = 0.5  # seconds
_BESIDE_ONE_IN_USE: Final = (*BESIDE, LOCK, LOCKS, SUFFIX)
_EVERY_LOCK: Final = "PRAGMA locking_mode = EXCLUSIVE"
_LOOK: Final = "SELECT count(*) FROM sqlite_schema"


class Alone:
    """A file that nobody else has open. ``connection`` is to it; None where there is none, or it is not fit to be read."""

    def __init__(self, path: str, user: User | None) -> None:
        self.path, self.user = path, user
        self.connection: sqlite3.Connection | None = None
        self._gate: gate.WriteGate | None = None
        self.found: os.stat_result | None = None
        with contextlib.suppress(FileNotFoundError):
            self.found = os.stat(path)

    def open(self) -> None:
        """Raises QueueBusy where somebody has it open; DatabaseCorrupt, DatabaseReplaced or NotAQueue where it is not fit to be read."""
        with acting_as(self.user):
            mark.refuse_strays(self.path)
            if self.found is None or not self.found.st_size:
                return
        with looking(self.path, self.user):
            pass  # who may write, and finds no database, deletes the log as it closes
        with acting_as(self.user):
            connection = sqlite3.connect(_uri(self.path), uri=True, timeout=PATIENCE, isolation_level=None)
            try:
                for pragma in ("wal_autocheckpoint = 0", "trusted_schema = OFF"):
                    connection.execute(f"PRAGMA {pragma}")
                connection.execute(_EVERY_LOCK).fetchone()
                connection.execute(_LOOK).fetchone()
                connection.execute("BEGIN EXCLUSIVE")
                connection.execute("COMMIT")  # it is kept
            except sqlite3.Error as error:
                connection.close()
                refuse_users(self.path)
                raise translate(error, self.path) from error
            except BaseException:
                connection.close()
                raise
        self.connection = connection

    def shut(self) -> None:
        """Take the gate as well, whose file may have to be made. Raises QueueBusy."""
        with acting_as(self.user):
            self._gate = gate.borrow(self.path)
        self._gate.acquire(PATIENCE)

    def close(self) -> None:
        self._let_go()
        held, self._gate = self._gate, None
        if held is not None:
            held.release()
            gate.give_back(held)

    def _let_go(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with acting_as(self.user):
                connection.close()

    def swap(self, draft: Draft, aside: str) -> None:
        """Put the draft in its place, and keep it as ``aside``. Raises StoreError, and then it is there as it was."""
        folder = os.path.dirname(self.path)
        with acting_as(self.user), _refused(self.path):
            if self.connection is not None:
                self._without_log(self.connection)
            if self.found is not None:
                _second_name(self.path, aside)
            for suffix in BESIDE:
                if os.path.lexists(self.path + suffix):
                    os.rename(self.path + suffix, aside + suffix)
            sync_folder(folder)
        if sys.platform == "win32":  # pragma: no cover - Linux is what can be tested here
            self._let_go()  # nothing that is open is replaced there
        mark.forget(self.path)  # a number that is used again must not look like the former file
        draft.put()

    def replace(self, draft: Draft) -> None:
        """Put the draft in its place, and keep nothing. Raises CannotOpen where something would be taken for the new one's log, and then it is there as it was."""
        if self.connection is not None:
            with acting_as(self.user), _refused(self.path):
                self._without_log(self.connection)
                with contextlib.suppress(FileNotFoundError):  # the index of that log, which who locks it all does not use
                    os.unlink(f"{self.path}-shm")
        stray = next((self.path + suffix for suffix in BESIDE if os.path.lexists(self.path + suffix)), None)
        if stray is not None:
            raise errors.CannotOpen(f"{stray} is there, and belongs to no file that is: move it away first, since it would be taken for a part of the new one")
        if sys.platform == "win32":  # pragma: no cover - Linux is what can be tested here
            self._let_go()
        mark.forget(self.path)
        draft.put()

    def _without_log(self, connection: sqlite3.Connection) -> None:
        try:
            with waiting(connection, 0):
                (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.Error as error:
            raise translate(error, self.path) from error
        if mode != "delete":
            raise errors.QueueBusy(f"{self.path}: another program holds a lock of it. Nothing was changed; try again")
        with contextlib.suppress(FileNotFoundError):  # of that change; it is over, and kept only for the next
            os.unlink(f"{self.path}-journal")


@contextlib.contextmanager
def alone(path: str, user: User | None) -> Iterator[Alone]:
    """Nobody works on the file as the block begins, nor, once it is open and shut, inside of it. Raises QueueBusy, or CannotOpen."""
    refuse_users(path)
    refuse_workers(path, user)
    found = Alone(path, user)
    try:
        yield found
    finally:
        found.close()


def refuse_beside(path: str) -> None:
    """Raise InvalidArgument for a name by which something lies beside a database while it is in use: a file of that name would be gone as soon as somebody looks
    at the database, or in a worker's way."""
    for suffix in _BESIDE_ONE_IN_USE:
        if path.endswith(suffix) and os.path.lexists(path.removesuffix(suffix)):
            raise errors.InvalidArgument(f"{path} is what lies beside {path.removesuffix(suffix)} while it is in use: name another file, or a folder")


def refuse_users(path: str) -> None:
    """Raise QueueBusy where the system says that somebody has the file open."""
    found = users(path)
    if found:
        who = ", ".join("this one" if pid == os.getpid() else str(pid) if pid else "one that cannot be named" for pid in found)
        many = "es" if len(found) > 1 else ""
        raise errors.QueueBusy(f"{path} is in use, by process{many} {who}: stop every worker and program that has it open, and try again. Nothing was changed")


def refuse_workers(path: str, user: User | None = None) -> None:
    """Raise QueueBusy where a worker of the file lives, by its lock."""
    try:
        folder = LockFolder(path + SUFFIX, user=user)
    except FileNotFoundError:
        return
    for name in folder.names():
        if not folder.is_free(name):
            raise errors.QueueBusy(f"{path} is in use, by a worker ({folder.path_of(name)} is locked): stop every worker, and try again. Nothing was changed")


def free_name(path: str) -> str:
    """``path``, or with a number after it, which nothing has."""
    number, name = 1, path
    while any(os.path.lexists(name + suffix) for suffix in ("", *BESIDE)):
        number += 1
        name = f"{path}-{number}"
    return name


def other_name(path: str, prefix: str) -> str | None:
    """That of the same file in its folder which begins so, left by a process that was killed as it exchanged it."""
    folder, begin = os.path.split(prefix)
    with contextlib.suppress(OSError):
        found = os.stat(path)
        if found.st_nlink > 1:
            for name in os.listdir(folder):
                if name.startswith(begin) and os.path.samestat(os.stat(os.path.join(folder, name)), found):
                    return os.path.join(folder, name)
    return None


def _second_name(path: str, aside: str) -> None:
    try:
        os.link(path, aside)
    except FileExistsError:
        if not os.path.samefile(path, aside):
            raise
    except OSError:  # a file system without links
        os.rename(path, aside)


@contextlib.contextmanager
def _refused(path: str) -> Iterator[None]:
    try:
        yield
    except errors.LitequeueError:
        raise
    except OSError as error:
        raise errors.CannotOpen(f"{path} could not be exchanged: {error.strerror}; see {os.path.dirname(path)}") from error


def _uri(path: str) -> str:
    from urllib.parse import quote  # 4 ms that hardly anybody needs

    return f"file:{quote(path)}"
