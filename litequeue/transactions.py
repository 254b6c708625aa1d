"""What an app has of transactions: rows of its own and jobs, together or not at all.

Owns these faces. What joins an open transaction is in ``store/file/joined``, on whose connection in ``store/file/borrowed``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .base.errors import InvalidArgument
from .client import Client

if TYPE_CHECKING:
    import sqlite3

    from .base.statements import Statements
    from .job import Job
    from .jobs import JobBatch

R = TypeVar("R")


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
        with using(self._client, connection):
            yield

    def ring(self) -> None:
        """Wake the workers: after the commit of a transaction with jobs that was not made here, as from Django's ``on_commit``."""
        self._client.ring(self._client.store.workers.addresses())


@contextmanager
def using(client: Client, connection: sqlite3.Connection) -> Iterator[None]:
    """Inside of it all that is stored goes over this connection to the file, which the app commits."""
    from .store.file.borrowed import borrow
    from .store.file.joined import Open

    path, outer = client.store.database.path, client.store.database.joined()
    if outer is not None and outer.is_ours:
        raise InvalidArgument("inside of app.transaction() and current_job().transaction() enqueue without using(), which is for a connection of your own")
    opened = Open(path, borrow(connection, path), is_ours=False)
    opened.begin()
    try:
        yield
    finally:
        opened.end()


def _statements(connection: Any) -> Iterator[Statements]:
    from .base.statements import Statements

    statements = Statements(connection)
    try:
        yield statements
    finally:
        statements._end()


class Using(Generic[R]):
    """A task whose jobs are enqueued on a connection of the app's own: ``task.using(connection)``."""

    def __init__(self, task: Any, client: Client, connection: sqlite3.Connection) -> None:
        self._task = task
        self._client = client
        self._connection = connection

    def delay(self, *args: Any, **kwargs: Any) -> Job[R]:
        """As of the task."""
        with using(self._client, self._connection):
            found: Job[R] = self._task.delay(*args, **kwargs)
            return found

    def apply_async(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> Job[R]:
        """As of the task."""
        with using(self._client, self._connection):
            found: Job[R] = self._task.apply_async(args, kwargs, **options)
            return found

    def delay_many(self, calls: Iterable[tuple[Any, ...] | dict[str, Any]], **options: Any) -> JobBatch[R]:
        """As of the task."""
        with using(self._client, self._connection):
            found: JobBatch[R] = self._task.delay_many(calls, **options)
            return found
