"""Enqueueing on a connection of the app's own, in its transaction.

Owns what joins that, and a task's face for it. What is asked of the connection is in ``store/file/borrowed``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .base.errors import InvalidArgument
from .client import Client

if TYPE_CHECKING:
    import sqlite3

    from .job import Job
    from .jobs import JobBatch

R = TypeVar("R")


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
