"""What one process holds open of one database: connections, the gate, and what it knows of the files."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading

from ...base import forkguard
from ...base.as_owner import User, acting_as
from ...base.errors import CannotOpen
from ..schema import ledger
from . import gate, mark
from .connections import Connection
from .identity import Identity


class Handles:
    """What one process holds open."""

    def __init__(self, path: str, user: User | None = None) -> None:
        self.pid = os.getpid()
        self._path = path
        self._user = user
        self._gate: gate.WriteGate | None = None
        self._borrowing = threading.Lock()
        self.writers: dict[bool, Connection] = {}
        self.idle_readers: list[sqlite3.Connection] = []
        self.watcher: sqlite3.Connection | None = None
        self.watching = threading.Lock()  # several workers may look through it
        self.identity = Identity(path)
        self.marked = False
        self.checked: object = None  # the news with which the schema was found fit for us
        self.data_version = -1
        self.closed = False

    @property
    def gate(self) -> gate.WriteGate:
        """The write lock; its side file is made at the first write, never by reading."""
        found = self._gate  # once: a close in another thread takes it away, and who acquires a closed one is told
        if found is None:
            with forkguard.inside, self._borrowing, acting_as(self._user):  # a forked child must not find the lock taken
                if self.closed:
                    raise gate.GateClosed
                found = self._gate
                if found is None:
                    found = self._gate = gate.borrow(self._path)
        return found

    def against_threads(self, patience: float) -> contextlib.AbstractContextManager[bool]:
        """No other thread of this process writes inside the block, if it yields True."""
        with forkguard.inside, self._borrowing:
            if self._gate is None:
                self.closed = True  # nobody has written yet, and nobody will
                return contextlib.nullcontext(True)
            return self._gate.against_threads(patience)

    def interrupt(self) -> None:
        """End the statement that some thread writes with, if any: it raises there, and nothing of its transaction is stored."""
        for connection in list(self.writers.values()):
            with contextlib.suppress(sqlite3.Error):
                connection.interrupt()

    def give_back_gate(self) -> None:
        if self._gate is not None:
            gate.give_back(self._gate)
            self._gate = None

    def mark(self) -> None:
        """Note in the lock's file which files are written from now on; inside a process's first transaction."""
        self.marked = mark.set_mark(self.gate)

    def check_schema(self, connection: sqlite3.Connection, path: str) -> None:
        """Raise SchemaTooNew, or be content until there is news; inside a write transaction."""
        news = self.identity.news
        if ledger.may_write(connection, path):
            self.checked = news

    def announce(self, path: str) -> None:
        """Before a commit that shuts older code out: whoever has the file open checks the schema before it writes."""
        try:
            self.gate.lengthen()
            self.identity.announce()
        except OSError as error:
            raise CannotOpen(
                f"{path} is not brought up to date, since older programs that have it open could not be told: make "
                f"{self._path}-lock and its folder writable, or stop them all and delete that file ({error.strerror})"
            ) from error

    def distrust(self) -> None:
        """The last connection may have been closed, and the files beside the database with it."""
        self.identity, self.marked = Identity(self._path), False
