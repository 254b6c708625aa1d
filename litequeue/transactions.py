"""What an app has of transactions: rows of its own and jobs, together or not at all.

Owns nothing: a part of ``LiteQueue`` that its programs pay for when they use it. What joins an open transaction is in ``store/file/joined``, one on a
connection of the app's own in ``using``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .client import Client

if TYPE_CHECKING:
    import sqlite3

    from .base.statements import Statements


class Transactions:
    """A base of the app."""

    _client: Client

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        """``with app.transaction() as db:`` runs SQL on the queue's file, and everything that is enqueued in the block goes with it, in one durable
        transaction: rows and jobs together, or, where the block raises, neither. Nobody else writes meanwhile, so keep it short; waiting for a job inside raises
        WouldDeadlock. Inside another one it is a part of that. Raises QueueBusy, StorageFull or another StoreError at its beginning or its end."""
        outer = self._client.store.database.joined()
        if outer is not None:
            from .store.file.joined import Nested

            with Nested(outer) as connection:
                yield from _statements(connection)
            return
        with self._client.store.acks.transaction() as opened:
            yield from _statements(opened.connection)

    @contextmanager
    def using(self, connection: sqlite3.Connection) -> Iterator[None]:
        """``with app.using(connection):`` enqueues on the app's own connection to the file, in its transaction: the jobs are there once that
        is committed, by whoever does. Workers see them within half a second, or at once after ``app.ring()``. Raises InvalidArgument for a connection to another file."""
        from .using import using

        with using(self._client, connection):
            yield

    def ring(self) -> None:
        """Wake the workers: after the commit of a transaction with jobs that was not made here, as from Django's ``on_commit``."""
        self._client.ring(self._client.store.workers.addresses())


def _statements(connection: Any) -> Iterator[Statements]:
    from .base.statements import Statements

    statements = Statements(connection)
    try:
        yield statements
    finally:
        statements._end()
