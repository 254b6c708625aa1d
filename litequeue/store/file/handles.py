"""What one process holds open of one database: connections, the gate, and what it knows of the files."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
from threading import get_ident
from types import FrameType
from typing import Final

from ...base import forkguard
from ...base.as_owner import User, acting_as
from ...base.errors import CannotOpen, QueueBusy, WouldDeadlock
from ..schema import ledger
from . import gate, mark
from .connections import Connection
from .identity import Identity

_STORE: Final = __name__.rpartition(".file.")[0] + "."


def _is_inside_the_store() -> bool:
    """Whether one more call into the store, than the one that asks, is under way in this thread."""
    frame: FrameType | None = sys._getframe(1)
    was_inside, times = False, 0
    while frame is not None:
        is_inside = str(frame.f_globals.get("__name__")).startswith(_STORE)
        times += is_inside and not was_inside
        was_inside, frame = is_inside, frame.f_back
    return times > 1


class Turn:
    """Having the write lock. Ends with ``leave``; or with this object, where a signal's handler has raised before that."""

    __slots__ = ("gate", "handles", "number")
    gate: gate.WriteGate  # of those handles: they let go of it as they are closed

    def __init__(self) -> None:
        self.handles: Handles | None = None
        self.number = 0

    def is_ours(self) -> bool:
        """Whether nobody has had one since: then the lock is still held for this one."""
        return self.handles is not None and self.number == self.handles.turns

    def leave(self) -> None:
        """Let go of the lock, if it is ours. As often as one likes."""
        handles = self.handles
        if handles is not None:
            if self.number == handles.turns:
                self.gate.release()
            self.handles = None
            handles.spare_turn = self

    def __del__(self) -> None:
        try:
            self._end()
        except BaseException:  # a handler has raised in here, where nobody hears of it: the lock would stay taken
            self._end()
            raise

    def _end(self) -> None:
        handles: Handles | None = getattr(self, "handles", None)
        if handles is not None and handles.pid == os.getpid() and self.is_ours() and self.gate.is_mine():
            handles.roll_back()
            self.gate.release()


class Handles:
    """What one process holds open."""

    def __init__(self, path: str, user: User | None = None) -> None:
        self.pid = os.getpid()
        self._path = path
        self._user = user
        self._gate: gate.WriteGate | None = None
        self._borrowing = threading.Lock()
        self.writers: dict[bool | None, Connection] = {}  # by whether they sync; None: the guard of checkpoints, which writes nothing
        self.idle_readers: list[sqlite3.Connection] = []
        self.watcher: sqlite3.Connection | None = None
        self.watching = threading.Lock()  # several workers may look through it
        self.identity = Identity(path)
        self.marked = False
        self.checked: object = None  # the news with which the schema was found fit for us
        self.data_version = -1
        self.closed = False
        self.is_kept = False  # the write lock is, for a program's transaction
        self.turns = 0  # with the write lock
        # The last one, for the next. If one were made and ended each time, its end would swallow what signals' handlers raise.
        self.spare_turn: Turn | None = None

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

    def enter(self, patience: float) -> Turn:
        """Take the write lock. Raises QueueBusy, or GateClosed.

        If this thread has it already, an exception that a signal's handler raised has cut short the end of its last transaction; or
        such a handler, or a finalizer, is what wants to write now, in the middle of one.
        """
        held = self._gate or self.gate
        is_left = held.owner == get_ident()
        if is_left and self.is_kept:
            raise WouldDeadlock(
                f"{self._path}: a transaction is open in this thread, and this write is of another context, such as another coroutine's: it would wait for "
                "itself. Await nothing inside of a transaction"
            )
        if is_left and _is_inside_the_store():
            raise QueueBusy(
                f"{self._path}: this thread is in the middle of a write, in which a signal's handler or a __del__ wants to "
                "write as well. Nothing was stored; have the handler set a flag, and enqueue when it is seen"
            )
        try:
            if is_left:
                self.roll_back()
            else:
                held.acquire(patience)
            self.turns += 1
            turn = self.spare_turn or Turn()
            self.spare_turn = None
            turn.handles, turn.gate, turn.number = self, held, self.turns
            return turn
        except BaseException:
            held.release()
            raise

    def roll_back(self) -> None:
        """What was left behind by whom an exception cut short."""
        for connection in self.writers.values():
            if connection.in_transaction:
                connection.execute("ROLLBACK")

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
