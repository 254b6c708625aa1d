"""Where a backend's queue lies: in a file of its own, or in one of Django's databases, whose transactions its jobs then join.

Owns that choice, the app of each file, which all threads share (Django makes a backend for each), and the joining: on Django's own connection, since a second one
would wait for the lock that the request itself holds. Opens no file.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction

from ..app import LiteQueue
from ..base.errors import InvalidArgument, QueueBusy

SQLITE: Final = "django.db.backends.sqlite3"


class Place(NamedTuple):
    """A file, and which of DATABASES it is, if one."""

    path: str
    alias: str | None


class Placed:
    """What tells a backend of ours, whichever module asks."""

    options: Mapping[str, Any]

    @property
    def place(self) -> Place:
        """Where the queue is now. Raises ImproperlyConfigured."""
        return place_of(self.options)


def place_of(options: Mapping[str, Any]) -> Place:
    """As OPTIONS say; where they say nothing, the database "default". Asked anew each time: a test has another database. Raises ImproperlyConfigured."""
    if "path" in options:
        path = os.path.abspath(os.fspath(options["path"]))
        return Place(path, _alias_of(path))
    alias = options.get("database", "default")
    if alias not in connections.settings:
        raise ImproperlyConfigured(f"OPTIONS: there is no database {alias!r} in DATABASES; it has {', '.join(map(repr, connections.settings))}")
    if not is_sqlite(alias):
        raise ImproperlyConfigured(
            f"OPTIONS: the database {alias!r} is none of SQLite's, and the queue is a file: give it one of its own, "
            '"OPTIONS": {"path": BASE_DIR / "tasks.sqlite3"}'
        )
    path = _file_of(alias)
    if path is None:
        raise ImproperlyConfigured(
            f"the database {alias!r} is in memory, where no worker finds it. In tests give it a file, DATABASES[{alias!r}][\"TEST\"] = {{\"NAME\": ...}}, "
            "or use Django's DummyBackend or ImmediateBackend there"
        )
    return Place(path, alias)


def is_sqlite(alias: str) -> bool:
    """Whether it is one of SQLite's, if by a backend that is made of Django's."""
    from django.db.backends.sqlite3.base import DatabaseWrapper

    return isinstance(connections[alias], DatabaseWrapper)


def _file_of(alias: str) -> str | None:
    """None of one in memory."""
    name = os.fspath(connections.settings[alias]["NAME"] or "")
    if not name or ":memory:" in name or "mode=memory" in name:
        return None
    return os.path.abspath(name)


def _alias_of(path: str) -> str | None:
    real = os.path.realpath(path)
    for alias in connections.settings:
        file = _file_of(alias)
        if file is not None and os.path.realpath(file) == real and is_sqlite(alias):
            return str(alias)
    return None


def is_same(one: str, other: str) -> bool:
    """Whether two paths lead to one file."""
    return os.path.realpath(one) == os.path.realpath(other)


# -- the app ---------------------------------------------------------------------------------------------

_apps: dict[str, LiteQueue] = {}
_making = threading.Lock()


def app_of(path: str) -> LiteQueue:
    """The one of this file in this process."""
    found = _apps.get(path)
    if found is None:
        with _making:
            found = _apps.setdefault(path, _apps.get(path) or LiteQueue(path))
    return found


# -- Django's transaction ----------------------------------------------------------------------------------


@contextlib.contextmanager
def joined(place: Place, *, writes: bool = False) -> Iterator[LiteQueue]:
    """The app; where this thread has a transaction of Django's open on that database, what is done in the block goes with that, on Django's connection."""
    app = app_of(place.path)
    connection = None if place.alias is None else open_transaction(place.alias)
    if connection is None:
        yield app
        return
    connection.validate_no_broken_transaction()
    try:
        with app.using(connection.connection):
            yield app
    except InvalidArgument as error:
        if "has not the tables" in str(error):
            raise ImproperlyConfigured(f"{place.path} has no tables of the queue's yet: python manage.py migrate makes them") from error
        raise
    except QueueBusy as error:
        mode = "" if is_immediate(place.alias) else f'; it had read before another wrote: set DATABASES[{place.alias!r}]["OPTIONS"]["transaction_mode"] = "IMMEDIATE"'
        raise QueueBusy(f"{error}{mode}") from error
    if writes:
        _ring_on_commit(connection, app)


def open_transaction(alias: str) -> Any:
    """Django's connection of this thread, if a transaction is open on it, or is what the next statement opens; else None."""
    connection = connections[alias]
    if connection.connection is None and not connection.settings_dict["AUTOCOMMIT"]:
        connection.ensure_connection()
    is_open = connection.in_atomic_block or connection.connection is not None and not connection.autocommit
    return connection if is_open else None


def _ring_on_commit(connection: Any, app: LiteQueue) -> None:
    """Wake the workers, once for all that a block enqueues."""
    if not connection.in_atomic_block:
        return  # nobody knows when it is committed; a worker looks twice a second
    last = connection.run_on_commit[-1:]
    if not last or last[0][:2] != (set(connection.savepoint_ids), app.ring):
        transaction.on_commit(app.ring, using=connection.alias, robust=True)


def is_immediate(alias: str | None) -> bool:
    """Whether its transactions take the write lock as they begin."""
    mode = (connections.settings[alias].get("OPTIONS") or {}).get("transaction_mode")
    return isinstance(mode, str) and mode.upper() in ("IMMEDIATE", "EXCLUSIVE")
